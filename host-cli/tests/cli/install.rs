//! The shell installer, run on releases that are whole, spoiled or break off. The rule: it puts the
//! program in place, or leaves nothing behind and says why.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write the files of a release and own the processes that they start"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::release::{Half, Release, Server};
use crate::support::Outcome;

/// A user's account with nothing in it.
struct Account {
    home: tempfile::TempDir,
}

impl Account {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The installer of a release, ready to be changed and started.
    fn installer(&self, release: &Release, from: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg(release.path().join("install.sh")).env_clear();
        command.env("HOME", self.home.path()).env("NETLAB_INSTALL_FROM", from);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the installer of a release that lies in a folder.
    #[track_caller]
    fn install(&self, release: &Release) -> Outcome {
        run(&mut self.installer(release, &release.path().to_string_lossy()))
    }

    /// Checks that the account is as empty as it was.
    #[track_caller]
    fn is_empty(&self) {
        let left: Vec<_> = fs::read_dir(self.home.path()).expect("the home").collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

#[track_caller]
fn run(command: &mut Command) -> Outcome {
    Outcome::of(format!("{command:?}"), command.output().expect("the installer starts"))
}

/// Checks that a folder has an installed netlab that runs, and nothing of the installer's.
#[track_caller]
fn is_installed(folder: &Path) {
    let mut netlab = Command::new(folder.join("bin/netlab"));
    run(netlab.arg("--version")).exit(0).says(&[env!("CARGO_PKG_VERSION")]);
    for file in [
        "man/man1/netlab.1",
        "man/man1/netlab-demo.1",
        "bash-completion/completions/netlab",
        "zsh/site-functions/_netlab",
        "fish/vendor_completions.d/netlab.fish",
        "doc/netlab/LICENSE-MIT",
    ] {
        assert!(folder.join("share").join(file).is_file(), "{file}");
    }
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["bin", "share"]);
}

/// A folder with only these programs, to be a `PATH`.
fn programs(folder: &Path, names: &[&str]) -> PathBuf {
    let folder = folder.join("programs");
    fs::create_dir(&folder).expect("a folder");
    for name in names {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|place| place.join(name)).find(|it| it.is_file());
        symlink(found.unwrap_or_else(|| panic!("no `{name}` here")), folder.join(name))
            .expect("a link");
    }
    folder
}

#[test]
fn it_installs_from_a_server_and_over_an_older_netlab() {
    let (account, release) = (Account::new(), Release::new());
    let server = Server::start(&release, Half::GoesOn);
    let folder = account.home.path().join(".local");
    fs::create_dir_all(folder.join("bin")).expect("a folder");
    fs::write(folder.join("bin/netlab"), "an older one").expect("a file");
    run(&mut account.installer(&release, &server.address())).exit(0).says(&[
        "/.local/bin",
        "not in your PATH yet",
        "Next: netlab demo 3",
    ]);
    is_installed(&folder);
}

#[test]
fn wget_fetches_where_there_is_no_curl() {
    let (account, release, elsewhere) = (Account::new(), Release::new(), Account::new());
    let server = Server::start(&release, Half::GoesOn);
    let path = programs(
        elsewhere.home.path(),
        &[
            "dirname",
            "find",
            "gzip",
            "mkdir",
            "mv",
            "rm",
            "rmdir",
            "sh",
            "sha256sum",
            "tar",
            "uname",
            "wget",
        ],
    );
    run(account.installer(&release, &server.address()).env("PATH", path)).exit(0);
    is_installed(&account.home.path().join(".local"));
}

#[test]
fn it_installs_from_a_folder_into_one_with_a_space_and_an_umlaut() {
    let (account, release) = (Account::new(), Release::new());
    let folder = account.home.path().join("mein Gerät/für alle");
    let mut installer = account.installer(&release, &release.path().to_string_lossy());
    run(installer.env("NETLAB_INSTALL_TO", &folder)).exit(0).says(&["für alle/bin"]);
    is_installed(&folder);
}

#[test]
fn a_relative_folder_is_taken_from_where_it_is_run() {
    let (account, release) = (Account::new(), Release::new());
    let mut installer = account.installer(&release, &release.path().to_string_lossy());
    run(installer.current_dir(account.home.path()).env("NETLAB_INSTALL_TO", "-here")).exit(0);
    is_installed(&account.home.path().join("-here"));
}

#[test]
fn an_archive_that_was_altered_is_refused_whatever_stands_beside_it() {
    let (account, release) = (Account::new(), Release::new());
    release.change(&release.archive_name(), |content| {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    });
    let beside = format!("{}  {}\n", release.checksum(), release.archive_name());
    fs::write(release.path().join("SHA256SUMS"), beside).expect("a checksum");
    account.install(&release).exit(1).complains(&["has the checksum", "run this again"]);
    account.is_empty();
}

#[test]
fn a_release_without_the_archive_is_told() {
    let (account, release) = (Account::new(), Release::new());
    fs::remove_file(release.path().join(release.archive_name())).expect("an archive");
    let complaint = format!("can't fetch {} from ", release.archive_name());
    account.install(&release).exit(1).complains(&[&complaint]);
    let server = Server::start(&release, Half::GoesOn);
    run(&mut account.installer(&release, &server.address()))
        .exit(1)
        .complains(&["404", &format!("{complaint}http://127.0.0.1")]);
    account.is_empty();
}

#[test]
fn a_download_that_breaks_off_leaves_nothing() {
    let (account, release) = (Account::new(), Release::new());
    let server = Server::start(&release, Half::BreaksOff);
    run(&mut account.installer(&release, &server.address()))
        .exit(1)
        .complains(&["can't fetch netlab-", "run this again"]);
    account.is_empty();
}

#[test]
fn an_interruption_leaves_nothing() {
    let (account, release) = (Account::new(), Release::new());
    let server = Server::start(&release, Half::Stalls);
    let mut installer = account.installer(&release, &server.address());
    // To the whole group, as a terminal's Ctrl-C goes; but that signal is ignored by all that is started
    // in the background of a script, as these tests may be.
    std::os::unix::process::CommandExt::process_group(&mut installer, 0);
    let installer = installer.spawn().expect("the installer starts");
    server.has_stalled();
    let group = nix::unistd::Pid::from_raw(i32::try_from(installer.id()).expect("a process id"));
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM).expect("a signal");
    let output = installer.wait_with_output().expect("the installer ends");
    assert!(!output.status.success(), "{output:?}");
    account.is_empty();
}

