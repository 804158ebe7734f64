//! What a stack and its disaster recovery cost, before they are applied.
//!
//! An [`Inventory`] says which resources there are, from a Terraform plan or state or from the settings
//! alone. [`Usage`] says how much they do, and a [`PriceBook`] what that costs; an [`Estimate`] multiplies.
//! Nothing is called and no key is needed; the feature `aws` adds a module with what can be asked of AWS about prices
//! and use, the feature `live` one that finds the stack in an account.
//!
//! Money is decimal and never a float. A price that is not known is an error on its line and makes the total
//! a lower bound; a price that is derived, assumed or old says so on the line.

mod actual;
#[cfg(feature = "aws")]
pub mod aws;
mod budget;
mod charts;
mod diff;
mod estimate;
mod hourly;
mod increase;
mod inventory;
mod invoice;
#[cfg(feature = "live")]
pub mod live;
mod money;
mod prices;
mod quantity;
mod recovery;
#[cfg(test)]
mod testing;
mod tips;
pub mod transfer;
mod usage;

pub use actual::{Actual, ActualRow, Bill, Billed};
pub use budget::{Budget, BudgetRow, Limit, LimitError, Limited, Policy, Verdict};
pub use charts::Charted;
pub use diff::{Change, Diff, DiffRow, ResourceChange, ResourceSide, ServiceChange, Side};
pub use estimate::{
    AgainstGuide, Basis, Estimate, GuideRow, Heading, Line, Missing, OLD_DAYS, Options, Problem,
    ResourceCost, Standing, Unpriced,
};
pub use hourly::{database_hour, storage_hour, write_requests};
pub use increase::Increase;
pub use inventory::{Attributes, Inventory, InventoryError, Resource, Source};
pub use invoice::{Amount, Currency, Invoice, InvoiceError, Rate, Tax, TaxLine};
pub use money::{Usd, UsdRange};
pub use prices::{
    Allowance, BookError, Caveat, Confidence, Finding, FindingKind, ListedPrice, OfferError,
    OfferFile, Portion, Price, PriceBook, PriceChange, PriceCheck, PriceKey, PriceList, PriceQuery,
    Priced, Product, Refresh, Resumed, Scope, Service, Tier, TierPrice, UnknownService, Unmatched,
    Wanted,
};
pub use quantity::{
    HOURS_PER_MONTH, HOURS_PER_WEEK, Quantity, QuantityError, QuantityRange, Scenario, Unit,
};
pub use recovery::{Choice, DRILL_HOURS, Given, MeasuredRun, Recovery, RecoveryError};
pub use tips::{Tip, Tips, Trust};
pub use usage::{
    Measure, Measured, Measurement, Period, Statistic, Unmeasured, Usage, UsageError, UsageErrors,
    UsageKey, UsageSource, measures, usage_keys,
};
