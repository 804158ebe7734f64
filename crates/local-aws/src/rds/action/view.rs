//! Instances, snapshots and backups as RDS shows them.

use super::Xml;
use crate::rds::model::{Backup, Instance, Key, Model, Settings, Snapshot, SubnetGroup, Tags};
use crate::rds::name::Place;
use crate::rds::network::Subnet;

pub(super) fn tags(xml: &mut Xml, tags: &Tags) {
    xml.list("TagList", "Tag", tags, |xml, (key, value)| {
        xml.text("Key", key).text("Value", value);
    });
}

/// `Engine` to `IAMDatabaseAuthenticationEnabled`: what all three have.
fn common(xml: &mut Xml, settings: &Settings) {
    xml.text("Engine", &settings.engine)
        .text("EngineVersion", &settings.version)
        .text("AllocatedStorage", settings.storage_gib)
        .text("StorageType", &settings.storage_type)
        .maybe("Iops", settings.iops)
        .maybe("StorageThroughput", settings.throughput)
        .text("AvailabilityZone", &settings.zone)
        .text("MasterUsername", &settings.user)
        .text("LicenseModel", "postgresql-license")
        .maybe("KmsKeyId", settings.key.as_ref())
        .text(
            "IAMDatabaseAuthenticationEnabled",
            settings.iam_authentication,
        )
        .text("DedicatedLogVolume", false);
}

pub(super) fn instance(xml: &mut Xml, model: &Model, key: &Key, instance: &Instance) {
    let (place, id) = key;
    let settings = &instance.settings;
    common(xml, settings);
    xml.text("DBInstanceIdentifier", id)
        .text("DBInstanceArn", place.arn("db", id))
        .text("DbiResourceId", &instance.resource_id)
        .text("DBInstanceClass", &settings.class)
        .text("DBInstanceStatus", &instance.status)
        .maybe("DBName", settings.database.as_ref())
        .text("DbInstancePort", 0)
        .time("InstanceCreateTime", instance.created)
        .text("BackupRetentionPeriod", settings.retention_days)
        .text("PreferredBackupWindow", &settings.backup_window)
        .text("PreferredMaintenanceWindow", &settings.maintenance_window)
        .text("MultiAZ", settings.multi_az)
        .text("StorageEncrypted", settings.key.is_some())
        .text("DeletionProtection", settings.deletion_protection)
        .text("PubliclyAccessible", settings.public)
        .text("CopyTagsToSnapshot", settings.copy_tags)
        .text("AutoMinorVersionUpgrade", settings.minor_upgrades)
        .maybe("MaxAllocatedStorage", settings.max_storage_gib)
        .text("PerformanceInsightsEnabled", settings.insights)
        .text("MonitoringInterval", settings.monitoring_seconds)
        .maybe("MonitoringRoleArn", settings.monitoring_role.as_ref())
        .text("CACertificateIdentifier", "rds-ca-rsa2048-g1")
        .text("BackupTarget", "region")
        .text("NetworkType", "IPV4")
        .text("CustomerOwnedIpEnabled", false)
        .text("ActivityStreamStatus", "stopped");
    if settings.insights {
        xml.text("PerformanceInsightsRetentionPeriod", settings.insights_days)
            .maybe(
                "PerformanceInsightsKMSKeyId",
                settings.insights_key.as_ref(),
            );
    }
    if let Some(secret) = &instance.secret {
        xml.within("MasterUserSecret", |xml| {
            let made = instance.status != "creating" && instance.password.is_none();
            xml.text("SecretArn", &secret.arn)
                .text("SecretStatus", if made { "active" } else { "creating" })
                .text("KmsKeyId", &secret.key);
        });
    }
    if settings.multi_az {
        xml.text("SecondaryAvailabilityZone", format!("{}b", place.region));
    }
    if let Some((address, port)) = &instance.endpoint {
        xml.within("Endpoint", |xml| {
            xml.text("Address", address)
                .text("Port", port)
                .text("HostedZoneId", "Z00000000LOCALAWS");
        });
    }
    xml.list(
        "VpcSecurityGroups",
        "VpcSecurityGroupMembership",
        instance.security_groups(model.now),
        |xml, (group, status)| {
            xml.text("VpcSecurityGroupId", group).text("Status", status);
        },
    );
    xml.list(
        "DBParameterGroups",
        "DBParameterGroup",
        [&settings.parameter_group],
        |xml, group| {
            xml.text("DBParameterGroupName", group)
                .text("ParameterApplyStatus", instance.parameter_status(model.now));
        },
    );
    // Of these an instance of PostgreSQL in a VPC has none here, which AWS shows as empty lists.
    for name in ["AssociatedRoles", "DBSecurityGroups", "DomainMemberships"] {
        xml.within(name, |_| {});
    }
    xml.list(
        "OptionGroupMemberships",
        "OptionGroupMembership",
        [()],
        |xml, ()| {
            let major = crate::rds::catalog::major(&settings.version);
            xml.text(
                "OptionGroupName",
                format!("default:{}-{major}", settings.engine),
            )
            .text("Status", "in-sync");
        },
    );
    xml.within("DBSubnetGroup", |xml| {
        let group = model
            .subnet_groups
            .get(&(place.clone(), settings.subnet_group.clone()));
        let default = model.default_subnets.get(place).map(Vec::as_slice);
        subnet_group(
            xml,
            place,
            &settings.subnet_group,
            group,
            default.unwrap_or_default(),
        );
    });
    if !settings.log_exports.is_empty() {
        xml.within("EnabledCloudwatchLogsExports", |xml| {
            for name in &settings.log_exports {
                xml.text("member", name);
            }
        });
    }
    pending(xml, instance);
    replication(xml, model, key, instance);
    let backup = model.own_backup(&instance.resource_id);
    if let Some(latest) = backup.and_then(|backup| backup.history.latest()) {
        xml.time("LatestRestorableTime", latest);
    }
    if let Some(phase) = &instance.phase
        && instance.status == "stopped"
    {
        xml.time("AutomaticRestartTime", phase.due);
    }
    tags(xml, &instance.tags);
}

