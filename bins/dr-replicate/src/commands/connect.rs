//! From arguments and settings to buckets that answer.

use std::path::PathBuf;

use anyhow::anyhow;
use aws_env::{AwsEnv, BucketOwners};
use cli::{Exit, Failure, GlobalArgs};
use directories::ProjectDirs;
use dr::objects::{Bucket, Inventory, JobControl, ManifestUrl, Run, S3Location};
use settings::{AccountId, BucketName, Region, Settings};

use crate::args::LocationArgs;

/// Two buckets, and what settings say about all of them.
pub(super) struct BucketClients {
    pub(super) source: Bucket,
    pub(super) destination: Bucket,
    pub(super) pairs: Vec<(BucketName, BucketName)>,
    pub(super) env: AwsEnv,
}

/// Source and destination, before anybody has asked whether they answer.
pub(super) async fn pair(
    global: &GlobalArgs,
    args: &LocationArgs,
) -> Result<BucketClients, Failure> {
    let named = args.from_region.is_some() && args.to_region.is_some() && args.bucket.is_none();
    let settings = settings(global, named)?;
    let pairs = pairs(settings.as_ref());
    let (from, to) = match (&args.bucket, &args.from, &args.to) {
        (Some(bucket), _, _) => {
            let dr = counterpart(&pairs, bucket)?;
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
    let from_region = region(args.from_region, settings, &pairs, &from, Role::Primary)?;
    let to_region = region(args.to_region, settings, &pairs, &to, Role::Dr)?;
    let owners = [
        (&from.bucket, args.from_owner.as_ref()),
        (&to.bucket, args.to_owner.as_ref()),
    ];
    let env = aws_env(settings, owners).await?;
    Ok(BucketClients {
        source: Bucket::new(&env.region(from_region), from),
        destination: Bucket::new(&env.region(to_region), to),
        pairs,
        env,
    })
}

impl BucketClients {
    /// Asks both whether they answer: within seconds, before anything else is tried.
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        tokio::try_join!(self.source.reach(), self.destination.reach())
            .map_err(|error| Failure::aws("reach the buckets", error))?;
        Ok(())
    }
}

/// Two inventories, each in the region of the bucket that it lists.
pub(super) async fn inventories(
    global: &GlobalArgs,
    args: &LocationArgs,
    from: &ManifestUrl,
    to: &ManifestUrl,
) -> Result<(Inventory, Inventory), Failure> {
    let named = args.from_region.is_some() && args.to_region.is_some() && args.bucket.is_none();
    let settings = settings(global, named)?;
    let settings = settings.as_ref();
    let pairs = pairs(settings);
    let lists = match &args.bucket {
        Some(bucket) => Some((bucket.clone(), counterpart(&pairs, bucket)?)),
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
        let region = region(given, settings, &pairs, &place, role)?;
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

/// The bucket that a run changed, and the way to other services of its region.
pub(super) async fn destination(
    global: &GlobalArgs,
    bucket: Option<&BucketName>,
    to: Option<&S3Location>,
    to_region: Option<Region>,
    to_owner: Option<&AccountId>,
) -> Result<(Bucket, AwsEnv), Failure> {
    let settings = settings(global, to_region.is_some() && bucket.is_none())?;
    let pairs = pairs(settings.as_ref());
    let place = match (bucket, to) {
        (Some(bucket), _) => S3Location::whole(counterpart(&pairs, bucket)?),
        // Journals hold whole keys.
        (None, Some(to)) => S3Location::whole(to.bucket.clone()),
        (None, None) => {
            return Err(Failure::new(
                Exit::Usage,
                anyhow!("failed to tell which bucket: give --bucket or --to"),
            ));
        }
    };
    let region = region(to_region, settings.as_ref(), &pairs, &place, Role::Dr)?;
    let env = aws_env(settings.as_ref(), [(&place.bucket, to_owner)]).await?;
    let bucket = Bucket::new(&env.region(region), place);
    bucket
        .reach()
        .await
        .map_err(|error| Failure::aws("reach the bucket", error))?;
    Ok((bucket, env))
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

fn pairs(settings: Option<&Settings>) -> Vec<(BucketName, BucketName)> {
    settings
        .into_iter()
        .flat_map(|settings| &settings.buckets)
        .map(|bucket| (bucket.name.clone(), bucket.dr.clone()))
        .collect()
}

fn counterpart(
    pairs: &[(BucketName, BucketName)],
    bucket: &BucketName,
) -> Result<BucketName, Failure> {
    match pairs.iter().find(|(name, _)| name == bucket) {
        Some((_, dr)) => Ok(dr.clone()),
        None => {
            let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            Err(Failure::new(
                Exit::Usage,
                anyhow!("failed to find bucket {bucket} in the settings"),
            )
            .hint(format!("settings have: {}", names.join(", "))))
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
    pairs: &[(BucketName, BucketName)],
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
    let is = |bucket: &BucketName| *bucket == place.bucket;
    if pairs.iter().any(|(primary, _)| is(primary)) {
        return Ok(regions.primary);
    }
    if pairs.iter().any(|(_, dr)| is(dr)) {
        return Ok(regions.dr);
    }
    Ok(match role {
        Role::Primary => regions.primary,
        Role::Dr => regions.dr,
    })
}

/// Where runs keep their files.
pub(super) fn runs(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(path.clone());
    }
    ProjectDirs::from("", "", "dr-replicate")
        .map(|dirs| {
            dirs.state_dir()
                .unwrap_or_else(|| dirs.data_local_dir())
                .join("runs")
        })
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                anyhow!("failed to find the user's state directory"),
            )
            .hint("give --runs DIR")
        })
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
    Run {
        run: run_name(),
        command: command.to_owned(),
        started: cli::now(),
        source: source.location().to_string(),
        destination: destination.location().to_string(),
    }
}

/// A name for a run: the time, and something that no other run has. Of two containers that begin in one second each is
/// process 1.
fn run_name() -> String {
    let time = cli::now();
    format!(
        "{}-{:08x}",
        time.strftime("%Y%m%dT%H%M%SZ"),
        rand::random::<u32>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_name_of_one_second_and_process_is_not_that_of_another_run() {
        let names: std::collections::BTreeSet<String> = (0..100).map(|_| run_name()).collect();
        assert_eq!(names.len(), 100);
    }
}
