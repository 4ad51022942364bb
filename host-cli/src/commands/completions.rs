//! `netlab completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Error, Exit};
use crate::report::print;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell
    pub shell: Shell,
}

/// Runs the verb.
///
/// # Errors
/// Standard output is closed.
pub fn run(args: Args) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "netlab", &mut script);
    print::bytes(&script)?;
    Ok(Exit::Good)
}
