//! What `verify-staging check` wants of the environment, where that is not what the deployment guide has.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::document::{Field, Section};

/// How private subnets reach the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatLayout {
    /// Through a NAT gateway in their own zone.
    PerZone,
    /// All through one.
    Single,
}

/// How objects of the application are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BucketEncryption {
    /// With the environment's key.
    #[serde(rename = "KMS")]
    Kms,
    /// With S3's own keys.
    #[serde(rename = "AES256")]
    Aes256,
}

/// How the database's password reaches the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseSecrets {
    /// The application's user in one secret, the connection in another, and RDS keeps the master user's.
    Split,
    /// One secret of six fields, as the guide has it; its user may be the master user.
    One,
}

/// What is wanted of the environment. The defaults are the guide's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expect {
    /// The VPC's network.
    pub vpc_cidr: String,
    /// Availability zones with a public and a private subnet each.
    pub zones: usize,
    /// NAT gateways.
    pub nat: NatLayout,
    /// The application's port.
    pub app_port: u16,
    /// Networks from which the load balancer is reached.
    pub alb_ingress: Vec<String>,
    /// The database's engine.
    pub db_engine: String,
    /// Its version, or the beginning of it: `15` or `15.5`.
    pub db_version: String,
    /// Its instance class.
    pub db_class: String,
    /// Its storage at least, in GiB.
    pub db_storage_gb: i32,
    /// How far its storage has to be able to grow, in GiB.
    pub db_max_storage_gb: i32,
    /// The port that it listens on.
    pub db_port: u16,
    /// Days of automated backups, at least.
    pub backup_days: i32,
    /// Whether the database may be stopped outside working hours.
    pub off_hours: bool,
    /// How the database's password reaches the application.
    pub db_secrets: DatabaseSecrets,
    /// The version of Redis, or the beginning of it.
    pub redis_version: String,
    /// The type of its nodes.
    pub redis_node_type: String,
    /// Its nodes.
    pub redis_nodes: usize,
    /// The port that it listens on.
    pub redis_port: u16,
    /// Days of its snapshots, at least.
    pub redis_snapshot_days: i32,
    /// How objects are encrypted.
    pub bucket_encryption: BucketEncryption,
    /// Days for which noncurrent versions of objects are kept, at least.
    pub noncurrent_days: i32,
    /// Days after which objects go to Glacier.
    pub glacier_days: i32,
    /// Days after which objects go to Deep Archive.
    pub deep_archive_days: i32,
    /// Countries to which the distribution answers.
    pub countries: Vec<String>,
    /// Days for which flow logs are kept, at least.
    pub flow_log_days: i32,
    /// The key's alias; `None`: `alias/PROJECT-ENVIRONMENT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_alias: Option<String>,
    /// The log group of the application; `None`: `/ecs/PROJECT-ENVIRONMENT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_log_group: Option<String>,
    /// Keys of tags that everything has, whatever their values.
    pub tag_keys: Vec<String>,
    /// Where the alarms ring.
    pub alarms: AlarmThresholds,
}

/// Where the guide's eight alarms ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmThresholds {
    /// Percent of the database's processors.
    pub rds_cpu: u32,
    /// MiB of memory that are left.
    pub rds_free_memory_mib: u32,
    /// MiB of storage that are left.
    pub rds_free_storage_mib: u32,
    /// Percent of the connections that the database takes.
    pub rds_connections_percent: u32,
    /// Percent of a node's processors.
    pub redis_cpu: u32,
    /// Percent of a node's memory.
    pub redis_memory: u32,
    /// Keys that a node has evicted.
    pub redis_evictions: u32,
    /// Percent of requests.
    pub cloudfront_5xx: u32,
}

