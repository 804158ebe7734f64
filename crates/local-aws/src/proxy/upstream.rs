//! The way from the proxy to the base.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, ETAG, EXPECT, HOST, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Body, Error, full};
use crate::control::TOKEN;
use crate::emulator::Running;
use crate::rds::Place;
use crate::region::Down;

/// Tells the base which regions are down: see `replication.py`.
const REGIONS_DOWN: HeaderName = HeaderName::from_static("x-local-aws-regions-down");

/// What the emulator lets nobody ask without: see `guard.py`.
const SECRET: HeaderName = HeaderName::from_static("x-local-aws-secret");

pub(super) struct Upstream {
    base: Authority,
    secret: Option<HeaderValue>,
    holds_replication: bool,
    client: Client<HttpConnector, Body>,
}

impl Upstream {
    pub(super) fn new(running: &Running) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the time after which the bases close an idle connection.
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self {
            base: running.authority.clone(),
            secret: running
                .secret
                .as_ref()
                .and_then(|secret| HeaderValue::from_str(secret.reveal()).ok()),
            holds_replication: running.holds_replication,
            client,
        }
    }

    /// Hands a request on as it came, but for what concerns two neighbours only.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        down: &Down,
    ) -> Result<Response<Incoming>, Error> {
        let (mut parts, body) = request.into_parts();
        parts.uri = self.uri(parts.uri.path_and_query().cloned())?;
        parts.version = Version::HTTP_11;
        parts.headers.remove(CONNECTION);
        // The proxy has asked for the body itself.
        parts.headers.remove(EXPECT);
        // It is for this proxy alone.
        parts.headers.remove(TOKEN);
        if self.holds_replication {
            let names: Vec<&str> = down.regions.keys().map(String::as_str).collect();
            let value = HeaderValue::from_str(&format!("{} {}", down.number, names.join(" ")))?;
            parts.headers.insert(REGIONS_DOWN, value);
        }
        let mut answer = self.request(Request::from_parts(parts, body)).await?;
        answer.headers_mut().remove(CONNECTION);
        // No page may read it, whatever the emulator thinks of that.
        let names: Vec<HeaderName> = answer.headers().keys().cloned().collect();
        for name in names {
            if name.as_str().starts_with("access-control-") {
                answer.headers_mut().remove(name);
            }
        }
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }

    /// Asks the base for a bucket's home, in the name of `access_key`. Bases that check signatures
    /// do not tell.
    pub(super) async fn bucket_region(&self, bucket: &str, access_key: &str) -> Option<String> {
        let bucket = utf8_percent_encode(bucket, NON_ALPHANUMERIC);
        let path = PathAndQuery::try_from(format!("/{bucket}")).ok()?;
        let request = Request::builder()
            .method(Method::HEAD)
            .uri(self.uri(Some(path)).ok()?)
            .header(AUTHORIZATION, credential(access_key, "us-east-1", "s3"))
            .body(full(bytes::Bytes::new()))
            .ok()?;
        let answer = self.request(request).await.ok()?;
        let region = answer.headers().get("x-amz-bucket-region")?;
        region.to_str().ok().map(str::to_owned)
    }

    /// The ETag of the object that a write is about to replace, asked for in the name of who writes it.
    pub(super) async fn etag(&self, path: &str, from: HeaderMap) -> Result<Option<String>, Error> {
        let mut head = Request::builder()
            .method(Method::HEAD)
            .uri(self.uri(Some(PathAndQuery::try_from(path)?))?);
        for name in [HOST, AUTHORIZATION] {
            if let Some(value) = from.get(&name) {
                head = head.header(name, value);
            }
        }
        let answer = self.request(head.body(full(bytes::Bytes::new()))?).await?;
        let etag = answer.headers().get(ETAG).cloned();
        match (answer.status(), etag) {
            (StatusCode::OK, Some(etag)) => Ok(Some(etag.to_str()?.to_owned())),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, _) => {
                Err(format!("the base answers {status} about what a copy would replace").into())
            }
        }
    }

    /// Asks the base's KMS for a key that can be used in `region`; returns its ARN.
    pub(super) async fn kms_key(
        &self,
        region: &str,
        name: &str,
        access_key: &str,
    ) -> Option<String> {
        let to = (region, "kms", "TrentService.DescribeKey");
        let key = self.ask(to, json!({ "KeyId": name }), access_key).await?;
        let metadata = key.get("KeyMetadata")?;
        let usable = metadata.get("KeyState")?.as_str()? == "Enabled";
        let arn = metadata.get("Arn")?.as_str()?;
        usable.then(|| arn.to_owned())
    }

    /// Makes the secret of a master user in the base's Secrets Manager, as RDS does: its own, rotated every
    /// week. Returns its ARN.
    pub(super) async fn master_secret(
        &self,
        place: &Place,
        instance: &str,
        key: Option<&str>,
        (user, password): (&str, &str),
        access_key: &str,
    ) -> Option<String> {
        let instance = place.arn("db", instance);
        let mut secret = json!({
            "Name": format!("rds!db-{password}"),
            "Description": format!("Secret associated with primary RDS DB instance: {instance}"),
            "SecretString": json!({ "username": user, "password": password }).to_string(),
            "Tags": [
                { "Key": "aws:secretsmanager:owningService", "Value": "rds" },
                { "Key": "aws:rds:primaryDBInstanceArn", "Value": instance },
            ],
        });
        if let Some(key) = key {
            secret["KmsKeyId"] = key.into();
        }
        let to = |operation| (place.region.as_str(), "secretsmanager", operation);
        let made = self
            .ask(to("secretsmanager.CreateSecret"), secret, access_key)
            .await?;
        let arn = made.get("ARN")?.as_str()?.to_owned();
        let weekly = json!({
            "SecretId": arn,
            "RotationRules": { "AutomaticallyAfterDays": 7 },
            "RotateImmediately": false,
        });
        self.ask(to("secretsmanager.RotateSecret"), weekly, access_key)
            .await?;
        Some(arn)
    }

    /// Deletes a secret at once.
    pub(super) async fn delete_secret(&self, region: &str, arn: &str, access_key: &str) {
        let to = (region, "secretsmanager", "secretsmanager.DeleteSecret");
        let body = json!({ "SecretId": arn, "ForceDeleteWithoutRecovery": true });
        if self.ask(to, body, access_key).await.is_none() {
            tracing::warn!(arn, "a secret stays that RDS no longer needs");
        }
    }

    /// What the base's EC2 answers to a request without parameters, if it has one.
    pub(super) async fn ec2(&self, region: &str, action: &str, access_key: &str) -> Option<String> {
        let body = format!("Action={action}&Version=2016-11-15");
        self.query((region, "ec2"), action, body, access_key).await
    }

    /// Publishes a metric of RDS in the base's CloudWatch: what is measured, when, and the value. Whether the base took it.
    pub(super) async fn put_metric(
        &self,
        region: &str,
        (metric, dimension): (&str, &str),
        figures: &[(String, Timestamp, f64)],
        access_key: &str,
    ) -> bool {
        // As many as CloudWatch takes at once.
        for figures in figures.chunks(500) {
            let mut body = "Action=PutMetricData&Version=2010-08-01&Namespace=AWS%2FRDS".to_owned();
            for (number, (of, at, value)) in figures.iter().enumerate() {
                let at = utf8_percent_encode(&at.to_string(), NON_ALPHANUMERIC).to_string();
                let of = utf8_percent_encode(of, NON_ALPHANUMERIC);
                let one = format!("&MetricData.member.{}.", number + 1);
                body.push_str(&format!(
                    "{one}MetricName={metric}{one}Dimensions.member.1.Name={dimension}\
                     {one}Dimensions.member.1.Value={of}{one}Timestamp={at}{one}Value={value}{one}Unit=Seconds"
                ));
            }
            let action = "PutMetricData";
            if self
                .query((region, "monitoring"), action, body, access_key)
                .await
                .is_none()
            {
                return false;
            }
        }
        true
    }

    /// The base's answer to a request of the Query protocol, if it is a success.
    async fn query(
        &self,
        (region, service): (&str, &str),
        action: &str,
        body: String,
        access_key: &str,
    ) -> Option<String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri(None).ok()?)
            .header(AUTHORIZATION, credential(access_key, region, service))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(full(bytes::Bytes::from(body)))
            .ok()?;
        let answer = self.request(request).await.ok()?;
        if !answer.status().is_success() {
            tracing::debug!(action, service, status = %answer.status(), "the base does not do it");
            return None;
        }
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        String::from_utf8(body.to_vec()).ok()
    }

    /// The base's answer to a request in AWS JSON, if it is a success.
    async fn ask(
        &self,
        (region, service, target): (&str, &str, &str),
        body: Value,
        access_key: &str,
    ) -> Option<Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri(None).ok()?)
            .header(AUTHORIZATION, credential(access_key, region, service))
            .header("x-amz-target", target)
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .body(full(bytes::Bytes::from(body.to_string())))
            .ok()?;
        let answer = self.request(request).await.ok()?;
        let success = answer.status().is_success();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        success
            .then(|| serde_json::from_slice(&body).ok())
            .flatten()
    }

    /// Asks the emulator, with the secret that lets nobody else ask it.
    async fn request(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        if let Some(secret) = &self.secret {
            request.headers_mut().insert(SECRET, secret.clone());
        }
        self.client.request(request).await
    }

    fn uri(&self, path: Option<PathAndQuery>) -> Result<Uri, http::uri::InvalidUriParts> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.base.clone());
        uri.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        Uri::from_parts(uri)
    }
}

/// The head of a signature that nobody checks.
fn credential(access_key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}
