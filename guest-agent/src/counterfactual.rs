//! A counterfactual: take the mechanism away, see the claims fail, put it back, see them hold.
//!
//! What was taken away is put back whatever happened in between, so that a failed proof does not
//! leave the lab broken in a way that the learner did not cause.

use netlab_protocol::{Counterfactual, Event, Failure, Witness};

use crate::lab::Lab;
use crate::step::{self, Stopped};
use crate::verdict;
use crate::wire::Outbox;

/// Runs one counterfactual.
///
/// # Errors
/// [`Stopped`] if anything of it failed, after telling the host.
pub async fn run(
    lab: &mut Lab,
    counterfactual: &Counterfactual,
    outbox: &Outbox,
) -> Result<(), Stopped> {
    let title = counterfactual.title.clone();
    outbox.send(Event::CounterfactualStarted { title }).await;
    let without = Box::pin(take_away(lab, counterfactual, outbox)).await;
    let title = counterfactual.title.clone();
    outbox.send(Event::CounterfactualUndone { title }).await;
    let mut undone = Ok(());
    for action in &counterfactual.undo {
        // Each is tried, even if the one before failed.
        undone = Box::pin(step::act(lab, action, outbox)).await.and(undone);
    }
    without.and(undone)?;
    judge_all(lab, &counterfactual.fails, Witness::Restored, outbox).await
}

async fn take_away(
    lab: &mut Lab,
    counterfactual: &Counterfactual,
    outbox: &Outbox,
) -> Result<(), Stopped> {
    for action in &counterfactual.take_away {
        step::act(lab, action, outbox).await?;
    }
    judge_all(lab, &counterfactual.fails, Witness::Without, outbox).await
}

/// Tries the named checks, all of them, and fails if one did.
async fn judge_all(
    lab: &Lab,
    ids: &[String],
    witness: Witness,
    outbox: &Outbox,
) -> Result<(), Stopped> {
    let mut judged = Ok(());
    for id in ids {
        let passed = match lab.check(id) {
            Some(check) => verdict::judge(lab, check, witness, outbox).await,
            None => {
                let asked = format!("try check `{id}`");
                let problem = "which the plan does not have".to_owned();
                outbox.send(Event::Failed(Failure::Protocol { asked, problem })).await;
                false
            }
        };
        if !passed {
            judged = Err(Stopped);
        }
    }
    judged
}
