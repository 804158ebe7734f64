use std::collections::BTreeSet;

use aws_sdk_cloudfront::types::{
    DistributionConfig, GeoRestrictionType, MinimumProtocolVersion, Origin,
    OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors,
    OriginAccessControlSigningProtocols, TrustedKeyGroups, TrustedSigners, ViewerProtocolPolicy,
};
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::super::buckets;
use super::catalog::*;
use super::{Picture, viewers};
use crate::check::Answer;
use crate::wanted::Wanted;

/// Answers without a picture: the distribution does not exist, or could not be seen.
pub(super) fn nothing(
    resource: &str,
    terraform: Option<&str>,
    unobserved: &Unobserved,
) -> Vec<Answer> {
    CHECKS
        .iter()
        .map(|check| {
            if unobserved.absent && *check != &DEPLOYED {
                return check.skipped(resource, "the distribution does not exist");
            }
            let terraform = terraform.map(str::to_owned);
            check.answer(resource, check.title, terraform, Err(unobserved.clone()))
        })
        .collect()
}

pub(super) fn all(context: Context<'_>, id: &str, picture: &Picture) -> Vec<Answer> {
    let distribution = &picture.distribution;
    let status = distribution.status.as_str();
    let deployed = (status == "Deployed", status.to_owned());
    let mut answers = vec![DEPLOYED.answer(id, "Deployed", Some(id.to_owned()), Ok(deployed))];
    let Some(config) = &distribution.distribution_config else {
        let unobserved =
            Unobserved::because("CloudFront answered without the distribution's settings");
        let others = nothing(id, None, &unobserved).into_iter();
        answers.extend(others.filter(|answer| answer.check != &DEPLOYED));
        return answers;
    };
    let enabled = if config.enabled {
        "enabled"
    } else {
        "disabled"
    };
    answers.push(ENABLED.answer(
        id,
        "enabled",
        None,
        Ok((config.enabled, enabled.to_owned())),
    ));
    answers.push(HTTPS.answer(id, "redirect-to-https or https-only", None, https(config)));
    answers.push(viewers::answer(context, id, config));
    answers.push(tls(id, config));
    answers.push(countries(context, id, config));
    answers.push(COMPRESSION.answer(id, "on", None, compression(config)));
    answers.extend(origins(context, id, config, picture));
    answers.push(logs(context, id, picture));
    answers.extend(bucket_access(context, picture));
    answers
}

/// What a path is served with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behaviour<'a> {
    pub(super) path: &'a str,
    /// An origin, or a group of them.
    pub(super) target: &'a str,
    protocol: &'a ViewerProtocolPolicy,
    compress: Option<bool>,
    pub(super) key_groups: Option<&'a TrustedKeyGroups>,
    pub(super) signers: Option<&'a TrustedSigners>,
}

/// Every behaviour, the default one first.
pub(super) fn behaviours(config: &DistributionConfig) -> Observation<Vec<Behaviour<'_>>> {
    let default = config
        .default_cache_behavior
        .as_ref()
        .ok_or_else(|| Unobserved::because("CloudFront answered without the default behaviour"))?;
    let others = config.cache_behaviors.as_ref();
    let items = others
        .and_then(|others| others.items.as_deref())
        .unwrap_or_default();
    // CloudFront says how many there are.
    if others.is_some_and(|others| usize::try_from(others.quantity) != Ok(items.len())) {
        return Err(Unobserved::because(
            "CloudFront answered without all behaviours",
        ));
    }
    let mut all = vec![Behaviour {
        path: "default",
        target: &default.target_origin_id,
        protocol: &default.viewer_protocol_policy,
        compress: default.compress,
        key_groups: default.trusted_key_groups.as_ref(),
        signers: default.trusted_signers.as_ref(),
    }];
    all.extend(items.iter().map(|item| Behaviour {
        path: &item.path_pattern,
        target: &item.target_origin_id,
        protocol: &item.viewer_protocol_policy,
        compress: item.compress,
        key_groups: item.trusted_key_groups.as_ref(),
        signers: item.trusted_signers.as_ref(),
    }));
    Ok(all)
}

