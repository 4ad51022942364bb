//! `netlab reset`

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::guest::Guest;
use crate::report::print;
use crate::run::reset;

/// Clear away what a lab left in the guest
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// No guest is up, or the connection is lost.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let mut guest = context.cancel.guard(Guest::attach(context)).await?;
    let removed = reset(&mut guest.session, &context.reporter, &context.cancel).await?;
    print::removed(context.options.json, &removed, "the guest is clean")?;
    Ok(Exit::Good)
}
