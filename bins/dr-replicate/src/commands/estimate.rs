use std::path::Path;

use cli::{Exit, Failure, GlobalArgs};
use cost::PriceBook;
use dr::objects::{Mode, PlanOptions, Rates, Workload, estimate, plan};

use super::{connect, errors, parity};
use crate::args::estimate::EstimateArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    let book = book(args.prices.as_deref())?;
    let directory = connect::temporary()?;
    let inventories = args.inventory_from.as_ref().zip(args.inventory_to.as_ref());
    let (workload, from, to) = match inventories {
        Some((from, to)) => {
            let pair = connect::inventories(global, &args.places, from, to).await?;
            let parity = parity::of_inventories(&pair, directory.path()).await?;
            let (from, to) = (pair.0.bucket.region(), pair.1.bucket.region());
            (Workload::of_parity(&parity), from, to)
        }
        None => {
            let pair = connect::pair(global, &args.places).await?;
            pair.reach().await?;
            let options = PlanOptions {
                mode: Mode::Auto,
                headers: false,
                delete: false,
                leave_unproven: false,
                listings: usize::from(args.listings),
            };
            let planned = plan(&pair.source, &pair.destination, &options, directory.path())
                .await
                .map_err(|error| errors::walk("compare the buckets", error))?;
            let workload = Workload::of_plan(&planned).map_err(|error| {
                let error = anyhow::Error::new(error).context("failed to read the plan");
                Failure::new(Exit::Unchecked, error)
            })?;
            (workload, pair.source.region(), pair.destination.region())
        }
    };
    let rates = Rates {
        own_copies_per_second: args.own_rate,
        batch_copies_per_second: args.batch_rate,
        mebibytes_per_second: args.throughput,
        longest_hours: args.longest,
    };
    cli::print(global, &estimate(workload, from, to, rates, &book))?;
    Ok(Exit::Fine)
}

/// The price book of this release, or the one in a file.
fn book(path: Option<&Path>) -> Result<PriceBook, Failure> {
    let Some(path) = path else {
        return PriceBook::builtin().map_err(|error| Failure::new(Exit::Usage, error));
    };
    let context = |error: anyhow::Error| {
        let error = error.context(format!("failed to use {}", path.display()));
        Failure::new(Exit::Usage, error)
    };
    let text = std::fs::read_to_string(path).map_err(|error| context(error.into()))?;
    PriceBook::with_prices(&text).map_err(|error| context(error.into()))
}
