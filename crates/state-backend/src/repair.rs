//! Digest rows made to agree with the states again, so that Terraform reads them.

use aws_env::{Error, ErrorClass};
use aws_sdk_dynamodb::types::AttributeValue;
use report::{Document, Report};
use serde::Serialize;

use crate::backend::Backend;
use crate::inventory::{Digest, NotAState, Presence, StateId};
use crate::lock::DIGEST_SUFFIX;
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::{Side, SideName};
use crate::table::LOCK_ID;

/// A digest row that is to be written.
#[derive(Debug, Clone, Serialize)]
pub struct DigestRepair {
    /// The state that Terraform refuses to read as long as the row is as it is.
    pub state: StateId,
    /// Whose lock table has the row: the other side has one of its own.
    pub side: SideName,
    /// The lock table in which it is written.
    pub table: String,
    /// The row's `LockID`.
    pub row: String,
    /// What it says now; null when there is no row.
    pub was: Option<String>,
    /// The MD5 of the state that is there.
    pub becomes: String,
    /// The serial of that state.
    pub serial: u64,
}

impl DigestRepair {
    /// `None` where no table locks.
    pub(crate) fn new(
        side: &Side,
        state: &StateId,
        was: Option<String>,
        becomes: String,
        serial: u64,
    ) -> Option<Self> {
        Some(Self {
            state: state.clone(),
            side: side.name,
            table: side.table.as_ref()?.to_string(),
            row: digest_place(side, state),
            was,
            becomes,
            serial,
        })
    }
}

/// A digest row that is to be taken away, since what writes the state from now on does not write this row.
#[derive(Debug, Clone, Serialize)]
pub struct DigestRemoval {
    /// Whose lock table has the row.
    pub side: SideName,
    /// The lock table from which it is taken.
    pub table: String,
    /// The row's `LockID`.
    pub row: String,
    /// What it says now.
    pub was: String,
}

impl DigestRemoval {
    /// `None` where no table locks.
    pub(crate) fn new(side: &Side, state: &StateId, was: String) -> Option<Self> {
        Some(Self {
            side: side.name,
            table: side.table.as_ref()?.to_string(),
            row: digest_place(side, state),
            was,
        })
    }
}

fn digest_place(side: &Side, state: &StateId) -> String {
    format!("{}/{}{DIGEST_SUFFIX}", side.bucket, state.object())
}

