//! What the host and the guest say to each other, and nothing else.
//!
//! Two conversations share one frame format: the *session* between `netlab` and `netlab-agent`
//! over an SSH channel ([`Request`] one way, [`Event`] the other, after a [`Hello`]), and the
//! *boot channel* between `netlab` and the guest's init over a virtio-serial port ([`boot`]).
//!
//! The host ships the agent it was built with, so the session's version must match exactly;
//! files on disk and `--json` output carry versions of their own.

#![forbid(unsafe_code)]

pub mod boot;
mod bytes;
pub mod check;
pub mod event;
pub mod frame;
pub mod hello;
pub mod plan;
mod problem;
pub mod request;
pub mod topology;

pub use check::{Check, Probe, Target};
pub use event::{Event, Exit, Failure, Stream, Verdict, Witness};
pub use frame::{Decoder, FrameError, MAX_FRAME_BYTES, encode};
pub use hello::{AGENT_JOURNAL, Hello, HelloMismatch, PROTOCOL_VERSION};
pub use plan::{
    Action, Background, Command, Counterfactual, ExitRule, Needs, Place, Plan, Ready, Service, Step,
};
pub use problem::Problem;
pub use request::Request;
pub use topology::{Interface, Namespace, Switch, SwitchPort, Topology};
