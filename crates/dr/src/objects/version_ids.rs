//! What stands under many keys now, with version IDs, from the list of versions.

use aws_env::Error;

use super::bucket::Pages;
use super::entry::ObjectMeta;

/// Versions on a page.
const PAGE: u16 = 1_000;
/// Keys that are asked about one by one in the time of a page: two calls each, some at once.
const KEYS_OF_A_PAGE: usize = 16;
/// Sorts after every character that keys are likely to hold.
const LAST: char = '\u{10FFFD}';

/// Looks keys, which are in ascending order, up in the list of versions, and hands over what is there now, in their order; of
/// those behind the last that is handed over nothing is known. Ends where asking about each is quicker: many other keys or old
/// versions between them are read as well.
///
/// # Errors
/// When the list cannot be read for another reason than a missing permission.
pub(super) async fn look_up(
    pages: &Pages,
    wanted: &[&str],
    mut found: impl FnMut(usize, Option<&ObjectMeta>),
) -> Result<(), Error> {
    let mut left = wanted.len().div_ceil(KEYS_OF_A_PAGE) + 1;
    let mut after = wanted.first().and_then(|first| before(first));
    let mut at = 0;
    while let (Some(next), true) = (wanted.get(at), left > 0) {
        left -= 1;
        // Nothing is wanted up to there.
        let place = before(next).max(after);
        let Some(page) = pages.version_page(place.as_deref(), PAGE).await? else {
            return Ok(());
        };
        for (key, meta) in page.iter() {
            while wanted.get(at).is_some_and(|wanted| *wanted < key) {
                found(at, None);
                at += 1;
            }
            if wanted.get(at).is_some_and(|wanted| *wanted == key) {
                found(at, Some(meta));
                at += 1;
            }
        }
        // Up to there everything was on the page.
        let reached = page.resume_after;
        let is_passed = |wanted: &&str| reached.as_deref().is_none_or(|reached| *wanted <= reached);
        while wanted.get(at).is_some_and(is_passed) {
            found(at, None);
            at += 1;
        }
        after = reached;
    }
    Ok(())
}

/// Fills in the version IDs of `wanted`, which are in ascending order, as far as [`look_up`] tells them.
///
/// # Errors
/// Those of [`look_up`].
pub(super) async fn fill_in(
    pages: &Pages,
    mut wanted: Vec<(&str, &mut ObjectMeta)>,
) -> Result<(), Error> {
    let keys: Vec<&str> = wanted.iter().map(|(key, _)| *key).collect();
    look_up(pages, &keys, |at, now| {
        if let Some((_, meta)) = wanted.get_mut(at) {
            // Overwritten or deleted since it was listed otherwise.
            let same = now.filter(|now| now.etag == meta.etag);
            meta.version = same.and_then(|now| now.version.clone());
        }
    })
    .await
}

/// A place in the order of keys right before `key`, behind which there is hardly another key; `None` for the beginning.
pub(super) fn before(key: &str) -> Option<String> {
    let mut place = key.to_owned();
    let last = place.pop()?;
    let previous = (1..=3).find_map(|step| {
        // In the gap of the surrogates there is no character.
        let code = u32::from(last).checked_sub(step)?;
        char::from_u32(code)
    });
    let room = key.len() + LAST.len_utf8() <= 1_020;
    if let Some(previous) = previous.filter(|_| room) {
        place.push(previous);
        place.push(LAST);
    }
    (!place.is_empty()).then_some(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn before_any_key_lies_right_before_it(key in "[ab\0\u{e000}\u{1f600}/]{0,5}") {
            let place = before(&key);
            prop_assert!(place.as_ref().is_none_or(|place| *place < key));
            if let Some(place) = place {
                // Its neighbours are not between.
                for between in [format!("{place}a"), format!("{place}\u{1f600}")] {
                    prop_assert!(between < key || !place.ends_with(LAST));
                }
            }
        }
    }

    #[test]
    fn before_a_key_of_the_greatest_length_is_no_longer_than_one() {
        let place = before(&"k".repeat(1_024)).unwrap();
        assert_eq!(place.len(), 1_023);
        assert_eq!(before(""), None);
        assert_eq!(before("b").as_deref(), Some("a\u{10FFFD}"));
    }
}
