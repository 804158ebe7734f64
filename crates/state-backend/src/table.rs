//! Lock tables: what is wanted of them, what they are, and how one becomes the other.

use std::collections::{BTreeMap, HashMap};

use aws_env::{Call, Error, ErrorClass, RegionClients, pages};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateReplicationGroupMemberAction,
    KeySchemaElement, KeyType, PointInTimeRecoverySpecification, PointInTimeRecoveryStatus,
    ReplicaStatus, ReplicationGroupUpdate, ScalarAttributeType, SseSpecification, SseType,
    StreamSpecification, StreamViewType, TableDescription, Tag,
};
use serde_json::{Value, json};
use settings::{Encryption, TableName};

use crate::problem::Problem;
use crate::reading::SideReading;
use crate::spec::{Aspect, Facet, Kind, Resource, Side, SideName, Spec};

/// The key that Terraform's S3 backend expects:
/// <https://developer.hashicorp.com/terraform/language/backend/s3#dynamodb-state-locking>.
pub(crate) const LOCK_ID: &str = "LockID";

/// A row of a lock table.
pub(crate) type Row = HashMap<String, AttributeValue>;

/// The row with this `LockID`, whatever it is.
pub(crate) async fn row(
    clients: &RegionClients,
    table: &TableName,
    place: &str,
) -> Result<Option<Row>, Error> {
    let call = clients.call("DynamoDB", "GetItem", format!("{table} {place}"));
    let get = clients.dynamodb.get_item().table_name(table.as_str());
    let get = get.key(LOCK_ID, AttributeValue::S(place.to_owned()));
    let answer = get.consistent_read(true).send().await;
    Ok(answer.map_err(|error| call.failed(error))?.item)
}

/// Every row of a lock table.
pub(crate) async fn rows(clients: &RegionClients, table: &TableName) -> Result<Vec<Row>, Error> {
    let call = clients.call("DynamoDB", "Scan", format!("table {table}"));
    let scan = clients.dynamodb.scan().table_name(table.as_str());
    let scan = scan.consistent_read(true).into_paginator().items();
    pages(call, scan.send()).await
}

/// What a lock table has to be. Of a global table, the DR side is made by the primary one's
/// replica; what DynamoDB does not copy to a replica is asked for there too.
pub(crate) fn wanted(spec: &Spec, side: &Side, table: &TableName) -> Vec<Facet> {
    let replica_of_primary = spec.global_table && side.name == SideName::Dr;
    let mut shape = json!({"key": [format!("{LOCK_ID} HASH S")]});
    if replica_of_primary {
        shape["replicaOf"] = json!(spec.primary.region);
    }
    let mut wanted = vec![(Aspect::Exists, shape)];
    if !replica_of_primary {
        wanted.push((Aspect::Billing, json!(BillingMode::PayPerRequest.as_str())));
        wanted.push((Aspect::Encryption, wanted_encryption(&side.encryption)));
    }
    wanted.push((Aspect::PointInTimeRecovery, json!("ENABLED")));
    wanted.push((Aspect::DeletionProtection, json!(true)));
    wanted.push((Aspect::Tags, json!(spec.tags)));
    if spec.global_table && side.name == SideName::Primary {
        wanted.push((
            Aspect::Stream,
            json!(StreamViewType::NewAndOldImages.as_str()),
        ));
        if let Some(dr) = &spec.dr {
            let mut replica =
                json!({"region": dr.region, "status": ReplicaStatus::Active.as_str()});
            if let Some(key) = dr.encryption.kms_key() {
                replica["key"] = json!(key.as_str());
            }
            wanted.push((Aspect::Replica, replica));
        }
    }
    let resource = Resource {
        kind: Kind::Table,
        name: table.to_string(),
        side: side.name,
        region: side.region,
    };
    wanted
        .into_iter()
        .map(|(aspect, wanted)| Facet {
            resource: resource.clone(),
            aspect,
            wanted,
        })
        .collect()
}

fn wanted_encryption(encryption: &Encryption) -> Value {
    match encryption.kms_key() {
        None => json!({"type": "KMS"}),
        Some(key) => json!({"type": "KMS", "key": key.as_str()}),
    }
}

/// That a table which is no longer used locks nothing: a client that still does would work beside one that does not.
pub(crate) fn wanted_of_old(side: &Side, table: &TableName) -> Facet {
    Facet {
        resource: Resource {
            kind: Kind::Table,
            name: table.to_string(),
            side: side.name,
            region: side.region,
        },
        aspect: Aspect::NoLocks,
        wanted: json!([]),
    }
}

pub(crate) async fn describe(
    clients: &RegionClients,
    table: &str,
) -> Result<Option<TableDescription>, Error> {
    let call = clients.call("DynamoDB", "DescribeTable", format!("table {table}"));
    match clients
        .dynamodb
        .describe_table()
        .table_name(table)
        .send()
        .await
    {
        Ok(answer) => Ok(answer.table),
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => Ok(None),
            error => Err(error),
        },
    }
}

