//! Whoever uses the environment, and counts what they were told to be safe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use aws_env::RegionClients;
use jiff::Timestamp;
use local_aws::Rds;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// From one write to the next, but where many are wanted.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// The object of the first row, whose upload never came to its end: nobody has it.
pub(crate) const NEVER_UPLOADED: &str = "never-uploaded.jpg";

/// What a writer was told to be safe, in order.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    /// The simulated time of each row's commit.
    pub(crate) rows: Vec<Timestamp>,
    /// `BUCKET/KEY` of each object.
    pub(crate) objects: Vec<String>,
}

/// Writes until it is stopped, or nothing answers.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    rows: Option<JoinHandle<Vec<Timestamp>>>,
    objects: JoinHandle<Vec<String>>,
}

impl Writers {
    /// Rows are numbered from `first`, objects are called after `phase`; `pause` lies between two rows. Each row names the last
    /// object that was confirmed of the first bucket.
    pub(crate) fn start(
        database: Option<(Client, Rds)>,
        clients: RegionClients,
        buckets: Vec<String>,
        (first, phase, pause): (usize, &'static str, Duration),
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let last: Arc<Mutex<Option<String>>> = Arc::default();
        let rows = database.map(|(client, rds)| {
            let (stop, last) = (stop.clone(), last.clone());
            tokio::spawn(async move {
                let mut committed = Vec::new();
                let first = i32::try_from(first).unwrap_or(i32::MAX);
                // A row that took longer is made up for.
                let mut next = tokio::time::interval(pause);
                for n in first.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let insert = "insert into written (n, object_key) values ($1, $2)";
                    let key = match n {
                        0 => Some(NEVER_UPLOADED.to_owned()),
                        _ => last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                    };
                    if client.execute(insert, &[&n, &key]).await.is_err() {
                        break;
                    }
                    committed.push(rds.now());
                    next.tick().await;
                }
                committed
            })
        });
        let objects = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut written = Vec::new();
                for (n, bucket) in buckets.iter().cycle().enumerate() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("{phase}-{n:06}.jpg");
                    let put = clients.s3.put_object().bucket(bucket).key(&key);
                    let put = put.body(key.clone().into_bytes().into());
                    if put.send().await.is_err() {
                        break;
                    }
                    written.push(format!("{bucket}/{key}"));
                    if buckets.first() == Some(bucket) {
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                written
            }
        });
        Self {
            stop,
            rows,
            objects,
        }
    }

    /// What they were told until now; nothing is written any more.
    pub(crate) async fn end(self) -> Result<Confirmed> {
        self.stop.store(true, Ordering::Relaxed);
        let rows = match self.rows {
            Some(rows) => rows.await?,
            None => Vec::new(),
        };
        Ok(Confirmed {
            rows,
            objects: self.objects.await?,
        })
    }
}
