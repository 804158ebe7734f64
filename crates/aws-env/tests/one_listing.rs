//! Buckets are listed in one way, which asks for encoded keys.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::path::{Path, PathBuf};

/// Where a listing may be asked for: the one way, and the reader that takes pages apart while they arrive.
const ALLOWED: [&str; 2] = ["aws-env/src/listing.rs", "dr/src/objects/bucket.rs"];
const LISTINGS: [&str; 4] = [
    ".list_objects_v2()",
    ".list_objects()",
    ".list_object_versions()",
    ".list_multipart_uploads()",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_listing_of_a_bucket_is_the_one_that_asks_for_encoded_keys() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for rooms in ["crates", "bins"] {
        for room in std::fs::read_dir(root.join(rooms)).unwrap() {
            let source = room.unwrap().path().join("src");
            if source.is_dir() {
                sources(&source, &mut files);
            }
        }
    }
    let asks = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        LISTINGS.iter().any(|listing| text.contains(listing))
    };
    files.retain(|path| !ALLOWED.iter().any(|allowed| path.ends_with(allowed)) && asks(path));
    assert!(files.is_empty(), "they list by themselves: {files:?}");
}
