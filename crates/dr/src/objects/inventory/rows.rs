//! Rows of an inventory in the order of their keys, in memory that does not grow with them.
//!
//! A file is fetched, checked and unpacked row by row; full buffers are sorted and written as runs; runs are
//! merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use aws_env::Error;
use flate2::read::MultiGzDecoder;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::super::entry::{ETag, Modified, ObjectMeta, StorageClass};
use super::super::location::JOURNAL;
use super::manifest::{Columns, DataFile, Manifest};
use super::{Inventory, InventoryError};

/// Bytes of keys and rows that are sorted at once; both sides may do so at the same time.
pub(super) const RUN_BYTES: usize = 16 << 20;
/// Runs that are merged at once: far below the usual limit of 1,024 open files.
const MERGE: usize = 128;
/// Bytes of a row: a key of 1,024, three times as many in URL encoding, and two dozen short fields.
const ROW: u64 = 64 << 10;
/// Bytes of an unpacked file: S3 begins a new one long before.
const UNPACKED: u64 = 64 << 30;
/// A file whose answer breaks off is fetched again.
const ATTEMPTS: usize = 4;

/// What an inventory says about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) meta: ObjectMeta,
    /// Not encrypted with a key, so that the ETag speaks of the content. `false` also when that is not known.
    pub(super) plain: bool,
}

impl Row {
    /// Of two rows for one key the newer one counts: an inventory takes hours, and may see both.
    fn order(&self) -> (&str, Modified) {
        (&self.key, self.meta.modified)
    }
}

/// All rows, in ascending order of keys, each key once.
#[derive(Debug)]
pub(super) struct Rows {
    merge: Merge,
    ahead: Option<Row>,
}

impl Iterator for Rows {
    type Item = Result<Row, InventoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = match self.ahead.take() {
            Some(row) => row,
            None => match self.merge.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            },
        };
        loop {
            match self.merge.next() {
                Some(Ok(newer)) if newer.key == row.key => row = newer,
                Some(Ok(other)) => {
                    self.ahead = Some(other);
                    return Some(Ok(row));
                }
                Some(Err(error)) => return Some(Err(error)),
                None => return Some(Ok(row)),
            }
        }
    }
}

/// Fetches all files of an inventory and sorts their rows below `directory`.
pub(super) async fn sort(
    inventory: &Inventory,
    manifest: &Manifest,
    directory: &Path,
) -> Result<Rows, InventoryError> {
    sort_each(inventory, manifest, directory, false).await
}

/// The same, with the journals of runs, which are no part of a comparison.
pub(super) async fn sort_all(
    inventory: &Inventory,
    manifest: &Manifest,
    directory: &Path,
) -> Result<Rows, InventoryError> {
    sort_each(inventory, manifest, directory, true).await
}

async fn sort_each(
    inventory: &Inventory,
    manifest: &Manifest,
    directory: &Path,
    journals: bool,
) -> Result<Rows, InventoryError> {
    let mut runs = Runs::new(directory, RUN_BYTES);
    let packed = directory.join("packed");
    for file in &manifest.files {
        fetch(inventory, file, &packed).await?;
        let (path, key) = (packed.clone(), file.key.clone());
        let (bucket, columns) = (manifest.bucket.clone(), manifest.columns.clone());
        runs = tokio::task::spawn_blocking(move || {
            unpack(&path, &key, (&bucket, &columns), journals, &mut runs)?;
            Ok::<_, InventoryError>(runs)
        })
        .await??;
    }
    tokio::task::spawn_blocking(move || runs.finish()).await?
}

/// Writes a file of rows to `path` and compares its MD5.
async fn fetch(inventory: &Inventory, file: &DataFile, path: &Path) -> Result<(), InventoryError> {
    let mut attempt = 1;
    loop {
        match fetch_once(inventory, file, path).await? {
            Ok(()) => return Ok(()),
            Err(problem) if attempt >= ATTEMPTS => {
                let call = inventory.bucket.call("GetObject", &file.key);
                return Err(Error::unexpected(call, problem).into());
            }
            Err(_) => attempt += 1,
        }
    }
}

