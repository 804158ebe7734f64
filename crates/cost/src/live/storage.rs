use aws_env::{Error, ErrorClass, pages_up_to};
use aws_sdk_s3::types::ReplicationConfiguration;
use serde_json::{Value, json};
use settings::Settings;

use super::{MOST_PAGES, Search};

impl Search {
    /// The settings' buckets that are in this region, and those named after the project that carry its tags.
    pub(super) async fn buckets(&mut self, settings: &Settings) -> Result<(), Error> {
        let s3 = self.clients.s3.clone();
        let in_settings: Vec<String> = settings
            .buckets
            .iter()
            .flat_map(|pair| [pair.name.to_string(), pair.dr.to_string()])
            .collect();
        let mut names = Vec::new();
        let request = s3
            .list_buckets()
            .bucket_region(self.clients.access.region().as_str());
        let call = self.call("S3", "ListBuckets");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for bucket in page.buckets() {
                let name = bucket.name().unwrap_or_default();
                let here = bucket
                    .bucket_region()
                    .is_none_or(|region| region == self.clients.access.region().as_str());
                if here
                    && (name.contains(settings.project.as_str())
                        || in_settings.iter().any(|in_settings| in_settings == name))
                {
                    names.push(name.to_owned());
                }
            }
        }
        for name in names {
            if in_settings.contains(&name) || self.is_tagged(&name).await? {
                self.add("aws_s3_bucket", &name, [("bucket", json!(name))]);
                self.replication(&name).await?;
            }
        }
        Ok(())
    }

    async fn is_tagged(&self, bucket: &str) -> Result<bool, Error> {
        let tags = self
            .clients
            .s3
            .get_bucket_tagging()
            .bucket(bucket)
            .send()
            .await;
        match tags {
            Ok(tags) => {
                let tags = tags.tag_set().iter();
                Ok(self.is_ours(tags.map(|tag| (Some(tag.key()), Some(tag.value())))))
            }
            Err(error) => {
                let call = self.clients.call("S3", "GetBucketTagging", bucket);
                absent(call.failed(error)).map(|()| false)
            }
        }
    }

    async fn replication(&mut self, bucket: &str) -> Result<(), Error> {
        let found = self
            .clients
            .s3
            .get_bucket_replication()
            .bucket(bucket)
            .send()
            .await;
        match found {
            Ok(found) => {
                if let Some(configuration) = found.replication_configuration() {
                    let rules = [("rule", rules(configuration))];
                    self.add("aws_s3_bucket_replication_configuration", bucket, rules);
                }
                Ok(())
            }
            Err(error) => {
                let call = self.clients.call("S3", "GetBucketReplication", bucket);
                absent(call.failed(error))
            }
        }
    }

    /// The lock table.
    pub(super) async fn table(&mut self, settings: &Settings) -> Result<(), Error> {
        let Some(name) = &settings.state.lock_table else {
            return Ok(());
        };
        let client = self.clients.dynamodb.clone();
        let table = match client
            .describe_table()
            .table_name(name.as_str())
            .send()
            .await
        {
            Ok(table) => table.table,
            Err(error) => {
                let call = self
                    .clients
                    .call("DynamoDB", "DescribeTable", name.as_str());
                return absent(call.failed(error));
            }
        };
        let Some(table) = table else {
            return Ok(());
        };
        let mode = table
            .billing_mode_summary()
            .and_then(|summary| summary.billing_mode());
        let capacity = table.provisioned_throughput();
        let replicas: Vec<Value> = table
            .replicas()
            .iter()
            .filter_map(|replica| replica.region_name())
            .filter(|region| *region != self.clients.access.region().as_str())
            .map(|region| json!({"region_name": region}))
            .collect();
        let attributes = [
            ("name", json!(name.as_str())),
            ("billing_mode", json!(mode.map(|mode| mode.as_str()))),
            (
                "write_capacity",
                json!(capacity.and_then(|units| units.write_capacity_units())),
            ),
            (
                "read_capacity",
                json!(capacity.and_then(|units| units.read_capacity_units())),
            ),
            ("replica", json!(replicas)),
        ];
        self.add("aws_dynamodb_table", name.as_str(), attributes);
        Ok(())
    }
}

/// What is not there is an answer.
fn absent(error: Error) -> Result<(), Error> {
    if error.class == ErrorClass::Absent {
        Ok(())
    } else {
        Err(error)
    }
}

/// As Terraform writes them.
fn rules(configuration: &ReplicationConfiguration) -> Value {
    let rules = configuration.rules().iter().map(|rule| {
        let to = rule.destination();
        let key = to.and_then(|to| to.encryption_configuration()?.replica_kms_key_id());
        let time = to.and_then(|to| Some(to.replication_time()?.status().as_str()));
        let metrics = to.and_then(|to| Some(to.metrics()?.status().as_str()));
        let class = to.and_then(|to| Some(to.storage_class()?.as_str()));
        json!({
            "status": rule.status().as_str(),
            "destination": [{
                "storage_class": class,
                "encryption_configuration": [{"replica_kms_key_id": key}],
                "replication_time": [{"status": time}],
                "metrics": [{"status": metrics}],
            }],
        })
    });
    rules.collect()
}
