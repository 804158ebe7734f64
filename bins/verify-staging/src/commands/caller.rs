//! Who asks AWS: one question before all others.

use aws_env::{ErrorClass, RegionAccess};
use cli::Failure;

/// Asks STS of a region who we are. Without usable credentials every other call would fail for the same reason, once for
/// each resource. Any other answer, and silence, say nothing about the other services: those are asked.
///
/// # Errors
/// When there are no usable credentials: exit 3.
pub(super) async fn known(region: &RegionAccess) -> Result<(), Failure> {
    match region.clients().account_id().await {
        Err(error) if error.class == ErrorClass::Credentials => {
            Err(Failure::aws("find out who asks AWS", error))
        }
        _ => Ok(()),
    }
}
