//! What a build tells its caller while it runs: facts, never text with layout.

/// One fact about a running build or lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressEvent {
    /// Another process is building in the same cache; this one waits for it.
    Waiting,
    /// Package names are being turned into pinned versions.
    Resolving,
    /// Bytes have arrived.
    Download {
        /// Bytes of this build's packages that are in the cache by now.
        done: u64,
        /// Bytes of all packages of the build.
        total: u64,
        /// Packages that are complete and verified.
        files_done: usize,
        /// Packages of the build.
        files: usize,
    },
    /// A stage of the build has begun; the text is one word such as `unpack`.
    Stage(&'static str),
    /// Something the user should know although the build goes on.
    Note(String),
    /// The image is complete and in its place.
    Done,
}

/// Who listens to a build, and may end it.
pub trait Progress: Sync {
    /// Takes one event; called from several threads, so it must be quick.
    fn event(&self, event: ProgressEvent);

    /// Says whether the user has asked to stop; looked at between blocks and stages.
    fn cancelled(&self) -> bool {
        false
    }
}

/// A listener that hears nothing and never cancels.
#[cfg(test)]
pub struct Silent;

#[cfg(test)]
impl Progress for Silent {
    fn event(&self, _event: ProgressEvent) {}
}
