//! What a difference means to those who run the environment.

use super::compare::{Raw, VEIL};
use super::{Difference, Kind};

/// `raw` with its meaning. Of a secret not even the fingerprint is shown, and nothing of what was one on one
/// side: it may still be.
pub(super) fn explained(raw: Raw) -> Difference {
    let meaning = meaning(&raw);
    let veiled =
        |text: Option<String>| text.map(|text| if raw.secret { VEIL.to_owned() } else { text });
    Difference {
        meaning,
        place: raw.place,
        kind: raw.kind,
        before: veiled(raw.before),
        after: veiled(raw.after),
        ignored: None,
    }
}

fn meaning(raw: &Raw) -> String {
    match (raw.kind, raw.secret) {
        (Kind::Unknown, true) => {
            return "a secret that cannot be compared: it was hidden with another salt, or on one side only"
                .to_owned();
        }
        (Kind::Unknown, false) => {
            return "cannot be compared: it was hidden with another salt, or in another way"
                .to_owned();
        }
        (Kind::Changed, true) if raw.around => {
            return "text with a secret in it changed".to_owned();
        }
        (Kind::Changed, true) => return "secret rotated".to_owned(),
        (Kind::Added, true) => return "secret added".to_owned(),
        (Kind::Removed, true) => return "secret removed".to_owned(),
        _ => {}
    }
    if let (Some(before), Some(after)) = (&raw.before, &raw.after)
        && let Some(moved) = moved(before, after)
    {
        return moved;
    }
    let thing = thing(&raw.name);
    match raw.kind {
        Kind::Added => format!("{} added", thing.name),
        Kind::Removed => format!("{} {}", thing.name, thing.removed),
        Kind::Changed | Kind::Unknown => match (&raw.before, &raw.after) {
            (Some(before), Some(after)) if thing.name == "version" => versions(before, after),
            _ => format!("{} {}", thing.name, thing.changed),
        },
    }
}

struct Thing {
    name: &'static str,
    changed: &'static str,
    removed: &'static str,
}

const fn thing_of(name: &'static str, changed: &'static str, removed: &'static str) -> Thing {
    Thing {
        name,
        changed,
        removed,
    }
}

/// By what words of names begin with, the first that fits.
static THINGS: [(&str, Thing); 23] = [
    (
        "secret_arn",
        thing_of("secret", "replaced by another secret", "lost"),
    ),
    (
        "subnet",
        thing_of("subnet", "replaced", "lost, and with it perhaps its zone"),
    ),
    (
        "availability_zone",
        thing_of("availability zone", "changed", "lost"),
    ),
    ("zone", thing_of("zone", "changed", "lost")),
    ("nat_gateway", thing_of("NAT gateway", "replaced", "lost")),
    ("vpc_id", thing_of("network", "replaced", "lost")),
    ("flow_log", thing_of("flow log", "replaced", "lost")),
    (
        "security_group",
        thing_of("security group", "replaced", "lost"),
    ),
    (
        "kms_key",
        thing_of(
            "key",
            "replaced: what the old one encrypted still needs it",
            "lost",
        ),
    ),
    ("role", thing_of("role", "replaced", "lost")),
    ("bucket", thing_of("bucket", "replaced", "lost")),
    ("version", thing_of("version", "changed", "no longer told")),
    ("distribution", thing_of("distribution", "replaced", "lost")),
    ("endpoint", thing_of("endpoint", "changed", "lost")),
    ("address", thing_of("endpoint", "changed", "lost")),
    ("domain", thing_of("domain", "changed", "lost")),
    ("port", thing_of("port", "changed", "lost")),
    (
        "topic",
        thing_of(
            "topic of alarms",
            "replaced: subscriptions stay with the old one",
            "lost",
        ),
    ),
    ("alarm", thing_of("alarm", "changed", "lost")),
    ("dashboard", thing_of("dashboard", "changed", "lost")),
    (
        "db_identifier",
        thing_of("database", "replaced or renamed", "lost"),
    ),
    (
        "db_arn",
        thing_of("database", "replaced or renamed", "lost"),
    ),
    (
        "redis_replication_group",
        thing_of("cache", "replaced or renamed", "lost"),
    ),
];

