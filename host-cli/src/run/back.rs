//! Back in time: the guest is saved before each step that a learner is asked for, and brought back
//! on demand. Its agent holds the lab meanwhile, since the saved guest will have lost its host.

use netlab_protocol::{Event as GuestEvent, Failure, Request};

use super::pace::Ways;
use super::{Run, RunError};
use crate::error::Error;

impl Run<'_> {
    /// Goes on from where the guest was saved before the first step that is shown, instead of
    /// replaying those before it. Returns whether it could.
    pub(super) async fn start_from_saved(&mut self, from: u32) -> Result<bool, Error> {
        let first = self.places.iter().position(|place| place.number == Some(from));
        // Before the first step there is nothing to replay, so a clean guest is as good.
        let Some(first) = first.filter(|_| from > 1) else { return Ok(false) };
        if !self.history.has(self.places[first].index) || !self.return_to(first).await? {
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
            (None, _, _) => Err("this is the first step".to_owned()),
            (_, Some(why), _) => Err(why),
            (Some(earlier), None, _) if self.history.has(self.places[earlier].index) => Ok(earlier),
            (_, None, Some(why)) => Err(why.clone()),
            (_, None, None) => Err("the guest was not saved before that step".to_owned()),
        };
        Ways { again: shown.is_some(), back }
    }

    /// Saves the guest as it is before step `at`. What goes wrong costs the way back, not the lab.
    pub(super) async fn save(&mut self, at: usize) -> Result<(), Error> {
        let is_done = self.saved == Some(at) || self.unsaved.is_some();
        if is_done || self.history.unavailable().is_some() {
            return Ok(());
        }
        let saved = match self.hold().await? {
            Ok(()) => {
                let saved = self.history.save(self.places[at].index).await;
                self.attach().await?;
                saved.map_err(|error| error.to_string())
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
                self.early.clear();
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
        self.ask(Request::Hold, &GuestEvent::Held).await
    }

    /// Goes on with the held lab, which does not outlive its connection any more.
    async fn attach(&mut self) -> Result<(), Error> {
        self.ask(Request::Attach, &GuestEvent::Attached).await?.map_err(|failure| {
            let failure = Box::new(failure);
            RunError::Failed { doing: "go on with the lab", failure }.into()
        })
    }

    /// Asks for something between two steps. What background commands print meanwhile is kept.
    async fn ask(
        &mut self,
        request: Request,
        wanted: &GuestEvent,
    ) -> Result<Result<(), Failure>, Error> {
        self.cancel.guard(self.session.send(&request)).await?;
        loop {
            match self.cancel.guard(self.session.next()).await? {
                event if event == *wanted => return Ok(Ok(())),
                GuestEvent::Failed(failure) => return Ok(Err(failure)),
                event => self.early.push(event),
            }
        }
    }
}
