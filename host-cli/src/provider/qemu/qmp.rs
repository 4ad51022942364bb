//! QEMU's machine protocol: one JSON object a line, an answer to each command, events between.
//! The rule: QEMU serves one client at a time on its socket, so a client is short-lived.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::time::{Instant, timeout_at};

use crate::platform::{self, Connection};

/// Time for QEMU to answer: its main loop answers in milliseconds unless it is stopped or stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Longest line that is read, in bytes; the answers that we ask for have a few hundred.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Why QEMU could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The channel can't be opened: QEMU isn't there, or not yet.
    #[error("can't reach QEMU at `{address}`")]
    Connect {
        /// The channel.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The channel broke.
    #[error("QEMU's control channel broke at `{command}`")]
    Broken {
        /// What was asked.
        command: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No answer.
    #[error("QEMU did not answer `{command}` within {} s", ANSWER_WITHIN.as_secs())]
    Silent {
        /// What was asked.
        command: String,
    },
    /// An answer that is none.
    #[error("QEMU answered `{command}` with `{answer}`")]
    Unexpected {
        /// What was asked.
        command: String,
        /// What came, shortened.
        answer: String,
    },
}

/// How far the writing of a guest's state has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Migration {
    /// It goes on.
    Underway,
    /// All of it is written.
    Completed,
    /// It was given up, for this reason.
    Failed(String),
}

/// A client of a running QEMU.
pub struct Qmp<S = Connection> {
    stream: BufStream<S>,
    /// When the guest came to stand still, in QEMU's time.
    stands_since: Option<Duration>,
    /// How long the guest stood still last.
    stood: Option<Duration>,
}

impl Qmp {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn connect(address: &str) -> Result<Self, QmpError> {
        let stream = platform::connect(address)
            .await
            .map_err(|source| QmpError::Connect { address: address.to_owned(), source })?;
        Self::handshake(stream).await
    }

    /// Connects to the QEMU of the machine that has this UUID.
    ///
    /// # Errors
    /// [`QmpError`]: another machine's answer is unexpected.
    pub async fn of(address: &str, uuid: &str) -> Result<Self, QmpError> {
        let mut client = Self::connect(address).await?;
        let answer = client.uuid().await?;
        if answer == uuid {
            Ok(client)
        } else {
            Err(QmpError::Unexpected { command: "query-uuid".to_owned(), answer })
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Qmp<S> {
    /// Reads the greeting and leaves the negotiation mode.
    pub(super) async fn handshake(stream: S) -> Result<Self, QmpError> {
        let stream = BufStream::new(stream);
        let mut client = Self { stream, stands_since: None, stood: None };
        let greeting = client.line("greeting", Instant::now() + ANSWER_WITHIN).await?;
        if greeting.get("QMP").is_none() {
            return Err(unexpected("greeting", &greeting));
        }
        client.execute("qmp_capabilities", json!({})).await?;
        Ok(client)
    }

    /// The UUID of the machine, as `-uuid` gave it.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn uuid(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-uuid", json!({})).await?;
        text(&answer, "UUID").ok_or_else(|| unexpected("query-uuid", &answer))
    }

    /// QEMU's word for the machine's state, such as `running`.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn status(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", json!({})).await?;
        text(&answer, "status").ok_or_else(|| unexpected("query-status", &answer))
    }

    /// How long the guest stood still last, as QEMU's own events tell it, if it did since this
    /// client is connected.
    pub fn stood_still(&self) -> Option<Duration> {
        self.stood
    }

    /// The port on the host that leads to port 22 of the guest.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn forwarded_port(&mut self) -> Result<u16, QmpError> {
        // Only the monitor for humans knows it.
        let command = "human-monitor-command";
        let answer = self.execute(command, json!({ "command-line": "info usernet" })).await?;
        answer.as_str().and_then(port_of_ssh).ok_or_else(|| unexpected("info usernet", &answer))
    }

