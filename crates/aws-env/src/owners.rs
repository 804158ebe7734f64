//! The account that a bucket has to belong to. Bucket names are unique in a whole partition: one that is free, or
//! was deleted, can be taken by anybody, and what is written to it then is theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_s3::config::endpoint::{
    DefaultResolver, EndpointFuture, Params, ResolveEndpoint as ResolveS3Endpoint,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use percent_encoding::percent_decode_str;
use settings::{AccountId, BucketName, Region, Settings};
use tokio::time::Instant;

use crate::{CallLog, Error, ErrorClass, clients};

/// S3's name for the header that makes it refuse a bucket of another account:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>.
const OWNER: &str = "x-amz-expected-bucket-owner";
/// The same for the bucket that a copy reads from.
const SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";
const COPY_SOURCE: &str = "x-amz-copy-source";

/// The operations of S3 that take no owner, as the SDK's inputs have it: those that make a bucket, list the caller's
/// own, or need a session or a route that belongs to one account.
const WITHOUT_OWNER: [&str; 6] = [
    "CreateBucket",
    "CreateSession",
    "ListBuckets",
    "ListDirectoryBuckets",
    "RenameObject",
    "WriteGetObjectResponse",
];

/// After STS did not tell the account, calls within this time do not ask again: each would wait as long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Which account each bucket has to belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketOwners {
    account: Option<AccountId>,
    named: BTreeMap<BucketName, AccountId>,
}

impl BucketOwners {
    /// As if [`BucketOwners`] had been made with `account`; without it, the account is that of the credentials.
    #[must_use]
    pub fn with_account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// With `bucket` in `owner`'s account, whatever the others'.
    #[must_use]
    pub fn with_bucket(mut self, bucket: BucketName, owner: AccountId) -> Self {
        self.named.insert(bucket, owner);
        self
    }
}

impl From<&Settings> for BucketOwners {
    fn from(settings: &Settings) -> Self {
        let named = settings.buckets.iter().flat_map(|bucket| {
            [
                (&bucket.name, bucket.owner.as_ref()),
                (&bucket.dr, bucket.dr_owner.as_ref()),
            ]
        });
        Self {
            account: settings.account.clone(),
            named: named
                .filter_map(|(name, owner)| Some((name.clone(), owner?.clone())))
                .collect(),
        }
    }
}

/// A call that was not sent, since it is not known which account its bucket has to belong to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("which account {bucket} has to belong to is not known: {reason}")]
pub struct OwnerUnknown {
    bucket: String,
    /// Why STS does not tell.
    reason: String,
    /// What kind of failure that is.
    pub class: ErrorClass,
}

/// The owners that a request named, kept with an answer that refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedOwners {
    pub(crate) owner: String,
    /// Of the bucket that is copied from, where it is another.
    pub(crate) source: Option<String>,
}

impl fmt::Display for ExpectedOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected owner {}", self.owner)?;
        match &self.source {
            Some(source) => write!(f, ", of the source {source}"),
            None => Ok(()),
        }
    }
}

impl Storable for ExpectedOwners {
    type Storer = StoreReplace<Self>;
}

/// Names the owner in every call to S3 that names a bucket, and the source's in every copy, so that S3 refuses to
/// read from and to write to a bucket that somebody else has. Part of every client that
/// [`client!`](crate::client) makes; the account is asked for before the first such call, once.
#[derive(Debug, Clone)]
pub struct OwnerGuard(Arc<RegionOwners>);

#[derive(Debug)]
struct RegionOwners {
    region: Region,
    owners: BucketOwners,
    /// Of this region, for STS.
    config: SdkConfig,
    known: OnceLock<AccountId>,
    asking: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, Arc<Error>)>>,
}

impl OwnerGuard {
    pub(crate) fn new(region: Region, owners: BucketOwners, config: SdkConfig) -> Self {
        let known = match &owners.account {
            Some(account) => OnceLock::from(account.clone()),
            None => OnceLock::new(),
        };
        Self(Arc::new(RegionOwners {
            region,
            owners,
            config,
            known,
            asking: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }))
    }

    /// What STS has told somebody else.
    pub(crate) fn learn(&self, account: &str) {
        if let Ok(account) = account.parse() {
            self.0.known.get_or_init(|| account);
        }
    }

    /// Makes sure that the account is known, or why it is not.
    async fn ask(&self) {
        let all = &*self.0;
        if all.known.get().is_some() {
            return;
        }
        let _one_at_a_time = all.asking.lock().await;
        let asked = self.failure().map(|(at, _)| at.elapsed() < ASK_AGAIN);
        if all.known.get().is_some() || asked == Some(true) {
            return;
        }
        match all.account().await {
            Ok(account) => {
                all.known.get_or_init(|| account);
            }
            Err(error) => {
                let mut failed = all.failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed = Some((Instant::now(), Arc::new(error)));
            }
        }
    }

