//! After the network: asks for the secrets, opens the SSH server, and then looks after the guest
//! until it powers off. One loop for both, since a host may come, go and come back in either.

use std::time::Duration;

use netlab_protocol::boot::{Order, Phase, Report, Secrets};

use crate::error::InitError;
use crate::progress::Progress;
use crate::signals::Signals;
use crate::ssh_server::{SshServer, reap};
use crate::{clock, console, identity};

/// How soon a host that was away is noticed while the guest waits for its secrets: somebody is
/// looking at the clock.
const RECONNECT_AT_BOOT: Duration = Duration::from_millis(5);

/// The same once the guest is up: only the wall clock waits for it, and many guests may idle on
/// one laptop.
const RECONNECT_LATER: Duration = Duration::from_millis(500);

/// Runs until somebody asks the guest to power off.
pub fn until_power_off(progress: &mut Progress, signals: &Signals) -> Result<(), InitError> {
    progress.say(Report::NeedSecrets)?;
    let mut server: Option<SshServer> = None;
    loop {
        while let Some(order) = next_order(progress, server.is_some())? {
            match order {
                Order::SetClock { unix_nanos } => {
                    if let Err(error) = clock::set(unix_nanos) {
                        console::say(&format!("the clock stays as it is: {error}"));
                    }
                }
                Order::Settle | Order::Wake(_) => console::say("this order is not there yet"),
                Order::Begin(_) if server.is_some() => {
                    console::say("a second set of secrets was ignored");
                }
                Order::Begin(secrets) => server = Some(begin(*secrets, progress)?),
            }
        }
        let reconnect = if server.is_some() { RECONNECT_LATER } else { RECONNECT_AT_BOOT };
        let connections = server.as_ref().and_then(SshServer::waits_for);
        progress.wait(signals, connections, reconnect)?;
        if signals.power_off_wanted()? {
            console::say("powering off");
            return Ok(());
        }
        reap_all(server.as_mut())?;
        if let Some(server) = &mut server {
            server.serve(signals)?;
            // A child that ended while another was started made no signal to wake up by.
            reap_all(Some(server))?;
        }
    }
}

/// Takes note of all children that have ended.
fn reap_all(mut server: Option<&mut SshServer>) -> Result<(), InitError> {
    while let Some(status) = reap()? {
        if let Some(server) = &mut server {
            server.child_ended(&status);
        }
    }
    Ok(())
}

/// Returns the host's next order. One that makes no sense ends a boot, but not a running guest.
fn next_order(progress: &mut Progress, running: bool) -> Result<Option<Order>, InitError> {
    match progress.next_order() {
        Ok(order) => Ok(order),
        Err(error) if running => {
            console::say(&format!("an order of the host was ignored: {error}"));
            Ok(None)
        }
        Err(error) => Err(InitError::Secrets { problem: error.to_string() }),
    }
}

/// Takes on the secrets and opens the SSH server.
fn begin(secrets: Secrets, progress: &mut Progress) -> Result<SshServer, InitError> {
    progress.forget(&Report::NeedSecrets);
    identity::take_on(secrets)?;
    progress.reached(Phase::Secrets)?;
    let server = SshServer::listen()?;
    progress.reached(Phase::Ssh)?;
    progress.say(Report::Ready)?;
    Ok(server)
}
