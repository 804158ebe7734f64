//! The settings of an environment that stays where it was failed over to: the text of its `infra.toml` with the regions changed
//! over, and with its comments.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use crate::{
    BucketName, Encryption, KmsKeyArn, NameError, Region, ReplicaLocks, RoleName, Settings,
    SettingsErrors, Source, StateDr, TableName, TopicArn,
};

/// Where an environment stays, and what becomes its DR region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The region that serves, and is the primary one from now on. It is the DR region of the settings, or the primary one of
    /// settings without protection.
    pub to: Region,
    /// The new DR region; without one the environment is unprotected.
    pub dr: Option<NewDr>,
    /// By which run, for the comment at the top of the file.
    pub run: String,
}

/// A region that an environment is recovered in from now on. Buckets, tables and roles there are called as before with the region
/// behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDr {
    /// The region.
    pub region: Region,
    /// A key there, for what is encrypted with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms: Option<KmsKeyArn>,
    /// A topic there, for the alarms of the state's replication; without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicArn>,
}

/// Why there are no settings of an environment that stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommittedError {
    /// It is not where the settings recover it.
    #[error("the settings have {primary} and {dr}, and the environment is to stay in {to}")]
    Elsewhere {
        /// Where it is to stay.
        to: Region,
        /// The primary region of the settings.
        primary: Region,
        /// Their DR region.
        dr: Region,
    },
    /// The new DR region is none.
    #[error("{0} cannot be the new DR region: it is where the environment is to stay")]
    SameRegion(Region),
    /// What was left may hold data that nobody has looked at.
    #[error("{0} cannot be the new DR region: it is the region that is left")]
    Left(Region),
    /// Nothing can be encrypted there.
    #[error("{what} is encrypted with a key of KMS, and none of {region} is given")]
    KeyMissing {
        /// What is encrypted.
        what: String,
        /// The new DR region.
        region: Region,
    },
    /// A key or a topic lies elsewhere.
    #[error("{arn} is not in {region}")]
    OtherRegion {
        /// The ARN.
        arn: String,
        /// The new DR region.
        region: Region,
    },
    /// A name that comes of the old one is none.
    #[error("the new DR region's name for {old} is none: {problem}")]
    Name {
        /// The name of what it replaces.
        old: String,
        /// What is wrong.
        #[source]
        problem: NameError,
    },
    /// It is not what `toml_edit` reads, or not as the settings were read from it.
    #[error("the settings' text cannot be rewritten: {0}")]
    Text(String),
    /// What comes of it are no settings.
    #[error("the settings that come of it are refused")]
    Refused(#[source] SettingsErrors),
}

/// What the file gets.
struct Turned<'a> {
    settings: &'a Settings,
    to: &'a Committed,
    /// Whether the regions change over. Settings without protection have it behind them.
    swaps: bool,
}

impl Committed {
    /// The text of the settings with `to` as the primary region, and the settings that it means. Comments and order stay; what
    /// came from Terraform's outputs is written out, since those are of the old arrangement.
    ///
    /// # Errors
    /// When the environment is elsewhere, a name or a key is missing in the new DR region, or the policy for residency does
    /// not allow it.
    pub fn rewrite(
        &self,
        source: Source<'_>,
        today: Date,
    ) -> Result<(String, Settings), CommittedError> {
        let settings = source.parse_in_emergency(today);
        let settings = settings.map_err(CommittedError::Refused)?;
        let mut document: DocumentMut = source
            .text
            .parse()
            .map_err(|error: toml_edit::TomlError| CommittedError::Text(error.to_string()))?;
        let turned = Turned {
            settings: &settings,
            to: self,
            swaps: settings.unprotected.is_none(),
        };
        turned.check()?;
        write_outputs(document.as_table_mut(), &settings)?;
        turned.write(document.as_table_mut())?;
        let about = match &self.dr {
            Some(dr) => format!("recovered in {}", dr.region),
            None => "without a copy anywhere".to_owned(),
        };
        let text = format!(
            "# Since run {} the environment is in {} for good, {about}. Comments below may be of before.\n{document}",
            self.run, self.to
        );
        // What is written is what every program is going to read.
        let means = Settings::parse_in_emergency(&text, today);
        let means = means.map_err(CommittedError::Refused)?;
        Ok((text, means))
    }
}

