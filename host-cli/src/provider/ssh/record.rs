//! The record of a machine of the user's: which one an instance's name is for. It is written once the
//! machine has been found fit, and goes with `netlab down`.

use std::fmt;
use std::io::ErrorKind::NotADirectory;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::instance::{InstanceError, InstancePaths, Name, read_file, replace_json};
use crate::platform::Architecture;

/// Version of the file that this netlab writes, and the newest that it reads.
const RECORD_VERSION: u32 = 1;

/// Hexadecimal digits of a hash in a name: 16 million values for the few machines of one user.
const HASH_DIGITS: usize = 6;

/// A machine, as the user names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What `ssh` is given.
    pub host: String,
    /// The SSH configuration in place of the user's own.
    pub config: Option<PathBuf>,
    /// The folder of the `Vagrantfile` by which Vagrant brings it up, if it is Vagrant's.
    #[serde(default)]
    pub vagrant: Option<PathBuf>,
}

impl Target {
    /// A name for the instance of a host, of the characters that a name may have: `ann@pi.lan` gives
    /// `ann-pi-lan`. Of one that is too long the user and the first label stay, and a hash of the whole
    /// tells it from others that begin so. `None` if nothing of it can be in a name.
    pub fn instance_name(host: &str) -> Option<Name> {
        let plain = |text: &str| {
            let characters = text.chars().map(|character| match character.to_ascii_lowercase() {
                letter @ ('a'..='z' | '0'..='9') => letter,
                _ => '-',
            });
            characters.collect::<String>().trim_matches('-').to_owned()
        };
        let whole = plain(host);
        if whole.len() <= Name::MAX_LENGTH {
            return whole.parse().ok();
        }
        let name_begins = host.rfind('@').map_or(0, |at| at + 1);
        let label_ends = host[name_begins..].find('.').map_or(host.len(), |dot| name_begins + dot);
        let mut name = plain(&host[..label_ends]);
        name.truncate(Name::MAX_LENGTH - 1 - HASH_DIGITS);
        let hash = hex::encode(Sha256::digest(host));
        format!("{}-{}", name.trim_end_matches('-'), &hash[..HASH_DIGITS]).parse().ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, config, vagrant } = self;
        match (vagrant, config) {
            (Some(folder), _) => write!(formatter, "the Vagrant machine of `{}`", folder.display()),
            (None, Some(config)) => {
                write!(formatter, "the machine `{host}` of `{}`", config.display())
            }
            (None, None) => write!(formatter, "the machine `{host}`"),
        }
    }
}

/// What is known of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`RECORD_VERSION`] of the netlab that wrote it.
    version: u32,
    /// The machine.
    pub target: Target,
    /// Its processor.
    pub architecture: Architecture,
}

impl Record {
    /// A record of a machine.
    pub fn new(target: Target, architecture: Architecture) -> Self {
        Self { version: RECORD_VERSION, target, architecture }
    }

    /// Reads the record of an instance, if it has one.
    ///
    /// # Errors
    /// [`InstanceError::TooNew`], [`InstanceError::Corrupt`], [`InstanceError::File`],
    /// [`InstanceError::TooLarge`].
    pub fn read(paths: &InstancePaths) -> Result<Option<Self>, InstanceError> {
        /// The one field that every version has.
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let path = paths.lent_record();
        let text = match read_file(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            // Nor is its folder there.
            Err(InstanceError::File { source, .. }) if source.kind() == NotADirectory => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let corrupt = |source| InstanceError::Corrupt { path: path.clone(), source };
        let found = serde_json::from_slice::<Any>(&text).map_err(corrupt)?.version;
        if found > RECORD_VERSION {
            let known = RECORD_VERSION;
            return Err(InstanceError::TooNew { path: path.clone(), found, known });
        }
        serde_json::from_slice(&text).map(Some).map_err(corrupt)
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn write(&self, paths: &InstancePaths) -> Result<(), InstanceError> {
        replace_json(&paths.lent_record(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Home, replace_file};

    #[test]
    fn a_record_reads_back_and_a_newer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"pi".parse().unwrap());
        assert_eq!(Record::read(&paths).unwrap(), None);
        paths.create_folder().unwrap();
        let target =
            Target { host: "ann@pi.lan".to_owned(), config: Some("/c d".into()), vagrant: None };
        let record = Record::new(target, Architecture::Aarch64);
        record.write(&paths).unwrap();
        assert_eq!(Record::read(&paths).unwrap(), Some(record));
        replace_file(&paths.lent_record(), br#"{"version": 9, "more": 1}"#).unwrap();
        let error = Record::read(&paths).unwrap_err().to_string();
        assert!(error.ends_with("has version 9, this netlab reads up to 1"), "{error}");
    }

    #[test]
    fn a_host_becomes_a_name() {
        let name = |host: &str| Target::instance_name(host).map(|name| name.to_string());
        assert_eq!(name("ann@Pi.lan").as_deref(), Some("ann-pi-lan"));
        assert_eq!(name("ssh://root@[fe80::1]:22").as_deref(), Some("ssh---root--fe80--1--22"));
        let long = |host: &str| name(&format!("ubuntu@{host}.compute-1.example.com")).unwrap();
        assert_eq!(long("ec2-203-0-113-25"), "ubuntu-ec2-203-0-113-25-7817df");
        assert_eq!(long("ec2-203-0-113-125-a-b"), "ubuntu-ec2-203-0-113-125-5a52ee");
        let other = name("ubuntu@ec2-203-0-113-25.compute-2.example.com").unwrap();
        assert_ne!(other, long("ec2-203-0-113-25"));
        assert_eq!(name("@"), None);
    }
}
