//! What a page has to be for everybody to read it, and to be safe to open.

use std::collections::{BTreeMap, BTreeSet};

use html5ever::tendril::TendrilSink as _;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

use crate::sample;

/// An element, with what the checks ask about.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    /// The places of its children and theirs in the list of all.
    within: std::ops::Range<usize>,
}

impl Element {
    fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn has_class(&self, class: &str) -> bool {
        self.get("class").split(' ').any(|one| one == class)
    }
}

fn read(node: &Handle, out: &mut Vec<Element>) -> String {
    let place = match &node.data {
        NodeData::Element { name, attrs, .. } => {
            out.push(Element {
                name: name.local.to_string(),
                attributes: attrs
                    .borrow()
                    .iter()
                    .map(|attribute| {
                        (
                            attribute.name.local.to_string(),
                            attribute.value.to_string(),
                        )
                    })
                    .collect(),
                text: String::new(),
                within: 0..0,
            });
            Some(out.len() - 1)
        }
        NodeData::Text { contents } => return contents.borrow().to_string(),
        _ => None,
    };
    let text: String = node
        .children
        .borrow()
        .iter()
        .map(|child| read(child, out))
        .collect();
    if let Some(place) = place {
        out[place].within = place + 1..out.len();
        out[place].text.clone_from(&text);
    }
    text
}

fn parse(html: &str) -> (Vec<Element>, Vec<String>) {
    let dom =
        html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(html);
    let mut elements = Vec::new();
    read(&dom.document, &mut elements);
    let errors = dom
        .errors
        .borrow()
        .iter()
        .map(ToString::to_string)
        .collect();
    (elements, errors)
}

