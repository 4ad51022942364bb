//! The lab's cgroup: every command of a lab lives in it, so that none can outlive the lab.
//!
//! A process is put into its cgroup by itself, between fork and exec, so no child of it can be
//! born outside. Ending is the kernel's `cgroup.kill`, which no process can refuse or outrun.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use tokio::time::{Instant, sleep};

use crate::error::Error;

/// Name of the lab's cgroup below the root of the hierarchy.
const LAB: &str = "netlab-lab";

/// Where cgroup v2 is mounted if it is nowhere yet.
const MOUNT_POINT: &str = "/sys/fs/cgroup";

/// How often a condition of the kernel's files is looked at again.
const POLL: Duration = Duration::from_millis(5);

/// One cgroup, with those below it.
#[derive(Debug, Clone)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes the lab's cgroup, mounting the hierarchy if the guest has not.
    pub fn make_lab() -> Result<Self, Error> {
        let root = match mounted_at()? {
            Some(root) => root,
            None if is_mount_point(MOUNT_POINT)? => {
                let problem = "cgroup v2 is mounted nowhere, and something else is here".to_owned();
                return Err(Error::Content { path: MOUNT_POINT.into(), problem });
            }
            None => {
                let none = None::<&str>;
                mount(Some("cgroup2"), MOUNT_POINT, Some("cgroup2"), MsFlags::empty(), none)
                    .map_err(|errno| Error::file("mount", Path::new(MOUNT_POINT))(errno.into()))?;
                PathBuf::from(MOUNT_POINT)
            }
        };
        Self::make(root.join(LAB))
    }

    /// Finds the cgroup that an earlier session left.
    pub fn find_lab() -> Result<Option<Self>, Error> {
        let path = mounted_at()?.map(|root| root.join(LAB)).filter(|path| path.exists());
        Ok(path.map(|path| Self { path }))
    }

    /// Makes a cgroup below this one.
    pub fn make_child(&self, name: &str) -> Result<Self, Error> {
        Self::make(self.path.join(name))
    }

    fn make(path: PathBuf) -> Result<Self, Error> {
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self { path }),
            Err(source) => Err(Error::File { doing: "make the cgroup", path, source }),
        }
    }

    /// Lets the groups beside this one, and this one itself, have limits of these kinds.
    ///
    /// # Errors
    /// [`Error::File`] if the kernel has no such limits, or has them elsewhere.
    pub fn delegate(&self, controllers: &str) -> Result<(), Error> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        write_to(&parent.join("cgroup.subtree_control"), controllers)
    }

    /// Sets a limit for all that is in it and below, and says whether this kernel has it here.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn limit(&self, file: &str, most: u64) -> Result<bool, Error> {
        let path = self.path.join(file);
        if !path.exists() {
            return Ok(false);
        }
        write_to(&path, &most.to_string()).map(|()| true)
    }

    /// Opens the file through which a process joins by writing `0`.
    pub fn door(&self) -> Result<File, Error> {
        let path = self.path.join("cgroup.procs");
        OpenOptions::new().write(true).open(&path).map_err(Error::file("open", &path))
    }

    /// Kills every process in it and below.
    pub fn kill(&self) -> Result<(), Error> {
        let path = self.path.join("cgroup.kill");
        let write = |mut file: File| file.write_all(b"1");
        match OpenOptions::new().write(true).open(&path).and_then(write) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::file("write", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Kills every process in it and waits until the last one is gone.
    ///
    /// # Errors
    /// [`Error::Alive`] if some are left after `limit`, such as those stuck in the kernel.
    pub async fn end(&self, limit: Duration) -> Result<(), Error> {
        self.kill()?;
        let deadline = Instant::now() + limit;
        while self.is_populated()? {
            if Instant::now() >= deadline {
                return Err(Error::Alive { path: self.path.clone(), pids: self.pids()? });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Says whether a live process is in it or below.
    pub fn is_populated(&self) -> Result<bool, Error> {
        let path = self.path.join("cgroup.events");
        match fs::read_to_string(&path) {
            Ok(events) => Ok(events.lines().any(|line| line == "populated 1")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::file("read", &path)(error)),
        }
    }

    /// Returns the ids of the processes in it and below.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let mut pids = Vec::new();
        for folder in self.folders()? {
            let path = folder.join("cgroup.procs");
            match fs::read_to_string(&path) {
                Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::file("read", &path)(error)),
            }
        }
        Ok(pids)
    }

    /// Removes it and those below; all must be empty.
    pub fn remove(&self) -> Result<(), Error> {
        for folder in self.folders()?.iter().rev() {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file("remove the cgroup", folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns its own folder, then those below, parents first.
    fn folders(&self) -> Result<Vec<PathBuf>, Error> {
        let mut folders = vec![self.path.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned() {
            next += 1;
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::file("list", &folder)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(Error::file("list", &folder))?;
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(folders)
    }
}

/// Says whether a cgroup, by its path as the kernel's log names it, is a lab's or below it. In a container
/// the path begins with the container's own.
pub(crate) fn is_of_lab(path: &str) -> bool {
    path.split('/').any(|name| name == LAB)
}

/// Writes a word to one of the kernel's files.
fn write_to(path: &Path, word: &str) -> Result<(), Error> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.and_then(|mut file| file.write_all(word.as_bytes())).map_err(Error::file("write", path))
}

/// Returns where cgroup v2 is mounted.
fn mounted_at() -> Result<Option<PathBuf>, Error> {
    Ok(find_mount(&mounts()?).map(PathBuf::from))
}

fn is_mount_point(path: &str) -> Result<bool, Error> {
    Ok(mounts()?.lines().any(|line| line.split(' ').nth(4) == Some(path)))
}

/// Returns the kernel's list of mounts; the fifth column is where each is mounted.
fn mounts() -> Result<String, Error> {
    let path = Path::new("/proc/self/mountinfo");
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// Returns the last mount point of a cgroup v2 hierarchy: the last one is the one on top.
pub(crate) fn find_mount(mountinfo: &str) -> Option<&str> {
    let is_cgroup2 = |line: &&str| {
        line.split_once(" - ").is_some_and(|(_, source)| source.starts_with("cgroup2 "))
    };
    mountinfo.lines().rev().find(is_cgroup2)?.split(' ').nth(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_is_found_among_mounts_of_the_first() {
        let hybrid = "24 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      25 24 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      34 24 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(find_mount(hybrid), Some("/sys/fs/cgroup/unified"));
        assert_eq!(find_mount("25 24 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n"), None);
    }
    #[test]
    fn a_limit_is_set_where_the_kernel_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let cgroup = Cgroup { path: folder.path().to_owned() };
        assert!(!cgroup.limit("pids.max", 512).unwrap());
        let file = folder.path().join("pids.max");
        File::create(&file).unwrap();
        assert!(cgroup.limit("pids.max", 512).unwrap());
        assert_eq!(fs::read_to_string(file).unwrap(), "512");
    }
}
