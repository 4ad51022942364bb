//! The guest's programs that this netlab was built with, put here by `build.rs`, which says for which
//! architectures there are any.

use crate::error::{Exit, Hint};
use crate::platform::Architecture;

include!(concat!(env!("OUT_DIR"), "/binaries.rs"));

/// The guest's programs for one architecture.
#[derive(Debug)]
pub struct Binaries {
    /// The agent, a static program for the guest.
    pub agent: &'static [u8],
    /// SHA-256 of the agent in hexadecimal: its name in the guest, so that another build's agent is
    /// never started by mistake.
    pub agent_sha256: &'static str,
    /// The guest's init, which goes into the initramfs.
    pub init: &'static [u8],
}

/// This netlab was built without the programs of such guests.
#[derive(Debug, thiserror::Error)]
#[error("this netlab was built without the agent for {0} guests")]
pub struct NotBuiltIn(pub Architecture);

impl NotBuiltIn {
    /// The target of Rust's that has to be there when netlab is built, for it to have them.
    pub fn target(&self) -> &'static str {
        match self.0 {
            Architecture::X86_64 => "x86_64-unknown-linux-musl",
            Architecture::Aarch64 => "aarch64-unknown-linux-musl",
        }
    }
}

impl Hint for NotBuiltIn {
    fn hint(&self) -> String {
        let target = self.target();
        let other = self.0.other();
        format!("build it again after `rustup target add {target}`, or take `--arch {other}`")
    }

    fn exit(&self) -> Exit {
        Exit::HostLacks
    }
}

/// The programs of such guests.
///
/// # Errors
/// [`NotBuiltIn`].
pub fn of(guest: Architecture) -> Result<&'static Binaries, NotBuiltIn> {
    let binaries = match guest {
        Architecture::X86_64 => &X86_64,
        Architecture::Aarch64 => &AARCH64,
    };
    binaries.as_ref().ok_or(NotBuiltIn(guest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_for_its_architecture() {
        // The field `e_machine` of an ELF header (`elf.h`: EM_X86_64, EM_AARCH64).
        let machines = [(Architecture::X86_64, 62), (Architecture::Aarch64, 183)];
        let mut built = 0;
        for (guest, machine) in machines {
            let Ok(binaries) = of(guest) else { continue };
            built += 1;
            for program in [binaries.agent, binaries.init] {
                assert_eq!((&program[..4], program[18]), (&b"\x7fELF"[..], machine), "{guest}");
            }
        }
        assert!(built > 0);
    }

    #[test]
    fn what_is_not_built_in_is_told_with_the_two_ways_out() {
        let error = NotBuiltIn(Architecture::Aarch64);
        assert_eq!(error.to_string(), "this netlab was built without the agent for arm64 guests");
        assert_eq!(
            error.hint(),
            "build it again after `rustup target add aarch64-unknown-linux-musl`, or take \
             `--arch amd64`"
        );
    }
}
