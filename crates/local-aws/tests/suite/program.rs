//! The program `local-aws`, as a user runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use local_aws::{Base, Control, RegionState};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::clients::start_or_return;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-aws");

/// A place of its own for what `up --detach` leaves, with the emulators that are installed already.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// `None` where an emulator cannot run; says so.
    pub(crate) async fn new() -> Option<Self> {
        crate::clients::start(Base::Ministack).await?.stop().await;
        let installed = std::env::var_os("LOCAL_AWS_CACHE")
            .map(PathBuf::from)
            .unwrap_or_else(|| {
                directories::ProjectDirs::from("", "", "local-aws")
                    .unwrap()
                    .cache_dir()
                    .to_owned()
            });
        let place = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(installed).unwrap().map(Result::unwrap) {
            if entry.path().join("bin").is_dir() {
                symlink(entry.path(), place.path().join(entry.file_name())).unwrap();
            }
        }
        Some(Self(place))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        command
            .env("LOCAL_AWS_CACHE", self.0.path())
            .env_remove("LOCAL_AWS_URL")
            .env_remove("LOCAL_AWS_TOKEN");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn alive(process: u32) -> bool {
    // Where nobody collects orphans, the dead stay in the table.
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let dead = state
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
    !dead && test_kill_process(pid(process)).is_ok()
}

pub(crate) fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).unwrap()).unwrap()
}

pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_gone(processes: &[u32]) {
    for &process in processes {
        until(&format!("the end of process {process}"), async || {
            !alive(process)
        })
        .await;
    }
}

/// Reads the lines of `up` to the URL of its instance.
pub(crate) fn control(stdout: ChildStdout) -> Control {
    let mut lines = BufReader::new(stdout).lines().map(Result::unwrap);
    let mut value = |name: &str| {
        let found = lines.find_map(|line| {
            let (export, value) = line.split_once('=')?;
            (export == format!("export {name}")).then(|| value.to_owned())
        });
        found.expect("`up` prints its environment")
    };
    let token = value("LOCAL_AWS_TOKEN");
    Control::new(value("LOCAL_AWS_URL"), token)
}

/// `up` in the foreground, and the processes that must not outlive it.
async fn up(place: &Place, arguments: &[&str]) -> (Child, Control, Vec<u32>) {
    let arguments = [&["up"], arguments].concat();
    serving(place.command(&arguments)).await
}

/// As `up`, with a command that the caller has prepared.
pub(crate) async fn serving(mut command: Command) -> (Child, Control, Vec<u32>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let control = control(child.stdout.take().unwrap());
    let status = control.status().await.unwrap();
    assert_eq!(status.process, child.id());
    let processes = [Some(status.process), status.emulator]
        .into_iter()
        .flatten()
        .collect();
    (child, control, processes)
}

#[tokio::test]
async fn nothing_is_left_however_it_ends() {
    let Some(place) = Place::new().await else {
        return;
    };
    for (signal, expected) in [
        (Signal::TERM, Some(0)),
        (Signal::INT, Some(0)),
        (Signal::HUP, Some(0)),
        (Signal::KILL, None),
    ] {
        let (mut child, control, processes) = up(&place, &[]).await;
        assert_eq!(processes.len(), 2);
        kill_process(pid(child.id()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), expected, "{signal:?}");
        until_gone(&processes).await;
        control.status().await.unwrap_err();
    }
}

#[tokio::test]
async fn it_ends_with_its_parent() {
    let Some(place) = Place::new().await else {
        return;
    };
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "\"$0\" up & wait", PROGRAM])
        .env("LOCAL_AWS_CACHE", place.0.path());
    let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
    let status = control(shell.stdout.take().unwrap())
        .status()
        .await
        .unwrap();
    shell.kill().unwrap();
    shell.wait().unwrap();
    until_gone(&[status.process, status.emulator.unwrap()]).await;
}

