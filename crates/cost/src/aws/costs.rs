use aws_env::{Call, Error};
use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::error::BuildError;
use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition,
    GroupDefinitionType, TagValues,
};
use jiff::ToSpan as _;
use jiff::civil::Date;
use rust_decimal::Decimal;
use settings::Region;

use crate::actual::{Bill, Billed};
use crate::money::Usd;

/// A page has some 5,000 groups; every page is a request that costs a cent.
/// <https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/>
const MOST_PAGES: usize = 5;

const METRIC: &str = "UnblendedCost";

/// A whole month of what carries some tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostQuery {
    /// The first day.
    pub month: Date,
    /// Key and value; all of them.
    pub tags: Vec<(String, String)>,
}

/// Asks Cost Explorer, which is in `region` whatever the stack's region is. Every request costs $0.01.
///
/// # Errors
/// When it does not answer or refuses.
pub async fn billed(client: &Client, region: Region, query: CostQuery) -> Result<Bill, Error> {
    let call = || Call {
        region,
        service: "Cost Explorer",
        operation: "GetCostAndUsage",
        resource: query.month.strftime("%Y-%m").to_string(),
    };
    let built = |error: BuildError| Error::unexpected(call(), error.to_string());
    let period = DateInterval::builder()
        .start(query.month.to_string())
        .end(query.month.saturating_add(1.month()).to_string())
        .build()
        .map_err(built)?;
    let by = |key: &str| {
        GroupDefinition::builder()
            .r#type(GroupDefinitionType::Dimension)
            .key(key)
            .build()
    };
    let mut bill = Bill {
        month: query.month,
        tags: query.tags.clone(),
        parts: Vec::new(),
        provisional: false,
    };
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = client
            .get_cost_and_usage()
            .time_period(period.clone())
            .granularity(Granularity::Monthly)
            .metrics(METRIC)
            .filter(filter(&query.tags))
            .group_by(by("SERVICE"))
            .group_by(by("USAGE_TYPE"))
            .set_next_page_token(token)
            .send()
            .await
            .map_err(|error| call().failed(error))?;
        for result in page.results_by_time() {
            bill.provisional |= result.estimated();
            for group in result.groups() {
                let part = part(group).map_err(|what| Error::unexpected(call(), what))?;
                bill.parts.push(part);
            }
        }
        token = page.next_page_token().map(str::to_owned);
        if token.is_none() {
            return Ok(bill);
        }
    }
    Err(Error::unexpected(
        call(),
        format!("more than {MOST_PAGES} pages"),
    ))
}

/// What carries the tags, without what no estimate has.
fn filter(tags: &[(String, String)]) -> Expression {
    let left_out = DimensionValues::builder()
        .key(Dimension::RecordType)
        .set_values(Some(["Credit", "Refund", "Tax"].map(str::to_owned).into()))
        .build();
    let left_out = Expression::builder().dimensions(left_out).build();
    let rest = Expression::builder().not(left_out).build();
    let tagged = tags.iter().map(|(key, value)| {
        let values = TagValues::builder().key(key).values(value).build();
        Expression::builder().tags(values).build()
    });
    let all: Vec<Expression> = tagged.chain([rest.clone()]).collect();
    if all.len() == 1 {
        return rest;
    }
    Expression::builder().set_and(Some(all)).build()
}

fn part(group: &aws_sdk_costexplorer::types::Group) -> Result<Billed, String> {
    let [service, usage_type] = group.keys() else {
        return Err(format!("{} keys of a group, not two", group.keys().len()));
    };
    let amount = group.metrics().and_then(|metrics| metrics.get(METRIC));
    let (Some(amount), Some(unit)) = (
        amount.and_then(|value| value.amount()),
        amount.and_then(|value| value.unit()),
    ) else {
        return Err(format!("{service} {usage_type} has no amount"));
    };
    if unit != "USD" {
        return Err(format!(
            "{service} {usage_type} is in {unit}, not in US dollars"
        ));
    }
    let dollars = amount
        .parse()
        .or_else(|_| Decimal::from_scientific(amount))
        .map_err(|_| format!("{amount:?} of {service} {usage_type} is no number"))?;
    Ok(Billed {
        service: service.clone(),
        usage_type: usage_type.clone(),
        usd: Usd::new(dollars),
    })
}
