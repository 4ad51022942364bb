//! Runs the built `netlab` as a user would and looks at what came of it: a test reads like a
//! session.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// A home of its own for netlab, with a cleared environment, shared by the commands of one test
/// or one suite. Its guests end with it, whatever came of the test.
pub struct Netlab {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Netlab {
    /// Makes a new, empty home; packages and images are shared by all tests, or with whoever set
    /// `NETLAB_CACHE`.
    #[track_caller]
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("netlab").tempdir().expect("a temporary folder");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let mut netlab =
            Self { home, variables: Vec::new() }.with("NETLAB_CACHE", &cache.to_string_lossy());
        for name in
            ["NETLAB_CACHE", "NETLAB_MIRROR", "NETLAB_IMAGE_LOCK", "NETLAB_QEMU", "NETLAB_ACCEL"]
        {
            if let Ok(value) = std::env::var(name) {
                netlab = netlab.with(name, &value);
            }
        }
        netlab
    }

    /// Sets an environment variable for every command.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets an environment variable for every later command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The home's folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a lab file into the home and returns its path.
    #[track_caller]
    pub fn lab(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        let mut file = std::fs::File::create(&path).expect("a lab file");
        file.write_all(text.as_bytes()).expect("a lab file");
        path
    }

    /// The command line, ready to be changed and started.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the tests own the netlab they start")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_netlab"));
        command.args(words).env_clear().env("NETLAB_HOME", self.home()).env("LANG", "C.UTF-8");
        for name in ["PATH", "HOME", "XDG_CACHE_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Ends what the home has of guests, if it has any, and removes what is saved of them.
    pub fn end_guests(&self) {
        let entries = std::fs::read_dir(self.home().join("i"));
        if entries.is_ok_and(|mut entries| entries.next().is_some()) {
            // Whether it works is the tests' business; a panic here would hide theirs.
            drop(self.command(["down", "--all", "--purge"]).output());
        }
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Outcome {
        self.run_with(words, b"")
    }

    /// Runs a command to its end with `input` on its standard input.
    #[track_caller]
    pub fn run_with<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Outcome {
        let mut command = self.command(words);
        let line = format!("{command:?}");
        let mut child = command.stdin(Stdio::piped()).spawn().expect("netlab starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        // Written beside the reading, so that neither side waits for the other's full pipe. The
        // command may end without having read it all.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("netlab ends");
        writer.join().expect("the writer ends");
        Outcome::of(line, output)
    }
}

impl Drop for Netlab {
    fn drop(&mut self) {
        self.end_guests();
    }
}

/// What came of a command.
pub struct Outcome {
    line: String,
    /// Exit code, `None` if it died by a signal.
    pub code: Option<i32>,
    /// Bytes of standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// What came of a command that was started otherwise.
    pub fn of(line: String, output: std::process::Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { line, code: output.status.code(), stdout: output.stdout, stderr }
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    /// Checks that standard output holds each of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let text = self.text();
        for part in parts {
            assert!(text.contains(part), "no {part:?} on standard output of {}", self.all());
        }
        self
    }

    /// Checks that standard error holds each of `parts`.
    #[track_caller]
    pub fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} on standard error of {}", self.all());
        }
        self
    }

    /// Checks that standard output is nothing but JSON lines with a version and an event, and
    /// returns them.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            assert!(value["v"].is_u64() && value["event"].is_string(), "{line}");
            value
        };
        self.text().lines().map(parse).collect()
    }

    fn all(&self) -> String {
        let (text, stderr) = (self.text(), &self.stderr);
        format!("{}\n-- exit {:?}\n-- stdout\n{text}\n-- stderr\n{stderr}", self.line, self.code)
    }
}