#[test]
fn an_older_netlab_survives_what_fails() {
    let (account, release) = (Account::new(), Release::new());
    account.install(&release).exit(0);
    release.change(&release.archive_name(), |content| content.truncate(1000));
    account.install(&release).exit(1);
    is_installed(&account.home.path().join(".local"));
}

#[test]
fn a_program_that_does_not_run_here_is_not_put_in_place() {
    let (account, release) = (Account::new(), Release::new());
    release.pack("#!/bin/sh\necho \"version \\`GLIBC_2.99' not found\" >&2\nexit 1\n");
    account.install(&release).exit(1).complains(&["GLIBC_2.99", "does not run here", "Debian 12"]);
    account.is_empty();
}

#[test]
fn systems_without_a_release_are_told_what_to_do() {
    let release = Release::new();
    for (system, machine, words) in [
        ("FreeBSD", "amd64", &["no release for FreeBSD", "cargo install"][..]),
        ("Linux", "riscv64", &["no release for Linux on riscv64", "cargo install"]),
        ("MINGW64_NT-10.0", "x86_64", &["for macOS and Linux", "install.ps1 | iex"]),
    ] {
        let account = Account::new();
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        let uname = elsewhere.path().join("uname");
        let answers =
            format!("#!/bin/sh\ncase $1 in -s) echo {system};; -m) echo {machine};; esac\n");
        fs::write(&uname, answers).expect("a program");
        fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).expect("its permissions");
        let path = format!("{}:/usr/bin:/bin", elsewhere.path().display());
        let mut installer = account.installer(&release, &release.path().to_string_lossy());
        run(installer.env("PATH", path)).exit(1).complains(words);
        account.is_empty();
    }
}

#[test]
fn a_machine_that_lacks_the_means_is_told_which() {
    let release = Release::new();
    let server = Server::start(&release, Half::GoesOn);
    let few = ["dirname", "find", "mkdir", "rm", "rmdir", "sh", "uname"];
    for (more, words) in [
        (&[][..], "there is neither curl nor wget"),
        (&["curl"], "there is neither sha256sum nor shasum"),
    ] {
        let (account, elsewhere) = (Account::new(), Account::new());
        let path = programs(elsewhere.home.path(), &[&few, more].concat());
        let mut installer = account.installer(&release, &server.address());
        let outcome = run(installer.env("PATH", path)).exit(1).complains(&[words]);
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
        account.is_empty();
    }
}

#[test]
fn a_folder_that_can_not_be_had_is_told_before_anything_is_fetched() {
    let (account, release) = (Account::new(), Release::new());
    fs::write(account.home.path().join(".local"), "a file").expect("a file");
    account.install(&release).exit(1).complains(&["can't write into", "NETLAB_INSTALL_TO"]);
    fs::remove_file(account.home.path().join(".local")).expect("a file");
    account.is_empty();
}

#[test]
fn a_work_folder_that_is_there_already_is_refused_and_stays() {
    let (account, release) = (Account::new(), Release::new());
    let installer = account.installer(&release, &release.path().to_string_lossy());
    let mut command = Command::new("sh");
    // `exec` keeps the number of the process, which the folder is named after.
    command.args(["-c", "mkdir -p \"$HOME/.local/.netlab-install-$$/kept\"; exec sh \"$0\""]);
    command.args(installer.get_args()).env_clear();
    command.envs(installer.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut command).exit(1).complains(&["can't make", ".netlab-install-"]);
    let left = fs::read_dir(account.home.path().join(".local")).expect("the folder").count();
    assert_eq!(left, 1);
}

#[test]
fn of_a_script_that_was_cut_short_nothing_runs() {
    let (account, release) = (Account::new(), Release::new());
    release.change("install.sh", |content| {
        let whole = content.len();
        content.truncate(whole - "main\n".len());
    });
    account.install(&release).exit(0);
    account.is_empty();
}
