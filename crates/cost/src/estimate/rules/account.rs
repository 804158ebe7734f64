//! What watches over an account: trails, its configuration, backups, events, and the firewall of its applications.

use rust_decimal::Decimal;
use serde_json::Value;
use settings::Region;

use super::DemandBuilder;
use crate::inventory::Attributes;
use crate::prices::{Scope, Service};
use crate::quantity::Unit;
use crate::usage::UsageSource;

/// What a trail records is billed by the event, but for the first copy of management events in a region; insights by the
/// event that is looked at. <https://aws.amazon.com/cloudtrail/pricing/>
pub(super) fn trail(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    for (item, name) in [
        ("management events", MANAGEMENT_EVENTS),
        ("data events", DATA_EVENTS),
        ("insight events", INSIGHT_EVENTS),
    ] {
        let (_, source) = demand.usage_of(name);
        // A file knows better than the selectors.
        if trail_records(attributes, name) || source == UsageSource::File {
            demand.used(Service::CloudTrail, item, Unit::Event, name);
        }
    }
    if Selected::of(attributes).other {
        demand.problem("what it records of networks has no price here");
    }
}

const MANAGEMENT_EVENTS: &str = "monthly_additional_management_events";
const DATA_EVENTS: &str = "monthly_data_events";
const INSIGHT_EVENTS: &str = "monthly_insight_events";

/// Whether a trail records what a key of the usage file counts: only then the key's default is taken.
pub(crate) fn trail_records(attributes: &Attributes, key: &str) -> bool {
    let selected = Selected::of(attributes);
    match key {
        MANAGEMENT_EVENTS => selected.management,
        DATA_EVENTS => selected.data,
        INSIGHT_EVENTS => !attributes.list("insight_selector").is_empty(),
        _ => false,
    }
}

/// Which events a trail records.
struct Selected {
    management: bool,
    data: bool,
    other: bool,
}

impl Selected {
    /// Management events alone where nothing is selected.
    fn of(attributes: &Attributes) -> Self {
        let selectors = attributes.list("event_selector");
        let advanced = attributes.list("advanced_event_selector");
        let categories = || {
            let fields = advanced.iter().flat_map(|of| blocks(&of["field_selector"]));
            let categories = fields.filter(|field| field["field"] == "eventCategory");
            categories.flat_map(|field| blocks(&field["equals"]))
        };
        Self {
            management: (selectors.is_empty() && advanced.is_empty())
                || selectors
                    .iter()
                    .any(|of| of["include_management_events"] != false)
                || categories().any(|category| category == "Management"),
            data: selectors
                .iter()
                .any(|of| !blocks(&of["data_resource"]).is_empty())
                || categories().any(|category| category == "Data"),
            other: categories().any(|category| category != "Management" && category != "Data"),
        }
    }
}

