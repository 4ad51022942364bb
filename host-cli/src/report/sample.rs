//! A run of a small lab as events, for the tests of all renderers, and what they write to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netlab_protocol::{Event as GuestEvent, Exit, Failure, Place, Stream, Verdict, Witness};

use super::diagram;
use super::{Event, LabSummary, Member, MemberState, Phase, StepPlace, StepSummary};
use crate::instance::Name;

/// Collects what is written.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn place(name: &str) -> Place {
    Place::from(name.to_owned())
}

pub fn guest(event: GuestEvent) -> Event {
    Event::Guest { event, quiet: false }
}

pub fn command(at: &str, text: &str) -> Event {
    let (place, text) = (place(at), text.to_owned());
    guest(GuestEvent::CommandStarted { line: 12, place, text, background: None })
}

pub fn background(at: &str, text: &str, name: &str) -> Event {
    let (place, text, background) = (place(at), text.to_owned(), Some(name.to_owned()));
    guest(GuestEvent::CommandStarted { line: 12, place, text, background })
}

pub fn output(at: &str, from: Option<&str>, bytes: &[u8]) -> Event {
    let (place, background, bytes) = (place(at), from.map(str::to_owned), bytes.to_vec());
    guest(GuestEvent::Output { place, background, stream: Stream::Stdout, bytes })
}

pub fn done(code: i32) -> Event {
    guest(GuestEvent::CommandEnded { exit: Exit::Code(code), millis: 40 })
}

pub fn verdict(witness: Witness, at: &str, claim: &str, actual: &str) -> Verdict {
    Verdict {
        check: claim.replace(' ', "-"),
        claim: claim.to_owned(),
        place: place(at),
        passed: true,
        witness,
        expected: "as claimed".to_owned(),
        actual: actual.to_owned(),
        look: String::new(),
        millis: 5,
    }
}

pub fn checked(witness: Witness, at: &str, claim: &str, actual: &str) -> Event {
    guest(GuestEvent::Checked(verdict(witness, at, claim, actual)))
}

/// The start of a group of which one guest fails and one was up.
pub fn group() -> Vec<Event> {
    let millis = Duration::from_millis;
    let guest = |name: &str, state, took| Member {
        state,
        address: Some("127.0.0.1:40123".to_owned()),
        tier: Some(crate::provider::Tier::Clone),
        took: Some(millis(took)),
        ..Member::not_started(name)
    };
    let members = vec![
        guest("seat-01", MemberState::Up, 810),
        Member::failed("seat-02", millis(6500), "stuck in phase `kernel`"),
        guest("seat-03", MemberState::WasUp, 120),
    ];
    let progress = |up, starting, failed, since_start| {
        let since_start = millis(since_start);
        Event::GroupProgress { up, starting, failed, total: 3, since_start }
    };
    let mut events = vec![progress(0, 1, 0, 0)];
    events.extend(members.iter().map(|member| Event::Member { member: member.clone() }));
    events.push(progress(2, 0, 1, 8290));
    events.push(Event::GroupEnded { members, took: millis(8300) });
    events
}

pub fn start() -> Vec<Event> {
    let done = |phase, millis| {
        [
            Event::PhaseStarted { phase },
            Event::PhaseDone { phase, since_start: Duration::from_millis(millis) },
        ]
    };
    let phases =
        [(Phase::Image, 20), (Phase::Kernel, 1420), (Phase::Ssh, 2010), (Phase::Agent, 2300)];
    let mut events: Vec<Event> =
        phases.into_iter().flat_map(|(phase, millis)| done(phase, millis)).collect();
    let text = "KVM does not work here (the guest hung): the guest is emulated, which is slower";
    events.insert(2, Event::Note { text: text.to_owned() });
    events.push(Event::GuestReady {
        name: Name::DEFAULT.to_owned(),
        attached: false,
        architecture: crate::platform::Architecture::X86_64,
        accelerator: Some("tcg".to_owned()),
        tier: Some(crate::provider::Tier::Clone),
        address: "127.0.0.1:40123".to_owned(),
        took: Duration::from_millis(2310),
    });
    events
}

