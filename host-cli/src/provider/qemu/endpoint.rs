//! How the guest that a record tells of is reached, and which guest that is.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use super::QemuProvider;
use crate::instance::Record;
use crate::provider::{Endpoint, Seen, Status};
use crate::ssh::{Login, Pinned};

impl QemuProvider {
    /// The way to the guest of a record, whose SSH is at this port.
    pub(super) fn endpoint(&self, record: &Record, port: u16, attached: bool) -> Endpoint {
        Endpoint {
            name: self.paths.name().to_string(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(),
            user: "root".to_owned(),
            login: Login::Pinned(Pinned {
                identity: self.paths.identity(),
                known_hosts: self.paths.known_hosts(),
                host_alias: self.paths.name().host_alias(),
            }),
            architecture: record.architecture,
            accelerator: Some(record.accelerator.name().to_owned()),
            tier: Some(record.tier),
            attached,
            seen: Some(self.seen(record)),
        }
    }

    /// The guest of a record, as it is now.
    fn seen(&self, record: &Record) -> Seen {
        // A console that can't be looked at has said nothing so far.
        let console_bytes = fs::metadata(self.paths.serial_log()).map_or(0, |about| about.len());
        Seen { uuid: record.uuid.clone(), console_bytes }
    }

    /// The state of an instance whose guest was up before.
    pub(super) fn status_of(&self, record: &Record, port: u16) -> Status {
        Status::Up(self.endpoint(record, port, true))
    }
}
