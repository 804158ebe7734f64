//! Every state of two buckets, as teams have them, and how the copies stand to each other.

use std::collections::BTreeMap;

use aws_env::RegionClients;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    VersioningConfiguration,
};
use jiff::Timestamp;
use state_backend::{
    Digest, Divergence, Health, Inventory, Presence, Relation, Side, SideName, StateId,
};

use crate::Stage;
use crate::fixtures::{BUCKET, TABLE, apply, bare};

pub(crate) struct Two {
    pub(crate) primary: (RegionClients, Side),
    pub(crate) dr: (RegionClients, Side),
}

impl Two {
    /// Two versioned buckets with their tables, and nothing that replicates.
    pub(crate) async fn make(stage: &Stage) -> Self {
        let two = Self::of(stage).await;
        for (clients, side) in [&two.primary, &two.dr] {
            create(clients, side).await;
        }
        two
    }

    /// The two sides as they are.
    pub(crate) async fn of(stage: &Stage) -> Self {
        let backend = stage.backend().await;
        let side = |name| {
            let mut sides = backend.spec().sides();
            let side = sides.find(|side| side.name == name).expect("both").clone();
            (stage.env.region(side.region), side)
        };
        Self {
            primary: side(SideName::Primary),
            dr: side(SideName::Dr),
        }
    }

    pub(crate) async fn both(&self, key: &str, state: &str) {
        put(&self.primary, key, state).await;
        put(&self.dr, key, state).await;
    }
}

async fn create(clients: &RegionClients, side: &Side) {
    let bucket = side.bucket.as_str();
    // The region without a constraint is the first one.
    let place = (side.region.as_str() != "us-east-1").then(|| {
        let place = BucketLocationConstraint::from(side.region.as_str());
        CreateBucketConfiguration::builder()
            .location_constraint(place)
            .build()
    });
    let made = clients
        .s3
        .create_bucket()
        .bucket(bucket)
        .set_create_bucket_configuration(place);
    made.send().await.expect("a bucket");
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let versioning = clients.s3.put_bucket_versioning().bucket(bucket);
    versioning
        .versioning_configuration(on)
        .send()
        .await
        .expect("versioned");
    let id = AttributeDefinition::builder()
        .attribute_name("LockID")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder()
        .attribute_name("LockID")
        .key_type(KeyType::Hash);
    clients
        .dynamodb
        .create_table()
        .table_name(side.table.as_ref().expect("a table").as_str())
        .attribute_definitions(id.build().expect("whole"))
        .key_schema(key.build().expect("whole"))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("a table");
}

pub(crate) async fn put((clients, side): &(RegionClients, Side), key: &str, state: &str) {
    let object = clients
        .s3
        .put_object()
        .bucket(side.bucket.as_str())
        .key(key);
    object
        .body(state.as_bytes().to_vec().into())
        .send()
        .await
        .expect("put");
}

pub(crate) async fn delete((clients, side): &(RegionClients, Side), key: &str) {
    let object = clients
        .s3
        .delete_object()
        .bucket(side.bucket.as_str())
        .key(key);
    object.send().await.expect("deleted");
}

pub(crate) async fn digest((clients, side): &(RegionClients, Side), key: &str, digest: &str) {
    let row = format!("{}/{key}-md5", side.bucket);
    let table = side.table.as_ref().expect("a table").as_str();
    let put = clients
        .dynamodb
        .put_item()
        .table_name(table)
        .item("LockID", AttributeValue::S(row));
    put.item("Digest", AttributeValue::S(digest.to_owned()))
        .send()
        .await
        .expect("a row");
}

pub(crate) fn state(lineage: &str, serial: u64) -> String {
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"{lineage}","resources":[]}}"#
    )
}

fn relations(inventory: &Inventory) -> BTreeMap<String, Relation> {
    let states = inventory.states.iter();
    let relation = |state: &state_backend::StateCopies| {
        let relation = state.relation.clone().expect("two sides");
        (state.state.to_string(), relation)
    };
    states.map(relation).collect()
}

fn copy<'a>(inventory: &'a Inventory, key: &str, side: SideName) -> &'a state_backend::SideState {
    let mut states = inventory.states.iter();
    let state = states.find(|state| state.state.object() == key).expect(key);
    state
        .copies
        .iter()
        .find(|copy| copy.side == side)
        .expect("both")
}

