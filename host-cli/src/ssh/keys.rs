//! The keys of one instance, made on the host: who may log in, and who the guest is.
//!
//! Both are Ed25519, and neither ever lies in an image: the guest gets its host key over the boot
//! channel, and its private half is written nowhere on the host.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::error::{Exit, Hint};

/// Our private key, in OpenSSH's format.
pub const IDENTITY_FILE: &str = "id";

/// The guest's host key, pinned, in OpenSSH's `known_hosts` format.
pub const KNOWN_HOSTS_FILE: &str = "known_hosts";

/// Why the keys of an instance could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key could not be made or written in its format.
    #[error("could not make an Ed25519 key")]
    Make(#[source] ssh_key::Error),
    /// A file could not be written.
    #[error("could not write the key file `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl Hint for KeyError {
    fn hint(&self) -> String {
        match self {
            Self::Make(_) => "run the command again; this is a mistake of netlab's own",
            Self::Write { .. } => {
                "see that the folder is writable and the disk is not full: `netlab doctor`"
            }
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Make(_) | Self::Write { .. } => Exit::HostLacks,
        }
    }
}

/// The two keys of one instance.
pub struct InstanceKeys {
    client: PrivateKey,
    host: Ed25519Keypair,
}

impl InstanceKeys {
    /// Makes both keys and writes what this host needs of them into the instance's folder, the
    /// private one readable by its owner only. `host_alias` is the name under which the host key is pinned.
    ///
    /// # Errors
    /// [`KeyError::Make`] or [`KeyError::Write`].
    pub fn create(folder: &Path, host_alias: &str) -> Result<Self, KeyError> {
        let mut random = rand::rng();
        let client = PrivateKey::random(&mut random, Algorithm::Ed25519).map_err(KeyError::Make)?;
        let host = Ed25519Keypair::random(&mut random);
        let identity = client.to_openssh(LineEnding::LF).map_err(KeyError::Make)?;
        write(&folder.join(IDENTITY_FILE), identity.as_bytes())?;
        let public = ssh_key::PublicKey::from(host.public);
        let pinned = known_hosts_line(host_alias, &public).map_err(KeyError::Make)?;
        write(&folder.join(KNOWN_HOSTS_FILE), pinned.as_bytes())?;
        Ok(Self { client, host })
    }

    /// The host key as dropbear's own key file: the name of the kind, then seed and public key
    /// together, each as a string of the SSH protocol.
    pub fn dropbear_host_key(&self) -> Zeroizing<Vec<u8>> {
        let pair = Zeroizing::new(self.host.to_bytes());
        let mut file = Zeroizing::new(Vec::new());
        for field in [Algorithm::Ed25519.as_str().as_bytes(), pair.as_slice()] {
            // Both are a few dozen bytes.
            file.extend((field.len() as u32).to_be_bytes());
            file.extend(field);
        }
        file
    }

    /// The host key itself, for a server in a test.
    #[cfg(test)]
    pub fn host_key(&self) -> PrivateKey {
        self.host.clone().into()
    }

    /// The line that lets our key in.
    ///
    /// # Errors
    /// [`KeyError::Make`].
    pub fn authorized_key(&self) -> Result<String, KeyError> {
        self.client.public_key().to_openssh().map_err(KeyError::Make)
    }
}

fn known_hosts_line(alias: &str, key: &ssh_key::PublicKey) -> Result<String, ssh_key::Error> {
    Ok(format!("{alias} {}\n", key.to_openssh()?))
}

/// Writes a whole file beside its place and moves it there. Temporary files are readable by their
/// owner only, and keep that.
fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let failed = |cause| KeyError::Write { path: path.to_owned(), cause };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key made by `ssh-keygen`, and what `dropbearconvert openssh dropbear` made of it.
    const OPENSSH_KEY: &str = include_str!("fixtures/host_key");
    const DROPBEAR_KEY: &[u8] = include_bytes!("fixtures/host_key.dropbear");

    #[test]
    fn dropbear_gets_the_bytes_that_its_own_converter_makes() {
        let host = PrivateKey::from_openssh(OPENSSH_KEY).unwrap();
        let pair = host.key_data().ed25519().unwrap().clone();
        let keys = InstanceKeys { host: pair, client: host };
        assert_eq!(keys.dropbear_host_key().as_slice(), DROPBEAR_KEY);
    }

    #[test]
    fn the_pinned_key_and_the_identity_are_the_ones_that_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let made = InstanceKeys::create(folder.path(), "netlab-default").unwrap();
        let identity = folder.path().join(IDENTITY_FILE);
        let identity = PrivateKey::read_openssh_file(&identity).unwrap();
        assert_eq!(identity.public_key().to_openssh(), made.client.public_key().to_openssh());
        assert!(made.authorized_key().unwrap().starts_with("ssh-ed25519 AAAA"));
        let path = folder.path().join(KNOWN_HOSTS_FILE);
        let pinned =
            russh::keys::known_hosts::known_host_keys_path("netlab-default", 22, path).unwrap();
        assert_eq!(pinned[0].1.key_data().ed25519(), Some(&made.host.public));
    }

    #[test]
    fn the_private_key_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        InstanceKeys::create(folder.path(), "netlab-default").unwrap();
        #[expect(clippy::disallowed_methods, reason = "`ls` shows modes on every Unix alike")]
        let mut list = std::process::Command::new("ls");
        let listed = list.arg("-l").arg(folder.path().join(IDENTITY_FILE)).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.starts_with("-rw------- "), "{listed}");
    }

    #[test]
    fn the_pinned_line_reads_as_openssh_writes_it() {
        let key = PrivateKey::from_openssh(OPENSSH_KEY).unwrap();
        let mut public = key.public_key().clone();
        public.set_comment("");
        let line = known_hosts_line("netlab-default", &public).unwrap();
        assert_eq!(
            line,
            "netlab-default ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK+ptq6mJef8FJzK3NJ0EEWE/w9uXz1AtK9+FmdNfWSS\n"
        );
    }
}
