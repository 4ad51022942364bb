//! Services of the guest that labs need and the agent starts; they outlive the labs.

use std::path::Path;
use std::time::Duration;

use netlab_protocol::{Failure, Service};

use crate::exec;
use crate::switch;

/// The guest image's script that starts Open vSwitch; it does nothing if it runs, and returns
/// once the switch answers.
const OPENVSWITCH_SCRIPT: &str = "/usr/sbin/netlab-ovs";

/// How long a service may take to start. Open vSwitch needs 1.3 s in an emulated guest.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Every service.
const ALL: [Service; 1] = [Service::Openvswitch];

/// Makes sure that every service runs and answers.
///
/// # Errors
/// As [`start`].
pub async fn start_all() -> Result<(), Failure> {
    for service in ALL {
        start(service).await?;
    }
    Ok(())
}

/// Makes sure that a service runs and answers.
///
/// # Errors
/// [`Failure::Missing`] if the guest has no such service, [`Failure::System`] if it does not start.
pub async fn start(service: Service) -> Result<(), Failure> {
    match service {
        Service::Openvswitch => start_openvswitch().await,
    }
}

async fn start_openvswitch() -> Result<(), Failure> {
    if Path::new(OPENVSWITCH_SCRIPT).exists() {
        exec::help(OPENVSWITCH_SCRIPT, &[], START_LIMIT).await?;
        return Ok(());
    }
    // A guest that is not of our image may run it by its own means.
    if switch::is_there() {
        switch::bridge_names().await?;
        return Ok(());
    }
    Err(Failure::Missing { what: "running service `openvswitch`".to_owned() })
}
