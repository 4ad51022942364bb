//! An SSH server in the test's own process, over a pipe in memory, that plays the guest.

use std::collections::HashMap;
use std::sync::Arc;

use netlab_protocol::{Decoder, Event, Request, encode};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Auth, Msg, Session, VerifiedPublicKey};
use russh::{ChannelId, Sig};
use tempfile::TempDir;
use tokio::io::DuplexStream;

use super::keys::InstanceKeys;
use super::{Address, Connection, Login, Pinned, SshError};
use crate::instance::{Home, InstancePaths};
use crate::provider::Endpoint;

/// Bytes that the pipe holds each way: more than any test sends, since both ends in one process
/// would else wait for each other.
const PIPE_BYTES: usize = 8 << 20;

/// A guest with keys of its own, and how to reach it.
pub struct Guest {
    paths: InstancePaths,
    _folder: TempDir,
    /// The key that the server shows: the pinned one, unless a test puts another here.
    pub host_key: PrivateKey,
    /// The key that may log in: ours, unless a test puts another here.
    pub allowed: PublicKey,
    /// What the command `agent` prints before it closes, and how it ends.
    pub agent: Vec<u8>,
    /// What the command `agent` answers to each request, if it lives on.
    pub answers: Option<Answers>,
}

/// Says what an agent answers to a request.
pub type Answers = Arc<dyn Fn(&Request) -> Vec<Event> + Send + Sync>;

impl Guest {
    /// A guest as it should be.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"test".parse().unwrap());
        paths.create_folder().unwrap();
        let keys = InstanceKeys::ensure(&paths).unwrap();
        let allowed = PublicKey::from_openssh(&keys.authorized_key().unwrap()).unwrap();
        let (host_key, agent) = (keys.host_key(), Vec::new());
        Self { paths, _folder: folder, host_key, allowed, agent, answers: None }
    }

    /// Another key than any of the guest's.
    pub fn strange_key() -> PrivateKey {
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
    }

    /// How to reach it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            name: self.paths.name().to_string(),
            address: Address { host: "127.0.0.1".to_owned(), port: 22 },
            user: "root".to_owned(),
            login: Login::Pinned(self.pinned()),
            architecture: crate::platform::Architecture::HOST,
            accelerator: None,
            tier: None,
            attached: true,
            seen: None,
        }
    }

    /// Its keys.
    pub fn pinned(&self) -> Pinned {
        Pinned {
            identity: self.paths.identity(),
            known_hosts: self.paths.known_hosts(),
            host_alias: self.paths.name().host_alias(),
        }
    }
}

/// Serves one connection of the guest, and connects to it.
pub async fn connect(guest: &Guest) -> Result<Connection, SshError> {
    Connection::over(serve(guest), &guest.endpoint(), &guest.pinned()).await
}

/// Serves one connection of the guest, and returns the other end of it.
pub fn serve(guest: &Guest) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let config = Arc::new(server::Config {
        keys: vec![guest.host_key.clone()],
        auth_rejection_time: std::time::Duration::ZERO,
        ..server::Config::default()
    });
    let server = Server {
        allowed: guest.allowed.clone(),
        agent: guest.agent.clone(),
        answers: guest.answers.clone(),
        requests: Decoder::default(),
        running: HashMap::new(),
    };
    tokio::spawn(async move {
        if let Ok(session) = server::run_stream(config, theirs, server).await {
            // How it ends is seen on the client's side.
            let _ = session.await;
        }
    });
    ours
}

struct Server {
    allowed: PublicKey,
    agent: Vec<u8>,
    answers: Option<Answers>,
    requests: Decoder,
    running: HashMap<ChannelId, String>,
}

impl Server {
    fn end(channel: ChannelId, status: u32, session: &mut Session) -> Result<(), russh::Error> {
        session.exit_status_request(channel, status)?;
        session.eof(channel)?;
        session.close(channel)
    }
}

impl server::Handler for Server {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let ours = key.public_key.key_data() == self.allowed.key_data();
        Ok(if ours { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: russh::Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let line = String::from_utf8_lossy(line).into_owned();
        session.channel_success(channel)?;
        match line.as_str() {
            "true" => Self::end(channel, 0, session)?,
            "fail 3" => {
                session.data(channel, b"out\n".to_vec())?;
                session.extended_data(channel, 1, b"err\n".to_vec())?;
                Self::end(channel, 3, session)?;
            }
            "killed" => {
                session.exit_signal_request(channel, Sig::KILL, false, "", "")?;
                session.close(channel)?;
            }
            "vanish" => session.close(channel)?,
            "cat" => {}
            _ if self.answers.is_some() => session.data(channel, self.agent.clone())?,
            _ => {
                session.data(channel, self.agent.clone())?;
                session.extended_data(channel, 1, b"the agent's last words\n".to_vec())?;
                Self::end(channel, 1, session)?;
            }
        }
        self.running.insert(channel, line);
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.running.get(&channel).is_some_and(|line| line == "cat") {
            session.data(channel, data.to_vec())?;
        } else if let Some(answers) = &self.answers {
            self.requests.push(data);
            while let Some(request) = self.requests.message::<Request>().unwrap() {
                for event in answers(&request) {
                    session.data(channel, encode(&event).unwrap())?;
                }
            }
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.running.get(&channel) {
            Some(line) if line == "cat" => Self::end(channel, 0, session),
            _ => Ok(()),
        }
    }
}
