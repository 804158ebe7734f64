//! Objects in parts, of which each is a request of its own.

use std::time::Duration;

use dr::objects::{ApplyOptions, apply};
use local_aws::{Base, Fault, FaultKind};
use tokio::sync::watch;

use crate::stage::{Stage, approve, options};
use crate::traps::put_in_parts;

#[tokio::test]
async fn sync_of_objects_in_parts_has_no_more_requests_under_way_than_it_may() {
    // It tells the sizes of parts, which ministack does not.
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    let parts = [vec![1; 5 << 20], vec![2; 5 << 20], vec![3; 9]];
    for key in ["one", "two"] {
        put_in_parts(&stage, key, &parts).await;
    }
    let approved = approve(stage.plan(&options()).await);
    let slow = Fault::new(FaultKind::Latency(Duration::from_millis(200)));
    stage.aws.add_fault(slow.operation("UploadPartCopy"));
    let allowed = ApplyOptions {
        concurrency: 2,
        ..stage.options()
    };
    let (_keep, stop) = watch::channel(false);
    let done = apply(approved, &stage.run("r1"), &allowed, stop, &report::Silent).await;
    assert_eq!(done.unwrap().copied.objects, 2);
    // What the server saw of a request is less than what was under way of it.
    let copies: Vec<_> = stage
        .aws
        .log()
        .into_iter()
        .filter(|entry| entry.operation == "UploadPartCopy")
        .map(|entry| {
            let begun = entry.time.as_millisecond();
            (begun + 1, begun + i64::try_from(entry.ms).unwrap() - 1)
        })
        .collect();
    assert_eq!(copies.len(), 6);
    let at_once = copies.iter().map(|(begun, _)| {
        let under_way = copies.iter().filter(|(b, e)| b <= begun && begun < e);
        under_way.count()
    });
    let most = at_once.max();
    assert!(most <= Some(2), "{most:?} {copies:?}");
}