fn https(config: &DistributionConfig) -> Observation<(bool, String)> {
    let open: Vec<String> = behaviours(config)?
        .into_iter()
        .filter(|behaviour| {
            !matches!(
                behaviour.protocol,
                ViewerProtocolPolicy::HttpsOnly | ViewerProtocolPolicy::RedirectToHttps
            )
        })
        .map(|behaviour| format!("{}: {}", behaviour.path, behaviour.protocol))
        .collect();
    Ok(if open.is_empty() {
        (true, "every behaviour".to_owned())
    } else {
        (false, open.join(", "))
    })
}

fn compression(config: &DistributionConfig) -> Observation<(bool, String)> {
    let mut off = Vec::new();
    for Behaviour { path, compress, .. } in behaviours(config)? {
        match compress {
            Some(true) => {}
            Some(false) => off.push(path),
            None => {
                return Err(Unobserved::because(format!(
                    "CloudFront does not say whether {path} compresses"
                )));
            }
        }
    }
    Ok(if off.is_empty() {
        (true, "every behaviour".to_owned())
    } else {
        (false, format!("off: {}", off.join(", ")))
    })
}

fn tls(id: &str, config: &DistributionConfig) -> Answer {
    let Some(certificate) = &config.viewer_certificate else {
        let unobserved = Unobserved::because("CloudFront answered without the certificate");
        return TLS.answer(id, "TLS 1.2 at least", None, Err(unobserved));
    };
    if certificate.cloud_front_default_certificate == Some(true) {
        // CloudFront takes no lowest version with its own certificate and answers TLSv1 whatever is asked for:
        // docs.aws.amazon.com/cloudfront/latest/APIReference/API_ViewerCertificate.html.
        return TLS.skipped(
            id,
            "with CloudFront's own certificate (*.cloudfront.net) the lowest version is CloudFront's choice, TLSv1, and cannot \
             be set; an own domain with a certificate is held to TLS 1.2",
        );
    }
    let found = certificate.minimum_protocol_version.as_ref();
    let found = found
        .ok_or_else(|| Unobserved::because("CloudFront answered without the lowest version"))
        .map(|version| {
            let fine = matches!(
                version,
                MinimumProtocolVersion::TlSv122018
                    | MinimumProtocolVersion::TlSv122019
                    | MinimumProtocolVersion::TlSv122021
                    | MinimumProtocolVersion::TlSv122025
                    | MinimumProtocolVersion::TlSv132025
            );
            (fine, version.as_str().to_owned())
        });
    TLS.answer(id, "TLS 1.2 at least", None, found)
}

fn countries(context: Context<'_>, id: &str, config: &DistributionConfig) -> Answer {
    let wanted: BTreeSet<&str> = context
        .wanted
        .expect
        .countries
        .iter()
        .map(String::as_str)
        .collect();
    let restriction = config
        .restrictions
        .as_ref()
        .and_then(|restrictions| restrictions.geo_restriction.as_ref());
    let found = restriction
        .ok_or_else(|| Unobserved::because("CloudFront answered without restrictions"))
        .map(|restriction| {
            let items = restriction.items.as_deref().unwrap_or_default();
            let items: BTreeSet<&str> = items.iter().map(String::as_str).collect();
            let kind = &restriction.restriction_type;
            let fine = *kind == GeoRestrictionType::Whitelist && items == wanted;
            (fine, format!("{kind}: {}", list(&items)))
        });
    let expected = format!("whitelist: {}", list(&wanted));
    COUNTRIES.answer(id, expected, None, found)
}

fn list(words: &BTreeSet<&str>) -> String {
    let words: Vec<&str> = words.iter().copied().collect();
    words.join(", ")
}

