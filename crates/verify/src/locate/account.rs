//! What AWS says: each thing by its use, then by tags and names.

mod data;
mod network;

use aws_sdk_cloudwatch::types::MetricAlarm;
use futures::StreamExt as _;
use futures::stream;
use report::finding::{Observation, Unobserved};
use serde_json::{Map, Value};
use settings::Settings;

use super::clues::Clues;
use super::names::{self, Ours, says};
use super::{Located, Origin};
use crate::clients::EnvironmentClients;
use crate::wanted::Wanted;

/// The roles of buckets, with words by which people name them.
pub(super) const BUCKETS: [(&str, &[&str]); 4] = [
    ("s3_bucket_photos", &["photo", "image", "picture"]),
    ("s3_bucket_documents", &["document", "docs", "paper"]),
    ("s3_bucket_signatures", &["signature", "signed"]),
    ("s3_bucket_logs", names::LOGS),
];

/// Alarms that tell the environment's topics and watch nothing of it.
pub(crate) const ALARMS_ASTRAY: &str = "cloudwatch_alarm_names_astray";

/// More secrets than this are not those of one environment.
const MOST_SECRETS: usize = 20;
/// Dashboards of which the body is read, to see whose they are.
const MOST_DASHBOARDS: usize = 20;
const AT_ONCE: usize = 4;

/// All that the looks share.
#[derive(Clone, Copy)]
struct Look<'a> {
    clients: &'a EnvironmentClients,
    account: &'a str,
    settings: &'a Settings,
    wanted: &'a Wanted,
    ours: &'a Ours,
}

impl Look<'_> {
    /// Whether the environment is looked at in its DR region, where databases and buckets have the names of the copies.
    fn is_dr(&self) -> bool {
        self.wanted.region == self.settings.regions.dr
    }
}

/// Finds what settings, state and outputs do not say. What lies in what comes later.
pub(super) async fn look(
    clients: &EnvironmentClients,
    account: &str,
    settings: &Settings,
    wanted: &Wanted,
    located: &mut Located,
) {
    let ours = Ours::new(settings);
    let look = Look {
        clients,
        account,
        settings,
        wanted,
        ours: &ours,
    };
    data::database(look, located).await;
    data::cache(look, located).await;
    network::vpc(look, located).await;
    network::subnets(look, located).await;
    network::groups(look, located).await;
    network::flow_log(look, located).await;
    data::buckets(look, located).await;
    data::key(look, located).await;
    distribution(look, located).await;
    alarms(look, located).await;
    dashboard(look, located).await;
    secrets(look, located).await;
    roles(look, located).await;
}

/// What there is in the list is not the environment's.
fn none(what: &str, look: Look<'_>) -> Unobserved {
    Unobserved::absent(format!(
        "{} shows no {what} of {}",
        look.wanted.region, look.wanted.name
    ))
}

impl Located {
    /// Settles the clues; roles of which there were none are told as `why` says.
    fn settle(&mut self, clues: Clues, roles: &[&str], why: &Unobserved) {
        clues.settle(Origin::Aws, self);
        for role in roles {
            self.lack(role, why.clone());
        }
    }
}

async fn distribution(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "cloudfront_distribution_id";
    if !located.lacks(&[ROLE]) {
        return;
    }
    let pages = look.clients.cloudfront.list_distributions();
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let call = look
        .clients
        .global_call("CloudFront", "ListDistributions", "");
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => return located.lack(ROLE, unobserved),
    };
    let mut clues = Clues::default();
    for one in &all {
        let id = one.id();
        clues.add_if(all.len() == 1, ROLE, id, 1, "the only one");
        clues.add_if(
            look.ours.names(one.comment()),
            ROLE,
            id,
            2,
            "by its comment",
        );
        let origins = one
            .origins()
            .map(|origins| origins.items())
            .unwrap_or_default();
        for (role, _) in BUCKETS {
            let Ok(bucket) = located.text(role) else {
                continue;
            };
            let begins = format!("{bucket}.s3.");
            let serves = origins
                .iter()
                .any(|one| one.domain_name().starts_with(&begins));
            clues.add_if(serves, ROLE, id, 3, &format!("serves {bucket}"));
        }
    }
    located.settle(clues, &[ROLE], &none("distribution", look));
}

