//! What a policy of an identity allows: too widely, or at all.

use super::{Policy, Statement, Terms, covers};

/// Actions for which AWS knows no resource, so that a policy has to say `*`: the service authorization reference,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>.
/// Those that a task or its execution may need, no more.
const WITHOUT_RESOURCE: [&str; 11] = [
    "cloudwatch:putmetricdata",
    "ecr:getauthorizationtoken",
    "s3:listallmybuckets",
    "ssmmessages:createcontrolchannel",
    "ssmmessages:createdatachannel",
    "ssmmessages:opencontrolchannel",
    "ssmmessages:opendatachannel",
    "sts:getcalleridentity",
    "xray:getsamplingrules",
    "xray:puttelemetryrecords",
    "xray:puttracesegments",
];

/// Actions that no application needs, and that nobody can undo.
const DESTROYS: [&str; 12] = [
    "elasticache:deletereplicationgroup",
    "kms:disablekey",
    "kms:putkeypolicy",
    "kms:schedulekeydeletion",
    "rds:deletedbinstance",
    "rds:deletedbsnapshot",
    "s3:deletebucket",
    "s3:deletebucketpolicy",
    "s3:deleteobjectversion",
    "s3:putbucketpolicy",
    "s3:putlifecycleconfiguration",
    "secretsmanager:deletesecret",
];

/// Actions that hand out the rights of a role.
const BECOMES: [&str; 2] = ["iam:passrole", "sts:assumerole"];

impl Policy {
    /// What it allows of all services, or of the whole of one; no condition makes up for that.
    pub(crate) fn broad_actions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for statement in self.allowing() {
            match &statement.actions {
                Terms::AllBut(_) => found.push(format!("{}: NotAction", statement.name())),
                Terms::Only(actions) => {
                    let broad = actions.iter().filter(|action| is_whole(action));
                    found.extend(broad.map(|action| format!("{}: {action}", statement.name())));
                }
            }
        }
        found
    }

    /// What it allows on everything, though AWS knows resources for it, and roles that it hands out without naming
    /// them.
    pub(crate) fn broad_resources(&self) -> Vec<String> {
        let mut found = Vec::new();
        for statement in self.allowing() {
            let resources = match &statement.resources {
                Some(Terms::Only(resources)) => resources,
                Some(Terms::AllBut(_)) => {
                    found.push(format!("{}: NotResource", statement.name()));
                    continue;
                }
                None => continue,
            };
            for resource in resources {
                if is_everything(resource) && !statement.is_narrowed_by_tag() {
                    let actions = statement.on_anything();
                    found.extend(
                        actions
                            .iter()
                            .map(|action| format!("{}: {action} on {resource}", statement.name())),
                    );
                } else if is_all_of_a_kind(resource) {
                    let becomes = BECOMES.iter().filter(|action| statement.names(action));
                    found.extend(
                        becomes
                            .map(|action| format!("{}: {action} on {resource}", statement.name())),
                    );
                }
            }
        }
        found
    }

    /// What it allows that destroys data, or what protects it, for good. Whole services are told by
    /// [`Self::broad_actions`].
    pub(crate) fn destructive(&self) -> Vec<String> {
        let mut found = Vec::new();
        for statement in self.allowing() {
            let Terms::Only(actions) = &statement.actions else {
                continue;
            };
            let named = actions.iter().filter(|action| !is_whole(action));
            let destroys = named.filter(|wide| DESTROYS.iter().any(|action| covers(wide, action)));
            found.extend(destroys.map(|action| format!("{}: {action}", statement.name())));
        }
        found
    }

    /// Whether it allows `action` on something.
    pub(crate) fn names_allowed(&self, action: &str) -> bool {
        self.allowing().any(|statement| statement.names(action))
    }

    /// Whether it may allow `action` on `resource`; conditions are taken to hold.
    pub(crate) fn may_allow(&self, action: &str, resource: &str) -> bool {
        let applies = |statement: &&Statement| statement.names(action) && statement.is_on(resource);
        let denied = self
            .statements
            .iter()
            .filter(|statement| !statement.allows && statement.conditions.is_empty())
            .any(|statement| applies(&statement));
        !denied && self.allowing().any(|statement| applies(&statement))
    }
}

impl Statement {
    /// Whether `action`, in any case, is among its actions.
    pub(crate) fn names(&self, action: &str) -> bool {
        let action = action.to_lowercase();
        match &self.actions {
            Terms::Only(actions) => actions.iter().any(|wide| covers(wide, &action)),
            Terms::AllBut(actions) => !actions.iter().any(|wide| covers(wide, &action)),
        }
    }

    /// Whether `resource` is among what it names; one that names nothing is on nothing.
    pub(super) fn is_on(&self, resource: &str) -> bool {
        let covered = |all: &[String]| all.iter().any(|wide| covers(wide, resource));
        match &self.resources {
            Some(Terms::Only(all)) => covered(all),
            Some(Terms::AllBut(all)) => !covered(all),
            None => false,
        }
    }

    /// Its actions for which AWS knows resources.
    fn on_anything(&self) -> Vec<String> {
        match &self.actions {
            Terms::AllBut(_) => vec!["NotAction".to_owned()],
            Terms::Only(actions) => actions
                .iter()
                .filter(|action| !WITHOUT_RESOURCE.contains(&action.as_str()))
                .cloned()
                .collect(),
        }
    }

    /// Whether only resources with a tag are meant: AWS chooses some names, and only the tag tells them.
    fn is_narrowed_by_tag(&self) -> bool {
        self.conditions.iter().any(|condition| {
            condition.key.contains("resourcetag/")
                && condition.demands(&condition.key, |value| !is_wild(value))
        })
    }
}

/// `*`, `*:*`, `s3:*`.
fn is_whole(action: &str) -> bool {
    let (service, name) = action.split_once(':').unwrap_or(("", action));
    is_wild(name) || service.contains(['*', '?'])
}

/// Nothing but wildcards.
fn is_wild(text: &str) -> bool {
    text.contains('*') && text.chars().all(|letter| matches!(letter, '*' | '?'))
}

/// `*`, or an ARN that leaves open which resource of a service: `arn:aws:s3:::*`.
fn is_everything(resource: &str) -> bool {
    is_wild(resource) || resource.splitn(6, ':').nth(5).is_some_and(is_wild) || {
        let service = resource.split(':').nth(2);
        service.is_some_and(is_wild)
    }
}

/// Everything, or all roles: `arn:aws:iam::123456789012:role/*`.
fn is_all_of_a_kind(resource: &str) -> bool {
    let kind = resource.splitn(6, ':').nth(5);
    is_everything(resource)
        || kind
            .and_then(|kind| kind.split_once('/'))
            .is_some_and(|(_, name)| is_wild(name))
}
