//! What names and tags say of a resource.

use settings::Settings;

use crate::wanted::Wanted;

/// Words by which people name what a resource is for.
pub(super) const DATABASE: &[&str] = &["rds", "db", "database", "postgres", "pg", "sql"];
pub(super) const CACHE: &[&str] = &["redis", "cache", "elasticache", "valkey"];
pub(super) const BALANCER: &[&str] = &["alb", "elb", "lb", "balancer", "ingress", "edge"];
pub(super) const TASKS: &[&str] = &[
    "ecs", "task", "tasks", "app", "service", "fargate", "api", "workload",
];
pub(super) const PUBLIC: &[&str] = &["public", "pub", "dmz"];
pub(super) const PRIVATE: &[&str] = &["private", "priv", "internal", "data", "isolated"];
pub(super) const LOGS: &[&str] = &["logs", "log", "logging", "access"];

/// Whether a name has one of `words` in it: a short one by itself, a longer one as part of another.
pub(super) fn says(name: &str, words: &[&str]) -> bool {
    let name = name.to_lowercase();
    let tokens: Vec<&str> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    words.iter().any(|word| match word.len() {
        0..4 => tokens.contains(word),
        _ => name.contains(word),
    })
}

/// How names and tags tell that a resource is of the environment.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    project: String,
    environment: String,
    tags: Vec<(String, String)>,
}

impl Ours {
    pub(super) fn new(settings: &Settings) -> Self {
        let tags = Wanted::new(settings).tags.into_iter();
        let tags = tags.filter(|(key, _)| {
            key.eq_ignore_ascii_case("project") || key.eq_ignore_ascii_case("environment")
        });
        Self {
            project: plain(settings.project.as_ref()),
            environment: plain(settings.environment.as_ref()),
            tags: tags.collect(),
        }
    }

    /// Whether a name has project and environment in it.
    pub(super) fn names(&self, name: &str) -> bool {
        let name = plain(name);
        name.contains(&self.project) && name.contains(&self.environment)
    }

    /// Whether tags say project and environment.
    pub(super) fn tags<'t>(&self, tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> bool {
        let tags: Vec<(&str, &str)> = tags.into_iter().collect();
        let has = |(key, value): &(String, String)| {
            tags.iter()
                .any(|(found, of)| found.eq_ignore_ascii_case(key) && of == value)
        };
        !self.tags.is_empty() && self.tags.iter().all(has)
    }
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