/// The alarms on what the environment has, and the topics that they tell.
async fn alarms(look: Look<'_>, located: &mut Located) {
    const NAMES: &str = "cloudwatch_alarm_names";
    const TOPICS: [&str; 2] = ["sns_alerts_topic_arn", "sns_global_alerts_topic_arn"];
    if !located.lacks(&[NAMES, TOPICS[0], TOPICS[1]]) {
        return;
    }
    let clients = look.clients;
    let (home, global) = tokio::join!(every_alarm(clients, false), every_alarm(clients, true),);
    let group = located.text("redis_replication_group_id").ok();
    let mut own: Vec<String> = ["db_identifier", "cloudfront_distribution_id"]
        .into_iter()
        .filter_map(|role| located.text(role).ok())
        .map(str::to_owned)
        .collect();
    if let Some(group) = group
        && let Ok(group) = crate::named::replication_group(clients, group).await
    {
        own.extend(group.member_clusters.unwrap_or_default());
    }
    let is_own = |alarm: &MetricAlarm| {
        let on = alarm.dimensions().iter().filter_map(|one| one.value());
        on.into_iter()
            .any(|value| own.iter().any(|own| own == value))
            || alarm.alarm_name().is_some_and(|name| look.ours.names(name))
    };
    let mut clues = Clues::default();
    let (mut names, mut unseen) = (Vec::new(), None);
    for (role, alarms) in TOPICS.into_iter().zip([&home, &global]) {
        match alarms {
            Err(unobserved) => {
                unseen.get_or_insert_with(|| unobserved.clone());
                located.lack(role, unobserved.clone());
            }
            Ok(alarms) => {
                for alarm in alarms.iter().filter(|alarm| is_own(alarm)) {
                    let name = alarm.alarm_name().unwrap_or_default();
                    names.push(name.to_owned());
                    for arn in alarm
                        .alarm_actions()
                        .iter()
                        .filter(|arn| arn.contains(":sns:"))
                    {
                        clues.add(role, arn, 1, format!("told by {name}"));
                    }
                }
            }
        }
    }
    located.settle(clues, &TOPICS, &none("topic that alarms tell", look));
    // One that watches something else by mistake still tells whom the others tell. So may those of another environment,
    // which is why they are kept apart.
    let topics: Vec<&str> = TOPICS
        .iter()
        .filter_map(|role| located.text(role).ok())
        .collect();
    let tells = |alarm: &&MetricAlarm| {
        let actions = alarm.alarm_actions().iter();
        !is_own(alarm)
            && actions
                .into_iter()
                .any(|arn| topics.contains(&arn.as_str()))
    };
    let astray: Vec<&str> = [&home, &global]
        .into_iter()
        .flatten()
        .flatten()
        .filter(tells)
        .filter_map(MetricAlarm::alarm_name)
        .collect();
    located.set(ALARMS_ASTRAY, astray, Origin::Aws, "by whom they tell");
    match unseen {
        Some(unobserved) => located.lack(NAMES, unobserved),
        None if names.is_empty() => located.lack(NAMES, none("alarm on anything", look)),
        None => located.set(NAMES, names, Origin::Aws, "by what they watch"),
    }
}

async fn every_alarm(clients: &EnvironmentClients, global: bool) -> Observation<Vec<MetricAlarm>> {
    let (client, call) = match global {
        true => (
            &clients.global_cloudwatch,
            clients.global_call("CloudWatch", "DescribeAlarms", ""),
        ),
        false => (
            &clients.home.cloudwatch,
            clients.call("CloudWatch", "DescribeAlarms", ""),
        ),
    };
    let mut pages = client.describe_alarms().into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Unobserved::from(call.clone().failed(error)))?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    Ok(alarms)
}

async fn dashboard(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "cloudwatch_dashboard_name";
    if !located.lacks(&[ROLE]) {
        return;
    }
    let client = &look.clients.home.cloudwatch;
    let pages = client.list_dashboards().into_paginator().items().send();
    let found: Result<Vec<_>, _> = pages.collect().await;
    let call = look.clients.call("CloudWatch", "ListDashboards", "");
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => return located.lack(ROLE, unobserved),
    };
    let names: Vec<&str> = all.iter().filter_map(|one| one.dashboard_name()).collect();
    let mut clues = Clues::default();
    for name in &names {
        clues.add_if(names.len() == 1, ROLE, name, 1, "the only one");
        clues.add_if(look.ours.names(name), ROLE, name, 3, "by its name");
    }
    if names.len() > 1 {
        for name in names.iter().take(MOST_DASHBOARDS) {
            let answer = client.get_dashboard().dashboard_name(*name).send().await;
            let body = answer.ok().and_then(|answer| answer.dashboard_body);
            let shows = |role: &str| {
                let id = located.text(role).ok();
                id.is_some_and(|id| body.as_deref().is_some_and(|body| body.contains(id)))
            };
            for role in ["db_identifier", "cloudfront_distribution_id"] {
                clues.add_if(shows(role), ROLE, name, 2, &format!("shows {role}"));
            }
        }
    }
    located.settle(clues, &[ROLE], &none("dashboard", look));
}

/// What speaks for a secret being one of the environment's, from what it is called.
pub(super) fn secret_clues(clues: &mut Clues, arn: &str, called: &str) {
    const CREDENTIALS: &str = "db_credentials_secret_arn";
    const CONNECTION: &str = "db_connection_secret_arn";
    let cache = says(called, names::CACHE);
    clues.add_if(cache, "redis_credentials_secret_arn", arn, 2, "by its name");
    let database = says(called, names::DATABASE) && !cache;
    clues.add_if(database, CREDENTIALS, arn, 1, "by its name");
    clues.add_if(database, CONNECTION, arn, 1, "by its name");
    let application = says(called, &["application", "app", "credentials", "user"]) && !cache;
    clues.add_if(application, CREDENTIALS, arn, 2, "by its name");
    let connection = says(called, &["connection", "conn"]);
    clues.add_if(connection, CONNECTION, arn, 2, "by its name");
}

