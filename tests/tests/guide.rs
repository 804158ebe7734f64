//! The commands that the deployment guide gives for the loss of a region, in that loss: at which of them a person gets stuck.

use anyhow::{Context as _, Result};
use end_to_end::{Finished, Stage, skipped};
use local_aws::RegionState;

const PRIMARY: &str = "ca-central-1";
const CODE: &str = r#"
terraform {
  backend "s3" {}
}
resource "terraform_data" "database" { input = "x" }
"#;

/// How a command of the guide ends in the outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// It does what it is there for.
    Well,
    /// It ends well and says what is not so.
    WithAWrongAnswer,
    /// It fails: whoever follows the guide does not get beyond it.
    Fails,
}

/// A command, what it is there for, and what it prints of that.
struct Line {
    what: &'static str,
    command: &'static str,
    ends: Ends,
    says: &'static str,
}

/// As many as lead from the outage to the application's new settings, shortened where they only print more.
const LINES: [Line; 8] = [
    Line {
        what: "is the region lost?",
        // That a connection fails the AWS CLI says without this word.
        command: "aws ec2 describe-availability-zones --region ca-central-1 2>&1 | grep -q error && echo unavailable || echo accessible",
        ends: Ends::WithAWrongAnswer,
        says: "accessible",
    },
    Line {
        what: "is the state in the DR region?",
        command: "aws s3api head-object --bucket berthcare-terraform-state-dr --key staging/terraform.tfstate --region us-east-1",
        ends: Ends::Well,
        says: "LastModified",
    },
    Line {
        what: "is the lock table of the DR region there?",
        command: "aws dynamodb describe-table --table-name berthcare-terraform-locks-dr --region us-east-1 --query Table.TableStatus",
        ends: Ends::Well,
        says: "ACTIVE",
    },
    Line {
        what: "turn terraform to the state in the DR region",
        // It reads the backend that it comes from, which is lost.
        command: "yes yes | terraform -chdir=staging init -no-color -migrate-state -backend-config=dr.s3.tfbackend",
        ends: Ends::Fails,
        says: "",
    },
    Line {
        what: "what is in the state?",
        command: "terraform -chdir=staging state list -no-color",
        ends: Ends::Fails,
        says: "",
    },
    Line {
        what: "bring the environment up",
        command: "terraform -chdir=staging plan -no-color -lock=false",
        ends: Ends::Fails,
        says: "",
    },
    Line {
        what: "copy the latest snapshot",
        // It is looked for, and copied from, where everything is lost.
        command: "set -eu; latest=$(aws rds describe-db-snapshots --db-instance-identifier db --region ca-central-1 --output text \
                  --query 'DBSnapshots | sort_by(@, &SnapshotCreateTime)[-1].DBSnapshotArn'); \
                  aws rds copy-db-snapshot --source-db-snapshot-identifier \"$latest\" --target-db-snapshot-identifier seed \
                  --source-region ca-central-1 --region us-east-1",
        ends: Ends::Fails,
        says: "",
    },
    Line {
        what: "bring the last objects",
        command: "aws s3 sync s3://guide-photos s3://guide-photos-dr --source-region ca-central-1 --region us-east-1 --delete",
        ends: Ends::Fails,
        says: "",
    },
];

/// What is asked of a shell, with one attempt for each call: the region does not come back.
fn shell(stage: &Stage, line: &str) -> Result<Finished> {
    stage.tool(
        "env",
        &["AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "sh", "-c", line],
    )
}

fn has_aws_cli() -> bool {
    let version = std::process::Command::new("aws").arg("--version").output();
    version.is_ok_and(|version| version.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_guide_fail_in_the_outage_that_they_are_for() -> Result<()> {
    if !has_aws_cli() {
        skipped("the AWS CLI is not installed");
        return Ok(());
    }
    let Some(stage) = Stage::open_with_terraform(env!("CARGO_BIN_EXE_drill")).await? else {
        return Ok(());
    };
    stage.write_root("staging", CODE)?;
    stage.init_root("staging", false)?;
    stage
        .terraform("staging", &["apply", "-auto-approve", "-no-color"])?
        .exits(0)?;
    let render = [
        "render",
        "dr",
        "--dir",
        "staging",
        "--out",
        "staging/dr.s3.tfbackend",
    ];
    stage.init_backend(&render)?.exits(0)?;
    for (bucket, region) in [("guide-photos", PRIMARY), ("guide-photos-dr", "us-east-1")] {
        shell(
            &stage,
            &format!("aws s3 mb s3://{bucket} --region {region}"),
        )?
        .exits(0)?;
    }
    let put = "echo x | aws s3 cp - s3://guide-photos-dr/only-in-dr --region us-east-1";
    shell(&stage, put)?.exits(0)?;
    let is_there = LINES[1].command;
    for _ in 0..100 {
        if shell(&stage, is_there)?.code() == Some(0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let mut told = Vec::new();
    for line in &LINES {
        let finished = shell(&stage, line.command)?;
        let ended_well = finished.code() == Some(0);
        let output = format!("{}{}", finished.stdout(), finished.stderr());
        assert_eq!(
            ended_well,
            line.ends != Ends::Fails,
            "{}: {output}",
            line.what
        );
        assert!(output.contains(line.says), "{}: {output}", line.what);
        told.push(format!("{:?}: {}", line.ends, line.what));
    }
    println!("{}", told.join("\n"));
    // What failed has changed nothing: the object that only the DR region has is there.
    let left = shell(&stage, "aws s3 ls s3://guide-photos-dr --region us-east-1")?.exits(0)?;
    assert!(left.stdout().contains("only-in-dr"), "{}", left.stdout());

    // In the same outage, with the root module as the guide has left it.
    let turned = ["failover", "--yes", "--dir", "staging", "--output", "json"];
    let turned = stage.init_backend(&turned)?.exits(0)?.json()?;
    let roots = turned["roots"].as_array().context("roots")?;
    assert_eq!(roots[0]["resources"], 1, "{turned:#}");
    let plan = ["plan", "-detailed-exitcode", "-no-color"];
    stage.terraform("staging", &plan)?.exits(0)?;
    Ok(())
}
