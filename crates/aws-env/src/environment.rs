use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use settings::Region;
use tokio::sync::OnceCell;

use crate::credentials::RegionalCredentials;
use crate::loopback::PastProxies;
use crate::trust::trust_bundle;
use crate::wall::RegionWall;
use crate::{BucketOwners, CaBundleError, CallCount, OwnerGuard};

/// A TCP and TLS handshake across an ocean takes well under a second; three seconds without one
/// means that nobody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest silence on an open connection.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// One call with all its retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);
/// With 30 % of calls throttled, ten attempts fail once in 170,000 calls.
const MAX_ATTEMPTS: u32 = 10;

/// What [`AwsEnv::load`] takes beside the standard chain.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The endpoint of every service, instead of `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// Credentials, instead of the standard chain.
    pub credentials: Option<Credentials>,
    /// Where credentials come from, instead of the standard chain.
    pub credentials_provider: Option<SharedCredentialsProvider>,
    /// Certificates to trust instead of the system's (`AWS_CA_BUNDLE`).
    pub ca_bundle: Option<PathBuf>,
    /// A profile, instead of `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Attempts for each call, instead of ten.
    pub attempts: Option<u32>,
}

/// Why the environment could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The certificate bundle cannot be used.
    #[error("cannot load the trusted certificates")]
    CaBundle(#[from] CaBundleError),
    /// An endpoint is no URL.
    #[error("{url:?} is no URL, and cannot be an endpoint of {service}")]
    Endpoint {
        /// The service.
        service: &'static str,
        /// What was set.
        url: String,
    },
    /// The profile that is asked for is not in the AWS configuration files.
    #[error(
        "the profile {name:?} is not in the AWS configuration files, which have {}",
        listed(known)
    )]
    NoSuchProfile {
        /// The name.
        name: String,
        /// The profiles that are there.
        known: Vec<String>,
    },
    /// The AWS configuration files cannot be read.
    #[error("cannot read the AWS configuration files")]
    Profiles(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The TLS library refuses its configuration.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Credentials, endpoints, time-outs and retries, for any region.
#[derive(Debug, Clone)]
pub struct AwsEnv {
    config: SdkConfig,
    tls: Arc<TlsContext>,
    http_client: SharedHttpClient,
    given: Option<SharedCredentialsProvider>,
    profile: Option<String>,
    /// One source for each region, so that its clients share what it caches.
    credentials: Arc<Mutex<HashMap<Region, SharedCredentialsProvider>>>,
    owners: BucketOwners,
    /// One for each region, so that the account is asked for once.
    guards: Arc<Mutex<HashMap<Region, OwnerGuard>>>,
    calls: CallCount,
}

/// The endpoints that stand in for AWS's own, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// S3.
    pub s3: Option<String>,
    /// DynamoDB.
    pub dynamodb: Option<String>,
    /// IAM.
    pub iam: Option<String>,
    /// STS.
    pub sts: Option<String>,
}

impl Endpoints {
    /// An endpoint that is none of AWS's own: an emulator answers there, and no account.
    pub fn stand_in(&self) -> Option<&str> {
        let set = [&self.s3, &self.dynamodb, &self.iam, &self.sts];
        let mut set = set.into_iter().filter_map(Option::as_deref);
        set.find(|url| !is_of_aws(url))
    }
}

/// Whether an endpoint is below a domain of AWS, as those of interface endpoints in a VPC are.
fn is_of_aws(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    of_aws.iter().any(|domain| host.ends_with(domain))
}

