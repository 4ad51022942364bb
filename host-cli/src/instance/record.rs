//! The record of an instance: what was meant to run, and what runs. The rule: it is written
//! *before* QEMU starts, so that whatever a crash leaves behind can be found and ended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{InstanceError, InstancePaths, read_file, replace_json};
use crate::platform::{Accelerator, Architecture, ProcessIdentity};
use crate::provider::Tier;
use crate::provider::qemu::Version;

/// Version of the file that this netlab writes, and the newest that it reads.
pub const RECORD_VERSION: u32 = 3;

/// What is known of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`RECORD_VERSION`] of the netlab that wrote it.
    pub version: u32,
    /// The machine's UUID: part of QEMU's command line, and what QEMU answers over QMP.
    pub uuid: String,
    /// The QEMU that runs it.
    pub qemu: PathBuf,
    /// The guest's processor; before version 3 there was one only.
    #[serde(default = "Architecture::unrecorded")]
    pub architecture: Architecture,
    /// What it runs with.
    pub accelerator: Accelerator,
    /// Digest of the image that it was booted from.
    pub image: String,
    /// How it was started; records of version 1 knew only boots.
    #[serde(default = "cold")]
    pub tier: Tier,
    /// Key of the template that it was made from; `None` after a cold boot.
    #[serde(default)]
    pub template: Option<String>,
    /// What else it is made of; `None` in the record of a netlab that did not note it down.
    #[serde(default)]
    pub make: Option<Make>,
    /// How far its start has come.
    pub stage: Stage,
}

/// What a guest is made of besides its image, as it was when it was launched: what lies in the same
/// places later may be something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// QEMU's version.
    pub qemu_version: Version,
    /// When its file had last been changed, in seconds since 1970.
    pub qemu_modified: u64,
    /// SHA-256 of the agent, in hexadecimal.
    pub agent: String,
    /// Digest of QEMU's arguments without what is an instance's own, in hexadecimal.
    pub machine: String,
}

/// How far the start of a guest has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// QEMU is about to be started.
    Intent,
    /// QEMU runs, the guest is not ready.
    Booting {
        /// QEMU's process.
        process: ProcessIdentity,
    },
    /// The guest's SSH server has answered.
    Up {
        /// QEMU's process.
        process: ProcessIdentity,
        /// The port on 127.0.0.1 that leads to the guest's port 22.
        port: u16,
    },
}

fn cold() -> Tier {
    Tier::Cold
}

/// The one field that every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Record {
    /// Reads the record, or `None` if there is none.
    ///
    /// # Errors
    /// [`InstanceError::TooNew`], [`InstanceError::Corrupt`], [`InstanceError::File`].
    pub fn read(paths: &InstancePaths) -> Result<Option<Self>, InstanceError> {
        let path = paths.record();
        let Some(text) = read_file(&path)? else { return Ok(None) };
        let corrupt = |source| InstanceError::Corrupt { path: path.clone(), source };
        let Versioned { version: found } = serde_json::from_slice(&text).map_err(corrupt)?;
        if found > RECORD_VERSION {
            let known = RECORD_VERSION;
            return Err(InstanceError::TooNew { path, found, known });
        }
        serde_json::from_slice(&text).map(Some).map_err(corrupt)
    }

    /// Writes the record.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn write(&self, paths: &InstancePaths) -> Result<(), InstanceError> {
        replace_json(&paths.record(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Home, replace_file};

    fn record() -> Record {
        Record {
            version: RECORD_VERSION,
            uuid: "5c8f9d0e-0000-4000-8000-000000000000".to_owned(),
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            architecture: Architecture::Aarch64,
            accelerator: Accelerator::Tcg,
            image: "abc".to_owned(),
            tier: Tier::Clone,
            template: Some("def".to_owned()),
            make: Some(Make {
                qemu_version: Version(7, 2, 0),
                qemu_modified: 1,
                agent: "ghi".to_owned(),
                machine: "jkl".to_owned(),
            }),
            stage: Stage::Up {
                process: ProcessIdentity { pid: 7, started: "9 ticks".to_owned() },
                port: 40123,
            },
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        assert_eq!(Record::read(&paths).unwrap(), None);
        record().write(&paths).unwrap();
        assert_eq!(Record::read(&paths).unwrap(), Some(record()));
    }

    #[test]
    fn the_shape_on_disk_is_the_one_of_version_3() {
        let text = serde_json::to_string(&record()).unwrap();
        assert_eq!(
            text,
            r#"{"version":3,"uuid":"5c8f9d0e-0000-4000-8000-000000000000","qemu":"/usr/bin/qemu-system-x86_64","architecture":"arm64","accelerator":"tcg","image":"abc","tier":"clone","template":"def","make":{"qemu_version":[7,2,0],"qemu_modified":1,"agent":"ghi","machine":"jkl"},"stage":{"stage":"up","process":{"pid":7,"started":"9 ticks"},"port":40123}}"#
        );
        let mut older: serde_json::Value = serde_json::from_str(&text).unwrap();
        older.as_object_mut().unwrap().remove("make");
        let older: Record = serde_json::from_value(older).unwrap();
        assert_eq!(older, Record { make: None, ..record() });
    }

    #[test]
    fn a_record_of_version_1_still_tells_of_its_guest() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        let old = r#"{"version":1,"uuid":"5c8f9d0e-0000-4000-8000-000000000000","qemu":"/usr/bin/qemu-system-x86_64","accelerator":"tcg","image":"abc","stage":{"stage":"up","process":{"pid":7,"started":"9 ticks"},"port":40123}}"#;
        replace_file(&paths.record(), old.as_bytes()).unwrap();
        let read = Record::read(&paths).unwrap().unwrap();
        assert_eq!((read.version, read.tier, read.template), (1, Tier::Cold, None));
        assert_eq!(read.architecture, Architecture::X86_64);
        assert_eq!(read.stage, record().stage);
    }

    #[test]
    fn a_newer_record_is_told_from_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        replace_file(&paths.record(), r#"{"version":4,"whatever":true}"#.as_bytes()).unwrap();
        let newer = Record::read(&paths).unwrap_err();
        assert!(matches!(newer, InstanceError::TooNew { found: 4, known: 3, .. }), "{newer}");
        for broken in ["", "{", r#"{"version":1}"#, r#"{"version":1,"extra":0}"#] {
            replace_file(&paths.record(), broken.as_bytes()).unwrap();
            let error = Record::read(&paths).unwrap_err();
            assert!(matches!(error, InstanceError::Corrupt { .. }), "{broken}: {error}");
        }
    }
}
