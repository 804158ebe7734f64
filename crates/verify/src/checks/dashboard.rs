//! Item 11: the dashboard.

use std::collections::{BTreeMap, BTreeSet};

use report::finding::{Observation, Severity, Unobserved};
use serde::Deserialize;
use serde_json::Value;

use super::{Context, listed};
use crate::check::{Answer, Check};

static EXISTS: Check = Check {
    id: "dashboard-exists",
    item: Some(11),
    severity: Severity::Medium,
    title: "the dashboard is there",
    why: "in an outage nobody sees what is going on",
    fix: "terraform apply",
};
static BODY: Check = Check {
    id: "dashboard-body",
    item: Some(11),
    severity: Severity::Medium,
    title: "it has widgets",
    why: "it opens, and shows nothing",
    fix: "terraform apply",
};
static COVERS: Check = Check {
    id: "dashboard-covers",
    item: Some(11),
    severity: Severity::Medium,
    title: "its metrics are those of this stack, and of all of it",
    why: "what goes wrong is not to be seen, or is another stack's",
    fix: "terraform apply; look at dashboard.tf of modules/monitoring",
};

/// All but the first are asked only of a dashboard that is there.
pub(super) static CHECKS: &[&Check] = &[&EXISTS, &BODY, &COVERS];

/// A service on the dashboard.
struct Service {
    name: &'static str,
    namespace: &'static str,
    /// The dimension that names a resource.
    dimension: &'static str,
    /// Metrics of at least these; the guide's alarms watch them.
    metrics: &'static [&'static str],
    /// CloudFront's metrics are in one region, whatever the stack's.
    global: bool,
}

static SERVICES: [Service; 3] = [
    Service {
        name: "RDS",
        namespace: "AWS/RDS",
        dimension: "DBInstanceIdentifier",
        metrics: &[
            "CPUUtilization",
            "FreeableMemory",
            "FreeStorageSpace",
            "DatabaseConnections",
        ],
        global: false,
    },
    Service {
        name: "Redis",
        namespace: "AWS/ElastiCache",
        dimension: "CacheClusterId",
        metrics: &[
            "CPUUtilization",
            "DatabaseMemoryUsagePercentage",
            "Evictions",
        ],
        global: false,
    },
    Service {
        name: "CloudFront",
        namespace: "AWS/CloudFront",
        dimension: "DistributionId",
        metrics: &["5xxErrorRate"],
        global: true,
    },
];

/// The part of a dashboard's body that matters.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
#[derive(Deserialize)]
struct Body {
    widgets: Vec<Widget>,
}

#[derive(Deserialize)]
struct Widget {
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    region: Option<String>,
    #[serde(default)]
    metrics: Vec<Value>,
}

/// A metric of a widget.
struct Metric {
    region: Option<String>,
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, String>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let (name, body) = match context.located.text("cloudwatch_dashboard_name") {
        Ok(name) => (name, body(context, name).await),
        Err(unobserved) => ("dashboard", Err(unobserved)),
    };
    match body {
        Ok(body) => judge(context, name, &body),
        Err(unobserved) => super::unseen(CHECKS, name, &unobserved),
    }
}

async fn body(context: Context<'_>, name: &str) -> Observation<String> {
    context
        .clients
        .home
        .cloudwatch
        .get_dashboard()
        .dashboard_name(name)
        .send()
        .await
        .map_err(|error| {
            let call = context.clients.call("CloudWatch", "GetDashboard", name);
            Unobserved::from(call.failed(error))
        })?
        .dashboard_body
        .ok_or_else(|| Unobserved::missing("CloudWatch", "DashboardBody"))
}

fn judge(context: Context<'_>, name: &str, body: &str) -> Vec<Answer> {
    let terraform = Some(name.to_owned());
    let mut answers = vec![EXISTS.answer(name, "there", terraform, Ok((true, "there".to_owned())))];
    let body: Option<Body> = serde_json::from_str(body).ok();
    let count = body.as_ref().map_or(0, |body| body.widgets.len());
    let shown = match &body {
        None => "no body that CloudWatch documents".to_owned(),
        Some(_) => format!("{count} widgets"),
    };
    answers.push(BODY.answer(name, "widgets", None, Ok((count > 0, shown))));
    let Some(body) = body.filter(|_| count > 0) else {
        answers.extend(
            SERVICES
                .iter()
                .map(|service| COVERS.skipped(service.name, "the dashboard has no widgets")),
        );
        return answers;
    };
    let metrics: Vec<Metric> = body.widgets.iter().flat_map(metrics).collect();
    answers.extend(
        SERVICES
            .iter()
            .map(|service| covers(context, service, &metrics)),
    );
    answers
}

