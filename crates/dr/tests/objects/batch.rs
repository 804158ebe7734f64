//! Batch jobs: S3 is a local AWS, S3 Control answers what each test says, since no emulator runs jobs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_env::BucketOwners;
use aws_sdk_s3control::operation::create_job::{CreateJobInput, CreateJobOutput};
use aws_sdk_s3control::operation::describe_job::DescribeJobOutput;
use aws_sdk_s3control::operation::list_jobs::ListJobsOutput;
use aws_sdk_s3control::types::{JobDescriptor, JobListDescriptor, JobProgressSummary, JobStatus};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use dr::objects::{
    BatchError, BatchOptions, BatchPlan, Bucket, Finding, InventoryError, JobControl, JobState,
    JournalKey, JournalTrust, Mode, PlanOptions, PrunePlan, PruneSources, ReplayedJob, Run,
    UndoError, UndoRefusal, follow, list_runs, plan, plan_batch, plan_prune, plan_undo, prune,
    record_copies, submit, undo, unfinished_jobs,
};
use local_aws::RegionState;
use settings::KmsKeyArn;
use tokio::sync::watch;

use crate::inventory::{Defect, md5, publish, rows};
use crate::keyed::{encrypt_both, put_bare};
use crate::stage::{DR, PRIMARY, Stage, approve, options};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn control(rules: &[&Rule]) -> BatchOptions {
    BatchOptions {
        control: JobControl {
            client: mock_client!(aws_sdk_s3control, RuleMode::Sequential, rules),
            account: "123456789012".to_owned(),
        },
        role: "arn:aws:iam::123456789012:role/batch".to_owned(),
        priority: 7,
        kms_key: None,
        journals: None,
        journal_key: JournalKey::new([1; 32]),
        inventory: None,
    }
}

fn describe(status: JobStatus, succeeded: i64, failed: i64) -> Rule {
    described(status, 10, succeeded, failed)
}

fn described(status: JobStatus, tasks: i64, succeeded: i64, failed: i64) -> Rule {
    mock!(aws_sdk_s3control::Client::describe_job)
        .match_requests(|request| {
            request.account_id() == Some("123456789012") && request.job_id() == Some("job-1")
        })
        .then_output(move || {
            let progress = JobProgressSummary::builder()
                .total_number_of_tasks(tasks)
                .number_of_tasks_succeeded(succeeded)
                .number_of_tasks_failed(failed)
                .build();
            let job = JobDescriptor::builder()
                .status(status.clone())
                .suspended_cause("why")
                .progress_summary(progress)
                .build();
            DescribeJobOutput::builder().job(job).build()
        })
}

/// A bucket that nobody asks.
async fn nowhere() -> Bucket {
    let env = aws_env::AwsEnv::load(aws_env::Options::default())
        .await
        .unwrap()
        .with_owners(BucketOwners::default().with_account("111122223333".parse().unwrap()));
    let clients = env.region(DR.parse().unwrap());
    Bucket::new(&clients, "s3://photos-dr".parse().unwrap())
}

async fn followed(rules: &[&Rule], deadline: u64, stopped: bool) -> JobState {
    let (_keep, stop) = watch::channel(stopped);
    let (bucket, ids, options) = (nowhere().await, ["job-1".to_owned()], control(rules));
    let deadline = Duration::from_secs(deadline);
    let control = &options.control;
    let jobs = follow(&bucket, &ids, control, deadline, stop, &report::Silent);
    jobs.await.unwrap().0.remove(0)
}

