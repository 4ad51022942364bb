//! The start of a guest: what is settled before QEMU runs, and then the quickest tier that works. A
//! tier that fails gives way to the next one in the same command, with one line; one that the user
//! asked for does not.

use std::sync::Arc;

use rand::Rng;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::accel::Circumstances;
use super::boot::{Saved, Who};
use super::command::Memory;
use super::discover::{self, Qemu};
use super::launch::Launch;
use super::making::{Making, NoTemplate};
use super::migrate::Contents;
use super::packed::unpacked;
use super::probe::{Choice, Freshness, Trials};
use super::template::{Form, Template, TemplateError};
use super::tier::{Finding, Tiers};
use super::{Artifacts, QemuError, QemuProvider};
use crate::error::Error;
use crate::instance::InstanceError;
use crate::platform::{Architecture, Platform};
use crate::provider::{Endpoint, Tier};
use crate::report::{Event, Phase, Reporter};

/// Everything that is settled before QEMU starts.
pub struct Prepared {
    pub(super) qemu: Qemu,
    pub(super) artifacts: Artifacts,
    pub(super) choice: Choice,
}

/// What came of a tier.
enum Outcome {
    /// The guest is up.
    Up(Endpoint),
    /// It was not tried, or has no template, for this reason.
    Passed(String),
    /// It was tried.
    Failed(QemuError),
    /// The guest from which a template was to be made did not even boot.
    NoBoot(QemuError),
}

