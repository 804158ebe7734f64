//! The guide's stack on a local AWS, made by API calls from what terraform planned; right, and then broken in
//! one way at a time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a check that fails ends its test"
)]

mod buckets;
mod cache;
mod cdn;
mod database;
mod faults;
mod groups;
mod keys;
mod logs;
mod monitoring;
mod mutation;
mod network;
mod picture;
mod residency;
mod roles;
mod secrets;
mod state;
mod table;
mod tags;

use aws_env::{AwsEnv, Options};
use evidence::Outputs;
use local_aws::{LocalAws, RdsClock, RdsOptions};
use report::finding::Status;
use settings::{Region, Settings};
use state::State;
use verify::{Checked, EnvironmentClients, Pattern, Selection, Wanted};

const SETTINGS: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

/// The account of the state; an access key of twelve digits is an account of its own.
const ACCOUNT: &str = "123456789012";

/// The stack, and clients to look at it and to break it.
pub(crate) struct Stack {
    pub(crate) aws: LocalAws,
    pub(crate) env: AwsEnv,
    pub(crate) clients: EnvironmentClients,
    pub(crate) state: State,
}

impl Stack {
    /// A local AWS without a stack; `None` where this machine cannot run one, and then the reason has been printed.
    pub(crate) async fn empty() -> Option<Self> {
        let rds = RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        };
        let mut builder = LocalAws::builder().rds(rds);
        if let Some(path) = std::env::var_os("LOCAL_AWS_CACHE") {
            builder = builder.cache_dir(path);
        }
        let aws = builder
            .start_or_skip()
            .await
            .expect("the local AWS starts")?;
        let env = environment(&aws, None).await;
        let clients = EnvironmentClients::new(&env.access(region()), &env.global(region()));
        Some(Self {
            aws,
            env,
            clients,
            state: State::load(),
        })
    }

    /// The whole stack, area by area, in the order of what refers to what.
    pub(crate) async fn built() -> Option<Self> {
        let mut stack = Self::empty().await?;
        keys::build(&mut stack).await;
        network::build(&mut stack).await;
        groups::build(&mut stack).await;
        roles::build(&mut stack).await;
        logs::build(&mut stack).await;
        buckets::build(&mut stack).await;
        database::build(&mut stack).await;
        cache::build(&mut stack).await;
        secrets::build(&mut stack).await;
        cdn::build(&mut stack).await;
        buckets::policies(&mut stack).await;
        monitoring::build(&mut stack).await;
        roles::account(&mut stack).await;
        Some(stack)
    }

    pub(crate) async fn check(&self) -> Checked {
        let outputs = self.state.outputs();
        self.asked(&self.clients, &outputs, Vec::new()).await
    }

    /// With these outputs; only these checks, or all.
    pub(crate) async fn check_only(&self, outputs: &[u8], only: Vec<Pattern>) -> Checked {
        self.asked(&self.clients, outputs, only).await
    }

    /// Clients that do not try again.
    pub(crate) async fn impatient(&self) -> EnvironmentClients {
        let env = environment(&self.aws, Some(1)).await;
        EnvironmentClients::new(&env.access(region()), &env.global(region()))
    }

    pub(crate) async fn check_with(&self, clients: &EnvironmentClients) -> Checked {
        self.asked(clients, &self.state.outputs(), Vec::new()).await
    }

    async fn asked(
        &self,
        clients: &EnvironmentClients,
        outputs: &[u8],
        only: Vec<Pattern>,
    ) -> Checked {
        let outputs = Outputs::parse(outputs).expect("outputs");
        let today = jiff::civil::date(2026, 11, 1);
        let wanted = Wanted::new(&Settings::parse(SETTINGS, today).expect("settings"));
        verify::check(
            clients,
            &outputs,
            &wanted,
            &Selection {
                only,
                ..Selection::default()
            },
            // RDS's: its clock is moved, not waited for.
            self.aws.rds().expect("RDS").now(),
        )
        .await
        .into_inner()
    }
}

async fn environment(aws: &LocalAws, attempts: Option<u32>) -> AwsEnv {
    let loaded = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(aws_credential_types::Credentials::new(
            ACCOUNT, "test", None, None, "test",
        )),
        attempts,
        ..Options::default()
    });
    loaded.await.expect("an environment")
}

pub(crate) fn region() -> Region {
    "ca-central-1".parse().expect("a region")
}

/// What is not as it should be, in lines.
fn amiss(checked: &Checked) -> Vec<String> {
    let amiss = checked
        .answers
        .iter()
        .filter(|answer| matches!(answer.status, Status::Wrong | Status::Unknown));
    amiss
        .map(|answer| {
            let (check, resource) = (answer.check.id, &answer.resource);
            let shown = [&answer.aws, &answer.reason];
            format!("{:?} {check} {resource}: {shown:?}", answer.status)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_as_terraform_makes_it_is_right() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let began = stack.aws.log().len();
    let asked = std::time::Instant::now();
    let checked = stack.check().await;
    eprintln!(
        "{} answers, {} calls, {:.1} s",
        checked.answers.len(),
        stack.aws.log().len() - began,
        asked.elapsed().as_secs_f64()
    );
    assert_eq!(amiss(&checked), Vec::<String>::new());
}