impl Turned<'_> {
    fn check(&self) -> Result<(), CommittedError> {
        let regions = self.settings.regions;
        let to = self.to.to;
        let expected = if self.swaps {
            regions.dr
        } else {
            regions.primary
        };
        if to != expected {
            return Err(CommittedError::Elsewhere {
                to,
                primary: regions.primary,
                dr: regions.dr,
            });
        }
        let left = if self.swaps {
            regions.primary
        } else {
            regions.dr
        };
        let Some(dr) = &self.to.dr else {
            return Ok(());
        };
        if dr.region == to {
            return Err(CommittedError::SameRegion(to));
        }
        if dr.region == left {
            return Err(CommittedError::Left(left));
        }
        let arns = [
            dr.kms.as_ref().map(|key| (key.as_str(), key.region())),
            dr.topic
                .as_ref()
                .map(|topic| (topic.as_str(), topic.region())),
        ];
        for (arn, region) in arns.into_iter().flatten() {
            if region != dr.region {
                return Err(CommittedError::OtherRegion {
                    arn: arn.to_owned(),
                    region: dr.region,
                });
            }
        }
        Ok(())
    }

    fn write(&self, root: &mut Table) -> Result<(), CommittedError> {
        let settings = self.settings;
        root.remove("outputs");
        root.remove("unprotected");
        if self.swaps {
            // IDs and names of the region that is left; what has their part here is found without.
            root.remove("resources");
        }
        if self.to.dr.is_some() {
            // It lies in a region that is the primary one now; the state's copy in the new one takes its place.
            root.remove("journal_bucket");
        } else {
            let why = format!(
                "it was committed to {} by run {}, and no DR region was given",
                self.to.to, self.to.run
            );
            root.insert("unprotected", Item::Value(why.into()));
        }
        self.regions(root);
        if let Some(state) = sub(root, "state") {
            self.state(state)?;
        }
        for (table, bucket) in tables(root, "buckets").into_iter().zip(&settings.buckets) {
            self.bucket(table, bucket)?;
        }
        let databases = tables(root, "databases").into_iter();
        for (table, database) in databases.zip(&settings.databases) {
            self.database(table, database)?;
        }
        self.environments(root);
        Ok(())
    }

    fn regions(&self, root: &mut Table) {
        let regions = self.settings.regions;
        let left = if self.swaps {
            regions.primary
        } else {
            regions.dr
        };
        let dr = self.to.dr.as_ref().map_or(left, |dr| dr.region);
        // Without them the country of the primary region decides, which is another one now.
        let countries = &self.settings.residency.countries;
        if self.to.to.country() != regions.primary.country()
            && let Some(residency) = sub_or_new(root, "residency")
            && !residency.contains_key("countries")
        {
            let countries: Array = countries.iter().map(ToString::to_string).collect();
            set(residency, "countries", countries.into());
        }
        if let Some(table) = sub(root, "regions") {
            set(table, "primary", self.to.to.as_str().into());
            set(table, "dr", dr.as_str().into());
        }
    }

    fn state(&self, table: &mut dyn TableLike) -> Result<(), CommittedError> {
        let state = &self.settings.state;
        let StateDr::Replicated(replica) = &state.dr else {
            return Err(CommittedError::Text(
                "the state has no copy, so that the environment cannot be anywhere else".to_owned(),
            ));
        };
        let own_table = match &replica.locks {
            ReplicaLocks::OwnTable(table) => Some(table),
            ReplicaLocks::GlobalTable | ReplicaLocks::None => None,
        };
        table.remove("old_lock_table");
        // Those of the region that serves, and of the one that is left.
        let ((here, there), (lock, other_lock), (key, other_key)) = if self.swaps {
            (
                (&replica.bucket, &state.bucket),
                (own_table, state.lock_table.as_ref()),
                (&replica.encryption, &state.encryption),
            )
        } else {
            (
                (&state.bucket, &replica.bucket),
                (state.lock_table.as_ref(), own_table),
                (&state.encryption, &replica.encryption),
            )
        };
        set(table, "bucket", here.as_str().into());
        if let Some(lock) = lock {
            set(table, "lock_table", lock.as_str().into());
        }
        let field = match key {
            Encryption::Aes256 => None,
            Encryption::Kms(key) => Some(("kms", key)),
            Encryption::Dsse(key) => Some(("dsse", key)),
        };
        if let Some((field, key)) = field
            && let Some(encryption) = sub(table, "encryption")
        {
            set(encryption, field, key.as_str().into());
        }
        let copy = sub(table, "dr").ok_or_else(|| {
            CommittedError::Text("state.dr is no table of the file itself".to_owned())
        })?;
        let Some(dr) = &self.to.dr else {
            set(copy, "bucket", there.as_str().into());
            if let (Some(other), Some(_)) = (other_lock, own_table) {
                set(copy, "lock_table", other.as_str().into());
            }
            if let Some(key) = other_key.kms_key() {
                set(copy, "kms", key.as_str().into());
            }
            if let Some(topics) = &replica.alarms
                && let Some(alarms) = sub(copy, "alarms")
                && self.swaps
            {
                set(alarms, "topic", topics.dr_topic.as_str().into());
                set(alarms, "dr_topic", topics.topic.as_str().into());
            }
            return Ok(());
        };
        let bucket: BucketName = named(there.as_str(), dr)?;
        set(copy, "bucket", bucket.as_str().into());
        if let (Some(other), Some(_)) = (other_lock, own_table) {
            let table: TableName = named(other.as_str(), dr)?;
            set(copy, "lock_table", table.as_str().into());
        }
        // The role of before is that of a region that may come back.
        let role: RoleName = named(self.without_region(replica.role.as_str()), dr)?;
        set(copy, "role", role.as_str().into());
        if let Some(batch) = &replica.batch_role {
            let role: RoleName = named(self.without_region(batch.as_str()), dr)?;
            set(copy, "batch_role", role.as_str().into());
        }
        if key.kms_key().is_some() {
            set(copy, "kms", self.key("the state", dr)?.as_str().into());
        }
        match (&replica.alarms, &dr.topic) {
            (Some(topics), Some(topic)) => {
                let here = match self.swaps {
                    true => &topics.dr_topic,
                    false => &topics.topic,
                };
                if let Some(alarms) = sub(copy, "alarms") {
                    set(alarms, "topic", here.as_str().into());
                    set(alarms, "dr_topic", topic.as_str().into());
                }
            }
            _ => drop(copy.remove("alarms")),
        }
        Ok(())
    }

    /// What was called after the region that serves, by an earlier commit.
    fn without_region<'n>(&self, name: &'n str) -> &'n str {
        let ending = format!("-{}", self.to.to);
        name.strip_suffix(&ending).unwrap_or(name)
    }

    fn key<'d>(&self, what: &str, dr: &'d NewDr) -> Result<&'d KmsKeyArn, CommittedError> {
        dr.kms.as_ref().ok_or_else(|| CommittedError::KeyMissing {
            what: what.to_owned(),
            region: dr.region,
        })
    }

    fn bucket(
        &self,
        table: &mut dyn TableLike,
        bucket: &crate::Bucket,
    ) -> Result<(), CommittedError> {
        let ((here, owner), (there, other_owner)) = if self.swaps {
            (
                (&bucket.dr, &bucket.dr_owner),
                (&bucket.name, &bucket.owner),
            )
        } else {
            (
                (&bucket.name, &bucket.owner),
                (&bucket.dr, &bucket.dr_owner),
            )
        };
        set(table, "name", here.as_str().into());
        let text = |owner: &Option<crate::AccountId>| owner.as_ref().map(|id| id.as_str().into());
        set_or_remove(table, "owner", text(owner));
        let Some(dr) = &self.to.dr else {
            set(table, "dr", there.as_str().into());
            set_or_remove(table, "dr_owner", text(other_owner));
            return Ok(());
        };
        let copy: BucketName = named(there.as_str(), dr)?;
        set(table, "dr", copy.as_str().into());
        table.remove("dr_owner");
        Ok(())
    }

    fn database(
        &self,
        table: &mut dyn TableLike,
        database: &crate::Database,
    ) -> Result<(), CommittedError> {
        let key = |key: Option<&KmsKeyArn>| key.map(|key| key.as_str().into());
        let failback = database.failback.as_ref();
        let home = failback.and_then(|failback| failback.kms.as_ref());
        if self.swaps {
            set(table, "id", database.dr_id.as_str().into());
            set(table, "dr_id", database.id.as_str().into());
            // Rows name objects of what was the copy.
            if let (Some(integrity), Some(of)) = (sub(table, "integrity"), &database.integrity) {
                let tables = tables(integrity, "objects").into_iter();
                for (table, rows) in tables.zip(&of.objects) {
                    let mut buckets = self.settings.buckets.iter();
                    if let Some(pair) = buckets.find(|pair| pair.name == rows.bucket) {
                        set(table, "bucket", pair.dr.as_str().into());
                    }
                }
            }
            // What the instance that serves was restored with is what it would come back to.
            let restore = table.remove("restore");
            let old = sub_or_new(table, "failback").and_then(|failback| {
                let old = failback.remove("restore");
                if let Some(restore) = restore {
                    failback.insert("restore", restore);
                }
                set_or_remove(failback, "kms", key(database.kms.as_ref()));
                old
            });
            if let (None, Some(old)) = (&self.to.dr, old) {
                table.insert("restore", old);
            }
        }
        let Some(dr) = &self.to.dr else {
            if self.swaps {
                set_or_remove(table, "kms", key(home));
            }
            return Ok(());
        };
        // Its groups and classes are those of the region that is left.
        table.remove("restore");
        let is_encrypted = database.kms.is_some() || home.is_some();
        let wanted = match is_encrypted {
            true => Some(self.key(database.id.as_str(), dr)?),
            false => dr.kms.as_ref(),
        };
        set_or_remove(table, "kms", key(wanted));
        Ok(())
    }

    /// The root modules: that of the region that serves is the one to come back to.
    fn environments(&self, root: &mut Table) {
        if self.swaps {
            let of = |root: &mut Table, table: &str, field: &str| {
                sub(root, table).and_then(|table| table.remove(field))
            };
            for field in ["terraform", "variables", "restored_database"] {
                let here = root.get("failover").and_then(|table| table.get(field));
                let here = here.cloned();
                let there = root.get("failback").and_then(|table| table.get(field));
                let there = there.cloned().filter(|_| self.to.dr.is_none());
                for (table, item) in [("failback", here), ("failover", there)] {
                    match item {
                        None => drop(of(root, table, field)),
                        Some(item) => {
                            if let Some(table) = sub_or_new(root, table) {
                                put(table, field, item);
                            }
                        }
                    }
                }
            }
        } else if let Some(failover) = sub(root, "failover") {
            for field in ["terraform", "variables", "restored_database"] {
                failover.remove(field);
            }
        }
        if let Some(failover) = sub(root, "failover") {
            failover.remove("marker_bucket");
        }
        if let Some(failback) = sub(root, "failback") {
            failback.remove("pilot_light");
        }
    }
}

