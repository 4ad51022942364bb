//! The guest's architecture: what Debian calls it, and what differs in the outputs.
//!
//! Only the names here reach file names and the lock, so a new architecture starts in this file.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A guest architecture that images are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86_64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// Every architecture, in the order that messages list them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Returns Debian's name of the architecture.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Returns the file name of the kernel that QEMU boots.
    ///
    /// On x86 it is the ELF with a PVH entry point, which QEMU starts without firmware; Arm
    /// kernels come as a raw `Image`, which QEMU takes compressed with gzip as well.
    pub fn kernel_file(self) -> &'static str {
        match self {
            Self::Amd64 => "vmlinux",
            Self::Arm64 => "Image.gz",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.debian())
    }
}

impl FromStr for Arch {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.debian() == name)
            .ok_or_else(|| Error::UnknownArch { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_debians_and_others_are_refused() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse::<Arch>().unwrap(), arch);
        }
        assert_eq!(
            "x86_64".parse::<Arch>().unwrap_err().to_string(),
            "no guest image for the architecture `x86_64`"
        );
    }
}
