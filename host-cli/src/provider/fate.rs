//! What became of a guest whose connection broke, as its provider finds out afterwards.

/// A guest of netlab's own, as it was when its endpoint was asked for: one that has its name, port and keys
/// later need not be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The machine's UUID.
    pub uuid: String,
    /// How much its console had said, in bytes.
    pub console_bytes: u64,
}

/// What became of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It runs on.
    Runs {
        /// What its kernel has killed last for want of memory, since it was seen.
        killed: Option<String>,
    },
    /// Its kernel panicked.
    Panicked {
        /// The kernel's own reason.
        reason: String,
        /// The end of the guest's console, as an error shows it.
        console: String,
    },
    /// It has powered itself off.
    PoweredOff,
    /// What ran it has ended.
    Ended {
        /// Its last words.
        said: Option<String>,
    },
    /// Another guest has its place.
    Replaced,
    /// Unknown: another netlab saves it, ends it, or gives its place to another guest.
    Contended,
}
