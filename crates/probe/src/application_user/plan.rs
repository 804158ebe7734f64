//! From what a user may to the statements that make it the application's.

use super::observe::{ObservedUser, Role};
use crate::connection::Secret;

/// A difference, and what takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    /// Log in, and make neither databases nor roles.
    Attributes,
    Leave(String),
    CloseSchema,
    Connect,
    UseSchema,
    Tables,
    Sequences,
    TablesToCome,
    SequencesToCome,
    Password,
}

/// In the order in which they can be taken.
pub(super) fn steps(observed: &ObservedUser) -> Vec<Step> {
    let rights = &observed.rights;
    let new = !observed.exists();
    let attributes = |role: &Role| {
        !role.can_login || role.creates_databases || role.creates_roles || !role.inherits
    };
    let when = |is: bool, step: Step| is.then_some(step);
    let leave = observed.memberships.iter().cloned().map(Step::Leave);
    let first = [
        when(new, Step::Create),
        when(
            new || observed.role.as_ref().is_some_and(attributes),
            Step::Attributes,
        ),
    ];
    let others = [
        when(observed.public_creates, Step::CloseSchema),
        when(!rights.connects, Step::Connect),
        when(!rights.uses_schema, Step::UseSchema),
        when(new || rights.tables_without > 0, Step::Tables),
        when(new || rights.sequences_without > 0, Step::Sequences),
        when(!rights.tables_to_come, Step::TablesToCome),
        when(!rights.sequences_to_come, Step::SequencesToCome),
        when(!observed.password_fits, Step::Password),
    ];
    let first = first.into_iter().flatten();
    first
        .chain(leave)
        .chain(others.into_iter().flatten())
        .collect()
}

impl Step {
    /// In words.
    pub(super) fn describe(&self, user: &str) -> String {
        match self {
            Self::Create => format!("make the user {user}"),
            Self::Attributes => {
                format!("{user} logs in, and makes neither databases nor roles")
            }
            Self::Leave(role) => format!("{user} is no longer a member of {role}"),
            Self::CloseSchema => {
                "nobody but its owner makes tables and functions in the schema public".to_owned()
            }
            Self::Connect => format!("{user} connects to the database"),
            Self::UseSchema => format!("{user} uses the schema public"),
            Self::Tables => format!("{user} reads and writes rows of all its tables"),
            Self::Sequences => format!("{user} uses all its sequences"),
            Self::TablesToCome => format!("{user} gets the same for tables that are made later"),
            Self::SequencesToCome => {
                format!("{user} gets the same for sequences that are made later")
            }
            Self::Password => format!("{user} has the password of the secret"),
        }
    }

    /// As SQL. It may hold a verifier, by which guesses of the password can be tried.
    pub(super) fn statement(&self, user: &str, database: &str, password: &Secret) -> Secret {
        let user = identifier(user);
        Secret::new(match self {
            Self::Create => format!("CREATE ROLE {user}"),
            Self::Attributes => {
                format!("ALTER ROLE {user} WITH LOGIN NOCREATEDB NOCREATEROLE INHERIT")
            }
            Self::Leave(role) => format!("REVOKE {} FROM {user}", identifier(role)),
            Self::CloseSchema => "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
            Self::Connect => {
                format!(
                    "GRANT CONNECT ON DATABASE {} TO {user}",
                    identifier(database)
                )
            }
            Self::UseSchema => format!("GRANT USAGE ON SCHEMA public TO {user}"),
            Self::Tables => format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}"
            ),
            Self::Sequences => {
                format!("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {user}")
            }
            Self::TablesToCome => format!(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA public \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {user}"
            ),
            Self::SequencesToCome => format!(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {user}"
            ),
            // What psql's \password sends. It has letters, digits and $:=/+ alone, nothing that ends a text.
            Self::Password => {
                let verifier =
                    postgres_protocol::password::scram_sha_256(password.reveal().as_bytes());
                format!("ALTER ROLE {user} PASSWORD '{verifier}'")
            }
        })
    }
}

/// A name as SQL takes it, whatever is in it.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_of_any_name_is_one_word() {
        assert_eq!(identifier("a"), "\"a\"");
        assert_eq!(
            identifier("a\"; DROP TABLE b; --"),
            "\"a\"\"; DROP TABLE b; --\""
        );
    }

    #[test]
    fn statement_of_a_password_does_not_have_it() {
        let password = Secret::new("hunter2' OR");
        let statement = Step::Password.statement("app", "db", &password);
        let text = statement.reveal();
        let verifier = text.strip_prefix("ALTER ROLE \"app\" PASSWORD '").unwrap();
        let verifier = verifier.strip_suffix('\'').unwrap();
        assert!(
            verifier.starts_with("SCRAM-SHA-256$") && !verifier.contains('\''),
            "{verifier}"
        );
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!format!("{statement:?}").contains("SCRAM"));
    }

    #[test]
    fn steps_for_a_user_that_is_as_it_should_be_are_none() {
        let mut observed = ObservedUser {
            role: Some(Role {
                can_login: true,
                inherits: true,
                ..Role::default()
            }),
            rights: super::super::observe::Rights {
                connects: true,
                uses_schema: true,
                tables_to_come: true,
                sequences_to_come: true,
                ..Default::default()
            },
            password_fits: true,
            ..ObservedUser::default()
        };
        assert_eq!(steps(&observed), []);
        observed.memberships = vec!["rds_superuser".to_owned()];
        observed.password_fits = false;
        let leave = Step::Leave("rds_superuser".to_owned());
        assert_eq!(steps(&observed), [leave, Step::Password]);
    }
}
