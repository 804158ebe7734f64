//! Whom a bucket's policy reaches.

use super::{Condition, Policy, Principal, Statement, Terms, covers};

/// Whether everything is denied to everybody on a bucket and what is in it, whenever `when` says so of the only
/// condition; another condition beside it would leave a gap.
pub(crate) fn is_denied_to_all(
    policy: &Policy,
    bucket_arn: &str,
    when: impl Fn(&Condition) -> bool,
) -> bool {
    let objects = format!("{bucket_arn}/*");
    let covered = |statement: &Statement, resource: &str| match &statement.resources {
        Some(Terms::Only(resources)) => resources.iter().any(|wide| covers(wide, resource)),
        Some(Terms::AllBut(_)) | None => false,
    };
    let denying = policy.statements.iter().filter(|statement| {
        !statement.allows
            && matches!(&statement.principals, Some(Terms::Only(who)) if who.iter().any(Principal::is_everybody))
            && matches!(&statement.actions, Terms::Only(actions) if actions.iter().any(|action| covers(action, "s3:*")))
            && matches!(statement.conditions.as_slice(), [condition] if when(condition))
    });
    // Two statements may share the work.
    let denying: Vec<&Statement> = denying.collect();
    [bucket_arn, objects.as_str()]
        .iter()
        .all(|resource| denying.iter().any(|statement| covered(statement, resource)))
}

impl Principal {
    /// Everybody, with and without an account.
    pub(crate) fn is_everybody(&self) -> bool {
        self.kind == "AWS" && self.name == "*"
    }

    /// Of this account: its root, a user or a role by ARN, or its number.
    fn is_of(&self, account: &str) -> bool {
        self.kind == "AWS" && (self.name == account || self.name.split(':').nth(4) == Some(account))
    }
}

impl Policy {
    /// Whom it lets in from outside `account`: other accounts, identity providers, and services that it does not
    /// hold to this account. Everybody without any condition is left to AWS's own judgement of what is public.
    pub(crate) fn outsiders(&self, account: &str) -> Vec<String> {
        let mut found = Vec::new();
        for statement in self.allowing() {
            let principals = match &statement.principals {
                Some(Terms::Only(principals)) => principals,
                Some(Terms::AllBut(_)) => {
                    found.push(format!("{}: NotPrincipal", statement.name()));
                    continue;
                }
                None => continue,
            };
            let open = principals.iter().filter(|principal| {
                let public = principal.is_everybody() && statement.conditions.is_empty();
                !principal.is_of(account) && !public && !statement.is_held_to(account)
            });
            found.extend(open.map(|principal| {
                format!(
                    "{}: {} {}",
                    statement.name(),
                    principal.kind,
                    principal.name
                )
            }));
        }
        found
    }

    /// Whether a service may put an object on behalf of a source of the account; conditions on anything but
    /// account and source are taken to hold.
    pub(crate) fn may_deliver(
        &self,
        service: &str,
        object_arn: &str,
        account: &str,
        source_arn: &str,
    ) -> bool {
        self.allowing().any(|statement| {
            let named = match &statement.principals {
                Some(Terms::Only(principals)) => principals
                    .iter()
                    .any(|principal| principal.kind == "Service" && principal.name == service),
                Some(Terms::AllBut(_)) | None => false,
            };
            let there = match &statement.resources {
                Some(Terms::Only(resources)) => {
                    resources.iter().any(|wide| covers(wide, object_arn))
                }
                Some(Terms::AllBut(_)) | None => false,
            };
            let held = statement.conditions.iter().all(|condition| {
                let is = match condition.key.as_str() {
                    "aws:sourceaccount" => account,
                    "aws:sourcearn" => source_arn,
                    _ => return true,
                };
                condition.values.iter().any(|value| covers(value, is))
            });
            named && there && held && statement.names("s3:PutObject")
        })
    }

    /// Whether CloudFront may read every object of a bucket for the distribution and for no other: `Ok`, or what
    /// is there instead.
    pub(crate) fn reads_for(&self, bucket_arn: &str, distribution_arn: &str) -> Result<(), String> {
        let objects = format!("{bucket_arn}/*");
        let mut reads = false;
        for statement in self.allowing() {
            let names_cloudfront = match &statement.principals {
                Some(Terms::Only(principals)) => principals.iter().any(|principal| {
                    principal.kind == "Service" && principal.name == "cloudfront.amazonaws.com"
                }),
                Some(Terms::AllBut(_)) | None => false,
            };
            if !names_cloudfront {
                continue;
            }
            let bound = statement.conditions.iter().any(|condition| {
                condition.demands("aws:sourcearn", |value| value == distribution_arn)
            });
            if !bound {
                return Err(format!(
                    "{} lets in CloudFront for other distributions",
                    statement.name()
                ));
            }
            reads |= statement.names("s3:GetObject")
                && matches!(&statement.resources, Some(Terms::Only(resources))
                    if resources.iter().any(|wide| covers(wide, &objects)));
        }
        if reads {
            Ok(())
        } else {
            Err("CloudFront may not read the objects".to_owned())
        }
    }
}

impl Statement {
    /// Whether its conditions hold only for callers or sources of the account.
    fn is_held_to(&self, account: &str) -> bool {
        let arn_of = |value: &str| value.split(':').nth(4) == Some(account);
        self.conditions.iter().any(|condition| {
            condition.demands("aws:sourceaccount", |value| value == account)
                || condition.demands("aws:principalaccount", |value| value == account)
                || condition.demands("aws:sourcearn", arn_of)
                || condition.demands("aws:principalarn", arn_of)
        })
    }
}
