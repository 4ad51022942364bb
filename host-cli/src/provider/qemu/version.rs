//! QEMU's version, out of `--version`. The rule: distributions add words of their own behind it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of QEMU, compared field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// The oldest that netlab is tested with: Debian 12's.
    pub const OLDEST: Self = Self(7, 2, 0);

    /// Reads what `qemu-system-… --version` prints.
    pub fn parse(output: &str) -> Option<Self> {
        let words = output.split_once("QEMU emulator version ")?.1;
        let number =
            words.split(|letter: char| !(letter.is_ascii_digit() || letter == '.')).next()?;
        let mut parts = number.split('.').map(str::parse);
        let major = parts.next()?.ok()?;
        let minor = parts.next()?.ok()?;
        let patch = parts.next().and_then(Result::ok).unwrap_or(0);
        Some(Self(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_distributions_print() {
        for (output, version) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c)",
                Some(Version(7, 2, 22)),
            ),
            ("QEMU emulator version 10.0.2\nCopyright", Some(Version(10, 0, 2))),
            ("QEMU emulator version 11.1.0-rc2 (v11.1.0-rc2)", Some(Version(11, 1, 0))),
            ("QEMU emulator version 11.0.50 (v11.0.0-12-gabc)\r\n", Some(Version(11, 0, 50))),
            ("QEMU emulator version 8.2", Some(Version(8, 2, 0))),
            ("QEMU emulator version unknown", None),
            ("bash: qemu-system-x86_64: cannot execute", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(output), version, "{output}");
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(Version(10, 0, 0) > Version(9, 2, 4));
        assert!(Version::OLDEST <= Version(7, 2, 22));
    }
}
