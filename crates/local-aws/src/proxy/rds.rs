//! RDS, in the proxy.

use bytes::Bytes;
use http::header::DATE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};

use super::{Body, Proxy};
use crate::answer::{self, Problem};
use crate::bucket;
use crate::rds::{Asked, Fields, KmsKey, MasterSecret, Network, Place, Rds};
use crate::request::{Call, Protocol, form_fields};

impl Proxy {
    /// RDS and the place of a request to it, if it is the proxy's.
    pub(super) fn own_rds(&self, call: &Call) -> Option<(Rds, Place)> {
        let rds = self.state.rds.as_ref()?;
        let own =
            call.service == "rds" && call.protocol == Protocol::Query && Rds::owns(&call.operation);
        let place = Place {
            region: call.region.clone()?,
            account: bucket::account(call).to_owned(),
        };
        own.then(|| (rds.clone(), place))
    }

    pub(super) async fn answer_rds(
        &self,
        rds: Rds,
        place: Place,
        call: &Call,
        request: Request<Body>,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        // It is in memory already.
        let body = body.collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        let fields = [form_fields(query.as_bytes()), form_fields(&body)].concat();
        let fields = Fields::new(fields);
        let asked = Asked {
            key: self.key_in("KmsKeyId", &fields, &place, call).await,
            insights_key: self
                .key_in("PerformanceInsightsKMSKeyId", &fields, &place, call)
                .await,
            secret_key: self
                .key_in("MasterUserSecretKmsKeyId", &fields, &place, call)
                .await,
            network: self.network(&place, call).await,
            secret: self.make_secret(&rds, &fields, &place, call).await,
        };
        let made = asked.secret.clone();
        let before = outlived_secret(&rds, &fields, &place, call);
        let action = call.operation.clone();
        let region = place.region.clone();
        let now = rds.clone();
        // A client that goes away does not leave half of it undone.
        let work = tokio::spawn(async move { rds.answer(&action, &place, &fields, &asked).await });
        let done = work.await;
        // Of a refused request nothing stays, of a deleted instance no secret.
        let gone = match &done {
            Ok(Ok(_)) => before,
            _ => made.map(|secret| secret.arn),
        };
        if let Some(arn) = gone {
            self.upstream
                .delete_secret(&region, &arn, access_key(call))
                .await;
        }
        let mut answer = match done {
            Ok(Ok(body)) => answer::xml(body),
            Ok(Err((status, code, message))) => answer::error(call, status, code, &message, &[]),
            Err(error) => {
                tracing::warn!(%error, "an RDS request was not finished");
                Problem::Internal.answer(call)
            }
        };
        // Ages are counted by the clock of the service, which is not this machine's.
        let date = now.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::from_str(&date) {
            answer.headers_mut().insert(DATE, date);
        }
        answer
    }

    /// Before CloudWatch is asked for figures it gets those that RDS would have published by now.
    pub(super) async fn publish_lags(&self, call: &Call) {
        let asks = matches!(
            call.operation.as_str(),
            "GetMetricData" | "GetMetricStatistics" | "ListMetrics"
        );
        let (Some(rds), Some(region)) = (&self.state.rds, &call.region) else {
            return;
        };
        if call.service != "monitoring" || !asks {
            return;
        }
        let place = Place {
            region: region.clone(),
            account: bucket::account(call).to_owned(),
        };
        let figures = rds.take_lags(&place);
        if figures.is_empty() {
            return;
        }
        let metric = ("ReplicaLag", "DBInstanceIdentifier");
        let sent = self
            .upstream
            .put_metric(region, metric, &figures, access_key(call));
        if !sent.await {
            tracing::warn!(
                region,
                "ReplicaLag is not published: the base does not take it"
            );
        }
    }

    /// The key that a field names, as the KMS of this region knows it.
    async fn key_in(
        &self,
        field: &str,
        fields: &Fields,
        place: &Place,
        call: &Call,
    ) -> Option<KmsKey> {
        let name = fields.text(field)?;
        // AWS makes this one when it is first used.
        let default = format!(
            "arn:aws:kms:{}:{}:alias/aws/rds",
            place.region, place.account
        );
        if name == "alias/aws/rds" || name == default {
            return Some(KmsKey::Usable(default));
        }
        let arn = self
            .upstream
            .kms_key(&place.region, name, access_key(call))
            .await;
        Some(arn.map_or_else(|| KmsKey::Unusable(name.to_owned()), KmsKey::Usable))
    }

    /// The network of the region, where the request may put something into it; `None` too where the base has no EC2.
    async fn network(&self, place: &Place, call: &Call) -> Option<Network> {
        const PLACED: [&str; 8] = [
            "CreateDBInstance",
            "CreateDBInstanceReadReplica",
            "CreateDBSubnetGroup",
            "DescribeDBSubnetGroups",
            "ModifyDBInstance",
            "ModifyDBSubnetGroup",
            "RestoreDBInstanceFromDBSnapshot",
            "RestoreDBInstanceToPointInTime",
        ];
        if !PLACED.contains(&call.operation.as_str()) {
            return None;
        }
        let ask = |action| self.upstream.ec2(&place.region, action, access_key(call));
        let vpcs = ask("DescribeVpcs").await?;
        let subnets = ask("DescribeSubnets").await?;
        let groups = ask("DescribeSecurityGroups").await?;
        Network::read(&vpcs, &subnets, &groups)
    }

    /// Makes the secret in which RDS would keep the master password, where the request wants that and
    /// the instance has none.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html>
    async fn make_secret(
        &self,
        rds: &Rds,
        fields: &Fields,
        place: &Place,
        call: &Call,
    ) -> Option<MasterSecret> {
        let takes = matches!(
            call.operation.as_str(),
            "CreateDBInstance" | "ModifyDBInstance"
        );
        let wanted = matches!(fields.flag("ManageMasterUserPassword"), Ok(Some(true)));
        let id = fields.text("DBInstanceIdentifier")?;
        if !takes || !wanted || rds.master_secret(place, id).is_some() {
            return None;
        }
        let (password, user) = rds.new_password(place, id);
        let user = user.or_else(|| fields.text("MasterUsername").map(str::to_owned))?;
        let own = format!(
            "arn:aws:kms:{}:{}:alias/aws/secretsmanager",
            place.region, place.account
        );
        let key = self
            .key_in("MasterUserSecretKmsKeyId", fields, place, call)
            .await;
        let key = match key {
            Some(KmsKey::Usable(arn)) => Some(arn),
            Some(KmsKey::Unusable(_)) => return None,
            None => None,
        };
        let arn = self
            .upstream
            .master_secret(
                place,
                id,
                key.as_deref(),
                (&user, &password.0),
                access_key(call),
            )
            .await?;
        Some(MasterSecret {
            arn,
            key: key.unwrap_or(own),
            password,
        })
    }
}

/// The secret that the request, if it succeeds, makes superfluous.
fn outlived_secret(rds: &Rds, fields: &Fields, place: &Place, call: &Call) -> Option<String> {
    let ends = match call.operation.as_str() {
        "DeleteDBInstance" => true,
        "ModifyDBInstance" => {
            matches!(fields.flag("ManageMasterUserPassword"), Ok(Some(false)))
        }
        _ => false,
    };
    let id = fields.text("DBInstanceIdentifier")?;
    ends.then(|| rds.master_secret(place, id)).flatten()
}

fn access_key(call: &Call) -> &str {
    call.access_key.as_deref().unwrap_or("test")
}