fn origins(
    context: Context<'_>,
    id: &str,
    config: &DistributionConfig,
    picture: &Picture,
) -> [Answer; 2] {
    let origins = config
        .origins
        .as_ref()
        .map(|origins| origins.items.as_slice())
        .ok_or_else(|| Unobserved::because("CloudFront answered without origins"));
    let wanted: Observation<BTreeSet<&str>> = buckets::DATA
        .iter()
        .map(|kind| context.located.text(kind.output))
        .collect();
    let terraform = wanted.as_ref().ok().map(list);
    let found = origins.clone().and_then(|origins| {
        let wanted = wanted?;
        let served: BTreeSet<&str> = origins
            .iter()
            .map(|origin| original(origin, context.wanted).unwrap_or(&origin.domain_name))
            .collect();
        Ok((served == wanted, list(&served)))
    });
    let signed = origins.and_then(|origins| {
        let mut flaws = Vec::new();
        for origin in origins {
            if let Some(flaw) = unsigned(origin, picture)? {
                flaws.push(format!("{}: {flaw}", origin.id));
            }
        }
        Ok(if flaws.is_empty() {
            (true, "every origin".to_owned())
        } else {
            (false, flaws.join(", "))
        })
    });
    [
        ORIGINS.answer(id, "the data buckets", terraform, found),
        OAC.answer(id, "sigv4, always", None, signed),
    ]
}

/// The bucket that an origin serves: one of the environment's region, or that of which it is the copy in the DR region.
/// `NAME.s3.REGION.amazonaws.com`.
pub(super) fn original<'a>(origin: &'a Origin, wanted: &'a Wanted) -> Option<&'a str> {
    let (name, host) = origin.domain_name.split_once(".s3.")?;
    let place = host.strip_suffix(".cn").unwrap_or(host);
    let place = place.strip_suffix(".amazonaws.com")?;
    if place == wanted.region.as_str() {
        return Some(name);
    }
    // In whichever region: a bucket's name is taken once.
    let mut replicas = wanted.replicas.iter();
    replicas
        .find(|(_, replica)| *replica == name && !place.contains('.'))
        .map(|(original, _)| original.as_str())
}

/// Why CloudFront does not sign its requests to an origin; nothing when it does.
fn unsigned(origin: &Origin, picture: &Picture) -> Observation<Option<String>> {
    let id = origin
        .origin_access_control_id
        .as_deref()
        .unwrap_or_default();
    if id.is_empty() {
        return Ok(Some("no origin access control".to_owned()));
    }
    let control = match picture.controls.get(id) {
        Some(Ok(control)) => control,
        Some(Err(unobserved)) if unobserved.absent => {
            return Ok(Some(format!("{id} does not exist")));
        }
        Some(Err(unobserved)) => return Err(unobserved.clone()),
        None => return Err(Unobserved::because(format!("{id} was not asked about"))),
    };
    let always = control.signing_behavior == OriginAccessControlSigningBehaviors::Always
        && control.signing_protocol == OriginAccessControlSigningProtocols::Sigv4
        && control.origin_access_control_origin_type == OriginAccessControlOriginTypes::S3;
    let shown = format!(
        "{} {} for {}",
        control.signing_behavior,
        control.signing_protocol,
        control.origin_access_control_origin_type
    );
    Ok((!always).then_some(shown))
}

fn logs(context: Context<'_>, id: &str, picture: &Picture) -> Answer {
    let bucket = context.located.text(buckets::LOGS.output);
    let terraform = context.located.terraform(buckets::LOGS.output);
    let partition = context.wanted.region.partition();
    let found = bucket.and_then(|bucket| {
        let targets = picture.logs.clone()?;
        let wanted = format!("arn:{partition}:s3:::{bucket}");
        // A prefix may follow the bucket.
        let fine = targets.iter().any(|target| {
            target
                .strip_prefix(&wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let shown = if targets.is_empty() {
            "not logged".to_owned()
        } else {
            targets.into_iter().collect::<Vec<_>>().join(", ")
        };
        Ok((fine, shown))
    });
    LOGS.answer(id, "to the log bucket", terraform, found)
}

fn bucket_access(context: Context<'_>, picture: &Picture) -> Vec<Answer> {
    let arn = picture.distribution.arn.as_str();
    let partition = context.wanted.region.partition();
    picture
        .policies
        .iter()
        .map(|(bucket, policy)| {
            let found = match policy {
                Ok(policy) => Ok(
                    match policy.reads_for(&format!("arn:{partition}:s3:::{bucket}"), arn) {
                        Ok(()) => (true, "reads for it".to_owned()),
                        Err(flaw) => (false, flaw),
                    },
                ),
                Err(unobserved) => Err(unobserved.clone()),
            };
            BUCKETS.answer(bucket, format!("CloudFront reads for {arn}"), None, found)
        })
        .collect()
}

#[cfg(test)]
mod tests;
