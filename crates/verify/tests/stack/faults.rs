//! AWS that refuses, fails, throttles, hangs up, or answers with nothing: what was not seen is not ok.

use std::collections::{BTreeMap, BTreeSet};

use local_aws::{Fault, FaultKind};
use report::finding::Status;
use verify::{Answer, Checked};

use crate::Stack;

/// Asks terraform's outputs alone.
const ASKS_NOTHING: [&str; 1] = ["residency-outputs"];

/// What a role without policies may do is nothing: here an empty list is a good answer.
const EMPTY_IS_GOOD: [&str; 4] = [
    "iam-actions",
    "iam-destructive",
    "iam-managed-policies",
    "iam-resources",
];

/// Without the account's block of public access, that of each bucket decides alone.
const NOT_NEEDED: [&str; 1] = ["s3-control"];

/// What AWS gives whole: its answers have no token, or describe one thing.
const WHOLE: [(&str, &str); 13] = [
    ("cloudtrail", "DescribeTrails"),
    ("dynamodb", "DescribeTable"),
    ("ec2", "DescribeAddresses"),
    ("ec2", "DescribeVpcAttribute"),
    ("elasticache", "ListTagsForResource"),
    ("kms", "DescribeKey"),
    ("logs", "ListTagsForResource"),
    ("monitoring", "ListTagsForResource"),
    ("rds", "ListTagsForResource"),
    ("secretsmanager", "DescribeSecret"),
    ("sns", "ListTagsForResource"),
    // Of this there are pages, but the newest stream is on the first.
    ("logs", "DescribeLogStreams"),
    // Nothing is pending here.
    ("rds", "DescribePendingMaintenanceActions"),
];

/// Service and operation of every call of a check but the one that asks who we are.
async fn calls(stack: &Stack) -> BTreeSet<(String, String)> {
    stack.aws.clear_log();
    let checked = stack.check().await;
    assert_eq!(crate::amiss(&checked), Vec::<String>::new());
    let log = stack.aws.log().into_iter();
    log.map(|entry| (entry.service, entry.operation))
        .filter(|(service, _)| service != "sts")
        .collect()
}

/// The answers of checks that ask AWS something here.
fn asked(checked: &Checked) -> impl Iterator<Item = &Answer> {
    let asks = |answer: &&Answer| !ASKS_NOTHING.contains(&answer.check.id);
    checked.answers.iter().filter(asks)
}

/// What a check is not about here, whatever AWS answers.
async fn skipped(stack: &Stack) -> BTreeSet<(&'static str, String)> {
    let checked = stack.check().await;
    let answers = checked.answers.iter();
    let skipped = answers.filter(|answer| answer.status == Status::Skipped);
    skipped
        .map(|answer| (answer.check.id, answer.resource.clone()))
        .collect()
}

fn told(answer: &Answer) -> String {
    format!(
        "{} of {}: {:?}, {:?}, {:?}",
        answer.check.id, answer.resource, answer.status, answer.aws, answer.reason
    )
}

#[tokio::test]
async fn when_aws_gives_no_answer_everything_is_unknown() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let services: BTreeSet<String> = calls(&stack).await.into_iter().map(|call| call.0).collect();
    let impatient = stack.impatient().await;
    let skipped = skipped(&stack).await;
    for kind in [
        FaultKind::Denied,
        FaultKind::InternalError,
        FaultKind::SlowDown,
        FaultKind::RequestLost,
    ] {
        for service in &services {
            stack
                .aws
                .add_fault(Fault::new(kind.clone()).service(service));
        }
        let checked = stack.check_with(&impatient).await;
        let not_unknown: Vec<String> = asked(&checked)
            .filter(|answer| !skipped.contains(&(answer.check.id, answer.resource.clone())))
            .filter(|answer| answer.status != Status::Unknown || answer.reason.is_none())
            .map(told)
            .collect();
        assert!(
            not_unknown.is_empty(),
            "{kind:?}:\n{}",
            not_unknown.join("\n")
        );
        let ids: BTreeSet<&str> = asked(&checked).map(|answer| answer.check.id).collect();
        let missing: Vec<&str> = verify::all()
            .map(|check| check.id)
            .filter(|id| !ids.contains(id) && !ASKS_NOTHING.contains(id))
            .collect();
        assert!(missing.is_empty(), "{kind:?}: no answer of {missing:?}");
        stack.aws.clear_faults();
    }
}

