//! Which troubles an error text tells of.

use std::collections::BTreeSet;

use super::clue;
use super::instance::Wanted;

/// What an error text tells of, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Symptom {
    /// Somebody holds the state's lock; the id of the lock.
    StateLock { id: Option<String> },
    /// A file of the folder is locked where Terraform ran.
    LocalLock,
    /// The lock table is not there, or has another key.
    LockTable,
    /// The bucket of the state is not there.
    BackendBucket { bucket: Option<String> },
    /// The bucket of the state wants checksums.
    ObjectLock,
    /// What an apply made is in errored.tfstate alone.
    StateNotSaved,
    /// A later Terraform has written the state: its version.
    NewerState { version: Option<String> },
    /// The lock table has another digest than the state.
    StateDigest,
    /// The name of an instance, or of its last snapshot, is taken.
    NameTaken {
        instance: Option<String>,
        snapshot: Option<String>,
    },
    /// A class and a version that RDS does not offer together.
    NotOffered(Wanted),
    /// No zone has room for the class.
    NoCapacity { class: Option<String> },
    /// A copy to another region without a key.
    CopyWithoutKey,
    /// Too many copies to a region at once.
    CopiesInProgress,
    /// A name that RDS does not take: the parameter.
    Identifier { parameter: Option<String> },
    /// The VPC does not give names to what is public.
    VpcDns,
    /// Subnets and security groups of different VPCs.
    DifferentVpcs { ids: Vec<String> },
    /// A secret of this name waits for its deletion.
    SecretDeleted { secret: Option<String> },
    /// The destination of a replication keeps no versions.
    DestinationVersioning { bucket: Option<String> },
    /// An instance of RDS did not become available in time.
    DatabaseSlow { instance: Option<String> },
    /// A bucket's name is taken.
    BucketExists { buckets: Vec<String> },
    /// CloudFront answers 403; the path that was asked for.
    Forbidden { path: Option<String> },
    /// A connection to the database does not come about.
    NoConnection,
    /// Credentials are missing, expired or not accepted.
    Credentials,
    /// A quota is used up: AWS's error code.
    Quota { code: &'static str },
    /// An action is not allowed.
    Denied {
        action: Option<String>,
        who: Option<String>,
        resource: Option<String>,
        encoded: bool,
    },
    /// A key cannot be used.
    Key { id: Option<String> },
    /// A version of the engine is not offered.
    EngineVersion { version: Option<String> },
    /// A region is not enabled.
    Region { region: Option<String> },
    /// AWS asks to slow down.
    Throttled,
    /// Something is still in use: the ids that are named.
    InUse { ids: Vec<String> },
}

/// Error codes of quotas.
const QUOTAS: [&str; 13] = [
    "AddressLimitExceeded",
    "VpcLimitExceeded",
    "NatGatewayLimitExceeded",
    "InternetGatewayLimitExceeded",
    "SecurityGroupLimitExceeded",
    "RulesPerSecurityGroupLimitExceeded",
    "NetworkInterfaceLimitExceeded",
    "InstanceQuotaExceeded",
    "StorageQuotaExceeded",
    "SnapshotQuotaExceeded",
    "DBSubnetGroupQuotaExceeded",
    "NodeQuotaForCustomerExceeded",
    "TooManyBuckets",
];

/// An error text, and the same in lower case.
struct Text<'a> {
    whole: &'a str,
    lower: String,
}

impl<'a> Text<'a> {
    fn new(whole: &'a str) -> Self {
        Self {
            whole,
            // Terraform breaks its lines where the terminal ends.
            lower: whole
                .to_lowercase()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.lower.contains(word))
    }
}

/// How a trouble is recognised, and what the text names of it.
struct Matcher {
    /// One of these is in the text, in any case.
    words: &'static [&'static str],
    /// And this holds of it.
    also: fn(&Text<'_>) -> bool,
    symptoms: fn(&str) -> Vec<Symptom>,
}

