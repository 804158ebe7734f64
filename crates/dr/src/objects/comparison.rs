//! One walk over two buckets for everything that compares them: what the listings cannot prove is asked, and
//! each key's outcome is handed on.

use std::sync::Arc;

use aws_env::Error;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::bucket::{Bucket, Pages};
use super::compare::{Mode, Verdict};
use super::entry::ObjectMeta;
use super::examine::{AT_ONCE, Examination, Examined, Examiner, Question};
use super::journal::JournalError;
use super::own_copies::OwnCopies;
use super::version_ids::fill_in;
use super::walk::{Visitor, WalkError, walk};

/// What one key came to.
pub(super) enum Outcome<'a> {
    /// It is on both sides.
    Both {
        source: &'a ObjectMeta,
        destination: &'a ObjectMeta,
        verdict: Verdict,
        /// It was asked, and this is the destination's version, if it keeps any.
        version: Option<Option<String>>,
        /// What stands for the content on each side, when it was asked; else the ETags do.
        identities: Option<(String, String)>,
    },
    /// S3 refuses to tell about it, on one side at least.
    Unreadable {
        source: &'a ObjectMeta,
        destination: Option<&'a ObjectMeta>,
        /// In its own words.
        why: &'a str,
    },
    /// The source only.
    SourceOnly {
        source: &'a ObjectMeta,
        /// It cannot be read before a restore.
        archived: bool,
    },
    /// The destination only.
    DestinationOnly {
        destination: &'a ObjectMeta,
        /// The source had it when it was listed, and not when it was requests.
        source_deleted: bool,
    },
}

/// Records what keys came to. One for each range that is listed at once.
pub(super) trait OutcomeSink: Send + 'static {
    /// What can go wrong.
    type Error: From<Error> + From<JournalError> + std::error::Error + Send + Sync + 'static;

    /// Records one key.
    fn record(&mut self, key: &str, outcome: Outcome<'_>);

    /// Called after some keys.
    fn flush(&mut self) -> Result<(), Self::Error>;
}

/// How two buckets are compared.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) mode: Mode,
    /// Compare metadata, content headers and tags as well.
    pub(super) headers: bool,
    /// Ranges that are listed at once.
    pub(super) listings: usize,
    /// What runs have copied between the two.
    pub(super) own_copies: OwnCopies,
}

/// Fewer questions than these about a page are few: half as many at once are as fast as the listing, and each
/// has two connections.
const FEW: usize = 16;
/// Of so many questions about a page one may prove that version IDs tell: then lists have to say them.
const WORTH: usize = 4;
/// After so many pages whose version IDs proved nothing a range looks up no more.
const FRUITLESS: u8 = 2;
/// Questions of one range that wait for their turn while the listing goes on.
const WAITING: usize = 64;

/// Compares every key of the two. Returns all sinks.
pub(super) async fn compare<T: OutcomeSink>(
    source: &Bucket,
    destination: &Bucket,
    terms: Terms,
    mut sink: impl FnMut() -> T,
) -> Result<Vec<T>, WalkError<Error, T::Error>> {
    let examiner = Arc::new(Examiner {
        source: source.clone(),
        destination: destination.clone(),
        mode: terms.mode,
        headers: terms.headers,
        own_copies: terms.own_copies,
    });
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let pages = Arc::new(source.pages());
    let beside = Arc::new(destination.pages_beside(&pages));
    let comparers = walk(pages.clone(), beside.clone(), terms.listings, || Comparer {
        examiner: examiner.clone(),
        pages: [pages.clone(), beside.clone()],
        fruitless: 0,
        questions: Vec::new(),
        requests: JoinSet::new(),
        turns: turns.clone(),
        sink: sink(),
    })
    .await?;
    let mut sinks = Vec::with_capacity(comparers.len());
    for comparer in comparers {
        sinks.push(comparer.finish().await.map_err(WalkError::Visit)?);
    }
    Ok(sinks)
}

struct Comparer<T> {
    examiner: Arc<Examiner>,
    /// The listings of source and destination.
    pages: [Arc<Pages>; 2],
    /// How often version IDs that were looked up have proven nothing.
    fruitless: u8,
    questions: Vec<Question>,
    /// Under way while listing goes on.
    requests: JoinSet<Result<Examined, Error>>,
    /// How many of all ranges may be asked at once.
    turns: Arc<Semaphore>,
    sink: T,
}

impl<T: OutcomeSink> Comparer<T> {
    /// Whether the object without a key of its own only marks the folder, as consoles make them: where the
    /// other side is a whole bucket, there is no place for it, and nothing is lost.
    fn marks_a_folder(&self, meta: Option<&ObjectMeta>) -> bool {
        let whole = |bucket: &Bucket| bucket.location().prefix.is_empty();
        let one_is_whole = whole(&self.examiner.source) || whole(&self.examiner.destination);
        one_is_whole && meta.is_some_and(|meta| meta.size == 0)
    }

    /// Waits for an answer, when one is still to come.
    async fn next_answer(&mut self) -> Result<bool, T::Error> {
        match self.requests.join_next().await {
            Some(answer) => self.joined(answer),
            None => Ok(false),
        }
    }

    fn joined(
        &mut self,
        answer: Result<Result<Examined, Error>, JoinError>,
    ) -> Result<bool, T::Error> {
        let examined = answer.map_err(|error| {
            let call = self.examiner.source.call("HeadObject", "");
            Error::unexpected(call, error.to_string())
        })??;
        self.answered(examined);
        Ok(true)
    }

