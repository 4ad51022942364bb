//! The default way to a guest: QEMU on this host, started as one process of the user's, without
//! root. The rule: everything between the intent and the finished start is owned by a guard, so
//! that an error or an interruption leaves neither process nor record behind.

pub mod accel;
pub mod probe;
pub mod qmp;
pub mod trial;

mod boot;
mod channel;
pub mod checkpoint;
mod command;
mod console;
pub mod discover;
mod endpoint;
mod error;
mod fate;
pub mod flaws;
#[cfg(test)]
mod hostile;
mod launch;
pub mod making;
mod migrate;
mod packed;
mod process;
mod readiness;
mod reconcile;
mod rehearsal;
pub mod room;
mod start;
pub mod template;
pub mod tier;
mod verdicts;
mod version;
pub mod warm;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use netlab_fault as fault;
use netlab_images::Image;
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::channel::BootChannel;
use self::command::Machine;
use self::discover::Qemu;
use self::launch::Beginning;
use self::qmp::Qmp;
use self::reconcile::{State, settle};
use super::checkpoint::{Back, Checkpoint, Forget, Label, Saved, Wanted};
use super::machine::Emulator;
use super::{Endpoint, Expendable, Fate, LogFile, OtherArchitecture, Provider, Seen, Status, Tier};
use crate::agent::binary::{self, NotBuiltIn};
use crate::cancel::Cancel;
use crate::cli::Options;
use crate::context::Context;
use crate::error::Error;
use crate::guest;
use crate::image::ImageSource;
use crate::instance::{
    Home, InstanceLock, InstancePaths, Name, Patience, Record, Stage, Use, usage,
};
use crate::platform::{Accelerator, Architecture, ChannelKind, Platform, ProcessIdentity};
use crate::report::{Event, Phase, Reporter};
use crate::ssh::keys::InstanceKeys;

pub use error::QemuError;
pub use version::Version;

/// How long `down` waits for another netlab that is starting or ending the same guest.
const DOWN_WAITS: Duration = Duration::from_secs(3);

/// How long `status` does: it only looks.
const STATUS_WAITS: Duration = Duration::from_millis(300);

/// What the user chose on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuOptions {
    /// `--qemu` or `NETLAB_QEMU`.
    pub qemu: Option<PathBuf>,
    /// `--accel`.
    pub accelerator: Option<Accelerator>,
    /// `--arch`: the guest's processor, if not the host's own.
    pub architecture: Option<Architecture>,
    /// `--port`: the port on 127.0.0.1 for the guest's SSH.
    pub port: Option<u16>,
    /// `--start`: the only tier to start a guest by.
    pub tier: Option<Tier>,
}

impl From<&Options> for QemuOptions {
    fn from(options: &Options) -> Self {
        Self {
            qemu: options.qemu.clone(),
            accelerator: options.accel,
            architecture: options.arch,
            port: options.port,
            tier: options.start,
        }
    }
}

/// The files that a guest boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// The guest's processor.
    pub architecture: Architecture,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The root file system.
    pub root: PathBuf,
    /// What changes when any of them does.
    pub digest: String,
    /// Digest of the agent that a template of it has.
    pub agent: String,
}

/// The secrets that the guest's init asks for.
#[derive(Clone)]
pub struct GuestKeys {
    /// The host key, in dropbear's file format.
    pub host_key: Zeroizing<Vec<u8>>,
    /// The line for `authorized_keys`.
    pub authorized_key: String,
}

/// Finds the image for such guests or builds it.
pub type ImageFinder =
    Arc<dyn Fn(Architecture, &Reporter) -> Result<Artifacts, Error> + Send + Sync>;

/// Says where the image for such guests is or would be.
pub type ImagePlace = Arc<dyn Fn(Architecture) -> Result<Artifacts, Error> + Send + Sync>;

/// Puts the agent into a guest that is to be a template, and starts its services.
pub type Furnisher =
    Arc<dyn Fn(Endpoint, Reporter, Instant) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Finds the keys of an instance in its folder, or makes them there.
pub type KeyMaker = Arc<dyn Fn(&InstancePaths) -> Result<GuestKeys, Error> + Send + Sync>;

