//! Whom the policy of a resource reaches: of a bucket, a key, a secret, a topic.

use std::fmt;

use report::finding::{Observation, Unobserved};

use super::{Condition, Policy, Principal, Statement, Terms, covers};

/// Somebody from outside the account whom a statement lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outsider<'a> {
    pub(crate) statement: &'a Statement,
    /// `None`: all but those whom the statement names.
    pub(crate) principal: Option<&'a Principal>,
}

impl Outsider<'_> {
    /// Everybody without any condition.
    pub(crate) fn is_public(&self) -> bool {
        self.principal.is_some_and(Principal::is_everybody) && self.statement.conditions.is_empty()
    }

    /// An AWS service on whosever behalf.
    pub(crate) fn is_service(&self) -> bool {
        self.principal.is_some_and(|who| who.kind == "Service")
    }
}

impl fmt::Display for Outsider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statement = self.statement.name();
        match self.principal {
            Some(who) if who.is_everybody() => write!(f, "{statement}: everybody"),
            Some(who) => write!(f, "{statement}: {} {}", who.kind, who.name),
            None => write!(f, "{statement}: NotPrincipal"),
        }
    }
}

/// What people read of those who are let in: nobody, or who.
pub(crate) fn nobody_or(outsiders: &[Outsider<'_>]) -> (bool, String) {
    if outsiders.is_empty() {
        return (true, "nobody".to_owned());
    }
    let all: Vec<String> = outsiders.iter().map(Outsider::to_string).collect();
    (false, all.join(", "))
}

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

    /// A role or user by its unique ID.
    fn is_by_id(&self) -> bool {
        let by_id = ["AROA", "AIDA"];
        self.kind == "AWS" && by_id.iter().any(|prefix| self.name.starts_with(prefix))
    }

    /// Of this account: its root, a user or a role by ARN, or its number.
    fn is_of(&self, account: &str) -> bool {
        self.kind == "AWS" && (self.name == account || self.name.split(':').nth(4) == Some(account))
    }
}

impl Policy {
    /// Whom it lets in from outside `account`: other accounts, identity providers, and services that it does not
    /// hold to this account.
    ///
    /// # Errors
    /// Where nobody is found, and a principal is named by its unique ID, which has no account in it: AWS shows those
    /// of roles and users that are gone that way.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
    pub(crate) fn outsiders(&self, account: &str) -> Observation<Vec<Outsider<'_>>> {
        let (mut found, mut unclear) = (Vec::new(), None);
        for statement in self.allowing() {
            let principals = match &statement.principals {
                Some(Terms::Only(principals)) => principals,
                Some(Terms::AllBut(_)) => {
                    found.push(Outsider {
                        statement,
                        principal: None,
                    });
                    continue;
                }
                None => continue,
            };
            for principal in principals {
                if principal.is_of(account) || statement.is_held_to(account) {
                    continue;
                }
                if principal.is_by_id() {
                    unclear.get_or_insert(principal);
                    continue;
                }
                found.push(Outsider {
                    statement,
                    principal: Some(principal),
                });
            }
        }
        match unclear {
            Some(principal) if found.is_empty() => Err(Unobserved::because(format!(
                "the policy names {} by its unique ID: nobody can tell of which account it is",
                principal.name
            ))),
            _ => Ok(found),
        }
    }

    /// The statement that denies the role of `role_arn` the action on the resource whatever else is allowed, if there is
    /// one. Those with conditions hold only sometimes, as for what comes without TLS.
    pub(crate) fn denies(
        &self,
        role_arn: &str,
        action: &str,
        resource: &str,
    ) -> Option<&Statement> {
        let account = role_arn.split(':').nth(4).unwrap_or_default();
        let is_meant = |who: &Principal| {
            let whole_account = who.name == account || who.name.ends_with(":root");
            who.is_everybody() || who.name == role_arn || whole_account && who.is_of(account)
        };
        self.statements.iter().find(|statement| {
            let whom = match &statement.principals {
                Some(Terms::Only(who)) => who.iter().any(is_meant),
                Some(Terms::AllBut(who)) => !who.iter().any(|who| who.name == role_arn),
                None => false,
            };
            !statement.allows
                && statement.conditions.is_empty()
                && whom
                && statement.names(action)
                && statement.is_on(resource)
        })
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

/// Keys of conditions, in lower case, that have the account of who asks, or on whose behalf a service does:
/// `aws:SourceOwner` is SNS's own, `kms:CallerAccount` KMS's.
const ACCOUNT_KEYS: [&str; 4] = [
    "aws:principalaccount",
    "aws:sourceaccount",
    "aws:sourceowner",
    "kms:calleraccount",
];

impl Statement {
    /// Whether its conditions hold only for callers or sources of the account.
    pub(crate) fn is_held_to(&self, account: &str) -> bool {
        let arn_of = |value: &str| value.split(':').nth(4) == Some(account);
        self.conditions.iter().any(|condition| {
            let mut accounts = ACCOUNT_KEYS.iter();
            accounts.any(|key| condition.demands(key, |value| value == account))
                || condition.demands("aws:sourcearn", arn_of)
                || condition.demands("aws:principalarn", arn_of)
        })
    }
}
