//! For how long regions are asked whether they are lost, or serve.

use std::time::Duration;

use runbook::LossWindow;
use settings::Region;

/// Looks at the usual distance for so long; one look where it is no time.
pub(super) fn window(wanted: Duration) -> LossWindow {
    let mut window = LossWindow {
        window: wanted,
        ..LossWindow::default()
    };
    window.every = window.every.min(window.window);
    window
}

/// What is said before regions are asked. Whether they are lost is known at the first answer, before the window is over.
pub(super) fn asking(regions: &[Region], window: LossWindow, ends_with_an_answer: bool) -> String {
    let names: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
    let names = names.join(" and ");
    if window.window.is_zero() {
        return format!("asking {names} once");
    }
    let up_to = if ends_with_an_answer { "up to " } else { "" };
    format!(
        "asking {names} for {up_to}{}",
        report::duration(window.window)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_names_the_regions_and_the_longest_time() {
        let (lost, other) = (
            "ca-central-1".parse().unwrap(),
            "us-east-1".parse().unwrap(),
        );
        let minute = window(Duration::from_secs(60));
        let both = asking(&[lost, other], minute, true);
        assert_eq!(both, "asking ca-central-1 and us-east-1 for up to 1m");
        assert_eq!(asking(&[lost], minute, false), "asking ca-central-1 for 1m");
        let once = window(Duration::ZERO);
        assert_eq!(once, LossWindow::ONCE);
        assert_eq!(asking(&[lost], once, true), "asking ca-central-1 once");
    }
}
