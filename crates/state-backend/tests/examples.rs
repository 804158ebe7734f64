//! The examples, run on a local AWS.

use aws_env::{AwsEnv, Options};
use local_aws::LocalAws;

#[expect(dead_code, reason = "its main function is for people")]
#[path = "../examples/states.rs"]
mod states;

#[tokio::test(flavor = "multi_thread")]
async fn states_of_a_backend_that_is_not_there_yet() {
    let aws = LocalAws::builder().start_or_skip().await;
    let Some(aws) = aws.expect("the base starts") else {
        return;
    };
    let env = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(aws_credential_types::Credentials::new(
            "test", "test", None, None, "test",
        )),
        ..Options::default()
    })
    .await
    .expect("an environment");
    let inventory = states::states(&env).await.expect("both regions answer");
    let states: Vec<_> = inventory
        .states
        .iter()
        .map(|of| of.state.object())
        .collect();
    assert_eq!(states, ["staging/terraform.tfstate"]);
}
