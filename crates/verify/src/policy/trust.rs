//! Who may take on a role.

use super::{Policy, Terms, covers};

/// Who should be able to take on a role: one service, on behalf of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trust {
    /// `ecs-tasks.amazonaws.com`.
    pub(crate) service: &'static str,
    /// The account on whose behalf.
    pub(crate) account: String,
    /// On behalf of which resources, as a pattern, where the service says so.
    pub(crate) source: Option<String>,
}

impl Trust {
    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        let source = match &self.source {
            Some(source) => format!(", and no wider SourceArn than {source}"),
            None => String::new(),
        };
        format!(
            "{} alone, with SourceAccount {}{source}",
            self.service, self.account
        )
    }

    /// In what a trust policy differs from it; nothing when it is this one or a narrower one.
    pub(crate) fn flaws(&self, policy: &Policy) -> Vec<String> {
        let mut found = Vec::new();
        for statement in policy.allowing() {
            match &statement.principals {
                Some(Terms::Only(principals)) => found.extend(
                    principals
                        .iter()
                        .filter(|who| who.kind != "Service" || who.name != self.service)
                        .map(|who| format!("trusts {} {}", who.kind, who.name)),
                ),
                Some(Terms::AllBut(_)) => found.push("trusts all but some".to_owned()),
                None => found.push("trusts nobody by name".to_owned()),
            }
            match &statement.actions {
                Terms::Only(actions) => found.extend(
                    actions
                        .iter()
                        .filter(|action| *action != "sts:assumerole")
                        .map(|action| format!("allows {action}")),
                ),
                Terms::AllBut(_) => found.push("allows NotAction".to_owned()),
            }
            let demands = |key: &str, fits: &dyn Fn(&str) -> bool| {
                statement
                    .conditions
                    .iter()
                    .any(|condition| condition.demands(key, fits))
            };
            if !demands("aws:sourceaccount", &|value| value == self.account) {
                found.push("does not demand this SourceAccount".to_owned());
            }
            let mut conditions = statement.conditions.iter();
            // The account is enough; whoever narrows further has to narrow to what is right.
            let narrows = conditions.any(|condition| condition.key == "aws:sourcearn");
            if let Some(source) = &self.source
                && narrows
                && !demands("aws:sourcearn", &|value| covers(source, value))
            {
                found.push("does not demand this SourceArn".to_owned());
            }
        }
        if policy.allowing().next().is_none() {
            found.push("trusts nobody".to_owned());
        }
        found
    }
}