/// The inner error is an answer that broke off.
async fn fetch_once(
    inventory: &Inventory,
    file: &DataFile,
    path: &Path,
) -> Result<Result<(), String>, InventoryError> {
    let failed = InventoryError::keep(path);
    let mut body = inventory.bucket.read(&file.key, None).await?;
    let made = files::create_secret(path).map_err(|error| failed(error.into()))?;
    let mut to = BufWriter::new(made);
    let mut md5 = Md5::new();
    loop {
        match body.try_next().await {
            Ok(Some(chunk)) => {
                md5.update(&chunk);
                to.write_all(&chunk).map_err(&failed)?;
            }
            Ok(None) => break,
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    to.flush().map_err(&failed)?;
    let found = hex::encode(md5.finalize());
    if found == file.md5.to_lowercase() {
        return Ok(Ok(()));
    }
    Err(InventoryError::Checksum {
        key: file.key.clone(),
        expected: file.md5.clone(),
        found,
    })
}

/// Refuses to give more than a row may have between one row and the next. A parser would keep it all: a kilobyte
/// unpacks to a megabyte.
struct RowLimit<R> {
    inner: R,
    /// What is left of the row; the parser reads ahead, at most as much as it keeps.
    row: u64,
    /// What is left of the file.
    file: u64,
}

impl<R: Read> Read for RowLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (left, what, limit) = match self.row < self.file {
            true => (self.row, "it has", ROW),
            false => (self.file, "the file has", UNPACKED),
        };
        if left == 0 {
            let text = format!("{what} more than {limit} bytes, and at most {limit} are read");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.inner.read(&mut buffer[..length])?;
        self.row -= read as u64;
        self.file -= read as u64;
        Ok(read)
    }
}

fn unpack(
    path: &Path,
    key: &str,
    (bucket, columns): (&str, &Columns),
    journals: bool,
    runs: &mut Runs,
) -> Result<(), InventoryError> {
    let file = File::open(path).map_err(InventoryError::keep(path))?;
    let unpacked = RowLimit {
        inner: MultiGzDecoder::new(BufReader::new(file)),
        row: ROW,
        file: UNPACKED,
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(unpacked);
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    loop {
        number += 1;
        let wrong = |problem: String| InventoryError::Row {
            key: key.to_owned(),
            row: number,
            problem,
        };
        reader.get_mut().row = ROW;
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                let problem = error.to_string();
                return Err(match error.into_kind() {
                    csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
                        wrong(source.to_string())
                    }
                    csv::ErrorKind::Io(source) => InventoryError::Unpack {
                        key: key.to_owned(),
                        source,
                    },
                    _ => wrong(problem),
                });
            }
        }
        if let Some(row) = row(&record, bucket, columns).map_err(wrong)?
            && (journals || !row.key.starts_with(JOURNAL))
        {
            runs.push(row)?;
        }
    }
}