#[tokio::test]
async fn exec_passes_the_status_on() {
    let Some(place) = Place::new().await else {
        return;
    };
    for (script, expected) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        let output = place.run(&["exec", "--", "sh", "-c", script]);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{script}: {}",
            stderr(&output)
        );
    }
    let output = place.run(&["exec", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(
        stderr(&output).starts_with("error: failed to run no-such-command\ncaused by: "),
        "{output:?}"
    );
    let output = place.run(&["exec", "--", "/"]);
    assert_eq!(output.status.code(), Some(126));
}

#[tokio::test]
async fn exec_gives_its_command_an_environment() {
    let Some(place) = Place::new().await else {
        return;
    };
    let script = r#"
        set -eu
        test "$AWS_ENDPOINT_URL" = "$LOCAL_AWS_URL"
        test "$AWS_EC2_METADATA_DISABLED" = true
        test -n "$AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY"
        test -z "${AWS_PROFILE-}${AWS_SESSION_TOKEN-}${AWS_ENDPOINT_URL_S3-}"
        test -n "$LOCAL_AWS_TOKEN"
        test "$NO_PROXY" = "corp.example,127.0.0.1,localhost,::1"
        test "$no_proxy" = "127.0.0.1,localhost,::1"
        test "$HTTP_PROXY" = http://proxy.corp.example
        "$0" region ca-central-1 down
        "$0" fault add slow-down --service s3 --times 1 >&2
        "$0" status --output json
    "#;
    let mut command = place.command(&["exec", "--", "sh", "-c", script, PROGRAM]);
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"] {
        command.env(name, "elsewhere");
    }
    command
        .env("HTTP_PROXY", "http://proxy.corp.example")
        .env("NO_PROXY", "corp.example")
        .env_remove("no_proxy");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["regions"]["ca-central-1"], "refuse");
    assert_eq!(status["faults"][0]["kind"], "slow-down");
    until_gone(
        &["process", "emulator"].map(|name| u32::try_from(status[name].as_u64().unwrap()).unwrap()),
    )
    .await;
}

