//! What is asked of AWS, against answers in the form that AWS gives them.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod costs;
mod prices;
mod usage;

use settings::Region;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}
