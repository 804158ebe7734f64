//! What the application needs besides its data: its images and its secrets.

use std::collections::BTreeSet;

use aws_env::{Call, DrOnly, Error, ErrorClass, RegionAccess, pages};
use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{SecretListEntry, StatusType};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};
use serde_json::Value;
use settings::{Region, Regions, Settings, VariableValue};

use super::root::Shown;
use super::{Area, PreflightRequest, advise, told, unobserved};
use crate::lease::causes;
use crate::steps::secrets::Content;
use crate::{Host, StepError, StepErrorKind, Store};

const IMAGE: &str = "image";
const SECRET: &str = "secret";
const SECRET_COPY: &str = "secret-copy";
const DATABASE_SECRET: &str = "database-secret";

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
    shown: &Shown,
) -> Area {
    let settings = request.settings;
    let named = Named::of(settings, shown);
    let is_shown = shown.plan.is_some() && shown.outputs.is_some();
    let is_known = is_shown || matches!(request.root, Ok(None));
    let mut findings = images(dr, &named, is_known).await;
    findings.extend(secrets(dr, &named, is_known).await);
    let primary = request.reach.both().map(|both| &both.primary);
    findings.extend(database_secrets(dr.region(), primary, settings).await);
    findings.extend(match request.reach.both() {
        Some(both) => copies(&both.primary, settings, makes_secrets(shown)).await,
        None => vec![super::primary_not_asked(
            SECRET_COPY,
            "the environment's secrets",
        )],
    });
    Area::new(
        "Application",
        "tasks do not start in the DR region: an image or a secret is not there",
        findings,
    )
}

/// An image of ECR, as a task definition names it:
/// `111122223333.dkr.ecr.ca-west-1.amazonaws.com/api@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Image {
    name: String,
    account: String,
    region: String,
    repository: String,
    /// `sha256:…`; `None` of one by its tag.
    digest: Option<String>,
}

const REGISTRY: &str = ".dkr.ecr.";

impl Image {
    /// Those that a text names. A repository alone is none.
    fn all_in(text: &str) -> Vec<Self> {
        let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(byte);
        let images = text.match_indices(REGISTRY).filter_map(|(at, _)| {
            let before = text[..at]
                .bytes()
                .rev()
                .take_while(u8::is_ascii_digit)
                .count();
            let after = text[at..].bytes().take_while(of_name).count();
            Self::parse(text.get(at - before..at + after)?)
        });
        images.collect()
    }

    fn parse(name: &str) -> Option<Self> {
        let (host, path) = name.split_once('/')?;
        let (account, rest) = host.split_once(REGISTRY)?;
        let (region, _) = rest.split_once('.')?;
        let (repository, digest) = match path.split_once('@') {
            Some((repository, digest)) => (repository, Some(digest.to_owned())),
            None => (path.rsplit_once(':')?.0, None),
        };
        Some(Self {
            name: name.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            repository: repository.split(':').next()?.to_owned(),
            digest,
        })
    }
}

/// What settings, outputs and the plan of a failover name.
#[derive(Debug, Default)]
struct Named {
    images: BTreeSet<Image>,
    /// ARNs.
    secrets: BTreeSet<String>,
}

impl Named {
    fn of(settings: &Settings, shown: &Shown) -> Self {
        let mut named = Self::default();
        for value in settings.failover.variables.values() {
            if let VariableValue::Text(text) = value {
                named.images.extend(Image::all_in(text));
            }
        }
        for output in shown.outputs.iter().flat_map(|outputs| outputs.0.values()) {
            named.add(&output.value);
            each_text(&output.value, &mut |text| {
                if text.starts_with("arn:") && text.contains(":secretsmanager:") {
                    named.secrets.insert(text.to_owned());
                }
            });
        }
        let changes = shown.plan.iter().flat_map(|plan| &plan.resource_changes);
        for after in changes.filter_map(|change| change.change.after.as_ref()) {
            named.add(after);
        }
        named
    }

