//! Random histories under KMS keys: replication, a second writer, lost answers and kills. Whatever happens, no version is
//! lost, nothing of others is touched, and an undo restores exactly what the run found.
//!
//! A few in every run of the tests; `DR_HISTORIES=10000 cargo nextest run -p dr histories` for many, `DR_SEED` for the first
//! seed. A history that fails names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_env::RegionClients;
use aws_sdk_s3::config::RequestChecksumCalculation;
use dr::objects::{Bucket, Finding, Mode, PlanOptions};
use local_aws::{Fault, FaultKind};

use crate::keyed::{encrypt_both, forget_outcomes, replicate};
use crate::stage::Stage;

const KEYS: [&str; 6] = ["a", "b", "c/d", "c/e", "f", "g"];

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, number: u64) -> usize {
        usize::try_from(self.next() % number).unwrap()
    }

    fn is(&mut self, of: u64) -> bool {
        self.next().is_multiple_of(of)
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.below(KEYS.len() as u64)]
    }

    /// Few different ones, so that contents often are the same.
    fn body(&mut self) -> Vec<u8> {
        vec![b'x'; 1 + self.below(2)]
            .into_iter()
            .map(|byte| byte + u8::try_from(self.below(2)).unwrap())
            .collect()
    }
}

/// One bucket's folder of a history.
struct Side<'a> {
    clients: &'a RegionClients,
    bucket: &'static str,
    folder: String,
}

/// A version or a delete marker, the current one of its key first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    id: String,
    is_marker: bool,
}

impl Side<'_> {
    /// Half of the objects have no checksum that could tell their content.
    async fn put(&self, key: &str, body: Vec<u8>, bare: bool) -> String {
        let mut config = self.clients.s3.config().to_builder();
        if bare {
            let never = RequestChecksumCalculation::WhenRequired;
            config = config.request_checksum_calculation(never);
        }
        let put = aws_sdk_s3::Client::from_conf(config.build()).put_object();
        let put = put.bucket(self.bucket).key(format!("{}{key}", self.folder));
        let put = put.body(body.into()).send().await.unwrap();
        put.version_id.unwrap()
    }

    async fn delete(&self, key: &str) -> String {
        let delete = self.clients.s3.delete_object().bucket(self.bucket);
        let delete = delete.key(format!("{}{key}", self.folder));
        delete.send().await.unwrap().version_id.unwrap()
    }

    async fn versions(&self) -> BTreeMap<String, Vec<Version>> {
        let list = self.clients.s3.list_object_versions().bucket(self.bucket);
        let page = list.prefix(&self.folder).send().await.unwrap();
        let objects = page.versions().iter();
        let objects = objects.map(|of| (of.key(), of.version_id(), of.is_latest(), false));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|of| (of.key(), of.version_id(), of.is_latest(), true));
        let mut found: BTreeMap<String, Vec<(bool, Version)>> = BTreeMap::new();
        for (key, id, latest, is_marker) in objects.chain(markers) {
            let key = key.unwrap()[self.folder.len()..].to_owned();
            let id = id.unwrap().to_owned();
            let version = Version { id, is_marker };
            found
                .entry(key)
                .or_default()
                .push((latest == Some(true), version));
        }
        let sorted = found.into_iter().map(|(key, mut versions)| {
            versions.sort_by_key(|(latest, ..)| !latest);
            (key, versions.into_iter().map(|(.., of)| of).collect())
        });
        sorted.collect()
    }

    async fn bodies(&self) -> BTreeMap<String, Vec<u8>> {
        let mut bodies = BTreeMap::new();
        for (key, versions) in self.versions().await {
            if !versions[0].is_marker {
                let get = self.clients.s3.get_object().bucket(self.bucket);
                let get = get.key(format!("{}{key}", self.folder)).send().await;
                let body = get.unwrap().body.collect().await.unwrap().to_vec();
                bodies.insert(key, body);
            }
        }
        bodies
    }
}

fn fault(random: &mut Random) -> Option<Fault> {
    let operation = ["CopyObject", "DeleteObjects", "HeadObject", "PutObject"][random.below(4)];
    let kind = match random.below(6) {
        0 | 1 => FaultKind::ResponseLost,
        2 => FaultKind::RequestLost,
        3 => FaultKind::InternalError,
        4 => FaultKind::BadGateway,
        _ => return None,
    };
    let fault = Fault::new(kind).service("s3").operation(operation);
    let fault = fault.share(0.6).times(4);
    // Of writes only the run's own, which are those of its journal.
    Some(match operation {
        "PutObject" => fault.resource("photos-dr/.dr-journal/*"),
        _ => fault,
    })
}

