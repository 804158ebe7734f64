//! What terraform's state says: every resource by its type and by what refers to it, whatever it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use settings::Settings;

use super::clues::Clues;
use super::names::{self, Ours, says};
use super::{Located, Origin};

/// A state of which only what tells resources apart is kept.
pub type StackState = terraform::State<StateAttributes>;

/// Keeps the attributes that name resources and what they refer to, and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateAttributes;

impl terraform::Keep for StateAttributes {
    type Values = Attributes;
    type Marks = IgnoredAny;
    type Output = Value;
}

/// Some attributes of a resource.
#[derive(Debug, Clone, Default)]
pub struct Attributes(BTreeMap<String, Value>);

/// Of every type of resource.
const KEPT: [&str; 43] = [
    "address",
    "alarm_actions",
    "alarm_name",
    "arn",
    "assume_role_policy",
    "bucket",
    "cidr_block",
    "dashboard_name",
    "endpoint",
    "execution_role_arn",
    "gateway_id",
    "iam_role_arn",
    "id",
    "identifier",
    "key_arn",
    "kms_key_id",
    "log_destination",
    "map_public_ip_on_launch",
    "master_user_secret",
    "member_clusters",
    "monitoring_role_arn",
    "name",
    "namespace",
    "nat_gateway_id",
    "network_configuration",
    "origin",
    "port",
    "primary_endpoint_address",
    "replication_group_id",
    "route",
    "route_table_id",
    "rule",
    "security_group_ids",
    "security_groups",
    "subnet_id",
    "subnet_ids",
    "tags_all",
    "target_bucket",
    "target_key_arn",
    "task_role_arn",
    "username",
    "vpc_id",
    "vpc_security_group_ids",
];

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kept;
        impl<'de> Visitor<'de> for Kept {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut kept = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if KEPT.contains(&name.as_str()) {
                        kept.insert(name, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Attributes(kept))
            }
        }
        deserializer.deserialize_map(Kept)
    }
}

/// A resource of the state.
#[derive(Clone, Copy)]
struct Resource<'a> {
    address: &'a str,
    values: &'a BTreeMap<String, Value>,
}

impl<'a> Resource<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.values
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let values = self.values.get(name).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The blocks of a name.
    fn blocks(&self, name: &str) -> impl Iterator<Item = &'a Map<String, Value>> + use<'a> {
        let values = self.values.get(name).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_object)
    }

    /// Its address with its own names: what people call it.
    fn called(&self) -> String {
        let names = ["name", "identifier", "bucket"].map(|name| self.text(name));
        let tags = self
            .values
            .get("tags_all")
            .and_then(|tags| tags.get("Name"));
        let names = names
            .into_iter()
            .flatten()
            .chain(tags.and_then(Value::as_str));
        let names = names.collect::<Vec<_>>().join(" ");
        let own = self
            .address
            .rsplit_once("aws_")
            .map_or(self.address, |(_, own)| own);
        // The type says the same of all of a type.
        let own = own.split_once('.').map_or(own, |(_, own)| own);
        format!("{own} {names}")
    }
}

struct Resources<'a>(BTreeMap<&'a str, Vec<Resource<'a>>>);

impl<'a> Resources<'a> {
    fn of(&self, kind: &str) -> &[Resource<'a>] {
        self.0.get(kind).map_or(&[], Vec::as_slice)
    }

    fn all<'b>(&'b self, kinds: &'b [&'b str]) -> impl Iterator<Item = Resource<'a>> + 'b {
        kinds.iter().flat_map(|kind| self.of(kind)).copied()
    }
}

pub(super) fn look(state: &StackState, settings: &Settings, located: &mut Located) {
    let mut all: BTreeMap<&str, Vec<Resource<'_>>> = BTreeMap::new();
    for resource in state.managed() {
        if let Some(Attributes(values)) = &resource.values {
            let address = resource.address.as_str();
            let it = Resource { address, values };
            all.entry(&resource.kind).or_default().push(it);
        }
    }
    let all = Resources(all);
    let ours = Ours::new(settings);
    data(&all, &ours, located);
    network(&all, &ours, located);
    groups(&all, located);
    key(&all, &ours, located);
    buckets(&all, located);
    monitoring(&all, &ours, located);
    roles(&all, &ours, located);
    secrets(&all, located);
}

