use std::path::Path;

use cli::{Exit, Failure, GlobalArgs};
use cost::PriceBook;
use cost::transfer::{Copy, Rates, Volume, Workload, estimate};
use dr::objects::{Mode, Parity, PlanOptions, Planned, SpoolError, Sum, Tally, plan};

use super::{connect, errors, parity};
use crate::args::estimate::EstimateArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &EstimateArgs) -> Result<Exit, Failure> {
    let book = book(args.prices.as_deref())?;
    let directory = connect::temporary()?;
    let inventories = args.inventory_from.as_ref().zip(args.inventory_to.as_ref());
    let (workload, from, to) = match inventories {
        Some((from, to)) => {
            let pair = connect::inventories(global, &args.locations, from, to).await?;
            let parity = parity::of_inventories(&pair, directory.path()).await?;
            let (from, to) = (pair.0.bucket.region(), pair.1.bucket.region());
            (of_parity(&parity), from, to)
        }
        None => {
            let pair = connect::pair(
                global,
                &args.locations,
                connect::one_bucket(&args.locations)?,
            )
            .await?;
            pair.reach().await?;
            let options = PlanOptions {
                mode: Mode::Auto,
                headers: false,
                delete: false,
                leave_unproven: false,
                listings: usize::from(args.listings),
                own_copies: connect::own_copies(&args.written, &pair)?,
            };
            let planned = plan(&pair.source, &pair.destination, &options, directory.path())
                .await
                .map_err(|error| errors::walk("compare the buckets", error))?;
            let workload =
                of_plan(&planned).map_err(|error| errors::unchecked("read the plan", error))?;
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

fn of_plan(planned: &Planned) -> Result<Workload, SpoolError> {
    let plan = planned.plan();
    let mut workload = Workload::new(volume(plan.source), volume(plan.destination));
    for copy in planned.copies()? {
        let copy = copy?;
        workload.add(Copy {
            class: copy.class.as_str(),
            bytes: copy.bytes,
            requests: copy.requests,
            fits_job: copy.fits_job,
        });
    }
    Ok(workload)
}

/// From what a comparison of inventories says.
fn of_parity(parity: &Parity) -> Workload {
    let lists = [&parity.only_source, &parity.different, &parity.unproven];
    let copies = Volume {
        objects: lists.iter().map(|list| list.tally.objects).sum(),
        bytes: lists.iter().map(|list| list.tally.bytes).sum(),
    };
    let side = |sum: &Sum| Volume {
        objects: sum.objects,
        bytes: sum.bytes,
    };
    Workload::rough(side(&parity.source), side(&parity.destination), copies)
}

fn volume(tally: Tally) -> Volume {
    Volume {
        objects: tally.objects,
        bytes: tally.bytes,
    }
}

/// Bytes of a file of prices; that of this release has some hundred thousand.
const MOST_PRICES: u64 = 16 << 20;

/// The price book of this release, or the one in a file.
fn book(path: Option<&Path>) -> Result<PriceBook, Failure> {
    let Some(path) = path else {
        return PriceBook::builtin().map_err(|error| Failure::new(Exit::Usage, error));
    };
    let context = |error: anyhow::Error| {
        let error = error.context(format!("failed to use {}", path.display()));
        Failure::new(Exit::Usage, error)
    };
    let text = cli::read_text(path, MOST_PRICES).map_err(context)?;
    PriceBook::with_prices(&text).map_err(|error| context(error.into()))
}
