//! What can go wrong between the archive and the cache.

use std::path::PathBuf;

use thiserror::Error;

/// A failure to find, verify, resolve or fetch packages.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The index bears no signature of a key that netlab knows.
    #[error("the index {url} is signed by no known key (signed by {signers})")]
    UnknownSigner {
        /// Address of the index.
        url: String,
        /// Key ids that the signatures name.
        signers: String,
    },
    /// A known key is named, and the signature does not fit the text.
    #[error("the signature of the index {url} does not fit its text")]
    BadSignature {
        /// Address of the index.
        url: String,
    },
    /// A known key signed, and with a digest for which other texts can be made.
    #[error("the signature of the index {url} rests on a digest that can be forged")]
    WeakSignature {
        /// Address of the index.
        url: String,
    },
    /// A known key signed, and the signature or the key is not valid at this time.
    #[error("the signature of the index {url}, or its key, has expired or is from the future")]
    StaleSignature {
        /// Address of the index.
        url: String,
    },
    /// The index is older than one that was seen before.
    #[error(
        "the index {url} is of {found}, older than that of {known} which `{seen}` is made from"
    )]
    Replayed {
        /// Address of the index.
        url: String,
        /// When it was made.
        found: String,
        /// When the newer one was made.
        known: String,
        /// The lock that has the newer one.
        seen: String,
    },
    /// A text of the archive is not in the form it should have.
    #[error("{url} is not readable: {reason}")]
    Malformed {
        /// Address of the text.
        url: String,
        /// What is wrong in it.
        reason: String,
    },
    /// The index is past the date until which it wants to be believed.
    #[error("the index {url} was valid until {until}, and that has passed")]
    Expired {
        /// Address of the index.
        url: String,
        /// Its Valid-Until as written.
        until: String,
    },
    /// The index is dated later than this machine's clock.
    #[error("the index {url} is dated {date}, which is in the future by this machine's clock")]
    FromFuture {
        /// Address of the index.
        url: String,
        /// Its Date as written.
        date: String,
    },
    /// The mirror answers with another release than the one asked for.
    #[error("the index {url} is of the release `{found}`, wanted is `{wanted}`")]
    WrongRelease {
        /// Address of the index.
        url: String,
        /// The recipe's release.
        wanted: String,
        /// The index's codename.
        found: String,
    },
    /// A package that is asked for, or needed by another, is not in the index.
    #[error("nothing in the index satisfies `{relation}`, which {needed_by} needs")]
    Unsatisfied {
        /// The dependency as written.
        relation: String,
        /// The package that has the dependency, or `the recipe`.
        needed_by: String,
    },
    /// The mirror has no such file. `.ci/with-lock` looks for these words.
    #[error("the mirror {mirror} does not have {name} {version}")]
    Missing {
        /// What was asked for: a package, or `index`.
        name: String,
        /// Its version.
        version: String,
        /// The mirror's address.
        mirror: String,
    },
    /// No connection, or it broke more often than retrying makes sense.
    #[error("cannot fetch {url}: {reason}")]
    Unreachable {
        /// Address of the file.
        url: String,
        /// What the network layer says.
        reason: String,
    },
    /// A file arrived whole and is not the one that was locked.
    #[error("{url} is not the file that was locked: {difference}")]
    Altered {
        /// Address of the file.
        url: String,
        /// Expected and found size or digest.
        difference: String,
    },
    /// The disk has no room left for packages.
    #[error("the disk is full: cannot write `{}`", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file in the cache could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The user asked to stop.
    #[error("interrupted while fetching packages")]
    Cancelled,
}

impl ArchiveError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownSigner { .. }
            | Self::BadSignature { .. }
            | Self::WeakSignature { .. } => {
                "choose a mirror of Debian itself with `--mirror URL`; this one serves an index that \
                 Debian did not sign"
                    .to_owned()
            }
            Self::Malformed { .. } | Self::WrongRelease { .. } => {
                "choose another mirror with `--mirror URL` or `NETLAB_MIRROR`".to_owned()
            }
            Self::Expired { .. } => "the mirror is stale; choose another with `--mirror URL`, and \
                                     check this machine's date"
                .to_owned(),
            Self::StaleSignature { .. } => "check this machine's date; if it is right, take a newer \
                                            netlab, or another mirror with `--mirror URL`"
                .to_owned(),
            Self::Replayed { .. } => "the mirror is stale, or shows you an index of the past; choose \
                                      another with `--mirror URL`"
                .to_owned(),
            Self::FromFuture { .. } => "check this machine's date and time zone".to_owned(),
            Self::Unsatisfied { .. } => {
                "correct the package names in `images/recipe.toml`".to_owned()
            }
            Self::Missing { .. } => "mirrors drop versions that have been superseded: choose \
                                     another with `--mirror URL`, or pin today's versions with \
                                     `netlab image lock` and use them with `--image-lock FILE`"
                .to_owned(),
            Self::Unreachable { .. } => "check the connection, or choose another mirror with \
                                         `--mirror URL` or `NETLAB_MIRROR`; what has arrived is \
                                         kept, and the next run goes on from there"
                .to_owned(),
            Self::Altered { .. } => "the mirror or something on the way alters files: choose \
                                     another with `--mirror URL`"
                .to_owned(),
            Self::DiskFull { .. } => {
                "free some space: packages and image together need 250 MB".to_owned()
            }
            Self::File { .. } => {
                "check the permissions of the cache folder".to_owned()
            }
            Self::Cancelled => "run the same command again; what has arrived is kept".to_owned(),
        }
    }
}