#[tokio::test]
async fn exec_forwards_signals_and_ends_its_command_even_when_killed() {
    let Some(place) = Place::new().await else {
        return;
    };
    // The command says its id and waits; it answers SIGINT and SIGTERM with a status of its own.
    let script = "trap 'exit 40' INT; trap 'exit 41' TERM; echo $$; while :; do sleep 0.05; done";
    for (signal, expected) in [
        (Signal::INT, Some(40)),
        (Signal::TERM, Some(41)),
        (Signal::KILL, None),
    ] {
        if cfg!(not(target_os = "linux")) && signal == Signal::KILL {
            eprintln!("skipped: only Linux ends the command of a killed `exec`");
            continue;
        }
        let mut child = place
            .command(&["exec", "--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let command = line.trim().parse().unwrap();
        kill_process(pid(child.id()), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), expected, "{signal:?} {:?}", status.signal());
        until_gone(&[command]).await;
    }
}

#[tokio::test]
async fn in_the_background_it_is_found_and_ended() {
    let Some(place) = Place::new().await else {
        return;
    };
    let none = place.run(&["status"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(
        stderr(&none).starts_with("error: failed to find a local AWS")
            && stderr(&none).contains("\nhint: ")
    );

    let log = place.0.path().join("requests.jsonl");
    let lines = place.ok(&["up", "--detach", "--log", log.to_str().unwrap()]);
    assert!(
        lines
            .lines()
            .any(|line| line.starts_with("export AWS_ENDPOINT_URL=http://127.0.0.1:")),
        "{lines}"
    );
    assert!(
        lines.contains("This is a local AWS on this machine, not AWS"),
        "{lines}"
    );
    let second = place.run(&["up", "--detach"]);
    assert_eq!(second.status.code(), Some(3));
    assert!(
        stderr(&second).contains("one runs at http://127.0.0.1:"),
        "{second:?}"
    );

    place.ok(&["region", "ca-central-1", "down", "--as", "blackhole"]);
    let id = place.ok(&[
        "fault",
        "add",
        "latency",
        "--ms",
        "5",
        "--operation",
        "Put*",
        "--share",
        "0.5",
    ]);
    let list = place.ok(&["fault", "list"]);
    assert_eq!(
        list.trim(),
        format!("{}  latency 5 ms  operation=Put*  share=0.5", id.trim())
    );
    let table = place.ok(&["status"]);
    assert!(
        table.contains("region    ca-central-1: down, nothing answers\n"),
        "{table}"
    );
    assert!(table.contains("fault     1  latency 5 ms"), "{table}");
    let status: Value = serde_json::from_str(&place.ok(&["status", "--output", "json"])).unwrap();
    place.ok(&["fault", "remove", id.trim()]);
    assert_eq!(
        place.run(&["fault", "remove", id.trim()]).status.code(),
        Some(3)
    );
    place.ok(&["fault", "add", "denied"]);
    place.ok(&["fault", "clear"]);
    place.ok(&["region", "ca-central-1", "up"]);
    assert_eq!(
        place.ok(&["fault", "list", "--output", "json"]).trim(),
        "[]"
    );

    assert!(place.ok(&["down"]).starts_with("stopped http://127.0.0.1:"));
    until_gone(
        &["process", "emulator"].map(|name| u32::try_from(status[name].as_u64().unwrap()).unwrap()),
    )
    .await;
    assert_eq!(place.run(&["down"]).status.code(), Some(3));

    // One that was killed is no obstacle.
    place.ok(&["up", "--detach"]);
    let status: Value = serde_json::from_str(&place.ok(&["status", "--output", "json"])).unwrap();
    let process = u32::try_from(status["process"].as_u64().unwrap()).unwrap();
    kill_process(pid(process), Signal::KILL).unwrap();
    until_gone(&[process]).await;
    let gone = place.run(&["status"]);
    assert_eq!(gone.status.code(), Some(3));
    assert!(stderr(&gone).contains("hint: "), "{gone:?}");
    place.ok(&["up", "--detach"]);
    place.ok(&["down"]);
}

#[tokio::test]
async fn the_log_can_be_followed() {
    let Some(place) = Place::new().await else {
        return;
    };
    let file = place.0.path().join("requests.jsonl");
    let (mut child, control, processes) = up(&place, &["--log", file.to_str().unwrap()]).await;
    let ask = |path: &'static str| {
        let address = control.url().trim_start_matches("http://").to_owned();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    };
    ask("/before/k").await;
    let mut follow = place
        .command(&["log", "--follow", "--url", control.url()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["resource"], "before/k");
    ask("/after/k").await;
    let entry = next();
    assert_eq!(
        (&entry["resource"], &entry["operation"], &entry["status"]),
        (&"after/k".into(), &"GetObject".into(), &404.into())
    );
    // What its sender wants a terminal to do is written, not done.
    ask("/odd/%C2%9B31m%E2%80%AE").await;
    assert_eq!(next()["resource"], "odd/\u{9b}31m\u{202e}");
    follow.kill().unwrap();
    follow.wait().unwrap();
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, place.ok(&["log", "--url", control.url()]));
    assert!(written.contains(r"odd/\u009b31m\u202e"), "{written}");
    assert_eq!(written.lines().count(), 3);
    control.stop().await.unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    until_gone(&processes).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so() {
    let Some(place) = Place::new().await else {
        return;
    };
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for arguments in [
        &["up", "--port", &port][..],
        &["up", "--detach", "--port", &port],
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(3));
        let text = stderr(&output);
        assert!(
            text.contains(&format!("error: failed to listen on 127.0.0.1:{port}\n")),
            "{text}"
        );
        assert!(
            text.contains("\ncaused by: Address already in use") && text.contains("\nhint: "),
            "{text}"
        );
    }
    let output = place.run(&["exec", "--port", &port, "--", "true"]);
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(place.run(&["up", "--nonsense"]).status.code(), Some(2));
}

// The program is waited for in this thread, the instance answers in another.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_prove_nothing_is_wrong_usage() {
    let Some(place) = Place::new().await else {
        return;
    };
    let aws = start_or_return!();
    for (arguments, part) in [
        (
            &["region", "ca-centrl-1", "down"][..],
            "AWS has no region \"ca-centrl-1\"; the nearest name is ca-central-1",
        ),
        (
            &["fault", "add", "denied", "--region", "us-eats-1"],
            "us-east-1",
        ),
        (
            &["fault", "add", "pages", "--service", "lambda"],
            "caused by: lambda cannot be cut into pages: ",
        ),
        (&["fault", "add", "request-lost", "--nth", "0"], "--nth"),
    ] {
        let mut command = place.command(arguments);
        let output = command.envs(aws.environment()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(part), "{output:?}");
    }
    let added = [
        "fault",
        "add",
        "response-lost",
        "--service",
        "s3",
        "--nth",
        "2",
    ];
    for (arguments, shown) in [
        (&added[..], "1"),
        (
            &["fault", "list"],
            "1  response-lost  service=s3  nth=2  times left=1",
        ),
        (&["fault", "add", "propagating", "--calls", "3"], "2"),
        (&["fault", "remove", "1"], ""),
        (&["fault", "list"], "2  propagating 3 calls"),
    ] {
        let mut command = place.command(arguments);
        let output = command.envs(aws.environment()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), shown);
    }
    let control = aws.control();
    let unknown = control.set_region("ca-centrl-1", RegionState::Refuse).await;
    assert!(unknown.unwrap_err().to_string().contains("ca-central-1"));
    assert!(control.status().await.unwrap().regions.is_empty());
}

