//! `netlab exec`

use netlab_protocol::Place;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::{guest, ssh};

/// Run a command in the guest and pass its exit status on
///
/// Standard input, output and error are passed through as they are. A command that dies by signal N
/// gives 128 + N.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Namespace to run it in, as `ip netns` names it
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// No guest is up, no such namespace, or the connection is lost.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let place = args.ns.map_or(Place::Root, Place::from);
    let endpoint = guest::endpoint_for_work(context).await?;
    let status = context.cancel.guard(ssh::exec(&endpoint, &place, &args.command)).await?;
    Ok(Exit::Command(status))
}
