//! Item 7: the roles of the stack, whom they trust and what they may do.

mod observe;

use futures::future::join_all;
use observe::{Grant, Picture};
use report::finding::{Observation, Severity, Unobserved};
use settings::DatabaseSecrets;

use super::Context;
use crate::check::{Answer, Check};
use crate::policy::{Policy, Trust};

static EXISTS: Check = Check {
    id: "iam-role-exists",
    item: Some(7),
    severity: Severity::Critical,
    title: "the role exists",
    why: "what runs with it does not start, or does not write its logs",
    fix: "terraform apply",
};
static TRUST: Check = Check {
    id: "iam-trust",
    item: Some(7),
    severity: Severity::Critical,
    title: "the role trusts its service alone, on behalf of this account",
    why: "others can take on the role, or have the service do it for them, and read secrets and records",
    fix: "terraform apply, which puts the trust policy back; look in CloudTrail for AssumeRole meanwhile",
};
static ACTIONS: Check = Check {
    id: "iam-actions",
    item: Some(7),
    severity: Severity::High,
    title: "no policy of the role allows all actions, all of a service, or all but some",
    why: "whoever gets into a task can do far more than the task needs",
    fix: "name the actions; terraform apply puts inline policies back, policies that somebody attached have to be detached",
};
static RESOURCES: Check = Check {
    id: "iam-resources",
    item: Some(7),
    severity: Severity::High,
    title: "no policy of the role allows anything on all resources, or hands out any role",
    why: "whoever gets into a task reaches other data, or takes on a role with more rights",
    fix: "name the resources; terraform apply puts inline policies back, policies that somebody attached have to be detached",
};
static MANAGED: Check = Check {
    id: "iam-managed-policies",
    item: Some(7),
    severity: Severity::Critical,
    title: "the role has no policy of AWS for administrators, power users or full access",
    why: "whoever gets into a task owns the account, or all of a service",
    fix: "aws iam detach-role-policy --role-name ROLE --policy-arn ARN",
};
static PERMISSIONS: Check = Check {
    id: "iam-permissions",
    item: Some(7),
    severity: Severity::High,
    title: "the role may do what it is for",
    why: "tasks do not start, the application fails, or logs are not written",
    fix: "terraform apply",
};

static DESTRUCTIVE: Check = Check {
    id: "iam-destructive",
    item: Some(7),
    severity: Severity::High,
    title: "no policy of the role allows deleting buckets, keys, databases, secrets or versions of objects",
    why: "whoever gets into a task destroys what nobody can bring back",
    fix: "take the actions out of the policy; terraform apply puts inline policies back",
};
static MASTER: Check = Check {
    id: "iam-master-secret",
    item: Some(7),
    severity: Severity::High,
    title: "the role cannot read the password of the database's master user",
    why: "whoever gets into a task may drop tables, make users, and read what the application never does",
    fix: "terraform apply; the application's own user is in the secret of db_credentials_secret_arn",
};

pub(super) static CHECKS: &[&Check] = &[
    &EXISTS,
    &TRUST,
    &ACTIONS,
    &RESOURCES,
    &MANAGED,
    &PERMISSIONS,
    &MASTER,
    &DESTRUCTIVE,
];

/// A role as it should be.
struct Role {
    what: &'static str,
    /// The output that names it.
    output: &'static str,
    /// Its name, and what terraform says of it.
    name: Observation<String>,
    terraform: Option<String>,
    trust: Trust,
    needs: Observation<Vec<Need>>,
}

/// An action that a role is for, on a resource, or on whatever resource it names.
struct Need {
    action: &'static str,
    on: Option<String>,
    /// The bucket that the resource lies in: its policy may deny what the role's allow.
    bucket: Option<String>,
}

/// What the policies of the buckets that a role needs deny it, in words.
type Denials = Observation<Vec<String>>;

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let roles = roles(context);
    let pictures = join_all(roles.iter().map(async |role| match &role.name {
        Ok(name) => Ok(tokio::join!(
            observe::role(context, name),
            denials(context, role)
        )),
        Err(unobserved) => Err(unobserved.clone()),
    }));
    let pictures = pictures.await;
    let each = roles.iter().zip(&pictures);
    each.flat_map(|(role, picture)| match picture {
        Ok((picture, denials)) => judge(context, role, picture, denials),
        Err(unobserved) => super::unseen(CHECKS, role.what, unobserved),
    })
    .collect()
}

