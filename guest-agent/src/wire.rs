//! Standard input and output as frames, each with a thread of its own.
//!
//! Requests are read while a step runs, so that [`Request::Close`] and the end of the input are
//! seen at once. Events go through a bounded queue: a host that reads slowly slows the lab's
//! output down instead of filling the guest's memory.

use std::io::{self, Read as _, Write as _};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::Duration;

use netlab_protocol::{Decoder, Event, Hello, Request, encode};
use tokio::sync::{mpsc, watch};

use crate::error::Error;

/// Events that may wait for the host: with output in pieces of 32 KiB, at most 2 MiB.
const WAITING_EVENTS: usize = 64;

/// Requests that may wait for the agent; a host sends the next one after the answer.
const WAITING_REQUESTS: usize = 64;

/// How long the last events may take to leave at the end of a session.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Bytes read at once.
const READ_BYTES: usize = 32 << 10;

/// Where events go.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<Event>);

impl Outbox {
    /// Hands over one event. If the host is gone nobody wants it; the end of the input says so.
    pub async fn send(&self, event: Event) {
        let _gone = self.0.send(event).await;
    }
}

/// What the reading thread has seen ahead of the queue.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    closes: u64,
    ended: bool,
}

/// Where requests come from.
#[derive(Debug)]
pub struct Inbox {
    requests: mpsc::Receiver<Result<Request, Error>>,
    seen: watch::Receiver<Seen>,
    taken_closes: u64,
}

impl Inbox {
    /// Returns the next request, or `None` at the end of the input.
    pub async fn next(&mut self) -> Option<Result<Request, Error>> {
        let request = self.requests.recv().await;
        if matches!(request, Some(Ok(Request::Close { .. }))) {
            self.taken_closes += 1;
        }
        request
    }

    /// Returns once a running step has to end: a `Close` waits, or the host is gone.
    pub async fn interrupted(&mut self) {
        let taken = self.taken_closes;
        // An error means that the reading thread is gone, which is an end as well.
        let _ended = self.seen.wait_for(|seen| seen.ended || seen.closes > taken).await;
    }

    /// Says whether the host is gone.
    pub fn has_ended(&self) -> bool {
        self.seen.borrow().ended
    }
}

/// The end of the writing thread.
#[derive(Debug)]
pub struct Writer(blocking::Receiver<()>);

impl Writer {
    /// Waits until everything is written, once every [`Outbox`] is dropped; but not for ever on
    /// a host that doesn't read.
    pub fn finish(self) {
        let _late_or_done = self.0.recv_timeout(FLUSH_LIMIT);
    }
}

/// Starts both threads; `hello` is the first frame.
///
/// # Errors
/// [`Error::System`] if a thread can't be started, [`Error::Frame`] if `hello` is no frame.
pub fn open(hello: &Hello) -> Result<(Inbox, Outbox, Writer), Error> {
    let threads = |source| Error::System { doing: "start a thread for the connection", source };
    let (events, queued) = mpsc::channel(WAITING_EVENTS);
    let (requests, incoming) = mpsc::channel(WAITING_REQUESTS);
    let (seen, watched) = watch::channel(Seen::default());
    let (done, finished) = blocking::channel();
    let hello = encode(hello)?;
    let write = move || {
        write_events(&hello, queued);
        let _nobody_waits = done.send(());
    };
    thread::Builder::new().name("events".to_owned()).spawn(write).map_err(threads)?;
    let read = move || read_requests(&requests, &seen);
    thread::Builder::new().name("requests".to_owned()).spawn(read).map_err(threads)?;
    let inbox = Inbox { requests: incoming, seen: watched, taken_closes: 0 };
    Ok((inbox, Outbox(events), Writer(finished)))
}

/// Writes until the queue ends or the host is gone; the latter shows as the end of the input.
fn write_events(hello: &[u8], mut events: mpsc::Receiver<Event>) {
    let mut output = io::stdout().lock();
    if output.write_all(hello).and_then(|()| output.flush()).is_err() {
        return;
    }
    while let Some(event) = events.blocking_recv() {
        let Some(frame) = frame_of(&event) else { continue };
        if output.write_all(&frame).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

/// Returns an event's frame. The host waits for an answer: instead of one that no frame holds, it
/// gets the reason.
fn frame_of(event: &Event) -> Option<Vec<u8>> {
    let refused = match encode(event) {
        Ok(frame) => return Some(frame),
        Err(error) => Error::Unsent(error),
    };
    refused.log();
    encode(&Event::Failed(refused.into())).map_err(|error| Error::Unsent(error).log()).ok()
}

fn read_requests(requests: &mpsc::Sender<Result<Request, Error>>, seen: &watch::Sender<Seen>) {
    if let Err(error) = queue_requests(requests, seen) {
        // A full queue has no room for its own error: the session ends all the same.
        let _full = requests.try_send(Err(error));
    }
    seen.send_modify(|seen| seen.ended = true);
}

/// Reads until the input ends.
fn queue_requests(
    requests: &mpsc::Sender<Result<Request, Error>>,
    seen: &watch::Sender<Seen>,
) -> Result<(), Error> {
    let mut input = io::stdin().lock();
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(decoder.finish()?),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(Error::System { doing: "read requests", source });
            }
        };
        decoder.push(&buffer[..count]);
        while let Some(request) = decoder.message::<Request>()? {
            let is_close = matches!(request, Request::Close { .. });
            requests
                .try_send(Ok(request))
                .map_err(|_| Error::Crowded { limit: WAITING_REQUESTS })?;
            if is_close {
                seen.send_modify(|seen| seen.closes += 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netlab_protocol::MAX_FRAME_BYTES;

    use super::*;

    #[test]
    fn instead_of_an_event_that_is_too_large_the_host_is_told_why() {
        let event = Event::Kept { name: "X".to_owned(), value: "x".repeat(MAX_FRAME_BYTES) };
        let mut decoder = Decoder::default();
        decoder.push(&frame_of(&event).unwrap());
        let Event::Failed(failure) = decoder.message().unwrap().unwrap() else { panic!() };
        assert_eq!(
            failure.to_string(),
            "could not tell the host what happened: a frame of 1048614 bytes is over the limit of \
             1048576 (`netlab shell` shows what is there)"
        );
    }
}