#[tokio::test(start_paused = true)]
async fn follow_of_a_job_goes_on_to_its_end() {
    let rules = [
        describe(JobStatus::New, 0, 0),
        describe(JobStatus::Preparing, 0, 0),
        describe(JobStatus::Active, 4, 0),
        describe(JobStatus::Complete, 10, 0),
    ];
    let job = followed(&rules.each_ref(), 3_600, false).await;
    assert!(job.is_complete() && job.ended, "{job:?}");
    assert_eq!((job.objects, job.succeeded, job.failed), (10, 10, 0));
    for rule in rules {
        assert_eq!(rule.num_calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn follow_of_a_job_that_fails_is_not_complete() {
    for (status, succeeded, failed) in [
        (JobStatus::Complete, 9, 1),
        (JobStatus::Failed, 0, 0),
        (JobStatus::Cancelled, 3, 0),
    ] {
        let job = followed(&[&describe(status, succeeded, failed)], 3_600, false).await;
        assert!(job.ended && !job.is_complete(), "{job:?}");
        assert_eq!(job.reasons, ["why"]);
    }
}

#[tokio::test(start_paused = true)]
async fn follow_at_its_deadline_or_an_interrupt_leaves_the_job_running() {
    let waiting = || describe(JobStatus::Suspended, 0, 0);
    let job = followed(&[&waiting(), &waiting(), &waiting()], 15, false).await;
    assert!(!job.ended && !job.is_complete(), "{job:?}");
    let job = followed(&[&describe(JobStatus::Active, 1, 0)], 3_600, true).await;
    assert!(!job.ended && job.succeeded == 1, "{job:?}");
}

#[tokio::test(start_paused = true)]
async fn follow_in_a_silent_region_asks_again_until_the_deadline() {
    let busy = mock!(aws_sdk_s3control::Client::describe_job)
        .sequence()
        .http_status(503, None)
        .times(50)
        .output(|| DescribeJobOutput::builder().build())
        .build();
    // However often the SDK tries by itself, the deadline ends it.
    let job = followed(&[&busy], 60, false).await;
    assert_eq!((job.ended, job.status.as_str()), (false, "not known"));
}

/// Nobody interrupts.
fn going_on() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// What S3 does with a manifest.
async fn perform(stage: &Stage, manifest: &str) -> Vec<String> {
    perform_but(stage, manifest, &[]).await
}

/// The same, where it may not read some objects.
async fn perform_but(stage: &Stage, manifest: &str, failing: &[&str]) -> Vec<String> {
    let s3 = &stage.to.s3;
    let object = s3.get_object().bucket("photos-dr").key(manifest);
    let body = object.send().await.unwrap().body.collect().await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut keys = Vec::new();
    for line in text.lines() {
        let (bucket, encoded) = line.split_once(',').unwrap();
        let key = percent_encoding::percent_decode_str(encoded)
            .decode_utf8()
            .unwrap();
        if failing.contains(&&*key) {
            continue;
        }
        let copy = s3.copy_object().bucket("photos-dr").key(&*key);
        copy.copy_source(format!("{bucket}/{encoded}"))
            .send()
            .await
            .unwrap();
        keys.push(key.into_owned());
    }
    keys
}

// aws-behaviour: 13
#[tokio::test]
async fn submit_of_a_plan_copies_it_and_can_be_undone() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for key in ["a", "b c/d,e\n+%2B\"", "same"] {
        stage.put_source(key, key.as_bytes()).await;
    }
    stage.put_destination("a", b"old").await;
    stage.put_destination("same", b"same").await;
    let cold = stage.from.s3.put_object().bucket("photos").key("cold");
    let class = aws_sdk_s3::types::StorageClass::StandardIa;
    cold.storage_class(class)
        .body(b"c".to_vec().into())
        .send()
        .await
        .unwrap();
    let before = stage.destination().await;
    let approved = approve(stage.plan(&options()).await);
    let plan = plan_batch(&approved).unwrap();
    let number = |class: &str| {
        let job = plan.jobs.iter().find(|job| job.class == class);
        job.map(|job| job.copies.objects)
    };
    assert_eq!(
        (number("STANDARD"), number("STANDARD_IA")),
        (Some(2), Some(1))
    );

    let requested = Arc::new(Mutex::new(Vec::<CreateJobInput>::new()));
    let seen = requested.clone();
    let create = mock!(aws_sdk_s3control::Client::create_job)
        .match_requests(move |request| {
            seen.lock().unwrap().push(request.clone());
            true
        })
        .sequence()
        .output(|| CreateJobOutput::builder().job_id("job-1").build())
        .output(|| CreateJobOutput::builder().job_id("job-2").build())
        .build();
    let mut batch = control(&[&create]);
    batch.kms_key = Some(KEY.parse::<KmsKeyArn>().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    let plan = submit(
        approved,
        &stage.run("r1"),
        (stage.runs.path(), directory.path()),
        &batch,
        &going_on(),
        |job| made.extend(job.id.clone()),
    )
    .await
    .unwrap();
    assert_eq!(made, ["job-1", "job-2"]);
    assert_eq!(plan.left.tally.objects, 0);

    let requested = std::mem::take(&mut *requested.lock().unwrap());
    let mut keys = Vec::new();
    let mut classes = Vec::new();
    for (number, request) in requested.iter().enumerate() {
        let operation = request.operation().unwrap().s3_put_object_copy().unwrap();
        assert_eq!(operation.target_resource(), Some("arn:aws:s3:::photos-dr"));
        assert_eq!(operation.sse_aws_kms_key_id(), Some(KEY));
        assert_eq!(operation.target_key_prefix(), None);
        classes.push(operation.storage_class().unwrap().as_str().to_owned());
        assert_eq!(
            request.role_arn(),
            Some("arn:aws:iam::123456789012:role/batch")
        );
        assert_eq!(request.confirmation_required(), Some(false));
        assert_eq!(request.priority(), Some(7));
        let token = format!("r1-{number}");
        assert_eq!(request.client_request_token(), Some(token.as_str()));
        let report = request.report().unwrap();
        assert!(report.enabled() && report.prefix() == Some(".dr-journal/r1"));
        let location = request.manifest().unwrap().location().unwrap();
        let manifest = location
            .object_arn()
            .strip_prefix("arn:aws:s3:::photos-dr/");
        assert!(!location.e_tag().is_empty());
        keys.extend(perform(&stage, manifest.unwrap()).await);
    }
    classes.sort();
    assert_eq!(classes, ["STANDARD", "STANDARD_IA"]);
    keys.sort();
    assert_eq!(keys, ["a", "b c/d,e\n+%2B\"", "cold"]);
    assert_eq!(stage.destination().await, stage.source().await);
    // The journal knows what was there, although no process saw the copies.
    let directory = tempfile::tempdir().unwrap();
    let replayed = stage.replay("r1", directory.path()).await;
    let unknown = plan_undo(&replayed, None, None, directory.path()).await;
    assert!(
        matches!(unknown, Err(UndoError::JobsUnknown { .. })),
        "{unknown:?}"
    );
    // Of two jobs one goes on.
    let [first, second] = [JobStatus::Complete, JobStatus::Active].map(any_job);
    let under_way = control(&[&first, &second]).control;
    let refused = plan_undo(&replayed, Some(&under_way), None, directory.path()).await;
    assert!(
        matches!(
            refused,
            Err(UndoError::Refused(UndoRefusal::JobsUnfinished { .. }))
        ),
        "{refused:?}"
    );
    let [first, second] = [JobStatus::Complete, JobStatus::Cancelled].map(any_job);
    let ended = control(&[&first, &second]).control;
    let planned = plan_undo(&replayed, Some(&ended), None, directory.path()).await;
    let approved = planned.unwrap().approve(JournalTrust::Own).unwrap();
    let (run, options) = (stage.run("r2"), stage.options());
    let undone = undo(approved, &run, &options, &report::Silent).await;
    assert_eq!(undone.unwrap().undone.objects, 3);
    assert_eq!(stage.destination().await, before);
}

fn any_job(status: JobStatus) -> Rule {
    mock!(aws_sdk_s3control::Client::describe_job).then_output(move || {
        let job = JobDescriptor::builder().status(status.clone());
        DescribeJobOutput::builder().job(job.build()).build()
    })
}

async fn replayed_jobs(stage: &Stage, run: &str) -> Vec<(String, Option<String>)> {
    let directory = tempfile::tempdir().unwrap();
    let replayed = stage.replay(run, directory.path()).await;
    let jobs = replayed.jobs().iter().cloned();
    jobs.map(|job| (job.token, job.id)).collect()
}

/// Makes jobs for two objects of two classes; interrupted after so many of them.
async fn interrupted_after(stage: &Stage, run: &str, jobs: usize, create: &Rule) -> BatchPlan {
    let approved = approve(stage.plan(&options()).await);
    let directory = tempfile::tempdir().unwrap();
    let (interrupt, stop) = watch::channel(jobs == 0);
    let mut made = 0;
    submit(
        approved,
        &stage.run(run),
        (stage.runs.path(), directory.path()),
        &control(&[create]),
        &stop,
        |_| {
            made += 1;
            interrupt.send_replace(made >= jobs);
        },
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn submit_that_is_interrupted_leaves_jobs_unmade() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.put_source("a", b"a").await;
    let cold = stage.from.s3.put_object().bucket("photos").key("cold");
    let class = aws_sdk_s3::types::StorageClass::StandardIa;
    cold.storage_class(class)
        .body(b"c".to_vec().into())
        .send()
        .await
        .unwrap();
    let create = || {
        mock!(aws_sdk_s3control::Client::create_job)
            .sequence()
            .output(|| CreateJobOutput::builder().job_id("job-1").build())
            .times(2)
            .build()
    };
    let none = create();
    let plan = interrupted_after(&stage, "r1", 0, &none).await;
    assert_eq!((none.num_calls(), plan.jobs.len()), (0, 0));
    assert!(plan.interrupted);
    assert_eq!(replayed_jobs(&stage, "r1").await, []);
    let one = create();
    let plan = interrupted_after(&stage, "r2", 1, &one).await;
    assert_eq!((one.num_calls(), plan.jobs.len()), (1, 1));
    assert!(plan.interrupted);
    let known = [("r2-0".to_owned(), Some("job-1".to_owned()))];
    assert_eq!(replayed_jobs(&stage, "r2").await, known);
    let two = create();
    let plan = interrupted_after(&stage, "r3", 9, &two).await;
    assert_eq!((two.num_calls(), plan.interrupted), (2, false));
}

#[tokio::test]
async fn submit_whose_answer_is_lost_has_its_job_in_the_journal() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.put_source("a", b"a").await;
    let approved = approve(stage.plan(&options()).await);
    let directory = tempfile::tempdir().unwrap();
    let lost = mock!(aws_sdk_s3control::Client::create_job)
        .sequence()
        .http_status(400, None)
        .build();
    let ended = submit(
        approved,
        &stage.run("r1"),
        (stage.runs.path(), directory.path()),
        &control(&[&lost]),
        &going_on(),
        |_| {},
    )
    .await;
    assert!(matches!(ended, Err(BatchError::Call(_))), "{ended:?}");
    assert_eq!(
        replayed_jobs(&stage, "r1").await,
        [("r1-0".to_owned(), None)]
    );
}

async fn unfinished(id: Option<&str>, rules: &[&Rule]) -> Result<Vec<String>, aws_env::Error> {
    let jobs = [ReplayedJob {
        token: "r1-0".to_owned(),
        id: id.map(str::to_owned),
    }];
    let control = control(rules).control;
    let unfinished = unfinished_jobs(&nowhere().await, &jobs, &control).await?;
    Ok(unfinished.into_iter().map(|job| job.id).collect())
}

#[tokio::test]
async fn unfinished_jobs_of_a_run_are_those_that_have_not_ended() {
    for status in [JobStatus::Active, JobStatus::Suspended, JobStatus::New] {
        let found = unfinished(Some("job-1"), &[&describe(status, 0, 0)]).await;
        assert_eq!(found.unwrap(), ["job-1"]);
    }
    for status in [JobStatus::Complete, JobStatus::Failed, JobStatus::Cancelled] {
        let found = unfinished(Some("job-1"), &[&describe(status, 1, 0)]).await;
        assert!(found.unwrap().is_empty());
    }
    let refused = |code: u16, told: &str| {
        let body = format!("<ErrorResponse><Error><Code>{told}</Code></Error></ErrorResponse>");
        mock!(aws_sdk_s3control::Client::describe_job)
            .sequence()
            .http_status(code, Some(body))
            .build()
    };
    // Forgotten, and not to be told.
    assert!(
        unfinished(Some("job-1"), &[&refused(404, "NotFoundException")])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        unfinished(Some("job-1"), &[&refused(403, "AccessDenied")])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn unfinished_jobs_without_an_id_are_found_by_their_description() {
    let list = |description: &'static str| {
        mock!(aws_sdk_s3control::Client::list_jobs)
            .match_requests(|request| {
                let statuses = request.job_statuses();
                statuses.contains(&JobStatus::Suspended) && !statuses.contains(&JobStatus::Complete)
            })
            .then_output(move || {
                let job = JobListDescriptor::builder()
                    .job_id("job-7")
                    .status(JobStatus::Active)
                    .description(description)
                    .build();
                ListJobsOutput::builder().jobs(job).build()
            })
    };
    let found = unfinished(None, &[&list("dr-replicate r1-0")]).await;
    assert_eq!(found.unwrap(), ["job-7"]);
    let found = unfinished(None, &[&list("dr-replicate r1-01")]).await;
    assert!(found.unwrap().is_empty());
}

#[tokio::test]
async fn submit_beside_anothers_writes_leaves_them_out_of_the_manifest() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for key in ["a", "b"] {
        stage.put_source(key, b"source").await;
        stage.put_destination(key, b"old").await;
    }
    stage.put_source("c", b"source").await;
    let options = PlanOptions {
        leave_unproven: true,
        ..options()
    };
    let approved = approve(stage.plan(&options).await);
    stage.put_destination("b", b"somebody else").await;
    stage.put_destination("c", b"somebody else").await;
    let create = mock!(aws_sdk_s3control::Client::create_job)
        .then_output(|| CreateJobOutput::builder().job_id("job-1").build());
    let directory = tempfile::tempdir().unwrap();
    let made = submit(
        approved,
        &stage.run("r1"),
        (stage.runs.path(), directory.path()),
        &control(&[&create]),
        &going_on(),
        |_| {},
    )
    .await
    .unwrap();
    let left: Vec<_> = made.left.examples.iter().map(|left| &*left.key).collect();
    assert_eq!(left, ["b", "c"]);
    assert_eq!(perform(&stage, ".dr-journal/r1/batch-0.csv").await, ["a"]);

    let from = Bucket::new(&stage.from, "s3://photos/x".parse().unwrap());
    let planned = plan(&from, &stage.destination, &options, directory.path()).await;
    let error = plan_batch(&approve(planned.unwrap())).unwrap_err();
    assert!(matches!(error, BatchError::Folders { .. }), "{error}");
}

#[tokio::test]
async fn submit_of_many_steps_asks_about_none_of_them() {
    let stage = stage!();
    for number in 0..40 {
        let key = format!("k{number:02}");
        stage.put_source(&key, b"source").await;
        if number % 4 == 0 {
            stage.put_destination(&key, b"old").await;
        }
    }
    let approved = approve(stage.plan(&options()).await);
    for key in ["k03", "k08"] {
        stage.put_destination(key, b"somebody else").await;
    }
    let create = mock!(aws_sdk_s3control::Client::create_job)
        .then_output(|| CreateJobOutput::builder().job_id("job-1").build());
    let directory = tempfile::tempdir().unwrap();
    stage.aws.clear_log();
    let made = submit(
        approved,
        &stage.run("r1"),
        (stage.runs.path(), directory.path()),
        &control(&[&create]),
        &going_on(),
        |_| {},
    )
    .await
    .unwrap();
    let mut left: Vec<_> = made.left.examples.iter().map(|left| &*left.key).collect();
    left.sort_unstable();
    assert_eq!(left, ["k03", "k08"]);
    let heads = |entry: &local_aws::LogEntry| entry.operation == "HeadObject";
    assert_eq!(stage.aws.log().into_iter().filter(heads).count(), 0);
    // Where something is overwritten, the journal has the version by which it can be put back.
    let journal = stage.runs.path().join("r1/journal.jsonl");
    let journal = std::fs::read_to_string(journal).unwrap();
    let with_version = |action: &str| {
        let lines = journal.lines().filter(|line| line.contains(action));
        lines.filter(|line| line.contains("\"before\":\"")).count()
    };
    assert_eq!(with_version("\"action\":\"replace\""), 9);
    assert_eq!(with_version("\"action\":\"create\""), 0);
}

/// Makes a job for what differs, and does what S3 would do for it.
pub(crate) async fn copied_by_a_job(stage: &Stage, run: &str) -> usize {
    copied_by_a_job_but(stage, run, &[]).await
}

async fn copied_by_a_job_but(stage: &Stage, run: &str, failing: &[&str]) -> usize {
    let approved = approve(stage.plan(&stage.keyed_options()).await);
    let create = mock!(aws_sdk_s3control::Client::create_job)
        .then_output(|| CreateJobOutput::builder().job_id("job-1").build());
    let directory = tempfile::tempdir().unwrap();
    let folders = (stage.runs.path(), directory.path());
    let (run_of, options, stop) = (stage.run(run), control(&[&create]), going_on());
    let submitted = submit(approved, &run_of, folders, &options, &stop, |_| {});
    let made = submitted.await.unwrap();
    assert_eq!(made.jobs.len(), 1, "{made:?}");
    let manifest = format!(".dr-journal/{run}/batch-0.csv");
    perform_but(stage, &manifest, failing).await.len()
}

/// As S3 reports what a job could not copy.
async fn report_failed(stage: &Stage, run: &str, rows: &str) {
    let folder = format!(".dr-journal/{run}/job-job-1");
    let results = format!("{folder}/results/6217b0fab0de85c408b4be96aeaca9b195a7daa5.csv");
    stage.put_destination(&results, rows.as_bytes()).await;
    let manifest = serde_json::json!({
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": "2026-11-30T17:48:39.725Z",
        "Results": [{
            "TaskExecutionStatus": "failed",
            "Bucket": "photos-dr",
            "MD5Checksum": md5(rows.as_bytes()),
            "Key": results,
        }],
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    });
    let manifest = manifest.to_string();
    let key = format!("{folder}/manifest.json");
    stage.put_destination(&key, manifest.as_bytes()).await;
}

/// What S3 writes of an object that it could not copy.
fn failed_row(key: &str) -> String {
    format!("photos,{key},,failed,403,AccessDenied,\"Access Denied, by \"\"KMS\"\"\"\n")
}

async fn recorded(stage: &Stage, run: &str, job: Rule) -> Option<u64> {
    try_record(stage, run, job).await.unwrap()
}

async fn try_record(stage: &Stage, run: &str, job: Rule) -> Result<Option<u64>, BatchError> {
    let directory = tempfile::tempdir().unwrap();
    let (run, options) = (stage.run(run), control(&[&job]));
    let recorded = record_copies(
        &run,
        (&stage.source, &stage.destination),
        (stage.runs.path(), directory.path()),
        (None, &options.journal_key),
        &options.control,
    );
    Ok(recorded.await?.map(|tally| tally.objects))
}

/// Objects under keys that nothing but reading them could tell apart.
async fn keyed_objects(stage: &Stage) {
    encrypt_both(stage).await;
    for number in 0..20 {
        let key = format!("k{number:02}");
        put_bare(&stage.from, "photos", &key, b"new").await;
        if number % 2 == 0 {
            put_bare(&stage.to, "photos-dr", &key, b"old").await;
        }
    }
}

// aws-behaviour: 38
#[tokio::test]
async fn copies_of_jobs_under_keys_are_the_same_from_then_on_and_are_not_copied_again() {
    let stage = stage!();
    keyed_objects(&stage).await;
    assert_eq!(copied_by_a_job(&stage, "r1").await, 20);
    // Nothing is sure while the job goes on, or when it has not come to all objects.
    for job in [
        describe(JobStatus::Active, 10, 0),
        described(JobStatus::Completing, 20, 19, 1),
        described(JobStatus::Cancelled, 20, 18, 1),
        describe(JobStatus::Failed, 0, 0),
        described(JobStatus::Failed, 0, 0, 0),
    ] {
        assert_eq!(recorded(&stage, "r1", job).await, None);
    }
    // Written by somebody else since, in the destination or in the source: not what the job left.
    put_bare(&stage.to, "photos-dr", "k03", b"own").await;
    put_bare(&stage.to, "photos-dr", "k04", b"own").await;
    put_bare(&stage.from, "photos", "k05", b"own").await;
    let complete = || describe(JobStatus::Complete, 20, 0);
    stage.aws.clear_log();
    assert_eq!(recorded(&stage, "r1", complete()).await, Some(17));
    let log = stage.aws.log();
    let calls = |operation: &str| log.iter().filter(|e| e.operation == operation).count();
    assert_eq!(calls("HeadObject"), 0);
    let plan = stage.plan(&stage.keyed_options()).await;
    let plan = plan.plan();
    assert_eq!(
        (plan.equal.objects, plan.replace.tally.objects),
        (17, 3),
        "{plan:?}"
    );
    assert_eq!(copied_by_a_job(&stage, "r2").await, 3);
    assert_eq!(recorded(&stage, "r2", complete()).await, Some(3));
    assert!(stage.plan(&stage.keyed_options()).await.plan().is_empty());
    assert_eq!(stage.parity(Mode::Auto).await.finding, Finding::Same);
    // A second time there is nothing left to write down, and the journal is read as before.
    assert_eq!(recorded(&stage, "r2", complete()).await, Some(0));
    let journal = stage.runs.path().join("r2/journal.jsonl");
    let journal = std::fs::read_to_string(journal).unwrap();
    assert_eq!(journal.matches("\"record\":\"copied\"").count(), 3);
}

#[tokio::test]
async fn copies_of_a_job_that_failed_at_objects_are_recorded_without_these() {
    let stage = stage!();
    keyed_objects(&stage).await;
    put_bare(&stage.from, "photos", "a b+c%2B", b"new").await;
    let before = stage.destination().await;
    let failing = ["k03", "a b+c%2B"];
    assert_eq!(copied_by_a_job_but(&stage, "r1", &failing).await, 19);
    let job = || described(JobStatus::Complete, 21, 19, 2);
    // S3 has counted two failures, and does not tell which they are.
    let journal = stage.runs.path().join("r1/journal.jsonl");
    let untold = std::fs::read_to_string(&journal).unwrap();
    let rows = ["k03", "a%20b%2Bc%252B"].map(failed_row).concat();
    for report in [
        None,
        Some(failed_row("k03")),
        Some(["k03", "k99"].map(failed_row).concat()),
    ] {
        if let Some(report) = report {
            report_failed(&stage, "r1", &report).await;
        }
        let refused = try_record(&stage, "r1", job()).await.unwrap_err();
        let is_of_report = matches!(refused, BatchError::Report { .. } | BatchError::Call(_));
        assert!(is_of_report, "{refused:?}");
    }
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), untold);

    // Rows that are not those of the report.
    report_failed(&stage, "r1", &rows).await;
    let results = ".dr-journal/r1/job-job-1/results/6217b0fab0de85c408b4be96aeaca9b195a7daa5.csv";
    let other = rows.replace("k03", "k04");
    stage.put_destination(results, other.as_bytes()).await;
    let refused = try_record(&stage, "r1", job()).await.unwrap_err();
    assert!(refused.to_string().contains("MD5"), "{refused}");

    // The same content, right where the job would have left it.
    put_bare(&stage.to, "photos-dr", "k03", b"new").await;
    report_failed(&stage, "r1", &rows).await;
    assert_eq!(recorded(&stage, "r1", job()).await, Some(19));
    let plan = stage.plan(&stage.keyed_options()).await;
    let plan = plan.plan();
    assert_eq!(
        (
            plan.equal.objects,
            plan.replace.tally.objects,
            plan.create.tally.objects
        ),
        (19, 1, 1),
        "{plan:?}"
    );
    assert_eq!(recorded(&stage, "r1", job()).await, Some(0));
    let directory = tempfile::tempdir().unwrap();
    let replayed = stage.replay("r1", directory.path()).await;
    let ended = control(&[&any_job(JobStatus::Complete)]).control;
    let planned = plan_undo(
        &replayed,
        Some(&ended),
        Some(&stage.source),
        directory.path(),
    )
    .await;
    let planned = planned.unwrap();
    let plan = planned.plan();
    assert_eq!(
        (plan.restore.objects, plan.remove.objects),
        (10, 9),
        "{plan:?}"
    );
    stage.carry_out_undo(planned, "u1").await;
    assert_eq!(stage.destination().await["k03"].body, b"new");
    stage.delete("k03").await;
    assert_eq!(stage.destination().await, before);
}

#[tokio::test]
async fn undo_of_a_job_under_keys_puts_back_what_was_there() {
    let stage = stage!();
    keyed_objects(&stage).await;
    let before = stage.destination().await;
    for (run, undo_as, is_recorded) in [("r1", "u1", false), ("r2", "u2", true)] {
        assert_eq!(copied_by_a_job(&stage, run).await, 20);
        if is_recorded {
            let complete = describe(JobStatus::Complete, 20, 0);
            // Where something was deleted before, it is not sure that nobody else has written.
            assert_eq!(recorded(&stage, run, complete).await, Some(10));
        }
        // As long as what the job was to copy.
        put_bare(&stage.to, "photos-dr", "k03", b"own").await;
        let directory = tempfile::tempdir().unwrap();
        let replayed = stage.replay(run, directory.path()).await;
        let ended = control(&[&any_job(JobStatus::Complete)]).control;
        let source = Some(&stage.source);
        let planned = plan_undo(&replayed, Some(&ended), source, directory.path()).await;
        let planned = planned.unwrap();
        let plan = planned.plan();
        assert_eq!(plan.impossible.tally.objects, 0, "{plan:?}");
        assert_eq!(plan.conflicts.examples[0].key, "k03", "{plan:?}");
        assert_eq!(
            (plan.restore.objects, plan.remove.objects),
            (10, 9),
            "{plan:?}"
        );
        stage.carry_out_undo(planned, undo_as).await;
        stage.delete("k03").await;
        assert_eq!(stage.destination().await, before);
    }
}

/// What may be pruned of all runs, where S3 says this of a job.
async fn prunable(stage: &Stage, job: &Rule) -> (Vec<String>, PrunePlan) {
    prunable_at(stage, &stage.destination, job).await
}

async fn prunable_at(stage: &Stage, destination: &Bucket, job: &Rule) -> (Vec<String>, PrunePlan) {
    let directory = tempfile::tempdir().unwrap();
    let journals = std::slice::from_ref(&stage.destination);
    let found = list_runs(stage.runs.path(), journals).await.unwrap();
    let options = control(&[job]);
    let sources = PruneSources {
        runs: stage.runs.path(),
        journals,
        key: &options.journal_key,
        directory: directory.path(),
    };
    let destination = async |_: &Run| Ok((destination.clone(), options.control.clone()));
    let plan = plan_prune(found, jiff::Timestamp::now(), sources, destination).await;
    let runs = plan.remove().iter().map(|run| run.run.clone());
    (runs.collect(), plan)
}

#[tokio::test]
async fn prune_of_a_run_whose_job_goes_on_or_is_not_told_keeps_its_journal() {
    let stage = stage!();
    stage.put_source("a", b"a").await;
    assert_eq!(copied_by_a_job(&stage, "r1").await, 1);
    stage.put_source("b", b"b").await;
    let planned = stage.plan(&options()).await;
    stage.apply("r2", planned).await.unwrap();
    let refused = mock!(aws_sdk_s3control::Client::describe_job)
        .sequence()
        .http_status(
            403,
            Some(
                "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
                    .to_owned(),
            ),
        )
        .build();
    for (job, why) in [
        (any_job(JobStatus::Active), "job job-1 is Active"),
        (any_job(JobStatus::Suspended), "job job-1 is Suspended"),
        (any_job(JobStatus::Completing), "job job-1 is Completing"),
        (refused, "whether its jobs have ended is not known"),
    ] {
        let (runs, plan) = prunable(&stage, &job).await;
        assert_eq!(runs, ["r2"], "{plan:?}");
        let [kept] = plan.kept() else {
            panic!("{plan:?}")
        };
        assert_eq!(kept.run.run, "r1");
        assert!(kept.why.contains(why), "{plan:?}");
    }
    // From another machine, too.
    let elsewhere = tempfile::tempdir().unwrap();
    let own = stage.runs.path().join("r1");
    std::fs::rename(&own, elsewhere.path().join("r1")).unwrap();
    let (runs, plan) = prunable(&stage, &any_job(JobStatus::Active)).await;
    assert_eq!(
        (runs.as_slice(), plan.kept().len()),
        (&["r2".to_owned()][..], 1)
    );
    std::fs::rename(elsewhere.path().join("r1"), own).unwrap();

    let forgotten = mock!(aws_sdk_s3control::Client::describe_job)
        .sequence()
        .http_status(
            404,
            Some(
                "<ErrorResponse><Error><Code>NotFoundException</Code></Error></ErrorResponse>"
                    .to_owned(),
            ),
        )
        .build();
    // Where the bucket does not answer, as from another region, that nobody knows the job says nothing.
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let elsewhere = Bucket::new(&stage.from, stage.destination.location().clone());
    let (runs, plan) = prunable_at(&stage, &elsewhere, &forgotten).await;
    assert_eq!(
        (runs.as_slice(), plan.kept().len()),
        (&["r2".to_owned()][..], 1)
    );
    let (runs, _) = prunable(&stage, &forgotten).await;
    assert_eq!(runs, ["r1", "r2"]);
    let (runs, plan) = prunable(&stage, &any_job(JobStatus::Cancelled)).await;
    assert_eq!(runs, ["r1", "r2"]);
    let journals = std::slice::from_ref(&stage.destination);
    prune(&plan, stage.runs.path(), journals).await.unwrap();
    let left = list_runs(stage.runs.path(), journals).await.unwrap();
    assert!(left.runs.is_empty(), "{left:?}");

    // A run that was killed has no end.
    std::fs::create_dir(stage.runs.path().join("r0")).unwrap();
    let begun = r#"{"record":"run","run":"r0","command":"sync","started":"2026-11-01T00:00:00Z","source":"s3://photos/","destination":"s3://photos-dr/"}"#;
    std::fs::write(
        stage.runs.path().join("r0/journal.jsonl"),
        format!("{begun}\n"),
    )
    .unwrap();
    let (runs, plan) = prunable(&stage, &any_job(JobStatus::Complete)).await;
    assert_eq!(runs, [""; 0]);
    assert!(plan.kept()[0].why.contains("no end"), "{plan:?}");
}

/// The keys of an inventory that a job reads.
async fn listed_keys(stage: &Stage, manifest: &str) -> Vec<String> {
    let read = async |key: &str| {
        let get = stage.to.s3.get_object().bucket("photos-dr").key(key);
        let object = get.send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    };
    let manifest: serde_json::Value = serde_json::from_slice(&read(manifest).await).unwrap();
    assert_eq!(manifest["destinationBucket"], "arn:aws:s3:::photos-dr");
    let mut keys = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let bytes = read(file["key"].as_str().unwrap()).await;
        assert_eq!(file["MD5checksum"], md5(&bytes));
        let mut text = String::new();
        let mut reader = flate2::read::GzDecoder::new(bytes.as_slice());
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let key = |row: &str| row.split("\",\"").nth(1).unwrap().to_owned();
        keys.extend(text.lines().map(key));
    }
    keys.sort_unstable();
    keys
}