/// Waits until the run has begun to change something, or is over.
async fn begun(stage: &Stage) {
    for _ in 0..100 {
        let log = stage.aws.log();
        if log.iter().any(|entry| entry.operation == "CopyObject") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn history(stage: &mut Stage, seed: u64) {
    let mut random = Random(seed);
    let folder = format!("h{seed}/");
    let location = |bucket: &str| format!("s3://{bucket}/{folder}").parse().unwrap();
    stage.source = Bucket::new(&stage.from, location("photos"));
    stage.destination = Bucket::new(&stage.to, location("photos-dr"));
    let stage: &Stage = stage;
    let side = |clients, bucket| Side {
        clients,
        bucket,
        folder: folder.clone(),
    };
    let (primary, dr) = (side(&stage.from, "photos"), side(&stage.to, "photos-dr"));
    // What was there: replicas, what somebody has put into DR, what replication never saw.
    for _ in 0..random.below(8) {
        let (key, body, bare) = (random.key(), random.body(), random.is(2));
        match random.below(4) {
            0 => drop(dr.put(key, body, bare).await),
            1 => drop(primary.delete(key).await),
            _ => drop(primary.put(key, body, bare).await),
        }
    }
    let before = (dr.bodies().await, dr.versions().await);
    let source = primary.bodies().await;
    let options = PlanOptions {
        delete: random.is(2) && !source.is_empty(),
        ..stage.keyed_options()
    };
    let fault = fault(&mut random);
    let silent = fault
        .as_ref()
        .is_some_and(|fault| !matches!(fault.kind, FaultKind::InternalError));
    if let Some(fault) = fault {
        stage.aws.add_fault(fault);
    }
    stage.aws.clear_log();
    let planned = stage.plan(&options).await;
    let (run, undo) = (format!("r{seed}"), format!("u{seed}"));
    let meanwhile = async {
        let mut written = BTreeMap::<_, BTreeSet<String>>::new();
        if random.is(2) {
            begun(stage).await;
        }
        for _ in 0..random.below(3) {
            let (key, body, bare) = (random.key(), random.body(), random.is(2));
            let id = match random.below(4) {
                0 => Some(dr.delete(key).await),
                // Replicated at once, as the same version.
                1 => Some(primary.put(key, body, bare).await),
                // Its marker in DR has an ID of its own.
                2 => {
                    primary.delete(key).await;
                    None
                }
                _ => Some(dr.put(key, body, bare).await),
            };
            written.entry(key).or_default().extend(id);
        }
        written
    };
    let (done, others) = tokio::join!(stage.apply(&run, planned), meanwhile);
    let done = done.unwrap();
    stage.aws.clear_faults();
    let killed = random.is(3);
    if killed {
        forget_outcomes(stage, &run);
    }
    let middle = dr.versions().await;
    let after = dr.bodies().await;
    for (key, versions) in &before.1 {
        let now: Vec<_> = middle[key].iter().map(|version| &version.id).collect();
        for version in versions {
            assert!(now.contains(&&version.id), "{key}: a version is lost");
        }
    }
    if others.is_empty() {
        assert!(done.is_complete(), "{done:?}");
        for (key, body) in &source {
            assert_eq!(after.get(key), Some(body), "{key} is not as in the source");
        }
        for (key, body) in after.iter().filter(|(key, _)| !source.contains_key(*key)) {
            assert!(!options.delete, "{key} should be deleted");
            assert_eq!(before.0.get(key), Some(body));
        }
        if after == source {
            let parity = stage.parity(Mode::Auto).await;
            // What a killed run has copied is not in its journal, and may be unprovable.
            assert!(parity.finding == Finding::Same || killed, "{parity:?}");
        }
    }

    let planned = stage.plan_undo(&run).await.unwrap();
    stage.carry_out_undo(planned, &undo).await;
    let (bodies, versions) = (dr.bodies().await, dr.versions().await);
    let wanted = |key: &str| match source.get(key) {
        None if !options.delete => before.0.get(key),
        wanted => wanted,
    };
    for key in KEYS {
        let current = |of: &BTreeMap<String, Vec<Version>>| Some(of.get(key)?.first()?.id.clone());
        // Where no answer came or none was written down, and somebody did just what the run was to do, nobody can tell who
        // it was.
        let unanswered = silent || killed;
        let untellable = unanswered && others.contains_key(key) && wanted(key) == after.get(key);
        if untellable {
            // Whatever undo does, no version is lost.
        } else if let Some(theirs) = others.get(key)
            && let Some(id) = current(&middle)
            && theirs.contains(&id)
        {
            let still = current(&versions);
            assert_eq!(still, Some(id), "{key}: somebody else's");
        } else if others.contains_key(key) {
            // Either somebody else's is still current, or only the run's was and has gone.
            let theirs = current(&versions) == current(&middle);
            let restored = bodies.get(key) == before.0.get(key);
            assert!(theirs || restored, "{key}: {middle:?} {versions:?}");
        } else {
            assert_eq!(bodies.get(key), before.0.get(key), "{key} is not as before");
        }
        let lost = middle.get(key).into_iter().flatten().filter(|version| {
            let still = versions.get(key).into_iter().flatten();
            !still.into_iter().any(|now| now.id == version.id)
        });
        // An undo takes away the run's own delete markers, and nothing else.
        for version in lost {
            assert!(
                version.is_marker && (untellable || !others.contains_key(key)),
                "{key}: {version:?}"
            );
        }
    }
}

// aws-behaviour: 38
#[tokio::test]
async fn histories_under_keys_lose_nothing_and_undo_restores_what_was() {
    let mut stage = match Stage::impatient().await {
        Some(stage) => stage,
        None => return,
    };
    encrypt_both(&stage).await;
    replicate(&stage).await;
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let first: u64 = number("DR_SEED", 1);
    for seed in first..first + number("DR_HISTORIES", 12) {
        println!("history with DR_SEED={seed}");
        history(&mut stage, seed).await;
    }
}
