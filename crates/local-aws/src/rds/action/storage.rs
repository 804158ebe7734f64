//! Storage: types, IOPS and growth.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>

use jiff::{SignedDuration, Timestamp};

use crate::rds::model::Settings;
use crate::rds::refusal::{Outcome, Refusal};

/// From here on gp3 of PostgreSQL is striped over four volumes, and takes IOPS and throughput.
const STRIPED_GIB: u32 = 400;
/// How long storage that has grown does not grow again.
const ONCE_IN: SignedDuration = SignedDuration::from_hours(6);

/// Refuses a type that there is not, and IOPS and throughput that it does not have.
pub(super) fn check(settings: &Settings) -> Outcome<()> {
    let Settings {
        storage_type,
        storage_gib,
        iops,
        throughput,
        ..
    } = settings;
    let within = |what: &str, value: Option<u32>, from: u32, to: u32| match value {
        Some(value) if !(from..=to).contains(&value) => Err(Refusal::combination(format!(
            "Invalid {what} {value} for storage type {storage_type} and {storage_gib} GiB: {from} to {to}."
        ))),
        _ => Ok(()),
    };
    match storage_type.as_str() {
        "gp3" if *storage_gib < STRIPED_GIB && (iops.is_some() || throughput.is_some()) => {
            Err(Refusal::combination(format!(
                "You can't specify IOPS or storage throughput for engine postgres and a storage size less than {STRIPED_GIB}."
            )))
        }
        "gp3" => {
            within("Iops", *iops, 12_000, 64_000)?;
            within("StorageThroughput", *throughput, 500, 4000)
        }
        "io1" | "io2" => {
            let most = if storage_type == "io1" { 50 } else { 1000 };
            if *storage_gib < 100 || iops.is_none() || throughput.is_some() {
                return Err(Refusal::combination(format!(
                    "Storage type {storage_type} has 100 GiB at least, Iops, and no StorageThroughput."
                )));
            }
            within(
                "Iops",
                *iops,
                1000,
                256_000.min(storage_gib.saturating_mul(most)),
            )
        }
        "gp2" | "standard" if iops.is_some() || throughput.is_some() => {
            Err(Refusal::combination(format!(
                "You can't specify IOPS or storage throughput for storage type {storage_type}."
            )))
        }
        "gp2" | "standard" => Ok(()),
        other => Err(Refusal::value(format!("Invalid storage type: {other}"))),
    }?;
    let least = least_growth(*storage_gib);
    match settings.max_storage_gib {
        Some(most) if most < *storage_gib => Err(Refusal::combination(
            "Max storage size must be greater than storage size",
        )),
        Some(most) if most < least => Err(Refusal::combination(format!(
            "Invalid max storage size for engine name postgres and storage type {storage_type}: {most}"
        ))),
        _ => Ok(()),
    }
}

/// What storage grows to at least: by a tenth.
fn least_growth(gib: u32) -> u32 {
    gib.saturating_add(gib.div_ceil(10))
}

/// Refuses to shrink, to grow by little, and to grow soon after the last time.
pub(super) fn check_change(
    (before, wanted): (&Settings, &Settings),
    grown: Option<Timestamp>,
    now: Timestamp,
) -> Outcome<()> {
    if wanted.storage_gib < before.storage_gib {
        return Err(Refusal::combination(
            "You can't reduce the allocated storage of an instance.",
        ));
    }
    if wanted.storage_gib == before.storage_gib {
        return Ok(());
    }
    if wanted.storage_gib < least_growth(before.storage_gib) {
        return Err(Refusal::combination(format!(
            "Invalid storage size {} for modification: storage of {} GiB grows by 10 percent at least.",
            wanted.storage_gib, before.storage_gib
        )));
    }
    match grown {
        Some(grown) if now.duration_since(grown) < ONCE_IN => Err(Refusal::combination(
            "You can't currently modify the storage of this DB instance because the previous storage change is being \
             optimized.",
        )),
        _ => Ok(()),
    }
}
