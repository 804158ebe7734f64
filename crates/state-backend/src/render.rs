//! The file for `terraform init -backend-config=…`.

use aws_env::Endpoints;
use settings::{Encryption, Locking, Settings};

use crate::spec::{SideName, Spec};

/// A partial backend configuration (`.s3.tfbackend`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendFile {
    text: String,
}

impl BackendFile {
    /// The configuration of one side; `None` when there is no such side. With `endpoints` set,
    /// Terraform is told to take them and not to check the account or region against AWS.
    pub fn new(settings: &Settings, side: SideName, endpoints: &Endpoints) -> Option<Self> {
        let spec = Spec::new(settings, "");
        let side = spec.side(side)?;
        let Locking { dynamodb, s3 } = settings.state.locking;
        let mut lines = vec![
            ("bucket", quote(side.bucket.as_str())),
            ("key", quote(&spec.key)),
            ("region", quote(side.region.as_str())),
            ("encrypt", "true".to_owned()),
        ];
        if let Encryption::Kms(key) = &side.encryption {
            lines.push(("kms_key_id", quote(key.as_str())));
        }
        if let (true, Some(table)) = (dynamodb, &side.table) {
            lines.push(("dynamodb_table", quote(table.as_str())));
        }
        if s3 {
            lines.push(("use_lockfile", "true".to_owned()));
        }
        let Endpoints {
            s3,
            dynamodb,
            iam,
            sts,
        } = endpoints;
        let set: Vec<String> = [
            ("s3", s3),
            ("dynamodb", dynamodb),
            ("iam", iam),
            ("sts", sts),
        ]
        .into_iter()
        .filter_map(|(service, url)| Some(format!("{service} = {}", quote(url.as_ref()?))))
        .collect();
        if !set.is_empty() {
            for flag in [
                "use_path_style",
                "skip_credentials_validation",
                "skip_metadata_api_check",
                "skip_region_validation",
                "skip_requesting_account_id",
            ] {
                lines.push((flag, "true".to_owned()));
            }
            lines.push(("endpoints", format!("{{ {} }}", set.join(", "))));
        }
        let width = lines
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        let text = lines
            .into_iter()
            .map(|(name, value)| format!("{name:width$} = {value}\n"))
            .collect();
        Some(Self { text })
    }

    /// The file's content, in HCL, with a line break at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A string in HCL: backslash, quote and the starts of templates are escaped.
fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_in_a_value_stay_text() {
        assert_eq!(quote(r#"a"b\c${d}%{e}"#), r#""a\"b\\c$${d}%%{e}""#);
    }
}
