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

/// All of them, in the order in which they should be looked at.
pub(super) fn recognise(text: &str) -> Vec<Symptom> {
    let lower = text.to_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let owned = |found: Option<&str>| found.map(str::to_owned);
    let mut found = Vec::new();

    if any(&[
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
    ]) {
        found.push(Symptom::Credentials);
    }
    if any(&[
        "acquiring the state lock",
        "releasing the state lock",
        "state already locked",
    ]) {
        let id = clue::after(text, "ID:", clue::id).filter(|id| id.len() == 36);
        found.push(Symptom::StateLock { id: owned(id) });
    }
    if any(&[
        "does not have the expected content",
        "state checksum mismatch",
    ]) {
        found.push(Symptom::StateDigest);
    }
    if any(&[
        "timeout while waiting for state to become",
        "unexpected state 'incompatible",
        "unexpected state 'failed",
    ]) && any(&["db instance", "rds"])
    {
        let instance = clue::after(text, "DB Instance (", clue::name);
        found.push(Symptom::DatabaseSlow {
            instance: owned(instance),
        });
    }
    if any(&["bucketalreadyexists", "bucketalreadyownedbyyou"]) {
        let buckets = clue::words(text, "S3 Bucket (", |char| {
            char == '(' || char == ' ' || clue::name(char)
        });
        let buckets = buckets
            .iter()
            .filter_map(|word| clue::after(word, "S3 Bucket (", clue::name))
            .map(str::to_owned)
            .collect();
        found.push(Symptom::BucketExists { buckets });
    }
    // An API's own refusal carries its status in another form.
    let refused_by_api = lower.contains("statuscode: 403");
    if (any(&["403 forbidden"]) || (any(&["cloudfront"]) && any(&["403"]))) && !refused_by_api {
        let path = clue::words(text, "https://", clue::path)
            .into_iter()
            .find_map(|url| {
                let rest = url.strip_prefix("https://")?;
                rest.find('/').map(|at| rest[at..].to_owned())
            });
        found.push(Symptom::Forbidden { path });
    }
    let told = any(&[
        "connection timeout",
        "connection timed out",
        "timeout expired",
        "could not connect to server",
        "i/o timeout",
        "operation timed out",
        "etimedout",
        "econnrefused",
        "connection refused",
    ]);
    let of_database = any(&[
        "5432",
        "postgres",
        "psql",
        "rds.amazonaws.com",
        "database",
        "db_endpoint",
    ]);
    if told && (of_database || !any(&["amazonaws.com", "api error", "6379", "redis"])) {
        found.push(Symptom::NoConnection);
    }
    for code in QUOTAS {
        if text.contains(code) {
            found.push(Symptom::Quota { code });
        }
    }
    if any(&[
        "accessdenied",
        "access denied",
        "unauthorizedoperation",
        "is not authorized to perform",
        "api error forbidden",
    ]) && !found
        .iter()
        .any(|symptom| matches!(symptom, Symptom::Forbidden { .. }))
    {
        found.push(Symptom::Denied {
            action: owned(
                clue::after(text, "not authorized to perform:", clue::arn)
                    .filter(|action| action.contains(':')),
            ),
            who: owned(clue::after(text, "User:", clue::arn).filter(|who| who.starts_with("arn:"))),
            resource: owned(
                clue::after(text, "on resource:", clue::arn)
                    .filter(|what| what.starts_with("arn:")),
            ),
            encoded: any(&["encoded authorization failure message"]),
        });
    }
    if any(&[
        "kmsinvalidstate",
        "pending deletion",
        "kmskeydisabled",
        "kmskeynotaccessible",
        "kms.disabled",
        "inaccessible-encryption-credentials",
    ]) || (any(&["kms"]) && any(&["disabledexception", "is disabled"]))
    {
        let id = clue::words(text, "arn:aws:kms:", clue::arn)
            .first()
            .copied();
        found.push(Symptom::Key { id: owned(id) });
    }
    if any(&[
        "cannot find version",
        "cannot find upgrade target",
        "cannot upgrade postgres from",
    ]) {
        let version = clue::after(text, "Cannot find version", clue::id);
        found.push(Symptom::EngineVersion {
            version: owned(version),
        });
    }
    if any(&[
        "optinrequired",
        "not subscribed to this service",
        "region is not enabled",
        "invalid aws region",
        "regiondisabled",
    ]) {
        let region = text
            .split(|char: char| !clue::id(char))
            .map(|word| word.trim_matches('.'))
            .find(|word| word.parse::<settings::Region>().is_ok());
        found.push(Symptom::Region {
            region: owned(region),
        });
    }
    if any(&[
        "throttl",
        "rate exceeded",
        "requestlimitexceeded",
        "slowdown",
        "toomanyrequests",
    ]) {
        found.push(Symptom::Throttled);
    }
    if any(&[
        "dependencyviolation",
        "has a dependent object",
        "has dependencies and cannot be deleted",
        "is currently in use",
    ]) {
        let kinds = [
            "vpc-",
            "subnet-",
            "sg-",
            "igw-",
            "eni-",
            "rtb-",
            "eipalloc-",
        ];
        let ids = kinds
            .iter()
            .flat_map(|kind| clue::words(text, kind, clue::id));
        found.push(Symptom::InUse {
            ids: ids.map(str::to_owned).collect(),
        });
    }
    found
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
