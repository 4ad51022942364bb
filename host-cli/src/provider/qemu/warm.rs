//! A template ahead of the start that goes on from it.

use std::path::PathBuf;

use tokio::time::Instant;

use super::making::{Making, NoTemplate};
use super::start::Prepared;
use super::template::Form;
use super::tier::Finding;
use super::{QemuError, QemuProvider, room};
use crate::error::Error;
use crate::provider::Tier;
use crate::report::{Event, Reporter};

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
        room::check(self.paths.folder())?;
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

    /// Whether a start can go on from a saved guest, which is made if need be. If not, it is told why
    /// unless it never can.
    ///
    /// # Errors
    /// What befell netlab.
    pub(super) async fn has_template(
        &self,
        prepared: &Prepared,
        reporter: &Reporter,
        begun: Instant,
    ) -> Result<bool, Error> {
        let Some(tier) = self.saved_tier(prepared)? else {
            return Ok(false);
        };
        let (form, host) = (Form::of(tier), self.tiers(prepared)?.host());
        let making = Making { provider: self, prepared, form, reporter, host, begun };
        // A template is made in a guest beside the one that is up.
        let why = match making.found()?.map_or_else(|| room::check(self.paths.folder()), |_| Ok(()))
        {
            Err(error) => error.to_string(),
            Ok(()) => match making.template().await? {
                Ok(_) => return Ok(true),
                Err(NoTemplate::Reason(reason)) => reason,
                Err(NoTemplate::Boot(error)) => error.to_string(),
            },
        };
        reporter.emit(Event::Note { text: format!("no {} of a saved guest: {why}", tier.name()) });
        Ok(false)
    }
}
