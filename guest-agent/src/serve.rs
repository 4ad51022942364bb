//! A session: requests in, events out, and at its end nothing of the lab left.
//!
//! Requests are answered in order. A running step is broken off by a waiting `Close`, by the end
//! of the input and by a signal; the last two end the lab too, unless it was closed with `keep`.
//! The end of the input does not end a held lab, which goes on with the next host.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use netlab_protocol::{Event, Failure, Hello, PROTOCOL_VERSION, Request, encode};
use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};

use crate::error::Error;
use crate::held::{self, Hold, Visit, Visitor};
use crate::journal;
use crate::lab::{self, Lab};
use crate::ledger::Machine;
use crate::rehearsal;
use crate::service;
use crate::signals::Signals;
use crate::step;
use crate::teardown::Removal;
use crate::topology;
use crate::wire::{self, Inbox, Outbox, Wire, Writer};

/// Whether a session goes on after a request.
#[derive(Debug, Clone, Copy)]
enum Next {
    Request,
    End(ExitCode),
}

/// Serves one session, until the host or a signal ends it. Returns how it ended, which its host
/// has been told.
///
/// # Errors
/// [`Error`] if the session can't begin, or if the host does not keep to the protocol.
pub async fn serve(machine: Machine) -> Result<ExitCode, Error> {
    let mut signals = Signals::listen()?;
    let first = encode(&hello().await?)?;
    let Wire { inbox, host, writer } = wire::open(copy(io::stdin())?, copy(io::stdout())?, first)?;
    let outbox = Outbox::new(host);
    let mut session = Session { machine, inbox, outbox, writer, lab: None, hold: None };
    let served = session.run(&mut signals).await;
    let Session { outbox, writer, lab, hold, .. } = session;
    drop(hold);
    if let Some(lab) = lab {
        // The host is gone, so this is for the log.
        for problem in lab.end().await.errors {
            Error::Teardown { problem }.log();
        }
    }
    drop(outbox.hold());
    writer.finish();
    journal::note("the session is over");
    if signals.shell.is_none() {
        return served;
    }
    // The shell ends as this session does, after its last words.
    let code = served.unwrap_or_else(|error| {
        error.log();
        ExitCode::FAILURE
    });
    signals.release_shell(code == ExitCode::SUCCESS).await;
    Ok(code)
}

/// Returns a descriptor of its own for a standard stream.
fn copy(stream: impl AsFd) -> Result<OwnedFd, Error> {
    let copied = stream.as_fd().try_clone_to_owned();
    copied.map_err(|source| Error::System { doing: "open the connection to the host", source })
}

async fn hello() -> Result<Hello, Error> {
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
        held: held::lab().await,
    })
}

struct Session {
    machine: Machine,
    inbox: Inbox,
    outbox: Outbox,
    writer: Writer,
    lab: Option<Lab>,
    hold: Option<Hold>,
}

