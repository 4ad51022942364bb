//! `netlab down`

use futures::StreamExt as _;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::instance::Name;
use crate::provider::checkpoint::Forget;
use crate::report::{Event, print};
use crate::{group, provider};

/// End the guest, or a group of them, and remove everything of it
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
    let end = |guest: Context| async move { guest.provider()?.down().await };
    let outcomes: Vec<_> = group::each(context, &names, end).collect().await;
    let mut ended = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(words) => ended.extend(words),
            Err(error) => failures.push(error),
        }
    }
    ended.extend(checkpoints(&args, &names, context).await?);
    match provider::clear_leftovers(context).await {
        Ok(words) => ended.extend(words),
        Err(error) => failures.push(error),
    }
    print::removed(context.options.json, &ended, "nothing was up")?;
    group::first_failure(context, failures)?;
    Ok(Exit::Good)
}

/// Removes the checkpoints that outlive a guest, or says that they stay.
async fn checkpoints(args: &Args, names: &[Name], context: &Context) -> Result<Vec<String>, Error> {
    let saved = provider::saved_instances(&context.home)?;
    let mut removed = Vec::new();
    for name in saved.into_iter().filter(|name| args.all || names.contains(name)) {
        let provider = provider::open(context, &name);
        if args.purge {
            let labels = provider.forget(&Forget::All).await?;
            removed.extend(labels.iter().map(|label| format!("checkpoint `{label}` of `{name}`")));
            continue;
        }
        let text = match provider.checkpoints()?.len() {
            0 => continue,
            1 => format!("a checkpoint of guest `{name}` stays; `netlab down --purge` removes it"),
            many => format!(
                "{many} checkpoints of guest `{name}` stay; `netlab down --purge` removes them"
            ),
        };
        context.reporter.emit(Event::Note { text });
    }
    Ok(removed)
}
