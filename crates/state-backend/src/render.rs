//! The file for `terraform init -backend-config=…`.

use std::net::IpAddr;

use aws_env::Endpoints;
use settings::{Encryption, Locking, Settings};

use crate::inventory::WORKSPACE_KEY_PREFIX;
use crate::spec::{SideName, Spec};

/// A partial backend configuration (`.s3.tfbackend`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendFile {
    text: String,
    names: Vec<&'static str>,
    local_aws: Option<String>,
}

impl BackendFile {
    /// The configuration of one side; `None` when there is no such side. With `endpoints` set,
    /// Terraform is told to take them and not to check the account or region against AWS.
    pub fn new(settings: &Settings, side: SideName, endpoints: &Endpoints) -> Option<Self> {
        let key = settings.state.key.as_str();
        let prefix = settings.state.workspace_key_prefix.as_str();
        Self::of_key(settings, side, endpoints, key, prefix)
    }

    /// The same for the states of another key and workspace prefix in the same bucket.
    pub(crate) fn of_key(
        settings: &Settings,
        side: SideName,
        endpoints: &Endpoints,
        key: &str,
        workspace_key_prefix: &str,
    ) -> Option<Self> {
        let spec = Spec::new(settings, "");
        let side = spec.side(side)?;
        let Locking { dynamodb, s3 } = settings.state.locking;
        let mut lines = vec![
            ("bucket", quote(side.bucket.as_str())),
            ("key", quote(key)),
            ("region", quote(side.region.as_str())),
        ];
        if workspace_key_prefix != WORKSPACE_KEY_PREFIX {
            lines.push(("workspace_key_prefix", quote(workspace_key_prefix)));
        }
        match &side.encryption {
            Encryption::Aes256 => lines.push(("encrypt", "true".to_owned())),
            Encryption::Kms(key) => {
                lines.push(("encrypt", "true".to_owned()));
                lines.push(("kms_key_id", quote(key.as_str())));
            }
            // Terraform would ask for one layer with either of the two: the bucket's own default encrypts.
            Encryption::Dsse(_) => {}
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
        let names = lines.iter().map(|(name, _)| *name).collect();
        let width = lines
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        let local_aws = [s3, dynamodb, iam, sts]
            .into_iter()
            .flatten()
            .find(|url| is_on_this_machine(url))
            .cloned();
        let remark = local_aws.as_ref().map(|url| {
            format!("# For the local AWS at {url} alone: of AWS itself, Terraform would see nothing with it.\n")
        });
        let lines = lines
            .into_iter()
            .map(|(name, value)| format!("{name:width$} = {value}\n"));
        Some(Self {
            text: remark.into_iter().chain(lines).collect(),
            names,
            local_aws,
        })
    }

    /// Whether it sets an argument of the backend.
    pub(crate) fn sets(&self, argument: &str) -> bool {
        self.names.contains(&argument)
    }

    /// The endpoint, if it is one of this machine: the file is then for a local AWS, and not for AWS.
    pub fn local_aws(&self) -> Option<&str> {
        self.local_aws.as_deref()
    }

    /// The file's content, in HCL, with a line break at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether a URL leads to a server of this machine.
fn is_on_this_machine(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
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
    fn is_on_this_machine_is_of_loopback_alone() {
        for url in [
            "http://127.0.0.1:4566",
            "http://localhost",
            "https://LOCALHOST.:1/x",
            "http://s3.localhost:4566/",
            "http://[::1]:4566",
            "http://user@127.1.2.3/",
        ] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in [
            "https://s3.ca-central-1.amazonaws.com",
            "https://localhost.example.com",
            "https://10.0.0.1:9000",
            "https://example.com/localhost",
            "",
        ] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }

    /// `encrypt` and `kms_key_id` both make Terraform ask for one layer.
    #[test]
    fn new_with_two_layers_leaves_encryption_to_the_bucket() {
        let example = include_str!("../../../examples/berthcare-staging/infra.toml");
        let key = "arn:aws:kms:ca-central-1:111122223333:key/11111111-1111-1111-1111-111111111111";
        let replica = key.replace("ca-central-1", "us-east-1");
        let render = |mode: &str| {
            let config = example
                .replace("\"AES256\"", &format!("{{ {mode} = {key:?} }}"))
                .replace("[state.dr]", &format!("[state.dr]\nkms = {replica:?}"));
            let settings = Settings::parse(&config, jiff::civil::date(2026, 11, 22)).unwrap();
            BackendFile::new(&settings, SideName::Dr, &Endpoints::default()).unwrap()
        };
        let text = render("kms").text;
        assert!(
            text.contains(&replica) && text.contains("encrypt "),
            "{text}"
        );
        let text = render("dsse").text;
        assert!(!text.contains("encrypt") && !text.contains("kms"), "{text}");
    }

    #[test]
    fn templates_in_a_value_stay_text() {
        assert_eq!(quote(r#"a"b\c${d}%{e}"#), r#""a\"b\\c$${d}%%{e}""#);
    }
}
