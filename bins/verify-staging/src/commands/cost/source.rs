//! Files and settings on their way to what is priced.

use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, Secrecy};
use cost::{Estimate, Inventory, InventoryError, Options, PriceBook, Source, Usage};
use jiff::ToSpan as _;
use jiff::civil::Date;
use rust_decimal::Decimal;
use settings::Region;
use terraform::DocumentError;

use crate::args::cost::{EstimateArgs, PricingArgs};

/// A price book or usage file is never this large.
const MOST_TEXT: u64 = 16 << 20;

/// Everything that an estimate is made of.
pub(super) struct Pricing {
    pub(super) usage: Usage,
    pub(super) book: PriceBook,
    pub(super) options: Options,
}

impl Pricing {
    pub(super) fn new(args: &PricingArgs) -> Result<Self, Failure> {
        let usage = match &args.usage {
            None => Usage::default(),
            Some(path) => {
                let text = text(path)?;
                Usage::parse(&text).map_err(|error| unusable(error, path))?
            }
        };
        let mut options = Options::on(today());
        options.oldest = oldest(args.max_price_age);
        options.free_tier = args.free_tier;
        options.database_hours_a_week = Decimal::from(args.database_hours);
        Ok(Self {
            usage: match args.no_defaults {
                true => usage.without_defaults(),
                false => usage,
            },
            book: book(args.prices.as_deref())?,
            options,
        })
    }

    pub(super) fn estimate(&self, inventory: &Inventory) -> Estimate {
        Estimate::new(inventory, &self.usage, &self.book, self.options)
    }
}

/// The price book of this release, or the one in a file.
pub(super) fn book(path: Option<&Path>) -> Result<PriceBook, Failure> {
    match path {
        None => PriceBook::builtin().map_err(|error| {
            Failure::new(
                Exit::Usage,
                anyhow::Error::new(error).context("failed to use the price book"),
            )
        }),
        Some(path) => PriceBook::with_prices(&text(path)?).map_err(|error| unusable(error, path)),
    }
}

/// What is to be priced, in the region to price it in.
pub(super) async fn stack(global: &GlobalArgs, of: &EstimateArgs) -> Result<Inventory, Failure> {
    if of.live {
        let inventory = live(global).await?;
        return in_region(inventory, &of.pricing);
    }
    inventory(global, of.plan.as_deref(), &of.pricing)
}

/// What AWS shows.
pub(super) async fn live(global: &GlobalArgs) -> Result<Inventory, Failure> {
    let settings = cli::load_settings(global)?;
    let env = cli::aws_env(Some(&settings)).await?;
    let regions = settings.regions;
    cost::live::observe(&env.both(regions.primary, regions.dr), &settings)
        .await
        .map_err(|error| Failure::aws("ask what there is", error))
}

/// The inventory of a plan or state, or of the settings, in the region to price it in.
pub(super) fn inventory(
    global: &GlobalArgs,
    plan: Option<&Path>,
    args: &PricingArgs,
) -> Result<Inventory, Failure> {
    let inventory = read(global, plan, args.region, args.dr_region)?;
    in_region(inventory, args)
}

fn in_region(mut inventory: Inventory, args: &PricingArgs) -> Result<Inventory, Failure> {
    inventory.dr_region = args.dr_region.or(inventory.dr_region);
    match args.move_to {
        None => Ok(inventory),
        Some(to) => moved(&inventory, to),
    }
}

/// The inventory elsewhere.
pub(super) fn moved(inventory: &Inventory, to: Region) -> Result<Inventory, Failure> {
    let from = inventory.region.ok_or_else(|| {
        let error = anyhow::anyhow!("failed to move the stack: its region is not known");
        Failure::new(Exit::Usage, error).hint("name it with --region")
    })?;
    Ok(inventory.moved(from, to))
}

/// The inventory of a plan or state, or of the settings.
pub(super) fn read(
    global: &GlobalArgs,
    plan: Option<&Path>,
    region: Option<Region>,
    dr_region: Option<Region>,
) -> Result<Inventory, Failure> {
    if let Some(path) = plan {
        let json = cli::read_input(path, Inventory::MOST_BYTES)?;
        return Placed::new(global, region, dr_region)?.read(path, &json);
    }
    let settings = cli::load_settings(global)?;
    let mut inventory = Inventory::from_settings(&settings);
    if let (Some(from), Some(to)) = (inventory.region, region) {
        inventory = inventory.moved(from, to);
    }
    inventory.dr_region = dr_region.or(inventory.dr_region);
    Ok(inventory)
}

