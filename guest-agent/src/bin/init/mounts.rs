//! File systems: the kernel's own, the root with its overlay in memory, and what a root needs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::error::InitError;
use crate::{modules, wait};

/// The disk with the compressed, read-only root.
const ROOT_DISK: &str = "/dev/vda";

/// Longest time that the kernel may take to find [`ROOT_DISK`]: it takes milliseconds even under
/// emulation, so only a missing device gets near.
const DISK_LIMIT: Duration = Duration::from_secs(10);

/// One mount: type, target, flags, options.
type Row = (&'static str, &'static str, MsFlags, Option<&'static str>);

/// What the init itself needs from the kernel.
const KERNEL: [Row; 3] = [
    ("proc", "/proc", HARDENED, None),
    ("sysfs", "/sys", HARDENED, None),
    ("devtmpfs", "/dev", MsFlags::MS_NOSUID, None),
];

/// What programs in the guest expect to find in a root.
const ROOT: [Row; 5] = [
    ("tmpfs", "/run", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV), Some("mode=0755")),
    ("tmpfs", "/tmp", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV), Some("mode=1777")),
    (
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
        Some("gid=5,mode=0620,ptmxmode=0666"),
    ),
    ("tmpfs", "/dev/shm", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV), Some("mode=1777")),
    // Each command of a lab moves into a control group. Without this option the kernel first waits for
    // a grace period of RCU, 0.01 s of a small machine's idling (Documentation/admin-guide/cgroup-v2.rst).
    ("cgroup2", "/sys/fs/cgroup", HARDENED, Some("favordynmods")),
];

const HARDENED: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Mounts `/proc`, `/sys` and `/dev`.
pub fn kernel_filesystems() -> Result<(), InitError> {
    KERNEL.iter().try_for_each(mount_row)
}

/// Mounts what a root needs, once it is entered.
pub fn root_filesystems() -> Result<(), InitError> {
    ROOT.iter().try_for_each(|row| {
        make_folder(row.1, 0o755)?;
        mount_row(row)
    })
}

/// Puts a writable layer in memory over the root disk and makes that the root.
pub fn enter_root() -> Result<(), InitError> {
    wait::until(&format!("the root disk `{ROOT_DISK}`"), DISK_LIMIT, || {
        Ok(Path::new(ROOT_DISK).exists().then_some(()))
    })?;
    mount_one(ROOT_DISK, &("squashfs", "/ro", MsFlags::MS_RDONLY, None))?;
    mount_row(&("tmpfs", "/rw", MsFlags::empty(), Some("mode=0755")))?;
    make_folder("/rw/upper", 0o755)?;
    make_folder("/rw/work", 0o755)?;
    let layers = "lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work";
    mount_row(&("overlay", "/new", MsFlags::empty(), Some(layers)))?;
    free_initramfs()?;
    for (from, to) in [("/proc", "/new/proc"), ("/sys", "/new/sys"), ("/dev", "/new/dev")] {
        move_mount(from, to)?;
    }
    enter("/new")?;
    // The initramfs can't be unmounted; the new root goes over it.
    move_mount(".", "/")?;
    nix::unistd::chroot(".")
        .map_err(|cause| InitError::System { doing: "change to the new root", cause })?;
    enter("/")
}

/// Gives back the memory of what was loaded: the files of an initramfs stay in memory for ever.
fn free_initramfs() -> Result<(), InitError> {
    fs::remove_dir_all(modules::FOLDER).map_err(|cause| InitError::File {
        doing: "remove",
        path: modules::FOLDER.into(),
        cause,
    })
}

fn mount_row(row: &Row) -> Result<(), InitError> {
    mount_one(row.0, row)
}

fn mount_one(source: &str, &(filesystem, target, flags, options): &Row) -> Result<(), InitError> {
    mount(Some(source), target, Some(filesystem), flags, options)
        .map_err(|cause| InitError::Mount { filesystem, target, cause })
}

fn move_mount(from: &'static str, target: &'static str) -> Result<(), InitError> {
    mount(Some(from), target, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(|cause| InitError::Mount { filesystem: "a moved file system", target, cause })
}

fn enter(folder: &'static str) -> Result<(), InitError> {
    std::env::set_current_dir(folder).map_err(|cause| InitError::File {
        doing: "enter",
        path: folder.into(),
        cause,
    })
}

/// Makes a folder unless it is there.
pub fn make_folder(path: &str, mode: u32) -> Result<(), InitError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(InitError::File { doing: "make folder", path: path.into(), cause })
        }
        _ => Ok(()),
    }
}
