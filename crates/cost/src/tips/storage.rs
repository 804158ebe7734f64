use rust_decimal::Decimal;

use super::{Finder, Tip, Trust, addresses};
use crate::inventory::Resource;
use crate::money::{Usd, UsdRange};
use crate::prices::{PriceKey, Scope, Service};
use crate::quantity::Scenario;

const BUCKET: &str = "aws_s3_bucket";
const GROUP: &str = "aws_cloudwatch_log_group";

/// An archived object keeps 32 KB of index in the archive and 8 KB in STANDARD.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
const INDEX_KB: Decimal = Decimal::from_parts(32, 0, 0, false, 0);
const NAME_KB: Decimal = Decimal::from_parts(8, 0, 0, false, 0);
const KB_IN_GB: Decimal = Decimal::from_parts(1_048_576, 0, 0, false, 0);

/// Photos and documents: a megabyte each.
const OBJECTS_IN_GB: Decimal = Decimal::from_parts(1_024, 0, 0, false, 0);

/// Days that logs are worth keeping at hand.
const LOG_DAYS: Decimal = Decimal::from_parts(30, 0, 0, false, 0);

impl Finder<'_> {
    fn price(&self, of: &Resource, service: Service, item: &str) -> Option<(Usd, bool)> {
        let key = PriceKey {
            scope: Scope::Region(of.region?),
            service,
            item: item.to_owned(),
        };
        let price = self.book.price(&key)?;
        let tier = price.tiers().first()?;
        let doubt = tier.caveat(self.options.oldest).is_some();
        Some((Usd::new(tier.usd.dollars() / price.per()), doubt))
    }

    /// Older objects in Glacier.
    pub(super) fn archive(&mut self) {
        let name = "Archive older objects in Glacier Flexible Retrieval";
        let buckets: Vec<Resource> = self.inventory.of_kind(BUCKET).cloned().collect();
        let Some(first) = buckets.first() else {
            return;
        };
        let (Some((standard, _)), Some((archive, _))) = (
            self.price(first, Service::S3, "storage standard"),
            self.price(first, Service::S3, "storage glacier"),
        ) else {
            self.notes
                .push(format!("{name}: the prices of storage are not known"));
            return;
        };
        let stored = |scenario| -> Decimal {
            buckets
                .iter()
                .map(|bucket| {
                    let of = self
                        .usage
                        .of(&bucket.address, BUCKET, "standard.storage_gb");
                    of.0.get(scenario)
                })
                .sum()
        };
        let half = Decimal::new(5, 1);
        let overhead =
            (archive.times(INDEX_KB) + standard.times(NAME_KB)).times(OBJECTS_IN_GB / KB_IN_GB);
        let a_gigabyte = standard - archive - overhead;
        let saves = |scenario| a_gigabyte.times(stored(scenario) * half).rounded();
        let expected = saves(Scenario::Expected);
        if expected <= Usd::ZERO {
            return;
        }
        // The archive is cheaper, or there would be no saving.
        let smallest = (archive.times(INDEX_KB) + standard.times(NAME_KB)).dollars()
            / (standard - archive).dollars();
        let smallest = smallest.round_dp(0);
        let objects = (stored(Scenario::Expected) * half * OBJECTS_IN_GB).round_dp(0);
        let once = match self.price(first, Service::S3, "transition glacier") {
            Some((request, _)) => format!("{} once for moving them", request.times(objects)),
            None => "and a price for moving them that is not known".to_owned(),
        };
        self.tip(Tip {
            name: name.to_owned(),
            resources: addresses(&buckets),
            saves: UsdRange {
                low: saves(Scenario::Low),
                expected,
                high: saves(Scenario::High),
            },
            trust: Trust::Low,
            how: format!(
                "if half of it is old enough, in objects of 1 MB: ${} a GB instead of ${}, less 40 KB of overhead an object; {once}. An object smaller than {smallest} KB costs more than it saves",
                archive.exact(),
                standard.exact(),
            ),
            risk: "at least 90 days are billed; reading takes minutes to hours and costs by the GB; archived objects do not replicate to the DR region and cannot be copied there without a restore"
                .to_owned(),
            change: "transition { days = 365, storage_class = \"GLACIER\" } in aws_s3_bucket_lifecycle_configuration"
                .to_owned(),
            expect: Some("glacier_days = 365".to_owned()),
        });
    }

    /// Logs that are kept for ever, or longer than anybody looks at them.
    pub(super) fn log_retention(&mut self) {
        let name = "Keep logs for 30 days";
        let long = |group: &&Resource| {
            group
                .attributes
                .number("retention_in_days")
                .is_none_or(|days| days.is_zero() || days > LOG_DAYS)
        };
        let groups: Vec<Resource> = self
            .inventory
            .of_kind(GROUP)
            .filter(long)
            .cloned()
            .collect();
        let Some(first) = groups.first() else {
            return;
        };
        let Some((price, _)) = self.price(first, Service::CloudWatch, "log storage") else {
            self.notes
                .push(format!("{name}: the price of log storage is not known"));
            return;
        };
        let saves = |scenario| {
            let kept = groups.iter().map(|group| {
                let kept = self.usage.of(&group.address, GROUP, "storage_gb");
                // As if it had come in evenly; what never expires is taken for a year's.
                let days = group
                    .attributes
                    .number("retention_in_days")
                    .filter(|days| !days.is_zero())
                    .unwrap_or(Decimal::from(365));
                kept.0.get(scenario) * (Decimal::ONE - LOG_DAYS / days)
            });
            price.times(kept.sum::<Decimal>()).rounded()
        };
        let expected = saves(Scenario::Expected);
        if expected <= Usd::ZERO {
            return;
        }
        let forever = groups
            .iter()
            .filter(|group| group.attributes.number("retention_in_days").is_none())
            .count();
        self.tip(Tip {
            name: name.to_owned(),
            resources: addresses(&groups),
            saves: UsdRange {
                low: saves(Scenario::Low),
                expected,
                high: saves(Scenario::High),
            },
            trust: Trust::Low,
            how: format!(
                "${} for every GB-month of storage that is older; {forever} of {} groups never expire, so that theirs grows",
                price.exact(),
                groups.len()
            ),
            risk: "audit trails of health data may have to be kept for years: ask before you shorten them"
                .to_owned(),
            change: "retention_in_days = 30".to_owned(),
            expect: Some("flow_log_days = 30".to_owned()),
        });
    }
}
