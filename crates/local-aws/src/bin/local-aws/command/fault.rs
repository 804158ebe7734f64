//! `fault add`, `list`, `remove`, `clear`.

use std::time::Duration;

use local_aws::{FaultKind, ListedFault};

use crate::args::{AddFault, Fault, FaultAction, Kind, Output};
use crate::instance;
use crate::outcome::print;

pub(crate) async fn act(arguments: Fault) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    match arguments.action {
        FaultAction::Add(fault) => print(control.add_fault(&fault.into()).await?.0),
        FaultAction::List {
            output: Output::Json,
        } => print(serde_json::to_string_pretty(&control.faults().await?)?),
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
        let ms = arguments.ms.map_or(0, std::num::NonZeroU64::get);
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
                Kind::Reset => FaultKind::Reset,
                Kind::ResetAfter => FaultKind::ResetAfter,
                Kind::Latency => FaultKind::Latency(Duration::from_millis(ms)),
            },
            share: arguments.share,
            times: arguments.times,
        }
    }
}

/// `3  slow-down  service=s3 share=0.3 times=2`.
pub(crate) fn line(listed: &ListedFault) -> String {
    let fault = &listed.fault;
    let mut line = format!("{}  {}", listed.id.0, fault.kind.name());
    if let FaultKind::Latency(duration) = fault.kind {
        line.push_str(&format!(" {} ms", duration.as_millis()));
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
        ("times left", fault.times.map(|times| times.to_string())),
    ] {
        if let Some(value) = value {
            line.push_str(&format!("  {name}={value}"));
        }
    }
    line
}
