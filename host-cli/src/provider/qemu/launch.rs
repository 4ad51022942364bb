//! One QEMU under a guard, from the record of the intent to a guest that is up. The rule: the
//! record of the intent comes before the process.

use std::path::Path;
use std::sync::Arc;

use netlab_fault::{self as fault, Moment, Phase};
use tokio::time::Instant;

use super::boot::{Saved, Start};
use super::checkpoint::make;
use super::command::{Instance, Machine, Memory, Origin};
use super::discover::Qemu;
use super::process::Guarded;
use super::start::{Prepared, blocking, uuid};
use super::{Artifacts, QemuError, QemuProvider};
use crate::error::Error;
use crate::instance::record::RECORD_VERSION;
use crate::instance::{InstanceLock, InstancePaths, Record, Stage};
use crate::platform::{Accelerator, Platform, ProcessIdentity};
use crate::provider::{Endpoint, Tier};
use crate::report::Reporter;

/// How a guest is to be started.
pub struct Launch<'a> {
    /// By which tier.
    pub tier: Tier,
    /// Where its memory is.
    pub memory: Memory,
    /// Key of the template that it is made from.
    pub template: Option<String>,
    /// The saved guest that it goes on with.
    pub saved: Option<Saved<'a>>,
}

impl Launch<'_> {
    /// A plain boot.
    pub const BOOT: Self =
        Self { tier: Tier::Cold, memory: Memory::Private, template: None, saved: None };
}

/// A guest that is up, and still ends with its owner.
pub struct Launched<'a> {
    /// QEMU. Declared before the files, so dropped before them.
    pub qemu: Guarded,
    /// Its identity.
    pub process: ProcessIdentity,
    /// The port on 127.0.0.1 that leads to SSH.
    pub port: u16,
    /// What was noted down of it.
    pub record: Record,
    unfinished: Unfinished<'a>,
}

impl QemuProvider {
    /// The whole machine of this instance.
    pub(super) fn machine(
        &self,
        qemu: &Qemu,
        artifacts: &Artifacts,
        accelerator: Accelerator,
        uuid: &str,
    ) -> Machine {
        let instance = Instance {
            uuid: uuid.to_owned(),
            root: artifacts.root.clone(),
            control_channel: self.paths.control_channel(Platform::HOST),
            boot_channel: self.paths.boot_channel(Platform::HOST),
            port: self.options.port,
        };
        let serial_log = self.paths.serial_log();
        Machine { instance: Some(instance), ..artifacts.machine(qemu, accelerator, &serial_log) }
    }

    /// Starts QEMU and waits for the guest. What befell the guest itself is told apart from what
    /// befell netlab around it, which no other accelerator or tier would change.
    pub(super) async fn launch(
        &self,
        prepared: &Prepared,
        launch: Launch<'_>,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Result<Launched<'_>, QemuError>, Error> {
        let (source, paths) = (Arc::clone(&self.sources.keys), self.paths.clone());
        let keys = blocking("making the keys", move || source(&paths)).await?;
        let Prepared { qemu: program, artifacts, choice } = prepared;
        let accelerator = choice.accelerator;
        let Launch { tier, memory, template, saved } = launch;
        let uuid = uuid();
        let machine = self.machine(program, artifacts, accelerator, &uuid);
        let mut record = Record {
            version: RECORD_VERSION,
            uuid: uuid.clone(),
            qemu: program.path.clone(),
            architecture: artifacts.architecture,
            accelerator,
            image: artifacts.digest.clone(),
            tier,
            template,
            make: Some(make(program, &artifacts.agent, &machine)),
            stage: Stage::Intent,
        };
        // Declared before QEMU, so dropped after it: files go when the process is dead.
        let unfinished = Unfinished { paths: Some(&self.paths) };
        record.write(&self.paths)?;
        let way = tier.way(self.paths.name().as_str());
        fault::reach(Phase::Start(way, Moment::Intent));
        let origin = if saved.is_some() { Origin::Saved } else { Origin::Boot };
        let arguments = Machine { memory, origin, ..machine }.arguments();
        let log = self.paths.qemu_log();
        let mut qemu = Guarded::spawn(&program.path, &arguments, &log)?;
        fault::reach(Phase::Start(way, Moment::Spawned));
        let process = qemu.identity();
        if let Some(process) = &process {
            record.stage = Stage::Booting { process: process.clone() };
            record.write(&self.paths)?;
        }
        fault::reach(Phase::Start(way, Moment::Recorded));
        let start = Start {
            begun,
            way,
            reporter,
            accelerator,
            uuid: &uuid,
            hostname: self.paths.name().as_str(),
            keys: &keys,
            control_channel: &self.paths.control_channel(Platform::HOST),
            boot_channel: &self.paths.boot_channel(Platform::HOST),
            serial_log: &self.paths.serial_log(),
            qemu_log: &log,
            port: self.options.port,
        };
        let started = start.run(saved, &mut qemu).await;
        match (started, process) {
            (Ok(port), Some(process)) => {
                fault::reach(Phase::Start(way, Moment::Started));
                Ok(Ok(Launched { qemu, process, port, record, unfinished }))
            }
            (Ok(_), None) => Err(gone_at_once(&program.path)),
            (Err(error), _) => {
                // Waited for, so that nothing of it is left when the user reads the error.
                qemu.kill().await.map_err(|source| QemuError::File {
                    action: "end",
                    path: program.path.clone(),
                    source,
                })?;
                Ok(Err(error))
            }
        }
    }

    /// Lets a guest live on without this netlab.
    pub(super) fn let_go(&self, launched: Launched<'_>) -> Result<Endpoint, Error> {
        let Launched { qemu, process, port, mut record, unfinished } = launched;
        record.stage = Stage::Up { process, port };
        record.write(&self.paths)?;
        unfinished.finish();
        qemu.disown();
        let way = record.tier.way(self.paths.name().as_str());
        fault::reach(Phase::Start(way, Moment::LetGo));
        Ok(self.endpoint(&record, port, false))
    }
}

/// The files of a start, removed unless it is finished. The keys stay: whatever takes its place, such
/// as the next tier, is the same to those who connect.
struct Unfinished<'a> {
    paths: Option<&'a InstancePaths>,
}

impl Unfinished<'_> {
    fn finish(mut self) {
        self.paths = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(paths) = self.paths {
            // What can't be removed now is cleared by whichever command comes next.
            let _ = paths.clear_machine();
        }
    }
}

/// An instance whose guest is being started, by whoever has its lock. What there is of it is removed if
/// the start is interrupted, unless there was something before, such as where a lab broke off. A start
/// that fails leaves its console to `netlab logs`; one that did not get so far leaves nothing.
pub(super) struct Beginning {
    lock: Option<InstanceLock>,
    was_bare: bool,
}

impl Beginning {
    /// The start of the instance that is locked.
    pub(super) fn of(lock: InstanceLock) -> Self {
        let was_bare = lock.is_bare();
        Self { lock: Some(lock), was_bare }
    }

    /// The start has come to its end, a good one or a bad one.
    pub(super) fn finish(mut self) {
        if let Some(lock) = self.lock.take().filter(InstanceLock::is_bare) {
            remove(lock);
        }
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take().filter(|_| self.was_bare) {
            remove(lock);
        }
    }
}

fn remove(lock: InstanceLock) {
    // What can't be removed now is cleared by whichever command comes next.
    let _ = lock.remove_instance();
}

fn gone_at_once(qemu: &Path) -> Error {
    QemuError::Spawn { qemu: qemu.to_owned(), source: std::io::ErrorKind::NotFound.into() }.into()
}