/// The value of one aspect of a table; `None` when it is not set, or the table does not exist.
pub(crate) async fn observe(
    reading: &SideReading<'_>,
    facet: &Facet,
) -> Result<Option<Value>, Problem> {
    let (clients, table) = (reading.access.clients, facet.resource.name.as_str());
    match facet.aspect {
        Aspect::NoLocks => return Ok(Some(json!(reading.places_in_old_table().await?))),
        Aspect::PointInTimeRecovery => return Ok(point_in_time_recovery(clients, table).await?),
        _ => {}
    }
    let Some(found) = reading.table().await.map_err(Problem::clone)? else {
        return Ok(None);
    };
    Ok(match facet.aspect {
        Aspect::Exists => Some(shape(found)),
        Aspect::Tags => Some(json!(tags(clients, found).await?)),
        Aspect::Billing => Some(json!(
            found
                .billing_mode_summary()
                .and_then(|summary| summary.billing_mode())
                .unwrap_or(&BillingMode::Provisioned)
                .as_str()
        )),
        Aspect::Encryption => found.sse_description().map(|sse| {
            let mut value = json!({"type": sse.sse_type().map(SseType::as_str)});
            if let Some(key) = sse.kms_master_key_arn() {
                value["key"] = json!(key);
            }
            value
        }),
        Aspect::DeletionProtection => {
            Some(json!(found.deletion_protection_enabled() == Some(true)))
        }
        Aspect::Stream => found
            .stream_specification()
            .filter(|stream| stream.stream_enabled())
            .and_then(|stream| stream.stream_view_type())
            .map(|view| json!(view.as_str())),
        Aspect::Replica => {
            let region = facet.wanted["region"].as_str();
            let replica = found
                .replicas()
                .iter()
                .find(|replica| replica.region_name() == region);
            replica.map(|replica| {
                json!({
                    "region": region,
                    "status": replica.replica_status().map(ReplicaStatus::as_str),
                    "key": replica.kms_master_key_id(),
                })
            })
        }
        other => return Err(not_of_a_table(clients, table, other).into()),
    })
}

/// Key schema, the regions that it is replicated with, and the status while it is not ACTIVE: a table under change takes no
/// further one.
fn shape(table: &TableDescription) -> Value {
    let key: Vec<String> = table
        .key_schema()
        .iter()
        .map(|element| {
            let name = element.attribute_name();
            let kind = table
                .attribute_definitions()
                .iter()
                .find(|attribute| attribute.attribute_name() == name)
                .map_or("?", |attribute| attribute.attribute_type().as_str());
            format!("{name} {} {kind}", element.key_type())
        })
        .collect();
    let mut value = json!({"key": key});
    let replicas = table.replicas().iter();
    let replicas: Vec<&str> = replicas.filter_map(|of| of.region_name()).collect();
    if !replicas.is_empty() {
        value["replicas"] = json!(replicas);
    }
    match table.table_status() {
        None | Some(aws_sdk_dynamodb::types::TableStatus::Active) => {}
        Some(status) => value["status"] = json!(status.as_str()),
    }
    value
}

async fn point_in_time_recovery(
    clients: &RegionClients,
    table: &str,
) -> Result<Option<Value>, Error> {
    let call = clients.call(
        "DynamoDB",
        "DescribeContinuousBackups",
        format!("table {table}"),
    );
    match clients
        .dynamodb
        .describe_continuous_backups()
        .table_name(table)
        .send()
        .await
    {
        Ok(answer) => Ok(answer
            .continuous_backups_description
            .and_then(|backups| backups.point_in_time_recovery_description)
            .and_then(|recovery| recovery.point_in_time_recovery_status)
            .map(|status: PointInTimeRecoveryStatus| json!(status.as_str()))),
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => Ok(None),
            error => Err(error),
        },
    }
}

async fn tags(
    clients: &RegionClients,
    table: &TableDescription,
) -> Result<BTreeMap<String, String>, Error> {
    let arn = table.table_arn().unwrap_or_default();
    let call = clients.call("DynamoDB", "ListTagsOfResource", arn);
    let mut tags = BTreeMap::new();
    let mut next = None;
    // The SDK has no paginator for this list.
    loop {
        let page = clients
            .dynamodb
            .list_tags_of_resource()
            .resource_arn(arn)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| call.clone().failed(error))?;
        let listed = page.tags.into_iter().flatten();
        tags.extend(listed.map(|tag| (tag.key, tag.value)));
        next = page.next_token;
        if next.is_none() {
            return Ok(tags);
        }
    }
}

