//! What Terraform says of the environments, in files beside the configuration.

use crate::stage::{EXAMPLE, Stage};

const DR: &str = r#"[regions]
primary = "ca-central-1"
dr = "us-east-1"

[[databases]]
id = "berthcare-staging-postgres"

[databases.restore]
subnet_group = "berthcare-staging-postgres-dr"
security_groups = ["sg-0a1b2c3d4e5f60718"]
"#;

/// The example without what the DR environment says.
fn config() -> String {
    let left_out = [
        "subnet_group = \"berthcare-staging-postgres-dr\"\n",
        "security_groups = [\"sg-0a1b2c3d4e5f60718\"]\n",
    ];
    let named = "# outputs = [\"infra.dr.toml\", \"infra.primary.toml\"]";
    assert!(EXAMPLE.contains(named));
    let config = EXAMPLE.replace(named, "outputs = [\"infra.dr.toml\"]");
    left_out.iter().fold(config, |config, line| {
        assert!(config.contains(line), "{line}");
        config.replace(line, "")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_terraform_are_read_beside_the_configuration_and_told() {
    let Some(stage) = Stage::with(&config()).await else {
        return;
    };
    let render = ["-v", "render", "dr"];
    let ran = stage.run(&render).await.exits(2);
    let stderr = ran.stderr();
    assert!(
        stderr.contains("infra.dr.toml, which outputs of")
            && stderr.contains("terraform output -raw infra_toml"),
        "{stderr}"
    );

    let file = stage.path("infra.dr.toml");
    std::fs::write(&file, DR).unwrap();
    let ran = stage.run(&render).await.exits(0);
    let stderr = ran.stderr();
    let told = |field: &str| {
        let mut lines = stderr.lines();
        lines.any(|line| line.contains(field) && line.contains("infra.dr.toml"))
    };
    assert!(
        told("databases[0].restore.subnet_group") && told("databases[0].restore.security_groups"),
        "{stderr}"
    );
    assert!(!told("databases[0].id"), "{stderr}");

    std::fs::write(&file, DR.replace("us-east-1", "ca-west-1")).unwrap();
    let ran = stage.run(&render).await.exits(2);
    let stderr = ran.stderr();
    assert!(
        stderr.contains("it is \"us-east-1\" here and \"ca-west-1\" in infra.dr.toml"),
        "{stderr}"
    );
    assert_eq!(stage.aws.log(), [], "nothing was called");
}
