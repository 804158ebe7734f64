//! What lifecycle rules do, all of a bucket's together.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule, TransitionStorageClass};

/// Enabled rules for the whole bucket.
#[expect(
    deprecated,
    reason = "buckets of old have rules with a prefix outside the filter"
)]
fn whole(rules: &[LifecycleRule]) -> impl Iterator<Item = &LifecycleRule> {
    enabled(rules).filter(|rule| {
        let filter = rule.filter.as_ref();
        rule.prefix.as_deref().unwrap_or_default().is_empty()
            && filter.is_none_or(|filter| {
                filter.prefix.as_deref().unwrap_or_default().is_empty()
                    && filter.tag.is_none()
                    && filter.and.is_none()
                    && filter.object_size_greater_than.is_none()
                    && filter.object_size_less_than.is_none()
            })
    })
}

fn enabled(rules: &[LifecycleRule]) -> impl Iterator<Item = &LifecycleRule> {
    rules
        .iter()
        .filter(|rule| rule.status == ExpirationStatus::Enabled)
}

/// Whether all objects go to `class` after `days` and none earlier, and what is shown of it.
pub(super) fn archives(
    rules: &[LifecycleRule],
    class: &TransitionStorageClass,
    days: i32,
) -> (bool, String) {
    let into = |rule: &LifecycleRule| -> Vec<Option<i32>> {
        let transitions = rule.transitions.iter().flatten();
        transitions
            .filter(|transition| transition.storage_class.as_ref() == Some(class))
            // A transition on a date has no days: all objects, whatever their age.
            .map(|transition| transition.days)
            .collect()
    };
    let all: Vec<Option<i32>> = whole(rules).flat_map(into).collect();
    let any: Vec<Option<i32>> = enabled(rules).flat_map(into).collect();
    // Seven years have one leap day or two.
    let most = if days > 730 {
        days + (days + 1460) / 1461
    } else {
        days
    };
    let within = |found: &Option<i32>| found.is_some_and(|found| (days..=most).contains(&found));
    let fine = all.iter().any(within)
        && any
            .iter()
            .all(|found| found.is_some_and(|found| found >= days));
    (fine, shown(&any, "never"))
}

/// Whether versions are kept for `days` at least and expire some day.
pub(super) fn keeps_versions(rules: &[LifecycleRule], days: i32) -> (bool, String) {
    let of = |rule: &LifecycleRule| {
        let expiration = rule.noncurrent_version_expiration.as_ref();
        expiration.map(|expiration| expiration.noncurrent_days)
    };
    let all: Vec<Option<i32>> = whole(rules).filter_map(of).collect();
    let any: Vec<Option<i32>> = enabled(rules).filter_map(of).collect();
    let fine = !all.is_empty()
        && any
            .iter()
            .all(|found| found.is_some_and(|found| found >= days));
    (fine, shown(&any, "never"))
}

/// Whether unfinished uploads of the whole bucket are removed.
pub(super) fn aborts_uploads(rules: &[LifecycleRule]) -> (bool, String) {
    let all: Vec<Option<i32>> = whole(rules)
        .filter_map(|rule| rule.abort_incomplete_multipart_upload.as_ref())
        .map(|abort| abort.days_after_initiation)
        .collect();
    (all.iter().any(Option::is_some), shown(&all, "never"))
}

/// Whether no rule deletes current objects, of whatever part of the bucket; with `after_days`, none before that age.
pub(super) fn keeps_objects(rules: &[LifecycleRule], after_days: Option<i32>) -> (bool, String) {
    let deleting: Vec<Option<i32>> = enabled(rules)
        .filter_map(|rule| rule.expiration.as_ref())
        .filter(|expiration| expiration.days.is_some() || expiration.date.is_some())
        .map(|expiration| expiration.days)
        .collect();
    let fine = deleting.iter().all(|found| {
        found
            .zip(after_days)
            .is_some_and(|(found, days)| found >= days)
    });
    (fine, shown(&deleting, "none"))
}

/// After how many days everything in the bucket is deleted, where it is.
pub(super) fn expires_after(rules: &[LifecycleRule]) -> Option<i32> {
    let expirations = whole(rules).filter_map(|rule| rule.expiration.as_ref());
    expirations.filter_map(|expiration| expiration.days).min()
}

