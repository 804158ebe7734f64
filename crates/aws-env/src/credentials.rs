//! Credentials, from a region that is up.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::region::Region;
use tokio::sync::OnceCell;

/// The standard chain, whose calls to STS (a profile with a role, a web identity) go to the region that the credentials
/// are for. One chain for all regions would ask one fixed region, and be lost with it.
#[derive(Debug)]
pub(crate) struct RegionalCredentials {
    pub(crate) region: Region,
    pub(crate) profile: Option<String>,
    pub(crate) http_client: SharedHttpClient,
    pub(crate) timeouts: TimeoutConfig,
    pub(crate) retries: RetryConfig,
    pub(crate) use_fips: Option<bool>,
    pub(crate) use_dual_stack: Option<bool>,
    pub(crate) chain: OnceCell<DefaultCredentialsChain>,
}

impl RegionalCredentials {
    async fn build(&self) -> DefaultCredentialsChain {
        let config = ProviderConfig::without_region()
            .with_behavior_version(Some(aws_config::BehaviorVersion::latest()))
            .with_region(Some(self.region.clone()))
            .with_use_fips(self.use_fips)
            .with_use_dual_stack(self.use_dual_stack)
            .with_http_client(self.http_client.clone())
            .with_timeout_config(self.timeouts.clone())
            .with_retry_config(self.retries.clone());
        let mut builder = DefaultCredentialsChain::builder().configure(config);
        if let Some(profile) = &self.profile {
            builder = builder.profile_name(profile);
        }
        builder.region(self.region.clone()).build().await
    }
}

impl ProvideCredentials for RegionalCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let chain = self.chain.get_or_init(|| self.build()).await;
            chain.provide_credentials().await
        })
    }
}
