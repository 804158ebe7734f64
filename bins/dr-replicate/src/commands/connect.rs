//! From arguments and settings to buckets that answer.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use aws_env::{AwsEnv, BucketOwners};
use cli::{Exit, Failure, GlobalArgs};
use directories::ProjectDirs;
use dr::objects::{
    Bucket, Inventory, JobControl, JournalKey, ManifestUrl, OwnCopies, Pairing, Run, RunId,
    S3Location,
};
use files::{FileError, Secrecy};
use report::ShellCommand;
use settings::{AccountId, BucketName, Region, Settings};

use super::errors;
use crate::args::runs::JournalsArgs;
use crate::args::{LocationArgs, RunsArgs};

/// Two buckets, and what settings say about all of them.
pub(super) struct BucketClients {
    pub(super) source: Bucket,
    pub(super) destination: Bucket,
    /// Where journals lie, if settings say it.
    pub(super) journals: Option<Bucket>,
    pub(super) pairing: Pairing,
    pub(super) env: AwsEnv,
}

/// The buckets of the settings that are meant, in their order; `None` for the two that are given by URL.
pub(super) fn buckets(
    global: &GlobalArgs,
    args: &LocationArgs,
) -> Result<Vec<Option<BucketName>>, Failure> {
    if args.from.is_some() {
        return Ok(vec![None]);
    }
    if !args.bucket.is_empty() {
        return Ok(args.bucket.iter().cloned().map(Some).collect());
    }
    let settings = settings(global, false).map_err(|failure| {
        let regions = "--from and --to with --from-region and --to-region";
        or_by_region(global, failure, regions)
    })?;
    let pairing = pairing(settings.as_ref());
    if pairing.pairs().is_empty() {
        let error = anyhow!("failed to tell which buckets: the settings have none");
        return Err(Failure::new(Exit::Usage, error).hint("give --from and --to"));
    }
    let buckets = pairing.pairs().iter().map(|pair| &pair.primary.name);
    Ok(buckets.cloned().map(Some).collect())
}

/// The one bucket of a command that takes no more; `None` for two that are given by URL.
pub(super) fn one_bucket(args: &LocationArgs) -> Result<Option<&BucketName>, Failure> {
    match (args.bucket.as_slice(), &args.from) {
        ([bucket], _) => Ok(Some(bucket)),
        ([], Some(_)) => Ok(None),
        ([], None) => Err(Failure::new(
            Exit::Usage,
            anyhow!("failed to tell which buckets: give --bucket, or --from and --to"),
        )),
        _ => Err(Failure::new(
            Exit::Usage,
            anyhow!("failed to do this with several buckets at once: give one --bucket"),
        )),
    }
}

/// Source and destination, before anybody has asked whether they answer.
pub(super) async fn pair(
    global: &GlobalArgs,
    args: &LocationArgs,
    bucket: Option<&BucketName>,
) -> Result<BucketClients, Failure> {
    let named = args.from_region.is_some() && args.to_region.is_some() && bucket.is_none();
    let settings = settings(global, named).map_err(|failure| match args.from {
        Some(_) => or_by_region(global, failure, "--from-region and --to-region"),
        None => or_by_region(
            global,
            failure,
            "--from and --to with --from-region and --to-region",
        ),
    })?;
    let pairing = pairing(settings.as_ref());
    let (from, to) = match (bucket, &args.from, &args.to) {
        (Some(bucket), _, _) => {
            let dr = counterpart(&pairing, bucket)?;
            (S3Location::whole(bucket.clone()), S3Location::whole(dr))
        }
        (None, Some(from), Some(to)) => (from.clone(), to.clone()),
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                anyhow!("failed to tell which buckets: give --bucket, or --from and --to"),
            ));
        }
    };
    let settings = settings.as_ref();
    let from_region = region(args.from_region, settings, &pairing, &from, Role::Primary)?;
    let to_region = region(args.to_region, settings, &pairing, &to, Role::Dr)?;
    let owners = [
        (&from.bucket, args.from_owner.as_ref()),
        (&to.bucket, args.to_owner.as_ref()),
    ];
    let env = aws_env(settings, owners).await?;
    Ok(BucketClients {
        source: Bucket::new(&env.region(from_region), from),
        destination: Bucket::new(&env.region(to_region), to),
        journals: journals(settings, &env),
        pairing,
        env,
    })
}

