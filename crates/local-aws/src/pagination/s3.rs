//! S3's lists in pages. The base makes them itself, asked for one item at a time; only the first page, which has none,
//! is made here.

use http::Uri;
use http::uri::PathAndQuery;
use roxmltree::{Document, Node};

use super::{TOKEN, token};
use crate::answer::escape;
use crate::request::Call;

/// A list of S3 and how its pages are asked for and told.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct S3List {
    pub(super) operation: &'static str,
    /// Query parameter for the number of items, and the element that repeats it.
    limit: (&'static str, &'static str),
    /// Query parameters for where to go on.
    after: &'static [&'static str],
    /// The elements of a page's items.
    items: &'static [&'static str],
    /// Elements that tell where to go on, with the value that they have on a page without items. Empty where AWS
    /// has no way to say that of such a page.
    next: &'static [(&'static str, Next)],
    /// Whether AWS has pages only for a request that names their length.
    only_with_limit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A token that the base never sees.
    Own,
    Is(&'static str),
}

pub(super) const LISTS: [S3List; 6] = [
    S3List {
        operation: "ListObjectsV2",
        limit: ("max-keys", "MaxKeys"),
        after: &["continuation-token"],
        items: &["Contents", "CommonPrefixes"],
        next: &[("NextContinuationToken", Next::Own)],
        only_with_limit: false,
    },
    S3List {
        operation: "ListObjects",
        limit: ("max-keys", "MaxKeys"),
        after: &["marker"],
        items: &["Contents", "CommonPrefixes"],
        // Its clients go on after the last key that they saw.
        next: &[],
        only_with_limit: false,
    },
    S3List {
        operation: "ListObjectVersions",
        limit: ("max-keys", "MaxKeys"),
        after: &["key-marker", "version-id-marker"],
        items: &["Version", "DeleteMarker", "CommonPrefixes"],
        next: &[
            ("NextKeyMarker", Next::Own),
            ("NextVersionIdMarker", Next::Own),
        ],
        only_with_limit: false,
    },
    S3List {
        operation: "ListMultipartUploads",
        limit: ("max-uploads", "MaxUploads"),
        after: &["key-marker", "upload-id-marker"],
        items: &["Upload", "CommonPrefixes"],
        next: &[
            ("NextKeyMarker", Next::Own),
            ("NextUploadIdMarker", Next::Own),
        ],
        only_with_limit: false,
    },
    S3List {
        operation: "ListParts",
        limit: ("max-parts", "MaxParts"),
        after: &["part-number-marker"],
        items: &["Part"],
        next: &[("NextPartNumberMarker", Next::Is("0"))],
        only_with_limit: false,
    },
    S3List {
        operation: "ListBuckets",
        limit: ("max-buckets", ""),
        after: &["continuation-token"],
        items: &["Bucket"],
        next: &[("ContinuationToken", Next::Own)],
        only_with_limit: true,
    },
];

/// The list that a call asks for, if it is one.
pub(crate) fn list(call: &Call) -> Option<&'static S3List> {
    let of = |list: &&S3List| call.service == "s3" && call.operation == list.operation;
    LISTS.iter().find(of)
}

/// How a page shall be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Page {
    list: &'static S3List,
    /// The page without items.
    first: bool,
    /// What the client said about the length.
    limit: Option<String>,
}

impl S3List {
    /// The request to the base for what a client asks for, and how the answer becomes a page if the list is `cut`.
    /// Tokens of ours are left out.
    pub(crate) fn request(&'static self, uri: &Uri, cut: bool) -> (Option<Uri>, Option<S3Page>) {
        let pairs: Vec<(&str, &str)> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| *value)
        };
        let limit = value(self.limit.0);
        // Nothing is what was asked for.
        let cut = cut && limit != Some("0") && (limit.is_some() || !self.only_with_limit);
        let ours = |value: &str| value.starts_with(TOKEN);
        if !cut && !pairs.iter().any(|(_, value)| ours(value)) {
            return (None, None);
        }
        let first = !self.next.is_empty() && self.after.iter().all(|name| value(name).is_none());
        let mut left: Vec<String> = pairs
            .iter()
            .filter(|(name, value)| {
                let replaced = cut && *name == self.limit.0;
                !(name.is_empty() || ours(value) || replaced)
            })
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if cut {
            left.push(format!("{}=1", self.limit.0));
        }
        let path = format!("{}?{}", uri.path(), left.join("&"));
        let page = cut.then(|| S3Page {
            list: self,
            first,
            limit: limit.map(str::to_owned),
        });
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        (Uri::from_parts(parts).ok(), page)
    }
}

