//! The application's user of the database: it reads and writes rows of the schema `public`, and does nothing else.
//!
//! The master user, who owns the tables because migrations run as it, makes that user, over TLS with a certificate for
//! the host. The password comes from the application's secret and goes to the server as a SCRAM verifier, since the
//! server may log a statement that changes a role. A plan has the differences between what the user may and what it
//! should; applying runs them in one transaction and looks again.

mod observe;
mod plan;

use report::finding::Unobserved;
use report::{Document, Mark, Report};
use serde::Serialize;
use std::time::Duration;

use evidence::Outputs;
use tokio_postgres::Client;

use crate::clients::ProbeClients;
use crate::connection::{DatabaseLogin, Endpoint, Fields, Secret, database_endpoint};
use crate::database::{self, Refused};
use crate::link::{Deadline, Handshake, Trust, Way};
use observe::{ObservedUser, observe};
use plan::{Step, steps};

/// How the database is reached.
#[derive(Debug, Clone)]
pub struct ApplicationUserOptions {
    /// `HOST:PORT` of the near end of a tunnel.
    pub via: Option<String>,
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// The time that each session is given.
    pub timeout: Duration,
}

/// Why the user is not made.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationUserError {
    /// It must not be: the target is not what terraform says, or the user is more than an application's.
    #[error("{0}")]
    Refused(String),
    /// The server refuses: a password, a right.
    #[error("{why}")]
    Server {
        /// Its SQLSTATE, in words.
        why: String,
        /// What to do, if that is known.
        fix: &'static str,
    },
    /// There is no answer.
    #[error("{}", .0.reason)]
    Unobserved(Unobserved),
    /// Everything was done, and looking again shows a difference.
    #[error("the server took every statement, and these differences stay: {0}")]
    Remains(String),
}

impl From<Unobserved> for ApplicationUserError {
    fn from(unobserved: Unobserved) -> Self {
        Self::Unobserved(unobserved)
    }
}

impl From<Refused> for ApplicationUserError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Server { why, fix } => Self::Server { why, fix },
            Refused::Unobserved(unobserved) => Self::Unobserved(unobserved),
        }
    }
}

/// Which database, as whom, and for whom.
#[derive(Debug, Clone)]
struct UserTarget {
    endpoint: Endpoint,
    database: String,
    master: String,
    master_password: Secret,
    user: String,
    password: Secret,
}

impl UserTarget {
    /// Reads both secrets; what they say has to be what terraform says.
    async fn read(clients: &ProbeClients, outputs: &Outputs) -> Result<Self, ApplicationUserError> {
        let master = Fields::read(clients, outputs.text("db_master_secret_arn")?).await?;
        let application = Fields::read(clients, outputs.text("db_credentials_secret_arn")?).await?;
        let target = Self {
            endpoint: database_endpoint(outputs)?,
            database: outputs.text("db_name")?.to_owned(),
            master: master.text("username")?.to_owned(),
            master_password: Secret::new(master.text("password")?),
            user: application.text("username")?.to_owned(),
            password: Secret::new(application.text("password")?),
        };
        let there = application.endpoint(5432)?;
        let same = |what: &str, secret: &str, terraform: &str| match secret == terraform {
            true => Ok(()),
            false => Err(ApplicationUserError::Refused(format!(
                "the secret has the {what} {secret:?}, and terraform's outputs have {terraform:?}"
            ))),
        };
        same("host", &there.host, &target.endpoint.host)?;
        same(
            "port",
            &there.port.to_string(),
            &target.endpoint.port.to_string(),
        )?;
        same("dbname", application.text("dbname")?, &target.database)?;
        same("username", &target.user, outputs.text("db_username")?)?;
        same(
            "master username",
            &target.master,
            outputs.text("db_master_username")?,
        )?;
        target.judge_names()?;
        Ok(target)
    }

    fn judge_names(&self) -> Result<(), ApplicationUserError> {
        let Self { master, user, .. } = self;
        let refused = |why| Err(ApplicationUserError::Refused(why));
        if user == master {
            return refused(format!("{user} is the master user, who may do anything"));
        }
        // As terraform takes it: a name of the server's own would change what it is.
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let shape = user.starts_with(|c: char| c.is_ascii_lowercase())
            && user.len() <= 63
            && user.chars().all(letters);
        let own = user.starts_with("pg_")
            || user.starts_with("rds")
            || matches!(user.as_str(), "admin" | "postgres" | "public");
        match shape && !own {
            true => Ok(()),
            false => refused(format!(
                "{user:?} is no name for the application's user: small letters, digits and _, none of PostgreSQL's or RDS's own"
            )),
        }
    }

    fn login(&self, user: &str, password: &Secret) -> DatabaseLogin {
        DatabaseLogin {
            endpoint: self.endpoint.clone(),
            database: self.database.clone(),
            user: user.to_owned(),
            password: password.clone(),
        }
    }

    /// A session, over TLS with a certificate for the host.
    async fn session(
        &self,
        options: &ApplicationUserOptions,
        login: &DatabaseLogin,
    ) -> Result<Client, ApplicationUserError> {
        let way = self.way(options);
        match database::handshake(way, &options.trust).await? {
            Handshake::Trusted { stream, .. } => Ok(database::log_in(way, stream, login).await?),
            Handshake::Refused { why, fix } => Err(ApplicationUserError::Refused(format!(
                "no password is sent to {}: {why}: {fix}",
                self.endpoint
            ))),
        }
    }

    fn way<'a>(&'a self, options: &'a ApplicationUserOptions) -> Way<'a> {
        Way {
            endpoint: &self.endpoint,
            via: options.via.as_deref(),
            deadline: Deadline::new(options.timeout),
        }
    }

