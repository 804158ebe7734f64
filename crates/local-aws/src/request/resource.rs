//! The one name in a request's fields that says what it is about.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Fields that name the resource even when another field that looks like a name comes first.
const NAMES: [&str; 13] = [
    "TableName",
    "RoleName",
    "FunctionName",
    "KeyId",
    "SecretId",
    "QueueUrl",
    "TopicArn",
    "TargetDBSnapshotIdentifier",
    "TargetDBInstanceIdentifier",
    "DBInstanceIdentifier",
    "DBSnapshotIdentifier",
    "ResourceArn",
    "GlobalTableName",
];

/// What a field's name ends with when its value names something.
const ENDINGS: [&str; 6] = ["Name", "Identifier", "Arn", "Id", "name", "Url"];

fn pick<'fields>(fields: &[(&'fields str, &'fields str)]) -> Option<String> {
    NAMES
        .iter()
        .find_map(|name| fields.iter().find(|(key, _)| key == name))
        .or_else(|| {
            fields
                .iter()
                .find(|(key, _)| ENDINGS.iter().any(|ending| key.ends_with(ending)))
        })
        .map(|(_, value)| (*value).to_owned())
}

/// The resource in the body of a JSON request. Batches name the tables they touch, `a,b`.
pub(super) fn in_json(body: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return None;
    };
    if let Some(Value::Object(tables)) = object.get("RequestItems") {
        return Some(
            tables
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(","),
        );
    }
    if let Some(Value::Array(items)) = object.get("TransactItems") {
        let mut tables: Vec<&str> = items
            .iter()
            .filter_map(|item| {
                item.as_object()?
                    .values()
                    .next()?
                    .get("TableName")?
                    .as_str()
            })
            .collect();
        tables.dedup();
        return Some(tables.join(","));
    }
    let fields: Vec<(&str, &str)> = object
        .iter()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect();
    pick(&fields)
}

/// The fields of a form, decoded, in order.
pub(crate) fn form_fields(form: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    String::from_utf8_lossy(form)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// The resource in the fields of a Query request.
pub(super) fn in_fields(fields: &[(String, String)]) -> Option<String> {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .filter(|(key, _)| !key.starts_with("X-Amz-"))
        .collect();
    pick(&fields)
}
