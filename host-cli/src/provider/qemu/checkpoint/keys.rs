//! The keys of an instance in its checkpoint: the guest has them in its memory, so they come back with
//! it, whatever the instance's keys have become meanwhile.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::CheckpointError;
use super::shelf::failed;
use crate::instance::{InstanceError, InstancePaths, replace_file};

/// The files with an instance's keys, as they were.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The client's private key.
    identity: String,
    /// The guest's private host key.
    host_key: String,
    /// The guest's pinned host key.
    known_hosts: String,
}

impl Keys {
    /// Reads them.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn of(paths: &InstancePaths) -> Result<Self, CheckpointError> {
        let read = |path: PathBuf| fs::read_to_string(&path).map_err(failed("read", &path));
        Ok(Self {
            identity: read(paths.identity())?,
            host_key: read(paths.host_key())?,
            known_hosts: read(paths.known_hosts())?,
        })
    }

    /// Puts them in their places.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn restore(&self, paths: &InstancePaths) -> Result<(), InstanceError> {
        replace_file(&paths.identity(), self.identity.as_bytes())?;
        replace_file(&paths.host_key(), self.host_key.as_bytes())?;
        replace_file(&paths.known_hosts(), self.known_hosts.as_bytes())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        for key in [&mut self.identity, &mut self.host_key] {
            drop(Zeroizing::new(std::mem::take(key)));
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The private keys must not get into a log.
        formatter.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::instance::Home;

    pub fn keys() -> Keys {
        let [identity, host_key, known_hosts] = ["secret-1", "secret-2", "h"].map(str::to_owned);
        Keys { identity, host_key, known_hosts }
    }

    #[test]
    fn keys_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        keys().restore(&paths).unwrap();
        assert_eq!(Keys::of(&paths).unwrap(), keys());
        assert!(!format!("{:?}", keys()).contains("secret"));
    }
}
