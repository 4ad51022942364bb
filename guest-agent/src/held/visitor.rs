//! The side that comes later: asks which lab is held, hands its host over, or has the lab ended.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use netlab_protocol::encode;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Answer, SOCKET, WORD_LIMIT, Word, broken, hear, say};
use crate::error::Error;
use crate::journal;
use crate::teardown::Removal;

/// How long a held lab may take to end: killing its processes and removing a few bridges, each of
/// which has limits of its own.
const END_LIMIT: Duration = Duration::from_secs(60);

/// A process whose host was handed over.
#[derive(Debug)]
pub struct Shell(UnixStream);

impl Shell {
    /// Waits for the end of the session. Returns whether it ended well.
    pub async fn over(mut self) -> bool {
        match hear(&mut self.0).await {
            Ok(Some(Answer::Over { well })) => well,
            Ok(Some(Answer::Lab(_) | Answer::Taken | Answer::Ended { .. }) | None) => false,
            Err(error) => {
                error.log();
                false
            }
        }
    }
}

/// Returns the id of the lab that another agent holds. One that does not answer holds nothing.
pub async fn lab() -> Option<String> {
    match ask(&Word::Lab, WORD_LIMIT).await {
        Ok(Some(Answer::Lab(lab))) => Some(lab),
        Ok(Some(Answer::Taken | Answer::Over { .. } | Answer::Ended { .. }) | None) => None,
        Err(error) => {
            journal::note(&error.to_string());
            None
        }
    }
}

/// Has the held lab ended by its agent; `None` if there is none.
///
/// # Errors
/// [`Error::System`] if its agent does not answer.
pub async fn end() -> Result<Option<Removal>, Error> {
    match ask(&Word::End, END_LIMIT).await? {
        Some(Answer::Ended { removed, errors }) => Ok(Some(Removal { removed, errors })),
        Some(Answer::Lab(_) | Answer::Taken | Answer::Over { .. }) => {
            Err(broken(ErrorKind::InvalidData.into()))
        }
        None => Ok(None),
    }
}

/// Hands this process's host over to the agent that holds a lab; `None` if there is none, or if it
/// let its lab go first.
///
/// # Errors
/// [`Error::System`] if it does not answer. It never reads the host's input then, since it was not
/// told that it may.
pub async fn attach() -> Result<Option<Shell>, Error> {
    let Some(mut stream) = connect().await? else { return Ok(None) };
    let word = encode(&Word::Attach)?;
    let files = [io::stdin().as_raw_fd(), io::stdout().as_raw_fd(), io::stderr().as_raw_fd()];
    let send = || {
        let rights = [ControlMessage::ScmRights(&files)];
        let slices = [IoSlice::new(&word)];
        sendmsg::<()>(stream.as_raw_fd(), &slices, &rights, MsgFlags::MSG_DONTWAIT, None)
            .map_err(io::Error::from)
    };
    let sent = stream.async_io(Interest::WRITABLE, send).await.map_err(broken)?;
    stream.write_all(&word[sent..]).await.map_err(broken)?;
    match timeout(WORD_LIMIT, hear(&mut stream)).await {
        Ok(Ok(Some(Answer::Taken))) => {
            say(&mut stream, &Word::Yours).await?;
            Ok(Some(Shell(stream)))
        }
        Ok(Ok(Some(Answer::Lab(_) | Answer::Over { .. } | Answer::Ended { .. }))) => {
            Err(broken(ErrorKind::InvalidData.into()))
        }
        Ok(Ok(None)) => Ok(None),
        Ok(Err(error)) => Err(error),
        Err(_late) => Err(broken(ErrorKind::TimedOut.into())),
    }
}

/// Says a word and returns the answer; `None` if nobody is there.
async fn ask(word: &Word, limit: Duration) -> Result<Option<Answer>, Error> {
    let Some(mut stream) = connect().await? else { return Ok(None) };
    say(&mut stream, word).await?;
    let late = |_| broken(ErrorKind::TimedOut.into());
    timeout(limit, hear(&mut stream)).await.map_err(late)?
}

/// Connects to the socket. That of an agent that was killed is there, but refuses.
async fn connect() -> Result<Option<UnixStream>, Error> {
    match UnixStream::connect(SOCKET).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::file("connect to", Path::new(SOCKET))(error)),
    }
}
