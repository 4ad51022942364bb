//! After the network: asks for the secrets, opens the SSH server, and then looks after the guest
//! until it powers off. One loop for both, since a host may come, go and come back in either.

use netlab_protocol::boot::{Order, Phase, Report, Secrets, Wake};
use zeroize::Zeroize as _;

use crate::error::InitError;
use crate::processes::reap;
use crate::progress::Progress;
use crate::signals::Signals;
use crate::ssh_server::SshServer;
use crate::{clock, console, identity, random, wipe};

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
                    answer(Report::ClockSet, progress)?;
                }
                Order::Settle => settle(server.take(), progress)?,
                Order::Wake(order) => wake(*order, server.as_mut(), progress)?,
                Order::Begin(_) if server.is_some() => {
                    console::say("a second set of secrets was ignored");
                }
                Order::Begin(secrets) => server = Some(begin(*secrets, progress)?),
            }
        }
        let connections = server.as_ref().and_then(SshServer::waits_for);
        progress.wait(signals, connections)?;
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
    progress.forget(|report| *report == Report::NeedSecrets);
    identity::take_on(secrets)?;
    progress.reached(Phase::Secrets)?;
    let server = SshServer::listen()?;
    progress.reached(Phase::Ssh)?;
    progress.say(Report::Ready)?;
    Ok(server)
}

/// Answers an order. No later host has given it.
fn answer(report: Report, progress: &mut Progress) -> Result<(), InitError> {
    progress.say(report.clone())?;
    progress.forget(|said| *said == report);
    Ok(())
}

/// Makes the guest nobody's again, so that it can be saved as the template of others. What fails
/// here ends the guest: a template must not be made of one that may still hold keys.
fn settle(server: Option<SshServer>, progress: &mut Progress) -> Result<(), InitError> {
    if let Some(server) = server {
        server.close()?;
        identity::give_up()?;
    }
    wipe::free_memory()?;
    console::say("settled");
    progress.back_to_secrets()
}

/// Brings a guest back to now that was saved a while ago.
fn wake(
    mut order: Wake,
    server: Option<&mut SshServer>,
    progress: &mut Progress,
) -> Result<(), InitError> {
    server.map_or(Ok(()), SshServer::end_connections)?;
    clock::set(order.unix_nanos)?;
    random::seed(identity::entropy(&order.entropy)?)?;
    order.entropy.zeroize();
    answer(Report::Awake, progress)
}