// aws-behaviour: 78
#[tokio::test]
async fn submit_by_an_inventory_makes_one_job_that_copies_what_is_planned_and_nothing_else() {
    let stage = stage!();
    let bodies: [(&str, &[u8]); 3] = [("a", b"1"), ("b", b"2"), ("c", b"3")];
    for (key, body) in bodies {
        stage.put_source(key, body).await;
    }
    let files = [rows("photos", &bodies[1..]), rows("photos", &bodies[..1])];
    let inventory = publish(&stage.from, "photos", &files, &Defect::default()).await;
    // It lies in the bucket that it lists, and what was written after it is in none.
    stage.put_source("later", b"4").await;
    let requested = Arc::new(Mutex::new(Vec::<CreateJobInput>::new()));
    let seen = requested.clone();
    let create = mock!(aws_sdk_s3control::Client::create_job)
        .match_requests(move |request| {
            seen.lock().unwrap().push(request.clone());
            true
        })
        .then_output(|| CreateJobOutput::builder().job_id("job-1").build());
    let submitted = async |run: &str, inventory: dr::objects::Inventory| {
        let approved = approve(stage.plan(&options()).await);
        let directory = tempfile::tempdir().unwrap();
        let mut batch = control(&[&create]);
        batch.inventory = Some(inventory);
        let folders = (stage.runs.path(), directory.path());
        submit(
            approved,
            &stage.run(run),
            folders,
            &batch,
            &going_on(),
            |_| {},
        )
        .await
    };
    let plan = submitted("r1", inventory.clone()).await.unwrap();
    assert_eq!(plan.jobs.len(), 1, "{plan:?}");
    assert_eq!(plan.jobs[0].copies.objects, 3);
    let left = plan.left.examples.iter().map(|left| left.key.as_str());
    let left: Vec<&str> = left.filter(|key| !key.starts_with("inventory/")).collect();
    assert_eq!(left, ["later"], "{plan:?}");
    let request = requested.lock().unwrap().remove(0);
    let manifest = request.manifest().unwrap();
    let format = manifest.spec().unwrap().format().as_str();
    assert_eq!(format, "S3InventoryReport_CSV_20161130");
    assert!(manifest.spec().unwrap().fields().is_empty());
    let location = manifest.location().unwrap();
    assert!(!location.e_tag().is_empty());
    let key = location
        .object_arn()
        .strip_prefix("arn:aws:s3:::photos-dr/");
    assert_eq!(listed_keys(&stage, key.unwrap()).await, ["a", "b", "c"]);
    // What the inventory lacked, another run copies, and an undo of this one leaves alone.
    let directory = tempfile::tempdir().unwrap();
    stage.sync("r0", &options()).await;
    let replayed = stage.replay("r1", directory.path()).await;
    let ended = control(&[&any_job(JobStatus::Complete)]).control;
    let from = Some(&stage.source);
    let planned = plan_undo(&replayed, Some(&ended), from, directory.path()).await;
    stage.carry_out_undo(planned.unwrap(), "u1").await;
    let keys = stage.keys().await;
    assert!(keys.iter().any(|key| key == "later"), "{keys:?}");
    assert!(!keys.iter().any(|key| key == "a"), "{keys:?}");

    // What is there already would be written again.
    stage.put_destination("b", b"2").await;
    let refused = submitted("r2", inventory).await.unwrap_err();
    assert!(
        matches!(&refused, BatchError::Inventory(InventoryError::NotPlanned { key }) if key == "b"),
        "{refused:?}"
    );
    let versions = Defect {
        schema: Some(
            "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag",
        ),
        ..Defect::default()
    };
    let inventory = publish(&stage.from, "photos", &[], &versions).await;
    let refused = submitted("r3", inventory).await.unwrap_err();
    assert!(
        matches!(
            &refused,
            BatchError::Inventory(InventoryError::Unusable { .. })
        ),
        "{refused:?}"
    );
    assert!(requested.lock().unwrap().is_empty(), "no job was asked for");
}
