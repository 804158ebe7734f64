//! CloudFront answers 403: the distribution, its way to the buckets, and the object.

use aws_env::ErrorClass;
use aws_sdk_cloudfront::types::{DistributionConfig, Origin};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};
use serde_json::Value;

use super::{Context, Diagnosis, unseen};

pub(super) async fn forbidden(context: Context<'_>, path: Option<&str>) -> Diagnosis {
    let mut findings = Vec::new();
    match context.output("cloudfront_distribution_id") {
        Some(id) => look(context, id, path, &mut findings).await,
        None => {
            let why = Unobserved::because(
                "terraform names no distribution: give its outputs with --outputs",
            );
            findings.push(unseen("cdn-status", "the distribution", why));
        }
    }
    Diagnosis {
        trouble: "cloudfront-403",
        meaning: "CloudFront says 403 while it is deployed to its locations (15 to 20 minutes), when it may not read \
                  the bucket or its key, to countries that are not allowed, without a wanted signature, and for an \
                  object that is not there.",
        findings,
        next: Vec::new(),
    }
}

async fn look(context: Context<'_>, id: &str, path: Option<&str>, findings: &mut Vec<Finding>) {
    let call = context
        .clients
        .global_call("CloudFront", "GetDistribution", id);
    let answer = context
        .clients
        .cloudfront
        .get_distribution()
        .id(id)
        .send()
        .await;
    let distribution = answer
        .map_err(|error| Unobserved::from(call.failed(error)))
        .and_then(|answer| {
            answer
                .distribution
                .ok_or_else(|| Unobserved::because("CloudFront shows no distribution"))
        });
    let distribution = match distribution {
        Ok(distribution) => distribution,
        Err(unobserved) => {
            for what in ["cdn-status", "cdn-oac", "cdn-policy"] {
                findings.push(unseen(what, id, unobserved.clone()));
            }
            return;
        }
    };
    let Some(config) = distribution.distribution_config() else {
        findings.push(unseen(
            "cdn-status",
            id,
            Unobserved::because("CloudFront shows no configuration"),
        ));
        return;
    };
    let (status, enabled) = (distribution.status(), config.enabled());
    let seen = format!("{status}, {}", if enabled { "enabled" } else { "disabled" });
    findings.push(
        Finding::new(
            "cdn-status",
            id,
            "Deployed, enabled",
            Ok((status == "Deployed" && enabled, seen)),
        )
        .fix(ShellCommand::new("aws cloudfront wait distribution-deployed").option("--id", id)),
    );
    if let Some(countries) = config
        .restrictions()
        .and_then(|restrictions| restrictions.geo_restriction())
    {
        let seen = format!(
            "{}: {}",
            countries.restriction_type(),
            countries.items().join(", ")
        );
        findings.push(Finding::new(
            "cdn-countries",
            id,
            "the country of the viewer",
            Ok((true, seen)),
        ));
    }
    let origins = config
        .origins()
        .map(|origins| origins.items())
        .unwrap_or_default();
    if origins.is_empty() {
        findings.push(unseen(
            "cdn-oac",
            id,
            Unobserved::because("CloudFront shows no origin"),
        ));
    }
    for origin in origins {
        let oac = origin
            .origin_access_control_id()
            .filter(|id| !id.is_empty());
        let seen = match oac {
            Some(oac) => (true, oac.to_owned()),
            None => (false, "none".to_owned()),
        };
        findings.push(
            Finding::new("cdn-oac", origin.id(), "an origin access control", Ok(seen))
                .fix("terraform apply: without it CloudFront asks S3 as nobody"),
        );
        if let Some(bucket) = bucket(origin) {
            access(context, bucket, distribution.arn(), findings).await;
        }
    }
    if let Some(path) = path {
        findings.push(object(context, config, path).await);
    }
}

/// `bucket.s3.REGION.amazonaws.com`, or without the region.
fn bucket(origin: &Origin) -> Option<&str> {
    let (bucket, rest) = origin.domain_name().split_once(".s3")?;
    rest.starts_with(['.', '-']).then_some(bucket)
}