/// Where the guest's files and keys come from. All but the last are called on a thread that may
/// block.
#[derive(Clone)]
pub struct Sources {
    /// Finds the image or builds it, and checks that its files are as they were built.
    pub image: ImageFinder,
    /// Names the image's files, whether they have been built or not.
    pub place: ImagePlace,
    /// The keys of an instance: those in its folder, or new ones.
    pub keys: KeyMaker,
    /// Puts the agent into a guest that is to be a template.
    pub furnish: Furnisher,
}

/// One instance under QEMU.
#[derive(Clone)]
pub struct QemuProvider {
    home: Home,
    paths: InstancePaths,
    options: QemuOptions,
    sources: Sources,
}

impl QemuProvider {
    /// The provider of an instance, as the options of this run describe it.
    pub fn of(context: &Context, name: &Name) -> Self {
        let options = QemuOptions::from(&context.options);
        let (place, image) = (context.clone(), context.clone());
        let sources = Sources {
            place: Arc::new(move |guest| {
                Ok(Artifacts::of(ImageSource::new(&place, guest).place()?, guest)?)
            }),
            image: Arc::new(move |guest, reporter| {
                Ok(Artifacts::of(ImageSource::new(&image, guest).ensure(reporter)?, guest)?)
            }),
            keys: Arc::new(|paths| {
                let keys = InstanceKeys::ensure(paths)?;
                Ok(GuestKeys {
                    host_key: keys.dropbear_host_key(),
                    authorized_key: keys.authorized_key()?,
                })
            }),
            furnish: Arc::new(|endpoint, reporter, begun| {
                Box::pin(guest::furnish(endpoint, reporter, begun))
            }),
        };
        Self::new(context.home.clone(), name, options, sources)
    }

    /// Takes what an instance is made of. Does nothing yet.
    pub fn new(home: Home, name: &Name, options: QemuOptions, sources: Sources) -> Self {
        let paths = home.instance(name);
        Self { home, paths, options, sources }
    }

    /// The processor of a guest that is started anew.
    fn guest(&self) -> Architecture {
        self.options.architecture.unwrap_or(Architecture::HOST)
    }

    /// Makes sure that a guest is of the architecture that the user asked for.
    fn check_architecture(&self, record: &Record) -> Result<(), OtherArchitecture> {
        let (name, wanted) = (self.paths.name().as_str(), self.options.architecture);
        OtherArchitecture::check(name, record.architecture, wanted)
    }

    /// Makes sure that a guest which seems to be up is ours and runs, and tells it the time, which
    /// it has lost if the host slept.
    async fn attach(
        &self,
        record: &Record,
        port: u16,
        reporter: &Reporter,
    ) -> Result<Endpoint, QemuError> {
        const ASKING: &str = "can't ask QEMU whether the guest runs";
        // A named pipe has had its one client.
        if Platform::HOST.channel_kind() == ChannelKind::UnixSocket {
            let failed = |source| QemuError::Control { doing: ASKING, source };
            let mut client = self.control(record, ASKING).await?;
            let status = client.status().await.map_err(failed)?;
            match status.as_str() {
                "running" => {}
                // We have the lock, so nobody is saving it: whoever was has been killed.
                "postmigrate" | "paused" => client.go_on().await.map_err(failed)?,
                _ => return Err(QemuError::NotRunning { status }),
            }
            drop(client);
            self.set_clock(reporter).await?;
        }
        Ok(self.endpoint(record, port, true))
    }

    /// A client of the QEMU that runs the guest.
    async fn control(&self, record: &Record, doing: &'static str) -> Result<Qmp, QemuError> {
        let address = self.paths.control_channel(Platform::HOST);
        let client = Qmp::of(&address, &record.uuid).await;
        client.map_err(|source| QemuError::Control { doing, source })
    }

    /// Tells a guest that runs the time.
    async fn set_clock(&self, reporter: &Reporter) -> Result<(), QemuError> {
        let broken = |problem| QemuError::Channel { phase: Phase::Network, problem };
        let address = self.paths.boot_channel(Platform::HOST);
        let channel = BootChannel::connect(&address).await;
        let mut channel = channel.map_err(|error| broken(error.to_string()))?;
        channel.set_clock(reporter).await.map_err(|error| broken(error.to_string()))
    }
}

