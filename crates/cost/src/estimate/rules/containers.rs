//! Fargate, and what belongs to it.

use rust_decimal::Decimal;

use super::super::Basis;
use super::super::demand::DemandBuilder;
use crate::inventory::{Attributes, Resource};
use crate::prices::Service;
use crate::quantity::{HOURS_PER_MONTH, QuantityRange, Unit};
use crate::usage::UsageSource;

/// A virtual CPU, in the units that tasks are given.
const CPU_UNITS: Decimal = Decimal::from_parts(1024, 0, 0, false, 0);
const MEBIBYTES: Decimal = CPU_UNITS;

/// Alarms that a policy which tracks a target makes for itself: one for more, one for less.
const ALARMS: Decimal = Decimal::TWO;

/// A cluster costs nothing; what it measures does, by metric and by gigabyte of log.
pub(super) fn cluster(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    let measures = attributes
        .list("setting")
        .iter()
        .any(|setting| setting["name"] == "containerInsights" && setting["value"] != "disabled");
    if measures {
        demand.problem("the metrics of Container Insights have no price here");
    }
}

pub(super) fn scaling(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    // The alarms that start the others are resources of their own.
    if attributes.text("policy_type") != Some("TargetTrackingScaling") {
        return;
    }
    let alarm = "alarm standard";
    demand.fixed(Service::CloudWatch, alarm, Unit::AlarmMonth, ALARMS);
}

/// By the gigabyte of images. What leaves the region is traffic. <https://aws.amazon.com/ecr/pricing/>
pub(super) fn repository(demand: &mut DemandBuilder<'_>) {
    demand.used(Service::Ecr, "storage", Unit::GbMonth, "storage_gb");
}

/// Tasks by their virtual CPUs and memory, which the task definition says: the one beside the service.
/// <https://aws.amazon.com/fargate/pricing/>: Linux, 20 GB of storage for each task included.
pub(super) fn service(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    if attributes.text("launch_type") != Some("FARGATE") {
        demand.problem("only tasks of launch type FARGATE have a price here");
        return;
    }
    let Some(definition) = beside(demand, "aws_ecs_task_definition") else {
        demand.problem("its task definition is not told apart, so that its size is not known");
        return;
    };
    let (Some(cpu), Some(memory)) = (
        definition.attributes.number("cpu"),
        definition.attributes.number("memory"),
    ) else {
        demand.problem("its task definition does not say how large a task is");
        return;
    };
    let architecture = match definition.attributes.list("runtime_platform").first() {
        None => "x86_64",
        Some(platform) if !is_linux(platform) => {
            demand.problem("tasks of Windows have no price here");
            return;
        }
        Some(platform) => match platform["cpu_architecture"].as_str() {
            None | Some("X86_64") => "x86_64",
            Some("ARM64") => "arm64",
            Some(_) => {
                demand.problem("the architecture of its tasks has no price here");
                return;
            }
        },
    };
    let least = attributes.number("desired_count").unwrap_or(Decimal::ONE);
    let most = beside(demand, "aws_appautoscaling_target")
        .and_then(|target| target.attributes.number("max_capacity"))
        .unwrap_or(least);
    let Some(scope) = demand.scope() else {
        return;
    };
    for (item, unit, of_a_task) in [
        ("vcpu", Unit::VcpuHour, cpu / CPU_UNITS),
        ("memory", Unit::GbHour, memory / MEBIBYTES),
    ] {
        let hours = |tasks: Decimal| tasks * of_a_task * HOURS_PER_MONTH;
        let quantity = QuantityRange {
            low: hours(least),
            expected: hours(least),
            high: hours(most.max(least)),
        };
        let item = format!("fargate {item} {architecture}");
        demand.add(
            scope,
            Service::Ecs,
            item,
            unit,
            Basis::Fixed,
            quantity,
            UsageSource::File,
        );
    }
}

fn is_linux(platform: &serde_json::Value) -> bool {
    matches!(
        platform["operating_system_family"].as_str(),
        None | Some("" | "LINUX")
    )
}

/// The only resource of a type in the module of this one.
pub(super) fn beside<'a>(demand: &DemandBuilder<'a>, kind: &str) -> Option<&'a Resource> {
    let module = module(&demand.resource.address, &demand.resource.kind);
    let resources = demand.inventory.resources.iter();
    let mut found = resources.filter(|resource| {
        resource.kind == kind && self::module(&resource.address, kind) == module
    });
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// What stands before the type in an address.
fn module<'a>(address: &'a str, kind: &str) -> &'a str {
    let at = address
        .rmatch_indices(kind)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || address[..*at].ends_with('.'));
    &address[..at.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_is_what_stands_before_the_type() {
        let kind = "aws_ecs_service";
        assert_eq!(module("aws_ecs_service.this", kind), "");
        let address = "module.application[0].aws_ecs_service.this[\"aws_ecs_service\"]";
        assert_eq!(module(address, kind), "module.application[0].");
        assert_eq!(module("module.x.aws_lb.this", kind), "");
    }
}
