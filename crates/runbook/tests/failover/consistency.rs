//! A real database that is restored in the region loss, and asked whether its rows and the objects belong together.

use std::time::Duration;

use local_aws::RdsData;
use runbook::{
    Consistency, Digest, Looked, RowsAndObjects, RunReport, RunState, RunStatus, SequencesAdvanced,
    StepId, StepStatus,
};
use serde::Deserialize as _;
use settings::HookPoint;
use tokio_postgres::{Client, NoTls};

use crate::hooks::LONG;
use crate::stage::{DR, Environment, PASSWORD, Stage, Unseen};

/// What the application has written by the time of the backup: of four rows two have their objects, and the highest number is
/// beyond what its sequence gave.
const ROWS: &str = "\
    create table documents (id serial primary key, object_key text); \
    insert into documents (object_key) values ('a.jpg'), ('lost/kim.jpg'), (null), ('a.jpg'); \
    insert into documents (id, object_key) values (50, 'lost/lee.jpg'); \
    create table visits (id bigint generated always as identity primary key); \
    create sequence at_its_end maxvalue 10; select setval('at_its_end', 10); \
    create table versions (version text); insert into versions values ('41'), ('42'); \
    create function take() returns table (k text) language sql as \
        $$ insert into documents (object_key) values ('taken') returning object_key $$; ";

async fn connect(host: &str, port: &str, password: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port.parse().unwrap()).user("app");
    config.password(password).dbname("postgres");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn open() -> Option<Stage> {
    let fill = async |address: &str| {
        let (host, port) = address.rsplit_once(':').unwrap();
        fill(host, port).await;
    };
    Stage::open_with(RdsData::WhereInstalled, fill).await
}

/// The settings of what is asked by `keys`.
fn integrity(number: u64, keys: &str, more: &str) -> String {
    format!(
        r#"[databases.integrity]
        ca = "authorities.pem"
        dbname = "postgres"
        {more}
        [databases.integrity.sequences]
        margin = 100
        [databases.integrity.schema]
        version = "SELECT max(version) FROM versions"
        expect = "42"
        [[databases.integrity.objects]]
        bucket = "photos-{number}"
        keys = "{keys}"
        prefix = ''"#
    )
}

/// An environment that is asked by `keys`, and by `more` of its settings.
async fn environment(stage: &Stage, number: u64, keys: &str, more: &str) -> Environment {
    let integrity = integrity(number, keys, more);
    let environment = stage.environment_with(number, &integrity).await;
    trust(stage, &environment);
    environment
}

/// Whoever asks has the authority of the servers.
fn trust(stage: &Stage, environment: &Environment) {
    let authority = stage.aws.rds().unwrap();
    let path = environment.folder.path().join("authorities.pem");
    std::fs::write(path, authority.authority().unwrap()).unwrap();
}

/// What the application has written into the database at `host`, and its password.
async fn fill(host: &str, port: &str) {
    let client = connect(host, port, "correct-horse").await;
    let password = format!("alter role app password '{PASSWORD}'");
    let all = format!("{ROWS}{password}");
    client.batch_execute(&all).await.unwrap();
}

/// An environment in the primary region whose database has rows that name objects of its bucket.
async fn at_home(stage: &Stage, number: u64) -> Environment {
    let integrity = integrity(number, KEYS, "");
    let environment = Box::pin(stage.at_home_with(number, &integrity)).await;
    trust(stage, &environment);
    let (host, port) = stage.address(&stage.rds_primary, &environment.home()).await;
    fill(&host, &port.to_string()).await;
    environment
}

async fn restored(stage: &Stage, environment: &Environment) -> Client {
    let (host, port) = stage.address(&stage.rds, &environment.target()).await;
    connect(&host, &port.to_string(), PASSWORD).await
}

fn found(state: &RunState) -> Consistency {
    found_of(state, "app")
}

fn found_of(state: &RunState, database: &str) -> Consistency {
    let step = StepId::new(&format!("consistency/{database}"));
    Consistency::deserialize(state.result(&step).unwrap()).unwrap()
}

fn objects(found: &Consistency) -> &Looked<RowsAndObjects> {
    &found.objects[0].found
}

fn advanced(found: &Consistency) -> Vec<(&str, i64)> {
    let advanced = match &found.sequences {
        Some(Looked::Found(SequencesAdvanced { advanced, .. })) => Some(advanced),
        _ => None,
    };
    let advanced = advanced.unwrap().iter();
    advanced
        .map(|sequence| (sequence.sequence.as_str(), sequence.to))
        .collect()
}