#[async_trait]
impl Provider for QemuProvider {
    async fn up(&self, reporter: &Reporter) -> Result<Endpoint, Error> {
        let begun = Instant::now();
        self.paths.check_socket_length(Platform::HOST)?;
        let lock = InstanceLock::acquire(&self.paths, Patience::Wait(reporter)).await?;
        loop {
            let state = settle(&lock, &self.paths, reporter).await?;
            let State::Up { record, process, port } = state else {
                break;
            };
            self.check_architecture(&record)?;
            if self.options.port.is_some_and(|wanted| wanted != port) {
                let text = format!("the guest is up, at port {port}: `--port` is for its start");
                reporter.emit(Event::Note { text });
            }
            match self.attach(&record, port, reporter).await {
                // A process that was killed still has its pid, and its sockets, while it ends.
                Err(QemuError::Control { .. } | QemuError::Channel { .. })
                    if process::is_ending(&process).await => {}
                attached => return Ok(attached?),
            }
        }
        let beginning = Beginning::of(lock);
        let started = async {
            room::check(self.paths.folder())?;
            fault::reach(fault::Phase::UpLocked);
            let prepared = self.prepare(reporter, begun).await?;
            self.start(prepared, reporter, begun).await
        }
        .await;
        beginning.finish();
        started
    }

