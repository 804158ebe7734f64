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

/// The error's own reason decides, whatever its heading says.
#[test]
fn lock_that_was_not_to_be_had_is_told_by_its_reason() {
    let heading = "╷\n│ Error: Error acquiring the state lock\n│\n│ Error message: ";
    let id = "9db590f1-b6fe-c5f2-2678-8804f089deba";
    let info = format!("Lock Info:\n  ID:        {id}\n  Path:      b/staging/terraform.tfstate\n");
    for (reason, symptom) in [
        (
            "operation error DynamoDB: PutItem, StatusCode: 400, RequestID: X,\n│ ResourceNotFoundException: Requested resource not found",
            Symptom::LockTable,
        ),
        (
            "ValidationException: One or more parameter values were invalid: Missing the\n│ key Lock in the item",
            Symptom::LockTable,
        ),
        (
            "ValidationException: The provided key element does not match the schema",
            Symptom::LockTable,
        ),
        (
            "operation error S3: PutObject, api error InvalidRequest: Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object\n│ requests with Object Lock parameters",
            Symptom::ObjectLock,
        ),
        (
            "resource temporarily unavailable\n│ Lock Info:\n│   ID:        11111111-2222-3333-4444-555555555555\n│   Path:      .terraform/terraform.tfstate",
            Symptom::LocalLock,
        ),
        (
            "operation error S3: PutObject, StatusCode: 412, api error PreconditionFailed: x\n│ NoSuchKey:",
            Symptom::StateLock { id: None },
        ),
        // A request's ID looks like a lock's; 52 letters or a UUID.
        (
            "RequestID: 01234567-89ab-cdef-0123-456789abcdef, ConditionalCheckFailedException: The conditional request failed",
            Symptom::StateLock { id: None },
        ),
        (
            &format!(
                "RequestID: 01234567-89ab-cdef-0123-456789abcdef, ConditionalCheckFailedException\n{info}"
            ),
            Symptom::StateLock {
                id: Some(id.into()),
            },
        ),
    ] {
        assert_eq!(
            recognise(&format!("{heading}{reason}")),
            [symptom],
            "{reason}"
        );
    }
    let opentofu = format!(
        "failed to lock s3 state: operation error DynamoDB: PutItem, ConditionalCheckFailedException\n{info}"
    );
    assert_eq!(
        recognise(&opentofu),
        [Symptom::StateLock {
            id: Some(id.into())
        }]
    );
}

#[test]
fn ordinary_errors_of_init_and_apply_are_known() {
    let some = |text: &str| Some(text.to_owned());
    for (text, symptom) in [
        (
            "Initializing the backend...\n│ Error: Failed to get existing workspaces: S3 bucket \"acme-tfstate\" does not exist.\n│ The referenced S3 bucket must have been previously created.",
            Symptom::BackendBucket {
                bucket: some("acme-tfstate"),
            },
        ),
        (
            "Error: state snapshot was created by Terraform v1.13.0, which is newer than current v1.11.4; upgrade to Terraform v1.13.0 or greater",
            Symptom::NewerState {
                version: some("v1.13.0"),
            },
        ),
        (
            "Error: Failed to persist state to backend\n│ has been written to the file \"errored.tfstate\"",
            Symptom::StateNotSaved,
        ),
        (
            "Error: creating RDS DB Instance (restore to point-in-time) (acme-pg-dr): RequestID: 0, DBInstanceAlreadyExists: DB instance already exists",
            Symptom::NameTaken {
                instance: some("acme-pg-dr"),
                snapshot: None,
            },
        ),
        (
            "Error: deleting RDS DB Instance (acme-pg): DBSnapshotAlreadyExists: Cannot create the snapshot because a snapshot with the identifier acme-pg-final already exists.",
            Symptom::NameTaken {
                instance: some("acme-pg"),
                snapshot: some("acme-pg-final"),
            },
        ),
        (
            "api error InvalidParameterCombination: RDS does not support creating a DB instance with the following combination: DBInstanceClass=db.t3.micro, Engine=postgres, EngineVersion=17.2, LicenseModel=postgresql-license.",
            Symptom::NotOffered(Wanted {
                class: some("db.t3.micro"),
                engine: some("postgres"),
                version: some("17.2"),
            }),
        ),
        (
            "InsufficientDBInstanceCapacity: Cannot create a db.r6g.large database instance because there are no availability zones with sufficient capacity",
            Symptom::NoCapacity {
                class: some("db.r6g.large"),
            },
        ),
        (
            "KMSKeyNotAccessibleFault: The target KMS key [None] does not exist, is not enabled or you do not have permissions to access it.",
            Symptom::CopyWithoutKey,
        ),
        (
            "InvalidParameterValue: Must specify new KMS key for cross region encrypted snapshot copy.",
            Symptom::CopyWithoutKey,
        ),
        (
            "SnapshotQuotaExceeded: Cannot copy more than 20 snapshots across regions",
            Symptom::CopiesInProgress,
        ),
        (
            "InvalidParameterValue: The parameter TargetDBSnapshotIdentifier is not a valid identifier. Identifiers must begin with a letter",
            Symptom::Identifier {
                parameter: some("TargetDBSnapshotIdentifier"),
            },
        ),
        (
            "The specified VPC does not support DNS resolution, DNS hostnames, or both. (Error Code: InvalidVPCNetworkStateFault)",
            Symptom::VpcDns,
        ),
        (
            "InvalidParameterCombination: The DB instance and EC2 security group are in different VPCs. The DB instance is in vpc-0a1 and the EC2 security group is in vpc-0b2",
            Symptom::DifferentVpcs {
                ids: vec!["vpc-0a1".into(), "vpc-0b2".into()],
            },
        ),
        (
            "creating Secrets Manager Secret (acme/db): InvalidRequestException: You can't create this secret because a secret with this name is already scheduled for deletion.",
            Symptom::SecretDeleted {
                secret: some("acme/db"),
            },
        ),
        (
            "creating S3 Bucket Replication Configuration: api error InvalidRequest: Destination bucket must have versioning enabled.",
            Symptom::DestinationVersioning { bucket: None },
        ),
    ] {
        assert_eq!(recognise(text), [symptom], "{text}");
    }
    let both = "api error ExpiredToken: The provided token has expired.\nError: Failed to persist state to backend";
    assert_eq!(
        recognise(both),
        [Symptom::Credentials, Symptom::StateNotSaved]
    );
}

#[test]
fn nearest_has_half_of_its_words_in_the_text() {
    let text = "Error: the state lock could not be acquiring, hunter2";
    assert_eq!(recognise(text), []);
    assert_eq!(nearest(text), Some("acquiring the state lock"));
    for text in ["", "Error: Invalid function argument", "hunter2 hunter2"] {
        assert_eq!(nearest(text), None, "{text}");
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
