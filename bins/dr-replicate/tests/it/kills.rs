//! kill -9 at every request of a run, before it arrives and after AWS has acted: the next run ends as if nothing had been.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use aws_env::RegionClients;
use local_aws::{KillAt, Moment};

use crate::stage::{FROM, JOURNALS, Stage, TO, keep_versions};

const ANY_NUMBER: [&str; 4] = ["--max-delete", "100%", "--max-replace", "100%"];

/// What readers see of a bucket, and how often each key was written and deleted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    bodies: BTreeMap<String, Vec<u8>>,
    versions: BTreeMap<String, usize>,
    markers: BTreeMap<String, usize>,
}

/// Every version and delete marker: key, ID, whether it is a marker.
async fn entries(clients: &RegionClients, bucket: &str) -> Vec<(String, String, bool)> {
    let list = clients.s3.list_object_versions().bucket(bucket);
    let list = list.send().await.unwrap();
    let versions = list.versions().iter();
    let versions = versions.map(|of| (of.key(), of.version_id(), false));
    let markers = list.delete_markers().iter();
    let markers = markers.map(|of| (of.key(), of.version_id(), true));
    let all = versions.chain(markers);
    let all = all.map(|(key, id, is_marker)| (key.unwrap(), id.unwrap(), is_marker));
    all.map(|(key, id, is_marker)| (key.to_owned(), id.to_owned(), is_marker))
        .collect()
}

async fn see(clients: &RegionClients, bucket: &str) -> Seen {
    let mut seen = Seen::default();
    for (key, _, is_marker) in entries(clients, bucket).await {
        let of = match is_marker {
            true => &mut seen.markers,
            false => &mut seen.versions,
        };
        *of.entry(key).or_default() += 1;
    }
    for key in seen.versions.keys() {
        let get = clients.s3.get_object().bucket(bucket).key(key);
        if let Ok(object) = get.send().await {
            let body = object.body.collect().await.unwrap().to_vec();
            seen.bodies.insert(key.clone(), body);
        }
    }
    seen
}

async fn put(clients: &RegionClients, bucket: &str, key: &str, body: &str) {
    let put = clients.s3.put_object().bucket(bucket).key(key);
    let put = put.body(body.as_bytes().to_vec().into());
    put.send().await.unwrap();
}

async fn delete(clients: &RegionClients, bucket: &str, key: &str) {
    let delete = clients.s3.delete_object().bucket(bucket).key(key);
    delete.send().await.unwrap();
}

impl Stage {
    /// Both buckets keep versions, and are empty; no run has been.
    async fn anew(&self) {
        for (clients, bucket) in [(&self.from, FROM), (&self.to, TO)] {
            keep_versions(clients, bucket).await;
        }
        // With the journals of all runs before, each run would take longer.
        for (clients, bucket) in [(&self.from, FROM), (&self.to, TO), (&self.to, JOURNALS)] {
            for (key, id, _) in entries(clients, bucket).await {
                let delete = clients.s3.delete_object().bucket(bucket).key(key);
                delete.version_id(id).send().await.unwrap();
            }
        }
        let _ = std::fs::remove_dir_all(self.folder.path().join("runs"));
    }

    /// Kills the program at a request; `false` if it came to its end before.
    async fn is_killed(&self, (nth, moment): (u64, Moment), arguments: &[&str]) -> bool {
        let point = KillAt::new(&self.aws, nth, moment);
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = async {
            while child.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if point.run(&self.aws, ended).await.is_some() {
            return false;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        true
    }

    async fn both(&self) -> [Seen; 2] {
        [see(&self.from, FROM).await, see(&self.to, TO).await]
    }
}

/// Copies, overwriting, and a deletion.
async fn differing(stage: &Stage) {
    stage.anew().await;
    for (key, body) in [("new", "1"), ("b/new", "2"), ("changed", "3")] {
        put(&stage.from, FROM, key, body).await;
    }
    for (key, body) in [("changed", "before"), ("stray", "before")] {
        put(&stage.to, TO, key, body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_killed_at_any_request_is_ended_by_the_next_one() {
    let stage = stage!();
    let sync = [
        &["sync", "--bucket", FROM, "--delete", "--yes"][..],
        &ANY_NUMBER,
    ]
    .concat();
    differing(&stage).await;
    stage.json(0, &sync);
    let expected = stage.both().await;
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in 1.. {
            differing(&stage).await;
            let killed = stage.is_killed((nth, moment), &sync).await;
            stage.json(0, &sync);
            assert_eq!(stage.both().await, expected, "{moment:?} {nth}");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    assert!(kills >= 40, "{kills}");
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_killed_at_any_request_is_ended_by_the_next_one() {
    let stage = stage!();
    let sync = [
        &["sync", "--bucket", FROM, "--delete", "--yes"][..],
        &ANY_NUMBER,
    ]
    .concat();
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in 1.. {
            differing(&stage).await;
            let [_, before] = stage.both().await;
            let synced = stage.json(0, &sync);
            let run = synced["done"]["run"].as_str().unwrap();
            let undo = ["undo", run, "--bucket", FROM, "--yes"];
            let killed = stage.is_killed((nth, moment), &undo).await;
            stage.json(0, &undo);
            let [_, after] = stage.both().await;
            assert_eq!(after.bodies, before.bodies, "{moment:?} {nth}");
            // Brought back once, and taken away once.
            assert_eq!(after.versions["changed"], 3, "{moment:?} {nth}");
            assert_eq!(after.markers["new"], 1, "{moment:?} {nth}");
            assert!(!after.markers.contains_key("stray"), "{moment:?} {nth}");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    assert!(kills >= 40, "{kills}");
}

/// Written in DR since the failover: an edit, a deletion, something new.
async fn failed_over(stage: &Stage) {
    stage.anew().await;
    for (key, body) in [("edited", "1"), ("gone", "2"), ("kept", "3")] {
        put(&stage.from, FROM, key, body).await;
        put(&stage.to, TO, key, body).await;
    }
    let manifest = stage.folder.path().join("manifest");
    let _ = std::fs::remove_file(&manifest);
    stage.json(0, &["manifest", "--bucket", FROM, "--out", "manifest"]);
    put(&stage.to, TO, "edited", "in DR").await;
    put(&stage.to, TO, "new", "in DR").await;
    delete(&stage.to, TO, "gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_killed_at_any_request_is_ended_by_the_next_one() {
    let stage = stage!();
    let reconcile = [
        "reconcile",
        "--bucket",
        FROM,
        "--manifest",
        "manifest",
        "--delete",
        "--yes",
    ];
    let reconcile = [&reconcile[..], &ANY_NUMBER].concat();
    failed_over(&stage).await;
    stage.json(0, &reconcile);
    let expected = stage.both().await;
    assert_eq!(expected[0].bodies, expected[1].bodies);
    let mut kills = 0;
    for moment in Moment::ALL {
        for nth in 1.. {
            failed_over(&stage).await;
            let killed = stage.is_killed((nth, moment), &reconcile).await;
            stage.json(0, &reconcile);
            assert_eq!(stage.both().await, expected, "{moment:?} {nth}");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    assert!(kills >= 40, "{kills}");
}
