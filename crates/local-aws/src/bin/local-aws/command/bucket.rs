//! `bucket`.

use crate::args::Bucket;
use crate::instance;

pub(crate) async fn change(arguments: &Bucket) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    Ok(control
        .set_bucket_owner(&arguments.name, &arguments.owner)
        .await?)
}
