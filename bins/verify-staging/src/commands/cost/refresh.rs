use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use cli::{Exit, Failure, GlobalArgs, Progress};
use cost::aws::PriceListError;
use cost::{OfferFile, PriceBook, Refresh, Resumed, Service};
use report::{Observer, Outcome};
use settings::Region;

use super::{show, source};
use crate::args::cost::RefreshArgs;

/// Progress of a file is told every so many bytes.
const TOLD_BYTES: u64 = 16 << 20;

pub(super) async fn run(global: &GlobalArgs, args: &RefreshArgs) -> Result<Exit, Failure> {
    let book = source::book(args.prices.as_deref())?;
    let mut refresh = Refresh::new(&book, source::today());
    let mut log = Log::begin(args, &mut refresh)?;
    let refresh = match args.offer.is_empty() && args.offers.is_none() {
        true => from_price_list(global, args, refresh, &mut log).await?,
        false => from_files(args, &book, refresh, &mut log)?,
    };
    show(global, &refresh, args.markdown)?;
    if let Some(path) = &args.write {
        let question = format!("Write the price book to {}?", path.display());
        cli::confirm(global, &question)?;
        source::write(path, &refresh.book.to_csv())?;
        log.remove();
    }
    Ok(Exit::Fine)
}

/// What is settled, beside the book that is to be written, so that a refresh which was stopped goes on.
struct Log {
    /// Where it is, open to go on; nowhere without a book to write.
    file: Option<(PathBuf, File)>,
    resumed: Resumed,
}

impl Log {
    fn begin(args: &RefreshArgs, refresh: &mut Refresh) -> Result<Self, Failure> {
        let Some(book) = &args.write else {
            let resumed = Resumed::default();
            return Ok(Self {
                file: None,
                resumed,
            });
        };
        let mut path = book.clone().into_os_string();
        path.push(".partial");
        let path = PathBuf::from(path);
        let mut text = refresh.head();
        let mut resumed = Resumed::default();
        if path.exists() {
            let before = source::text(&path)?;
            resumed = refresh
                .resume(&before)
                .map_err(|error| source::unusable(error, &path).hint("remove it to begin anew"))?;
            if resumed != Resumed::default() {
                let count = resumed.items.len();
                cli::note(&format!(
                    "{} goes on with {count} items that were settled today",
                    path.display()
                ));
                // Without a last line that was cut short.
                let end = before.rfind('\n').map_or(0, |at| at + 1);
                text = before[..end].to_owned();
            }
        }
        source::write(&path, &text)?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(|error| source::unusable(error, &path))?;
        let file = Some((path, file));
        Ok(Self { file, resumed })
    }

    fn add(&mut self, line: &str) -> io::Result<()> {
        match &mut self.file {
            None => Ok(()),
            Some((_, file)) => file.write_all(line.as_bytes()),
        }
    }

    fn remove(&self) {
        if let Some((path, _)) = &self.file {
            // Of another day it counts for nothing.
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn from_price_list(
    global: &GlobalArgs,
    args: &RefreshArgs,
    refresh: Refresh,
    log: &mut Log,
) -> Result<Refresh, Failure> {
    let regions = source::regions(global, &args.region)?;
    let Some(near) = regions.first() else {
        return Ok(refresh);
    };
    let home = cost::aws::pricing_region(*near);
    let env = cli::aws_env(None).await?;
    let client = aws_env::client!(aws_sdk_pricing, &env.access(home));
    let resumed = std::mem::take(&mut log.resumed);
    let progress = Progress::new();
    let settled = |line: &str| log.add(line);
    let asked = cost::aws::refresh(
        &client, home, refresh, &regions, &resumed, settled, &progress,
    );
    asked.await.map_err(|error| match error {
        PriceListError::Aws { item, source } => {
            Failure::aws(&format!("ask for the price of {item}"), *source)
                .hint("with --write the same command goes on where this one ended")
        }
        other => {
            let error = anyhow::Error::new(other).context("failed to refresh the price book");
            Failure::new(Exit::Unchecked, error)
                .hint("downloaded bulk offer files are another way: --offer FILE, --offers FOLDER")
        }
    })
}

fn from_files(
    args: &RefreshArgs,
    book: &PriceBook,
    mut refresh: Refresh,
    log: &mut Log,
) -> Result<Refresh, Failure> {
    const LABEL: &str = "read offer files";
    let all: Vec<Region> = Region::all().collect();
    let wanted = book.wanted(&all);
    let mut paths = args.offer.clone();
    if let Some(folder) = &args.offers {
        paths.extend(offers(folder)?);
    }
    let (progress, started) = (Progress::new(), Instant::now());
    progress.started(LABEL);
    let mut missing: Vec<Service> = book.services();
    for (at, path) in paths.iter().enumerate() {
        let file = open(path)?;
        let bytes = file.metadata().map(|of| of.len()).unwrap_or_default();
        let name = format!("{} {bytes}", path.display());
        let place = format!("{} of {}: {}", at + 1, paths.len(), path.display());
        if log.resumed.read.contains(&name) {
            progress.waiting(LABEL, &format!("{place}, read before"));
            continue;
        }
        let told = Told {
            file,
            read: 0,
            tell: |read| progress.waiting(LABEL, &format!("{place}, {read} of {bytes} bytes")),
        };
        let offer = OfferFile::read(BufReader::new(told), &wanted).map_err(|error| {
            progress.finished(LABEL, Outcome::Failed, started.elapsed());
            source::unusable(error, path)
                .hint("it is the JSON of a service, such as AmazonRDS, not an index of files")
        })?;
        missing.retain(|service| service.code() != offer.code);
        let settled = refresh.take_file(&offer, &args.region);
        // A folder holds what it holds; a file that was named was meant.
        if settled.is_empty() && args.offer.contains(path) {
            let error = anyhow::anyhow!(
                "failed to use {}: it has nothing of {} that the price book has, in these regions",
                path.display(),
                offer.code
            );
            return Err(Failure::new(Exit::Usage, error));
        }
        let lines: String = settled.iter().map(|key| refresh.settled(key)).collect();
        log.add(&(lines + &Refresh::read(&name))).map_err(|error| {
            let error = anyhow::Error::new(error).context("failed to keep what was found");
            Failure::new(Exit::Unchecked, error)
        })?;
    }
    progress.finished(LABEL, Outcome::Done, started.elapsed());
    if args.offers.is_some() && log.resumed.read.is_empty() && !missing.is_empty() {
        let codes: Vec<&str> = missing.iter().map(|service| service.code()).collect();
        cli::note(&format!(
            "no offer file is of {}: their prices stay as they are",
            codes.join(", ")
        ));
    }
    Ok(refresh)
}

/// Every JSON file below a folder, as AWS lays them out (`CODE/current/REGION/index.json`) or otherwise, in order.
fn offers(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: io::Error, path: &Path| {
        let context = format!("failed to read {}", path.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
    };
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| failed(error, &folder))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, &folder))?;
            let kind = entry
                .file_type()
                .map_err(|error| failed(error, &entry.path()))?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|of| of == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let error = anyhow::anyhow!("failed to use {}: it has no offer file", folder.display());
        return Err(Failure::new(Exit::Usage, error));
    }
    Ok(found)
}

/// A file that tells how far it was read.
struct Told<F> {
    file: File,
    read: u64,
    tell: F,
}

impl<F: Fn(u64)> Read for Told<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let before = self.read / TOLD_BYTES;
        self.read += count as u64;
        if self.read / TOLD_BYTES > before {
            (self.tell)(self.read);
        }
        Ok(count)
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| {
        let context = format!("failed to read {}", path.display());
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(context))
    })
}
