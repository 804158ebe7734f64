//! What terraform tells while it works: the lines of `-json`.
//! <https://developer.hashicorp.com/terraform/internals/machine-readable-ui>

use std::time::Duration;

use report::{Observer, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::plan::Action;

/// One line of progress. What provisioners print and what outputs hold is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first line: which terraform speaks.
    Version {
        /// As in `1.11.4`.
        terraform: String,
    },
    /// Words for people about what goes on.
    Message {
        /// Terraform's own words.
        text: String,
    },
    /// A resource has changed outside terraform.
    Drifted {
        /// The resource.
        address: String,
        /// How.
        action: Action,
    },
    /// The plan has a change of a resource.
    Planned {
        /// The resource.
        address: String,
        /// What is to be done.
        action: Action,
    },
    /// How many changes a plan has, or an apply made.
    Counted(ChangeCounts),
    /// A resource is being read.
    Refreshing {
        /// The resource.
        address: String,
    },
    /// A resource is being changed.
    Started {
        /// The resource.
        address: String,
        /// What is done.
        action: Action,
    },
    /// It still is.
    Waiting {
        /// The resource.
        address: String,
        /// Since it began.
        elapsed: Duration,
    },
    /// It is done.
    Completed {
        /// The resource.
        address: String,
        /// What was done.
        action: Action,
        /// What the provider calls it, as in its attribute `id`; `None` of a resource without one.
        id: Option<String>,
        /// Since it began.
        elapsed: Duration,
    },
    /// It failed; a diagnostic says why.
    Errored {
        /// The resource.
        address: String,
        /// What was to be done.
        action: Action,
        /// Since it began.
        elapsed: Duration,
    },
    /// A warning or an error.
    Diagnostic(Diagnostic),
    /// A line of a kind that has no place here.
    Other {
        /// Its `type`.
        kind: String,
    },
    /// A line that is no JSON: `init` writes some even with `-json`.
    Text(String),
}

/// How many resources change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Created, replacements included.
    #[serde(default)]
    pub add: usize,
    /// Changed in place.
    #[serde(default)]
    pub change: usize,
    /// Taken into the state.
    #[serde(default)]
    pub import: usize,
    /// Deleted, replacements included.
    #[serde(default)]
    pub remove: usize,
}