#[tokio::test]
async fn when_aws_answers_with_nothing_nothing_is_ok() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let services: BTreeSet<String> = calls(&stack).await.into_iter().map(|call| call.0).collect();
    for service in &services {
        stack
            .aws
            .add_fault(Fault::new(FaultKind::Empty).service(service));
    }
    let checked = stack.check_with(&stack.impatient().await).await;
    let ok: Vec<String> = asked(&checked)
        .filter(|answer| answer.status == Status::Ok)
        .filter(|answer| !EMPTY_IS_GOOD.contains(&answer.check.id))
        .map(told)
        .collect();
    assert!(ok.is_empty(), "\n{}", ok.join("\n"));
}

/// Each call is denied alone: no call is made for nothing, and what it would have shown is unknown, with its name.
#[tokio::test]
async fn a_call_that_is_denied_makes_unknown_what_it_would_have_shown() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let calls = calls(&stack).await;
    let statuses = |checked: &Checked| -> BTreeMap<(&'static str, String), Status> {
        let answers = checked.answers.iter();
        answers
            .map(|answer| ((answer.check.id, answer.resource.clone()), answer.status))
            .collect()
    };
    let before = statuses(&stack.check().await);
    let mut problems = Vec::new();
    for (service, operation) in calls {
        let fault = Fault::new(FaultKind::Denied)
            .service(&service)
            .operation(&operation);
        stack.aws.add_fault(fault);
        let checked = stack.check().await;
        stack.aws.clear_faults();
        let changed: Vec<&Answer> = asked(&checked)
            .filter(|answer| {
                let key = (answer.check.id, answer.resource.clone());
                before.get(&key) != Some(&answer.status)
            })
            .collect();
        if changed.is_empty() && !NOT_NEEDED.contains(&service.as_str()) {
            problems.push(format!("{service} {operation}: nobody noticed"));
        }
        for answer in changed {
            if answer.status != Status::Unknown {
                problems.push(format!("{service} {operation}: {}", told(answer)));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[tokio::test]
async fn throttling_is_survived() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let fifth = Fault::new(FaultKind::SlowDown).share(0.2);
    stack.aws.add_fault(fifth);
    let checked = stack.check().await;
    assert_eq!(crate::amiss(&checked), Vec::<String>::new());
}

#[tokio::test]
async fn pages_are_read_to_the_end_even_if_the_first_is_empty() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let calls = calls(&stack).await;
    for (service, operation) in WHOLE {
        let call = (service.to_owned(), operation.to_owned());
        assert!(calls.contains(&call), "{call:?} is not made any more");
    }
    let lists: BTreeSet<(String, String)> = calls
        .into_iter()
        .filter(|(_, operation)| operation.starts_with("Describe") || operation.starts_with("List"))
        .filter(|(service, operation)| !WHOLE.contains(&(service.as_str(), operation.as_str())))
        .collect();
    for (service, operation) in &lists {
        let fault = Fault::new(FaultKind::Pages)
            .service(service)
            .operation(operation);
        stack.aws.add_fault(fault);
    }
    let checked = stack.check().await;
    assert_eq!(crate::amiss(&checked), Vec::<String>::new());
    let mut pages: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in stack
        .aws
        .log()
        .into_iter()
        .filter(|entry| entry.fault.is_some())
    {
        *pages.entry((entry.service, entry.operation)).or_default() += 1;
    }
    let once = lists
        .iter()
        .filter(|call| pages.get(call).is_none_or(|pages| *pages < 2));
    assert_eq!(once.collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}
