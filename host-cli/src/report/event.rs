//! Everything that happens in a run, as facts: what renderers consume.

use std::time::Duration;

use netlab_protocol::Topology;

use super::Member;
use crate::platform::Architecture;
use crate::provider::Tier;

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A phase of the guest's start begins.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// A phase is over.
    PhaseDone {
        /// Which.
        phase: Phase,
        /// Time since the whole start began.
        since_start: Duration,
    },
    /// Bytes of the image's packages are coming in.
    Download {
        /// Bytes so far, those found in the cache included.
        done: u64,
        /// Bytes in all.
        total: u64,
        /// Files so far.
        files_done: u64,
        /// Files in all.
        files: u64,
    },
    /// The image builder has begun a stage, such as "unpacking packages".
    ImageStage {
        /// What it does now.
        stage: String,
    },
    /// Something the user should know, in one line: a fall-back, a repair, a wait.
    Note {
        /// The line.
        text: String,
    },
    /// The guest is up.
    GuestReady {
        /// Name of the instance.
        name: String,
        /// Whether it was up already.
        attached: bool,
        /// The guest's processor.
        architecture: Architecture,
        /// Accelerator in words, such as `tcg`; `None` if netlab did not start the machine.
        accelerator: Option<String>,
        /// How netlab started it, if it did.
        tier: Option<Tier>,
        /// Address of its SSH port.
        address: String,
        /// Time since the start began.
        took: Duration,
    },
    /// How far a group of guests has come.
    GroupProgress {
        /// Guests that are up, whether or not they were before.
        up: usize,
        /// Guests that are being started.
        starting: usize,
        /// Guests that did not come up.
        failed: usize,
        /// Guests that were asked for.
        total: usize,
        /// Time since the group's start began.
        since_start: Duration,
    },
    /// A guest of a group is up, or did not come up.
    Member {
        /// Which, and how.
        member: Member,
    },
    /// All of a group have been tried.
    GroupEnded {
        /// What came of each, in order.
        members: Vec<Member>,
        /// Time since the group's start began.
        took: Duration,
    },
    /// A lab begins.
    LabStarted {
        /// Its id.
        lab: String,
        /// Its title.
        title: String,
        /// Its summary.
        summary: String,
        /// Number of steps that are shown (quiet ones are not counted).
        steps: u32,
        /// Namespaces in the lab's order, for colours and columns.
        namespaces: Vec<String>,
    },
    /// A step begins: what the guest's `StepStarted` means to a reader.
    StepStarted {
        /// Its place in the lab.
        step: StepPlace,
        /// The heading.
        title: String,
        /// Why.
        why: String,
    },
    /// Something happened in the guest during a step.
    Guest {
        /// What.
        event: netlab_protocol::Event,
        /// Whether it belongs to a step that is only told in one line (a quiet step, or one
        /// replayed by `--from`).
        quiet: bool,
    },
    /// A step is over.
    StepEnded {
        /// Its result.
        summary: StepSummary,
    },
    /// The lab is over.
    LabEnded {
        /// Its result.
        summary: LabSummary,
        /// How the guest was wired at the end, if it could be asked.
        topology: Option<Topology>,
    },
    /// The run ends with an error. The terminal's `main` prints it on standard error.
    Failed {
        /// The message.
        message: String,
        /// What to do.
        hint: String,
        /// The exit code.
        exit: u8,
    },
}

/// A phase of the guest's start, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The image is found or built, and checked.
    Image,
    /// QEMU runs and the kernel has started its init.
    Kernel,
    /// The init has mounted the root and entered it.
    Init,
    /// A saved guest is loaded and runs.
    Resume,
    /// The guest's interface is up and its secrets are in place.
    Network,
    /// The SSH server has answered and accepted our key.
    Ssh,
    /// The agent has said hello.
    Agent,
    /// The guest is saved as the template of others.
    Template,
}

impl Phase {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Kernel => "kernel",
            Self::Init => "init",
            Self::Resume => "resume",
            Self::Network => "network",
            Self::Ssh => "ssh",
            Self::Agent => "agent",
            Self::Template => "template",
        }
    }
}

/// Where a step stands in its lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPlace {
    /// Index into the plan's steps, from 0, quiet ones included.
    pub index: u32,
    /// Number shown to the reader, from 1; `None` for a quiet step.
    pub number: Option<u32>,
    /// Whether it is told in one line only (a quiet step, or one replayed by `--from`).
    pub quiet: bool,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSummary {
    /// Its place in the lab.
    pub step: StepPlace,
    /// The heading.
    pub title: String,
    /// Whether every command ended as it should and every claim held.
    pub passed: bool,
    /// Verdicts that came out as they should.
    pub checks_passed: u32,
    /// Verdicts that did not.
    pub checks_failed: u32,
    /// How long it took.
    pub took: Duration,
}

/// What came of a lab.
#[derive(Debug, Clone, PartialEq)]
pub struct LabSummary {
    /// Id of the lab.
    pub lab: String,
    /// Whether all of its steps passed.
    pub passed: bool,
    /// Verdicts that came out as they should, in all steps.
    pub checks_passed: u32,
    /// Verdicts that did not.
    pub checks_failed: u32,
    /// The steps that ran.
    pub steps: Vec<StepSummary>,
    /// How long all of it took.
    pub took: Duration,
    /// Whether the lab was left standing in the guest.
    pub kept: bool,
    /// Whether the learner ended it before its last step.
    pub quit_early: bool,
}
