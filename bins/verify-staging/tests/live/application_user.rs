//! The user that `db-user` makes, on a real server: what it may, and what it may not.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::certificates::{Authority, DATABASE};
use crate::hunt::{PASSWORD, assert_clean};
use crate::servers::{Server, free_port, postgres};
use crate::stage::{Ran, Stage, text};

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

    /// `db-user`, with whatever else is given.
    async fn db_user(&self, stage: &Stage, arguments: &[&str]) -> Ran {
        let via = self.server.via();
        let usual = ["db-user", "--via", &via, "--ca", text(&self.authorities)];
        let ran = stage.run(&[&usual[..], arguments].concat()).await;
        // By a verifier guesses can be tried.
        for said in [&ran.stdout, &ran.stderr] {
            assert!(!said.contains("SCRAM-SHA-256$"), "{ran:?}");
        }
        ran
    }

    #[track_caller]
    fn master(&self) {
        let quoted = PASSWORD.replace('\'', "''");
        let role = format!("CREATE ROLE {MASTER} LOGIN CREATEROLE CREATEDB PASSWORD '{quoted}'");
        self.does(postgres::USER, "postgres", &role);
        self.does(MASTER, "postgres", "CREATE DATABASE berthcare");
        let table = "CREATE TABLE visits (id bigserial PRIMARY KEY, note text)";
        self.does(MASTER, "berthcare", table);
    }
}

/// Secrets and outputs as terraform and RDS leave them.
async fn stage() -> Option<Stage> {
    let mut stage = Stage::open().await?;
    let master = json!({"username": MASTER, "password": PASSWORD});
    let arn = stage.secret("master", &master.to_string()).await;
    stage.output("db_master_secret_arn", arn);
    application_secret(&mut stage, "application", |_| {}).await;
    for (name, value) in [
        ("db_name", "berthcare"),
        ("db_username", APPLICATION),
        ("db_master_username", MASTER),
    ] {
        stage.output(name, value);
    }
    Some(stage)
}

async fn application_secret(stage: &mut Stage, name: &str, change: impl Fn(&mut Value)) {
    let mut secret = json!({"username": APPLICATION, "password": PASSWORD, "engine": "postgres",
        "host": DATABASE, "port": 5432, "dbname": "berthcare"});
    change(&mut secret);
    let arn = stage.secret(name, &secret.to_string()).await;
    stage.output("db_credentials_secret_arn", arn);
}

fn started(folder: &Path) -> Option<Database> {
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("skipped: psql is not installed");
        return None;
    }
    let authority = Authority::new();
    let pair = authority.issue(folder, DATABASE, false);
    let how = postgres::How {
        logs_statements: true,
        ..postgres::How::default()
    };
    Some(Database {
        server: postgres::start(&pair, how)?,
        authorities: authority.file(folder),
    })
}

