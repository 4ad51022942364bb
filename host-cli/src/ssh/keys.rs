//! The keys of one instance, made on the host: who may log in, and who the guest is.
//!
//! Both are Ed25519, and neither ever lies in an image or a template: the guest gets its host key over
//! the boot channel. Both private keys lie in the instance's folder, for its owner only, so that a
//! guest which takes the place of another is the same to whoever connects; they go with `down`, and
//! with a guest that dies.

use std::path::Path;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey};
use zeroize::Zeroizing;

use crate::error::{Exit, Hint};
use crate::instance::{InstanceError, InstancePaths, read_file, replace_file};

/// Why an instance has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key could not be made or written in its format.
    #[error("could not make an Ed25519 key")]
    Make(#[source] ssh_key::Error),
    /// A key's file could not be read or written.
    #[error(transparent)]
    File(#[from] InstanceError),
}

impl Hint for KeyError {
    fn hint(&self) -> String {
        match self {
            Self::Make(_) => "run the command again; this is a mistake of netlab's own".to_owned(),
            Self::File(error) => error.hint(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Make(_) => Exit::HostLacks,
            Self::File(error) => error.exit(),
        }
    }
}

/// The two keys of one instance.
pub struct InstanceKeys {
    client: PrivateKey,
    host: Ed25519Keypair,
}

impl InstanceKeys {
    /// Takes the keys that are in the instance's folder, or makes both if they are not there whole.
    /// What was pinned is written anew from the host key in any case.
    ///
    /// # Errors
    /// [`KeyError::Make`] or [`KeyError::File`].
    pub fn ensure(paths: &InstancePaths) -> Result<Self, KeyError> {
        let keys = match (read(&paths.identity())?, read(&paths.host_key())?) {
            (Some((client, _)), Some((_, host))) => Self { client, host },
            _ => Self::create(paths)?,
        };
        let public = ssh_key::PublicKey::from(keys.host.public);
        let alias = paths.name().host_alias();
        let pinned = known_hosts_line(&alias, &public).map_err(KeyError::Make)?;
        replace_file(&paths.known_hosts(), pinned.as_bytes())?;
        Ok(keys)
    }

    /// Makes both keys and writes them, readable by their owner only.
    fn create(paths: &InstancePaths) -> Result<Self, KeyError> {
        let mut random = rand::rng();
        let client = PrivateKey::random(&mut random, Algorithm::Ed25519).map_err(KeyError::Make)?;
        let host = Ed25519Keypair::random(&mut random);
        for (path, key) in
            [(paths.identity(), &client), (paths.host_key(), &PrivateKey::from(host.clone()))]
        {
            let text = key.to_openssh(LineEnding::LF).map_err(KeyError::Make)?;
            replace_file(&path, text.as_bytes())?;
        }
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

/// Reads a private key, once as itself and once as the pair that it is made of. `None` if there is no
/// file, or none that holds a whole Ed25519 key.
fn read(path: &Path) -> Result<Option<(PrivateKey, Ed25519Keypair)>, InstanceError> {
    let Some(text) = read_file(path)?.map(Zeroizing::new) else { return Ok(None) };
    Ok(PrivateKey::from_openssh(&*text).ok().and_then(|key| {
        let pair = key.key_data().ed25519()?.clone();
        Some((key, pair))
    }))
}

fn known_hosts_line(alias: &str, key: &ssh_key::PublicKey) -> Result<String, ssh_key::Error> {
    Ok(format!("{alias} {}\n", key.to_openssh()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::instance::{Home, Name};

    /// A key made by `ssh-keygen`, and what `dropbearconvert openssh dropbear` made of it.
    const OPENSSH_KEY: &str = include_str!("fixtures/host_key");
    const DROPBEAR_KEY: &[u8] = include_bytes!("fixtures/host_key.dropbear");

    fn instance_in(folder: &tempfile::TempDir) -> InstancePaths {
        let home = Home::at(folder.path().to_owned());
        let paths = home.instance(&Name::DEFAULT.parse().unwrap());
        paths.create_folder().unwrap();
        paths
    }

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
        let paths = instance_in(&folder);
        let made = InstanceKeys::ensure(&paths).unwrap();
        let identity = PrivateKey::read_openssh_file(paths.identity()).unwrap();
        assert_eq!(identity.public_key().to_openssh(), made.client.public_key().to_openssh());
        assert!(made.authorized_key().unwrap().starts_with("ssh-ed25519 AAAA"));
        let path = paths.known_hosts();
        let pinned =
            russh::keys::known_hosts::known_host_keys_path("netlab-default", 22, path).unwrap();
        assert_eq!(pinned[0].1.key_data().ed25519(), Some(&made.host.public));
    }

    #[test]
    fn keys_are_found_again_until_one_of_them_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance_in(&folder);
        let both = |keys: &InstanceKeys| (keys.authorized_key().unwrap(), keys.host.public);
        let made = both(&InstanceKeys::ensure(&paths).unwrap());
        let pinned = fs::read(paths.known_hosts()).unwrap();
        replace_file(&paths.known_hosts(), b"another\n").unwrap();
        assert_eq!(both(&InstanceKeys::ensure(&paths).unwrap()), made);
        assert_eq!(fs::read(paths.known_hosts()).unwrap(), pinned);
        for half in [paths.identity(), paths.host_key()] {
            let before = both(&InstanceKeys::ensure(&paths).unwrap());
            replace_file(&half, &fs::read(&half).unwrap()[..100]).unwrap();
            let after = both(&InstanceKeys::ensure(&paths).unwrap());
            assert!(before.0 != after.0 && before.1 != after.1, "{}", half.display());
        }
    }

    #[test]
    fn the_private_keys_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance_in(&folder);
        InstanceKeys::ensure(&paths).unwrap();
        #[expect(clippy::disallowed_methods, reason = "`ls` shows modes on every Unix alike")]
        let mut list = std::process::Command::new("ls");
        let listed = list.arg("-l").args([paths.identity(), paths.host_key()]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(listed.matches("-rw------- ").count(), 2, "{listed}");
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
