//! `netlab ssh-config`

use futures::StreamExt as _;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::instance::usage;
use crate::report::print;
use crate::ssh::Login;
use crate::{group, guest, ssh};

/// Print a block for OpenSSH's configuration
///
/// Try it: `netlab ssh-config > netlab.conf`, then `ssh -F netlab.conf netlab`. The guest's host key
/// is pinned and checked. Of a group it prints a block for each guest.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// No guest is up, or one of a group is not; the blocks of the others are printed all the same.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let names = group::members(context)?;
    let block = |guest: Context| async move {
        let endpoint = guest::endpoint(&guest).await?;
        let Login::Pinned(keys) = &endpoint.login else {
            guest.provider()?.machine().own("ssh-config")?;
            return Ok(String::new());
        };
        usage::mark_ssh(&guest.paths()?)?;
        Ok::<_, Error>(ssh::config::block(&endpoint, keys))
    };
    let blocks: Vec<_> = group::each(context, &names, block).collect().await;
    let mut failures = Vec::new();
    for block in blocks {
        match block {
            Ok(block) => print::text(&block)?,
            Err(error) => failures.push(error),
        }
    }
    group::first_failure(context, failures)?;
    Ok(Exit::Good)
}
