//! The pictures of the labs' last steps, as golden text.

use netlab_protocol::topology::Peer;
use netlab_protocol::{Interface, Namespace, Place, Switch, SwitchPort, Topology};

use super::*;

fn place(name: &str) -> Place {
    Place::from(name.to_owned())
}

fn interface(name: &str, addresses: &[&str]) -> Interface {
    let addresses = addresses.iter().map(|&text| text.to_owned()).collect();
    Interface { name: name.to_owned(), up: true, mac: None, addresses, peer: None }
}

fn veth(name: &str, addresses: &[&str], at: &str, peer: &str) -> Interface {
    let peer = Some(Peer { place: place(at), name: peer.to_owned() });
    Interface { peer, ..interface(name, addresses) }
}

fn namespace(name: &str, mut interfaces: Vec<Interface>, processes: &[&str]) -> Namespace {
    interfaces.insert(0, interface("lo", &["127.0.0.1/8"]));
    let processes = processes.iter().map(|&text| text.to_owned()).collect();
    Namespace { place: place(name), interfaces, processes }
}

fn root(ports: Vec<Interface>) -> Namespace {
    let mut interfaces = vec![interface("eth0", &["10.0.2.15/24"])];
    interfaces.extend(["ovs-system", "ovs1"].map(|name| interface(name, &[])));
    interfaces.extend(ports);
    namespace("root", interfaces, &[])
}

fn port(name: &str, tag: Option<u16>) -> SwitchPort {
    SwitchPort { name: name.to_owned(), tag }
}

fn switch(ports: Vec<SwitchPort>) -> Switch {
    Switch { name: "ovs1".to_owned(), ports }
}

fn demo_2() -> Topology {
    let veths = vec![veth("veth-r", &[], "red", "eth0-r"), veth("veth-b", &[], "blue", "eth0-b")];
    Topology {
        namespaces: vec![
            root(veths),
            namespace("red", vec![veth("eth0-r", &["10.0.0.1/24"], "root", "veth-r")], &[]),
            namespace(
                "blue",
                vec![veth("eth0-b", &["10.0.0.2/24"], "root", "veth-b")],
                &["server"],
            ),
        ],
        switches: vec![switch(vec![port("veth-r", None), port("veth-b", None)])],
    }
}

pub(in crate::report) fn demo_3() -> Topology {
    let veths = vec![
        veth("veth-r", &[], "red", "eth0-r"),
        veth("veth-b", &[], "blue", "eth0-b"),
        interface("mon0", &[]),
    ];
    let server =
        |name, tap| namespace(name, vec![interface(tap, &["10.20.30.2/24"])], &["dnsmasq"]);
    let client = |name, eth, address, veth_name| {
        namespace(name, vec![veth(eth, &[address], "root", veth_name)], &["dhclient"])
    };
    Topology {
        namespaces: vec![
            root(veths),
            client("red", "eth0-r", "10.20.30.47/24", "veth-r"),
            client("blue", "eth0-b", "10.20.30.95/24", "veth-b"),
            server("dhcp-r", "tap-r"),
            server("dhcp-b", "tap-b"),
        ],
        switches: vec![switch(vec![
            port("veth-r", Some(100)),
            port("veth-b", Some(200)),
            port("tap-r", Some(100)),
            port("tap-b", Some(200)),
            port("mon0", None),
        ])],
    }
}

#[track_caller]
fn assert_drawn(topology: &Topology, columns: usize, unicode: bool, golden: &str) {
    let join = |line: &Line| line.iter().map(|span| span.text.as_str()).collect::<String>() + "\n";
    let drawn: String = draw(topology, columns, unicode).iter().map(join).collect();
    let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= columns, "{widest} columns");
    assert_eq!(drawn, golden, "\n{drawn}");
}

#[test]
fn demo_2_is_two_namespaces_on_one_switch() {
    assert_drawn(&demo_2(), 80, true, include_str!("../golden/diagram-demo-2.txt"));
}

#[test]
fn demo_2_in_ascii() {
    assert_drawn(&demo_2(), 80, false, include_str!("../golden/diagram-demo-2-ascii.txt"));
}

#[test]
fn demo_3_keeps_each_tenant_in_a_line_of_its_own() {
    assert_drawn(&demo_3(), 80, true, include_str!("../golden/diagram-demo-3.txt"));
}

#[test]
fn demo_3_in_forty_columns_is_a_list_of_boxes() {
    assert_drawn(&demo_3(), 40, true, include_str!("../golden/diagram-demo-3-40.txt"));
}

#[test]
fn namespaces_that_are_wired_to_nothing_stand_side_by_side() {
    let lone = |name: &str| {
        let mut namespace = namespace(name, Vec::new(), &[]);
        namespace.interfaces[0].up = false;
        namespace
    };
    let root = namespace("root", vec![interface("eth0", &["10.0.2.15/24"])], &[]);
    let namespaces = vec![root, lone("red"), lone("blue")];
    let topology = Topology { namespaces, switches: Vec::new() };
    assert_drawn(&topology, 80, true, include_str!("../golden/diagram-demo-1.txt"));
}

#[test]
fn three_tenants_of_which_one_is_not_wired_yet_and_three_ports_share_a_vlan() {
    let mut topology = demo_3();
    topology.namespaces.push(namespace("green", vec![interface("tap-g", &["10.20.30.9/24"])], &[]));
    topology.namespaces.push(namespace("spare", Vec::new(), &[]));
    topology.switches[0].ports.insert(4, port("tap-g", Some(200)));
    assert_drawn(&topology, 100, true, include_str!("../golden/diagram-wide.txt"));
}

#[test]
fn a_pair_between_two_namespaces_needs_no_switch() {
    let topology = Topology {
        namespaces: vec![
            namespace("red", vec![veth("a", &["10.1.0.1/30", "10.1.1.1/30"], "blue", "b")], &[]),
            namespace("blue", vec![veth("b", &[], "red", "a")], &["dnsmasq", "dnsmasq"]),
        ],
        switches: Vec::new(),
    };
    assert_drawn(&topology, 80, true, include_str!("../golden/diagram-pair.txt"));
}

#[test]
fn what_a_guest_names_its_things_can_not_drive_the_terminal() {
    let topology = Topology {
        namespaces: vec![namespace("root", vec![interface("a\u{1b}[2J", &[])], &["x\ny"])],
        switches: Vec::new(),
    };
    let text: String =
        draw(&topology, 40, true).iter().flatten().map(|span| span.text.as_str()).collect();
    assert!(text.contains("a?[2J") && text.contains("x?y"), "{text}");
}

#[test]
fn names_without_end_and_things_without_number_are_no_way_to_fill_the_memory() {
    let text = |topology: &Topology| -> String {
        draw(topology, 40, true).iter().flatten().map(|span| span.text.as_str()).collect()
    };
    // A name of more than 65535 characters was more than `format!` pads to, and ended netlab.
    let long = "x".repeat(100_000);
    let mut topology = demo_3();
    topology.namespaces[1].interfaces[1].name.clone_from(&long);
    topology.switches[0].ports[0].name = long;
    assert!(text(&topology).len() < 20_000);
    let interfaces = (0..2000).map(|number| interface(&number.to_string(), &[])).collect();
    topology.namespaces.push(namespace("many", interfaces, &[]));
    assert!(text(&topology).ends_with("things to draw, and 1000 is the most"));
}
