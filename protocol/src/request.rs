//! What the host asks of the agent.
//!
//! Requests are answered in order, except [`Request::Close`]: it ends a step that is running.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Takes the guest for a lab: answered by `Opened` or `Failed`.
    Open(Box<Plan>),
    /// Runs one step of the opened plan: answered by what happens, and `StepEnded` at last.
    Step {
        /// Index into the plan's steps, from 0. Steps may be repeated, not skipped.
        index: u32,
    },
    /// Asks how things are wired now: answered by `Topology`.
    Topology,
    /// Ends the lab: answered by `Closed`. With `keep` everything stays as it is and a later
    /// session can [`Request::Reset`] it.
    Close {
        /// Whether to leave the lab standing.
        keep: bool,
    },
    /// Removes what a kept or broken-off lab left: answered by `Closed`.
    Reset,
    /// Lets the open lab outlive the connection until the next request comes: answered by `Held`.
    /// Asked before the guest is saved, so that the saved one waits for [`Request::Attach`].
    Hold,
    /// Goes on with the lab that an earlier session held and lost: answered by `Attached`.
    Attach,
    /// Starts the guest's services ahead of a lab: answered by `Served` once they answer.
    Serve,
    /// As [`Request::Serve`], and does once what most labs begin with, so that a guest that goes on
    /// from this one has it in memory: answered by `Served`.
    Rehearse,
}
