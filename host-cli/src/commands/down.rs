//! `netlab down`

use futures::StreamExt as _;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::instance::{Holder, LabLock, Name, Use};
use crate::provider::checkpoint::Forget;
use crate::report::{Event, print};
use crate::{fresh, group, provider};

/// End the guest, or a group of them, and remove all of it but its checkpoints
///
/// On a terminal it asks first if you have worked in the guest, or kept a lab there; `--yes` answers.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End every instance
    #[arg(long)]
    pub all: bool,
    /// Remove the checkpoints as well
    #[arg(long)]
    pub purge: bool,
}

/// Runs the verb.
///
/// # Errors
/// An instance that can't be ended; the others are ended all the same.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let names = if args.all { context.home.instances()? } else { group::members(context)? };
    if !may_end(&names, context).await? {
        print::removed(context.options.json, &[], "nothing was ended")?;
        return Ok(Exit::Good);
    }
    let end = |guest: Context| async move {
        tell_who_is_at_it(&guest)?;
        guest.provider()?.down(&guest.reporter).await
    };
    let outcomes: Vec<_> = group::each(context, &names, end).collect().await;
    let mut ended = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    let mut still_up = Vec::new();
    for (name, outcome) in names.iter().zip(outcomes) {
        match outcome {
            Ok(words) => ended.extend(words),
            Err(error) => {
                failures.push(error);
                still_up.push(name);
            }
        }
    }
    match provider::saved_instances(&context.home) {
        Ok(mut saved) => {
            // What could not be ended keeps its checkpoints.
            saved.retain(|name| (args.all || names.contains(name)) && !still_up.contains(&name));
            for name in saved {
                match checkpoints(args.purge, &name, context).await {
                    Ok(words) => ended.extend(words),
                    Err(error) => failures.push(error),
                }
            }
        }
        Err(error) => failures.push(error),
    }
    match provider::clear_leftovers(context).await {
        Ok(words) => ended.extend(words),
        Err(error) => failures.push(error),
    }
    print::removed(context.options.json, &ended, "nothing was up")?;
    group::first_failure(context, failures)?;
    Ok(Exit::Good)
}

/// Says whose lab ends with the guest: `down` is for good, so it is not refused.
fn tell_who_is_at_it(context: &Context) -> Result<(), Error> {
    if let Some(Holder { pid, lab: Some(lab) }) = LabLock::holder(&context.paths()?)? {
        let name = &context.options.name;
        let text =
            format!("guest `{name}` is running lab `{lab}`, as process {pid}, which loses it");
        context.reporter.emit(Event::Note { text });
    }
    Ok(())
}

/// Asks whether guests may go in which the user has worked, where somebody is there to answer.
async fn may_end(names: &[Name], context: &Context) -> Result<bool, Error> {
    let can_ask = context.terminal.is_interactive() && !context.options.json;
    if context.options.yes || !can_ask {
        return Ok(true);
    }
    let mut worked_in = Vec::new();
    for name in names {
        let guest = context.named(name);
        // A machine of the user's stays, with what was done in it.
        let is_ours = guest.provider()?.machine().emulator().is_some();
        if is_ours && fresh::in_use(&guest).await? == Use::Own {
            worked_in.push(format!("`{name}`"));
        }
    }
    let question = match worked_in.as_slice() {
        [] => return Ok(true),
        [one] => format!("You have worked in guest {one}. End it, and lose that?"),
        many => format!("You have worked in guests {}. End them, and lose that?", many.join(", ")),
    };
    fresh::confirm(context, question).await
}

/// Removes the checkpoints that outlive a guest, or says that they stay.
async fn checkpoints(purge: bool, name: &Name, context: &Context) -> Result<Vec<String>, Error> {
    let provider = provider::open(context, name)?;
    let Some(emulator) = provider.machine().emulator() else { return Ok(Vec::new()) };
    if purge {
        let labels = emulator.forget(&Forget::All).await?;
        let words = |label| format!("checkpoint `{label}` of `{name}`");
        return Ok(labels.iter().map(words).collect());
    }
    let remove = format!("`netlab down --purge --name {name}`");
    let text = match emulator.checkpoints()?.len() {
        0 => return Ok(Vec::new()),
        1 => format!("a checkpoint of guest `{name}` stays, its keys in it; {remove} removes it"),
        many => format!(
            "{many} checkpoints of guest `{name}` stay, its keys in them; {remove} removes them"
        ),
    };
    context.reporter.emit(Event::Note { text });
    Ok(Vec::new())
}
