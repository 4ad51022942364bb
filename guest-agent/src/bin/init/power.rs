//! The end of the guest: whatever happens, it powers off, so that QEMU ends and the host sees it.

use std::process::ExitCode;

use nix::sys::reboot::{RebootMode, reboot};

use crate::console;

/// Powers the guest off.
pub fn off() -> ExitCode {
    console::drain();
    nix::unistd::sync();
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(cause) => {
            console::say(&format!("could not power off: {cause}"));
            ExitCode::FAILURE
        }
    }
}

/// Makes a panic power off as well: the end of process 1 would be a kernel panic, which hangs.
pub fn off_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        console::say(&format!("a mistake of netlab's own: {panic}"));
        off();
    }));
}
