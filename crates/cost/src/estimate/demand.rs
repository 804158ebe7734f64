//! What resources are billed for, before it has a price.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use settings::Region;

use super::{Basis, Heading, Options, Problem};
use crate::inventory::{Inventory, Resource};
use crate::prices::{PriceBook, PriceKey, Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, QuantityRange, Unit};
use crate::usage::{Usage, UsageSource};

/// So much of something, for a resource.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) address: String,
    pub(crate) heading: Heading,
    pub(crate) key: PriceKey,
    pub(crate) unit: Unit,
    pub(crate) basis: Basis,
    pub(crate) quantity: QuantityRange,
    pub(crate) usage_source: UsageSource,
}

/// How it stands with the price of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its type has a rule.
    Priced,
    /// It costs nothing by itself.
    Free,
    /// Nothing is known of its type.
    Unpriced,
}

/// Everything that an inventory is billed for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    pub(crate) list: Vec<Demand>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) unpriced: BTreeMap<String, Vec<String>>,
    pub(crate) standing: BTreeMap<String, Standing>,
}

/// Collects what one resource is billed for.
pub(super) struct DemandBuilder<'a> {
    pub(super) resource: &'a Resource,
    pub(super) inventory: &'a Inventory,
    pub(super) usage: &'a Usage,
    pub(super) book: &'a PriceBook,
    pub(super) options: Options,
    pub(super) demands: &'a mut Demands,
    /// Where what follows is shown.
    pub(super) heading: Heading,
    /// Where the resource itself is shown: the first of its headings.
    pub(super) own: Option<Heading>,
}

impl DemandBuilder<'_> {
    /// Goes on under another heading.
    pub(super) fn under(&mut self, heading: Heading) -> &mut Self {
        self.heading = heading;
        self.own.get_or_insert(heading);
        self
    }

    /// Something that costs for being there, in the region of the resource.
    pub(super) fn fixed(
        &mut self,
        service: Service,
        item: impl Into<String>,
        unit: Unit,
        amount: Decimal,
    ) {
        let amount = QuantityRange::fixed(amount);
        if let Some(scope) = self.scope() {
            self.add(
                scope,
                service,
                item.into(),
                unit,
                Basis::Fixed,
                amount,
                UsageSource::File,
            );
        }
    }

    /// The same somewhere else than in the region of the resource.
    pub(super) fn fixed_in(
        &mut self,
        scope: Scope,
        service: Service,
        item: impl Into<String>,
        unit: Unit,
        amount: Decimal,
    ) {
        let amount = QuantityRange::fixed(amount);
        let (basis, source) = (Basis::Fixed, UsageSource::File);
        self.add(scope, service, item.into(), unit, basis, amount, source);
    }

    /// Something that costs what it is used, by an amount that was worked out, and who says so.
    pub(super) fn used_in(
        &mut self,
        scope: Scope,
        service: Service,
        item: impl Into<String>,
        unit: Unit,
        (amount, source): (QuantityRange, UsageSource),
    ) {
        let basis = Basis::Usage;
        self.add(scope, service, item.into(), unit, basis, amount, source);
    }

    /// The same, every hour of the month.
    pub(super) fn hourly(
        &mut self,
        service: Service,
        item: impl Into<String>,
        unit: Unit,
        count: Decimal,
    ) {
        self.fixed(service, item, unit, count * HOURS_PER_MONTH);
    }

    /// Something that costs what it is used, as the usage of this resource says under `name`.
    pub(super) fn used(
        &mut self,
        service: Service,
        item: impl Into<String>,
        unit: Unit,
        name: &str,
    ) {
        let (amount, usage_source) = self.usage_of(name);
        if amount.is_zero() && usage_source != UsageSource::Unknown {
            return;
        }
        let scope = match service {
            Service::CloudFront => Some(Scope::Global),
            _ => self.scope(),
        };
        if let Some(scope) = scope {
            self.add(
                scope,
                service,
                item.into(),
                unit,
                Basis::Usage,
                amount,
                usage_source,
            );
        }
    }

    pub(super) fn usage_of(&self, name: &str) -> (QuantityRange, UsageSource) {
        self.usage
            .of(&self.resource.address, &self.resource.kind, name)
    }

    #[expect(clippy::too_many_arguments, reason = "they are what a demand is")]
    pub(super) fn add(
        &mut self,
        scope: Scope,
        service: Service,
        item: String,
        unit: Unit,
        basis: Basis,
        quantity: QuantityRange,
        usage_source: UsageSource,
    ) {
        self.demands.list.push(Demand {
            address: self.resource.address.clone(),
            heading: self.heading,
            key: PriceKey {
                scope,
                service,
                item,
            },
            unit,
            basis,
            quantity,
            usage_source,
        });
    }

    /// Traffic from one region to another.
    pub(super) fn transfer(
        &mut self,
        from: Region,
        to: Region,
        amount: QuantityRange,
        usage_source: UsageSource,
    ) {
        let key = self.book.transfer(from, to);
        self.add(
            key.scope,
            key.service,
            key.item,
            Unit::Gb,
            Basis::Usage,
            amount,
            usage_source,
        );
    }

    /// Where the resource is; a problem when nothing tells.
    pub(super) fn scope(&mut self) -> Option<Scope> {
        let region = self.resource.region;
        if region.is_none() {
            self.problem("its region is not known; name it with --region");
        }
        region.map(Scope::Region)
    }

    /// Part of the resource cannot be priced.
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        let problem = Problem {
            heading: self.own.unwrap_or(self.heading),
            address: self.resource.address.clone(),
            problem: problem.into(),
        };
        // Those of one resource are beside each other.
        let problems = &mut self.demands.problems;
        let mut own = problems
            .iter()
            .rev()
            .take_while(|of| of.address == problem.address);
        if !own.any(|of| *of == problem) {
            problems.push(problem);
        }
    }
}