fn thing(name: &str) -> &'static Thing {
    static OTHER: Thing = thing_of("value", "changed", "removed");
    let name = format!("_{name}");
    THINGS
        .iter()
        .find(|(word, _)| name.contains(&format!("_{word}")))
        .map_or(&OTHER, |(_, thing)| thing)
}

/// Two ARNs of the same thing in two regions or accounts.
fn moved(before: &str, after: &str) -> Option<String> {
    let parts = |text: &str| -> Option<Vec<String>> {
        let text = text.strip_prefix("arn:")?;
        // The mark of an account has a colon of its own.
        let text = text.replace("{account:", "{account ");
        let parts: Vec<String> = text.splitn(5, ':').map(str::to_owned).collect();
        (parts.len() == 5).then_some(parts)
    };
    let (before, after) = (parts(before)?, parts(after)?);
    if before[3] != after[3] {
        return Some("another account".to_owned());
    }
    (before[2] != after[2]).then(|| format!("moved from {} to {}", before[2], after[2]))
}

fn versions(before: &str, after: &str) -> String {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.split('.').map(|part| part.parse().ok()).collect()
    };
    match numbers(before).zip(numbers(after)) {
        Some((before, after)) if before < after => "version raised".to_owned(),
        Some(_) => "version lowered".to_owned(),
        None => "version changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_say_what_they_mean() {
        use Kind::{Added, Changed, Removed, Unknown};
        for (name, kind, before, after, told) in [
            (
                "db_endpoint",
                Changed,
                "a:5432",
                "b:5432",
                "endpoint changed",
            ),
            (
                "redis_auth",
                Changed,
                "{hidden:aa}",
                "{hidden:bb}",
                "secret rotated",
            ),
            (
                "redis_auth",
                Unknown,
                "{hidden:aa}",
                "{hidden:bb}",
                "a secret that cannot be compared",
            ),
            ("s3_bucket_photos", Changed, "a", "b", "bucket replaced"),
            (
                "private_subnet_ids",
                Removed,
                "subnet-1",
                "",
                "subnet lost, and with it perhaps its zone",
            ),
            ("private_subnet_ids", Added, "", "subnet-1", "subnet added"),
            (
                "db_engine_version",
                Changed,
                "15.5",
                "15.10",
                "version raised",
            ),
            (
                "db_engine_version",
                Changed,
                "15.10",
                "15.9",
                "version lowered",
            ),
            (
                "db_credentials_secret_arn",
                Changed,
                "arn:aws:x:r:1:a",
                "arn:aws:x:r:1:b",
                "secret replaced",
            ),
            (
                "db_arn",
                Changed,
                "arn:aws:rds:a:1:db",
                "arn:aws:rds:b:1:db",
                "moved from a to b",
            ),
            (
                "db_arn",
                Changed,
                "arn:aws:rds:a:{account:1}:d",
                "arn:aws:rds:a:{account:2}:d",
                "another account",
            ),
            (
                "db_arn",
                Changed,
                "arn:aws:rds:a:{account:1}:d",
                "arn:aws:rds:a:{account:1}:e",
                "database replaced",
            ),
            ("kms_key_arn", Changed, "x", "y", "key replaced"),
            ("db_size", Changed, "1", "2", "value changed"),
            ("report", Changed, "1", "2", "value changed"),
            ("whatever", Removed, "x", "", "value removed"),
        ] {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let difference = explained(Raw {
                place: String::new(),
                name: name.to_owned(),
                kind,
                before: text(before),
                after: text(after),
                secret: before.contains("{hidden"),
                around: false,
            });
            assert!(
                difference.meaning.starts_with(told),
                "{name}: {}",
                difference.meaning
            );
            assert!(
                !format!("{difference:?}").contains("{hidden"),
                "{difference:?}"
            );
        }
    }
}
