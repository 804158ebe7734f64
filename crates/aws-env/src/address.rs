//! Endpoints that are addresses.

use std::net::Ipv4Addr;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// S3 Control has the account before the host's name. An address that stands in for AWS's own host has no room for that:
/// the account is in a header as well.
#[derive(Debug)]
pub struct AddressHost;

#[dyn_dispatch_hint]
impl Intercept for AddressHost {
    fn name(&self) -> &'static str {
        "AddressHost"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = without_label(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

/// The URL without what stands before an address; `None` where it is right as it is.
fn without_label(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (label, authority) = rest[..end].split_once('.')?;
    let host = authority.split(':').next()?;
    let is_account = label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && host.parse::<Ipv4Addr>().is_ok())
        .then(|| format!("{scheme}://{authority}{}", &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_label_is_of_an_account_before_an_address_alone() {
        let url = "http://000000000000.127.0.0.1:4566/v20180820/jobs?a=b";
        let wanted = "http://127.0.0.1:4566/v20180820/jobs?a=b";
        assert_eq!(without_label(url).as_deref(), Some(wanted));
        for other in [
            "http://127.0.0.1:4566/",
            "https://000000000000.s3-control.ca-central-1.amazonaws.com/",
            "http://000000000000.localhost:4566/",
            "http://bucket.127.0.0.1/",
        ] {
            assert_eq!(without_label(other), None, "{other}");
        }
    }
}