const ALWAYS: fn(&Text<'_>) -> bool = |_| true;

/// In the order in which they should be looked at: without credentials nothing else can be told.
const MATCHERS: &[Matcher] = &[
    Matcher {
        words: &[
            "expiredtoken",
            "token is expired",
            "token has expired",
            "invalidclienttokenid",
            "unrecognizedclientexception",
            "signaturedoesnotmatch",
            "no valid credential sources",
            "failed to refresh cached credentials",
            "unable to locate credentials",
            "no usable credentials",
        ],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::Credentials],
    },
    Matcher {
        words: &["errored.tfstate", "failed to persist state"],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::StateNotSaved],
    },
    Matcher {
        words: &["s3 bucket", "nosuchbucket"],
        also: |text| {
            text.has(&[
                "existing workspaces",
                "initializing the backend",
                "referenced s3 bucket",
            ]) && text.has(&[
                "does not exist",
                "nosuchbucket",
                "must have been previously created",
            ])
        },
        symptoms: |text| {
            let bucket = clue::after(text, "S3 bucket \"", clue::name);
            vec![Symptom::BackendBucket {
                bucket: owned(bucket),
            }]
        },
    },
    Matcher {
        words: LOCKS,
        also: |text| text.has(LOCK_TABLE),
        symptoms: |_| vec![Symptom::LockTable],
    },
    Matcher {
        words: OBJECT_LOCK,
        also: ALWAYS,
        symptoms: |_| vec![Symptom::ObjectLock],
    },
    Matcher {
        words: LOCKS,
        also: |text| text.has(LOCAL_LOCK),
        symptoms: |_| vec![Symptom::LocalLock],
    },
    Matcher {
        words: LOCKS,
        also: |text| !text.has(LOCK_TABLE) && !text.has(OBJECT_LOCK) && !text.has(LOCAL_LOCK),
        symptoms: |text| vec![Symptom::StateLock { id: lock_id(text) }],
    },
    Matcher {
        words: &[
            "which is newer than current",
            "state snapshot was created by terraform",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let version = clue::after(text, "created by Terraform ", clue::id);
            vec![Symptom::NewerState {
                version: owned(version),
            }]
        },
    },
    Matcher {
        words: &[
            "does not have the expected content",
            "state checksum mismatch",
        ],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::StateDigest],
    },
    Matcher {
        words: &[
            "timeout while waiting for state to become",
            "unexpected state 'incompatible",
            "unexpected state 'failed",
        ],
        also: |text| text.has(&["db instance", "rds"]),
        symptoms: |text| {
            let instance = clue::after(text, "DB Instance (", clue::name);
            vec![Symptom::DatabaseSlow {
                instance: owned(instance),
            }]
        },
    },
    Matcher {
        words: &[
            "dbinstancealreadyexists",
            "db instance already exists",
            "dbsnapshotalreadyexists",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let snapshot = clue::after(text, "snapshot with the identifier ", clue::name);
            vec![Symptom::NameTaken {
                instance: instance(text),
                snapshot: owned(snapshot),
            }]
        },
    },
    Matcher {
        words: &["with the following combination", "not supported for engine"],
        also: ALWAYS,
        symptoms: |text| {
            let of = |mark| owned(clue::after(text, mark, clue::id));
            vec![Symptom::NotOffered(Wanted {
                class: of("DBInstanceClass="),
                engine: of(" Engine="),
                version: of("EngineVersion="),
            })]
        },
    },
    Matcher {
        words: &[
            "insufficientdbinstancecapacity",
            "zones with sufficient capacity",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let classes = clue::words(text, "db.", clue::id);
            vec![Symptom::NoCapacity {
                class: owned(classes.first().copied()),
            }]
        },
    },
    Matcher {
        words: COPY_KEY,
        also: ALWAYS,
        symptoms: |_| vec![Symptom::CopyWithoutKey],
    },
    Matcher {
        words: &[
            "snapshots across regions",
            "cross-region snapshot copies",
            "cross region snapshot copies",
        ],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::CopiesInProgress],
    },
    Matcher {
        words: &["is not a valid identifier"],
        also: ALWAYS,
        symptoms: |text| {
            let parameter = clue::after(text, "The parameter ", clue::name);
            vec![Symptom::Identifier {
                parameter: owned(parameter),
            }]
        },
    },
    Matcher {
        words: &["does not support dns resolution"],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::VpcDns],
    },
    Matcher {
        words: &[
            "different vpc",
            "are in different vpcs",
            "not in the same vpc",
            "belong to different networks",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let ids = ["vpc-", "subnet-", "sg-"].iter();
            let ids = ids.flat_map(|kind| clue::words(text, kind, clue::id));
            vec![Symptom::DifferentVpcs {
                ids: ids.map(str::to_owned).collect(),
            }]
        },
    },
    Matcher {
        words: &["scheduled for deletion"],
        also: |text| text.has(&["secret"]),
        symptoms: |text| {
            let secret = clue::after(text, "Secrets Manager Secret (", clue::arn);
            vec![Symptom::SecretDeleted {
                secret: owned(secret),
            }]
        },
    },
    Matcher {
        words: &["destination bucket must have versioning enabled"],
        also: ALWAYS,
        symptoms: |text| {
            let bucket = clue::after(text, "arn:aws:s3:::", clue::name);
            vec![Symptom::DestinationVersioning {
                bucket: owned(bucket),
            }]
        },
    },
    Matcher {
        words: &["bucketalreadyexists", "bucketalreadyownedbyyou"],
        also: ALWAYS,
        symptoms: |text| {
            vec![Symptom::BucketExists {
                buckets: buckets(text),
            }]
        },
    },
    Matcher {
        words: &["403"],
        also: is_forbidden,
        symptoms: |text| vec![Symptom::Forbidden { path: path(text) }],
    },
    Matcher {
        words: &[
            "connection timeout",
            "connection timed out",
            "timeout expired",
            "could not connect to server",
            "i/o timeout",
            "operation timed out",
            "etimedout",
            "econnrefused",
            "connection refused",
        ],
        // Unless it is another's connection: of Redis, or of a call to AWS.
        also: |text| {
            text.has(DATABASE) || !text.has(&["amazonaws.com", "api error", "6379", "redis"])
        },
        symptoms: |_| vec![Symptom::NoConnection],
    },
    Matcher {
        words: &["limitexceeded", "quota", "toomanybuckets"],
        also: |text| !text.has(&["across regions"]),
        symptoms: |text| {
            let codes = QUOTAS.into_iter().filter(|code| text.contains(code));
            codes.map(|code| Symptom::Quota { code }).collect()
        },
    },
    Matcher {
        words: &[
            "accessdenied",
            "access denied",
            "unauthorizedoperation",
            "is not authorized to perform",
            "api error forbidden",
        ],
        also: |text| !is_forbidden(text),
        symptoms: |text| vec![denied(text)],
    },
    Matcher {
        words: KEY,
        also: |text| !text.has(COPY_KEY),
        symptoms: key,
    },
    Matcher {
        words: &["disabledexception", "is disabled"],
        also: |text| text.has(&["kms"]) && !text.has(KEY),
        symptoms: key,
    },
    Matcher {
        words: &[
            "cannot find version",
            "cannot find upgrade target",
            "cannot upgrade postgres from",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let version = clue::after(text, "Cannot find version", clue::id);
            vec![Symptom::EngineVersion {
                version: owned(version),
            }]
        },
    },
    Matcher {
        words: &[
            "optinrequired",
            "not subscribed to this service",
            "region is not enabled",
            "invalid aws region",
            "regiondisabled",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let region = text
                .split(|char: char| !clue::id(char))
                .map(|word| word.trim_matches('.'))
                .find(|word| word.parse::<settings::Region>().is_ok());
            vec![Symptom::Region {
                region: owned(region),
            }]
        },
    },
    Matcher {
        words: &[
            "throttl",
            "rate exceeded",
            "requestlimitexceeded",
            "slowdown",
            "toomanyrequests",
        ],
        also: ALWAYS,
        symptoms: |_| vec![Symptom::Throttled],
    },
    Matcher {
        words: &[
            "dependencyviolation",
            "has a dependent object",
            "has dependencies and cannot be deleted",
            "is currently in use",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let ids = IN_USE
                .iter()
                .flat_map(|kind| clue::words(text, kind, clue::id));
            vec![Symptom::InUse {
                ids: ids.map(str::to_owned).collect(),
            }]
        },
    },
];