    async fn master(
        &self,
        options: &ApplicationUserOptions,
    ) -> Result<Client, ApplicationUserError> {
        let login = self.login(&self.master, &self.master_password);
        self.session(options, &login).await
    }

    /// Whether the server takes the application's password.
    async fn logs_in(
        &self,
        options: &ApplicationUserOptions,
    ) -> Result<bool, ApplicationUserError> {
        let login = self.login(&self.user, &self.password);
        match self.session(options, &login).await {
            Ok(_) => Ok(true),
            Err(ApplicationUserError::Server { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn observe(
        &self,
        options: &ApplicationUserOptions,
        client: &Client,
    ) -> Result<ObservedUser, ApplicationUserError> {
        let deadline = Deadline::new(options.timeout);
        let asked = deadline.within(observe(client, &self.user)).await?;
        let mut observed = asked.map_err(|error| failed(&error))?;
        observed
            .judge(self)
            .map_err(ApplicationUserError::Refused)?;
        if observed.exists() {
            observed.password_fits = self.logs_in(options).await?;
        }
        Ok(observed)
    }
}

/// Only the server's code is told: its words may repeat what was sent.
fn failed(error: &tokio_postgres::Error) -> ApplicationUserError {
    match error.code() {
        Some(code) => ApplicationUserError::Server {
            why: format!(
                "the server refuses a statement (SQLSTATE {:.40})",
                code.code()
            ),
            fix: "the master user has to own the database and its tables, as one does who runs the migrations",
        },
        None => Unobserved::because("the session broke off").into(),
    }
}

/// What making the user would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationUserPlan {
    /// Host and port.
    pub server: String,
    /// The database.
    pub database: String,
    /// Who makes the user.
    pub master: String,
    /// The application's user.
    pub user: String,
    /// What differs from what it should be, in the order in which it is changed.
    pub steps: Vec<String>,
}

impl ApplicationUserPlan {
    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Report for ApplicationUserPlan {
    const KIND: &'static str = "application-user-plan";

    fn document(&self) -> Document {
        let fact = |document: Document, name: &str, value: &str| {
            document.fact(Mark::Plain, name, value.to_owned())
        };
        let mut document = Document::new().heading("The application's user");
        for (name, value) in [
            ("server", &self.server),
            ("database", &self.database),
            ("as", &self.master),
            ("user", &self.user),
        ] {
            document = fact(document, name, value);
        }
        if self.is_empty() {
            return document.text("As it should be: nothing to do.");
        }
        let rows = self.steps.iter();
        let rows = rows.map(|step| (Mark::Plain, vec![step.clone()])).collect();
        document.table(["Change"], rows)
    }
}

/// A plan, and what carries it out. [`PlannedApplicationUser::approve`] says that somebody has agreed to it.
#[derive(Debug)]
pub struct PlannedApplicationUser {
    plan: ApplicationUserPlan,
    target: UserTarget,
    options: ApplicationUserOptions,
    steps: Vec<Step>,
}

impl PlannedApplicationUser {
    /// What it would change.
    pub fn plan(&self) -> &ApplicationUserPlan {
        &self.plan
    }

    /// Lets it pass: somebody has seen the plan.
    pub fn approve(self) -> ApprovedApplicationUser {
        ApprovedApplicationUser(self)
    }
}

/// What [`apply_application_user`] takes.
#[derive(Debug)]
pub struct ApprovedApplicationUser(PlannedApplicationUser);

/// Looks at the database as the master user and says what making the application's user would change.
///
/// # Errors
/// When a secret or the server does not answer, and when the target is not what terraform says.
pub async fn plan_application_user(
    clients: &ProbeClients,
    outputs: &Outputs,
    options: ApplicationUserOptions,
) -> Result<PlannedApplicationUser, ApplicationUserError> {
    let target = UserTarget::read(clients, outputs).await?;
    let client = target.master(&options).await?;
    let steps = steps(&target.observe(&options, &client).await?);
    Ok(PlannedApplicationUser {
        plan: ApplicationUserPlan {
            server: target.endpoint.to_string(),
            database: target.database.clone(),
            master: target.master.clone(),
            user: target.user.clone(),
            steps: steps
                .iter()
                .map(|step| step.describe(&target.user))
                .collect(),
        },
        target,
        options,
        steps,
    })
}

/// Makes the user what was planned, in one transaction, and looks again.
///
/// # Errors
/// When the server refuses, which leaves it as it was, or does not answer, or a difference stays.
pub async fn apply_application_user(
    approved: ApprovedApplicationUser,
) -> Result<ApplicationUserPlan, ApplicationUserError> {
    let ApprovedApplicationUser(planned) = approved;
    let (target, options) = (&planned.target, &planned.options);
    let mut client = target.master(options).await?;
    let deadline = Deadline::new(options.timeout);
    let carried_out = async {
        let transaction = client.transaction().await?;
        transaction.batch_execute(observe::SEARCH_PATH).await?;
        for step in &planned.steps {
            let statement = step.statement(&target.user, &target.database, &target.password);
            transaction.batch_execute(statement.reveal()).await?;
            tracing::info!(
                resource = format!("{} {}", target.endpoint, target.user),
                step = step.describe(&target.user),
                "applied"
            );
        }
        transaction.commit().await
    };
    deadline
        .within(carried_out)
        .await?
        .map_err(|error| failed(&error))?;
    let left = steps(&target.observe(options, &client).await?);
    if left.is_empty() {
        return Ok(planned.plan);
    }
    let left: Vec<String> = left
        .iter()
        .map(|step| step.describe(&target.user))
        .collect();
    Err(ApplicationUserError::Remains(left.join("; ")))
}
