//! Where data lies: every region that the stack names or replicates to is one that the settings allow.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use report::finding::{Observation, Severity, Unobserved};
use serde_json::Value;
use settings::{Region, Residency};

use super::{BUCKETS, Context};
use crate::check::{Answer, Check};
use crate::named;

const FIX: &str =
    "move it to an allowed region, or have an exception written into [residency] of infra.toml";

static OUTPUTS: Check = Check {
    id: "residency-outputs",
    item: None,
    severity: Severity::High,
    title: "every region in terraform's outputs is one where data may lie",
    why: "a part of the environment is in a country that the data must not leave for",
    fix: FIX,
};
static BUCKET: Check = Check {
    id: "residency-buckets",
    item: None,
    severity: Severity::Critical,
    title: "every bucket lies where data may lie",
    why: "personal health information is in another country",
    fix: FIX,
};
static REPLICATION: Check = Check {
    id: "residency-replication",
    item: None,
    severity: Severity::Critical,
    title: "buckets replicate to where data may lie, and nowhere else",
    why: "copies of personal health information are made in another country",
    fix: FIX,
};
static SECRETS: Check = Check {
    id: "residency-secrets",
    item: None,
    severity: Severity::High,
    title: "secrets are replicated to where data may lie, and nowhere else",
    why: "what opens the data is kept in another country",
    fix: FIX,
};
static DATABASE: Check = Check {
    id: "residency-database",
    item: None,
    severity: Severity::Critical,
    title: "backups and replicas of the database are where data may lie, and nowhere else",
    why: "copies of personal health information are made in another country",
    fix: FIX,
};
static KEY: Check = Check {
    id: "residency-key",
    item: None,
    severity: Severity::High,
    title: "the key has replicas where data may lie, and nowhere else",
    why: "what was encrypted can be read in another country",
    fix: FIX,
};

pub(super) static CHECKS: &[&Check] = &[&OUTPUTS, &BUCKET, &REPLICATION, &SECRETS, &DATABASE, &KEY];

/// CloudFront's alarms are in us-east-1 whatever the policy; nothing but their state is sent there.
const GLOBAL_OUTPUTS: [&str; 1] = ["sns_global_alerts_topic_arn"];

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let buckets = join_all(BUCKETS.map(|output| bucket(context, output)));
    let secrets = [
        "db_credentials_secret_arn",
        "db_master_secret_arn",
        "db_connection_secret_arn",
        "redis_credentials_secret_arn",
    ];
    let secrets = join_all(secrets.map(|output| secret(context, output)));
    let (buckets, secrets, database, key) =
        tokio::join!(buckets, secrets, database(context), key(context));
    let mut answers = vec![outputs(context)];
    answers.extend(buckets.into_iter().flatten());
    answers.extend(secrets);
    answers.extend([database, key]);
    answers
}

fn outputs(context: Context<'_>) -> Answer {
    let Some(outputs) = context.located.outputs() else {
        return OUTPUTS.skipped("terraform's outputs", "terraform was not asked");
    };
    let places = outputs
        .iter()
        .filter(|(name, _)| !GLOBAL_OUTPUTS.contains(name))
        .flat_map(|(name, output)| {
            let regions = regions_in(&output.value).into_iter();
            regions.map(move |region| (name.to_owned(), region))
        })
        .collect();
    let seen = Ok(places);
    judge(&OUTPUTS, context, "terraform's outputs", seen)
}

/// A bucket's own region, and those that it replicates to.
async fn bucket(context: Context<'_>, output: &str) -> [Answer; 2] {
    let bucket = context.located.text(output);
    let name = bucket.clone().unwrap_or(output);
    let own = async {
        let bucket = bucket.clone()?;
        let region = location(context, bucket).await?;
        Ok(vec![(bucket.to_owned(), region)])
    };
    let replicas = async {
        let bucket = bucket.clone()?;
        let mut places = Vec::new();
        for target in targets(context, bucket).await? {
            let region = location(context, &target).await?;
            places.push((target, region));
        }
        Ok(places)
    };
    let (own, replicas) = tokio::join!(own, replicas);
    let place = gone(&BUCKET, name, own, |own| judge(&BUCKET, context, name, own));
    let copies = gone(&REPLICATION, name, replicas, |replicas| {
        judge(&REPLICATION, context, name, replicas)
    });
    [place, copies]
}

