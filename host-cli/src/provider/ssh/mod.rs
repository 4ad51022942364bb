//! A machine of the user's, reached by SSH. The rule: it is lent. It is looked at before anything is
//! touched, labs on it remove exactly what they made, and `down` takes the agent away again.

mod error;
mod examine;
mod mend;
mod packages;
mod record;
mod survey;

use std::io;

use async_trait::async_trait;
use russh::keys::PublicKey;

use self::survey::Wanted;
use super::{Endpoint, LogFile, Machine, Provider, Status, vagrant};
use crate::agent::{self, Session};
use crate::cancel::Cancel;
use crate::context::Context;
use crate::error::Error;
use crate::instance::{InstanceLock, InstancePaths, Name, Patience, replace_file};
use crate::platform::Architecture;
use crate::report::{Event, Phase, Reporter};
use crate::ssh::{self, Connection, Login, OpenSsh};

pub use error::LentError;
pub use record::{Record, Target};
pub(super) use survey::Survey;

/// One machine of the user's, under the name of an instance.
pub struct SshProvider {
    target: Target,
    paths: InstancePaths,
    reporter: Reporter,
    cancel: Cancel,
}

impl SshProvider {
    /// The provider of an instance. Does nothing yet.
    pub fn of(context: &Context, name: &Name, target: Target) -> Self {
        Self {
            target,
            paths: context.home.instance(name),
            reporter: context.reporter.clone(),
            cancel: context.cancel.clone(),
        }
    }

    /// How OpenSSH would reach it. Its processor is this host's as long as it has not been looked
    /// at.
    async fn endpoint(&self, attached: bool) -> Result<Endpoint, Error> {
        if let Some(folder) = &self.target.vagrant
            && !self.paths.vagrant_config().exists()
        {
            vagrant::note_way(folder, &self.paths).await?;
        }
        let Target { host, config, .. } = &self.target;
        let settings =
            ssh::openssh::resolve(host, config.as_deref()).await.map_err(ssh::SshError::from)?;
        let pinned = self.paths.known_hosts();
        let folder = self.target.vagrant.as_deref();
        let revival = folder.map(|folder| format!("`vagrant up` in `{}`", folder.display()));
        let record = Record::read(&self.paths)?;
        Ok(Endpoint {
            name: self.paths.name().to_string(),
            address: settings.address.clone(),
            user: settings.user.clone(),
            login: Login::OpenSsh(Box::new(OpenSsh { settings, pinned, revival })),
            architecture: record.map_or(Architecture::HOST, |record| record.architecture),
            accelerator: None,
            tier: None,
            attached,
            seen: None,
        })
    }

    /// Connects and looks, without changing anything there. A host key that was taken without being
    /// known is noted down at once: whatever comes next, no other is taken for it.
    async fn look(&self, endpoint: &Endpoint) -> Result<(Connection, Survey), Error> {
        let connection = Connection::open(endpoint).await?;
        if let (Login::OpenSsh(login), Some(key)) = (&endpoint.login, connection.first_seen()) {
            self.pin(login, key).await?;
        }
        let survey = Survey::of(&connection, &self.target.host, &Wanted::by_labs()?).await?;
        Ok((connection, survey))
    }

    /// Notes down by which key the machine is known, which nobody else knows.
    async fn pin(&self, login: &OpenSsh, key: &PublicKey) -> Result<(), Error> {
        let _lock = InstanceLock::acquire(&self.paths, Patience::Wait(&self.reporter)).await?;
        let key = key.to_openssh().map_err(|cause| ssh::SshError::Local {
            doing: "note the host key down",
            cause: io::Error::other(cause),
        })?;
        let line = format!("{} {key}\n", login.settings.host_name);
        Ok(replace_file(&login.pinned, line.as_bytes())?)
    }

    /// Notes down that the machine is in use.
    async fn enter(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let _lock = InstanceLock::acquire(&self.paths, Patience::Wait(&self.reporter)).await?;
        Ok(Record::new(self.target.clone(), endpoint.architecture).write(&self.paths)?)
    }

