//! Names in S3: buckets and the state's key.

use super::{NameError, forbidden, name};
use crate::Region;

name! {
    /// The name of a general purpose bucket.
    ///
    /// Rules: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>. Dots are let
    /// through, since AWS allows them and existing buckets have them; the SDK and Terraform address such a
    /// bucket path-style, because the TLS wildcard `*.s3.REGION.amazonaws.com` does not cover a dotted name,
    /// and transfer acceleration does not work with it. The suffix `-an` is kept for buckets in an account's
    /// own regional namespace and accepted only in that form: `PREFIX-ACCOUNT-REGION-an`.
    BucketName, check_bucket
}

/// Prefixes and suffixes that S3 keeps for itself, from the page named at [`BucketName`].
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

fn check_bucket(value: &str) -> Result<String, NameError> {
    let wrong =
        |problem: String, fix: &str| Err(NameError::new(value, "a bucket name", problem, fix));
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();

    if let Some(problem) = forbidden(value, |c| alphanumeric(c) || c == '.' || c == '-') {
        return wrong(
            problem,
            "use lower-case letters, digits, dots and hyphens only",
        );
    }
    if !(3..=63).contains(&value.len()) {
        return wrong(
            format!("its length is {}", value.len()),
            "use 3 to 63 characters",
        );
    }
    if !value.starts_with(alphanumeric) || !value.ends_with(alphanumeric) {
        let problem = "it starts or ends with a dot or a hyphen".to_owned();
        return wrong(problem, "start and end with a letter or a digit");
    }
    if value.contains("..") {
        return wrong(
            "it holds two dots in a row".to_owned(),
            "put at least one other character between dots",
        );
    }
    if looks_like_ipv4(value) {
        return wrong(
            "it is formatted as an IP address".to_owned(),
            "use a name that is not four numbers",
        );
    }
    if let Some(prefix) = RESERVED_PREFIXES
        .into_iter()
        .find(|prefix| value.starts_with(prefix))
    {
        return wrong(
            format!("AWS keeps the prefix {prefix:?} for itself"),
            "choose another prefix",
        );
    }
    if let Some(suffix) = RESERVED_SUFFIXES
        .into_iter()
        .find(|suffix| value.ends_with(suffix))
    {
        return wrong(
            format!("AWS keeps the suffix {suffix:?} for itself"),
            "choose another suffix",
        );
    }
    if let Some(rest) = value.strip_suffix("-an")
        && !in_account_namespace(rest)
    {
        let problem = "AWS keeps the suffix \"-an\" for an account's regional namespace".to_owned();
        return wrong(
            problem,
            "choose another suffix, or use the form PREFIX-ACCOUNT-REGION-an",
        );
    }
    Ok(value.to_owned())
}

/// Four groups of digits, also where a number passes 255.
fn looks_like_ipv4(value: &str) -> bool {
    let groups: Vec<&str> = value.split('.').collect();
    groups.len() == 4
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether `rest`, a name without its `-an`, ends in a 12-digit account and a region, after some prefix.
fn in_account_namespace(rest: &str) -> bool {
    Region::all().any(|region| {
        rest.strip_suffix(region.as_str())
            .and_then(|rest| rest.strip_suffix('-'))
            .and_then(|rest| rest.rsplit_once('-'))
            .is_some_and(|(_, account)| {
                account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
            })
    })
}

name! {
    /// The key of the Terraform state object within its bucket.
    ///
    /// S3 takes up to 1024 bytes of UTF-8
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>); 7 of them are left for
    /// `.tflock`, which Terraform appends for its lock object. Terraform's s3 backend refuses a key that is
    /// blank, starts or ends with `/`, or holds `//`. Control characters, which do not survive S3's XML, and
    /// the path segments `.` and `..`, which HTTP clients fold away, are refused here.
    StateKey, check_state_key
}

/// S3's limit of 1024 bytes, less the length of `.tflock`.
const STATE_KEY_BYTES: usize = 1024 - ".tflock".len();

fn check_state_key(value: &str) -> Result<String, NameError> {
    check_path(value, "a key for the state", "staging/terraform.tfstate")
}

name! {
    /// Where Terraform keeps the states of workspaces other than the default one: `workspace_key_prefix`.
    ///
    /// The same rules as for a [`StateKey`] hold: it stands before one, and Terraform refuses a `/` at either end.
    WorkspaceKeyPrefix, check_prefix
}

impl WorkspaceKeyPrefix {
    /// Terraform's own, where the backend sets none:
    /// <https://developer.hashicorp.com/terraform/language/backend/s3#workspace_key_prefix>.
    pub const DEFAULT: &str = "env:";
}

impl Default for WorkspaceKeyPrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

fn check_prefix(value: &str) -> Result<String, NameError> {
    check_path(
        value,
        "a prefix for workspaces",
        WorkspaceKeyPrefix::DEFAULT,
    )
}

fn check_path(value: &str, what: &str, example: &str) -> Result<String, NameError> {
    let wrong = |problem: String, fix: &str| Err(NameError::new(value, what, problem, fix));

    if value.trim().is_empty() {
        return wrong(
            "it is blank".to_owned(),
            &format!("write one such as {example}"),
        );
    }
    if value.len() > STATE_KEY_BYTES {
        let problem = format!("its length is {} bytes", value.len());
        return wrong(problem, &format!("use at most {STATE_KEY_BYTES} bytes"));
    }
    if let Some(problem) = forbidden(value, |c| !c.is_control()) {
        return wrong(problem, "use printable characters");
    }
    if value.split('/').any(str::is_empty) {
        let problem = "it starts or ends with \"/\" or holds \"//\"".to_owned();
        return wrong(
            problem,
            "put one \"/\" between folders and none at either end",
        );
    }
    if value
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return wrong(
            "it holds the path segment \".\" or \"..\"".to_owned(),
            "write the key out in full",
        );
    }
    Ok(value.to_owned())
}
