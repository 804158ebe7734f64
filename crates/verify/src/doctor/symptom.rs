//! Which troubles an error text tells of.

use super::clue;

/// What an error text tells of, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Symptom {
    /// Somebody holds the state's lock; the id of the lock.
    StateLock { id: Option<String> },
    /// The lock table has another digest than the state.
    StateDigest,
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
            lower: whole.to_lowercase(),
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
        words: &[
            "acquiring the state lock",
            "releasing the state lock",
            "state already locked",
        ],
        also: ALWAYS,
        symptoms: |text| {
            let id = clue::after(text, "ID:", clue::id).filter(|id| id.len() == 36);
            vec![Symptom::StateLock { id: owned(id) }]
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
        also: ALWAYS,
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
        also: ALWAYS,
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

/// All of them, in the order in which they should be looked at.
pub(super) fn recognise(text: &str) -> Vec<Symptom> {
    let text = Text::new(text);
    MATCHERS
        .iter()
        .filter(|matcher| text.has(matcher.words) && (matcher.also)(&text))
        .flat_map(|matcher| (matcher.symptoms)(text.whole))
        .collect()
}

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
mod tests {
    use super::*;

    /// Terraform's and AWS's own words.
    #[test]
    fn each_trouble_is_known_by_its_words() {
        let some = |text: &str| Some(text.to_owned());
        let rows = [
            (
                "Error: Error acquiring the state lock\n\nError message: operation error DynamoDB: PutItem, ConditionalCheckFailedException\nLock Info:\n  ID:        9db590f1-b6fe-c5f2-2678-8804f089deba\n  Path:      b/staging/terraform.tfstate\n",
                Symptom::StateLock {
                    id: some("9db590f1-b6fe-c5f2-2678-8804f089deba"),
                },
            ),
            (
                "Error acquiring the state lock",
                Symptom::StateLock { id: None },
            ),
            (
                "Error refreshing state: state data in S3 does not have the expected content.",
                Symptom::StateDigest,
            ),
            (
                "Error creating DB Instance: timeout while waiting for state to become 'available'",
                Symptom::DatabaseSlow { instance: None },
            ),
            (
                "Error: waiting for RDS DB Instance (berthcare-staging-postgres) create: timeout while waiting for state to become 'available, storage-optimization' (last state: 'creating', timeout: 40m0s)",
                Symptom::DatabaseSlow {
                    instance: some("berthcare-staging-postgres"),
                },
            ),
            (
                "Error creating S3 bucket: BucketAlreadyExists",
                Symptom::BucketExists { buckets: vec![] },
            ),
            (
                "Error: creating S3 Bucket (berthcare-photos-staging): operation error S3: CreateBucket, https response error StatusCode: 409, BucketAlreadyExists:",
                Symptom::BucketExists {
                    buckets: vec!["berthcare-photos-staging".into()],
                },
            ),
            ("403 Forbidden", Symptom::Forbidden { path: None }),
            (
                "GET https://d111.cloudfront.net/photos/a.jpg?sig=hunter2: 403",
                Symptom::Forbidden {
                    path: some("/photos/a.jpg"),
                },
            ),
            ("Connection timeout", Symptom::NoConnection),
            (
                "psql: error: connection to server at \"db.x.ca-central-1.rds.amazonaws.com\" (10.0.1.2), port 5432 failed: Connection timed out",
                Symptom::NoConnection,
            ),
            (
                "operation error STS: GetCallerIdentity, StatusCode: 403, api error ExpiredToken: The security token included in the request is expired",
                Symptom::Credentials,
            ),
            (
                "creating EC2 EIP: operation error EC2: AllocateAddress, AddressLimitExceeded: The maximum number of addresses has been reached.",
                Symptom::Quota {
                    code: "AddressLimitExceeded",
                },
            ),
            (
                "api error AccessDenied: User: arn:aws:sts::1:assumed-role/ci/x is not authorized to perform: rds:CreateDBInstance on resource: arn:aws:rds:ca-central-1:1:db:x because no identity-based policy allows it",
                Symptom::Denied {
                    action: some("rds:CreateDBInstance"),
                    who: some("arn:aws:sts::1:assumed-role/ci/x"),
                    resource: some("arn:aws:rds:ca-central-1:1:db:x"),
                    encoded: false,
                },
            ),
            (
                "UnauthorizedOperation: You are not authorized. Encoded authorization failure message: hunter2",
                Symptom::Denied {
                    action: None,
                    who: None,
                    resource: None,
                    encoded: true,
                },
            ),
            (
                "KMSInvalidStateException: arn:aws:kms:ca-central-1:1:key/12ab is pending deletion.",
                Symptom::Key {
                    id: some("arn:aws:kms:ca-central-1:1:key/12ab"),
                },
            ),
            (
                "InvalidParameterCombination: Cannot find version 15.5 for postgres",
                Symptom::EngineVersion {
                    version: some("15.5"),
                },
            ),
            (
                "OptInRequired: You are not subscribed to this service in ca-west-1.",
                Symptom::Region {
                    region: some("ca-west-1"),
                },
            ),
            ("ThrottlingException: Rate exceeded", Symptom::Throttled),
            (
                "deleting EC2 Subnet (subnet-0a1b): DependencyViolation: The subnet 'subnet-0a1b' has dependencies and cannot be deleted.",
                Symptom::InUse {
                    ids: vec!["subnet-0a1b".into()],
                },
            ),
        ];
        for (text, symptom) in rows {
            assert_eq!(recognise(text), [symptom], "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for text in [
            "",
            "Error: Invalid function argument",
            "something else, hunter2",
            "Apply complete!",
        ] {
            assert_eq!(recognise(text), [], "{text}");
        }
    }
}
