//! The databases: what they would be restored from, and whether what they would get is there.

use std::path::Path;
use std::time::Duration;

use aws_env::{DrOnly, Error};
use dr::database::{
    Quota, RdsClients, compare_quotas, judge_source_region, quotas, source_regions,
};
use probe::{Endpoint, ProbeClients, secret_login};
use report::ShellCommand;
use report::finding::{Finding, Unobserved};
use serde::Deserialize as _;
use settings::{Database, Integrity, Region};

use super::{Area, PreflightRequest, advise};
use crate::failover::{Impossible, RestoreInputs, Targets, names};
use crate::steps::consistency;
use crate::{Host, Plan, StepId, Store};

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
    plan: &Plan,
    targets: Targets,
) -> Area {
    let settings = request.settings;
    let (primary, region) = (settings.regions.primary, settings.regions.dr);
    let mut findings = Vec::new();
    if settings.databases.is_empty() {
        findings.push(Finding::skipped(
            "recovery-point",
            "databases",
            "the settings name none",
        ));
    } else {
        let site = RdsClients::new(dr.region());
        for database in &settings.databases {
            let id = StepId::of(names::RESTORE, database.id.as_ref());
            let inputs = plan.step(&id).map(|step| &step.inputs);
            findings.push(judge_restore(database, inputs));
            let seen = targets.get(database.id.as_str()).into_iter().flatten();
            if seen.clone().next().is_none() {
                findings.push(Finding::new(
                    "database-target",
                    database.dr_id.to_string(),
                    "groups, class, key and quota are there",
                    Err(Unobserved::because(
                        "what it would be restored from says which are meant, and there is nothing",
                    )),
                ));
            }
            let seen = seen.map(|finding| Finding {
                resource: format!("{} for {}", finding.resource, database.dr_id),
                ..finding.clone()
            });
            findings.extend(seen.map(|finding| advise(finding, describe(region))));
            if let Some(integrity) = &database.integrity {
                findings.push(authorities(&request.beside, integrity));
                findings.push(login(dr, database, integrity).await);
            }
        }
        let (sources, here) = tokio::join!(source_regions(&site), quotas(&site));
        findings.push(advise(
            judge_source_region((primary, region), &sources),
            ShellCommand::new("aws rds describe-source-regions")
                .option("--region", region.as_str()),
        ));
        findings.extend(of_quotas(request, (primary, region), &here).await);
    }
    Area::new(
        "Databases",
        "a database cannot be restored, or comes back older than the objective allows",
        findings,
    )
}

/// Whose certificates are trusted when the restored database is asked.
fn authorities(beside: &Path, integrity: &Integrity) -> Finding {
    let seen = match consistency::trust(beside, integrity) {
        Ok(_) => Ok((true, "there".to_owned())),
        Err(why) => Ok((false, why)),
    };
    advise(
        Finding::new(
            "integrity-authorities",
            integrity.ca.clone(),
            "authorities in PEM, on this machine",
            seen,
        ),
        consistency::WHERE_AUTHORITIES_ARE,
    )
}

/// Who logs in when the restored database is asked.
async fn login(dr: &DrOnly, database: &Database, integrity: &Integrity) -> Finding {
    let what = "integrity-login";
    let name = integrity.login.as_str();
    let region = dr.region().region();
    // Nobody is connected to: the database is restored when it is lost.
    let address = Endpoint {
        host: database.dr_id.to_string(),
        port: 0,
    };
    let clients = ProbeClients::new(dr.region());
    let read = secret_login(&clients, name, address, integrity.dbname.as_deref()).await;
    let mut replicated = database.secrets.iter();
    let is_replicated = replicated.any(|secret| secret.name == integrity.login);
    let seen = match read {
        Ok(_) => Ok((true, "it can be read, with who logs in".to_owned())),
        Err(unobserved) if unobserved.absent && !is_replicated => {
            return Finding::skipped(
                what,
                name,
                "not there yet: it is none of the database's secrets, and the DR environment makes it in a failover",
            );
        }
        Err(unobserved) => Err(unobserved),
    };
    let read = ShellCommand::new("aws secretsmanager get-secret-value")
        .option("--region", region.as_str())
        .option("--secret-id", name);
    advise(
        Finding::new(
            what,
            name,
            format!("a secret in {region} with username, password and dbname"),
            seen,
        ),
        format!("databases.integrity.login of the settings names it; `{read}`"),
    )
}

fn describe(region: Region) -> String {
    let call = ShellCommand::new("aws rds describe-account-attributes")
        .option("--region", region.as_str());
    format!("see why RDS, KMS or EC2 does not say: {call}")
}

async fn of_quotas<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    (primary, region): (Region, Region),
    here: &Result<Vec<Quota>, Error>,
) -> Vec<Finding> {
    let Some(both) = request.reach.both() else {
        return vec![super::primary_not_asked(
            "database-quota",
            "as much as is used there",
        )];
    };
    let there = quotas(&RdsClients::new(&both.primary)).await;
    let compared = compare_quotas((primary, region), &there, here);
    compared
        .into_iter()
        .map(|finding| advise(finding, describe(region)))
        .collect()
}