#[tokio::test]
async fn db_user_reads_and_writes_rows_and_does_nothing_else() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(database) = started(folder.path()) else {
        return;
    };
    let Some(stage) = stage().await else {
        return;
    };
    database.master();
    let logged = database.server.log().len();

    let planned = database.db_user(&stage, &["--dry-run"]).await;
    assert_eq!(planned.code, Some(0), "{planned:?}");
    for part in [
        "make the user berthcare_app",
        DATABASE,
        "password of the secret",
    ] {
        assert!(planned.stdout.contains(part), "{part}: {planned:?}");
    }
    let there = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{APPLICATION}'");
    assert_eq!(database.does(MASTER, "berthcare", &there), "0");
    // Nobody is there to ask.
    let asked = database.db_user(&stage, &[]).await;
    assert_eq!(asked.code, Some(4), "{asked:?}");
    assert_eq!(database.does(MASTER, "berthcare", &there), "0");

    let made = database.db_user(&stage, &["--yes"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
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

    // Again: nothing to do.
    let again = database.db_user(&stage, &["--output", "json"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.json()["steps"], json!([]), "{again:?}");

    // Somebody has helped himself; a second run takes it back, and leaves what the user is for.
    database.does(MASTER, "berthcare", "GRANT master TO berthcare_app");
    database.does(
        MASTER,
        "berthcare",
        "ALTER ROLE berthcare_app CREATEDB CREATEROLE",
    );
    database.does(APPLICATION, "berthcare", "SET ROLE master");
    let taken = database
        .db_user(&stage, &["--yes", "--output", "json"])
        .await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert_eq!(
        taken.json()["steps"].as_array().unwrap().len(),
        2,
        "{taken:?}"
    );
    database.is_refused(APPLICATION, "berthcare", "SET ROLE master");
    database.is_refused(APPLICATION, "berthcare", "CREATE DATABASE other");
    database.does(APPLICATION, "berthcare", "SELECT * FROM visits");

    // A password that differs from the secret's is set, and nothing else.
    database.does(
        postgres::USER,
        "postgres",
        "ALTER ROLE berthcare_app PASSWORD 'other'",
    );
    let set = database
        .db_user(&stage, &["--yes", "--output", "json"])
        .await;
    assert_eq!(set.code, Some(0), "{set:?}");
    let steps = json!(["berthcare_app has the password of the secret"]);
    assert_eq!(set.json()["steps"], steps, "{set:?}");
    database.does(APPLICATION, "berthcare", "SELECT * FROM visits");

    // The server was asked to log every statement.
    let log = database.server.log().split_off(logged);
    assert!(log.contains("GRANT USAGE ON SCHEMA public"), "{log}");
    assert_clean("the server's log", log.as_bytes());
}

#[tokio::test]
async fn db_user_of_another_target_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(database) = started(folder.path()) else {
        return;
    };
    let Some(mut stage) = stage().await else {
        return;
    };
    database.master();
    for (field, value) in [
        ("host", "db.elsewhere.example"),
        ("dbname", "postgres"),
        ("username", MASTER),
        ("username", "rds_superuser"),
    ] {
        let name = format!("{field}-{value}").replace('.', "-");
        application_secret(&mut stage, &name, |secret| secret[field] = value.into()).await;
        stage.output(
            "db_username",
            if field == "username" {
                value
            } else {
                APPLICATION
            },
        );
        let ran = database.db_user(&stage, &["--yes"]).await;
        assert_eq!(ran.code, Some(4), "{field} {value}: {ran:?}");
        assert!(ran.stderr.contains("nothing was changed"), "{ran:?}");
    }
    stage.output("db_username", APPLICATION);
    application_secret(&mut stage, "right", |_| {}).await;
    // A certificate of somebody else: no password is sent there.
    let other = Authority::new().file(&stage.folder("other"));
    let via = database.server.via();
    let arguments = ["db-user", "--via", &via, "--ca", text(&other), "--yes"];
    let ran = stage.run(&arguments).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("no password is sent"), "{ran:?}");
    // A user that is more than an application's, or owns what it could drop.
    for (make, part) in [
        ("CREATE ROLE berthcare_app SUPERUSER", "superuser"),
        (
            "ALTER ROLE berthcare_app NOSUPERUSER; ALTER TABLE visits OWNER TO berthcare_app",
            "owns",
        ),
    ] {
        let ran = database.psql(postgres::USER, "berthcare", &["--command", make]);
        assert!(ran.status.success(), "{ran:?}");
        let ran = database.db_user(&stage, &["--yes"]).await;
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    let log = database.server.log();
    assert!(!log.contains("GRANT USAGE ON SCHEMA public"), "{log}");
}

#[tokio::test]
async fn db_user_where_nobody_answers_or_the_master_is_not_let_in_changes_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let Some(database) = started(folder.path()) else {
        return;
    };
    let Some(stage) = stage().await else {
        return;
    };
    // There is no such user.
    let ran = database.db_user(&stage, &["--yes"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let via = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "db-user",
        "--via",
        &via,
        "--ca",
        text(&database.authorities),
        "--yes",
    ];
    let ran = stage.run(&arguments).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
}
