//! What AWS shows of one side in one command. Each part is asked for when somebody first wants it, and once: whoever
//! wants it next gets the same answer.

use std::collections::{BTreeSet, HashMap};

use aws_env::{Error, ErrorClass, list_keys};
use aws_sdk_dynamodb::types::{AttributeValue, TableDescription};
use aws_sdk_s3::types::ReplicationConfiguration;
use tokio::sync::OnceCell;

use crate::inventory::StateScope;
use crate::lock::{DIGEST_SUFFIX, Lock};
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::SideName;
use crate::table::{LOCK_ID, Row};
use crate::{bucket, table};

/// What one side shows.
#[derive(Debug)]
pub(crate) struct SideReading<'a> {
    pub(crate) access: SideAccess<'a>,
    keys: OnceCell<Result<Keys, Problem>>,
    rows: OnceCell<Option<Rows>>,
    table: OnceCell<Result<Option<TableDescription>, Problem>>,
    replication: OnceCell<Result<Option<ReplicationConfiguration>, Problem>>,
}

/// What both sides show.
#[derive(Debug)]
pub(crate) struct Readings<'a> {
    pub(crate) primary: SideReading<'a>,
    pub(crate) dr: Option<SideReading<'a>>,
}

impl<'a> Readings<'a> {
    /// The primary side, then the DR side if there is one.
    pub(crate) fn sides(&self) -> impl Iterator<Item = &SideReading<'a>> {
        std::iter::once(&self.primary).chain(&self.dr)
    }

    /// The side of a resource of this backend, which has it.
    pub(crate) fn of(&self, side: SideName) -> &SideReading<'a> {
        match (side, &self.dr) {
            (SideName::Dr, Some(dr)) => dr,
            _ => &self.primary,
        }
    }
}

/// The keys of a bucket that mean something to Terraform.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Those of objects that are states.
    pub(crate) states: BTreeSet<String>,
    /// Those of objects that are locks.
    pub(crate) locks: Vec<String>,
    /// Those of objects that may be states, and of which the settings say that they do not count.
    pub(crate) others: BTreeSet<String>,
}

/// The rows of the table in which locks may be held.
#[derive(Debug)]
struct Rows {
    /// A state's object key, and the MD5 in hex, of the states of this side's bucket.
    digests: Result<HashMap<String, String>, Problem>,
    /// A global table has those of the other side's states too.
    locks: Result<Vec<Lock>, Problem>,
}

/// Which states there are on one side, before any is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    /// Keys of the objects that are states.
    pub(crate) objects: Result<&'a BTreeSet<String>, &'a Problem>,
    /// The digest rows. `None` where DynamoDB does not lock.
    pub(crate) digests: Result<Option<&'a HashMap<String, String>>, &'a Problem>,
}

impl Listed<'_> {
    /// Keys of the states: those of objects, and those that only a digest row remembers.
    pub(crate) fn found(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.into_iter().flatten();
        let rows = self.digests.into_iter().flatten();
        objects.chain(rows.flat_map(HashMap::keys)).cloned()
    }
}

impl<'a> SideReading<'a> {
    pub(crate) fn new(access: SideAccess<'a>) -> Self {
        Self {
            access,
            keys: OnceCell::new(),
            rows: OnceCell::new(),
            table: OnceCell::new(),
            replication: OnceCell::new(),
        }
    }

    /// The states that bucket and lock table list.
    pub(crate) async fn listed(&self) -> Listed<'_> {
        if let Some(problem) = self.access.lost {
            return Listed {
                objects: Err(problem),
                digests: Err(problem),
            };
        }
        let (keys, rows) = tokio::join!(self.keys(), async {
            match &self.access.side.table {
                Some(_) => self.rows().await,
                // What a table has that locks no more is not compared.
                None => None,
            }
        });
        Listed {
            objects: keys.map(|keys| &keys.states),
            digests: rows.map(|rows| rows.digests.as_ref()).transpose(),
        }
    }

    /// The keys of the bucket. One that is not there is no empty one: its name may be misspelt.
    pub(crate) async fn keys(&self) -> Result<&Keys, &Problem> {
        let SideAccess {
            side,
            clients,
            states,
            ..
        } = self.access;
        let list = || async {
            let keys = list_keys(clients, side.bucket.as_str(), "").await?;
            Ok(Keys::new(keys, states))
        };
        self.keys.get_or_init(list).await.as_ref()
    }

    /// The locks of the table in which they may be held; `None` where there is no such table.
    pub(crate) async fn locks_of_table(&self) -> Option<Result<&[Lock], &Problem>> {
        let rows = self.rows().await?;
        Some(rows.locks.as_deref())
    }

    async fn rows(&self) -> Option<&Rows> {
        let access = self.access;
        let scan = || async move {
            let table = access.side.table_with_locks()?;
            Some(Rows::new(table::rows(access.clients, table).await, access))
        };
        self.rows.get_or_init(scan).await.as_ref()
    }

    /// The lock table; `None` where it does not exist, or nobody wants one.
    pub(crate) async fn table(&self) -> Result<Option<&TableDescription>, &Problem> {
        let SideAccess { side, clients, .. } = self.access;
        let describe = || async {
            match &side.table {
                Some(table) => Ok(table::describe(clients, table.as_str()).await?),
                None => Ok(None),
            }
        };
        let table = self.table.get_or_init(describe).await;
        table.as_ref().map(Option::as_ref)
    }

    /// The replication of the bucket.
    pub(crate) async fn replication(&self) -> Result<Option<&ReplicationConfiguration>, &Problem> {
        let SideAccess { side, clients, .. } = self.access;
        let get = || async { Ok(bucket::replication(clients, side.bucket.as_str()).await?) };
        let replication = self.replication.get_or_init(get).await;
        replication.as_ref().map(Option::as_ref)
    }
}

impl Keys {
    fn new(keys: Vec<String>, scope: &StateScope) -> Self {
        let mut of_states = BTreeSet::new();
        let mut locks = Vec::new();
        let mut others = BTreeSet::new();
        for key in keys {
            if scope.is_lock(&key) {
                locks.push(key.clone());
            }
            if scope.leaves_out(&key) {
                others.insert(key);
            } else if scope.state(&key).is_some() {
                of_states.insert(key);
            }
        }
        Self {
            states: of_states,
            locks,
            others,
        }
    }
}

impl Rows {
    fn new(scanned: Result<Vec<Row>, Error>, access: SideAccess<'_>) -> Self {
        let rows = match scanned.map_err(Problem::from) {
            Ok(rows) => rows,
            // Terraform reads without a digest where there is no table to ask.
            Err(problem) if problem.error().class == ErrorClass::Absent => {
                return Self {
                    digests: Ok(HashMap::new()),
                    locks: Err(problem),
                };
            }
            Err(problem) => {
                return Self {
                    digests: Err(problem.clone()),
                    locks: Err(problem),
                };
            }
        };
        let bucket = format!("{}/", access.side.bucket);
        let digests = rows.iter().filter_map(|row| {
            let text = |name: &str| row.get(name).map(AttributeValue::as_s)?.ok();
            // A global table has the rows of the other side's bucket too, which Terraform here never reads.
            let object = text(LOCK_ID)?
                .strip_prefix(&bucket)?
                .strip_suffix(DIGEST_SUFFIX)?;
            access.states.state(object)?;
            Some((object.to_owned(), text("Digest")?.clone()))
        });
        Self {
            digests: Ok(digests.collect()),
            locks: Ok(rows
                .into_iter()
                .filter_map(|row| access.lock_of_row(row))
                .collect()),
        }
    }
}
