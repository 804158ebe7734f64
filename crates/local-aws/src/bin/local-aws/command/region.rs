//! `region`.

use crate::args::Region;
use crate::instance;

pub(crate) async fn switch(arguments: &Region) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    Ok(control
        .set_region(&arguments.name, arguments.state())
        .await?)
}