// aws-behaviour: 44
pub(crate) async fn every_state_is_found_and_compared(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both("staging/terraform.tfstate", &state("a", 7)).await;
    two.both("env:/prod/net/terraform.tfstate", &state("b", 3))
        .await;
    put(&two.primary, "ahead", &state("c", 9)).await;
    put(&two.dr, "ahead", &state("c", 7)).await;
    put(&two.primary, "behind", &state("c", 7)).await;
    put(&two.dr, "behind", &state("c", 9)).await;
    put(&two.primary, "lineage", &state("d", 1)).await;
    put(&two.dr, "lineage", &state("e", 1)).await;
    put(&two.primary, "serial", &state("f", 2)).await;
    put(
        &two.dr,
        "serial",
        &state("f", 2).replace("1.11.4", "1.11.3"),
    )
    .await;
    put(&two.primary, "alone", &state("g", 1)).await;
    two.both("gone", &state("h", 5)).await;
    delete(&two.primary, "gone").await;
    two.both("notes.txt", "<html>").await;
    // What is no state of anybody's.
    for key in [
        "staging/terraform.tfstate.tflock",
        ".dr-journal/1/0.jsonl",
        "init-backend/replication-canary",
        "folder/",
    ] {
        two.both(key, "").await;
    }
    let inventory = stage.backend().await.inventory(Timestamp::UNIX_EPOCH).await;
    let why = |why| Relation::Diverged { why };
    let expected = BTreeMap::from([
        ("staging/terraform.tfstate", Relation::Same),
        ("env:/prod/net/terraform.tfstate", Relation::Same),
        ("ahead", Relation::PrimaryAhead { serials: 2 }),
        ("behind", Relation::DrAhead { serials: 2 }),
        ("lineage", why(Divergence::Lineage)),
        ("serial", why(Divergence::SameSerial)),
        (
            "alone",
            Relation::OnlyIn {
                side: SideName::Primary,
            },
        ),
        (
            "gone",
            Relation::DeletedIn {
                side: SideName::Primary,
            },
        ),
        (
            "notes.txt",
            Relation::Unreadable {
                side: SideName::Primary,
                why: "it is no JSON, but HTML or XML".to_owned(),
            },
        ),
    ]);
    let expected: BTreeMap<String, Relation> = expected
        .into_iter()
        .map(|(key, relation)| (key.to_owned(), relation))
        .collect();
    assert_eq!(relations(&inventory), expected);
    assert_eq!(inventory.health(), Health::Degraded);
    let first_well = inventory
        .states
        .iter()
        .position(|state| state.health == Health::Ok);
    assert_eq!(first_well, Some(7), "the worst come first");
    let workspace = inventory
        .states
        .iter()
        .find_map(|state| state.state.workspace.as_ref());
    assert_eq!(
        workspace.map(|workspace| workspace.name.as_str()),
        Some("prod")
    );
}

// aws-behaviour: 45
// aws-behaviour: 46
pub(crate) async fn a_digest_row_of_another_content_is_told_on_each_side(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both("staging/terraform.tfstate", &state("a", 7)).await;
    two.both("deleted", &state("b", 2)).await;
    for side in [&two.primary, &two.dr] {
        delete(side, "deleted").await;
        digest(side, "deleted", "0123").await;
    }
    // As a drill in DR leaves it, after the next replication.
    digest(&two.dr, "staging/terraform.tfstate", "0123").await;
    let backend = stage.backend().await;
    let inventory = backend.inventory(Timestamp::UNIX_EPOCH).await;
    let relations = relations(&inventory);
    assert_eq!(relations["staging/terraform.tfstate"], Relation::Same);
    assert_eq!(relations["deleted"], Relation::Deleted);
    let digest = |key, side| copy(&inventory, key, side).digest;
    assert_eq!(
        digest("staging/terraform.tfstate", SideName::Primary),
        Digest::Absent
    );
    assert_eq!(
        digest("staging/terraform.tfstate", SideName::Dr),
        Digest::Differs
    );
    for side in [SideName::Primary, SideName::Dr] {
        assert_eq!(digest("deleted", side), Digest::Differs);
        let found = &copy(&inventory, "deleted", side).found;
        assert!(
            matches!(found, Presence::Deleted(last) if !last.version.is_empty()),
            "{found:?}"
        );
    }
    assert!(
        inventory
            .states
            .iter()
            .all(|state| state.health == Health::Degraded)
    );
}

pub(crate) async fn a_side_that_does_not_answer_leaves_the_other_known(stage: &Stage) {
    let two = Two::make(stage).await;
    two.both("staging/terraform.tfstate", &state("a", 7)).await;
    let region = two.primary.1.region;
    stage
        .aws
        .set_region(region.as_str(), local_aws::RegionState::Refuse);
    let inventory = stage.backend().await.inventory(Timestamp::UNIX_EPOCH).await;
    assert_eq!(
        relations(&inventory)["staging/terraform.tfstate"],
        Relation::Unknown
    );
    let dr = copy(&inventory, "staging/terraform.tfstate", SideName::Dr);
    assert!(matches!(&dr.found, Presence::Present(object) if object.content.is_ok()));
    assert_eq!(inventory.health(), Health::Unknown);
}

