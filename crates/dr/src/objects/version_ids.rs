//! Version IDs of keys that were listed without: of many at once, from the list of versions.

use aws_env::Error;

use super::bucket::Pages;
use super::entry::ObjectMeta;

/// Versions on a page.
const PAGE: u16 = 1_000;
/// Keys that are asked about one by one in the time of a page: two calls each, some at once.
const KEYS_OF_A_PAGE: usize = 16;
/// Sorts after every character that keys are likely to hold.
const LAST: char = '\u{10FFFD}';

/// Fills in the version IDs of `wanted`, which are in ascending order, as far as reading the list of versions is worth it:
/// many old versions between them are read as well.
///
/// # Errors
/// When the list cannot be read for another reason than a missing permission.
pub(super) async fn fill_in<'a>(
    pages: &Pages,
    wanted: impl ExactSizeIterator<Item = (&'a str, &'a mut ObjectMeta)>,
) -> Result<(), Error> {
    let mut left = wanted.len().div_ceil(KEYS_OF_A_PAGE) + 1;
    let mut wanted = wanted.peekable();
    let Some((first, _)) = wanted.peek() else {
        return Ok(());
    };
    let mut after = before(first);
    while left > 0 {
        left -= 1;
        let Some(page) = pages.version_page(after.as_deref(), PAGE).await? else {
            return Ok(());
        };
        for (key, meta) in page.iter() {
            while let Some((_, passed)) = wanted.next_if(|(wanted, _)| *wanted < key) {
                // Deleted since it was listed.
                passed.version = None;
            }
            if let Some((_, found)) = wanted.next_if(|(wanted, _)| *wanted == key)
                // Overwritten since it was listed otherwise.
                && found.etag == meta.etag
            {
                found.version = meta.version.clone();
            }
        }
        after = match (wanted.peek(), page.resume_after) {
            (None, _) | (_, None) => return Ok(()),
            // Nothing is wanted up to there.
            (Some((key, _)), Some(reached)) if **key > *reached => before(key).max(Some(reached)),
            (_, reached) => reached,
        };
    }
    Ok(())
}

/// A place in the order of keys right before `key`, behind which there is hardly another key; `None` for the beginning.
fn before(key: &str) -> Option<String> {
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