/// Whether a thing is there is for others to tell.
fn gone<T>(
    check: &'static Check,
    resource: &str,
    seen: Observation<T>,
    judge: impl FnOnce(Observation<T>) -> Answer,
) -> Answer {
    match seen {
        Err(unobserved) if unobserved.absent => check.skipped(resource, "it does not exist"),
        seen => judge(seen),
    }
}

/// S3 leaves the region out for us-east-1, and has an old name for eu-west-1:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>.
async fn location(context: Context<'_>, bucket: &str) -> Observation<String> {
    let asked = context.clients.home.s3.get_bucket_location();
    let answer = asked.bucket(bucket).send().await;
    let call = || context.clients.call("S3", "GetBucketLocation", bucket);
    let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
    let region = answer.location_constraint.map(|at| at.as_str().to_owned());
    Ok(match region.as_deref() {
        None | Some("") => "us-east-1".to_owned(),
        Some("EU") => "eu-west-1".to_owned(),
        Some(region) => region.to_owned(),
    })
}

/// Buckets of the rules that are in force.
async fn targets(context: Context<'_>, bucket: &str) -> Observation<BTreeSet<String>> {
    let asked = context.clients.home.s3.get_bucket_replication();
    let answer = match asked.bucket(bucket).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let call = context.clients.call("S3", "GetBucketReplication", bucket);
            let error = call.failed(error);
            if error.is_code("ReplicationConfigurationNotFoundError") {
                return Ok(BTreeSet::new());
            }
            return Err(Unobserved::from(error));
        }
    };
    let lacks = || Unobserved::because("S3's answer has no replication in it");
    let rules = answer.replication_configuration.ok_or_else(lacks)?.rules;
    let arns = rules.into_iter().filter_map(|rule| rule.destination);
    let names = arns.map(|to| to.bucket.rsplit(':').next().unwrap_or_default().to_owned());
    Ok(names.collect())
}

async fn secret(context: Context<'_>, output: &str) -> Answer {
    let arn = context.located.text(output);
    let seen = async {
        let arn = arn.clone()?;
        let answer = context.clients.secrets.describe_secret();
        let answer = answer.secret_id(arn).send().await;
        let call = || {
            context
                .clients
                .call("Secrets Manager", "DescribeSecret", arn)
        };
        let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
        if answer.arn().is_none() {
            return Err(Unobserved::because(
                "Secrets Manager's answer has no secret in it",
            ));
        }
        let replicas = answer.replication_status().iter();
        let places = replicas.map(|to| ("replica".to_owned(), known(to.region())));
        Ok(places.collect())
    };
    let resource = format!("{} ({output})", arn.clone().unwrap_or("secret"));
    gone(&SECRETS, &resource, seen.await, |seen| {
        judge(&SECRETS, context, &resource, seen)
    })
}

async fn database(context: Context<'_>) -> Answer {
    let id = context.located.text("db_identifier");
    let seen = async {
        let id = id.clone()?;
        let instance = named::database(context.clients, id).await?;
        let backups = instance.db_instance_automated_backups_replications().iter();
        let backups = backups.map(|to| {
            let arn = to.db_instance_automated_backups_arn();
            ("backups".to_owned(), known(arn.and_then(region_of)))
        });
        // Replicas in the same region are named without an ARN.
        let replicas = instance.read_replica_db_instance_identifiers().iter();
        let replicas = replicas
            .filter(|replica| replica.contains(':'))
            .map(|replica| ("replica".to_owned(), known(region_of(replica))));
        Ok(backups.chain(replicas).collect())
    };
    let resource = id.clone().unwrap_or("database");
    gone(&DATABASE, resource, seen.await, |seen| {
        judge(&DATABASE, context, resource, seen)
    })
}

