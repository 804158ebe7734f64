//! The outputs of the Terraform environments are those that the documents list and the programs read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hcl::{Block, Body};

/// The outputs by which the staging guide, its checklist and its evidence log call the stack.
const GUIDE: [&str; 12] = [
    "cloudfront_domain_name",
    "cloudwatch_dashboard_name",
    "cloudwatch_dashboard_url",
    "db_address",
    "db_credentials_secret_arn",
    "db_endpoint",
    "private_subnet_ids",
    "public_subnet_ids",
    "redis_credentials_secret_arn",
    "redis_endpoint",
    "sns_alerts_topic_arn",
    "vpc_id",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The labels of all blocks of a kind in an HCL file.
fn declared(kind: &str, file: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let body: Body = hcl::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let label = |block: &Block| Some(block.labels.first()?.as_str().to_owned());
    Ok(body
        .blocks()
        .filter(|block| block.identifier.as_str() == kind)
        .filter_map(label)
        .collect())
}

fn outputs(environment: &str) -> Result<BTreeSet<String>> {
    let file = format!("terraform/environments/{environment}/outputs.tf");
    declared("output", &root().join(file))
}

/// Rows of a table: the name in the first cell's backticks, and the cells behind it.
fn rows(text: &str) -> impl Iterator<Item = (String, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (name, cells) = cells.split_first()?;
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), cells.to_vec()))
    })
}

/// What a README in terraform-docs' format lists: the names in the anchors of its inputs and outputs.
fn anchored(text: &str) -> BTreeSet<String> {
    let anchors = text.lines().filter_map(|line| {
        let (anchor, _) = line.strip_prefix("| <a name=\"")?.split_once('"')?;
        let name = anchor.strip_prefix("input_");
        name.or_else(|| anchor.strip_prefix("output_"))
    });
    anchors.map(str::to_owned).collect()
}

/// The table of outputs: those of one environment, or of the guide, by the column.
fn documented(column: usize) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/terraform.md"))?;
    let (_, table) = text.split_once("\n## Outputs\n").context("no outputs")?;
    let table = table.split("\n## ").next().unwrap_or_default();
    Ok(rows(table)
        .filter(|(_, cells)| cells.get(column) == Some(&"yes"))
        .map(|(name, _)| name)
        .collect())
}

#[test]
fn the_outputs_are_those_of_the_documents() -> Result<()> {
    for (column, environment) in ["staging", "dr"].into_iter().enumerate() {
        let declared = outputs(environment)?;
        assert!(declared.len() > GUIDE.len(), "{environment}: {declared:?}");
        assert_eq!(
            documented(column)?,
            declared,
            "left: docs/terraform.md, right: outputs of {environment}"
        );
    }
    Ok(())
}

#[test]
fn the_names_of_the_guide_are_there() -> Result<()> {
    let guide: BTreeSet<String> = GUIDE.map(str::to_owned).into();
    assert_eq!(documented(2)?, guide, "left: docs/terraform.md");
    for environment in ["staging", "dr"] {
        let missing: Vec<_> = guide.difference(&outputs(environment)?).cloned().collect();
        assert!(missing.is_empty(), "{environment} lacks {missing:?}");
    }
    Ok(())
}

/// The key in an environment's backend block; `None` where the settings' is taken.
fn state_key(environment: &str) -> Result<Option<String>> {
    let file = root().join(format!("terraform/environments/{environment}/versions.tf"));
    let body: Body = hcl::from_str(&std::fs::read_to_string(file)?)?;
    let terraform = body
        .blocks()
        .find(|block| block.identifier() == "terraform");
    let backend = terraform
        .and_then(|block| {
            block
                .body()
                .blocks()
                .find(|block| block.identifier() == "backend")
        })
        .context("no backend")?;
    let key = backend.body().attributes().find(|of| of.key() == "key");
    Ok(key.map(|key| key.expr().to_string().trim_matches('"').to_owned()))
}

#[test]
fn environments_in_one_bucket_have_states_of_their_own() -> Result<()> {
    let example = std::fs::read_to_string(root().join("examples/berthcare-staging/infra.toml"))?;
    assert_eq!(state_key("staging")?, None, "the settings' key");
    let dr = state_key("dr")?.context("the DR stack takes the key of the settings")?;
    assert!(!example.contains(&dr), "{dr} is staging's key");
    Ok(())
}

#[test]
fn every_readme_lists_inputs_and_outputs() -> Result<()> {
    let mut looked_at = 0;
    for group in ["modules", "environments"] {
        for entry in std::fs::read_dir(root().join("terraform").join(group))? {
            let folder = entry?.path();
            if !folder.join("variables.tf").exists() {
                continue;
            }
            looked_at += 1;
            let mut wanted = declared("variable", &folder.join("variables.tf"))?;
            wanted.extend(declared("output", &folder.join("outputs.tf"))?);
            let text = std::fs::read_to_string(folder.join("README.md"))?;
            assert_eq!(
                anchored(&text),
                wanted,
                "left: README of {}",
                folder.display()
            );
        }
    }
    assert_eq!(looked_at, 16, "fourteen modules and two environments");
    Ok(())
}

#[test]
fn every_checklist_item_has_a_row() -> Result<()> {
    let text = std::fs::read_to_string(root().join("docs/acceptance.md"))?;
    let items: Vec<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok())
        .collect();
    assert_eq!(items, (1..=15).collect::<Vec<_>>());
    Ok(())
}
