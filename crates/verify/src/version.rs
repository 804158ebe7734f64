/// The numbers of a version, for comparison: 15.10 comes after 15.9.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|char: char| !char.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_comes_after_nine() {
        assert!(numbers("15.10") > numbers("15.9"));
        assert!(numbers("7.1") > numbers("7.0.7"));
        assert_eq!(numbers("15"), [15]);
    }
}