impl AwsEnv {
    /// Loads the standard chain of settings and credentials. Calls nothing: a credential source
    /// is asked at the first request.
    ///
    /// # Errors
    /// When the certificate bundle cannot be read or has no certificate in it, or an endpoint that
    /// is set is no URL.
    pub async fn load(options: Options) -> Result<Self, LoadError> {
        // Shared, since it holds every certificate that is trusted.
        let tls = Arc::new(tls(options.ca_bundle)?);
        let given = options
            .credentials_provider
            .or_else(|| options.credentials.map(SharedCredentialsProvider::new));
        if let (Some(profile), None) = (&options.profile, &given) {
            check_profile(profile).await?;
        }
        let http_client = http_client(tls.clone());
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            // Each client gets its own region; this one keeps the loader from asking the
            // instance metadata service.
            .region(aws_config::Region::from_static("us-east-1"))
            .http_client(http_client.clone())
            // Each region has its own: see `walled_config`.
            .no_credentials()
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            )
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(options.attempts.unwrap_or(MAX_ATTEMPTS))
                    .with_initial_backoff(Duration::from_millis(200))
                    .with_max_backoff(Duration::from_secs(2)),
            );
        if let Some(url) = options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        let env = Self {
            config: loader.load().await,
            tls,
            http_client,
            given,
            profile: options.profile,
            credentials: Arc::default(),
            owners: BucketOwners::default(),
            guards: Arc::default(),
            calls: CallCount::default(),
        };
        for service in ["S3", "DynamoDB", "IAM", "STS", "CloudWatch"] {
            if let Some(url) = env.endpoint(service)
                && !is_url(&url)
            {
                return Err(LoadError::Endpoint { service, url });
            }
        }
        Ok(env)
    }

    /// The same, with buckets that have to belong to these accounts.
    #[must_use]
    pub fn with_owners(self, owners: BucketOwners) -> Self {
        Self {
            owners,
            guards: Arc::default(),
            ..self
        }
    }

    /// How many requests went to which region, of all that was made from this environment.
    pub fn calls(&self) -> &CallCount {
        &self.calls
    }

    pub(crate) fn has_given_credentials(&self) -> bool {
        self.given.is_some()
    }

    /// The profile that was asked for.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    pub(crate) fn owner_guard(&self, region: Region) -> OwnerGuard {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = guards.entry(region).or_insert_with(|| {
            OwnerGuard::new(region, self.owners.clone(), self.walled_config(region))
        });
        guard.clone()
    }

    /// The SDK's configuration for `region`, whose HTTP client reaches that region alone.
    pub(crate) fn walled_config(&self, region: Region) -> SdkConfig {
        self.config
            .to_builder()
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .credentials_provider(self.credentials(region))
            .http_client(RegionWall {
                allowed: region,
                calls: self.calls.clone(),
                inner: self.http_client.clone(),
            })
            .build()
    }

    fn credentials(&self, region: Region) -> SharedCredentialsProvider {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let mut known = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let source = known.entry(region).or_insert_with(|| {
            SharedCredentialsProvider::new(RegionalCredentials {
                region: aws_config::Region::new(region.as_str().to_owned()),
                profile: self.profile.clone(),
                http_client: self.http_client.clone(),
                timeouts: self
                    .config
                    .timeout_config()
                    .cloned()
                    .unwrap_or_else(TimeoutConfig::disabled),
                retries: self
                    .config
                    .retry_config()
                    .cloned()
                    .unwrap_or_else(RetryConfig::standard),
                use_fips: self.config.use_fips(),
                use_dual_stack: self.config.use_dual_stack(),
                chain: OnceCell::new(),
            })
        });
        source.clone()
    }

    pub(crate) fn tls(&self) -> &Arc<TlsContext> {
        &self.tls
    }

    /// The endpoints that were set for the services of a Terraform backend.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            s3: self.endpoint("S3"),
            dynamodb: self.endpoint("DynamoDB"),
            iam: self.endpoint("IAM"),
            sts: self.endpoint("STS"),
        }
    }

    /// The service's own endpoint setting wins over the general one, as in every AWS SDK.
    pub(crate) fn endpoint(&self, service_id: &str) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service_id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        self.config
            .service_config()
            .and_then(|service| service.load_config(key))
            .or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}

async fn check_profile(name: &str) -> Result<(), LoadError> {
    let profiles = aws_config::profile::load(
        &Fs::real(),
        &Env::real(),
        &Default::default(),
        Some(name.to_owned().into()),
    )
    .await
    .map_err(|error| LoadError::Profiles(error.into()))?;
    if profiles.get_profile(name).is_some() {
        return Ok(());
    }
    Err(LoadError::NoSuchProfile {
        name: name.to_owned(),
        known: profiles.profiles().map(str::to_owned).collect(),
    })
}

fn listed(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn tls(ca_bundle: Option<PathBuf>) -> Result<TlsContext, LoadError> {
    let trust = match ca_bundle {
        Some(path) => trust_bundle(&path)?,
        None => TrustStore::default(),
    };
    TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| LoadError::Tls(error.into()))
}

pub(crate) fn http_client(tls: Arc<TlsContext>) -> SharedHttpClient {
    // One pool of connections for all clients that share time-outs. The credential chain has its
    // own, short ones for the metadata services.
    let pools: Mutex<Vec<(Timeouts, SharedHttpConnector)>> = Mutex::new(Vec::new());
    http_client_fn(move |settings, _| {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pool)) = pools.iter().find(|(known, _)| *known == timeouts) {
            return pool.clone();
        }
        let pool = connector(settings.clone(), TlsContext::clone(&tls));
        pools.push((timeouts, pool.clone()));
        pool
    })
}

/// Connect and read time-out.
type Timeouts = (Option<Duration>, Option<Duration>);

fn connector(settings: HttpConnectorSettings, tls: TlsContext) -> SharedHttpConnector {
    SharedHttpConnector::new(PastProxies::new(move |proxies| {
        SharedHttpConnector::new(
            Connector::builder()
                .connector_settings(settings.clone())
                .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
                .proxy_config(proxies)
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls.clone())
                .build(),
        )
    }))
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_in_is_what_is_not_of_aws() {
        let of = |url: &str| Endpoints {
            s3: Some(url.to_owned()),
            ..Endpoints::default()
        };
        for url in [
            "https://bucket.vpce-1a.s3.ca-central-1.vpce.amazonaws.com",
            "https://S3.amazonaws.com.:443/x",
        ] {
            assert_eq!(of(url).stand_in(), None, "{url}");
        }
        for url in [
            "http://127.0.0.1:4566",
            "https://amazonaws.com.example",
            "http://s3.amazonaws.com@localhost:1/",
        ] {
            assert_eq!(of(url).stand_in(), Some(url));
        }
        assert_eq!(Endpoints::default().stand_in(), None);
    }
}
