//! The actions: each checks as AWS does, changes the model, and answers.

use super::fields::Fields;
use super::model::instance::Password;
use super::model::{Birth, Instance, Key, Model, Settings, Snapshot};
use super::name::{Arn, Place, id_here};
use super::network::Network;
use super::refusal::{Outcome, Refusal};
use super::xml::Xml;

mod backup;
mod group;
mod inputs;
mod instance;
mod list;
mod maintenance;
mod offer;
mod parameter;
mod replica;
mod restore;
mod snapshot;
mod storage;
mod tag;
mod view;

pub(crate) use inputs::{check as check_inputs, is_of_the_base};

/// A KMS key that a request names, as the KMS of the request's region knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KmsKey {
    /// Enabled in this region; its ARN.
    Usable(String),
    /// Not there, disabled, or of another region; the name that the request has for it.
    Unusable(String),
}

/// A secret that was made for a master user, as RDS makes it when it is to look after the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MasterSecret {
    pub(crate) arn: String,
    /// ARN of the key that encrypts it.
    pub(crate) key: String,
    pub(crate) password: Password,
}

/// What has been asked of other services before RDS answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// `KmsKeyId`.
    pub(crate) key: Option<KmsKey>,
    /// `PerformanceInsightsKMSKeyId`.
    pub(crate) insights_key: Option<KmsKey>,
    /// `MasterUserSecretKmsKeyId`.
    pub(crate) secret_key: Option<KmsKey>,
    /// What there is of subnets and security groups; `None` where the base has no EC2, and then nothing is looked up.
    pub(crate) network: Option<Network>,
    /// `ManageMasterUserPassword`; `None` also where there is no Secrets Manager.
    pub(crate) secret: Option<MasterSecret>,
}

/// A request.
pub(crate) struct Request<'request> {
    pub(crate) place: &'request Place,
    pub(crate) fields: &'request Fields,
    pub(crate) asked: &'request Asked,
}

impl Request<'_> {
    /// The ARN of the key that the request names, if any.
    fn key(&self) -> Outcome<Option<String>> {
        usable(self.asked.key.as_ref())
    }

    /// The ARN of the key that the request names for Performance Insights, if any.
    fn insights_key(&self) -> Outcome<Option<String>> {
        usable(self.asked.insights_key.as_ref())
    }

    /// Refuses a key that a master user's secret cannot be encrypted with.
    fn check_secret_key(&self) -> Outcome<()> {
        usable(self.asked.secret_key.as_ref())?;
        Ok(())
    }

    fn at(&self, id: String) -> Key {
        (self.place.clone(), id)
    }

    /// Key of the instance that a field names by id or ARN.
    fn instance(&self, name: &str) -> Outcome<Key> {
        Ok(self.at(id_here(self.fields.required(name)?, "db", self.place)?))
    }

    /// The ARN in a field, of a kind.
    fn arn(&self, name: &str, kind: &str) -> Outcome<Arn> {
        let text = self.fields.required(name)?;
        Arn::read(text)
            .filter(|arn| arn.kind == kind)
            .ok_or_else(|| Refusal::value(format!("{name} must be an ARN: {text}")))
    }
}

fn usable(key: Option<&KmsKey>) -> Outcome<Option<String>> {
    match key {
        None => Ok(None),
        Some(KmsKey::Usable(arn)) => Ok(Some(arn.clone())),
        Some(KmsKey::Unusable(name)) => Err(Refusal::key(name)),
    }
}

/// What the servers have to do before the answer goes out.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Copy the instance's files into the snapshot.
    Capture { resource_id: String, snapshot: Key },
}

/// An answer, and what has to be done before it is given.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) xml: Xml,
    pub(crate) work: Vec<Work>,
}

impl From<Xml> for Reply {
    fn from(xml: Xml) -> Self {
        Self {
            xml,
            work: Vec::new(),
        }
    }
}