const KEYS: &str = "SELECT object_key FROM documents -- of everybody";

/// Where the two sequences with room are after it. The first is restored at the fourth value or, since its log is written ahead, at
/// up to 32 values later: the highest row is beyond both.
const ADVANCED: [(&str, i64); 2] = [
    ("public.documents_id_seq", 150),
    ("public.visits_id_seq", 100),
];

#[tokio::test]
async fn consistency_of_a_restored_database_tells_what_is_missing_and_advances_sequences() {
    let Some(stage) = open().await else { return };
    let environment = environment(&stage, 1, KEYS, "").await;
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let found = found(&state);
    let Looked::Found(compared) = objects(&found) else {
        panic!("{found:?}");
    };
    // Of the bucket's two objects one has rows, and one has none.
    assert_eq!((compared.rows, compared.objects), (4, 2));
    assert_eq!(compared.rows_without_object.objects["lost/"], 2);
    assert_eq!(compared.rows_without_object.total(), 2);
    assert_eq!(compared.objects_without_row.as_ref().unwrap().total(), 1);
    let schema = format!("{:?}", found.schema);
    assert!(schema.contains("version: Some(\"42\")"), "{schema}");
    assert_eq!(advanced(&found), ADVANCED);
    let told = serde_json::to_string(&found).unwrap();
    assert!(
        told.contains("at_its_end") && told.contains("no room"),
        "{told}"
    );
    let client = restored(&stage, &environment).await;
    let insert = "insert into documents (object_key) values ('new') returning id";
    let id: i32 = client.query_one(insert, &[]).await.unwrap().get(0);
    assert_eq!(id, 151);
    // The keys are in a file for its owner, and nowhere else. Another database that names objects of the bucket has its own.
    let list = compared.list.as_deref().unwrap();
    assert_eq!(list, "consistency-app-1-dr.photos-1-dr.jsonl");
    let path = environment.folder.path().join(list);
    let list = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        list.lines().collect::<Vec<_>>(),
        [
            r#"{"object_without_row":"b.jpg"}"#,
            r#"{"row_without_object":"lost/kim.jpg"}"#,
            r#"{"row_without_object":"lost/lee.jpg"}"#,
        ]
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let shown = format!("{state:?} {:?}", RunReport::of(&state));
    assert!(!shown.contains("kim.jpg") && !shown.contains(PASSWORD));
    assert_eq!(RunReport::of(&state).consistency.len(), 1);
}

/// Rows, objects, rows without objects, and objects without rows.
fn counts(found: &Consistency) -> (u64, u64, u64, u64) {
    let compared = match objects(found) {
        Looked::Found(compared) => Some(compared),
        Looked::Unknown { .. } => None,
    };
    let compared = compared.unwrap();
    let without_row = compared.objects_without_row.as_ref().unwrap();
    (
        compared.rows,
        compared.objects,
        compared.rows_without_object.total(),
        without_row.total(),
    )
}

#[tokio::test]
async fn consistency_of_a_switchover_is_asked_in_the_dr_region_and_lets_sequences_stay() {
    let Some(stage) = open().await else { return };
    stage.make_home().await;
    let environment = at_home(&stage, 1).await;
    let process = environment.process(1);
    let moved = Box::pin(environment.switch_over(&stage, &process, (&Unseen, &[]))).await;
    let state = moved.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let found = found_of(&state, &environment.home());
    assert_eq!(found.instance, environment.target());
    // Four rows name an object, two of them one that never was; of the three objects one has rows.
    assert_eq!(counts(&found), (4, 3, 2, 2));
    // Nothing was lost: no number was given out that the database does not know.
    assert_eq!(found.sequences, None);
    assert!(format!("{:?}", found.schema).contains("version: Some(\"42\")"));
    let client = restored(&stage, &environment).await;
    let at = "select last_value from visits_id_seq";
    let at: i64 = client.query_one(at, &[]).await.unwrap().get(0);
    assert_eq!(at, 1);
}

