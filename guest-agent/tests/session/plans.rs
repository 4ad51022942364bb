//! Plans and their parts, in few words.

use netlab_protocol::{
    Action, Background, Check, Command, Counterfactual, ExitRule, Needs, Place, Plan, Probe, Ready,
    Step,
};

pub fn plan(namespaces: &[&str], steps: Vec<Step>) -> Plan {
    Plan {
        lab: "test".to_owned(),
        namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
        files: Vec::new(),
        interfaces: Vec::new(),
        processes: Vec::new(),
        networks: Vec::new(),
        needs: Needs::default(),
        values: [("SUBNET".to_owned(), "10.0.0".to_owned())].into(),
        steps,
    }
}

pub fn step(actions: Vec<Action>) -> Step {
    Step {
        title: "A step".to_owned(),
        why: "Because.".to_owned(),
        quiet: false,
        actions,
        counterfactuals: Vec::new(),
    }
}

pub fn place(name: &str) -> Place {
    Place::from(name.to_owned())
}

pub fn command(place_name: &str, text: &str) -> Command {
    Command {
        line: 1,
        place: place(place_name),
        text: text.to_owned(),
        exit: ExitRule::Code(0),
        within_ms: 20_000,
        keep: None,
    }
}

pub fn run(place_name: &str, text: &str) -> Action {
    Action::Run(command(place_name, text))
}

pub fn background(place_name: &str, name: &str, text: &str, ready: Ready) -> Action {
    Action::Start(Background {
        line: 1,
        name: name.to_owned(),
        place: place(place_name),
        text: text.to_owned(),
        ready,
        within_ms: 20_000,
    })
}

pub fn check(id: &str, place_name: &str, probe: Probe) -> Check {
    Check {
        line: 1,
        id: id.to_owned(),
        claim: format!("the claim of {id}"),
        place: place(place_name),
        negative: false,
        control: None,
        within_ms: 5_000,
        probe,
    }
}

pub fn holds(id: &str, place_name: &str, probe: Probe) -> Action {
    Action::Check(check(id, place_name, probe))
}

pub fn fails(id: &str, place_name: &str, probe: Probe, control: Option<&str>) -> Action {
    let control = control.map(str::to_owned);
    Action::Check(Check {
        negative: true,
        control,
        within_ms: 1_000,
        ..check(id, place_name, probe)
    })
}

pub fn reach(target: &str) -> Probe {
    Probe::Reach(target.parse().unwrap())
}

pub fn without(take_away: Vec<Action>, fails: &[&str], undo: Vec<Action>) -> Counterfactual {
    let fails = fails.iter().map(|&id| id.to_owned()).collect();
    Counterfactual { title: "without it".to_owned(), take_away, fails, undo }
}

/// Commands that wire red (10.0.0.1) and blue (10.0.0.2) together by one pair of interfaces.
pub fn wired() -> Vec<Action> {
    let mut actions = vec![
        run("root", "ip netns add red"),
        run("root", "ip netns add blue"),
        run("root", "ip link add eth0-r netns red type veth peer name eth0-b netns blue"),
    ];
    for (place, link, address) in [("red", "eth0-r", 1), ("blue", "eth0-b", 2)] {
        actions.push(run(place, &format!("ip addr add $SUBNET.{address}/24 dev {link}")));
        actions.push(run(place, &format!("ip link set {link} up")));
        actions.push(run(place, "ip link set lo up"));
    }
    actions
}

/// A TCP server that takes one connection after another, from what every Debian has.
pub const SERVER: &str = "exec perl -MIO::Socket::INET -e '\
    $s = IO::Socket::INET->new(LocalPort => 4000, Listen => 5, ReuseAddr => 1) or die; \
    $| = 1; print \"listening\\n\"; while ($c = $s->accept) { print \"client\\n\" }'";