/// Whether CloudFront may read the bucket, and its key.
async fn access(
    context: Context<'_>,
    bucket: &str,
    distribution: &str,
    findings: &mut Vec<Finding>,
) {
    let home = &context.clients.home;
    let policy = home.s3.get_bucket_policy().bucket(bucket).send().await;
    let seen = match policy {
        Ok(answer) => match answer.policy().map(serde_json::from_str::<Value>) {
            Some(Ok(policy)) => Ok(match allows(&policy, "s3:GetObject", Some(distribution)) {
                true => (true, "it lets this distribution read".to_owned()),
                false => (false, "it does not let this distribution read".to_owned()),
            }),
            _ => Err(Unobserved::because("S3 shows no policy that can be read")),
        },
        Err(error) => Err(Unobserved::from(
            home.call("S3", "GetBucketPolicy", bucket).failed(error),
        )),
    };
    findings.push(
        Finding::new(
            "cdn-policy",
            bucket,
            "cloudfront.amazonaws.com may s3:GetObject for this distribution",
            seen,
        )
        .fix("terraform apply: the policy names the distribution that it was made for"),
    );
    let block = home
        .s3
        .get_public_access_block()
        .bucket(bucket)
        .send()
        .await;
    let seen = match block {
        Ok(answer) => answer
            .public_access_block_configuration()
            .ok_or_else(|| Unobserved::because("S3 shows no configuration"))
            .map(|block| {
                let all = [
                    block.block_public_acls(),
                    block.block_public_policy(),
                    block.ignore_public_acls(),
                    block.restrict_public_buckets(),
                ];
                let on = all.iter().filter(|one| **one == Some(true)).count();
                (on == 4, format!("{on} of 4 on"))
            }),
        Err(error) => Err(Unobserved::from(
            home.call("S3", "GetPublicAccessBlock", bucket)
                .failed(error),
        )),
    };
    findings.push(
        Finding::new(
            "bucket-public-block",
            bucket,
            "on: an access control needs no public bucket",
            seen,
        )
        .fix("terraform apply; do not open the bucket to cure a 403"),
    );
    findings.push(key(context, bucket).await);
}

async fn key(context: Context<'_>, bucket: &str) -> Finding {
    let home = &context.clients.home;
    let expected = "CloudFront may use the bucket's key";
    let encryption = home.s3.get_bucket_encryption().bucket(bucket).send().await;
    let rules = match encryption {
        Ok(answer) => answer.server_side_encryption_configuration,
        Err(error) => {
            let error = home.call("S3", "GetBucketEncryption", bucket).failed(error);
            return unseen("cdn-key", bucket, error);
        }
    };
    let key = rules.as_ref().and_then(|rules| {
        rules.rules().iter().find_map(|rule| {
            rule.apply_server_side_encryption_by_default()?
                .kms_master_key_id()
        })
    });
    let Some(key) = key else {
        let seen = Ok((true, "no key of KMS".to_owned()));
        return Finding::new("cdn-key", bucket, expected, seen);
    };
    let policy = context
        .clients
        .kms
        .get_key_policy()
        .key_id(key)
        .policy_name("default")
        .send()
        .await;
    let seen = match policy {
        Ok(answer) => match answer.policy().map(serde_json::from_str::<Value>) {
            Some(Ok(policy)) => Ok(match allows(&policy, "kms:Decrypt", None) {
                true => (true, "it may decrypt".to_owned()),
                false => (false, format!("{key} does not let it decrypt")),
            }),
            _ => Err(Unobserved::because("KMS shows no policy that can be read")),
        },
        Err(error) => Err(Unobserved::from(
            context
                .clients
                .call("KMS", "GetKeyPolicy", key)
                .failed(error),
        )),
    };
    Finding::new("cdn-key", bucket, expected, seen)
        .fix("terraform apply: the key's policy allows kms:Decrypt to cloudfront.amazonaws.com")
}

/// Whether a statement lets CloudFront do `action`, for `distribution` if it is given.
fn allows(policy: &Value, action: &str, distribution: Option<&str>) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let holds = |value: &Value, fits: &dyn Fn(&str) -> bool| match value {
        Value::String(text) => fits(text),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).any(fits),
        _ => false,
    };
    let allowed = |text: &str| match text.strip_suffix('*') {
        Some(start) => action.starts_with(start),
        None => text.eq_ignore_ascii_case(action),
    };
    statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && holds(&statement["Principal"]["Service"], &|text| {
                text == "cloudfront.amazonaws.com"
            })
            && holds(&statement["Action"], &allowed)
            && distribution.is_none_or(|arn| {
                statement["Condition"]
                    .to_string()
                    .contains(&format!("\"{arn}\""))
            })
    })
}

