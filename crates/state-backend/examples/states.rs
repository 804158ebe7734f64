//! Every state of a backend, and how its two copies stand to each other, without a settings file.
//!
//!     cargo run -p state-backend --example states
//!
//! It changes nothing. Regions, buckets and table are those of the example settings; credentials are the SDK's usual ones.

use std::error::Error;
use std::io::Write as _;

use aws_env::{AwsEnv, Options};
use report::Report as _;
use state_backend::{Backend, Inventory, Side, SideName, Spec};

pub(crate) async fn states(env: &AwsEnv) -> Result<Inventory, Box<dyn Error>> {
    let (canada, virginia) = ("ca-central-1".parse()?, "us-east-1".parse()?);
    let primary = Side::new(
        SideName::Primary,
        canada,
        "berthcare-terraform-state".parse()?,
    )
    .with_table("berthcare-terraform-locks".parse()?);
    let dr = Side::new(
        SideName::Dr,
        virginia,
        "berthcare-terraform-state-dr".parse()?,
    )
    .with_table("berthcare-terraform-locks-dr".parse()?);
    let spec = Spec::of(primary, &"staging/terraform.tfstate".parse()?)
        .replicated_to(dr, "S3TerraformStateReplicationRole".parse()?);
    let backend = Backend::open(spec, &env.both(canada, virginia)).await?;
    Ok(backend.inventory(jiff::Timestamp::now()).await)
}

#[expect(
    clippy::disallowed_methods,
    reason = "an example prints what nobody but AWS has written"
)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options {
        endpoint_url: std::env::var("AWS_ENDPOINT_URL").ok(),
        ..Options::default()
    };
    let states = states(&AwsEnv::load(options).await?).await?;
    let text = states.document().to_terminal(None, false);
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
