//! Where to cut a range of keys in two, when nothing is known but the first key after any point.
//!
//! Works for nested and for flat key spaces alike: it looks for the first place at which the remaining keys
//! differ, and halves the characters that occur there. A bad cut costs time, never correctness: any text is
//! a legal place to cut.

use std::future::Future;

/// Sorts after every character that keys are likely to hold: the last one that is not a noncharacter.
const LAST: char = '\u{10FFFD}';
/// Ends of runs of characters that often make up names: digits, upper case, lower hexadecimal, lower case.
const RUNS: [char; 7] = ['9', 'F', 'Z', 'f', 'z', '~', LAST];
/// A key has at most 1,024 bytes; the characters added here have up to four each.
const LONGEST_STEM: usize = 1_016;

/// Finds a key that cuts the keys in `(after, end]` in two parts, of which neither is known to be empty.
/// `first_after` answers with the first key after its argument. `None` when there is no such cut.
///
/// # Errors
/// Those of `first_after`.
pub(super) async fn find_cut<E, F>(
    after: &str,
    end: Option<&str>,
    first_after: impl FnMut(String) -> F,
) -> Result<Option<String>, E>
where
    F: Future<Output = Result<Option<String>, E>>,
{
    let mut keys = Keys { end, first_after };
    let stems: Vec<&str> = after
        .char_indices()
        .map(|(at, character)| at + character.len_utf8())
        .take_while(|end| *end <= LONGEST_STEM)
        .map(|end| &after[..end])
        .collect();
    let stem = |n: usize| match n.checked_sub(1).and_then(|index| stems.get(index)) {
        Some(stem) => stem,
        None => "",
    };
    // Keys beyond all that share the first `n` characters with `after`: there are none for n = 0, and the
    // more characters, the more keys.
    let beyond = |n: usize| format!("{}{LAST}", stem(n));
    let (mut none, mut upper) = (0, stems.len());
    if stems.is_empty() {
        return Ok(None);
    }
    let Some(mut found) = keys.first_after(beyond(upper)).await? else {
        return Ok(None);
    };
    while upper - none > 1 {
        let middle = none.midpoint(upper);
        match keys.first_after(beyond(middle)).await? {
            Some(key) => {
                upper = middle;
                found = key;
            }
            None => none = middle,
        }
    }
    // All remaining keys share the first `none` characters, and some differ from `after` in the next.
    let stem = stem(none);
    let next = found
        .strip_prefix(stem)
        .and_then(|rest| rest.chars().next());
    let (Some(low), Some(next)) = (after[stem.len()..].chars().next(), next) else {
        return Ok(None);
    };
    let cut = keys.cut_between(stem, low, next).await?;
    Ok(Some(cut.unwrap_or_else(|| beyond(upper))))
}

/// Keys up to `end`, of which only the first after any point is known.
struct Keys<'a, P> {
    end: Option<&'a str>,
    first_after: P,
}

impl<P> Keys<'_, P> {
    async fn first_after<E, F>(&mut self, point: String) -> Result<Option<String>, E>
    where
        P: FnMut(String) -> F,
        F: Future<Output = Result<Option<String>, E>>,
    {
        let key = (self.first_after)(point).await?;
        Ok(key.filter(|key| self.end.is_none_or(|end| key.as_str() <= end)))
    }

    /// A cut behind `stem`, between the character `low` and the highest that occurs there; `next` is the first
    /// that does after `low`.
    async fn cut_between<E, F>(
        &mut self,
        stem: &str,
        low: char,
        next: char,
    ) -> Result<Option<String>, E>
    where
        P: FnMut(String) -> F,
        F: Future<Output = Result<Option<String>, E>>,
    {
        let mut high = next;
        for run in RUNS.into_iter().filter(|run| *run >= next) {
            high = run;
            let beyond = format!("{stem}{run}{LAST}");
            if run == LAST || self.first_after(beyond).await?.is_none() {
                break;
            }
        }
        // A cut right before `next` always has keys on its far side.
        while let Some(middle) = between(low, high) {
            if middle < next {
                break;
            }
            let cut = format!("{stem}{middle}");
            if self.first_after(cut.clone()).await?.is_some() {
                return Ok(Some(cut));
            }
            high = middle;
        }
        Ok(None)
    }
}

/// The character half-way, when there is one strictly between the two.
fn between(low: char, high: char) -> Option<char> {
    let middle = u32::from(low).midpoint(u32::from(high));
    // In the gap of the surrogates the next character will do as well.
    let middle = char::from_u32(middle).unwrap_or('\u{E000}');
    (middle > low && middle < high).then_some(middle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::*;

    fn cut(keys: &BTreeSet<String>, after: &str, end: Option<&str>) -> (Option<String>, usize) {
        let mut requests = 0;
        let answer = find_cut(after, end, |point| {
            requests += 1;
            let key = keys
                .range((Bound::Excluded(point), Bound::Unbounded))
                .next();
            std::future::ready(Ok::<_, Infallible>(key.cloned()))
        });
        let answer = futures::executor::block_on(answer).unwrap();
        (answer, requests)
    }

    fn shares(keys: &BTreeSet<String>, after: &str) -> (usize, usize, usize) {
        let (point, requests) = cut(keys, after, None);
        let point = point.unwrap();
        let left = keys
            .iter()
            .filter(|key| key.as_str() > after && **key <= point);
        let right = keys.iter().filter(|key| **key > point);
        (left.count(), right.count(), requests)
    }

    #[test]
    fn find_cut_of_usual_keys_lies_near_the_middle() {
        let flat: BTreeSet<String> = (0..100_000)
            .map(|n| format!("photos/obj-{n:08}.jpg"))
            .collect();
        let (left, right, requests) = shares(&flat, "photos/obj-00000999.jpg");
        assert!(
            left > 30_000 && right > 30_000 && requests < 12,
            "{left} {right} {requests}"
        );

        let nested: BTreeSet<String> = (0..100_000)
            .map(|n| format!("{:02x}/{}/{n}", n % 256, n % 7))
            .collect();
        let (left, right, requests) = shares(&nested, "00/0/1000");
        assert!(
            left > 20_000 && right > 20_000 && requests < 16,
            "{left} {right} {requests}"
        );
    }

    #[test]
    fn find_cut_where_nothing_is_left_is_none() {
        let keys: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        assert_eq!(cut(&keys, "b", None).0, None);
        assert_eq!(cut(&keys, "a", Some("a~")).0, None);
        assert_eq!(cut(&keys, "", None).0, None);
    }

    proptest! {
        #[test]
        fn find_cut_of_any_keys_lies_inside_and_leaves_keys_behind_it(
            keys in proptest::collection::btree_set("[ab\u{e9}\u{1f600}/]{1,6}", 2..60),
            at in any::<proptest::sample::Index>(),
        ) {
            let all: Vec<&String> = keys.iter().collect();
            let after = at.get(&all).as_str();
            if let (Some(point), requests) = cut(&keys, after, None) {
                prop_assert!(point.as_str() > after);
                prop_assert!(keys.iter().any(|key| *key > point));
                prop_assert!(requests < 60);
            }
        }
    }
}