/// Reads a schema and rows, wherever they come from.
#[cfg(feature = "fuzz")]
pub(in super::super) fn read_any(bytes: &[u8]) {
    let schema = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (schema, rows) = bytes.split_at(schema);
    let Ok(columns) = super::manifest::columns(&String::from_utf8_lossy(schema)) else {
        return;
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(rows);
    for record in reader.records().map_while(Result::ok) {
        let _ = row(&record, "photos", &columns);
    }
}

/// Reads a row; `None` for what is not a current object of the tree.
pub(super) fn row(
    record: &csv::StringRecord,
    bucket: &str,
    columns: &Columns,
) -> Result<Option<Row>, String> {
    if record.len() != columns.all {
        return Err(format!(
            "it has {} fields, and the manifest names {}",
            record.len(),
            columns.all
        ));
    }
    let field = |column: usize| record.get(column).unwrap_or_default();
    let optional = |column: Option<usize>| column.map(field);
    if field(columns.bucket) != bucket {
        return Err(format!(
            "it is of bucket {:?}, and the manifest lists {bucket}",
            field(columns.bucket)
        ));
    }
    let yes = |column| optional(column).map(|text| text.eq_ignore_ascii_case("true"));
    if yes(columns.is_latest) == Some(false) || yes(columns.is_delete_marker) == Some(true) {
        return Ok(None);
    }
    let key = decode(field(columns.key))?;
    let size = field(columns.size);
    let modified = field(columns.modified);
    let meta = ObjectMeta {
        size: size.parse().map_err(|_| format!("{size:?} is no size"))?,
        etag: ETag::parse(field(columns.etag)),
        modified: Modified::parse(modified).ok_or_else(|| format!("{modified:?} is no time"))?,
        class: StorageClass::from(optional(columns.class).unwrap_or_default()),
        version: None,
    };
    let plain = matches!(optional(columns.encryption), Some("SSE-S3" | "NOT-SSE"));
    Ok(Some(Row { key, meta, plain }))
}

/// Keys in CSV are URL-encoded as forms are: a space is `+` or `%20`, a plus is `%2B`.
fn decode(text: &str) -> Result<String, String> {
    let key = aws_env::decode_key(text).ok_or_else(|| format!("{text:?} is no key in UTF-8"))?;
    if key.is_empty() {
        return Err("its key is empty".to_owned());
    }
    Ok(key)
}

/// Sorted runs on disk, and what is not sorted yet.
#[derive(Debug)]
pub(super) struct Runs {
    directory: PathBuf,
    /// Bytes of a run.
    limit: usize,
    files: Vec<PathBuf>,
    buffer: Vec<Row>,
    bytes: usize,
    written: usize,
}

impl Runs {
    pub(super) fn new(directory: &Path, limit: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            limit,
            files: Vec::new(),
            buffer: Vec::new(),
            bytes: 0,
            written: 0,
        }
    }

    pub(super) fn push(&mut self, row: Row) -> Result<(), InventoryError> {
        self.bytes += row.key.len() + size_of::<Row>();
        self.buffer.push(row);
        if self.bytes >= self.limit {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), InventoryError> {
        self.bytes = 0;
        let mut rows = std::mem::take(&mut self.buffer);
        rows.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        self.write(rows.drain(..).map(Ok))?;
        // Its memory serves the next run.
        self.buffer = rows;
        if self.files.len() >= MERGE {
            let files = std::mem::take(&mut self.files);
            self.write(Merge::open(&files)?)?;
            for path in files {
                std::fs::remove_file(&path).map_err(InventoryError::keep(&path))?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        rows: impl Iterator<Item = Result<Row, InventoryError>>,
    ) -> Result<(), InventoryError> {
        let path = self.directory.join(format!("run-{}", self.written));
        self.written += 1;
        let failed = InventoryError::keep(&path);
        let file = files::create_secret(&path).map_err(|error| failed(error.into()))?;
        let mut file = BufWriter::new(file);
        for row in rows {
            serde_json::to_writer(&mut file, &row?).map_err(|error| failed(error.into()))?;
            file.write_all(b"\n").map_err(&failed)?;
        }
        file.flush().map_err(&failed)?;
        self.files.push(path);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Rows, InventoryError> {
        if !self.buffer.is_empty() {
            self.spill()?;
        }
        Ok(Rows {
            merge: Merge::open(&self.files)?,
            ahead: None,
        })
    }
}

/// Several runs as one.
#[derive(Debug)]
struct Merge {
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<Head>>,
    /// A run that could not be read; told once.
    failed: Option<InventoryError>,
}

#[derive(Debug)]
struct Run {
    path: PathBuf,
    lines: io::Lines<BufReader<File>>,
}

impl Run {
    fn next(&mut self) -> Option<Result<Row, InventoryError>> {
        let row = self.lines.next()?.and_then(|line| {
            let row = serde_json::from_str(&line)?;
            Ok(row)
        });
        Some(row.map_err(InventoryError::keep(&self.path)))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    row: Row,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.row.order(), self.run).cmp(&(other.row.order(), other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Merge {
    fn open(files: &[PathBuf]) -> Result<Self, InventoryError> {
        let mut merge = Self {
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            failed: None,
        };
        for path in files {
            let file = File::open(path).map_err(InventoryError::keep(path))?;
            merge.runs.push(Run {
                path: path.clone(),
                lines: BufReader::new(file).lines(),
            });
        }
        for run in 0..merge.runs.len() {
            merge.advance(run);
        }
        Ok(merge)
    }

    fn advance(&mut self, run: usize) {
        match self.runs.get_mut(run).and_then(Run::next) {
            Some(Ok(row)) => self.heads.push(Reverse(Head { row, run })),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Row, InventoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse(Head { row, run }) = self.heads.pop()?;
        self.advance(run);
        Some(Ok(row))
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const LISTED: &str = "\"photos\",\"a\",\"1\",\"2026-11-22T18:57:19.000Z\",\"00000000000000000000000000000000\"\n";

    /// Unpacks `rows`; tells how many were kept.
    fn unpacked(rows: impl Read) -> Result<usize, InventoryError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("packed");
        let mut to = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        let mut rows = rows;
        io::copy(&mut rows, &mut to).unwrap();
        to.finish().unwrap();
        let columns = super::super::manifest::columns("Bucket, Key, Size, LastModifiedDate, ETag");
        let mut runs = Runs::new(directory.path(), RUN_BYTES);
        unpack(
            &path,
            "data/1.csv.gz",
            ("photos", &columns.unwrap()),
            false,
            &mut runs,
        )?;
        Ok(runs.buffer.len())
    }

    #[test]
    fn unpack_of_a_field_that_is_far_too_long_names_file_row_and_limit() {
        // With line ends in it, which a quoted field may have.
        for what in [b'x', b'\n'] {
            let bomb = LISTED.as_bytes().chain(&b"\"photos\",\""[..]);
            let bomb = bomb.chain(io::repeat(what).take(4 << 20));
            let error = unpacked(bomb).unwrap_err();
            assert_eq!(
                error.to_string(),
                "row 2 of data/1.csv.gz cannot be used: it has more than 65536 bytes, and at most 65536 are read"
            );
        }
    }

    #[test]
    fn unpack_of_many_rows_is_not_taken_for_one_long_row() {
        let rows = LISTED.repeat(10_000);
        assert_eq!(unpacked(rows.as_bytes()).unwrap(), 10_000);
    }

    #[test]
    fn row_limit_of_an_endless_row_reads_no_more_than_the_limit() {
        struct Counted(u64);
        impl Read for Counted {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                self.0 += buffer.len() as u64;
                Ok(buffer.len())
            }
        }
        let mut reader = csv::ReaderBuilder::new().from_reader(RowLimit {
            inner: Counted(0),
            row: ROW,
            file: UNPACKED,
        });
        reader
            .read_record(&mut csv::StringRecord::new())
            .unwrap_err();
        assert_eq!(reader.get_ref().inner.0, ROW);
    }
}
