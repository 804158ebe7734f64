use crate::stage::{EXAMPLE, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_field_is_named_with_its_line() {
    let Some(stage) = Stage::with(&EXAMPLE.replace("lock_table =", "lock_tabel =")).await else {
        return;
    };
    let ran = stage.run(&["plan"]).await.exits(2);
    assert!(
        ran.stderr().contains("lock_tabel") && ran.stderr().contains("lock_table"),
        "{}",
        ran.stderr()
    );
    assert_eq!(stage.aws.log(), [], "nothing was called");
}

// aws-behaviour: 36
#[tokio::test(flavor = "multi_thread")]
async fn a_dr_region_outside_the_residency_is_refused() {
    let without: String = EXAMPLE.replace("expires = 2027-06-30", "expires = 2026-01-31");
    assert_ne!(without, EXAMPLE);
    let Some(stage) = Stage::with(&without).await else {
        return;
    };
    let ran = stage.run(&["apply", "--yes"]).await.exits(2);
    assert!(
        ran.stderr().contains("2026-01-31") && ran.stderr().contains("us-east-1"),
        "{}",
        ran.stderr()
    );
    assert_eq!(stage.aws.log(), [], "nothing was called");
}
