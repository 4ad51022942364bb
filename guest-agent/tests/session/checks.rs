//! Checks against the real kernel: claims, controls and counterfactuals.

use netlab_protocol::check::{
    AddressProbe, CommandProbe, LinkProbe, LinkState, NamespaceLinkProbe, NeighbourProbe,
    RisesProbe, RouteProbe,
};
use netlab_protocol::{Plan, Probe, Ready};

use crate::client::Client;
use crate::plans::{
    SERVER, background, fails, holds, place, plan, reach, run, step, wired, without,
};
use crate::world::World;

fn wired_plan(rest: Vec<netlab_protocol::Action>) -> Plan {
    let mut actions = wired();
    actions.extend(rest);
    plan(&["red", "blue"], vec![step(actions)])
}

#[test]
fn every_kind_of_probe_is_answered_by_the_kernel() {
    let text = str::to_owned;
    let world = World::new();
    let links = |kind: &str| NamespaceLinkProbe {
        kind: kind.to_owned(),
        places: vec![place("root"), place("red"), place("blue")],
    };
    let mut client = Client::open(
        &world,
        &wired_plan(vec![
            background("blue", "server", SERVER, Ready::Tcp(4000)),
            holds("ping", "red", reach("$SUBNET.2")),
            holds("tcp", "red", reach("tcp:10.0.0.2:4000")),
            holds("arp", "red", reach("arp:10.0.0.2")),
            holds(
                "address",
                "red",
                Probe::Address(AddressProbe {
                    link: text("eth0-r"),
                    is: Some(text("$SUBNET.1/24")),
                    between: None,
                }),
            ),
            holds(
                "route",
                "red",
                Probe::Route(RouteProbe { to: text("10.0.0.0/24"), link: Some(text("eth0-r")) }),
            ),
            holds(
                "neighbour",
                "red",
                Probe::Neighbour(NeighbourProbe { address: text("10.0.0.2"), mac: None }),
            ),
            holds(
                "link",
                "red",
                Probe::Link(LinkProbe { name: text("eth0-r"), state: Some(LinkState::Up) }),
            ),
            holds("links", "red", Probe::Links(vec![text("eth0-r"), text("lo")])),
            holds("listens", "blue", Probe::Listens(text("tcp:4000"))),
            holds("process", "blue", Probe::Process(text("server"))),
            holds("differs", "root", Probe::Differs(links("net"))),
            holds("same", "root", Probe::Same(links("uts"))),
            holds(
                "rises",
                "red",
                Probe::Rises(RisesProbe {
                    links: vec![text("eth0-r")],
                    during: text(
                        "ip netns exec red perl -MIO::Socket::INET -e \
                         'IO::Socket::INET->new(PeerAddr => \"10.0.0.2:4000\") or die'",
                    ),
                }),
            ),
            holds(
                "command",
                "red",
                Probe::Command(CommandProbe {
                    run: text("ip -br addr show eth0-r"),
                    stdout: Some(text("$SUBNET.1/24")),
                    exit: 0,
                }),
            ),
        ]),
    );
    let told = client.step(0);
    assert!(told.passed, "{:#?}", told.lines());
    let lines = told.lines();
    for line in [
        "ok tcp Claim: tcp:10.0.0.2:4000 accepted",
        "ok address Claim: `eth0-r` has 10.0.0.1/24",
        "ok route Claim: 10.0.0.0/24 through `eth0-r`",
        "ok link Claim: `eth0-r` is up",
        "ok listens Claim: tcp:4000 is open",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
    assert!(lines[0].starts_with("ok ping Claim: 10.0.0.2 answered in "), "{lines:#?}");
    assert!(lines[2].starts_with("ok arp Claim: 10.0.0.2 is at "), "{lines:#?}");
}

#[test]
fn a_negative_claim_is_proven_beside_its_control() {
    let world = World::new();
    let mut client = Client::open(
        &world,
        &wired_plan(vec![
            holds("red-blue", "red", reach("10.0.0.2")),
            fails("root-blue", "root", reach("10.0.0.2"), Some("red-blue")),
            fails("red-nobody", "red", reach("10.0.0.9"), Some("red-blue")),
            fails("red-closed", "red", reach("tcp:10.0.0.2:9"), None),
        ]),
    );
    let told = client.step(0);
    assert!(told.passed, "{:#?}", told.lines());
    let lines = told.lines();
    assert!(lines[1].starts_with("ok red-blue Control: 10.0.0.2 answered in "), "{lines:#?}");
    assert_eq!(lines[2], "ok root-blue Claim: network is unreachable");
    assert!(lines[4].starts_with("ok red-nobody Claim: no answer in 1 s"), "{lines:#?}");
    assert_eq!(lines[5], "ok red-closed Claim: connection refused");
    let verdict = told.verdicts()[4];
    assert_eq!(verdict.expected, "no answer from 10.0.0.9");
    assert_eq!(verdict.look, "ip netns exec red ping -c 1 -W 1 10.0.0.9");
}

#[test]
fn a_dead_network_does_not_pass_for_isolation() {
    let world = World::new();
    let mut client = Client::open(
        &world,
        &wired_plan(vec![
            holds("red-blue", "red", reach("10.0.0.2")),
            run("blue", "ip link set eth0-b down"),
            fails("red-nobody", "red", reach("10.0.0.9"), Some("red-blue")),
        ]),
    );
    let told = client.step(0);
    assert!(!told.passed);
    let lines = told.lines();
    assert!(lines[1].starts_with("FAILED red-blue Control: no answer in 1 s"), "{lines:#?}");
    assert_eq!(
        lines[2],
        "FAILED red-nobody Claim: its control \"the claim of red-blue\" does not hold, so it proves nothing"
    );
}

#[test]
fn a_probe_in_a_namespace_that_is_not_there_proves_nothing() {
    let world = World::new();
    let actions = vec![fails("gone", "gone", reach("10.0.0.1"), None)];
    let mut client = Client::open(&world, &plan(&["gone"], vec![step(actions)]));
    let told = client.step(0);
    assert!(!told.passed);
    assert_eq!(
        told.lines(),
        [
            "FAILED gone Claim: could not enter namespace `gone`: No such file or directory (os error 2)"
        ]
    );
}

#[test]
fn a_value_that_nobody_kept_fails_in_words() {
    let world = World::new();
    let actions = vec![fails("unknown", "root", reach("$NOBODY"), None)];
    let mut client = Client::open(&world, &plan(&[], vec![step(actions)]));
    let told = client.step(0);
    let expected = "FAILED unknown Claim: `$NOBODY` is not known: no earlier step keeps it";
    assert_eq!(told.lines(), [expected]);
}

#[test]
fn without_its_mechanism_a_claim_fails_and_put_back_it_holds_again() {
    let world = World::new();
    let mut plan = wired_plan(vec![
        holds("red-blue", "red", reach("10.0.0.2")),
        fails("red-lo", "red", reach("127.0.0.1"), Some("red-blue")),
    ]);
    plan.steps[0].actions.insert(9, run("red", "ip link set lo down"));
    plan.steps[0].counterfactuals = vec![
        without(
            vec![run("blue", "ip link set eth0-b down")],
            &["red-blue"],
            vec![run("blue", "ip link set eth0-b up")],
        ),
        without(
            vec![run("red", "ip link set lo up")],
            &["red-lo"],
            vec![run("red", "ip link set lo down")],
        ),
    ];
    let mut client = Client::open(&world, &plan);
    let told = client.step(0);
    assert!(told.passed, "{told:#?}");
    let lines: Vec<_> = told.lines();
    let heads: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        heads,
        [
            "ok red-blue Claim",
            "ok red-blue Control",
            "ok red-lo Claim",
            "ok red-blue Without",
            "ok red-blue Restored",
            "ok red-lo Without",
            "ok red-blue Control",
            "ok red-lo Restored",
        ]
    );
}

#[test]
fn a_mechanism_that_does_not_matter_fails_the_step_and_is_put_back() {
    let world = World::new();
    let mut plan = wired_plan(vec![holds("red-blue", "red", reach("10.0.0.2"))]);
    plan.steps[0].counterfactuals = vec![without(
        vec![run("blue", "ip link set lo down"), run("blue", "echo taken > /run/state")],
        &["red-blue"],
        vec![run("blue", "false"), run("blue", "echo back > /run/state")],
    )];
    let mut client = Client::open(&world, &plan);
    let told = client.step(0);
    assert!(!told.passed);
    let without = told.verdicts()[1];
    assert!(!without.passed);
    assert_eq!(without.expected, "no answer from 10.0.0.2");
    assert_eq!(world.shell("cat /run/state"), "back");
}
