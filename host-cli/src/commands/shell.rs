//! `netlab shell`

use netlab_protocol::Place;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::{guest, ssh};

/// Open a shell in the guest
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Namespace to open it in, as `ip netns` names it
    #[arg(value_name = "NS")]
    pub namespace: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// No guest is up, no such namespace, or the connection is lost.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let place = args.namespace.map_or(Place::Root, Place::from);
    let endpoint = guest::endpoint_for_work(context).await?;
    let status = ssh::shell(&endpoint, &place).await?;
    Ok(Exit::Command(status))
}
