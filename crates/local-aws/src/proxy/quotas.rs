//! Service Quotas, as far as it tells of the simulated RDS.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::{Body, Proxy};
use crate::answer;
use crate::bucket;
use crate::rds::Rds;
use crate::request::{Call, Protocol};

/// What a request to Service Quotas names.
struct Asked {
    service: String,
    code: Option<String>,
}

impl Proxy {
    /// RDS, where a request to Service Quotas is the proxy's: bases know of no quotas.
    pub(super) fn own_quotas(&self, call: &Call) -> Option<Rds> {
        let rds = self.state.rds.as_ref()?;
        let own = call.service == "servicequotas"
            && call.protocol == Protocol::Json
            && matches!(
                call.operation.as_str(),
                "ListServiceQuotas" | "GetServiceQuota"
            );
        own.then(|| rds.clone())
    }

    pub(super) async fn answer_quotas(
        &self,
        rds: &Rds,
        call: &Call,
        request: Request<Body>,
    ) -> Response<Full<Bytes>> {
        // It is in memory already.
        let body = request.into_body().collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let asked = Asked {
            service: text("ServiceCode").unwrap_or_default(),
            code: text("QuotaCode"),
        };
        let absent = |message: &str| {
            let code = "NoSuchResourceException";
            answer::error(call, StatusCode::BAD_REQUEST, code, message, &[])
        };
        if asked.service != "rds" {
            return absent("This simulation has quotas of rds only.");
        }
        let region = call.region.as_deref().unwrap_or_default();
        let account = bucket::account(call);
        let mut all = quotas(rds, region, account);
        if call.operation == "ListServiceQuotas" {
            return answer::json(&json!({ "Quotas": all }));
        }
        all.retain(|quota| quota.get("QuotaCode").and_then(Value::as_str) == asked.code.as_deref());
        match all.pop() {
            Some(quota) => answer::json(&json!({ "Quota": quota })),
            None => absent("The request failed because the specified quota does not exist."),
        }
    }
}

/// Names and codes: <https://docs.aws.amazon.com/general/latest/gr/rds-service.html>. Copies under way and replicated backups
/// are not among them.
fn quotas(rds: &Rds, region: &str, account: &str) -> Vec<Value> {
    let quotas = rds.quotas();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let rows = [
        ("L-7B6409FD", "DB instances", number(quotas.instances)),
        ("L-48C6BF61", "DB subnet groups", 50),
        (
            "L-272F1212",
            "Manual DB instance snapshots",
            number(quotas.manual_snapshots),
        ),
        ("L-DE55804A", "Parameter groups", 50),
        (
            "L-7ADDB58A",
            "Total storage for all DB instances",
            quotas.storage_gib,
        ),
    ];
    let row = |(code, name, value): (&str, &str, u64)| {
        json!({
            "ServiceCode": "rds",
            "ServiceName": "Amazon Relational Database Service (Amazon RDS)",
            "QuotaArn": format!("arn:aws:servicequotas:{region}:{account}:rds/{code}"),
            "QuotaCode": code,
            "QuotaName": name,
            "Value": value,
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
        })
    };
    rows.map(row).to_vec()
}