impl Session {
    async fn run(&mut self, signals: &mut Signals) -> Result<ExitCode, Error> {
        while let Some(request) = self.next_request(signals).await? {
            journal::note(&asked(&request));
            match self.answer(request, signals).await {
                Ok(Next::Request) => {}
                Ok(Next::End(code)) => return Ok(code),
                Err(failure) => {
                    journal::note(&failure.to_string());
                    self.outbox.send(Event::Failed(failure)).await;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the next request, or `None` if the session is over. While the lab is held it may
    /// come from another host than the one before.
    async fn next_request(&mut self, signals: &mut Signals) -> Result<Option<Request>, Error> {
        loop {
            let Some(hold) = &mut self.hold else {
                return tokio::select! {
                    request = self.inbox.next() => request.transpose(),
                    () = signals.next() => Ok(None),
                };
            };
            tokio::select! {
                request = self.inbox.next(), if hold.host.is_some() => {
                    match request {
                        Some(Ok(request)) => return Ok(Some(request)),
                        Some(Err(error)) => error.log(),
                        None => {}
                    }
                    journal::note("the lab is held without a host");
                    hold.host = None;
                    held::leave_stdio()?;
                    signals.release_shell(true).await;
                }
                visit = hold.visit() => match visit? {
                    Visit::Attach(visitor, streams) => {
                        self.take_over(visitor, streams, signals).await?;
                    }
                    Visit::End(visitor) => return self.end_for(visitor).await.map(|()| None),
                },
                () = signals.next_by_word() => return Ok(None),
            }
        }
    }

    /// Goes on with a visitor's host.
    async fn take_over(
        &mut self,
        mut visitor: Visitor,
        [input, output, stderr]: [OwnedFd; 3],
        signals: &mut Signals,
    ) -> Result<(), Error> {
        if let Err(error) = visitor.take().await {
            // It has given up: the lab is held on, for the next one.
            error.log();
            return Ok(());
        }
        // The end of the host before, if it is one, is in its streams.
        self.hold = None;
        held::leave_stdio()?;
        held::take_stderr(&stderr)?;
        signals.release_shell(true).await;
        signals.shell = Some(visitor);
        let Wire { inbox, host, writer } = wire::open(input, output, Vec::new())?;
        (self.inbox, self.writer) = (inbox, writer);
        journal::note("the lab goes on with another host");
        host.send(Event::Attached).await;
        self.outbox.resume(host).await;
        Ok(())
    }

    /// Ends the held lab at a visitor's request.
    async fn end_for(&mut self, visitor: Visitor) -> Result<(), Error> {
        journal::note("another session ends the held lab");
        self.hold = None;
        let Some(lab) = self.lab.take() else { return Ok(()) };
        visitor.ended(lab.end().await).await
    }

    /// Ends the hold, if there is one, with what its host waits for.
    async fn release(&mut self, first: Option<Event>) -> bool {
        let Some(host) = self.hold.take().and_then(|mut hold| hold.host.take()) else {
            return false;
        };
        if let Some(event) = first {
            host.send(event).await;
        }
        self.outbox.resume(host).await;
        true
    }

    async fn answer(&mut self, request: Request, signals: &mut Signals) -> Result<Next, Failure> {
        if !matches!(request, Request::Hold | Request::Attach) {
            self.release(None).await;
        }
        match request {
            Request::Open(plan) => {
                let asked = format!("open lab `{}`", plan.lab);
                if self.lab.is_some() {
                    return Err(refused(asked, "while one is open"));
                }
                if let Some(held) = held::lab().await {
                    let problem = format!("while lab `{held}` of an earlier session still stands");
                    return Err(refused(asked, &problem));
                }
                self.lab = Some(Lab::open(*plan, self.machine).await?);
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
                let removal = match held::end().await? {
                    Some(removal) => removal,
                    None => lab::reset().await?,
                };
                self.tell_closed(removal).await;
            }
            Request::Hold => self.begin_hold().await?,
            Request::Attach => {
                let attached = self.attach(signals).await;
                if !matches!(attached, Ok(Next::End(_))) {
                    self.inbox.go_on();
                }
                return attached;
            }
            Request::Serve => {
                service::start_all().await?;
                self.outbox.send(Event::Served).await;
            }
            Request::Rehearse => {
                service::start_all().await?;
                rehearsal::run().await;
                self.outbox.send(Event::Served).await;
            }
        }
        Ok(Next::Request)
    }

    /// Holds the lab. A host that asks twice has it held already.
    async fn begin_hold(&mut self) -> Result<(), Failure> {
        let Some(lab) = &self.lab else {
            return Err(refused(asked(&Request::Hold), "while none is open"));
        };
        let hold = match &mut self.hold {
            Some(hold) => hold,
            none => {
                let hold = none.insert(Hold::begin(&lab.plan.lab)?);
                hold.host = self.outbox.hold();
                hold
            }
        };
        if let Some(host) = &hold.host {
            host.send(Event::Held).await;
        }
        Ok(())
    }

    /// Goes on with the lab that this session holds; or stays as the shell of the one that does,
    /// until that one is done with this host.
    async fn attach(&mut self, signals: &mut Signals) -> Result<Next, Failure> {
        if self.release(Some(Event::Attached)).await {
            return Ok(Next::Request);
        }
        if self.lab.is_some() {
            return Err(refused(asked(&Request::Attach), "while a lab is open"));
        }
        let shell = match held::attach().await {
            Ok(Some(shell)) => shell,
            Ok(None) => return Err(refused(asked(&Request::Attach), "while none is held")),
            Err(error) => {
                // Nobody can say any more whose the host is, so this session reads no more of it.
                error.log();
                self.outbox.send(Event::Failed(error.into())).await;
                return Ok(Next::End(ExitCode::FAILURE));
            }
        };
        let well = tokio::select! {
            well = shell.over() => well,
            () = signals.next() => false,
        };
        Ok(Next::End(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
    }

    async fn run_step(&mut self, index: u32, signals: &mut Signals) -> Result<Next, Failure> {
        let asked = format!("run step {index}");
        let Self { inbox, outbox, lab, .. } = self;
        let Some(lab) = lab else {
            return Err(refused(asked, "while no lab is open"));
        };
        if lab.plan.steps.len() <= usize::try_from(index).unwrap_or(usize::MAX) {
            return Err(refused(asked, "which the plan does not have"));
        }
        // Dropping a step kills the command that it runs.
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Next::End(ExitCode::SUCCESS)),
            () = inbox.interrupted() => {}
            _passed = step::run(lab, index, outbox) => return Ok(Next::Request),
        }
        if inbox.has_ended() {
            return Ok(Next::End(ExitCode::SUCCESS));
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
        Request::Rehearse => {
            "start the guest's services and rehearse what labs begin with".to_owned()
        }
        Request::Hold => "hold the lab".to_owned(),
        Request::Attach => "go on with the held lab".to_owned(),
    }
}

fn refused(asked: String, problem: &str) -> Failure {
    Failure::Protocol { asked, problem: problem.to_owned() }
}
