//! IAM policy documents, compared by meaning: AWS reorders keys, and writes a list of one as a
//! plain string.

use serde_json::{Map, Value, json};

/// A form in which two documents that mean the same are equal.
pub(crate) fn normalise(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_str());
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(key, value)| (key.clone(), normalise(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normalise).collect();
            items.sort_by_key(Value::to_string);
            match items.as_slice() {
                [one] => one.clone(),
                _ => Value::Array(items),
            }
        }
        Value::Bool(flag) => json!(flag.to_string()),
        other => other.clone(),
    }
}

/// Whether two policies, statements or conditions mean the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    normalise(a) == normalise(b)
}

/// The statements of a policy; a single one may stand without a list.
pub(crate) fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    }
}

/// Every resource that a policy names.
pub(crate) fn resources(policy: &Value) -> Vec<String> {
    let mut resources = Vec::new();
    for statement in statements(policy) {
        match &statement["Resource"] {
            Value::Array(several) => {
                resources.extend(several.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            Value::String(one) => resources.push(one.clone()),
            _ => {}
        }
    }
    resources
}

/// Keys of conditions whose values are passwords in effect: whoever knows them is let in.
const SECRET_KEYS: [&str; 3] = ["aws:referer", "aws:useragent", "sts:externalid"];

/// `value`, in which there may be policies, without the secrets of their conditions.
pub(crate) fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let shown = map.iter().map(|(key, value)| {
                let secret = SECRET_KEYS.iter().any(|of| key.eq_ignore_ascii_case(of));
                let value = match secret {
                    true => json!("{hidden}"),
                    false => without_secrets(value),
                };
                (key.clone(), value)
            });
            Value::Object(shown.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

/// Added to the `Sid` of our statement when somebody else's has it.
const OURS: &str = "ByInitBackend";

/// `policy` with `statement` added; every other statement is kept, one with the same `Sid` too.
pub(crate) fn with_statement(policy: Option<Value>, statement: &Value) -> Value {
    let mut policy = policy.unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
    let mut statement = statement.clone();
    let mut kept: Vec<Value> = statements(&policy).into_iter().cloned().collect();
    if let (true, Some(sid)) = (
        kept.iter()
            .any(|old| old.get("Sid") == statement.get("Sid")),
        statement["Sid"].as_str(),
    ) {
        let sid = format!("{sid}{OURS}");
        kept.retain(|old| old["Sid"] != sid);
        statement["Sid"] = json!(sid);
    }
    kept.push(statement);
    policy["Statement"] = Value::Array(kept);
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_lists_of_one_mean_nothing() {
        let a =
            json!({"Action": ["s3:b", "s3:a"], "Resource": ["x"], "C": {"Bool": {"t": "false"}}});
        let b = json!({"C": {"Bool": {"t": false}}, "Resource": "x", "Action": ["s3:a", "s3:b"]});
        assert!(same(&a, &b));
        assert!(!same(&a, &json!({"Action": "s3:a", "Resource": "x"})));
    }

    #[test]
    fn every_statement_of_others_is_kept_even_one_with_our_name() {
        let statement = json!({"Sid": "Tls", "Effect": "Deny"});
        let theirs = json!({"Sid": "Tls", "Effect": "Allow"});
        let policy = json!({"Id": "x", "Statement": [{"Sid": "Other"}, theirs]});
        let merged = with_statement(Some(policy), &statement);
        let wanted =
            json!([{"Sid": "Other"}, theirs, {"Sid": "TlsByInitBackend", "Effect": "Deny"}]);
        assert_eq!(
            (&merged["Id"], &merged["Statement"]),
            (&json!("x"), &wanted)
        );
        assert_eq!(
            with_statement(Some(merged), &statement)["Statement"],
            wanted,
            "once only"
        );
        let single = json!({"Statement": {"Sid": "Other"}});
        assert_eq!(
            statements(&with_statement(Some(single), &statement)).len(),
            2
        );
        assert_eq!(statements(&with_statement(None, &statement)), [&statement]);
    }
}
