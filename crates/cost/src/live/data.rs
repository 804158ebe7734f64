use aws_env::{Error, pages_up_to};
use serde_json::json;

use super::{MOST_PAGES, Search};

impl Search {
    pub(super) async fn databases(&mut self) -> Result<(), Error> {
        let request = self.clients.rds.describe_db_instances();
        let call = self.call("RDS", "DescribeDBInstances");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for of in page.db_instances() {
                let tags = of.tag_list().iter().map(|tag| (tag.key(), tag.value()));
                if !self.is_ours(tags) {
                    continue;
                }
                let id = of.db_instance_identifier().unwrap_or_default();
                let attributes = [
                    ("identifier", json!(id)),
                    ("engine", json!(of.engine())),
                    ("instance_class", json!(of.db_instance_class())),
                    ("multi_az", json!(of.multi_az())),
                    ("storage_type", json!(of.storage_type())),
                    ("allocated_storage", json!(of.allocated_storage())),
                    ("iops", json!(of.iops())),
                    ("publicly_accessible", json!(of.publicly_accessible())),
                    (
                        "database_insights_mode",
                        json!(of.database_insights_mode().map(|mode| mode.as_str())),
                    ),
                    (
                        "performance_insights_retention_period",
                        json!(of.performance_insights_retention_period()),
                    ),
                    (
                        "replicate_source_db",
                        json!(of.read_replica_source_db_instance_identifier()),
                    ),
                    (
                        "manage_master_user_password",
                        json!(of.master_user_secret().is_some()),
                    ),
                ];
                self.add("aws_db_instance", id, attributes);
            }
        }
        Ok(())
    }

    /// Backups in this region of databases that were found elsewhere.
    pub(super) async fn replicated_backups(&mut self) -> Result<(), Error> {
        let known: Vec<String> = self
            .found
            .iter()
            .filter(|resource| resource.kind == "aws_db_instance")
            .filter_map(|resource| resource.attributes.text("identifier").map(str::to_owned))
            .collect();
        let request = self.clients.rds.describe_db_instance_automated_backups();
        let call = self.call("RDS", "DescribeDBInstanceAutomatedBackups");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for of in page.db_instance_automated_backups() {
                let arn = of.db_instance_arn().unwrap_or_default();
                let from = arn.split(':').nth(3);
                let id = of.db_instance_identifier().unwrap_or_default();
                // Those of this region's own databases are not copies.
                let copied = from.is_some_and(|from| from != self.clients.access.region().as_str());
                if copied && known.iter().any(|known| known == id) {
                    let attributes = [("source_db_instance_arn", json!(arn))];
                    self.add(
                        "aws_db_instance_automated_backups_replication",
                        id,
                        attributes,
                    );
                }
            }
        }
        Ok(())
    }

    pub(super) async fn caches(&mut self) -> Result<(), Error> {
        let client = self.clients.elasticache.clone();
        let request = client.describe_replication_groups();
        let call = self.call("ElastiCache", "DescribeReplicationGroups");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for of in page.replication_groups() {
                let id = of.replication_group_id().unwrap_or_default();
                let tags = client
                    .list_tags_for_resource()
                    .resource_name(of.arn().unwrap_or_default())
                    .send()
                    .await
                    .map_err(|error| {
                        self.call("ElastiCache", "ListTagsForResource")
                            .failed(error)
                    })?;
                let tags = tags.tag_list().iter().map(|tag| (tag.key(), tag.value()));
                if self.is_ours(tags) {
                    let attributes = [
                        ("engine", json!(of.engine())),
                        ("node_type", json!(of.cache_node_type())),
                        ("num_cache_clusters", json!(of.member_clusters().len())),
                    ];
                    self.add("aws_elasticache_replication_group", id, attributes);
                }
            }
        }
        Ok(())
    }
}
