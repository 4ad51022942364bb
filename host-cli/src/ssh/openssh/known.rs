//! The host keys that the user's `known_hosts` files have for a host. The rule: a key that is not
//! there is never taken, unless the user's own configuration says so; one that differs never is.

use std::path::{Path, PathBuf};

use russh::keys::{Algorithm, PublicKey};

use super::error::OpenSshError;
use super::program::known_lines;
use super::settings::Settings;

/// What is known of a host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    /// The first file that knows the host.
    file: PathBuf,
    /// The first file that has a revoked key.
    revoked_in: PathBuf,
}

/// What to think of the key that a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is the host's.
    Right,
    /// Nothing is known of the host.
    Unknown,
    /// The host is known by another key.
    Wrong,
    /// This key is revoked, whatever else is known.
    Revoked,
}

impl Known {
    /// Looks into the user's files, and into netlab's own, `pinned`, which has what it was shown first
    /// where the user's configuration leaves that to it.
    ///
    /// # Errors
    /// [`OpenSshError::Missing`].
    pub async fn of(settings: &Settings, pinned: &Path) -> Result<Self, OpenSshError> {
        let mut known = Self::default();
        let files = settings.known_hosts.iter().map(AsRef::as_ref);
        for file in files.chain([pinned]) {
            if file.is_file() {
                known.add(&known_lines(&settings.host_name, file).await?);
                if known.file.as_os_str().is_empty() && !known.keys.is_empty() {
                    known.file = file.to_owned();
                }
                if known.revoked_in.as_os_str().is_empty() && !known.revoked.is_empty() {
                    known.revoked_in = file.to_owned();
                }
            }
        }
        Ok(known)
    }

    /// Takes in lines as `ssh-keygen -F` prints them. Those of certificate authorities are left out:
    /// netlab asks for plain keys.
    pub(super) fn add(&mut self, lines: &str) {
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace().peekable();
            let marker = words.next_if(|word| word.starts_with('@'));
            // The host's name, then the kind of the key and the key.
            let key = words.skip(1).take(2).collect::<Vec<_>>().join(" ");
            match (marker, PublicKey::from_openssh(&key)) {
                (None, Ok(key)) => self.keys.push(key),
                (Some("@revoked"), Ok(key)) => self.revoked.push(key),
                (Some(_), Ok(_)) | (_, Err(_)) => {}
            }
        }
    }

    /// The keys of a guest whose only one is pinned.
    pub fn only(key: PublicKey) -> Self {
        Self { keys: vec![key], ..Self::default() }
    }

    /// Judges the key that a server shows.
    pub fn judge(&self, shown: &PublicKey) -> Judgement {
        let is_in = |keys: &[PublicKey]| keys.iter().any(|key| key.key_data() == shown.key_data());
        if is_in(&self.revoked) {
            return Judgement::Revoked;
        }
        match self.keys.is_empty() {
            true => Judgement::Unknown,
            false if is_in(&self.keys) => Judgement::Right,
            false => Judgement::Wrong,
        }
    }

    /// The kinds of keys to ask the server for: those that are known first, so that a server with
    /// several shows one of them.
    pub fn order(&self, mut all: Vec<Algorithm>) -> Vec<Algorithm> {
        let is_known = |algorithm: &Algorithm| {
            self.keys.iter().any(|key| match (key.algorithm(), algorithm) {
                // One key, several ways to sign with it.
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (one, other) => one == *other,
            })
        };
        all.sort_by_key(|algorithm| !is_known(algorithm));
        all
    }

    /// The first file that knows the host.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The first file that has a revoked key.
    pub fn revoked_in(&self) -> &Path {
        &self.revoked_in
    }

    /// The fingerprints of the known keys.
    pub fn fingerprints(&self) -> String {
        let fingerprint =
            |key: &PublicKey| key.fingerprint(russh::keys::HashAlg::Sha256).to_string();
        self.keys.iter().map(fingerprint).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;

    use super::*;

    fn key() -> PublicKey {
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap().public_key().clone()
    }

    fn line(host: &str, key: &PublicKey) -> String {
        format!("{host} {}", key.to_openssh().unwrap())
    }

    #[tokio::test]
    async fn openssh_finds_hosts_by_name_pattern_port_and_mark() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known hosts");
        let [plain, port, pattern, revoked] = [key(), key(), key(), key()];
        let lines = [
            line("pi.lan", &plain),
            line("[pi.lan]:2222", &port),
            line("*.example", &pattern),
            line("@revoked pi.lan", &revoked),
            "broken line".to_owned(),
        ];
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        let settings = |host_name: &str| Settings {
            host: "x".to_owned(),
            config: None,
            address: crate::ssh::Address { host: "x".to_owned(), port: 22 },
            user: "u".to_owned(),
            host_name: host_name.to_owned(),
            known_hosts: vec![file.clone(), folder.path().join("none")],
            takes_unknown: false,
            identities: Vec::new(),
            identities_only: false,
            agent: None,
            jump: None,
        };
        let rows = [
            ("pi.lan", &plain, Judgement::Right),
            ("pi.lan", &port, Judgement::Wrong),
            ("pi.lan", &revoked, Judgement::Revoked),
            ("[pi.lan]:2222", &port, Judgement::Right),
            ("vm.example", &pattern, Judgement::Right),
            ("other", &plain, Judgement::Unknown),
        ];
        for (host_name, shown, judgement) in rows {
            let known = Known::of(&settings(host_name), &folder.path().join("pin")).await.unwrap();
            assert_eq!(known.judge(shown), judgement, "{host_name}");
        }
    }

    #[test]
    fn the_server_is_asked_for_the_kind_of_key_that_is_known() {
        let all = vec![Algorithm::Rsa { hash: None }, Algorithm::Ed25519];
        assert_eq!(Known::only(key()).order(all.clone())[0], Algorithm::Ed25519);
        assert_eq!(Known::default().order(all.clone()), all);
    }
}
