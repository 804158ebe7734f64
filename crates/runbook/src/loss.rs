//! Whether regions are lost, or serve again, and how that is known. Decided here and nowhere else.
//!
//! What is lost is a set: with the control plane of the global services in it, nothing of IAM, CloudFront or Route 53
//! can be changed either. AWS Health is no evidence: it is served from a region as well.

use std::fmt;
use std::time::Duration;

use aws_env::{Error, ErrorClass, RegionAccess, RegionClients};
use dr::database::RdsClients;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::Region;
use tokio::time::{Instant, sleep_until};

use crate::Host;

/// For how long a region is asked, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossWindow {
    /// From the first look to the last.
    pub window: Duration,
    /// From one look to the next.
    pub every: Duration,
}

impl LossWindow {
    /// One look.
    pub const ONCE: Self = Self {
        window: Duration::ZERO,
        every: Duration::ZERO,
    };
}

impl Default for LossWindow {
    /// Long enough that a deployment or a route that converges is none of it.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            every: Duration::from_secs(10),
        }
    }
}

/// What one service said at one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAnswer {
    /// The service, as AWS abbreviates it.
    pub service: String,
    /// Whether it answered. A refusal is an answer.
    pub answered: bool,
    /// What it said, where that was no success.
    pub problem: Option<String>,
}

impl ServiceAnswer {
    fn of<T>(
        service: &str,
        answer: Result<T, Error>,
        is_none: impl FnOnce(&Error) -> bool,
    ) -> Self {
        let problem = answer.err();
        Self {
            service: service.to_owned(),
            answered: !problem.as_ref().is_some_and(is_none),
            problem: problem.map(|error| error.to_string()),
        }
    }
}

/// One look at a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// When it began.
    pub at: Timestamp,
    /// Service by service.
    pub answers: Vec<ServiceAnswer>,
}

/// What the looks at a region show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No service answered at any look.
    Lost,
    /// Every service answered at the last look.
    Answers,
    /// Neither: a person has to decide.
    Undecided,
}

/// The looks at one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The region.
    pub region: Region,
    /// The looks, in order.
    pub rounds: Vec<Round>,
}

impl Evidence {
    /// Asks a region, until it answers or the window is over.
    pub async fn gather(clients: &RegionClients, window: LossWindow, host: &impl Host) -> Self {
        let begun = Instant::now();
        let mut evidence = Self {
            region: clients.region,
            rounds: Vec::new(),
        };
        loop {
            let began = Instant::now();
            let at = host.now();
            let is_silent = |error: &Error| error.class == ErrorClass::Unreachable;
            let answers = clients.ask_services().await;
            let answers =
                answers.map(|(service, answer)| ServiceAnswer::of(service, answer, is_silent));
            let answers = answers.into();
            evidence.rounds.push(Round { at, answers });
            // A region that answers now is not lost, whatever it did before.
            if evidence.verdict() == Verdict::Answers || begun.elapsed() >= window.window {
                return evidence;
            }
            sleep_until((began + window.every).min(begun + window.window)).await;
        }
    }

    /// Asks a region for the whole window, whatever it answers: whether it serves is told by all looks together, and one good
    /// answer of a region that comes and goes tells nothing. RDS is asked as well.
    pub async fn gather_health(
        access: &RegionAccess,
        window: LossWindow,
        host: &impl Host,
    ) -> Self {
        let (clients, rds) = (access.clients(), RdsClients::new(access));
        let begun = Instant::now();
        let mut evidence = Self {
            region: access.region(),
            rounds: Vec::new(),
        };
        // Throttled, or an error of its own: it does not serve as it should. Who may not ask has been answered.
        let is_ill = |error: &Error| error.class == ErrorClass::Unreachable || error.is_transient();
        loop {
            let began = Instant::now();
            let at = host.now();
            let (services, databases) = tokio::join!(clients.ask_services(), rds.instances());
            let services =
                services.map(|(service, answer)| ServiceAnswer::of(service, answer, is_ill));
            let mut answers = Vec::from(services);
            answers.push(ServiceAnswer::of("RDS", databases, is_ill));
            evidence.rounds.push(Round { at, answers });
            if begun.elapsed() >= window.window {
                return evidence;
            }
            sleep_until((began + window.every).min(begun + window.window)).await;
        }
    }

    /// Whether every service answered at every look.
    pub fn is_healthy(&self) -> bool {
        let mut answers = self.rounds.iter().flat_map(|round| &round.answers);
        !self.rounds.is_empty() && answers.all(|answer| answer.answered)
    }

