//! `fault add`, `list`, `remove`, `clear`.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::Context;
use local_aws::{ErrorAnswer, FaultKind, ListedFault};

use crate::args::{AddFault, Fault, FaultAction, Kind, Output};
use crate::instance;
use crate::outcome::print;

pub(crate) async fn act(arguments: Fault) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    match arguments.action {
        FaultAction::Add(fault) => {
            let fault = local_aws::Fault::from(fault);
            fault.check().context("add the fault")?;
            print(control.add_fault(&fault).await?.0)
        }
        FaultAction::List {
            output: Output::Json,
        } => print(report::escape::json(&control.faults().await?)?),
        FaultAction::List {
            output: Output::Table,
        } => control
            .faults()
            .await?
            .iter()
            .try_for_each(|listed| print(line(listed))),
        FaultAction::Remove { id } => Ok(control.remove_fault(id).await.map(drop)?),
        FaultAction::Clear => Ok(control.clear_faults().await?),
    }
}

impl From<AddFault> for local_aws::Fault {
    fn from(arguments: AddFault) -> Self {
        let number = |number: Option<NonZeroU64>| number.map_or(0, NonZeroU64::get);
        Self {
            service: arguments.service,
            operation: arguments.operation,
            region: arguments.region,
            resource: arguments.resource,
            kind: match arguments.kind {
                Kind::SlowDown => FaultKind::SlowDown,
                Kind::InternalError => FaultKind::InternalError,
                Kind::Empty => FaultKind::Empty,
                Kind::Pages => FaultKind::Pages,
                Kind::Denied => FaultKind::Denied,
                Kind::RequestLost => FaultKind::RequestLost,
                Kind::ResponseLost => FaultKind::ResponseLost,
                Kind::BadGateway => FaultKind::BadGateway,
                Kind::Propagating => FaultKind::Propagating(number(arguments.calls)),
                Kind::Error => FaultKind::Error(ErrorAnswer {
                    code: arguments.code.unwrap_or_default(),
                    status: arguments.status,
                    message: arguments.message,
                }),
                Kind::Latency => FaultKind::Latency(Duration::from_millis(number(arguments.ms))),
            },
            share: arguments.share,
            times: arguments.times,
            nth: arguments.nth.map(NonZeroU64::get),
        }
    }
}

/// `3  slow-down  service=s3 share=0.3 times=2`.
pub(crate) fn line(listed: &ListedFault) -> String {
    let fault = &listed.fault;
    let mut line = format!("{}  {}", listed.id.0, fault.kind.name());
    match &fault.kind {
        FaultKind::Error(error) => line.push_str(&format!(" {} {}", error.status, error.code)),
        FaultKind::Latency(duration) => line.push_str(&format!(" {} ms", duration.as_millis())),
        FaultKind::Propagating(calls) => line.push_str(&format!(" {calls} calls")),
        _ => {}
    }
    for (name, value) in [
        ("service", fault.service.clone()),
        ("operation", fault.operation.clone()),
        ("region", fault.region.clone()),
        ("resource", fault.resource.clone()),
        (
            "share",
            (fault.share < 1.0).then(|| fault.share.to_string()),
        ),
        ("nth", fault.nth.map(|nth| nth.to_string())),
        ("times left", fault.times.map(|times| times.to_string())),
    ] {
        if let Some(value) = value {
            line.push_str(&format!("  {name}={value}"));
        }
    }
    line
}
