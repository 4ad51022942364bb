//! Checkpoints: a guest saved whole and brought back as it was, with the same name, port and keys.

pub(super) mod about;
mod back;
mod digested;
mod error;
mod keys;
mod save;
mod shelf;

use std::time::Duration;

use super::QemuProvider;
use crate::error::Error;
use crate::instance::{Home, InstanceLock, Name, Patience, Record};
use crate::platform::{Accelerator, Platform};
use crate::provider::checkpoint::{Forget, Label};

pub use error::CheckpointError;

pub(super) use about::make;

use shelf::Shelf;

/// How long whoever removes checkpoints waits for a netlab that saves the guest, which takes a second
/// or, on a busy host, a few.
const FORGET_WAITS: Duration = Duration::from_secs(10);

impl QemuProvider {
    /// The checkpoints of this instance.
    pub(super) fn shelf(&self) -> Shelf {
        Shelf::of(&self.home, self.paths.name())
    }

    /// Removes checkpoints while no other netlab makes or uses one.
    pub(super) async fn forget_checkpoints(&self, which: &Forget) -> Result<Vec<Label>, Error> {
        if !self.shelf().folder().exists() {
            return Ok(self.shelf().forget(which)?);
        }
        let patience = Patience::UpTo(FORGET_WAITS);
        let existing = InstanceLock::of_existing(&self.paths, patience).await?;
        let only_for_the_lock = existing.is_none();
        let lock = match existing {
            Some(lock) => lock,
            None => InstanceLock::acquire(&self.paths, patience).await?,
        };
        let labels = self.shelf().forget(which);
        // Another netlab may have begun a guest, whose files stay, while we waited for the lock.
        if only_for_the_lock && Record::read(&self.paths)?.is_none() {
            lock.remove_instance()?;
        }
        Ok(labels?)
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