impl BucketClients {
    /// Name of the bucket for journals.
    pub(super) fn journals(&self) -> Option<&BucketName> {
        let journals = self.journals.as_ref();
        journals.map(|journals| &journals.location().bucket)
    }

    /// Asks both whether they answer: within seconds, before anything else is tried.
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        tokio::try_join!(self.source.reach(), self.destination.reach())
            .map_err(|error| errors::reach("reach the buckets", error))?;
        Ok(())
    }
}

impl BucketClients {
    /// Asks whether journals can be kept, before millions of objects are compared.
    pub(super) async fn reach_journals(&self) -> Result<(), Failure> {
        let Some(journals) = &self.journals else {
            return Ok(());
        };
        journals.reach().await.map_err(|error| {
            Failure::aws("reach the bucket for journals", error).hint(
                "`init-backend apply` makes the state's copy, where journals lie; `journal_bucket` in the settings names \
                 another bucket of the DR region",
            )
        })
    }
}

/// Two inventories, each in the region of the bucket that it lists.
pub(super) async fn inventories(
    global: &GlobalArgs,
    args: &LocationArgs,
    from: &ManifestUrl,
    to: &ManifestUrl,
) -> Result<(Inventory, Inventory), Failure> {
    let bucket = match args.bucket.as_slice() {
        [] => None,
        _ => one_bucket(args)?,
    };
    let named = args.from_region.is_some() && args.to_region.is_some() && bucket.is_none();
    let settings = settings(global, named)?;
    let settings = settings.as_ref();
    let pairing = pairing(settings);
    let lists = match bucket {
        Some(bucket) => Some((bucket.clone(), counterpart(&pairing, bucket)?)),
        None => None,
    };
    let (lists_from, lists_to) = lists.unzip();
    let (from_bucket, to_bucket) = (&from.bucket, &to.bucket);
    let owners = [
        (from_bucket, args.from_owner.as_ref()),
        (to_bucket, args.to_owner.as_ref()),
    ];
    let env = aws_env(settings, owners).await?;
    let inventory = |url: &ManifestUrl, given, role, lists: Option<BucketName>| {
        let place = S3Location::whole(url.bucket.clone());
        let region = region(given, settings, &pairing, &place, role)?;
        Ok::<_, Failure>(Inventory {
            bucket: Bucket::new(&env.region(region), place),
            manifest: url.key.clone(),
            lists,
        })
    };
    Ok((
        inventory(from, args.from_region, Role::Primary, lists_from)?,
        inventory(to, args.to_region, Role::Dr, lists_to)?,
    ))
}

/// The bucket that a run changed, and what is known of others.
pub(super) struct Destination {
    pub(super) bucket: Bucket,
    /// Where journals lie, if settings say it.
    pub(super) journals: Option<Bucket>,
    pub(super) env: AwsEnv,
    pub(super) settings: Option<Settings>,
}

/// The bucket that a run changed.
pub(super) async fn destination(
    global: &GlobalArgs,
    bucket: Option<&BucketName>,
    to: Option<&S3Location>,
    to_region: Option<Region>,
    to_owner: Option<&AccountId>,
) -> Result<Destination, Failure> {
    let settings = settings(global, to_region.is_some() && bucket.is_none())
        .map_err(|failure| or_by_region(global, failure, "--to and --to-region"))?;
    let pairing = pairing(settings.as_ref());
    let place = match (bucket, to) {
        (Some(bucket), _) => S3Location::whole(counterpart(&pairing, bucket)?),
        // Journals hold whole keys.
        (None, Some(to)) => S3Location::whole(to.bucket.clone()),
        (None, None) => {
            return Err(Failure::new(
                Exit::Usage,
                anyhow!("failed to tell which bucket: give --bucket or --to"),
            ));
        }
    };
    let region = region(to_region, settings.as_ref(), &pairing, &place, Role::Dr)?;
    let env = aws_env(settings.as_ref(), [(&place.bucket, to_owner)]).await?;
    let bucket = Bucket::new(&env.region(region), place);
    bucket
        .reach()
        .await
        .map_err(|error| errors::reach("reach the bucket", error))?;
    Ok(Destination {
        journals: journals(settings.as_ref(), &env),
        bucket,
        env,
        settings,
    })
}

