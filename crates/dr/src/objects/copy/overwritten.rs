//! An object that is overwritten between two of its parts. No emulator at hand checks a condition on
//! UploadPartCopy, so S3's answers are written here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadOutput;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::operation::get_object_tagging::GetObjectTaggingOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::upload_part_copy::UploadPartCopyOutput;
use aws_sdk_s3::types::CopyPartResult;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;

use super::super::journal::{JournalKey, Run};
use super::*;

const DR: &str = "us-east-1";

const OLD: &str = "11111111111111111111111111111111-2";
const NEW: &str = "22222222222222222222222222222222-2";

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

#[tokio::test]
async fn copy_of_an_object_that_changes_between_two_parts_begins_anew_and_mixes_nothing() {
    let overwritten = Arc::new(AtomicBool::new(false));
    // Condition and number of each part.
    let parts = Arc::new(Mutex::new(Vec::new()));

    let now = overwritten.clone();
    let head = mock!(aws_sdk_s3::Client::head_object).then_output(move || {
        let etag = if now.load(Ordering::SeqCst) { NEW } else { OLD };
        let head = HeadObjectOutput::builder().e_tag(quoted(etag));
        head.content_length(5).parts_count(2).build()
    });
    let tags = mock!(aws_sdk_s3::Client::get_object_tagging).then_output(|| {
        GetObjectTaggingOutput::builder()
            .set_tag_set(Some(Vec::new()))
            .build()
            .unwrap()
    });
    let journal =
        mock!(aws_sdk_s3::Client::put_object).then_output(|| PutObjectOutput::builder().build());
    let create = mock!(aws_sdk_s3::Client::create_multipart_upload).then_output(|| {
        CreateMultipartUploadOutput::builder()
            .upload_id("u")
            .build()
    });
    // Between the first part and the second somebody else writes the object.
    let (now, seen) = (overwritten.clone(), parts.clone());
    let refused = mock!(aws_sdk_s3::Client::upload_part_copy)
        .match_requests(move |request| {
            let condition = request
                .copy_source_if_match()
                .unwrap_or_default()
                .to_owned();
            seen.lock()
                .unwrap()
                .push((condition.clone(), request.part_number()));
            let second = request.part_number() == Some(2);
            if second {
                now.store(true, Ordering::SeqCst);
            }
            second && condition == quoted(OLD)
        })
        .then_http_response(|| {
            let body = "<Error><Code>PreconditionFailed</Code></Error>";
            HttpResponse::new(412.try_into().unwrap(), SdkBody::from(body))
        });
    let copied = mock!(aws_sdk_s3::Client::upload_part_copy).then_output(|| {
        let result = CopyPartResult::builder().e_tag("\"part\"").build();
        UploadPartCopyOutput::builder()
            .copy_part_result(result)
            .build()
    });
    let abort = mock!(aws_sdk_s3::Client::abort_multipart_upload)
        .then_output(|| AbortMultipartUploadOutput::builder().build());
    let complete = mock!(aws_sdk_s3::Client::complete_multipart_upload).then_output(|| {
        CompleteMultipartUploadOutput::builder()
            .e_tag(quoted(NEW))
            .build()
    });
    let rules = [
        &head, &tags, &journal, &create, &refused, &copied, &abort, &complete,
    ];

    let env = aws_env::AwsEnv::load(aws_env::Options::default())
        .await
        .unwrap();
    let mut clients = env.region(DR.parse().unwrap());
    clients.s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, rules);
    let bucket = |url: &str| Bucket::new(&clients, url.parse().unwrap());
    let (source, destination) = (bucket("s3://photos"), bucket("s3://photos-dr"));
    let runs = tempfile::tempdir().unwrap();
    let run = Run {
        run: "r1".to_owned(),
        command: "sync".to_owned(),
        started: jiff::Timestamp::UNIX_EPOCH,
        source: source.location().to_string(),
        destination: destination.location().to_string(),
    };
    let journal =
        Journal::begin(runs.path(), &destination, &run, &JournalKey::new([1; 32])).unwrap();
    let order = Order {
        key: "big".to_owned(),
        to: "big".to_owned(),
        version: None,
        etag: ETag::parse(OLD),
        size: 5,
        class: StorageClass::Standard,
    };
    let copier = Copier::new(source, destination, None, 8);
    let made = copier
        .copy(&order, &Expected::Absent, &journal, &Unanswered::default())
        .await
        .unwrap();
    assert_eq!(made.etag, Some(ETag::parse(NEW)));
    // The upload with a part of the old object was given up; the other has parts of the new one only.
    assert_eq!((abort.num_calls(), complete.num_calls()), (1, 1));
    let parts = parts.lock().unwrap();
    let last: Vec<_> = parts
        .iter()
        .rev()
        .take(2)
        .map(|(condition, _)| condition.clone())
        .collect();
    assert_eq!(last, [quoted(NEW), quoted(NEW)]);
    assert!(parts.contains(&(quoted(OLD), Some(2))), "{parts:?}");
}
