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
        (View::PHONE.dark(), dark),
    ] {
        let picture = browser.picture(&sample::html(), view).unwrap();
        drawn(&picture, view, ground);
    }
}

const WIDTH: &str = "const root = page.document.documentElement; return root.scrollWidth + ' of ' + root.clientWidth;";

#[test]
fn no_page_is_wider_than_a_telephone() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let width = browser.ask(&sample::html(), View::PHONE, WIDTH).unwrap();
    assert_eq!(width, "390 of 390");
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
    for view in [View::DESKTOP, View::DESKTOP.dark(), View::PHONE] {
        assert_eq!(
            browser.ask(&html, view, script).unwrap(),
            "[true,[],[]]",
            "{view:?}"
        );
    }
}
