//! What is asked of AWS: prices, usage, actual costs.

mod costs;
mod prices;
mod usage;

pub use costs::{CostQuery, billed};
pub use prices::{PriceListError, pricing_region, refresh};
pub use usage::measure;