/// The bucket of the settings for journals, which lies in the DR region.
fn journals(settings: Option<&Settings>, env: &AwsEnv) -> Option<Bucket> {
    pairing(settings).open_journals(&env.dr_only(settings?.regions.dr))
}

/// Every bucket that may have journals, and what is known of others.
pub(super) struct JournalClients {
    pub(super) buckets: Vec<Bucket>,
    pub(super) env: AwsEnv,
    pub(super) settings: Option<Settings>,
}

/// Every bucket that may have journals.
pub(super) async fn with_journals(
    global: &GlobalArgs,
    args: &JournalsArgs,
) -> Result<JournalClients, Failure> {
    let JournalsArgs {
        bucket, changed, ..
    } = args;
    let named = changed.to_region.is_some() && changed.to.is_some() && bucket.is_none();
    let given = settings(global, named)
        .map_err(|failure| or_by_region(global, failure, "--to and --to-region"))?;
    let settings = given.as_ref();
    let pairing = pairing(settings);
    let places = match (bucket, &changed.to) {
        (Some(bucket), _) => vec![bucket.clone(), counterpart(&pairing, bucket)?],
        (None, Some(to)) => vec![to.bucket.clone()],
        (None, None) => {
            let pairs = pairing.pairs().iter();
            let both = pairs.flat_map(|pair| [&pair.primary.name, &pair.dr.name]);
            both.cloned().collect()
        }
    };
    let owner = changed.to.as_ref().zip(changed.to_owner.as_ref());
    let owners = owner.map(|(to, owner)| (&to.bucket, Some(owner)));
    let env = match owners {
        Some(given) => aws_env(settings, [given]).await?,
        None => aws_env(settings, []).await?,
    };
    let mut buckets: Vec<Bucket> = journals(settings, &env).into_iter().collect();
    for place in places {
        let place = S3Location::whole(place);
        let region = region(changed.to_region, settings, &pairing, &place, Role::Dr)?;
        buckets.push(Bucket::new(&env.region(region), place));
    }
    Ok(JournalClients {
        buckets,
        env,
        settings: given,
    })
}

/// A side of a run, as its journal has it; `None` where nothing tells its region.
pub(super) fn side_of(
    place: &str,
    given: Option<Region>,
    settings: Option<&Settings>,
    env: &AwsEnv,
) -> Option<Bucket> {
    let place: S3Location = place.parse().ok()?;
    let pairing = pairing(settings);
    let role = match pairing.is_dr(&place.bucket) {
        true => Role::Dr,
        false => Role::Primary,
    };
    let region = region(given, settings, &pairing, &place, role).ok()?;
    Some(Bucket::new(&env.region(region), place))
}

/// What earlier runs have copied between two buckets, as their journals say that can be believed.
pub(super) fn own_copies(args: &RunsArgs, pair: &BucketClients) -> Result<OwnCopies, Failure> {
    let runs = match runs(args.runs.as_ref()) {
        Ok(runs) => runs,
        // Only runs need a place of their own.
        Err(_) => return Ok(OwnCopies::default()),
    };
    let path = match &args.journal_key {
        Some(path) => path.clone(),
        None => state()?.join("journal.key"),
    };
    // To compare makes no key, and without one the journals of other machines prove nothing.
    let key = read_journal_key(&path).ok();
    // Runs of an earlier version kept them in what they changed.
    let buckets = [Some(&pair.source), Some(&pair.destination)];
    let buckets = buckets.into_iter().chain([pair.journals.as_ref()]);
    let journals = buckets.flatten().cloned().collect();
    Ok(OwnCopies::new(runs, key, journals))
}

