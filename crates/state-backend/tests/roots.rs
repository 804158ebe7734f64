//! Turning a root, cut off at every request, with every answer lost, and beside what others have left.
#![expect(clippy::expect_used, reason = "a check that fails ends its test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_env::{AwsEnv, Options, RegionClients};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use jiff::civil::date;
use local_aws::{Fault, FaultKind, LocalAws};
use report::{Report as _, Silent};
use settings::Settings;
use state_backend::{
    Backend, LockHolder, LockKind, RootPlan, RootStep, SideName, TurnError, TurnedRoot, TurnedRoots,
};
use terraform::{Environment, RootModule, Terraform};

const EXAMPLE: &str = include_str!("../../../examples/berthcare-staging/infra.toml");
const BUCKET: &str = "berthcare-terraform-state-dr";
const TABLE: &str = "berthcare-terraform-locks-dr";
const KEY: &str = "staging/terraform.tfstate";

/// Does to the folder what terraform does, and asks nobody.
const TERRAFORM: &str = r#"#!/bin/sh
case "$1" in
version) echo '{"terraform_version": "1.11.4"}' ;;
init)
  mkdir -p .terraform
  echo '{"version": 3, "backend": {"type": "s3", "config": {"bucket": "berthcare-terraform-state-dr",
    "key": "staging/terraform.tfstate", "region": "us-east-1", "use_lockfile": true,
    "dynamodb_table": "berthcare-terraform-locks-dr"}}}' > .terraform/terraform.tfstate
  ;;
state) echo 'terraform_data.a["x"]' ;;
esac
"#;

/// Fails at init as terraform does there: JSON on standard output.
const FAILING_INIT: &str = r#"#!/bin/sh
cat <<'END'
{"@level":"error","@message":"Error: x","type":"diagnostic","diagnostic":{"severity":"error","summary":"Failed to get existing workspaces","detail":"no such host s3.\u001b[31mus-east-1\n\nsecret: 8Jx0PlwqQ2sl"}}
END
exit 1
"#;

/// Fails at the list with words that are no error in terraform's form.
const FAILING_LIST: &str = r#"
case "$1" in
state) echo 'wrapper: no such toolchain' >&2; exit 3 ;;
esac
"#;

const STATE: &str = r#"{"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l", "resources": [
    {"mode": "managed", "type": "terraform_data", "name": "a", "instances": [{"index_key": "x"}]}]}"#;

struct Stage {
    aws: LocalAws,
    backend: Backend,
    settings: Settings,
    clients: RegionClients,
    folder: tempfile::TempDir,
    terraform: Terraform,
}

