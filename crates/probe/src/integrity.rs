//! What a database that was restored is asked: the keys of objects that its rows name, the version of its schema, and how far
//! its sequences are.
//!
//! Each question has a session of its own, over TLS with a certificate for the host, in a transaction that reads only, with a
//! time-out that the server keeps and another that does not need it. Nothing of what the server says about an error is repeated
//! but its code: its words may hold rows.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt as _;
use report::finding::Unobserved;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Oid, ToSql};
use tokio_postgres::{Client, RowStream};

use crate::bounded::SESSION;
use crate::connection::DatabaseLogin;
use crate::database::{self, Refused};
use crate::link::{Deadline, Handshake, Trust, Way};

/// Bytes of all keys of a bucket: fifty million of the longest, 1,024 bytes each.
const KEYS: u64 = 64 << 30;
/// A server that keeps its own time-out answers by then.
const GRACE: Duration = Duration::from_secs(15);
/// A server answers a connection and a login within a second, from another region as well.
const CONNECT: Duration = Duration::from_secs(10);
/// Values of a sequence that are taken with one statement: some 0.1 s.
const AT_ONCE: u64 = 100_000;
/// Values that are taken of one sequence at most. More of them is no margin, but a sequence that nobody uses.
const MOST_VALUES: u64 = 10_000_000;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum IntegrityError {
    /// The database cannot be reached, or lets nobody in: no question would have an answer.
    #[error("{0}")]
    Unreached(String),
    /// It refuses this question.
    #[error("{0}")]
    Question(String),
}

impl From<Unobserved> for IntegrityError {
    fn from(unobserved: Unobserved) -> Self {
        Self::Unreached(unobserved.reason)
    }
}

impl From<Refused> for IntegrityError {
    fn from(refused: Refused) -> Self {
        Self::Unreached(match refused {
            Refused::Server { why, fix } => format!("{why}: {fix}"),
            Refused::Unobserved(unobserved) => unobserved.reason,
        })
    }
}

/// Whom to ask, and how long to wait.
#[derive(Debug, Clone)]
pub struct IntegritySession {
    /// The database, and who logs in.
    pub login: DatabaseLogin,
    /// `HOST:PORT` of the near end of a tunnel.
    pub via: Option<String>,
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// How long one query may take.
    pub timeout: Duration,
}

/// A sequence, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// With its schema, quoted where it has to be.
    pub name: String,
    /// The last value that it gave; none where it has given none, or the user may not know.
    pub last: Option<i64>,
    /// The value to which it is to be advanced; why it cannot be, else.
    pub target: Result<i64, String>,
}

/// The keys that rows name, in the order of their bytes.
pub struct Keys {
    rows: Pin<Box<RowStream>>,
    deadline: Deadline,
    timeout: Duration,
    last: Option<String>,
    // The session ends with it.
    _client: Client,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The next key; none after the last. A key of two rows comes twice.
    ///
    /// # Errors
    /// When the query fails, or the session does.
    pub async fn next(&mut self) -> Result<Option<String>, IntegrityError> {
        let Some(row) = self.deadline.within(self.rows.next()).await? else {
            return Ok(None);
        };
        let row = row.map_err(|error| failed(&error, self.timeout))?;
        let key: String = row
            .try_get(0)
            .map_err(|error| failed(&error, self.timeout))?;
        // The comparison relies on it, and a database in another encoding may see another order.
        if self.last.as_ref().is_some_and(|last| *last > key) {
            return Err(IntegrityError::Question(
                "the server sorts keys otherwise than by their bytes in UTF-8".to_owned(),
            ));
        }
        self.last = Some(key.clone());
        Ok(Some(key))
    }
}

impl IntegritySession {
    /// The keys that `query`, a `SELECT` with one column, gives. The server sorts them: neither side holds all of them in memory.
    ///
    /// # Errors
    /// When the database is not reached, or refuses the query.
    pub async fn keys(&self, query: &str) -> Result<Keys, IntegrityError> {
        let client = self.begin(KEYS).await?;
        let deadline = self.deadline();
        // The line break ends a comment at the end of the query.
        let sql = format!(
            "SELECT key FROM (SELECT CAST(key AS text) AS key FROM (\n{query}\n) AS asked (key)) AS keys \
             WHERE key IS NOT NULL ORDER BY key COLLATE \"C\""
        );
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = deadline.within(client.query_raw(&sql, none)).await?;
        Ok(Keys {
            rows: Box::pin(rows.map_err(|error| failed(&error, self.timeout))?),
            deadline,
            timeout: self.timeout,
            last: None,
            _client: client,
        })
    }

