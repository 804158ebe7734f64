//! Databases: what is replicated of each, how long it is kept, and what it is restored as.

use serde::{Deserialize, Serialize};

use crate::document::{Field, Section};
use crate::pairs::{Used, read_all, unique};
use crate::{
    Bucket, DbIdentifier, InstanceClass, Integrity, KmsKeyArn, ParameterGroupName, Region, Regions,
    SecretName, SecurityGroupId, SubnetGroupName,
};

/// AWS's longest retention of automated backups in days
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupRetention.html>).
/// None at all is 0, with which nothing can be replicated.
const MOST_RETENTION_DAYS: i128 = 35;
const DEFAULT_RETENTION_DAYS: u32 = 7;
/// Security groups on one instance: the default quota of VPC for a network interface, 5, can be raised to 16
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MOST_SECURITY_GROUPS: usize = 16;
/// Storage of an instance in GiB (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>).
const LEAST_STORAGE: i128 = 20;
const MOST_STORAGE: i128 = 65_536;

/// A database, and what becomes of it in the DR region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The instance in the primary region.
    pub id: DbIdentifier,
    /// The instance in the DR region. May equal `id`: RDS identifiers are unique within one region only.
    pub dr_id: DbIdentifier,
    /// The key of the DR region for backups and snapshots there; required by AWS when the instance is
    /// encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms: Option<KmsKeyArn>,
    /// Days for which replicated automated backups are kept, 1 to 35.
    pub retention_days: u32,
    /// Which copied snapshots are kept.
    pub copies: CopiesKept,
    /// What a restored instance gets; nothing is restored without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreAs>,
    /// The way back; without, nothing goes from the DR region to the primary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failback: Option<Failback>,
    /// Secrets that say where it is, which have one name in both regions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<DatabaseSecret>,
    /// What is asked of it when it is restored; nothing is without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
}

/// A secret that says where a database is: a JSON object with its host and its port. In the DR region it is the replica of the
/// one in the primary region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSecret {
    /// Its name.
    pub name: SecretName,
    /// The field with the host.
    pub host: String,
    /// The field with the port.
    pub port: String,
}

/// What becomes in the primary region of a database that comes back from the DR region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failback {
    /// The key of the primary region for backups and snapshots there; required by AWS when the instance is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms: Option<KmsKeyArn>,
    /// What a restored instance gets; nothing is restored without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreAs>,
}

/// Which copied snapshots are kept: the newest `keep_last`, and those younger than `keep_days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CopiesKept {
    /// At least this many of the newest; 1 or more.
    pub keep_last: u32,
    /// All that are younger than this many days.
    pub keep_days: u32,
}

impl Default for CopiesKept {
    fn default() -> CopiesKept {
        CopiesKept {
            keep_last: 7,
            keep_days: 7,
        }
    }
}

/// What AWS would choose by itself, and not well: Single-AZ, the default subnet, security and parameter
/// groups, no protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FlatRestoreAs")]
pub struct RestoreAs {
    /// The class; that of the source unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<InstanceClass>,
    /// Whether it has a standby in another zone.
    pub multi_az: bool,
    /// The DB subnet group in the DR region.
    pub subnet_group: SubnetGroupName,
    /// The DB parameter group in the DR region.
    pub parameter_group: ParameterGroupName,
    /// The security groups in the DR region, at least one.
    pub security_groups: Vec<SecurityGroupId>,
    /// What it gets beyond that. What is not given is left as AWS makes it.
    #[serde(flatten)]
    pub options: RestoreOptions,
}

/// What a restored instance gets where the settings say so. A call that restores takes only some of it; the rest is set as
/// soon as the instance can be modified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreOptions {
    /// Whether RDS keeps the master password in a secret of its own; a restore of PostgreSQL brings that of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_password: Option<bool>,
    /// Whether it cannot be deleted before that is taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// The logs that go to CloudWatch, sorted; none at all when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_exports: Option<Vec<String>>,
    /// Whether users may log in with IAM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_authentication: Option<bool>,
    /// Whether its snapshots get its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_tags: Option<bool>,
    /// Days for which Performance Insights keeps what it measures; 0 is without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insights_days: Option<u32>,
    /// Up to how many GiB its storage grows by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_storage_gb: Option<u32>,
}

