//! What became of a guest whose connection broke, as its provider finds out afterwards.

/// What became of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It runs on.
    Runs {
        /// What its kernel has killed last for want of memory.
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
}