/// Makes one aspect as wanted. UpdateTable takes one change at a time, so each aspect is a call of
/// its own; the table is ACTIVE again before the next, since `Exists` is read back.
pub(crate) async fn apply(
    clients: &RegionClients,
    spec: &Spec,
    facet: &Facet,
) -> Result<(), Error> {
    let table = facet.resource.name.as_str();
    let side = spec.own_side(facet.resource.side);
    let call = clients.call("DynamoDB", "UpdateTable", format!("table {table}"));
    let update = clients.dynamodb.update_table().table_name(table);
    let update = match facet.aspect {
        Aspect::Exists => return create(clients, spec, side, table).await,
        Aspect::PointInTimeRecovery => return enable_recovery(clients, table).await,
        Aspect::Tags => return add_tags(clients, spec, table).await,
        Aspect::Billing => update.billing_mode(BillingMode::PayPerRequest),
        Aspect::Encryption => update.sse_specification(sse(&side.encryption)),
        Aspect::DeletionProtection => update.deletion_protection_enabled(true),
        Aspect::Stream => {
            let stream = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewAndOldImages)
                .build();
            update.stream_specification(built(stream, &call)?)
        }
        // The API of 2019; create-global-table is the one of 2017, for empty tables only.
        Aspect::Replica => {
            let Some(dr) = &spec.dr else { return Ok(()) };
            let mut create =
                CreateReplicationGroupMemberAction::builder().region_name(dr.region.as_str());
            if let Some(key) = dr.encryption.kms_key() {
                create = create.kms_master_key_id(key.as_str());
            }
            let create = built(create.build(), &call)?;
            update.replica_updates(ReplicationGroupUpdate::builder().create(create).build())
        }
        other => return Err(not_of_a_table(clients, table, other)),
    };
    update
        .send()
        .await
        .map(drop)
        .map_err(|error| call.failed(error))
}

async fn enable_recovery(clients: &RegionClients, table: &str) -> Result<(), Error> {
    let call = clients.call(
        "DynamoDB",
        "UpdateContinuousBackups",
        format!("table {table}"),
    );
    let enabled = PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(true)
        .build();
    clients
        .dynamodb
        .update_continuous_backups()
        .table_name(table)
        .point_in_time_recovery_specification(built(enabled, &call)?)
        .send()
        .await
        .map(drop)
        .map_err(|error| call.failed(error))
}

/// Of the tags that are there already, those of other names stay: TagResource adds.
async fn add_tags(clients: &RegionClients, spec: &Spec, table: &str) -> Result<(), Error> {
    let call = clients.call("DynamoDB", "TagResource", format!("table {table}"));
    let description = describe(clients, table).await?;
    let arn = description.as_ref().and_then(TableDescription::table_arn);
    clients
        .dynamodb
        .tag_resource()
        .resource_arn(arn.unwrap_or_default())
        .set_tags(Some(built(wanted_tags(spec), &call)?))
        .send()
        .await
        .map(drop)
        .map_err(|error| call.failed(error))
}

async fn create(
    clients: &RegionClients,
    spec: &Spec,
    side: &Side,
    table: &str,
) -> Result<(), Error> {
    let call = clients.call("DynamoDB", "CreateTable", format!("table {table}"));
    let attribute = AttributeDefinition::builder()
        .attribute_name(LOCK_ID)
        .attribute_type(ScalarAttributeType::S)
        .build();
    let key = KeySchemaElement::builder()
        .attribute_name(LOCK_ID)
        .key_type(KeyType::Hash)
        .build();
    let answer = clients
        .dynamodb
        .create_table()
        .table_name(table)
        .attribute_definitions(built(attribute, &call)?)
        .key_schema(built(key, &call)?)
        .billing_mode(BillingMode::PayPerRequest)
        .sse_specification(sse(&side.encryption))
        .deletion_protection_enabled(true)
        .set_tags(Some(built(wanted_tags(spec), &call)?))
        .send()
        .await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) => match call.failed(error) {
            // An earlier try got through; what it made is read back like any other table.
            error if error.is_code("ResourceInUseException") => Ok(()),
            error => Err(error),
        },
    }
}

fn sse(encryption: &Encryption) -> SseSpecification {
    let sse = SseSpecification::builder()
        .enabled(true)
        .sse_type(SseType::Kms);
    // Without a key id DynamoDB takes the AWS-managed key alias/aws/dynamodb.
    sse.set_kms_master_key_id(encryption.kms_key().map(ToString::to_string))
        .build()
}

fn wanted_tags(spec: &Spec) -> Result<Vec<Tag>, aws_sdk_dynamodb::error::BuildError> {
    spec.tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

fn not_of_a_table(clients: &RegionClients, table: &str, aspect: Aspect) -> Error {
    let call = clients.call("DynamoDB", "(none)", format!("table {table}"));
    Error::unexpected(call, format!("a table has no {aspect}"))
}

fn built<T>(
    built: Result<T, aws_sdk_dynamodb::error::BuildError>,
    call: &Call,
) -> Result<T, Error> {
    built.map_err(|error| Error::unexpected(call.clone(), error.to_string()))
}
