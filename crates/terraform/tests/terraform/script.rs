use std::future::pending;
use std::path::Path;

use serde_json::json;
use terraform::{Environment, Error, PlanOptions, Terraform, Version};

use crate::stage::Stage;

async fn at(stage: &Stage, program: &Path) -> Result<Terraform, Error> {
    Terraform::at(program.to_owned(), &stage.folder(), stage.environment()).await
}

#[tokio::test]
async fn find_without_terraform_says_that_it_is_not_installed() {
    let stage = Stage::new("");
    let empty = stage.folder();
    let environment = Environment::default().with("PATH", &empty);
    let error = Terraform::find(&empty, environment).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "terraform is not installed: no folder of PATH has it"
    );
    let error = Terraform::find(&empty, Environment::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotInstalled));
    let absent = stage.folder().join("absent");
    let program = stage.script("1.11.4", "");
    let error = Terraform::at(program, &absent, stage.environment())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} is no folder", absent.display())
    );
}

#[tokio::test]
async fn terraform_that_is_too_old_is_told_with_both_versions() {
    let stage = Stage::new("");
    let program = stage.script("1.9.8", "");
    let error = at(&stage, &program).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{} is terraform 1.9.8, and 1.10.0 is the oldest that this works with",
            program.display()
        )
    );
    let program = stage.script("newest", "");
    let error = at(&stage, &program).await.unwrap_err().to_string();
    assert!(
        error.ends_with("does not say which terraform it is"),
        "{error}"
    );
}

#[tokio::test]
async fn output_that_begins_with_a_warning_is_read() {
    let stage = Stage::new("");
    let program = stage.script(
        "1.12.0",
        "echo 'Warning: something is old'; echo; echo '{\"a\": {\"sensitive\": false, \"value\": 1}}'; echo '::debug::done'",
    );
    let terraform = at(&stage, &program).await.unwrap();
    assert_eq!(*terraform.version(), Version::new(1, 12, 0));
    assert_eq!(terraform.output().await.unwrap().0["a"].value, 1);
}

#[tokio::test]
async fn output_that_is_something_else_is_told() {
    let stage = Stage::new("");
    let program = stage.script("1.12.0", "echo '<html>'");
    let error = at(&stage, &program)
        .await
        .unwrap()
        .output()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "what `terraform output` wrote cannot be read"
    );
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "it is no JSON, but HTML or XML");
}

#[tokio::test]
async fn output_without_end_is_cut_off_and_never_makes_terraform_wait() {
    let stage = Stage::new("");
    let body = "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2";
    let program = stage.script("1.12.0", body);
    let error = at(&stage, &program)
        .await
        .unwrap()
        .state_list()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform state list` wrote more than 16777216 bytes"
    );
}

#[tokio::test]
async fn terraform_gets_the_environment_that_is_handed_in_and_secrets_go_through_it() {
    let stage = Stage::new("");
    let program = stage.script(
        "1.12.0",
        "env | sort >environment; for one in \"$@\"; do echo \"$one\"; done >arguments",
    );
    let environment = stage.environment().with("TF_WORKSPACE", "dev");
    let terraform = Terraform::at(program, &stage.folder(), environment)
        .await
        .unwrap();
    let options = PlanOptions {
        variables: [
            ("password".to_owned(), json!("hunter2")),
            ("size".to_owned(), json!([1])),
        ]
        .into(),
        targets: vec!["a.b".to_owned()],
        destroy: true,
        ..PlanOptions::default()
    };
    let planning = terraform.plan(Path::new("tfplan"), &options).await.unwrap();
    planning.finish(pending(), |_| {}).await.unwrap();
    let read = |name: &str| std::fs::read_to_string(stage.folder().join(name)).unwrap();
    assert_eq!(
        read("arguments").lines().collect::<Vec<_>>(),
        [
            "plan",
            "-json",
            "-input=false",
            "-out=tfplan",
            "-lock-timeout=0s",
            "-target=a.b",
            "-destroy"
        ]
    );
    let environment = read("environment");
    let names: Vec<&str> = environment
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(
        names,
        [
            "CHECKPOINT_DISABLE",
            "HOME",
            "PATH",
            "TF_INPUT",
            "TF_IN_AUTOMATION",
            "TF_VAR_password",
            "TF_VAR_size",
            "TF_WORKSPACE"
        ]
    );
    assert!(environment.contains("TF_VAR_password=hunter2\n"));
    assert!(environment.contains("TF_VAR_size=[1]\n"));
    assert!(!format!("{terraform:?}").contains("dev"));
}
