//! From what the guest and the run said to the lines' own shape, so that either can change alone.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netlab_protocol::{
    Event as GuestEvent, Exit, Failure, Interface, Stream, Topology, Verdict, Witness,
};

use super::line::{
    Body, JsonInterface, JsonMember, JsonNamespace, JsonPeer, JsonPort, JsonSwitch, StepResult,
};
use crate::provider::Tier;
use crate::report::{LabSummary, Member, MemberState, StepSummary};

/// What the guest said, if it isn't told by an event of the host already.
pub(super) fn guest(step: Option<u32>, event: &GuestEvent) -> Option<Body<'_>> {
    Some(match event {
        GuestEvent::CommandStarted { line, place, text, background } => Body::Command {
            step,
            line: *line,
            place: place.name(),
            text,
            background: background.as_deref(),
        },
        GuestEvent::Output { place, background, stream, bytes } => {
            return Some(output(step, place.name(), background.as_deref(), *stream, bytes));
        }
        GuestEvent::OutputDropped { bytes } => Body::OutputDropped { step, bytes: *bytes },
        GuestEvent::CommandEnded { exit, millis } => {
            let (code, signal, timed_out) = parts(*exit);
            Body::Exit { step, code, signal, timed_out, millis: *millis }
        }
        GuestEvent::BackgroundReady { name, pid, millis } => {
            Body::BackgroundReady { step, background: name, pid: *pid, millis: *millis }
        }
        GuestEvent::Kept { name, value } => Body::Kept { step, name, value },
        GuestEvent::Checked(verdict) => check(step, verdict),
        GuestEvent::CounterfactualStarted { title } => {
            Body::Counterfactual { step, title, state: "taken_away" }
        }
        GuestEvent::CounterfactualUndone { title } => {
            Body::Counterfactual { step, title, state: "put_back" }
        }
        GuestEvent::Failed(failed) => failure(step, failed),
        GuestEvent::LikelyCauses { causes } => Body::LikelyCauses { step, causes },
        GuestEvent::Opened
        | GuestEvent::Served
        | GuestEvent::Held
        | GuestEvent::Attached
        | GuestEvent::StepStarted { .. }
        | GuestEvent::StepEnded { .. }
        | GuestEvent::Topology(_)
        | GuestEvent::Closed { .. } => return None,
    })
}

fn check(step: Option<u32>, verdict: &Verdict) -> Body<'_> {
    Body::Check {
        step,
        check: &verdict.check,
        claim: &verdict.claim,
        place: verdict.place.name(),
        witness: match verdict.witness {
            Witness::Claim => "claim",
            Witness::Control => "control",
            Witness::Without => "without",
            Witness::Restored => "restored",
        },
        ok: verdict.passed,
        expected: &verdict.expected,
        actual: &verdict.actual,
        look: &verdict.look,
        millis: verdict.millis,
    }
}

fn output<'a>(
    step: Option<u32>,
    place: &'a str,
    background: Option<&'a str>,
    stream: Stream,
    bytes: &'a [u8],
) -> Body<'a> {
    let text = String::from_utf8_lossy(bytes);
    // Only then has something been replaced in it.
    let base64 = matches!(text, Cow::Owned(_)).then(|| STANDARD.encode(bytes));
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    Body::Output { step, place, background, stream, text, base64 }
}

fn failure(step: Option<u32>, failure: &Failure) -> Body<'_> {
    let message = failure.to_string();
    let none = (None, None, None, None, None);
    let (line, place, text, expected, exit) = match failure {
        Failure::Command { line, place, text, exit, expected } => (
            Some(*line),
            Some(place.name()),
            Some(text.as_str()),
            Some(expected.as_str()),
            Some(*exit),
        ),
        Failure::Background { line, place, text, .. } => {
            (Some(*line), Some(place.name()), Some(text.as_str()), None, None)
        }
        Failure::Missing { .. }
        | Failure::Exists { .. }
        | Failure::Busy
        | Failure::Protocol { .. }
        | Failure::System { .. } => none,
    };
    let (code, signal, timed_out) = exit.map_or((None, None, false), parts);
    Body::Failure { step, message, line, place, text, expected, code, signal, timed_out }
}

/// What came of a guest of a group. The state is one word, since programs compare it.
pub(super) fn member(member: &Member) -> JsonMember<'_> {
    JsonMember {
        name: &member.name,
        state: match member.state {
            MemberState::Up => "up",
            MemberState::WasUp => "was_up",
            MemberState::Failed => "failed",
            MemberState::NotStarted => "not_started",
        },
        address: member.address.as_deref(),
        start: member.tier.map(Tier::name),
        millis: member.took.map(millis),
        problem: member.problem.as_deref(),
    }
}

/// What came of a group.
pub(super) fn group(members: &[Member], took: Duration) -> Body<'_> {
    let members: Vec<_> = members.iter().map(member).collect();
    let up = members.iter().filter(|member| member.address.is_some()).count();
    Body::Group { up, total: members.len(), millis: millis(took), members }
}

/// What came of a step.
pub(super) fn step(summary: &StepSummary) -> StepResult<'_> {
    StepResult {
        step: summary.step.index,
        number: summary.step.number,
        title: &summary.title,
        ok: summary.passed,
        passed: summary.checks_passed,
        failed: summary.checks_failed,
        millis: millis(summary.took),
    }
}

/// What came of a lab.
pub(super) fn result(summary: &LabSummary) -> Body<'_> {
    Body::Result {
        lab: &summary.lab,
        ok: summary.passed,
        passed: summary.checks_passed,
        failed: summary.checks_failed,
        checks: summary.checks_passed + summary.checks_failed,
        millis: millis(summary.took),
        kept: summary.kept,
        quit_early: summary.quit_early,
        steps: summary.steps.iter().map(step).collect(),
    }
}

/// How the guest is wired.
pub(super) fn topology(topology: &Topology) -> Body<'_> {
    let namespaces = topology.namespaces.iter().map(|namespace| JsonNamespace {
        place: namespace.place.name(),
        interfaces: namespace.interfaces.iter().map(interface).collect(),
        processes: &namespace.processes,
    });
    let switches = topology.switches.iter().map(|switch| JsonSwitch {
        name: &switch.name,
        ports: switch
            .ports
            .iter()
            .map(|port| JsonPort { name: &port.name, tag: port.tag })
            .collect(),
    });
    Body::Topology { namespaces: namespaces.collect(), switches: switches.collect() }
}

fn interface(interface: &Interface) -> JsonInterface<'_> {
    let peer = interface.peer.as_ref();
    JsonInterface {
        name: &interface.name,
        up: interface.up,
        mac: interface.mac.as_deref(),
        addresses: &interface.addresses,
        peer: peer.map(|peer| JsonPeer { place: peer.place.name(), name: &peer.name }),
    }
}

/// Whole milliseconds; a run of 500 million years would be cut.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Status, signal, and whether the time limit ended it.
fn parts(exit: Exit) -> (Option<i32>, Option<i32>, bool) {
    match exit {
        Exit::Code(code) => (Some(code), None, false),
        Exit::Signal(signal) => (None, Some(signal), false),
        Exit::TimedOut => (None, None, true),
    }
}
