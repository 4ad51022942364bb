//! A session with the agent: hello, then requests one way and events the other.

use std::time::Duration;

use netlab_protocol::{Decoder, Event, Hello, Request, encode};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{Instant, timeout_at};

use super::binary;
use super::error::SessionError;
use super::ship::{Started, ship};
use crate::platform::Architecture;
use crate::ssh::{Channel, Connection, Piece};

/// Deadline for shipping the agent and its hello: together 0.3 s under emulation.
const HELLO_LIMIT: Duration = Duration::from_secs(20);

/// The same for a machine that is reached over a network: 2.5 MB at 20 kB a second.
const LENT_HELLO_LIMIT: Duration = Duration::from_secs(120);

/// Bytes of the agent's standard error that are kept for an error's message.
const KEPT_WORDS: usize = 2048;

/// An open session.
pub struct Session {
    wire: Wire,
    hello: Hello,
}

impl Session {
    /// Ships the agent for such guests, if the guest hasn't it yet, starts it and waits for its hello.
    ///
    /// # Errors
    /// The agent could not be shipped or started, or it is of another build.
    pub async fn open(connection: &Connection, guest: Architecture) -> Result<Self, SessionError> {
        let binaries = binary::of(guest)?;
        let limit = if connection.is_lent() { LENT_HELLO_LIMIT } else { HELLO_LIMIT };
        let deadline = Instant::now() + limit;
        let shipped = ship(connection, binaries.agent, binaries.agent_sha256);
        match timeout_at(deadline, shipped).await {
            Ok(started) => {
                Self::greet(started?, env!("CARGO_PKG_VERSION"), (deadline, limit)).await
            }
            Err(_) => Err(SessionError::NoHello { limit, words: String::new() }),
        }
    }

    /// Who the agent is.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Sends a request; waits while the guest takes no more.
    ///
    /// # Errors
    /// The connection is lost, or the request is too large for a frame.
    pub async fn send(&mut self, request: &Request) -> Result<(), SessionError> {
        self.wire.doing = describe(request);
        let doing = &self.wire.doing;
        let frame = encode(request)
            .map_err(|source| SessionError::Frame { doing: doing.clone(), source })?;
        // What the agent said before it died tells more than that it takes nothing.
        if self.wire.channel.outgoing.send(frame, doing).await.is_err() {
            return Err(self.wire.drained().await);
        }
        Ok(())
    }

    /// Returns the next event. It may be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// The agent or the connection is lost, or what came is no event.
    pub async fn next(&mut self) -> Result<Event, SessionError> {
        self.wire.message().await
    }

    /// Ends the session, and waits until the agent has written its last word and is gone.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn end(mut self) -> Result<(), SessionError> {
        self.wire.channel.outgoing.end().await?;
        self.wire.drain().await;
        Ok(())
    }

    /// Makes the error for an event that is no answer to what was asked.
    pub fn unexpected(&self, doing: &str, event: &Event) -> SessionError {
        // The kind is enough: the rest may be a whole plan's output.
        let said = format!("{event:?}");
        let kind = said.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        SessionError::Unexpected { doing: doing.to_owned(), said: kind }
    }

    /// Takes the agent's hello.
    async fn greet(
        started: Started,
        host_version: &str,
        (deadline, limit): (Instant, Duration),
    ) -> Result<Self, SessionError> {
        let Started { channel, stdout, stderr } = started;
        let mut decoder = Decoder::default();
        decoder.push(&stdout);
        let doing = "starting it".to_owned();
        let mut wire = Wire { channel, decoder, stderr, doing, status: None };
        let Ok(hello) = timeout_at(deadline, wire.message::<Hello>()).await else {
            return Err(SessionError::NoHello { limit, words: wire.words() });
        };
        let hello = hello?.accept(host_version)?;
        wire.doing = "waiting for it".to_owned();
        Ok(Self { wire, hello })
    }
}

/// The channel to the agent, and what is known should it break.
struct Wire {
    channel: Channel,
    decoder: Decoder,
    stderr: Vec<u8>,
    doing: String,
    status: Option<u8>,
}