#[tokio::test]
async fn consistency_on_the_way_back_is_asked_in_the_primary_region() {
    let Some(stage) = open().await else { return };
    stage.make_home().await;
    let environment = at_home(&stage, 1).await;
    // The backups of the DR region have the rows by then.
    let hour = Duration::from_secs(60 * 60);
    stage.aws.rds().unwrap().step(hour).await;
    Box::pin(stage.fail_over(&environment, 1000)).await;
    // One row more, with its object; another object loses its row's last chance.
    stage.use_in_dr(&environment).await;
    let client = restored(&stage, &environment).await;
    let insert = "insert into documents (object_key) values ('new.jpg')";
    client.batch_execute(insert).await.unwrap();
    let back = Box::pin(environment.fail_back(&stage, &environment.process(1), "")).await;
    let state = back.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let found = found_of(&state, &environment.home());
    assert_eq!(found.instance, environment.home());
    // Of a, b and new, which came home, b has no row.
    assert_eq!(counts(&found), (5, 3, 2, 1));
    assert_eq!(found.sequences, None);
    let list = format!("consistency-{}.photos-1.jsonl", environment.home());
    let list = std::fs::read_to_string(environment.folder.path().join("primary").join(list));
    assert_eq!(
        list.unwrap().lines().collect::<Vec<_>>(),
        [
            r#"{"object_without_row":"b.jpg"}"#,
            r#"{"row_without_object":"lost/kim.jpg"}"#,
            r#"{"row_without_object":"lost/lee.jpg"}"#,
        ]
    );
}

