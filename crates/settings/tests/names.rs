//! Names by AWS's rules: what each type takes and what it refuses, at the limits.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use settings::{
    BucketName, Country, DbIdentifier, EnvironmentName, InstanceClass, KmsKeyArn, NameError,
    ParameterGroupName, ProjectName, Region, RoleArn, RoleName, SecurityGroupId, StateKey,
    SubnetGroupName, TableName, TopicArn, WorkspaceKeyPrefix,
};

fn accepts<T: FromStr<Err = NameError> + Display + Debug>(values: &[&str]) {
    for value in values {
        match value.parse::<T>() {
            Ok(name) => assert_eq!(name.to_string(), *value),
            Err(error) => panic!("{value:?} was refused: {error}"),
        }
    }
}

/// Each value with a part of the reason that must be given.
fn refuses<T: FromStr<Err = NameError> + Debug>(values: &[(&str, &str)]) {
    for (value, reason) in values {
        let error = value
            .parse::<T>()
            .map(|name| panic!("{value:?} was taken as {name:?}"))
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains(reason), "{value:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn topic_arns() {
    let name = |name: &str| format!("arn:aws:sns:ca-central-1:111122223333:{name}");
    accepts::<TopicArn>(&[
        &name("oncall_1-a"),
        &name(&"a".repeat(256)),
        "arn:aws-cn:sns:cn-north-1:111122223333:oncall",
    ]);
    refuses::<TopicArn>(&[
        ("oncall", "six parts"),
        ("arn:aws:sqs:ca-central-1:111122223333:oncall", "six parts"),
        ("arn:aws:sns:ca-central-1:1:oncall", "12 digits"),
        (
            "arn:aws-cn:sns:ca-central-1:111122223333:oncall",
            "partition",
        ),
        (&name(""), "standard topic"),
        (&name(&"a".repeat(257)), "standard topic"),
        (&name("oncall.fifo"), "standard topic"),
        (&name("oncall:subscription"), "standard topic"),
    ]);
}

#[test]
fn bucket_names() {
    let longest = "a".repeat(63);
    accepts::<BucketName>(&[
        "abc",
        "1ab",
        "berthcare-photos-staging",
        "logs.example.com",
        "1.2.3",
        "a.1.2.3.4",
        "backup-an-x",
        "state-111122223333-ca-central-1-an",
        &longest,
    ]);
    refuses::<BucketName>(&[
        ("", "its length is 0"),
        ("ab", "its length is 2"),
        (&"a".repeat(64), "its length is 64"),
        ("Abc", "'A'"),
        ("a_bc", "'_'"),
        ("a bc", "' '"),
        ("caf\u{e9}", "'é'"),
        ("abc\n", "'\\n'"),
        ("-abc", "starts or ends"),
        ("abc-", "starts or ends"),
        (".abc", "starts or ends"),
        ("abc.", "starts or ends"),
        ("a..b", "two dots"),
        ("192.168.5.4", "IP address"),
        ("999.168.5.4", "IP address"),
        ("xn--abc", "\"xn--\""),
        ("sthree-abc", "\"sthree-\""),
        ("sthree-configurator-abc", "\"sthree-\""),
        ("amzn-s3-demo-abc", "\"amzn-s3-demo-\""),
        ("abc-s3alias", "\"-s3alias\""),
        ("abc--ol-s3", "\"--ol-s3\""),
        ("abc.mrap", "\".mrap\""),
        ("abc--usw2-az1--x-s3", "\"--x-s3\""),
        ("abc--table-s3", "\"--table-s3\""),
        ("backup-an", "\"-an\""),
        ("111122223333-ca-central-1-an", "\"-an\""),
        ("state-11112222333-ca-central-1-an", "\"-an\""),
        ("state-111122223333-ca-central-9-an", "\"-an\""),
    ]);
}

#[test]
fn table_names() {
    accepts::<TableName>(&["abc", "a.b", "A_b-9.z", &"t".repeat(255)]);
    refuses::<TableName>(&[
        ("ab", "its length is 2"),
        (&"t".repeat(256), "its length is 256"),
        ("a/bc", "'/'"),
        ("a bc", "' '"),
        ("arn:aws:dynamodb:ca-central-1:111122223333:table/x", "':'"),
    ]);
}

#[test]
fn role_names() {
    accepts::<RoleName>(&[
        "a",
        "S3TerraformStateReplicationRole",
        "a_b+c=d,e.f@g-h",
        &"r".repeat(64),
    ]);
    refuses::<RoleName>(&[
        ("", "its length is 0"),
        (&"r".repeat(65), "its length is 65"),
        ("a/b", "'/'"),
        ("arn:aws:iam::111122223333:role/x", "it is an ARN"),
    ]);
}

#[test]
fn role_arns() {
    accepts::<RoleArn>(&[
        "arn:aws:iam::111122223333:role/batch",
        "arn:aws-cn:iam::111122223333:role/team/ops/batch",
    ]);
    refuses::<RoleArn>(&[
        ("batch", "six parts"),
        ("arn:aws:iam::111122223333", "six parts"),
        ("arn:aws:iam:us-east-1:111122223333:role/a", "six parts"),
        ("arn:aws:s3::111122223333:role/a", "six parts"),
        ("arn:gcp:iam::111122223333:role/a", "no partition"),
        ("arn:aws:iam::1111:role/a", "12 digits"),
        ("arn:aws:iam::111122223333:user/a", "not that of a role"),
        ("arn:aws:iam::111122223333:role/", "its length is 0"),
        ("arn:aws:iam::111122223333:role/a b", "' '"),
    ]);
    let arn: RoleArn = "arn:aws:iam::111122223333:role/team/ops"
        .parse()
        .expect("one");
    let parts = (arn.partition(), arn.account().as_str(), arn.name().as_str());
    assert_eq!(parts, ("aws", "111122223333", "ops"));
}

#[test]
fn database_identifiers() {
    accepts::<DbIdentifier>(&["a", "a1-b2", &"d".repeat(63)]);
    refuses::<DbIdentifier>(&[
        ("", "its length is 0"),
        (&"d".repeat(64), "its length is 64"),
        ("1a", "start with a letter"),
        ("-a", "start with a letter"),
        ("a-", "hyphen"),
        ("a--b", "hyphen"),
        ("a_b", "'_'"),
        ("rds:a", "':'"),
    ]);
}

#[test]
fn database_identifiers_are_lowered_as_rds_lowers_them() {
    assert_eq!(
        "Staging-Postgres".parse::<DbIdentifier>().unwrap().as_str(),
        "staging-postgres"
    );
}

#[test]
fn state_keys() {
    let longest = "k".repeat(1017);
    accepts::<StateKey>(&[
        "terraform.tfstate",
        "staging/terraform.tfstate",
        "a/é b/...",
        &longest,
    ]);
    refuses::<StateKey>(&[
        ("", "blank"),
        ("  ", "blank"),
        ("/a", "\"/\""),
        ("a/", "\"/\""),
        ("a//b", "\"//\""),
        ("a/../b", "\"..\""),
        ("./a", "\".\""),
        ("a\u{7}b", "'\\u{7}'"),
        ("a\nb", "'\\n'"),
        (&"k".repeat(1018), "1018 bytes"),
        (&"é".repeat(509), "1018 bytes"),
    ]);
}

#[test]
fn workspace_key_prefixes() {
    accepts::<WorkspaceKeyPrefix>(&["env:", "team-a/workspaces"]);
    refuses::<WorkspaceKeyPrefix>(&[
        ("", "blank"),
        ("/env:", "\"/\""),
        ("env:/", "\"/\""),
        ("a//b", "\"//\""),
        ("a\nb", "'\\n'"),
    ]);
}

#[test]
fn project_and_environment_names() {
    accepts::<ProjectName>(&["a", "berthcare", "a1-b", &"p".repeat(32)]);
    accepts::<EnvironmentName>(&["staging"]);
    refuses::<ProjectName>(&[
        ("", "its length is 0"),
        (&"p".repeat(33), "its length is 33"),
        ("Berthcare", "'B'"),
        ("1a", "start with a letter"),
        ("a-", "hyphen"),
        ("a--b", "hyphen"),
    ]);
    refuses::<EnvironmentName>(&[("Staging", "not an environment name")]);
}

const KEY: &str = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[test]
fn kms_keys() {
    accepts::<KmsKeyArn>(&[
        KEY,
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ]);
    let key: KmsKeyArn = KEY.parse().unwrap();
    assert_eq!(
        (key.region().as_str(), key.account_id()),
        ("ca-central-1", "111122223333")
    );
    refuses::<KmsKeyArn>(&[
        ("", "six parts"),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", "six parts"),
        ("arn:aws:s3:ca-central-1:111122223333:key/x", "six parts"),
        (
            "arn:aws:kms:ca-central-7:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "does not know it",
        ),
        (
            "arn:aws-cn:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "partition",
        ),
        (
            "arn:aws:kms:ca-central-1:11112222333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "12 digits",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:alias/state",
            "IAM does not match",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:key/your-dr-kms-key",
            "key ID",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab/x",
            "key ID",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:key/1234ABCD-12ab-34cd-56ef-1234567890ab",
            "key ID",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab-1",
            "key ID",
        ),
        (
            "arn:aws:kms:ca-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890a",
            "key ID",
        ),
    ]);
}

#[test]
fn regions_know_their_country_and_partition() {
    for (name, country, partition) in [
        ("ca-central-1", "CA", "aws"),
        ("ca-west-1", "CA", "aws"),
        ("us-east-1", "US", "aws"),
        ("eu-west-2", "GB", "aws"),
        ("us-gov-west-1", "US", "aws-us-gov"),
        ("cn-northwest-1", "CN", "aws-cn"),
        ("eusc-de-east-1", "DE", "aws-eusc"),
    ] {
        let region: Region = name.parse().unwrap();
        assert_eq!(
            (region.country().as_str(), region.partition()),
            (country, partition),
            "{name}"
        );
    }
}

#[test]
fn every_region_is_once_in_the_table_and_reads_back() {
    let mut names: Vec<&str> = Region::all().map(Region::as_str).collect();
    assert_eq!(names.len(), 39);
    for name in &names {
        assert_eq!(name.parse::<Region>().unwrap().as_str(), *name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 39);
}

#[test]
fn an_unknown_region_is_refused_with_the_nearest() {
    refuses::<Region>(&[
        ("ca-centrall-1", "did you mean \"ca-central-1\"?"),
        ("ca-west1", "did you mean \"ca-west-1\"?"),
        ("CA-CENTRAL-1", "did you mean \"ca-central-1\"?"),
        ("moon", "as in \"ca-central-1\""),
        ("", "as in \"ca-central-1\""),
    ]);
}

#[test]
fn a_country_has_an_aws_region() {
    accepts::<Country>(&["CA", "US", "GB"]);
    refuses::<Country>(&[("UK", "GB"), ("ca", "CA"), ("CAN", "CA"), ("", "CA")]);
}

#[test]
fn names_cross_serde_both_ways_and_are_checked() {
    let region: Region = serde_json::from_str("\"ca-west-1\"").unwrap();
    assert_eq!(serde_json::to_string(&region).unwrap(), "\"ca-west-1\"");
    let key: KmsKeyArn = serde_json::from_str(&format!("{KEY:?}")).unwrap();
    assert_eq!(serde_json::to_string(&key).unwrap(), format!("{KEY:?}"));
    let bucket: BucketName = serde_json::from_str("\"abc\"").unwrap();
    assert_eq!(serde_json::to_string(&bucket).unwrap(), "\"abc\"");
    assert!(serde_json::from_str::<BucketName>("\"Abc\"").is_err());
    assert!(serde_json::from_str::<Region>("\"ca-west-9\"").is_err());
}

#[test]
fn groups_and_classes_of_a_restored_instance() {
    accepts::<SubnetGroupName>(&[
        "a",
        "berthcare-staging-dr",
        "my group_1.x",
        &"a".repeat(255),
    ]);
    refuses::<SubnetGroupName>(&[
        ("", "its length is 0"),
        (&"a".repeat(256), "its length is 256"),
        ("arn:aws:rds:us-east-1:111122223333:subgrp:x", "not its ARN"),
    ]);
    assert_eq!(
        "MyGroup".parse::<SubnetGroupName>().unwrap().as_str(),
        "mygroup"
    );
    accepts::<ParameterGroupName>(&["default.postgres15", "berthcare-dr"]);
    refuses::<ParameterGroupName>(&[
        ("", "start with a letter"),
        ("1a", "start with a letter"),
        ("a_b", "'_'"),
    ]);
    accepts::<SecurityGroupId>(&["sg-0a1b2c3d", "sg-0a1b2c3d4e5f60718"]);
    refuses::<SecurityGroupId>(&[
        ("sg-xxxxxxxx", "hexadecimal"),
        ("sg-0a1b2c3", "hexadecimal"),
        ("sg-0A1B2C3D", "hexadecimal"),
        ("default", "hexadecimal"),
    ]);
    accepts::<InstanceClass>(&[
        "db.t4g.medium",
        "db.r5b.4xlarge.tpc2.mem2x",
        "db.m7i.metal-24xl",
    ]);
    refuses::<InstanceClass>(&[
        ("t4g.medium", "db."),
        ("db.t4g", "a size"),
        ("db..medium", "a family"),
        ("db.t4g.medium.", "a size"),
        ("db.T4g.medium", "a family"),
    ]);
}