/// Names the resource for its address alone, or for its name as well.
fn whole(clues: &mut Clues, role: &'static str, of: &Resource<'_>, id: &str, ours: &Ours) {
    clues.add(role, id, 1, of.address);
    clues.add_if(ours.names(&of.called()), role, id, 1, "by its name");
}

fn data(all: &Resources<'_>, ours: &Ours, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_db_instance") {
        if let Some(id) = one.text("identifier") {
            whole(&mut clues, "db_identifier", one, id, ours);
        }
    }
    for one in all.of("aws_elasticache_replication_group") {
        if let Some(id) = one.text("replication_group_id").or(one.text("id")) {
            whole(&mut clues, "redis_replication_group_id", one, id, ours);
        }
    }
    for one in all.of("aws_cloudfront_distribution") {
        if let Some(id) = one.text("id") {
            whole(&mut clues, "cloudfront_distribution_id", one, id, ours);
        }
    }
    for one in all.of("aws_cloudwatch_dashboard") {
        if let Some(id) = one.text("dashboard_name") {
            whole(&mut clues, "cloudwatch_dashboard_name", one, id, ours);
        }
    }
    clues.settle(Origin::State, located);
    let id = located.text("db_identifier").map(str::to_owned);
    let of = all.of("aws_db_instance");
    if let Some(one) = of
        .iter()
        .find(|one| one.text("identifier") == id.as_deref().ok())
    {
        let mut take = |role: &str, value: Option<Value>| {
            if let Some(value) = value {
                located.set(role, value, Origin::State, one.address);
            }
        };
        let value = |name: &str| {
            one.values
                .get(name)
                .filter(|value| !value.is_null())
                .cloned()
        };
        take("db_address", value("address"));
        take("db_port", value("port"));
        take("db_master_username", value("username"));
        take("db_monitoring_role_arn", value("monitoring_role_arn"));
        let secret = one.blocks("master_user_secret").next();
        take(
            "db_master_secret_arn",
            secret.and_then(|secret| secret.get("secret_arn").cloned()),
        );
    }
    let id = located
        .text("redis_replication_group_id")
        .map(str::to_owned);
    let of = all.of("aws_elasticache_replication_group");
    let is = |one: &&Resource<'_>| {
        let named = one.text("replication_group_id").or(one.text("id"));
        named.is_some() && named == id.as_deref().ok()
    };
    if let Some(one) = of.iter().find(is) {
        for (role, name) in [
            ("redis_endpoint", "primary_endpoint_address"),
            ("redis_port", "port"),
        ] {
            if let Some(value) = one.values.get(name).filter(|value| !value.is_null()) {
                located.set(role, value.clone(), Origin::State, one.address);
            }
        }
    }
}

fn network(all: &Resources<'_>, ours: &Ours, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_vpc") {
        if let Some(id) = one.text("id") {
            whole(&mut clues, "vpc_id", one, id, ours);
            for subnet in all.of("aws_subnet") {
                let within = subnet.text("vpc_id") == Some(id);
                clues.add_if(within, "vpc_id", id, 1, subnet.address);
            }
        }
    }
    for one in all.of("aws_flow_log") {
        if let Some(id) = one.text("id") {
            clues.add_if(
                one.text("vpc_id").is_some(),
                "flow_log_id",
                id,
                2,
                one.address,
            );
        }
    }
    clues.settle(Origin::State, located);
    let id = located.text("flow_log_id").map(str::to_owned);
    let flow = all.of("aws_flow_log").iter();
    if let Some(one) = flow
        .into_iter()
        .find(|one| one.text("id") == id.as_deref().ok())
    {
        let to = one.text("log_destination");
        let groups = all.of("aws_cloudwatch_log_group");
        let group = groups.iter().find(|group| {
            let arn = group.text("arn").map(|arn| arn.trim_end_matches(":*"));
            arn.is_some() && arn == to.map(|to| to.trim_end_matches(":*"))
        });
        let name = group.and_then(|group| group.text("name")).or_else(|| {
            let (_, name) = to?.split_once(":log-group:")?;
            Some(name.trim_end_matches(":*"))
        });
        if let Some(name) = name {
            located.set("flow_log_group_name", name, Origin::State, one.address);
        }
        if let Some(role) = one.text("iam_role_arn") {
            located.set("flow_log_role_arn", role, Origin::State, one.address);
        }
    }
    subnets(all, located);
    let gateways: Vec<&str> = all
        .of("aws_nat_gateway")
        .iter()
        .filter_map(|one| one.text("id"))
        .collect();
    if !gateways.is_empty() {
        located.set(
            "nat_gateway_ids",
            gateways,
            Origin::State,
            "aws_nat_gateway",
        );
    }
}

