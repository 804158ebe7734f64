//! How a browser shows a page.

use browser::{Browser, Picture, View};

use crate::sample;

fn drawn(picture: &Picture, view: View, ground: [u8; 3]) {
    assert_eq!((picture.width, picture.height), (view.width, view.height));
    assert!(picture.drawn() > 0.05, "blank: {}", picture.drawn());
    assert_eq!(picture.ground(), ground);
}

#[test]
fn it_is_drawn_light_and_dark_on_a_desktop_and_a_telephone() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let (light, dark) = ([0xff; 3], [0x1a, 0x20, 0x29]);
    for (view, ground) in [
        (View::DESKTOP, light),
        (View::DESKTOP.dark(), dark),
        (View::PHONE, light),
    ] {
        let picture = browser.picture(&sample::html(), view).unwrap();
        drawn(&picture, view, ground);
    }
}

/// Elements that reach out of the window, unless something around them scrolls.
const OUTSIDE: &str = "
    const width = page.document.documentElement.clientWidth;
    const out = [...page.document.querySelectorAll('body *')].filter(one =>
        one.getBoundingClientRect().right > width + 0.5 && !one.closest('.scroll, .spoken, svg'));
    const said = out.map(one => one.tagName + '.' + one.className).join(' ');
    return page.document.documentElement.scrollWidth + ' of ' + width + ' ' + said;";

#[test]
fn no_page_is_wider_than_its_window_whatever_is_in_it() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let word = "an-identifier-that-nobody-can-break-".repeat(6);
    let say = |text: &str| format!("{text}{word}");
    let html = sample::document(say).to_html(&sample::page(say));
    assert_eq!(
        browser.ask(&html, View::PHONE, OUTSIDE).unwrap(),
        "390 of 390 "
    );
}

#[test]
fn numbers_of_bars_are_not_broken_letter_by_letter_on_a_telephone() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let values = vec![report::Value::new(
        report::Mark::Plain,
        "declared",
        1.0,
        "2026-11-30T03:16:10Z",
    )];
    let html = report::Document::new()
        .chart(report::Chart::timeline("Run", values))
        .to_html(&report::Page::new("Run"));
    let lines = "const shown = page.document.querySelector('.bars .number span');
        return String(shown.getClientRects().length);";
    assert_eq!(browser.ask(&html, View::PHONE, lines).unwrap(), "1");
}

#[test]
fn it_prints_on_white_paper_whoever_prefers_dark_pages() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let pdf = browser.pdf(&sample::html()).unwrap();
    let text = String::from_utf8_lossy(&pdf);
    assert!(text.starts_with("%PDF-"));
    let boxes: Vec<&str> = text
        .split("/MediaBox ")
        .skip(1)
        .filter_map(|rest| rest.split(']').next())
        .collect();
    assert!((2..5).contains(&boxes.len()), "{boxes:?}");
    for sheet in boxes {
        // A4, in points.
        assert!(
            sheet.starts_with("[0 0 59") && sheet.contains(" 84"),
            "{sheet}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.pdf"), &pdf).unwrap();
    let drawn = std::process::Command::new("pdftoppm")
        .args([
            "-r", "72", "-png", "-f", "1", "-l", "1", "page.pdf", "sheet",
        ])
        .current_dir(folder.path())
        .status();
    if drawn.is_err() {
        eprintln!("skipped: no pdftoppm to see what is printed");
        return;
    }
    let sheet = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "png"))
        .unwrap();
    let picture = Picture::read(std::fs::read(sheet).unwrap()).unwrap();
    assert_eq!(picture.ground(), [0xff; 3]);
    // The colour of text on light pages, in the headline.
    assert!(picture.count([0x1b, 0x24, 0x30]) > 50);
}

/// The rules of axe-core, which is not part of this project: `AXE_CORE` names its `axe.min.js`.
#[test]
fn axe_finds_nothing() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let Some(axe) = std::env::var_os("AXE_CORE") else {
        eprintln!("skipped: AXE_CORE does not name the axe.min.js of axe-core");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let html = sample::html();
    let policy = html
        .lines()
        .find(|line| line.contains("Content-Security-Policy"))
        .unwrap();
    let html = html.replace(policy, &format!("<script>{axe}</script>"));
    let script = "const found = await page.axe.run({ resultTypes: ['violations', 'incomplete'] }); \
                  const list = results => results.flatMap(rule => rule.nodes.map(node => rule.id + ': ' + node.target)); \
                  return JSON.stringify([found.passes.length > 10, list(found.violations), list(found.incomplete)]);";
    for view in [View::DESKTOP, View::PHONE.dark()] {
        assert_eq!(
            browser.ask(&html, view, script).unwrap(),
            "[true,[],[]]",
            "{view:?}"
        );
    }
}
