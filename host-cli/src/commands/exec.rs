//! `netlab exec`

use futures::StreamExt as _;
use netlab_protocol::Place;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::report::{Event, print};
use crate::{group, guest, ssh};

/// Run a command in the guest and pass its exit status on
///
/// Standard input, output and error are passed through as they are. A command that dies by signal N
/// gives 128 + N. In a group it runs in each guest, without input; what each said is shown whole, and the exit
/// status is the first that is not 0. One that says more than 16 MiB is ended, and what it said not shown.
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
    let names = group::members(context)?;
    if let [name] = names.as_slice() {
        let context = context.named(name);
        let endpoint = guest::endpoint_for_work(&context).await?;
        let status = context.cancel.guard(ssh::exec(&endpoint, &place, &args.command)).await?;
        return Ok(Exit::Command(status));
    }
    let capture = |guest: Context| {
        let (place, command) = (&place, &args.command);
        async move {
            let endpoint = guest::endpoint_for_work(&guest).await?;
            guest.cancel.guard(ssh::capture(&endpoint, place, command)).await
        }
    };
    let mut captures = std::pin::pin!(group::each(context, &names, capture));
    let mut first: Option<Result<Exit, Error>> = None;
    let mut next = names.iter();
    while let (Some(name), Some(outcome)) = (next.next(), captures.next().await) {
        let outcome = match outcome {
            Ok(captured) => {
                print::captured(name.as_str(), &captured)?;
                Ok(Exit::Command(captured.status))
            }
            Err(error) if context.cancel.is_cancelled() => return Err(error),
            // `main` prints the first failure and passes on the first status.
            Err(error) if first.is_some() => {
                context.reporter.emit(Event::Note { text: format!("{name}: {error}") });
                continue;
            }
            Err(error) => Err(error),
        };
        if first.is_none() && !matches!(outcome, Ok(Exit::Command(0))) {
            first = Some(outcome);
        }
    }
    first.unwrap_or(Ok(Exit::Good))
}