    /// Stops the guest's processors.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn stop(&mut self) -> Result<(), QmpError> {
        self.execute("stop", json!({})).await.map(drop)
    }

    /// Lets them run.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn go_on(&mut self) -> Result<(), QmpError> {
        self.execute("cont", json!({})).await.map(drop)
    }

    /// Says whether a saved state leaves out memory that lies in a file of its own, and loading
    /// one expects none (`x-ignore-shared`).
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn leave_out_memory(&mut self, leave_out: bool) -> Result<(), QmpError> {
        let capability = json!({ "capability": "x-ignore-shared", "state": leave_out });
        let arguments = json!({ "capabilities": [capability] });
        self.execute("migrate-set-capabilities", arguments).await.map(drop)
    }

    /// Begins to write the guest's state to `uri`. QEMU's own bound of the pace, meant for networks,
    /// is lifted.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn migrate(&mut self, uri: &str) -> Result<(), QmpError> {
        let unbounded = json!({ "max-bandwidth": 1_u64 << 36 });
        self.execute("migrate-set-parameters", unbounded).await?;
        self.execute("migrate", json!({ "uri": uri })).await.map(drop)
    }

    /// Gives up the writing of the state; none to give up is no error.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn migrate_cancel(&mut self) -> Result<(), QmpError> {
        self.execute("migrate_cancel", json!({})).await.map(drop)
    }

    /// How far the writing of the state has come.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn migration(&mut self) -> Result<Migration, QmpError> {
        let answer = self.execute("query-migrate", json!({})).await?;
        match text(&answer, "status").as_deref() {
            Some("completed") => Ok(Migration::Completed),
            Some("failed" | "cancelled" | "cancelling") => {
                let reason = text(&answer, "error-desc");
                Ok(Migration::Failed(reason.unwrap_or_else(|| "it did not say why".to_owned())))
            }
            Some(_) => Ok(Migration::Underway),
            None => Err(unexpected("query-migrate", &answer)),
        }
    }

    /// Begins to listen at `uri` for a saved state. Only for a QEMU that was started to do so.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn migrate_incoming(&mut self, uri: &str) -> Result<(), QmpError> {
        self.execute("migrate-incoming", json!({ "uri": uri })).await.map(drop)
    }

    /// Ends QEMU. That it is gone shows at its process.
    ///
    /// # Errors
    /// [`QmpError`].
    pub async fn quit(&mut self) -> Result<(), QmpError> {
        self.execute("quit", json!({})).await.map(drop)
    }

    async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let broken = |source| QmpError::Broken { command: command.to_owned(), source };
        let request = json!({ "execute": command, "arguments": arguments });
        let write = async {
            self.stream.write_all(format!("{request}\n").as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, write).await {
            Ok(written) => written.map_err(broken)?,
            Err(_) => {
                return Err(QmpError::Silent { command: command.to_owned() });
            }
        }
        loop {
            let mut answer = self.line(command, deadline).await?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if answer.get("event").is_none() {
                return Err(unexpected(command, &answer));
            }
            self.hear(&answer);
        }
    }

    /// Takes note of an event.
    fn hear(&mut self, event: &Value) {
        let at = |field| event.get("timestamp")?.get(field)?.as_u64();
        let (Some(seconds), Some(micros)) = (at("seconds"), at("microseconds")) else {
            return;
        };
        let Some(at) = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
        else {
            return;
        };
        match text(event, "event").as_deref() {
            Some("STOP") => self.stands_since = Some(at),
            Some("RESUME") => {
                let since = self.stands_since.take();
                self.stood = since.map(|since| at.saturating_sub(since)).or(self.stood);
            }
            _ => {}
        }
    }

    async fn line(&mut self, command: &str, deadline: Instant) -> Result<Value, QmpError> {
        let broken = |source| QmpError::Broken { command: command.to_owned(), source };
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut self.stream, MAX_LINE_BYTES);
        let count = match timeout_at(deadline, limited.read_until(b'\n', &mut line)).await {
            Ok(read) => read.map_err(broken)?,
            Err(_) => {
                return Err(QmpError::Silent { command: command.to_owned() });
            }
        };
        if count == 0 {
            return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_slice(&line)
            .map_err(|_| unexpected(command, &Value::String(String::from_utf8_lossy(&line).into())))
    }
}