#[tokio::test]
async fn consistency_of_a_run_that_is_killed_advances_no_sequence_twice() {
    let Some(stage) = open().await else { return };
    let environment = environment(&stage, 1, "SELECT v.version FROM versions AS v", "").await;
    let process = environment.process(1);
    // Sequences are advanced; what comes then waits for a table that is not let go.
    let killed = {
        let carried = environment.carry(&stage, &process);
        tokio::pin!(carried);
        let mut lock = None;
        loop {
            tokio::select! {
                ended = &mut carried => panic!("{ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            let target = environment.target();
            let there = stage.rds.describe_db_instances();
            let there = there.db_instance_identifier(target).send().await;
            let serves = there.is_ok_and(|there| {
                let mut instances = there.db_instances().iter();
                instances.any(|instance| instance.endpoint().is_some())
            });
            if !serves {
                continue;
            }
            if lock.is_none() {
                let client = restored(&stage, &environment).await;
                let take = "begin; lock table versions in access exclusive mode";
                client.batch_execute(take).await.unwrap();
                lock = Some(client);
            }
            let at = "select last_value from visits_id_seq";
            let at: i64 = lock
                .as_ref()
                .unwrap()
                .query_one(at, &[])
                .await
                .unwrap()
                .get(0);
            if at == 100 {
                break lock;
            }
        }
    };
    drop(killed);
    environment.died(&process);
    let state = environment
        .carry(&stage, &environment.process(2))
        .await
        .unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    assert_eq!(advanced(&found(&state)), ADVANCED);
    let client = restored(&stage, &environment).await;
    let at =
        "select (select last_value from visits_id_seq), (select last_value from documents_id_seq)";
    let at = client.query_one(at, &[]).await.unwrap();
    assert_eq!((at.get::<_, i64>(0), at.get::<_, i64>(1)), (100, 150));
}

#[tokio::test]
async fn consistency_of_a_query_that_writes_or_hangs_is_unknown_and_changes_nothing() {
    let Some(stage) = open().await else { return };
    for (number, keys, more, why) in [
        (1, "SELECT k FROM take()", "", "it writes"),
        (
            2,
            "SELECT 'k' FROM pg_sleep(3600)",
            "timeout = \"500ms\"",
            "it took longer than",
        ),
        (3, "SELECT k FROM nowhere", "", "not there"),
        (
            4,
            "SELECT object_key FROM documents; DROP TABLE documents",
            "",
            "SQLSTATE",
        ),
        (
            5,
            "SELECT k FROM x) AS a (k); COMMIT; DROP TABLE documents; SELECT (1",
            "",
            "SQLSTATE",
        ),
    ] {
        let environment = environment(&stage, number, keys, more).await;
        let state = environment
            .carry(&stage, &environment.process(1))
            .await
            .unwrap();
        assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
        let found = found(&state);
        match objects(&found) {
            Looked::Unknown { unknown } => assert!(unknown.contains(why), "{keys}: {unknown}"),
            other => panic!("{keys}: {other:?}"),
        }
        let client = restored(&stage, &environment).await;
        let rows = client
            .query_one("select count(*) from documents", &[])
            .await;
        assert_eq!(rows.unwrap().get::<_, i64>(0), 5, "{keys}");
    }
}

#[tokio::test]
async fn consistency_of_a_database_that_is_not_reached_is_unknown_and_says_how_to_go_on() {
    let Some(stage) = open().await else { return };
    for (number, more, told) in [
        (
            1,
            "via = \"127.0.0.1:1\"",
            "open the tunnel whose near end is 127.0.0.1:1",
        ),
        (
            2,
            "login = \"nobody/has-it\"",
            "go to a machine that reaches it",
        ),
    ] {
        let environment = environment(&stage, number, KEYS, more).await;
        let state = environment
            .carry(&stage, &environment.process(1))
            .await
            .unwrap();
        let step = &state.steps[&StepId::new("consistency/app")];
        assert_eq!(step.status, StepStatus::Failed, "{step:?}");
        assert_eq!(
            state.steps[&StepId::new("verify")].status,
            StepStatus::Pending
        );
        let outcome = format!("{:?}", step.outcome);
        assert!(
            outcome.contains(told) && outcome.contains("--skip consistency/app"),
            "{outcome}"
        );
        let report = format!("{:?}", RunReport::of(&state).consistency);
        assert!(report.contains("is not known"), "{report}");
    }
    // An authority that has not signed the server's certificate is not trusted with the password.
    let environment = environment(&stage, 3, KEYS, "").await;
    let path = environment.folder.path().join("authorities.pem");
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    std::fs::write(path, other.cert.pem()).unwrap();
    let state = environment
        .carry(&stage, &environment.process(1))
        .await
        .unwrap();
    let outcome = format!("{:?}", state.steps[&StepId::new("consistency/app")].outcome);
    assert!(outcome.contains("no password is sent"), "{outcome}");
}

#[tokio::test]
async fn consistency_that_is_gone_on_with_takes_the_tunnel_of_the_machine_that_goes_on() {
    let Some(stage) = open().await else { return };
    let mut environment = environment(&stage, 1, KEYS, "via = \"127.0.0.1:1\"").await;
    let planned = Digest::of_settings(&environment.settings).unwrap();
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    let step = StepId::new("consistency/app");
    assert_eq!(state.steps[&step].status, StepStatus::Failed, "{state:#?}");
    environment.died(&process);
    // On another machine the tunnel begins elsewhere.
    let (host, port) = stage.address(&stage.rds, &environment.target()).await;
    let asked = environment.settings.databases[0]
        .integrity
        .as_mut()
        .unwrap();
    asked.via = Some(format!("{host}:{port}"));
    let state = environment.carry(&stage, &environment.process(2)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    assert!(matches!(objects(&found(&state)), Looked::Found(_)));
    // Settings that differ in that alone are those of the run; others are not.
    let same = Digest::of_settings(&environment.settings).unwrap();
    assert_eq!(same, planned);
    let asked = environment.settings.databases[0]
        .integrity
        .as_mut()
        .unwrap();
    asked.dbname = Some("another".to_owned());
    let other = Digest::of_settings(&environment.settings).unwrap();
    assert_ne!(other, planned);
}

#[tokio::test]
async fn verify_of_a_server_that_refuses_connections_is_wrong_whatever_its_status() {
    let Some(stage) = open().await else { return };
    let mut environment = stage.environment(1).await;
    let script = "touch here; while ! [ -e go ]; do sleep 0.02; done";
    environment.hook(HookPoint::AfterTerraform, script, LONG);
    let target = environment.target();
    let process = environment.process(1);
    let outage = async {
        while !environment.folder.path().join("here").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let stop = stage.rds.stop_db_instance();
        // Refused while RDS still makes the first backup.
        while let Err(error) = stop.clone().db_instance_identifier(&target).send().await {
            assert!(format!("{error:?}").contains("InvalidDBInstanceState"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let rds = stage.aws.rds().unwrap();
        rds.step(Duration::from_secs(3600)).await;
        assert!(rds.set_instance_status(DR, &target, "available"));
        std::fs::write(environment.folder.path().join("go"), "").unwrap();
    };
    let (state, ()) = tokio::join!(environment.carry(&stage, &process), outage);
    let state = state.unwrap();
    let verify = &state.steps[&StepId::new("verify")];
    assert_eq!(verify.status, StepStatus::Failed, "{state:#?}");
    let told = format!("{:?}", verify.outcome);
    assert!(
        told.contains("does not accept connections: connection refused"),
        "{told}"
    );
    // It is started, and the run goes on.
    let rds = stage.aws.rds().unwrap();
    assert!(rds.set_instance_status(DR, &target, "stopped"));
    let start = stage.rds.start_db_instance();
    let start = start.db_instance_identifier(&target).send().await;
    start.unwrap();
    rds.step(Duration::from_secs(3600)).await;
    environment.died(&process);
    let state = environment.carry(&stage, &environment.process(2)).await;
    let state = state.unwrap();
    let verified = state.result(&StepId::new("verify")).unwrap();
    let connection = &verified["databases"][0]["connection"];
    assert_eq!(connection["state"], "accepted", "{verified}");
}
