//! Tries an accelerator by booting our own kernel with it, and picks one for a guest.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Artifacts;
use super::accel::{Circumstances, KNOWN_LINE, Outcome, Problem, Verdict, known_problem};
use super::command::{self, Machine};
use super::console::{self, Console};
use super::discover::Qemu;
use super::error::QemuError;
use super::process::Guarded;
use super::trial::Ground;
use super::verdicts::Verdicts;
use crate::error::Error;
use crate::instance::Home;
use crate::platform::{Accelerator, Architecture, Platform};
use crate::report::{Event, Reporter};

/// Time for the kernel to start its init. With working hardware it takes well below a second; a
/// broken one is found out before anybody thinks that netlab hangs.
const BOOT_WITHIN: Duration = Duration::from_secs(5);

/// Time between two looks at the console's file: no system tells portably that a file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is needed to try accelerators.
pub struct Trials<'a> {
    /// Whose cache has the verdicts.
    pub home: &'a Home,
    /// The QEMU to try.
    pub qemu: &'a Qemu,
    /// The kernel to boot.
    pub artifacts: &'a Artifacts,
    /// Where to say what is being tried.
    pub reporter: &'a Reporter,
}

/// Whether an earlier verdict may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It may.
    Cached,
    /// It is to be tried now.
    Anew,
}

/// A verdict, and whether it was taken from the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What the trial showed.
    pub verdict: Verdict,
    /// Whether the trial was an earlier one.
    pub cached: bool,
}

/// The accelerator for a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub accelerator: Accelerator,
    /// Whether that rests on an earlier trial.
    pub cached: bool,
}

/// The accelerator that a guest would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foresight {
    /// Which.
    pub accelerator: Accelerator,
    /// Whether that is sure; if not, a trial of it is still to be made.
    pub is_known: bool,
}