/// Words of a text about the database.
const DATABASE: &[&str] = &[
    "5432",
    "postgres",
    "psql",
    "rds.amazonaws.com",
    "database",
    "db_endpoint",
];

/// Words of a lock of the state that was not to be had, or not to be given back.
const LOCKS: &[&str] = &[
    "acquiring the state lock",
    "releasing the state lock",
    "error locking state",
    "failed to lock s3 state",
    "failed to unlock state",
    "failed to retrieve lock info",
    "state already locked",
];

/// With them it is the table's fault, and no lock is held.
const LOCK_TABLE: &[&str] = &[
    "resourcenotfoundexception",
    "missing the key",
    "provided key element does not match the schema",
];

/// With them it is the bucket's.
const OBJECT_LOCK: &[&str] = &["put object requests with object lock parameters"];

/// With them it is a file's.
const LOCAL_LOCK: &[&str] = &[
    "resource temporarily unavailable",
    "path: .terraform/terraform.tfstate",
    "path: terraform.tfstate ",
];

/// Words of a copy to another region that was given no key.
const COPY_KEY: &[&str] = &["kms key [none]", "must specify new kms key"];

/// Words of a key that cannot be used.
const KEY: &[&str] = &[
    "kmsinvalidstate",
    "pending deletion",
    "kmskeydisabled",
    "kmskeynotaccessible",
    "kms.disabled",
    "inaccessible-encryption-credentials",
];

