//! `netlab demo`

use crate::bundled;
use crate::checkpoints::Checkpoints;
use crate::context::Context;
use crate::doctor::offer;
use crate::error::{Error, Exit};
use crate::fresh::{self, Fresh};
use crate::instance::usage;
use crate::lab;
use crate::run::{self, Options, Pace, Paced, Run, Straight};

/// Run a lab, one explained command at a time
///
/// It runs in a clean guest: one in which a lab has run is swapped for a fresh one first. A guest in
/// which you have worked yourself stays, unless you say otherwise. A lab that fails is left as it is,
/// so that you can look around with `netlab shell`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A lab of `netlab list` by number or id, one of a bundle by id, or a file of your own
    pub lab: String,
    /// Wait for a key before each step (the default on a terminal)
    #[arg(long, conflicts_with = "auto")]
    pub step: bool,
    /// Run straight through (the default elsewhere)
    #[arg(long)]
    pub auto: bool,
    /// First step to show: from the guest that was saved before it, or after a quiet replay
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub from: u32,
    /// Leave the lab standing in the guest
    #[arg(long)]
    pub keep: bool,
    /// Swap a guest that was used for a fresh one, even if you have worked in it; on a machine of yours,
    /// clear away a lab that was kept there
    #[arg(long)]
    pub reset: bool,
}

/// Runs the verb.
///
/// # Errors
/// Whatever keeps the lab from a verdict. A failed check is not an error, but an exit code.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    // Every mistake in the file is told before a guest is started.
    let lab = lab::parse(&bundled::lab(&args.lab, context)?)?;
    run::check_start(&lab, args.from)?;
    let paced =
        !args.auto && (args.step || (context.terminal.is_interactive() && !context.options.json));
    offer::qemu(context).await?;

    let Fresh { guest, lock: _lab, may_go } = fresh::guest(context, &lab.id, args.reset).await?;
    let paths = context.paths()?;
    let mut pace: Box<dyn Pace> = if paced {
        Box::new(Paced::new(
            guest.endpoint.clone(),
            paths.clone(),
            context.reporter.clone(),
            context.cancel.clone(),
        ))
    } else {
        Box::new(Straight)
    };
    let mut history = Checkpoints::of(context, &lab.plan()).await?;
    let is_ours = context.provider()?.machine().emulator().is_some();
    let options = Options {
        from: args.from,
        keep: args.keep,
        guest_may_go: may_go,
        left_may_go: is_ours || args.reset,
    };
    let (reporter, cancel) = (&context.reporter, &context.cancel);
    let run = Run::open(guest.session, &mut history, &lab, options, reporter, cancel).await?;
    let summary = run.finish(&lab, pace.as_mut()).await?;
    if !summary.kept && !summary.quit_early {
        history.forget().await?;
    }
    if args.keep {
        usage::mark_work(&paths)?;
    }
    Ok(if summary.passed { Exit::Good } else { Exit::CheckFailed })
}
