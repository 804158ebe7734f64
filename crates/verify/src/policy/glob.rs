/// Whether everything that `narrow` stands for, `wide` stands for too. Both may have `*` for any text and `?` for
/// any one character; a `narrow` without them is plain text.
///
/// Never true where it should not be; false in a few cases where two patterns say the same in different ways.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let (mut at, mut along) = (0, 0);
    // Where the latest `*` of `wide` is, and up to where it has taken from `narrow`.
    let mut star: Option<(usize, usize)> = None;
    while along < narrow.len() {
        match wide.get(at) {
            Some('*') => {
                star = Some((at, along));
                at += 1;
            }
            // A `*` of `narrow` may be empty or long: only a `*` takes it.
            Some('?') if narrow[along] != '*' => {
                at += 1;
                along += 1;
            }
            Some(&same) if same == narrow[along] => {
                at += 1;
                along += 1;
            }
            _ => match star {
                Some((from, taken)) => {
                    at = from + 1;
                    along = taken + 1;
                    star = Some((from, along));
                }
                None => return false,
            },
        }
    }
    wide[at..].iter().all(|&rest| rest == '*')
}
