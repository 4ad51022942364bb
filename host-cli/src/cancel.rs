//! Ctrl-C: the first asks everything to end in order, a second ends the process at once.
//!
//! Work that can be dropped is wrapped in [`Cancel::guard`]; work that has something to put in
//! order first (a running lab) waits for [`Cancel::cancelled`] itself.

use std::future::Future;

use tokio::sync::watch;

use crate::error::{Exit, Hint};

/// The user interrupted the run.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Hint for Interrupted {
    fn hint(&self) -> String {
        "nothing was left half-made; run the same command again to start over".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Interrupted
    }
}

/// A cheap handle on whether the user has interrupted the run.
#[derive(Clone)]
pub struct Cancel {
    pressed: watch::Receiver<u32>,
}

/// The other end of [`Cancel`], which `main` keeps.
pub struct Canceller {
    pressed: watch::Sender<u32>,
}

impl Canceller {
    /// Makes the pair.
    pub fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(0);
        (Self { pressed: sender }, Cancel { pressed: receiver })
    }

    /// Counts one interruption and returns how many there were.
    pub fn press(&self) -> u32 {
        self.pressed.send_modify(|count| *count += 1);
        *self.pressed.borrow()
    }
}

impl Cancel {
    /// Says whether the user has interrupted the run.
    pub fn is_cancelled(&self) -> bool {
        *self.pressed.borrow() > 0
    }

    /// Returns once the user interrupts the run.
    pub async fn cancelled(&self) {
        let mut pressed = self.pressed.clone();
        if pressed.wait_for(|count| *count > 0).await.is_err() {
            // `main` is gone, and with it whoever could interrupt.
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` to its end, or drops it when the user interrupts.
    ///
    /// # Errors
    /// [`Interrupted`], or what `work` returns.
    pub async fn guard<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, crate::error::Error>
    where
        E: Into<crate::error::Error>,
    {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(Interrupted.into()),
            outcome = work => outcome.map_err(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_dropped_when_the_user_interrupts() {
        let (canceller, cancel) = Canceller::new();
        assert!(!cancel.is_cancelled());
        assert_eq!(canceller.press(), 1);
        let work = std::future::pending::<Result<(), Interrupted>>();
        let error = cancel.guard(work).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit()), ("interrupted", Exit::Interrupted));
    }
}
