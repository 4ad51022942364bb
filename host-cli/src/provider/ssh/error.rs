//! Why a machine of the user's can't be used.

use crate::agent::binary::NotBuiltIn;
use crate::error::{Error, Exit, Hint};

/// What keeps labs from a machine of the user's.
#[derive(Debug, thiserror::Error)]
pub enum LentError {
    /// Another system.
    #[error("`{host}` runs {system}, and labs need Linux")]
    NotLinux {
        /// The machine.
        host: String,
        /// What `uname -s` says.
        system: String,
    },
    /// A processor that netlab has no agent for.
    #[error("this netlab has no agent for `{host}`, whose processor is a {machine}")]
    NoAgent {
        /// The machine.
        host: String,
        /// What `uname -m` says.
        machine: String,
    },
    /// One for which this netlab could have been built.
    #[error("this netlab was built without the agent for `{host}`, whose processor is {}", lacks.0)]
    NotBuiltIn {
        /// The machine.
        host: String,
        /// What it was built without.
        lacks: NotBuiltIn,
    },
    /// Nobody to become root by.
    #[error("on `{host}`, `{user}` is not root, and there is no `sudo`")]
    NoSudo {
        /// The machine.
        host: String,
        /// Who logs in.
        user: String,
    },
    /// `sudo` asks.
    #[error("on `{host}`, `{user}` is not root, and `sudo` wants a password")]
    SudoAsks {
        /// The machine.
        host: String,
        /// Who logs in.
        user: String,
    },
    /// The kernel can't end a control group.
    #[error("the kernel of `{host}`, {kernel}, is too old")]
    OldKernel {
        /// The machine.
        host: String,
        /// What `uname -r` says.
        kernel: String,
    },
    /// Only control groups of the first version.
    #[error("`{host}` has no control groups of version 2")]
    NoCgroup2 {
        /// The machine.
        host: String,
    },
    /// Whatever answers is no shell.
    #[error("`{host}` has no shell that netlab understands: it said `{said}`")]
    NoShell {
        /// The machine.
        host: String,
        /// The first line of what it said.
        said: String,
    },
    /// What netlab left there could not be ended.
    #[error("could not clear `{host}` of what netlab left there: {error}")]
    Unended {
        /// The machine.
        host: String,
        /// What went wrong.
        error: Box<Error>,
        /// The folder of the instance.
        folder: String,
    },
}

impl Hint for LentError {
    fn hint(&self) -> String {
        match self {
            Self::NotLinux { .. } | Self::NoAgent { .. } | Self::OldKernel { .. } => {
                "name another machine, or let netlab start one of its own: leave `--provider` out"
                    .to_owned()
            }
            Self::NotBuiltIn { lacks, .. } => {
                format!("build it again after `rustup target add {}`", lacks.target())
            }
            Self::NoSudo { host, .. } => {
                let host = host.rsplit('@').next().unwrap_or(host);
                format!("log in as root, `--host root@{host}`, or install `sudo` there")
            }
            Self::SudoAsks { user, .. } => format!(
                "log in as root, or allow it there: a line `{user} ALL=(ALL) NOPASSWD: ALL` by \
                 `visudo -f /etc/sudoers.d/netlab`"
            ),
            Self::NoCgroup2 { .. } => {
                "boot it with `systemd.unified_cgroup_hierarchy=1` on the kernel's command line"
                    .to_owned()
            }
            Self::NoShell { .. } => "its login shell has to know `exec sh -c …`".to_owned(),
            Self::Unended { error, folder, .. } => format!(
                "{}; if the machine is gone for good, remove the folder `{folder}`",
                error.hint()
            ),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotLinux { .. }
            | Self::NoAgent { .. }
            | Self::NotBuiltIn { .. }
            | Self::NoSudo { .. }
            | Self::SudoAsks { .. }
            | Self::OldKernel { .. }
            | Self::NoCgroup2 { .. }
            | Self::NoShell { .. } => Exit::HostLacks,
            Self::Unended { error, .. } => error.exit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Architecture;

    #[test]
    fn an_agent_that_could_have_been_built_in_is_told_with_how() {
        let lacks = NotBuiltIn(Architecture::Aarch64);
        let error = LentError::NotBuiltIn { host: "pi".to_owned(), lacks };
        assert_eq!(
            error.to_string(),
            "this netlab was built without the agent for `pi`, whose processor is arm64"
        );
        assert_eq!(
            error.hint(),
            "build it again after `rustup target add aarch64-unknown-linux-musl`"
        );
    }
}
