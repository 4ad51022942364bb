//! The right to have an instance's guest for oneself, and who has it. Whoever takes the lock writes
//! down in it what for, so that others can be told.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::lock::{Attempt, RETRY_EVERY, attempt, is_held};
use super::{InstanceError, InstancePaths, read_file};

/// How long whoever wants to run a lab waits for one that is about to end.
const LAB_WAITS: Duration = Duration::from_millis(300);

/// The right to run a lab in an instance's guest, or to put another guest in its place, until it is
/// dropped. The guest's agent lets only one lab in too, but a swap would end it unasked.
#[derive(Debug)]
pub struct LabLock {
    _file: File,
}

/// The netlab that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Id of the lab that it runs; `None` if it swaps the guest.
    pub lab: Option<String>,
}

impl LabLock {
    /// Takes the lock of an instance that has a folder, `None` if it has none, for the lab of this id
    /// or, without one, to swap the guest.
    ///
    /// # Errors
    /// [`InstanceError::LabRuns`], [`InstanceError::File`].
    pub async fn acquire(
        paths: &InstancePaths,
        lab: Option<&str>,
    ) -> Result<Option<Self>, InstanceError> {
        let begun = Instant::now();
        loop {
            match attempt(&paths.lab_lock())? {
                Attempt::Locked(mut file) => {
                    let holder = Holder { pid: std::process::id(), lab: lab.map(str::to_owned) };
                    holder.write(&mut file).map_err(|source| InstanceError::File {
                        action: "write",
                        path: paths.lab_lock(),
                        source,
                    })?;
                    return Ok(Some(Self { _file: file }));
                }
                Attempt::NoFolder => return Ok(None),
                Attempt::Held => {}
            }
            if begun.elapsed() >= LAB_WAITS {
                let (name, holder) = (paths.name().clone(), Holder::read(paths));
                return Err(InstanceError::LabRuns { name, holder });
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Says who has the lock, if somebody has it and can be told.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn holder(paths: &InstancePaths) -> Result<Option<Holder>, InstanceError> {
        // Not by trying to take it, which makes the file: the folder may just be on its way out.
        let is_held = is_held(&paths.lab_lock())?;
        Ok(Holder::read(paths).filter(|_| is_held))
    }
}

impl Holder {
    fn write(&self, file: &mut File) -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(self)?)
    }

    /// `None` in the middle of its writing, and where a system lets nobody read a file that is locked, as Windows.
    pub(crate) fn read(paths: &InstancePaths) -> Option<Self> {
        serde_json::from_slice(&read_file(&paths.lab_lock()).ok()??).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Home, InstanceLock, Patience};

    #[tokio::test]
    async fn one_lab_at_a_time_has_an_instance_and_starts_and_ends_go_on_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        assert!(LabLock::acquire(&paths, Some("switch")).await.unwrap().is_none());
        paths.create_folder().unwrap();
        assert_eq!(LabLock::holder(&paths).unwrap(), None);
        assert!(!paths.lab_lock().exists(), "whoever only looks makes nothing");
        let running = LabLock::acquire(&paths, Some("switch")).await.unwrap();
        let error = LabLock::acquire(&paths, None).await.unwrap_err();
        let InstanceError::LabRuns { holder, .. } = &error else { panic!("{error}") };
        assert_eq!(*holder, LabLock::holder(&paths).unwrap());
        if cfg!(unix) {
            let lab = Some("switch".to_owned());
            assert_eq!(*holder, Some(Holder { pid: std::process::id(), lab }));
        }
        InstanceLock::acquire(&paths, Patience::UpTo(Duration::ZERO)).await.unwrap();
        drop(running);
        assert_eq!(LabLock::holder(&paths).unwrap(), None);
        assert!(LabLock::acquire(&paths, None).await.unwrap().is_some());
    }
}
