//! A drill next to the environment, and what takes away what drills have left.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use report::ShellCommand;
use runbook::{
    DrillCost, DrillId, Isolated, IsolatedError, Leftover, Leftovers, Plan, StepId, find_drills,
    not_possible,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::carry::carry;
use super::failback::object_runs;
use super::records::{Context, Places};
use crate::args::{Approve, CarryArgs, CleanArgs, DrillArgs, DrillCommand, HoldArgs, RecordsArgs};
use crate::machine::Machine;

/// The step of a failover that would change something of the environment.
const PIN: &str = "pin";

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &DrillArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    match &args.command {
        Some(DrillCommand::Clean(args)) => clean(global, args).await,
        None => hold(global, &args.hold, stop).await,
    }
}

fn failed(error: IsolatedError) -> Failure {
    let exit = match &error {
        IsolatedError::NoCopy | IsolatedError::Name { .. } | IsolatedError::Tags(_) => Exit::Usage,
        IsolatedError::NotProven(_) => Exit::Refused,
        IsolatedError::Aws(_) | IsolatedError::Objects { .. } | IsolatedError::Instance(_) => {
            Exit::Unchecked
        }
    };
    Failure::new(exit, error)
}

fn clean_command(drill: DrillId) -> ShellCommand {
    ShellCommand::new("dr-runbook drill clean").word(drill.to_string())
}

async fn hold(
    global: &GlobalArgs,
    args: &HoldArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    context.protected(Exit::Refused)?;
    let expires = cli::now().saturating_add(args.expires);
    let expires = expires.map_err(|error| Failure::new(Exit::Usage, error))?;
    let drill = Isolated::of(&context.settings, DrillId(rand::random()), expires);
    let drill = drill.map_err(failed)?;
    let machine = Machine::new();
    let plan = drill.plan(context.account.clone(), &context.dr, &machine);
    let plan = Box::pin(plan).await;
    let cost = DrillCost::of(&drill, &plan, &context.dr).await;
    if args.dry_run {
        cli::print(global, &plan)?;
        cli::note(&cost.before());
        return Ok(Exit::Fine);
    }
    super::show(global, &plan)?;
    cli::note(&cost.before());
    let impossible = not_possible(&plan, &[PIN.to_owned()]);
    if !impossible.is_empty() {
        let error = anyhow!("{}", impossible.join("; "));
        return Err(Failure::new(Exit::Refused, error)
            .hint("a failover would not do it either: `dr-runbook preflight` says what to mend"));
    }
    let question = format!(
        "Hold the drill {} next to {}, which expires at {expires:.0}?",
        drill.id,
        context.settings.name()
    );
    cli::confirm(global, &question)?;
    let begun = Instant::now();
    let held = Held {
        global: GlobalArgs {
            yes: true,
            ..global.clone()
        },
        own: Context {
            settings: drill.settings.clone(),
            env: context.env.clone(),
            dr: context.dr.clone(),
            account: context.account.clone(),
        },
        drill: &drill,
        records: &args.records,
    };
    cli::note(&format!(
        "the drill is {}: `{}` takes away what it makes, wherever it dies",
        drill.id,
        clean_command(drill.id)
    ));
    let held = Box::pin(held.run(&plan, stop)).await;
    cli::note(&cost.after(begun.elapsed()));
    let again = match &held {
        Ok(Exit::Fine) => "",
        // What it has made is half of a failover: no later drill begins with that.
        _ => "; `dr-runbook drill --isolated` holds another one",
    };
    if args.keep {
        cli::note(&format!(
            "what it made stays until {expires:.0}: `{}` takes it away{again}",
            clean_command(drill.id)
        ));
        return held;
    }
    // Also when it has failed, and after Ctrl-C: nothing is meant to stay.
    let left = Box::pin(take_away(&context, |thing| thing.drill == drill.id)).await?;
    if left.things.is_empty() {
        cli::note(&format!("nothing of the drill is left{again}"));
        return held;
    }
    tell_left(&left);
    Ok(held?.worst(Exit::Unchecked))
}

