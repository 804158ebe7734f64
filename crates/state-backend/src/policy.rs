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

/// `policy` with `statement` in it, in place of one with the same `Sid`; all others are kept.
pub(crate) fn with_statement(policy: Option<Value>, statement: &Value) -> Value {
    let mut policy = policy.unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
    let mut kept: Vec<Value> = statements(&policy)
        .into_iter()
        .filter(|old| old.get("Sid") != statement.get("Sid"))
        .cloned()
        .collect();
    kept.push(statement.clone());
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
    fn a_statement_replaces_its_namesake_and_keeps_the_rest() {
        let statement = json!({"Sid": "Tls", "Effect": "Deny"});
        let policy = json!({"Version": "2012-10-17", "Id": "x", "Statement": [
            {"Sid": "Other", "Effect": "Allow"}, {"Sid": "Tls", "Effect": "Allow"},
        ]});
        let merged = with_statement(Some(policy), &statement);
        assert_eq!(merged["Id"], "x");
        assert_eq!(
            merged["Statement"],
            json!([{"Sid": "Other", "Effect": "Allow"}, {"Sid": "Tls", "Effect": "Deny"}])
        );
        let single = json!({"Statement": {"Sid": "Other"}});
        assert_eq!(
            statements(&with_statement(Some(single), &statement)).len(),
            2
        );
        assert_eq!(statements(&with_statement(None, &statement)), [&statement]);
    }
}
