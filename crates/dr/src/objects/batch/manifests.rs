//! The plan's copies as manifests, one for each storage class.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use aws_sdk_s3control::types::S3StorageClass;
use percent_encoding::utf8_percent_encode;
use tokio::sync::watch;

use super::super::bucket::Bucket;
use super::super::copy::KEY;
use super::super::inventory::PlannedRows;
use super::super::journal::{Journal, Record};
use super::super::plan::{Listed, Planned, Step, Tally};
use super::super::recheck::{Rechecked, recheck, recheck_all};
use super::{BATCH, BatchError, LARGEST_MANIFEST, assign};

/// What a job reads.
pub(super) struct Manifest {
    pub(super) path: PathBuf,
    pub(super) class: S3StorageClass,
    pub(super) copies: Tally,
}

pub(super) struct Manifests {
    pub(super) files: Vec<Manifest>,
    pub(super) left: Listed,
    /// The same copies, where they are to be compared with an inventory.
    pub(super) rows: Option<PlannedRows>,
}

struct Open {
    manifest: Manifest,
    writer: csv::Writer<File>,
    bytes: u64,
}

impl Open {
    fn create(directory: &Path, number: usize, class: S3StorageClass) -> Result<Self, BatchError> {
        let path = directory.join(format!("batch-{number}.csv"));
        match csv::Writer::from_path(&path) {
            Ok(writer) => Ok(Self {
                manifest: Manifest {
                    path,
                    class,
                    copies: Tally::default(),
                },
                writer,
                bytes: 0,
            }),
            Err(source) => Err(BatchError::Manifest { path, source }),
        }
    }

    fn close(mut self) -> Result<Manifest, BatchError> {
        match self.writer.flush() {
            Ok(()) => Ok(self.manifest),
            Err(error) => Err(BatchError::Manifest {
                path: self.manifest.path,
                source: error.into(),
            }),
        }
    }
}

impl Manifests {
    /// Writes every copy that a job can make into the journal and into a manifest in `directory`, and where there are `rows`
    /// into these as well, until `stop` becomes true.
    pub(super) async fn write(
        planned: &Planned,
        journal: &Journal,
        directory: &Path,
        rows: Option<PlannedRows>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, BatchError> {
        let destination = planned.destination();
        let mut writer = Writer::new(planned.source(), directory, rows);
        let mut steps = planned.copies.read()?;
        let pages = destination.pages();
        loop {
            let batch: Vec<Step> = steps.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() || *stop.borrow() {
                return writer.finish();
            }
            let (mut assigned, mut classes) = (Vec::new(), Vec::new());
            for step in batch {
                match assign(&step) {
                    Ok(class) => {
                        assigned.push(step);
                        classes.push(class);
                    }
                    Err(reason) => writer.leave(&step, reason),
                }
            }
            // Also where nothing was: a job overwrites without asking. Millions of steps are not asked about one by one where
            // versions are kept, whose list tells all that a step needs.
            let rechecked = match planned.keeps_versions() {
                true => recheck_all(destination, &pages, assigned).await?,
                false => recheck(destination, assigned, |_| true).await?,
            };
            let records: Vec<Record> = rechecked
                .iter()
                .filter(|(_, rechecked)| *rechecked == Rechecked::Same)
                .map(|(step, _)| step.intent(destination))
                .collect();
            journal.append_intents(&records).await?;
            for ((step, rechecked), class) in rechecked.into_iter().zip(classes) {
                match rechecked {
                    Rechecked::Same => writer.add(&step, class)?,
                    Rechecked::Changed => writer.leave(&step, "written by somebody else meanwhile"),
                    Rechecked::Unreadable(why) => writer.leave(&step, &why),
                }
            }
        }
    }
}

/// Writes the manifests of all classes side by side.
struct Writer<'a> {
    source: &'a Bucket,
    directory: &'a Path,
    /// Each class's manifest that has room.
    open: HashMap<String, Open>,
    full: Vec<Manifest>,
    number: usize,
    left: Listed,
    rows: Option<PlannedRows>,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Bucket, directory: &'a Path, rows: Option<PlannedRows>) -> Self {
        Self {
            source,
            directory,
            open: HashMap::new(),
            full: Vec::new(),
            number: 0,
            left: Listed::default(),
            rows,
        }
    }

    fn add(&mut self, step: &Step, class: S3StorageClass) -> Result<(), BatchError> {
        let name = class.as_str().to_owned();
        let mut file = match self.open.remove(&name) {
            Some(file) if file.bytes < LARGEST_MANIFEST => file,
            full => {
                self.full.extend(full.map(Open::close).transpose()?);
                self.number += 1;
                Open::create(self.directory, self.number, class)?
            }
        };
        let bucket = self.source.name();
        let key = self.source.key(&step.key);
        if let (Some(rows), Some(meta)) = (&mut self.rows, &step.source) {
            rows.push(key.clone(), meta)?;
        }
        let key = utf8_percent_encode(&key, KEY).to_string();
        if let Err(source) = file.writer.write_record([bucket, &key]) {
            let path = file.manifest.path;
            return Err(BatchError::Manifest { path, source });
        }
        file.bytes += (bucket.len() + key.len() + 2) as u64;
        file.manifest.copies.add(size(step));
        self.open.insert(name, file);
        Ok(())
    }

    fn leave(&mut self, step: &Step, reason: &str) {
        self.left.add(&step.key, size(step), Some(reason));
    }

    fn finish(self) -> Result<Manifests, BatchError> {
        let mut files = self.full;
        for file in self.open.into_values() {
            files.push(file.close()?);
        }
        // In the same order every time.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Manifests {
            files,
            left: self.left,
            rows: self.rows,
        })
    }
}

fn size(step: &Step) -> u64 {
    step.source.as_ref().map_or(0, |meta| meta.size)
}