async fn key(context: Context<'_>) -> Answer {
    let arn = context.located.text("kms_key_arn");
    let seen = async {
        let arn = arn.clone()?;
        let answer = context.clients.kms.describe_key().key_id(arn).send().await;
        let call = || context.clients.call("KMS", "DescribeKey", arn);
        let answer = answer.map_err(|error| Unobserved::from(call().failed(error)))?;
        let lacks = || Unobserved::because("KMS's answer has no key in it");
        let key = answer.key_metadata.ok_or_else(lacks)?;
        let replicas = key.multi_region_configuration.as_ref();
        let keys = replicas
            .into_iter()
            .flat_map(|keys| keys.primary_key.iter().chain(keys.replica_keys()));
        let places = keys.map(|key| ("key".to_owned(), known(key.region())));
        Ok(places.collect())
    };
    let resource = arn.clone().unwrap_or("key");
    gone(&KEY, resource, seen.await, |seen| {
        judge(&KEY, context, resource, seen)
    })
}

/// The region of an ARN.
fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// A copy whose region is not told is in none that is allowed.
fn known(region: Option<&str>) -> String {
    region.unwrap_or("an unknown region").to_owned()
}

/// Things and their regions.
type Places = Vec<(String, String)>;

fn judge(
    check: &'static Check,
    context: Context<'_>,
    resource: &str,
    places: Observation<Places>,
) -> Answer {
    let residency = &context.wanted.residency;
    let today = context.at.to_zoned(TimeZone::UTC).date();
    let countries: Vec<String> = residency
        .countries
        .iter()
        .map(ToString::to_string)
        .collect();
    let shown = places.map(|places| {
        let elsewhere: BTreeSet<String> = places
            .iter()
            .filter(|(_, region)| !allowed(residency, region, today))
            .map(|(what, region)| format!("{what} in {region}"))
            .collect();
        let all: BTreeSet<&str> = places.iter().map(|(_, region)| region.as_str()).collect();
        if !elsewhere.is_empty() {
            (false, elsewhere.into_iter().collect::<Vec<_>>().join(", "))
        } else if all.is_empty() {
            (true, "nowhere else".to_owned())
        } else {
            (true, all.into_iter().collect::<Vec<_>>().join(", "))
        }
    });
    let exceptions = residency.exceptions.iter();
    let exceptions = exceptions.filter(|exception| exception.expires >= today);
    let exceptions: String = exceptions
        .map(|exception| format!(", or {} by exception", exception.region))
        .collect();
    let expected = format!("in {}{exceptions}", countries.join(", "));
    check.answer(resource, expected, None, shown)
}

/// A region that this release does not know is in no country that is allowed.
fn allowed(residency: &Residency, region: &str, today: Date) -> bool {
    let region = region.parse::<Region>();
    region.is_ok_and(|region| residency.allows(region, today))
}

/// Every region that a value names: in ARNs, host names, addresses of consoles, alone.
fn regions_in(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            found.extend(words.filter(|word| is_region(word)).map(str::to_owned));
        }
        Value::Array(values) => found.extend(values.iter().flat_map(regions_in)),
        Value::Object(fields) => found.extend(fields.values().flat_map(regions_in)),
        _ => {}
    }
    found
}

