//! `netlab reset`

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use netlab_fault as fault;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::guest::Guest;
use crate::instance::LabLock;
use crate::provider::checkpoint::Forget;
use crate::provider::{Expendable, Status, Tier};
use crate::report::{Event, print, time};
use crate::{agent, fresh, group, guest};

/// Swap the guest for a fresh one
///
/// It has the same name, port and keys; whatever was in the old one is gone. Where a fresh one costs a
/// whole boot, what a lab left in it is cleared away instead. One that has ended by itself, such as by a
/// panic of its kernel, is started anew, with keys of its own.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What a reset has done to a guest.
pub struct Reset {
    name: String,
    /// What was cleared away, in words, in a guest that could not be swapped.
    removed: Option<Vec<String>>,
    took: Duration,
}

/// A reset as `--json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    swapped: bool,
    removed: &'a [String],
    millis: u64,
}

/// Runs the verb.
///
/// # Errors
/// No guest is up, a lab runs in it, or the connection is lost.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let names = group::members(context)?;
    let mut resets =
        std::pin::pin!(group::each(context, &names, |guest| async move { reset(&guest).await }));
    let mut failures = Vec::new();
    while let Some(outcome) = resets.next().await {
        match outcome {
            Ok(reset) => reset.print(context.options.json)?,
            Err(error) => failures.push(error),
        }
    }
    group::first_failure(context, failures)?;
    Ok(Exit::Good)
}

/// Resets the guest that `--name` names.
///
/// # Errors
/// As [`run`].
pub async fn reset(context: &Context) -> Result<Reset, Error> {
    let begun = Instant::now();
    let status = context.cancel.guard(context.provider()?.status(&context.reporter)).await?;
    if status == Status::Down && has_run(context)? {
        let text = format!("guest `{}` runs no more: starting a fresh one", context.options.name);
        context.reporter.emit(Event::Note { text });
        Guest::up(context).await?;
        return Ok(Reset {
            name: context.options.name.clone(),
            removed: None,
            took: begun.elapsed(),
        });
    }
    guest::reachable(context, status)?;
    let lock = LabLock::acquire(&context.paths()?, None).await?;
    let _lab = lock.ok_or_else(|| guest::not_up(context))?;
    let removed = match fresh::swap(context, Expendable::Any).await? {
        Some(mut guest) => {
            // A guest that goes on from a saved one has them running.
            if guest.endpoint.tier == Some(Tier::Cold) {
                context.cancel.guard(guest::start_services(&mut guest.session)).await?;
            }
            None
        }
        None => {
            let mut guest = context.cancel.guard(Guest::attach(context)).await?;
            Some(context.cancel.guard(agent::clear(&mut guest.session)).await?)
        }
    };
    fault::reach(fault::Phase::ResetDone);
    // Their lab is gone.
    if let Some(emulator) = context.provider()?.machine().emulator() {
        emulator.forget(&Forget::Steps).await?;
    }
    Ok(Reset { name: context.options.name.clone(), removed, took: begun.elapsed() })
}

/// Whether a guest that is down has ended otherwise than by `down`, which leaves no folder: as one does
/// whose kernel panicked. There is nothing to swap then, and what the user wants is a guest.
fn has_run(context: &Context) -> Result<bool, Error> {
    let is_ours = context.provider()?.machine().emulator().is_some();
    Ok(is_ours && context.paths()?.serial_log().exists())
}

impl Reset {
    /// Prints what was done, and how long it took.
    ///
    /// # Errors
    /// [`print::OutputError`].
    pub fn print(&self, as_json: bool) -> Result<(), print::OutputError> {
        let Self { name, removed, took } = self;
        if as_json {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let (swapped, removed) = (removed.is_none(), removed.as_deref().unwrap_or_default());
            return print::json("reset", &Row { name, swapped, removed, millis });
        }
        let took = time(*took);
        match removed {
            None => print::text(&format!("guest `{name}` is a fresh one ({took})\n")),
            Some(removed) => {
                print::removed(false, removed, "the guest is clean")?;
                print::text(&format!("guest `{name}` was cleared of labs ({took})\n"))
            }
        }
    }
}
