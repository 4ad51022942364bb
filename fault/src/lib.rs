//! Fault points: the moments at which a test may stop netlab, to kill it or something that it needs.
//! [`Phase`] names every one of them, so it is also the list of what must survive a crash.
//!
//! In the builds that tests run, `NETLAB_FAULT=PHASE@PORT` makes netlab connect to that port on
//! 127.0.0.1 when it gets to the phase, say so, and stand still until it is told to go on. Everywhere
//! else [`reach`] is empty: the feature `armed` is asked for by no package, only by host-cli's tests.
#![forbid(unsafe_code)]

mod phase;

pub use phase::{Moment, Phase, Way};

/// The variable that names a phase and the port at which a test waits for it: `clone/spawned@40123`.
#[cfg(feature = "armed")]
pub const VARIABLE: &str = "NETLAB_FAULT";

/// Stands still if a test has asked for it at this phase.
#[cfg(feature = "armed")]
pub fn reach(phase: Phase) {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};

    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    let Some((name, port)) = wanted.split_once('@') else { return };
    let Ok(port) = port.parse::<u16>() else { return };
    if name != phase.to_string() {
        return;
    }
    // The test sees that nobody came if it can't be told. An answer and a closed connection alike
    // mean to go on.
    if let Ok(mut test) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        let _ = test.write_all(b"here\n");
        let _ = test.read(&mut [0]);
    }
}

/// Does nothing: this build has no fault points.
#[cfg(not(feature = "armed"))]
#[inline]
pub fn reach(_: Phase) {}
