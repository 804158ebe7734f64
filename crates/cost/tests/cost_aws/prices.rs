use std::sync::{Arc, Mutex};

use aws_env::ErrorClass;
use aws_sdk_pricing::Client;
use aws_sdk_pricing::error::ErrorMetadata;
use aws_sdk_pricing::operation::get_products::{GetProductsError, GetProductsOutput};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use cost::aws::{PriceListError, pricing_region, refresh};
use cost::{Confidence, PriceBook};
use jiff::civil::date;
use report::Silent;

use crate::region;

const HEAD: &str = "# Price book: format 1, version 2026-11-22\n\
    region,service,item,unit,per,from,to,usd,as_of,confidence,source\n";

/// A NAT gateway, its bytes, and something that nothing says the product of.
fn book() -> PriceBook {
    let lines = "ca-central-1,AmazonEC2,nat gateway,hour,1,0,Inf,0.05,2026-08-29,quoted:3,s\n\
        ca-central-1,AmazonEC2,nat gateway data,GB,1,0,Inf,0.05,2026-08-29,quoted:3,s\n\
        ca-central-1,AmazonRDS,snapshot export,GB,1,0,Inf,0.011,,assumed,s\n";
    PriceBook::with_prices(&format!("{HEAD}{lines}")).unwrap()
}

/// An entry as GetProducts gives it: a text of JSON.
fn product(sku: &str, usage: &str, unit: &str, usd: &str) -> String {
    format!(
        r#"{{"product":{{"productFamily":"NAT Gateway","attributes":{{"regionCode":"ca-central-1",
        "servicecode":"AmazonEC2","groupDescription":"Hourly charge for NAT Gateways","usagetype":"{usage}",
        "locationType":"AWS Region","location":"Canada (Central)","servicename":"Amazon Elastic Compute Cloud",
        "operation":"NatGateway","group":"NGW:NatGateway"}},"sku":"{sku}"}},"serviceCode":"AmazonEC2",
        "terms":{{"OnDemand":{{"{sku}.JRTCKXETXF":{{"priceDimensions":{{"{sku}.JRTCKXETXF.6YS6EN2CT7":{{
        "unit":"{unit}","endRange":"Inf","description":"$0.051 per NAT Gateway Hour","appliesTo":[],
        "rateCode":"{sku}.JRTCKXETXF.6YS6EN2CT7","beginRange":"0","pricePerUnit":{{"USD":"{usd}"}}}}}},
        "sku":"{sku}","effectiveDate":"2026-11-01T00:00:00Z","offerTermCode":"JRTCKXETXF","termAttributes":{{}}}}}}}},
        "version":"20261112184212","publicationDate":"2026-11-12T18:42:12Z"}}"#
    )
}

fn page(products: &[String], next: Option<&str>) -> GetProductsOutput {
    GetProductsOutput::builder()
        .set_price_list(Some(products.to_vec()))
        .set_next_token(next.map(str::to_owned))
        .build()
}

async fn run_refresh(client: &Client) -> Result<cost::Refresh, PriceListError> {
    let (home, here) = (region("us-east-1"), [region("ca-central-1")]);
    let begun = cost::Refresh::new(&book(), date(2026, 11, 26));
    let none = cost::Resumed::default();
    refresh(client, home, begun, &here, &none, |_| Ok(()), &Silent).await
}

