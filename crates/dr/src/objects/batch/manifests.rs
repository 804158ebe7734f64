//! The plan's copies as manifests, one for each storage class.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use aws_sdk_s3control::types::S3StorageClass;
use percent_encoding::utf8_percent_encode;
use tokio::sync::watch;

use super::super::bucket::Bucket;
use super::super::copy::KEY;
use super::super::journal::{Journal, Record};
use super::super::look::look;
use super::super::plan::{Listed, Planned, Step, Tally};
use super::{BatchError, LARGEST_MANIFEST, assign};

/// Steps that are written down at once.
const BATCH: usize = 1_000;

/// What a job reads.
pub(super) struct Manifest {
    pub(super) path: PathBuf,
    pub(super) class: S3StorageClass,
    pub(super) copies: Tally,
}

pub(super) struct Manifests {
    pub(super) files: Vec<Manifest>,
    pub(super) left: Listed,
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
    /// Writes every copy that a job can make into the journal and into a manifest in `directory`, until `stop`
    /// becomes true.
    pub(super) async fn write(
        planned: &Planned,
        source: &Bucket,
        destination: &Bucket,
        journal: &Journal,
        directory: &Path,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, BatchError> {
        let mut left = Listed::default();
        let mut open: HashMap<String, Open> = HashMap::new();
        let mut files = Vec::new();
        let mut number = 0;
        let mut steps = planned.copies.read()?;
        loop {
            let batch: Vec<Step> = steps.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            if batch.is_empty() || *stop.borrow() {
                break;
            }
            let (mut assigned, mut classes) = (Vec::new(), Vec::new());
            for step in batch {
                match assign(&step) {
                    Ok(class) => {
                        assigned.push(step);
                        classes.push(class);
                    }
                    Err(reason) => leave(&mut left, &step, reason),
                }
            }
            // Also where nothing was: a job overwrites without asking.
            let looked = look(destination, assigned, |_| true).await?;
            let records: Vec<Record> = looked
                .iter()
                .filter(|(_, same)| *same)
                .map(|(step, _)| step.intent(destination))
                .collect();
            journal.ahead(&records).await?;
            for ((step, same), class) in looked.into_iter().zip(classes) {
                if !same {
                    leave(&mut left, &step, "written by somebody else meanwhile");
                    continue;
                }
                let name = class.as_str().to_owned();
                let mut file = match open.remove(&name) {
                    Some(file) if file.bytes < LARGEST_MANIFEST => file,
                    full => {
                        files.extend(full.map(Open::close).transpose()?);
                        number += 1;
                        Open::create(directory, number, class)?
                    }
                };
                let key = source.key(&step.key);
                let key = utf8_percent_encode(&key, KEY).to_string();
                let written = file.writer.write_record([source.name(), &key]);
                if let Err(source) = written {
                    let path = file.manifest.path;
                    return Err(BatchError::Manifest { path, source });
                }
                file.bytes += (source.name().len() + key.len() + 2) as u64;
                let size = step.source.as_ref().map_or(0, |facts| facts.size);
                file.manifest.copies.add(size);
                open.insert(name, file);
            }
        }
        for file in open.into_values() {
            files.push(file.close()?);
        }
        // In the same order every time.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files, left })
    }
}

fn leave(left: &mut Listed, step: &Step, reason: &str) {
    let size = step.source.as_ref().map_or(0, |facts| facts.size);
    left.add(&step.key, size, Some(reason));
}