fn blocks(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// By the item that is recorded. <https://aws.amazon.com/config/pricing/>
pub(super) fn recorder(demand: &mut DemandBuilder<'_>) {
    for (item, name) in [
        ("configuration items", "monthly_config_items"),
        ("custom configuration items", "monthly_custom_config_items"),
    ] {
        demand.used(Service::Config, item, Unit::Item, name);
    }
}

/// By the evaluation; what a rule of one's own runs is a function's.
pub(super) fn config_rule(demand: &mut DemandBuilder<'_>) {
    let name = "monthly_rule_evaluations";
    demand.used(Service::Config, "rule evaluations", Unit::Evaluation, name);
}

/// By what is kept and brought back; a plan of backups does not tell how much that is.
/// <https://aws.amazon.com/backup/pricing/>
pub(super) fn vault(demand: &mut DemandBuilder<'_>) {
    for (item, unit, name) in [
        ("efs warm", Unit::GbMonth, "monthly_efs_warm_backup_gb"),
        ("efs cold", Unit::GbMonth, "monthly_efs_cold_backup_gb"),
        ("efs warm restore", Unit::Gb, "monthly_efs_warm_restore_gb"),
        ("efs cold restore", Unit::Gb, "monthly_efs_cold_restore_gb"),
        (
            "efs item restore",
            Unit::Request,
            "monthly_efs_item_restore_requests",
        ),
        ("ebs snapshot", Unit::GbMonth, "monthly_ebs_snapshot_gb"),
        ("rds snapshot", Unit::GbMonth, "monthly_rds_snapshot_gb"),
        (
            "aurora snapshot",
            Unit::GbMonth,
            "monthly_aurora_snapshot_gb",
        ),
        (
            "dynamodb backup",
            Unit::GbMonth,
            "monthly_dynamodb_backup_gb",
        ),
        ("dynamodb restore", Unit::Gb, "monthly_dynamodb_restore_gb"),
        (
            "fsx windows",
            Unit::GbMonth,
            "monthly_fsx_windows_backup_gb",
        ),
        ("fsx lustre", Unit::GbMonth, "monthly_fsx_lustre_backup_gb"),
    ] {
        demand.used(Service::Backup, item, unit, name);
    }
}

/// By the event of 64 KB. Events of AWS's own services cost nothing. <https://aws.amazon.com/eventbridge/pricing/>
pub(super) fn event_bus(demand: &mut DemandBuilder<'_>) {
    for (item, unit, name) in [
        ("custom events", Unit::Event, "monthly_custom_events"),
        (
            "third-party events",
            Unit::Event,
            "monthly_third_party_events",
        ),
        (
            "archive processing",
            Unit::Gb,
            "monthly_archive_processing_gb",
        ),
        ("archive storage", Unit::GbMonth, "archive_storage_gb"),
        (
            "schema discovery",
            Unit::Event,
            "monthly_schema_discovery_events",
        ),
    ] {
        demand.used(Service::Events, item, unit, name);
    }
}

/// Managed groups of rules that are billed by the request beside the price of a rule.
const DEARER_GROUPS: &[&str] = &[
    "AWSManagedRulesACFPRuleSet",
    "AWSManagedRulesATPRuleSet",
    "AWSManagedRulesAntiDDoSRuleSet",
    "AWSManagedRulesBotControlRuleSet",
];

/// By the list, its rules, of which a group that it names is one, and requests. That of a distribution is billed in us-east-1.
/// <https://aws.amazon.com/waf/pricing/>
pub(super) fn web_acl(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let scope = match attributes.text("scope") {
        Some("CLOUDFRONT") => "us-east-1".parse::<Region>().ok().map(Scope::Region),
        _ => demand.scope(),
    };
    let Some(scope) = scope else {
        return;
    };
    if attributes.text("rule_json").is_some() {
        demand.problem("its rules are JSON, which is not read here");
    }
    let rules = attributes.list("rule");
    for rule in rules {
        let text = rule.to_string();
        let dearer = DEARER_GROUPS.iter().find(|name| text.contains(**name));
        if let Some(name) = dearer {
            demand.problem(format!("requests to {name} have no price here"));
        }
        for (action, what) in [("captcha", "CAPTCHA attempts"), ("challenge", "challenges")] {
            let is_set = ["action", "rule_action_override"].iter().any(|of| {
                blocks(&rule[*of])
                    .iter()
                    .any(|of| !blocks(&of[action]).is_empty())
            });
            if is_set {
                demand.problem(format!("{what} have no price here"));
            }
        }
        let statement = &rule["statement"][0];
        let managed = &statement["managed_rule_group_statement"][0];
        if managed["vendor_name"]
            .as_str()
            .is_some_and(|of| of != "AWS")
        {
            demand.problem("rules that AWS Marketplace sells have no price here");
        }
    }
    let (of_groups, source) = demand.usage_of("rule_group_rules");
    let count = Decimal::from(rules.len());
    for (item, unit, amount) in [
        ("web acl", Unit::AclMonth, Decimal::ONE),
        ("rule", Unit::RuleMonth, count),
    ] {
        demand.fixed_in(scope, Service::Waf, item, unit, amount);
    }
    demand.used_in(
        scope,
        Service::Waf,
        "rule",
        Unit::RuleMonth,
        (of_groups, source),
    );
    let requests = demand.usage_of("monthly_requests");
    demand.used_in(scope, Service::Waf, "requests", Unit::Request, requests);
}

/// A private authority by the month and by the certificate. <https://aws.amazon.com/private-ca/pricing/>
pub(super) fn authority(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let mode = match attributes.text("usage_mode") {
        None | Some("GENERAL_PURPOSE") => "",
        Some("SHORT_LIVED_CERTIFICATE") => " short-lived",
        Some(_) => return demand.problem("an authority of its mode has no price here"),
    };
    let (item, unit) = (format!("authority{mode}"), Unit::AuthorityMonth);
    demand.fixed(Service::PrivateCa, item, unit, Decimal::ONE);
    let (item, unit) = (format!("certificates{mode}"), Unit::Certificate);
    demand.used(Service::PrivateCa, item, unit, "monthly_requests");
}
