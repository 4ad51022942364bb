//! Proving who the user is: with the keys of the SSH agent, then with identity files that need no
//! passphrase. netlab asks for no password, so that it works the same without a terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::AgentAuthError;
use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey, load_public_key, load_secret_key};

use super::error::OpenSshError;
use super::settings::Settings;
use crate::platform::{self, Platform};
use crate::ssh::SshError;

/// Logs in as OpenSSH would.
///
/// # Errors
/// [`OpenSshError::NoKeyFits`], or the connection breaks.
pub async fn log_in<H>(handle: &mut Handle<H>, settings: &Settings) -> Result<(), SshError>
where
    H: client::Handler,
{
    let mut tried = Tried::default();
    if from_agent(handle, settings, &mut tried).await?
        || from_files(handle, settings, &mut tried).await?
    {
        return Ok(());
    }
    if tried.ended {
        let (address, user) = (settings.address.to_string(), settings.user.clone());
        let (command, tried) = (settings.command(), tried.words());
        return Err(OpenSshError::BrokenOff { address, user, command, tried }.into());
    }
    Err(OpenSshError::NoKeyFits {
        address: settings.address.to_string(),
        user: settings.user.clone(),
        command: settings.command(),
        tried: tried.words(),
        locked: tried.locked.into_iter().next(),
    }
    .into())
}

/// What has been tried in vain.
#[derive(Debug, Default)]
struct Tried {
    /// The keys that were offered, as the user knows them.
    offered: Vec<String>,
    /// Files of keys that want a passphrase.
    locked: Vec<PathBuf>,
    /// Keys that could not be offered for another reason, and the reason, in words.
    passed_over: Vec<String>,
    /// Whether the server takes a key, but wants more than that.
    partly: bool,
    /// Whether the connection has ended meanwhile, so that nothing else can be tried.
    ended: bool,
}

impl Tried {
    fn note(&mut self, key: String, result: &AuthResult) -> bool {
        if let AuthResult::Failure { remaining_methods, partial_success } = result {
            self.partly |= partial_success;
            // That is how russh tells of the connection's end, and a server that it is of no use.
            self.ended |= remaining_methods.is_empty();
        }
        self.offered.push(key);
        result.success()
    }

    fn words(&self) -> String {
        let mut words = match self.offered.as_slice() {
            [] => "there was none to offer".to_owned(),
            offered => offered.join(", "),
        };
        if self.partly {
            words.push_str("; one was right, but the server wants more than a key");
        }
        for path in &self.locked {
            words.push_str(&format!("; `{}` wants a passphrase", path.display()));
        }
        for key in &self.passed_over {
            words.push_str(&format!("; {key}"));
        }
        words
    }
}

async fn from_agent<H: client::Handler>(
    handle: &mut Handle<H>,
    settings: &Settings,
    tried: &mut Tried,
) -> Result<bool, SshError> {
    let variable = std::env::var("SSH_AUTH_SOCK").ok().filter(|value| !value.is_empty());
    let Some(address) = Platform::HOST.ssh_agent(settings.agent.as_deref(), variable) else {
        return Ok(false);
    };
    // An agent that is not there, or is locked, has no keys.
    let Ok(stream) = platform::connect(&address).await else { return Ok(false) };
    let mut agent = AgentClient::connect(stream);
    let Ok(identities) = agent.request_identities().await else { return Ok(false) };
    let named: Vec<_> = settings.identities.iter().filter_map(|path| public_half(path)).collect();
    let mut keys: Vec<(bool, PublicKey, String)> = Vec::new();
    for identity in identities {
        if let AgentIdentity::PublicKey { key, comment } = identity {
            let is_named = named.iter().any(|named| named.key_data() == key.key_data());
            if is_named || !settings.identities_only {
                keys.push((is_named, key, comment));
            }
        }
    }
    // Servers take only a few tries: what the configuration names comes first.
    keys.sort_by_key(|(is_named, ..)| !is_named);
    for (_, key, comment) in keys {
        if tried.ended {
            break;
        }
        let hash = hash_for(handle, &key, settings).await?;
        let name = format!("`{comment}` of the agent");
        match handle.authenticate_publickey_with(&settings.user, key, hash, &mut agent).await {
            Ok(result) => {
                if tried.note(name, &result) {
                    return Ok(true);
                }
            }
            Err(AgentAuthError::Send(_)) => tried.ended = true,
            // Such as one that is to be confirmed; but the server may not have waited for that.
            Err(AgentAuthError::Key(cause)) => {
                tried.ended |= handle.is_closed();
                tried.passed_over.push(format!("{name} did not sign: {cause}"));
            }
        }
    }
    Ok(false)
}

