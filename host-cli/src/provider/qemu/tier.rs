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
    Fails { reason: String },
}

/// All that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TierCircumstances {
    tier: Tier,
    #[serde(flatten)]
    here: Circumstances,
}

/// The tiers of this host, under one set of circumstances.
pub struct Tiers {
    path: PathBuf,
    here: Circumstances,
    accelerator: Accelerator,
}

impl Tiers {
    /// Those that start guests with an accelerator, QEMU and image.
    pub fn of(home: &Home, accelerator: Accelerator, here: Circumstances) -> Self {
        Self { path: home.tier_verdicts(), here, accelerator }
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
            None => Finding::Untried,
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
        self.keep(tier, Some(Verdict::Works))
    }

    /// Keeps that it did not work. Where it did before, it may have been an accident: that is only
    /// forgotten, so that the next start tries it again.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn fails(&self, tier: Tier, reason: String) -> Result<(), InstanceError> {
        let verdict = match self.finding(tier)? {
            Finding::Works => None,
            Finding::Untried | Finding::Impossible { .. } | Finding::Fails { .. } => {
                Some(Verdict::Fails { reason })
            }
        };
        self.keep(tier, verdict)
    }

    /// The host's processor and kernel, in words.
    pub fn host(&self) -> String {
        self.here.host()
    }

    fn keep(&self, tier: Tier, verdict: Option<Verdict>) -> Result<(), InstanceError> {
        Verdicts::read(&self.path)?.keep(self.circumstances(tier), verdict)
    }

    fn circumstances(&self, tier: Tier) -> TierCircumstances {
        TierCircumstances { tier, here: self.here.clone() }
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
        let qemu = Qemu { path: "/bin/q".into(), version: Version(7, 2, 22), modified: 1 };
        let here = Circumstances::here(Accelerator::Tcg, &qemu, "a").unwrap();
        Tiers::of(home, Accelerator::Tcg, here)
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
    fn a_failed_trial_stands_and_one_accident_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let tiers = tiers(&Home::at(folder.path().to_owned()));
        assert_eq!(tiers.finding(Tier::Clone).unwrap(), Finding::Untried);
        tiers.fails(Tier::Clone, "it hung".to_owned()).unwrap();
        let fails = Finding::Fails { reason: "it hung".to_owned() };
        assert_eq!(tiers.finding(Tier::Clone).unwrap(), fails);
        assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Untried);

        tiers.works(Tier::Restore).unwrap();
        assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Works);
        tiers.fails(Tier::Restore, "it hung".to_owned()).unwrap();
        assert_eq!(tiers.finding(Tier::Restore).unwrap(), Finding::Untried);
    }
}