    fn add(&mut self, value: &Value) {
        each_text(value, &mut |text| self.images.extend(Image::all_in(text)));
    }
}

fn each_text(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, take)),
        Value::Object(values) => values.values().for_each(|value| each_text(value, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Nothing is named: there is none where all that could name one was seen.
fn none(what: &'static str, whose: &str, is_known: bool) -> Finding {
    match is_known {
        true => Finding::skipped(
            what,
            whose,
            "the project has none: neither settings, outputs nor the plan name one",
        ),
        false => Finding::new(
            what,
            whose,
            "there in the DR region",
            Err(Unobserved::because(
                "terraform shows no plan that would name them",
            )),
        ),
    }
}

async fn images(dr: &DrOnly, named: &Named, is_known: bool) -> Vec<Finding> {
    if named.images.is_empty() {
        return vec![none(IMAGE, "images", is_known)];
    }
    let access = dr.region();
    let ecr: aws_sdk_ecr::Client = aws_env::client!(aws_sdk_ecr, access);
    let mut findings = Vec::new();
    for image in &named.images {
        let found = match &image.digest {
            Some(digest) if image.region == access.region().as_str() => {
                let call = access.call("ECR", "DescribeImages", &image.name);
                let id = ImageIdentifier::builder().image_digest(digest).build();
                let describe = ecr.describe_images().registry_id(&image.account);
                let describe = describe.repository_name(&image.repository).image_ids(id);
                let found = describe.send().await.map_err(|error| call.failed(error));
                Some(found.map(|found| !found.image_details().is_empty()))
            }
            _ => None,
        };
        findings.push(judge_image(image, access.region(), found));
    }
    findings
}

/// `found` is what the DR region's registry says of an image by its digest.
fn judge_image(image: &Image, dr: Region, found: Option<Result<bool, Error>>) -> Finding {
    let seen: Observation<_> = match (&image.digest, found) {
        _ if image.region != dr.as_str() => {
            Ok((false, format!("its registry is in {}", image.region)))
        }
        (None, _) => Ok((
            false,
            "it is named by its tag, which may be another image by then".to_owned(),
        )),
        (Some(_), Some(Ok(true))) => Ok((true, "there".to_owned())),
        (Some(_), Some(Ok(false))) => Ok((false, "not there".to_owned())),
        (Some(_), Some(Err(error))) if is_absent(&error) => Ok((false, told(&error))),
        (Some(_), Some(Err(error))) => Err(unobserved(&error)),
        (Some(_), None) => Err(Unobserved::because("the registry was not asked")),
    };
    let describe = ShellCommand::new("aws ecr describe-images").option("--region", dr.as_str());
    let describe = describe.option("--repository-name", &image.repository);
    advise(
        Finding::new(
            IMAGE,
            image.name.clone(),
            format!("by its digest, in the registry of {dr}"),
            seen,
        ),
        format!(
            "replicate the repository (aws_ecr_replication_configuration) and name the image by its digest; `{describe}`"
        ),
    )
}

fn is_absent(error: &Error) -> bool {
    const CODES: [&str; 2] = ["ImageNotFoundException", "RepositoryNotFoundException"];
    error.class == ErrorClass::Absent
        || error
            .code
            .as_deref()
            .is_some_and(|code| CODES.contains(&code))
}

fn client(access: &RegionAccess) -> aws_sdk_secretsmanager::Client {
    aws_env::client!(aws_sdk_secretsmanager, access)
}

fn call(access: &RegionAccess, operation: &'static str, secret: &str) -> Call {
    access.call("Secrets Manager", operation, secret)
}

async fn describe(access: &RegionAccess, secret: &str) -> Result<DescribeSecretOutput, Error> {
    let request = client(access).describe_secret().secret_id(secret);
    let answer = request.send().await;
    answer.map_err(|error| call(access, "DescribeSecret", secret).failed(error))
}

/// The secrets that the DR environment's outputs name.
async fn secrets(dr: &DrOnly, named: &Named, is_known: bool) -> Vec<Finding> {
    if named.secrets.is_empty() {
        return vec![none(SECRET, "secrets of the DR environment", is_known)];
    }
    let mut findings = Vec::new();
    for secret in &named.secrets {
        let described = describe(dr.region(), secret).await;
        findings.push(judge_secret(secret, dr.region().region(), described));
    }
    findings
}

fn judge_secret(secret: &str, dr: Region, found: Result<DescribeSecretOutput, Error>) -> Finding {
    let region = secret.split(':').nth(3).unwrap_or_default();
    let seen = match found {
        _ if region != dr.as_str() => Ok((false, format!("it is in {region}"))),
        Ok(found) if found.deleted_date().is_some() => {
            Ok((false, "it is scheduled for deletion".to_owned()))
        }
        Ok(found) => {
            let stages = found.version_ids_to_stages().into_iter().flatten();
            let has_value = stages
                .clone()
                .any(|(_, stages)| stages.iter().any(|stage| stage == "AWSCURRENT"));
            Ok((
                has_value,
                match (has_value, found.primary_region()) {
                    (false, _) => "it has no value".to_owned(),
                    (true, Some(primary)) => format!(
                        "a copy of that in {primary}: the hosts that it names are there until it is promoted and written anew"
                    ),
                    (true, None) => "there, and of this region alone".to_owned(),
                },
            ))
        }
        Err(error) if is_no_secret(&error) => Ok((false, "not there".to_owned())),
        Err(error) => Err(unobserved(&error)),
    };
    let describe =
        ShellCommand::new("aws secretsmanager describe-secret").option("--region", dr.as_str());
    advise(
        Finding::new(SECRET, secret, format!("there in {dr}, with a value"), seen),
        format!(
            "terraform apply of the DR environment; {}",
            describe.option("--secret-id", secret)
        ),
    )
}

/// What the DR region has of a secret that says where a database is.
struct DatabaseSecretThere {
    described: Result<DescribeSecretOutput, Error>,
    /// Whether it can be read with these credentials, and has the fields that a failover writes.
    read: Result<(), StepError>,
}

/// The secrets into which a failover writes where the restored database is. `primary` is asked for their replication.
async fn database_secrets(
    dr: &RegionAccess,
    primary: Option<&RegionAccess>,
    settings: &Settings,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for secret in settings.databases.iter().flat_map(|of| &of.secrets) {
        let name = secret.name.as_str();
        let there = DatabaseSecretThere {
            described: describe(dr, name).await,
            read: Content::read(dr, name)
                .await
                .and_then(|content| content.fields_of(secret).map(drop)),
        };
        findings.push(judge_database_secret(name, settings.regions, &there));
        // Whether what is there is what the primary region has now, only that region knows.
        if let Some(primary) = primary {
            let described = describe(primary, name).await;
            findings.push(judge_copy(name, settings.regions.dr, false, &described));
        }
    }
    findings
}

fn judge_database_secret(name: &str, regions: Regions, there: &DatabaseSecretThere) -> Finding {
    let Regions { primary, dr } = regions;
    let seen = match (&there.described, &there.read) {
        (Err(error), _) if is_no_secret(error) => Ok((false, "not there".to_owned())),
        (Err(error), _) => Err(unobserved(error)),
        (Ok(found), _) if found.deleted_date().is_some() => {
            Ok((false, "it is scheduled for deletion".to_owned()))
        }
        (Ok(found), _) if found.primary_region() != Some(primary.as_str()) => Ok((
            false,
            format!("it is no replica from {primary}: what is changed there does not come here"),
        )),
        (Ok(_), Err(error)) => match error.kind {
            StepErrorKind::Unchecked | StepErrorKind::Interrupted => {
                Err(Unobserved::because(causes(&*error.source)))
            }
            StepErrorKind::Wrong | StepErrorKind::Refused => Ok((false, causes(&*error.source))),
        },
        (Ok(_), Ok(())) => Ok((
            true,
            "a replica that can be read, with both fields".to_owned(),
        )),
    };
    let fix = match (&there.described, &there.read) {
        (Ok(found), Err(error)) if found.primary_region() == Some(primary.as_str()) => {
            match error.kind {
                StepErrorKind::Wrong | StepErrorKind::Refused => {
                    "databases.secrets of the settings says which fields have host and port"
                        .to_owned()
                }
                StepErrorKind::Unchecked | StepErrorKind::Interrupted => {
                    let read = ShellCommand::new("aws secretsmanager get-secret-value")
                        .option("--region", dr.as_str())
                        .option("--secret-id", name);
                    format!(
                        "allow secretsmanager:GetSecretValue, and kms:Decrypt with the key of the replica, in {dr}; `{read}`"
                    )
                }
            }
        }
        _ => {
            let replicate = ShellCommand::new("aws secretsmanager replicate-secret-to-regions")
                .option("--region", primary.as_str())
                .option("--secret-id", name)
                .joined("--add-replica-regions=Region=", dr.as_str());
            replicate.to_string()
        }
    };
    let expected = format!("a replica in {dr} that can be read, with host and port");
    advise(Finding::new(DATABASE_SECRET, name, expected, seen), fix)
}

fn is_no_secret(error: &Error) -> bool {
    error.class == ErrorClass::Absent || error.code.as_deref() == Some("ResourceNotFoundException")
}

/// Whether the DR environment makes secrets of its own.
fn makes_secrets(shown: &Shown) -> bool {
    let changes = shown.plan.iter().flat_map(|plan| &plan.resource_changes);
    changes
        .into_iter()
        .any(|change| change.mode == "managed" && change.kind == "aws_secretsmanager_secret")
}

/// How the secrets of the primary region stand to the DR region.
async fn copies(primary: &RegionAccess, settings: &Settings, is_made_there: bool) -> Vec<Finding> {
    let request = client(primary).list_secrets().into_paginator();
    let listed = pages(call(primary, "ListSecrets", "all"), request.send()).await;
    let listed: Vec<SecretListEntry> = match listed {
        Ok(pages) => pages
            .into_iter()
            .flat_map(|page| page.secret_list.unwrap_or_default())
            .collect(),
        Err(error) => {
            let unknown = Err(unobserved(&error));
            let finding = Finding::new(
                SECRET_COPY,
                "the environment's secrets",
                "known in the DR region",
                unknown,
            );
            return vec![advise(
                finding,
                ShellCommand::new("aws secretsmanager list-secrets"),
            )];
        }
    };
    let mut findings = Vec::new();
    for secret in listed.iter().filter(|secret| is_of(secret, settings)) {
        let Some(arn) = secret.arn() else { continue };
        let described = describe(primary, arn).await;
        let name = secret.name().unwrap_or(arn);
        findings.push(judge_copy(
            name,
            settings.regions.dr,
            is_made_there,
            &described,
        ));
    }
    if findings.is_empty() {
        let reason = "the primary region has none with the environment's tags";
        findings.push(Finding::skipped(
            SECRET_COPY,
            "the environment's secrets",
            reason,
        ));
    }
    findings
}

/// Whether it has the environment's tags, and no other service keeps it: RDS makes a new one with what it restores. Those that
/// the settings name are looked at by themselves.
fn is_of(secret: &SecretListEntry, settings: &Settings) -> bool {
    let mut named = settings.databases.iter().flat_map(|of| &of.secrets);
    if named.any(|named| secret.name() == Some(named.name.as_str())) {
        return false;
    }
    let has = |key: &str| {
        let wanted = settings.tags.iter().find(|(name, _)| *name == key);
        let wanted = wanted.map(|(_, value)| value);
        let tags = secret.tags().iter();
        let mut found = tags
            .filter(|tag| tag.key() == Some(key))
            .map(|tag| tag.value());
        found.any(|value| value == wanted)
    };
    secret.owning_service().is_none() && has("Project") && has("Environment")
}

fn judge_copy(
    name: &str,
    dr: Region,
    is_made_there: bool,
    found: &Result<DescribeSecretOutput, Error>,
) -> Finding {
    let copy = found.as_ref().map(|found| {
        let mut copies = found.replication_status().iter();
        copies.find(|copy| copy.region() == Some(dr.as_str()))
    });
    let seen = match copy {
        Err(error) => Err(unobserved(error)),
        Ok(Some(copy)) => match copy.status() {
            Some(StatusType::InSync) => Ok((true, "in sync".to_owned())),
            Some(StatusType::Failed) => {
                let why = copy
                    .status_message()
                    .unwrap_or("Secrets Manager does not say why");
                Ok((false, format!("its replication failed: {why}")))
            }
            Some(status) => Err(Unobserved::because(format!(
                "its replication is {}",
                status.as_str()
            ))),
            None => Err(Unobserved::missing("Secrets Manager", "replication status")),
        },
        Ok(None) if is_made_there => {
            let reason = "it is not replicated: the DR environment makes secrets of its own";
            return Finding::skipped(SECRET_COPY, name, reason);
        }
        Ok(None) => Ok((false, "it is not replicated".to_owned())),
    };
    let replicate = ShellCommand::new("aws secretsmanager replicate-secret-to-regions")
        .option("--secret-id", name);
    let replicate = replicate.joined("--add-replica-regions=Region=", dr.as_str());
    advise(
        Finding::new(
            SECRET_COPY,
            name,
            format!("replicated to {dr}, and in sync"),
            seen,
        ),
        replicate,
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::types::ReplicationStatusType;
    use report::finding::Status;

    use super::*;

    fn dr() -> Region {
        "ca-west-1".parse().unwrap()
    }

    fn error(code: &str) -> Error {
        let call = Call {
            region: dr(),
            service: "ECR",
            operation: "DescribeImages",
            resource: "api".to_owned(),
        };
        let mut error = Error::unexpected(call, "nothing");
        error.code = Some(code.to_owned());
        error
    }

    #[test]
    fn all_in_a_task_definition_finds_its_images_and_no_repository() {
        let text = r#"[{"image":"111122223333.dkr.ecr.ca-west-1.amazonaws.com/team/api@sha256:0a1b","cpu":1},
            {"image":"111122223333.dkr.ecr.ca-central-1.amazonaws.com/api:v7"},"444455556666.dkr.ecr.us-east-1.amazonaws.com/api"]"#;
        let images = Image::all_in(text);
        let found: Vec<_> = images
            .iter()
            .map(|image| {
                (
                    image.region.as_str(),
                    image.repository.as_str(),
                    image.digest.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("ca-west-1", "team/api", Some("sha256:0a1b")),
                ("ca-central-1", "api", None)
            ]
        );
        assert_eq!(images[0].account, "111122223333");
        assert!(Image::all_in(".dkr.ecr./é").is_empty());
    }

    #[test]
    fn judge_image_wants_a_digest_in_the_registry_of_the_dr_region() {
        let image = |text: &str| Image::all_in(text).remove(0);
        let here = image("111122223333.dkr.ecr.ca-west-1.amazonaws.com/api@sha256:0a1b");
        let judged = |found| judge_image(&here, dr(), found).status;
        assert_eq!(judged(Some(Ok(true))), Status::Ok);
        assert_eq!(judged(Some(Ok(false))), Status::Wrong);
        assert_eq!(
            judged(Some(Err(error("ImageNotFoundException")))),
            Status::Wrong
        );
        assert_eq!(
            judged(Some(Err(error("AccessDeniedException")))),
            Status::Unknown
        );
        let tag = image("111122223333.dkr.ecr.ca-west-1.amazonaws.com/api:v7");
        assert_eq!(judge_image(&tag, dr(), None).status, Status::Wrong);
        let elsewhere = image("111122223333.dkr.ecr.ca-central-1.amazonaws.com/api@sha256:0a1b");
        assert_eq!(judge_image(&elsewhere, dr(), None).status, Status::Wrong);
        assert_eq!(none(IMAGE, "images", true).status, Status::Skipped);
        assert_eq!(none(IMAGE, "images", false).status, Status::Unknown);
    }

    #[test]
    fn judge_secret_wants_a_value_in_the_dr_region() {
        let arn = "arn:aws:secretsmanager:ca-west-1:111122223333:secret:db";
        let found = |stage: &str| {
            DescribeSecretOutput::builder()
                .version_ids_to_stages("1", vec![stage.to_owned()])
                .build()
        };
        let judged = |found| judge_secret(arn, dr(), found).status;
        assert_eq!(judged(Ok(found("AWSCURRENT"))), Status::Ok);
        assert_eq!(judged(Ok(found("AWSPREVIOUS"))), Status::Wrong);
        assert_eq!(
            judged(Err(error("ResourceNotFoundException"))),
            Status::Wrong
        );
        assert_eq!(judged(Err(error("AccessDeniedException"))), Status::Unknown);
        let elsewhere = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:db";
        assert_eq!(
            judge_secret(elsewhere, dr(), Ok(found("AWSCURRENT"))).status,
            Status::Wrong
        );
    }

    #[test]
    fn judge_database_secret_wants_a_replica_that_can_be_read_and_has_the_fields() {
        let regions = Regions {
            primary: "ca-central-1".parse().unwrap(),
            dr: dr(),
        };
        let of = |primary: &str| {
            let there = DescribeSecretOutput::builder().primary_region(primary);
            Ok(there.build())
        };
        let judged = |described, read| {
            let there = DatabaseSecretThere { described, read };
            judge_database_secret("app/database", regions, &there)
        };
        let no_field = || Err(StepError::refused("it has no field"));
        let denied = || Err(StepError::unchecked("denied"));
        let judged_replica = |read| judged(of("ca-central-1"), read);
        assert_eq!(judged_replica(Ok(())).status, Status::Ok);
        assert_eq!(judged_replica(no_field()).status, Status::Wrong);
        assert_eq!(judged_replica(denied()).status, Status::Unknown);
        assert_eq!(judged(of("ca-west-1"), Ok(())).status, Status::Wrong);
        let absent = judged(Err(error("ResourceNotFoundException")), denied());
        assert_eq!(absent.status, Status::Wrong);
        let fix = format!("{absent:?}");
        assert!(fix.contains("replicate-secret-to-regions"), "{fix}");
        let unknown = judged(Err(error("AccessDeniedException")), denied());
        assert_eq!(unknown.status, Status::Unknown);
    }

    #[test]
    fn judge_copy_wants_it_in_sync_unless_the_dr_environment_makes_its_own() {
        let with = |region: &str, status: StatusType| {
            let status = ReplicationStatusType::builder()
                .region(region)
                .status(status);
            Ok(DescribeSecretOutput::builder()
                .replication_status(status.build())
                .build())
        };
        let judged = |found, is_made_there| judge_copy("db", dr(), is_made_there, &found).status;
        assert_eq!(
            judged(with("ca-west-1", StatusType::InSync), false),
            Status::Ok
        );
        assert_eq!(
            judged(with("ca-west-1", StatusType::Failed), true),
            Status::Wrong
        );
        assert_eq!(
            judged(with("ca-west-1", StatusType::InProgress), false),
            Status::Unknown
        );
        assert_eq!(
            judged(with("us-east-1", StatusType::InSync), false),
            Status::Wrong
        );
        assert_eq!(
            judged(with("us-east-1", StatusType::InSync), true),
            Status::Skipped
        );
        assert_eq!(
            judged(Err(error("AccessDeniedException")), false),
            Status::Unknown
        );
    }
}
