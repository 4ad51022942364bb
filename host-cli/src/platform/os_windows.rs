//! Calls that only Windows has. Its twin `os_unix` has the same functions.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::FileExt;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use super::Exposure;

/// `CREATE_NO_WINDOW`: a console program such as QEMU opens none. (`DETACHED_PROCESS` would let
/// its children open one.)
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// `CREATE_NEW_PROCESS_GROUP`: Ctrl-C in our console doesn't reach the process.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// Who may use a folder of ours and what is made in it, in Windows' language for that (SDDL): the owner
/// (OWNER RIGHTS, and CREATOR OWNER for what is in it), the system and the administrators, as in the
/// user's profile, and nobody whom the folder above lets in (`P`). OpenSSH for Windows refuses a
/// private key that anybody else may read.
const OWNER_ONLY: &str = "D:P(A;;FA;;;S-1-3-4)(A;OICIIO;FA;;;CO)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// A connection to a character device of QEMU.
pub type Connection = NamedPipeClient;

/// Connects to the named pipe at `address`, such as `\\.\pipe\netlab-boot`.
///
/// # Errors
/// What the system says; `NotFound` means that QEMU hasn't made it yet.
pub async fn connect(address: &str) -> io::Result<Connection> {
    ClientOptions::new().open(address)
}

/// A socket that QEMU connects to, which Windows has none of: see [`super::Platform::saves_guests`].
pub struct Listener {}

impl Listener {
    /// Makes none.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn bind(_address: &str) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits for nobody.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub async fn accept(&self) -> io::Result<Connection> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Makes the command's process outlive this one: a closed console or a Ctrl-C must not reach it.
pub fn detach(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
}

/// Returns when the user asks this process to end: Ctrl-C.
///
/// # Errors
/// The system takes no handler.
pub async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Whether `file`, opened a while ago, is still the one at `path`.
///
/// # Errors
/// What the system says.
pub fn still_at(_file: &File, path: &Path) -> io::Result<bool> {
    // A name whose file is deleted but still open somewhere can't be taken by a new file, so
    // whatever is there is ours.
    path.try_exists()
}

/// Where a file may have data: everywhere, since it is never a large one here.
///
/// # Errors
/// What the system says.
pub fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    Ok(vec![0..file.metadata()?.len()])
}

/// Reads from a place in a file, which several threads may do at once.
///
/// # Errors
/// What the system says.
pub fn read_exact_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.seek_read(&mut bytes[done..], start + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => done += count,
        }
    }
    Ok(())
}

/// Makes a file read-only or not; that it is this user's alone it has from its folder.
///
/// # Errors
/// What the system says.
pub fn make_private(file: &File, read_only: bool) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(read_only);
    file.set_permissions(permissions)
}

/// Whether a file is closed to all others, which it has from its folder.
pub fn is_private(_file: &Metadata) -> bool {
    true
}

/// Bytes that a file takes on its disk: none that netlab makes there has holes.
pub fn space_of(file: &Metadata) -> u64 {
    file.len()
}

/// Makes a folder and those above it, and what is made in them its owner's alone. One that is there is
/// left as it is.
///
/// # Errors
/// What the system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_private_folder(above)?;
    }
    match create_owners_folder(path) {
        // Another netlab was quicker.
        Err(_) if path.is_dir() => Ok(()),
        made => made,
    }
}

/// Makes a folder with [`OWNER_ONLY`] from the first moment on.
#[expect(unsafe_code, reason = "std makes folders with what the folder above lets through")]
fn create_owners_folder(path: &Path) -> io::Result<()> {
    let wide = |text: &OsStr| text.encode_wide().chain([0]).collect::<Vec<u16>>();
    let (rules, name) = (wide(OsStr::new(OWNER_ONLY)), wide(path.as_os_str()));
    let mut descriptor = ptr::null_mut();
    // SAFETY: both texts end with a zero and outlive the calls; the descriptor is the system's, which
    // has it back after its one use.
    unsafe {
        let read = ConvertStringSecurityDescriptorToSecurityDescriptorW(
            rules.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            ptr::null_mut(),
        );
        if read == 0 {
            return Err(io::Error::last_os_error());
        }
        let attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: descriptor,
            bInheritHandle: 0,
        };
        let made = CreateDirectoryW(name.as_ptr(), &raw const attributes);
        let error = io::Error::last_os_error();
        LocalFree(descriptor);
        if made == 0 { Err(error) } else { Ok(()) }
    }
}

/// Says who else may change what is in a folder: nobody, as far as a mode can tell. It has an access
/// list, which netlab writes for the folders that it makes.
pub fn exposure(_path: &Path) -> io::Result<Option<Exposure>> {
    Ok(None)
}

/// Makes sure that the names in a folder are on the disk. Windows has no such call: it keeps a journal
/// of them.
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether this process may do everything. No installer of Windows asks us for that.
pub fn is_root() -> bool {
    false
}
