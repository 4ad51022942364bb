//! `netlab up`

use crate::context::Context;
use crate::doctor::offer;
use crate::error::{Error, Exit};
use crate::group;
use crate::guest::{self, Guest};
use crate::provider::{Endpoint, Tier};
use crate::report::print;

/// Start the guest, or find it running
///
/// With `--count 40 --name seat` it starts seat-01 to seat-40, several at a time. The other verbs
/// take the group's name as they take a guest's.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the QEMU command instead of running it
    #[arg(long, conflicts_with_all = ["count", "force"])]
    pub dry_run: bool,
    /// Start a group of so many guests, named after `--name`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=999))]
    pub count: Option<u16>,
    /// Start a group even if the memory seems too small for it
    #[arg(long)]
    pub force: bool,
}

/// Runs the verb.
///
/// # Errors
/// Whatever keeps the guest, or one of a group, from coming up.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    if args.dry_run {
        let provider = context.provider()?;
        let command = provider.machine().own("up --dry-run")?.command(&context.reporter).await?;
        print::command_line(context.options.json, &command)?;
        return Ok(Exit::Good);
    }
    let names = match args.count {
        Some(count) => {
            context.provider()?.machine().own("up --count")?;
            group::seats(context, count)?
        }
        None => group::members(context)?,
    };
    offer::qemu(context).await?;
    match (names.as_slice(), args.count) {
        ([name], None) => {
            one(&context.named(name)).await?;
            Ok(Exit::Good)
        }
        (names, _) => group::up(context, names, args.force, one).await,
    }
}

/// Brings one guest up, or attaches to it.
async fn one(context: &Context) -> Result<Endpoint, Error> {
    let mut guest = Guest::up(context).await?;
    // A guest that goes on from a saved one has them running.
    if guest.endpoint.tier == Some(Tier::Cold) {
        context.cancel.guard(guest::start_services(&mut guest.session)).await?;
    }
    Ok(guest.endpoint)
}
