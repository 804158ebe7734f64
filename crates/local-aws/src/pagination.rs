//! Lists in pages of one item, after a first page without any. The base is asked for its first page each time: what
//! lies behind it is not there.

use bytes::Bytes;
use ciborium::Value as Cbor;
use roxmltree::{Document, Node};
use serde_json::{Map, Value as Json};

use crate::filter::{matches, may_begin_with};
use crate::request::{Call, Protocol, form_fields};

mod s3;

pub(crate) use s3::list as s3_list;

/// What a token of ours begins with. The number of its page follows.
const TOKEN: &str = "local-aws-page-";

/// Where services have the token of the next page, in their answers.
const NEXT: [&str; 4] = ["NextToken", "nextToken", "NextMarker", "Marker"];

/// Where they say that there is one.
const MORE: [&str; 2] = ["IsTruncated", "Truncated"];

/// Whose tokens have names of their own.
const OTHER_TOKENS: [&str; 2] = ["dynamodb", "ce"];

/// Services whose operations are told by method and path.
const BY_PATH: [&str; 16] = [
    "apigateway",
    "appconfig",
    "backup",
    "batch",
    "cloudfront",
    "eks",
    "elasticfilesystem",
    "es",
    "iot",
    "kafka",
    "lambda",
    "route53",
    "s3-control",
    "scheduler",
    "ses",
    "xray",
];

/// The filter that names something that cannot be cut, and why it cannot.
pub(crate) fn uncuttable(
    service: Option<&str>,
    operation: Option<&str>,
) -> Option<(String, &'static str)> {
    let is = |name: &&str| service.is_some_and(|service| matches(service, name));
    if let (Some(service), Some(_)) = (service, OTHER_TOKENS.iter().find(|name| is(name))) {
        let why = "where its lists go on is not told by the names of tokens that local-aws knows";
        return Some((service.to_owned(), why));
    }
    if let (Some(service), Some(_)) = (service, BY_PATH.iter().find(|name| is(name))) {
        let why = "its requests are told by method and path, not by the name of an operation";
        return Some((service.to_owned(), why));
    }
    let operation = operation?;
    let of_s3 = || {
        let mut lists = s3::LISTS.iter();
        lists.any(|list| matches(operation, list.operation))
    };
    let other = || {
        ["List", "Describe"]
            .iter()
            .any(|verb| may_begin_with(operation, verb))
    };
    let why = match service {
        Some(_) if is(&"s3") => (!of_s3()).then_some(
            "the lists of S3 with pages are those of objects, versions, uploads, parts and buckets",
        ),
        Some(_) => (!other()).then_some("only List… and Describe… answer with lists"),
        None => (!of_s3() && !other()).then_some("only List… and Describe… answer with lists"),
    };
    why.map(|why| (operation.to_owned(), why))
}

/// Whether a call is for a list that can be cut into pages here.
pub(crate) fn has(call: &Call) -> bool {
    let lists = ["List", "Describe"]
        .iter()
        .any(|verb| call.operation.starts_with(verb));
    lists && !OTHER_TOKENS.contains(&call.service.as_str())
}

/// The page that a request asks for, and its body without the token, which the base does not know.
pub(crate) fn asked(protocol: Protocol, body: &[u8]) -> Option<(usize, Bytes)> {
    if !body
        .windows(TOKEN.len())
        .any(|part| part == TOKEN.as_bytes())
    {
        return None;
    }
    match protocol {
        Protocol::Json => {
            let mut fields: Map<String, Json> = serde_json::from_slice(body).ok()?;
            let page = fields.values().find_map(|value| number(value.as_str()?))?;
            fields.retain(|_, value| value.as_str().and_then(number).is_none());
            Some((page, Json::from(fields).to_string().into()))
        }
        Protocol::Cbor => {
            let Cbor::Map(mut fields) = ciborium::from_reader(body).ok()? else {
                return None;
            };
            let page = fields
                .iter()
                .find_map(|(_, value)| number(value.as_text()?))?;
            fields.retain(|(_, value)| value.as_text().and_then(number).is_none());
            Some((page, cbor(fields)?))
        }
        Protocol::Query => {
            let fields = form_fields(body);
            let page = fields.iter().find_map(|(_, value)| number(value))?;
            let text = std::str::from_utf8(body).ok()?;
            let rest: Vec<&str> = text
                .split('&')
                .filter(|field| !field.contains(TOKEN))
                .collect();
            Some((page, rest.join("&").into()))
        }
        Protocol::S3 | Protocol::RestJson | Protocol::RestXml => None,
    }
}

