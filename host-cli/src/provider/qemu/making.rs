//! The making of a template: a guest is booted once, with throw-away keys, in a workshop of its own;
//! it gets the agent, starts its services, gives up whatever made it an instance, and is saved. The
//! rule: the workshop's lock is held from the first look to the finished template, so that two
//! netlabs make one template, and whatever a killed one left is found by the next.

use std::time::Duration;

use netlab_fault as fault;
use netlab_protocol::boot::{Order, Report};
use tokio::time::{Instant, timeout};

use super::channel::{BootChannel, ChannelError};
use super::command::{MEMORY_MIB, Memory};
use super::launch::{Launch, Launched};
use super::migrate::{self, Contents};
use super::packed::{self, packing};
use super::qmp::Qmp;
use super::reconcile::reconcile;
use super::start::{Prepared, blocking};
use super::template::{Draft, Form, Found, Ingredients, Key, Template, TemplateError, Templates};
use super::{QemuError, QemuOptions, QemuProvider, room};
use crate::error::Error;
use crate::instance::{Home, InstanceError, InstanceLock, InstancePaths, Patience};
use crate::platform::{Accelerator, Platform};
use crate::report::{Event, Phase, Reporter};

/// Version of what a template is: raised whenever an old one would not do any more although all of
/// its ingredients are the same.
const FORMAT: u32 = 1;

/// Time for the guest to give up what makes it an instance, for which it overwrites all of its free
/// memory: 5 s under emulation, and several times that where the disk of the memory file is slow.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// Disk space beside the guest's whole memory, in MiB: for its state, and for the copy of what is
/// not zeros in the memory.
const COPY_MIB: u64 = 256;

/// A template that is wanted.
pub struct Making<'a> {
    /// Whose guest it is for.
    pub provider: &'a QemuProvider,
    /// With what.
    pub prepared: &'a Prepared,
    /// In which form.
    pub form: Form,
    /// Where to say what is being done.
    pub reporter: &'a Reporter,
    /// Processor and kernel of the host.
    pub host: String,
    /// When the whole start began.
    pub begun: Instant,
}

/// Why there is no template.
#[derive(Debug)]
pub enum NoTemplate {
    /// The guest from which it was to be made did not come up.
    Boot(QemuError),
    /// It came up, but could not be saved, for this reason.
    Reason(String),
}

impl From<TemplateError> for NoTemplate {
    fn from(error: TemplateError) -> Self {
        Self::Reason(error.to_string())
    }
}

