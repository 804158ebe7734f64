use std::sync::Arc;

use aws_config::SdkConfig;
use aws_smithy_http_client::tls::TlsContext;
use settings::Region;

use crate::permit::Permitted;
use crate::{AwsEnv, Call, CallCount, CallLog, CallPermit, Connections, OwnerGuard, RegionClients};

/// Access to one region and to no other: whatever client is made from it, a request that is signed for another region
/// is refused before it is sent ([`OutsideRegion`](crate::OutsideRegion)).
#[derive(Debug, Clone)]
pub struct RegionAccess {
    region: Region,
    /// The region that its HTTP client lets pass: the same, but for the global services seen from a DR region.
    allowed: Region,
    config: SdkConfig,
    tls: Arc<TlsContext>,
    path_style: bool,
    owners: OwnerGuard,
    permit: Option<CallPermit>,
    calls: CallCount,
}

impl RegionAccess {
    pub(crate) fn new(env: &AwsEnv, region: Region) -> Self {
        Self {
            region,
            allowed: region,
            config: env.walled_config(region),
            tls: env.tls().clone(),
            path_style: env.endpoint("S3").is_some(),
            owners: env.owner_guard(region),
            permit: None,
            calls: env.calls().clone(),
        }
    }

    /// The region.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The same access, for calls that are sent only while `permit` holds.
    #[must_use]
    pub fn under(&self, permit: &CallPermit) -> Self {
        let mut permitted = self.clone();
        if let Some(inner) = self.config.http_client() {
            let client = Permitted {
                permit: permit.clone(),
                inner,
            };
            let config = self.config.to_builder();
            permitted.config = config.http_client(client).build();
        }
        permitted.permit = Some(permit.clone());
        permitted
    }

    /// The SDK's configuration for this region, for [`client!`](crate::client).
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// What logs the calls of this region's clients.
    pub fn call_log(&self) -> CallLog {
        CallLog::new(self.region)
    }

    /// What names the owner of buckets in the calls of this region's clients.
    pub fn owner_guard(&self) -> OwnerGuard {
        self.owners.clone()
    }

    /// The clients that nearly everything needs.
    pub fn clients(&self) -> RegionClients {
        RegionClients::new(self)
    }

    /// Whether S3 wants the bucket in the path: endpoints that stand in for AWS's own do.
    pub fn path_style(&self) -> bool {
        self.path_style
    }

    pub(crate) fn tls(&self) -> &Arc<TlsContext> {
        &self.tls
    }

    pub(crate) fn permit(&self) -> Option<&CallPermit> {
        self.permit.as_ref()
    }

    /// The region that requests may be signed for.
    pub(crate) fn allowed(&self) -> Region {
        self.allowed
    }

    pub(crate) fn calls(&self) -> &CallCount {
        &self.calls
    }

    /// What makes connections that no other client uses, and that are closed when they are not needed any more. They
    /// reach this region alone as well.
    pub fn connections(&self) -> Connections {
        Connections::new(self)
    }

    /// A name for errors of this region.
    pub fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        Call {
            region: self.region,
            service,
            operation,
            resource: resource.into(),
        }
    }
}

/// Access to the primary region, to the DR region, and to the global services: for all that is done before a region is
/// lost, and to find out whether one is.
#[derive(Debug, Clone)]
pub struct Both {
    /// The primary region.
    pub primary: RegionAccess,
    /// The DR region.
    pub dr: RegionAccess,
    /// The region of the global services' control plane ([`iam_region`](crate::iam_region)).
    pub global: RegionAccess,
}

impl Both {
    /// What a step may use once the primary region is lost.
    pub fn dr_only(&self) -> DrOnly {
        DrOnly(self.dr.clone())
    }
}

/// Access to the DR region, and no way to any other: what a step of a region-loss run gets. Nothing here leads to the
/// lost region, nor to the global services whose control plane may be there.
///
/// ```compile_fail,E0599
/// fn step(dr: &aws_env::DrOnly) {
///     dr.access("ca-central-1".parse().unwrap());
/// }
/// ```
///
/// ```compile_fail,E0609
/// fn step(dr: &aws_env::DrOnly) {
///     let primary = dr.primary.clients();
/// }
/// ```
///
/// ```
/// fn step(dr: &aws_env::DrOnly) -> aws_env::RegionClients {
///     dr.region().clients()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct DrOnly(RegionAccess);

impl DrOnly {
    /// The access to the DR region.
    pub fn region(&self) -> &RegionAccess {
        &self.0
    }

    /// The same access, for calls that are sent only while `permit` holds.
    #[must_use]
    pub fn under(&self, permit: &CallPermit) -> Self {
        Self(self.0.under(permit))
    }

    /// The global services, as far as they can be reached without leaving the DR region: where their control plane is in
    /// another one, every call is refused before it is sent.
    ///
    /// What asks them thus fails, as unknown, instead of asking a region that may be lost, or its own for what is not
    /// there.
    pub fn global(&self) -> RegionAccess {
        let region = crate::iam_region(self.0.region);
        let config = self.0.config.to_builder();
        let config = config.region(aws_config::Region::new(region.as_str().to_owned()));
        RegionAccess {
            region,
            config: config.build(),
            ..self.0.clone()
        }
    }
}

impl AwsEnv {
    /// Access to `region` alone.
    pub fn access(&self, region: Region) -> RegionAccess {
        RegionAccess::new(self, region)
    }

    /// Access to the control plane of the global services that `region` uses.
    pub fn global(&self, region: Region) -> RegionAccess {
        self.access(crate::iam_region(region))
    }

    /// Access to two regions and to the global services.
    pub fn both(&self, primary: Region, dr: Region) -> Both {
        Both {
            primary: self.access(primary),
            dr: self.access(dr),
            global: self.global(primary),
        }
    }

    /// Access to the DR region, for when the primary one is lost.
    pub fn dr_only(&self, dr: Region) -> DrOnly {
        DrOnly(self.access(dr))
    }
}

/// A client of one service in the region of a [`RegionAccess`], with the call log and the [`OwnerGuard`]. The SDK's
/// crate comes first; a third argument changes its configuration.
///
/// ```
/// # fn f(access: &aws_env::RegionAccess) {
/// let sts: aws_sdk_sts::Client = aws_env::client!(aws_sdk_sts, access);
/// let s3 = aws_env::client!(aws_sdk_s3, access, |config| config.force_path_style(true));
/// # }
/// ```
#[macro_export]
macro_rules! client {
    ($sdk:ident, $access:expr) => {
        $crate::client!($sdk, $access, |config| config)
    };
    // S3's endpoint is where the account of buckets is asked for. A client of S3 that is made under another name does
    // not ask, and its calls that name a bucket are refused.
    (aws_sdk_s3, $access:expr, |$config:ident| $changed:expr) => {{
        let access: &$crate::RegionAccess = $access;
        let $config = aws_sdk_s3::config::Builder::from(access.sdk_config())
            .interceptor(access.call_log())
            .interceptor(access.owner_guard())
            .endpoint_resolver(access.owner_guard());
        aws_sdk_s3::Client::from_conf($changed.build())
    }};
    ($sdk:ident, $access:expr, |$config:ident| $changed:expr) => {{
        let access: &$crate::RegionAccess = $access;
        let $config = $sdk::config::Builder::from(access.sdk_config())
            .interceptor(access.call_log())
            .interceptor(access.owner_guard())
            .interceptor($crate::AddressHost);
        $sdk::Client::from_conf($changed.build())
    }};
}
