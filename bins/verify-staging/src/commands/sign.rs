use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use evidence::{Folder, Item, Review, Signature};
use report::{Document, Report};
use serde::Serialize;

use super::chain;
use crate::args::sign::SignArgs;

pub(super) fn run(global: &GlobalArgs, args: &SignArgs) -> Result<Exit, Failure> {
    let told = |error: anyhow::Error| Failure::new(Exit::Usage, error);
    let item = Item::find(&args.item)
        .context("failed to sign")
        .map_err(told)?;
    let signature = Signature::new(&args.by, args.note.as_deref(), cli::now())
        .context("failed to sign")
        .map_err(told)?;
    let folder = Folder::new(&args.evidence.dir);
    let review = folder.sign(item, signature).map_err(chain::failed)?;
    cli::print(global, &Signed { review })?;
    Ok(Exit::Fine)
}

#[derive(Debug, Serialize)]
struct Signed {
    review: Review,
}

impl Report for Signed {
    const KIND: &'static str = "signature";

    fn document(&self) -> Document {
        let Review {
            item,
            value,
            capture,
            by,
            at,
            ..
        } = &self.review;
        Document::new().text(format!(
            "{item}: {by} has reviewed {value}, of {}, at {at}",
            capture.file
        ))
    }
}
