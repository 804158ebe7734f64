//! Whether the instance got what it should have.

use super::{Difference, RestorePlan, configure};
use crate::database::{Instance, show};

/// What the instance has otherwise than the plan wants. What RDS does not show counts as different.
pub(super) fn differences(plan: &RestorePlan, instance: &Instance) -> Vec<Difference> {
    let wanted = &plan.wanted;
    let mut differences = Vec::new();
    if let Some(newer) = plan.newer {
        differences.push(Difference {
            setting: "data",
            wanted: show::time(newer),
            found: show::time(plan.choice.data_time),
        });
    }
    let mut expect = |setting, wanted: String, found: Option<String>| {
        let found = found.unwrap_or_else(|| "not shown".to_owned());
        if wanted != found {
            differences.push(Difference {
                setting,
                wanted,
                found,
            });
        }
    };
    if let Some(class) = &wanted.class {
        expect("class", class.to_string(), instance.class.clone());
    }
    let text = |found: Option<bool>| found.map(|found| found.to_string());
    let multi_az = wanted.multi_az.to_string();
    expect("Multi-AZ", multi_az, text(instance.multi_az));
    expect("public access", false.to_string(), text(instance.public));
    let subnets = wanted.subnet_group.to_string();
    expect("subnet group", subnets, instance.subnet_group.clone());
    // A group that waits for a reboot is not in force.
    let parameters = in_force(&instance.parameter_groups, "in-sync");
    let group = wanted.parameter_group.to_string();
    expect("parameter group", group, joined(parameters));
    let groups = wanted.security_groups.iter();
    let mut groups: Vec<String> = groups.map(ToString::to_string).collect();
    groups.sort();
    let mut found = in_force(&instance.security_groups, "active");
    found.sort();
    expect("security groups", groups.join(", "), joined(found));
    if let Some(key) = &plan.key {
        expect("key", key.clone(), instance.key.clone());
    }
    differences.extend(configure::differences(plan, instance));
    differences
}

/// Names of groups, with their status where it is not `good`.
fn in_force(groups: &[(String, String)], good: &str) -> Vec<String> {
    let name = |(group, status): &(String, String)| {
        if status == good {
            group.clone()
        } else {
            format!("{group} ({status})")
        }
    };
    groups.iter().map(name).collect()
}

fn joined(names: Vec<String>) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use settings::{RestoreAs, RestoreOptions, Tags};

    use super::*;
    use crate::database::Kind;
    use crate::database::recovery_point::tests::instance;
    use crate::database::restore::{At, Choice, RestoreStep};
    use crate::database::snapshot::tests::at;

    fn plan() -> RestorePlan {
        RestorePlan {
            database: "db".to_owned(),
            target: "db-dr".to_owned(),
            region: "us-east-1".parse().unwrap(),
            step: RestoreStep::Begin,
            choice: Choice {
                kind: Kind::CopiedSnapshot,
                point: "copy".to_owned(),
                at: At::Latest,
                data_time: at("2026-11-22T03:00:00Z"),
            },
            wanted: RestoreAs {
                class: Some("db.t4g.medium".parse().unwrap()),
                multi_az: true,
                subnet_group: "dr".parse().unwrap(),
                parameter_group: "dr-postgres15".parse().unwrap(),
                security_groups: vec![
                    "sg-0b1b2c3d".parse().unwrap(),
                    "sg-0a1b2c3d".parse().unwrap(),
                ],
                options: RestoreOptions::default(),
            },
            tags: Tags::default(),
            key: Some("the-key".to_owned()),
            engine: None,
            storage_gb: None,
            begun: None,
            newer: None,
            fresher_replica: None,
            rpo_seconds: Some(0),
            rpo_objective_seconds: 0,
            rto_objective_seconds: 0,
        }
    }

    type Change = fn(&mut Instance);

    // aws-behaviour: 29
    #[test]
    fn differences_of_an_instance_with_a_default_of_aws_name_it() {
        let pair = |name: &str, status: &str| (name.to_owned(), status.to_owned());
        let mut good = instance("db-dr");
        good.class = Some("db.t4g.medium".to_owned());
        good.multi_az = Some(true);
        good.public = Some(false);
        good.subnet_group = Some("dr".to_owned());
        good.parameter_groups = vec![pair("dr-postgres15", "in-sync")];
        good.security_groups = vec![pair("sg-0a1b2c3d", "active"), pair("sg-0b1b2c3d", "active")];
        good.key = Some("the-key".to_owned());
        assert_eq!(differences(&plan(), &good), []);
        let changes: [(&str, Change); 10] = [
            ("public access", |i| i.public = Some(true)),
            ("public access", |i| i.public = None),
            ("class", |i| i.class = Some("db.t3.micro".to_owned())),
            ("Multi-AZ", |i| i.multi_az = Some(false)),
            ("Multi-AZ", |i| i.multi_az = None),
            ("subnet group", |i| {
                i.subnet_group = Some("default".to_owned());
            }),
            ("parameter group", |i| {
                i.parameter_groups[0].0 = "default.postgres15".to_owned();
            }),
            ("parameter group", |i| {
                i.parameter_groups[0].1 = "pending-reboot".to_owned();
            }),
            ("security groups", |i| {
                i.security_groups.pop();
            }),
            ("key", |i| i.key = None),
        ];
        for (setting, change) in changes {
            let mut bad = good.clone();
            change(&mut bad);
            let found = differences(&plan(), &bad);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].setting, setting);
        }
    }
}
