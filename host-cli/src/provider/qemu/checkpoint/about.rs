//! What a checkpoint says of itself, in a file beside the saved state. The rule: everything that
//! the state depends on is in it, and is compared before anything is done with the state.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::command::{Instance, Machine, Memory, Origin};
use super::super::discover::Qemu;
use super::super::version::Version;
use super::error::{CheckpointError, Difference, Part};
use super::keys::Keys;
use super::shelf::NAME_DIGITS;
use crate::instance::{Make, Record, Use};
use crate::platform::{Accelerator, Architecture};
use crate::provider::Tier;
use crate::provider::checkpoint::{Checkpoint, Label, Occasion};

/// Version of the file that this netlab writes, and the newest that it reads.
pub const CHECKPOINT_VERSION: u32 = 2;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// [`CHECKPOINT_VERSION`] of the netlab that wrote it.
    pub version: u32,
    /// Its name.
    pub label: Label,
    /// Why it was made.
    pub occasion: Occasion,
    /// When, in nanoseconds since 1970-01-01 00:00 UTC.
    pub made: u64,
    /// Length of the compressed state, in bytes.
    pub bytes: u64,
    /// BLAKE3 of the compressed state, in hexadecimal.
    pub blake3: String,
    /// What the state fits to.
    pub maker: Maker,
    /// What had been done in the guest.
    pub usage: Use,
    /// How the guest had been started.
    pub tier: Tier,
    /// The template that it had been made from.
    pub template: Option<String>,
    /// The port on 127.0.0.1 that led to its SSH server.
    pub port: u16,
    /// The instance's keys, which the guest has in its memory.
    pub keys: Keys,
}

/// Everything that a saved state fits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maker {
    /// The QEMU that saved it.
    pub qemu: PathBuf,
    /// Its version.
    pub qemu_version: Version,
    /// When its file was last changed, in seconds since 1970.
    pub qemu_modified: u64,
    /// The guest's processor; before version 2 there was one only.
    #[serde(default = "Architecture::unrecorded")]
    pub architecture: Architecture,
    /// What the guest ran with.
    pub accelerator: Accelerator,
    /// Digest of its image.
    pub image: String,
    /// SHA-256 of the agent in it, in hexadecimal.
    pub agent: String,
    /// Digest of QEMU's arguments without what is an instance's own, in hexadecimal.
    pub machine: String,
}

/// What a machine that is about to be launched is made of besides its image.
pub fn make(qemu: &Qemu, agent: &str, machine: &Machine) -> Make {
    Make {
        qemu_version: qemu.version,
        qemu_modified: qemu.modified,
        agent: agent.to_owned(),
        machine: fingerprint(machine),
    }
}

impl Maker {
    /// What would make this machine.
    pub fn of(qemu: &Qemu, image: &str, agent: &str, machine: &Machine) -> Self {
        Self::new(
            qemu.path.clone(),
            machine.guest,
            machine.accelerator,
            image.to_owned(),
            make(qemu, agent, machine),
        )
    }

    /// What made the guest of a record, whatever netlab would make today; `None` if that was not
    /// noted down.
    pub fn of_guest(record: &Record) -> Option<Self> {
        let make = record.make.clone()?;
        let Record { qemu, architecture, accelerator, image, .. } = record;
        Some(Self::new(qemu.clone(), *architecture, *accelerator, image.clone(), make))
    }

    fn new(
        qemu: PathBuf,
        architecture: Architecture,
        accelerator: Accelerator,
        image: String,
        make: Make,
    ) -> Self {
        let Make { qemu_version, qemu_modified, agent, machine } = make;
        Self { qemu, qemu_version, qemu_modified, architecture, accelerator, image, agent, machine }
    }

    /// The first thing in which `now` differs.
    pub fn difference(&self, now: &Self) -> Option<Difference> {
        let qemu = |maker: &Self| {
            let (version, path) = (maker.qemu_version, maker.qemu.display());
            (format!("{version} at {path}"), maker.qemu_modified)
        };
        let differ = |part, then: &str, now: &str| {
            let (then, now) = (then.to_owned(), now.to_owned());
            Some(Difference { part, then, now })
        };
        let ((then_qemu, then_modified), (now_qemu, now_modified)) = (qemu(self), qemu(now));
        if then_qemu != now_qemu {
            return differ(Part::Qemu, &then_qemu, &now_qemu);
        }
        if then_modified != now_modified {
            return differ(Part::Qemu, &then_qemu, "another file of that name");
        }
        let parts = [
            (Part::Accelerator, self.accelerator.name(), now.accelerator.name()),
            (Part::Image, self.image.as_str(), now.image.as_str()),
            (Part::Agent, short(&self.agent), short(&now.agent)),
            (Part::Machine, short(&self.machine), short(&now.machine)),
        ];
        parts
            .into_iter()
            .find(|(_, then, now)| then != now)
            .and_then(|(part, then, now)| differ(part, then, now))
    }
}

