//! The built `netlab`, with a home of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;

use crate::Outcome;

/// Starts a description of a process.
#[expect(clippy::disallowed_methods, reason = "the benchmark owns the processes it starts")]
pub fn process(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The program under measurement.
pub struct Netlab {
    home: tempfile::TempDir,
}

/// A verb's lines up to its end, each with the time since the verb was called.
pub struct Said {
    lines: Vec<(Duration, Value)>,
    status: ExitStatus,
    errors: String,
}

impl Netlab {
    /// Makes a home; the cache is the user's, or one beside the build.
    pub fn new() -> Outcome<Self> {
        Ok(Self { home: tempfile::tempdir()? })
    }

    /// A call of netlab.
    pub fn command(&self, words: &[&str]) -> Command {
        let cache = env::var_os("NETLAB_CACHE")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"), PathBuf::from);
        let mut command = process(env!("CARGO_BIN_EXE_netlab"));
        command.args(words).env("NETLAB_HOME", self.home.path()).env("NETLAB_CACHE", cache);
        command
    }

    /// Runs a verb to its good end; returns what it printed and how long it took.
    pub fn run(&self, words: &[&str]) -> Outcome<(String, Duration)> {
        let started = Instant::now();
        let output = self.command(words).stdin(Stdio::null()).output()?;
        let took = started.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("netlab {}: {}: {said}", words.join(" "), output.status).into());
        }
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
    }

    /// Runs a verb with `--json` and notes when each line came.
    pub fn listen(&self, mut command: Command) -> Outcome<Said> {
        let started = Instant::now();
        let mut child = command
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = child.stderr.take().ok_or("no pipe")?;
        // A full pipe would hold up the verb.
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).map(|_| text)
        });
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().ok_or("no pipe")?).lines() {
            lines.push((started.elapsed(), serde_json::from_str(&line?)?));
        }
        let status = child.wait()?;
        let errors = errors.join().map_err(|_| "the reader of errors panicked")??;
        Ok(Said { lines, status, errors })
    }

    /// Starts the guest, which has to become a clone; returns the time to the agent's answer.
    pub fn clone_start(&self) -> Outcome<Duration> {
        let said = self.listen(self.command(&["up"]))?.good()?;
        match said.tier()?.as_str() {
            "clone" => said.at("ready"),
            // Ratios to a slower start would flatter.
            other => Err(format!("the guest was started by `{other}`, not as a clone").into()),
        }
    }

    /// Names of the guests in the home.
    pub fn guests(&self) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.home.path().join("i"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The process of a guest.
    pub fn pid(&self, name: &str) -> Outcome<u64> {
        let path = self.home.path().join("i").join(name).join("record.json");
        let record: Value = serde_json::from_slice(&fs::read(path)?)?;
        find_pid(&record).ok_or_else(|| format!("no process of `{name}` is recorded").into())
    }
}

/// The first `pid` of a record, whatever lies around it.
fn find_pid(value: &Value) -> Option<u64> {
    let fields = value.as_object()?;
    fields.get("pid").and_then(Value::as_u64).or_else(|| fields.values().find_map(find_pid))
}

impl Said {
    /// When the first line of an event came.
    pub fn at(&self, event: &str) -> Outcome<Duration> {
        let found = self.lines.iter().find(|(_, line)| line["event"] == event);
        found.map(|(at, _)| *at).ok_or_else(|| self.unlike(&format!("`{event}`")))
    }

    /// The last line.
    pub fn last(&self) -> Outcome<&Value> {
        self.lines.last().map(|(_, line)| line).ok_or_else(|| self.unlike("a line"))
    }

    /// How the guest was started.
    pub fn tier(&self) -> Outcome<String> {
        let ready = self.lines.iter().find(|(_, line)| line["event"] == "ready");
        let start = ready.and_then(|(_, line)| line["start"].as_str());
        start.map(str::to_owned).ok_or_else(|| self.unlike("how the guest was started"))
    }

    /// Fails unless the verb ended well.
    pub fn good(self) -> Outcome<Self> {
        if self.status.success() { Ok(self) } else { Err(self.unlike("a good end")) }
    }

    fn unlike(&self, what: &str) -> Box<dyn std::error::Error> {
        format!("not said: {what}; {}: {}", self.status, self.errors.trim_end()).into()
    }
}