/// [`RestoreAs`] as it is written: a field that is not known here is refused, which serde does for flat types only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatRestoreAs {
    class: Option<InstanceClass>,
    multi_az: bool,
    subnet_group: SubnetGroupName,
    parameter_group: ParameterGroupName,
    security_groups: Vec<SecurityGroupId>,
    managed_password: Option<bool>,
    deletion_protection: Option<bool>,
    log_exports: Option<Vec<String>>,
    iam_authentication: Option<bool>,
    copy_tags: Option<bool>,
    insights_days: Option<u32>,
    max_storage_gb: Option<u32>,
}

impl From<FlatRestoreAs> for RestoreAs {
    fn from(flat: FlatRestoreAs) -> Self {
        RestoreAs {
            class: flat.class,
            multi_az: flat.multi_az,
            subnet_group: flat.subnet_group,
            parameter_group: flat.parameter_group,
            security_groups: flat.security_groups,
            options: RestoreOptions {
                managed_password: flat.managed_password,
                deletion_protection: flat.deletion_protection,
                log_exports: flat.log_exports,
                iam_authentication: flat.iam_authentication,
                copy_tags: flat.copy_tags,
                insights_days: flat.insights_days,
                max_storage_gb: flat.max_storage_gb,
            },
        }
    }
}

impl Database {
    /// The same database as it goes the other way: that of the DR region is the source, and the primary region receives
    /// what `[databases.failback]` says. All that takes a database and its two regions works in both directions so. `None`
    /// without that table. Turned twice it is itself.
    pub fn turned(&self) -> Option<Database> {
        let failback = self.failback.clone()?;
        Some(Database {
            id: self.dr_id.clone(),
            dr_id: self.id.clone(),
            kms: failback.kms,
            retention_days: self.retention_days,
            copies: self.copies,
            restore: failback.restore,
            failback: Some(Failback {
                kms: self.kms.clone(),
                restore: self.restore.clone(),
            }),
            secrets: self.secrets.clone(),
            integrity: self.integrity.clone(),
        })
    }

    /// `regions` and `buckets` are those of the file, if they could be read: keys must lie where they are needed, and rows name
    /// objects of these buckets.
    pub(crate) fn read_all(
        field: &Field<'_>,
        regions: Option<&Regions>,
        buckets: Option<&[Bucket]>,
    ) -> Option<Vec<Database>> {
        let dr = regions.map(|regions| ("DR", regions.dr));
        let primary = regions.map(|regions| ("primary", regions.primary));
        let (mut ids, mut dr_ids) = (Used::new(), Used::new());
        let mut secret_names = Used::new();
        read_all(field, |section| {
            let id = section.required("id", "\"berthcare-staging-postgres\"");
            let dr_id = section.required("dr_id", "\"berthcare-staging-postgres-dr\"");
            let kms = section.optional("kms", "\"arn:aws:kms:REGION:ACCOUNT:key/ID\"");
            let retention_days = section.optional("retention_days", "7");
            let copies = section.optional("copies", "{ keep_last = 7, keep_days = 7 }");
            let restore = section.optional("restore", "{ multi_az = true, … }");
            let failback = section.optional("failback", "{ restore = { multi_az = true, … } }");
            let secrets =
                section.optional("secrets", "[{ name = \"berthcare-staging/database\" }]");
            let integrity = section.optional("integrity", "{ ca = \"global-bundle.pem\" }");
            section.close();
            let id = unique(id, &mut ids);
            let dr_id = unique(dr_id, &mut dr_ids);
            let kms = match kms {
                Some(field) => read_key(&field, dr).map(Some),
                None => Some(None),
            };
            let retention_days = match retention_days {
                Some(field) => whole(&field, 1, MOST_RETENTION_DAYS),
                None => Some(DEFAULT_RETENTION_DAYS),
            };
            let copies = match copies {
                Some(field) => field.section().and_then(CopiesKept::read),
                None => Some(CopiesKept::default()),
            };
            let restore = match restore {
                Some(field) => field.section().and_then(RestoreAs::read).map(Some),
                None => Some(None),
            };
            let failback = match failback {
                Some(field) => field
                    .section()
                    .and_then(|section| Failback::read(section, primary))
                    .map(Some),
                None => Some(None),
            };
            let secrets = match secrets {
                Some(field) => read_all(&field, |section| {
                    DatabaseSecret::read(section, &mut secret_names)
                }),
                None => Some(Vec::new()),
            };
            let integrity = match integrity {
                Some(field) => {
                    let secrets = secrets.as_deref().unwrap_or_default();
                    Integrity::read(&field, secrets, buckets).map(Some)
                }
                None => Some(None),
            };
            Some(Database {
                id: id?,
                dr_id: dr_id?,
                kms: kms?,
                retention_days: retention_days?,
                copies: copies?,
                restore: restore?,
                failback: failback?,
                secrets: secrets?,
                integrity: integrity?,
            })
        })
    }
}