    /// Ends the lab that stands there and removes the agent, which stays as long as something of the
    /// lab does. Returns, in words, what was removed.
    async fn clear(&self) -> Result<Vec<String>, Error> {
        let endpoint = self.endpoint(true).await?;
        let connection = Connection::open(&endpoint).await?;
        let mut session = Session::open(&connection, endpoint.architecture).await?;
        let mut removed = self.cancel.guard(agent::clear(&mut session)).await?;
        session.end().await?;
        agent::remove(&connection).await?;
        removed.push(format!("the agent on `{}`", self.target.host));
        Ok(removed)
    }
}

#[async_trait]
impl Provider for SshProvider {
    async fn up(&self, reporter: &Reporter) -> Result<Endpoint, Error> {
        let attached = Record::read(&self.paths)?.is_some();
        if let Some(folder) = &self.target.vagrant {
            vagrant::bring_up(folder, &self.paths, reporter).await?;
        }
        if !attached {
            reporter.emit(Event::PhaseStarted { phase: Phase::Ssh });
        }
        let mut endpoint = self.endpoint(attached).await?;
        let (_connection, survey) = self.look(&endpoint).await?;
        endpoint.architecture = survey.check(&self.target.host, &endpoint.user)?;
        let lacking = survey.lacking();
        if !lacking.is_empty() {
            let (host, lacking) = (&self.target.host, lacking.join(", "));
            let text = format!(
                "`{host}` lacks {lacking}, which some labs need; `netlab doctor` says what to do"
            );
            reporter.emit(Event::Note { text });
        }
        self.enter(&endpoint).await?;
        Ok(endpoint)
    }

    async fn status(&self, _: &Reporter) -> Result<Status, Error> {
        // Whether it answers is found out by whoever wants something of it.
        Ok(match Record::read(&self.paths)? {
            Some(_) => Status::Up(self.endpoint(true).await?),
            None => Status::Down,
        })
    }

    async fn down(&self, _: &Reporter) -> Result<Vec<String>, Error> {
        if !self.paths.folder().exists() {
            return Ok(Vec::new());
        }
        let lock = InstanceLock::acquire(&self.paths, Patience::Wait(&self.reporter)).await?;
        // One that was only looked at has nothing of ours, but what others have put there may look so.
        if Record::read(&self.paths)?.is_none() {
            lock.remove_instance()?;
            return Ok(Vec::new());
        }
        let removed = self.clear().await.map_err(|error| LentError::Unended {
            host: self.target.host.clone(),
            error: Box::new(error),
            folder: self.paths.folder().display().to_string(),
        })?;
        lock.remove_instance()?;
        Ok(removed)
    }

    fn logs(&self) -> Vec<LogFile> {
        Vec::new()
    }

    fn machine(&self) -> Machine<'_> {
        Machine::Lent { host: &self.target.host }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Canceller;
    use crate::instance::Home;
    use crate::report::Silent;

    #[tokio::test]
    async fn the_end_of_a_machine_that_is_not_in_use_does_not_go_there() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"pi".parse().unwrap());
        let reporter = Reporter::new(Box::new(Silent));
        // OpenSSH refuses this host, so that every way to it is an error.
        let target = Target { host: "-refused".to_owned(), config: None, vagrant: None };
        let cancel = Canceller::new().1;
        let provider = SshProvider { target, paths, reporter: reporter.clone(), cancel };
        assert!(provider.down(&reporter).await.unwrap().is_empty());
        provider.paths.create_folder().unwrap();
        assert!(provider.down(&reporter).await.unwrap().is_empty());
        assert!(!provider.paths.folder().exists());
        let record = Record::new(provider.target.clone(), Architecture::HOST);
        provider.paths.create_folder().unwrap();
        record.write(&provider.paths).unwrap();
        provider.down(&reporter).await.unwrap_err();
        assert_eq!(Record::read(&provider.paths).unwrap(), Some(record), "it is still in use");
    }
}