/// Whether a word is a region, or built as one that this release does not know: `xx-central-1`.
fn is_region(word: &str) -> bool {
    const DIRECTIONS: [&str; 9] = [
        "north",
        "south",
        "east",
        "west",
        "central",
        "northeast",
        "southeast",
        "northwest",
        "southwest",
    ];
    let parts: Vec<&str> = word.split('-').collect();
    let built = match parts[..] {
        [place, .., direction, number] => {
            place.len() == 2
                && place.chars().all(|c| c.is_ascii_lowercase())
                && DIRECTIONS.contains(&direction)
                && number.parse::<u8>().is_ok()
        }
        _ => false,
    };
    built || word.parse::<Region>().is_ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::types::{MultiRegionConfiguration, MultiRegionKey};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use report::finding::Status;
    use serde_json::json;
    use settings::Settings;

    use super::super::asked::Asked;
    use super::*;

    const ARN: &str = "arn:aws:kms:ca-central-1:123456789012:key/1";

    #[tokio::test]
    async fn an_output_abroad_is_wrong() {
        for (name, value, status) in [
            ("kms_key_arn", ARN, Status::Ok),
            ("db_address", "x.ca-west-1.rds.amazonaws.com", Status::Ok),
            ("db_address", "x.us-west-2.rds.amazonaws.com", Status::Wrong),
            (
                "sns_global_alerts_topic_arn",
                "arn:aws:sns:us-west-2:1:x",
                Status::Ok,
            ),
        ] {
            let asked = Asked::new(&[(name, value.into())]).await;
            assert_eq!(outputs(asked.context()).status, status, "{name} {value}");
        }
    }

    #[tokio::test]
    async fn a_bucket_abroad_is_wrong() {
        for (place, status) in [
            (Some("ca-central-1"), Status::Ok),
            (Some("us-west-2"), Status::Wrong),
            (Some("EU"), Status::Wrong),
        ] {
            let mut asked = Asked::new(&[("s3_bucket_photos", "photos".into())]).await;
            let located = mock!(aws_sdk_s3::Client::get_bucket_location).then_output(move || {
                let place = place.map(aws_sdk_s3::types::BucketLocationConstraint::from);
                aws_sdk_s3::operation::get_bucket_location::GetBucketLocationOutput::builder()
                    .set_location_constraint(place)
                    .build()
            });
            let alone = mock!(aws_sdk_s3::Client::get_bucket_replication).then_output(|| {
                aws_sdk_s3::operation::get_bucket_replication::GetBucketReplicationOutput::builder()
                    .build()
            });
            asked.clients.home.s3 =
                mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&located, &alone]);
            let [own, copies] = bucket(asked.context(), "s3_bucket_photos").await;
            assert_eq!(own.status, status, "{place:?}");
            // An answer without a configuration is none that S3 gives.
            assert_eq!(copies.status, Status::Unknown);
        }
    }

    #[tokio::test]
    async fn a_key_abroad_is_wrong() {
        for (region, status) in [("ca-west-1", Status::Ok), ("us-west-2", Status::Wrong)] {
            let mut asked = Asked::new(&[("kms_key_arn", ARN.into())]).await;
            let described = mock!(aws_sdk_kms::Client::describe_key).then_output(move || {
                let replica = MultiRegionKey::builder().region(region).build();
                let keys = MultiRegionConfiguration::builder().replica_keys(replica);
                let key = aws_sdk_kms::types::KeyMetadata::builder().key_id("1");
                let key = key
                    .multi_region_configuration(keys.build())
                    .build()
                    .unwrap();
                aws_sdk_kms::operation::describe_key::DescribeKeyOutput::builder()
                    .key_metadata(key)
                    .build()
            });
            asked.clients.kms = mock_client!(aws_sdk_kms, [&described]);
            assert_eq!(key(asked.context()).await.status, status, "{region}");
        }
    }

    // aws-behaviour: 36
    #[test]
    fn a_region_outside_the_policy_wants_an_exception_that_has_not_passed() {
        let text = include_str!("../../../../examples/berthcare-staging/infra.toml");
        let day = |year, month, day| jiff::civil::date(year, month, day);
        let settings = Settings::parse(text, day(2026, 11, 1)).unwrap();
        let residency = settings.residency;
        for (region, today, may) in [
            ("ca-central-1", day(2026, 11, 1), true),
            ("ca-west-1", day(2030, 1, 1), true),
            ("us-east-1", day(2027, 6, 30), true),
            ("us-east-1", day(2027, 7, 1), false),
            ("us-west-2", day(2026, 11, 1), false),
            ("ca-nowhere-1", day(2026, 11, 1), false),
        ] {
            assert_eq!(allowed(&residency, region, today), may, "{region} {today}");
        }
    }

    #[test]
    fn regions_are_found_wherever_a_value_names_them() {
        let value = json!({
            "arn": "arn:aws:rds:ca-central-1:123456789012:db:x",
            "hosts": ["a.b.us-east-1.rds.amazonaws.com:5432"],
            "url": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-2#x",
            "unknown": "xx-central-9",
            "not": ["arn:aws:s3:::logs-ca-central-1", "berthcare-db-1", "arn:aws:iam::1:role/a", 3],
        });
        let found: Vec<String> = regions_in(&value).into_iter().collect();
        assert_eq!(
            found,
            [
                "ca-central-1",
                "eu-west-1",
                "eu-west-2",
                "us-east-1",
                "xx-central-9"
            ]
        );
    }
}