fn pending(xml: &mut Xml, instance: &Instance) {
    xml.within("PendingModifiedValues", |xml| {
        // As AWS shows it.
        xml.maybe(
            "MasterUserPassword",
            instance.password.as_ref().map(|_| "****"),
        );
        let Some(pending) = &instance.pending else {
            return;
        };
        let now = &instance.settings;
        let differs = |new: &String, old: &String| (new != old).then(|| new.clone());
        xml.maybe("DBInstanceClass", differs(&pending.class, &now.class))
            .maybe("EngineVersion", differs(&pending.version, &now.version))
            .maybe(
                "StorageType",
                differs(&pending.storage_type, &now.storage_type),
            )
            .maybe(
                "AllocatedStorage",
                (pending.storage_gib != now.storage_gib).then_some(pending.storage_gib),
            )
            .maybe(
                "MultiAZ",
                (pending.multi_az != now.multi_az).then_some(pending.multi_az),
            );
    });
}

fn replication(xml: &mut Xml, model: &Model, key: &Key, instance: &Instance) {
    // In its own region by id, elsewhere by ARN.
    let name = |other: &Key| {
        if other.0 == key.0 {
            other.1.clone()
        } else {
            other.0.arn("db", &other.1)
        }
    };
    if let Some(source) = &instance.replica_of {
        xml.text("ReadReplicaSourceDBInstanceIdentifier", name(source));
        xml.list("StatusInfos", "DBInstanceStatusInfo", [()], |xml, ()| {
            xml.text("StatusType", "read replication")
                .text("Normal", true)
                .text("Status", "replicating");
        });
    }
    let replicas = model
        .instances
        .iter()
        .filter(|(_, replica)| replica.replica_of.as_ref() == Some(key));
    xml.within("ReadReplicaDBInstanceIdentifiers", |xml| {
        for (replica, _) in replicas {
            xml.text("ReadReplicaDBInstanceIdentifier", name(replica));
        }
    });
    followers(xml, model, &instance.resource_id);
}