/// The metrics of a widget, with what it leaves out because it is as in the line before: `.` for one part,
/// `...` for all parts up to the last ones that are given.
fn metrics(widget: &Widget) -> Vec<Metric> {
    let mut before: Vec<String> = Vec::new();
    let mut metrics = Vec::new();
    for line in &widget.properties.metrics {
        let given: Vec<&str> = line
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut parts: Vec<String> = Vec::new();
        for (place, part) in given.iter().enumerate() {
            match *part {
                "..." => {
                    let rest = given.len() - place - 1;
                    let until = before.len().saturating_sub(rest);
                    parts.extend(before.iter().take(until).skip(parts.len()).cloned());
                }
                "." => parts.extend(before.get(parts.len()).cloned()),
                part => parts.push(part.to_owned()),
            }
        }
        // An expression names no metric.
        if let [namespace, name, dimensions @ ..] = &parts[..] {
            let (pairs, _) = dimensions.as_chunks::<2>();
            metrics.push(Metric {
                region: widget.properties.region.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                dimensions: pairs
                    .iter()
                    .cloned()
                    .map(|[key, value]| (key, value))
                    .collect(),
            });
            before = parts;
        }
    }
    metrics
}

fn covers(context: Context<'_>, service: &Service, metrics: &[Metric]) -> Answer {
    let resources = match service.name {
        "RDS" => context
            .located
            .text("db_identifier")
            .map(|id| vec![id.to_owned()]),
        "Redis" => super::redis_nodes(context),
        _ => context
            .located
            .text("cloudfront_distribution_id")
            .map(|id| vec![id.to_owned()]),
    };
    let region = if service.global {
        context.clients.global()
    } else {
        context.wanted.region
    };
    let shown = resources.as_ref().map_err(Clone::clone).map(|wanted| {
        let own: Vec<&Metric> = metrics
            .iter()
            .filter(|metric| metric.namespace == service.namespace)
            .collect();
        let mut problems = BTreeSet::new();
        for resource in wanted {
            for name in service.metrics {
                let is_there = own.iter().any(|metric| {
                    metric.name == *name
                        && metric.dimensions.get(service.dimension) == Some(resource)
                });
                if !is_there {
                    problems.insert(format!("no {name} of {resource}"));
                }
            }
        }
        for metric in &own {
            match metric.dimensions.get(service.dimension) {
                Some(found) if !wanted.contains(found) => {
                    problems.insert(format!("{found} is another's"));
                }
                _ => {}
            }
            let elsewhere = metric
                .region
                .as_deref()
                .filter(|found| *found != region.as_str());
            if let Some(found) = elsewhere {
                problems.insert(format!("{} in {found}", metric.name));
            }
        }
        if problems.is_empty() {
            return (true, format!("{} metrics", own.len()));
        }
        let problems: BTreeSet<&str> = problems.iter().map(String::as_str).collect();
        (false, listed(&problems))
    });
    if resources
        .as_ref()
        .is_err_and(|unobserved| unobserved.absent)
    {
        return COVERS.skipped(service.name, "there is none");
    }
    let terraform = resources.ok().map(|resources| resources.join(", "));
    let expected = format!("{} in {region}", service.metrics.join(", "));
    COVERS.answer(service.name, expected, terraform, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_widget_leaves_out_is_taken_from_the_line_before() {
        let widget: Widget = serde_json::from_str(
            r#"{"properties": {"region": "ca-central-1", "metrics": [
                ["AWS/ElastiCache", "Evictions", "CacheClusterId", "a-001", {"stat": "Sum"}],
                ["...", "a-002"],
                [".", "CPUUtilization", ".", "."],
                [{"expression": "m1 + m2"}],
                ["AWS/CloudFront", "Requests", "DistributionId", "E1", "Region", "Global"],
                [".", "5xxErrorRate", "...", "Local"]
            ]}}"#,
        )
        .unwrap();
        let shown: Vec<String> = metrics(&widget)
            .iter()
            .map(|metric| {
                let dimensions: Vec<&str> =
                    metric.dimensions.values().map(String::as_str).collect();
                format!(
                    "{} {} {}",
                    metric.namespace,
                    metric.name,
                    dimensions.join(" ")
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "AWS/ElastiCache Evictions a-001",
                "AWS/ElastiCache Evictions a-002",
                "AWS/ElastiCache CPUUtilization a-002",
                "AWS/CloudFront Requests E1 Global",
                "AWS/CloudFront 5xxErrorRate E1 Local",
            ]
        );
    }
}
