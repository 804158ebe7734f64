//! The user that `application-user.sql` makes, on a real server: what it may, and what it may not.

use std::path::Path;
use std::process::{Command, Output};

use crate::certificates::{Authority, DATABASE};
use crate::hunt::PASSWORD;
use crate::servers::{Server, postgres};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../terraform/modules/database/application-user.sql"
);

/// Like RDS's master user: no superuser, makes roles and databases.
const MASTER: &str = "master";
const APPLICATION: &str = "berthcare_app";

/// A server with a certificate, as psql reaches it.
struct Database {
    server: Server,
    authorities: std::path::PathBuf,
}

impl Database {
    fn psql(&self, user: &str, database: &str, arguments: &[&str]) -> Output {
        let at = format!(
            "host={DATABASE} hostaddr=127.0.0.1 port={} dbname={database} user={user} sslmode=verify-full sslrootcert={}",
            self.server.port,
            self.authorities.display()
        );
        Command::new("psql")
            .args([
                "--no-psqlrc",
                "--no-password",
                "--tuples-only",
                "--no-align",
            ])
            .args(["--set=ON_ERROR_STOP=1", &at])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn does(&self, user: &str, database: &str, statement: &str) -> String {
        let ran = self.psql(user, database, &["--command", statement]);
        assert!(ran.status.success(), "{user}: {statement}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    fn is_refused(&self, user: &str, database: &str, statement: &str) {
        // The code: versions of PostgreSQL have different words for it.
        let arguments = ["--set=VERBOSITY=sqlstate", "--command", statement];
        let ran = self.psql(user, database, &arguments);
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        let refused = told.trim_end().ends_with(" 42501");
        assert!(
            !ran.status.success() && refused,
            "{user}: {statement}: {ran:?}"
        );
    }

    #[track_caller]
    fn makes_application_user(&self) {
        let name = format!("--set=application_user={APPLICATION}");
        let arguments = [&name, "--single-transaction", "--file", SCRIPT];
        let ran = self.psql(MASTER, "berthcare", &arguments);
        assert!(ran.status.success(), "{ran:?}");
    }
}

fn started(folder: &Path) -> Option<Database> {
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("skipped: psql is not installed");
        return None;
    }
    let authority = Authority::new();
    let pair = authority.issue(folder, DATABASE, false);
    Some(Database {
        server: postgres::start(&pair, postgres::How::default())?,
        authorities: authority.file(folder),
    })
}

#[test]
fn application_user_reads_and_writes_rows_and_does_nothing_else() {
    assert!(Path::new(SCRIPT).exists());
    let folder = tempfile::TempDir::new().unwrap();
    let Some(database) = started(folder.path()) else {
        return;
    };
    let quoted = PASSWORD.replace('\'', "''");
    let role =
        |name: &str, rights: &str| format!("CREATE ROLE {name} LOGIN {rights} PASSWORD '{quoted}'");
    database.does(
        postgres::USER,
        "postgres",
        &role(MASTER, "CREATEROLE CREATEDB"),
    );
    database.does(MASTER, "postgres", "CREATE DATABASE berthcare");
    database.does(
        MASTER,
        "berthcare",
        "CREATE TABLE visits (id bigserial PRIMARY KEY, note text)",
    );

    database.makes_application_user();
    let set = format!("ALTER ROLE {APPLICATION} PASSWORD '{quoted}'");
    database.does(MASTER, "berthcare", &set);
    // Rows of a table that was there, and of one that a later migration makes.
    database.does(
        MASTER,
        "berthcare",
        "CREATE TABLE later (id bigserial PRIMARY KEY, note text)",
    );
    for table in ["visits", "later"] {
        let row = format!("INSERT INTO {table} (note) VALUES ('a'); UPDATE {table} SET note = 'b'");
        database.does(APPLICATION, "berthcare", &row);
        let read = format!("SELECT note FROM {table}");
        assert_eq!(database.does(APPLICATION, "berthcare", &read), "b");
        database.does(APPLICATION, "berthcare", &format!("DELETE FROM {table}"));
    }
    for statement in [
        "CREATE TABLE mine (id int)",
        "DROP TABLE visits",
        "TRUNCATE visits",
        "ALTER TABLE visits ADD COLUMN more text",
        "CREATE SCHEMA mine",
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "ALTER ROLE berthcare_app CREATEROLE",
        "GRANT master TO berthcare_app",
        "SELECT rolpassword FROM pg_authid",
        "COPY visits TO PROGRAM 'id'",
    ] {
        database.is_refused(APPLICATION, "berthcare", statement);
    }

    // Somebody has helped himself; a second run takes it back, and leaves what the user is for.
    database.does(MASTER, "berthcare", "GRANT master TO berthcare_app");
    database.does(
        MASTER,
        "berthcare",
        "ALTER ROLE berthcare_app CREATEDB CREATEROLE",
    );
    database.does(APPLICATION, "berthcare", "SET ROLE master");
    database.makes_application_user();
    database.is_refused(APPLICATION, "berthcare", "SET ROLE master");
    database.is_refused(APPLICATION, "berthcare", "CREATE DATABASE other");
    database.does(APPLICATION, "berthcare", "SELECT * FROM visits");
}
