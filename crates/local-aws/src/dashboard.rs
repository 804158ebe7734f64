//! CloudWatch's list of dashboards: the emulator writes a time as text where CBOR has a number, and AWS's SDKs then read
//! nothing of the answer.

use bytes::Bytes;
use ciborium::Value;

use crate::request::{Call, Protocol};

/// Whether the answer to a call has such times.
pub(crate) fn lists(call: &Call) -> bool {
    call.operation == "ListDashboards" && call.protocol == Protocol::Cbor
}

/// The list without the times, which AWS's answers need not have; `None` where it is no such list.
pub(crate) fn without_texts_for_times(body: &[u8]) -> Option<Bytes> {
    let Value::Map(mut fields) = ciborium::from_reader(body).ok()? else {
        return None;
    };
    for (_, entries) in &mut fields {
        let entries = entries.as_array_mut().into_iter().flatten();
        for entry in entries.filter_map(Value::as_map_mut) {
            entry.retain(|(name, value)| *name != "LastModified".into() || !value.is_text());
        }
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(fields), &mut bytes).ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_texts_are_left_out_of_a_list_of_dashboards() {
        let entry = |time: Value| {
            let name = ("DashboardName".into(), "d".into());
            Value::Map(vec![name, ("LastModified".into(), time)])
        };
        let list = |entries: Vec<Value>| {
            let mut bytes = Vec::new();
            let list = Value::Map(vec![("DashboardEntries".into(), entries.into())]);
            ciborium::into_writer(&list, &mut bytes).unwrap();
            bytes
        };
        let text = entry("2026-11-30T10:00:00Z".into());
        let changed = without_texts_for_times(&list(vec![text, entry(7.into())])).unwrap();
        let read: Value = ciborium::from_reader(&changed[..]).unwrap();
        let entries = read.as_map().unwrap()[0].1.as_array().unwrap().clone();
        assert_eq!(entries[0].as_map().unwrap().len(), 1);
        assert_eq!(entries[1], entry(7.into()));
        assert_eq!(without_texts_for_times(b"no CBOR"), None);
    }
}
