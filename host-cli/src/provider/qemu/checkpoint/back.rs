//! Bringing a guest back. The rule: everything that can be known to be wrong with a checkpoint is
//! found before the guest that runs is ended.

use std::net::{Ipv4Addr, TcpListener};

use tokio::time::Instant;

use super::super::accel::Verdict;
use super::super::boot::{Saved, Who};
use super::super::command::Memory;
use super::super::discover;
use super::super::launch::{Beginning, Launch, Launched};
use super::super::migrate::Contents;
use super::super::packed::unpacked;
use super::super::probe::{Choice, Finding, Freshness, Trials};
use super::super::reconcile::{State, settle};
use super::super::start::{Prepared, blocking};
use super::super::{QemuError, QemuOptions, QemuProvider, process, room};
use super::about::{About, Maker};
use super::error::CheckpointError;
use super::shelf::failed;
use crate::error::Error;
use crate::instance::{InstanceLock, Patience, Use, usage};
use crate::provider::Tier;
use crate::provider::checkpoint::{Back, Label};
use crate::report::{Event, Phase, Reporter};

impl QemuProvider {
    /// Puts the guest that was saved in the place of the one that runs, or of none.
    pub(in super::super) async fn bring_back(
        &self,
        label: Option<&Label>,
        reporter: &Reporter,
    ) -> Result<Back, Error> {
        let begun = Instant::now();
        self.check_available(None)?;
        // Looked for before there is a folder for the lock.
        let shelf = self.shelf();
        shelf.find(label)?;
        let lock = InstanceLock::acquire(&self.paths, Patience::Wait(reporter)).await?;
        let state = settle(&lock, &self.paths, reporter).await?;
        let beginning = Beginning::of(lock);
        let ready = async {
            let sound = self.examine(label, reporter, begun).await?;
            if state == State::Down {
                room::check(self.paths.folder())?;
            }
            Ok::<_, Error>(sound)
        };
        let (about, prepared) = match ready.await {
            Ok(ready) => ready,
            Err(error) => {
                beginning.finish();
                return Err(error);
            }
        };
        let port = match state {
            State::Up { process, port, .. } => {
                process::kill(&process).await?;
                self.paths.clear_machine()?;
                Some(port)
            }
            State::Down => self.options.port.or_else(|| free_port(about.port, reporter)),
        };
        let at_port =
            Self { options: QemuOptions { port, ..self.options.clone() }, ..self.clone() };
        let mut launched = at_port.go_on(&about, &prepared, reporter, begun).await?;
        if let Err(error @ QemuError::Panicked { .. }) = &launched {
            // It was well when it was saved, and its files are whole: seen once in some hundreds of
            // starts under emulation, and never twice in a row.
            let text = format!("{}: bringing it back once more", error.in_short());
            reporter.emit(Event::Note { text });
            launched = at_port.go_on(&about, &prepared, reporter, begun).await?;
        }
        let launched = match launched {
            Ok(launched) => launched,
            Err(error) => {
                beginning.finish();
                let source = Box::new(self.found_cause(error, &prepared, reporter).await);
                return Err(CheckpointError::Lost { label: about.label, source }.into());
            }
        };
        about.keys.restore(&self.paths)?;
        match about.usage {
            Use::Own => usage::mark_work(&self.paths)?,
            Use::Lab => usage::mark_lab(&self.paths)?,
            Use::Clean => {}
        }
        let endpoint = at_port.let_go(launched)?;
        beginning.finish();
        Ok(Back { endpoint, checkpoint: about.told() })
    }

    /// Starts the saved guest.
    async fn go_on(
        &self,
        about: &About,
        prepared: &Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Result<Launched<'_>, QemuError>, Error> {
        let path = self.shelf().state(about);
        let stream = unpacked(&path).await.map_err(failed("read", &path))?;
        let socket = self.paths.state_socket();
        let saved = Saved {
            state: Box::new(stream),
            origin: &path,
            contents: Contents::Everything,
            socket: &socket,
            sound: Box::pin(std::future::ready(Ok(()))),
            who: Who::Itself,
        };
        let launch = Launch {
            tier: Tier::Restore,
            memory: Memory::Private,
            template: None,
            saved: Some(saved),
        };
        self.launch(prepared, launch, reporter, begun).await
    }

    /// What kept a saved guest from coming up: the accelerator, if a new trial finds it broken.
    async fn found_cause(
        &self,
        failed: QemuError,
        prepared: &Prepared,
        reporter: &Reporter,
    ) -> QemuError {
        if !failed.may_be_the_accelerators() {
            return failed;
        }
        let Prepared { qemu, artifacts, choice } = prepared;
        let accelerator = choice.accelerator;
        let trials = Trials { home: &self.home, qemu, artifacts, reporter };
        match trials.verdict(accelerator, Freshness::Anew).await {
            Ok(Finding { verdict: Verdict::Fails { problem }, .. }) => {
                QemuError::AcceleratorFails { accelerator, problem }
            }
            // What keeps a trial from being made is not what the user has lost the guest by.
            Ok(Finding { verdict: Verdict::Works, .. }) | Err(_) => failed,
        }
    }

    /// Makes sure that a checkpoint is whole and fits to what is here.
    async fn examine(
        &self,
        label: Option<&Label>,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<(About, Prepared), Error> {
        let shelf = self.shelf();
        let about = shelf.find(label)?;
        about.check_architecture(self.options.architecture)?;
        let guest = about.maker.architecture;
        reporter.emit(Event::PhaseStarted { phase: Phase::Image });
        let checked = about.clone();
        let verifying = blocking("verifying the checkpoint", move || Ok(shelf.verify(&checked)?));
        let (source, told) = (self.sources.image.clone(), reporter.clone());
        let image = blocking("getting the image", move || source(guest, &told));
        let finding = async { Ok(discover::discover(self.options.qemu.as_deref(), guest).await?) };
        let (qemu, artifacts, ()) = tokio::try_join!(finding, image, verifying)?;
        let accelerator = self.options.accelerator.unwrap_or(about.maker.accelerator);
        let machine = self.machine(&qemu, &artifacts, accelerator, "");
        about.check_fits(&Maker::of(&qemu, &artifacts.digest, &artifacts.agent, &machine))?;
        let since_start = begun.elapsed();
        reporter.emit(Event::PhaseDone { phase: Phase::Image, since_start });
        // It worked when the guest was saved, with this very QEMU.
        let choice = Choice { accelerator, cached: true };
        Ok((about, Prepared { qemu, artifacts, choice }))
    }
}

/// The port that the guest had, unless somebody else has it now.
fn free_port(port: u16, reporter: &Reporter) -> Option<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Some(port),
        Err(error) => {
            let text = format!("the guest gets another port than {port}: {error}");
            reporter.emit(Event::Note { text });
            None
        }
    }
}
