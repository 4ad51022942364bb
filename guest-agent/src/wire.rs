//! The connection to the host as frames, its input and its output each with a thread of its own.
//!
//! Requests are read while a step runs, so that [`Request::Close`] and the end of the input are
//! seen at once. Events go through a bounded queue: a host that reads slowly slows the lab's
//! output down instead of filling the guest's memory. While a lab is held there may be no host:
//! then the beginning of what its commands print waits for the next one.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as blocking};
use std::thread;
use std::time::Duration;

use netlab_protocol::{Decoder, Event, Request, encode};
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

/// How much waits for the next host while a lab is held, in bytes: about as much as waits for one
/// that is there.
const MISSED_BYTES: usize = 1 << 20;

/// What one event takes beside its output, in bytes: a flood of small ones has to end as well.
const EVENT_BYTES: usize = 256;

/// The queue of events to one host.
#[derive(Debug, Clone)]
pub struct Host(mpsc::Sender<Event>);

impl Host {
    /// Hands over one event. If the host is gone nobody wants it; the end of the input says so.
    pub async fn send(&self, event: Event) {
        let _gone = self.0.send(event).await;
    }
}

/// Where events go, whichever host listens now.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Mutex<Target>>);

#[derive(Debug)]
enum Target {
    Host(Host),
    Nobody(Missed),
}

impl Outbox {
    /// Begins with a host that listens.
    pub fn new(host: Host) -> Self {
        Self(Arc::new(Mutex::new(Target::Host(host))))
    }

    /// Hands over one event, or keeps it for the next host.
    pub async fn send(&self, event: Event) {
        let host = match &mut *self.target() {
            Target::Host(host) => host.clone(),
            Target::Nobody(missed) => return missed.take(event),
        };
        host.send(event).await;
    }

    /// Keeps events from now on. Returns the host that has listened so far, if one has.
    pub fn hold(&self) -> Option<Host> {
        let target = &mut *self.target();
        match std::mem::replace(target, Target::Nobody(Missed::default())) {
            Target::Host(host) => Some(host),
            held @ Target::Nobody(_) => {
                *target = held;
                None
            }
        }
    }

