use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use cli::{Exit, Failure, GlobalArgs, Progress};
use cost::aws::PriceListError;
use cost::{OfferFile, PriceBook, Refresh};
use settings::Region;

use super::{show, source};
use crate::args::cost::RefreshArgs;

pub(super) async fn run(global: &GlobalArgs, args: &RefreshArgs) -> Result<Exit, Failure> {
    let book = source::book(args.prices.as_deref())?;
    let refresh = if args.offer.is_empty() {
        from_price_list(global, args, &book).await?
    } else {
        from_files(args, &book)?
    };
    show(global, &refresh, args.markdown)?;
    if let Some(path) = &args.write {
        let question = format!("Write the price book to {}?", path.display());
        cli::confirm(global, &question)?;
        source::write(path, &refresh.book.to_csv())?;
    }
    Ok(Exit::Fine)
}

async fn from_price_list(
    global: &GlobalArgs,
    args: &RefreshArgs,
    book: &PriceBook,
) -> Result<Refresh, Failure> {
    let regions = source::regions(global, &args.region)?;
    let Some(near) = regions.first() else {
        return Ok(Refresh::new(book, source::today()));
    };
    let home = cost::aws::pricing_region(*near);
    let env = cli::aws_env(None).await?;
    let client = aws_env::client!(aws_sdk_pricing, &env.access(home));
    let today = source::today();
    cost::aws::refresh(&client, home, book, &regions, today, &Progress::new())
        .await
        .map_err(|error| match error {
            PriceListError::Aws { item, source } => {
                Failure::aws(&format!("ask for the price of {item}"), *source)
            }
            other => {
                let error = anyhow::Error::new(other).context("failed to refresh the price book");
                Failure::new(Exit::Unchecked, error)
                    .hint("a downloaded bulk offer file is another way: --offer FILE")
            }
        })
}

fn from_files(args: &RefreshArgs, book: &PriceBook) -> Result<Refresh, Failure> {
    let all: Vec<Region> = Region::all().collect();
    let wanted = book.wanted(&all);
    let mut refresh = Refresh::new(book, source::today());
    for path in &args.offer {
        let file = open(path)?;
        let offer = OfferFile::read(BufReader::new(file), &wanted).map_err(|error| {
            source::unusable(error, path)
                .hint("it is the JSON of a service, such as AmazonRDS, not an index of files")
        })?;
        if !refresh.take_file(&offer, &args.region) {
            let error = anyhow::anyhow!(
                "failed to use {}: it has nothing of {} that the price book has, in these regions",
                path.display(),
                offer.code
            );
            return Err(Failure::new(Exit::Usage, error));
        }
    }
    Ok(refresh)
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| {
        let context = format!("failed to read {}", path.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
    })
}