fn shown(days: &[Option<i32>], none: &str) -> String {
    if days.is_empty() {
        return none.to_owned();
    }
    let each: Vec<String> = days
        .iter()
        .map(|days| match days {
            Some(days) => format!("after {days} days"),
            None => "on a date".to_owned(),
        })
        .collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;
    use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Transition,
    };

    use super::*;

    fn on(change: impl FnOnce(LifecycleRuleBuilder) -> LifecycleRuleBuilder) -> LifecycleRule {
        let rule = LifecycleRule::builder().status(ExpirationStatus::Enabled);
        change(rule).build().unwrap()
    }

    fn glacier(days: i32) -> Transition {
        Transition::builder()
            .storage_class(TransitionStorageClass::Glacier)
            .days(days)
            .build()
    }

    fn to_glacier(rules: &[LifecycleRule]) -> bool {
        archives(rules, &TransitionStorageClass::Glacier, 365).0
    }

    #[test]
    fn archiving_is_of_the_whole_bucket_and_not_earlier_anywhere() {
        let year = on(|rule| rule.transitions(glacier(365)));
        let part = |prefix: &str, days| {
            let filter = LifecycleRuleFilter::builder().prefix(prefix).build();
            on(|rule| rule.filter(filter).transitions(glacier(days)))
        };
        let empty = on(|rule| {
            rule.filter(LifecycleRuleFilter::builder().build())
                .transitions(glacier(365))
        });
        assert!(
            to_glacier(std::slice::from_ref(&year))
                && to_glacier(&[empty])
                && to_glacier(&[part("", 365)])
        );
        assert!(to_glacier(&[year.clone(), part("old/", 400)]));
        assert!(!to_glacier(&[]));
        assert!(!to_glacier(&[on(|rule| rule.transitions(glacier(366)))]));
        assert!(!to_glacier(&[part("photos/", 365)]));
        assert!(!to_glacier(&[year.clone(), part("photos/", 30)]));
        let small = LifecycleRuleFilter::builder()
            .object_size_less_than(9)
            .build();
        assert!(!to_glacier(&[on(|rule| rule
            .filter(small)
            .transitions(glacier(365)))]));
        let off = LifecycleRule::builder().status(ExpirationStatus::Disabled);
        assert!(!to_glacier(&[off
            .transitions(glacier(365))
            .build()
            .unwrap()]));
        let dated = Transition::builder()
            .storage_class(TransitionStorageClass::Glacier)
            .date(DateTime::from_secs(0))
            .build();
        assert!(!to_glacier(&[year, on(|rule| rule.transitions(dated))]));
    }

    #[test]
    fn seven_years_may_be_counted_with_their_leap_days() {
        let after = |days: i32| {
            let transition = Transition::builder()
                .storage_class(TransitionStorageClass::DeepArchive)
                .days(days)
                .build();
            let rules = [on(|rule| rule.transitions(transition))];
            archives(&rules, &TransitionStorageClass::DeepArchive, 2555).0
        };
        assert!(after(2555) && after(2556) && after(2557));
        assert!(!after(2554) && !after(2558));
    }

    #[test]
    fn versions_are_kept_long_enough_but_not_for_ever() {
        let keeps = |days: &[i32]| {
            let rules: Vec<LifecycleRule> = days
                .iter()
                .map(|days| {
                    let expiration = NoncurrentVersionExpiration::builder().noncurrent_days(*days);
                    on(|rule| rule.noncurrent_version_expiration(expiration.build()))
                })
                .collect();
            keeps_versions(&rules, 90).0
        };
        assert!(keeps(&[90]) && keeps(&[120]));
        assert!(!keeps(&[]) && !keeps(&[89]) && !keeps(&[90, 1]));
    }

    #[test]
    fn markers_may_go_and_logs_after_a_year_but_objects_may_not() {
        let expiring = |expiration: LifecycleExpiration| {
            let rules = [on(|rule| rule.expiration(expiration))];
            let judged = [None, Some(365)].map(|after| keeps_objects(&rules, after).0);
            (judged[0], judged[1])
        };
        let builder = LifecycleExpiration::builder;
        assert!(keeps_objects(&[], None).0);
        let markers = builder().expired_object_delete_marker(true).build();
        assert_eq!(expiring(markers), (true, true));
        // Data never, access logs after a year or more.
        assert_eq!(expiring(builder().days(3650).build()), (false, true));
        assert_eq!(expiring(builder().days(364).build()), (false, false));
        let dated = builder().date(DateTime::from_secs(0)).build();
        assert_eq!(expiring(dated), (false, false));
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7);
        assert!(
            aborts_uploads(&[on(
                |rule| rule.abort_incomplete_multipart_upload(abort.build())
            )])
            .0
        );
        assert!(!aborts_uploads(&[]).0);
    }
}
