//! `netlab down`

use futures::StreamExt as _;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::report::print;
use crate::{group, provider};

/// End the guest, or a group of them, and remove everything of it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End every instance
    #[arg(long)]
    pub all: bool,
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
    match provider::clear_leftovers(context).await {
        Ok(words) => ended.extend(words),
        Err(error) => failures.push(error),
    }
    print::removed(context.options.json, &ended, "nothing was up")?;
    group::first_failure(context, failures)?;
    Ok(Exit::Good)
}
