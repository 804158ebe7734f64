//! What a bucket keeps, and what is asked of it, by storage class.

use super::DemandBuilder;
use crate::prices::Service;
use crate::quantity::Unit;

/// A class: its group in a usage file, and its name in the price book.
const CLASSES: [(&str, &str); 7] = [
    ("standard", "standard"),
    ("intelligent_tiering", "intelligent-tiering"),
    ("standard_infrequent_access", "standard-ia"),
    ("one_zone_infrequent_access", "onezone-ia"),
    ("glacier_instant_retrieval", "glacier-ir"),
    ("glacier_flexible_retrieval", "glacier"),
    ("glacier_deep_archive", "deep-archive"),
];

/// How fast archives come back.
const SPEEDS: [&str; 3] = ["standard", "bulk", "expedited"];

/// <https://aws.amazon.com/s3/pricing/>
pub(super) fn bucket(demand: &mut DemandBuilder<'_>) {
    for (group, class) in CLASSES {
        for (name, item, unit) in [
            ("storage_gb", "storage", Unit::GbMonth),
            // What is deleted before its time is billed as if it had been kept.
            ("early_delete_gb", "storage", Unit::GbMonth),
            ("monthly_tier_1_requests", "requests tier 1", Unit::Request),
            ("monthly_tier_2_requests", "requests tier 2", Unit::Request),
            (
                "monthly_lifecycle_transition_requests",
                "transition",
                Unit::Request,
            ),
            ("monthly_data_retrieval_gb", "retrieval", Unit::Gb),
        ] {
            let name = format!("{group}.{name}");
            demand.used(Service::S3, format!("{item} {class}"), unit, &name);
        }
        for speed in SPEEDS {
            for (name, item, unit) in [
                ("data_retrieval_gb", "retrieval", Unit::Gb),
                (
                    "data_retrieval_requests",
                    "retrieval requests",
                    Unit::Request,
                ),
            ] {
                let name = format!("{group}.monthly_{speed}_{name}");
                let item = format!("{item} {class} {speed}");
                demand.used(Service::S3, item, unit, &name);
            }
        }
    }
    for (name, item, unit) in [
        (
            "intelligent_tiering.frequent_access_storage_gb",
            "storage intelligent-tiering frequent",
            Unit::GbMonth,
        ),
        (
            "intelligent_tiering.infrequent_access_storage_gb",
            "storage intelligent-tiering infrequent",
            Unit::GbMonth,
        ),
        (
            "intelligent_tiering.monitored_objects",
            "monitoring intelligent-tiering",
            Unit::Object,
        ),
        ("object_tags", "object tags", Unit::TagMonth),
    ] {
        demand.used(Service::S3, item, unit, name);
    }
}