async fn denials(context: Context<'_>, role: &Role) -> Denials {
    let mut found = Vec::new();
    for need in role.needs.as_ref().map_err(Clone::clone)? {
        let (Some(bucket), Some(resource)) = (&need.bucket, &need.on) else {
            continue;
        };
        let arn = context.located.text(role.output)?;
        let policy = match super::buckets::policy(context, bucket).await {
            Err(unobserved) if unobserved.absent => continue,
            policy => policy?,
        };
        if let Some(statement) = policy.denies(arn, need.action, resource) {
            let name = statement.name();
            found.push(format!("{} (denied by {name} of {bucket})", need.words()));
        }
    }
    Ok(found)
}

fn roles(context: Context<'_>) -> [Role; 4] {
    let located = context.located;
    let (account, region) = (context.account, context.wanted.region);
    let partition = region.partition();
    let trust = |service, source: Option<String>| Trust {
        service,
        account: account.to_owned(),
        source,
    };
    let tasks = || {
        trust(
            "ecs-tasks.amazonaws.com",
            Some(format!("arn:{partition}:ecs:{region}:{account}:*")),
        )
    };
    let stream = |group: &str| {
        format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:any")
    };
    let writes = |group: &str| {
        ["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| Need {
            action,
            on: Some(stream(group)),
            bucket: None,
        })
    };
    let of_role = |what, output: &'static str, trust, needs| Role {
        what,
        output,
        name: located.text(output).and_then(|arn| {
            let name = arn.split_once(":role/").map(|(_, path)| path);
            let name = name.and_then(|path| path.rsplit('/').next());
            let name = name.map(str::to_owned);
            name.ok_or_else(|| Unobserved::because(format!("{output} is no role: {arn}")))
        }),
        terraform: located.terraform(output),
        trust,
        needs,
    };
    let mut starts: Vec<Need> = [
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ]
    .map(|action| Need {
        action,
        on: None,
        bucket: None,
    })
    .into();
    starts.extend(writes(&context.wanted.app_log_group()));
    let flow = located.text("flow_log_group_name");
    [
        of_role(
            "task execution role",
            "ecs_task_execution_role_arn",
            tasks(),
            Ok(starts),
        ),
        of_role("task role", "ecs_task_role_arn", tasks(), runs(context)),
        of_role(
            "flow log role",
            "flow_log_role_arn",
            trust("vpc-flow-logs.amazonaws.com", None),
            flow.map(|group| writes(group).into()),
        ),
        of_role(
            "database monitoring role",
            "db_monitoring_role_arn",
            trust("monitoring.rds.amazonaws.com", None),
            Ok(writes("RDSOSMetrics").into()),
        ),
    ]
}

/// What the application does.
fn runs(context: Context<'_>) -> Observation<Vec<Need>> {
    let located = context.located;
    let partition = context.wanted.region.partition();
    let mut needs = Vec::new();
    for kind in super::buckets::DATA {
        let bucket = located.text(kind.output)?;
        needs.extend(["s3:GetObject", "s3:PutObject"].map(|action| Need {
            action,
            on: Some(format!("arn:{partition}:s3:::{bucket}/any")),
            bucket: Some(bucket.to_owned()),
        }));
    }
    for (action, output) in [
        (
            "secretsmanager:GetSecretValue",
            "redis_credentials_secret_arn",
        ),
        ("secretsmanager:GetSecretValue", "db_credentials_secret_arn"),
        ("kms:Decrypt", "kms_key_arn"),
    ] {
        needs.push(Need {
            action,
            on: Some(located.text(output)?.to_owned()),
            bucket: None,
        });
    }
    Ok(needs)
}

