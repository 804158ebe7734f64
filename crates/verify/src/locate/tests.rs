use serde_json::json;

use super::*;

const SETTINGS: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

fn settings(more: &str) -> Settings {
    let text = SETTINGS.replace("\n[resources]\n", &format!("\n[resources]\n{more}\n"));
    Settings::parse(&text, jiff::civil::date(2026, 11, 1)).unwrap()
}

/// A stack in which nothing is called as in this repository.
fn state() -> StackState {
    let resource = |kind: &str, name: &str, values: Value| json!({"mode": "managed", "type": kind, "name": name, "instances": [{"attributes": values}]});
    let subnet = |id: &str| {
        resource(
            "aws_subnet",
            id,
            json!({"id": id, "vpc_id": "vpc-1", "map_public_ip_on_launch": true}),
        )
    };
    let group = |id: &str, name: &str| {
        resource(
            "aws_security_group",
            name,
            json!({"id": id, "name": name, "vpc_id": "vpc-1"}),
        )
    };
    let association = |subnet: &str, table: &str| {
        let values = json!({"subnet_id": subnet, "route_table_id": table});
        resource("aws_route_table_association", subnet, values)
    };
    let resources = [
        resource(
            "aws_vpc",
            "net",
            json!({"id": "vpc-1", "cidr_block": "10.9.0.0/16"}),
        ),
        subnet("subnet-a"),
        subnet("subnet-b"),
        association("subnet-a", "rtb-open"),
        association("subnet-b", "rtb-shut"),
        resource(
            "aws_route_table",
            "open",
            json!({"id": "rtb-open", "route": [{"gateway_id": "igw-1"}]}),
        ),
        group("sg-1", "front"),
        group("sg-2", "storage"),
        group("sg-3", "sessions"),
        group("sg-4", "workload"),
        resource("aws_lb", "front", json!({"security_groups": ["sg-1"]})),
        resource(
            "aws_db_instance",
            "main",
            json!({"identifier": "clinicdb", "address": "a.example", "port": 5433, "username": "root_user",
                "password": "hunter2", "vpc_security_group_ids": ["sg-2"], "kms_key_id": "arn:key/1",
                "monitoring_role_arn": "arn:role/mon", "master_user_secret": [{"secret_arn": "arn:secret:rds"}]}),
        ),
        resource(
            "aws_elasticache_replication_group",
            "sessions",
            json!({"replication_group_id": "sess", "auth_token": "hunter2", "security_group_ids": ["sg-3"],
                "primary_endpoint_address": "r.example", "port": 6380}),
        ),
        resource("aws_kms_key", "other", json!({"arn": "arn:key/2"})),
        resource("aws_kms_key", "main", json!({"arn": "arn:key/1"})),
        resource(
            "aws_flow_log",
            "all",
            json!({"id": "fl-1", "vpc_id": "vpc-1", "iam_role_arn": "arn:role/flow",
                "log_destination": "arn:aws:logs:ca-central-1:1:log-group:/network/flows:*"}),
        ),
        resource(
            "aws_cloudwatch_metric_alarm",
            "cpu",
            json!({"alarm_name": "Processor!", "alarm_actions": ["arn:sns:alerts"], "namespace": "AWS/RDS"}),
        ),
    ];
    let state = json!({"version": 4, "serial": 1, "lineage": "l", "resources": resources,
        "outputs": {"network": {"value": "vpc-1"}}});
    StackState::parse(state.to_string().as_bytes()).unwrap()
}