impl ChangeCounts {
    /// Whether nothing changes.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "@message", default)]
    message: String,
    #[serde(default)]
    terraform: String,
    change: Option<Hook>,
    hook: Option<Hook>,
    changes: Option<ChangeCounts>,
    diagnostic: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Hook {
    resource: Address,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    id_value: Option<String>,
    #[serde(default)]
    elapsed_seconds: Value,
}

#[derive(Deserialize)]
struct Address {
    addr: String,
}

impl Event {
    /// From one line of output.
    pub fn from_line(line: &str) -> Self {
        let Ok(mut line) = serde_json::from_str::<Line>(line) else {
            return Self::Text(line.to_owned());
        };
        let other = Self::Other {
            kind: line.kind.clone(),
        };
        match line.kind.as_str() {
            "version" => Self::Version {
                terraform: line.terraform,
            },
            "log" | "init_output" => Self::Message { text: line.message },
            "diagnostic" => line.diagnostic.take().map_or(other, Self::Diagnostic),
            "change_summary" => line.changes.map_or(other, Self::Counted),
            "resource_drift" | "planned_change" | "apply_start" | "apply_progress"
            | "apply_complete" | "apply_errored" | "refresh_start" => line.of_resource(other),
            _ => other,
        }
    }
}

impl Line {
    fn of_resource(self, other: Event) -> Event {
        let Some(hook) = self.change.or(self.hook) else {
            return other;
        };
        let address = hook.resource.addr;
        // A whole number in terraform 1.11, a fraction in the documents.
        let seconds = hook.elapsed_seconds.as_f64().unwrap_or_default();
        let elapsed = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let action = hook.action.unwrap_or(Action::NoOp);
        match self.kind.as_str() {
            "resource_drift" => Event::Drifted { address, action },
            "planned_change" => Event::Planned { address, action },
            "apply_start" => Event::Started { address, action },
            "apply_progress" => Event::Waiting { address, elapsed },
            "apply_complete" => Event::Completed {
                address,
                action,
                id: hook.id_value,
                elapsed,
            },
            "apply_errored" => Event::Errored {
                address,
                action,
                elapsed,
            },
            "refresh_start" => Event::Refreshing { address },
            _ => other,
        }
    }
}

/// Hands an event on to an observer of progress: a resource that is changed is a step of its address's name.
pub fn observe(event: &Event, observer: &dyn Observer) {
    match event {
        Event::Started { address, .. } => observer.started(address),
        Event::Waiting { address, elapsed } => {
            observer.waiting(address, &format!("{} s", elapsed.as_secs()));
        }
        Event::Completed {
            address, elapsed, ..
        } => observer.finished(address, Outcome::Done, *elapsed),
        Event::Errored {
            address, elapsed, ..
        } => observer.finished(address, Outcome::Failed, *elapsed),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn event_from_line_understands_what_terraform_1_11_writes() {
        let resource = r#"{"addr":"terraform_data.a[\"x\"]","module":"","resource":"terraform_data.a[\"x\"]",
            "implied_provider":"terraform","resource_type":"terraform_data","resource_name":"a","resource_key":"x"}"#
            .replace('\n', "");
        let address = "terraform_data.a[\"x\"]".to_owned();
        let line = |kind: &str, rest: &str| {
            Event::from_line(&format!(
                r#"{{"@level":"info","@message":"words","@module":"terraform.ui","type":"{kind}"{rest}}}"#
            ))
        };
        assert_eq!(
            line(
                "planned_change",
                &format!(r#","change":{{"resource":{resource},"action":"replace"}}"#)
            ),
            Event::Planned {
                address: address.clone(),
                action: Action::Replace
            }
        );
        let hook = |kind: &str, rest: &str| {
            line(
                kind,
                &format!(r#","hook":{{"resource":{resource},"action":"create"{rest}}}"#),
            )
        };
        let action = Action::Create;
        assert_eq!(
            hook(
                "apply_complete",
                r#","id_key":"id","id_value":"vpc-1","elapsed_seconds":20"#
            ),
            Event::Completed {
                address: address.clone(),
                action: action.clone(),
                id: Some("vpc-1".to_owned()),
                elapsed: Duration::from_secs(20)
            }
        );
        assert_eq!(
            hook("apply_start", ""),
            Event::Started {
                address: address.clone(),
                action: action.clone()
            }
        );
        let elapsed = Duration::from_secs(20);
        assert_eq!(
            hook("apply_progress", r#","elapsed_seconds":20"#),
            Event::Waiting {
                address: address.clone(),
                elapsed
            }
        );
        assert_eq!(
            hook("apply_errored", r#","elapsed_seconds":20.0"#),
            Event::Errored {
                address,
                action,
                elapsed
            }
        );
        assert_eq!(
            line(
                "change_summary",
                r#","changes":{"add":1,"change":2,"import":0,"remove":3,"operation":"plan"}"#
            ),
            Event::Counted(ChangeCounts {
                add: 1,
                change: 2,
                import: 0,
                remove: 3
            })
        );
        assert_eq!(
            line("log", ""),
            Event::Message {
                text: "words".to_owned()
            }
        );
        for odd in ["provision_progress", "apply_start", "diagnostic", "sung"] {
            assert_eq!(
                line(odd, ""),
                Event::Other {
                    kind: odd.to_owned()
                }
            );
        }
        assert_eq!(
            Event::from_line("\u{1b}[32m"),
            Event::Text("\u{1b}[32m".to_owned())
        );
        assert_eq!(Event::from_line("[1]"), Event::Text("[1]".to_owned()));
    }

    #[test]
    fn observe_makes_each_changed_resource_a_step() {
        #[derive(Default)]
        struct Seen(Mutex<Vec<String>>);

        impl Observer for Seen {
            fn started(&self, label: &str) {
                self.0.lock().unwrap().push(format!("started {label}"));
            }

            fn waiting(&self, label: &str, detail: &str) {
                self.0
                    .lock()
                    .unwrap()
                    .push(format!("waiting {label}: {detail}"));
            }

            fn finished(&self, label: &str, outcome: Outcome, took: Duration) {
                let line = format!("{outcome:?} {label} after {took:?}");
                self.0.lock().unwrap().push(line);
            }
        }

        let seen = Seen::default();
        let (address, action) = ("a.b".to_owned(), Action::Update);
        let elapsed = Duration::from_secs(20);
        for event in [
            Event::Started {
                address: address.clone(),
                action: action.clone(),
            },
            Event::Waiting {
                address: address.clone(),
                elapsed,
            },
            Event::Completed {
                address: address.clone(),
                action: action.clone(),
                id: None,
                elapsed,
            },
            Event::Errored {
                address,
                action,
                elapsed,
            },
        ] {
            observe(&event, &seen);
        }
        assert_eq!(
            seen.0.into_inner().unwrap(),
            [
                "started a.b",
                "waiting a.b: 20 s",
                "Done a.b after 20s",
                "Failed a.b after 20s"
            ]
        );
    }
}
