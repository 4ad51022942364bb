//! What can go wrong between a package and the root.

use thiserror::Error;

/// A failure to unpack packages or to make a root of them.
#[derive(Debug, Error)]
pub enum RootError {
    /// A package is not in Debian's format, or damaged.
    #[error("the package {package} is not readable: {reason}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong in it.
        reason: String,
    },
    /// A package has an entry that could reach out of the root, or that makes no sense in it.
    #[error("the package {package} has the entry `{path}`, which is refused: {reason}")]
    Entry {
        /// The package.
        package: String,
        /// The entry's name.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// A package unpacks to more than any real one.
    #[error("the package {package} unpacks to more than {limit} bytes")]
    TooLarge {
        /// The package.
        package: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Two packages, or a package and the recipe, want different things in one place.
    #[error("`{path}` from {owner} is in the way of another from {package}")]
    Conflict {
        /// The place.
        path: String,
        /// Who has it.
        owner: String,
        /// Who wants it.
        package: String,
    },
    /// A file that the recipe builds upon is in no package.
    #[error("no package brings `{path}`, which the recipe builds upon")]
    Lacking {
        /// The file.
        path: String,
    },
}

impl RootError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Package { .. } | Self::Entry { .. } | Self::TooLarge { .. } => {
                "make a new lock from another mirror with `netlab image lock --mirror URL`, and use it \
                 with `--image-lock FILE`"
                    .to_owned()
            }
            Self::Conflict { .. } | Self::Lacking { .. } => {
                "the recipe and the lock do not fit each other: correct `images/recipe.toml`, or use \
                 the lock that netlab carries"
                    .to_owned()
            }
        }
    }
}
