//! `netlab ssh-config`

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::instance::usage;
use crate::report::print;
use crate::{guest, ssh};

/// Print a block for OpenSSH's configuration
///
/// Try it: `netlab ssh-config > netlab.conf`, then `ssh -F netlab.conf netlab`. The guest's host key
/// is pinned and checked.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// No guest is up.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let endpoint = guest::endpoint(context).await?;
    usage::mark_ssh(&context.paths()?)?;
    print::text(&ssh::config::block(&endpoint))?;
    Ok(Exit::Good)
}
