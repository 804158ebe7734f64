//! Two lists of keys side by side, both in the order of their bytes: neither is ever held as a whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use dr::objects::{Lister as _, ManifestKeys, Pages, PrefixCounts};
use files::FileError;
use probe::{IntegrityError, Keys};
use serde::Serialize;

use crate::consistency::RowsAndObjects;
use crate::lease::causes;

/// Objects of a page; S3 gives no more.
const PAGE: u16 = 1_000;
/// Keys after which others get their turn: the lease has to be kept meanwhile.
const TURN: u64 = 1_000;

/// Why two lists were not compared to their ends.
#[derive(Debug)]
pub(super) enum Broken {
    Rows(IntegrityError),
    Objects(String),
    List(FileError),
}

impl From<FileError> for Broken {
    fn from(error: FileError) -> Self {
        Self::List(error)
    }
}

/// Keys in the order of their bytes.
pub(super) trait Sorted {
    async fn next(&mut self) -> Result<Option<String>, Broken>;
}

impl Sorted for Keys {
    async fn next(&mut self) -> Result<Option<String>, Broken> {
        Keys::next(self).await.map_err(Broken::Rows)
    }
}

/// The keys of a bucket.
#[derive(Debug)]
pub(super) enum Objects {
    /// As a manifest has them.
    WrittenDown(ManifestKeys),
    /// As S3 lists them.
    Listed(Box<Listing>),
}

#[derive(Debug)]
pub(super) struct Listing {
    pages: Pages,
    page: VecDeque<String>,
    after: Option<String>,
    is_over: bool,
}

impl Objects {
    pub(super) fn listed(pages: Pages) -> Self {
        Self::Listed(Box::new(Listing {
            pages,
            page: VecDeque::new(),
            after: None,
            is_over: false,
        }))
    }
}

impl Sorted for Objects {
    async fn next(&mut self) -> Result<Option<String>, Broken> {
        match self {
            Self::WrittenDown(keys) => keys
                .next_key()
                .map_err(|error| Broken::Objects(causes(&error))),
            Self::Listed(listing) => listing.next().await,
        }
    }
}

impl Listing {
    async fn next(&mut self) -> Result<Option<String>, Broken> {
        while self.page.is_empty() && !self.is_over {
            let page = self.pages.page(self.after.as_deref(), PAGE).await;
            let page = page.map_err(|error| Broken::Objects(causes(&error)))?;
            self.page = page.iter().map(|(key, _)| key.to_owned()).collect();
            self.is_over = page.resume_after.is_none();
            self.after = page.resume_after;
        }
        Ok(self.page.pop_front())
    }
}

/// A line of the list.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    RowWithoutObject(&'a str),
    ObjectWithoutRow(&'a str),
}

/// What is found, the keys in a file for its owner alone: keys may name people.
#[derive(Debug)]
pub(super) struct Compared {
    prefix: Option<String>,
    rows: u64,
    objects: u64,
    rows_without_object: PrefixCounts,
    objects_without_row: PrefixCounts,
    path: PathBuf,
    list: BufWriter<File>,
}

impl Compared {
    /// Nothing yet. Objects below `prefix` are told where no row names them; none are without.
    pub(super) fn new(path: &Path, prefix: Option<&str>) -> Result<Self, FileError> {
        Ok(Self {
            prefix: prefix.map(str::to_owned),
            rows: 0,
            objects: 0,
            rows_without_object: PrefixCounts::default(),
            objects_without_row: PrefixCounts::default(),
            path: path.to_owned(),
            list: BufWriter::new(files::create_secret(path)?),
        })
    }

    fn row_without_object(&mut self, key: &str) -> Result<(), FileError> {
        self.rows_without_object.add(key);
        self.write(&Line::RowWithoutObject(key))
    }

    fn object_without_row(&mut self, key: &str) -> Result<(), FileError> {
        let prefix = self.prefix.as_ref();
        if !prefix.is_some_and(|prefix| key.starts_with(prefix)) {
            return Ok(());
        }
        self.objects_without_row.add(key);
        self.write(&Line::ObjectWithoutRow(key))
    }