type Action = fn(&mut Model, &Request<'_>) -> Outcome<Reply>;

/// The action of this name, if it is one that this simulation has.
pub(crate) fn named(name: &str) -> Option<Action> {
    Some(match name {
        "CreateDBInstance" => instance::create,
        "DescribeDBInstances" => instance::describe,
        "ModifyDBInstance" => instance::modify,
        "DeleteDBInstance" => instance::delete,
        "StopDBInstance" => instance::stop,
        "StartDBInstance" => instance::start,
        "RebootDBInstance" => instance::reboot,
        "CreateDBSnapshot" => snapshot::create,
        "DescribeDBSnapshots" => snapshot::describe,
        "CopyDBSnapshot" => snapshot::copy,
        "DeleteDBSnapshot" => snapshot::delete,
        "DescribeDBSnapshotAttributes" => snapshot::attributes,
        "RestoreDBInstanceFromDBSnapshot" => restore::from_snapshot,
        "RestoreDBInstanceToPointInTime" => restore::to_point_in_time,
        "StartDBInstanceAutomatedBackupsReplication" => backup::start,
        "StopDBInstanceAutomatedBackupsReplication" => backup::stop,
        "DescribeDBInstanceAutomatedBackups" => backup::describe,
        "DeleteDBInstanceAutomatedBackup" => backup::delete,
        "CreateDBInstanceReadReplica" => replica::create,
        "PromoteReadReplica" => replica::promote,
        "CreateDBSubnetGroup" => group::create_subnet_group,
        "DescribeDBSubnetGroups" => group::describe_subnet_groups,
        "ModifyDBSubnetGroup" => group::modify_subnet_group,
        "DeleteDBSubnetGroup" => group::delete_subnet_group,
        "CreateDBParameterGroup" => group::create_parameter_group,
        "DescribeDBParameterGroups" => group::describe_parameter_groups,
        "DeleteDBParameterGroup" => group::delete_parameter_group,
        "DescribeDBParameters" => parameter::describe,
        "ModifyDBParameterGroup" => parameter::modify,
        "ResetDBParameterGroup" => parameter::reset,
        "AddTagsToResource" => tag::add,
        "RemoveTagsFromResource" => tag::remove,
        "ListTagsForResource" => tag::list,
        "DescribeDBEngineVersions" => offer::engine_versions,
        "DescribeOrderableDBInstanceOptions" => offer::instance_options,
        "DescribeSourceRegions" => offer::source_regions,
        "DescribeAccountAttributes" => offer::account_attributes,
        "DescribeEvents" => offer::events,
        "DescribePendingMaintenanceActions" => maintenance::describe,
        _ => return None,
    })
}

impl Model {
    fn find(&self, key: &Key) -> Outcome<&Instance> {
        self.instances
            .get(key)
            .ok_or_else(|| Refusal::no_instance(&key.1))
    }

    fn find_mut(&mut self, key: &Key) -> Outcome<&mut Instance> {
        self.instances
            .get_mut(key)
            .ok_or_else(|| Refusal::no_instance(&key.1))
    }

    fn find_snapshot(&self, key: &Key) -> Outcome<&Snapshot> {
        self.snapshots
            .get(key)
            .ok_or_else(|| Refusal::no_snapshot(&key.1))
    }

    /// Refuses what needs a region that does not answer.
    fn reach(&self, place: &Place) -> Outcome<()> {
        if self.is_down(&place.region) {
            Err(Refusal::other_region())
        } else {
            Ok(())
        }
    }
}

/// An answer that is one instance.
fn one_instance(model: &Model, key: &Key) -> Outcome<Reply> {
    let instance = model.find(key)?;
    let mut xml = Xml::default();
    xml.within("DBInstance", |xml| {
        view::instance(xml, model, key, instance);
    });
    Ok(xml.into())
}

/// The groups that settings name must be there.
fn check_groups(model: &Model, place: &Place, settings: &Settings) -> Outcome<()> {
    let key = |name: &str| (place.clone(), name.to_owned());
    let group = &settings.subnet_group;
    if group != "default" && !model.subnet_groups.contains_key(&key(group)) {
        return Err(Refusal::no_subnet_group(group));
    }
    let group = &settings.parameter_group;
    let default = super::catalog::default_parameter_group(&settings.engine, &settings.version);
    match model.parameter_groups.get(&key(group)) {
        _ if *group == default => Ok(()),
        None => Err(Refusal::no_parameter_group(group)),
        Some(found)
            if found.family != super::catalog::family(&settings.engine, &settings.version) =>
        {
            Err(Refusal::combination(format!(
                "The parameter group {group} with DBParameterGroupFamily {} can't be used for this instance. \
                 Please use a parameter group with DBParameterGroupFamily {}",
                found.family,
                super::catalog::family(&settings.engine, &settings.version)
            )))
        }
        Some(_) => Ok(()),
    }
}

/// Settings in the VPC of their subnet group, with security groups of it.
fn put_into_network(model: &Model, request: &Request<'_>, settings: &mut Settings) -> Outcome<()> {
    let Some(network) = &request.asked.network else {
        return Ok(());
    };
    let group = request.at(settings.subnet_group.clone());
    let group = model.subnet_groups.get(&group);
    let vpc = group.and_then(|group| group.subnets.first());
    network.place(settings, vpc.map(|subnet| subnet.vpc.as_str()))
}

/// "The AvailabilityZone parameter can't be specified if the DB instance is a Multi-AZ deployment", new or restored:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
fn check_no_zone_of_multi_az(settings: &Settings, request: &Request<'_>) -> Outcome<()> {
    if settings.multi_az && request.fields.text("AvailabilityZone").is_some() {
        return Err(Refusal::combination(
            "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        ));
    }
    Ok(())
}

/// A zone that is asked for is one of the region.
fn check_zone(request: &Request<'_>) -> Outcome<()> {
    let Some(zone) = request.fields.text("AvailabilityZone") else {
        return Ok(());
    };
    let network = request.asked.network.as_ref();
    let is_there = match zone.strip_prefix(request.place.region.as_str()) {
        None => false,
        Some(letter) => match network {
            Some(network) => network.has_zone(zone),
            None => letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase()),
        },
    };
    if is_there {
        Ok(())
    } else {
        Err(Refusal::value(format!("Invalid availability zone: {zone}")))
    }
}

/// The class must be one that RDS has for PostgreSQL.
fn check_class(settings: &Settings) -> Outcome<()> {
    let class = &settings.class;
    if super::catalog::classes().any(|offered| offered == *class) {
        return Ok(());
    }
    Err(Refusal::combination(format!(
        "RDS does not support creating a DB instance with the following combination: DBInstanceClass={class}, \
         Engine={}, EngineVersion={}, LicenseModel=postgresql-license.",
        settings.engine, settings.version
    )))
}

/// There must be room for one more instance of this size.
fn check_room(model: &Model, place: &Place, storage_gib: u32) -> Outcome<()> {
    let here = model.instances.iter().filter(|((at, _), _)| at == place);
    if here.clone().count() >= model.quotas.instances {
        return Err(Refusal::new(
            "InstanceQuotaExceeded",
            "DB Instance quota exceeded",
        ));
    }
    let stored: u64 = here
        .map(|(_, instance)| u64::from(instance.settings.storage_gib))
        .sum();
    if stored + u64::from(storage_gib) > model.quotas.storage_gib {
        return Err(Refusal::new(
            "StorageQuotaExceeded",
            "The request would result in you exceeding the allowed amount of storage available across all DB instances.",
        ));
    }
    Ok(())
}

/// A new instance, in `creating`.
struct Newborn {
    key: Key,
    settings: Settings,
    birth: Birth,
    tags: super::model::Tags,
    secret: Option<MasterSecret>,
}

impl Newborn {
    /// Checks what holds for every new instance, and begins to create it.
    fn create(
        mut self,
        model: &mut Model,
        request: &Request<'_>,
        takes: jiff::SignedDuration,
    ) -> Outcome<()> {
        if model.instances.contains_key(&self.key) {
            return Err(Refusal::instance_exists());
        }
        check_zone(request)?;
        check_class(&self.settings)?;
        check_groups(model, &self.key.0, &self.settings)?;
        storage::check(&self.settings)?;
        put_into_network(model, request, &mut self.settings)?;
        check_room(model, &self.key.0, self.settings.storage_gib)?;
        instance::insert(model, self, takes);
        Ok(())
    }
}
