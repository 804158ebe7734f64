//! `status`.

use local_aws::RegionState;

use crate::args::{Output, Status};
use crate::command::fault;
use crate::instance;
use crate::outcome::print;

pub(crate) async fn print_status(arguments: &Status) -> anyhow::Result<()> {
    let status = instance::find(&arguments.at)?.status().await?;
    if arguments.output == Output::Json {
        return print(report::escape::json(&status)?);
    }
    let emulator = status
        .emulator
        .map(|id| format!(", process {id}"))
        .unwrap_or_default();
    print(format_args!(
        "url       {} (process {})",
        status.endpoint, status.process
    ))?;
    print(format_args!("base      {}{emulator}", status.base))?;
    print(format_args!("requests  {}", status.requests))?;
    if let Some(rds) = &status.rds {
        let data = match &rds.data_missing {
            None => "PostgreSQL servers".to_owned(),
            Some(why) => format!("states only: {why}"),
        };
        print(format_args!("rds       {}, {data}", rds.now))?;
        for unread in &rds.unread {
            print(format_args!("ignored   {unread}"))?;
        }
    }
    for (region, state) in &status.regions {
        let state = match state {
            RegionState::Up => "up",
            RegionState::Refuse => "down, connections are reset",
            RegionState::BlackHole => "down, nothing answers",
        };
        print(format_args!("region    {region}: {state}"))?;
    }
    for listed in &status.faults {
        print(format_args!("fault     {}", fault::line(listed)))?;
    }
    Ok(())
}
