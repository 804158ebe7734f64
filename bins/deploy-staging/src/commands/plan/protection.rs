//! What the settings protect from being destroyed, whoever agrees to it.

use anyhow::anyhow;
use cli::{Exit, Failure};
use serde_json::Value;
use settings::Settings;
use terraform::{Action, Plan};

/// What a plan would destroy although the settings name it as data: buckets of `[[buckets]]`, databases of `[[databases]]`
/// that are to be protected from deletion, and the state's own bucket and table.
pub(crate) fn protected(plan: &Plan, settings: &Settings) -> Vec<String> {
    let deleted = plan
        .resource_changes
        .iter()
        .filter(|of| of.change.does(&Action::Delete) || of.change.does(&Action::Replace));
    deleted
        .filter_map(|of| {
            let before = of.change.before.as_ref()?;
            let text = |name: &str| before.get(name).and_then(Value::as_str);
            let why = match of.kind.as_str() {
                "aws_s3_bucket" => bucket(text("bucket")?, settings)?,
                "aws_db_instance" => database(text("identifier")?, settings)?,
                "aws_dynamodb_table" => table(text("name")?, settings)?,
                _ => return None,
            };
            Some(format!("{}: {why}", of.address))
        })
        .collect()
}

fn bucket(name: &str, settings: &Settings) -> Option<String> {
    let mut data = settings.buckets.iter();
    if data.any(|bucket| bucket.name.as_str() == name || bucket.dr.as_str() == name) {
        return Some(format!("{name} holds data of the application"));
    }
    (settings.state.bucket.as_str() == name).then(|| format!("{name} holds the state"))
}

fn database(id: &str, settings: &Settings) -> Option<String> {
    let databases = settings.databases.iter();
    let mut protected = databases.filter(|database| {
        let restores = [
            database.restore.as_ref(),
            database
                .failback
                .as_ref()
                .and_then(|of| of.restore.as_ref()),
        ];
        let mut restores = restores.into_iter().flatten();
        restores.any(|restore| restore.options.deletion_protection == Some(true))
    });
    protected
        .any(|database| database.id.as_str() == id || database.dr_id.as_str() == id)
        .then(|| format!("{id} has deletion_protection"))
}

fn table(name: &str, settings: &Settings) -> Option<String> {
    let table = settings.state.lock_table.as_ref();
    table
        .is_some_and(|table| table.as_str() == name)
        .then(|| format!("{name} holds the state's locks"))
}

/// The refusal.
pub(crate) fn protects(protected: &[String]) -> Failure {
    let error =
        anyhow!(protected.join("\n")).context("the settings protect what would be destroyed");
    Failure::new(Exit::Refused, error).hint(
        "nothing was changed; what nobody needs any more is taken out of the settings first, what is to be kept out of \
         Terraform's state with `terraform state rm`",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn protected_is_what_the_settings_name_as_data() {
        let example = include_str!("../../../../../examples/berthcare-staging/infra.toml");
        let settings = Settings::parse(example, jiff::civil::date(2026, 11, 22)).unwrap();
        let change = |kind: &str, before: Value, actions: Value| {
            json!({"address": format!("{kind}.this"), "mode": "managed", "type": kind,
                "change": {"actions": actions, "before": before, "after": null}})
        };
        let protected = |changes: Value| {
            let plan =
                json!({"format_version": "1.2", "planned_values": {}, "resource_changes": changes});
            let plan = crate::commands::plan::parsed(plan.to_string().as_bytes()).unwrap();
            protected(&plan, &settings)
        };
        let delete = json!(["delete"]);
        let found = protected(json!([
            change(
                "aws_s3_bucket",
                json!({"bucket": "berthcare-photos-staging"}),
                delete.clone()
            ),
            change(
                "aws_s3_bucket",
                json!({"bucket": "berthcare-logs-staging"}),
                delete.clone()
            ),
            change(
                "aws_db_instance",
                json!({"identifier": "berthcare-staging-postgres"}),
                json!(["delete", "create"])
            ),
            change(
                "aws_dynamodb_table",
                json!({"name": "berthcare-terraform-locks"}),
                delete.clone()
            ),
            change(
                "aws_s3_bucket",
                json!({"bucket": "berthcare-terraform-state"}),
                delete
            ),
        ]));
        let told = [
            "holds data",
            "deletion_protection",
            "state's locks",
            "holds the state",
        ];
        assert_eq!(found.len(), told.len(), "{found:?}");
        assert!(
            found
                .iter()
                .zip(told)
                .all(|(found, told)| found.contains(told)),
            "{found:?}"
        );
        let kept = change(
            "aws_s3_bucket",
            json!({"bucket": "berthcare-photos-staging"}),
            json!(["update"]),
        );
        assert_eq!(protected(json!([kept])), Vec::<String>::new());
    }
}
