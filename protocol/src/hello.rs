//! The first message of a session, from the agent: who it is, so that a stale one is refused.

use serde::{Deserialize, Serialize};

/// Version of the messages between `netlab` and `netlab-agent`. Both sides must have the same:
/// the host ships the agent it was built with, so there is no compatibility to keep.
pub const PROTOCOL_VERSION: u32 = 4;

/// The guest's file in which the agent keeps a journal of its sessions, for `netlab logs agent`.
pub const AGENT_JOURNAL: &str = "/run/netlab/agent.log";

/// Who the agent is and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The agent's [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The agent's package version.
    pub version: String,
    /// The guest's kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Milliseconds since the guest's boot (`CLOCK_BOOTTIME`).
    pub uptime_ms: u64,
    /// Id of a lab that an earlier session left standing, if there is one.
    pub kept: Option<String>,
    /// Id of a lab that an earlier session held, for [`Attach`](crate::Request::Attach).
    pub held: Option<String>,
}

/// The agent that answered is not of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the guest's agent {agent_version} speaks protocol {agent_protocol}, this netlab {host_version} speaks {PROTOCOL_VERSION}"
)]
pub struct HelloMismatch {
    /// The agent's protocol version.
    pub agent_protocol: u32,
    /// The agent's package version.
    pub agent_version: String,
    /// This side's package version.
    pub host_version: String,
}

impl Hello {
    /// Accepts the agent only if it is of the host's own version.
    ///
    /// # Errors
    /// [`HelloMismatch`], which names both versions.
    pub fn accept(self, host_version: &str) -> Result<Self, HelloMismatch> {
        if self.protocol == PROTOCOL_VERSION && self.version == host_version {
            return Ok(self);
        }
        Err(HelloMismatch {
            agent_protocol: self.protocol,
            agent_version: self.version,
            host_version: host_version.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(protocol: u32, version: &str) -> Hello {
        Hello {
            protocol,
            version: version.to_owned(),
            kernel: "6.12".to_owned(),
            uptime_ms: 1,
            kept: None,
            held: None,
        }
    }

    #[test]
    fn the_same_build_is_accepted() {
        assert!(hello(PROTOCOL_VERSION, "0.1.0").accept("0.1.0").is_ok());
    }

    #[test]
    fn another_build_is_refused_with_both_versions_named() {
        for (protocol, version, words) in [
            (9, "0.1.0", "the guest's agent 0.1.0 speaks protocol 9, this netlab 0.1.0 speaks 4"),
            (3, "0.0.9", "the guest's agent 0.0.9 speaks protocol 3, this netlab 0.1.0 speaks 4"),
        ] {
            let error = hello(protocol, version).accept("0.1.0").unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }
}