impl Trials<'_> {
    /// Picks the best accelerator that works; the user's own choice is tried as well, but not
    /// replaced.
    ///
    /// # Errors
    /// [`QemuError::AcceleratorFails`] for the user's own choice.
    pub async fn choose(
        &self,
        forced: Option<Accelerator>,
        freshness: Freshness,
    ) -> Result<Choice, Error> {
        if let Some(accelerator) = forced {
            let finding = self.verdict(accelerator, freshness).await?;
            return match finding.verdict {
                Verdict::Works => Ok(Choice { accelerator, cached: finding.cached }),
                Verdict::Fails { problem } => {
                    Err(QemuError::AcceleratorFails { accelerator, problem }.into())
                }
            };
        }
        for accelerator in self.candidates() {
            let finding = self.verdict(accelerator, freshness).await?;
            match finding.verdict {
                Verdict::Works => {
                    return Ok(Choice { accelerator, cached: finding.cached });
                }
                Verdict::Fails { problem } => {
                    let text = fallback(accelerator, &problem, finding.cached);
                    self.reporter.emit(Event::Note { text });
                }
            }
        }
        Ok(Choice { accelerator: Accelerator::Tcg, cached: false })
    }

    /// Says what [`Self::choose`] would pick, without any trial.
    ///
    /// # Errors
    /// What keeps earlier verdicts from being read.
    pub fn foresee(&self, forced: Option<Accelerator>) -> Result<Foresight, Error> {
        if let Some(accelerator) = forced {
            return Ok(Foresight { accelerator, is_known: true });
        }
        for accelerator in self.candidates() {
            match self.known(accelerator)?.map(|finding| finding.verdict) {
                Some(Verdict::Works) => return Ok(Foresight { accelerator, is_known: true }),
                Some(Verdict::Fails { .. }) => {}
                None => return Ok(Foresight { accelerator, is_known: false }),
            }
        }
        Ok(Foresight { accelerator: Accelerator::Tcg, is_known: true })
    }

    /// The accelerators that come into question for this guest, best first.
    fn candidates(&self) -> impl Iterator<Item = Accelerator> {
        // Hardware runs only its own instructions.
        let foreign = self.artifacts.architecture != Architecture::HOST;
        let all = Platform::HOST.accelerators().iter().copied();
        all.filter(move |&accelerator| !foreign || accelerator == Accelerator::Tcg)
    }

    /// Says whether an accelerator works, from an earlier trial or a new one.
    ///
    /// # Errors
    /// What keeps a trial from being made at all.
    pub async fn verdict(
        &self,
        accelerator: Accelerator,
        freshness: Freshness,
    ) -> Result<Finding, Error> {
        let fresh = |finding: &Finding| freshness == Freshness::Cached || !finding.cached;
        let earlier = self.known(accelerator)?;
        if let Some(finding) = earlier.clone().filter(fresh) {
            return Ok(finding);
        }
        let ground = Ground::enter(self.home, self.reporter).await?;
        // Another netlab may have tried just this while we waited for it.
        let now = self.known(accelerator)?;
        let is_news = |now: &Finding| fresh(now) || earlier.as_ref() != Some(now);
        if let Some(finding) = now.clone().filter(is_news) {
            return Ok(finding);
        }
        let verdict = self.boot(&ground, accelerator).await?.verdict();
        let mut verdicts = Verdicts::read(&self.home.accelerator_verdicts())?;
        // One that has worked may fail by an accident of a busy host: only the next trial counts, which may
        // be that of a netlab that waits for this one.
        let has_worked = now.is_some_and(|now| now.verdict == Verdict::Works);
        let is_kept = verdict.is_lasting() && (verdict == Verdict::Works || !has_worked);
        let kept = is_kept.then(|| verdict.clone());
        verdicts.keep(self.circumstances(accelerator)?, kept)?;
        Ok(Finding { verdict, cached: false })
    }

    /// What is known of an accelerator without a new trial.
    fn known(&self, accelerator: Accelerator) -> Result<Option<Finding>, Error> {
        // TCG is a part of QEMU: whether it works is not a matter of the host.
        if accelerator == Accelerator::Tcg {
            return Ok(Some(Finding { verdict: Verdict::Works, cached: false }));
        }
        let guest = self.artifacts.architecture;
        if let Some(problem) =
            known_problem(accelerator, Architecture::HOST, guest, self.qemu.version)
        {
            return Ok(Some(Finding { verdict: Verdict::Fails { problem }, cached: false }));
        }
        let verdicts = Verdicts::read(&self.home.accelerator_verdicts())?;
        let verdict = verdicts.find(&self.circumstances(accelerator)?).cloned();
        Ok(verdict.map(|verdict| Finding { verdict, cached: true }))
    }

    fn circumstances(&self, accelerator: Accelerator) -> Result<Circumstances, QemuError> {
        Ok(Circumstances::here(accelerator, self.qemu, &self.artifacts.digest)?)
    }

    async fn boot(&self, ground: &Ground, accelerator: Accelerator) -> Result<Outcome, QemuError> {
        // Declared before QEMU, so dropped after it: the folder goes when the process is dead.
        let folder = ground.trial()?;
        let serial_log = folder.path().join("serial.log");
        let qemu_log = folder.path().join("qemu.log");
        let machine = Machine {
            console: command::Console::Full,
            ..self.artifacts.machine(self.qemu, accelerator, &serial_log)
        };
        let begun = Instant::now();
        let mut qemu = Guarded::spawn(&self.qemu.path, &machine.arguments(), &qemu_log)?;
        let ended = tokio::select! {
            ended = qemu.exited() => Some(ended.map_err(|source| QemuError::File {
                action: "wait for",
                path: self.qemu.path.clone(),
                source,
            })?),
            () = known_line(&serial_log, begun + BOOT_WITHIN) => None,
        };
        let read =
            |source| QemuError::File { action: "read", path: folder.path().to_owned(), source };
        if ended.is_none() {
            qemu.kill().await.map_err(read)?;
        }
        Ok(Outcome {
            ended: ended.map(|status| status.to_string()),
            said: console::last_words(&qemu_log).map_err(read)?,
            console: Console::read(&serial_log).map_err(read)?,
            seconds: BOOT_WITHIN.as_secs(),
        })
    }
}

/// Returns when the console shows the known line, or at the deadline.
async fn known_line(serial_log: &Path, deadline: Instant) {
    while Instant::now() < deadline {
        // A log that can't be read is an error once the trial is over.
        if Console::read(serial_log).is_ok_and(|console| console.contains(KNOWN_LINE)) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The one line about an accelerator that doesn't work.
fn fallback(accelerator: Accelerator, problem: &Problem, is_known: bool) -> String {
    let title = accelerator.title();
    if is_known {
        // Who wants to know it again has a verb for that.
        return format!("{title} does not work here: using TCG (`netlab doctor` says why)");
    }
    format!("{title} does not work here: using TCG, which is slower ({problem})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_to_tcg_is_one_line_with_the_reason() {
        assert_eq!(
            fallback(Accelerator::Kvm, &Problem::Hung { seconds: 5 }, false),
            "KVM does not work here: using TCG, which is slower (the guest printed nothing in 5 s)"
        );
        assert_eq!(
            fallback(Accelerator::Kvm, &Problem::Hung { seconds: 5 }, true),
            "KVM does not work here: using TCG (`netlab doctor` says why)"
        );
    }
}