    fn write(&mut self, line: &Line<'_>) -> Result<(), FileError> {
        let written = serde_json::to_writer(&mut self.list, line);
        let written = written.map_err(std::io::Error::from);
        let written = written.and_then(|()| self.list.write_all(b"\n"));
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> FileError {
        FileError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// All of it. `name` is what the list is called.
    pub(super) fn end(mut self, name: &str) -> Result<RowsAndObjects, FileError> {
        let flushed = self.list.flush();
        flushed.map_err(|source| self.failed(source))?;
        let is_empty = self.rows_without_object.is_empty() && self.objects_without_row.is_empty();
        Ok(RowsAndObjects {
            rows: self.rows,
            objects: self.objects,
            list: (!is_empty).then(|| name.to_owned()),
            rows_without_object: self.rows_without_object,
            objects_without_row: self.prefix.is_some().then_some(self.objects_without_row),
        })
    }
}

/// Puts the keys of rows beside those of objects. A key that comes twice is of two rows.
pub(super) async fn compare(
    rows: &mut impl Sorted,
    objects: &mut impl Sorted,
    found: &mut Compared,
) -> Result<(), Broken> {
    let mut row = rows.next().await?;
    let mut object = objects.next().await?;
    let mut is_named = false;
    let mut keys = 0_u64;
    loop {
        keys += 1;
        if keys.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        match (row.as_deref(), object.as_deref()) {
            (None, None) => return Ok(()),
            (Some(key), there) if there.is_none_or(|there| key <= there) => {
                found.rows += 1;
                match there == Some(key) {
                    true => is_named = true,
                    false => found.row_without_object(key)?,
                }
                row = rows.next().await?;
            }
            (_, Some(there)) => {
                found.objects += 1;
                if !is_named {
                    found.object_without_row(there)?;
                }
                is_named = false;
                object = objects.next().await?;
            }
            // A row is before the end of the objects, which the second arm takes.
            (Some(_), None) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(VecDeque<String>);

    impl Sorted for List {
        async fn next(&mut self) -> Result<Option<String>, Broken> {
            Ok(self.0.pop_front())
        }
    }

    fn list(keys: &[&str]) -> List {
        List(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    async fn compared(
        rows: &[&str],
        objects: &[&str],
        prefix: Option<&str>,
    ) -> (RowsAndObjects, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let mut found = Compared::new(&path, prefix).unwrap();
        compare(&mut list(rows), &mut list(objects), &mut found)
            .await
            .unwrap();
        let found = found.end("list").unwrap();
        (found, std::fs::read_to_string(path).unwrap())
    }

    #[tokio::test]
    async fn compare_tells_rows_without_objects_and_objects_without_rows_once_each() {
        let rows = ["a/1", "a/2", "a/2", "b/1", "z"];
        let objects = ["a/2", "b/0", "b/1", "c"];
        let (found, list) = compared(&rows, &objects, Some("")).await;
        assert_eq!((found.rows, found.objects), (5, 4));
        assert_eq!(found.rows_without_object.total(), 2);
        assert_eq!(found.rows_without_object.objects["a/"], 1);
        let without_row = found.objects_without_row.unwrap();
        assert_eq!((without_row.total(), without_row.objects["b/"]), (2, 1));
        assert_eq!(
            list.lines().collect::<Vec<_>>(),
            [
                r#"{"row_without_object":"a/1"}"#,
                r#"{"object_without_row":"b/0"}"#,
                r#"{"object_without_row":"c"}"#,
                r#"{"row_without_object":"z"}"#,
            ]
        );
        // Below a prefix, and where nobody asks for them.
        let (found, _) = compared(&rows, &objects, Some("b/")).await;
        assert_eq!(found.objects_without_row.unwrap().total(), 1);
        let (found, list) = compared(&["a"], &["a", "b"], None).await;
        assert_eq!(
            (found.objects_without_row, found.list, &*list),
            (None, None, "")
        );
    }

    #[tokio::test]
    async fn compare_of_a_row_that_comes_twice_and_has_no_object_counts_both() {
        let (found, _) = compared(&["k", "k"], &[], Some("")).await;
        assert_eq!((found.rows, found.rows_without_object.total()), (2, 2));
        let (found, _) = compared(&[], &["k"], Some("")).await;
        assert_eq!((found.rows, found.objects), (0, 1));
        assert_eq!(found.objects_without_row.unwrap().total(), 1);
    }
}