impl QemuProvider {
    /// Finds QEMU, gets the image and picks the accelerator.
    pub(super) async fn prepare(
        &self,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Prepared, Error> {
        // First of all: QEMU's answer to `--version` alone may take a second, on a slow disk.
        reporter.emit(Event::PhaseStarted { phase: Phase::Image });
        // Side by side: the one waits for a program, the other reads a hundred megabytes.
        let guest = self.guest();
        let finding = async { Ok(discover::discover(self.options.qemu.as_deref(), guest).await?) };
        let (source, told) = (Arc::clone(&self.sources.image), reporter.clone());
        let image = blocking("getting the image", move || source(guest, &told));
        let (qemu, artifacts) = tokio::try_join!(finding, image)?;
        let since_start = begun.elapsed();
        reporter.emit(Event::PhaseDone { phase: Phase::Image, since_start });
        if Platform::HOST.sandboxes_qemu() && !qemu.sandbox {
            let text = "QEMU runs without its sandbox, which does not work here";
            reporter.emit(Event::Note { text: format!("{text} (`netlab doctor` says more)") });
        }
        let trials = Trials { home: &self.home, qemu: &qemu, artifacts: &artifacts, reporter };
        let choice = trials.choose(self.options.accelerator, Freshness::Cached).await?;
        if guest != Architecture::HOST {
            let text = format!("this computer is no {guest} one: it emulates the guest, with TCG");
            reporter.emit(Event::Note { text });
        }
        Ok(Prepared { qemu, artifacts, choice })
    }

    /// The tiers of a prepared start.
    pub(super) fn tiers(&self, prepared: &Prepared) -> Result<Tiers, QemuError> {
        let accelerator = prepared.choice.accelerator;
        let image = &prepared.artifacts.digest;
        let here = Circumstances::here(accelerator, &prepared.qemu, image)?;
        Ok(Tiers::of(&self.home, &prepared.artifacts.agent, accelerator, here))
    }

    /// The tier by which a start would go on from a saved guest, as far as is known.
    pub(super) fn saved_tier(&self, prepared: &Prepared) -> Result<Option<Tier>, Error> {
        let tiers = self.tiers(prepared)?;
        let wanted = |tier: &Tier| self.options.tier.is_none_or(|forced| forced == *tier);
        for tier in [Tier::Clone, Tier::Restore].into_iter().filter(wanted) {
            if matches!(tiers.finding(tier)?, Finding::Works | Finding::Untried) {
                return Ok(Some(tier));
            }
        }
        Ok(None)
    }

    /// Brings the guest up. An accelerator that an earlier trial found good may have broken since: a
    /// start that fails with it has it tried anew, before anything else is tried.
    pub(super) async fn start(
        &self,
        mut prepared: Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Endpoint, Error> {
        loop {
            if let Some(endpoint) = self.by_tiers(&mut prepared, reporter, begun).await? {
                return Ok(endpoint);
            }
        }
    }

    /// Brings the guest up by the quickest tier that works; `None` if it now has another accelerator,
    /// with which all of them are to be tried.
    async fn by_tiers(
        &self,
        prepared: &mut Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Option<Endpoint>, Error> {
        let tiers = self.tiers(prepared)?;
        let forced = self.options.tier;
        let saved = [Tier::Clone, Tier::Restore].into_iter();
        for tier in saved.filter(|&tier| forced.is_none_or(|it| it == tier)) {
            // What never can be is no news.
            let finding = tiers.finding(tier)?;
            if forced.is_none() && matches!(finding, Finding::Impossible { .. }) {
                continue;
            }
            let reason = match self.by_template(tier, &tiers, prepared, reporter, begun).await? {
                Outcome::Up(endpoint) => return Ok(Some(endpoint)),
                Outcome::Passed(reason) => reason,
                Outcome::Failed(error) => {
                    if self.takes_another_accelerator(prepared, &error, reporter).await? {
                        return Ok(None);
                    }
                    let reason = error.in_short();
                    if !error.is_a_kill() {
                        remember(tiers.fails(tier, reason.clone()), reporter);
                    }
                    reason
                }
                Outcome::NoBoot(error) => {
                    if self.takes_another_accelerator(prepared, &error, reporter).await? {
                        return Ok(None);
                    }
                    // It got as far as its kernel, and would get no further without being saved.
                    if forced.is_some() || error.is_the_guests() {
                        return Err(error.into());
                    }
                    let text = format!("no guest could be saved: {error}");
                    reporter.emit(Event::Note { text });
                    break;
                }
            };
            if let Some(tier) = forced {
                return Err(QemuError::TierFails { tier, reason }.into());
            }
            let text = format!("no {} of a saved guest: {reason}", tier.name());
            reporter.emit(Event::Note { text });
        }
        let error = match self.launch(prepared, Launch::BOOT, reporter, begun).await? {
            Ok(launched) => return Ok(Some(self.let_go(launched)?)),
            Err(error) => error,
        };
        if self.takes_another_accelerator(prepared, &error, reporter).await? {
            return Ok(None);
        }
        Err(error.into())
    }

    /// Tries the accelerator anew, if only an earlier trial speaks for it and a guest has now failed in
    /// a way that may be its doing; says whether another one has taken its place.
    async fn takes_another_accelerator(
        &self,
        prepared: &mut Prepared,
        failed: &QemuError,
        reporter: &Reporter,
    ) -> Result<bool, Error> {
        let Choice { accelerator, cached } = prepared.choice;
        if !cached || !failed.may_be_the_accelerators() {
            return Ok(false);
        }
        let title = accelerator.title();
        let text =
            format!("{title} worked here before, but this guest did not come up: trying it anew");
        reporter.emit(Event::Note { text });
        let Prepared { qemu, artifacts, .. } = &*prepared;
        let trials = Trials { home: &self.home, qemu, artifacts, reporter };
        prepared.choice = trials.choose(self.options.accelerator, Freshness::Anew).await?;
        Ok(prepared.choice.accelerator != accelerator)
    }

    /// Starts a guest from the template of its tier, which is made first if need be.
    async fn by_template(
        &self,
        tier: Tier,
        tiers: &Tiers,
        prepared: &Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Outcome, Error> {
        match tiers.finding(tier)? {
            Finding::Works | Finding::Untried => {}
            // Whoever asks for it gets it tried again.
            Finding::Fails { .. } if self.options.tier == Some(tier) => {}
            Finding::Fails { reason } => {
                let again = format!("`netlab up --start {}` tries it again", tier.name());
                return Ok(Outcome::Passed(format!("{reason}; {again}")));
            }
            Finding::Impossible { reason } => return Ok(Outcome::Passed(reason.to_owned())),
        }
        let (form, host) = (Form::of(tier), tiers.host());
        let making = Making { provider: self, prepared, form, reporter, host, begun };
        let mut again = true;
        loop {
            let template = match making.template().await? {
                Ok(template) => template,
                Err(NoTemplate::Reason(reason)) => return Ok(Outcome::Passed(reason)),
                Err(NoTemplate::Boot(error)) => return Ok(Outcome::NoBoot(error)),
            };
            let error = match self.go_on_from(&template, tier, prepared, reporter, begun).await? {
                Ok(endpoint) => {
                    remember(tiers.works(tier), reporter);
                    return Ok(Outcome::Up(endpoint));
                }
                Err(error) => error,
            };
            let checked = template.clone();
            let sound = tokio::task::spawn_blocking(move || checked.verify()).await;
            let sound = sound.map_err(|source| QemuError::Internal {
                doing: "verifying the template",
                source,
            })?;
            match sound {
                Err(damage @ TemplateError::Altered { .. }) if again => {
                    again = false;
                    reporter.emit(Event::Note { text: format!("{damage}: making it anew") });
                    making.discard(&template).await?;
                }
                Err(damage) => return Ok(Outcome::Passed(damage.to_string())),
                Ok(()) if error.may_be_the_tiers() => return Ok(Outcome::Failed(error)),
                Ok(()) => return Err(error.into()),
            }
        }
    }

    /// Starts a guest from a template, whose files are verified meanwhile: the guest gets no secret
    /// before they have been found sound.
    async fn go_on_from(
        &self,
        template: &Template,
        tier: Tier,
        prepared: &Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<Result<Endpoint, QemuError>, Error> {
        let verified = template.clone();
        let verifying = tokio::task::spawn_blocking(move || verified.verify());
        let sound = Box::pin(async move {
            match verifying.await {
                Ok(sound) => sound.map_err(QemuError::from),
                Err(source) => Err(QemuError::Internal { doing: "verifying the template", source }),
            }
        });
        let origin = template.state();
        let opened: std::io::Result<Box<dyn AsyncRead + Send + Unpin>> = match template.form() {
            Form::Memory => {
                let file = tokio::fs::File::open(&origin).await;
                file.map(|file| Box::new(file) as _)
            }
            Form::Stream => unpacked(&origin).await.map(|stream| Box::new(stream) as _),
        };
        let state = match opened {
            Ok(state) => state,
            Err(source) => {
                return Ok(Err(QemuError::File { action: "open", path: origin, source }));
            }
        };
        let (memory, contents) = match template.form() {
            Form::Memory => (Memory::Copied(template.ram()), Contents::Devices),
            Form::Stream => (Memory::Private, Contents::Everything),
        };
        let socket = self.paths.state_socket();
        let saved =
            Saved { state, origin: &origin, contents, socket: &socket, sound, who: Who::Nobody };
        let template = Some(template.key().to_string());
        let launch = Launch { tier, memory, template, saved: Some(saved) };
        match self.launch(prepared, launch, reporter, begun).await? {
            Ok(launched) => Ok(Ok(self.let_go(launched)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// A verdict that can't be kept is had again by another trial.
fn remember(kept: Result<(), InstanceError>, reporter: &Reporter) {
    if let Err(error) = kept {
        reporter.emit(Event::Note { text: error.to_string() });
    }
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
