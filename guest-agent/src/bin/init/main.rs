//! `netlab-init`: the guest's PID 1, from the initramfs to the running SSH server.
//!
//! It only boots: labs are the agent's business. Everything happens on one thread, one phase
//! after the other, and a phase that fails is told to the host and the guest powers off: a guest
//! that hangs in silence is the worst outcome.

mod boot_channel;
mod clock;
mod console;
mod conversation;
mod error;
mod identity;
mod idle;
mod modules;
mod mounts;
mod network;
mod power;
mod processes;
mod progress;
mod random;
mod serve;
mod signals;
mod ssh_server;
mod wait;
mod wipe;

use std::process::ExitCode;

use netlab_protocol::boot::Phase;
use zeroizing_alloc::ZeroAlloc;

use crate::error::InitError;
use crate::progress::Progress;
use crate::signals::Signals;

/// Keys pass through this process, and freed memory keeps its bytes: whoever saves the guest would
/// save them too.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    // Started by hand on a real machine it would mount over its root and switch it off.
    if std::process::id() != 1 {
        console::say("this is the init of a netlab guest, it does nothing but as process 1");
        return ExitCode::from(2);
    }
    power::off_on_panic();
    let mut progress = Progress::new();
    if let Err(error) = boot_and_serve(&mut progress) {
        progress.failed(&error);
    }
    power::off()
}

/// Returns only when the guest is asked to power off.
fn boot_and_serve(progress: &mut Progress) -> Result<(), InitError> {
    let signals = Signals::block()?;
    mounts::kernel_filesystems()?;
    console::say("started");
    modules::load_all()?;
    progress.open_channel()?;
    progress.reached(Phase::Kernel)?;
    mounts::enter_root()?;
    mounts::root_filesystems()?;
    idle::wake_up_less()?;
    progress.reached(Phase::Root)?;
    network::bring_up()?;
    progress.reached(Phase::Network)?;
    serve::until_power_off(progress, &signals)
}
