//! What the state backend promises, on every AWS there is to test on: the same checks run against
//! each emulator. What one of them cannot do is skipped by name.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a check that fails ends its test"
)]

mod backfill;
mod buckets;
mod failback;
mod failover;
mod fixtures;
mod inventory;
mod kills;
mod locks;
mod plans;
mod replication;

use aws_env::{AwsEnv, Options};
use jiff::civil::date;
use local_aws::{Base, LocalAws};
use settings::Settings;
use state_backend::{Backend, ConnectError, DrBackend};

use backfill::*;
use buckets::*;
use failback::*;
use failover::*;
use inventory::*;
use kills::*;
use locks::*;
use plans::*;
use replication::*;

const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) env: AwsEnv,
}

impl Stage {
    async fn open(base: Base) -> Option<Self> {
        let aws = LocalAws::builder()
            .base(base)
            .start_or_skip()
            .await
            .expect("the base starts")?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(aws_credential_types::Credentials::new(
                "test", "test", None, None, "test",
            )),
            ..Options::default()
        })
        .await
        .expect("an environment");
        Some(Self { aws, env })
    }

    pub(crate) async fn backend(&self) -> Backend {
        self.backend_of(EXAMPLE).await
    }

    pub(crate) async fn backend_of(&self, config: &str) -> Backend {
        let settings = Settings::parse(config, date(2026, 11, 22)).expect("valid settings");
        Backend::connect(
            &settings,
            &self.env.both(settings.regions.primary, settings.regions.dr),
        )
        .await
        .expect("both regions answer")
    }

    pub(crate) async fn dr_backend(&self) -> DrBackend {
        self.dr_backend_of(EXAMPLE).await.expect("DR answers")
    }

    pub(crate) async fn dr_backend_of(&self, config: &str) -> Result<DrBackend, ConnectError> {
        let settings = Settings::parse(config, date(2026, 11, 22)).expect("valid settings");
        DrBackend::connect(&settings, &self.env.dr_only(settings.regions.dr)).await
    }
}

/// One test per check and base. `cannot` says why a base is left out of a check. LocalStack downloads its DynamoDB, which
/// needs more network than tests have: it gets what has no tables.
macro_rules! contract {
    ($($check:ident $(, $base:ident cannot $why:literal)*;)*) => {
        contract!(@base ministack, Base::Ministack, $($check $(, $base cannot $why)*;)*);
        contract!(@base moto, Base::Moto, $($check $(, $base cannot $why)*;)*);
        contract!(@base container, Base::Docker, $($check $(, $base cannot $why)*;)*);
        contract!(@base localstack, Base::Localstack, a_backend_that_locks_in_s3_is_made_true;);
    };
    (@base $name:ident, $value:expr, $($check:ident $(, $base:ident cannot $why:literal)*;)*) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    let known: &[(&str, &str)] = &[$((stringify!($base), $why)),*];
                    if let Some((base, why)) = known.iter().find(|(base, _)| *base == stringify!($name)) {
                        eprintln!("skipped: {base} {why}");
                        return;
                    }
                    let Some(stage) = Stage::open($value).await else { return };
                    crate::$check(&stage).await;
                }
            )*
        }
    };
}

