//! Which side the environment is on, and what reaches it. After a failover the primary region is not called: terraform
//! neither, whose state of that side lies there.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use aws_env::{AwsEnv, Both, DrOnly, ErrorClass, RegionAccess};
use cli::{Exit, Failure, GlobalArgs};
use evidence::Outputs;
use runbook::{MARKER, Marker, S3Store, Store as _, StoreError};
use settings::{RUNS, Region, Settings};
use verify::doctor::Reach;
use verify::{EnvironmentClients, Wanted};

use super::{caller, terraform};
use crate::args::check::OutputsArgs;
use crate::args::side::{Side, SideArgs};

/// The folder of the primary environment, unless another one is named.
pub(super) const PRIMARY_FOLDER: &str = "terraform/environments/staging";
/// That of the DR environment, where the settings name none.
const DR_FOLDER: &str = "terraform/environments/dr";

/// The environment, with the side that it is on.
pub(super) struct Sided {
    pub(super) settings: Settings,
    pub(super) side: Side,
    /// Nobody has named the side or asked for it: the outputs say it.
    by_outputs: bool,
    /// Loaded already, where AWS was asked for the side.
    env: Option<AwsEnv>,
    /// Where the settings are.
    beside: PathBuf,
}

/// What reaches the side. In the DR region it leads nowhere else.
pub(super) enum Reached {
    Primary(Box<Both>),
    Dr(Box<DrOnly>),
}

impl Sided {
    /// The side that was named, or else the one that the mark says.
    ///
    /// # Errors
    /// When nobody has named one and the mark cannot be read: exit 3. The primary region is never a guess.
    pub(super) async fn find(global: &GlobalArgs, args: SideArgs) -> Result<Self, Failure> {
        // An exception from the residency policy that has run out stops nothing in the DR region while it serves.
        let settings = cli::load_settings_in_emergency(global)?;
        let (side, env) = match args.side {
            Some(side) => (side, None),
            None => {
                let env = cli::aws_env(Some(&settings)).await?;
                (by_mark(&settings, &env).await?, Some(env))
            }
        };
        Self::of(global, settings, side, env)
    }

    /// Without asking AWS: the side that was named, or else the one that the outputs turn out to be of
    /// ([`Sided::agreed`]).
    pub(super) fn unasked(global: &GlobalArgs, args: SideArgs) -> Result<Self, Failure> {
        let settings = cli::load_settings_in_emergency(global)?;
        let side = args.side.unwrap_or(Side::Primary);
        let sided = Self::of(global, settings, side, None)?;
        let by_outputs = args.side.is_none();
        Ok(Self {
            by_outputs,
            ..sided
        })
    }

    fn of(
        global: &GlobalArgs,
        settings: Settings,
        side: Side,
        env: Option<AwsEnv>,
    ) -> Result<Self, Failure> {
        let settings = match side {
            Side::Primary => cli::load_settings(global)?,
            Side::Dr => settings,
        };
        let beside = global.config.parent().unwrap_or(Path::new(""));
        Ok(Self {
            settings,
            side,
            by_outputs: false,
            env,
            beside: beside.to_owned(),
        })
    }

    /// The region of the side.
    pub(super) fn region(&self) -> Region {
        match self.side {
            Side::Primary => self.settings.regions.primary,
            Side::Dr => self.settings.regions.dr,
        }
    }

    /// What the side should be.
    pub(super) fn wanted(&self) -> Wanted {
        match self.side {
            Side::Primary => Wanted::new(&self.settings),
            Side::Dr => Wanted::of_dr(&self.settings),
        }
    }

    /// The folder in which terraform is asked, where nobody has named one: terraform reads its state in the region of the
    /// side.
    pub(super) fn folder(&self, named: Option<&Path>) -> PathBuf {
        let of_settings = self.settings.failover.terraform.as_ref();
        match (named, self.side) {
            (Some(named), _) => named.to_owned(),
            (None, Side::Primary) => PathBuf::from(PRIMARY_FOLDER),
            (None, Side::Dr) => {
                of_settings.map_or(PathBuf::from(DR_FOLDER), |of| self.beside.join(of))
            }
        }
    }

    /// The outputs that `args` name, which are of this side.
    pub(super) async fn outputs(&self, args: &OutputsArgs) -> Result<Outputs, Failure> {
        let folder = self.folder(args.chdir.as_deref());
        let outputs = terraform::outputs(args.outputs.as_deref(), &folder).await?;
        self.check(&outputs)?;
        Ok(outputs)
    }

    /// The side with these outputs, which are of it.
    pub(super) fn agreed(mut self, outputs: &Outputs) -> Result<Self, Failure> {
        let dr = self.settings.regions.dr;
        if self.by_outputs && regions(outputs).any(|(_, region)| region == dr) {
            self.side = Side::Dr;
        }
        self.check(outputs)?;
        Ok(self)
    }

    /// Refuses outputs that are of another region than the side: names of one with what the other one says would be
    /// answers about nothing.
    pub(super) fn check(&self, outputs: &Outputs) -> Result<(), Failure> {
        let wanted = self.region();
        let other = regions(outputs).find(|(_, region)| *region != wanted);
        let Some((name, region)) = other else {
            return Ok(());
        };
        let side = match self.side {
            Side::Primary => "primary",
            Side::Dr => "DR",
        };
        let error = anyhow!(
            "terraform's output {name} is of {region}, and the environment's {side} region is {wanted}"
        );
        Err(Failure::new(Exit::Refused, error).hint(
            "give the outputs of that side with --outputs or --chdir, or name the other side with --side primary or --side dr",
        ))
    }

