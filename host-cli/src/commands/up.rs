//! `netlab up`

use crate::context::Context;
use crate::doctor::offer;
use crate::error::{Error, Exit};
use crate::guest::{self, Guest};
use crate::provider::Tier;
use crate::report::print;

/// Start the guest, or find it running
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the QEMU command instead of running it
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the verb.
///
/// # Errors
/// Whatever keeps the guest from coming up.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    if args.dry_run {
        let command = context.provider()?.command(&context.reporter).await?;
        print::command_line(context.options.json, &command)?;
        return Ok(Exit::Good);
    }
    offer::qemu(context).await?;
    let mut guest = Guest::up(context).await?;
    // A guest that goes on from a saved one has them running.
    if guest.endpoint.tier == Tier::Cold {
        context.cancel.guard(guest::start_services(&mut guest.session)).await?;
    }
    Ok(Exit::Good)
}
