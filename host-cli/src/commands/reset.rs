//! `netlab reset`

use netlab_protocol::Request;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::guest::Guest;
use crate::report::print;
use crate::run::clear;

/// Clear away what a lab left in the guest
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// No guest is up, or the connection is lost.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let mut guest = context.cancel.guard(Guest::attach(context)).await?;
    let removed = clear(&mut guest.session, Request::Reset, &context.reporter).await?;
    print::removed(context.options.json, &removed, "the guest is clean")?;
    Ok(Exit::Good)
}
