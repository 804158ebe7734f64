//! What terraform, or a file of its output, may be instead of what is expected.

use serde_json::json;

use crate::stage::{Stage, outputs};

/// What a run says that ends with exit 2, since its input cannot be used.
fn refused(stage: &Stage, arguments: &[&str]) -> String {
    let output = stage.run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn capture_without_terraform_says_that_it_is_not_installed() {
    let mut stage = Stage::new();
    stage.file("env/main.tf", "");
    stage.set(
        "PATH",
        stage.path("bin").to_str().unwrap().to_owned().as_str(),
    );
    let said = refused(&stage, &["capture", "--chdir", "env", "--no-check"]);
    assert_eq!(
        said,
        "error: failed to ask terraform in env\n\
         caused by: terraform is not installed: no folder of PATH has it\n\
         hint: install terraform 1.10.0 or later (https://developer.hashicorp.com/terraform/install), or give --outputs \
         FILE\n"
    );
}

#[test]
fn capture_with_an_old_terraform_names_both_versions() {
    let stage = Stage::new();
    stage.file("env/main.tf", "");
    stage.script("terraform", "echo '{\"terraform_version\": \"1.5.7\"}'");
    let said = refused(&stage, &["capture", "--chdir", "env", "--no-check"]);
    assert!(
        said.contains(
            "is terraform 1.5.7, and 1.10.0 is the oldest that this works with\nhint: install"
        ),
        "{said}"
    );
}

#[test]
fn capture_before_an_init_names_the_command() {
    let stage = Stage::new();
    stage.file("env/main.tf", "");
    stage.script(
        "terraform",
        "[ \"$1\" = version ] && echo '{\"terraform_version\": \"1.11.4\"}' && exit\n\
         echo 'Error: Backend initialization required, please run \"terraform init\"' >&2; exit 1",
    );
    let said = refused(&stage, &["capture", "--chdir", "env", "--no-check"]);
    assert!(
        said.ends_with(
            "caused by: `terraform output` failed (exit status: 1): Backend initialization required\n\
             hint: run `terraform -chdir=env init`, or give --outputs FILE\n"
        ),
        "{said}"
    );
    let said = refused(&stage, &["capture", "--chdir", "absent", "--no-check"]);
    assert!(
        said.ends_with("caused by: absent is no folder\nhint: name the environment's folder with --chdir, or give --outputs FILE\n"),
        "{said}"
    );
}

#[test]
fn capture_of_outputs_that_others_have_touched_is_the_same() {
    let stage = Stage::new();
    let plain = outputs().to_string();
    let utf16 = plain.encode_utf16().flat_map(u16::to_le_bytes);
    for bytes in [
        format!("[command]/opt/terraform-bin output -json\n{plain}\n").into_bytes(),
        format!("{plain}\n\n::debug::Terraform exited with code 0.\n").into_bytes(),
        format!("\u{feff}{plain}").into_bytes(),
        [0xff, 0xfe].into_iter().chain(utf16).collect(),
    ] {
        std::fs::write(stage.path("touched.json"), bytes).unwrap();
        let told = stage.json(0, &["capture", "--from", "touched.json", "--no-check"]);
        assert_eq!(told["outputs"], json!(outputs().as_object().unwrap().len()));
    }
}

#[test]
fn capture_of_something_else_than_outputs_says_what_it_is() {
    let stage = Stage::new();
    let said = |text: &str| {
        stage.file("other", text);
        refused(&stage, &["capture", "--from", "other", "--no-check"])
    };
    let warning =
        "\n\u{1b}[33m╷\u{1b}[0m\n\u{1b}[33m│\u{1b}[0m \u{1b}[1mWarning: No outputs found\n";
    assert!(said(warning).contains("a warning or an error of terraform, in its form for people"));
    assert!(said("").contains("caused by: it is empty"));
    assert!(said("{}").contains("there are no outputs"));
    assert!(said("<html>").contains("it is no JSON, but HTML or XML"));
}
