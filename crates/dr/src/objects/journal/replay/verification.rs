//! A journal in the bucket, compared with the digests that its objects carry.

use super::super::key::{JournalKey, PartDigest, Voucher};
use super::super::{JournalError, part_name};
use super::{Bucket, Piece, RecordSink, Text, parts};

/// What is known of a journal in the bucket, object by object.
struct Verification<'a> {
    key: &'a JournalKey,
    bucket: &'a str,
    run: &'a str,
    /// Objects so far.
    number: u32,
    /// Of the first object; the others have to be vouched for in the same way.
    vouched: Option<Vouched>,
    /// Of the object that is being read.
    digest: Option<(PartDigest, [u8; 32])>,
}

/// By whom an object is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vouched {
    Nobody,
    OtherKey(String),
    Key,
}

impl Verification<'_> {
    fn forged(&self, key: &str, problem: &'static str) -> JournalError {
        JournalError::Forged {
            run: self.run.to_owned(),
            place: format!("s3://{}/{key}", self.bucket),
            problem,
        }
    }

    /// Whether every line that is read is one that a run with this key wrote.
    fn by_key(&self) -> bool {
        self.vouched == Some(Vouched::Key)
    }

    fn begin(&mut self, key: &str, metadata: Option<&str>) -> Result<(), JournalError> {
        let (vouched, expected) = match Voucher::read(metadata, self.key) {
            Voucher::None => (Vouched::Nobody, None),
            Voucher::OtherKey(id) => (Vouched::OtherKey(id), None),
            Voucher::Digest(digest) => (Vouched::Key, Some(digest)),
        };
        let first = self.vouched.get_or_insert_with(|| vouched.clone());
        let mixed = *first != vouched && (*first == Vouched::Key || expected.is_some());
        if mixed {
            let problem = match expected {
                Some(_) => "has a digest by the key at hand, and what comes before it has none",
                None => "has no digest by the key at hand, and what comes before it has one",
            };
            return Err(self.forged(key, problem));
        }
        let Some(expected) = expected else {
            return Ok(());
        };
        if !key.ends_with(&format!("/{}", part_name(self.number))) {
            return Err(self.forged(key, "is not the next object of the journal"));
        }
        let digest = self.key.begin(self.bucket, self.run, self.number);
        self.digest = Some((digest, expected));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some((digest, _)) = &mut self.digest {
            digest.update(bytes);
        }
    }

    fn end(&mut self, key: &str) -> Result<(), JournalError> {
        self.number = self.number.saturating_add(1);
        let fits = self
            .digest
            .take()
            .is_none_or(|(digest, expected)| digest.is(&expected));
        match fits {
            true => Ok(()),
            false => Err(self.forged(key, "does not fit its digest")),
        }
    }
}

/// Reads what the bucket has of a journal; says by what it is vouched for.
pub(super) async fn verified(
    bucket: &Bucket,
    run: &str,
    key: &JournalKey,
    sink: &mut impl RecordSink,
) -> Result<Option<Vouched>, JournalError> {
    let mut verification = Verification {
        key,
        bucket: bucket.name(),
        run,
        number: 0,
        vouched: None,
        digest: None,
    };
    let mut text = Text::new(String::new(), true);
    parts(bucket, run, |key, piece| {
        let taken = match piece {
            Piece::Begin { digest } => {
                verification.begin(key, digest)?;
                text = Text::new(key.to_owned(), true);
                Ok(())
            }
            Piece::Bytes(bytes) => {
                verification.bytes(bytes);
                sink.feed(&mut text, bytes)
            }
            Piece::End => {
                verification.end(key)?;
                sink.end(&mut text)
            }
        };
        // Before the end, where its digest would tell.
        taken.map_err(|error| match error {
            JournalError::Line { .. }
            | JournalError::TooLong { .. }
            | JournalError::TooManyJobs { .. }
            | JournalError::Stray { .. }
                if verification.by_key() =>
            {
                verification.forged(key, "has lines that no run writes")
            }
            error => error,
        })
    })
    .await?;
    Ok(verification.vouched)
}