impl Wire {
    async fn message<T: DeserializeOwned>(&mut self) -> Result<T, SessionError> {
        loop {
            match self.decoder.message() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(source) => {
                    return Err(SessionError::Frame { doing: self.doing.clone(), source });
                }
            }
            let Some(piece) = self.channel.incoming.next().await else {
                return Err(self.lost());
            };
            self.take(piece);
        }
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Stdout(bytes) => self.decoder.push(&bytes),
            Piece::Stderr(bytes) => {
                self.stderr.extend(bytes);
                let excess = self.stderr.len().saturating_sub(KEPT_WORDS);
                self.stderr.drain(..excess);
            }
            Piece::Ended(status) => self.status = Some(status),
        }
    }

    /// Takes in the rest of what the agent said and tells how it was lost.
    async fn drained(&mut self) -> SessionError {
        self.drain().await;
        self.lost()
    }

    /// Takes in what nobody waits for any more, message by message, so that it does not pile up here
    /// however much it is. What is no message is the end of it.
    async fn drain(&mut self) {
        while let Some(piece) = self.channel.incoming.next().await {
            self.take(piece);
            loop {
                match self.decoder.message::<IgnoredAny>() {
                    Ok(Some(IgnoredAny)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    fn lost(&self) -> SessionError {
        let (doing, words) = (self.doing.clone(), self.words());
        let cause = match (self.status, self.decoder.finish()) {
            (Some(status), _) => format!("it ended with exit status {status}"),
            // Without a status the connection broke, and the error below knows how.
            (None, Ok(())) => return self.channel.outgoing.lost(&doing, &"it was closed").into(),
            (None, Err(truncated)) => truncated.to_string(),
        };
        SessionError::Lost { doing, cause, words }
    }

    fn words(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// Says what a request is about, for the message of an error.
fn describe(request: &Request) -> String {
    match request {
        Request::Open(plan) => format!("opening lab `{}`", plan.lab),
        // Which one it is, whoever runs the lab knows by the number that the learner sees.
        Request::Step { .. } => "running a step".to_owned(),
        Request::Topology => "asking for the topology".to_owned(),
        Request::Close { .. } => "ending the lab".to_owned(),
        Request::Reset => "clearing the guest".to_owned(),
        Request::Serve | Request::Rehearse => "starting the guest's services".to_owned(),
        Request::Hold => "holding the lab".to_owned(),
        Request::Attach => "going on with the lab".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use netlab_protocol::PROTOCOL_VERSION;

    use super::*;
    use crate::error::{Exit, Hint as _};
    use crate::ssh::test_server::{Guest, connect};

    fn hello(protocol: u32, version: &str) -> Hello {
        Hello {
            protocol,
            version: version.to_owned(),
            kernel: "6.12".to_owned(),
            uptime_ms: 1,
            kept: None,
            held: None,
        }
    }

    fn frames(hello: &Hello, events: &[Event]) -> Vec<u8> {
        let mut bytes = encode(hello).unwrap();
        bytes.extend(events.iter().flat_map(|event| encode(event).unwrap()));
        bytes
    }

    /// Opens a session with an agent that prints `said` after the shell's answer, and ends.
    async fn open(answer: &[u8], said: Vec<u8>) -> Result<Session, SessionError> {
        let mut guest = Guest::new();
        guest.agent = [answer, &said].concat();
        let connection = connect(&guest).await?;
        let started = ship(&connection, b"program", "cafe").await?;
        Session::greet(started, "0.1.0", (Instant::now() + HELLO_LIMIT, HELLO_LIMIT)).await
    }

    async fn refusal(answer: &[u8], said: Vec<u8>) -> SessionError {
        match open(answer, said).await {
            Ok(_) => panic!("the session was opened"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn events_follow_the_hello() {
        let said = frames(&hello(PROTOCOL_VERSION, "0.1.0"), &[Event::Opened, Event::Served]);
        let mut session = open(b"have\n", said).await.unwrap();
        assert_eq!(session.hello().kernel, "6.12");
        assert_eq!(session.next().await.unwrap(), Event::Opened);
        let other = session.next().await.unwrap();
        assert_eq!(
            session.unexpected("opening the lab", &other).to_string(),
            "the guest's agent said `Served` while opening the lab"
        );
    }

    #[tokio::test]
    async fn an_agent_of_another_build_is_refused() {
        let error = refusal(b"have\n", frames(&hello(9, "0.0.9"), &[])).await;
        assert_eq!(
            error.to_string(),
            format!(
                "the guest's agent 0.0.9 speaks protocol 9, this netlab 0.1.0 speaks {PROTOCOL_VERSION}"
            )
        );
        assert_eq!(error.exit(), Exit::ConnectionLost);
    }

    #[tokio::test]
    async fn an_agent_that_ends_is_told_with_the_step_and_its_last_words() {
        let said = frames(&hello(PROTOCOL_VERSION, "0.1.0"), &[]);
        let mut session = open(b"have\n", said).await.unwrap();
        // The agent may be gone before the request is, so either call may tell.
        let sent = session.send(&Request::Step { index: 4 }).await;
        let error = match sent {
            Ok(()) => session.next().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(
            error.to_string(),
            "the guest's agent was lost while running a step: it ended with exit status 1; its last words: the agent's last words"
        );
        assert_eq!(error.exit(), Exit::ConnectionLost);
    }

    #[tokio::test]
    async fn a_shell_that_can_not_take_the_agent_is_quoted() {
        let error = refusal(b"no sh", Vec::new()).await;
        assert_eq!(
            error.to_string(),
            "could not put the agent into the guest: its shell answered `no sh`"
        );
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        let said = [frames(&hello(PROTOCOL_VERSION, "0.1.0"), &[]), b"\xff\xff\xff\xff".to_vec()];
        let mut session = open(b"have\n", said.concat()).await.unwrap();
        let error = session.next().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the conversation with the guest's agent broke while waiting for it"
        );
        assert!(matches!(error, SessionError::Frame { .. }));
    }
}