/// Public subnets have a way to an internet gateway in the state; what AWS has made of it is for the checks.
fn subnets(all: &Resources<'_>, located: &mut Located) {
    let Ok(vpc) = located.text("vpc_id") else {
        return;
    };
    let is_gateway = |id: Option<&str>| {
        let gateways = all.of("aws_internet_gateway").iter();
        id.is_some_and(|id| {
            id.starts_with("igw-") || gateways.clone().any(|one| one.text("id") == Some(id))
        })
    };
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for route in all.of("aws_route") {
        if is_gateway(route.text("gateway_id")) {
            open.extend(route.text("route_table_id"));
        }
    }
    for table in all.of("aws_route_table") {
        let mut routes = table.blocks("route");
        if routes.any(|route| is_gateway(route.get("gateway_id").and_then(Value::as_str))) {
            open.extend(table.text("id"));
        }
    }
    let associations = all.of("aws_route_table_association");
    let (mut public, mut private) = (Vec::new(), Vec::new());
    for one in all
        .of("aws_subnet")
        .iter()
        .filter(|one| one.text("vpc_id") == Some(vpc))
    {
        let Some(id) = one.text("id") else { continue };
        let table = associations
            .iter()
            .find(|of| of.text("subnet_id") == Some(id));
        let table = table.and_then(|of| of.text("route_table_id"));
        let called = one.called();
        let is_public = match table {
            Some(table) => open.contains(table),
            None => says(&called, names::PUBLIC),
        };
        if is_public { &mut public } else { &mut private }.push(id.to_owned());
    }
    for (role, ids) in [
        ("public_subnet_ids", public),
        ("private_subnet_ids", private),
    ] {
        if !ids.is_empty() {
            located.set(role, ids, Origin::State, "aws_subnet, by its route table");
        }
    }
}

/// Security groups, by who has them and by their names.
fn groups(all: &Resources<'_>, located: &mut Located) {
    let mut clues = Clues::default();
    for group in all.of("aws_security_group") {
        let Some(id) = group.text("id") else { continue };
        let called = group.called();
        for (role, words) in [
            ("rds_security_group_id", names::DATABASE),
            ("redis_security_group_id", names::CACHE),
            ("alb_security_group_id", names::BALANCER),
            ("ecs_tasks_security_group_id", names::TASKS),
        ] {
            clues.add_if(says(&called, words), role, id, 2, group.address);
        }
    }
    let attached = [
        (
            "rds_security_group_id",
            &["aws_db_instance"][..],
            "vpc_security_group_ids",
        ),
        (
            "redis_security_group_id",
            &["aws_elasticache_replication_group"],
            "security_group_ids",
        ),
        (
            "alb_security_group_id",
            &["aws_lb", "aws_alb"],
            "security_groups",
        ),
    ];
    for (role, kinds, name) in attached {
        for one in all.all(kinds) {
            for id in one.texts(name) {
                clues.add(role, id, 4, one.address);
            }
        }
    }
    for one in all.of("aws_ecs_service") {
        for block in one.blocks("network_configuration") {
            let ids = block.get("security_groups").and_then(Value::as_array);
            for id in ids.into_iter().flatten().filter_map(Value::as_str) {
                clues.add("ecs_tasks_security_group_id", id, 4, one.address);
            }
        }
    }
    clues.settle(Origin::State, located);
}

