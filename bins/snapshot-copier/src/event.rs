use serde_json::Value;

/// RDS's events of a snapshot that is finished: a manual and an automated one
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html>, "DB snapshot events").
const FINISHED: [&str; 2] = ["RDS-EVENT-0042", "RDS-EVENT-0091"];

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Copy the snapshot of this ARN.
    Snapshot(String),
    /// Copy the newest of every database, and prune.
    Tick,
    /// Nothing is asked for, for this reason.
    Nothing(String),
}

impl Event {
    /// Reads an event of EventBridge: of RDS, of a scheduled rule, or of EventBridge Scheduler.
    pub fn read(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let (source, kind) = (text("/source"), text("/detail-type"));
        match (source, kind) {
            ("aws.events" | "aws.scheduler", "Scheduled Event") => Self::Tick,
            ("aws.rds", "RDS DB Snapshot Event") => {
                let (id, arn) = (text("/detail/EventID"), text("/detail/SourceArn"));
                if !FINISHED.contains(&id) {
                    return Self::Nothing(format!("{id:?} is no event of a finished snapshot"));
                }
                if arn.is_empty() {
                    return Self::Nothing("the event names no snapshot".to_owned());
                }
                Self::Snapshot(arn.to_owned())
            }
            _ => Self::Nothing(format!(
                "an event {kind:?} from {source:?} asks for nothing here"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn read_of_an_event_finds_what_it_asks_for() {
        let arn = "arn:aws:rds:us-east-1:123456789012:snapshot:rds:my-db-snapshot";
        let snapshot = |id: &str| {
            json!({
                "detail-type": "RDS DB Snapshot Event",
                "source": "aws.rds",
                "detail": {"SourceArn": arn, "EventID": id},
            })
        };
        for id in FINISHED {
            assert_eq!(Event::read(&snapshot(id)), Event::Snapshot(arn.to_owned()));
        }
        for ignored in [
            snapshot("RDS-EVENT-0041"),
            snapshot(""),
            json!({"detail-type": "RDS DB Instance Event", "source": "aws.rds"}),
            json!({"detail-type": "RDS DB Snapshot Event", "source": "aws.rds", "detail": {"EventID": "RDS-EVENT-0042"}}),
            json!({"detail-type": "Scheduled Event", "source": "me"}),
            json!({}),
            json!(null),
            json!([1, "x"]),
        ] {
            assert!(
                matches!(Event::read(&ignored), Event::Nothing(_)),
                "{ignored}"
            );
        }
        for source in ["aws.events", "aws.scheduler"] {
            let tick = json!({"detail-type": "Scheduled Event", "source": source, "detail": {}});
            assert_eq!(Event::read(&tick), Event::Tick);
        }
    }
}
