//! Parameter groups, managed passwords, announced maintenance.

use aws_sdk_rds::types::{ApplyMethod, Filter, Parameter};

use super::{PRIMARY, client, code, create, created, instance, minutes, start_or_return};

fn parameter(name: &str, value: &str, how: ApplyMethod) -> Parameter {
    Parameter::builder()
        .parameter_name(name)
        .parameter_value(value)
        .apply_method(how)
        .build()
}

#[tokio::test]
async fn parameters_are_set_and_static_ones_wait_for_a_reboot() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    client
        .create_db_parameter_group()
        .db_parameter_group_name("app-pg15")
        .db_parameter_group_family("postgres15")
        .description("d")
        .send()
        .await
        .unwrap();
    let all = || client.describe_db_parameters();
    let value = |group: &'static str, name: &'static str| {
        let filter = Filter::builder().name("parameter-name").values(name);
        let asked = all().db_parameter_group_name(group).filters(filter.build());
        async move {
            let answer = asked.send().await.unwrap();
            let [found] = answer.parameters() else {
                panic!("{answer:?}")
            };
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(found.parameter_value()), text(found.source()))
        }
    };
    let system = |value: &str| (value.to_owned(), "system".to_owned());
    assert_eq!(value("app-pg15", "rds.force_ssl").await, system("1"));
    assert_eq!(
        value("default.postgres14", "rds.force_ssl").await,
        system("0")
    );
    let set = |group: &'static str, parameter| {
        let set = client.modify_db_parameter_group();
        set.db_parameter_group_name(group).parameters(parameter)
    };
    let off = || parameter("rds.force_ssl", "0", ApplyMethod::Immediate);
    for (group, parameter, refused) in [
        ("default.postgres15", off(), "InvalidDBParameterGroupState"),
        (
            "app-pg15",
            parameter("max_connections", "9", ApplyMethod::Immediate),
            "InvalidParameterCombination",
        ),
        (
            "app-pg15",
            parameter("no_such", "9", ApplyMethod::Immediate),
            "InvalidParameterValue",
        ),
        (
            "app-pg15",
            parameter("max_connections", "banana", ApplyMethod::PendingReboot),
            "InvalidParameterValue",
        ),
        (
            "app-pg15",
            parameter("wal_level", "logical", ApplyMethod::PendingReboot),
            "InvalidParameterValue",
        ),
        ("none", off(), "DBParameterGroupNotFound"),
    ] {
        let error = set(group, parameter).send().await.unwrap_err();
        assert_eq!(code(&error), refused, "{group}");
    }
    let app = create(&client, "app").engine_version("15");
    let app = app.db_parameter_group_name("app-pg15").send().await;
    app.unwrap();
    rds.step(minutes(5)).await;
    let status = || async {
        let instance = instance(&client, "app").await;
        let group = &instance.db_parameter_groups()[0];
        group.parameter_apply_status().unwrap().to_owned()
    };
    set("app-pg15", off()).send().await.unwrap();
    let user = all().db_parameter_group_name("app-pg15").source("user");
    assert_eq!(user.send().await.unwrap().parameters().len(), 1);
    assert_eq!(status().await, "in-sync");
    let reset = client.reset_db_parameter_group();
    let reset = reset.db_parameter_group_name("app-pg15");
    reset.reset_all_parameters(true).send().await.unwrap();
    assert_eq!(value("app-pg15", "rds.force_ssl").await, system("1"));
    let many = parameter("max_connections", "400", ApplyMethod::PendingReboot);
    set("app-pg15", many).send().await.unwrap();
    assert_eq!(status().await, "pending-reboot");
    let reboot = client.reboot_db_instance().db_instance_identifier("app");
    reboot.send().await.unwrap();
    assert_eq!(status().await, "in-sync");
}

#[tokio::test]
async fn a_managed_password_is_in_a_secret_as_long_as_it_is_managed() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let made = create(&client, "app")
        .set_master_user_password(None)
        .manage_master_user_password(true)
        .send()
        .await
        .unwrap();
    let secret = made.db_instance().unwrap().master_user_secret().unwrap();
    assert_eq!(secret.secret_status(), Some("creating"));
    let arn = secret.secret_arn().unwrap();
    assert!(arn.contains(":secret:rds!db-"), "{arn}");
    rds.step(minutes(5)).await;
    let app = instance(&client, "app").await;
    let secret = app.master_user_secret().unwrap();
    assert_eq!(
        (secret.secret_arn(), secret.secret_status()),
        (Some(arn), Some("active"))
    );
    let again = create(&client, "app").set_master_user_password(None);
    let again = again.manage_master_user_password(true).send().await;
    assert_eq!(code(&again.unwrap_err()), "DBInstanceAlreadyExists");
    let app = instance(&client, "app").await;
    assert_eq!(
        app.master_user_secret()
            .and_then(|secret| secret.secret_arn()),
        Some(arn),
        "a refused request changes nothing"
    );
    let by_hand = client.modify_db_instance().db_instance_identifier("app");
    let by_hand = by_hand.manage_master_user_password(false);
    let by_hand = by_hand.master_user_password("correct-horse").send().await;
    by_hand.unwrap();
    let app = instance(&client, "app").await;
    assert!(app.master_user_secret().is_none());
}

#[tokio::test]
async fn performance_insights_keeps_its_key() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let on = client.modify_db_instance().db_instance_identifier("app");
    on.enable_performance_insights(true).send().await.unwrap();
    let app = instance(&client, "app").await;
    let key = app.performance_insights_kms_key_id().unwrap();
    assert!(key.ends_with("alias/aws/rds"), "{key}");
    let other = client.modify_db_instance().db_instance_identifier("app");
    let other = other.performance_insights_kms_key_id("alias/none").send();
    let error = other.await.unwrap_err();
    assert_eq!(code(&error), "KMSKeyNotAccessibleFault");
}

#[tokio::test]
async fn maintenance_is_announced_and_goes_with_the_instance() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let all = || async {
        let all = client.describe_pending_maintenance_actions().send().await;
        all.unwrap().pending_maintenance_actions().to_vec()
    };
    assert_eq!(all().await, []);
    assert!(!rds.plan_maintenance(PRIMARY, "none", "system-update", None));
    let at = rds.now();
    assert!(rds.plan_maintenance(PRIMARY, "App", "system-update", Some(at)));
    let [found] = &all().await[..] else { panic!() };
    let [action] = found.pending_maintenance_action_details() else {
        panic!()
    };
    assert_eq!(action.action(), Some("system-update"));
    let date = action.auto_applied_after_date().map(|date| date.secs());
    assert_eq!(date, Some(at.as_second()));
    let gone = client.delete_db_instance().db_instance_identifier("app");
    gone.skip_final_snapshot(true).send().await.unwrap();
    rds.step(minutes(5)).await;
    assert_eq!(all().await, []);
}
