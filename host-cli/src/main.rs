//! `netlab`: parse, dispatch, print one failure, exit.

#![cfg_attr(
    test,
    expect(
        clippy::disallowed_methods,
        reason = "tests write their fixtures and start their own processes"
    )
)]

mod agent;
mod bundled;
mod cancel;
mod checkpoints;
mod cli;
mod commands;
mod context;
mod died;
mod doctor;
mod error;
mod finding;
mod fresh;
mod group;
mod guest;
mod image;
mod instance;
mod lab;
mod platform;
mod provider;
mod report;
mod run;
mod ssh;
mod stock;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cancel::Canceller;
use crate::cli::{Cli, Verb};
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::report::{Reporter, Terminal, print};

/// The system gave no threads or timers to work with.
#[derive(Debug, thiserror::Error)]
#[error("could not start netlab's threads")]
struct NoRuntime(#[source] std::io::Error);

impl Hint for NoRuntime {
    fn hint(&self) -> String {
        "close other programs, or raise the limit on processes (`ulimit -u`)".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::HostLacks
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::for_run(Terminal::detect(), &cli.options);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return print::fatal(&reporter, &NoRuntime(source).into()).into(),
    };
    let exit = runtime.block_on(run(cli, &reporter));
    // A read of standard input can't be cancelled; waiting for it would hold the exit up.
    runtime.shutdown_background();
    exit.into()
}

async fn run(cli: Cli, reporter: &Reporter) -> Exit {
    let (canceller, cancel) = Canceller::new();
    let interrupted_twice = async {
        // Where the system takes no handler, Ctrl-C ends the process as it always did.
        while platform::interrupted().await.is_ok() {
            if canceller.press() > 1 {
                return Exit::Interrupted;
            }
        }
        std::future::pending().await
    };
    // A lab that nobody watches any more (`netlab demo 3 | head`) ends in order, as by Ctrl-C.
    let is_watched = matches!(cli.verb, Verb::Demo(_));
    let unwatched = async {
        if is_watched {
            reporter.closed().await;
            canceller.press();
        }
        std::future::pending().await
    };
    let verb = async {
        let context = Context::new(cli.options, cancel, reporter.clone())?;
        let outcome = commands::run(cli.verb, &context).await;
        context.cancel.settled().await;
        match outcome {
            // A full disk behind standard output is a failure, even of a lab that passed.
            Ok(Exit::Good) => {
                context.reporter.finish().map_err(print::OutputError::from)?;
                Ok(Exit::Good)
            }
            // Whoever has gone away knows that they did, and the exit code tells everybody else that
            // the lab has no verdict.
            Err(error) if error.exit() == Exit::Interrupted => match context.reporter.finish() {
                Ok(()) => Err(error),
                Err(_) => Ok(Exit::Interrupted),
            },
            other => other,
        }
    };
    let outcome: Result<Exit, Error> = tokio::select! {
        exit = interrupted_twice => return exit,
        exit = unwatched => return exit,
        outcome = verb => outcome,
    };
    outcome.unwrap_or_else(|error| print::fatal(reporter, &error))
}