/// The name of something in the new DR region.
fn named<T>(old: &str, dr: &NewDr) -> Result<T, CommittedError>
where
    T: std::str::FromStr<Err = NameError>,
{
    let name = format!("{old}-{}", dr.region);
    name.parse().map_err(|problem| CommittedError::Name {
        old: old.to_owned(),
        problem,
    })
}

fn sub<'t>(table: &'t mut dyn TableLike, name: &str) -> Option<&'t mut dyn TableLike> {
    table.get_mut(name)?.as_table_like_mut()
}

/// A table of this name, made where there is none.
fn sub_or_new<'t>(table: &'t mut dyn TableLike, name: &str) -> Option<&'t mut dyn TableLike> {
    if !table.contains_key(name) {
        let mut new = Table::new();
        new.set_implicit(true);
        table.insert(name, Item::Table(new));
    }
    sub(table, name)
}

/// The tables of an array, in whichever way it is written.
fn tables<'t>(root: &'t mut dyn TableLike, name: &str) -> Vec<&'t mut dyn TableLike> {
    match root.get_mut(name) {
        Some(Item::ArrayOfTables(tables)) => tables
            .iter_mut()
            .map(|table| table as &mut dyn TableLike)
            .collect(),
        Some(Item::Value(Value::Array(values))) => values
            .iter_mut()
            .filter_map(|value| Some(value.as_inline_table_mut()? as &mut dyn TableLike))
            .collect(),
        _ => Vec::new(),
    }
}