/// What is wrong with a page.
fn problems(html: &str) -> Vec<String> {
    let (elements, mut found) = parse(html);
    let named = |name: &'static str| elements.iter().filter(move |element| element.name == name);
    let mut demand = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    for name in ["html", "head", "h1", "main"] {
        demand(named(name).count() == 1, format!("one {name}"));
    }
    demand(
        named("html").all(|html| !html.get("lang").is_empty()),
        "a language".into(),
    );
    // Pictures have titles too.
    let head = named("head").flat_map(|head| &elements[head.within.clone()]);
    let titles: Vec<&str> = head
        .filter(|element| element.name == "title")
        .map(|title| title.text.trim())
        .collect();
    demand(titles.len() == 1 && !titles[0].is_empty(), "a title".into());
    demand(
        named("meta").any(|meta| meta.get("name") == "viewport"),
        "a viewport".into(),
    );

    let ids: Vec<&str> = elements
        .iter()
        .map(|element| element.get("id"))
        .filter(|id| !id.is_empty())
        .collect();
    let known: BTreeSet<&str> = ids.iter().copied().collect();
    demand(known.len() == ids.len(), "ids are unique".into());

    let mut level = 0;
    for element in &elements {
        let name = element.name.as_str();
        if let Some(next) = name
            .strip_prefix('h')
            .and_then(|level| level.parse::<u8>().ok())
        {
            demand(
                next <= level + 1,
                format!("no step from h{level} to h{next}"),
            );
            demand(
                !element.text.trim().is_empty(),
                "headings say something".into(),
            );
            level = next;
        }
        demand(
            ![
                "script", "link", "img", "iframe", "object", "embed", "base", "form",
            ]
            .contains(&name),
            format!("no {name}"),
        );
        for (attribute, value) in &element.attributes {
            demand(
                !attribute.starts_with("on") && attribute != "style",
                format!("no {attribute}"),
            );
            if ["href", "src", "srcset", "action", "poster", "data"].contains(&attribute.as_str()) {
                demand(
                    value.strip_prefix('#').is_some_and(|id| known.contains(id)),
                    format!("no link to {value}"),
                );
            }
            if ["aria-labelledby", "aria-describedby"].contains(&attribute.as_str()) {
                demand(
                    value.split(' ').all(|id| known.contains(id)),
                    format!("{value} is there"),
                );
            }
            for url in value.split("url(").skip(1) {
                let target = url.split(')').next().unwrap_or_default();
                demand(
                    target
                        .strip_prefix('#')
                        .is_some_and(|id| known.contains(id)),
                    format!("no url({target})"),
                );
            }
        }
        if name == "style" {
            demand(
                !element.text.contains("url(") && !element.text.contains("@import"),
                "styles are complete".into(),
            );
        }
        if name == "svg" && element.get("aria-hidden") != "true" {
            let title = elements[element.within.clone()]
                .iter()
                .find(|child| child.name == "title");
            let name = title.is_some_and(|title| {
                !title.text.is_empty() && title.get("id") == element.get("aria-labelledby")
            });
            demand(
                element.get("role") == "img" && name,
                "a picture has a role and a name".into(),
            );
        }
        if name == "table" {
            let within = || elements[element.within.clone()].iter();
            let caption =
                within().any(|child| child.name == "caption" && !child.text.trim().is_empty());
            demand(
                caption || !element.get("aria-labelledby").is_empty(),
                "a table has a name".into(),
            );
            demand(
                within().any(|child| child.name == "th"),
                "a table has headers".into(),
            );
        }
        if name == "th" {
            demand(
                ["col", "row"].contains(&element.get("scope")),
                "a header has a scope".into(),
            );
            demand(
                !element.text.trim().is_empty(),
                "a header says something".into(),
            );
        }
        if element.has_class("scroll") {
            let reached = element.get("tabindex") == "0" && element.get("role") == "region";
            demand(
                reached && !element.get("aria-label").is_empty(),
                "what scrolls is reached by keyboard".into(),
            );
        }
        for word in ["ok", "wrong", "unknown", "skipped"] {
            if element.has_class(word) && ["td", "div", "li"].contains(&name) {
                let icon = format!("#mark-{word}");
                let icon = elements[element.within.clone()]
                    .iter()
                    .any(|child| child.get("href") == icon);
                demand(
                    icon && element.text.to_lowercase().contains(word),
                    format!("{word} is not only a colour"),
                );
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn everybody_can_read_it_and_nothing_is_loaded() {
    assert_eq!(problems(&sample::html()), [""; 0]);
    let empty = report::Document::new().to_html(&report::Page::new("Nothing"));
    assert_eq!(problems(&empty), [""; 0]);
}

#[test]
fn the_checks_find_what_they_are_for() {
    for (what, from, to) in [
        ("a language", "lang=\"en\"", ""),
        (
            "a title",
            "<title>Staging verification</title>",
            "<title></title>",
        ),
        (
            "one h1",
            "<h2 id=\"section-2\">Verdict</h2>",
            "<h1 id=\"section-2\">Verdict</h1>",
        ),
        (
            "one main",
            "<main id=\"content\" tabindex=\"-1\">",
            "<main></main><main id=\"content\">",
        ),
        ("a viewport", "name=\"viewport\"", "name=\"v\""),
        ("ids are unique", "id=\"section-3\">", "id=\"section-2\">"),
        ("no step from h2 to h4", "<p>", "<h4>x</h4><p>"),
        ("headings say something", "Verdict</h2>", "</h2>"),
        ("no script", "<footer>", "<script></script><footer>"),
        ("no onload", "<body", "<body onload=x"),
        ("no style", "<body", "<body style=\"color:red\""),
        (
            "no link to https://x",
            "href=\"#content\"",
            "href=\"https://x\"",
        ),
        ("no url(#fill-none)", "url(#fill-ok)", "url(#fill-none)"),
        ("styles are complete", "<style>", "<style>@import 'x';"),
        ("a picture has a role and a name", "role=\"img\"", ""),
        (
            "a picture has a role and a name",
            "<svg class=\"icon wrong\" aria-hidden=\"true\"",
            "<svg",
        ),
        ("a table has a name", "<caption>Network</caption>", ""),
        ("a header has a scope", "<th scope=\"col\"", "<th"),
        ("what scrolls is reached by keyboard", "tabindex=\"0\"", ""),
        (
            "wrong is not only a colour",
            "href=\"#mark-wrong\"",
            "href=\"#mark-ok\"",
        ),
        (
            "unknown is not only a colour",
            "<span class=\"spoken\">unknown: </span>",
            "",
        ),
    ] {
        let html = sample::html();
        assert!(html.contains(from), "{from}");
        let found = problems(&html.replacen(from, to, 1));
        assert!(
            found.iter().any(|problem| problem == what),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn what_comes_from_elsewhere_is_text() {
    let hostile =
        "</td></script><script>alert(1)</script><img src=x onerror=y>\"'&amp;<!--]]>{{ x }}";
    let say = |text: &str| format!("{text}{hostile}");
    let html = sample::document(say).to_html(&sample::page(say));
    let (elements, errors) = parse(&html);
    assert_eq!(errors, [""; 0]);
    let names = |elements: &[Element]| -> Vec<String> {
        elements
            .iter()
            .map(|element| element.name.clone())
            .collect()
    };
    let (benign, _) = parse(&sample::html());
    assert_eq!(names(&elements), names(&benign));
    let shown = |name: &str| {
        elements
            .iter()
            .filter(|element| element.name == name && element.text.contains(hostile))
            .count()
    };
    let counts = [
        "title",
        "h1",
        "h2",
        "p",
        "dt",
        "dd",
        "th",
        "td",
        "figcaption",
        "caption",
        "li",
    ]
    .map(shown);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn sections_can_be_reached_from_the_contents() {
    let (elements, _) = parse(&sample::html());
    let nav = elements
        .iter()
        .find(|element| element.name == "nav")
        .unwrap();
    let links: Vec<(&str, &str)> = elements[nav.within.clone()]
        .iter()
        .filter(|element| element.name == "a")
        .map(|link| (link.get("href"), link.text.as_str()))
        .collect();
    for (href, text) in &links {
        let target = elements
            .iter()
            .find(|element| Some(element.get("id")) == href.strip_prefix('#'))
            .unwrap();
        assert_eq!((target.name.as_str(), target.text.as_str()), ("h2", *text));
    }
    assert_eq!(links.len(), 4);
}

#[test]
fn columns_of_numbers_are_marked_as_such() {
    let (elements, _) = parse(&sample::html());
    let numbers: Vec<&str> = elements
        .iter()
        .filter(|element| {
            element.name == "th" && element.get("scope") == "col" && element.has_class("number")
        })
        .map(|element| element.text.as_str())
        .collect();
    assert_eq!(numbers, ["Took", "Value", "Requests", "Errors", "Share"]);
}

/// The parts of the pictures, and how wide they are.
fn widths(document: &report::Document) -> Vec<(String, f64)> {
    let (elements, _) = parse(&document.to_html(&report::Page::new("Widths")));
    elements
        .iter()
        .filter_map(|element| {
            let fill = element.get("fill").strip_prefix("url(#fill-")?;
            let width = element.get("width").trim_end_matches('%').parse().ok()?;
            (element.name == "rect").then(|| (fill.trim_end_matches(')').to_owned(), width))
        })
        .collect()
}

#[test]
fn one_wrong_answer_of_thousands_is_wide_enough_to_be_seen() {
    let tally = report::Tally {
        ok: 40_000,
        wrong: 1,
        ..report::Tally::default()
    };
    let document = report::Document::new().chart(report::Chart::tally("Checks", tally));
    let widths = widths(&document);
    // The first two are those of the bar, the others those of the legend.
    assert_eq!(widths[1].0, "wrong");
    assert!(widths[1].1 > 0.7, "{widths:?}");
    assert!(
        (widths[0].1 + widths[1].1 - 100.0).abs() < 0.02,
        "{widths:?}"
    );
}

#[test]
fn bars_are_as_long_as_their_values() {
    let value = |size| report::Value::new(report::Mark::Plain, "x", size, "x");
    let values = vec![
        value(50.0),
        value(0.0),
        value(0.001),
        report::Value::unknown("x", "x"),
        value(f64::NAN),
    ];
    let document =
        report::Document::new().chart(report::Chart::bars("Times", values).limit(200.0, "limit"));
    let widths: Vec<f64> = widths(&document)
        .into_iter()
        .map(|(_, width)| width)
        .collect();
    assert_eq!(widths, [25.0, 0.0, 0.75]);
}

#[test]
fn bars_of_a_timeline_stay_within_it() {
    let value =
        |from, size| report::Value::new(report::Mark::Plain, "x", size, "x").beginning_at(from);
    let values = vec![value(0.0, 100.0), value(50.0, 150.0), value(200.0, 0.0)];
    let html = report::Document::new()
        .chart(report::Chart::timeline("Run", values))
        .to_html(&report::Page::new("Run"));
    let (elements, _) = parse(&html);
    let bars: Vec<(&str, &str)> = elements
        .iter()
        .filter(|element| element.name == "rect" && element.get("fill") == "url(#fill-plain)")
        .map(|bar| (bar.get("x"), bar.get("width")))
        .collect();
    assert_eq!(bars, [("", "50%"), ("25%", "75%"), ("99.25%", "0.75%")]);
}