fn key(all: &Resources<'_>, ours: &Ours, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_kms_key") {
        let (Some(arn), id) = (one.text("arn"), one.text("id")) else {
            continue;
        };
        whole(&mut clues, "kms_key_arn", one, arn, ours);
        let is = |key: Option<&str>| key.is_some() && (key == Some(arn) || key == id);
        for user in all.all(&[
            "aws_db_instance",
            "aws_elasticache_replication_group",
            "aws_secretsmanager_secret",
            "aws_cloudwatch_log_group",
        ]) {
            clues.add_if(
                is(user.text("kms_key_id")),
                "kms_key_arn",
                arn,
                1,
                user.address,
            );
        }
    }
    clues.settle(Origin::State, located);
}

fn buckets(all: &Resources<'_>, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_s3_bucket") {
        let Some(name) = one.text("bucket").or(one.text("id")) else {
            continue;
        };
        let called = one.called();
        for (role, words) in super::account::BUCKETS {
            clues.add_if(says(&called, words), role, name, 2, one.address);
        }
    }
    for one in all.of("aws_s3_bucket_logging") {
        if let Some(target) = one.text("target_bucket") {
            clues.add("s3_bucket_logs", target, 3, one.address);
        }
    }
    clues.settle(Origin::State, located);
    let rules = all.of("aws_s3_bucket_replication_configuration");
    let mut ids = Map::new();
    for kind in ["photos", "documents", "signatures"] {
        let Ok(bucket) = located.text(&format!("s3_bucket_{kind}")) else {
            return;
        };
        let of = rules.iter().find(|one| one.text("bucket") == Some(bucket));
        let id = of.and_then(|one| one.blocks("rule").next()?.get("id").cloned());
        if let Some(id) = id {
            ids.insert(kind.to_owned(), id);
        }
    }
    located.set(
        "s3_replication_rule_ids",
        ids,
        Origin::State,
        "aws_s3_bucket_replication_configuration",
    );
}

fn monitoring(all: &Resources<'_>, ours: &Ours, located: &mut Located) {
    let mut clues = Clues::default();
    let mut alarms = Vec::new();
    for one in all.of("aws_cloudwatch_metric_alarm") {
        alarms.extend(one.text("alarm_name"));
        let role = match one.text("namespace") {
            Some("AWS/CloudFront") => "sns_global_alerts_topic_arn",
            _ => "sns_alerts_topic_arn",
        };
        for arn in one.texts("alarm_actions") {
            clues.add(role, arn, 2, one.address);
        }
    }
    for one in all.of("aws_sns_topic") {
        if let Some(arn) = one.text("arn") {
            let global = arn.contains(":us-east-1:") || says(&one.called(), &["global"]);
            let role = match global {
                true => "sns_global_alerts_topic_arn",
                false => "sns_alerts_topic_arn",
            };
            whole(&mut clues, role, one, arn, ours);
        }
    }
    clues.settle(Origin::State, located);
    if !alarms.is_empty() {
        let how = "aws_cloudwatch_metric_alarm";
        located.set("cloudwatch_alarm_names", alarms, Origin::State, how);
    }
}

fn roles(all: &Resources<'_>, ours: &Ours, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_iam_role") {
        let (Some(arn), Some(trust)) = (one.text("arn"), one.text("assume_role_policy")) else {
            continue;
        };
        super::account::role_clues(&mut clues, arn, &one.called(), trust, ours);
    }
    for one in all.of("aws_ecs_task_definition") {
        for (role, name) in [
            ("ecs_task_execution_role_arn", "execution_role_arn"),
            ("ecs_task_role_arn", "task_role_arn"),
        ] {
            if let Some(arn) = one.text(name) {
                clues.add(role, arn, 6, one.address);
            }
        }
    }
    clues.settle(Origin::State, located);
}

fn secrets(all: &Resources<'_>, located: &mut Located) {
    let mut clues = Clues::default();
    for one in all.of("aws_secretsmanager_secret") {
        let Some(arn) = one.text("arn").or(one.text("id")) else {
            continue;
        };
        super::account::secret_clues(&mut clues, arn, &one.called());
    }
    clues.settle(Origin::State, located);
}