/// Whether the object of a path is there. To CloudFront S3 answers 403 for one that is not.
async fn object(context: Context<'_>, config: &DistributionConfig, path: &str) -> Finding {
    let behaviours = config
        .cache_behaviors()
        .map(|behaviours| behaviours.items())
        .unwrap_or_default();
    let target = behaviours
        .iter()
        .find(|behaviour| fits(behaviour.path_pattern(), path))
        .map(|behaviour| behaviour.target_origin_id())
        .or_else(|| {
            config
                .default_cache_behavior()
                .map(|default| default.target_origin_id())
        });
    let origins = config
        .origins()
        .map(|origins| origins.items())
        .unwrap_or_default();
    let origin = origins.iter().find(|origin| Some(origin.id()) == target);
    let Some((origin, bucket)) = origin.and_then(|origin| Some((origin, bucket(origin)?))) else {
        return unseen(
            "cdn-object",
            path,
            Unobserved::because("no bucket is behind this path"),
        );
    };
    let prefix = origin.origin_path().unwrap_or_default().trim_matches('/');
    let decoded =
        percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
    let key = match prefix {
        "" => decoded.into_owned(),
        prefix => format!("{prefix}/{decoded}"),
    };
    let home = &context.clients.home;
    let head = home.s3.head_object().bucket(bucket).key(&key).send().await;
    let seen: Observation<_> = match head {
        Ok(_) => Ok((true, "it is there".to_owned())),
        Err(error) => match home
            .call("S3", "HeadObject", format!("{bucket}/{key}"))
            .failed(error)
        {
            error if error.class == ErrorClass::Absent => Ok((false, "it is not there".to_owned())),
            error => Err(error.into()),
        },
    };
    Finding::new("cdn-object", format!("{bucket}/{key}"), "the object", seen)
        .fix("upload it, or correct the path")
}

/// CloudFront's patterns: `*` for anything, `?` for one character.
fn fits(pattern: &str, path: &str) -> bool {
    fn rest(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((b'*', more)), _) => (0..=path.len()).any(|skip| rest(more, &path[skip..])),
            (Some((b'?', more)), Some((_, left))) => rest(more, left),
            (Some((one, more)), Some((other, left))) if one == other => rest(more, left),
            _ => false,
        }
    }
    let (pattern, path) = (
        pattern.trim_start_matches('/'),
        path.trim_start_matches('/'),
    );
    // A pattern with many stars would take long on a long path.
    if pattern.bytes().filter(|byte| *byte == b'*').count() > 4 {
        return false;
    }
    rest(pattern.as_bytes(), path.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_are_cloudfronts() {
        assert!(fits("/photos/*", "/photos/a/b.jpg"));
        assert!(fits("*.jpg", "/a/b.jpg"));
        assert!(fits("a?c", "/abc"));
        assert!(!fits("/photos/*", "/documents/a"));
        assert!(!fits("a?c", "/ac"));
    }

    #[test]
    fn a_policy_has_to_name_the_service_the_action_and_the_distribution() {
        let policy = |effect: &str, service: &str, action: Value, arn: &str| {
            json!({"Statement": [{"Effect": effect, "Principal": {"Service": service}, "Action": action,
                "Condition": {"StringEquals": {"AWS:SourceArn": arn}}}]})
        };
        let cloudfront = "cloudfront.amazonaws.com";
        let may = |policy: &Value| allows(policy, "s3:GetObject", Some("arn:d/E1"));
        assert!(may(&policy(
            "Allow",
            cloudfront,
            json!("s3:GetObject"),
            "arn:d/E1"
        )));
        assert!(may(&policy(
            "Allow",
            cloudfront,
            json!(["s3:Get*"]),
            "arn:d/E1"
        )));
        for wrong in [
            policy("Deny", cloudfront, json!("s3:GetObject"), "arn:d/E1"),
            policy(
                "Allow",
                "ec2.amazonaws.com",
                json!("s3:GetObject"),
                "arn:d/E1",
            ),
            policy("Allow", cloudfront, json!("s3:PutObject"), "arn:d/E1"),
            policy("Allow", cloudfront, json!("s3:GetObject"), "arn:d/E12"),
            json!({}),
        ] {
            assert!(!may(&wrong), "{wrong}");
        }
    }
}
