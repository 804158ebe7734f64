use std::collections::BTreeMap;

use super::{Finder, Saving, Tip, addresses};
use crate::inventory::Resource;

const DATABASE: &str = "aws_db_instance";

/// Families of Intel and AMD, and those of Graviton that do the same work.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Types.html>
const FAMILIES: &[(&str, &str)] = &[
    ("m5", "m6g"),
    ("m6i", "m7g"),
    ("r5", "r6g"),
    ("r6i", "r7g"),
    ("t3", "t4g"),
];

/// The class on Graviton, if this one is not: `db.t3.large` is `db.t4g.large` there.
fn on_graviton(class: &str) -> Option<String> {
    let mut parts = class.splitn(3, '.');
    let (kind, family, size) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, other) = FAMILIES.iter().find(|(of, _)| *of == family)?;
    Some(format!("{kind}.{other}.{size}"))
}

/// What the class of a database is called.
const CLASS: &str = "instance_class";

/// As assignments, by what each attribute is called there.
fn changes(wanted: &BTreeMap<&str, String>, called: impl Fn(&str) -> &str) -> String {
    let each = wanted
        .iter()
        .map(|(attribute, class)| format!("{} = \"{class}\"", called(attribute)));
    each.collect::<Vec<_>>().join(", ")
}

/// What the class of a resource is called.
fn class_of(resource: &Resource) -> Option<&'static str> {
    match resource.kind.as_str() {
        DATABASE => Some(CLASS),
        "aws_elasticache_replication_group" | "aws_elasticache_cluster" => Some("node_type"),
        _ => None,
    }
}

impl Finder<'_> {
    /// Graviton instead of Intel or AMD, for databases and caches.
    pub(super) fn graviton(&mut self) {
        let name = "Run databases and caches on Graviton";
        let other = |resource: &Resource| {
            let attribute = class_of(resource)?;
            let class = on_graviton(resource.attributes.text(attribute)?)?;
            Some((attribute, class))
        };
        let old = |resource: &&Resource| other(resource).is_some();
        // The guide's environment has one database and one cache; of several the first stands for its kind.
        let wanted: BTreeMap<&str, String> = self
            .inventory
            .resources
            .iter()
            .rev()
            .filter_map(other)
            .collect();
        let changing = addresses(self.inventory.resources.iter().filter(old));
        if changing.is_empty() {
            return;
        }
        let changed = self.with(|resource| {
            if let Some((attribute, class)) = other(resource) {
                resource.attributes = resource.attributes.clone().with(attribute, class);
            }
        });
        let options = self.options;
        if let Some(Saving { saves, trust }) = self.saving(name, &changed, options) {
            self.tip(Tip {
                name: name.to_owned(),
                resources: changing,
                saves,
                trust,
                how: "classes of the same size with AWS's own processors cost about a tenth less"
                    .to_owned(),
                risk: "PostgreSQL, MySQL and Redis run the same there; the instance restarts for the change, with a failover when it is Multi-AZ"
                    .to_owned(),
                change: changes(&wanted, |attribute| attribute),
                expect: Some(changes(&wanted, |attribute| match attribute {
                    CLASS => "db_class",
                    _ => "redis_node_type",
                })),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graviton_class_keeps_the_size_and_what_is_there_already() {
        assert_eq!(on_graviton("db.t3.large").as_deref(), Some("db.t4g.large"));
        assert_eq!(
            on_graviton("cache.r5.2xlarge").as_deref(),
            Some("cache.r6g.2xlarge")
        );
        for class in ["db.t4g.medium", "db.x2iedn.large", "db", ""] {
            assert_eq!(on_graviton(class), None, "{class}");
        }
    }
}