/// Names of fields alone are kept of a value.
async fn secrets(look: Look<'_>, located: &mut Located) {
    const ROLES: [&str; 3] = [
        "db_credentials_secret_arn",
        "db_connection_secret_arn",
        "redis_credentials_secret_arn",
    ];
    if !located.lacks(&ROLES) {
        return;
    }
    let client = &look.clients.secrets;
    // One that waits for its deletion is the environment's still.
    let pages = client.list_secrets().include_planned_deletion(true);
    let mut pages = pages.into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => all.extend(page.secret_list.unwrap_or_default()),
            Err(error) => {
                let call = look.clients.call("Secrets Manager", "ListSecrets", "");
                let unobserved = Unobserved::from(call.failed(error));
                return located.settle(Clues::default(), &ROLES, &unobserved);
            }
        }
    }
    let master = located.text("db_master_secret_arn").ok().map(str::to_owned);
    let ours: Vec<(String, String)> = all
        .into_iter()
        .filter(|one| one.owning_service().is_none() && one.arn() != master.as_deref())
        .filter(|one| {
            let tags = one.tags().iter();
            let tags = tags.filter_map(|tag| Some((tag.key()?, tag.value()?)));
            look.ours.tags(tags) || one.name().is_some_and(|name| look.ours.names(name))
        })
        .filter_map(|one| Some((one.arn?, one.name?)))
        .take(MOST_SECRETS)
        .collect();
    let arns: Vec<String> = ours.iter().map(|(arn, _)| arn.clone()).collect();
    let fields = stream::iter(arns).map(async |arn| {
        let answer = client.get_secret_value().secret_id(arn).send().await;
        let value = answer.ok().and_then(|answer| answer.secret_string);
        let fields: Option<Map<String, Value>> =
            value.and_then(|value| serde_json::from_str(&value).ok());
        let names = fields.unwrap_or_default().into_iter().map(|(name, _)| name);
        names.collect::<Vec<_>>()
    });
    let fields: Vec<Vec<String>> = fields.buffered(AT_ONCE).collect().await;
    let mut clues = Clues::default();
    for ((arn, name), fields) in ours.iter().zip(fields) {
        secret_clues(&mut clues, arn, name);
        let has = |field: &str| fields.iter().any(|one| one == field);
        let why = "by its fields";
        clues.add_if(has("auth_token"), ROLES[2], arn, 4, why);
        clues.add_if(has("password_secret_arn"), ROLES[1], arn, 4, why);
        clues.add_if(has("username") && has("password"), ROLES[0], arn, 4, why);
    }
    located.settle(clues, &ROLES, &none("secret", look));
}

/// What speaks for a role of IAM having a part in the environment: who takes it on, and what it is called.
pub(super) fn role_clues(clues: &mut Clues, arn: &str, called: &str, trust: &str, ours: &Ours) {
    let ours = u32::from(ours.names(called));
    let parts: [(&'static str, &str, &[&str]); 3] = [
        (
            "flow_log_role_arn",
            "vpc-flow-logs.amazonaws.com",
            &["flow"],
        ),
        (
            "db_monitoring_role_arn",
            "monitoring.rds.amazonaws.com",
            &["monitoring"],
        ),
        (
            "ecs_task_execution_role_arn",
            "ecs-tasks.amazonaws.com",
            &["exec"],
        ),
    ];
    for (role, service, words) in parts {
        let (taken, named) = (trust.contains(service), says(called, words));
        if taken || named && ours > 0 {
            clues.add_if(taken, role, arn, 2 + ours, "by who takes it on");
            clues.add_if(named, role, arn, 3, "by its name");
        }
    }
    const TASK: &str = "ecs_task_role_arn";
    let taken = trust.contains("ecs-tasks.amazonaws.com");
    let named = says(called, names::TASKS) && !says(called, &["exec"]);
    if taken || named && ours > 0 {
        clues.add_if(taken, TASK, arn, 2 + ours, "by who takes it on");
        clues.add_if(named, TASK, arn, 3, "by its name");
    }
}

async fn roles(look: Look<'_>, located: &mut Located) {
    const ROLES: [&str; 4] = [
        "ecs_task_execution_role_arn",
        "ecs_task_role_arn",
        "flow_log_role_arn",
        "db_monitoring_role_arn",
    ];
    if !located.lacks(&ROLES) {
        return;
    }
    let pages = look.clients.iam.list_roles().into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = look.clients.iam_call("ListRoles", "");
    let all = match found.map_err(|error| Unobserved::from(call.failed(error))) {
        Ok(all) => all,
        Err(unobserved) => {
            return located.settle(Clues::default(), &ROLES, &unobserved);
        }
    };
    let mut clues = Clues::default();
    for one in all
        .iter()
        .filter(|one| !one.path().starts_with("/aws-service-role/"))
    {
        let trust = one.assume_role_policy_document().unwrap_or_default();
        role_clues(&mut clues, one.arn(), one.role_name(), trust, look.ours);
    }
    located.settle(clues, &ROLES, &none("role", look));
}