/// Why a digest row is not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The settings have no such side.
    #[error("the settings have no {side} side")]
    NoSide {
        /// The side that was asked for.
        side: SideName,
    },
    /// DynamoDB does not lock on this side, so that there are no rows.
    #[error("no lock table is used on the {side} side")]
    NoTable {
        /// The one that locks in S3 alone.
        side: SideName,
    },
    /// The row is right.
    #[error("the digest row of {state} is that of its state already")]
    Matches {
        /// The state whose row was to be written.
        state: StateId,
    },
    /// There is no state that a row could be of. Without one, Terraform would begin with an empty state.
    #[error("there is no state {state} on the {side} side; {bring_back}")]
    NoState {
        /// The state whose object is not there.
        state: StateId,
        /// Whose bucket was looked in.
        side: SideName,
        /// The version that could be brought back, if there is one.
        bring_back: String,
    },
    /// Neither an object nor a version nor a row has this name.
    #[error("there is no state {state} on the {side} side, and there was none")]
    NoSuchState {
        /// The state that was asked for.
        state: StateId,
        /// Whose bucket was looked in.
        side: SideName,
    },
    /// It is none of the states of this backend.
    #[error(transparent)]
    NotAState(#[from] NotAState),
    /// The object is no state.
    #[error("the object {state} is no state that Terraform reads: {why}")]
    Unreadable {
        /// The key of the object.
        state: StateId,
        /// What it is instead. No part of its content is quoted.
        why: String,
    },
    /// Somebody may be writing it: the row is then the old state's until the write is done.
    #[error("the state {state} is locked, at {place}")]
    Locked {
        /// The state of which a lock is held.
        state: StateId,
        /// The row's `LockID`, or the object's key.
        place: String,
    },
    /// There is no such version.
    #[error("{state} has no version {version} on the {side} side")]
    NoVersion {
        /// The state whose versions were asked.
        state: StateId,
        /// Whose bucket has no such version.
        side: SideName,
        /// The version that was asked for.
        version: String,
    },
    /// The version that is asked for is what is there.
    #[error("{state} has the content of that version already")]
    Current {
        /// The state that was to be brought back.
        state: StateId,
    },
    /// The row or the state changed after it was looked at.
    #[error("{state} has changed since it was looked at")]
    Changed {
        /// The state that somebody else has written.
        state: StateId,
    },
    /// Something that has to be known first is not.
    #[error("{0}")]
    Unknown(Problem),
    /// AWS was asked and did not do it.
    #[error(transparent)]
    Call(#[from] Error),
}

impl Backend {
    /// Looks whether the digest row of a state can be made that of the state that is there.
    ///
    /// # Errors
    /// When it is right already, there is nothing that it could be of, or the state is locked or not known.
    pub async fn plan_digest_repair(
        &self,
        side: SideName,
        state: &StateId,
    ) -> Result<DigestRepair, RepairError> {
        let access = self.at(side).ok_or(RepairError::NoSide { side })?;
        access.states.find(&state.object())?;
        access.plan_digest_repair(state).await
    }

    /// Writes the row, if it still is as it was when it was planned.
    ///
    /// # Errors
    /// When it has changed meanwhile, or DynamoDB cannot be asked.
    pub async fn repair_digest(&self, repair: &DigestRepair) -> Result<(), RepairError> {
        let side = repair.side;
        let access = self.at(side).ok_or(RepairError::NoSide { side })?;
        access.repair_digest(repair).await
    }
}

impl SideAccess<'_> {
    /// See [`Backend::plan_digest_repair`].
    pub(crate) async fn plan_digest_repair(
        &self,
        state: &StateId,
    ) -> Result<DigestRepair, RepairError> {
        self.unlocked(state).await?;
        let side = self.name();
        if self.side.table.is_none() {
            return Err(RepairError::NoTable { side });
        }
        let state = state.clone();
        let found = self.state(&state).await;
        let nothing = |bring_back| RepairError::NoState {
            state: state.clone(),
            side,
            bring_back,
        };
        let copy = match found.found {
            Presence::Present(copy) => copy,
            Presence::Deleted(last) => {
                let version = last.version;
                return Err(nothing(format!(
                    "its version {version} can be brought back"
                )));
            }
            Presence::Absent if matches!(found.row, Ok(None)) => {
                return Err(RepairError::NoSuchState { state, side });
            }
            Presence::Absent => return Err(nothing("and no version of it".to_owned())),
            Presence::Unknown { problem } => return Err(RepairError::Unknown(problem)),
        };
        if found.digest == Digest::Matches {
            return Err(RepairError::Matches { state });
        }
        let (serial, becomes) = match (copy.content, copy.md5) {
            (Ok(content), Some(md5)) => (content.serial(), md5),
            (Err(why), _) => return Err(RepairError::Unreadable { state, why }),
            (_, None) => {
                let why = "it was not read".to_owned();
                return Err(RepairError::Unreadable { state, why });
            }
        };
        let was = found.row.map_err(RepairError::Unknown)?;
        let repair = DigestRepair::new(self.side, &state, was, becomes, serial);
        repair.ok_or(RepairError::NoTable { side })
    }

    /// Nothing, when the side answers and nobody there holds a lock of the state.
    pub(crate) async fn unlocked(&self, state: &StateId) -> Result<(), RepairError> {
        if let Some(problem) = self.lost {
            return Err(RepairError::Unknown(problem.clone()));
        }
        let locks = self.locks_of(state).await;
        // A copy that replication brought is the lock of a run on the other side, which writes there.
        if let Some(lock) = locks.held.iter().find(|lock| !lock.is_replica) {
            return Err(RepairError::Locked {
                state: state.clone(),
                place: lock.place.clone(),
            });
        }
        match locks.unknown.into_iter().next() {
            Some(unknown) => Err(RepairError::Unknown(unknown.problem)),
            None => Ok(()),
        }
    }

    /// See [`Backend::repair_digest`].
    pub(crate) async fn repair_digest(&self, repair: &DigestRepair) -> Result<(), RepairError> {
        let (side, clients) = (self.name(), self.clients);
        let table = self.side.table.as_ref();
        let table = table.ok_or(RepairError::NoTable { side })?;
        let call = clients.call("DynamoDB", "PutItem", format!("{table} {}", repair.row));
        let put = clients
            .dynamodb
            .put_item()
            .table_name(table.as_str())
            .item(LOCK_ID, AttributeValue::S(repair.row.clone()))
            .item("Digest", AttributeValue::S(repair.becomes.clone()));
        let put = match &repair.was {
            // What was written here already, in an attempt whose answer was lost, is what is wanted.
            Some(was) => put
                .condition_expression("Digest IN (:was, :becomes)")
                .expression_attribute_values(":was", AttributeValue::S(was.clone()))
                .expression_attribute_values(":becomes", AttributeValue::S(repair.becomes.clone())),
            None => put
                .condition_expression("attribute_not_exists(LockID) OR Digest = :becomes")
                .expression_attribute_values(":becomes", AttributeValue::S(repair.becomes.clone())),
        };
        let written = put.send().await.map_err(|error| call.failed(error));
        tracing::info!(
            region = %clients.region,
            resource = repair.row,
            step = "write digest row",
            outcome = if written.is_ok() { "done" } else { "failed" },
            "applied"
        );
        match written {
            Ok(_) => Ok(()),
            Err(error) if error.class == ErrorClass::Conflict => Err(RepairError::Changed {
                state: repair.state.clone(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

impl SideAccess<'_> {
    /// Takes a digest row away, if it still says what it said. A row that is gone already is none.
    pub(crate) async fn remove_digest(&self, removal: &DigestRemoval) -> Result<(), Error> {
        let DigestRemoval { row, was, .. } = removal;
        let Some(table) = &self.side.table else {
            return Ok(());
        };
        let clients = self.clients;
        let call = clients.call("DynamoDB", "DeleteItem", format!("{table} {row}"));
        let delete = clients.dynamodb.delete_item().table_name(table.as_str());
        let deleted = delete
            .key(LOCK_ID, AttributeValue::S(row.clone()))
            .condition_expression("attribute_not_exists(LockID) OR Digest = :was")
            .expression_attribute_values(":was", AttributeValue::S(was.clone()))
            .send()
            .await
            .map_err(|error| call.failed(error));
        tracing::info!(
            region = %clients.region,
            resource = row,
            step = "remove digest row",
            outcome = if deleted.is_ok() { "done" } else { "failed" },
            "applied"
        );
        deleted.map(drop)
    }
}

impl Report for DigestRepair {
    const KIND: &'static str = "digest-repair";

    fn document(&self) -> Document {
        Document::new().text(format!(
            "{} of the table {}: {} becomes {}, the MD5 of serial {}.",
            self.row,
            self.table,
            self.was.as_deref().unwrap_or("no row"),
            self.becomes,
            self.serial,
        ))
    }
}
