//! Who asks AWS: one question before all others.

use aws_env::{AwsEnv, ErrorClass};
use cli::Failure;
use settings::Region;

/// Asks STS in `region` who we are. Without usable credentials every other call would fail for the same reason, once for
/// each resource. Any other answer, and silence, say nothing about the other services: those are asked.
///
/// # Errors
/// When there are no usable credentials: exit 3.
pub(super) async fn known(env: &AwsEnv, region: Region) -> Result<(), Failure> {
    match env.region(region).account_id().await {
        Err(error) if error.class == ErrorClass::Credentials => {
            Err(Failure::aws("find out who asks AWS", error))
        }
        _ => Ok(()),
    }
}