#[test]
fn without_aws_a_state_names_its_resources_by_type_and_use() {
    let settings = settings("");
    let state = state();
    let sources = Sources {
        settings: &settings,
        state: Some(&state),
        outputs: None,
    };
    let located = Located::without_aws(sources, &Wanted::new(&settings));
    for (role, value) in [
        ("vpc_id", json!("vpc-1")),
        ("public_subnet_ids", json!(["subnet-a"])),
        ("private_subnet_ids", json!(["subnet-b"])),
        ("alb_security_group_id", json!("sg-1")),
        ("rds_security_group_id", json!("sg-2")),
        ("redis_security_group_id", json!("sg-3")),
        ("ecs_tasks_security_group_id", json!("sg-4")),
        ("db_identifier", json!("clinicdb")),
        ("db_port", json!(5433)),
        ("db_master_secret_arn", json!("arn:secret:rds")),
        ("redis_replication_group_id", json!("sess")),
        ("redis_endpoint", json!("r.example")),
        ("kms_key_arn", json!("arn:key/1")),
        ("flow_log_group_name", json!("/network/flows")),
        ("flow_log_role_arn", json!("arn:role/flow")),
        ("sns_alerts_topic_arn", json!("arn:sns:alerts")),
        ("cloudwatch_alarm_names", json!(["Processor!"])),
    ] {
        assert_eq!(located.value(role).unwrap(), &value, "{role}");
    }
    let found = located.iter().find(|(role, _)| *role == "db_identifier");
    let (_, found) = found.unwrap();
    assert_eq!(
        (found.origin, found.how.as_str()),
        (Origin::State, "aws_db_instance.main")
    );
    // What it does not have is not made up.
    assert!(located.text("cloudfront_distribution_id").is_err());
    let all = format!("{state:?} {located:?}");
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn without_aws_the_settings_come_first_and_may_name_an_output() {
    let named = "vpc_id = \"vpc-9\"\nkms_key_arn = { output = \"main_key\" }\n\
        redis_replication_group_id = { output = \"none\" }";
    let settings = settings(named);
    let outputs = Outputs::parse(
        br#"{"main_key": {"value": "arn:key/7"}, "vpc_id": {"value": "vpc-1"},
            "redis_replication_group_id": {"value": "other"}, "flow_log_id": {"value": "fl-9"}}"#,
    )
    .unwrap();
    let state = state();
    let sources = Sources {
        settings: &settings,
        state: Some(&state),
        outputs: Some(&outputs),
    };
    let located = Located::without_aws(sources, &Wanted::new(&settings));
    assert_eq!(located.text("vpc_id").unwrap(), "vpc-9");
    assert_eq!(located.text("kms_key_arn").unwrap(), "arn:key/7");
    assert_eq!(located.text("flow_log_id").unwrap(), "fl-1");
    // What was asked for by name is not taken from elsewhere.
    let lacks = located.text("redis_replication_group_id").unwrap_err();
    assert!(lacks.reason.contains("no output none"), "{lacks:?}");
    // Of the DR region's resources the settings name outputs alone.
    let of_dr = Located::without_aws(sources, &Wanted::of_dr(&settings));
    assert_eq!(of_dr.text("vpc_id").unwrap(), "vpc-1");
    assert_eq!(of_dr.text("kms_key_arn").unwrap(), "arn:key/7");
}

#[test]
fn settle_gives_no_role_where_two_are_as_likely() {
    let mut clues = clues::Clues::default();
    clues.add("vpc_id", "vpc-1", 2, "by its network");
    clues.add("vpc_id", "vpc-2", 2, "by its network");
    clues.add("kms_key_arn", "key-1", 1, "an alias");
    clues.add("kms_key_arn", "key-2", 1, "an alias");
    clues.add("kms_key_arn", "key-2", 2, "encrypts Redis");
    let mut located = Located::default();
    clues.settle(Origin::Aws, &mut located);
    let why = located.text("vpc_id").unwrap_err();
    assert!(why.reason.contains("vpc-1 and vpc-2"), "{why:?}");
    assert!(!why.absent);
    assert_eq!(located.text("kms_key_arn").unwrap(), "key-2");
    assert_eq!(located.terraform("kms_key_arn"), None);
}

#[test]
fn says_takes_short_words_whole_and_long_ones_as_parts() {
    assert!(names::says("clinic-db-sg", names::DATABASE));
    assert!(!names::says("feedback-sg", names::DATABASE));
    assert!(names::says("MyRedisGroup", names::CACHE));
    let ours = names::Ours::new(&settings(""));
    assert!(ours.names("/vpc/berthcare/staging") && ours.names("BerthcareStagingVpc"));
    assert!(!ours.names("berthcare-production"));
    assert!(ours.tags([("project", "berthcare"), ("Environment", "staging")]));
    assert!(!ours.tags([("Project", "berthcare")]));
}
