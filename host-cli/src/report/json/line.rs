//! The shape of the lines: what is promised to programs, field by field. `docs/json.md` describes it.

use std::borrow::Cow;

use serde::Serialize;

/// One line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) v: u32,
    #[serde(flatten)]
    pub(super) body: Body<'a>,
}

/// What a line tells.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Body<'a> {
    Phase {
        phase: &'a str,
        state: &'a str,
        millis: Option<u64>,
    },
    Download {
        done: u64,
        total: u64,
        files_done: u64,
        files: u64,
    },
    ImageStage {
        stage: &'a str,
    },
    Note {
        text: &'a str,
    },
    Ready {
        name: &'a str,
        attached: bool,
        arch: &'a str,
        accelerator: Option<&'a str>,
        start: Option<&'a str>,
        address: &'a str,
        millis: u64,
    },
    GroupProgress {
        up: usize,
        starting: usize,
        failed: usize,
        total: usize,
        millis: u64,
    },
    Member(JsonMember<'a>),
    Group {
        up: usize,
        total: usize,
        millis: u64,
        members: Vec<JsonMember<'a>>,
    },
    Lab {
        lab: &'a str,
        title: &'a str,
        summary: &'a str,
        steps: u32,
        namespaces: &'a [String],
    },
    Step {
        step: u32,
        number: Option<u32>,
        quiet: bool,
        title: &'a str,
        why: &'a str,
    },
    Command {
        step: Option<u32>,
        line: u32,
        place: &'a str,
        text: &'a str,
        background: Option<&'a str>,
    },
    Output {
        step: Option<u32>,
        place: &'a str,
        background: Option<&'a str>,
        stream: &'a str,
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    OutputDropped {
        step: Option<u32>,
        bytes: u64,
    },
    Exit {
        step: Option<u32>,
        code: Option<i32>,
        signal: Option<i32>,
        timed_out: bool,
        millis: u64,
    },
    BackgroundReady {
        step: Option<u32>,
        background: &'a str,
        pid: u32,
        millis: u64,
    },
    Kept {
        step: Option<u32>,
        name: &'a str,
        value: &'a str,
    },
    Check {
        step: Option<u32>,
        check: &'a str,
        claim: &'a str,
        place: &'a str,
        witness: &'a str,
        ok: bool,
        expected: &'a str,
        actual: &'a str,
        look: &'a str,
        millis: u64,
    },
    Counterfactual {
        step: Option<u32>,
        title: &'a str,
        state: &'a str,
    },
    LikelyCauses {
        step: Option<u32>,
        causes: &'a [String],
    },
    Failure {
        step: Option<u32>,
        message: String,
        line: Option<u32>,
        place: Option<&'a str>,
        text: Option<&'a str>,
        expected: Option<&'a str>,
        code: Option<i32>,
        signal: Option<i32>,
        timed_out: bool,
    },
    StepEnd(StepResult<'a>),
    Topology {
        namespaces: Vec<JsonNamespace<'a>>,
        switches: Vec<JsonSwitch<'a>>,
    },
    Result {
        lab: &'a str,
        ok: bool,
        passed: u32,
        failed: u32,
        checks: u32,
        millis: u64,
        kept: bool,
        quit_early: bool,
        steps: Vec<StepResult<'a>>,
    },
    Error {
        message: &'a str,
        hint: &'a str,
        exit: u8,
    },
}

/// What came of a guest of a group.
#[derive(Serialize)]
pub(super) struct JsonMember<'a> {
    pub(super) name: &'a str,
    pub(super) state: &'a str,
    pub(super) address: Option<&'a str>,
    pub(super) start: Option<&'a str>,
    pub(super) millis: Option<u64>,
    pub(super) problem: Option<&'a str>,
}

/// What came of a step.
#[derive(Serialize)]
pub(super) struct StepResult<'a> {
    pub(super) step: u32,
    pub(super) number: Option<u32>,
    pub(super) title: &'a str,
    pub(super) ok: bool,
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) millis: u64,
}

#[derive(Serialize)]
pub(super) struct JsonNamespace<'a> {
    pub(super) place: &'a str,
    pub(super) interfaces: Vec<JsonInterface<'a>>,
    pub(super) processes: &'a [String],
}

#[derive(Serialize)]
pub(super) struct JsonInterface<'a> {
    pub(super) name: &'a str,
    pub(super) up: bool,
    pub(super) mac: Option<&'a str>,
    pub(super) addresses: &'a [String],
    pub(super) peer: Option<JsonPeer<'a>>,
}

#[derive(Serialize)]
pub(super) struct JsonPeer<'a> {
    pub(super) place: &'a str,
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct JsonSwitch<'a> {
    pub(super) name: &'a str,
    pub(super) ports: Vec<JsonPort<'a>>,
}

#[derive(Serialize)]
pub(super) struct JsonPort<'a> {
    pub(super) name: &'a str,
    pub(super) tag: Option<u16>,
}