fn text(answer: &Value, field: &str) -> Option<String> {
    answer.get(field)?.as_str().map(str::to_owned)
}

fn unexpected(command: &str, answer: &Value) -> QmpError {
    let answer = answer.to_string().chars().take(200).collect();
    QmpError::Unexpected { command: command.to_owned(), answer }
}

/// Finds the forwarding to port 22 in what `info usernet` prints:
/// `TCP[HOST_FORWARD]   8   127.0.0.1 40535   10.0.2.15    22   0   0`.
pub(super) fn port_of_ssh(table: &str) -> Option<u16> {
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["TCP[HOST_FORWARD]", _, "127.0.0.1", port, _, "22", ..] => port.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};

    /// Plays QEMU: sends `answers`, one for the greeting and one for each line that comes.
    async fn played(
        answers: &'static [&'static str],
    ) -> Result<Qmp<tokio::io::DuplexStream>, QmpError> {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            for answer in answers {
                theirs.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                let mut byte = [0];
                while theirs.read(&mut byte).await.unwrap_or(0) == 1 && byte != *b"\n" {}
            }
        });
        Qmp::handshake(ours).await
    }

    #[tokio::test]
    async fn events_between_question_and_answer_are_passed_over() {
        let mut client = played(&[
            r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#,
            r#"{"return": {}}"#,
            "{\"event\": \"RESUME\", \"timestamp\": {}}\n{\"return\": {\"UUID\": \"u-1\"}}",
        ])
        .await
        .unwrap();
        assert_eq!(client.uuid().await.unwrap(), "u-1");
    }

    #[tokio::test]
    async fn what_is_no_qemu_is_told() {
        let error = played(&["SSH-2.0-x"]).await.err().unwrap();
        assert_eq!(error.to_string(), r#"QEMU answered `greeting` with `"SSH-2.0-x\r\n"`"#);
        let error =
            played(&[r#"{"QMP": {}}"#, r#"{"error": {"desc": "no"}}"#]).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            r#"QEMU answered `qmp_capabilities` with `{"error":{"desc":"no"}}`"#
        );
        let error = played(&[r#"{"QMP": {}}"#]).await.err().unwrap();
        assert_eq!(error.to_string(), "QEMU's control channel broke at `qmp_capabilities`");
    }

    #[tokio::test]
    async fn an_event_of_no_time_that_there_is_is_passed_over() {
        let mut client = played(&[
            r#"{"QMP": {}}"#,
            r#"{"return": {}}"#,
            "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 18446744073709551615, \
             \"microseconds\": 1000000}}\n{\"return\": {}}",
        ])
        .await
        .unwrap();
        client.stop().await.unwrap();
        assert_eq!(client.stood_still(), None);
    }

    #[tokio::test]
    async fn the_time_for_which_a_guest_stood_still_is_read_from_events() {
        let mut client = played(&[
            r#"{"QMP": {}}"#,
            r#"{"return": {}}"#,
            "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 7, \"microseconds\": 900000}}\n\
             {\"return\": {\"status\": \"completed\"}}",
            "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 8, \"microseconds\": 1}}\n\
             {\"return\": {}}",
        ])
        .await
        .unwrap();
        assert_eq!(client.migration().await.unwrap(), Migration::Completed);
        assert_eq!(client.stood_still(), None);
        client.go_on().await.unwrap();
        assert_eq!(client.stood_still(), Some(Duration::from_micros(100_001)));
    }

    #[test]
    fn the_port_is_read_from_what_qemu_7_2_printed() {
        let table = "Hub -1 (n):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   14       127.0.0.1 50000       10.0.2.15    22     0     0\r
  TCP[HOST_FORWARD]   8       127.0.0.1 40535       10.0.2.15    22     0     0\r
";
        assert_eq!(port_of_ssh(table), Some(40535));
        assert_eq!(port_of_ssh("no network here"), None);
    }
}
