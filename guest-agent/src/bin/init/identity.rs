//! Makes this guest an instance of its own: clock, entropy, names and keys, all from the host.
//! They go into files in memory and nowhere else, and the init keeps no copy.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use netlab_protocol::boot::{ENTROPY_BYTES, Secrets};
use zeroize::Zeroize as _;

use crate::error::InitError;
use crate::mounts::make_folder;
use crate::{clock, random};

/// The SSH server's host key.
pub const HOST_KEY: &str = "/etc/dropbear/dropbear_ed25519_host_key";

/// Who may log in.
const AUTHORIZED_KEYS: &str = "/root/.ssh/authorized_keys";

/// What `gethostname(2)` says.
const HOSTNAME: &str = "/etc/hostname";

/// What `machine-id(5)` describes.
const MACHINE_ID: &str = "/etc/machine-id";

/// The host name of a guest that is no instance.
const NO_HOSTNAME: &str = "localhost";

/// Longest host name that the kernel takes, in bytes.
const LONGEST_HOSTNAME: usize = 64;

/// Bytes of a machine id, by `machine-id(5)`.
const MACHINE_ID_BYTES: usize = 16;

/// Puts everything in place.
pub fn take_on(mut secrets: Secrets) -> Result<(), InitError> {
    let outcome = put_in_place(&secrets);
    secrets.host_key.zeroize();
    secrets.authorized_key.zeroize();
    secrets.entropy.zeroize();
    outcome
}

fn put_in_place(secrets: &Secrets) -> Result<(), InitError> {
    let entropy = check(secrets)?;
    clock::start_at(secrets.unix_nanos)?;
    random::seed(entropy)?;
    nix::unistd::sethostname(&secrets.hostname)
        .map_err(|cause| InitError::System { doing: "set the host name", cause })?;
    put(HOSTNAME, format!("{}\n", secrets.hostname).as_bytes(), 0o644)?;
    // From the generator that was just seeded, so the host's bytes themselves show nowhere.
    put(MACHINE_ID, machine_id(&random::bytes()?).as_bytes(), 0o444)?;
    make_folder("/etc/dropbear", 0o755)?;
    put(HOST_KEY, &secrets.host_key, 0o600)?;
    make_folder("/root/.ssh", 0o700)?;
    put(AUTHORIZED_KEYS, format!("{}\n", secrets.authorized_key).as_bytes(), 0o600)
}

/// Takes everything back that [`take_on`] put in place: its files are overwritten with zeros and
/// removed. What the SSH server, or anybody else in the guest, has read of them is not in reach
/// here; [`crate::wipe`] goes over the memory of those that have ended.
pub fn give_up() -> Result<(), InitError> {
    [HOST_KEY, AUTHORIZED_KEYS, MACHINE_ID, HOSTNAME].into_iter().try_for_each(erase)?;
    nix::unistd::sethostname(NO_HOSTNAME)
        .map_err(|cause| InitError::System { doing: "set the host name", cause })
}

/// Refuses secrets that would leave the guest half an instance.
fn check(secrets: &Secrets) -> Result<&[u8; ENTROPY_BYTES], InitError> {
    let bad = |problem: String| Err(InitError::Secrets { problem });
    let name = &secrets.hostname;
    if name.is_empty() || name.len() > LONGEST_HOSTNAME {
        return bad(format!("the host name `{name}` has not 1 to {LONGEST_HOSTNAME} bytes"));
    }
    if secrets.host_key.is_empty() {
        return bad("there is no host key".to_owned());
    }
    // A second line would let in somebody else.
    if secrets.authorized_key.is_empty() || secrets.authorized_key.contains('\n') {
        return bad("the authorized key is not one line".to_owned());
    }
    entropy(&secrets.entropy)
}

/// Refuses entropy that is too little, or more than was agreed.
pub fn entropy(bytes: &[u8]) -> Result<&[u8; ENTROPY_BYTES], InitError> {
    bytes.try_into().map_err(|_| InitError::Secrets {
        problem: format!("{} bytes of entropy, not {ENTROPY_BYTES}", bytes.len()),
    })
}

/// Writes random bytes the way `machine-id(5)` wants them.
fn machine_id(bytes: &[u8; MACHINE_ID_BYTES]) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    text
}

/// Writes a whole file that has `mode` from its first byte on.
fn put(path: &str, bytes: &[u8], mode: u32) -> Result<(), InitError> {
    let failed = |cause| InitError::File { doing: "write", path: path.into(), cause };
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(path).map_err(failed)?;
    // The image may hold a file of this name with another mode.
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}

/// Overwrites a file with zeros and removes it. Freed pages of a file in memory keep their bytes.
fn erase(path: &str) -> Result<(), InitError> {
    let failed = |cause| InitError::File { doing: "erase", path: path.into(), cause };
    let erased = || -> io::Result<()> {
        let mut file = File::options().write(true).open(path)?;
        io::copy(&mut io::repeat(0).take(file.metadata()?.len()), &mut file)?;
        fs::remove_file(path)
    };
    match erased() {
        // Somebody in the guest was quicker.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_file_is_gone_and_its_bytes_too() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("key"), folder.path().join("same file"));
        put(path.to_str().unwrap(), b"secret", 0o600).unwrap();
        fs::hard_link(&path, &other).unwrap();
        erase(path.to_str().unwrap()).unwrap();
        erase(path.to_str().unwrap()).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(other).unwrap(), [0; 6]);
    }

    fn secrets() -> Secrets {
        Secrets {
            hostname: "netlab".to_owned(),
            host_key: vec![1],
            authorized_key: "ssh-ed25519 AAAA".to_owned(),
            unix_nanos: 1,
            entropy: vec![2; ENTROPY_BYTES],
        }
    }

    #[test]
    fn secrets_that_are_whole_are_taken() {
        assert_eq!(check(&secrets()).unwrap(), &[2; ENTROPY_BYTES]);
    }

    #[test]
    fn secrets_that_are_not_whole_are_refused_in_words() {
        type Spoil = fn(&mut Secrets);
        let cases: [(Spoil, &str); 6] = [
            (|s| s.hostname.clear(), "the host name `` has not 1 to 64 bytes"),
            (|s| s.host_key.clear(), "there is no host key"),
            (|s| s.authorized_key.clear(), "the authorized key is not one line"),
            (|s| s.authorized_key.push_str("\nssh-rsa"), "the authorized key is not one line"),
            (|s| s.entropy.clear(), "0 bytes of entropy, not 64"),
            (|s| s.entropy.push(0), "65 bytes of entropy, not 64"),
        ];
        for (spoil, problem) in cases {
            let mut spoilt = secrets();
            spoil(&mut spoilt);
            let words = format!("the host sent secrets that can't be used: {problem}");
            assert_eq!(check(&spoilt).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn a_machine_id_is_32_hexadecimal_digits_and_a_line_end() {
        assert_eq!(machine_id(&[0xa0; 16]), "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\n");
    }
}
