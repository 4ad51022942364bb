//! A template ahead of the start that goes on from it.

use std::path::PathBuf;

use tokio::time::Instant;

use super::making::{Making, NoTemplate};
use super::template::Form;
use super::tier::Finding;
use super::{QemuError, QemuProvider};
use crate::error::Error;
use crate::provider::Tier;
use crate::report::Reporter;

/// A template that the next start goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warm {
    /// Its key.
    pub key: String,
    /// Where it is.
    pub folder: PathBuf,
    /// By which tier.
    pub tier: Tier,
}

impl QemuProvider {
    /// Finds the template of the next start, or makes it.
    ///
    /// # Errors
    /// [`QemuError::TierFails`] where guests can only be booted, or whatever keeps it from being made.
    pub async fn warm(&self, reporter: &Reporter) -> Result<Warm, Error> {
        let begun = Instant::now();
        let prepared = self.prepare(reporter, begun).await?;
        let tiers = self.tiers(&prepared)?;
        let Some(tier) = self.saved_tier(&prepared)? else {
            let tier = self.options.tier.unwrap_or(Tier::Clone);
            let reason = match tiers.finding(tier)? {
                Finding::Fails { reason } => reason,
                Finding::Impossible { reason } => reason.to_owned(),
                Finding::Works | Finding::Untried => "a boot needs nothing saved".to_owned(),
            };
            return Err(QemuError::TierFails { tier, reason }.into());
        };
        let (form, host) = (Form::of(tier), tiers.host());
        let making = Making { provider: self, prepared: &prepared, form, reporter, host, begun };
        match making.template().await? {
            Ok(template) => Ok(Warm {
                key: template.key().to_string(),
                folder: template.folder().to_owned(),
                tier,
            }),
            Err(NoTemplate::Reason(reason)) => Err(QemuError::TierFails { tier, reason }.into()),
            Err(NoTemplate::Boot(error)) => Err(error.into()),
        }
    }
}