/// What a plan would leave behind, and the state that it was made from.
pub(super) fn plan_and_before(
    global: &GlobalArgs,
    plan: &Path,
    args: &PricingArgs,
) -> Result<(Inventory, Inventory), Failure> {
    let json = cli::read_input(plan, Inventory::MOST_BYTES)?;
    let placed = Placed::new(global, args.region, args.dr_region)?;
    let after = placed.read(plan, &json)?;
    let before = placed.read_before(plan, &json, &after)?;
    Ok((in_region(after, args)?, in_region(before, args)?))
}

/// Where plans and states are that do not say it.
struct Placed {
    region: Option<Region>,
    dr_region: Option<Region>,
    /// Where nothing else tells.
    assumed: Option<Region>,
}

impl Placed {
    fn new(
        global: &GlobalArgs,
        region: Option<Region>,
        dr_region: Option<Region>,
    ) -> Result<Self, Failure> {
        // The settings may know the regions; a plan can be priced without them.
        let regions = match region.is_some() && dr_region.is_some() || !global.config.exists() {
            true => None,
            false => Some(cli::load_settings(global)?.regions),
        };
        Ok(Self {
            region,
            dr_region: dr_region.or(regions.map(|of| of.dr)),
            assumed: regions.map(|of| of.primary).filter(|_| region.is_none()),
        })
    }

    /// What a plan would leave behind, or a state has.
    fn read(&self, path: &Path, json: &[u8]) -> Result<Inventory, Failure> {
        let after = Inventory::from_terraform(json, self.region, self.dr_region);
        let after = after.map_err(|error| unusable_plan(error, path))?;
        Ok(self.assumed(after))
    }

    /// The state that a plan was made from.
    fn read_before(
        &self,
        path: &Path,
        json: &[u8],
        after: &Inventory,
    ) -> Result<Inventory, Failure> {
        if after.source == Source::State {
            let error = anyhow::anyhow!(
                "failed to measure the increase: {} is a state, which has nothing before it",
                path.display()
            );
            return Err(Failure::new(Exit::Usage, error).hint("name what was before with --before"));
        }
        let before = Inventory::before_plan(json, after);
        let before = before.map_err(|error| unusable_plan(error, path))?;
        Ok(self.assumed(before))
    }

    fn assumed(&self, mut inventory: Inventory) -> Inventory {
        if let Some(region) = self.assumed {
            inventory.assume_region(region, "the primary region of the settings");
        }
        inventory
    }
}

fn unusable_plan(error: InventoryError, path: &Path) -> Failure {
    let hint = match &error {
        InventoryError::Document(DocumentError::Format { .. }) => {
            "write it with the terraform this project needs: `terraform show -json`"
        }
        InventoryError::TooLarge { .. } => "split the stack, or price one environment at a time",
        _ => "write it with `terraform show -json FILE`",
    };
    unusable(error, path).hint(hint)
}

pub(super) fn oldest(days: u16) -> Date {
    today().saturating_sub(i32::from(days).days())
}

pub(super) fn today() -> Date {
    cli::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A file whose content cannot be used: exit 2.
pub(super) fn unusable(
    error: impl std::error::Error + Send + Sync + 'static,
    path: &Path,
) -> Failure {
    let context = format!("failed to use {}", path.display());
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
}

pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let bytes = cli::read_input(path, MOST_TEXT)?;
    String::from_utf8(bytes).map_err(|error| unusable(error.utf8_error(), path))
}

/// Those given, or those of the settings.
pub(super) fn regions(global: &GlobalArgs, given: &[Region]) -> Result<Vec<Region>, Failure> {
    if given.is_empty() {
        let regions = cli::load_settings(global)?.regions;
        return Ok(vec![regions.primary, regions.dr]);
    }
    Ok(given.to_vec())
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    cli::write_file(path, text.as_bytes(), Secrecy::Public)
}
