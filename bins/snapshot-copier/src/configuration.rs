use std::str::FromStr;

use settings::{CopiesKept, DbIdentifier, KmsKeyArn, Region, Tags};

/// What the function's environment variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// `SOURCE_REGION`: where the databases are.
    pub source: Region,
    /// `TARGET_REGION`: where copies go.
    pub target: Region,
    /// `TARGET_KMS_KEY`: a key of the target region; empty for none.
    pub key: Option<KmsKeyArn>,
    /// `DATABASES`: identifiers, with commas between.
    pub databases: Vec<DbIdentifier>,
    /// `KEEP_LAST` and `KEEP_DAYS`; 7 each unless set.
    pub kept: CopiesKept,
    /// `TAGS`: what copies are tagged with, as a JSON object; none unless set.
    pub tags: Tags,
}

/// An environment variable that is missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name} is wrong: {problem}")]
pub struct ConfigurationError {
    /// Name of the variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Configuration {
    /// Reads it by `variable`.
    ///
    /// # Errors
    /// At the first variable that is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variables = Variables(variable);
        let source: Region = variables.parsed("SOURCE_REGION")?;
        let target: Region = variables.parsed("TARGET_REGION")?;
        if source == target {
            let problem = format!("it is {target}, as SOURCE_REGION");
            return Err(wrong("TARGET_REGION", problem));
        }
        let default = CopiesKept::default();
        Ok(Self {
            source,
            target,
            key: variables.key("TARGET_KMS_KEY", target)?,
            databases: variables.databases("DATABASES")?,
            kept: CopiesKept {
                keep_last: variables.number("KEEP_LAST", 1, default.keep_last)?,
                keep_days: variables.number("KEEP_DAYS", 0, default.keep_days)?,
            },
            tags: variables.tags("TAGS")?,
        })
    }
}

fn wrong(name: &'static str, problem: impl ToString) -> ConfigurationError {
    let problem = problem.to_string();
    ConfigurationError { name, problem }
}

/// Environment variables, one by one.
struct Variables<V>(V);

impl<V: Fn(&str) -> Option<String>> Variables<V> {
    /// One that is empty is not set.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.0(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigurationError> {
        self.text(name).ok_or_else(|| wrong(name, "it is not set"))
    }

    fn parsed<T: FromStr<Err: ToString>>(
        &self,
        name: &'static str,
    ) -> Result<T, ConfigurationError> {
        let value = self.required(name)?;
        value.parse().map_err(|error: T::Err| wrong(name, error))
    }

    fn key(
        &self,
        name: &'static str,
        target: Region,
    ) -> Result<Option<KmsKeyArn>, ConfigurationError> {
        if self.text(name).is_none() {
            return Ok(None);
        }
        let key: KmsKeyArn = self.parsed(name)?;
        if key.region() != target {
            let problem = format!("the key lies in {}, not in {target}", key.region());
            return Err(wrong(name, problem));
        }
        Ok(Some(key))
    }

    fn databases(&self, name: &'static str) -> Result<Vec<DbIdentifier>, ConfigurationError> {
        let databases = self
            .required(name)?
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<DbIdentifier>, settings::NameError>>()
            .map_err(|error| wrong(name, error))?;
        if databases.is_empty() {
            return Err(wrong(name, "it names none"));
        }
        Ok(databases)
    }

    fn tags(&self, name: &'static str) -> Result<Tags, ConfigurationError> {
        match self.text(name) {
            Some(text) => serde_json::from_str(&text).map_err(|error| wrong(name, error)),
            None => Ok(Tags::default()),
        }
    }

    fn number(
        &self,
        name: &'static str,
        least: u32,
        default: u32,
    ) -> Result<u32, ConfigurationError> {
        let Some(value) = self.text(name) else {
            return Ok(default);
        };
        match value.parse::<u32>() {
            Ok(number) if number >= least => Ok(number),
            _ => Err(wrong(
                name,
                format!("{value:?} is not a number from {least}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn read(changes: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
        let good = [
            ("SOURCE_REGION", "ca-central-1"),
            ("TARGET_REGION", "us-east-1"),
            ("TARGET_KMS_KEY", ""),
            ("DATABASES", "app, Other ,"),
        ];
        Configuration::read(|name| {
            let all = changes.iter().chain(&good);
            all.into_iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn read_of_variables_that_are_not_set_takes_defaults_or_fails() {
        let configuration = read(&[]).unwrap();
        let databases: Vec<_> = configuration
            .databases
            .iter()
            .map(|id| id.as_str())
            .collect();
        assert_eq!(databases, ["app", "other"]);
        assert_eq!(configuration.key, None);
        assert_eq!(configuration.kept, CopiesKept::default());
        assert!(configuration.tags.is_empty());
        let configuration = read(&[
            ("TARGET_KMS_KEY", KEY),
            ("KEEP_LAST", "3"),
            ("KEEP_DAYS", "0"),
            ("TAGS", r#"{"Owner":"platform","Project":"x"}"#),
        ]);
        let configuration = configuration.unwrap();
        assert_eq!(configuration.key.unwrap().as_str(), KEY);
        assert_eq!(
            (configuration.kept.keep_last, configuration.kept.keep_days),
            (3, 0)
        );
        assert_eq!(configuration.tags.get("Owner"), Some("platform"));
    }

    #[test]
    fn read_of_a_wrong_variable_names_it() {
        for (name, value) in [
            ("SOURCE_REGION", ""),
            ("SOURCE_REGION", "ca-centrl-1"),
            ("TARGET_REGION", "ca-central-1"),
            ("TARGET_KMS_KEY", "alias/aws/rds"),
            ("DATABASES", " , "),
            ("DATABASES", "1app"),
            ("KEEP_LAST", "0"),
            ("KEEP_DAYS", "-1"),
            ("TAGS", "Owner=platform"),
            ("TAGS", r#"{"aws:x":"y"}"#),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
        // aws-behaviour: 28
        let elsewhere = KEY.replace("us-east-1", "ca-central-1");
        let error = read(&[("TARGET_KMS_KEY", &elsewhere)]).unwrap_err();
        assert!(error.to_string().contains("not in us-east-1"), "{error}");
    }
}