/// Apply in the primary region, drill in DR, write in the primary region again: replication puts its object over DR's.
// aws-behaviour: 46
pub(crate) async fn a_write_of_dr_below_a_replica_is_told(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    let key = "staging/terraform.tfstate";
    let lost = async || {
        let inventory = backend.inventory(Timestamp::UNIX_EPOCH).await;
        let mut states = inventory.states.into_iter();
        let found = states.find(|found| found.state.object() == key).expect(key);
        let lost = match found.overwritten {
            state_backend::Observation::Known(lost) => lost,
            state_backend::Observation::Unknown { problem } => {
                return Err(problem.to_string());
            }
        };
        assert_eq!(
            found.health == Health::Degraded,
            lost.is_some(),
            "{:?}",
            found.relation
        );
        Ok((found.relation.expect("two sides"), lost))
    };
    put(&two.primary, key, &state("a", 1)).await;
    assert_eq!(lost().await, Ok((Relation::Same, None)));
    let drill = state("a", 2);
    put(&two.dr, key, &drill).await;
    let version = version(&two.dr, key).await;
    put(&two.primary, key, &drill.replace("1.11.4", "1.11.3")).await;
    let (relation, found) = lost().await.expect("listed");
    assert_eq!(relation, Relation::Same);
    let found = found.expect("DR's write is lost below");
    assert_eq!((found.version, found.serial), (version.clone(), 2));

    // It does not go away with further writes, but once the primary has it.
    put(&two.primary, key, &state("a", 3)).await;
    let (_, found) = lost().await.expect("listed");
    assert_eq!(found.map(|found| found.version), Some(version));
    put(&two.primary, key, &drill).await;
    assert_eq!(lost().await, Ok((Relation::Same, None)));

    // What cannot be looked at is not well.
    let denied = local_aws::Fault::new(local_aws::FaultKind::Denied);
    stage.aws.add_fault(
        denied
            .operation("ListObjectVersions")
            .region(two.dr.1.region.as_str()),
    );
    let unknown = lost().await;
    assert!(unknown.is_err(), "{unknown:?}");
    let inventory = backend.inventory(Timestamp::UNIX_EPOCH).await;
    assert_eq!(inventory.health(), Health::Unknown);
}

pub(crate) async fn version((clients, side): &(RegionClients, Side), key: &str) -> String {
    let head = clients.s3.head_object().bucket(side.bucket.as_str());
    let head = head.key(key).send().await.expect("it is there");
    head.version_id.expect("versioned")
}

// aws-behaviour: 24
pub(crate) async fn the_state_is_read_with_its_digest(stage: &Stage) {
    let backend = bare(stage).await;
    let state = StateId::new("staging/terraform.tfstate");
    let read = || async {
        let copy = backend.state(SideName::Primary, &state).await;
        copy.expect("a primary side")
    };
    assert!(matches!(read().await.found, Presence::Absent));
    let clients = stage.env.region(backend.spec().primary.region);
    let content =
        r#"{"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"l","resources":[]}"#;
    clients
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("staging/terraform.tfstate")
        .body(content.as_bytes().to_vec().into())
        .send()
        .await
        .expect("put");
    let copy = read().await;
    assert_eq!(copy.digest, Digest::Absent);
    let found = match copy.found {
        Presence::Present(object) => Some(object),
        _ => None,
    };
    let object = found.expect("there");
    let content = object.content.as_ref().expect("a state");
    assert_eq!((content.serial(), content.lineage()), (7, "l"));
    for (digest, comes_to) in [
        (object.md5.as_deref().expect("read"), Digest::Matches),
        ("0", Digest::Differs),
    ] {
        clients
            .dynamodb
            .put_item()
            .table_name(TABLE)
            .item(
                "LockID",
                AttributeValue::S(format!("{BUCKET}/staging/terraform.tfstate-md5")),
            )
            .item("Digest", AttributeValue::S(digest.to_owned()))
            .send()
            .await
            .expect("the row is written");
        assert_eq!(read().await.digest, comes_to);
    }
    let locks = backend.locks(SideName::Primary).await;
    assert!(
        locks.held.is_empty() && locks.unknown.is_empty(),
        "a digest is no lock: {locks:?}"
    );
}
