//! What the browser says is so.

use browser::{Browser, BrowserError, View};

const PAGE: &str = "<!doctype html><title>\"Quoted\" &amp; more</title><style>body { margin: 0; background: #fff }\
                    @media (prefers-color-scheme: dark) { body { background: #000 } }</style>\
                    <p style=\"background: #f00; margin: 0; width: 100px; height: 45px\"></p>";

#[test]
fn a_picture_is_as_large_as_the_view_and_has_the_colours_of_the_page() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    for (view, ground) in [
        (View::PHONE.high(500), [0xff; 3]),
        (View::PHONE.high(500).dark(), [0; 3]),
    ] {
        let picture = browser.picture(PAGE, view).unwrap();
        assert_eq!((picture.width, picture.height), (390, 500));
        assert_eq!(
            (picture.ground(), picture.count([0xff, 0, 0])),
            (ground, 4500)
        );
        let drawn = 4500.0 / (390.0 * 500.0);
        assert!(
            (picture.drawn() - drawn).abs() < 1e-9,
            "{}",
            picture.drawn()
        );
    }
}

#[test]
fn a_blank_page_is_blank() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let picture = browser
        .picture("<!doctype html><title>x</title>", View::DESKTOP)
        .unwrap();
    assert_eq!((picture.drawn(), picture.ground()), (0.0, [0xff; 3]));
}

#[test]
fn a_script_is_asked_about_the_page() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let script = "await new Promise(done => page.setTimeout(done, 500)); \
                  return page.innerWidth + ' <' + page.document.title + '> & ' + \
                  page.matchMedia('(prefers-color-scheme: dark)').matches;";
    let said = browser.ask(PAGE, View::PHONE.dark(), script).unwrap();
    assert_eq!(said, "390 <\"Quoted\" & more> & true");
    let error = browser
        .ask(PAGE, View::PHONE, "return nobody.knows")
        .unwrap_err();
    assert!(
        matches!(&error, BrowserError::Nothing { said, .. } if said.contains("nobody is not defined")),
        "{error}"
    );
}

#[test]
fn nothing_is_fetched() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let page = format!(
        "<!doctype html><title>x</title><img src=\"http://localhost:{}/x.png\">",
        server.local_addr().unwrap().port()
    );
    browser.picture(&page, View::PHONE).unwrap();
    assert_eq!(
        server.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}