/// As many digits of a digest as tell two apart.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Digest of a machine's arguments, with the same words in all instances for what is theirs alone:
/// names, paths and ports. What the kernel and the root are is told by the image's digest.
fn fingerprint(machine: &Machine) -> String {
    let instance = machine.instance.is_some().then(|| Instance {
        uuid: "uuid".to_owned(),
        root: "root".into(),
        control_channel: "control".to_owned(),
        boot_channel: "boot".to_owned(),
        port: None,
    });
    let anonymous = Machine {
        kernel: "kernel".into(),
        initramfs: "initramfs".into(),
        serial_log: "serial".into(),
        memory: Memory::Private,
        // Whose line has the kernel's arguments with any guest.
        origin: Origin::Boot,
        instance,
        ..machine.clone()
    };
    let mut hasher = blake3::Hasher::new();
    for argument in anonymous.arguments() {
        hasher.update(argument.as_bytes()).update(b"\0");
    }
    hasher.finalize().to_hex().to_string()
}

/// The one field that every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl About {
    /// Reads the file of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::TooNew`], [`CheckpointError::Corrupt`].
    pub fn parse(label: &Label, text: &[u8]) -> Result<Self, CheckpointError> {
        let corrupt = |source| CheckpointError::Corrupt { label: label.clone(), source };
        let Versioned { version: found } = serde_json::from_slice(text).map_err(corrupt)?;
        if found > CHECKPOINT_VERSION {
            let (label, known) = (label.clone(), CHECKPOINT_VERSION);
            return Err(CheckpointError::TooNew { label, found, known });
        }
        let about: Self = serde_json::from_slice(text).map_err(corrupt)?;
        // Files are named after both.
        if about.label != *label || !about.blake3.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(corrupt(serde::de::Error::custom("it is of another label, or no digest")));
        }
        Ok(about)
    }

    /// Makes sure that the guest is of the architecture that was asked for, if any was: that is told
    /// before an image of it is made.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`].
    pub fn check_architecture(&self, wanted: Option<Architecture>) -> Result<(), CheckpointError> {
        let then = self.maker.architecture;
        let Some(now) = wanted.filter(|&wanted| wanted != then) else {
            return Ok(());
        };
        let (then, now) = (then.to_string(), now.to_string());
        let difference = Difference { part: Part::Architecture, then, now };
        Err(CheckpointError::Foreign { label: self.label.clone(), difference })
    }

    /// Makes sure that the state fits to what is here.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`].
    pub fn check_fits(&self, here: &Maker) -> Result<(), CheckpointError> {
        let foreign =
            |difference| CheckpointError::Foreign { label: self.label.clone(), difference };
        self.maker.difference(here).map_or(Ok(()), |difference| Err(foreign(difference)))
    }

    /// The name of the state's file without its ending: no other state has it.
    pub fn name(&self) -> String {
        let digits = self.blake3.get(..NAME_DIGITS).unwrap_or(&self.blake3);
        format!("{}-{digits}", self.label)
    }

    /// What those who asked are told.
    pub fn told(&self) -> Checkpoint {
        Checkpoint {
            label: self.label.clone(),
            occasion: Some(self.occasion.clone()),
            made: Some(self.made / 1_000_000_000),
            bytes: self.bytes,
            problem: None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::keys::tests::keys;
    use super::*;
    use crate::error::Hint;
    use crate::platform::Platform;
    use crate::provider::qemu::command::Console;

    fn machine() -> Machine {
        Machine {
            platform: Platform::Linux,
            host: Architecture::X86_64,
            guest: Architecture::X86_64,
            version: Version(7, 2, 0),
            sandbox: true,
            accelerator: Accelerator::Tcg,
            cpus: 1,
            kernel: "/c/vmlinux".into(),
            initramfs: "/c/initramfs".into(),
            serial_log: "/i/a/serial.log".into(),
            console: Console::Quiet,
            memory: Memory::Private,
            origin: Origin::Boot,
            instance: Some(Instance {
                uuid: "u-1".to_owned(),
                root: "/c/root".into(),
                control_channel: "/i/a/qmp.sock".to_owned(),
                boot_channel: "/i/a/boot.sock".to_owned(),
                port: Some(4),
            }),
        }
    }

    fn maker() -> Maker {
        let path = "/usr/bin/qemu".into();
        let qemu = Qemu { path, version: Version(7, 2, 0), modified: 1, sandbox: true };
        Maker::of(&qemu, "image-1", &"a".repeat(64), &machine())
    }

    pub fn about() -> About {
        About {
            version: CHECKPOINT_VERSION,
            label: "one".parse().unwrap(),
            occasion: Occasion::Asked,
            made: 7_000_000_001,
            bytes: 3,
            blake3: "00".to_owned(),
            maker: maker(),
            usage: Use::Lab,
            tier: Tier::Clone,
            template: None,
            port: 9,
            keys: keys(),
        }
    }

    #[test]
    fn an_instances_own_words_and_the_place_of_its_memory_do_not_tell_machines_apart() {
        let other = Machine {
            kernel: "/d/vmlinux".into(),
            memory: Memory::Copied("/t/ram".into()),
            origin: Origin::Saved,
            instance: machine().instance.map(|instance| Instance { port: None, ..instance }),
            ..machine()
        };
        assert_eq!(fingerprint(&other), fingerprint(&machine()));
        assert_ne!(fingerprint(&Machine { cpus: 2, ..machine() }), fingerprint(&machine()));
    }

    #[test]
    fn each_difference_is_named_with_its_cure() {
        let rows = [
            (
                Maker { qemu_version: Version(10, 0, 2), ..maker() },
                "checkpoint `one` is of another QEMU (7.2.0 at /usr/bin/qemu, now it is 10.0.2 at \
                 /usr/bin/qemu)",
                "name the QEMU that made it: `--qemu /usr/bin/qemu`",
            ),
            (
                Maker { qemu_modified: 2, ..maker() },
                "checkpoint `one` is of another QEMU (7.2.0 at /usr/bin/qemu, now it is another \
                 file of that name)",
                "name the QEMU that made it: `--qemu /usr/bin/qemu`",
            ),
            (
                Maker { accelerator: Accelerator::Kvm, ..maker() },
                "checkpoint `one` is of another accelerator (tcg, now it is kvm)",
                "leave out `--accel`, it was tcg",
            ),
            (
                Maker { image: "image-2".to_owned(), ..maker() },
                "checkpoint `one` is of another image (image-1, now it is image-2)",
                "bring it back with the netlab that made it",
            ),
            (
                Maker { agent: "b".repeat(64), ..maker() },
                "checkpoint `one` is of another netlab (aaaaaaaaaaaa, now it is bbbbbbbbbbbb)",
                "bring it back with the netlab that made it",
            ),
        ];
        about().check_fits(&maker()).unwrap();
        for (here, message, cure) in rows {
            let error = about().check_fits(&here).unwrap_err();
            assert_eq!(error.to_string(), message);
            let remove = "`netlab checkpoint --remove one` removes it";
            assert_eq!(error.hint(), format!("{cure}\n{remove}"));
        }
    }

    #[test]
    fn a_newer_file_is_told_from_a_broken_one() {
        let label = "one".parse().unwrap();
        let whole = serde_json::to_vec(&about()).unwrap();
        assert_eq!(About::parse(&label, &whole).unwrap(), about());
        let newer = About::parse(&label, br#"{"version":3,"more":1}"#).unwrap_err();
        assert_eq!(newer.to_string(), "checkpoint `one` has version 3, this netlab reads up to 2");
        for broken in ["", "{", r#"{"version":1}"#] {
            let error = About::parse(&label, broken.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "checkpoint `one` can't be read");
        }
        let outside = About { blake3: "/../../../home".to_owned(), ..about() };
        for strange in [outside, About { label: "two".parse().unwrap(), ..about() }] {
            let text = serde_json::to_vec(&strange).unwrap();
            let error = About::parse(&label, &text).unwrap_err();
            assert_eq!(error.to_string(), "checkpoint `one` can't be read");
        }
        assert!(!format!("{:?}", about()).contains("secret"));
        let mut older = serde_json::to_value(about()).unwrap();
        older["maker"].as_object_mut().unwrap().remove("architecture");
        let older = serde_json::to_vec(&older).unwrap();
        assert_eq!(About::parse(&label, &older).unwrap(), about());
    }

    #[test]
    fn another_architecture_is_told_before_anything_is_made_of_it() {
        for wanted in [None, Some(Architecture::X86_64)] {
            about().check_architecture(wanted).unwrap();
        }
        let error = about().check_architecture(Some(Architecture::Aarch64)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "checkpoint `one` is of another architecture (amd64, now it is arm64)"
        );
        let remove = "`netlab checkpoint --remove one` removes it";
        assert_eq!(error.hint(), format!("leave out `--arch`, it was amd64\n{remove}"));
    }
}
