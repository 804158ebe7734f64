use serde_json::Value;

/// RDS's events of a snapshot that is finished: a manual and an automated one
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html>, "DB snapshot events").
const FINISHED: [&str; 2] = ["RDS-EVENT-0042", "RDS-EVENT-0091"];

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Copy the snapshot of this ARN, or of this identifier where the event has no ARN.
    Snapshot(String),
    /// Copy the newest of every database, and prune.
    Tick,
    /// Nothing is asked for, for this reason.
    Nothing(String),
}

impl Event {
    /// Reads an event of EventBridge (of RDS, of a scheduled rule, or of EventBridge Scheduler), as it comes or through
    /// SNS, or the notification that an event subscription of RDS sends to SNS.
    pub fn read(event: &Value) -> Self {
        match event.get("Records").and_then(Value::as_array) {
            None => Self::of_event_bridge(event),
            Some(records) => match &records[..] {
                [record] => Self::of_record(record),
                _ => Self::Nothing(format!(
                    "{} records at once ask for nothing here",
                    records.len()
                )),
            },
        }
    }

    /// SNS hands Lambda one notification at a time. One of RDS names event and resource in its attributes, else in its body:
    /// there the event is the end of a link.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.TagsAttributesForFiltering.html>
    fn of_record(record: &Value) -> Self {
        let Some(notification) = record.get("Sns") else {
            return Self::Nothing("a record that is none of SNS asks for nothing here".to_owned());
        };
        let message = notification.get("Message").and_then(Value::as_str);
        let message = message.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let message = message.unwrap_or_default();
        if message.get("detail-type").is_some() {
            return Self::of_event_bridge(&message);
        }
        let attribute = |name: &str| {
            let value = notification.pointer(&format!("/MessageAttributes/{name}/Value"));
            value.and_then(Value::as_str)
        };
        let field = |name: &str| message.get(name).and_then(Value::as_str);
        let linked = field("Event ID").and_then(|link| link.rsplit('#').next());
        let resource = attribute("Resource").or_else(|| field("Source ARN"));
        match attribute("EventID").or(linked) {
            Some(id) => Self::of_rds(id, resource.or_else(|| field("Source ID")).unwrap_or("")),
            None => Self::Nothing(
                "a notification of SNS that is none of RDS asks for nothing here".to_owned(),
            ),
        }
    }

    fn of_event_bridge(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let (source, kind) = (text("/source"), text("/detail-type"));
        match (source, kind) {
            ("aws.events" | "aws.scheduler", "Scheduled Event") => Self::Tick,
            ("aws.rds", "RDS DB Snapshot Event") => {
                Self::of_rds(text("/detail/EventID"), text("/detail/SourceArn"))
            }
            _ => Self::Nothing(format!(
                "an event {kind:?} from {source:?} asks for nothing here"
            )),
        }
    }

    fn of_rds(id: &str, snapshot: &str) -> Self {
        if !FINISHED.contains(&id) {
            return Self::Nothing(format!("{id:?} is no event of a finished snapshot"));
        }
        if snapshot.is_empty() {
            return Self::Nothing("the event names no snapshot".to_owned());
        }
        Self::Snapshot(snapshot.to_owned())
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
        let through_sns = |message: String, attributes: Value| json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message, "MessageAttributes": attributes}}]});
        let wrapped = through_sns(snapshot("RDS-EVENT-0091").to_string(), json!({}));
        assert_eq!(Event::read(&wrapped), Event::Snapshot(arn.to_owned()));
        let attributes = |id: &str| {
            json!({
                "EventID": {"Type": "String", "Value": id},
                "Resource": {"Type": "String", "Value": arn},
            })
        };
        // What the body says is for people.
        let subscribed = through_sns(
            json!({"Event Source": "db-snapshot"}).to_string(),
            attributes("RDS-EVENT-0042"),
        );
        assert_eq!(Event::read(&subscribed), Event::Snapshot(arn.to_owned()));
        // Without attributes the body has to do: the event at the end of a link, and the ARN, which older ones have not.
        let body = |event: &str, kind: &str, arn: &str| {
            let link = format!(
                "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{event}"
            );
            let body =
                json!({"Event Source": kind, "Source ID": "rds:my-db-snapshot", "Event ID": link});
            let mut body = body.as_object().unwrap().clone();
            if !arn.is_empty() {
                body.insert("Source ARN".to_owned(), json!(arn));
            }
            through_sns(Value::Object(body).to_string(), json!({}))
        };
        for event in FINISHED {
            let read = Event::read(&body(event, "db-snapshot", arn));
            assert_eq!(read, Event::Snapshot(arn.to_owned()));
            let read = Event::read(&body(event, "db-snapshot", ""));
            assert_eq!(read, Event::Snapshot("rds:my-db-snapshot".to_owned()));
        }
        for (ignored, why) in [
            (
                body("RDS-EVENT-0169", "db-cluster-snapshot", arn),
                "RDS-EVENT-0169",
            ),
            (
                through_sns("{}".to_owned(), attributes("RDS-EVENT-0041")),
                "RDS-EVENT-0041",
            ),
            (through_sns("hello".to_owned(), json!({})), "none of RDS"),
            (
                json!({"Records": [{"eventSource": "aws:s3"}]}),
                "none of SNS",
            ),
            (json!({"Records": []}), "0 records"),
        ] {
            let read = Event::read(&ignored);
            assert!(
                matches!(&read, Event::Nothing(said) if said.contains(why)),
                "{read:?}"
            );
        }
        for source in ["aws.events", "aws.scheduler"] {
            let tick = json!({"detail-type": "Scheduled Event", "source": source, "detail": {}});
            assert_eq!(Event::read(&tick), Event::Tick);
        }
    }
}
