//! The key of a template: a digest of everything that it depends on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Form;
use crate::provider::qemu::discover::Qemu;

/// Hexadecimal digits of a key: 128 bits, as nobody tries to make two of them meet.
const DIGITS: usize = 32;

/// What a template depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ingredients {
    /// Version of what a template is.
    pub format: u32,
    /// What it consists of.
    pub form: Form,
    /// Digest of the image: kernel, init and root.
    pub image: String,
    /// Digest of the agent in it.
    pub agent: String,
    /// The QEMU that saved it. No other one loads it surely.
    pub qemu: Qemu,
    /// Processor and kernel of the host, where they run the guest.
    pub host: Option<String>,
    /// QEMU's arguments: machine, processor, accelerator, memory, devices, the kernel's arguments.
    pub arguments: Vec<String>,
}

/// What a template is made of that is replaced in the course of time; kept in its record, so that
/// an old one is known for that without QEMU being started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Digest of the image.
    pub image: String,
    /// Digest of the agent.
    pub agent: String,
    /// The QEMU that saved it.
    pub qemu: Qemu,
}

impl Source {
    /// Whether a start with this image and agent may still take such a template.
    pub fn is_current(&self, image: &str, agent: &str) -> bool {
        self.image == image && self.agent == agent && self.qemu.is_still_there()
    }
}

/// A template's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    digits: String,
    source: Source,
}

impl Key {
    /// The key of what is made from these.
    ///
    /// # Errors
    /// A path that is not Unicode can't be written down.
    pub fn of(ingredients: &Ingredients) -> serde_json::Result<Self> {
        let mut digits = blake3::hash(&serde_json::to_vec(ingredients)?).to_string();
        digits.truncate(DIGITS);
        let Ingredients { image, agent, qemu, .. } = ingredients;
        let (image, agent, qemu) = (image.clone(), agent.clone(), qemu.clone());
        Ok(Self { digits, source: Source { image, agent, qemu } })
    }

    /// What it is made of.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a folder of this name can be a template's.
    pub fn is_name(name: &str) -> bool {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        name.len() == DIGITS && name.bytes().all(digit)
    }

    /// The name of its folder.
    pub fn as_str(&self) -> &str {
        &self.digits
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::qemu::{Version, discover};

    fn ingredients() -> Ingredients {
        Ingredients {
            format: 1,
            form: Form::Memory,
            image: "a".to_owned(),
            agent: "b".to_owned(),
            qemu: Qemu {
                path: "/bin/q".into(),
                version: Version(7, 2, 22),
                modified: 1,
                sandbox: true,
            },
            host: None,
            arguments: vec!["-m".to_owned(), "512".to_owned()],
        }
    }

    #[test]
    fn the_key_changes_with_each_ingredient() {
        let text = |text: &str| text.to_owned();
        let qemu = |path: &str, version, modified| Qemu {
            path: path.into(),
            version,
            modified,
            sandbox: true,
        };
        let base = ingredients();
        let others = [
            Ingredients { format: 2, ..base.clone() },
            Ingredients { form: Form::Stream, ..base.clone() },
            Ingredients { image: text("c"), ..base.clone() },
            Ingredients { agent: text("c"), ..base.clone() },
            Ingredients { qemu: qemu("/bin/r", Version(7, 2, 22), 1), ..base.clone() },
            Ingredients { qemu: qemu("/bin/q", Version(7, 2, 23), 1), ..base.clone() },
            Ingredients { qemu: qemu("/bin/q", Version(7, 2, 22), 2), ..base.clone() },
            Ingredients { host: Some(text("c")), ..base.clone() },
            Ingredients { arguments: vec![text("-m 512")], ..base.clone() },
        ];
        let mut keys: Vec<_> = others.iter().map(|it| Key::of(it).unwrap().digits).collect();
        keys.push(Key::of(&base).unwrap().digits);
        assert!(keys.iter().all(|digits| Key::is_name(digits)));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
        assert_eq!(Key::of(&ingredients()).unwrap(), Key::of(&base).unwrap());
    }

    #[test]
    fn a_template_is_current_while_nothing_that_it_is_made_of_was_replaced() {
        let program = tempfile::NamedTempFile::new().unwrap();
        let path = program.path().to_owned();
        let qemu = Qemu {
            modified: discover::modified(&path),
            path,
            version: Version(7, 2, 22),
            sandbox: true,
        };
        let source = Source { image: "i".to_owned(), agent: "a".to_owned(), qemu };
        assert!(source.is_current("i", "a"));
        assert!(!source.is_current("j", "a"));
        assert!(!source.is_current("i", "b"));
        program.as_file().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(!source.is_current("i", "a"));
        program.close().unwrap();
        assert!(!source.is_current("i", "a"));
    }
}
