//! Where accelerators are tried: one trial on this host at a time, each in a folder whose name is
//! in its QEMU's command line. The rule: the folder is made before QEMU starts, so that a QEMU whose
//! netlab was killed is found by it and ended, by the next trial or by `down`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::command::CONSOLE_FILE;
use super::error::QemuError;
use super::{process, start};
use crate::instance::Home;
use crate::platform;
use crate::report::{Event, Reporter};

/// Time between two tries to take the lock, as in [`crate::instance::lock`].
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// The right to make trials, until it is dropped.
pub struct Ground {
    folder: PathBuf,
    _lock: File,
}

impl Ground {
    /// Waits until no other netlab makes a trial, and clears away what a killed one left.
    ///
    /// # Errors
    /// [`QemuError::File`], or a QEMU that can't be ended.
    pub async fn enter(home: &Home, reporter: &Reporter) -> Result<Self, QemuError> {
        let folder = home.trials();
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        let mut told = false;
        let ground = loop {
            match Self::attempt(home)? {
                Some(ground) => break ground,
                None if !told => {
                    told = true;
                    let text = "another netlab is trying an accelerator: waiting for it".to_owned();
                    reporter.emit(Event::Note { text });
                }
                None => {}
            }
            tokio::time::sleep(RETRY_EVERY).await;
        };
        for what in ground.sweep().await? {
            reporter.emit(Event::Note { text: format!("ended {what}") });
        }
        Ok(ground)
    }

    /// Takes the lock if it is free. It ends with its holder, however that dies.
    fn attempt(home: &Home) -> Result<Option<Self>, QemuError> {
        let path = home.trials_lock();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { folder: home.trials(), _lock: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// Makes the folder of one trial. Its QEMU must write its console there.
    ///
    /// # Errors
    /// [`QemuError::File`].
    pub fn trial(&self) -> Result<TempDir, QemuError> {
        let made =
            tempfile::Builder::new().prefix(&start::uuid()).rand_bytes(0).tempdir_in(&self.folder);
        made.map_err(failed("make a folder in", &self.folder))
    }

    /// Ends what killed netlabs left and removes its folders: while we have the lock, no trial is
    /// anybody's. Returns, in words, what was ended.
    async fn sweep(&self) -> Result<Vec<String>, QemuError> {
        let mut ended = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("read", &self.folder))? {
            let entry = entry.map_err(failed("read", &self.folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A shorter name might be in the command line of somebody else's QEMU.
            if !is_uuid(&name) {
                continue;
            }
            if let Some(process) = platform::find_by_arguments(&[CONSOLE_FILE, &name])? {
                process::kill(&process).await?;
                let pid = process.pid;
                ended.push(format!(
                    "a trial of an accelerator that an earlier netlab had left (QEMU, pid {pid})"
                ));
            }
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
        Ok(ended)
    }
}

/// Clears away what killed netlabs left of their trials. Returns, in words, what was ended. A trial
/// that another netlab is making right now is left to it.
///
/// # Errors
/// [`QemuError::File`], or a QEMU that can't be ended.
pub async fn clear(home: &Home) -> Result<Vec<String>, QemuError> {
    if !home.trials().is_dir() {
        return Ok(Vec::new());
    }
    match Ground::attempt(home)? {
        Some(ground) => ground.sweep().await,
        None => Ok(Vec::new()),
    }
}

fn is_uuid(name: &str) -> bool {
    name.len() == 36 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QemuError {
    let path = path.to_owned();
    move |source| QemuError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::report::Renderer;

    struct Silent;

    impl Renderer for Silent {
        fn event(&mut self, _: &Event) -> io::Result<()> {
            Ok(())
        }
    }

    /// A process with the command line of a trial's QEMU: it waits for an input that never comes.
    fn hung(console: &Path) -> Child {
        let argument = format!("{CONSOLE_FILE}{}", console.display());
        let mut child = Command::new("sh")
            .args(["-c", "echo; read line", "sh", &argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The system shows its command line only once the program has begun.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    }

    #[tokio::test]
    async fn what_a_killed_netlab_left_is_ended_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().to_owned());
        assert_eq!(clear(&home).await.unwrap(), Vec::<String>::new());
        let reporter = Reporter::new(Box::new(Silent));
        let ground = Ground::enter(&home, &reporter).await.unwrap();
        let trial = ground.trial().unwrap().keep();
        let mut left = hung(&trial.join("serial.log"));
        let mut other = hung(&root.path().join("serial.log"));

        // It is somebody's as long as the lock is held.
        assert_eq!(clear(&home).await.unwrap(), Vec::<String>::new());
        assert!(trial.exists());
        drop(ground);

        let words = clear(&home).await.unwrap();
        let pid = left.id();
        let line =
            format!("a trial of an accelerator that an earlier netlab had left (QEMU, pid {pid})");
        assert_eq!(words, [line]);
        assert!(!trial.exists());
        assert!(!left.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "a process without the trial's name lives");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn folders_without_a_process_go_and_foreign_ones_stay() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().to_owned());
        let foreign = home.trials().join("notes");
        let left = home.trials().join("5c8f9d0e-0000-4000-8000-000000000000");
        fs::create_dir_all(&foreign).unwrap();
        fs::create_dir_all(&left).unwrap();
        let reporter = Reporter::new(Box::new(Silent));
        Ground::enter(&home, &reporter).await.unwrap();
        assert!(foreign.exists());
        assert!(!left.exists());
    }
}