fn lab(steps: u32) -> Event {
    Event::LabStarted {
        lab: "tenants".to_owned(),
        title: "Two tenants with the same addresses on one switch".to_owned(),
        summary: "One switch, two VLANs, two DHCP servers with one address: nobody notices the \
                  other."
            .to_owned(),
        steps,
        namespaces: ["red", "blue", "dhcp-r", "dhcp-b"].map(str::to_owned).to_vec(),
    }
}

fn step(index: u32, number: Option<u32>, title: &str, why: &str) -> Event {
    let step = StepPlace { index, number, quiet: number.is_none() };
    Event::StepStarted { step, title: title.to_owned(), why: why.to_owned() }
}

fn summary(
    index: u32,
    number: Option<u32>,
    title: &str,
    checks: [u32; 2],
    millis: u64,
) -> StepSummary {
    StepSummary {
        step: StepPlace { index, number, quiet: number.is_none() },
        title: title.to_owned(),
        passed: checks[1] == 0,
        checks_passed: checks[0],
        checks_failed: checks[1],
        took: Duration::from_millis(millis),
    }
}

fn ended(steps: Vec<StepSummary>, kept: bool) -> Event {
    let summary = LabSummary {
        lab: "tenants".to_owned(),
        passed: steps.iter().all(|step| step.passed),
        checks_passed: steps.iter().map(|step| step.checks_passed).sum(),
        checks_failed: steps.iter().map(|step| step.checks_failed).sum(),
        took: steps.iter().map(|step| step.took).sum(),
        steps,
        kept,
        quit_early: false,
    };
    Event::LabEnded { summary, topology: Some(diagram::tests::demo_3()) }
}

const SETUP: &str = "The bridge, and a pair of interfaces for each tenant";
const SERVER: &str = "A server in blue is reachable from red, not from root";
const LEASE: &str = "Red asks for an address, and its own server answers";

fn setup() -> Vec<Event> {
    let mut events = vec![step(0, None, SETUP, "As in the lab before.")];
    events.push(command("root", "ovs-vsctl add-br ovs1"));
    events.push(done(0));
    events.push(checked(Witness::Claim, "root", "ovs1 is there", ""));
    events
}

fn server() -> Vec<Event> {
    let why = "Sockets belong to a namespace too. The server listens in blue only; red gets there \
               through the switch, root has no interface in 10.0.0.0/24 and so no way at all.";
    let through = "red's connection gets through";
    vec![
        step(1, Some(1), SERVER, why),
        background("blue", "nc -lk 10.0.0.2 4000", "server"),
        guest(GuestEvent::BackgroundReady { name: "server".to_owned(), pid: 412, millis: 30 }),
        guest(GuestEvent::Kept { name: "SERVER_PID".to_owned(), value: "412".to_owned() }),
        command("red", "echo hello from red | nc -N 10.0.0.2 4000"),
        output("blue", Some("server"), b"hello fr"),
        output("blue", Some("server"), b"om red\n"),
        done(0),
        checked(Witness::Claim, "red", through, "10.0.0.2 port 4000 accepts"),
        checked(Witness::Control, "red", through, "10.0.0.2 port 4000 accepts"),
        checked(Witness::Claim, "root", "root can't connect", "no route to host"),
        guest(GuestEvent::CounterfactualStarted {
            title: "without blue's port on the switch".to_owned(),
        }),
        command("root", "ovs-vsctl del-port ovs1 veth-b"),
        done(0),
        checked(Witness::Without, "red", through, "no answer in 1 s"),
        guest(GuestEvent::CounterfactualUndone {
            title: "without blue's port on the switch".to_owned(),
        }),
        command("root", "ovs-vsctl add-port ovs1 veth-b"),
        done(0),
        checked(Witness::Restored, "red", through, ""),
    ]
}

