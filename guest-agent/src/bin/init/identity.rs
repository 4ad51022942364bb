//! Makes this guest an instance of its own: clock, entropy, names and keys, all from the host.
//! They go into files in memory and nowhere else, and the init keeps no copy.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use netlab_protocol::boot::{ENTROPY_BYTES, Secrets};
use zeroize::Zeroize as _;

use crate::error::InitError;
use crate::mounts::make_folder;
use crate::{clock, random};

/// The SSH server's host key.
pub const HOST_KEY: &str = "/etc/dropbear/dropbear_ed25519_host_key";

/// Longest host name that the kernel takes, in bytes.
const LONGEST_HOSTNAME: usize = 64;

/// Bytes of a machine id, by `machine-id(5)`.
const MACHINE_ID_BYTES: usize = 16;

/// Puts everything in place.
pub fn take_on(mut secrets: Secrets) -> Result<(), InitError> {
    let outcome = put_in_place(&secrets);
    secrets.host_key.zeroize();
    secrets.entropy.zeroize();
    outcome
}

fn put_in_place(secrets: &Secrets) -> Result<(), InitError> {
    let entropy = check(secrets)?;
    clock::set(secrets.unix_nanos)?;
    random::seed(entropy)?;
    nix::unistd::sethostname(&secrets.hostname)
        .map_err(|cause| InitError::System { doing: "set the host name", cause })?;
    put("/etc/hostname", format!("{}\n", secrets.hostname).as_bytes(), 0o644)?;
    // From the generator that was just seeded, so the host's bytes themselves show nowhere.
    put("/etc/machine-id", machine_id(&random::bytes()?).as_bytes(), 0o444)?;
    make_folder("/etc/dropbear", 0o755)?;
    put(HOST_KEY, &secrets.host_key, 0o600)?;
    make_folder("/root/.ssh", 0o700)?;
    put("/root/.ssh/authorized_keys", format!("{}\n", secrets.authorized_key).as_bytes(), 0o600)
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
    match secrets.entropy.as_slice().try_into() {
        Ok(entropy) => Ok(entropy),
        Err(_) => bad(format!("{} bytes of entropy, not {ENTROPY_BYTES}", secrets.entropy.len())),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
