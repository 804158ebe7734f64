//! What a profile needs beside AWS's regional services to give credentials.

use aws_config::profile::ProfileSet;
use aws_types::os_shim_internal::{Env, Fs};

use crate::{AwsEnv, LoadError};

/// Profiles that name one another as their source.
const MOST_SOURCES: usize = 8;

/// How the credentials of a profile are had, as far as that may fail with a region or for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignIn {
    /// The profile.
    pub profile: String,
    /// The region of the IAM Identity Center that the profile signs in to. It is in one region, and signs nobody in
    /// without it (<https://docs.aws.amazon.com/singlesignon/latest/userguide/resiliency-regional-behavior.html>).
    pub sso_region: Option<String>,
    /// The MFA device whose code it asks for.
    pub mfa_device: Option<String>,
}

impl SignIn {
    fn of(profiles: &ProfileSet, profile: &str) -> Self {
        let mut sign_in = Self {
            profile: profile.to_owned(),
            ..Self::default()
        };
        let mut name = profile.to_owned();
        // A profile with a role gets its credentials from another one.
        for _ in 0..MOST_SOURCES {
            let Some(found) = profiles.get_profile(&name) else {
                break;
            };
            let text = |key: &str| found.get(key).map(str::to_owned);
            let session = found.get("sso_session");
            let session = session.and_then(|session| profiles.sso_session(session));
            let of_session = session.and_then(|session| session.get("sso_region"));
            sign_in.sso_region = sign_in
                .sso_region
                .or(of_session.map(str::to_owned))
                .or_else(|| text("sso_region"));
            sign_in.mfa_device = sign_in.mfa_device.or_else(|| text("mfa_serial"));
            match found.get("source_profile") {
                Some(source) if source != name => name = source.to_owned(),
                _ => break,
            }
        }
        sign_in
    }
}

impl AwsEnv {
    /// How the profile in use signs in; `None` where credentials come from elsewhere: they are given, or in
    /// environment variables, which the chain asks first.
    ///
    /// # Errors
    /// When the AWS configuration files cannot be read.
    pub async fn sign_in(&self) -> Result<Option<SignIn>, LoadError> {
        if self.has_given_credentials() || Env::real().get("AWS_ACCESS_KEY_ID").is_ok() {
            return Ok(None);
        }
        let selected = self.profile().map(|name| name.to_owned().into());
        let files = Default::default();
        let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, selected).await;
        let profiles = profiles.map_err(|error| LoadError::Profiles(error.into()))?;
        let selected = profiles.selected_profile().to_owned();
        let is_there = profiles.get_profile(&selected).is_some();
        Ok(is_there.then(|| SignIn::of(&profiles, &selected)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(text: &str, profile: &str) -> SignIn {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, text).unwrap();
        let env = Env::from_slice(&[("AWS_CONFIG_FILE", file.to_str().unwrap())]);
        let files = Default::default();
        let profiles = aws_config::profile::load(&Fs::real(), &env, &files, None).await;
        SignIn::of(&profiles.unwrap(), profile)
    }

    #[tokio::test]
    async fn of_a_profile_follows_its_sources_to_the_identity_center_and_the_device() {
        let text = "
[profile staff]
sso_session = corp
sso_account_id = 111122223333
[sso-session corp]
sso_region = ca-central-1
sso_start_url = https://example.awsapps.com/start
[profile ops]
role_arn = arn:aws:iam::111122223333:role/ops
source_profile = staff
mfa_serial = arn:aws:iam::111122223333:mfa/kim
[profile keys]
aws_access_key_id = AKIAEXAMPLE
[profile round]
source_profile = about
[profile about]
source_profile = round
";
        let ops = of(text, "ops").await;
        assert_eq!(ops.sso_region.as_deref(), Some("ca-central-1"));
        assert_eq!(
            ops.mfa_device.as_deref(),
            Some("arn:aws:iam::111122223333:mfa/kim")
        );
        let keys = of(text, "keys").await;
        assert_eq!((keys.sso_region, keys.mfa_device), (None, None));
        assert_eq!(of(text, "round").await.sso_region, None);
    }
}