impl DatabaseSecret {
    fn read(section: Section<'_>, names: &mut Used<SecretName>) -> Option<DatabaseSecret> {
        let name = section.required("name", "\"berthcare-staging/database\"");
        let host = section.optional("host", "\"host\"");
        let port = section.optional("port", "\"port\"");
        section.close();
        let name = unique(name, names);
        let field = |field: Option<Field<'_>>, usual: &str| match field {
            Some(field) => field.text(),
            None => Some(usual.to_owned()),
        };
        // Both are looked at, so that each problem is told.
        let (host, port) = (field(host, "host"), field(port, "port"));
        Some(DatabaseSecret {
            name: name?,
            host: host?,
            port: port?,
        })
    }
}

impl Failback {
    fn read(section: Section<'_>, primary: Option<(&str, Region)>) -> Option<Failback> {
        let kms = section.optional("kms", "\"arn:aws:kms:REGION:ACCOUNT:key/ID\"");
        let restore = section.optional("restore", "{ multi_az = true, … }");
        section.close();
        let kms = match kms {
            Some(field) => read_key(&field, primary).map(Some),
            None => Some(None),
        };
        let restore = match restore {
            Some(field) => field.section().and_then(RestoreAs::read).map(Some),
            None => Some(None),
        };
        Some(Failback {
            kms: kms?,
            restore: restore?,
        })
    }
}

impl CopiesKept {
    fn read(section: Section<'_>) -> Option<CopiesKept> {
        let default = CopiesKept::default();
        let keep_last = section.optional("keep_last", "7");
        let keep_days = section.optional("keep_days", "7");
        section.close();
        let keep_last = match keep_last {
            // The newest good copy is never deleted, so that 0 would be a lie.
            Some(field) => whole(&field, 1, 100),
            None => Some(default.keep_last),
        };
        let keep_days = match keep_days {
            Some(field) => whole(&field, 0, 3650),
            None => Some(default.keep_days),
        };
        Some(CopiesKept {
            keep_last: keep_last?,
            keep_days: keep_days?,
        })
    }
}

impl RestoreAs {
    fn read(section: Section<'_>) -> Option<RestoreAs> {
        let class = section.optional("class", "\"db.t4g.medium\"");
        let multi_az = section.required("multi_az", "true");
        let subnet_group = section.required("subnet_group", "\"berthcare-staging-dr\"");
        let parameter_group = section.required("parameter_group", "\"berthcare-staging-dr\"");
        let security_groups = section.required("security_groups", "[\"sg-…\"]");
        let options = RestoreOptions::read(&section);
        section.close();
        let class = match class {
            Some(field) => field.parse().map(Some),
            None => Some(None),
        };
        let multi_az = multi_az.and_then(|field| field.boolean());
        let subnet_group = subnet_group.and_then(|field| field.parse());
        let parameter_group = parameter_group.and_then(|field| field.parse());
        let security_groups = security_groups.and_then(|field| read_security_groups(&field));
        Some(RestoreAs {
            class: class?,
            multi_az: multi_az?,
            subnet_group: subnet_group?,
            parameter_group: parameter_group?,
            security_groups: security_groups?,
            options: options?,
        })
    }
}