    fn failure(&self) -> Option<(Instant, Arc<Error>)> {
        let failed = self.0.failed.lock();
        failed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account that `bucket` has to belong to, for requests that name a bucket beside the one that they are
    /// about.
    ///
    /// # Errors
    /// When no settings say it, and no call to S3 has had STS asked for it.
    pub fn owner(&self, bucket: &str) -> Result<AccountId, OwnerUnknown> {
        let all = &*self.0;
        let named = |(name, _): &(&BucketName, &AccountId)| name.as_str() == bucket;
        if let Some((_, owner)) = all.owners.named.iter().find(named) {
            return Ok(owner.clone());
        }
        if let Some(account) = all.known.get() {
            return Ok(account.clone());
        }
        let (reason, class) = match self.failure() {
            Some((_, error)) => (error.to_string(), error.class),
            None => ("STS has not been asked".to_owned(), ErrorClass::Other),
        };
        Err(OwnerUnknown {
            bucket: bucket.to_owned(),
            reason,
            class,
        })
    }

    /// Names the owners in `request`, which is about `bucket`. What is named already stays.
    fn name(
        &self,
        request: &mut HttpRequest,
        bucket: &str,
    ) -> Result<ExpectedOwners, OwnerUnknown> {
        let source = match request.headers().get(COPY_SOURCE).map(source_bucket) {
            Some(source) => Some(self.owner(&source)?),
            None => None,
        };
        let owner = self.owner(bucket)?;
        let headers = request.headers_mut();
        for (header, owner) in [(OWNER, Some(&owner)), (SOURCE_OWNER, source.as_ref())] {
            if let Some(owner) = owner
                && headers.get(header).is_none()
            {
                headers.insert(header, owner.as_str().to_owned());
            }
        }
        let named = |header| headers.get(header).map(str::to_owned);
        let owner = named(OWNER).unwrap_or_default();
        Ok(ExpectedOwners {
            source: named(SOURCE_OWNER).filter(|source| *source != owner),
            owner,
        })
    }
}

/// `BUCKET/KEY?versionId=…`, in URL encoding, with or without a slash before it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
fn source_bucket(copy_source: &str) -> String {
    let decoded = percent_decode_str(copy_source).decode_utf8_lossy();
    let path = decoded.strip_prefix('/').unwrap_or(&decoded);
    path.split('/').next().unwrap_or_default().to_owned()
}

impl RegionOwners {
    /// The account of the credentials: they may say it themselves, as those of a role do; else STS does.
    async fn account(&self) -> Result<AccountId, Error> {
        if let Some(provider) = self.config.credentials_provider()
            && let Ok(credentials) = provider.provide_credentials().await
            && let Some(account) = credentials.account_id()
            && let Ok(account) = account.as_str().parse()
        {
            return Ok(account);
        }
        let sts = aws_sdk_sts::config::Builder::from(&self.config)
            .interceptor(CallLog::new(self.region))
            .build();
        let sts = aws_sdk_sts::Client::from_conf(sts);
        let account = clients::account_id(&sts, self.region).await?;
        account.parse().map_err(|error| {
            Error::unexpected(clients::account_call(self.region), format!("{error}"))
        })
    }
}

/// The one place on a request's way that may wait. The account is asked for here, and named by the interceptor.
impl ResolveS3Endpoint for OwnerGuard {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::new(async move {
            let source = params.copy_source().map(source_bucket);
            let mut buckets = params.bucket().into_iter().chain(source.as_deref());
            if buckets.any(|bucket| self.owner(bucket).is_err()) {
                self.ask().await;
            }
            DefaultResolver::new().resolve_endpoint(params).await
        })
    }
}

#[dyn_dispatch_hint]
impl Intercept for OwnerGuard {
    fn name(&self) -> &'static str {
        "OwnerGuard"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let takes_owner = cfg
            .load::<Metadata>()
            .is_some_and(|call| call.service() == "S3" && !WITHOUT_OWNER.contains(&call.name()));
        let params = cfg.load::<EndpointResolverParams>();
        let bucket = params
            .and_then(|params| params.get::<Params>())
            .and_then(Params::bucket);
        if let (true, Some(bucket)) = (takes_owner, bucket) {
            let bucket = bucket.to_owned();
            let named = self.name(context.request_mut(), &bucket)?;
            cfg.interceptor_state().store_put(named);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().as_u16() == 403
            && let Some(named) = cfg.load::<ExpectedOwners>()
        {
            context.response_mut().add_extension(named.clone());
        }
        Ok(())
    }
}
