/// The numbers of a version, for comparison: 15.10 comes after 15.9.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|char: char| !char.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Whether a version is the wanted one, or one of it: 15.10 is one of 15, and not of 15.1.
pub(crate) fn is_of(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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

    #[test]
    fn a_minor_version_is_one_of_its_major_version() {
        assert!(is_of("15.10", "15") && is_of("15.10", "15.10") && is_of("7.1.0", "7.1"));
        assert!(!is_of("15.10", "15.1") && !is_of("16.1", "15") && !is_of("15", "15.5"));
    }
}
