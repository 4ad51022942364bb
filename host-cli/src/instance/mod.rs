//! What netlab keeps on the host's disk for each guest. The rule: everything of an instance lies
//! in one folder of its own, so that ending it is removing that folder.

mod file;
pub mod lab_lock;
pub mod lock;
pub mod paths;
pub mod progress;
pub mod record;
pub mod usage;

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Exit, Hint};
use crate::platform::Exposure;

pub use file::{read_file, remove_file, replace_file, replace_json};
pub use lab_lock::{Holder, LabLock};
pub use lock::{InstanceLock, Patience};
pub use paths::{Home, InstancePaths};
pub use progress::Progress;
pub use record::{Make, Record, Stage};
pub use usage::Use;

/// A checked name of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Longest name, in characters: short enough for socket paths and host names.
    pub const MAX_LENGTH: usize = 32;

    /// The name of the instance that nobody named.
    pub const DEFAULT: &str = "default";

    /// No user's: waiting netlabs say of the guest of this name what is being done with it.
    const WORKSHOP: &str = "template";

    /// The name of the guest that is booted to be saved.
    pub fn workshop() -> Self {
        Self(Self::WORKSHOP.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which `known_hosts` has the instance's host key.
    pub fn host_alias(&self) -> String {
        format!("netlab-{}", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = InstanceError;

    fn from_str(text: &str) -> Result<Self, InstanceError> {
        // A leading hyphen would look like an option wherever the name is typed.
        let fits = !text.is_empty()
            && text.len() <= Self::MAX_LENGTH
            && !text.starts_with('-')
            && text != Self::WORKSHOP
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InstanceError::Name(text.to_owned())) }
    }
}

impl TryFrom<String> for Name {
    type Error = InstanceError;

    fn try_from(text: String) -> Result<Self, InstanceError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Why the state of an instance can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Not a name.
    #[error("`{0}` is no name for an instance")]
    Name(String),
    /// The system names no folder for the user's data.
    #[error("the system names no folder for your data")]
    NoHome,
    /// A folder of netlab's own that other accounts can change.
    #[error("{} to `{}`", writers(*.exposure), path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Who can.
        exposure: Exposure,
    },
    /// A socket in the instance's folder would have too long a path.
    #[error(
        "the path `{}` has {length} bytes, but a socket's path can have only {limit}",
        path.display()
    )]
    PathTooLong {
        /// The socket.
        path: PathBuf,
        /// Its length, in bytes.
        length: usize,
        /// What the system takes, in bytes.
        limit: usize,
    },
    /// A file or folder could not be used.
    #[error("can't {action} `{}`", path.display())]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is larger than any of netlab's own.
    #[error("`{}` is larger than {limit} bytes, and no file of netlab's own is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// Another netlab holds the instance.
    #[error("another netlab is starting or ending the guest `{0}` right now")]
    Busy(Name),
    /// Another netlab runs a lab in the guest, or swaps it.
    #[error("another netlab is {}", at_work(holder.as_ref(), name))]
    LabRuns {
        /// The guest.
        name: Name,
        /// Who it is, where the system tells.
        holder: Option<Holder>,
    },
    /// The record was written by a newer netlab.
    #[error(
        "the record `{}` has version {found}, this netlab reads up to {known}",
        path.display()
    )]
    TooNew {
        /// The record.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that we read.
        known: u32,
    },
    /// The record is no record.
    #[error("the record `{}` can't be read", path.display())]
    Corrupt {
        /// The record.
        path: PathBuf,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
}

/// Who can write, as the beginning of a sentence.
fn writers(exposure: Exposure) -> String {
    match exposure {
        Exposure::Account { id } => format!("another account (number {id}) can write"),
        Exposure::Everybody => "every account of this computer can write".to_owned(),
    }
}

