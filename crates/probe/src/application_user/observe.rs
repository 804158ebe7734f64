//! What a user of the database may, as its master user sees it.

use tokio_postgres::{Client, Error};

use super::UserTarget;

/// Nothing that somebody has made in the database is called in the place of a function of the server.
pub(super) const SEARCH_PATH: &str = "SET search_path TO pg_catalog";

/// Where the session is, and what the user may there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ObservedUser {
    pub(super) session: Session,
    pub(super) role: Option<Role>,
    /// Roles that it is a member of.
    pub(super) memberships: Vec<String>,
    /// Everybody may make objects in the schema.
    pub(super) public_creates: bool,
    pub(super) rights: Rights,
    /// Whether the server takes the password of the secret.
    pub(super) password_fits: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Session {
    user: String,
    database: String,
    takes_no_writes: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) oid: u32,
    pub(super) can_login: bool,
    pub(super) creates_databases: bool,
    pub(super) creates_roles: bool,
    pub(super) inherits: bool,
    /// Superuser, replication, or past row security: what a master user can neither give nor take.
    pub(super) beyond: bool,
    /// Tables and the like that it owns, and may therefore drop.
    pub(super) owns: i64,
}

/// What it should have, and may lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) connects: bool,
    pub(super) uses_schema: bool,
    pub(super) tables_without: i64,
    pub(super) sequences_without: i64,
    pub(super) tables_to_come: bool,
    pub(super) sequences_to_come: bool,
}

impl ObservedUser {
    pub(super) fn exists(&self) -> bool {
        self.role.is_some()
    }

    /// Whether the session is where it was meant to be, and the user one that may be made the application's.
    pub(super) fn judge(&self, target: &UserTarget) -> Result<(), String> {
        let Session {
            user,
            database,
            takes_no_writes,
        } = &self.session;
        if *user != target.master || *database != target.database {
            return Err(format!(
                "the session is of {user} in {database}, not of {} in {}",
                target.master, target.database
            ));
        }
        if *takes_no_writes {
            return Err("the server takes no writes: it is a replica, or read-only".to_owned());
        }
        let name = &target.user;
        match &self.role {
            Some(role) if role.beyond => Err(format!(
                "the user {name} is there as a superuser, for replication or past row security: it is no application's"
            )),
            Some(role) if role.owns > 0 => Err(format!(
                "the user {name} owns {} tables, views or sequences, and may drop them: give them to {} first (REASSIGN OWNED)",
                role.owns, target.master
            )),
            Some(_) | None => Ok(()),
        }
    }
}

pub(super) async fn observe(client: &Client, user: &str) -> Result<ObservedUser, Error> {
    client.batch_execute(SEARCH_PATH).await?;
    let session = client
        .query_one(
            "SELECT current_user::text, current_database()::text, \
                    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', \
                    has_schema_privilege('public', 'public', 'CREATE')",
            &[],
        )
        .await?;
    let mut observed = ObservedUser {
        session: Session {
            user: session.try_get(0)?,
            database: session.try_get(1)?,
            takes_no_writes: session.try_get(2)?,
        },
        public_creates: session.try_get(3)?,
        ..ObservedUser::default()
    };
    let role = client
        .query_opt(
            "SELECT oid, rolcanlogin, rolcreatedb, rolcreaterole, rolinherit, \
                    rolsuper OR rolreplication OR rolbypassrls, \
                    (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) \
               FROM pg_roles WHERE rolname = $1",
            &[&user],
        )
        .await?;
    let Some(role) = role else {
        return Ok(observed);
    };
    let role = Role {
        oid: role.try_get(0)?,
        can_login: role.try_get(1)?,
        creates_databases: role.try_get(2)?,
        creates_roles: role.try_get(3)?,
        inherits: role.try_get(4)?,
        beyond: role.try_get(5)?,
        owns: role.try_get(6)?,
    };
    let memberships = client
        .query(
            "SELECT of.rolname::text FROM pg_auth_members AS membership \
               JOIN pg_roles AS of ON of.oid = membership.roleid \
              WHERE membership.member = $1 ORDER BY 1",
            &[&role.oid],
        )
        .await?;
    observed.memberships = memberships
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    observed.rights = rights(client, role.oid).await?;
    observed.role = Some(role);
    Ok(observed)
}

async fn rights(client: &Client, role: u32) -> Result<Rights, Error> {
    let row = client
        .query_one(
            "WITH acl AS (\
               SELECT d.defaclobjtype AS of, count(DISTINCT a.privilege_type) AS number \
                 FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS a \
                WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) \
                  AND d.defaclnamespace = 'public'::regnamespace AND a.grantee = $1::oid \
                  AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE') \
                  AND (d.defaclobjtype = 'r' OR a.privilege_type IN ('SELECT', 'USAGE')) \
                GROUP BY 1) \
             SELECT has_database_privilege($1::oid, current_database(), 'CONNECT'), \
                    has_schema_privilege($1::oid, 'public', 'USAGE'), \
                    (SELECT count(*) FROM pg_class \
                      WHERE relnamespace = 'public'::regnamespace \
                        AND relkind IN ('r', 'p', 'v', 'm', 'f') \
                        AND NOT (has_table_privilege($1::oid, oid, 'SELECT') AND has_table_privilege($1::oid, oid, 'INSERT') \
                             AND has_table_privilege($1::oid, oid, 'UPDATE') AND has_table_privilege($1::oid, oid, 'DELETE'))), \
                    (SELECT count(*) FROM pg_class \
                      WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' \
                        AND NOT (has_sequence_privilege($1::oid, oid, 'USAGE') AND has_sequence_privilege($1::oid, oid, 'SELECT'))), \
                    coalesce((SELECT number FROM acl WHERE of = 'r'), 0) = 4, \
                    coalesce((SELECT number FROM acl WHERE of = 'S'), 0) = 2",
            &[&role],
        )
        .await?;
    Ok(Rights {
        connects: row.try_get(0)?,
        uses_schema: row.try_get(1)?,
        tables_without: row.try_get(2)?,
        sequences_without: row.try_get(3)?,
        tables_to_come: row.try_get(4)?,
        sequences_to_come: row.try_get(5)?,
    })
}