    async fn status(&self, reporter: &Reporter) -> Result<Status, Error> {
        let patience = Patience::UpTo(STATUS_WAITS);
        match InstanceLock::of_existing(&self.paths, patience).await {
            Ok(None) => Ok(Status::Down),
            Ok(Some(lock)) => match settle(&lock, &self.paths, reporter).await? {
                State::Up { record, port, .. } => Ok(self.status_of(&record, port)),
                State::Down => Ok(Status::Down),
            },
            // Someone is at it: look without touching.
            Err(crate::instance::InstanceError::Busy(_)) => match Record::read(&self.paths)? {
                Some(ref record @ Record { stage: Stage::Up { ref process, port }, .. }) => {
                    let is_alive = process.is_alive();
                    Ok(if is_alive { self.status_of(record, port) } else { Status::Down })
                }
                _ => Ok(Status::Starting),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn down(&self, reporter: &Reporter) -> Result<Vec<String>, Error> {
        let patience = Patience::UpTo(DOWN_WAITS);
        let Some(lock) = InstanceLock::of_existing(&self.paths, patience).await? else {
            return Ok(Vec::new());
        };
        let state = settle(&lock, &self.paths, reporter).await?;
        let mut ended = Vec::new();
        fault::reach(fault::Phase::DownBegun);
        if let State::Up { process, .. } = state {
            process::end(&process, &self.paths.control_channel(Platform::HOST)).await?;
            let ProcessIdentity { pid, .. } = process;
            ended.push(format!("guest `{}` (QEMU, pid {pid})", self.paths.name()));
        }
        // Their lab was in the guest. A guest that is started anew may save others once we let go.
        self.shelf().forget(&Forget::Steps)?;
        fault::reach(fault::Phase::DownEnded);
        lock.remove_instance()?;
        Ok(ended)
    }

    fn logs(&self) -> Vec<LogFile> {
        vec![
            LogFile { name: "serial", path: self.paths.serial_log() },
            LogFile { name: "qemu", path: self.paths.qemu_log() },
        ]
    }

    fn machine(&self) -> super::Machine<'_> {
        super::Machine::Own(self)
    }
}

#[async_trait]
impl Emulator for QemuProvider {
    async fn swap(
        &self,
        expendable: Expendable,
        cancel: &Cancel,
        reporter: &Reporter,
    ) -> Result<Option<Endpoint>, Error> {
        let begun = Instant::now();
        // All that can fail without the old guest is tried before that ends.
        let ready = async {
            let patience = Patience::Wait(reporter);
            let Some(lock) = InstanceLock::of_existing(&self.paths, patience).await? else {
                return Ok(None);
            };
            let state = settle(&lock, &self.paths, reporter).await?;
            let State::Up { record, process, port } = state else {
                return Ok(None);
            };
            self.check_architecture(&record)?;
            let (architecture, port) = (Some(record.architecture), Some(port));
            let options = QemuOptions { architecture, port, ..self.options.clone() };
            let again = Self { options, ..self.clone() };
            let prepared = again.prepare(reporter, begun).await?;
            let is_ready = again.has_template(&prepared, reporter, begun).await?;
            Ok::<_, Error>(is_ready.then_some((lock, process, again, prepared)))
        };
        let Some((_lock, process, again, prepared)) = cancel.guard(ready).await? else {
            return Ok(None);
        };
        // The user may have begun to work in it since it was decided.
        if expendable == Expendable::Unused && Use::of(&self.paths)? == Use::Own {
            return Ok(None);
        }
        fault::reach(fault::Phase::ResetReady);
        // By force: nothing in it is to be kept. From here on there is no guest until the next one is
        // up, so an interruption has to wait for that.
        process::kill(&process).await?;
        self.paths.clear_machine()?;
        fault::reach(fault::Phase::ResetGone);
        again.start(prepared, reporter, begun).await.map(Some)
    }

    async fn command(&self, reporter: &Reporter) -> Result<Vec<String>, Error> {
        self.paths.check_socket_length(Platform::HOST)?;
        let qemu = discover::discover(self.options.qemu.as_deref(), self.guest()).await?;
        self.rehearse(&qemu, reporter).await
    }

    async fn enter(&self, reporter: &Reporter) -> Result<Option<Endpoint>, Error> {
        let patience = Patience::Wait(reporter);
        let Some(lock) = InstanceLock::of_existing(&self.paths, patience).await? else {
            return Ok(None);
        };
        let State::Up { record, port, .. } = settle(&lock, &self.paths, reporter).await? else {
            return Ok(None);
        };
        self.check_architecture(&record)?;
        usage::mark_work(&self.paths)?;
        // A guest that was being saved when netlab was killed stands still until it is attached to.
        if let Err(error) = self.attach(&record, port, reporter).await {
            let text = format!("the guest may stand still, or its clock be wrong: {error}");
            reporter.emit(Event::Note { text });
        }
        Ok(Some(self.endpoint(&record, port, true)))
    }

    async fn fate(&self, seen: &Seen) -> Result<Option<Fate>, Error> {
        fate::fate(&self.paths, seen).await
    }

    async fn save(&self, wanted: Wanted, reporter: &Reporter) -> Result<Saved, Error> {
        self.save_guest(wanted, reporter).await
    }

    async fn back(&self, label: Option<&Label>, reporter: &Reporter) -> Result<Back, Error> {
        self.bring_back(label, reporter).await
    }

    fn unsavable(&self) -> Option<String> {
        self.unavailable(None).map(str::to_owned)
    }

    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        Ok(self.shelf().list()?)
    }

    async fn forget(&self, which: &Forget) -> Result<Vec<Label>, Error> {
        self.forget_checkpoints(which).await
    }
}

impl Artifacts {
    /// Those of an image for such guests.
    ///
    /// # Errors
    /// [`NotBuiltIn`].
    pub fn of(image: Image, guest: Architecture) -> Result<Self, NotBuiltIn> {
        Ok(Self {
            architecture: guest,
            kernel: image.kernel,
            initramfs: image.initramfs,
            root: image.root,
            digest: image.key,
            agent: binary::of(guest)?.agent_sha256.to_owned(),
        })
    }

    /// A machine with this kernel and nothing else.
    fn machine(&self, qemu: &Qemu, accelerator: Accelerator, serial_log: &Path) -> Machine {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Machine {
            platform: Platform::HOST,
            host: Architecture::HOST,
            guest: self.architecture,
            version: qemu.version,
            sandbox: qemu.sandbox,
            accelerator,
            cpus: command::cpus(accelerator, u32::try_from(processors).unwrap_or(1)),
            kernel: self.kernel.clone(),
            initramfs: self.initramfs.clone(),
            serial_log: serial_log.to_owned(),
            console: command::Console::Quiet,
            memory: command::Memory::Private,
            origin: command::Origin::Boot,
            instance: None,
        }
    }
}