    /// What `query`, a `SELECT` with one column and one row, says; none where it has no row or no value.
    ///
    /// # Errors
    /// When the database is not reached, or refuses the query.
    pub async fn schema_version(&self, query: &str) -> Result<Option<String>, IntegrityError> {
        let client = self.begin(SESSION).await?;
        let sql =
            format!("SELECT CAST(version AS text) FROM (\n{query}\n) AS asked (version) LIMIT 2");
        let rows = self.deadline().within(client.query(&sql, &[])).await?;
        let rows = rows.map_err(|error| failed(&error, self.timeout))?;
        match &rows[..] {
            [] => Ok(None),
            [row] => row.try_get(0).map_err(|error| failed(&error, self.timeout)),
            _ => Err(IntegrityError::Question(
                "the query has more than one row".to_owned(),
            )),
        }
    }

    /// All sequences of the database, each with the value that is `margin` values beyond the highest one in use: the last that it
    /// gave, or the highest of the column that it is of.
    ///
    /// # Errors
    /// When the database is not reached, or refuses the question.
    pub async fn sequences(&self, margin: u64) -> Result<Vec<Sequence>, IntegrityError> {
        let client = self.begin(SESSION).await?;
        let asked = self.deadline().within(observe(&client)).await?;
        let observed = asked.map_err(|error| failed(&error, self.timeout))?;
        let mut sequences = Vec::new();
        for observed in observed {
            let highest = match &observed.highest {
                Some(_) if !observed.may_use => Ok(None),
                Some(sql) => {
                    // One that fails ends the transaction, and no other question may suffer from that.
                    let client = self.begin(SESSION).await?;
                    let row = self.deadline().within(client.query_one(sql, &[])).await?;
                    let highest = row.and_then(|row| row.try_get::<_, Option<i64>>(0));
                    match highest.map_err(|error| failed(&error, self.timeout)) {
                        Err(IntegrityError::Question(why)) => {
                            Err(format!("the values of its column are not known: {why}"))
                        }
                        other => Ok(other?),
                    }
                }
                None => Ok(None),
            };
            sequences.push(Sequence {
                target: highest.and_then(|highest| observed.target(highest, margin)),
                name: observed.name,
                last: observed.last,
            });
        }
        Ok(sequences)
    }

    /// Takes values of a sequence until it is at `target` or beyond it, and says where it is then. It never goes back, whoever
    /// else takes values meanwhile, and does nothing where it is there already.
    ///
    /// # Errors
    /// When the database is not reached, or refuses it.
    pub async fn advance(&self, name: &str, target: i64) -> Result<i64, IntegrityError> {
        let client = self.connect(SESSION).await?;
        let failed = |error: tokio_postgres::Error| failed(&error, self.timeout);
        let timeout = self.set_timeout("SESSION");
        let set = self.deadline().within(client.batch_execute(&timeout));
        set.await?.map_err(failed)?;
        let take = "SELECT count(pg_catalog.nextval($1::oid::regclass)) FROM pg_catalog.generate_series(1, $2::bigint)";
        loop {
            let parameters: [&(dyn ToSql + Sync); 1] = [&name];
            let asked = client.query_opt(WHERE_IT_IS, &parameters);
            let row = self.deadline().within(asked).await?.map_err(failed)?;
            let gone = || IntegrityError::Question(format!("the sequence {name} is gone"));
            let row = row.ok_or_else(gone)?;
            let of = Steps {
                id: row.try_get(0).map_err(failed)?,
                start: row.try_get(1).map_err(failed)?,
                increment: row.try_get(2).map_err(failed)?,
                last: row.try_get(3).map_err(failed)?,
            };
            let left = of.to(target);
            if left == 0 {
                return Ok(of.reached());
            }
            let values = i64::try_from(left.min(AT_ONCE)).unwrap_or(i64::MAX);
            let parameters: [&(dyn ToSql + Sync); 2] = [&of.id, &values];
            let taken = client.query_one(take, &parameters);
            self.deadline().within(taken).await?.map_err(failed)?;
        }
    }

    /// How long is waited for an answer of a server that does not keep its own time-out.
    fn deadline(&self) -> Deadline {
        Deadline::new(self.timeout + GRACE)
    }

