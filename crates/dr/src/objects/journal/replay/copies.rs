//! The copies that earlier runs have made, as far as their journals can be believed.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use aws_env::ErrorClass;

use super::parts::names;
use super::verification::{Vouched, verified};
use super::{RecordSink, read_file};
use crate::objects::bucket::Bucket;
use crate::objects::entry::ETag;
use crate::objects::journal::key::JournalKey;
use crate::objects::journal::{CopiedFrom, FILE, JournalError, Record, Run};

/// What the copies of one run come to.
struct Copies<F, T> {
    run: Option<Run>,
    of: F,
    found: Vec<T>,
}

impl<F, T> RecordSink for Copies<F, T>
where
    F: Fn(&Run, &str, &ETag, &CopiedFrom) -> Option<T>,
{
    fn take(&mut self, _place: &str, record: Record) -> Result<(), JournalError> {
        match record {
            Record::Run(run) => self.run = Some(run),
            Record::Done {
                key,
                etag: Some(etag),
                from: Some(from),
                ..
            }
            | Record::Copied {
                key, etag, from, ..
            } => {
                if let Some(run) = &self.run {
                    self.found.extend((self.of)(run, &key, &etag, &from));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What `of` makes of every copy that journals tell of: those of this machine, and those in `journals` with digests by
/// `key`. A journal that cannot be believed or read as a whole tells of none.
pub(in crate::objects) async fn believed_copies<T>(
    runs: &Path,
    journals: &[Bucket],
    key: Option<&JournalKey>,
    of: impl Fn(&Run, &str, &ETag, &CopiedFrom) -> Option<T> + Copy,
) -> Result<Vec<T>, JournalError> {
    let (mut all, mut own) = (Vec::new(), BTreeSet::new());
    let new = || Copies {
        run: None,
        of,
        found: Vec::new(),
    };
    for directory in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        let path = directory.path().join(FILE);
        let Ok(mut file) = File::open(&path) else {
            continue;
        };
        own.insert(directory.file_name().to_string_lossy().into_owned());
        let mut copies = new();
        if read_file(&mut file, &path, &mut copies).is_ok() {
            all.append(&mut copies.found);
        }
    }
    let Some(key) = key else {
        return Ok(all);
    };
    for journal in journals {
        let names = match names(journal).await {
            Ok(names) => names,
            // Whoever may compare two buckets need not be allowed to read journals.
            Err(error) if matches!(error.class, ErrorClass::Denied | ErrorClass::Absent) => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for name in names.keys().filter(|name| !own.contains(*name)) {
            let mut copies = new();
            match verified(journal, name, key, &mut copies).await {
                Ok(Some(Vouched::Key)) => all.append(&mut copies.found),
                Err(JournalError::Bucket(error)) if error.is_transient() => {
                    return Err(error.into());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(all)
}