/// Performance Insights keeps 7 days, whole months of 31 days up to 23 of them, or two years
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>).
fn is_insights_retention(days: u32) -> bool {
    matches!(days, 0 | 7 | 731) || (days.is_multiple_of(31) && days <= 23 * 31)
}

impl RestoreOptions {
    fn read(section: &Section<'_>) -> Option<RestoreOptions> {
        let boolean = |name, example| match section.optional(name, example) {
            Some(field) => field.boolean().map(Some),
            None => Some(None),
        };
        let managed_password = match section.optional("managed_password", "true") {
            // Back from it leads a new password only, which has no place in a file.
            Some(field) => match field.boolean() {
                Some(false) => field.invalid(
                    "a restore takes no password from RDS",
                    "leave it out: then the password of the source stays",
                ),
                managed => managed.map(Some),
            },
            None => Some(None),
        };
        let deletion_protection = boolean("deletion_protection", "true");
        let iam_authentication = boolean("iam_authentication", "true");
        let copy_tags = boolean("copy_tags", "true");
        let log_exports = match section.optional("log_exports", "[\"postgresql\", \"upgrade\"]") {
            Some(field) => read_log_exports(&field).map(Some),
            None => Some(None),
        };
        let insights_days = match section.optional("insights_days", "7") {
            Some(field) => match whole(&field, 0, 731) {
                Some(days) if !is_insights_retention(days) => field.invalid(
                    format!("Performance Insights cannot keep {days} days"),
                    "write 0, 7, 31 times a number from 1 to 23, or 731",
                ),
                days => days.map(Some),
            },
            None => Some(None),
        };
        let max_storage_gb = match section.optional("max_storage_gb", "100") {
            Some(field) => whole(&field, LEAST_STORAGE, MOST_STORAGE).map(Some),
            None => Some(None),
        };
        Some(RestoreOptions {
            managed_password: managed_password?,
            deletion_protection: deletion_protection?,
            log_exports: log_exports?,
            iam_authentication: iam_authentication?,
            copy_tags: copy_tags?,
            insights_days: insights_days?,
            max_storage_gb: max_storage_gb?,
        })
    }
}

fn read_log_exports(field: &Field<'_>) -> Option<Vec<String>> {
    let mut logs = Vec::new();
    for field in field.array()? {
        let name = field.string()?;
        let is_legal = |c: char| c.is_ascii_lowercase() || c == '-';
        if name.is_empty() || !name.chars().all(is_legal) {
            return field.invalid(
                format!("{name:?} is not the name of a log"),
                "write names as RDS has them: \"postgresql\", \"upgrade\"",
            );
        }
        logs.push(name.to_owned());
    }
    logs.sort();
    logs.dedup();
    Some(logs)
}

fn read_security_groups(field: &Field<'_>) -> Option<Vec<SecurityGroupId>> {
    let fields = field.array()?;
    if !(1..=MOST_SECURITY_GROUPS).contains(&fields.len()) {
        return field.invalid(
            format!("it names {} groups", fields.len()),
            format!("name 1 to {MOST_SECURITY_GROUPS} security groups of the DR region"),
        );
    }
    let mut used = Used::new();
    let groups: Vec<Option<SecurityGroupId>> = fields
        .into_iter()
        .map(|field| unique(Some(field), &mut used))
        .collect();
    groups.into_iter().collect()
}

fn read_key(field: &Field<'_>, wanted: Option<(&str, Region)>) -> Option<KmsKeyArn> {
    let key: KmsKeyArn = field.parse()?;
    match wanted {
        Some((which, wanted)) if key.region() != wanted => field.conflict(
            format!(
                "the key is in {}, and the {which} region is {wanted}",
                key.region()
            ),
            format!("backups and copies are encrypted where they lie: name a key in {wanted}"),
        ),
        _ => Some(key),
    }
}

fn whole(field: &Field<'_>, least: i128, most: i128) -> Option<u32> {
    let number = field.integer()?;
    match u32::try_from(number) {
        Ok(whole) if (least..=most).contains(&number) => Some(whole),
        _ => field.invalid(
            format!("{number} cannot be set"),
            format!("write a number from {least} to {most}"),
        ),
    }
}
