//! Clusters, Aurora's and Multi-AZ ones: their data are in a volume or in instances that are copied and restored as a whole, by
//! calls of their own.

use aws_env::Error;

use super::clients::is_any;
use super::{Engine, Instance, RdsClients, Refusal};

impl RdsClients {
    /// The refusal of a database that is a cluster, or part of one; `None` where it is an instance, or nothing. Asked before
    /// anything is planned: the calls for instances fail late, and not by name.
    ///
    /// # Errors
    /// When RDS does not answer or refuses.
    pub async fn refuse_cluster(&self, id: &str) -> Result<Option<Refusal>, Error> {
        if let Some(instance) = self.instance(id).await? {
            return Ok(of_instance(&instance, self));
        }
        let request = self.rds.describe_db_clusters().db_cluster_identifier(id);
        let call = self.call("DescribeDBClusters", id);
        let found = match request.send().await.map_err(|error| call.failed(error)) {
            Ok(answer) => answer.db_clusters.unwrap_or_default(),
            Err(error) if is_any(&error, &["DBClusterNotFoundFault"]) => return Ok(None),
            Err(error) => return Err(error),
        };
        let cluster = found
            .iter()
            .find(|cluster| cluster.db_cluster_identifier() == Some(id));
        Ok(cluster.map(|cluster| Refusal::Cluster {
            database: id.to_owned(),
            region: self.region(),
            cluster: id.to_owned(),
            engine: Engine::read(cluster.engine(), cluster.engine_version()),
        }))
    }
}

/// The refusal of an instance that is part of a cluster.
fn of_instance(instance: &Instance, site: &RdsClients) -> Option<Refusal> {
    Some(Refusal::Cluster {
        database: instance.id.clone(),
        region: site.region(),
        cluster: instance.cluster.clone()?,
        engine: instance.engine.clone(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::error::ErrorMetadata;
    use aws_sdk_rds::operation::describe_db_clusters::{
        DescribeDBClustersError, DescribeDbClustersOutput,
    };
    use aws_sdk_rds::operation::describe_db_instances::{
        DescribeDBInstancesError, DescribeDbInstancesOutput,
    };
    use aws_sdk_rds::types::{DbCluster, DbInstance};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    fn absent(code: &str) -> ErrorMetadata {
        ErrorMetadata::builder().code(code).build()
    }

    async fn refused(instance: Option<DbInstance>, cluster: Option<DbCluster>) -> Option<Refusal> {
        let instances = match instance {
            Some(instance) => {
                mock!(aws_sdk_rds::Client::describe_db_instances).then_output(move || {
                    let found = DescribeDbInstancesOutput::builder();
                    found.db_instances(instance.clone()).build()
                })
            }
            None => mock!(aws_sdk_rds::Client::describe_db_instances)
                .then_error(|| DescribeDBInstancesError::generic(absent("DBInstanceNotFound"))),
        };
        let clusters = match cluster {
            Some(cluster) => {
                mock!(aws_sdk_rds::Client::describe_db_clusters).then_output(move || {
                    let found = DescribeDbClustersOutput::builder();
                    found.db_clusters(cluster.clone()).build()
                })
            }
            None => mock!(aws_sdk_rds::Client::describe_db_clusters)
                .then_error(|| DescribeDBClustersError::generic(absent("DBClusterNotFoundFault"))),
        };
        let rds = mock_client!(aws_sdk_rds, RuleMode::MatchAny, [&instances, &clusters]);
        let site = RdsClients::mocked(rds);
        site.refuse_cluster("app").await.unwrap()
    }

    #[tokio::test]
    async fn refuse_cluster_names_clusters_and_their_members_and_leaves_instances() {
        let instance = DbInstance::builder()
            .db_instance_identifier("app")
            .db_instance_arn("arn:aws:rds:us-east-1:000000000000:db:app");
        assert_eq!(refused(Some(instance.clone().build()), None).await, None);
        assert_eq!(refused(None, None).await, None);
        let member = instance
            .db_cluster_identifier("three")
            .engine("postgres")
            .engine_version("16.9");
        let told = refused(Some(member.build()), None).await.unwrap();
        assert_eq!(
            told.to_string(),
            "app in us-east-1 is part of the cluster three (postgres 16.9), and clusters are not copied or restored here"
        );
        let aurora = DbCluster::builder()
            .db_cluster_identifier("app")
            .engine("aurora-postgresql")
            .engine_version("16.8");
        let told = refused(None, Some(aurora.build())).await.unwrap();
        assert_eq!(
            told.to_string(),
            "app in us-east-1 is a cluster (aurora-postgresql 16.8), and clusters are not copied or restored here"
        );
        assert!(told.is_configuration());
    }
}
