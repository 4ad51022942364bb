//! The agent and the init that this netlab was built with, put here by `build.rs`.

/// The agent, a static program for the guest.
pub static AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/netlab-agent"));

/// SHA-256 of [`AGENT`] in hexadecimal: its name in the guest, so that another build's agent is
/// never started by mistake.
pub const AGENT_SHA256: &str = env!("NETLAB_AGENT_SHA256");

/// The guest's init, which goes into the initramfs.
pub static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/netlab-init"));
