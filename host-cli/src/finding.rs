//! What was found on this host, or on a machine of the user's, by looking.

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// Labs run without it, only slower or later.
    Warning,
    /// Labs don't run like this.
    Bad,
}

/// One thing that was looked at: a row of `netlab doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What the user does about it; `None` if there is nothing to do.
    pub cure: Option<String>,
}
