//! `rds status`, `step`, `quota`, `end-as`, `replica-lag`, `retire`.

use local_aws::{RdsEnding, RdsKind};

use crate::args::{Quota, Rds, RdsAction, Resource};
use crate::instance;
use crate::outcome::print;

pub(crate) async fn act(arguments: Rds) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    let status = match arguments.action {
        RdsAction::Status => control.rds().await?,
        RdsAction::Step { by } => return print(control.rds_step(by).await?.now),
        RdsAction::Quota { name, most } => {
            let mut quotas = control.rds().await?.quotas;
            let count = usize::try_from(most)?;
            match name {
                Quota::ManualSnapshots => quotas.manual_snapshots = count,
                Quota::CopiesInProgress => quotas.copies_in_progress = count,
                Quota::ReplicatedBackups => quotas.replicated_backups = count,
                Quota::Instances => quotas.instances = count,
                Quota::StorageGib => quotas.storage_gib = u64::from(most),
            }
            return Ok(control.rds_set_quotas(&quotas).await.map(drop)?);
        }
        RdsAction::EndAs {
            kind,
            region,
            id,
            status,
        } => {
            let ending = RdsEnding {
                kind: match kind {
                    Resource::Instance => RdsKind::Instance,
                    Resource::Snapshot => RdsKind::Snapshot,
                },
                region,
                id,
                status,
            };
            return Ok(control.rds_end_as(&ending).await.map(drop)?);
        }
        RdsAction::ReplicaLag { region, id, lag } => {
            return Ok(control.rds_replica_lag(&region, &id, lag).await.map(drop)?);
        }
        RdsAction::Retire { version } => {
            return Ok(control.rds_retire(&version).await.map(drop)?);
        }
    };
    print(report::escape::json(&status)?)
}