contract! {
    a_plan_changes_nothing;
    apply_makes_everything_true, moto cannot "forgets that delete markers are replicated";
    a_second_apply_has_nothing_to_do, moto cannot "forgets that delete markers are replicated";
    a_weaker_bucket_is_strengthened, moto cannot "forgets that delete markers are replicated";
    without_a_dr_side_everything_is_made_true_once;
    a_backend_that_locks_in_s3_is_made_true, moto cannot "forgets that delete markers are replicated";
    a_stricter_bucket_is_not_weakened;
    a_table_that_is_no_lock_table_is_refused;
    a_global_table_has_its_replica, moto cannot "takes replica updates and shows no replica";
    locks_of_the_old_table_are_seen_and_stand_in_the_way;
    a_change_of_the_strategy_names_what_is_in_the_way, moto cannot "forgets that delete markers are replicated";
    replication_rules_of_others_stay, moto cannot "forgets that delete markers are replicated";
    lifecycle_rules_are_judged_for_every_state;
    a_dr_bucket_gets_the_object_lock_of_the_primary_one, moto cannot "forgets that delete markers are replicated";
    a_bucket_key_outlives_a_change_of_the_key, moto cannot "forgets that delete markers are replicated";
    alarms_of_the_replication_are_made_where_their_metrics_are,
        moto cannot "forgets that delete markers are replicated",
        container cannot "answers CloudWatch in another protocol than the SDK's";
    metrics_are_those_of_the_rule_that_is_there,
        moto cannot "forgets that delete markers are replicated",
        container cannot "answers CloudWatch in another protocol than the SDK's";
    locks_are_listed_and_released_by_id;
    odd_locks_are_listed_with_the_others;
    a_lock_that_changed_hands_is_not_released;
    a_release_whose_answer_is_lost_is_done;
    of_many_releases_of_one_lock_exactly_one_succeeds_and_the_next_lock_stays;
    a_row_of_the_other_side_is_never_released;
    the_state_is_read_with_its_digest;
    every_state_is_found_and_compared;
    a_digest_row_of_another_content_is_told_on_each_side;
    a_write_of_dr_below_a_replica_is_told, moto cannot "does not replicate objects";
    a_write_of_dr_below_a_replica_of_a_null_version_is_told,
        moto cannot "runs no jobs of S3 Control",
        container cannot "runs no jobs of S3 Control";
    a_side_that_does_not_answer_leaves_the_other_known;
    failover_makes_every_state_readable_once_and_leaves_what_it_cannot;
    failover_past_a_left_probe_of_the_lock_is_done;
    failover_whose_answers_are_lost_is_done;
    failover_goes_on_when_only_sts_is_ill_and_the_account_is_named;
    failover_clears_replicated_locks_and_no_lock_of_dr, moto cannot "does not replicate objects";
    failover_leaves_rows_of_a_global_table_that_name_the_primary, moto cannot "takes replica updates and shows no replica";
    failback_copies_what_dr_wrote_where_the_primary_has_not_moved;
    failback_over_a_primary_that_was_written_copies_nothing;
    failback_after_its_copy_was_undone_asks_and_copies_nothing;
    failback_of_a_locked_state_is_refused;
    failback_holds_the_locks_of_a_state_while_it_is_written;
    failback_of_a_state_that_is_locked_meanwhile_copies_nothing;
    failback_whose_copy_fails_releases_its_locks;
    failback_releases_the_lock_of_a_run_that_has_ended_and_of_no_other;
    failback_with_choices_does_what_was_chosen_and_loses_nothing;
    failback_with_a_choice_that_does_not_fit_is_an_error;
    failback_over_a_bucket_without_versions_is_refused;
    failback_knows_the_workspaces_of_the_settings_prefix;
    failback_whose_answers_are_lost_is_done;
    ten_drills_and_failbacks_in_a_row, moto cannot "does not replicate objects";
    failover_cut_off_before_a_request_arrives_is_taken_up, moto cannot "does not replicate objects";
    failover_cut_off_after_aws_has_acted_is_taken_up, moto cannot "does not replicate objects";
    failback_cut_off_before_a_request_arrives_is_taken_up, moto cannot "does not replicate objects";
    failback_cut_off_after_aws_has_acted_is_taken_up, moto cannot "does not replicate objects";
    failback_with_choices_cut_off_before_a_request_arrives_is_taken_up, moto cannot "does not replicate objects";
    failback_with_choices_cut_off_after_aws_has_acted_is_taken_up, moto cannot "does not replicate objects";
    a_backfill_cut_off_at_any_request_is_ended_by_the_next;
    a_backfill_replaces_nothing_that_came_meanwhile;
    a_backfill_by_a_job_is_followed_to_its_end_and_seen_in_dr,
        moto cannot "runs no jobs of S3 Control",
        container cannot "runs no jobs of S3 Control";
    a_backfill_by_a_job_that_fails_says_for_what,
        moto cannot "runs no jobs of S3 Control",
        container cannot "runs no jobs of S3 Control";
    a_backfill_by_a_job_over_what_dr_has_is_refused,
        moto cannot "runs no jobs of S3 Control",
        container cannot "runs no jobs of S3 Control";
    a_backfill_by_a_job_cut_off_at_any_request_makes_one_job,
        moto cannot "runs no jobs of S3 Control",
        container cannot "runs no jobs of S3 Control";
    the_canary_comes_through, moto cannot "does not replicate objects";
}
