//! From a provider to a session: brings the guest up, connects, ships the agent, says hello.

use std::time::{Duration, Instant};

use netlab_fault::{self as fault, Moment};
use netlab_protocol::{Event as GuestEvent, Request};

use crate::agent::Session;
use crate::cli::Options;
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::instance::{InstanceError, Name, usage};
use crate::provider::{Endpoint, OtherArchitecture, Status};
use crate::report::{Event, Phase, Reporter};
use crate::run::RunError;
use crate::ssh::Connection;

/// A guest whose agent has answered.
pub struct Guest {
    /// How it is reached.
    pub endpoint: Endpoint,
    /// The open session with its agent.
    pub session: Session,
}

/// The verb needs a guest that is up, and it is not.
#[derive(Debug, thiserror::Error)]
#[error("guest `{name}` is not up")]
pub struct NotUp {
    /// Name of the instance.
    pub name: String,
    /// The machine of the user's that it is for, if one was named.
    pub host: Option<String>,
}

impl Hint for NotUp {
    fn hint(&self) -> String {
        match (self.name.as_str(), &self.host) {
            (_, Some(host)) => {
                format!("begin with `netlab --provider ssh --host {host} up`, which looks at it")
            }
            (Name::DEFAULT, None) => "start it with `netlab up`".to_owned(),
            (name, None) => format!("start it with `netlab --name {name} up`"),
        }
    }

    fn exit(&self) -> Exit {
        Exit::GuestDown
    }
}

impl Guest {
    /// Starts the guest, or attaches to it, until its agent has said hello.
    ///
    /// # Errors
    /// Whatever keeps it from there, naming the phase.
    pub async fn up(context: &Context) -> Result<Self, Error> {
        let started = Instant::now();
        let reporter = &context.reporter;
        let provider = context.provider()?;
        let endpoint = context.cancel.guard(provider.up(reporter)).await?;
        Self::reach(context, endpoint, started).await
    }

    /// Connects to a guest that a provider has brought up since `started`, until its agent has said
    /// hello.
    ///
    /// # Errors
    /// A lost connection, or an agent that doesn't fit.
    pub async fn reach(
        context: &Context,
        endpoint: Endpoint,
        started: Instant,
    ) -> Result<Self, Error> {
        let reporter = &context.reporter;
        context.entered.note(&endpoint);
        let connected = context.cancel.guard(connect(&endpoint, reporter, started)).await;
        if connected.is_err() && context.cancel.is_cancelled() && !endpoint.attached {
            let name = &endpoint.name;
            let text =
                format!("guest `{name}` is up and stays; `netlab down --name {name}` ends it");
            reporter.emit(Event::Note { text });
        }
        let session = connected?;
        reporter.emit(Event::GuestReady {
            name: endpoint.name.clone(),
            attached: endpoint.attached,
            architecture: endpoint.architecture,
            accelerator: endpoint.accelerator.clone(),
            tier: endpoint.tier,
            address: endpoint.address.to_string(),
            took: started.elapsed(),
        });
        Ok(Self { endpoint, session })
    }

    /// Attaches to a guest that is up, without starting one.
    ///
    /// # Errors
    /// [`NotUp`], or a lost connection.
    pub async fn attach(context: &Context) -> Result<Self, Error> {
        let endpoint = endpoint(context).await?;
        context.entered.note(&endpoint);
        let connection = Connection::for_agent(&endpoint).await?;
        let session = Session::open(&connection, endpoint.architecture).await?;
        Ok(Self { endpoint, session })
    }
}

/// How to reach the guest that `--name` names.
///
/// # Errors
/// [`NotUp`], [`OtherArchitecture`].
pub async fn endpoint(context: &Context) -> Result<Endpoint, Error> {
    let status = context.cancel.guard(context.provider()?.status(&context.reporter)).await?;
    reachable(context, status)
}

/// How to reach a guest of which that much is known already.
///
/// # Errors
/// As [`endpoint`].
pub fn reachable(context: &Context, status: Status) -> Result<Endpoint, Error> {
    match status {
        Status::Up(endpoint) => {
            let Endpoint { name, architecture, .. } = &endpoint;
            OtherArchitecture::check(name, *architecture, context.options.arch)?;
            Ok(endpoint)
        }
        Status::Starting => Err(InstanceError::Busy(context.name()?).into()),
        Status::Down => Err(not_up(context).into()),
    }
}

/// The guest that `--name` names is not up.
pub fn not_up(context: &Context) -> NotUp {
    let Options { name, host, .. } = &context.options;
    NotUp { name: name.clone(), host: host.clone() }
}

/// How to reach it, for the user's own work: from here on the guest is not swapped unasked.
///
/// # Errors
/// [`NotUp`], [`OtherArchitecture`], or the work can't be noted down.
pub async fn endpoint_for_work(context: &Context) -> Result<Endpoint, Error> {
    let provider = context.provider()?;
    if let Some(emulator) = provider.machine().emulator() {
        let entered = context.cancel.guard(emulator.enter(&context.reporter)).await?;
        let endpoint = entered.ok_or_else(|| not_up(context))?;
        context.entered.note(&endpoint);
        return Ok(endpoint);
    }
    let endpoint = endpoint(context).await?;
    usage::mark_work(&context.paths()?)?;
    Ok(endpoint)
}

/// Puts the agent into a guest and starts its services, so that whoever goes on from it has both.
///
/// # Errors
/// A lost connection, or what the guest can't start.
pub async fn furnish(
    endpoint: Endpoint,
    reporter: Reporter,
    begun: tokio::time::Instant,
) -> Result<(), Error> {
    let mut session = connect(&endpoint, &reporter, begun.into_std()).await?;
    serve(&mut session, Request::Rehearse).await
}

/// Starts the switch, which whoever opens a shell next expects to be there.
///
/// # Errors
/// A lost connection, or what the guest can't start.
pub async fn start_services(session: &mut Session) -> Result<(), Error> {
    serve(session, Request::Serve).await
}

async fn serve(session: &mut Session, request: Request) -> Result<(), Error> {
    session.send(&request).await?;
    match session.next().await? {
        GuestEvent::Served => Ok(()),
        GuestEvent::Failed(failure) => {
            let failure = Box::new(failure);
            Err(RunError::Failed { doing: "start its services", failure }.into())
        }
        other => Err(session.unexpected("starting its services", &other).into()),
    }
}

/// Connects to a guest that is up, ships the agent if need be and waits for its hello. `started` is
/// when the whole start began.
///
/// # Errors
/// A lost connection.
pub async fn connect(
    endpoint: &Endpoint,
    reporter: &Reporter,
    started: Instant,
) -> Result<Session, Error> {
    let done = |phase| {
        let since_start: Duration = started.elapsed();
        reporter.emit(Event::PhaseDone { phase, since_start });
    };
    // The provider of a guest that has just been booted has told of it already.
    if endpoint.attached {
        reporter.emit(Event::PhaseStarted { phase: Phase::Ssh });
    }
    let connection = Connection::for_agent(endpoint).await?;
    done(Phase::Ssh);
    reach(endpoint, Moment::Connected);
    reporter.emit(Event::PhaseStarted { phase: Phase::Agent });
    let session = Session::open(&connection, endpoint.architecture).await?;
    done(Phase::Agent);
    reach(endpoint, Moment::Hello);
    Ok(session)
}

/// The fault points of a guest that has just been started.
fn reach(endpoint: &Endpoint, moment: Moment) {
    let Some(tier) = endpoint.tier.filter(|_| !endpoint.attached) else { return };
    fault::reach(fault::Phase::Start(tier.way(&endpoint.name), moment));
}
