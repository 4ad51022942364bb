//! The start of a guest: what is settled before QEMU runs, then QEMU under a guard until the guest
//! is up and its record on disk. The rule: the record of the intent comes before the process.

use std::path::Path;
use std::sync::Arc;

use rand::Rng;
use tokio::time::Instant;

use super::boot::ColdBoot;
use super::command::{Instance, Machine};
use super::discover::{self, Qemu};
use super::probe::{Choice, Freshness, Trials};
use super::process::Guarded;
use super::{Artifacts, QemuError, QemuProvider, room};
use crate::error::Error;
use crate::instance::record::RECORD_VERSION;
use crate::instance::{InstancePaths, Record, Stage};
use crate::platform::{Accelerator, Platform};
use crate::provider::{Endpoint, Tier};
use crate::report::{Event, Phase, Reporter};

/// Everything that is settled before QEMU starts.
struct Prepared {
    qemu: Qemu,
    artifacts: Artifacts,
    choice: Choice,
}

impl QemuProvider {
    /// Finds QEMU, gets the image and picks the accelerator.
    async fn prepare(&self, reporter: &Reporter, begun: Instant) -> Result<Prepared, Error> {
        let qemu = discover::discover(self.options.qemu.as_deref(), self.guest).await?;
        let (source, told) = (Arc::clone(&self.sources.image), reporter.clone());
        let artifacts = blocking("getting the image", move || source(&told)).await?;
        let since_start = begun.elapsed();
        reporter.emit(Event::PhaseDone { phase: Phase::Image, since_start });
        let trials = Trials { home: &self.home, qemu: &qemu, artifacts: &artifacts, reporter };
        let choice = trials.choose(self.options.accelerator, Freshness::Cached).await?;
        Ok(Prepared { qemu, artifacts, choice })
    }

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
        Machine {
            instance: Some(instance),
            ..artifacts.machine(qemu.version, accelerator, &serial_log)
        }
    }

    /// Boots the guest, and once more with another accelerator if the one that an earlier trial
    /// found good turns out not to be.
    pub(super) async fn start(
        &self,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Endpoint, Error> {
        // First of all: QEMU's answer to `--version` alone may take a second, on a slow disk.
        reporter.emit(Event::PhaseStarted { phase: Phase::Image });
        room::check(self.paths.folder())?;
        let mut prepared = self.prepare(reporter, begun).await?;
        let failed = match self.boot(&prepared, reporter, begun).await? {
            Ok(endpoint) => return Ok(endpoint),
            Err(error) => error,
        };
        let accelerator = match prepared.choice {
            Choice { accelerator, cached: true } if failed.may_be_the_accelerators() => accelerator,
            Choice { .. } => return Err(failed.into()),
        };
        let text = format!(
            "{} worked here before, but this guest did not come up: trying it anew",
            accelerator.title()
        );
        reporter.emit(Event::Note { text });
        let Prepared { qemu, artifacts, .. } = &prepared;
        let trials = Trials { home: &self.home, qemu, artifacts, reporter };
        let choice = trials.choose(self.options.accelerator, Freshness::Anew).await?;
        if choice.accelerator == accelerator {
            // It isn't the accelerator's fault.
            return Err(failed.into());
        }
        prepared.choice = choice;
        Ok(self.boot(&prepared, reporter, begun).await??)
    }

    /// Boots the guest. What befell the guest itself is told apart from what befell netlab around
    /// it, which no other accelerator would change.
    async fn boot(
        &self,
        prepared: &Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Result<Endpoint, QemuError>, Error> {
        let (source, paths) = (Arc::clone(&self.sources.keys), self.paths.clone());
        let keys = blocking("making the keys", move || source(&paths)).await?;
        let Prepared { qemu: program, artifacts, choice: Choice { accelerator, .. } } = prepared;
        let accelerator = *accelerator;
        let uuid = uuid();
        let mut record = Record {
            version: RECORD_VERSION,
            uuid: uuid.clone(),
            qemu: program.path.clone(),
            accelerator,
            image: artifacts.digest.clone(),
            tier: Tier::Cold,
            template: None,
            stage: Stage::Intent,
        };
        // Declared before QEMU, so dropped after it: files go when the process is dead.
        let unfinished = Unfinished { paths: Some(&self.paths) };
        record.write(&self.paths)?;
        let arguments = self.machine(program, artifacts, accelerator, &uuid).arguments();
        let log = self.paths.qemu_log();
        let mut qemu = Guarded::spawn(&program.path, &arguments, &log)?;
        let process = qemu.identity();
        if let Some(process) = &process {
            record.stage = Stage::Booting { process: process.clone() };
            record.write(&self.paths)?;
        }
        let cold = ColdBoot {
            begun,
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
        let booted = cold.run(&mut qemu).await;
        let (port, process) = match (booted, process) {
            (Ok(port), Some(process)) => (port, process),
            (Ok(_), None) => return Err(gone_at_once(&program.path)),
            (Err(error), _) => {
                // Waited for, so that nothing of it is left when the user reads the error.
                qemu.kill().await.map_err(|source| QemuError::File {
                    action: "end",
                    path: program.path.clone(),
                    source,
                })?;
                return Ok(Err(error));
            }
        };
        record.stage = Stage::Up { process, port };
        record.write(&self.paths)?;
        unfinished.finish();
        qemu.disown();
        Ok(Ok(self.endpoint(accelerator, Tier::Cold, port, false)))
    }
}

/// The files of a start, removed unless it is finished.
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
            let _ = paths.clear_run();
        }
    }
}

fn gone_at_once(qemu: &Path) -> Error {
    QemuError::Spawn { qemu: qemu.to_owned(), source: std::io::ErrorKind::NotFound.into() }.into()
}

/// Does work that may block on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let task = tokio::task::spawn_blocking(work);
    task.await.map_err(|source| QemuError::Internal { doing, source })?
}

/// A random UUID (RFC 9562, version 4).
pub(super) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