/// Beginnings of ids of what holds, or is held by, a network.
const IN_USE: [&str; 7] = [
    "vpc-",
    "subnet-",
    "sg-",
    "igw-",
    "eni-",
    "rtb-",
    "eipalloc-",
];

/// The ID of the lock: the one under Lock Info. A request of AWS has an ID as well, which may look like it.
fn lock_id(text: &str) -> Option<String> {
    let info = &text[text.find("Lock Info:")?..];
    let id = clue::after(info, "ID:", clue::id).filter(|id| id.len() == 36);
    owned(id)
}

/// The instance in `RDS DB Instance (restore to point-in-time) (NAME)`: the last of the names in brackets.
fn instance(text: &str) -> Option<String> {
    let mut rest = &text[text.find("DB Instance (")? + "DB Instance ".len()..];
    let mut found = None;
    while let Some(inner) = rest.strip_prefix('(') {
        let (name, after) = inner.split_once(')')?;
        found = Some(name).filter(|name| name.chars().all(clue::name));
        rest = after.trim_start();
    }
    owned(found)
}

/// All of them, in the order in which they should be looked at.
pub(super) fn recognise(text: &str) -> Vec<Symptom> {
    let text = &clue::plain(text);
    let text = Text::new(text);
    MATCHERS
        .iter()
        .filter(|matcher| text.has(matcher.words) && (matcher.also)(&text))
        .flat_map(|matcher| (matcher.symptoms)(text.whole))
        .collect()
}

/// The words of the known troubles that have most in common with a text in which none of them is.
pub(super) fn nearest(text: &str) -> Option<&'static str> {
    let text = clue::plain(text).to_lowercase();
    let words: BTreeSet<&str> = text
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| word.len() >= LONG)
        .collect();
    let shared = |of: &str| -> usize {
        let of = of.split(|char: char| !char.is_alphanumeric());
        of.filter(|word| word.len() >= LONG && words.contains(word))
            .map(str::len)
            .sum()
    };
    let all = MATCHERS.iter().flat_map(|matcher| matcher.words).copied();
    let (most, words) = all
        .map(|of| (shared(of), of))
        .max_by_key(|(most, _)| *most)?;
    // Half of the words at least, or it is chance.
    (2 * most > words.len()).then_some(words)
}

/// Shorter words are in every text.
const LONG: usize = 5;

/// Whether CloudFront has refused something. An API's own refusal carries its status in another form.
fn is_forbidden(text: &Text<'_>) -> bool {
    let told = text.has(&["403 forbidden"]) || (text.has(&["cloudfront"]) && text.has(&["403"]));
    told && !text.has(&["statuscode: 403"])
}

fn owned(found: Option<&str>) -> Option<String> {
    found.map(str::to_owned)
}

fn buckets(text: &str) -> Vec<String> {
    let allowed = |char| char == '(' || char == ' ' || clue::name(char);
    clue::words(text, "S3 Bucket (", allowed)
        .iter()
        .filter_map(|word| clue::after(word, "S3 Bucket (", clue::name))
        .map(str::to_owned)
        .collect()
}

/// The path of the first URL that has one.
fn path(text: &str) -> Option<String> {
    let urls = clue::words(text, "https://", clue::path);
    urls.into_iter().find_map(|url| {
        let rest = url.strip_prefix("https://")?;
        rest.find('/').map(|at| rest[at..].to_owned())
    })
}

fn denied(text: &str) -> Symptom {
    let arn = |mark| clue::after(text, mark, clue::arn).filter(|arn| arn.starts_with("arn:"));
    let action = clue::after(text, "not authorized to perform:", clue::arn);
    let encoded = text.to_lowercase();
    Symptom::Denied {
        action: owned(action.filter(|action| action.contains(':'))),
        who: owned(arn("User:")),
        resource: owned(arn("on resource:")),
        encoded: encoded.contains("encoded authorization failure message"),
    }
}

fn key(text: &str) -> Vec<Symptom> {
    let ids = clue::words(text, "arn:aws:kms:", clue::arn);
    let id = owned(ids.first().copied());
    vec![Symptom::Key { id }]
}

#[cfg(test)]
mod tests;
