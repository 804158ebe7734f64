//! What runs in the primary region when it is lost, made on the local AWS.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options, RegionClients};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, SourceSelectionCriteria, SseKmsEncryptedObjects,
    SseKmsEncryptedObjectsStatus, VersioningConfiguration,
};
use aws_sdk_secretsmanager::types::ReplicaRegionType;
use local_aws::LocalAws;
use settings::{Database, RestoreAs, Settings};
use tokio_postgres::{Client, NoTls};

/// Of the master user until RDS takes it over, and of the application's.
const PASSWORD: &str = "correct-horse-battery";
/// A minute more than RDS takes to make an instance.
const MADE: Duration = Duration::from_secs(10 * 60);

/// Both regions, the wall between them aside: the drill is whoever uses the environment, too.
pub(crate) struct World {
    pub(crate) primary: RegionClients,
    pub(crate) dr: RegionClients,
    from: aws_sdk_rds::Client,
    to: aws_sdk_rds::Client,
    secrets: aws_sdk_secretsmanager::Client,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) async fn new(aws: &LocalAws, settings: Settings) -> Result<Self> {
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "drill")),
            ..Options::default()
        })
        .await?;
        let (primary, dr) = (settings.regions.primary, settings.regions.dr);
        Ok(Self {
            primary: env.region(primary),
            dr: env.region(dr),
            from: aws_env::client!(aws_sdk_rds, &env.access(primary)),
            to: aws_env::client!(aws_sdk_rds, &env.access(dr)),
            secrets: aws_env::client!(aws_sdk_secretsmanager, &env.access(primary)),
            settings,
        })
    }

    /// The buckets of data, under KMS keys of their regions, each replicated to its copy.
    pub(crate) async fn make_buckets(&self) -> Result<()> {
        for pair in &self.settings.buckets {
            for (clients, name) in [(&self.primary, &pair.name), (&self.dr, &pair.dr)] {
                make_bucket(clients, name.as_ref()).await?;
            }
            replicate(
                &self.primary,
                &self.dr,
                pair.name.as_ref(),
                pair.dr.as_ref(),
            )
            .await?;
        }
        Ok(())
    }

    pub(crate) fn database(&self) -> Result<&Database> {
        self.settings
            .databases
            .first()
            .context("the settings have no database")
    }

    /// The database, and in the DR region what a restore of it needs.
    pub(crate) async fn make_database(&self, aws: &LocalAws) -> Result<()> {
        let database = self.database()?;
        let wanted = database
            .restore
            .as_ref()
            .context("the settings do not say how it is restored")?;
        let create = self.from.create_db_instance();
        let create = create
            .db_instance_identifier(database.id.as_ref())
            .engine("postgres")
            .engine_version("15")
            .db_instance_class("db.t4g.medium")
            .allocated_storage(20)
            .master_username("master")
            .master_user_password(PASSWORD)
            .db_name("staging")
            .backup_retention_period(7);
        create.send().await.context("failed to make the database")?;
        make_groups(&self.to, wanted).await?;
        let back = database.turned().and_then(|turned| turned.restore);
        let back = back.context("the settings do not say how it comes back")?;
        make_groups(&self.from, &back).await?;
        let rds = aws.rds().context("the local AWS has no RDS")?;
        rds.step(MADE).await;
        Ok(())
    }

    async fn endpoint(rds: &aws_sdk_rds::Client, id: &str) -> Result<(String, u16)> {
        let found = rds
            .describe_db_instances()
            .db_instance_identifier(id)
            .send()
            .await?;
        let endpoint = found
            .db_instances()
            .first()
            .and_then(|instance| instance.endpoint());
        let endpoint = endpoint.with_context(|| format!("{id} has no endpoint"))?;
        let port = endpoint.port().and_then(|port| u16::try_from(port).ok());
        let address = endpoint.address().context("no address")?;
        Ok((address.to_owned(), port.context("no port")?))
    }

    /// Makes the application's user, table and connection.
    pub(crate) async fn application(&self) -> Result<Client> {
        let (host, port) = Self::endpoint(&self.from, self.database()?.id.as_ref()).await?;
        let master = connect(&host, port, "master").await?;
        let make = format!(
            "create role app login password '{PASSWORD}'; \
             create table written (n int primary key, id bigint generated always as identity, object_key text); \
             grant insert, select on written to app; grant usage, select on all sequences in schema public to app"
        );
        master.batch_execute(&make).await?;
        connect(&host, port, "app").await
    }

    /// The secret of the application, with its replica in the DR region.
    pub(crate) async fn make_secret(&self) -> Result<()> {
        let database = self.database()?;
        let Some(secret) = database.secrets.first() else {
            return Ok(());
        };
        let (host, port) = Self::endpoint(&self.from, database.id.as_ref()).await?;
        let says = serde_json::json!({"username": "app", "password": PASSWORD, "dbname": "staging", "host": host,
            "port": port});
        let create = self.secrets.create_secret().name(secret.name.as_str());
        let create = create.secret_string(says.to_string());
        create.send().await.context("failed to make the secret")?;
        let replica = ReplicaRegionType::builder().region(self.dr.region.as_str());
        let replicate = self.secrets.replicate_secret_to_regions();
        let replicate = replicate.secret_id(secret.name.as_str());
        let replicate = replicate.add_replica_regions(replica.build());
        replicate
            .send()
            .await
            .context("failed to replicate the secret")?;
        Ok(())
    }

    /// The keys of objects of the first bucket that rows of the restored database in the DR region name.
    pub(crate) async fn named_objects(&self) -> Result<Vec<String>> {
        let client = self.application_in_dr().await?;
        let named = "select object_key from written where object_key is not null";
        let rows = client.query(named, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The next number that the restored database in the DR region gives to a row.
    pub(crate) async fn next_number(&self) -> Result<i64> {
        let client = self.application_in_dr().await?;
        let next = "select nextval(pg_get_serial_sequence('written', 'id')::regclass)";
        Ok(client.query_one(next, &[]).await?.get(0))
    }

    /// The application's connection to the restored database in the DR region.
    pub(crate) async fn application_in_dr(&self) -> Result<Client> {
        let (host, port) = Self::endpoint(&self.to, self.database()?.dr_id.as_ref()).await?;
        connect(&host, port, "app").await
    }

    /// The same in the primary region.
    pub(crate) async fn application_at_home(&self) -> Result<Client> {
        let (host, port) = Self::endpoint(&self.from, self.database()?.id.as_ref()).await?;
        connect(&host, port, "app").await
    }

    /// The rows of the restored database in the DR region.
    pub(crate) async fn rows(&self) -> Result<Vec<i32>> {
        rows(&self.application_in_dr().await?).await
    }

    /// The rows of the database in the primary region.
    pub(crate) async fn rows_at_home(&self) -> Result<Vec<i32>> {
        rows(&self.application_at_home().await?).await
    }

    /// The status of the instance in the DR region, if there is one.
    pub(crate) async fn dr_status(&self) -> Result<Option<String>> {
        let id = self.database()?.dr_id.to_string();
        let all = self.to.describe_db_instances().send().await?;
        let mut all = all.db_instances().iter();
        let found = all.find(|instance| instance.db_instance_identifier() == Some(&*id));
        Ok(found.and_then(|instance| Some(instance.db_instance_status()?.to_owned())))
    }

    /// Whether the DR region's live backup of the database has anything to restore from.
    pub(crate) async fn has_backup(&self) -> Result<bool> {
        let found = self
            .to
            .describe_db_instance_automated_backups()
            .send()
            .await?;
        let backups = found.db_instance_automated_backups();
        let live = backups
            .iter()
            .filter(|backup| backup.status() != Some("retained"));
        let mut windows = live.filter_map(|backup| backup.restore_window());
        Ok(windows.any(|window| window.latest_time().is_some()))
    }

    /// The objects of the copies of all buckets.
    pub(crate) async fn copies(&self) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        for pair in &self.settings.buckets {
            let listed = aws_env::list_keys(&self.dr, pair.dr.as_ref(), "").await?;
            keys.extend(listed.into_iter().map(|key| format!("{}/{key}", pair.name)));
        }
        Ok(keys)
    }

    /// The objects of the primary region's buckets.
    pub(crate) async fn objects_at_home(&self) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        for pair in &self.settings.buckets {
            let listed = aws_env::list_keys(&self.primary, pair.name.as_ref(), "").await?;
            keys.extend(listed.into_iter().map(|key| format!("{}/{key}", pair.name)));
        }
        Ok(keys)
    }

    /// What an object of a bucket of the primary region holds.
    pub(crate) async fn read_at_home(&self, bucket: &str, key: &str) -> Result<String> {
        let get = self.primary.s3.get_object().bucket(bucket).key(key);
        let body = get.send().await?.body.collect().await?.to_vec();
        Ok(String::from_utf8(body)?)
    }
}

