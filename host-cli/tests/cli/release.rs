//! A release's files, made of the built netlab by the scripts that make real ones, and a server that
//! hands them out, or breaks off.

#![expect(
    clippy::disallowed_methods,
    reason = "tests write the files of a release and own the processes that they start"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use sha2::{Digest as _, Sha256};

/// Every target that is released, and what the name of its archive ends with.
const TARGETS: [(&str, &str); 6] = [
    ("aarch64-apple-darwin", "tar.gz"),
    ("aarch64-pc-windows-msvc", "zip"),
    ("aarch64-unknown-linux-gnu", "tar.gz"),
    ("x86_64-apple-darwin", "tar.gz"),
    ("x86_64-pc-windows-msvc", "zip"),
    ("x86_64-unknown-linux-gnu", "tar.gz"),
];

/// The release that all tests take theirs from: to pack the program takes seconds.
static PACKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of the last run");
    }
    let program = env!("CARGO_BIN_EXE_netlab");
    script("archive", [program.as_ref(), target().as_ref(), folder.as_os_str()]);
    let mut sums = String::new();
    for (name, ending) in TARGETS {
        let file = format!("netlab-{}-{name}.{ending}", env!("CARGO_PKG_VERSION"));
        // Those of other systems can't be packed here; the manifests have a checksum of each.
        let content = fs::read(folder.join(&file)).unwrap_or_default();
        sums += &format!("{}  {file}\n", hex::encode(Sha256::digest(content)));
    }
    fs::write(folder.join("SHA256SUMS"), sums).expect("the checksums");
    script("fill", [folder.as_os_str()]);
    folder
});

/// The target of the machine that the tests run on.
fn target() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-gnu" };
    format!("{}-{system}", std::env::consts::ARCH)
}

fn script<'a>(name: &str, words: impl IntoIterator<Item = &'a OsStr>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name);
    let status = Command::new(path).args(words).status().expect("the script starts");
    assert!(status.success(), "packaging/{name}: {status}");
}

/// Files of a release, in a folder of their own for a test to spoil.
pub struct Release {
    folder: tempfile::TempDir,
}

impl Release {
    /// Makes a whole one.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let release = Self { folder };
        for name in ["install.sh", &release.archive_name()] {
            fs::copy(PACKED.join(name), release.path().join(name)).expect("a copy");
        }
        release
    }

    /// The folder that the files are in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Name of the archive for this machine.
    pub fn archive_name(&self) -> String {
        format!("netlab-{}-{}.tar.gz", env!("CARGO_PKG_VERSION"), target())
    }

    /// Changes one of the files.
    #[track_caller]
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path().join(name);
        let mut content = fs::read(&path).expect("a file of the release");
        change(&mut content);
        fs::write(path, content).expect("a file of the release");
    }

    /// The archive's checksum.
    #[track_caller]
    pub fn checksum(&self) -> String {
        let archive = fs::read(self.path().join(self.archive_name())).expect("the archive");
        hex::encode(Sha256::digest(archive))
    }

    /// Packs another program in place of netlab, with a checksum in the installer that is right.
    #[track_caller]
    pub fn pack(&self, program: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let (name, before) = (self.archive_name(), self.checksum());
        let stem = name.trim_end_matches(".tar.gz");
        let bin = self.path().join(stem).join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        fs::write(bin.join("netlab"), program).expect("a program");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bin.join("netlab"), executable).expect("its permissions");
        let mut tar = Command::new("tar");
        tar.current_dir(self.path()).args(["-czf", &name, stem]);
        assert!(tar.status().expect("tar starts").success());
        let installer = self.path().join("install.sh");
        let filled = fs::read_to_string(&installer).expect("the installer");
        assert!(filled.contains(&before), "the installer has no {before}");
        fs::write(installer, filled.replace(&before, &self.checksum())).expect("its checksum");
    }
}

/// What a server does with archives, once half of one is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Sends the other.
    GoesOn,
    /// Closes the connection.
    BreaksOff,
    /// Sends no more, and waits for the other side to close it.
    Stalls,
}

/// Serves a release on a port of its own, until the tests end.
pub struct Server {
    address: SocketAddr,
    stalled: Receiver<()>,
}

impl Server {
    /// Starts one.
    #[track_caller]
    pub fn start(release: &Release, half: Half) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let folder = release.path().to_owned();
        let (stalls, stalled) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is what some of the tests are about.
                drop(answer(stream, &folder, half, &stalls));
            }
        });
        Self { address, stalled }
    }

    /// The address, for `NETLAB_INSTALL_FROM`.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it has stalled.
    #[track_caller]
    pub fn has_stalled(&self) {
        self.stalled.recv().expect("a download that stalls");
    }
}

fn answer(
    mut stream: TcpStream,
    folder: &Path,
    half: Half,
    stalls: &Sender<()>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let Ok(content) = fs::read(folder.join(name)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    if half == Half::GoesOn || !name.ends_with(".tar.gz") {
        return stream.write_all(&content);
    }
    stream.write_all(&content[..content.len() / 2])?;
    if half == Half::Stalls {
        stalls.send(()).unwrap_or_default();
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
