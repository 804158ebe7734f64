//! A failover inside Canada while the home of the global control planes is lost too: nothing but the DR region is called, by the
//! runbook or by the terraform that it starts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use end_to_end::{Programs, Stage, missing_tool, skipped};
use local_aws::{LocalAws, RdsClock, RdsOptions, RegionState};

const SETTINGS: &str = include_str!("../../examples/berthcare-ca-west/infra.toml");
const PRIMARY: &str = "ca-central-1";
const GLOBAL: &str = "us-east-1";
const DR: &str = "ca-west-1";
/// This only ends a test that went wrong.
const DEADLINE: Duration = Duration::from_secs(60);

/// How it is asked whether a region is there.
const QUESTIONS: [&str; 3] = ["GetCallerIdentity", "ListBuckets", "ListTables"];

/// The DR environment, which a failover fills.
const CODE: &str = r#"
terraform {
  backend "s3" { key = "dr/terraform.tfstate" }
}
variable "mode" { default = "pilot-light" }
variable "restored_database" { default = null }
variable "start_application" { default = false }
resource "terraform_data" "application" {
  count = var.mode == "full" ? 2 : 0
  input = { database = var.restored_database, index = count.index }
}
output "ecs_cluster_name" { value = "berthcare-staging-dr" }
output "ecs_service_name" { value = var.mode == "full" && var.start_application ? "berthcare-staging-dr-app" : null }
"#;

/// The environment of the example, in its primary region, with its copies in the DR region.
async fn build() -> Result<Option<Stage>> {
    if let Some(why) = missing_tool() {
        skipped(&why);
        return Ok(None);
    }
    let aws = LocalAws::builder().rds(RdsOptions {
        clock: RdsClock::Running { factor: 2000 },
        ..RdsOptions::default()
    });
    let Some(aws) = aws.start_or_skip().await? else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let failover = "[failover]\nterraform = \"dr\"\nvariables = { mode = \"full\" }\nrestored_database = \"restored_database\"\n\
                    marker_bucket = \"berthcare-failover-staging-ca-west\"\n";
    // The security group that each region of the local AWS has.
    let settings = SETTINGS.replace("sg-0f1e2d3c4b5a69788", "sg-00000001");
    fs::write(
        folder.path().join("infra.toml"),
        format!("{settings}\n{failover}"),
    )?;
    let programs = Programs::new(env!("CARGO_BIN_EXE_drill"), folder.path(), &aws);
    let stage = Stage {
        aws,
        programs,
        folder,
    };
    stage.init_backend(&["apply", "--yes"])?.exits(0)?;
    data(&stage).await?;
    stage.write_root("dr", CODE)?;
    stage.init_root("dr", true)?;
    stage
        .terraform("dr", &["apply", "-auto-approve", "-no-color"])?
        .exits(0)?;
    let begun = Instant::now();
    loop {
        let status = stage.init_backend(&["status", "--output", "json"])?;
        let status = status.json()?;
        let states = status["states"].as_array().context("states")?;
        // The settings' own key has no state here.
        if states.iter().any(|state| state["relation"] == "same") {
            break;
        }
        ensure!(begun.elapsed() < DEADLINE, "never replicated: {status:#}");
    }
    Ok(Some(stage))
}

/// The copies of the buckets, the database with a replicated backup, and what its restore needs.
async fn data(stage: &Stage) -> Result<()> {
    use aws_sdk_s3::types::{
        BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
        VersioningConfiguration,
    };
    let env = AwsEnv::load(Options {
        endpoint_url: Some(stage.aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        ..Options::default()
    })
    .await?;
    let dr = env.access(DR.parse()?);
    let s3 = dr.clients().s3;
    for bucket in [
        "berthcare-photos-staging-ca-west",
        "berthcare-documents-staging-ca-west",
        "berthcare-signatures-staging-ca-west",
        "berthcare-failover-staging-ca-west",
    ] {
        let location = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(DR));
        let create = s3.create_bucket().bucket(bucket);
        let create = create.create_bucket_configuration(location.build());
        create.send().await?;
        let versioning = VersioningConfiguration::builder();
        let versioning = versioning.status(BucketVersioningStatus::Enabled);
        let put = s3.put_bucket_versioning().bucket(bucket);
        let put = put.versioning_configuration(versioning.build());
        put.send().await?;
    }
    let rds = stage.aws.rds().context("RDS")?;
    let hour = Duration::from_secs(60 * 60);
    let primary = aws_env::client!(aws_sdk_rds, &env.access(PRIMARY.parse()?));
    let created = primary
        .create_db_instance()
        .db_instance_identifier("berthcare-staging-postgres")
        .engine("postgres")
        .db_instance_class("db.t4g.medium")
        .allocated_storage(20)
        .master_username("app")
        .master_user_password("correct-horse")
        .backup_retention_period(7)
        .send()
        .await?;
    let arn = created
        .db_instance()
        .and_then(|it| it.db_instance_arn())
        .context("ARN")?;
    rds.step(hour).await;
    let there = aws_env::client!(aws_sdk_rds, &dr);
    let name = "berthcare-staging-postgres-dr";
    there
        .create_db_subnet_group()
        .db_subnet_group_name(name)
        .db_subnet_group_description(name)
        .subnet_ids("subnet-00000001")
        .subnet_ids("subnet-00000002")
        .send()
        .await?;
    there
        .create_db_parameter_group()
        .db_parameter_group_name(format!("{name}-pg15"))
        .db_parameter_group_family("postgres18")
        .description(name)
        .send()
        .await?;
    there
        .start_db_instance_automated_backups_replication()
        .source_db_instance_arn(arn)
        .backup_retention_period(7)
        .send()
        .await?;
    rds.step(hour).await;
    Ok(())
}

