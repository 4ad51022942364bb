//! A home, a cache and a netlab of the soak's own, in one folder: whatever names that folder is ours.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::{Outcome, call, stale};

/// Starts a description of a process.
#[expect(clippy::disallowed_methods, reason = "the soak owns the processes it starts")]
pub fn process(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The folder, and what is in it.
pub struct World {
    root: tempfile::TempDir,
    _lock: File,
}

impl World {
    /// Makes the folder, with a copy of netlab, so that a later build doesn't change it.
    pub fn new() -> Outcome<Self> {
        // Short, for the paths of sockets.
        let root = tempfile::Builder::new().prefix(stale::PREFIX).tempdir()?;
        let world = Self { _lock: stale::claim(root.path())?, root };
        fs::copy(env!("CARGO_BIN_EXE_netlab"), world.program())?;
        for folder in [world.home(), world.cache(), world.temporary(), world.steady_home()] {
            fs::create_dir(folder)?;
        }
        let shared = env::var_os("NETLAB_CACHE")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"), PathBuf::from);
        for folder in ["debs", "images"] {
            fs::create_dir_all(shared.join(folder))?;
            std::os::unix::fs::symlink(shared.join(folder), world.cache().join(folder))?;
        }
        Ok(world)
    }

    /// The folder of it all.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `NETLAB_HOME` of the guests that are used.
    pub fn home(&self) -> PathBuf {
        self.root().join("h")
    }

    /// `NETLAB_HOME` of the guest that nobody harms.
    pub fn steady_home(&self) -> PathBuf {
        self.root().join("s")
    }

    /// `NETLAB_CACHE` of all of them.
    pub fn cache(&self) -> PathBuf {
        self.root().join("c")
    }

    /// Where netlab makes its temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.root().join("t")
    }

    fn program(&self) -> PathBuf {
        self.root().join("netlab")
    }

    /// The files of a guest.
    pub fn instance(&self, name: &str) -> PathBuf {
        self.home().join("i").join(name)
    }

    /// A call of netlab. A Ctrl-C on our terminal does not reach it: it gets its own.
    pub fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = process(self.program());
        command
            .args(["--name", name])
            .args(words)
            .env("NETLAB_HOME", self.home())
            .env("NETLAB_CACHE", self.cache())
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs a verb to its good end, and returns what it printed.
    pub fn good(&self, name: &str, words: &[&str]) -> Outcome<String> {
        self.ended_well(self.command(name, words), words)
    }

    /// The same for the guest that nobody harms.
    pub fn good_steady(&self, words: &[&str]) -> Outcome<String> {
        self.ended_well(self.steady_command(words), words)
    }

    /// A call of netlab for the guest that nobody harms.
    pub fn steady_command(&self, words: &[&str]) -> Command {
        let mut command = self.command("steady", words);
        command.env("NETLAB_HOME", self.steady_home());
        command
    }

    fn ended_well(&self, command: Command, words: &[&str]) -> Outcome<String> {
        let words = words.join(" ");
        let ended = call::run(self, command, &words, None)?;
        if ended.code != Some(0) {
            return Err(format!("netlab {words}: {:?}: {}", ended.code, ended.errors).into());
        }
        Ok(ended.text)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Of a run that was cut short; one that came to its end has ended them itself.
        for command in [self.command("default", &["down", "--all"]), self.steady_command(&["down"])]
        {
            let mut command = command;
            drop(command.output());
        }
        stale::end(self.root());
    }
}
