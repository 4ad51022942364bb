//! `netlab-agent`: runs labs inside a Linux guest, one session per process.
//!
//! `netlab-agent serve` talks frames on its standard input and output, and nothing else is ever
//! written there. Whoever starts it owns it: when the input ends, so does the lab, unless it is
//! held. `serve --lent` does so on a machine that is somebody's own.

#![deny(clippy::print_stdout)]

mod background;
mod causes;
mod cgroup;
mod counterfactual;
mod error;
mod exec;
mod held;
#[cfg(test)]
mod hostile;
mod journal;
mod lab;
mod ledger;
mod limits;
mod needs;
mod netlink;
mod netns;
mod output;
mod outside;
mod probe;
mod process;
mod rehearsal;
mod serve;
mod service;
mod signals;
mod step;
mod switch;
mod teardown;
mod topology;
mod values;
mod verdict;
mod wire;

use std::process::ExitCode;

use error::Error;
use ledger::Machine;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let machine = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => Machine::Own,
        ["serve", "--lent"] => Machine::Lent,
        _ => {
            Error::Usage { arguments }.log();
            return ExitCode::from(2);
        }
    };
    limits::protect_agent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime
        .map_err(|source| Error::System { doing: "start the event loop", source })
        .and_then(|runtime| runtime.block_on(serve::serve(machine)));
    match served {
        Ok(code) => code,
        Err(error) => {
            error.log();
            ExitCode::FAILURE
        }
    }
}