    /// What the looks show.
    pub fn verdict(&self) -> Verdict {
        let answers = self.rounds.iter().flat_map(|round| &round.answers);
        let last = self.rounds.last().map(|round| &round.answers);
        match last {
            Some(last) if !last.is_empty() => {
                if last.iter().all(|answer| answer.answered) {
                    Verdict::Answers
                } else if answers.clone().all(|answer| !answer.answered) {
                    Verdict::Lost
                } else {
                    Verdict::Undecided
                }
            }
            _ => Verdict::Undecided,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looks = self.rounds.len();
        let mut services: Vec<&str> = Vec::new();
        for answer in self.rounds.iter().flat_map(|round| &round.answers) {
            if !services.contains(&answer.service.as_str()) {
                services.push(&answer.service);
            }
        }
        let told = services.iter().map(|service| {
            let of = self.rounds.iter().flat_map(|round| &round.answers);
            let of = of.filter(|answer| answer.service == *service && answer.answered);
            format!("{service} {} of {looks}", of.count())
        });
        let told: Vec<String> = told.collect();
        write!(f, "{}: answers at looks: {}", self.region, told.join(", "))
    }
}

/// Why the regions cannot be taken for lost.
#[derive(Debug, thiserror::Error)]
pub enum Loss {
    /// It answers.
    #[error("{0} answers: it is not lost")]
    Answers(Region),
    /// Some services answer, or did.
    #[error("whether {} is lost cannot be decided: {}", .0.region, .0)]
    Undecided(Box<Evidence>),
    /// The region to go on in is lost as well.
    #[error("{0} is to take over and does not answer")]
    DrLost(Box<Evidence>),
    /// The region to go on in was named as lost.
    #[error("{0} is to take over and was named as lost")]
    DrNamed(Region),
}

/// A person's word that regions are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The name of whoever did it.
    pub by: String,
    /// What they gave as the reason.
    pub reason: String,
}

/// Which regions are lost, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The lost regions.
    pub lost: Vec<Region>,
    /// The looks at each.
    pub evidence: Vec<Evidence>,
    /// The person's word, where the looks did not decide it.
    pub declaration: Option<Declaration>,
    /// When that was decided.
    pub declared: Timestamp,
    /// It is an exercise, as whoever began it says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exercise: bool,
}

/// A region that is to take an environment does not serve.
#[derive(Debug, thiserror::Error)]
#[error("{} does not serve at every look: {}", .0.region, .0)]
pub struct Unhealthy(pub Box<Evidence>);

impl Declared {
    /// The same, on record as an exercise or as none.
    #[must_use]
    pub fn as_exercise(self, exercise: bool) -> Self {
        Self { exercise, ..self }
    }

    /// Decides that the primary region serves again, by all looks at it: nothing is lost.
    ///
    /// # Errors
    /// When a service did not answer at one of them.
    pub fn healthy(evidence: Evidence, now: Timestamp) -> Result<Self, Unhealthy> {
        match evidence.is_healthy() {
            true => Ok(Self {
                lost: Vec::new(),
                evidence: vec![evidence],
                declaration: None,
                declared: now,
                exercise: false,
            }),
            false => Err(Unhealthy(Box::new(evidence))),
        }
    }

    /// Decides that both regions serve, by all looks at them: nothing is lost.
    ///
    /// # Errors
    /// When a service did not answer at one of them.
    pub fn both_healthy(
        primary: Evidence,
        dr: Evidence,
        now: Timestamp,
    ) -> Result<Self, Unhealthy> {
        if !dr.is_healthy() {
            return Err(Unhealthy(Box::new(dr)));
        }
        let mut declared = Self::healthy(primary, now)?;
        declared.evidence.push(dr);
        Ok(declared)
    }

    /// Decides by the looks at each region that is said to be lost, and by a person's word where they do not decide.
    ///
    /// # Errors
    /// When one of them is not lost.
    pub fn decide(
        evidence: Vec<Evidence>,
        declaration: Option<Declaration>,
        now: Timestamp,
    ) -> Result<Self, Loss> {
        let mut needed = None;
        for seen in &evidence {
            match (seen.verdict(), &declaration) {
                (Verdict::Lost, _) => {}
                (_, Some(declaration)) => needed = Some(declaration.clone()),
                (Verdict::Answers, None) => return Err(Loss::Answers(seen.region)),
                (Verdict::Undecided, None) => return Err(Loss::Undecided(Box::new(seen.clone()))),
            }
        }
        Ok(Self {
            lost: evidence.iter().map(|seen| seen.region).collect(),
            evidence,
            declaration: needed,
            declared: now,
            exercise: false,
        })
    }
}