/// Where batch jobs that write to `destination` are.
pub(super) async fn job_control(env: &AwsEnv, destination: &Bucket) -> Result<JobControl, Failure> {
    let region = destination.region();
    let account = env
        .region(region)
        .account_id()
        .await
        .map_err(|error| Failure::aws("ask which account this is", error))?;
    Ok(JobControl {
        client: aws_env::client!(aws_sdk_s3control, &env.access(region)),
        account,
    })
}

/// Settings; none when everything is on the command line and there is no file.
fn settings(global: &GlobalArgs, optional: bool) -> Result<Option<Settings>, Failure> {
    if optional && !global.config.exists() {
        return Ok(None);
    }
    let settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    Ok(Some(settings))
}

/// What does without settings, where there are none.
fn or_by_region(global: &GlobalArgs, failure: Failure, flags: &str) -> Failure {
    match global.config.exists() {
        true => failure,
        false => failure.hint(format!("or give {flags}, which need none")),
    }
}

/// AWS, where the buckets that the command line gives an owner have that one.
async fn aws_env<const N: usize>(
    settings: Option<&Settings>,
    given: [(&BucketName, Option<&AccountId>); N],
) -> Result<AwsEnv, Failure> {
    let mut owners = settings.map(BucketOwners::from).unwrap_or_default();
    for (bucket, owner) in given {
        if let Some(owner) = owner {
            owners = owners.with_bucket(bucket.clone(), owner.clone());
        }
    }
    Ok(cli::aws_env(None).await?.with_owners(owners))
}

fn pairing(settings: Option<&Settings>) -> Pairing {
    settings.map(Pairing::from).unwrap_or_default()
}

fn counterpart(pairing: &Pairing, bucket: &BucketName) -> Result<BucketName, Failure> {
    match pairing.of_primary(bucket) {
        Some(pair) => Ok(pair.dr.name.clone()),
        None => {
            let pairs = pairing.pairs().iter();
            let names: Vec<&str> = pairs
                .clone()
                .map(|pair| pair.primary.name.as_str())
                .collect();
            let failure = Failure::new(
                Exit::Usage,
                anyhow!("failed to find bucket {bucket} in the settings"),
            );
            Err(match pairs.clone().find(|pair| pair.dr.name == *bucket) {
                Some(pair) => failure.hint(format!(
                    "it is the copy of {0}: give --bucket {0}",
                    pair.primary.name
                )),
                None => failure.hint(format!("settings have: {}", names.join(", "))),
            })
        }
    }
}

enum Role {
    Primary,
    Dr,
}

/// The region given, else the one that settings give to the bucket, else the one of its role.
fn region(
    given: Option<Region>,
    settings: Option<&Settings>,
    pairing: &Pairing,
    place: &S3Location,
    role: Role,
) -> Result<Region, Failure> {
    if let Some(region) = given {
        return Ok(region);
    }
    let regions = settings.map(|settings| &settings.regions).ok_or_else(|| {
        Failure::new(Exit::Usage, anyhow!("failed to tell the region of {place}"))
            .hint("give --from-region and --to-region, or a configuration with --config")
    })?;
    if let Some(bucket) = pairing.bucket(&place.bucket) {
        return Ok(bucket.region);
    }
    Ok(match role {
        Role::Primary => regions.primary,
        Role::Dr => regions.dr,
    })
}

/// Descriptors that are left for listings, files and what else is open.
const RESERVED: usize = 128;

