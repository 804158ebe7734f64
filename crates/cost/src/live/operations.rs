use std::collections::BTreeSet;

use aws_env::{Call, Error, pages_up_to};
use serde_json::json;

use super::{MOST_PAGES, Search};

impl Search {
    pub(super) async fn distributions(&mut self) -> Result<(), Error> {
        let client = self.clients.cloudfront.clone();
        let request = client.list_distributions();
        let call = self.global_call("CloudFront", "ListDistributions");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            let all = page
                .distribution_list()
                .map_or(&[][..], |list| list.items());
            for of in all {
                let tags = client
                    .list_tags_for_resource()
                    .resource(of.arn())
                    .send()
                    .await
                    .map_err(|error| {
                        self.global_call("CloudFront", "ListTagsForResource")
                            .failed(error)
                    })?;
                let tags = tags.tags().map_or(&[][..], |tags| tags.items());
                if self.is_ours(tags.iter().map(|tag| (Some(tag.key()), tag.value()))) {
                    self.add(
                        "aws_cloudfront_distribution",
                        of.id(),
                        [("id", json!(of.id()))],
                    );
                }
            }
        }
        Ok(())
    }

    /// Keys that encrypt, and what they keep secret.
    pub(super) async fn keys_and_secrets(&mut self) -> Result<(), Error> {
        self.keys().await?;
        self.secrets().await
    }

    /// By their alias, since the tags of a key can be closed to its account.
    async fn keys(&mut self) -> Result<(), Error> {
        let mut keys = BTreeSet::new();
        let request = self.clients.kms.list_aliases();
        let call = self.call("KMS", "ListAliases");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for alias in page.aliases() {
                if self.is_named(alias.alias_name().unwrap_or_default()) {
                    keys.extend(alias.target_key_id().map(str::to_owned));
                }
            }
        }
        for key in keys {
            self.add("aws_kms_key", &key, []);
        }
        Ok(())
    }

    async fn secrets(&mut self) -> Result<(), Error> {
        let client = self.clients.secrets.clone();
        let request = client.list_secrets();
        let call = self.call("Secrets Manager", "ListSecrets");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for secret in page.secret_list() {
                let tags = secret.tags().iter().map(|tag| (tag.key(), tag.value()));
                // RDS's own secrets are counted with their database; a replica with the secret it is of.
                let managed = secret.owning_service().is_some();
                let elsewhere = secret
                    .primary_region()
                    .is_some_and(|region| region != self.clients.access.region().as_str());
                if managed || elsewhere || !self.is_ours(tags) {
                    continue;
                }
                let arn = secret.arn().unwrap_or_default();
                let more = client
                    .describe_secret()
                    .secret_id(arn)
                    .send()
                    .await
                    .map_err(|error| {
                        self.call("Secrets Manager", "DescribeSecret").failed(error)
                    })?;
                let replicas = more.replication_status().iter();
                let replicas: Vec<_> = replicas
                    .map(|replica| json!({"region": replica.region()}))
                    .collect();
                let name = secret.name().unwrap_or(arn);
                self.add(
                    "aws_secretsmanager_secret",
                    name,
                    [("replica", json!(replicas))],
                );
            }
        }
        Ok(())
    }

    /// Alarms, dashboards, log groups.
    pub(super) async fn monitoring(&mut self) -> Result<(), Error> {
        self.alarms().await?;
        self.dashboards().await?;
        self.log_groups().await
    }

    /// Alarms of CloudFront are in its own region.
    async fn alarms(&mut self) -> Result<(), Error> {
        let (here, global) = (self.clients.access.region(), self.clients.global);
        let mut regions = vec![(self.clients.cloudwatch.clone(), here)];
        if global != here {
            regions.push((self.clients.global_cloudwatch.clone(), global));
        }
        for (client, region) in regions {
            let request = client.describe_alarms();
            let call = Call {
                region,
                ..self.call("CloudWatch", "DescribeAlarms")
            };
            let pages = request.into_paginator().send();
            for page in pages_up_to(call, MOST_PAGES, pages).await? {
                for alarm in page.metric_alarms() {
                    let name = alarm.alarm_name().unwrap_or_default();
                    if !self.is_named(name) {
                        continue;
                    }
                    let metric = |period: Option<i32>| json!({"metric": [{"period": period}]});
                    let queries: Vec<_> = alarm
                        .metrics()
                        .iter()
                        .filter_map(|query| query.metric_stat())
                        .map(|stat| metric(stat.period()))
                        .collect();
                    let attributes = [
                        ("period", json!(alarm.period())),
                        ("metric_query", json!(queries)),
                    ];
                    self.add("aws_cloudwatch_metric_alarm", name, attributes);
                    if let Some(last) = self.found.last_mut() {
                        last.region = Some(region);
                    }
                }
            }
        }
        Ok(())
    }

    async fn dashboards(&mut self) -> Result<(), Error> {
        let request = self.clients.cloudwatch.list_dashboards();
        let call = self.call("CloudWatch", "ListDashboards");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for dashboard in page.dashboard_entries() {
                let name = dashboard.dashboard_name().unwrap_or_default();
                if self.is_named(name) {
                    self.add("aws_cloudwatch_dashboard", name, []);
                }
            }
        }
        Ok(())
    }

    async fn log_groups(&mut self) -> Result<(), Error> {
        let request = self.clients.logs.describe_log_groups();
        let call = self.call("CloudWatch Logs", "DescribeLogGroups");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for group in page.log_groups() {
                let name = group.log_group_name().unwrap_or_default();
                if self.is_named(name) {
                    let attributes = [
                        ("name", json!(name)),
                        ("retention_in_days", json!(group.retention_in_days())),
                    ];
                    self.add("aws_cloudwatch_log_group", name, attributes);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn topics(&mut self) -> Result<(), Error> {
        let client = self.clients.sns.clone();
        let mut topics = Vec::new();
        let call = self.call("SNS", "ListTopics");
        let pages = client.list_topics().into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            let arns = page.topics().iter().filter_map(|topic| topic.topic_arn());
            topics.extend(arns.filter(|arn| self.is_named(arn)).map(str::to_owned));
        }
        for topic in topics {
            let name = topic.rsplit(':').next().unwrap_or_default().to_owned();
            self.add("aws_sns_topic", &name, [("name", json!(name))]);
            let request = client.list_subscriptions_by_topic().topic_arn(&topic);
            let mut protocols = Vec::new();
            let call = self.call("SNS", "ListSubscriptionsByTopic");
            let pages = request.into_paginator().send();
            for page in pages_up_to(call, MOST_PAGES, pages).await? {
                let all = page.subscriptions().iter();
                protocols.extend(all.filter_map(|of| of.protocol()).map(str::to_owned));
            }
            for (at, protocol) in protocols.iter().enumerate() {
                let attributes = [("protocol", json!(protocol))];
                self.add(
                    "aws_sns_topic_subscription",
                    &format!("{name}-{at}"),
                    attributes,
                );
            }
        }
        Ok(())
    }
}
