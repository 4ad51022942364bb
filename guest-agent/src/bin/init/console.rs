//! Lines on the serial console, for a host that reads the log when the boot channel says nothing.
//!
//! The kernel gives PID 1 its console as standard error. Each byte is slow under emulation, so
//! there is one short line a phase.

use std::io::Write as _;

use nix::sys::termios::tcdrain;

/// Prints one line.
pub fn say(line: &str) {
    // The console is the last resort: where it fails, there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "netlab-init: {line}");
}

/// Waits until everything printed has left the guest.
pub fn drain() {
    let _ = tcdrain(std::io::stderr());
}
