//! What can go wrong in the init. The host shows the text to the user, so each says what was
//! tried, on what, and what the kernel answered.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use netlab_protocol::FrameError;
use nix::errno::Errno;

/// Why the guest could not boot.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file system could not be mounted.
    #[error("could not mount {filesystem} on `{target}`: {cause}")]
    Mount {
        /// Its type, or what is done with it.
        filesystem: &'static str,
        /// Where.
        target: &'static str,
        /// What the kernel said.
        cause: Errno,
    },
    /// A kernel module was refused.
    #[error("could not load kernel module `{module}`: {cause}")]
    Module {
        /// Its name.
        module: String,
        /// What the kernel said.
        cause: Errno,
    },
    /// A file could not be read, written or made.
    #[error("could not {doing} `{path}`: {cause}")]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Something that the host should have put there did not appear.
    #[error("{what} did not appear within {} s", limit.as_secs())]
    Absent {
        /// What.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A network interface could not be set up.
    #[error("could not {doing} of interface `{interface}`: {cause}")]
    Interface {
        /// Its name.
        interface: String,
        /// What was tried, as a verb and its object.
        doing: &'static str,
        /// What the kernel said.
        cause: Errno,
    },
    /// The kernel refused something that has no path.
    #[error("could not {doing}: {cause}")]
    System {
        /// What was tried, as a verb.
        doing: &'static str,
        /// What the kernel said.
        cause: Errno,
    },
    /// A message for the host could not be put into a frame.
    #[error("could not write a message to the boot channel: {0}")]
    Report(#[from] FrameError),
    /// The host's secrets are not usable.
    #[error("the host sent secrets that can't be used: {problem}")]
    Secrets {
        /// What is wrong with them.
        problem: String,
    },
    /// The SSH server's port could not be opened.
    #[error("could not listen on {address} for SSH: {cause}")]
    Listen {
        /// Address and port.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
    },
}

impl InitError {
    /// Where the user looks next.
    pub fn hint(&self) -> String {
        match self {
            Self::Mount { .. } | Self::Module { .. } => {
                "the kernel, initramfs and root may be of different builds: `netlab image build`"
            }
            Self::File { .. } | Self::System { .. } | Self::Report(_) => {
                "the guest may lack memory; `netlab logs serial` shows what the kernel said"
            }
            Self::Absent { .. } => {
                "QEMU was started without this device, or is too slow: `netlab logs qemu`"
            }
            Self::Interface { .. } => "the kernel has no driver for it: `netlab logs serial`",
            Self::Secrets { .. } => "netlab and the guest's init are of different builds: `netlab down`, then `netlab up`",
            Self::Listen { .. } => "start the guest anew: `netlab down`, then `netlab up`",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_was_tried_and_where() {
        let cases = [
            (
                InitError::Mount { filesystem: "squashfs", target: "/ro", cause: Errno::EINVAL },
                "could not mount squashfs on `/ro`: EINVAL: Invalid argument",
            ),
            (
                InitError::Module { module: "virtio_blk".to_owned(), cause: Errno::ENOEXEC },
                "could not load kernel module `virtio_blk`: ENOEXEC: Exec format error",
            ),
            (
                InitError::File {
                    doing: "read",
                    path: "/modules/order".into(),
                    cause: io::Error::from_raw_os_error(2),
                },
                "could not read `/modules/order`: No such file or directory (os error 2)",
            ),
            (
                InitError::Absent {
                    what: "the root disk `/dev/vda`".to_owned(),
                    limit: Duration::from_secs(10),
                },
                "the root disk `/dev/vda` did not appear within 10 s",
            ),
            (
                InitError::Interface {
                    interface: "eth0".to_owned(),
                    doing: "set the address",
                    cause: Errno::ENODEV,
                },
                "could not set the address of interface `eth0`: ENODEV: No such device",
            ),
            (
                InitError::System { doing: "set the clock", cause: Errno::EPERM },
                "could not set the clock: EPERM: Operation not permitted",
            ),
            (
                InitError::Report(FrameError::TooLarge { length: 2_000_000 }),
                "could not write a message to the boot channel: a frame of 2000000 bytes is over the limit of 1048576",
            ),
            (
                InitError::Secrets { problem: "no host name".to_owned() },
                "the host sent secrets that can't be used: no host name",
            ),
            (
                InitError::Listen {
                    address: "10.0.2.15:22".parse().unwrap(),
                    cause: io::Error::from_raw_os_error(98),
                },
                "could not listen on 10.0.2.15:22 for SSH: Address already in use (os error 98)",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(error.to_string(), words);
            assert!(error.hint().contains('`'), "{words}: the hint names no command");
        }
    }
}
