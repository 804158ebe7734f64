//! A Lambda function that copies database snapshots to the DR region and prunes old copies.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    snapshot_copier::serve(|name| std::env::var(name).ok()).await
}