async fn from_files<H: client::Handler>(
    handle: &mut Handle<H>,
    settings: &Settings,
    tried: &mut Tried,
) -> Result<bool, SshError> {
    for path in settings.identities.iter().filter(|path| path.is_file()) {
        if tried.ended {
            break;
        }
        let key = match load_secret_key(path, None) {
            Ok(key) => key,
            Err(russh::keys::Error::KeyIsEncrypted) => {
                tried.locked.push(path.clone());
                continue;
            }
            // It may be a public key, or in the format of another program.
            Err(cause) => {
                tried.passed_over.push(format!("`{}` can't be read: {cause}", path.display()));
                continue;
            }
        };
        // Such as one whose other half is on a security key. It is tried before it is offered, since a
        // key that fails then ends the connection.
        if let Err(cause) = key.sign("netlab", HashAlg::Sha256, &[]) {
            tried.passed_over.push(format!("`{}` can't sign: {cause}", path.display()));
            continue;
        }
        let hash = hash_for(handle, key.public_key(), settings).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        match handle.authenticate_publickey(&settings.user, key).await {
            Ok(result) => {
                if tried.note(format!("`{}`", path.display()), &result) {
                    return Ok(true);
                }
            }
            Err(russh::Error::SendError) => tried.ended = true,
            Err(cause) => return Err(broken(settings, cause)),
        }
    }
    Ok(false)
}

/// The hash that an RSA key signs with; other keys have one of their own.
async fn hash_for<H: client::Handler>(
    handle: &Handle<H>,
    key: &PublicKey,
    settings: &Settings,
) -> Result<Option<HashAlg>, SshError> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    let best = handle.best_supported_rsa_hash().await.map_err(|cause| broken(settings, cause))?;
    // A server that does not tell is taken for one that knows what every OpenSSH since 7.2 does.
    Ok(best.unwrap_or(Some(HashAlg::Sha512)))
}

/// The public half of a key's file: it lies beside it, or the file is it.
fn public_half(path: &Path) -> Option<PublicKey> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let of_private = || Some(load_secret_key(path, None).ok()?.public_key().clone());
    load_public_key(&beside).or_else(|_| load_public_key(path)).ok().or_else(of_private)
}

fn broken(settings: &Settings, cause: russh::Error) -> SshError {
    SshError::Handshake { address: settings.address.clone(), cause: Box::new(cause) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::guard::Guard;
    use crate::ssh::openssh::Known;
    use crate::ssh::test_server::{Guest, serve};

    /// Logs in at a guest with these identity files and no agent.
    async fn log_in_with(guest: &Guest, files: &[&Path]) -> Result<(), SshError> {
        let files: String =
            files.iter().map(|file| format!("identityfile {}\n", file.display())).collect();
        let printed = format!("user root\nhostname vm\nport 22\nidentityagent none\n{files}");
        let settings = Settings::read(&printed, "vm", None, Path::new("/h")).unwrap();
        let (config, guard) = (Arc::default(), Guard::new(Known::default(), true));
        let mut handle = client::connect_stream(config, serve(guest), guard).await.unwrap();
        log_in(&mut handle, &settings).await
    }

    #[tokio::test]
    async fn a_file_that_is_no_private_key_is_passed_over() {
        let guest = Guest::new();
        let folder = tempfile::tempdir().unwrap();
        let [public, broken] = ["id.pub", "id"].map(|name| folder.path().join(name));
        std::fs::write(&public, guest.allowed.to_openssh().unwrap()).unwrap();
        std::fs::write(&broken, "-----BEGIN OPENSSH PRIVATE KEY-----\nno").unwrap();
        log_in_with(&guest, &[&public, &broken, &guest.pinned().identity]).await.unwrap();
        let error = log_in_with(&guest, &[&public]).await.unwrap_err().to_string();
        let words = format!("there was none to offer; `{}` can't be read: ", public.display());
        assert!(error.contains(&words), "{error}");
    }

    #[test]
    fn what_was_tried_is_told_by_name() {
        assert_eq!(Tried::default().words(), "there was none to offer");
        let tried = Tried {
            offered: vec!["`me` of the agent".to_owned(), "`/h/id`".to_owned()],
            locked: vec!["/h/other".into()],
            passed_over: vec!["`/h/key.pub` can't be read: no".to_owned()],
            partly: true,
            ended: false,
        };
        assert_eq!(
            tried.words(),
            "`me` of the agent, `/h/id`; one was right, but the server wants more than a key; \
             `/h/other` wants a passphrase; `/h/key.pub` can't be read: no"
        );
    }
}
