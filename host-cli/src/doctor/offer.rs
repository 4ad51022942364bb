//! The offer to install QEMU, made before a guest is started. The rule: QEMU is only looked for, not
//! run, since whoever starts a guest asks it for its version anyway.

use std::io;

use super::install::{InstallError, Installation};
use crate::context::Context;
use crate::error::Error;
use crate::provider::qemu::{QemuError, discover};
use crate::report::prompt;

/// Installs a missing QEMU, if the instance wants one, with `--yes` or after a question on a terminal.
///
/// # Errors
/// QEMU is missing and was not installed, or the one that the user named is not there.
pub async fn qemu(context: &Context) -> Result<(), Error> {
    if context.provider()?.machine().emulator().is_none() {
        return Ok(());
    }
    let guest = context.architecture();
    match discover::locate(context.options.qemu.as_deref(), guest) {
        Err(QemuError::Missing { .. }) => {}
        found => return Ok(found.map(drop)?),
    }
    let installation = Installation::plan(guest)?;
    let can_ask = context.terminal.is_interactive() && !context.options.json;
    let (yes, asked) = (context.options.yes, installation.clone());
    let ask = move || {
        asked.consent(yes, can_ask, |lines| {
            prompt::yes(&format!("QEMU is not installed. Run `{}`?", lines.join(" && ")))
        })
    };
    // On a thread of its own, so that Ctrl-C is heard: a read of the keyboard can't be called back.
    let answered = async {
        let answer = tokio::task::spawn_blocking(ask).await;
        answer.unwrap_or_else(|error| Err(InstallError::Terminal(io::Error::other(error))))
    };
    context.cancel.guard(answered).await?;
    // Not dropped on Ctrl-C: a package manager cut short leaves the host half-installed.
    Ok(installation.run().await?)
}