/// A search path with a terraform whose plans have roles of IAM in the place of what they have. There is no provider here whose
/// roles a plan could have.
fn needing_iam(stage: &Stage) -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    let real = folders.find(|folder| folder.join("terraform").is_file());
    let real = real.context("terraform")?.join("terraform");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in\n*' apply '*) touch applied ;;\n*' show '*) {real} \"$@\" | sed          's/\"type\":\"terraform_data\"/\"type\":\"aws_iam_role\"/g'; exit ;;\nesac\nexec {real} \"$@\"\n",
        real = real.display()
    );
    let own = stage.folder.path().join("needing-iam");
    fs::create_dir(&own)?;
    fs::write(own.join("terraform"), script)?;
    fs::set_permissions(own.join("terraform"), fs::Permissions::from_mode(0o755))?;
    let folders = std::iter::once(own).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders)?;
    path.into_string()
        .map_err(|path| anyhow::anyhow!("{} is no text", path.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_without_us_east_1_calls_the_dr_region_alone() -> Result<()> {
    let Some(stage) = build().await? else {
        return Ok(());
    };
    for region in [PRIMARY, GLOBAL] {
        stage.aws.set_region(region, RegionState::Refuse);
    }
    stage.aws.clear_log();
    let lost = format!("{PRIMARY},{GLOBAL}");
    let failover = [
        "failover",
        "--lost",
        &lost,
        "--window",
        "0s",
        "--approve",
        "auto",
        "--yes",
    ];
    // A plan that needs the lost control plane is not applied, and all else is done.
    let needing = stage.programs.clone();
    let needing = needing.with("PATH", needing_iam(&stage)?);
    let ended = tokio::task::block_in_place(|| needing.run("dr-runbook", &failover))?;
    ensure!(ended.code() == Some(4), "{}", ended.stdout());
    let lost = "us-east-1 is lost, which takes changes of terraform_data.application[0]";
    ensure!(ended.stdout().contains(lost), "{}", ended.stdout());
    ensure!(!stage.root("dr/applied").exists(), "{}", ended.stdout());
    let resume = ["runs", "resume", "--approve", "auto", "--yes"];
    let ended = tokio::task::block_in_place(|| stage.programs.run("dr-runbook", &resume))?;
    // Terraform has made a cluster in which nothing runs: traffic is not turned to it.
    ensure!(ended.code() != Some(0), "{}", ended.stdout());
    let refused = "the application does not run in ca-west-1";
    ensure!(ended.stdout().contains(refused), "{}", ended.stdout());
    let is_turned = |log: &[local_aws::LogEntry]| {
        let mut put = log.iter().filter(|call| call.operation == "PutObject");
        put.any(|call| {
            call.resource
                .as_deref()
                .is_some_and(|of| of.contains("berthcare-failover-staging-ca-west"))
        })
    };
    ensure!(!is_turned(&stage.aws.log()), "{:?}", stage.aws.log());
    let variables = stage.folder.path().join("dr/failover.auto.tfvars.json");
    let set = fs::read_to_string(&variables)?;
    fs::write(
        &variables,
        set.replacen('{', "{\"start_application\": true,", 1),
    )?;
    stage
        .terraform("dr", &["apply", "-auto-approve", "-no-color"])?
        .exits(0)?;
    let ended =
        tokio::task::block_in_place(|| stage.programs.run("dr-runbook", &resume))?.exits(0)?;
    let log = stage.aws.log();
    ensure!(is_turned(&log), "{}", ended.stdout());
    let elsewhere: Vec<_> = log
        .iter()
        .filter(|call| call.region.as_deref() != Some(DR))
        .collect();
    for call in &elsewhere {
        let region = call.region.as_deref().unwrap_or_default();
        ensure!(
            [PRIMARY, GLOBAL].contains(&region) && QUESTIONS.contains(&call.operation.as_str()),
            "{call:?}"
        );
    }
    // Both were asked whether they are there, and nothing of them after the first thing that was done.
    for region in [PRIMARY, GLOBAL] {
        let asked = elsewhere
            .iter()
            .filter(|call| call.region.as_deref() == Some(region));
        ensure!(asked.count() >= QUESTIONS.len(), "{region}: {elsewhere:?}");
    }
    let first = log.iter().find(|call| call.is_mutation()).context("done")?;
    ensure!(
        elsewhere.iter().all(|call| call.time <= first.time),
        "{elsewhere:?} {first:?}"
    );
    // All of it was there to be done: the database, the state and the environment.
    for operation in ["RestoreDBInstanceToPointInTime", "PutBucketPolicy"] {
        ensure!(
            log.iter().any(|call| call.operation == operation),
            "{operation}: {}",
            ended.stdout()
        );
    }
    let listed = stage.terraform("dr", &["state", "list"])?.exits(0)?;
    ensure!(
        listed
            .stdout()
            .matches("terraform_data.application")
            .count()
            == 2,
        "{}",
        listed.stdout()
    );
    Ok(())
}
