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
