//! `log`.

use crate::args::Log;
use crate::instance;
use crate::outcome::print;

pub(crate) async fn print_log(arguments: &Log) -> anyhow::Result<()> {
    let control = instance::find(&arguments.at)?;
    let mut next = 0;
    loop {
        let page = control.log(next, arguments.follow && next > 0).await?;
        for entry in &page.entries {
            print(report::escape::json_line(entry)?)?;
        }
        if !arguments.follow {
            return Ok(());
        }
        next = page.next;
    }
}