impl Hint for InstanceError {
    fn hint(&self) -> String {
        match self {
            Self::Name(_) => format!(
                "use lower-case letters, digits and hyphens, at most {}, \
                 such as `--name lab2`; `{}` is netlab's own",
                Name::MAX_LENGTH,
                Name::WORKSHOP
            ),
            Self::NoHome => "name a folder: `NETLAB_HOME=/some/folder netlab …`".to_owned(),
            Self::Exposed { path, exposure } => {
                let another = "set `NETLAB_HOME` and `NETLAB_CACHE` to folders of your own";
                match exposure {
                    Exposure::Account { .. } => another.to_owned(),
                    Exposure::Everybody => {
                        format!("`chmod o-w '{}'`, or {another}", path.display())
                    }
                }
            }
            Self::PathTooLong { .. } => {
                "set `NETLAB_HOME` to a folder with a shorter path, such as `~/.netlab`".to_owned()
            }
            Self::File { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull => {
                    format!("free some space on the disk of `{}`", path.display())
                }
                _ => format!(
                    "make sure that `{}` is yours and writable, or set `NETLAB_HOME`, or for the cache \
                     `NETLAB_CACHE`, to another folder",
                    path.display()
                ),
            },
            Self::TooLarge { path, .. } => {
                format!("move `{}` away; netlab makes what it needs anew", path.display())
            }
            Self::Busy(name) => {
                format!("wait for it, or end it there with Ctrl-C; `netlab status --name {name}`")
            }
            Self::LabRuns { .. } => {
                "wait for the other one to end, or use another guest: `--name other`".to_owned()
            }
            Self::TooNew { .. } => {
                "use the newer netlab for this guest, or another `--name` here".to_owned()
            }
            Self::Corrupt { .. } => "`netlab down` clears it away".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Usage,
            Self::NoHome
            | Self::Exposed { .. }
            | Self::PathTooLong { .. }
            | Self::File { .. }
            | Self::TooLarge { .. }
            | Self::TooNew { .. }
            | Self::Corrupt { .. } => Exit::HostLacks,
            Self::Busy(_) | Self::LabRuns { .. } => Exit::GuestDown,
        }
    }
}

/// What a netlab that has a guest for itself is at.
fn at_work(holder: Option<&Holder>, name: &Name) -> String {
    match holder {
        None => format!("running a lab in the guest `{name}`"),
        Some(Holder { pid, lab: Some(lab) }) => {
            format!("running a lab in the guest `{name}`: `{lab}`, as process {pid}")
        }
        Some(Holder { pid, lab: None }) => format!("swapping the guest `{name}`, as process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["netlab", "lab-2", "0", "a23456789012345678901234567890ab"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let too_long = "a234567890123456789012345678901234";
        for bad in ["", "Lab", "a b", "../x", "-x", "a.b", "é", too_long] {
            let error = bad.parse::<Name>().unwrap_err();
            assert_eq!(error.to_string(), format!("`{bad}` is no name for an instance"));
            assert_eq!(error.exit(), Exit::Usage);
        }
    }

    #[test]
    fn each_error_says_what_to_do() {
        let path = PathBuf::from("/home/u/record.json");
        let bad_json = serde_json::from_str::<u8>("x").unwrap_err();
        let exposed = |exposure| InstanceError::Exposed { path: "/n".into(), exposure };
        let swapping = Holder { pid: 7, lab: None };
        let running = Holder { pid: 7, lab: Some("switch".to_owned()) };
        let labs = |holder| InstanceError::LabRuns { name: "lab2".parse().unwrap(), holder };
        let other = "wait for the other one to end, or use another guest: `--name other`";
        let rows: [(InstanceError, &str, &str); 10] = [
            (
                exposed(Exposure::Account { id: 1001 }),
                "another account (number 1001) can write to `/n`",
                "set `NETLAB_HOME` and `NETLAB_CACHE` to folders of your own",
            ),
            (
                exposed(Exposure::Everybody),
                "every account of this computer can write to `/n`",
                "`chmod o-w '/n'`, or set `NETLAB_HOME` and `NETLAB_CACHE` to folders of your own",
            ),
            (
                InstanceError::NoHome,
                "the system names no folder for your data",
                "name a folder: `NETLAB_HOME=/some/folder netlab …`",
            ),
            (
                InstanceError::Busy("lab2".parse().unwrap()),
                "another netlab is starting or ending the guest `lab2` right now",
                "wait for it, or end it there with Ctrl-C; `netlab status --name lab2`",
            ),
            (labs(None), "another netlab is running a lab in the guest `lab2`", other),
            (
                labs(Some(running)),
                "another netlab is running a lab in the guest `lab2`: `switch`, as process 7",
                other,
            ),
            (
                labs(Some(swapping)),
                "another netlab is swapping the guest `lab2`, as process 7",
                other,
            ),
            (
                InstanceError::TooNew { path: path.clone(), found: 9, known: 1 },
                "the record `/home/u/record.json` has version 9, this netlab reads up to 1",
                "use the newer netlab for this guest, or another `--name` here",
            ),
            (
                InstanceError::Corrupt { path: path.clone(), source: bad_json },
                "the record `/home/u/record.json` can't be read",
                "`netlab down` clears it away",
            ),
            (
                InstanceError::File {
                    action: "write",
                    path,
                    source: io::ErrorKind::StorageFull.into(),
                },
                "can't write `/home/u/record.json`",
                "free some space on the disk of `/home/u/record.json`",
            ),
        ];
        for (error, message, hint) in rows {
            assert_eq!(error.to_string(), message);
            assert_eq!(error.hint(), hint);
        }
    }
}