impl S3Page {
    /// The page that the client gets for the base's answer; `None` where the answer is one as it is.
    pub(crate) fn of(&self, answer: &str) -> Option<String> {
        let document = Document::parse(answer).ok()?;
        let root = document.root_element();
        let mut changes: Vec<(std::ops::Range<usize>, String)> = Vec::new();
        let named = |name: &str| {
            let found = root.children().find(|node| node.tag_name().name() == name);
            found.map(|node| node.range())
        };
        // As if the client's number had been kept.
        if let Some(range) = named(self.list.limit.1) {
            let limit = self.limit.as_deref().unwrap_or("1000");
            let name = self.list.limit.1;
            changes.push((range, format!("<{name}>{limit}</{name}>")));
        }
        let items: Vec<Node<'_, '_>> = root
            .descendants()
            .filter(|node| self.list.items.contains(&node.tag_name().name()))
            .collect();
        if self.first && !items.is_empty() {
            let removed = ["IsTruncated", "KeyCount"];
            let stale = removed.iter().copied();
            let stale = stale.chain(self.list.next.iter().map(|(name, _)| *name));
            changes.extend(stale.filter_map(named).map(|range| (range, String::new())));
            changes.extend(items.iter().map(|item| (item.range(), String::new())));
            let end = answer.rfind("</")?;
            changes.push((end..end, self.end()));
        }
        changes.sort_by_key(|(range, _)| range.start);
        let mut text = String::new();
        let mut from = 0;
        for (range, new) in changes {
            text += answer.get(from..range.start)?;
            text += &new;
            from = range.end;
        }
        text += answer.get(from..)?;
        Some(text)
    }

    /// What says that the page without items is not the last one.
    fn end(&self) -> String {
        let mut text = String::new();
        if self.list.operation == "ListObjectsV2" {
            text += "<KeyCount>0</KeyCount>";
        }
        if self.list.operation != "ListBuckets" {
            text += "<IsTruncated>true</IsTruncated>";
        }
        for (name, next) in self.list.next {
            let value = match next {
                Next::Own => token(1),
                Next::Is(value) => escape(value),
            };
            text += &format!("<{name}>{value}</{name}>");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(operation: &str) -> &'static S3List {
        let found = LISTS.iter().find(|list| list.operation == operation);
        found.expect("a list")
    }

    fn asked(operation: &str, uri: &str, cut: bool) -> (Option<String>, Option<bool>) {
        let (uri, page) = list(operation).request(&uri.parse().expect("a URI"), cut);
        (uri.map(|uri| uri.to_string()), page.map(|page| page.first))
    }

    #[test]
    fn request_for_a_cut_list_asks_the_base_for_one_item() {
        let one = |uri: &str| Some(uri.to_owned());
        for (operation, uri, cut, expected) in [
            (
                "ListObjectsV2",
                "/b?list-type=2&prefix=a%2F",
                true,
                (one("/b?list-type=2&prefix=a%2F&max-keys=1"), Some(true)),
            ),
            (
                "ListObjectsV2",
                "/b?list-type=2&max-keys=5&continuation-token=local-aws-page-1",
                true,
                (one("/b?list-type=2&max-keys=1"), Some(false)),
            ),
            (
                "ListObjectsV2",
                "/b?list-type=2&max-keys=5&continuation-token=local-aws-page-1",
                false,
                (one("/b?list-type=2&max-keys=5"), None),
            ),
            (
                "ListObjectsV2",
                "/b?list-type=2&continuation-token=theirs",
                false,
                (None, None),
            ),
            (
                "ListObjectsV2",
                "/b?list-type=2&max-keys=0",
                true,
                (None, None),
            ),
            (
                "ListObjectVersions",
                "/b?versions&key-marker=local-aws-page-1&version-id-marker=local-aws-page-1",
                true,
                (one("/b?versions=&max-keys=1"), Some(false)),
            ),
            (
                "ListObjects",
                "/b",
                true,
                (one("/b?max-keys=1"), Some(false)),
            ),
            ("ListBuckets", "/", true, (None, None)),
            (
                "ListBuckets",
                "/?max-buckets=7",
                true,
                (one("/?max-buckets=1"), Some(true)),
            ),
        ] {
            assert_eq!(asked(operation, uri, cut), expected, "{operation} {uri}");
        }
    }

    #[test]
    fn first_page_has_no_items_and_says_that_there_are_more() {
        let page = S3Page {
            list: list("ListObjectVersions"),
            first: true,
            limit: None,
        };
        let answer = "<R><Name>b</Name><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated>\
                      <Version><Key>k</Key></Version></R>";
        assert_eq!(
            page.of(answer).as_deref(),
            Some(
                "<R><Name>b</Name><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>\
                 <NextKeyMarker>local-aws-page-1</NextKeyMarker>\
                 <NextVersionIdMarker>local-aws-page-1</NextVersionIdMarker></R>"
            )
        );
        // Nothing is there: one page.
        let none = "<R><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></R>";
        let whole = "<R><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></R>";
        assert_eq!(page.of(none).as_deref(), Some(whole));
    }
}