fn judge(context: Context<'_>, role: &Role, picture: &Picture, denials: &Denials) -> Vec<Answer> {
    let name = picture.name.as_str();
    let found = picture.exists.clone();
    let gone = matches!(&found, Err(unobserved) if unobserved.absent);
    let found = found.map(|()| (true, "exists".to_owned()));
    let mut answers = vec![EXISTS.answer(name, role.what, role.terraform.clone(), found)];
    if gone {
        let others = CHECKS.iter().filter(|check| **check != &EXISTS);
        answers.extend(others.map(|check| check.skipped(name, "the role does not exist")));
        return answers;
    }
    let trust = picture.trust.clone().map(|policy| {
        let flaws = role.trust.flaws(&policy);
        let shown = if flaws.is_empty() {
            "as expected".to_owned()
        } else {
            flaws.join(", ")
        };
        (flaws.is_empty(), shown)
    });
    answers.push(TRUST.answer(name, role.trust.words(), None, trust));
    let broad = |of: fn(&Policy) -> Vec<String>| picture.none(|grant| grant.judged(of));
    answers.push(ACTIONS.answer(name, "none", None, broad(Policy::broad_actions)));
    answers.push(RESOURCES.answer(name, "none", None, broad(Policy::broad_resources)));
    let managed = picture.none(|grant| {
        let found = grant.is_for_administrators();
        Ok(found.then(|| grant.name.clone()).into_iter().collect())
    });
    answers.push(MANAGED.answer(name, "none", None, managed));
    answers.push(permissions(role, picture, denials));
    answers.push(match context.wanted.expect.db_secrets {
        DatabaseSecrets::Split => master(context, picture),
        DatabaseSecrets::One => MASTER.skipped(name, "one secret is wanted (db_secrets)"),
    });
    let destructive = broad(Policy::destructive);
    answers.push(DESTRUCTIVE.answer(name, "none", None, destructive));
    answers
}

/// Whether any policy may let the role read the master secret; conditions are taken to hold.
fn master(context: Context<'_>, picture: &Picture) -> Answer {
    let secret = context.located.text("db_master_secret_arn");
    let found = secret.and_then(|secret| {
        picture.none(|grant| {
            if grant.is_for_administrators() {
                let reads = grant.allows_every_service();
                return Ok(reads.then(|| grant.name.clone()).into_iter().collect());
            }
            let policy = grant.policy.as_ref().map_err(Clone::clone)?;
            let reads = policy.may_allow("secretsmanager:GetSecretValue", secret);
            Ok(reads.then(|| grant.name.clone()).into_iter().collect())
        })
    });
    MASTER.answer(&picture.name, "none", None, found)
}

fn permissions(role: &Role, picture: &Picture, denials: &Denials) -> Answer {
    let lacks = role.needs.as_ref().map_err(Clone::clone).and_then(|needs| {
        picture.exists.clone()?;
        if let Ok(denied) = denials
            && !denied.is_empty()
        {
            return Ok((false, format!("may not {}", denied.join(", "))));
        }
        let grants = picture.grants.as_ref().map_err(Clone::clone)?;
        // Of one that may do anything, the other checks tell.
        if grants.iter().any(Grant::is_for_administrators) {
            return Ok((true, "everything".to_owned()));
        }
        let statements = grants
            .iter()
            .filter_map(|grant| grant.policy.as_ref().ok())
            .flat_map(|policy| policy.statements.clone());
        let together = Policy {
            statements: statements.collect(),
        };
        let lacking: Vec<String> = needs
            .iter()
            .filter(|need| !need.is_met(&together))
            .map(Need::words)
            .collect();
        let unread = grants.iter().find_map(|grant| grant.policy.as_ref().err());
        match unread {
            // It may be in the policy that could not be read.
            Some(unobserved) if !lacking.is_empty() => Err(unobserved.clone()),
            _ if lacking.is_empty() => {
                denials.as_ref().map_err(Clone::clone)?;
                Ok((true, "as expected".to_owned()))
            }
            _ => Ok((false, format!("may not {}", lacking.join(", ")))),
        }
    });
    let expected: Observation<Vec<&str>> = role
        .needs
        .as_ref()
        .map(|needs| needs.iter().map(|need| need.action).collect())
        .map_err(Clone::clone);
    let mut expected = expected.unwrap_or_default();
    expected.dedup();
    PERMISSIONS.answer(&picture.name, expected.join(", "), None, lacks)
}

impl Need {
    fn words(&self) -> String {
        match &self.on {
            Some(resource) => format!("{} on {resource}", self.action),
            None => self.action.to_owned(),
        }
    }

    fn is_met(&self, policy: &Policy) -> bool {
        match &self.on {
            Some(resource) => policy.may_allow(self.action, resource),
            None => policy.names_allowed(self.action),
        }
    }
}

#[cfg(test)]
mod tests;
