//! One way of breaking the stack at a time: what has to be noticed is, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use report::finding::Status;
use verify::Checked;

use crate::{Known, Stack};
use local_aws::stack::Conventions;

/// A way of breaking the stack.
pub(crate) struct Mutation {
    /// What happens, in words: "a NAT gateway is deleted".
    pub(crate) name: &'static str,
    /// The item of the guide's checklist.
    pub(crate) item: Option<u8>,
    /// Ids of the checks that notice. The first is wrong afterwards; the others are wrong too, or not asked any
    /// more because what they ask about is gone.
    pub(crate) breaks: &'static [&'static str],
    /// Does it.
    pub(crate) apply: for<'a> fn(&'a Stack) -> BoxFuture<'a, ()>,
}

/// A way of breaking the stack that no local AWS shows; a unit test hands the check AWS's answer.
pub(crate) struct ByUnitTest {
    pub(crate) name: &'static str,
    pub(crate) item: Option<u8>,
    pub(crate) breaks: &'static [&'static str],
    /// The test's function, in `crates/verify/src`.
    pub(crate) test: &'static str,
}

/// Shows every mutation on a stack of its own. `false`: this machine cannot run a local AWS.
///
/// # Panics
/// With every mutation that did not show what it should.
pub(crate) async fn show(mutations: Vec<Mutation>) -> bool {
    // Two at a time: an emulator keeps a processor busy.
    let shown: Vec<Option<Result<(), String>>> = futures::stream::iter(mutations.iter().map(shows))
        .buffer_unordered(2)
        .collect()
        .await;
    let Some(shown) = shown.into_iter().collect::<Option<Vec<_>>>() else {
        return false;
    };
    let failed: Vec<String> = shown.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    true
}

async fn shows(mutation: &Mutation) -> Option<Result<(), String>> {
    if let Some(log) = std::env::var_os("MUTATIONS_OF_OTHERS") {
        return survey(mutation, Path::new(&log)).await;
    }
    let stack = Stack::built().await?;
    let before = answers(&stack.check().await);
    if let Some(((id, resource), (status, shown))) = before
        .iter()
        .find(|(_, (status, _))| matches!(status, Status::Wrong | Status::Unknown))
    {
        let text = format!(
            "before {:?}: {id} of {resource} is {status:?}: {shown}",
            mutation.name
        );
        return Some(Err(text));
    }
    (mutation.apply)(&stack).await;
    let after = answers(&stack.check().await);
    Some(compare(mutation, &before, &after))
}

/// Breaks a stack of other conventions, and writes a line for each way of knowing its resources: whether the first of
/// the named checks notices, and whether any check does. All of them take long: `MUTATIONS_OF_OTHERS=FILE` asks for it.
async fn survey(mutation: &Mutation, log: &Path) -> Option<Result<(), String>> {
    let stack = Stack::built_by(Conventions::Other).await?;
    let ways = [Known::State, Known::Account];
    let mut before = Vec::new();
    for known in ways {
        before.push(answers(&stack.check_by(known).await));
    }
    (mutation.apply)(&stack).await;
    let mut lines = String::new();
    for (known, before) in ways.into_iter().zip(before) {
        let after = answers(&stack.check_by(known).await);
        let is_new = |key: &(&'static str, String)| {
            let was = before.get(key).map(|was| was.0);
            was != Some(Status::Wrong) && was != Some(Status::Unknown)
        };
        let noticed: BTreeSet<&str> = after
            .iter()
            .filter(|(key, is)| is.0 == Status::Wrong && is_new(key))
            .map(|((id, _), _)| *id)
            .collect();
        let named = mutation
            .breaks
            .first()
            .is_some_and(|id| noticed.contains(id));
        let any = !noticed.is_empty();
        lines.push_str(&format!(
            "{known:?} {named} {any} {}: {noticed:?}\n",
            mutation.name
        ));
    }
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(log);
    let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
    Some(written.map_err(|error| error.to_string()))
}

/// Checks of every area, each with a way of breaking it that leaves the others alone.
const TOGETHER: [&str; 20] = [
    "vpc-public-addresses",
    "vpc-dns",
    "vpc-endpoints",
    "groups-default",
    "rds-multi-az",
    "rds-log-exports",
    "redis-multi-az",
    "redis-snapshots",
    "s3-versioning",
    "s3-lifecycle-glacier",
    "s3-ownership",
    "s3-tls",
    "cloudfront-https",
    "iam-destructive",
    "iam-trust",
    "kms-rotation",
    "secrets-key",
    "sns-encrypted",
    "alarm-metric",
    "alarm-actions",
];

