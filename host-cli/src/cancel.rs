//! Ctrl-C: the first asks everything to end in order, a second ends the process at once.
//!
//! Work that can be dropped is wrapped in [`Cancel::guard`]; work that has something to put in
//! order first (a running lab) waits for [`Cancel::cancelled`] itself.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

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
    unsettled: Arc<RwLock<()>>,
}

/// Work on a thread of its own, which looks at [`Cancel::is_cancelled`] itself: the process does
/// not end before it has put its files in order.
pub struct Unsettled {
    _held: OwnedRwLockReadGuard<()>,
}

/// The other end of [`Cancel`], which `main` keeps.
pub struct Canceller {
    pressed: watch::Sender<u32>,
}

impl Canceller {
    /// Makes the pair.
    pub fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(0);
        let unsettled = Arc::default();
        (Self { pressed: sender }, Cancel { pressed: receiver, unsettled })
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

    /// Announces work that can't be dropped; `None` if the run is ending already.
    pub fn hold(&self) -> Option<Unsettled> {
        let held = Arc::clone(&self.unsettled).try_read_owned().ok()?;
        Some(Unsettled { _held: held })
    }

    /// Returns once all work that was announced is done.
    pub async fn settled(&self) {
        drop(self.unsettled.write().await);
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

    #[tokio::test]
    async fn the_end_waits_for_work_that_puts_its_files_in_order() {
        let (_canceller, cancel) = Canceller::new();
        let work = cancel.hold().unwrap();
        let ended = tokio::spawn({
            let cancel = cancel.clone();
            async move { cancel.settled().await }
        });
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());
        drop(work);
        ended.await.unwrap();
    }
}
