//! Two listings side by side, in parallel, in memory that does not grow with them.
//!
//! The space of keys is cut into ranges. A worker lists its range on both sides, page by page, and merges
//! the two; a worker without a range takes the farther half of somebody else's. So ranges need not be known
//! ahead, and a bucket that has all its keys in one "folder" is listed in parallel as well.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::entry::{ObjectMeta, Page};
use super::split::find_cut;

/// Source or destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is copied from.
    Source,
    /// What is copied to.
    Destination,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// Something that can be listed in the order of its keys' UTF-8 bytes.
pub trait Lister: Send + Sync + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Up to `limit` objects whose keys come after `after`; the first ones when that is `None`. An object may
    /// have an empty key, where keys are those below a prefix: it comes before all others.
    fn page(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> impl Future<Output = Result<Page, Self::Error>> + Send;
}

/// Takes what two listings say about each key. One for each worker: a key comes to exactly one of them, and
/// to each worker keys come in no particular order of ranges.
pub trait Visitor: Send + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// A key that is on at least one side.
    fn visit(&mut self, key: &str, source: Option<&ObjectMeta>, destination: Option<&ObjectMeta>);

    /// Called after some keys: the place to hand them on, and to wait when that takes time.
    fn flush(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<L, V> {
    /// A listing failed.
    #[error("cannot list the {side}")]
    List {
        /// The side whose listing it is.
        side: Side,
        /// What the lister says.
        #[source]
        source: L,
    },
    /// The server does not list in the order of UTF-8 bytes, so that a missing key could not be told.
    #[error(
        "the {side} is not listed in the order of its keys: a page after {after:?} begins with {key:?}"
    )]
    OutOfOrder {
        /// The side whose listing it is.
        side: Side,
        /// Where the page should begin.
        after: String,
        /// Where it does.
        key: String,
    },
    /// What came out could not be handed on.
    #[error("cannot use what was listed")]
    Visit(#[source] V),
    /// A worker ended without an answer.
    #[error("a listing ended without an answer")]
    Worker(#[source] tokio::task::JoinError),
}

/// S3's largest page.
const PAGE: u16 = 1_000;
/// A range is cut only after this many rounds of pages: below some thousand keys it is not worth asking.
const ROUNDS_BEFORE_CUT: u32 = 2;

/// Lists both sides with up to `workers` ranges at once and shows every key to a visitor made by `visitor`.
/// Returns the visitors.
///
/// # Errors
/// The first failure; the visitors' work is void then, since some keys were not seen.
pub async fn walk<S, D, V>(
    source: Arc<S>,
    destination: Arc<D>,
    workers: usize,
    mut visitor: impl FnMut() -> V,
) -> Result<Vec<V>, WalkError<S::Error, V::Error>>
where
    S: Lister,
    D: Lister<Error = S::Error>,
    V: Visitor,
{
    let workers = workers.max(1);
    let ranges = Arc::new(Ranges::new(workers));
    let mut tasks = JoinSet::new();
    for slot in 0..workers {
        let worker = Worker {
            slot,
            source: source.clone(),
            destination: destination.clone(),
            ranges: ranges.clone(),
            visitor: visitor(),
        };
        tasks.spawn(worker.run());
    }
    let mut visitors = Vec::with_capacity(workers);
    while let Some(ended) = tasks.join_next().await {
        // Dropping the set ends the other workers.
        visitors.push(ended.map_err(WalkError::Worker)??);
    }
    Ok(visitors)
}

/// The part of a range that is still to be listed: keys in `(after, end]`.
#[derive(Debug)]
struct Range {
    after: String,
    end: Option<String>,
    rounds: u32,
    /// Somebody looks for a place to cut it.
    probed: bool,
}

#[derive(Debug)]
struct Ranges {
    slots: Mutex<Vec<Option<Range>>>,
    changed: Notify,
}

enum Steal {
    /// Look for a cut in this range.
    Probe {
        victim: usize,
        after: String,
        end: Option<String>,
    },
    Wait,
    Done,
}

impl Ranges {
    fn new(workers: usize) -> Self {
        let mut slots: Vec<Option<Range>> = (0..workers).map(|_| None).collect();
        if let Some(first) = slots.first_mut() {
            *first = Some(Range {
                after: String::new(),
                end: None,
                rounds: 0,
                probed: false,
            });
        }
        Self {
            slots: Mutex::new(slots),
            changed: Notify::new(),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Range>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The range that has been worked on longest without being cut.
    fn steal(&self) -> Steal {
        let mut slots = self.slots();
        if slots.iter().all(Option::is_none) {
            return Steal::Done;
        }
        let best = slots
            .iter_mut()
            .enumerate()
            .filter_map(|(slot, range)| Some((slot, range.as_mut()?)))
            .filter(|(_, range)| !range.probed && range.rounds >= ROUNDS_BEFORE_CUT)
            .max_by_key(|(_, range)| range.rounds);
        match best {
            Some((victim, range)) => {
                range.probed = true;
                Steal::Probe {
                    victim,
                    after: range.after.clone(),
                    end: range.end.clone(),
                }
            }
            None => Steal::Wait,
        }
    }

    /// Moves what lies behind `cut` from `victim` to `slot`, unless the victim has gone past it.
    fn split(&self, victim: usize, slot: usize, cut: Option<String>) -> bool {
        let mut slots = self.slots();
        let Some(range) = slots.get_mut(victim).and_then(Option::as_mut) else {
            return false;
        };
        range.probed = false;
        range.rounds = 0;
        let Some(cut) =
            cut.filter(|cut| *cut > range.after && range.end.as_ref().is_none_or(|end| cut < end))
        else {
            return false;
        };
        let far = Range {
            after: cut.clone(),
            end: range.end.replace(cut),
            rounds: 0,
            probed: false,
        };
        if let Some(own) = slots.get_mut(slot) {
            *own = Some(far);
        }
        true
    }

    /// What is left of the range in `slot`: where it goes on, and where it ends.
    fn remaining(&self, slot: usize) -> Option<String> {
        let slots = self.slots();
        Some(slots.get(slot)?.as_ref()?.after.clone())
    }

    /// Takes everything up to `bound` out of the range in `slot`, so that nobody else will; returns the end
    /// of the range when that is before `bound`. The range is over then, or when `last`.
    fn advance(&self, slot: usize, bound: Option<&str>) -> Advance {
        let mut slots = self.slots();
        let Some(entry) = slots.get_mut(slot) else {
            return Advance {
                end: None,
                over: true,
            };
        };
        let Some(range) = entry.as_mut() else {
            return Advance {
                end: None,
                over: true,
            };
        };
        let advance = match (bound, &range.end) {
            (Some(bound), Some(end)) if bound < end.as_str() => Advance {
                end: None,
                over: false,
            },
            (Some(_), None) => Advance {
                end: None,
                over: false,
            },
            (_, end) => Advance {
                end: end.clone(),
                over: true,
            },
        };
        if advance.over {
            *entry = None;
        } else {
            range.after.clear();
            range.after.push_str(bound.unwrap_or_default());
            range.rounds += 1;
        }
        let tell = advance.over || range_is_ripe(entry.as_ref());
        drop(slots);
        if tell {
            self.changed.notify_waiters();
        }
        advance
    }
}

fn range_is_ripe(range: Option<&Range>) -> bool {
    range.is_some_and(|range| range.rounds >= ROUNDS_BEFORE_CUT)
}

/// What a worker may show to its visitor.
struct Advance {
    /// Keys after this belong to somebody else.
    end: Option<String>,
    /// Nothing is left in the range.
    over: bool,
}

struct Worker<S, D, V> {
    slot: usize,
    source: Arc<S>,
    destination: Arc<D>,
    ranges: Arc<Ranges>,
    visitor: V,
}

type Failure<S, V> = WalkError<<S as Lister>::Error, <V as Visitor>::Error>;

impl<S, D, V> Worker<S, D, V>
where
    S: Lister,
    D: Lister<Error = S::Error>,
    V: Visitor,
{
    async fn run(mut self) -> Result<V, Failure<S, V>> {
        let ranges = self.ranges.clone();
        loop {
            if let Some(after) = ranges.remaining(self.slot) {
                self.list(after).await?;
            }
            let changed = ranges.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that a change between looking and waiting is not missed.
            changed.as_mut().enable();
            match ranges.steal() {
                Steal::Done => return Ok(self.visitor),
                Steal::Wait => changed.await,
                Steal::Probe { victim, after, end } => {
                    let (source, destination) = (self.source.clone(), self.destination.clone());
                    let end = end.as_deref();
                    // On the destination only what the source does not tell.
                    let cut = match first_cut(&*source, Side::Source, &after, end).await? {
                        Some(cut) => Some(cut),
                        None => first_cut(&*destination, Side::Destination, &after, end).await?,
                    };
                    ranges.split(victim, self.slot, cut);
                }
            }
        }
    }

    /// Lists the range in this worker's slot, from `after` to its end.
    async fn list(&mut self, after: String) -> Result<(), Failure<S, V>> {
        let mut source = Cursor::at(after.clone());
        let mut destination = Cursor::at(after);
        loop {
            let (from_source, from_destination) = tokio::try_join!(
                source.fill(&*self.source, Side::Source),
                destination.fill(&*self.destination, Side::Destination),
            )?;
            // Up to here nothing is missing on either side.
            let bound = match (from_source, from_destination) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let advance = self.ranges.advance(self.slot, bound.as_deref());
            let limit = if advance.over { advance.end } else { bound };
            merge(
                &mut source,
                &mut destination,
                limit.as_deref(),
                &mut self.visitor,
            );
            self.visitor.flush().await.map_err(WalkError::Visit)?;
            if advance.over {
                return Ok(());
            }
        }
    }
}

async fn first_cut<L: Lister, V>(
    lister: &L,
    side: Side,
    after: &str,
    end: Option<&str>,
) -> Result<Option<String>, WalkError<L::Error, V>> {
    find_cut(after, end, async |point: String| {
        let mut point = point;
        loop {
            let page = fetch(lister, side, Some(&point), 1).await?;
            match (page.get(0), page.resume_after.clone()) {
                (Some((key, _)), _) => return Ok(Some(key.to_owned())),
                (None, Some(hidden)) => point = hidden,
                (None, None) => return Ok(None),
            }
        }
    })
    .await
}

async fn fetch<L: Lister, V>(
    lister: &L,
    side: Side,
    after: Option<&str>,
    limit: u16,
) -> Result<Page, WalkError<L::Error, V>> {
    let page = lister
        .page(after, limit)
        .await
        .map_err(|source| WalkError::List { side, source })?;
    let first = page.get(0).map(|(key, _)| key);
    // A page that does not go forward would be asked for again for ever.
    let stuck = [first, page.resume_after.as_deref()]
        .into_iter()
        .flatten()
        .find(|key| after.is_some_and(|after| *key <= after));
    match stuck {
        Some(key) => Err(WalkError::OutOfOrder {
            side,
            after: after.unwrap_or_default().to_owned(),
            key: key.to_owned(),
        }),
        None => Ok(page),
    }
}

/// One side of a range: the page that is being read.
struct Cursor {
    page: Page,
    next: usize,
    next_page: NextPage,
}

enum NextPage {
    First,
    After(String),
    None,
}

impl Cursor {
    /// Before the first key after `after`; at the very first when that is empty, since ranges are never cut
    /// there.
    fn at(after: String) -> Self {
        Self {
            page: Page::default(),
            next: 0,
            next_page: if after.is_empty() {
                NextPage::First
            } else {
                NextPage::After(after)
            },
        }
    }

    /// Reads on when the page is used up; tells up to which key everything is known, `None` for all keys.
    async fn fill<L: Lister, V>(
        &mut self,
        lister: &L,
        side: Side,
    ) -> Result<Option<String>, WalkError<L::Error, V>> {
        while self.next >= self.page.len() {
            let after = match &self.next_page {
                NextPage::First => None,
                NextPage::After(key) => Some(key.as_str()),
                NextPage::None => break,
            };
            let mut page = fetch(lister, side, after, PAGE).await?;
            self.next_page = match page.resume_after.take() {
                Some(key) => NextPage::After(key),
                None => NextPage::None,
            };
            self.page = page;
            self.next = 0;
        }
        Ok(match &self.next_page {
            NextPage::After(key) => Some(key.clone()),
            NextPage::First | NextPage::None => None,
        })
    }

    fn peek(&self, limit: Option<&str>) -> Option<(&str, &ObjectMeta)> {
        self.page
            .get(self.next)
            .filter(|(key, _)| limit.is_none_or(|limit| *key <= limit))
    }
}

fn merge<V: Visitor>(
    source: &mut Cursor,
    destination: &mut Cursor,
    limit: Option<&str>,
    visitor: &mut V,
) {
    loop {
        let (a, b) = (source.peek(limit), destination.peek(limit));
        let (in_source, in_destination) = match (a, b) {
            (None, None) => return,
            (Some((a, meta)), None) => {
                visitor.visit(a, Some(meta), None);
                (true, false)
            }
            (None, Some((b, meta))) => {
                visitor.visit(b, None, Some(meta));
                (false, true)
            }
            (Some((a, from)), Some((b, to))) => match a.cmp(b) {
                std::cmp::Ordering::Less => {
                    visitor.visit(a, Some(from), None);
                    (true, false)
                }
                std::cmp::Ordering::Greater => {
                    visitor.visit(b, None, Some(to));
                    (false, true)
                }
                std::cmp::Ordering::Equal => {
                    visitor.visit(a, Some(from), Some(to));
                    (true, true)
                }
            },
        };
        source.next += usize::from(in_source);
        destination.next += usize::from(in_destination);
    }
}

#[cfg(test)]
mod tests;