impl Default for Expect {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            vpc_cidr: text("10.0.0.0/16"),
            zones: 2,
            nat: NatLayout::PerZone,
            app_port: 3000,
            alb_ingress: vec![text("0.0.0.0/0")],
            db_engine: text("postgres"),
            db_version: text("15"),
            db_class: text("db.t4g.medium"),
            db_storage_gb: 100,
            db_max_storage_gb: 500,
            db_port: 5432,
            backup_days: 7,
            off_hours: false,
            db_secrets: DatabaseSecrets::Split,
            redis_version: text("7.1"),
            redis_node_type: text("cache.t4g.micro"),
            redis_nodes: 2,
            redis_port: 6379,
            redis_snapshot_days: 5,
            bucket_encryption: BucketEncryption::Kms,
            noncurrent_days: 90,
            glacier_days: 365,
            deep_archive_days: 2555,
            countries: vec![text("CA"), text("US")],
            flow_log_days: 365,
            key_alias: None,
            app_log_group: None,
            tag_keys: ["Project", "Environment", "ManagedBy"].map(text).into(),
            alarms: AlarmThresholds::default(),
        }
    }
}

impl Default for AlarmThresholds {
    fn default() -> Self {
        Self {
            rds_cpu: 80,
            rds_free_memory_mib: 512,
            rds_free_storage_mib: 10_240,
            rds_connections_percent: 80,
            redis_cpu: 75,
            redis_memory: 80,
            redis_evictions: 1000,
            cloudfront_5xx: 5,
        }
    }
}

/// Reads the fields of a section into those of a value, which has the defaults; `true` when one was unfit.
struct Reader<'d, 's> {
    section: &'s Section<'d>,
    unfit: bool,
}

impl<'d> Reader<'d, '_> {
    fn read<T>(
        &mut self,
        into: &mut T,
        (name, example): (&'static str, &'static str),
        read: impl FnOnce(&Field<'d>) -> Option<T>,
    ) {
        if let Some(field) = self.section.optional(name, example) {
            match read(&field) {
                Some(value) => *into = value,
                None => self.unfit = true,
            }
        }
    }
}

fn number<T: TryFrom<i128> + Display + Copy>(
    range: RangeInclusive<i128>,
) -> impl FnOnce(&Field<'_>) -> Option<T> {
    move |field| {
        let number = field.integer()?;
        let fits = range.contains(&number).then(|| T::try_from(number).ok());
        match fits.flatten() {
            Some(number) => Some(number),
            None => field.invalid(
                format!("{number} is out of range"),
                format!("write a number from {} to {}", range.start(), range.end()),
            ),
        }
    }
}

fn texts(field: &Field<'_>) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = field.array()?.iter().map(Field::text).collect();
    texts
}

fn optional_text(field: &Field<'_>) -> Option<Option<String>> {
    field.text().map(Some)
}

impl Expect {
    const DAYS: RangeInclusive<i128> = 1..=36_500;
    const GIBIBYTES: RangeInclusive<i128> = 1..=65_536;
    const PORTS: RangeInclusive<i128> = 1..=65_535;
    const COUNT: RangeInclusive<i128> = 1..=100;