impl Stage {
    async fn open() -> Option<Self> {
        let aws = LocalAws::start_or_skip()
            .await
            .expect("the local AWS starts")?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(aws_credential_types::Credentials::new(
                "test", "test", None, None, "test",
            )),
            ..Options::default()
        })
        .await
        .expect("an environment");
        let settings = Settings::parse(EXAMPLE, date(2026, 11, 22)).expect("valid settings");
        let regions = &settings.regions;
        let backend = Backend::connect(&settings, &env.both(regions.primary, regions.dr))
            .await
            .expect("both regions answer");
        let approved = backend.plan().await.approve().expect("nothing is refused");
        assert!(backend.apply(&approved, &Silent).await.is_complete());
        let clients = env.region(regions.dr);
        let put = clients.s3.put_object().bucket(BUCKET).key(KEY);
        let put = put.body(STATE.as_bytes().to_vec().into());
        put.send().await.expect("the state is written");

        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("terraform");
        fs::write(&script, TERRAFORM).expect("the script is written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&script, executable).expect("it may be run");
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("a folder");
        let code = "terraform {\n  backend \"s3\" {}\n}\n";
        fs::write(root.join("main.tf"), code).expect("the code is written");
        let path = std::env::var_os("PATH").expect("a path");
        let environment = Environment::default().with("PATH", path);
        let terraform = Terraform::at(script, folder.path(), environment)
            .await
            .expect("the script runs");
        Some(Self {
            aws,
            backend,
            settings,
            clients,
            folder,
            terraform,
        })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn plan(&self) -> RootPlan {
        let root = RootModule::read(&self.root(), self.terraform.environment());
        let roots = [root.expect("the code is read")];
        let endpoints = aws_env::Endpoints::default();
        let environment = self.terraform.environment();
        RootPlan::all(
            &self.settings,
            &endpoints,
            SideName::Dr,
            &roots,
            environment,
        )
        .expect("a plan")
        .remove(0)
    }

    /// A run of its own, as of another process.
    fn holder(&self, run: &str) -> LockHolder {
        LockHolder {
            held: state_backend::HeldLocks::default(),
            who: "jo@laptop".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            token: run.to_owned(),
        }
    }

    async fn turn(&self, run: &str) -> TurnedRoot {
        let holder = self.holder(run);
        let root = self.plan().approve(false).expect("no file of others");
        self.backend
            .turn_root(&root, &self.terraform, &holder, &Silent)
            .await
    }

    async fn held(&self) -> Vec<String> {
        let locks = self.backend.locks(SideName::Dr).await;
        assert!(locks.unknown.is_empty(), "{locks:#?}");
        locks.held.into_iter().map(|lock| lock.place).collect()
    }

    #[track_caller]
    fn assert_turned(&self, turned: &TurnedRoot) {
        assert!(turned.failed.is_none(), "{turned:#?}");
        assert_eq!(turned.resources, Some(1));
        assert_eq!(turned.locks, [LockKind::S3, LockKind::DynamoDb]);
        let file = fs::read_to_string(self.root().join("dr.s3.tfbackend")).expect("written");
        assert!(
            file.contains("key            = \"staging/terraform.tfstate\""),
            "{file}"
        );
    }

    async fn row(&self, attribute: &str, value: &str) {
        let put = self.clients.dynamodb.put_item().table_name(TABLE);
        let put = put.item("LockID", AttributeValue::S(format!("{BUCKET}/{KEY}")));
        let put = put.item(attribute, AttributeValue::S(value.to_owned()));
        put.send().await.expect("the row is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_root_cut_off_at_any_request_is_ended_alike_by_the_next_run() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut left = 0;
    for cut in 1.. {
        // A folder as nobody has turned it yet.
        let _ = fs::remove_file(stage.root().join("dr.s3.tfbackend"));
        let _ = fs::remove_dir_all(stage.root().join(".terraform"));
        stage.aws.clear_log();
        let run = format!("cut {cut}");
        let whole = tokio::select! {
            turned = stage.turn(&run) => Some(turned),
            () = reached(&stage.aws, cut) => None,
        };
        left += stage.held().await.len();
        let turned = stage.turn(&format!("after {cut}")).await;
        stage.assert_turned(&turned);
        assert!(stage.held().await.is_empty(), "cut at request {cut}");
        if let Some(turned) = whole {
            stage.assert_turned(&turned);
            break;
        }
    }
    assert!(left > 0, "no run was cut off while it held a lock");
}

/// Until this many requests have come.
async fn reached(aws: &LocalAws, requests: usize) {
    while aws.log().len() < requests {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_root_whose_answers_are_lost_takes_and_releases_its_lock_all_the_same() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for operation in ["PutObject", "PutItem", "DeleteItem", "DeleteObject"] {
        for kind in [FaultKind::ResponseLost, FaultKind::RequestLost] {
            let fault = Fault::new(kind).operation(operation).times(1);
            stage.aws.add_fault(fault);
            let turned = stage.turn(operation).await;
            stage.assert_turned(&turned);
            assert!(stage.held().await.is_empty(), "{operation}");
            stage.aws.clear_faults();
        }
    }
}

// aws-behaviour: 48
#[tokio::test(flavor = "multi_thread")]
async fn turn_root_removes_what_an_earlier_run_left_and_no_lock_of_anybody_else() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage
        .row("Info", r#"{"ID": "9db590f1", "Operation": "LockProbe"}"#)
        .await;
    let turned = stage.turn("after a crash").await;
    stage.assert_turned(&turned);

    // Terraform's, one without an ID, and a row that says nothing.
    let others = [
        (
            "Info",
            r#"{"ID": "9db590f1", "Operation": "OperationTypeApply", "Who": "kim@desk"}"#,
        ),
        ("Info", "no JSON"),
        ("Other", "x"),
    ];
    for (attribute, value) in others {
        stage.row(attribute, value).await;
        let turned = stage.turn("beside another").await;
        let failed = turned.failed.expect("locked");
        assert_eq!(failed.step, RootStep::Lock);
        assert!(matches!(failed.error, TurnError::Locked { .. }), "{value}");
        // The object's lock was taken first, and is given back.
        assert_eq!(stage.held().await, [format!("{BUCKET}/{KEY}")], "{value}");
    }
}

// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn turn_root_tells_what_terraform_would_stumble_over() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let md5 = stage.clients.dynamodb.put_item().table_name(TABLE);
    let md5 = md5.item("LockID", AttributeValue::S(format!("{BUCKET}/{KEY}-md5")));
    let md5 = md5.item("Digest", AttributeValue::S("0123".to_owned()));
    md5.send().await.expect("the row is written");
    let failed = stage.turn("1").await.failed.expect("a stale digest");
    let is_stale = matches!(failed.error, TurnError::StaleDigest { .. });
    assert!(is_stale && failed.step == RootStep::List, "{failed:?}");

    let delete = stage.clients.dynamodb.delete_item().table_name(TABLE);
    let row = AttributeValue::S(format!("{BUCKET}/{KEY}-md5"));
    let delete = delete.key("LockID", row).send();
    delete.await.expect("the row is gone");
    let other = STATE.replace("\"name\": \"a\"", "\"name\": \"b\"");
    let put = stage.clients.s3.put_object().bucket(BUCKET).key(KEY);
    let put = put.body(other.into_bytes().into());
    put.send().await.expect("the state is written");
    let failed = stage.turn("2").await.failed.expect("other resources");
    let text = failed.error.to_string();
    assert!(text.contains("terraform_data.b is not listed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_root_over_a_file_of_somebody_else_keeps_it_under_another_name() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let file = stage.root().join("dr.s3.tfbackend");
    let kept = |number: u32| {
        let kept = stage.root().join(format!("dr.s3.tfbackend.kept-{number}"));
        fs::read_to_string(kept).ok()
    };
    for (text, name) in [("mine", 1), ("another", 2), ("mine", 1)] {
        fs::write(&file, text).expect("written");
        assert!(stage.plan().approve(false).is_err(), "nobody has agreed");
        let root = stage.plan().approve(true).expect("agreed");
        let holder = stage.holder(text);
        let turned = stage
            .backend
            .turn_root(&root, &stage.terraform, &holder, &Silent);
        let turned = turned.await;
        stage.assert_turned(&turned);
        let wanted = format!("dr.s3.tfbackend.kept-{name}");
        assert_eq!(turned.kept.as_deref(), Some(wanted.as_str()));
        assert_eq!(kept(name).as_deref(), Some(text));
        let shown = TurnedRoots(vec![turned])
            .document()
            .to_terminal(None, false);
        let told = format!("the dr.s3.tfbackend that was there is {wanted} now");
        assert!(shown.contains(&told), "{shown}");
    }
    assert_eq!(kept(3), None);
    // What was written here is replaced without a trace.
    let turned = stage.turn("own").await;
    assert_eq!(turned.kept, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_root_where_terraform_fails_shows_its_last_lines_without_secrets() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let script = stage.folder.path().join("terraform");
    let environment = stage.terraform.environment().clone();
    let environment = environment.with("AWS_SECRET_ACCESS_KEY", "8Jx0PlwqQ2sl");
    stage.terraform = Terraform::at(script.clone(), stage.folder.path(), environment)
        .await
        .expect("the script runs");
    fs::write(&script, FAILING_INIT).expect("written");
    let turned = stage.turn("a").await;
    let failed = turned.failed.as_ref().expect("it fails");
    assert_eq!(failed.step, RootStep::Init);
    let lines = &failed.terraform;
    assert_eq!(lines[0], "Failed to get existing workspaces");
    assert_eq!(lines[2], "secret: [redacted]");
    let turned = TurnedRoots(vec![turned]);
    let text = turned.document().to_terminal(None, false);
    assert!(
        text.contains("terraform: no such host s3.\\u{1b}[31mus-east-1"),
        "{text}"
    );
    let json = serde_json::to_string(&turned).expect("JSON");
    assert!(
        json.contains("Failed to get existing") && !json.contains("8Jx0"),
        "{json}"
    );

    let (head, rest) = TERRAFORM.split_once('\n').expect("two lines");
    fs::write(&script, format!("{head}{FAILING_LIST}{rest}")).expect("written");
    let failed = stage.turn("b").await.failed.expect("it fails");
    assert_eq!(failed.step, RootStep::List);
    assert_eq!(failed.terraform, ["wrapper: no such toolchain"]);
}
