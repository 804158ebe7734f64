use cli::{Exit, Failure, GlobalArgs};
use cost::Actual;
use cost::aws::CostQuery;
use jiff::ToSpan as _;
use jiff::civil::Date;
use settings::Region;

use super::{estimate, show_charted, source};
use crate::args::cost::ActualArgs;

/// Where Cost Explorer is, for all regions.
/// <https://docs.aws.amazon.com/general/latest/gr/billing.html>
const HOME: &str = "us-east-1";

const QUESTION: &str = "Cost Explorer, a global service in us-east-1, charges $0.01 for every request: one, and one \
                        more for each further page of the answer. Ask?";

pub(super) async fn run(global: &GlobalArgs, args: &ActualArgs) -> Result<Exit, Failure> {
    let query = CostQuery {
        month: month(args.month.as_deref())?,
        tags: tags(global, &args.tag)?,
    };
    let estimate = estimate::of(global, &args.estimate).await?;
    let home: Region = HOME
        .parse()
        .map_err(|error| Failure::new(Exit::Usage, anyhow::Error::new(error)))?;
    cli::confirm(global, QUESTION)?;
    let env = cli::aws_env(None).await?;
    let client = aws_env::client!(aws_sdk_costexplorer, &env.access(home));
    let bill = cost::aws::billed(&client, home, query)
        .await
        .map_err(|error| Failure::aws("ask what was billed", error))?;
    let actual = Actual::new(&estimate, bill);
    show_charted(global, &actual, &args.estimate.pricing)?;
    if actual.is_empty() {
        let error =
            anyhow::anyhow!("failed to compare: nothing was billed under the tags in that month");
        return Err(Failure::new(Exit::Unchecked, error)
            .hint("activate them as cost allocation tags; they count from then on, a day later"));
    }
    Ok(Exit::Fine)
}

/// The first day of a month that is over.
fn month(given: Option<&str>) -> Result<Date, Failure> {
    let this = source::today().first_of_month();
    let Some(text) = given else {
        return Ok(this.saturating_sub(1.month()));
    };
    let wrong = |problem: &str| {
        let error = anyhow::anyhow!("failed to use the month {text:?}: {problem}");
        Failure::new(Exit::Usage, error).hint("write it as in 2026-10")
    };
    let first = format!("{text}-01")
        .parse::<Date>()
        .map_err(|_| wrong("it is no month"))?;
    if first >= this {
        return Err(wrong(
            "it is not over yet, and an estimate is of a whole month",
        ));
    }
    Ok(first)
}

fn tags(global: &GlobalArgs, given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    if given.is_empty() {
        let settings = cli::load_settings(global)?;
        let named = |key: &str| {
            let mut tags = settings.tags.iter();
            tags.find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        return Ok(["Project", "Environment"]
            .iter()
            .filter_map(|key| named(key))
            .collect());
    }
    let tag = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => {
            let error = anyhow::anyhow!("failed to use the tag {text:?}");
            Err(Failure::new(Exit::Usage, error).hint("write it as in Project=berthcare"))
        }
    };
    given.iter().map(tag).collect()
}
