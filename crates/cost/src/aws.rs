//! What is asked of AWS: prices, usage, actual costs.

mod prices;

pub use prices::{PriceListError, products, pricing_region};
