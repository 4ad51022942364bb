//! A session: requests in, events out, and at its end nothing of the lab left.
//!
//! Requests are answered in order. A running step is broken off by a waiting `Close`, by the end
//! of the input and by a signal; the last two end the lab too, unless it was closed with `keep`.

use netlab_protocol::{Event, Failure, Hello, PROTOCOL_VERSION, Request};
use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;
use crate::journal;
use crate::lab::{self, Lab};
use crate::service;
use crate::step;
use crate::teardown::Removal;
use crate::topology;
use crate::wire::{self, Inbox, Outbox};

/// Whether a session goes on after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Request,
    End,
}

/// Serves one session, until the host or a signal ends it.
///
/// # Errors
/// [`Error`] if the session can't begin, or if the host does not keep to the protocol.
pub async fn serve() -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let (inbox, outbox, writer) = wire::open(&hello()?)?;
    let mut session = Session { inbox, outbox, lab: None };
    let served = session.run(&mut signals).await;
    let Session { outbox, lab, .. } = session;
    if let Some(lab) = lab {
        // The host is gone, so this is for the log.
        for problem in lab.end().await.errors {
            Error::Teardown { problem }.log();
        }
    }
    drop(outbox);
    writer.finish();
    journal::note("the session is over");
    served
}

fn hello() -> Result<Hello, Error> {
    let system = |doing| move |errno: nix::Error| Error::System { doing, source: errno.into() };
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(system("read the clock"))?;
    let kernel = uname().map_err(system("ask the kernel for its name"))?;
    let seconds = u64::try_from(uptime.tv_sec()).unwrap_or_default();
    let nanoseconds = u64::try_from(uptime.tv_nsec()).unwrap_or_default();
    Ok(Hello {
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: kernel.release().to_string_lossy().into_owned(),
        uptime_ms: seconds * 1000 + nanoseconds / 1_000_000,
        kept: lab::left_behind()?,
        held: None,
    })
}

struct Session {
    inbox: Inbox,
    outbox: Outbox,
    lab: Option<Lab>,
}

impl Session {
    async fn run(&mut self, signals: &mut Signals) -> Result<(), Error> {
        loop {
            let request = tokio::select! {
                request = self.inbox.next() => request,
                () = signals.next() => None,
            };
            let Some(request) = request.transpose()? else {
                return Ok(());
            };
            journal::note(&asked(&request));
            match self.answer(request, signals).await {
                Ok(Next::Request) => {}
                Ok(Next::End) => return Ok(()),
                Err(failure) => {
                    journal::note(&failure.to_string());
                    self.outbox.send(Event::Failed(failure)).await;
                }
            }
        }
    }

    async fn answer(&mut self, request: Request, signals: &mut Signals) -> Result<Next, Failure> {
        match request {
            Request::Open(plan) => {
                if self.lab.is_some() {
                    return Err(refused(format!("open lab `{}`", plan.lab), "while one is open"));
                }
                self.lab = Some(Lab::open(*plan).await?);
                self.outbox.send(Event::Opened).await;
            }
            Request::Step { index } => return self.run_step(index, signals).await,
            Request::Topology => {
                let topology = topology::measure(self.lab.as_ref()).await?;
                self.outbox.send(Event::Topology(topology)).await;
            }
            Request::Close { keep } => {
                let lab = self.lab.take();
                let lab =
                    lab.ok_or_else(|| refused("close a lab".to_owned(), "while none is open"))?;
                // Either way the lock is given up before the host hears of it.
                let removal = if keep { lab.keep().await } else { lab.end().await };
                self.tell_closed(removal).await;
            }
            Request::Reset => {
                if self.lab.is_some() {
                    return Err(refused("reset".to_owned(), "while a lab is open: close it"));
                }
                let removal = lab::reset().await?;
                self.tell_closed(removal).await;
            }
            Request::Hold | Request::Attach => {
                return Err(refused(asked(&request), "which is not there yet"));
            }
            Request::Serve => {
                for service in service::ALL {
                    service::start(service).await?;
                }
                self.outbox.send(Event::Served).await;
            }
        }
        Ok(Next::Request)
    }

    async fn run_step(&mut self, index: u32, signals: &mut Signals) -> Result<Next, Failure> {
        let asked = format!("run step {index}");
        let Self { inbox, outbox, lab } = self;
        let Some(lab) = lab else {
            return Err(refused(asked, "while no lab is open"));
        };
        if lab.plan.steps.len() <= usize::try_from(index).unwrap_or(usize::MAX) {
            return Err(refused(asked, "which the plan does not have"));
        }
        // Dropping a step kills the command that it runs.
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Next::End),
            () = inbox.interrupted() => {}
            _passed = step::run(lab, index, outbox) => return Ok(Next::Request),
        }
        if inbox.has_ended() {
            return Ok(Next::End);
        }
        journal::note("the step was broken off");
        lab.end_step().await?;
        outbox.send(Event::StepEnded { step: index, passed: false, millis: 0 }).await;
        Ok(Next::Request)
    }

    async fn tell_closed(&self, removal: Removal) {
        let Removal { removed, errors } = removal.abridged();
        self.outbox.send(Event::Closed { removed, errors }).await;
    }
}

/// A request, for the journal.
fn asked(request: &Request) -> String {
    match request {
        Request::Open(plan) => format!("open lab `{}`", plan.lab),
        Request::Step { index } => format!("run step {index}"),
        Request::Topology => "measure the topology".to_owned(),
        Request::Close { keep: true } => "leave the lab standing".to_owned(),
        Request::Close { keep: false } => "end the lab".to_owned(),
        Request::Reset => "clear away what a lab left".to_owned(),
        Request::Serve => "start the guest's services".to_owned(),
        Request::Hold => "hold the lab".to_owned(),
        Request::Attach => "go on with the held lab".to_owned(),
    }
}

fn refused(asked: String, problem: &str) -> Failure {
    Failure::Protocol { asked, problem: problem.to_owned() }
}

/// The signals that end a session: from a person, from the system, from a lost terminal.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::System { doing: "listen for signals", source })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
