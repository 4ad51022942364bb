//! Ctrl-C, and a request to end: the run ends in order then, and says what it had so far.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::Outcome;

/// Whether one came. It is looked at between two verbs, and while one runs.
static CAME: AtomicBool = AtomicBool::new(false);

/// Listens to SIGINT, SIGTERM and the end of the terminal from now on. Another one changes nothing.
pub fn listen() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let (mut interrupt, mut terminate, mut hangup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            CAME.store(true, Ordering::Relaxed);
        });
    });
    Ok(())
}

/// Whether one came.
pub fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Fails if one came.
pub fn check() -> Outcome<()> {
    if came() { Err("interrupted".into()) } else { Ok(()) }
}
