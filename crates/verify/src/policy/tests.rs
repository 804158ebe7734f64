use proptest::prelude::*;
use serde_json::{Value, json};

use super::reach::Outsider;
use super::*;

fn policy(statements: Value) -> Policy {
    Policy::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
}

fn allow(actions: Value, resources: Value) -> Policy {
    policy(json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
}

#[test]
fn one_text_is_a_list_of_one_and_one_statement_too() {
    let one = allow(json!("s3:GetObject"), json!("arn:aws:s3:::b/*"));
    let list = policy(
        json!([{"Effect": "Allow", "Action": ["S3:getobject"], "Resource": ["arn:aws:s3:::b/*"]}]),
    );
    assert_eq!(one, list);
}

#[test]
fn what_is_not_understood_is_unknown() {
    for text in [
        "",
        "[]",
        r#"{"Version": "2012-10-17"}"#,
        r#"{"Statement": [], "Wish": 1}"#,
        r#"{"Statement": {"Effect": "allow", "Action": "s3:*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": {"a": 1}, "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "a", "NotAction": "b", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "a", "Resource": "*", "Principal": "me"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "a", "Resource": "*", "Principal": {"Cat": "x"}}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "a", "Resource": "*", "Condition": ["x"]}}"#,
        r#"{"Statement": {"Effect": "Allow", "Action": "a", "Resource": "*", "Unless": {}}}"#,
    ] {
        let unobserved = Policy::parse(text).unwrap_err();
        assert!(!unobserved.absent, "{text}");
    }
    let encoded = "%7B%22Statement%22%3A%5B%5D%7D";
    assert_eq!(Policy::parse_encoded(encoded).unwrap().statements, []);
    assert!(Policy::parse_encoded("%ff").is_err());
}

#[test]
fn whole_services_and_not_action_are_too_broad_whatever_the_condition() {
    for action in ["*", "*:*", "s3:*", "S3:**", "iam:?*", "s*:GetObject"] {
        let broad = policy(
            json!({"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::b/*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "ca-central-1"}}}),
        );
        assert_eq!(broad.broad_actions().len(), 1, "{action}");
    }
    let but = policy(json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}));
    assert_eq!(but.broad_actions(), ["a statement without Sid: NotAction"]);
    for action in ["s3:Get*", "s3:GetObject", "logs:*Stream"] {
        assert!(
            allow(json!(action), json!("arn:aws:s3:::b/*"))
                .broad_actions()
                .is_empty(),
            "{action}"
        );
    }
    let denied = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    assert!(denied.broad_actions().is_empty() && denied.broad_resources().is_empty());
}

#[test]
fn everything_is_no_resource_unless_aws_knows_none_or_a_tag_tells() {
    let broad =
        |actions: Value, resources: Value| allow(actions, resources).broad_resources().len();
    for resource in [
        "*",
        "**",
        "arn:aws:s3:::*",
        "arn:aws:logs:ca-central-1:123456789012:*",
        "arn:aws:*:*:*:x",
    ] {
        assert_eq!(
            broad(json!("s3:GetObject"), json!(resource)),
            1,
            "{resource}"
        );
    }
    assert_eq!(broad(json!("ECR:GetAuthorizationToken"), json!("*")), 0);
    assert_eq!(
        broad(
            json!(["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]),
            json!(["*"])
        ),
        1
    );
    assert_eq!(broad(json!("s3:GetObject"), json!("arn:aws:s3:::b/*")), 0);
    let tagged = |operator: &str, value: &str| {
        policy(
            json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Condition": {operator: {"secretsmanager:ResourceTag/Project": value}}}),
        )
        .broad_resources()
        .len()
    };
    assert_eq!(tagged("StringEquals", "berthcare"), 0);
    assert_eq!(tagged("StringLike", "*"), 1);
    for operator in [
        "StringNotEquals",
        "StringEqualsIfExists",
        "ForAllValues:StringEquals",
    ] {
        assert_eq!(tagged(operator, "berthcare"), 1, "{operator}");
    }
    let but = policy(
        json!({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b/*"}),
    );
    assert_eq!(but.broad_resources().len(), 1);
}

#[test]
fn roles_are_handed_out_by_name_only() {
    for (action, resource, found) in [
        ("iam:PassRole", "arn:aws:iam::123456789012:role/*", 1),
        ("iam:Pass*", "arn:aws:iam::*:role/*", 1),
        ("sts:Assume*", "arn:aws:iam::123456789012:role/*", 1),
        ("sts:AssumeRole", "*", 1),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/app-*", 0),
        ("iam:GetRole", "arn:aws:iam::123456789012:role/*", 0),
    ] {
        let found_here = allow(json!(action), json!(resource)).broad_resources();
        assert_eq!(
            found_here.len(),
            found,
            "{action} {resource}: {found_here:?}"
        );
    }
}

#[test]
fn what_is_needed_is_allowed_unless_it_is_denied() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]);
    let policy = policy(statements);
    assert!(policy.may_allow("s3:GetObject", "arn:aws:s3:::b/key"));
    assert!(
        !policy.may_allow("s3:PutObject", "arn:aws:s3:::b/key"),
        "denied"
    );
    assert!(!policy.may_allow("s3:GetObject", "arn:aws:s3:::c/key"));
    assert!(!policy.may_allow("s3:DeleteObject", "arn:aws:s3:::b/key"));
}

fn ecs() -> Trust {
    Trust {
        service: "ecs-tasks.amazonaws.com",
        account: "123456789012".to_owned(),
        source: Some("arn:aws:ecs:ca-central-1:123456789012:*".to_owned()),
    }
}

fn trusting(principal: Value, action: &str, condition: Value) -> Vec<String> {
    ecs().flaws(&policy(
        json!({"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}),
    ))
}

#[test]
fn trust_is_one_service_for_one_account() {
    let service = json!({"Service": "ecs-tasks.amazonaws.com"});
    let right = json!({"StringEquals": {"AWS:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ecs:ca-central-1:123456789012:*"}});
    assert!(trusting(service.clone(), "sts:AssumeRole", right.clone()).is_empty());
    let narrower = json!({"StringEquals": {"aws:SourceAccount": ["123456789012"],
        "aws:SourceArn": "arn:aws:ecs:ca-central-1:123456789012:cluster/app"}});
    assert!(trusting(service.clone(), "sts:AssumeRole", narrower).is_empty());
    // The account is enough: that is what keeps out others' services.
    let account = json!({"StringEquals": {"aws:SourceAccount": "123456789012"}});
    assert!(trusting(service.clone(), "sts:AssumeRole", account).is_empty());
    for (principal, action, condition) in [
        (json!("*"), "sts:AssumeRole", right.clone()),
        (
            json!({"AWS": "arn:aws:iam::123456789012:root"}),
            "sts:AssumeRole",
            right.clone(),
        ),
        (
            json!({"Service": ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]}),
            "sts:AssumeRole",
            right.clone(),
        ),
        (service.clone(), "sts:*", right),
        (
            service.clone(),
            "sts:AssumeRole",
            json!({
            "StringEqualsIfExists": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:ecs:ca-central-1:123456789012:*"}}),
        ),
        (
            service,
            "sts:AssumeRole",
            json!({"StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:123456789012:*"}}),
        ),
    ] {
        let flaws = trusting(principal.clone(), action, condition.clone());
        assert_eq!(
            flaws.len(),
            1,
            "{principal} {action} {condition}: {flaws:?}"
        );
    }
    let second = policy(json!([]));
    assert_eq!(ecs().flaws(&second), ["trusts nobody"]);
}

const BUCKET: &str = "arn:aws:s3:::b";

fn denies(action: &str, principal: Value, resources: Value, condition: Value) -> bool {
    let policy = policy(
        json!({"Effect": "Deny", "Principal": principal, "Action": action, "Resource": resources,
        "Condition": condition}),
    );
    is_denied_to_all(&policy, BUCKET, |condition| {
        condition.operator == "Bool" && condition.key == "aws:securetransport"
    })
}

#[test]
fn a_denial_with_a_gap_is_none() {
    let plain = json!({"Bool": {"aws:SecureTransport": "false"}});
    let both = json!([BUCKET, "arn:aws:s3:::b/*"]);
    assert!(denies("s3:*", json!("*"), both.clone(), plain.clone()));
    assert!(denies("*", json!({"AWS": "*"}), json!("*"), plain.clone()));
    for (action, principal, resources, condition) in [
        ("s3:GetObject", json!("*"), both.clone(), plain.clone()),
        (
            "s3:*",
            json!({"AWS": "123456789012"}),
            both.clone(),
            plain.clone(),
        ),
        ("s3:*", json!("*"), json!("arn:aws:s3:::b/*"), plain.clone()),
        ("s3:*", json!("*"), json!(BUCKET), plain),
        (
            "s3:*",
            json!("*"),
            both.clone(),
            json!({"Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "false"}}),
        ),
        (
            "s3:*",
            json!("*"),
            both,
            json!({"StringEquals": {"aws:SecureTransport": "false"}}),
        ),
    ] {
        assert!(
            !denies(
                action,
                principal.clone(),
                resources.clone(),
                condition.clone()
            ),
            "{action} {principal} {resources} {condition}"
        );
    }
}

#[test]
fn outsiders_are_those_who_are_not_held_to_the_account() {
    let outside = |principal: Value, condition: Value| {
        let policy = policy(
            json!({"Sid": "S", "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*", "Condition": condition}),
        );
        let found = policy.outsiders("123456789012")?;
        Ok::<_, Unobserved>(found.iter().map(Outsider::to_string).collect::<Vec<_>>())
    };
    for (principal, condition) in [
        (
            json!({"AWS": ["123456789012", "arn:aws:iam::123456789012:role/app"]}),
            json!({}),
        ),
        (
            json!({"Service": "logging.s3.amazonaws.com"}),
            json!({"StringEquals": {"aws:SourceAccount": "123456789012"}}),
        ),
        (
            json!({"Service": "cloudfront.amazonaws.com"}),
            json!({"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}}),
        ),
        (
            json!("*"),
            json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}}),
        ),
        (
            json!("*"),
            json!({"StringEquals": {"kms:CallerAccount": "123456789012"}}),
        ),
    ] {
        assert_eq!(
            outside(principal.clone(), condition.clone()),
            Ok(Vec::new()),
            "{principal} {condition}"
        );
    }
    for (principal, condition) in [
        (json!("*"), json!({})),
        (json!({"AWS": "*"}), json!({})),
        (
            json!({"AWS": "*"}),
            json!({"StringEquals": {"kms:CallerAccount": ["123456789012", "4"]}}),
        ),
        (
            json!({"AWS": ["123456789012", "arn:aws:iam::444455556666:role/x"]}),
            json!({}),
        ),
        (
            json!({"AWS": ["AROAEXAMPLE", "arn:aws:iam::444455556666:role/x"]}),
            json!({}),
        ),
        (json!({"AWS": "arn:aws:iam::210987654321:root"}), json!({})),
        (json!({"Service": "logging.s3.amazonaws.com"}), json!({})),
        (json!({"Federated": "accounts.example.org"}), json!({})),
        (
            json!("*"),
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        ),
    ] {
        let found = outside(principal.clone(), condition.clone()).unwrap();
        assert_eq!(found.len(), 1, "{principal} {condition}: {found:?}");
    }
    // The ID of a role that is gone has no account in it.
    assert!(outside(json!({"AWS": "AROAEXAMPLE"}), json!({})).is_err());
    let all_but = policy(json!({"Effect": "Allow", "NotPrincipal": {"AWS": "4"},
        "Action": "s3:GetObject", "Resource": "*"}));
    assert_eq!(all_but.outsiders("4").unwrap().len(), 1);
    let denies = policy(json!({"Effect": "Deny", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "*"}));
    assert_eq!(denies.outsiders("4").unwrap(), []);
}

#[test]
fn a_role_is_denied_by_name_with_its_account_and_with_everybody() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/task";
    let denied = |statement: Value| {
        let mut whole = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*"});
        for (name, value) in statement.as_object().unwrap() {
            whole[name] = value.clone();
        }
        if statement.get("NotPrincipal").is_some() {
            whole.as_object_mut().unwrap().remove("Principal");
        }
        let policy = policy(whole);
        policy
            .denies(ROLE, "s3:GetObject", "arn:aws:s3:::b/any")
            .is_some()
    };
    for statement in [
        json!({}),
        json!({"Action": "s3:*", "Resource": "*"}),
        json!({"Principal": {"AWS": [ROLE]}}),
        json!({"Principal": {"AWS": "123456789012"}}),
        json!({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
        json!({"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:role/admin"}}),
    ] {
        assert!(denied(statement.clone()), "{statement}");
    }
    for statement in [
        json!({"Effect": "Allow"}),
        json!({"Principal": {"AWS": "arn:aws:iam::123456789012:role/other"}}),
        json!({"Principal": {"AWS": "210987654321"}}),
        json!({"NotPrincipal": {"AWS": ROLE}}),
        json!({"Action": "s3:PutObject"}),
        json!({"Resource": "arn:aws:s3:::other/*"}),
        json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
    ] {
        assert!(!denied(statement.clone()), "{statement}");
    }
}

#[test]
fn cloudfront_reads_for_one_distribution() {
    let arn = "arn:aws:cloudfront::123456789012:distribution/E1";
    let reads = |action: &str, resource: &str, condition: Value| {
        policy(json!({"Sid": "S", "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": action, "Resource": resource, "Condition": condition}))
        .reads_for(BUCKET, arn)
    };
    let own = json!({"StringEquals": {"aws:SourceArn": arn}});
    assert_eq!(
        reads("s3:GetObject", "arn:aws:s3:::b/*", own.clone()),
        Ok(())
    );
    assert!(reads("s3:GetObject", "arn:aws:s3:::b/photos/*", own.clone()).is_err());
    assert!(reads("s3:PutObject", "arn:aws:s3:::b/*", own).is_err());
    for condition in [
        json!({}),
        json!({"StringEquals": {"aws:SourceAccount": "123456789012"}}),
        json!({"StringLike": {"aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/*"}}),
        json!({"StringEquals": {"aws:SourceArn": [arn, "arn:aws:cloudfront::123456789012:distribution/E2"]}}),
    ] {
        assert!(
            reads("s3:GetObject", "arn:aws:s3:::b/*", condition.clone()).is_err(),
            "{condition}"
        );
    }
}

#[test]
fn logs_are_delivered_where_and_for_whom_the_policy_says() {
    let policy = policy(
        json!({"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::logs/s3/*"], "Condition": {
            "ArnLike": {"aws:SourceArn": ["arn:aws:s3:::a", "arn:aws:s3:::b"]},
            "StringEquals": {"aws:SourceAccount": "123456789012"}}}),
    );
    let may = |service: &str, object: &str, account: &str, source: &str| {
        policy.may_deliver(service, object, account, source)
    };
    let (service, object, account) = (
        "logging.s3.amazonaws.com",
        "arn:aws:s3:::logs/s3/b/x",
        "123456789012",
    );
    assert!(may(service, object, account, BUCKET));
    assert!(!may("delivery.logs.amazonaws.com", object, account, BUCKET));
    assert!(!may(service, "arn:aws:s3:::logs/other/x", account, BUCKET));
    assert!(!may(service, object, "210987654321", BUCKET));
    assert!(!may(service, object, account, "arn:aws:s3:::c"));
}

/// What a pattern means, without any care for speed.
fn means(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|from| means(rest, &text[from..])),
        Some(('?', rest)) => !text.is_empty() && means(rest, &text[1..]),
        Some((letter, rest)) => text.first() == Some(letter) && means(rest, &text[1..]),
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

proptest! {
    #[test]
    fn a_pattern_covers_exactly_the_texts_that_it_means(pattern in "[ab*?]{0,7}", text in "[abc]{0,7}") {
        prop_assert_eq!(covers(&pattern, &text), means(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn what_a_pattern_covers_it_means(wide in "[ab*?]{0,6}", narrow in "[ab*?]{0,6}", text in "[ab]{0,6}") {
        if covers(&wide, &narrow) && means(&chars(&narrow), &chars(&text)) {
            prop_assert!(means(&chars(&wide), &chars(&text)));
        }
        prop_assert!(covers(&wide, &wide) && covers("*", &narrow));
    }

    #[test]
    fn a_further_statement_never_hides_what_another_allows(
        actions in prop::collection::vec("(\\*|s3:\\*|s3:GetObject|iam:PassRole|ecr:GetAuthorizationToken)", 1..4),
        resource in "(\\*|arn:aws:s3:::b/\\*|arn:aws:iam::1:role/\\*)",
        effect in "(Allow|Deny)",
    ) {
        let first = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
        let more = json!({"Effect": effect, "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::c/*"]});
        let (alone, both) = (policy(json!([first])), policy(json!([more, first])));
        prop_assert_eq!(alone.broad_actions(), both.broad_actions());
        prop_assert_eq!(alone.broad_resources(), both.broad_resources());
        let upper: Vec<String> = actions.iter().map(|action| action.to_uppercase()).collect();
        prop_assert_eq!(&alone, &policy(json!({"Effect": "Allow", "Action": upper, "Resource": [resource]})));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = Policy::parse(&text);
        let _ = Policy::parse_encoded(&text);
    }
}
