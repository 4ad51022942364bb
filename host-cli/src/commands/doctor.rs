//! `netlab doctor`, and the offer to install QEMU that `up` and `demo` make

use crate::context::Context;
use crate::doctor;
use crate::error::{Error, Exit};
use crate::report::print;

/// Check what this computer has, and say how to mend what it lacks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Install what is missing with the system's own package manager
    #[arg(long)]
    pub fix: bool,
}

/// Runs the verb.
///
/// # Errors
/// Something can't be installed.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let mut findings = context.cancel.guard(doctor::examine(context)).await?;
    if args.fix && findings.iter().any(doctor::Finding::is_bad) {
        context.cancel.guard(doctor::fix(context)).await?;
        findings = context.cancel.guard(doctor::examine(context)).await?;
    }
    if context.options.json {
        print::json("doctor", &findings)?;
    } else {
        print::findings(&context.terminal, &findings)?;
    }
    let bad = findings.iter().any(doctor::Finding::is_bad);
    Ok(if bad { Exit::HostLacks } else { Exit::Good })
}

/// Installs a missing QEMU, with `--yes` or after a question on a terminal.
///
/// # Errors
/// QEMU is missing and was not installed.
pub async fn offer_qemu(context: &Context) -> Result<(), Error> {
    context.cancel.guard(doctor::ensure_qemu(context)).await
}
