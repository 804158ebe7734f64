//! What a drill next to the environment copies, and what it costs.

use std::time::Duration;

use ::cost::{Usd, storage_hour, write_requests};
use aws_env::{DrOnly, Error, ObjectPages, RegionClients};
use rust_decimal::Decimal;
use settings::BucketName;

use super::{Isolated, is_state};
use crate::facts::PRICES;
use crate::lease::causes;
use crate::{HourlyCost, Plan};

/// What a drill costs at the prices of this release: what it copies, once, and each hour of what it makes. It is always more; what
/// is not counted is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillCost {
    objects: u64,
    bytes: u64,
    /// Requests that copy; within a region nothing else is charged (<https://aws.amazon.com/s3/pricing/>).
    once: Option<Usd>,
    hour: Option<Usd>,
    not_counted: Vec<String>,
}

impl DrillCost {
    /// Of what lies in the DR region now, by listing it.
    pub async fn of(drill: &Isolated, plan: &Plan, dr: &DrOnly) -> Self {
        let (region, clients) = (dr.region().region(), dr.region().clients());
        let (mut objects, mut bytes) = (0, 0);
        let mut not_counted = Vec::new();
        for (number, (source, _)) in drill.copies.iter().enumerate() {
            let is_copied = |key: &str| number > 0 || is_state(key);
            match count(&clients, source, is_copied).await {
                Ok(found) => {
                    objects += found.0;
                    bytes += found.1;
                }
                Err(error) => not_counted.push(format!("{source}: {}", causes(&error))),
            }
        }
        let book = PRICES.as_ref();
        let HourlyCost {
            usd_at_least,
            not_counted: besides,
            ..
        } = HourlyCost::of(plan);
        let storage = book.and_then(|book| storage_hour(book, region, bytes));
        let once = book.and_then(|book| write_requests(book, region, objects));
        if once.is_none() || storage.is_none() {
            not_counted.push(format!("copies: the price book has no S3 in {region}"));
        }
        let known: Vec<Usd> = [usd_at_least, storage].into_iter().flatten().collect();
        not_counted.extend(besides);
        Self {
            objects,
            bytes,
            once,
            hour: (!known.is_empty()).then(|| known.into_iter().sum()),
            not_counted,
        }
    }

    /// What it is going to cost, in words.
    pub fn before(&self) -> String {
        let at_least = |usd: Option<Usd>| match usd {
            Some(usd) => format!("at least {usd}"),
            None => "an amount that is not known".to_owned(),
        };
        format!(
            "it copies {} of {} for {}; while it lasts it costs {} an hour; not counted: {}",
            report::counted(self.objects, "object"),
            report::counted(self.bytes, "byte"),
            at_least(self.once),
            at_least(self.hour),
            self.not_counted.join("; ")
        )
    }

    /// What it has cost, in words, when it has lasted for so long.
    pub fn after(&self, took: Duration) -> String {
        let hours = Decimal::from(took.as_secs()) / Decimal::from(3600);
        let lasted = self.hour.map(|hour| hour.times(hours));
        let cost = match (self.once, lasted) {
            (None, None) => "what it has cost is not known".to_owned(),
            (once, lasted) => {
                let sum: Usd = [once, lasted].into_iter().flatten().sum();
                format!("it has cost at least {sum}")
            }
        };
        format!(
            "it took {}, and {cost}; not counted: {}",
            report::duration(took),
            self.not_counted.join("; ")
        )
    }
}

async fn count(
    clients: &RegionClients,
    bucket: &BucketName,
    is_copied: impl Fn(&str) -> bool,
) -> Result<(u64, u64), Error> {
    let call = clients.call("S3", "ListObjectsV2", format!("bucket {bucket}"));
    let mut pages = ObjectPages::new(&clients.s3, call, bucket.as_str(), "");
    let (mut objects, mut bytes) = (0, 0);
    while let Some(page) = pages.next().await? {
        for object in page.iter().filter(|object| is_copied(&object.key)) {
            objects += 1;
            bytes += object.size.unwrap_or(0);
        }
    }
    Ok((objects, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(cents: i64) -> Option<Usd> {
        Some(Usd::new(Decimal::new(cents, 2)))
    }

    #[test]
    fn cost_of_a_drill_is_that_of_copies_and_hours_or_not_known() {
        let mut cost = DrillCost {
            objects: 200_000,
            bytes: 1 << 30,
            once: usd(100),
            hour: usd(8),
            not_counted: vec!["photos-dr: access denied".to_owned()],
        };
        assert_eq!(
            cost.before(),
            "it copies 200000 objects of 1073741824 bytes for at least $1.00; while it lasts it costs at least $0.08 an hour; \
             not counted: photos-dr: access denied"
        );
        assert_eq!(
            cost.after(Duration::from_secs(2 * 3600)),
            "it took 2h, and it has cost at least $1.16; not counted: photos-dr: access denied"
        );
        cost.once = None;
        cost.hour = None;
        let told = cost.before();
        assert!(told.contains("for an amount that is not known;"), "{told}");
        let told = cost.after(Duration::from_secs(60));
        assert!(told.contains("what it has cost is not known"), "{told}");
    }
}
