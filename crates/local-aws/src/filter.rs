//! The filters of faults: a name, or the beginning of one and `*`, in any case.

/// Whether a filter may match one of the names that begin with `start`.
pub(crate) fn may_begin_with(filter: &str, start: &str) -> bool {
    let stem = filter.trim_end_matches('*');
    let shorter = if filter.ends_with('*') {
        stem.len().min(start.len())
    } else {
        start.len()
    };
    matches!((stem.get(..shorter), start.get(..shorter)), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b))
}

/// Whether a filter lets a name through.
pub(crate) fn matches(filter: &str, value: &str) -> bool {
    match filter.strip_suffix('*') {
        Some(start) => value
            .get(..start.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(start)),
        None => filter.eq_ignore_ascii_case(value),
    }
}
