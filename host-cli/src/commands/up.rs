//! `netlab up`

use netlab_protocol::{Event, Request};

use crate::agent::Session;
use crate::context::Context;
use crate::doctor::offer;
use crate::error::{Error, Exit};
use crate::guest::Guest;
use crate::report::print;
use crate::run::RunError;

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
    context.cancel.guard(start_services(&mut guest.session)).await?;
    Ok(Exit::Good)
}

/// Starts the switch, which whoever opens a shell next expects to be there.
pub(super) async fn start_services(session: &mut Session) -> Result<(), Error> {
    session.send(&Request::Serve).await?;
    match session.next().await? {
        Event::Served => Ok(()),
        Event::Failed(failure) => {
            let failure = Box::new(failure);
            Err(RunError::Failed { doing: "start its services", failure }.into())
        }
        other => Err(session.unexpected("starting its services", &other).into()),
    }
}
