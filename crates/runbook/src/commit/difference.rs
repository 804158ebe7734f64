//! How a text of some hundred lines differs from another one.

/// Lines around a change that are shown.
const AROUND: usize = 1;

/// The lines that differ, those that go after a `-` and those that come after a `+`, each with its neighbours after a space;
/// `…` stands for the rest.
pub fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let lines = compared(&old, &new);
    let near = |at: usize| {
        let from = at.saturating_sub(AROUND);
        let to = (at + AROUND + 1).min(lines.len());
        let mut lines = lines.get(from..to).unwrap_or_default().iter();
        lines.any(|(sign, _)| *sign != ' ')
    };
    let mut shown: Vec<String> = Vec::new();
    for (at, (sign, line)) in lines.iter().enumerate() {
        if near(at) {
            shown.push(format!("{sign} {line}").trim_end().to_owned());
        } else if shown.last().is_none_or(|last| last != "…") {
            shown.push("…".to_owned());
        }
    }
    shown
}

/// By a longest common subsequence.
fn compared<'l>(old: &[&'l str], new: &[&'l str]) -> Vec<(char, &'l str)> {
    let width = new.len() + 1;
    let mut longest = vec![0_usize; (old.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    for (row, left) in old.iter().enumerate().rev() {
        for (column, right) in new.iter().enumerate().rev() {
            longest[at(row, column)] = if left == right {
                longest[at(row + 1, column + 1)] + 1
            } else {
                longest[at(row + 1, column)].max(longest[at(row, column + 1)])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(row), new.get(column)) {
            (Some(left), Some(right)) if left == right => {
                lines.push((' ', *left));
                row += 1;
                column += 1;
            }
            (Some(left), right)
                if right.is_none()
                    || longest[at(row + 1, column)] >= longest[at(row, column + 1)] =>
            {
                lines.push(('-', *left));
                row += 1;
            }
            (_, Some(right)) => {
                lines.push(('+', *right));
                column += 1;
            }
            _ => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_shows_what_goes_and_comes_with_one_neighbour() {
        let before = "a\nb\nc\nd\ne\nf\n";
        let after = "a\nb\nc\nD\ne\nf\n";
        let shown = ["…", "  c", "- d", "+ D", "  e", "…"];
        assert_eq!(difference(before, after), shown);
        assert_eq!(difference("", "x\n"), ["+ x"]);
        assert_eq!(difference("x\n", ""), ["- x"]);
        assert_eq!(difference("x\n", "x\n"), ["…"]);
    }
}