    /// A session, over TLS with a certificate for the host.
    async fn connect(&self, bytes: u64) -> Result<Client, IntegrityError> {
        let way = Way {
            endpoint: &self.login.endpoint,
            via: self.via.as_deref(),
            deadline: Deadline::new(CONNECT),
        };
        match database::handshake(way, &self.trust).await? {
            Handshake::Trusted { stream, .. } => {
                let name = "dr-runbook consistency";
                let client = database::log_in_as(way, stream, &self.login, name, bytes);
                Ok(client.await?)
            }
            Handshake::Refused { why, fix } => Err(IntegrityError::Unreached(format!(
                "no password is sent to {}: {why}: {fix}",
                self.login.endpoint
            ))),
        }
    }

    /// A session in a transaction that reads only, and sees one moment.
    async fn begin(&self, bytes: u64) -> Result<Client, IntegrityError> {
        let client = self.connect(bytes).await?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}",
            self.set_timeout("LOCAL")
        );
        let begun = self.deadline().within(client.batch_execute(&begin)).await?;
        begun.map_err(|error| failed(&error, self.timeout))?;
        Ok(client)
    }

    fn set_timeout(&self, scope: &str) -> String {
        // A time-out of 0 would be none.
        let ms = self.timeout.as_millis().clamp(1, i32::MAX as u128);
        format!("SET {scope} statement_timeout = {ms}; SET {scope} lock_timeout = {ms}")
    }
}

/// What a server says of an error in a few words of ours.
fn failed(error: &tokio_postgres::Error, timeout: Duration) -> IntegrityError {
    let Some(code) = error.code() else {
        return IntegrityError::Unreached("the session broke off".to_owned());
    };
    let why = match *code {
        SqlState::READ_ONLY_SQL_TRANSACTION => "it writes, and this session only reads".to_owned(),
        SqlState::QUERY_CANCELED => {
            format!("it took longer than {}", report::duration(timeout))
        }
        SqlState::LOCK_NOT_AVAILABLE => "a table of it stayed locked".to_owned(),
        SqlState::INSUFFICIENT_PRIVILEGE => "the user may not do that".to_owned(),
        SqlState::UNDEFINED_TABLE => "a table of it is not there".to_owned(),
        SqlState::UNDEFINED_COLUMN => "a column of it is not there".to_owned(),
        SqlState::SYNTAX_ERROR => "it is no query that can be a part of another one".to_owned(),
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            return IntegrityError::Unreached("the server was stopped".to_owned());
        }
        _ => "the server refuses it".to_owned(),
    };
    IntegrityError::Question(format!("{why} (SQLSTATE {:.40})", code.code()))
}

/// A sequence as the server shows it.
#[derive(Debug)]
struct Observed {
    name: String,
    may_use: bool,
    start: i64,
    increment: i64,
    least: i64,
    most: i64,
    cycles: bool,
    last: Option<i64>,
    /// Asks for the highest value of the column that it is of.
    highest: Option<String>,
}

impl Observed {
    fn target(&self, highest: Option<i64>, margin: u64) -> Result<i64, String> {
        if !self.may_use {
            return Err("the user may not use it".to_owned());
        }
        if self.cycles {
            return Err("it begins anew at its end: no value is beyond those in use".to_owned());
        }
        let steps = self.steps();
        let reached = steps.reached();
        let used = match highest {
            Some(highest) if self.increment < 0 => reached.min(highest),
            Some(highest) => reached.max(highest),
            None => reached,
        };
        let margin = i64::try_from(margin).ok();
        let target = margin
            .and_then(|margin| margin.checked_mul(self.increment))
            .and_then(|more| used.checked_add(more))
            .filter(|target| (self.least..=self.most).contains(target))
            .ok_or_else(|| {
                format!(
                    "it has no room for them: it is at {used} and ends at {}",
                    self.end()
                )
            })?;
        match steps.to(target) {
            0..=MOST_VALUES => Ok(target),
            values => Err(format!(
                "it is at {reached} and rows have {used}: {values} values are more than are taken one by one; \
                 set it by hand"
            )),
        }
    }

    fn end(&self) -> i64 {
        match self.increment < 0 {
            true => self.least,
            false => self.most,
        }
    }

    fn steps(&self) -> Steps {
        Steps {
            id: 0,
            start: self.start,
            increment: self.increment,
            last: self.last,
        }
    }
}

/// Where a sequence is, for how far it is from elsewhere.
#[derive(Debug, Clone, Copy)]
struct Steps {
    id: Oid,
    start: i64,
    increment: i64,
    last: Option<i64>,
}

impl Steps {
    /// The last value; where it has given none, the one before its first.
    fn reached(self) -> i64 {
        let before = || self.start.saturating_sub(self.increment);
        self.last.unwrap_or_else(before)
    }