/// All of these at once on one stack of other conventions: each mutation on a stack of its own takes minutes, and
/// `MUTATIONS_OF_OTHERS` shows them.
#[tokio::test(flavor = "multi_thread")]
async fn breakages_of_a_stack_of_others_are_noticed_however_it_is_known() {
    let Some(stack) = Stack::built_by(Conventions::Other).await else {
        return;
    };
    let ways = [Known::State, Known::Account];
    let mut before = Vec::new();
    for known in ways {
        before.push(answers(&stack.check_by(known).await));
    }
    let mutations = crate::table::mutations();
    for id in TOGETHER {
        let of = |mutation: &&Mutation| mutation.breaks.first() == Some(&id);
        let mutation = mutations.iter().find(of).expect("a way of breaking it");
        (mutation.apply)(&stack).await;
    }
    for (known, before) in ways.into_iter().zip(before) {
        let after = answers(&stack.check_by(known).await);
        let noticed = |id: &&str| {
            let mut wrong = after.iter().filter(|(_, is)| is.0 == Status::Wrong);
            wrong.any(|(key, _)| {
                key.0 == *id && before.get(key).map(|was| was.0) != Some(Status::Wrong)
            })
        };
        let missed: Vec<&str> = TOGETHER.into_iter().filter(|id| !noticed(id)).collect();
        assert_eq!(missed, Vec::<&str>::new(), "{known:?}");
    }
}

type Answers = BTreeMap<(&'static str, String), (Status, String)>;

fn answers(checked: &Checked) -> Answers {
    checked
        .answers
        .iter()
        .map(|answer| {
            let shown = [answer.aws.as_deref(), answer.reason.as_deref()];
            let shown = shown.into_iter().flatten().collect::<Vec<_>>().join(": ");
            let key = (answer.check.id, answer.resource.clone());
            (key, (answer.status, shown))
        })
        .collect()
}

fn compare(mutation: &Mutation, before: &Answers, after: &Answers) -> Result<(), String> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = keys
        .into_iter()
        .filter(|key| {
            let (was, is) = (before.get(key), after.get(key));
            let (was, is) = (was.map(|was| was.0), is.map(|is| is.0));
            // There may be something to ask about that was not there before.
            was != is && (was, is) != (Some(Status::Skipped), Some(Status::Ok))
        })
        .collect();
    let mut problems = Vec::new();
    for key @ (id, resource) in &changed {
        let is = after.get(key);
        if !mutation.breaks.contains(id) {
            problems.push(format!("{id} of {resource} changed as well, to {is:?}"));
        } else if let Some((status @ (Status::Ok | Status::Unknown), shown)) = is {
            problems.push(format!("{id} of {resource} became {status:?}: {shown}"));
        }
    }
    for (place, id) in mutation.breaks.iter().enumerate() {
        let noticed = changed.iter().any(|key @ (changed, _)| {
            let status = after.get(key).map(|is| is.0);
            let gone = matches!(status, None | Some(Status::Skipped));
            changed == id && (status == Some(Status::Wrong) || place > 0 && gone)
        });
        if !noticed {
            let is: Vec<_> = after.iter().filter(|((found, _), _)| found == id).collect();
            problems.push(format!("{id} did not notice: {is:?}"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("{:?}:\n  {}", mutation.name, problems.join("\n  ")))
}

#[test]
fn a_change_that_is_missed_or_one_too_many_is_told() {
    fn nothing(_: &Stack) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    let mutation = Mutation {
        name: "m",
        item: None,
        breaks: &["a-b", "a-c"],
        apply: nothing,
    };
    let all = |of: &[(&'static str, Status)]| -> Answers {
        of.iter()
            .map(|(id, status)| ((*id, "r".to_owned()), (*status, String::new())))
            .collect()
    };
    use Status::{Ok as Fine, Skipped, Unknown, Wrong};
    let before = all(&[("a-b", Fine), ("a-c", Fine), ("a-d", Fine)]);
    for (b, c, d, right) in [
        (Wrong, Wrong, Fine, true),
        (Wrong, Skipped, Fine, true),
        (Skipped, Wrong, Fine, false),
        (Wrong, Fine, Fine, false),
        (Wrong, Unknown, Fine, false),
        (Unknown, Wrong, Fine, false),
        (Wrong, Wrong, Wrong, false),
        (Wrong, Wrong, Unknown, false),
    ] {
        let after = all(&[("a-b", b), ("a-c", c), ("a-d", d)]);
        let told = compare(&mutation, &before, &after);
        assert_eq!(told.is_ok(), right, "{b:?} {c:?} {d:?}: {told:?}");
    }
    let gone = all(&[("a-b", Wrong), ("a-c", Wrong)]);
    assert!(compare(&mutation, &before, &gone).is_err());
    let before = all(&[("a-b", Fine), ("a-c", Fine), ("a-d", Skipped)]);
    for (d, right) in [(Fine, true), (Wrong, false), (Unknown, false)] {
        let after = all(&[("a-b", Wrong), ("a-c", Wrong), ("a-d", d)]);
        assert_eq!(compare(&mutation, &before, &after).is_ok(), right, "{d:?}");
    }
}