#[tokio::test]
async fn the_control_client_says_what_it_cannot_do() {
    let aws = start_or_return!();
    let control = aws.control();
    control
        .set_region("ca-central-1", RegionState::BlackHole)
        .await
        .unwrap();
    assert_eq!(
        control.status().await.unwrap().regions["ca-central-1"],
        RegionState::BlackHole
    );
    let error = control
        .remove_fault(local_aws::FaultId(9))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "remove the fault: there is no fault of this id (404)"
    );
    let wrong = local_aws::Fault::new(local_aws::FaultKind::RequestLost).share(1.5);
    assert!(control.add_fault(&wrong).await.is_err() && aws.faults().is_empty());
    assert!(
        Control::new("no url", "")
            .status()
            .await
            .unwrap_err()
            .to_string()
            .starts_with("read the URL")
    );
    assert!(aws.log().is_empty(), "its own pages are not AWS");
}

/// Whoever may read the files of the user, and nobody else, may ask for control pages.
#[tokio::test]
async fn token_is_handed_over_and_told_to_nobody_else() {
    let Some(place) = Place::new().await else {
        return;
    };
    let log = place.0.path().join("requests.jsonl");
    let mut command = place.command(&["-vv", "up", "--log", log.to_str().unwrap()]);
    let errors = place.0.path().join("stderr");
    command.stderr(fs::File::create(&errors).unwrap());
    let (mut child, control, processes) = serving(command).await;
    // Another terminal finds it by its URL, or says what it lacks.
    let status = ["status", "--url", control.url(), "--output", "json"];
    let status: Value = serde_json::from_str(&place.ok(&status)).unwrap();
    assert_eq!(status["process"], child.id());
    let stranger = tempfile::tempdir().unwrap();
    let mut command = place.command(&["status", "--url", control.url()]);
    let refused = command
        .env("LOCAL_AWS_CACHE", stranger.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("LOCAL_AWS_TOKEN"), "{refused:?}");

    let port = control.url().rsplit(':').next().unwrap();
    let file = place.0.path().join("runs").join(format!("{port}.json"));
    let run: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let token = run["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 32);
    for (path, mode) in [
        (&file, 0o600),
        (&log, 0o600),
        (&place.0.path().join("runs"), 0o700),
    ] {
        let found = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let arguments = processes
        .iter()
        .filter_map(|process| fs::read(format!("/proc/{process}/cmdline")).ok());
    for arguments in arguments {
        assert!(!String::from_utf8_lossy(&arguments).contains(&token));
    }
    control.stop().await.unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!file.exists(), "gone with the instance");
    let told = fs::read_to_string(&errors).unwrap();
    assert!(told.contains("TRACE") && !told.contains(&token), "{told}");

    // In the background likewise.
    place.ok(&["up", "--detach"]);
    for name in ["detached.json", "detached.log", "detached.lock"] {
        let path = place.0.path().join(name);
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    place.ok(&["down"]);
    assert!(!place.0.path().join("detached.json").exists());
}

#[tokio::test]
async fn exec_with_a_stack_makes_the_environment_and_a_folder_for_it_once() {
    let Some(place) = Place::new().await else {
        return;
    };
    let folder = place.0.path().join("practice");
    let arguments = ["exec", "--no-rds-data", "--stack", folder.to_str().unwrap()];
    let log = [&arguments[..], &["--", PROGRAM, "log"]].concat();
    let asked = place.ok(&log);
    for operation in ["CreateVpc", "CreateDBInstance", "PutDashboard"] {
        assert!(asked.contains(&format!("\"{operation}\"")), "{operation}");
    }
    let read = |name| fs::read_to_string(folder.join(name)).unwrap();
    let outputs: Value = serde_json::from_str(&read("outputs.json")).unwrap();
    let vpc = outputs["vpc_id"]["value"].as_str().unwrap();
    assert!(vpc.starts_with("vpc-"), "{vpc}");
    assert!(read("infra.toml").contains("project = \"berthcare\""));
    // Settings that are there are somebody's.
    let output = place.run(&log);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(
        stderr(&output).contains("it has infra.toml already"),
        "{output:?}"
    );
}