    pub(crate) fn read(section: Section<'_>) -> Option<Self> {
        let mut expect = Self::default();
        let it = &mut expect;
        let mut of = Reader {
            section: &section,
            unfit: false,
        };
        of.read(
            &mut it.vpc_cidr,
            ("vpc_cidr", "\"10.0.0.0/16\""),
            Field::text,
        );
        of.read(&mut it.zones, ("zones", "2"), number(Self::COUNT));
        of.read(&mut it.nat, ("nat", "\"per-zone\""), |field| {
            let choices = [
                ("per-zone", NatLayout::PerZone),
                ("single", NatLayout::Single),
            ];
            field.choice(&choices)
        });
        of.read(&mut it.app_port, ("app_port", "3000"), number(Self::PORTS));
        of.read(
            &mut it.alb_ingress,
            ("alb_ingress", "[\"0.0.0.0/0\"]"),
            texts,
        );
        of.read(
            &mut it.db_engine,
            ("db_engine", "\"postgres\""),
            Field::text,
        );
        of.read(&mut it.db_version, ("db_version", "\"15\""), Field::text);
        of.read(
            &mut it.db_class,
            ("db_class", "\"db.t4g.medium\""),
            Field::text,
        );
        of.read(
            &mut it.db_storage_gb,
            ("db_storage_gb", "100"),
            number(Self::GIBIBYTES),
        );
        of.read(
            &mut it.db_max_storage_gb,
            ("db_max_storage_gb", "500"),
            number(Self::GIBIBYTES),
        );
        of.read(&mut it.db_port, ("db_port", "5432"), number(Self::PORTS));
        of.read(&mut it.backup_days, ("backup_days", "7"), number(1..=35));
        of.read(&mut it.off_hours, ("off_hours", "false"), Field::boolean);
        of.read(&mut it.db_secrets, ("db_secrets", "\"split\""), |field| {
            let choices = [
                ("split", DatabaseSecrets::Split),
                ("one", DatabaseSecrets::One),
            ];
            field.choice(&choices)
        });
        of.read(
            &mut it.redis_version,
            ("redis_version", "\"7.1\""),
            Field::text,
        );
        of.read(
            &mut it.redis_node_type,
            ("redis_node_type", "\"cache.t4g.micro\""),
            Field::text,
        );
        of.read(&mut it.redis_nodes, ("redis_nodes", "2"), number(1..=6));
        of.read(
            &mut it.redis_port,
            ("redis_port", "6379"),
            number(Self::PORTS),
        );
        of.read(
            &mut it.redis_snapshot_days,
            ("redis_snapshot_days", "5"),
            number(1..=35),
        );
        of.read(
            &mut it.bucket_encryption,
            ("bucket_encryption", "\"KMS\""),
            |field| {
                let choices = [
                    ("KMS", BucketEncryption::Kms),
                    ("AES256", BucketEncryption::Aes256),
                ];
                field.choice(&choices)
            },
        );
        of.read(
            &mut it.noncurrent_days,
            ("noncurrent_days", "90"),
            number(Self::DAYS),
        );
        of.read(
            &mut it.glacier_days,
            ("glacier_days", "365"),
            number(Self::DAYS),
        );
        of.read(
            &mut it.deep_archive_days,
            ("deep_archive_days", "2555"),
            number(Self::DAYS),
        );
        of.read(&mut it.countries, ("countries", "[\"CA\", \"US\"]"), texts);
        of.read(
            &mut it.flow_log_days,
            ("flow_log_days", "365"),
            number(Self::DAYS),
        );
        of.read(
            &mut it.key_alias,
            ("key_alias", "\"alias/berthcare-staging\""),
            optional_text,
        );
        of.read(
            &mut it.app_log_group,
            ("app_log_group", "\"/ecs/berthcare-staging\""),
            optional_text,
        );
        of.read(
            &mut it.tag_keys,
            ("tag_keys", "[\"Project\", \"Environment\", \"ManagedBy\"]"),
            texts,
        );
        of.read(&mut it.alarms, ("alarms", "{ rds_cpu = 80 }"), |field| {
            AlarmThresholds::read(field.section()?)
        });
        let unfit = of.unfit;
        section.close();
        (!unfit).then_some(expect)
    }
}

impl AlarmThresholds {
    fn read(section: Section<'_>) -> Option<Self> {
        let mut thresholds = Self::default();
        let it = &mut thresholds;
        let mut of = Reader {
            section: &section,
            unfit: false,
        };
        of.read(&mut it.rds_cpu, ("rds_cpu", "80"), number(1..=100));
        of.read(
            &mut it.rds_free_memory_mib,
            ("rds_free_memory_mib", "512"),
            number(1..=1 << 24),
        );
        of.read(
            &mut it.rds_free_storage_mib,
            ("rds_free_storage_mib", "10240"),
            number(1..=1 << 24),
        );
        of.read(
            &mut it.rds_connections_percent,
            ("rds_connections_percent", "80"),
            number(1..=100),
        );
        of.read(&mut it.redis_cpu, ("redis_cpu", "75"), number(1..=100));
        of.read(
            &mut it.redis_memory,
            ("redis_memory", "80"),
            number(1..=100),
        );
        of.read(
            &mut it.redis_evictions,
            ("redis_evictions", "1000"),
            number(0..=1 << 30),
        );
        of.read(
            &mut it.cloudfront_5xx,
            ("cloudfront_5xx", "5"),
            number(1..=100),
        );
        let unfit = of.unfit;
        section.close();
        (!unfit).then_some(thresholds)
    }
}