/// Sets a value; what stands around the old one stays.
fn set(table: &mut dyn TableLike, name: &str, value: Value) {
    put(table, name, Item::Value(value));
}

fn put(table: &mut dyn TableLike, name: &str, item: Item) {
    let Some(there) = table.get_mut(name) else {
        table.insert(name, item);
        return;
    };
    let decor = there.as_value().map(|value| value.decor().clone());
    *there = item;
    if let (Some(decor), Some(value)) = (decor, there.as_value_mut()) {
        *value.decor_mut() = decor;
    }
}

fn set_or_remove(table: &mut dyn TableLike, name: &str, value: Option<Value>) {
    match value {
        Some(value) => set(table, name, value),
        None => drop(table.remove(name)),
    }
}

/// Writes out what was taken from Terraform's outputs.
fn write_outputs(root: &mut Table, settings: &Settings) -> Result<(), CommittedError> {
    let all = serde_json::to_value(settings);
    let all = all.map_err(|error| CommittedError::Text(error.to_string()))?;
    for taken in &settings.from_outputs {
        let pointer = taken.path.replace(['.', '['], "/").replace(']', "");
        let value = all.pointer(&format!("/{pointer}")).and_then(value_of);
        let written = value.and_then(|value| insert(root, &taken.path, value));
        if written.is_none() {
            return Err(CommittedError::Text(format!(
                "{} is of {} and has no place in the file",
                taken.path, taken.file
            )));
        }
    }
    Ok(())
}

fn value_of(json: &serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::String(text) => Some(text.as_str().into()),
        serde_json::Value::Array(texts) => {
            let texts: Option<Array> = texts.iter().map(|text| text.as_str()).collect();
            Some(texts?.into())
        }
        _ => None,
    }
}

fn insert(root: &mut Table, path: &str, value: Value) -> Option<()> {
    let mut fields: Vec<&str> = path.split('.').collect();
    let last = fields.pop()?;
    let mut table: &mut dyn TableLike = root;
    for field in fields {
        table = match field.split_once('[') {
            Some((name, index)) => {
                let index: usize = index.strip_suffix(']')?.parse().ok()?;
                tables(table, name).into_iter().nth(index)?
            }
            None => sub_or_new(table, field)?,
        };
    }
    set(table, last, value);
    Some(())
}
