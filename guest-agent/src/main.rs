//! `netlab-agent`: runs labs inside a Linux guest, one session per process.
//!
//! `netlab-agent serve` talks frames on its standard input and output, and nothing else is ever
//! written there. Whoever starts it owns it: when the input ends, so does the lab, unless it is
//! held.

#![deny(clippy::print_stdout)]

mod background;
mod cgroup;
mod counterfactual;
mod error;
mod exec;
mod held;
mod journal;
mod lab;
mod ledger;
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["serve"] {
        Error::Usage { arguments }.log();
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime
        .map_err(|source| Error::System { doing: "start the event loop", source })
        .and_then(|runtime| runtime.block_on(serve::serve()));
    match served {
        Ok(code) => code,
        Err(error) => {
            error.log();
            ExitCode::FAILURE
        }
    }
}
