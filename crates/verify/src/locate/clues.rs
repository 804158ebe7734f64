//! What speaks for a resource having a role, weighed.

use std::collections::{BTreeMap, BTreeSet};

use report::finding::Unobserved;

use super::{Located, Origin};

/// For each role the resources that may have it. No resource gets two of the roles that are settled together.
#[derive(Debug, Default)]
pub(super) struct Clues(BTreeMap<&'static str, BTreeMap<String, Weight>>);

#[derive(Debug, Default)]
struct Weight {
    sum: u32,
    why: Vec<String>,
}

impl Clues {
    /// `why` speaks for `id` having `role`.
    pub(super) fn add(
        &mut self,
        role: &'static str,
        id: impl Into<String>,
        weight: u32,
        why: impl Into<String>,
    ) {
        let it = self
            .0
            .entry(role)
            .or_default()
            .entry(id.into())
            .or_default();
        it.sum += weight;
        it.why.push(why.into());
    }

    /// The same where `holds`.
    pub(super) fn add_if(
        &mut self,
        holds: bool,
        role: &'static str,
        id: &str,
        weight: u32,
        why: &str,
    ) {
        if holds {
            self.add(role, id, weight, why);
        }
    }

    /// Gives each role to the resource for which most speaks. Where as much speaks for another, nobody knows which is
    /// meant.
    pub(super) fn settle(self, origin: Origin, located: &mut Located) {
        let mut all: Vec<(u32, &'static str, String, String)> = Vec::new();
        for (role, ids) in self.0 {
            if located.is_open(role) {
                let weighed = ids
                    .into_iter()
                    .map(|(id, weight)| (weight.sum, role, id, weight.why.join(", ")));
                all.extend(weighed);
            }
        }
        all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)).then(a.2.cmp(&b.2)));
        let mut given: BTreeSet<String> = BTreeSet::new();
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        for (weight, role, id, why) in &all {
            if settled.contains(role) || given.contains(id) {
                continue;
            }
            let rival = all.iter().find(|(sum, of, other, _)| {
                sum == weight && of == role && other != id && !given.contains(other)
            });
            settled.insert(role);
            match rival {
                Some((_, _, other, _)) => located.lack(
                    role,
                    Unobserved::because(format!(
                        "{id} and {other} may both be it ({why}): [resources] of infra.toml can name {role}"
                    )),
                ),
                None => {
                    given.insert(id.clone());
                    located.set(role, id.clone(), origin, why.clone());
                }
            }
        }
    }
}
