//! The locks of an instance: an operating system's file locks, so that they end with their holder
//! however that dies, and never have to be removed by hand.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use netlab_fault as fault;
use tokio::time::Instant;

use super::{InstanceError, InstancePaths, Name};
use crate::platform;
use crate::report::{Event, Reporter};

/// Time after which a wait is worth a line.
const WAIT_IS_TOLD_AFTER: Duration = Duration::from_millis(300);

/// Time between two tries: locks of the system can't be waited for without a thread, which could
/// not be cancelled.
pub(super) const RETRY_EVERY: Duration = Duration::from_millis(50);

/// What to do while another netlab holds the lock.
#[derive(Clone, Copy)]
pub enum Patience<'a> {
    /// Wait, and say so once.
    Wait(&'a Reporter),
    /// Give up after this time.
    UpTo(Duration),
}

/// The right to start, end or repair an instance, until it is dropped.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
    paths: InstancePaths,
}

impl InstanceLock {
    /// Takes the lock, making the instance's folder if need be.
    ///
    /// # Errors
    /// [`InstanceError::Busy`] once `patience` is at its end, [`InstanceError::File`].
    pub async fn acquire(
        paths: &InstancePaths,
        patience: Patience<'_>,
    ) -> Result<Self, InstanceError> {
        loop {
            paths.create_folder()?;
            // The folder may be removed in between.
            if let Some(lock) = Self::of_existing(paths, patience).await? {
                return Ok(lock);
            }
        }
    }

    /// Takes the lock of an instance that has a folder. `None` if it has none, or none any more once
    /// whoever held the lock lets go of it: whoever only wants to look must not make it anew.
    ///
    /// # Errors
    /// As [`InstanceLock::acquire`].
    pub async fn of_existing(
        paths: &InstancePaths,
        patience: Patience<'_>,
    ) -> Result<Option<Self>, InstanceError> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            match attempt(&paths.lock())? {
                Attempt::Locked(file) => return Ok(Some(Self { file, paths: paths.clone() })),
                Attempt::NoFolder => return Ok(None),
                Attempt::Held => {}
            }
            match patience {
                Patience::Wait(reporter) if !told && begun.elapsed() >= WAIT_IS_TOLD_AFTER => {
                    told = true;
                    let text = format!("{}: waiting for it", doing(paths.name()));
                    reporter.emit(Event::Note { text });
                }
                Patience::UpTo(limit) if begun.elapsed() >= limit => {
                    return Err(InstanceError::Busy(paths.name().clone()));
                }
                Patience::Wait(_) | Patience::UpTo(_) => {}
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Whether there is nothing of the instance but this lock.
    pub fn is_bare(&self) -> bool {
        let Ok(mut entries) = fs::read_dir(self.paths.folder()) else { return false };
        let lock = self.paths.lock();
        entries.all(|entry| entry.is_ok_and(|entry| entry.path() == lock))
    }

    /// Removes the instance's whole folder, the lock last, and lets go of it.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn remove_instance(self) -> Result<(), InstanceError> {
        let Self { file, paths } = self;
        let folder = paths.folder();
        let failed = |source| InstanceError::File {
            action: "remove the folder",
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path() == paths.lock() {
                continue;
            }
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            let removed = if is_folder {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.map_err(failed)?;
        }
        fault::reach(fault::Phase::DownHalf);
        fs::remove_file(paths.lock()).map_err(failed)?;
        drop(file);
        match fs::remove_dir(folder) {
            // Someone who waited for the lock has begun anew.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            result => result.map_err(failed),
        }
    }
}

/// What another netlab that has the lock is at.
fn doing(name: &Name) -> String {
    if *name == Name::workshop() {
        return "another netlab is making a template".to_owned();
    }
    format!("another netlab is starting or ending the guest `{name}`")
}

/// What came of one try to take a lock.
pub(super) enum Attempt {
    /// It is ours.
    Locked(File),
    /// By another netlab.
    Held,
    /// The instance has been removed, or never was.
    NoFolder,
}

/// Takes the lock on the file `path` if its folder is there and the lock is free.
pub(super) fn attempt(path: &Path) -> Result<Attempt, InstanceError> {
    let Some(file) = open(path, OpenOptions::new().create(true).truncate(false))? else {
        return Ok(Attempt::NoFolder);
    };
    if !try_lock(&file, path)? {
        return Ok(Attempt::Held);
    }
    // The last holder may have removed the instance, and this file with it, while we opened it: a
    // lock on a file that nobody else can open protects nothing.
    let ours = platform::still_at(&file, path).map_err(failed("look at", path))?;
    Ok(if ours { Attempt::Locked(file) } else { Attempt::Held })
}

/// Whether somebody has the lock on the file `path`, which is not made if it is not there.
pub(super) fn is_held(path: &Path) -> Result<bool, InstanceError> {
    match open(path, &mut OpenOptions::new())? {
        Some(file) => Ok(!try_lock(&file, path)?),
        None => Ok(false),
    }
}

/// Opens a lock's file; `None` if it, or its folder, is not there.
fn open(path: &Path, options: &mut OpenOptions) -> Result<Option<File>, InstanceError> {
    match options.write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Takes the lock on a file if nobody has it.
fn try_lock(file: &File, path: &Path) -> Result<bool, InstanceError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstanceError {
    let path = path.to_owned();
    move |source| InstanceError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Home, replace_file};

    #[tokio::test]
    async fn a_held_lock_makes_others_give_up_and_a_removed_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        let at_once = Patience::UpTo(Duration::ZERO);
        let held = InstanceLock::acquire(&paths, at_once).await.unwrap();
        let error = InstanceLock::acquire(&paths, at_once).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "another netlab is starting or ending the guest `a` right now"
        );
        replace_file(&paths.serial_log(), b"x").unwrap();
        held.remove_instance().unwrap();
        assert!(!paths.folder().exists());
        InstanceLock::acquire(&paths, at_once).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_only_looks_does_not_make_a_removed_instance_anew() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        let patience = Patience::UpTo(Duration::from_secs(10));
        let held = InstanceLock::acquire(&paths, patience).await.unwrap();
        let (looked, ()) = tokio::join!(InstanceLock::of_existing(&paths, patience), async {
            held.remove_instance().unwrap()
        });
        assert!(looked.unwrap().is_none());
        assert!(!paths.folder().exists());
    }

    #[tokio::test]
    async fn the_lock_of_a_removed_instance_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        let held = InstanceLock::acquire(&paths, Patience::UpTo(Duration::ZERO)).await.unwrap();
        let (waiter, ()) = tokio::join!(
            InstanceLock::acquire(&paths, Patience::UpTo(Duration::from_secs(10))),
            async { held.remove_instance().unwrap() }
        );
        let waiter = waiter.unwrap();
        assert!(platform::still_at(&waiter.file, &paths.lock()).unwrap());
    }
}