    /// Waits for the last answers.
    async fn finish(mut self) -> Result<T, T::Error> {
        while self.next_answer().await? {}
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// What neither a journal nor version IDs tell of these.
    async fn by_other_means(
        &mut self,
        questions: Vec<Question>,
    ) -> Result<Vec<Question>, T::Error> {
        self.examiner.read_own_copies().await?;
        let mut questions = self.still_open(questions);
        if !self.are_versions_worth_it(&questions) {
            return Ok(questions);
        }
        let number = questions.len();
        let [from, to] = self.pages.clone();
        // The keys of a range come in their order.
        let (mut sources, mut destinations) = (Vec::new(), Vec::new());
        for question in &mut questions {
            let Question {
                key,
                source,
                destination,
            } = question;
            if let Some(destination) = destination {
                sources.push((key.as_str(), source));
                destinations.push((key.as_str(), destination));
            }
        }
        tokio::try_join!(fill_in(&from, sources), fill_in(&to, destinations))?;
        let questions = self.still_open(questions);
        if (number - questions.len()) * WORTH >= number {
            from.by().versions();
            to.by().versions();
        } else {
            self.fruitless += 1;
        }
        Ok(questions)
    }

    /// Records what can be said of questions by what is known of them now; returns the rest.
    fn still_open(&mut self, questions: Vec<Question>) -> Vec<Question> {
        let mut open = Vec::with_capacity(questions.len());
        for question in questions {
            let Question {
                key,
                source,
                destination,
            } = &question;
            let verdict = destination
                .as_ref()
                .and_then(|theirs| Some((theirs, self.examiner.listed(key, source, theirs)?)));
            match verdict {
                Some((destination, verdict)) => {
                    let outcome = Outcome::Both {
                        source,
                        destination,
                        verdict,
                        version: None,
                        identities: None,
                    };
                    self.sink.record(key, outcome);
                }
                None => open.push(question),
            }
        }
        open
    }

    /// Whether the list of versions is likely to say more about many of these than asking about each.
    fn are_versions_worth_it(&self, questions: &[Question]) -> bool {
        let without = |meta: &ObjectMeta| meta.version.is_none();
        let unknown = questions.iter().filter(|question| {
            let destination = question.destination.as_ref();
            destination.is_some_and(|theirs| without(&question.source) || without(theirs))
        });
        self.examiner.mode == Mode::Auto
            && !self.examiner.headers
            && self.fruitless < FRUITLESS
            && self.pages.iter().all(|pages| pages.has_versions())
            && unknown.count() >= FEW
    }

    fn ask(&mut self, key: &str, source: &ObjectMeta, destination: Option<&ObjectMeta>) {
        self.questions.push(Question {
            key: key.to_owned(),
            source: source.clone(),
            destination: destination.cloned(),
        });
    }

    fn answered(&mut self, examined: Examined) {
        let Examined {
            key,
            source,
            destination,
            verdict,
            version,
            identities,
            refusal,
        } = examined;
        let outcome = match (verdict, &destination) {
            (Examination::Unreadable, destination) => Outcome::Unreadable {
                source: &source,
                destination: destination.as_ref(),
                why: refusal.as_deref().unwrap_or_default(),
            },
            (Examination::Both(verdict), Some(destination)) => Outcome::Both {
                source: &source,
                destination,
                verdict,
                version: Some(version),
                identities,
            },
            (Examination::SourceOnly, _) => Outcome::SourceOnly {
                source: &source,
                archived: false,
            },
            (Examination::Archived, _) => Outcome::SourceOnly {
                source: &source,
                archived: true,
            },
            (Examination::DestinationOnly, Some(destination)) => Outcome::DestinationOnly {
                destination,
                source_deleted: true,
            },
            _ => return,
        };
        self.sink.record(&key, outcome);
    }
}

impl<T: OutcomeSink> Visitor for Comparer<T> {
    type Error = T::Error;

    fn visit(&mut self, key: &str, source: Option<&ObjectMeta>, destination: Option<&ObjectMeta>) {
        if key.is_empty() && self.marks_a_folder(source.or(destination)) {
            return;
        }
        let outcome = match (source, destination) {
            (Some(source), Some(destination)) => {
                match self.examiner.listed(key, source, destination) {
                    Some(verdict) => Outcome::Both {
                        source,
                        destination,
                        verdict,
                        version: None,
                        identities: None,
                    },
                    None => return self.ask(key, source, Some(destination)),
                }
            }
            // It may have been restored.
            (Some(source), None) if source.class.is_archive() => {
                return self.ask(key, source, None);
            }
            (Some(source), None) => Outcome::SourceOnly {
                source,
                archived: false,
            },
            (None, Some(destination)) => Outcome::DestinationOnly {
                destination,
                source_deleted: false,
            },
            (None, None) => return,
        };
        self.sink.record(key, outcome);
    }

    async fn flush(&mut self) -> Result<(), T::Error> {
        let questions = std::mem::take(&mut self.questions);
        let questions = match questions.is_empty() {
            true => questions,
            false => self.by_other_means(questions).await?,
        };
        let turns = if questions.len() < FEW { 2 } else { 1 };
        for question in questions {
            while self.requests.len() >= WAITING {
                self.next_answer().await?;
            }
            let (examiner, turn) = (self.examiner.clone(), self.turns.clone());
            self.requests.spawn(async move {
                let _turn = turn.acquire_many_owned(turns).await;
                // Boxed: what waits is small.
                Box::pin(examiner.examine(question)).await
            });
        }
        while let Some(answer) = self.requests.try_join_next() {
            self.joined(answer)?;
        }
        self.sink.flush()
    }
}
