use std::path::Path;

use cli::{Exit, Failure, GlobalArgs};
use dr::objects::{
    Finding, Inventory, InventoryError, Parity, ParityOptions, Side, parity, parity_of_inventories,
};
use report::Report as _;
use settings::BucketName;

use super::each::Each;
use super::{connect, errors};
use crate::args::ParityArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &ParityArgs) -> Result<Exit, Failure> {
    if let Some((from, to)) = args.inventory_from.as_ref().zip(args.inventory_to.as_ref()) {
        let pair = connect::inventories(global, &args.locations, from, to).await?;
        let directory = connect::temporary()?;
        return print(global, args, of_inventories(&pair, directory.path()).await?);
    }
    let buckets = connect::buckets(global, &args.locations)?;
    if let [bucket] = buckets.as_slice() {
        return print(
            global,
            args,
            of_buckets(global, args, bucket.as_ref()).await?,
        );
    }
    let mut each = Each::default();
    for bucket in &buckets {
        let parity = of_buckets(global, args, bucket.as_ref()).await;
        each.add(
            bucket.as_ref(),
            parity.map(|parity| (exit(&parity), parity)),
        );
    }
    if args.markdown {
        cli::print_text(&each.document().to_markdown());
    } else {
        cli::print(global, &each)?;
    }
    Ok(each.exit())
}

fn print(global: &GlobalArgs, args: &ParityArgs, parity: Parity) -> Result<Exit, Failure> {
    if args.markdown {
        cli::print_text(&parity.document().to_markdown());
    } else {
        cli::print(global, &parity)?;
    }
    Ok(exit(&parity))
}

fn exit(parity: &Parity) -> Exit {
    match parity.finding {
        Finding::Same => Exit::Fine,
        Finding::Different => Exit::Wrong,
        Finding::Unknown => Exit::Unchecked,
    }
}

async fn of_buckets(
    global: &GlobalArgs,
    args: &ParityArgs,
    bucket: Option<&BucketName>,
) -> Result<Parity, Failure> {
    let pair = connect::pair(global, &args.locations, bucket).await?;
    pair.reach().await?;
    let options = ParityOptions {
        mode: args.compare.compare.into(),
        headers: args.compare.headers,
        listings: usize::from(args.compare.listings),
        sample: args.sample,
        // Another sample every time.
        seed: u64::try_from(cli::now().as_microsecond()).unwrap_or_default(),
        own_copies: connect::own_copies(&args.written, &pair)?,
    };
    parity(&pair.source, &pair.destination, &options)
        .await
        .map_err(|error| errors::walk("compare the buckets", error))
}

/// Compares two inventories; rows are sorted in `directory`.
pub(super) async fn of_inventories(
    (source, destination): &(Inventory, Inventory),
    directory: &Path,
) -> Result<Parity, Failure> {
    tokio::try_join!(source.bucket.reach(), destination.bucket.reach())
        .map_err(|error| Failure::aws("reach the buckets of the inventories", error))?;
    parity_of_inventories(source, destination, directory)
        .await
        .map_err(|(side, error)| failure(side, error))
}

fn failure(side: Side, error: InventoryError) -> Failure {
    let what = format!("read the inventory of the {side}");
    let exit = match error {
        InventoryError::Call(error) => return Failure::aws(&what, error),
        InventoryError::OneBucket { .. }
        | InventoryError::OtherParts { .. }
        | InventoryError::Unusable { .. } => Exit::Usage,
        _ => Exit::Unchecked,
    };
    Failure::new(
        exit,
        anyhow::Error::new(error).context(format!("failed to {what}")),
    )
}