    /// How many values are to be taken until it is at `target` or beyond.
    fn to(self, target: i64) -> u64 {
        let way = i128::from(target) - i128::from(self.reached());
        let step = i128::from(self.increment);
        if step == 0 || (way < 0) != (step < 0) {
            return 0;
        }
        let values = (way.abs() + step.abs() - 1) / step.abs();
        u64::try_from(values).unwrap_or(u64::MAX)
    }
}

/// A sequence by its name, and where it is.
const WHERE_IT_IS: &str = "SELECT s.seqrelid, s.seqstart, s.seqincrement, pg_catalog.pg_sequence_last_value(s.seqrelid) \
     FROM pg_catalog.pg_sequence AS s WHERE s.seqrelid = pg_catalog.to_regclass($1)";

/// Sequences of tables that are not temporary, with the column that each is of, if it is of one.
const SEQUENCES: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), \
            pg_catalog.has_sequence_privilege(c.oid, 'USAGE'), \
            s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle, \
            CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, SELECT') \
                 THEN pg_catalog.pg_sequence_last_value(c.oid) END, \
            CASE WHEN a.attname IS NOT NULL THEN \
                 pg_catalog.format('SELECT CAST(%s(%I) AS bigint) FROM %I.%I', \
                     CASE WHEN s.seqincrement < 0 THEN 'min' ELSE 'max' END, a.attname, tn.nspname, t.relname) END \
       FROM pg_catalog.pg_sequence AS s \
       JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid AND c.relpersistence <> 't' \
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
       LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid \
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
       LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
       LEFT JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid \
       LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace \
      ORDER BY 1";

async fn observe(client: &Client) -> Result<Vec<Observed>, tokio_postgres::Error> {
    let rows = client.query(SEQUENCES, &[]).await?;
    let observed = rows.iter().map(|row| {
        Ok(Observed {
            name: row.try_get(0)?,
            may_use: row.try_get(1)?,
            start: row.try_get(2)?,
            increment: row.try_get(3)?,
            least: row.try_get(4)?,
            most: row.try_get(5)?,
            cycles: row.try_get(6)?,
            last: row.try_get(7)?,
            highest: row.try_get(8)?,
        })
    });
    observed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(increment: i64, last: Option<i64>) -> Observed {
        let (least, most) = match increment < 0 {
            true => (-1_000_000_000, -1),
            false => (1, 1_000_000_000),
        };
        Observed {
            name: "public.s".to_owned(),
            may_use: true,
            start: if increment < 0 { -1 } else { 1 },
            increment,
            least,
            most,
            cycles: false,
            last,
            highest: None,
        }
    }

    #[test]
    fn target_is_the_margin_beyond_the_last_value_or_the_highest_row() {
        for (increment, last, highest, target) in [
            (1, Some(40), None, 1_040),
            (1, Some(40), Some(30), 1_040),
            (1, Some(40), Some(500), 1_500),
            // Never used.
            (1, None, None, 1_000),
            (10, Some(41), None, 10_041),
            (-1, Some(-40), Some(-50), -1_050),
        ] {
            let found = sequence(increment, last).target(highest, 1_000);
            assert_eq!(found, Ok(target), "{increment} {last:?} {highest:?}");
        }
    }

    #[test]
    fn target_that_cannot_be_reached_says_why() {
        let told = |sequence: Observed, highest| sequence.target(highest, 1_000).unwrap_err();
        let full = sequence(1, Some(999_999_500));
        assert!(told(full, None).contains("no room"));
        let far = sequence(1, Some(1));
        assert!(told(far, Some(900_000_000)).contains("by hand"));
        let mut other = sequence(1, Some(1));
        other.cycles = true;
        assert!(told(other, None).contains("anew"));
        let mut other = sequence(1, Some(1));
        other.may_use = false;
        assert!(told(other, None).contains("may not"));
        let mut wide = sequence(i64::MAX, Some(1));
        wide.most = i64::MAX;
        assert!(told(wide, None).contains("no room"));
    }

    #[test]
    fn steps_to_a_target_count_up_and_down_and_never_back() {
        let steps = |increment, last| sequence(increment, last).steps();
        assert_eq!(steps(1, Some(5)).to(1_005), 1_000);
        assert_eq!(steps(1, Some(1_005)).to(1_005), 0);
        assert_eq!(steps(1, Some(2_000)).to(1_005), 0);
        assert_eq!(steps(10, Some(1)).to(15), 2);
        assert_eq!(steps(-5, Some(-1)).to(-12), 3);
        assert_eq!(steps(-5, Some(-20)).to(-12), 0);
        assert_eq!(steps(1, None).to(10), 10);
    }
}
