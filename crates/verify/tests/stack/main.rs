//! The guide's stack on a local AWS, made by API calls from what terraform planned; right, and then broken in
//! one way at a time.
#![expect(clippy::expect_used, reason = "a check that fails ends its test")]

mod backend;
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
mod table;
mod tags;

use std::collections::BTreeSet;

use aws_env::{AwsEnv, Options};
use evidence::Outputs;
use local_aws::stack::{self, Conventions, StateNames};
use local_aws::{LocalAws, RdsClock, RdsOptions};
use report::finding::Status;
use settings::{Region, Settings};
use verify::{Checked, EnvironmentClients, Pattern, Selection, Sources, StackState, Wanted};

const SETTINGS: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

/// The account of the state; an access key of twelve digits is an account of its own.
const ACCOUNT: &str = "123456789012";

/// The stack, and clients to look at it and to break it.
pub(crate) struct Stack {
    pub(crate) aws: LocalAws,
    pub(crate) env: AwsEnv,
    pub(crate) clients: EnvironmentClients,
    built: stack::Stack,
    settings: Settings,
}

/// From what the resources of the stack are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Terraform's outputs, under the names that this repository gives them.
    Outputs,
    /// Terraform's state, whose outputs have other names.
    State,
    /// The account alone.
    Account,
}

/// What somebody else wants, who builds by other conventions.
const OTHER_EXPECT: &str = r#"nat = "single"
bucket_encryption = "AES256"
key_alias = "alias/clinic/main"
app_log_group = "/ecs/clinic-uat"
tag_keys = ["Project", "Environment"]"#;

impl Stack {
    /// A local AWS without a stack; `None` where this machine cannot run one, and then the reason has been printed.
    async fn empty_by(conventions: Conventions) -> Option<Self> {
        let rds = RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        };
        let builder = LocalAws::builder().rds(rds);
        let aws = builder
            .start_or_skip()
            .await
            .expect("the local AWS starts")?;
        let env = environment(&aws, None).await;
        let clients = EnvironmentClients::new(&env.access(region()), &env.global(region()));
        let settings = settings(conventions);
        let of = &settings.state;
        let names = StateNames {
            bucket: of.bucket.to_string(),
            key: of.key.to_string(),
            lock_table: of.lock_table.as_ref().expect("a table").to_string(),
        };
        let built = stack::Stack::empty(&aws, ACCOUNT, conventions, names);
        Some(Self {
            built: built.expect("RDS"),
            aws,
            env,
            clients,
            settings,
        })
    }

    /// The whole stack, area by area, in the order of what refers to what.
    pub(crate) async fn built() -> Option<Self> {
        Self::built_by(Conventions::Own).await
    }

    /// The same by other conventions.
    pub(crate) async fn built_by(conventions: Conventions) -> Option<Self> {
        let mut stack = Self::empty_by(conventions).await?;
        stack.built.build().await;
        Some(stack)
    }

    pub(crate) async fn check(&self) -> Checked {
        self.check_by(Known::Outputs).await
    }

    /// Everything, with the resources known in one way.
    pub(crate) async fn check_by(&self, known: Known) -> Checked {
        let outputs = self.state.outputs();
        let outputs = (known == Known::Outputs).then_some(&outputs[..]);
        let state = (known == Known::State).then(|| self.state.shown());
        self.asked(&self.clients, (outputs, state.as_deref()), Vec::new())
            .await
    }

    /// With these outputs; only these checks, or all.
    pub(crate) async fn check_only(&self, outputs: &[u8], only: Vec<Pattern>) -> Checked {
        self.asked(&self.clients, (Some(outputs), None), only).await
    }

    /// Clients that do not try again.
    pub(crate) async fn impatient(&self) -> EnvironmentClients {
        let env = environment(&self.aws, Some(1)).await;
        EnvironmentClients::new(&env.access(region()), &env.global(region()))
    }

    pub(crate) async fn check_with(&self, clients: &EnvironmentClients) -> Checked {
        self.asked(clients, (Some(&self.state.outputs()), None), Vec::new())
            .await
    }

    async fn asked(
        &self,
        clients: &EnvironmentClients,
        (outputs, state): (Option<&[u8]>, Option<&[u8]>),
        only: Vec<Pattern>,
    ) -> Checked {
        let outputs = outputs.map(|outputs| Outputs::parse(outputs).expect("outputs"));
        let state = state.map(|state| StackState::parse(state).expect("a state"));
        let wanted = Wanted::new(&self.settings);
        verify::check(
            clients,
            Sources {
                settings: &self.settings,
                state: state.as_ref(),
                outputs: outputs.as_ref(),
            },
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

/// What is asked of the stack that was built is asked of this.
impl std::ops::Deref for Stack {
    type Target = stack::Stack;

    fn deref(&self) -> &stack::Stack {
        &self.built
    }
}

fn settings(conventions: Conventions) -> Settings {
    let today = jiff::civil::date(2026, 11, 1);
    let text = match conventions {
        Conventions::Own => SETTINGS.to_owned(),
        Conventions::Other => {
            let mut text = stack::other_names(SETTINGS).replace("Owner = \"platform\"\n", "");
            for line in OTHER_EXPECT.lines() {
                let (name, _) = line.split_once(" = ").expect("a field");
                let set = |old: &str| {
                    let old = old.trim_start_matches("# ");
                    old.split_once(" = ")
                        .is_some_and(|(found, _)| found == name)
                };
                let lines = text.lines().map(|old| if set(old) { line } else { old });
                text = lines.collect::<Vec<_>>().join("\n");
            }
            text
        }
    };
    Settings::parse(&text, today).expect("settings")
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
async fn a_stack_is_right_however_it_is_called_and_known() {
    for conventions in [Conventions::Own, Conventions::Other] {
        let Some(stack) = Stack::built_by(conventions).await else {
            return;
        };
        for known in [Known::State, Known::Account] {
            let checked = stack.check_by(known).await;
            assert_eq!(
                amiss(&checked),
                Vec::<String>::new(),
                "{conventions:?} {known:?}"
            );
        }
    }
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
    // What several checks want to know is asked once.
    let mut asked = BTreeSet::new();
    for entry in &stack.aws.log()[began..] {
        // Of buckets and roles the log tells which one: two such calls are the same.
        let Some(resource) = entry.resource.clone() else {
            continue;
        };
        if ["s3", "iam"].contains(&entry.service.as_str()) {
            let call = (entry.operation.clone(), resource);
            assert!(asked.insert(call.clone()), "{call:?} twice");
        }
    }
}
