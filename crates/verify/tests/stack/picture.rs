//! The picture in README.md: a page about the environment with some things broken. `UPDATE_SCREENSHOT=1` makes it
//! anew.

use std::path::Path;

use browser::{Browser, Picture, View};

use crate::mutation::Mutation;
use crate::{Stack, buckets, database, monitoring};

/// High enough for the verdict and what to do.
const VIEW: View = View::DESKTOP.high(860);

const BROKEN: [&str; 3] = [
    "the database has no standby",
    "everybody may read",
    "nobody has confirmed the topic's e-mail",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_picture_is_of_this_page() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let Some(stack) = Stack::built().await else {
        return;
    };
    let ways: Vec<Mutation> = [
        database::mutations(),
        buckets::mutations(),
        monitoring::mutations(),
    ]
    .into_iter()
    .flatten()
    .collect();
    for name in BROKEN {
        let way = ways.iter().find(|way| way.name == name);
        (way.expect("a way of breaking it").apply)(&stack).await;
    }
    let html = stack.check().await.to_html();
    let picture = tokio::task::spawn_blocking(move || browser.picture(&html, VIEW))
        .await
        .expect("joined")
        .expect("a picture");
    assert_eq!((picture.width, picture.height), (VIEW.width, VIEW.height));
    assert!(picture.drawn() > 0.05, "blank: {}", picture.drawn());

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = "docs/images/verify-staging.png";
    if std::env::var_os("UPDATE_SCREENSHOT").is_some() {
        std::fs::create_dir_all(root.join("docs/images")).expect("a folder");
        std::fs::write(root.join(name), &picture.png).expect("written");
    }
    let kept = std::fs::read(root.join(name)).expect("the picture is there");
    let kept = Picture::read(kept).expect("a picture");
    assert_eq!((kept.width, kept.height), (VIEW.width, VIEW.height));
    // Fonts differ between machines; the colours of the page and how much is drawn do not.
    assert_eq!(kept.ground(), picture.ground());
    assert!((kept.drawn() - picture.drawn()).abs() < 0.1);
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    assert!(readme.contains(name), "README.md shows {name}");
}