fn lease() -> Vec<Event> {
    let why = "dhclient broadcasts; only the server on red's VLAN hears it.";
    vec![
        step(2, Some(2), LEASE, why),
        command(
            "dhcp-r",
            "dnsmasq --port=0 --interface=tap-r --bind-interfaces \
             --dhcp-range=10.20.30.10,10.20.30.100,255.255.255.0 --pid-file=/run/dhcp-r.pid",
        ),
        done(0),
        command("red", "ip -br link show eth0-r"),
        output("red", None, b"eth0-r@if9       UP             5a:1e:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>\n"),
        done(0),
        command("red", "hostname -I | tr -d ' '"),
        output("red", None, b"10.20.30.47"),
        done(0),
        guest(GuestEvent::Kept { name: "RED_IP".to_owned(), value: "10.20.30.47".to_owned() }),
        command("red", "ping -c 1 10.9.9.9"),
        output("red", None, b"\x1b[2J\x1b]0;title\x07ping: connect: Network is unreachable\r\n"),
        done(2),
    ]
}

/// A run in which all is well.
pub fn passing() -> Vec<Event> {
    let steps = vec![
        summary(0, None, SETUP, [1, 0], 1210),
        summary(1, Some(1), SERVER, [5, 0], 1440),
        summary(2, Some(2), LEASE, [1, 0], 2300),
    ];
    let mut events = vec![lab(2)];
    for (step, summary) in [setup(), server(), lease()].into_iter().zip(steps.clone()) {
        events.extend(step);
        if summary.step.index == 2 {
            events.push(checked(Witness::Claim, "red", "red's lease is in its server's file", ""));
        }
        events.push(Event::StepEnded { summary });
    }
    events.push(ended(steps, false));
    events
}

/// A run in which a claim does not hold.
pub fn failing() -> Vec<Event> {
    let claim = "red can't reach blue's leased address";
    let failed = Verdict {
        passed: false,
        expected: "no answer from 10.20.30.95".to_owned(),
        actual: "10.20.30.95 answered after 2 ms".to_owned(),
        look: "ovs-vsctl --columns=name,tag list port".to_owned(),
        ..verdict(Witness::Claim, "red", claim, "")
    };
    let steps =
        vec![summary(0, None, SETUP, [1, 0], 1210), summary(2, Some(2), LEASE, [1, 1], 2300)];
    let mut events = vec![lab(3)];
    events.extend(setup());
    events.push(Event::StepEnded { summary: steps[0].clone() });
    events.extend(lease());
    events.push(checked(
        Witness::Control,
        "red",
        "red reaches its own server",
        "10.20.30.2 answered",
    ));
    events.push(guest(GuestEvent::Checked(failed)));
    events.push(Event::StepEnded { summary: steps[1].clone() });
    events.push(ended(steps, true));
    events
}

/// A run in which a command of a quiet step fails.
pub fn failing_setup() -> Vec<Event> {
    let mut events = vec![lab(3)];
    events.extend(setup());
    events.push(command("red", "ip link set eth0-r up"));
    events.push(output("red", None, b"Cannot find device \"eth0-r\"\n"));
    events.push(guest(GuestEvent::Failed(Failure::Command {
        line: 31,
        place: place("red"),
        text: "ip link set eth0-r up".to_owned(),
        exit: Exit::Code(1),
        expected: "exit status 0".to_owned(),
    })));
    let causes = vec!["no space is left on `/`".to_owned()];
    events.push(guest(GuestEvent::LikelyCauses { causes }));
    let mut steps = vec![summary(0, None, SETUP, [1, 0], 810)];
    steps[0].passed = false;
    events.push(Event::StepEnded { summary: steps[0].clone() });
    events.push(ended(steps, true));
    events
}