/// What a restore needs in its region.
async fn make_groups(rds: &aws_sdk_rds::Client, wanted: &RestoreAs) -> Result<()> {
    let group = rds.create_db_subnet_group();
    let group = group.db_subnet_group_name(wanted.subnet_group.as_ref());
    let group = group
        .db_subnet_group_description("drill")
        .subnet_ids("subnet-00000001");
    group.subnet_ids("subnet-00000002").send().await?;
    let group = rds.create_db_parameter_group();
    let group = group.db_parameter_group_name(wanted.parameter_group.as_ref());
    let group = group
        .db_parameter_group_family("postgres15")
        .description("drill");
    group.send().await?;
    Ok(())
}

async fn rows(client: &Client) -> Result<Vec<i32>> {
    let rows = client
        .query("select n from written order by n", &[])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn connect(host: &str, port: u16, user: &str) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(host)
        .port(port)
        .user(user)
        .password(PASSWORD)
        .dbname("staging");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn key(clients: &RegionClients) -> String {
    format!(
        "arn:aws:kms:{}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        clients.region
    )
}

async fn make_bucket(clients: &RegionClients, name: &str) -> Result<()> {
    let mut create = clients.s3.create_bucket().bucket(name);
    if clients.region.as_str() != "us-east-1" {
        let location = BucketLocationConstraint::from(clients.region.as_str());
        let location = CreateBucketConfiguration::builder().location_constraint(location);
        create = create.create_bucket_configuration(location.build());
    }
    create
        .send()
        .await
        .with_context(|| format!("failed to make {name}"))?;
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = clients.s3.put_bucket_versioning().bucket(name);
    put.versioning_configuration(versioning.build())
        .send()
        .await?;
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(key(clients));
    let rule = ServerSideEncryptionRule::builder();
    let rule = rule.apply_server_side_encryption_by_default(default.build()?);
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = clients.s3.put_bucket_encryption().bucket(name);
    put.server_side_encryption_configuration(encryption.build()?)
        .send()
        .await?;
    Ok(())
}

async fn replicate(
    primary: &RegionClients,
    dr: &RegionClients,
    bucket: &str,
    copy: &str,
) -> Result<()> {
    let markers = DeleteMarkerReplication::builder();
    let markers = markers
        .status(DeleteMarkerReplicationStatus::Enabled)
        .build();
    let keyed = SseKmsEncryptedObjects::builder();
    let keyed = keyed
        .status(SseKmsEncryptedObjectsStatus::Enabled)
        .build()?;
    let encryption = EncryptionConfiguration::builder()
        .replica_kms_key_id(key(dr))
        .build();
    let destination = Destination::builder()
        .bucket(format!("arn:aws:s3:::{copy}"))
        .encryption_configuration(encryption);
    let rule = ReplicationRule::builder()
        .id("all")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(markers)
        .source_selection_criteria(
            SourceSelectionCriteria::builder()
                .sse_kms_encrypted_objects(keyed)
                .build(),
        )
        .destination(destination.build()?)
        .build()?;
    let configuration = ReplicationConfiguration::builder()
        .role("arn:aws:iam::000000000000:role/replicate")
        .rules(rule)
        .build()?;
    let put = primary.s3.put_bucket_replication().bucket(bucket);
    put.replication_configuration(configuration).send().await?;
    Ok(())
}

/// That the rows which are there are the oldest ones, and how many of `committed` are not.
pub(crate) fn lost_rows(found: &[i32], committed: usize) -> Result<usize> {
    let kept = i32::try_from(found.len())?;
    ensure!(
        found.iter().copied().eq(0..kept),
        "the rows that came back are not the oldest ones: {found:?}"
    );
    Ok(committed.saturating_sub(found.len()))
}