/// One page of a whole answer; `None` for one that has no list, which is a page as it is.
pub(crate) fn page(protocol: Protocol, body: &[u8], page: usize) -> Option<Bytes> {
    match protocol {
        Protocol::Json => {
            let mut fields: Map<String, Json> = serde_json::from_slice(body).ok()?;
            let lists = fields.values_mut().filter_map(Json::as_array_mut);
            let more = keep(lists, page);
            fields.retain(|name, _| !about_pages(name));
            if more {
                fields.extend(NEXT.map(|name| (name.to_owned(), token(page + 1).into())));
                fields.extend(MORE.map(|name| (name.to_owned(), true.into())));
            }
            Some(Json::from(fields).to_string().into())
        }
        Protocol::Cbor => {
            let Cbor::Map(mut fields) = ciborium::from_reader(body).ok()? else {
                return None;
            };
            let lists = fields
                .iter_mut()
                .filter_map(|(_, value)| value.as_array_mut());
            let more = keep(lists, page);
            fields.retain(|(name, _)| !name.as_text().is_some_and(about_pages));
            if more {
                fields.extend(NEXT.map(|name| (name.into(), token(page + 1).into())));
            }
            cbor(fields)
        }
        Protocol::Query => xml(std::str::from_utf8(body).ok()?, page).map(Bytes::from),
        Protocol::S3 | Protocol::RestJson | Protocol::RestXml => None,
    }
}

fn number(token: &str) -> Option<usize> {
    token.strip_prefix(TOKEN)?.parse().ok()
}

fn token(page: usize) -> String {
    format!("{TOKEN}{page}")
}

fn about_pages(name: &str) -> bool {
    NEXT.contains(&name) || MORE.contains(&name)
}

fn cbor(fields: Vec<(Cbor, Cbor)>) -> Option<Bytes> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Cbor::Map(fields), &mut bytes).ok()?;
    Some(bytes.into())
}

/// Keeps of all lists together the item of a page. Returns whether another page follows.
fn keep<'list, T: 'list>(lists: impl Iterator<Item = &'list mut Vec<T>>, page: usize) -> bool {
    let mut before = 0;
    for list in lists {
        let items = list.len();
        let own = page.checked_sub(before + 1).filter(|own| *own < items);
        *list = own.map(|own| list.swap_remove(own)).into_iter().collect();
        before += items;
    }
    page < before
}

/// The lists of a Query service are the elements of its result that have nothing but elements of one name.
fn xml(text: &str, page: usize) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    let named = |node: &Node<'_, '_>| node.tag_name().name().ends_with("Result");
    // EC2 has no result: its lists are in the answer itself.
    let result = root.children().find(named).unwrap_or(root);
    let lists: Vec<Vec<Node<'_, '_>>> = result.children().filter_map(items).collect();
    let items: Vec<&Node<'_, '_>> = lists.iter().flatten().collect();
    let kept = page.checked_sub(1).and_then(|own| items.get(own));
    let stale = result
        .children()
        .filter(|node| about_pages(node.tag_name().name()));
    let mut gone: Vec<_> = items
        .iter()
        .filter(|node| Some(*node) != kept)
        .map(|node| node.range())
        .chain(stale.map(|node| node.range()))
        .collect();
    gone.sort_by_key(|range| range.start);
    let start = result.first_child()?.range().start;
    let mut left = text[..start].to_owned();
    if page < items.len() {
        for name in NEXT {
            left += &format!("<{name}>{}</{name}>", token(page + 1));
        }
        left += "<IsTruncated>true</IsTruncated>";
    }
    let mut from = start;
    for range in gone {
        left += &text[from..range.start];
        from = range.end;
    }
    Some(left + &text[from..])
}

/// The items of a list; `None` for what is none.
fn items<'node, 'text>(list: Node<'node, 'text>) -> Option<Vec<Node<'node, 'text>>> {
    let items: Vec<_> = list.children().filter(Node::is_element).collect();
    let name = items.first()?.tag_name().name();
    let of_one_name = items.iter().all(|item| item.tag_name().name() == name);
    let text = list
        .children()
        .any(|node| node.is_text() && node.text().is_some_and(|text| !text.trim().is_empty()));
    (of_one_name && !text && !list.tag_name().name().ends_with("Metadata")).then_some(items)
}

#[cfg(test)]
mod tests;
