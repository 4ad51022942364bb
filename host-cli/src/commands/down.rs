//! `netlab down`

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::provider;
use crate::report::print;

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
    let mut failure = None;
    for name in names {
        match provider::open(context, &name).down().await {
            Ok(words) => ended.extend(words),
            Err(error) => failure = Some(error),
        }
    }
    match provider::clear_leftovers(context).await {
        Ok(words) => ended.extend(words),
        Err(error) => failure = Some(error),
    }
    print::removed(context.options.json, &ended, "nothing was up")?;
    failure.map_or(Ok(Exit::Good), Err)
}
