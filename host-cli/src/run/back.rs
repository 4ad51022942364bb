//! Back in time: the guest is saved before each step that a learner is asked for, and brought back
//! on demand. Its agent holds the lab meanwhile, since the saved guest will have lost its host.

use std::time::Duration;

use netlab_protocol::{Event as GuestEvent, Failure, Request};
use tokio::time::timeout;

use super::early::Early;
use super::pace::Ways;
use super::{Run, RunError};
use crate::cancel::Interrupted;
use crate::error::Error;

impl Run<'_> {
    /// Goes on from where the guest was saved before the first step that is shown, instead of
    /// replaying those before it. Returns whether it could.
    pub(super) async fn start_from_saved(&mut self, from: u32) -> Result<bool, Error> {
        let first = self.places.iter().position(|place| place.number == Some(from));
        // Before the first step there is nothing to replay, so a clean guest is as good.
        let Some(first) = first.filter(|_| from > 1) else { return Ok(false) };
        let index = self.places[first].index;
        if !self.guest_may_go && self.history.has(index) {
            self.note(
                "replaying the steps before: the saved guest would take yours away".to_owned(),
            );
        }
        if !self.may_return_to(index) || !self.return_to(first).await? {
            return Ok(false);
        }
        self.note(format!("step {from} starts from the guest that was saved before it"));
        self.begin = first;
        Ok(true)
    }

    /// The ways back from the question before step `at`.
    pub(super) fn ways(&self, at: usize) -> Ways {
        let shown = self.shown_before(at);
        let back = match (shown, self.history.unavailable(), &self.unsaved) {
            (None, _, _) if self.places[at].number.is_some_and(|number| number > 1) => {
                Err("this is the step that you began with".to_owned())
            }
            (None, _, _) => Err("this is the first step".to_owned()),
            (_, Some(why), _) => Err(why),
            (Some(earlier), None, _) if self.may_return_to(self.places[earlier].index) => {
                Ok(earlier)
            }
            (_, None, Some(why)) => Err(why.clone()),
            (_, None, None) => Err("the guest was not saved before that step".to_owned()),
        };
        Ways { again: shown.is_some(), back }
    }

    /// Whether the guest was saved before a step, and whatever has been done in it since is the lab's.
    fn may_return_to(&self, index: u32) -> bool {
        self.history.has(index) && (self.guest_may_go || self.saved_here.contains(&index))
    }

    /// Saves the guest as it is before step `at`. What goes wrong costs the way back, not the lab.
    pub(super) async fn save(&mut self, at: usize) -> Result<(), Error> {
        let is_done = self.saved == Some(at) || self.unsaved.is_some();
        if is_done || self.history.unavailable().is_some() {
            return Ok(());
        }
        let saved = match self.hold().await? {
            Ok(()) => {
                let index = self.places[at].index;
                let saved = self.history.save(index).await;
                self.attach().await?;
                saved.map(|()| _ = self.saved_here.insert(index)).map_err(|error| error.to_string())
            }
            Err(failure) => Err(failure.to_string()),
        };
        match saved {
            Ok(()) => self.saved = Some(at),
            Err(why) => {
                self.note(format!("from here on there is no way back: {why}"));
                self.unsaved = Some(why);
            }
        }
        Ok(())
    }

    /// Brings the guest back as it was before step `at`. Returns whether it could; if not, the lab
    /// goes on where it is, should its guest still be there.
    pub(super) async fn return_to(&mut self, at: usize) -> Result<bool, Error> {
        match self.history.back(self.places[at].index).await {
            Ok(session) => {
                self.session = session;
                self.attached = false;
                self.early = Early::default();
                self.attach().await?;
                self.saved = Some(at);
                Ok(true)
            }
            Err(error) => {
                self.note(format!("can't go back: {error}"));
                Ok(false)
            }
        }
    }

    /// Lets the lab outlive its connection, or says why the guest refused.
    async fn hold(&mut self) -> Result<Result<(), Failure>, Error> {
        let held = self.ask("hold the lab", Request::Hold, &GuestEvent::Held).await?;
        self.attached = held.is_err();
        Ok(held)
    }

    /// Goes on with the held lab, which does not outlive its connection any more. An interruption
    /// counts only then, so that no held lab is left behind.
    async fn attach(&mut self) -> Result<(), Error> {
        let doing = "go on with the lab";
        let attached = self.ask(doing, Request::Attach, &GuestEvent::Attached).await?;
        attached.map_err(|failure| RunError::Failed { doing, failure: Box::new(failure) })?;
        self.attached = true;
        if self.cancel.is_cancelled() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Asks for something between two steps, and is not cut short by an interruption. What background
    /// commands print meanwhile is kept.
    async fn ask(
        &mut self,
        doing: &'static str,
        request: Request,
        wanted: &GuestEvent,
    ) -> Result<Result<(), Failure>, Error> {
        let (session, early) = (&mut self.session, &mut self.early);
        let answered = async {
            session.send(&request).await?;
            loop {
                match session.next().await? {
                    event if event == *wanted => return Ok(Ok(())),
                    GuestEvent::Failed(failure) => return Ok(Err(failure)),
                    event => early.take(event),
                }
            }
        };
        let silent = |_| RunError::Silent { doing, within: ANSWERED_WITHIN };
        timeout(ANSWERED_WITHIN, answered).await.map_err(silent)?
    }
}

/// Longest wait for an agent to hold a lab or to go on with it, which takes it a moment; an emulated
/// guest on a busy host needs seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
