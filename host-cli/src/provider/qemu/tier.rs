//! Which ways to start a guest work on this host, quickest first. The rule: a tier is used where a
//! guest has really come up by it with this very QEMU; the first start that takes it is the trial.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::accel::Circumstances;
use super::verdicts::Verdicts;
use crate::instance::{Home, InstanceError};
use crate::platform::{Accelerator, Platform};
use crate::provider::Tier;

/// What is known of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A guest has come up by it.
    Works,
    /// Nobody has tried.
    Untried,
    /// It is known not to work with this host or accelerator, without a trial.
    Impossible {
        /// Why.
        reason: &'static str,
    },
    /// It was tried, and did not work.
    Fails {
        /// Why, in the words of the trial.
        reason: String,
    },
}

/// What a trial showed, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Verdict {
    Works,
    /// It failed once, which may be an accident of a busy host.
    Doubtful {
        reason: String,
        /// Process id of the netlab that saw it: of the guests of a group many may fail at once.
        by: u32,
    },
    Fails {
        reason: String,
    },
}

/// All that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TierCircumstances {
    tier: Tier,
    /// Digest of the agent: another build of netlab may do better.
    agent: String,
    #[serde(flatten)]
    here: Circumstances,
}

/// The tiers of this host, under one set of circumstances.
pub struct Tiers {
    path: PathBuf,
    agent: String,
    here: Circumstances,
    accelerator: Accelerator,
}

impl Tiers {
    /// Those that start guests with an accelerator, QEMU and image.
    pub fn of(home: &Home, agent: &str, accelerator: Accelerator, here: Circumstances) -> Self {
        Self { path: home.tier_verdicts(), agent: agent.to_owned(), here, accelerator }
    }

    /// What is known of one.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn finding(&self, tier: Tier) -> Result<Finding, InstanceError> {
        if tier == Tier::Cold {
            return Ok(Finding::Works);
        }
        if let Some(reason) = impossible(tier, Platform::HOST, self.accelerator) {
            return Ok(Finding::Impossible { reason });
        }
        let verdicts = Verdicts::read(&self.path)?;
        Ok(match verdicts.find(&self.circumstances(tier)) {
            Some(Verdict::Works) => Finding::Works,
            Some(Verdict::Fails { reason }) => Finding::Fails { reason: reason.clone() },
            Some(Verdict::Doubtful { .. }) | None => Finding::Untried,
        })
    }

    /// Keeps that a guest has come up by it.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn works(&self, tier: Tier) -> Result<(), InstanceError> {
        if self.finding(tier)? == Finding::Works {
            return Ok(());
        }
        let mut verdicts = Verdicts::read_to_change(&self.path)?;
        verdicts.keep(self.circumstances(tier), Some(Verdict::Works))
    }

    /// Keeps that it did not work. Once may be an accident, so the next start tries it again; twice in
    /// a row is a verdict.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn fails(&self, tier: Tier, reason: String) -> Result<(), InstanceError> {
        self.fails_for(tier, reason, std::process::id())
    }

    fn fails_for(&self, tier: Tier, reason: String, by: u32) -> Result<(), InstanceError> {
        let mut verdicts = Verdicts::read_to_change(&self.path)?;
        let verdict = match verdicts.find(&self.circumstances(tier)) {
            Some(Verdict::Works) | None => Verdict::Doubtful { reason, by },
            Some(Verdict::Doubtful { by: other, .. }) if *other == by => {
                Verdict::Doubtful { reason, by }
            }
            Some(Verdict::Doubtful { .. } | Verdict::Fails { .. }) => Verdict::Fails { reason },
        };
        verdicts.keep(self.circumstances(tier), Some(verdict))
    }

    /// The host's processor and kernel, in words.
    pub fn host(&self) -> String {
        self.here.host()
    }

    fn circumstances(&self, tier: Tier) -> TierCircumstances {
        TierCircumstances { tier, agent: self.agent.clone(), here: self.here.clone() }
    }
}

/// Why a tier can't work, where that is known without a trial.
fn impossible(tier: Tier, platform: Platform, accelerator: Accelerator) -> Option<&'static str> {
    match tier {
        Tier::Cold => None,
        Tier::Clone | Tier::Restore if !platform.saves_guests() => {
            Some("QEMU on Windows has no socket to hand a guest's state over")
        }
        Tier::Clone | Tier::Restore if accelerator == Accelerator::Whpx => {
            Some("QEMU can't save a guest that WHPX runs")
        }
        Tier::Clone | Tier::Restore => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::qemu::Version;
    use crate::provider::qemu::discover::Qemu;

    fn tiers(home: &Home) -> Tiers {
        let qemu =
            Qemu { path: "/bin/q".into(), version: Version(7, 2, 22), modified: 1, sandbox: true };
        let here = Circumstances::here(Accelerator::Tcg, &qemu, "a").unwrap();
        Tiers::of(home, "agent", Accelerator::Tcg, here)
    }

    #[test]
    fn only_a_boot_works_everywhere() {
        let rows = [
            (Platform::Linux, Accelerator::Kvm, true),
            (Platform::Linux, Accelerator::Tcg, true),
            (Platform::Macos, Accelerator::Hvf, true),
            (Platform::Windows, Accelerator::Whpx, false),
            (Platform::Windows, Accelerator::Tcg, false),
        ];
        for (platform, accelerator, saved) in rows {
            for tier in [Tier::Clone, Tier::Restore] {
                let possible = impossible(tier, platform, accelerator).is_none();
                assert_eq!(possible, saved, "{tier:?} {platform:?} {accelerator}");
            }
            assert_eq!(impossible(Tier::Cold, platform, accelerator), None);
        }
    }

    #[test]
    fn two_failures_in_a_row_stand_and_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let tiers = tiers(&Home::at(folder.path().to_owned()));
        assert_eq!(tiers.finding(Tier::Clone).unwrap(), Finding::Untried);
        for _ in 0..2 {
            tiers.fails_for(Tier::Clone, "it was slow".to_owned(), 7).unwrap();
            assert_eq!(tiers.finding(Tier::Clone).unwrap(), Finding::Untried, "the same netlab");
        }
        tiers.fails_for(Tier::Clone, "it hung".to_owned(), 8).unwrap();
        let fails = Finding::Fails { reason: "it hung".to_owned() };
        assert_eq!(tiers.finding(Tier::Clone).unwrap(), fails);
        assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Untried);

        for _ in 0..2 {
            tiers.works(Tier::Restore).unwrap();
            assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Works);
            tiers.fails(Tier::Restore, "it hung".to_owned()).unwrap();
            assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Untried);
        }
    }
}