fn judge_restore(database: &Database, inputs: Option<&serde_json::Value>) -> Finding {
    let what = "recovery-point";
    let resource = database.id.to_string();
    let Some(inputs) = inputs else {
        let unplanned = Unobserved::because("the plan has no step for it");
        return Finding::new(what, resource, "younger than the objective", Err(unplanned));
    };
    let points = ShellCommand::new("dr-replicate recovery-points")
        .option("--database", database.id.as_ref());
    if let Ok(impossible) = Impossible::deserialize(inputs) {
        let seen = match impossible.is_unknown {
            true => Err(Unobserved::because(impossible.problem)),
            false => Ok((false, impossible.problem)),
        };
        let fix = impossible
            .hint
            .unwrap_or_else(|| format!("`{points}` shows what there is"));
        return advise(Finding::new(what, resource, "can be restored", seen), fix);
    }
    let inputs = match RestoreInputs::deserialize(inputs) {
        Ok(inputs) => inputs,
        Err(error) => {
            let unread = Unobserved::because(error.to_string());
            return Finding::new(what, resource, "can be restored", Err(unread));
        }
    };
    let plan = inputs.plan;
    let objective = report::duration(Duration::from_secs(plan.rpo_objective_seconds));
    let point = format!("{} of {:.0}", plan.choice.point, plan.choice.data_time);
    let seen = match plan.rpo_seconds {
        Some(rpo) => {
            let age = report::duration(Duration::from_secs(rpo));
            Ok((
                rpo <= plan.rpo_objective_seconds,
                format!("{point}: {age} would be lost"),
            ))
        }
        None => Err(Unobserved::because(format!(
            "{point}: how old it is is not known, since clocks differ"
        ))),
    };
    advise(
        Finding::new(what, resource, format!("loses at most {objective}"), seen),
        format!(
            "`{points}` shows what there is, `{}` why nothing newer arrives",
            ShellCommand::new("dr-replicate backups status")
        ),
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use report::finding::Status;
    use serde_json::json;
    use settings::Settings;

    use super::*;

    fn database() -> Database {
        let text = r#"
            project = "berthcare"
            environment = "staging"
            regions = { primary = "ca-central-1", dr = "ca-west-1" }
            [state]
            bucket = "state"
            key = "a.tfstate"
            locking = ["s3"]
            [state.dr]
            strategy = "none"
            [[databases]]
            id = "app"
            dr_id = "app-dr"
            [databases.restore]
            multi_az = false
            subnet_group = "dr"
            parameter_group = "dr-postgres"
            security_groups = ["sg-0f1e2d3c4b5a69788"]
        "#;
        let settings = Settings::parse(text, date(2026, 11, 30)).unwrap();
        settings.databases[0].clone()
    }

    fn inputs(rpo_seconds: Option<u64>) -> serde_json::Value {
        json!({"arn": "arn:aws:rds:ca-west-1:1:auto-backup:ab", "plan": {
            "database": "app", "target": "app-dr", "region": "ca-west-1", "step": "begin",
            "choice": {"kind": "replicated-backup", "point": "ab", "at": "latest", "data_time": "2026-11-30T03:00:00Z"},
            "wanted": {"multi_az": false, "subnet_group": "dr", "parameter_group": "dr-postgres",
                "security_groups": ["sg-0f1e2d3c4b5a69788"]},
            "tags": {}, "key": null, "engine": null, "begun": null, "newer": null,
            "rpo_seconds": rpo_seconds, "rpo_objective_seconds": 900, "rto_objective_seconds": 2700,
        }})
    }

    #[test]
    fn judge_restore_goes_by_the_plan_of_the_failover() {
        let judged = |inputs: &serde_json::Value| judge_restore(&database(), Some(inputs));
        assert_eq!(
            judged(&inputs(Some(900))).status,
            Status::Ok,
            "{:?}",
            judged(&inputs(Some(900)))
        );
        let old = judged(&inputs(Some(901)));
        assert_eq!(old.status, Status::Wrong);
        assert!(
            old.fix
                .unwrap()
                .contains("dr-replicate recovery-points --database app")
        );
        assert_eq!(judged(&inputs(None)).status, Status::Unknown);
        let hindered = judged(&json!({"problem": "no recovery point", "hint": "enable backups"}));
        assert_eq!(
            (hindered.status, hindered.fix.as_deref()),
            (Status::Wrong, Some("enable backups"))
        );
        let silent = json!({"problem": "RDS does not answer", "hint": null, "is_unknown": true});
        assert_eq!(judged(&silent).status, Status::Unknown);
        assert_eq!(judge_restore(&database(), None).status, Status::Unknown);
    }
}