impl Making<'_> {
    /// Finds the template, or makes it.
    ///
    /// # Errors
    /// What befell netlab; what befell the guest or the template is a [`NoTemplate`].
    pub async fn template(&self) -> Result<Result<Template, NoTemplate>, Error> {
        match self.found() {
            Ok(Some(template)) => return Ok(Ok(template)),
            Ok(None) => {}
            Err(error) => return Ok(Err(error.into())),
        }
        let lock = match self.workshop().await {
            Ok(lock) => lock,
            // A cache that we may not write to, or too long a path: a boot does without.
            Err(error) => return Ok(Err(NoTemplate::Reason(error.to_string()))),
        };
        let (templates, workshop) = (self.templates(), self.provider.home.workshop());
        for text in clear(&lock, &workshop, &templates).await? {
            self.note(text);
        }
        let made = match self.clean(&templates) {
            // Another netlab has made it while we waited.
            Ok(Some(template)) => Ok(template),
            Ok(None) => self.make(&lock, &templates, &self.key()?, workshop).await?,
            Err(error) => Err(error.into()),
        };
        fault::reach(fault::Phase::TemplatePlaced);
        // What can't be tidied up now is no reason to have no template.
        match templates.tidy() {
            Ok(gone) => gone.into_iter().for_each(|text| self.note(text)),
            Err(error) => self.note(error.to_string()),
        }
        if let Err(error) = lock.remove_instance() {
            self.note(error.to_string());
        }
        Ok(made)
    }

    /// The right to make templates.
    async fn workshop(&self) -> Result<InstanceLock, InstanceError> {
        let workshop = self.provider.home.workshop();
        workshop.check_socket_length(Platform::HOST)?;
        InstanceLock::acquire(&workshop, Patience::Wait(self.reporter)).await
    }

    /// The template if it is there, and what is broken thrown away.
    fn clean(&self, templates: &Templates) -> Result<Option<Template>, TemplateError> {
        let key = self.key()?;
        match templates.find(&key)? {
            Found::Whole(template) => Ok(Some(template)),
            Found::Absent => Ok(None),
            Found::Broken { problem } => {
                self.note(format!("{problem}: making it anew"));
                templates.discard(&key)?;
                Ok(None)
            }
        }
    }

    /// The template, if it has been made.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn found(&self) -> Result<Option<Template>, TemplateError> {
        Ok(match self.templates().find(&self.key()?)? {
            Found::Whole(template) => Some(template),
            Found::Absent | Found::Broken { .. } => None,
        })
    }

    /// Throws away a template that has turned out to be damaged, unless another netlab has put a
    /// new one in its place.
    ///
    /// # Errors
    /// [`TemplateError`], and what keeps the workshop from being entered.
    pub async fn discard(&self, damaged: &Template) -> Result<(), Error> {
        let _lock = self.workshop().await?;
        match self.found()? {
            Some(template) if template != *damaged => Ok(()),
            Some(_) | None => Ok(self.templates().discard(damaged.key())?),
        }
    }

    fn templates(&self) -> Templates {
        Templates::of(&self.provider.home)
    }

    fn note(&self, text: String) {
        self.reporter.emit(Event::Note { text });
    }

    /// The key of the template: all that it depends on, and nothing of an instance.
    ///
    /// # Errors
    /// [`TemplateError::Key`].
    pub fn key(&self) -> Result<Key, TemplateError> {
        let Prepared { qemu, artifacts, choice } = self.prepared;
        let provider = self.provider;
        let nowhere = provider.home.workshop();
        let bare = QemuProvider {
            paths: nowhere,
            options: QemuOptions { port: None, ..provider.options.clone() },
            ..provider.clone()
        };
        Ok(Key::of(&Ingredients {
            format: FORMAT,
            form: self.form,
            image: artifacts.digest.clone(),
            agent: artifacts.agent.clone(),
            qemu: qemu.clone(),
            host: match choice.accelerator {
                // The processor is a part of QEMU.
                Accelerator::Tcg => None,
                Accelerator::Kvm | Accelerator::Hvf | Accelerator::Whpx => Some(self.host.clone()),
            },
            arguments: bare.machine(qemu, artifacts, choice.accelerator, "").arguments(),
        })?)
    }

    /// Boots a guest in the workshop and saves it.
    async fn make(
        &self,
        lock: &InstanceLock,
        templates: &Templates,
        key: &Key,
        workshop: InstancePaths,
    ) -> Result<Result<Template, NoTemplate>, Error> {
        let reason = |reason| Ok(Err(NoTemplate::Reason(reason)));
        self.note("making a template of this guest, once: later starts go on from it".to_owned());
        let draft = match templates.draft(lock) {
            Ok(draft) => draft,
            Err(error) => return Ok(Err(error.into())),
        };
        let needed = u64::from(MEMORY_MIB) + COPY_MIB;
        let free = room::available_disk_mib(draft.folder())?;
        if free < needed {
            let folder = draft.folder().display();
            return reason(format!(
                "{needed} MiB must be free on the disk of `{folder}`, there are {free} MiB"
            ));
        }
        let maker = QemuProvider {
            paths: workshop,
            options: QemuOptions { port: None, ..self.provider.options.clone() },
            ..self.provider.clone()
        };
        let memory = match self.form {
            Form::Memory => Memory::Written(draft.ram()),
            Form::Stream => Memory::Private,
        };
        let launch = Launch { memory, ..Launch::BOOT };
        let launched = maker.launch(self.prepared, launch, self.reporter, self.begun).await?;
        let launched = match launched {
            Ok(launched) => launched,
            Err(error) => return Ok(Err(NoTemplate::Boot(error))),
        };
        let endpoint = maker.endpoint(&launched.record, launched.port, false);
        let furnish = &self.provider.sources.furnish;
        // A guest that is lost now is lost to the template only: the one that was asked for is
        // another.
        if let Err(error) = furnish(endpoint, self.reporter.clone(), self.begun).await {
            return reason(error.to_string());
        }
        self.reporter.emit(Event::PhaseStarted { phase: Phase::Template });
        let finished = self.save(&maker.paths, launched, &draft).await;
        if let Err(error) = finished {
            return reason(error.to_string());
        }
        fault::reach(fault::Phase::TemplateSaved);
        let (templates, key, form) = (templates.clone(), key.clone(), self.form);
        let opened_for_writing = self.prepared.qemu.version < super::command::READS_ONLY_SINCE;
        let finish = move || Ok(draft.finish(&templates, &key, form, opened_for_writing));
        let template = blocking("finishing the template", finish).await?;
        let since_start = self.begun.elapsed();
        self.reporter.emit(Event::PhaseDone { phase: Phase::Template, since_start });
        Ok(template.map_err(NoTemplate::from))
    }

    /// Takes back what makes the guest an instance, saves it and ends it.
    async fn save(
        &self,
        paths: &InstancePaths,
        launched: Launched<'_>,
        draft: &Draft,
    ) -> Result<(), QemuError> {
        // Held until QEMU is gone: the guest is saved with somebody at its boot channel, as each of
        // its clones will have.
        let _channel = settle(&paths.boot_channel(Platform::HOST)).await?;
        fault::reach(fault::Phase::TemplateSettled);
        let failed = |source| QemuError::Control { doing: "can't save the guest", source };
        let mut client =
            Qmp::connect(&paths.control_channel(Platform::HOST)).await.map_err(failed)?;
        let (target, socket) = (draft.state(), paths.state_socket());
        let file = |source| QemuError::File { action: "write", path: target.clone(), source };
        let mut state = tokio::fs::File::create(&target).await.map_err(file)?;
        match self.form {
            Form::Memory => {
                let contents = Contents::Devices;
                migrate::save(&mut client, &socket, contents, &mut state, &target).await?;
            }
            Form::Stream => {
                let mut stream = packing(state);
                let contents = Contents::Everything;
                migrate::save(&mut client, &socket, contents, &mut stream, &target).await?;
                packed::finish(stream).await.map_err(file)?;
            }
        }
        drop(client);
        let program = self.prepared.qemu.path.clone();
        let ended = launched.qemu.kill().await;
        ended.map_err(|source| QemuError::File { action: "end", path: program, source })
    }
}

