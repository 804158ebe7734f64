//! Where Terraform's state lies, as `init-backend apply` makes it, and ways of breaking it.

use crate::Stack;
use crate::mutation::{Mutation, show};
use aws_sdk_s3::types::BucketVersioningStatus;
use futures::FutureExt as _;
use local_aws::stack::backend::{locks, table, versions};

async fn without_table(stack: &Stack) {
    let gone = stack.clients.home.dynamodb.delete_table();
    let gone = gone.table_name(locks(stack)).send().await;
    gone.expect("no table");
}

pub(crate) fn mutations() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: None,
        breaks,
        apply,
    };
    vec![
        it(
            "the state's bucket keeps no more versions",
            &["state-bucket"],
            |stack| versions(stack, BucketVersioningStatus::Suspended).boxed(),
        ),
        it(
            "the state's bucket may be made public",
            &["state-bucket"],
            |stack| {
                async {
                    let bucket = stack.settings.state.bucket.as_str();
                    let open = stack.clients.home.s3.delete_public_access_block();
                    open.bucket(bucket).send().await.expect("nothing blocked");
                }
                .boxed()
            },
        ),
        it("the state is deleted", &["state-there"], |stack| {
            async {
                let state = &stack.settings.state;
                let gone = stack.clients.home.s3.delete_object();
                let gone = gone.bucket(state.bucket.as_str()).key(state.key.as_str());
                gone.send().await.expect("a delete marker");
            }
            .boxed()
        }),
        it("the lock table is deleted", &["state-locks"], |stack| {
            without_table(stack).boxed()
        }),
        it(
            "the lock table has another key",
            &["state-locks"],
            |stack| {
                async {
                    without_table(stack).await;
                    table(stack, "Lock").await;
                }
                .boxed()
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_breaking_the_backend_is_noticed() {
    show(mutations()).await;
}
