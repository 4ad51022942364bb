//! `netlab demo`

use crate::bundled;
use crate::checkpoints::Checkpoints;
use crate::context::Context;
use crate::doctor::offer;
use crate::error::{Error, Exit, Hint};
use crate::fresh::{self, Fresh};
use crate::instance::{Name, Progress, usage};
use crate::lab;
use crate::platform::Platform;
use crate::report::Event;
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
    if let Some(step) = history.broken_off()?.filter(|_| args.from == 1) {
        let line = line_from(&args.lab, step, context);
        let text = format!("the last run broke off at step {step}: `{line}` goes on there");
        reporter.emit(Event::Note { text });
    }
    let run = Run::open(guest.session, &mut history, &lab, options, reporter, cancel).await?;
    let summary = match run.finish(&lab, pace.as_mut()).await {
        Ok(summary) => summary,
        Err(error) => return Err(broken_off(error, &args.lab, history.reached(), context)),
    };
    if !summary.quit_early {
        Progress::remove(&paths)?;
        if !summary.kept {
            history.forget().await?;
        }
    }
    if args.keep {
        usage::mark_work(&paths)?;
    }
    Ok(if summary.passed { Exit::Good } else { Exit::CheckFailed })
}

/// The command line that goes on with a lab from a step.
fn line_from(lab: &str, step: u32, context: &Context) -> String {
    let name = context.options.name.as_str();
    let named: &[&str] = if name == Name::DEFAULT { &[] } else { &["--name", name] };
    let step = step.to_string();
    let words = [&["netlab"], named, &["demo", lab, "--from", &step]].concat();
    Platform::HOST.typed(&words.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

/// An error that ended a lab in the middle, with the way to go on from there.
fn broken_off(error: Error, lab: &str, reached: Option<u32>, context: &Context) -> Error {
    match reached {
        Some(step) => BrokenOff { line: line_from(lab, step, context), step, error }.into(),
        None => error,
    }
}

/// A lab that did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct BrokenOff {
    error: Error,
    step: u32,
    line: String,
}

impl Hint for BrokenOff {
    fn hint(&self) -> String {
        self.error.hint()
    }

    fn exit(&self) -> Exit {
        self.error.exit()
    }

    fn way_on(&self) -> Option<String> {
        let Self { step, line, .. } = self;
        Some(format!("`{line}` goes on from step {step}"))
    }
}