    /// What reaches the side; asks first who we are.
    pub(super) async fn reach(&self) -> Result<Reached, Failure> {
        let env = match &self.env {
            Some(env) => env.clone(),
            None => cli::aws_env(Some(&self.settings)).await?,
        };
        let regions = self.settings.regions;
        let reached = match self.side {
            Side::Primary => Reached::Primary(Box::new(env.both(regions.primary, regions.dr))),
            Side::Dr => Reached::Dr(Box::new(env.dr_only(regions.dr))),
        };
        caller::known(reached.region()).await?;
        Ok(reached)
    }
}

impl Reached {
    /// The side's own region.
    pub(super) fn region(&self) -> &RegionAccess {
        match self {
            Self::Primary(both) => &both.primary,
            Self::Dr(dr) => dr.region(),
        }
    }

    /// The DR region, in which runs are recorded.
    pub(super) fn dr(&self) -> &RegionAccess {
        match self {
            Self::Primary(both) => &both.dr,
            Self::Dr(dr) => dr.region(),
        }
    }

    /// The clients of the environment. Of a DR region they reach the global services only where their control plane is
    /// that region.
    pub(super) fn clients(&self) -> EnvironmentClients {
        match self {
            Self::Primary(both) => EnvironmentClients::new(&both.primary, &both.global),
            Self::Dr(dr) => EnvironmentClients::new(dr.region(), &dr.global()),
        }
    }

    /// The same, for a diagnosis.
    pub(super) fn for_doctor(&self) -> Reach<'_> {
        match self {
            Self::Primary(both) => Reach::Both(both),
            Self::Dr(dr) => Reach::DrOnly(dr),
        }
    }
}

/// Outputs that name a resource of the environment's own region. Others rightly name another one: alarms of CloudFront,
/// replicated backups.
const REGIONAL: [&str; 8] = [
    "db_credentials_secret_arn",
    "redis_credentials_secret_arn",
    "db_connection_secret_arn",
    "db_arn",
    "db_address",
    "db_endpoint",
    "kms_key_arn",
    "sns_alerts_topic_arn",
];

/// The regions that the outputs say the environment is in.
fn regions(outputs: &Outputs) -> impl Iterator<Item = (&'static str, Region)> {
    let named = REGIONAL.into_iter();
    named.filter_map(|name| Some((name, region_of(outputs.text(name).ok()?)?)))
}

/// The region that an ARN or the name of a host has.
fn region_of(text: &str) -> Option<Region> {
    match text.strip_prefix("arn:") {
        Some(arn) => arn.split(':').nth(2)?.parse().ok(),
        None => text.split('.').find_map(|label| label.parse().ok()),
    }
}

/// What the mark says, in the bucket where runs are recorded. Asks the DR region alone.
async fn by_mark(settings: &Settings, env: &AwsEnv) -> Result<Side, Failure> {
    let Some(bucket) = settings.journals() else {
        cli::note(
            "the settings have no bucket in which a failover would have left its mark: --side says which side is meant, and it is taken to be the primary one",
        );
        return Ok(Side::Primary);
    };
    let clients = env.dr_only(settings.journals_region()).region().clients();
    let environment = settings.name();
    let store = S3Store::new(clients, bucket.as_str(), format!("{RUNS}{environment}/"));
    let hint =
        "which side serves is not known without it; name the side with --side primary or --side dr";
    let marker = match store.read(MARKER).await {
        // No failover was ever recorded where there is no bucket of records.
        Err(StoreError::Aws(error)) if error.code.as_deref() == Some("NoSuchBucket") => {
            return Ok(Side::Primary);
        }
        // Of no side, and nobody's mark.
        Err(StoreError::Aws(error)) if error.class == ErrorClass::Credentials => {
            return Err(Failure::aws("find out who asks AWS", *error));
        }
        Err(StoreError::Aws(error)) => {
            let what = "read the mark that says where the environment is";
            return Err(Failure::aws(what, *error).hint(hint));
        }
        Err(error) => return Err(Failure::new(Exit::Unchecked, error).hint(hint)),
        Ok(stored) => stored.map(|stored| Marker::parse(&stored.bytes)),
    };
    let place = store.place(MARKER);
    let marker = marker.transpose().map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{place} is not a mark"));
        Failure::new(Exit::Unchecked, error).hint(hint)
    })?;
    let Some(marker) = marker else {
        return Ok(Side::Primary);
    };
    let serves = marker.serves();
    let regions = settings.regions;
    if serves == regions.dr {
        cli::note(&format!(
            "the environment is failed over to {serves}, by run {}: no other region is asked",
            marker.run
        ));
        Ok(Side::Dr)
    } else if serves == regions.primary {
        Ok(Side::Primary)
    } else {
        let error = anyhow!(
            "{place} says that the environment is in {serves}, and the settings have {} and {}",
            regions.primary,
            regions.dr
        );
        Err(Failure::new(Exit::Refused, error)
            .hint("name the side with --side primary or --side dr, or make the settings those of that environment"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_of_reads_arns_and_hosts() {
        let of = |text: &str| region_of(text).map(|region| region.to_string());
        let is = |region: &str| Some(region.to_owned());
        assert_eq!(
            of("arn:aws:secretsmanager:ca-central-1:1:secret:a-b"),
            is("ca-central-1")
        );
        assert_eq!(of("a.x1.us-east-1.rds.amazonaws.com:5432"), is("us-east-1"));
        for none in ["arn:aws:iam::1:role/a", "db.example", "", "arn:aws"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
