//! Tags that say who made a snapshot or an instance, and from what.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use settings::Tags;

/// AWS's limit on a resource.
const MOST_TAGS: usize = 50;

/// The tag of everything that is made here; nothing without it is ever deleted. Its value is `dr-replicate`.
pub const MADE_BY: &str = "dr-replicate:made-by";
/// The value of [`MADE_BY`].
pub(super) const OURS: &str = "dr-replicate";
/// The ARN of the snapshot that a copy is of, or of the instance that a promoted replica followed.
pub(super) const SOURCE: &str = "dr-replicate:source";
/// When that snapshot was taken.
pub(super) const SOURCE_TIME: &str = "dr-replicate:source-time";
/// The identifier of the database that an instance was restored from.
pub(super) const DATABASE: &str = "dr-replicate:database";
/// The recovery point that an instance was restored from.
pub(super) const POINT: &str = "dr-replicate:recovery-point";
/// `latest`, or the point in time that was asked for.
pub(super) const AT: &str = "dr-replicate:at";
/// Which kind of recovery point it was.
pub(super) const POINT_KIND: &str = "dr-replicate:recovery-point-kind";
/// The time of the data, as far as it was known when the restore began.
pub(super) const DATA_TIME: &str = "dr-replicate:data-time";
/// When the restore was begun.
pub(super) const BEGUN: &str = "dr-replicate:begun";

/// The resource ID of the instance that a last snapshot is of; a name can be that of another instance later.
pub(super) const LAST_OF: &str = "dr-replicate:last-of";
/// The beginning of the tag by which a run keeps a recovery point; its name follows, and the time is the value.
pub(super) const PIN: &str = "dr-replicate:pin:";
/// The beginning of the tag that says that a failover is on, so that nothing of this database is deleted.
pub(super) const FAILOVER: &str = "dr-replicate:failover:";

/// Own tags first, then those of the settings as far as AWS's limit goes.
pub(super) fn tags(own: &[(&str, String)], settings: &Tags) -> Vec<Tag> {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    std::iter::once(tag(MADE_BY, OURS))
        .chain(own.iter().map(|(key, value)| tag(key, value)))
        .chain(settings.iter().map(|(key, value)| tag(key, value)))
        .take(MOST_TAGS)
        .collect()
}

/// What AWS answers, as a map.
pub(super) fn read(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect()
}

pub(super) fn ours(tags: &BTreeMap<String, String>) -> bool {
    tags.get(MADE_BY).is_some_and(|value| value == OURS)
}
