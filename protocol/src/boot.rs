//! The boot channel: what the guest's init and the host say over the virtio-serial port.
//!
//! The guest speaks first: it reports phases, asks for its secrets, gets them, and says when its
//! SSH server listens. The port stays open afterwards, so that the host can set the clock after
//! the laptop slept. The same conversation serves a guest that has just booted and one that was
//! restored from a saved state.

use serde::{Deserialize, Serialize};

use crate::FrameError;
use crate::frame::encode_padded;

/// Name of the virtio-serial port, found under `/sys/class/virtio-ports/*/name`.
pub const PORT_NAME: &str = "netlab.boot";

/// Bytes of entropy that the host gives to each guest: two SHA-512 blocks' worth is far more than
/// the 256 bits that the kernel's generator holds.
pub const ENTROPY_BYTES: usize = 64;

/// Bytes that follow [`Order::Settle`] within its frame. The guest's kernel receives into 128 pages
/// in turn and never clears one, so an earlier order's keys stay there until all were written again:
/// half a mebibyte, and half as much more for pages that are filled in part.
const SETTLE_PADDING: usize = 768 << 10;

/// What the init tells the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// A phase is over.
    Reached {
        /// Which.
        phase: Phase,
        /// Milliseconds since the kernel started (`CLOCK_BOOTTIME`).
        uptime_ms: u64,
    },
    /// The init waits for [`Order::Begin`].
    NeedSecrets,
    /// The SSH server listens.
    Ready,
    /// The guest that [`Order::Wake`] found is awake.
    Awake,
    /// [`Order::SetClock`] has been seen to; where it failed, the console says why.
    ClockSet,
    /// The boot can't go on.
    Failed {
        /// The phase that failed.
        phase: Phase,
        /// What was tried and what the kernel said.
        problem: String,
    },
}

/// A phase of the guest's boot, as the init sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The kernel has started the init, and the modules are loaded.
    Kernel,
    /// The root is mounted and entered.
    Root,
    /// `lo` and the guest's own interface are up.
    Network,
    /// The secrets are in place.
    Secrets,
    /// The SSH server listens.
    Ssh,
}

/// What the host tells the init.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Everything that makes this instance itself.
    Begin(Box<Secrets>),
    /// Sets the wall clock. Answered by [`Report::ClockSet`], by which the host knows how late the
    /// order may have been.
    SetClock {
        /// Nanoseconds since 1970-01-01 00:00 UTC.
        unix_nanos: u64,
    },
    /// Takes back all that makes the guest an instance: its keys go, its SSH server and every
    /// connection end. Answered by [`Report::NeedSecrets`], upon which the guest may be saved as
    /// the template of others.
    Settle,
    /// The guest was brought back from a saved state: the connections of its earlier life end, the
    /// clock is set and the random generator seeded anew. Answered by [`Report::Awake`].
    Wake(Box<Wake>),
}

impl Order {
    /// Returns the frame that carries this order. That of [`Order::Settle`] ends in as many blanks
    /// as it takes to overwrite what the guest's kernel has kept of earlier orders.
    ///
    /// # Errors
    /// [`FrameError`], as from [`encode`](crate::encode).
    pub fn frame(&self) -> Result<Vec<u8>, FrameError> {
        let padding = match self {
            Self::Settle => SETTLE_PADDING,
            Self::Begin(_) | Self::SetClock { .. } | Self::Wake(_) => 0,
        };
        encode_padded(self, padding)
    }
}

/// What a guest needs that was brought back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// The host's wall clock, in nanoseconds since 1970-01-01 00:00 UTC.
    pub unix_nanos: u64,
    /// [`ENTROPY_BYTES`] random bytes for the kernel's generator.
    #[serde(with = "crate::bytes")]
    pub entropy: Vec<u8>,
}

/// Everything that makes an instance itself. It never touches a disk of the guest, its command
/// line or its network.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The guest's host name.
    pub hostname: String,
    /// The Ed25519 host key, in the file format of the guest's SSH server (dropbear).
    #[serde(with = "crate::bytes")]
    pub host_key: Vec<u8>,
    /// The line for `authorized_keys`.
    pub authorized_key: String,
    /// The host's wall clock, in nanoseconds since 1970-01-01 00:00 UTC.
    pub unix_nanos: u64,
    /// [`ENTROPY_BYTES`] random bytes for the kernel's generator.
    #[serde(with = "crate::bytes")]
    pub entropy: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decoder;

    #[test]
    fn the_order_to_settle_overwrites_what_the_kernel_received_before() {
        let frame = Order::Settle.frame().unwrap();
        assert!(frame.len() > 128 * 4096);
        let mut decoder = Decoder::default();
        decoder.push(&frame);
        assert!(matches!(decoder.message(), Ok(Some(Order::Settle))));
        decoder.finish().unwrap();
    }
}
