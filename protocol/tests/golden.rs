//! Each message as it stands on the wire: a change that the other side would see shows here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use netlab_protocol::boot::{Order, Phase, Report, Secrets, Wake};
use netlab_protocol::topology::Peer;
use netlab_protocol::{
    Action, Background, Check, Command, Counterfactual, Event, Exit, ExitRule, Failure, Hello,
    Interface, Namespace, Needs, Place, Plan, Probe, Ready, Request, Service, Step, Stream, Switch,
    SwitchPort, Topology, Verdict, Witness,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[track_caller]
fn assert_wire<T: Serialize + DeserializeOwned + PartialEq>(cases: Vec<(T, &str)>) {
    for (message, text) in cases {
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
        assert!(serde_json::from_str::<T>(text).unwrap() == message, "{text}");
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn red() -> Place {
    Place::Namespace(text("red"))
}

fn plan() -> Plan {
    let check = Check {
        line: 4,
        id: text("a"),
        claim: text("A"),
        place: red(),
        negative: true,
        control: Some(text("b")),
        within_ms: 1000,
        probe: Probe::Reach("tcp:10.0.0.2:4000".parse().unwrap()),
    };
    let command = Command {
        line: 2,
        place: Place::Root,
        text: text("id"),
        exit: ExitRule::Code(0),
        within_ms: 5,
        keep: Some(text("X")),
    };
    let background = Background {
        line: 3,
        name: text("s"),
        place: red(),
        text: text("nc"),
        ready: Ready::Tcp(1),
        within_ms: 6,
    };
    let undo = Command { exit: ExitRule::Any, keep: None, ..command.clone() };
    Plan {
        lab: text("1"),
        namespaces: vec![text("red")],
        files: vec![text("/f")],
        interfaces: vec![text("v")],
        processes: vec![text("d")],
        networks: vec![text("n")],
        needs: Needs {
            commands: vec![text("nc")],
            modules: vec![text("veth")],
            services: vec![Service::Openvswitch],
        },
        values: [(text("P"), text("1"))].into(),
        steps: vec![Step {
            title: text("T"),
            why: text("W"),
            quiet: false,
            actions: vec![Action::Run(command), Action::Start(background), Action::Check(check)],
            counterfactuals: vec![Counterfactual {
                title: text("C"),
                take_away: vec![],
                fails: vec![text("a")],
                undo: vec![Action::Run(undo)],
            }],
        }],
    }
}

#[test]
fn requests() {
    assert_wire(vec![
        (
            Request::Open(Box::new(plan())),
            r#"{"open":{"lab":"1","namespaces":["red"],"files":["/f"],"interfaces":["v"],"processes":["d"],"networks":["n"],"needs":{"commands":["nc"],"modules":["veth"],"services":["openvswitch"]},"values":{"P":"1"},"steps":[{"title":"T","why":"W","quiet":false,"actions":[{"run":{"line":2,"place":"root","text":"id","exit":{"code":0},"within_ms":5,"keep":"X"}},{"start":{"line":3,"name":"s","place":"red","text":"nc","ready":{"tcp":1},"within_ms":6}},{"check":{"line":4,"id":"a","claim":"A","place":"red","negative":true,"control":"b","within_ms":1000,"probe":{"reach":"tcp:10.0.0.2:4000"}}}],"counterfactuals":[{"title":"C","take_away":[],"fails":["a"],"undo":[{"run":{"line":2,"place":"root","text":"id","exit":"any","within_ms":5,"keep":null}}]}]}]}}"#,
        ),
        (Request::Step { index: 3 }, r#"{"step":{"index":3}}"#),
        (Request::Topology, r#""topology""#),
        (Request::Close { keep: true }, r#"{"close":{"keep":true}}"#),
        (Request::Reset, r#""reset""#),
        (Request::Serve, r#""serve""#),
        (Request::Rehearse, r#""rehearse""#),
        (Request::Hold, r#""hold""#),
        (Request::Attach, r#""attach""#),
    ]);
}

#[test]
fn the_hello() {
    let hello = Hello {
        protocol: 1,
        version: text("0.1.0"),
        kernel: text("6.12"),
        uptime_ms: 7,
        kept: None,
        held: None,
    };
    assert_wire(vec![
        (
            Hello { kept: Some(text("1")), held: Some(text("2")), ..hello.clone() },
            r#"{"protocol":1,"version":"0.1.0","kernel":"6.12","uptime_ms":7,"kept":"1","held":"2"}"#,
        ),
        (
            hello,
            r#"{"protocol":1,"version":"0.1.0","kernel":"6.12","uptime_ms":7,"kept":null,"held":null}"#,
        ),
    ]);
}

#[test]
fn events_of_commands() {
    let output = |background, stream| Event::Output {
        place: red(),
        background,
        stream,
        bytes: b"hi\n".to_vec(),
    };
    assert_wire(vec![
        (
            Event::CommandStarted { line: 2, place: red(), text: text("id"), background: None },
            r#"{"event":"command_started","line":2,"place":"red","text":"id","background":null}"#,
        ),
        (
            output(None, Stream::Stdout),
            r#"{"event":"output","place":"red","background":null,"stream":"stdout","bytes":"aGkK"}"#,
        ),
        (
            output(Some(text("s")), Stream::Stderr),
            r#"{"event":"output","place":"red","background":"s","stream":"stderr","bytes":"aGkK"}"#,
        ),
        (
            Event::LikelyCauses { causes: vec![text("c")] },
            r#"{"event":"likely_causes","causes":["c"]}"#,
        ),
        (Event::OutputDropped { bytes: 9 }, r#"{"event":"output_dropped","bytes":9}"#),
        (
            Event::CommandEnded { exit: Exit::Code(1), millis: 2 },
            r#"{"event":"command_ended","exit":{"code":1},"millis":2}"#,
        ),
        (
            Event::CommandEnded { exit: Exit::Signal(9), millis: 2 },
            r#"{"event":"command_ended","exit":{"signal":9},"millis":2}"#,
        ),
        (
            Event::CommandEnded { exit: Exit::TimedOut, millis: 2 },
            r#"{"event":"command_ended","exit":"timed_out","millis":2}"#,
        ),
        (
            Event::BackgroundReady { name: text("s"), pid: 8, millis: 2 },
            r#"{"event":"background_ready","name":"s","pid":8,"millis":2}"#,
        ),
        (
            Event::Kept { name: text("X"), value: text("1") },
            r#"{"event":"kept","name":"X","value":"1"}"#,
        ),
    ]);
}

#[test]
fn events_of_a_lab() {
    let verdict = |witness| {
        Event::Checked(Verdict {
            check: text("a"),
            claim: text("A"),
            place: Place::Root,
            passed: true,
            witness,
            expected: text("E"),
            actual: text("F"),
            look: text("L"),
            millis: 2,
        })
    };
    let interface = Interface {
        name: text("eth0-r"),
        up: true,
        mac: Some(text("02:00:00:00:00:01")),
        addresses: vec![text("10.0.0.1/24")],
        peer: Some(Peer { place: Place::Root, name: text("veth-r") }),
    };
    let topology = Topology {
        namespaces: vec![Namespace {
            place: red(),
            interfaces: vec![interface],
            processes: vec![text("s")],
        }],
        switches: vec![Switch {
            name: text("ovs1"),
            ports: vec![SwitchPort { name: text("veth-r"), tag: Some(100) }],
        }],
    };
    assert_wire(vec![
        (Event::Opened, r#"{"event":"opened"}"#),
        (Event::Served, r#"{"event":"served"}"#),
        (Event::Held, r#"{"event":"held"}"#),
        (Event::Attached, r#"{"event":"attached"}"#),
        (Event::StepStarted { step: 0 }, r#"{"event":"step_started","step":0}"#),
        (
            verdict(Witness::Claim),
            r#"{"event":"checked","check":"a","claim":"A","place":"root","passed":true,"witness":"claim","expected":"E","actual":"F","look":"L","millis":2}"#,
        ),
        (
            verdict(Witness::Control),
            r#"{"event":"checked","check":"a","claim":"A","place":"root","passed":true,"witness":"control","expected":"E","actual":"F","look":"L","millis":2}"#,
        ),
        (
            verdict(Witness::Without),
            r#"{"event":"checked","check":"a","claim":"A","place":"root","passed":true,"witness":"without","expected":"E","actual":"F","look":"L","millis":2}"#,
        ),
        (
            verdict(Witness::Restored),
            r#"{"event":"checked","check":"a","claim":"A","place":"root","passed":true,"witness":"restored","expected":"E","actual":"F","look":"L","millis":2}"#,
        ),
        (
            Event::CounterfactualStarted { title: text("C") },
            r#"{"event":"counterfactual_started","title":"C"}"#,
        ),
        (
            Event::CounterfactualUndone { title: text("C") },
            r#"{"event":"counterfactual_undone","title":"C"}"#,
        ),
        (
            Event::StepEnded { step: 0, passed: false, millis: 2 },
            r#"{"event":"step_ended","step":0,"passed":false,"millis":2}"#,
        ),
        (
            Event::Topology(topology),
            r#"{"event":"topology","namespaces":[{"place":"red","interfaces":[{"name":"eth0-r","up":true,"mac":"02:00:00:00:00:01","addresses":["10.0.0.1/24"],"peer":{"place":"root","name":"veth-r"}}],"processes":["s"]}],"switches":[{"name":"ovs1","ports":[{"name":"veth-r","tag":100}]}]}"#,
        ),
        (
            Event::Closed { removed: vec![text("r")], errors: vec![text("e")] },
            r#"{"event":"closed","removed":["r"],"errors":["e"]}"#,
        ),
    ]);
}

#[test]
fn events_of_failure() {
    let failures = [
        Failure::Command {
            line: 2,
            place: red(),
            text: text("id"),
            exit: Exit::Code(1),
            expected: text("E"),
        },
        Failure::Background {
            line: 2,
            place: red(),
            name: text("s"),
            text: text("nc"),
            problem: text("P"),
        },
        Failure::Missing { what: text("W") },
        Failure::Exists { what: text("W") },
        Failure::Busy,
        Failure::Protocol { asked: text("A"), problem: text("P") },
        Failure::System { doing: text("D"), cause: text("C") },
    ];
    let texts = [
        r#"{"event":"failed","failure":"command","line":2,"place":"red","text":"id","exit":{"code":1},"expected":"E"}"#,
        r#"{"event":"failed","failure":"background","line":2,"place":"red","name":"s","text":"nc","problem":"P"}"#,
        r#"{"event":"failed","failure":"missing","what":"W"}"#,
        r#"{"event":"failed","failure":"exists","what":"W"}"#,
        r#"{"event":"failed","failure":"busy"}"#,
        r#"{"event":"failed","failure":"protocol","asked":"A","problem":"P"}"#,
        r#"{"event":"failed","failure":"system","doing":"D","cause":"C"}"#,
    ];
    assert_wire(failures.into_iter().map(Event::Failed).zip(texts).collect());
}

#[test]
fn reports_of_the_boot() {
    let reached = |phase| Report::Reached { phase, uptime_ms: 7 };
    assert_wire(vec![
        (reached(Phase::Kernel), r#"{"report":"reached","phase":"kernel","uptime_ms":7}"#),
        (reached(Phase::Root), r#"{"report":"reached","phase":"root","uptime_ms":7}"#),
        (reached(Phase::Network), r#"{"report":"reached","phase":"network","uptime_ms":7}"#),
        (reached(Phase::Secrets), r#"{"report":"reached","phase":"secrets","uptime_ms":7}"#),
        (reached(Phase::Ssh), r#"{"report":"reached","phase":"ssh","uptime_ms":7}"#),
        (Report::NeedSecrets, r#"{"report":"need_secrets"}"#),
        (Report::Awake, r#"{"report":"awake"}"#),
        (Report::ClockSet, r#"{"report":"clock_set"}"#),
        (Report::Ready, r#"{"report":"ready"}"#),
        (
            Report::Failed { phase: Phase::Root, problem: text("P") },
            r#"{"report":"failed","phase":"root","problem":"P"}"#,
        ),
    ]);
}

#[test]
fn orders_of_the_boot() {
    let secrets = Secrets {
        hostname: text("h"),
        host_key: vec![1, 2, 3],
        authorized_key: text("k"),
        unix_nanos: 5,
        entropy: vec![255],
    };
    assert_wire(vec![
        (
            Order::Begin(Box::new(secrets)),
            r#"{"order":"begin","hostname":"h","host_key":"AQID","authorized_key":"k","unix_nanos":5,"entropy":"/w=="}"#,
        ),
        (Order::SetClock { unix_nanos: 5 }, r#"{"order":"set_clock","unix_nanos":5}"#),
        (Order::Settle, r#"{"order":"settle"}"#),
        (
            Order::Wake(Box::new(Wake { unix_nanos: 5, entropy: vec![255] })),
            r#"{"order":"wake","unix_nanos":5,"entropy":"/w=="}"#,
        ),
    ]);
}