fn followers(xml: &mut Xml, model: &Model, resource_id: &str) {
    let followers = model
        .backups
        .values()
        .filter(|backup| backup.follows() && backup.resource_id == resource_id);
    xml.list(
        "DBInstanceAutomatedBackupsReplications",
        "DBInstanceAutomatedBackupsReplication",
        followers,
        |xml, backup| {
            xml.text("DBInstanceAutomatedBackupsArn", &backup.arn);
        },
    );
}

pub(super) fn snapshot(xml: &mut Xml, model: &Model, key: &Key, snapshot: &Snapshot) {
    let (place, id) = key;
    let settings = &snapshot.settings;
    common(xml, settings);
    xml.text("DBSnapshotIdentifier", id)
        .text("DBSnapshotArn", place.arn("snapshot", id))
        .text("DBInstanceIdentifier", &snapshot.instance_id)
        .text("DbiResourceId", &snapshot.resource_id)
        .text("Status", &snapshot.status)
        .text("SnapshotType", snapshot.maker.name())
        .text("PercentProgress", snapshot.percent(model.now))
        .text("Port", settings.port)
        .text("VpcId", &settings.vpc)
        .time("InstanceCreateTime", snapshot.instance_created)
        .text("Encrypted", settings.key.is_some())
        .text("SnapshotTarget", "region");
    // AWS leaves the times away until there is something to restore.
    if snapshot.status != "creating" || snapshot.source.is_some() {
        xml.time("SnapshotCreateTime", snapshot.created)
            .time("OriginalSnapshotCreateTime", snapshot.taken)
            .time("SnapshotDatabaseTime", snapshot.taken);
    }
    if let Some((source, arn)) = &snapshot.source {
        if source.region != place.region {
            xml.text("SourceRegion", &source.region);
        }
        xml.text("SourceDBSnapshotIdentifier", arn);
    }
    tags(xml, &snapshot.tags);
}

pub(super) fn backup(xml: &mut Xml, model: &Model, backup: &Backup) {
    let settings = &backup.settings;
    common(xml, settings);
    xml.text("DBInstanceArn", &backup.instance_arn)
        .text("DBInstanceIdentifier", &backup.instance_id)
        .text("DbiResourceId", &backup.resource_id)
        .text("DBInstanceAutomatedBackupsArn", &backup.arn)
        .text(
            "Region",
            match &backup.origin {
                Some(origin) => &origin.place.region,
                None => &backup.place.region,
            },
        )
        .text("Status", &backup.status)
        .text("Port", settings.port)
        .text("VpcId", &settings.vpc)
        .time("InstanceCreateTime", backup.instance_created)
        .text("Encrypted", settings.key.is_some())
        .text("BackupRetentionPeriod", backup.retention_days)
        .text("PreferredBackupWindow", &settings.backup_window)
        .text("BackupTarget", "region");
    xml.within("RestoreWindow", |xml| {
        let history = &backup.history;
        if let (Some(earliest), Some(latest)) = (history.earliest(), history.latest()) {
            let earliest = earliest.max(backup.oldest(model.now)).min(latest);
            xml.time("EarliestTime", earliest)
                .time("LatestTime", latest);
        }
    });
    if backup.is_own() {
        followers(xml, model, &backup.resource_id);
    }
    tags(xml, &backup.tags);
}

/// `None` is the default group, which is always there, in the default VPC.
pub(super) fn subnet_group(
    xml: &mut Xml,
    place: &Place,
    name: &str,
    group: Option<&SubnetGroup>,
    default: &[Subnet],
) {
    let (description, subnets) = match group {
        Some(group) => (group.description.as_str(), &group.subnets[..]),
        None => ("default", default),
    };
    let vpc = subnets.first().map_or(Place::VPC, |subnet| &subnet.vpc);
    xml.text("DBSubnetGroupName", name)
        .text("DBSubnetGroupDescription", description)
        .text("DBSubnetGroupArn", place.arn("subgrp", name))
        .text("VpcId", vpc)
        .text("SubnetGroupStatus", "Complete");
    xml.list("Subnets", "Subnet", subnets, |xml, subnet| {
        xml.text("SubnetIdentifier", &subnet.id);
        xml.within("SubnetAvailabilityZone", |xml| {
            xml.text("Name", &subnet.zone);
        });
        xml.text("SubnetStatus", "Active");
    });
}
