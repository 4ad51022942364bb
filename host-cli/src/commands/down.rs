//! `netlab down`

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::provider;
use crate::report::{Event, print};

/// End the guest and remove everything of it
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
    let names = if args.all { context.home.instances()? } else { vec![context.name()?] };
    let mut ended = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for name in names {
        match provider::open(context, &name).down().await {
            Ok(words) => ended.extend(words),
            Err(error) => failures.push(error),
        }
    }
    match provider::clear_leftovers(context).await {
        Ok(words) => ended.extend(words),
        Err(error) => failures.push(error),
    }
    print::removed(context.options.json, &ended, "nothing was up")?;
    // The last one is what `main` prints; the others are told here.
    let last = failures.pop();
    for error in failures {
        context.reporter.emit(Event::Note { text: error.to_string() });
    }
    last.map_or(Ok(Exit::Good), Err)
}
