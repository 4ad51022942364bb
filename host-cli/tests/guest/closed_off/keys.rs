//! Where the private keys of an instance are while it is there, and that they are nowhere after it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::PrivateKey;

use super::Own;
use crate::leftovers::pids;
use crate::running::read_until;
use crate::support::Netlab;
use crate::templates::secrets::search;

/// How the file of a private key begins, whichever key it is: its head, and a line about its kind.
const COMMON_LINES: usize = 2;

pub fn are_gone(suite: &Netlab) {
    let begun = seconds_now();
    let netlab = Netlab::new();
    let temporary = netlab.home().join("tmp");
    fs::create_dir(&temporary).expect("a folder");
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o700)).expect("permissions");
    let own = Own::up(netlab.with("TMPDIR", &temporary.to_string_lossy()));
    own.run(["checkpoint", "one"]).exit(0);
    let keys = ["i/default/host_key", "i/default/id"].map(|file| own.home().join(file));
    let pieces: Vec<_> = keys.iter().flat_map(|file| pieces_of(file)).collect();

    let holders = where_found(own.home(), &pieces, |_| true);
    // A checkpoint's description has the keys of the guest that it brings back.
    let checkpoints = own.home().join("checkpoints/default");
    let (saved, files): (Vec<_>, Vec<_>) =
        holders.into_iter().partition(|path| path.starts_with(&checkpoints));
    assert_eq!((files.as_slice(), saved.len()), (keys.as_slice(), 1), "{saved:?}");
    for path in keys.iter().chain(&below(&checkpoints)) {
        assert_eq!(mode(path), 0o600, "{}", path.display());
        for folder in path.ancestors().skip(1).take_while(|&it| it != own.home()) {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
    }

    no_process_shows(&own, &pieces);

    own.run(["down", "--purge"]).exit(0).says(&["checkpoint `one`"]);
    assert_eq!(where_found(own.home(), &pieces, |_| true), Vec::<PathBuf>::new());
    let image = suite.run(["image", "path"]).exit(0).text();
    let cache = Path::new(image.trim()).ancestors().nth(2).expect("the cache");
    // What has not changed since before the keys were made can't hold them.
    let changed = |path: &Path| path.metadata().is_ok_and(|it| it.ctime() >= begun);
    assert_eq!(where_found(cache, &pieces, changed), Vec::<PathBuf>::new());
}

/// Looks at what QEMU, and a netlab at work, were started with.
#[track_caller]
fn no_process_shows(own: &Netlab, pieces: &[(String, Vec<u8>)]) {
    let mut exec = own.command(["exec", "--", "cat"]);
    let mut exec = exec.stdin(Stdio::piped()).spawn().expect("netlab starts");
    let mut input = exec.stdin.take().expect("a pipe");
    input.write_all(b"here\n").expect("a pipe");
    read_until(exec.stdout.as_mut().expect("a pipe"), "here");
    let qemu = pids(own);
    assert_eq!(qemu.len(), 1, "{qemu:?}");
    // What is there, so that the search is seen to look.
    let home = ("the home".to_owned(), own.home().to_string_lossy().into_owned().into_bytes());
    let needles = [pieces, &[home]].concat();
    let shown = |pid, file| search(Path::new(&format!("/proc/{pid}/{file}")), &needles);
    for (pid, file) in
        [(qemu[0], "cmdline"), (qemu[0], "environ"), (exec.id().cast_signed(), "environ")]
    {
        assert_eq!(shown(pid, file), ["the home"], "{file} of {pid}");
    }
    assert_eq!(shown(exec.id().cast_signed(), "cmdline"), Vec::<String>::new());
    drop(input);
    assert_eq!(exec.wait().expect("it ends").code(), Some(0));
}

/// What gives away a private key, each with a name: its 32 bytes, and the lines of its file.
#[track_caller]
fn pieces_of(file: &Path) -> Vec<(String, Vec<u8>)> {
    let text = fs::read_to_string(file).expect("a private key");
    let key = PrivateKey::from_openssh(&text).expect("a private key");
    let pair = key.key_data().ed25519().expect("an Ed25519 key");
    let lines = text.lines().skip(COMMON_LINES).filter(|line| !line.starts_with('-'));
    let pieces = lines.map(|line| line.as_bytes().to_vec());
    let pieces = pieces.chain([pair.private.as_ref().to_vec()]);
    pieces.map(|piece| (file.display().to_string(), piece)).collect()
}

/// The files below a folder that hold one of the pieces, of those that are `wanted`.
#[track_caller]
fn where_found(
    folder: &Path,
    pieces: &[(String, Vec<u8>)],
    wanted: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let files = below(folder).into_iter().filter(|path| wanted(path));
    files.filter(|path| !search(path, pieces).is_empty()).collect()
}

/// All regular files below a folder.
#[track_caller]
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files.extend(below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

#[track_caller]
fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o777
}

#[track_caller]
fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_secs()).expect("seconds")
}