    /// Hands over what was kept, and from then on every event.
    pub async fn resume(&self, host: Host) {
        loop {
            let missed = match &mut *self.target() {
                Target::Nobody(missed) if !missed.events.is_empty() => std::mem::take(missed),
                target => {
                    *target = Target::Host(host);
                    return;
                }
            };
            for event in missed.events {
                host.send(event).await;
            }
        }
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came while no host listened: the beginning of it, and how much output there was after that.
/// Only the background's commands go on in a held lab, so nearly all of it is output.
#[derive(Debug, Default)]
struct Missed {
    events: Vec<Event>,
    bytes: usize,
    is_full: bool,
}

impl Missed {
    fn take(&mut self, event: Event) {
        let (kept, dropped) = match &event {
            Event::Output { bytes, .. } => (bytes.len(), bytes.len() as u64),
            Event::OutputDropped { bytes } => (0, *bytes),
            _ => (0, 0),
        };
        // Once something was left out, so is all that follows: a gap has no output behind it that
        // came before it.
        self.is_full |= self.bytes + kept + EVENT_BYTES > MISSED_BYTES;
        match self.events.last_mut() {
            Some(Event::OutputDropped { bytes })
                if self.is_full || matches!(event, Event::OutputDropped { .. }) =>
            {
                *bytes += dropped;
            }
            _ => {
                self.bytes += kept + EVENT_BYTES;
                let gap = Event::OutputDropped { bytes: dropped };
                self.events.push(if self.is_full { gap } else { event });
            }
        }
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
    go_on: blocking::Sender<()>,
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

    /// Has the input read again after an `Attach`, which may have handed it to somebody else.
    pub fn go_on(&self) {
        // The thread is gone if the input has ended.
        let _ended = self.go_on.send(());
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
    /// Waits until everything is written, once every [`Host`] is dropped; but not for ever on a
    /// host that doesn't read.
    pub fn finish(self) {
        let _late_or_done = self.0.recv_timeout(FLUSH_LIMIT);
    }
}

/// One connection to a host.
#[derive(Debug)]
pub struct Wire {
    /// Its requests.
    pub inbox: Inbox,
    /// The way to it.
    pub host: Host,
    /// The end of what goes there.
    pub writer: Writer,
}

/// Starts both threads; `first` is written before any event.
///
/// # Errors
/// [`Error::System`] if a thread can't be started.
pub fn open(input: OwnedFd, output: OwnedFd, first: Vec<u8>) -> Result<Wire, Error> {
    let threads = |source| Error::System { doing: "start a thread for the connection", source };
    let (events, queued) = mpsc::channel(WAITING_EVENTS);
    let (requests, incoming) = mpsc::channel(WAITING_REQUESTS);
    let (seen, watched) = watch::channel(Seen::default());
    let (go_on, paused) = blocking::channel();
    let (done, finished) = blocking::channel();
    let write = move || {
        write_events(output.into(), &first, queued);
        let _nobody_waits = done.send(());
    };
    thread::Builder::new().name("events".to_owned()).spawn(write).map_err(threads)?;
    let reader = Reader { input: input.into(), requests, seen, paused };
    let read = move || reader.run();
    thread::Builder::new().name("requests".to_owned()).spawn(read).map_err(threads)?;
    let inbox = Inbox { requests: incoming, seen: watched, taken_closes: 0, go_on };
    Ok(Wire { inbox, host: Host(events), writer: Writer(finished) })
}

/// Writes until the queue ends or the host is gone; the latter shows as the end of the input.
fn write_events(mut output: File, first: &[u8], mut events: mpsc::Receiver<Event>) {
    if output.write_all(first).is_err() {
        return;
    }
    while let Some(event) = events.blocking_recv() {
        let Some(frame) = frame_of(&event) else { continue };
        if output.write_all(&frame).is_err() {
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

/// The reading thread.
struct Reader {
    input: File,
    requests: mpsc::Sender<Result<Request, Error>>,
    seen: watch::Sender<Seen>,
    paused: blocking::Receiver<()>,
}

impl Reader {
    fn run(mut self) {
        if let Err(error) = self.queue_requests() {
            // A full queue has no room for its own error: the session ends all the same.
            let _full = self.requests.try_send(Err(error));
        }
        self.seen.send_modify(|seen| seen.ended = true);
    }

    /// Reads until the input ends, or belongs to somebody else.
    fn queue_requests(&mut self) -> Result<(), Error> {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match self.input.read(&mut buffer) {
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
                let is_attach = matches!(request, Request::Attach);
                self.requests
                    .try_send(Ok(request))
                    .map_err(|_| Error::Crowded { limit: WAITING_REQUESTS })?;
                if is_close {
                    self.seen.send_modify(|seen| seen.closes += 1);
                }
                // What comes next is the held agent's to read, if there is one.
                if is_attach && self.paused.recv().is_err() {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netlab_protocol::{MAX_FRAME_BYTES, Place, Stream};

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

    fn output(bytes: &[u8]) -> Event {
        let (place, bytes) = (Place::Root, bytes.to_vec());
        Event::Output { place, background: None, stream: Stream::Stdout, bytes }
    }

    #[tokio::test]
    async fn what_is_printed_while_nobody_listens_waits_for_the_next_host_up_to_a_limit() {
        let channel = || mpsc::channel(WAITING_EVENTS);
        let ((first, mut heard_first), (second, mut heard_second)) = (channel(), channel());
        let outbox = Outbox::new(Host(first));
        outbox.send(output(b"one")).await;
        assert!(outbox.hold().is_some());
        assert!(outbox.hold().is_none(), "nobody listens already");
        outbox.send(output(b"two")).await;
        outbox.send(output(&vec![b'x'; MISSED_BYTES])).await;
        outbox.send(Event::OutputDropped { bytes: 7 }).await;
        outbox.send(output(b"after the gap")).await;
        outbox.resume(Host(second)).await;
        outbox.send(output(b"three")).await;
        drop(outbox);

        assert_eq!(heard_first.recv().await, Some(output(b"one")));
        assert_eq!(heard_first.recv().await, None);
        let dropped = MISSED_BYTES as u64 + 20;
        for event in [output(b"two"), Event::OutputDropped { bytes: dropped }, output(b"three")] {
            assert_eq!(heard_second.recv().await, Some(event));
        }
        assert_eq!(heard_second.recv().await, None);
    }

    #[test]
    fn a_gap_of_one_command_is_told_where_it_was() {
        let mut missed = Missed::default();
        let gap = |bytes| Event::OutputDropped { bytes };
        for event in [output(b"one"), gap(7), gap(8), output(b"two")] {
            missed.take(event);
        }
        assert_eq!(missed.events, [output(b"one"), gap(15), output(b"two")]);
    }

    #[test]
    fn a_flood_of_any_events_has_an_end() {
        let mut missed = Missed::default();
        for step in 0..100_000 {
            missed.take(Event::StepStarted { step });
        }
        assert_eq!(missed.events.len(), MISSED_BYTES / EVENT_BYTES + 1);
        assert_eq!(missed.events.last(), Some(&Event::OutputDropped { bytes: 0 }));
    }
}
