//! The side that has the lab: a socket, and what visitors ask for.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use netlab_protocol::Decoder;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Answer, SOCKET, WORD_LIMIT, Word, broken, hear, say};
use crate::error::Error;
use crate::teardown::Removal;
use crate::wire::Host;

/// A lab that is held. Dropped, its socket goes.
#[derive(Debug)]
pub struct Hold {
    listener: Arc<UnixListener>,
    lab: String,
    /// The wait for a visitor, if one has begun. It goes on when nobody asks for it any more: who
    /// has knocked and was let in is not forgotten because something else happens.
    visit: JoinSet<Result<Visit, Error>>,
    /// The host that has asked for it, unless it was lost.
    pub host: Option<Host>,
}

/// What a visitor wants done.
#[derive(Debug)]
pub enum Visit {
    /// The lab is to go on with the visitor's host: its input, output and standard error.
    Attach(Visitor, [OwnedFd; 3]),
    /// The lab is to end.
    End(Visitor),
}

/// Whoever came to the socket.
#[derive(Debug)]
pub struct Visitor(UnixStream);

impl Hold {
    /// Opens the socket for a `lab`.
    ///
    /// # Errors
    /// [`Error::File`] if there can't be a socket.
    pub fn begin(lab: &str) -> Result<Self, Error> {
        let path = Path::new(SOCKET);
        // Only who has the lab's lock comes here: what lies there is an ended agent's.
        remove(path)?;
        let listener = UnixListener::bind(path).map_err(Error::file("listen at", path))?;
        let (listener, lab) = (Arc::new(listener), lab.to_owned());
        let hold = Self { listener, lab, visit: JoinSet::new(), host: None };
        fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(Error::file("protect", path))?;
        // Away from the SSH server's session, which is killed as a whole when it ends.
        match setsid() {
            Ok(_) | Err(Errno::EPERM) => Ok(hold),
            Err(errno) => Err(Error::System {
                doing: "leave the session of the SSH server",
                source: errno.into(),
            }),
        }
    }

    /// Waits for a visitor who wants something done. Given up and asked for again, it loses nobody.
    ///
    /// # Errors
    /// [`Error::System`] if nobody can come any more. A visitor's mistakes are only logged.
    pub async fn visit(&mut self) -> Result<Visit, Error> {
        if self.visit.is_empty() {
            self.visit.spawn(visit(Arc::clone(&self.listener), self.lab.clone()));
        }
        match self.visit.join_next().await {
            Some(Ok(visit)) => visit,
            Some(Err(error)) => Err(broken(error.into())),
            None => Err(broken(ErrorKind::NotConnected.into())),
        }
    }
}

/// Waits for a visitor who wants something done; tells those who only ask which `lab` it is.
async fn visit(listener: Arc<UnixListener>, lab: String) -> Result<Visit, Error> {
    loop {
        let (mut stream, _) = listener.accept().await.map_err(broken)?;
        let visited = match timeout(WORD_LIMIT, hear_with_files(&stream)).await {
            Ok(Ok((Word::Attach, files))) => match <[OwnedFd; 3]>::try_from(files) {
                Ok(files) => return Ok(Visit::Attach(Visitor(stream), files)),
                Err(_) => Err(broken(ErrorKind::InvalidData.into())),
            },
            Ok(Ok((Word::End, _))) => return Ok(Visit::End(Visitor(stream))),
            Ok(Ok((Word::Yours, _))) => Err(broken(ErrorKind::InvalidData.into())),
            Ok(Ok((Word::Lab, _))) => say(&mut stream, &Answer::Lab(lab.clone())).await,
            Ok(Err(error)) => Err(error),
            Err(_late) => Err(broken(ErrorKind::TimedOut.into())),
        };
        if let Err(error) = visited {
            error.log();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Err(error) = remove(Path::new(SOCKET)) {
            error.log();
        }
    }
}

impl Visitor {
    /// Takes its host over, which it has to leave in so many words: one that has given up must not
    /// share its input with somebody who took too long.
    ///
    /// # Errors
    /// [`Error::System`] if it does not leave its host, which stays its own then.
    pub async fn take(&mut self) -> Result<(), Error> {
        say(&mut self.0, &Answer::Taken).await?;
        match timeout(WORD_LIMIT, hear(&mut self.0)).await {
            Ok(Ok(Some(Word::Yours))) => Ok(()),
            Ok(Ok(Some(Word::Lab | Word::Attach | Word::End))) => {
                Err(broken(ErrorKind::InvalidData.into()))
            }
            Ok(Ok(None)) => Err(broken(ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => Err(error),
            Err(_late) => Err(broken(ErrorKind::TimedOut.into())),
        }
    }

    /// Says that the session with its host is over.
    ///
    /// # Errors
    /// [`Error::System`] if it is gone.
    pub async fn over(mut self, well: bool) -> Result<(), Error> {
        say(&mut self.0, &Answer::Over { well }).await
    }

    /// Says that the lab is over.
    ///
    /// # Errors
    /// [`Error::System`] if it is gone.
    pub async fn ended(mut self, removal: Removal) -> Result<(), Error> {
        let Removal { removed, errors } = removal.abridged();
        say(&mut self.0, &Answer::Ended { removed, errors }).await
    }

    /// Returns once it is gone, which a killed session is. It says nothing after its last word.
    pub async fn gone(&mut self) {
        let _end = self.0.read(&mut [0]).await;
    }
}

/// Lets go of the standard input, output and error of a host that is gone.
///
/// # Errors
/// [`Error::File`] or [`Error::System`].
pub fn leave_stdio() -> Result<(), Error> {
    let path = Path::new("/dev/null");
    let null = OpenOptions::new().read(true).write(true).open(path);
    let null: File = null.map_err(Error::file("open", path))?;
    let left = dup2_stdin(&null).and_then(|()| dup2_stdout(&null));
    left.and_then(|()| dup2_stderr(&null)).map_err(unsettled)
}

/// Has errors told where a new host hears them.
///
/// # Errors
/// [`Error::System`].
pub fn take_stderr(stderr: &OwnedFd) -> Result<(), Error> {
    dup2_stderr(stderr).map_err(unsettled)
}

fn unsettled(errno: Errno) -> Error {
    Error::System { doing: "change the standard streams", source: errno.into() }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Reads a visitor's word and the open files that came with it.
async fn hear_with_files(stream: &UnixStream) -> Result<(Word, Vec<OwnedFd>), Error> {
    let mut decoder = Decoder::default();
    let mut files = Vec::new();
    loop {
        if let Some(word) = decoder.message()? {
            return Ok((word, files));
        }
        let receive = || {
            let mut buffer = [0; 1024];
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let mut space = cmsg_space!([RawFd; 3]);
            let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
            for control in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(received) = control {
                    files.extend(received.into_iter().map(own));
                }
            }
            let count = message.bytes;
            decoder.push(&buffer[..count]);
            Ok(count)
        };
        if stream.async_io(Interest::READABLE, receive).await.map_err(broken)? == 0 {
            return Err(broken(ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn own(received: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for the message, and nobody else knows it.
    #[expect(unsafe_code, reason = "a received descriptor comes as a number")]
    unsafe {
        OwnedFd::from_raw_fd(received)
    }
}
