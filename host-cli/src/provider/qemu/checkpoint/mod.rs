//! Checkpoints: a guest saved whole and brought back as it was, with the same name, port and keys.

mod about;
mod back;
mod digested;
mod error;
mod keys;
mod save;
mod shelf;

use super::QemuProvider;
use crate::instance::{Home, Name};
use crate::platform::{Accelerator, Platform};

pub use error::CheckpointError;

use shelf::Shelf;

impl QemuProvider {
    /// The checkpoints of this instance.
    pub(super) fn shelf(&self) -> Shelf {
        Shelf::of(&self.home, self.paths.name())
    }

    /// Says why a guest can't be saved, if it can't: on this host at all, or with what runs it.
    pub(super) fn unavailable(&self, accelerator: Option<Accelerator>) -> Option<&'static str> {
        unavailable(Platform::HOST, accelerator.or(self.options.accelerator))
    }

    fn check_available(&self, accelerator: Option<Accelerator>) -> Result<(), CheckpointError> {
        let why = self.unavailable(accelerator).map(str::to_owned);
        why.map_or(Ok(()), |why| Err(CheckpointError::Unavailable { why }))
    }
}

fn unavailable(platform: Platform, accelerator: Option<Accelerator>) -> Option<&'static str> {
    if accelerator == Some(Accelerator::Whpx) {
        return Some("QEMU can't save a guest that the Windows Hypervisor Platform runs");
    }
    (!platform.saves_guests()).then_some(
        "netlab takes a guest's state over a Unix socket, which it does not have on this system",
    )
}

/// Names of all guests that have checkpoints, sorted.
///
/// # Errors
/// [`CheckpointError::File`] if the folder of folders is there but can't be read.
pub fn owners(home: &Home) -> Result<Vec<Name>, CheckpointError> {
    let folder = home.all_checkpoints();
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(shelf::failed("read", &folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(shelf::failed("read", &folder))?.file_name();
        // Whatever has another name was not made by us.
        names.extend(name.to_str().and_then(|name| name.parse::<Name>().ok()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cant_do_it_says_why() {
        assert_eq!(unavailable(Platform::Linux, Some(Accelerator::Tcg)), None);
        assert_eq!(unavailable(Platform::Macos, Some(Accelerator::Hvf)), None);
        let windows = unavailable(Platform::Windows, Some(Accelerator::Tcg)).unwrap();
        assert!(windows.contains("Unix socket"), "{windows}");
        let whpx = unavailable(Platform::Windows, Some(Accelerator::Whpx)).unwrap();
        assert!(whpx.contains("Windows Hypervisor Platform"), "{whpx}");
    }
}
