//! Why a guest could not be saved or brought back.

use std::fmt;
use std::path::PathBuf;

use super::super::error::QemuError;
use crate::error::{Exit, Hint};
use crate::instance::InstanceError;
use crate::provider::checkpoint::Label;

/// Any failure of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A label that only netlab itself gives.
    #[error("`{0}` is a label that netlab gives itself")]
    NotYours(Label),
    /// The label is taken.
    #[error("there is a checkpoint `{0}` already")]
    Exists(Label),
    /// There is none of this guest.
    #[error("guest `{name}` has no checkpoint")]
    None {
        /// Name of the instance.
        name: String,
    },
    /// There is none of that label.
    #[error("guest `{name}` has no checkpoint `{label}`")]
    Absent {
        /// Name of the instance.
        name: String,
        /// What was asked for.
        label: Label,
    },
    /// This host can't save guests.
    #[error("a guest can't be saved here: {why}")]
    Unavailable {
        /// Why, in words.
        why: String,
    },
    /// The user's checkpoints take too much space.
    #[error(
        "the checkpoints of guest `{name}` take {} MiB, and {} is the most",
        taken >> 20,
        limit >> 20
    )]
    TooMany {
        /// Name of the instance.
        name: String,
        /// What they take, in bytes.
        taken: u64,
        /// What they may take, in bytes.
        limit: u64,
    },
    /// It was written by a newer netlab.
    #[error("checkpoint `{label}` has version {found}, this netlab reads up to {known}")]
    TooNew {
        /// Which.
        label: Label,
        /// Its version.
        found: u32,
        /// The newest that we read.
        known: u32,
    },
    /// What describes it can't be read.
    #[error("checkpoint `{label}` can't be read")]
    Corrupt {
        /// Which.
        label: Label,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// The saved state has another length.
    #[error("checkpoint `{label}` is cut short: it has {found} of {expected} bytes")]
    Cut {
        /// Which.
        label: Label,
        /// What is there, in bytes.
        found: u64,
        /// What was written, in bytes.
        expected: u64,
    },
    /// The saved state is not what was written.
    #[error("checkpoint `{label}` has been altered")]
    Altered {
        /// Which.
        label: Label,
    },
    /// It was made with something else.
    #[error("checkpoint `{label}` is of another {difference}")]
    Foreign {
        /// Which.
        label: Label,
        /// What differs.
        difference: Difference,
    },
    /// A file of it can't be used.
    #[error("can't {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What describes it is not ours to read.
    #[error(transparent)]
    Read(#[from] InstanceError),
    /// The guest was ended, and then the saved one did not come up.
    #[error("the guest was ended, but checkpoint `{label}` did not come up: {source}")]
    Lost {
        /// Which.
        label: Label,
        /// What went wrong.
        source: Box<QemuError>,
    },
}

/// A part of what makes a machine which is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which part.
    pub part: Part,
    /// What it was when the checkpoint was made.
    pub then: String,
    /// What it is now.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, then, now } = self;
        write!(formatter, "{} ({then}, now it is {now})", part.name())
    }
}

/// What a saved state only fits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// QEMU's build.
    Qemu,
    /// The guest's image.
    Image,
    /// The agent in it, and so netlab.
    Agent,
    /// The guest's processor.
    Architecture,
    /// What runs the guest's instructions.
    Accelerator,
    /// The machine's devices and sizes.
    Machine,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Qemu => "QEMU",
            Self::Image => "image",
            Self::Agent => "netlab",
            Self::Architecture => "architecture",
            Self::Accelerator => "accelerator",
            Self::Machine => "machine",
        }
    }
}

impl Hint for CheckpointError {
    fn hint(&self) -> String {
        let remove = |label: &Label| format!("`netlab checkpoint --remove {label}` removes it");
        match self {
            Self::NotYours(_) => {
                "leave the dot out, or leave out the label to get a number".to_owned()
            }
            Self::Exists(label) => format!("give another label; {}", remove(label)),
            Self::None { .. } => {
                "make one with `netlab checkpoint` while the guest is up".to_owned()
            }
            Self::Absent { .. } => "`netlab checkpoint --list` shows what there is".to_owned(),
            Self::Unavailable { .. } => {
                "`netlab reset` gives a clean guest, and `netlab demo … --from N` replays a lab \
                 up to a step"
                    .to_owned()
            }
            Self::TooMany { .. } => {
                "`netlab checkpoint --list` shows them, `netlab checkpoint --remove LABEL` removes \
                 one"
                .to_owned()
            }
            Self::TooNew { .. } => "use the newer netlab to bring it back".to_owned(),
            Self::Corrupt { label, .. } | Self::Cut { label, .. } | Self::Altered { label } => {
                format!("{}, and no other is the worse for it", remove(label))
            }
            Self::Foreign { label, difference } => {
                let cure = match difference.part {
                    Part::Qemu => {
                        format!("name the QEMU that made it: `--qemu {}`", difference.then_path())
                    }
                    Part::Architecture => format!("leave out `--arch`, it was {}", difference.then),
                    Part::Accelerator => format!("leave out `--accel`, it was {}", difference.then),
                    Part::Image | Part::Agent | Part::Machine => {
                        "bring it back with the netlab that made it".to_owned()
                    }
                };
                format!("{cure}\n{}", remove(label))
            }
            Self::File { source, path, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => {
                    format!("free some space on the disk of `{}`", path.display())
                }
                _ => format!("make sure that `{}` is yours and writable", path.display()),
            },
            Self::Read(error) => error.hint(),
            Self::Lost { source, .. }
                if matches!(**source, QemuError::AcceleratorFails { .. }) =>
            {
                "`netlab up` starts a new guest; this one comes back only with the accelerator that \
                 ran it, which `netlab doctor` tries"
                    .to_owned()
            }
            Self::Lost { .. } => {
                "`netlab back` tries it again, `netlab up` starts a new guest".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotYours(_) | Self::Exists(_) | Self::None { .. } | Self::Absent { .. } => {
                Exit::Usage
            }
            Self::Unavailable { .. }
            | Self::TooMany { .. }
            | Self::TooNew { .. }
            | Self::Corrupt { .. }
            | Self::Cut { .. }
            | Self::Altered { .. }
            | Self::Foreign { .. }
            | Self::File { .. }
            | Self::Read(_) => Exit::HostLacks,
            Self::Lost { .. } => Exit::GuestDown,
        }
    }
}

impl Difference {
    /// The program in the words of [`super::about::Maker`], which are `VERSION at PATH`.
    fn then_path(&self) -> &str {
        self.then.split_once(" at ").map_or(self.then.as_str(), |(_, path)| path)
    }
}
