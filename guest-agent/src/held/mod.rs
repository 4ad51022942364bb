//! A held lab: its agent lives on without a host and listens on a socket for the next one.
//!
//! Nothing of a lab is written down for this: a guest is saved with its whole memory, so the agent
//! is in it with all that it knows, and only its connection dies. A later `netlab-agent serve`
//! hands its own connection over and stays as the shell of it, since its SSH server waits for it.

mod holder;
mod visitor;

use std::time::Duration;

use netlab_protocol::{Decoder, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

pub use holder::{Hold, Visit, Visitor, leave_stdio, take_stderr};
pub use visitor::{attach, end, lab};

use crate::error::Error;

/// Where the agent that holds a lab listens. The ledger's folder, which only root may enter.
const SOCKET: &str = "/run/netlab/held.sock";

/// How long either side waits for a word that needs no work: a guest may be just waking up.
const WORD_LIMIT: Duration = Duration::from_secs(5);

/// What a visitor says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// Which lab is it? Answered by `Lab`.
    Lab,
    /// Take my host: standard input, output and error come with it. Answered by `Taken`.
    Attach,
    /// The last word of the handover, said to `Taken`: the host is yours, and I don't read it any
    /// more. Without it the host stays the visitor's. Answered by `Over` at the end of the session.
    Yours,
    /// End the lab. Answered by `Ended`.
    End,
}

/// What the agent that holds a lab answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Lab(String),
    Taken,
    Over { well: bool },
    Ended { removed: Vec<String>, errors: Vec<String> },
}

fn broken(source: std::io::Error) -> Error {
    Error::System { doing: "talk with the agent that holds a lab", source }
}

async fn say<T: Serialize>(stream: &mut UnixStream, message: &T) -> Result<(), Error> {
    let frame = encode(message)?;
    let late = |_| broken(std::io::ErrorKind::TimedOut.into());
    timeout(WORD_LIMIT, stream.write_all(&frame)).await.map_err(late)?.map_err(broken)
}

/// Reads one message; `None` if the other side is gone instead.
async fn hear<T: DeserializeOwned>(stream: &mut UnixStream) -> Result<Option<T>, Error> {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = decoder.message()? {
            return Ok(Some(message));
        }
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(None),
            Ok(count) => decoder.push(&buffer[..count]),
            // A listener that goes away with visitors still at the door.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(broken(error)),
        }
    }
}