/// A drill that is being held.
struct Held<'a> {
    global: GlobalArgs,
    /// The environment with the drill's names.
    own: Context,
    drill: &'a Isolated,
    records: &'a RecordsArgs,
}

impl Held<'_> {
    async fn run(self, plan: &Plan, stop: watch::Receiver<bool>) -> Result<Exit, Failure> {
        let places = Places::of(&self.own, self.records)?;
        let objects = object_runs(&places.folder)?;
        let progress = cli::Progress::new();
        let prepared = self
            .drill
            .prepare(&self.own.dr, &objects, plan, &stop, &progress);
        Box::pin(prepared).await.map_err(failed)?;
        let has_pin = plan.step(&StepId::new(PIN)).is_some();
        let args = CarryArgs {
            approve: Approve::Auto,
            skip: has_pin.then(|| PIN.to_owned()).into_iter().collect(),
            reason: Some("a drill next to the environment changes nothing of it".to_owned()),
            only: Vec::new(),
            wait_for_approval: Duration::ZERO,
            terraform_grace: Duration::from_mins(10),
            records: self.records.clone(),
        };
        let (records, copy, folder): (_, _, PathBuf) = (places.records, places.copy, places.folder);
        let open = super::begin(&self.global, "", records, copy, plan.clone()).await?;
        let args = (&args, None);
        Box::pin(carry(&self.global, &self.own, open, &folder, args, stop)).await
    }
}

/// Takes away what is wanted of what drills have made, and says what of it is there still.
async fn take_away(
    context: &Context,
    is_wanted: impl Fn(&Leftover) -> bool,
) -> Result<Leftovers, Failure> {
    let progress = cli::Progress::new();
    let find = async || {
        let found = find_drills(&context.settings, &context.dr).await;
        let mut found = found.map_err(failed)?;
        found.things.retain(&is_wanted);
        Ok::<_, Failure>(found)
    };
    for thing in find().await?.things {
        let removed = thing.remove(&context.settings, &context.dr, &progress);
        match Box::pin(removed).await {
            Ok(()) => cli::note(&format!("{} is gone", thing.name)),
            Err(error) => cli::note(&format!("{} stays: {:#}", thing.name, anyhow!(error))),
        }
    }
    find().await
}

fn tell_left(left: &Leftovers) {
    for thing in &left.things {
        let again = clean_command(thing.drill);
        cli::note(&format!("{} is there still: `{again}`", thing.name));
    }
}

async fn clean(global: &GlobalArgs, args: &CleanArgs) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    let now = cli::now();
    let drill = args.drill;
    let is_due = |thing: &Leftover| match drill {
        Some(drill) => thing.drill == drill,
        None => thing.expires.is_some_and(|expires| expires <= now),
    };
    let found = find_drills(&context.settings, &context.dr).await;
    let found = found.map_err(failed)?;
    if args.dry_run {
        cli::print(global, &found)?;
        return Ok(Exit::Fine);
    }
    let due = found.things.iter().filter(|thing| is_due(thing)).count();
    for thing in found.things.iter().filter(|thing| !is_due(thing)) {
        let when = match thing.expires {
            Some(expires) => format!("until {expires:.0}"),
            None => "since nobody knows until when it is wanted".to_owned(),
        };
        let clean = clean_command(thing.drill);
        cli::note(&format!(
            "{} stays {when}: `{clean}` takes it away",
            thing.name
        ));
    }
    if due > 0 {
        let things = report::counted(due, "thing");
        cli::confirm(
            global,
            &format!("Take {things} of drills away, with all they hold?"),
        )?;
    }
    let left = Box::pin(take_away(&context, is_due)).await?;
    cli::print(global, &left)?;
    Ok(match left.things.is_empty() {
        true => Exit::Fine,
        false => Exit::Unchecked,
    })
}