/// As many copies under way as wanted, and as this process may have connections for.
pub(super) fn concurrency(wanted: u16) -> usize {
    let wanted = usize::from(wanted);
    let most = open_files().map_or(wanted, |files| files.saturating_sub(RESERVED).max(1));
    if most < wanted {
        cli::note(&format!(
            "{most} copies at once instead of {wanted}: this process may have {} files open (ulimit -n)",
            most + RESERVED
        ));
    }
    wanted.min(most)
}

/// The soft limit on open files, where the system tells it in a file.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    soft_limit(&limits)
}

/// From `Max open files            1024                 1048576              files`.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Where runs keep their files.
pub(super) fn runs(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(path.clone());
    }
    Ok(state()?.join("runs"))
}

fn state() -> Result<PathBuf, Failure> {
    let dirs = ProjectDirs::from("", "", "dr-replicate");
    dirs.map(|dirs| {
        let state = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
        state.to_owned()
    })
    .ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow!("failed to find the user's state directory"),
        )
        .hint("give --runs DIR and --journal-key FILE")
    })
}

/// The key of the digests in journals, made where there is none.
pub(super) fn journal_key(given: Option<&PathBuf>) -> Result<JournalKey, Failure> {
    let path = match given {
        Some(path) => path.clone(),
        None => state()?.join("journal.key"),
    };
    let made = match std::fs::exists(&path) {
        Ok(false) => make_journal_key(&path)?,
        Ok(true) | Err(_) => false,
    };
    if made {
        cli::note(&format!(
            "the journal key {} was made: undo on another machine wants a copy of it there",
            path.display()
        ));
    }
    read_journal_key(&path)
}

fn read_journal_key(path: &Path) -> Result<JournalKey, Failure> {
    let failed = |error: anyhow::Error| {
        let context = format!("failed to use the journal key {}", path.display());
        Failure::new(Exit::Usage, error.context(context))
    };
    let text = files::read_limited(path, 1 << 10).map_err(|error| failed(error.into()))?;
    check_mode(path).map_err(|error| failed(error).hint(chmod(path)))?;
    let text = String::from_utf8_lossy(&text);
    JournalKey::parse(&text).map_err(|error| {
        failed(error.into()).hint("a copy of the file on the machine that made it serves here")
    })
}

/// Makes a key, unless another process has made it meanwhile.
fn make_journal_key(path: &Path) -> Result<bool, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = files::create_secret_folder(folder).and_then(|()| {
        let key = JournalKey::new(rand::random());
        files::write_new_file(path, key.to_text().as_bytes(), Secrecy::Secret)
    });
    match made {
        Ok(()) => Ok(true),
        Err(FileError::Exists { .. }) => Ok(false),
        Err(error) => Err(Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to make the journal key"),
        )
        .hint("give another file with --journal-key")),
    }
}

/// Who can read the key can write journals that are believed.
#[cfg(unix)]
fn check_mode(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    match mode & 0o027 {
        0 => Ok(()),
        _ => Err(anyhow!(
            "others may read or write it: its mode is {mode:04o}"
        )),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

fn chmod(path: &Path) -> String {
    let chmod = ShellCommand::new("chmod 600").word(path.to_string_lossy());
    format!("`{chmod}`, and make a new key if somebody else may have read it")
}

/// A place for rows that are sorted and steps that are planned, gone afterwards.
pub(super) fn temporary() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir().map_err(|error| {
        let error = anyhow::Error::new(error);
        Failure::new(
            Exit::Usage,
            error.context("failed to make a temporary directory"),
        )
        .hint("set TMPDIR to a directory with room for the listings")
    })
}

/// A new run of `command`.
pub(super) fn new_run(command: &str, source: &Bucket, destination: &Bucket) -> Run {
    let began = cli::now();
    Run {
        run: RunId::new(began, rand::random()).into(),
        command: command.to_owned(),
        started: began,
        source: source.location().to_string(),
        destination: destination.location().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_of_the_system_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             127826               127826               processes \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(soft_limit(limits), Some(1_024));
        let unlimited =
            "Max open files            unlimited            unlimited            files     \n";
        assert_eq!(soft_limit(unlimited), None);
    }
}
