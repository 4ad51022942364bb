//! The topology, measured in a wired world.

use netlab_protocol::topology::Peer;
use netlab_protocol::{Event, Ready, Request};

use crate::client::Client;
use crate::plans::{SERVER, background, place, plan, run, step, wired};
use crate::world::World;

#[test]
fn pairs_are_followed_across_namespaces_and_servers_are_named() {
    let world = World::new();
    let mut actions = wired();
    actions.extend([
        run("root", "ip link add veth-r type veth peer name tap-r netns red"),
        background("blue", "server", SERVER, Ready::Tcp(4000)),
        run("red", "setsid sleep 1000 &"),
    ]);
    let mut client = Client::open(&world, &plan(&["red", "blue"], vec![step(actions)]));
    assert!(client.step(0).passed);
    world.pid_of("sleep");
    client.send(&Request::Topology);
    let Event::Topology(topology) = client.next() else { panic!("no topology") };
    let peers = |at: usize| {
        let interfaces = topology.namespaces[at].interfaces.iter();
        interfaces
            .filter_map(|it| {
                let Peer { place, name } = it.peer.as_ref()?;
                Some(format!("{} - {name} in {place}", it.name))
            })
            .collect::<Vec<_>>()
    };
    let places: Vec<_> = topology.namespaces.iter().map(|it| it.place.clone()).collect();
    assert_eq!(places, [place("root"), place("red"), place("blue")]);
    assert_eq!(peers(0), ["veth-r - tap-r in red"]);
    assert_eq!(peers(1), ["eth0-r - eth0-b in blue", "tap-r - veth-r in root"]);
    assert_eq!(peers(2), ["eth0-b - eth0-r in red"]);
    assert_eq!(topology.namespaces[1].processes, ["sleep"]);
    assert_eq!(topology.namespaces[2].processes, ["server"]);
    let red = topology.namespaces[1].interfaces.iter().find(|it| it.name == "eth0-r").unwrap();
    assert_eq!(red.addresses, ["10.0.0.1/24"]);
    assert!(red.up);
    assert_eq!(topology.switches, []);
}