/// Asks the guest to give up what makes it an instance, and waits until it has.
async fn settle(address: &str) -> Result<BootChannel, QemuError> {
    let broken = |problem: String| QemuError::Channel { phase: Phase::Template, problem };
    let channel = BootChannel::connect(address).await;
    let mut channel = channel.map_err(|error| broken(error.to_string()))?;
    let settled = async {
        channel.order(&Order::Settle).await?;
        while channel.report().await? != Report::NeedSecrets {}
        Ok::<_, ChannelError>(())
    };
    match timeout(SETTLED_WITHIN, settled).await {
        Ok(settled) => settled.map_err(|error| broken(error.to_string()))?,
        Err(_) => {
            let seconds = SETTLED_WITHIN.as_secs();
            return Err(broken(format!("the guest did not settle within {seconds} s")));
        }
    }
    Ok(channel)
}

/// Ends whatever a killed netlab left in the workshop, and of a template. Returns, in words, what was
/// ended. Nobody else's guest is ever there, and none is ever recorded as up.
async fn clear(
    lock: &InstanceLock,
    workshop: &InstancePaths,
    templates: &Templates,
) -> Result<Vec<String>, Error> {
    let (_, mut ended) = reconcile(lock, workshop).await?;
    // Keys to throw away are used for one guest.
    workshop.clear_run()?;
    ended.extend(templates.sweep(lock)?);
    Ok(ended)
}

/// Ends what a killed netlab left of the making of a template. Returns, in words, what was ended. A
/// template that another netlab is making right now is left to it.
///
/// # Errors
/// What can't be ended or removed.
pub async fn clear_leftovers(home: &Home) -> Result<Vec<String>, Error> {
    let (workshop, templates) = (home.workshop(), Templates::of(home));
    let lock = match InstanceLock::of_existing(&workshop, Patience::UpTo(Duration::ZERO)).await {
        Ok(Some(lock)) => lock,
        Ok(None) | Err(InstanceError::Busy(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let ended = clear(&lock, &workshop, &templates).await?;
    lock.remove_instance()?;
    Ok(ended)
}