#[tokio::test]
async fn refresh_filters_every_item_and_reads_all_pages() {
    let filters = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&filters);
    let hours = mock!(Client::get_products)
        .match_requests(move |request| {
            let all = request.filters().iter();
            let named =
                all.map(|of| format!("{} {} {}", of.r#type().as_str(), of.field(), of.value()));
            let named: Vec<String> = named.collect();
            let hours = named
                .iter()
                .any(|filter| filter.ends_with("NatGateway-Hours"));
            if hours {
                let mut seen = seen.lock().unwrap();
                seen.push((request.service_code().unwrap_or_default().to_owned(), named));
            }
            hours
        })
        .sequence()
        // Another product's usage type contains that of this one.
        .output(|| {
            page(
                &[product(
                    "REGIONAL",
                    "CAN1-RegionalNatGateway-Hours",
                    "Hrs",
                    "0.0900000000",
                )],
                Some("2"),
            )
        })
        .output(|| {
            page(
                &[product(
                    "ZONAL",
                    "CAN1-NatGateway-Hours",
                    "Hrs",
                    "0.0510000000",
                )],
                None,
            )
        })
        .build();
    let bytes = mock!(Client::get_products).then_output(|| {
        page(
            &[product(
                "BYTES",
                "CAN1-NatGateway-Bytes",
                "GB",
                "0.0500000000",
            )],
            None,
        )
    });
    let client = mock_client!(aws_sdk_pricing, RuleMode::MatchAny, [&hours, &bytes]);
    let refresh = run_refresh(&client).await.unwrap();
    assert_eq!((hours.num_calls(), bytes.num_calls()), (2, 1));
    assert_eq!(
        filters.lock().unwrap()[0],
        (
            "AmazonEC2".to_owned(),
            vec![
                "TERM_MATCH regionCode ca-central-1".to_owned(),
                "CONTAINS usagetype NatGateway-Hours".to_owned()
            ]
        )
    );
    let [change] = refresh.changes.as_slice() else {
        panic!("{:?}", refresh.changes);
    };
    assert_eq!(change.key.item, "nat gateway");
    assert_eq!(change.after[0].usd.to_string(), "$0.05");
    assert_eq!(change.after[0].usd, "0.051".parse().unwrap());
    assert_eq!(refresh.confirmed[0].item, "nat gateway data");
    assert_eq!(refresh.unmatched[0].key.item, "snapshot export");
    let price = refresh.book.price(&change.key).unwrap();
    assert_eq!(price.tiers()[0].confidence, Confidence::Aws);
    assert_eq!(price.tiers()[0].as_of, Some(date(2026, 11, 26)));
}

#[tokio::test]
async fn refresh_without_permission_is_an_error_with_its_class() {
    let denied = mock!(Client::get_products).then_error(|| {
        let meta = ErrorMetadata::builder()
            .code("AccessDeniedException")
            .message("not you");
        GetProductsError::generic(meta.build())
    });
    let client = mock_client!(aws_sdk_pricing, [&denied]);
    let error = run_refresh(&client).await.unwrap_err();
    let PriceListError::Aws { item, source } = error else {
        panic!("{error}");
    };
    assert_eq!(source.class, ErrorClass::Denied);
    assert!(item.contains("nat gateway"), "{item}");
}

#[tokio::test]
async fn refresh_of_an_endless_answer_or_something_else_is_refused() {
    let endless = mock!(Client::get_products).then_compute_output(|request| {
        let at: u32 = request
            .next_token()
            .map_or(0, |token| token.parse().unwrap());
        page(&[], Some(&(at + 1).to_string()))
    });
    let client = mock_client!(aws_sdk_pricing, RuleMode::MatchAny, [&endless]);
    let error = run_refresh(&client).await.unwrap_err();
    let PriceListError::Aws { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.message.as_deref(), Some("more than 20 pages"));
    // The last one says that there are more.
    assert_eq!(endless.num_calls(), 21);
    let other = mock!(Client::get_products).then_output(|| page(&["{\"a\": 1}".to_owned()], None));
    let client = mock_client!(aws_sdk_pricing, RuleMode::MatchAny, [&other]);
    let error = run_refresh(&client).await.unwrap_err();
    assert!(matches!(error, PriceListError::Answer { .. }), "{error}");
}

#[test]
fn pricing_region_is_one_where_the_service_answers() {
    for (near, home) in [
        ("ca-central-1", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("ap-southeast-2", "ap-south-1"),
    ] {
        assert_eq!(pricing_region(region(near)).as_str(), home);
    }
}
