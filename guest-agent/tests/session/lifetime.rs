//! The life of a lab: opened once, gone with its session, kept only on demand.

use netlab_protocol::{Event, Failure, Needs, Ready, Request};

use crate::client::Client;
use crate::plans::{SERVER, background, plan, run, step, wired};
use crate::world::World;

/// A lab that makes some of everything that does not need a switch.
fn rich() -> netlab_protocol::Plan {
    let mut actions = wired();
    actions.extend([
        run("root", "ip link add veth-1 type veth peer name veth-2"),
        run("root", "ip link add dummy-1 type dummy || ip link add dummy-1 type bridge"),
        run("root", "mkdir /run/lab; echo x > /run/lab/file"),
        background("blue", "server", SERVER, Ready::Tcp(4000)),
        run("red", "setsid sleep 1000 &"),
    ]);
    let mut plan = plan(&["red", "blue"], vec![step(actions)]);
    plan.files = vec!["/run/lab".to_owned(), "/run/lab/file".to_owned()];
    plan
}

#[test]
fn the_first_word_is_a_hello_of_this_build() {
    let world = World::new();
    let client = Client::connect(&world);
    assert_eq!(client.hello.kept, None);
    assert!(client.hello.uptime_ms > 0);
    client.hello.clone().accept(env!("CARGO_PKG_VERSION")).unwrap();
    client.hang_up();
}

#[test]
fn closing_removes_what_the_lab_made_and_names_it() {
    let world = World::new();
    let mut client = Client::open(&world, &rich());
    let told = client.step(0);
    assert!(told.passed, "{told:?}");
    let mut removed = client.close(false);
    removed.retain(|it| !it.starts_with("process"));
    assert_eq!(
        removed,
        [
            "interface `dummy-1`",
            "interface `veth-1`",
            "namespace `blue`",
            "namespace `red`",
            "file `/run/lab/file`",
            "file `/run/lab`",
        ]
    );
    world.assert_clean();
    // The same session may go on with the next lab.
    client.send(&Request::Open(Box::new(rich())));
    assert_eq!(client.next(), Event::Opened);
    assert!(client.step(0).passed);
}

#[test]
fn a_lost_connection_ends_the_lab() {
    let world = World::new();
    let mut client = Client::open(&world, &rich());
    assert!(client.step(0).passed);
    client.hang_up();
    world.assert_clean();
    assert_eq!(
        world.shell("ls /run/lab 2>&1 || true"),
        "ls: cannot access '/run/lab': No such file or directory"
    );
}

#[test]
fn what_was_there_before_stays() {
    let world = World::new();
    world.shell("ip netns add green && ip link add mine type veth peer name yours");
    world.shell("mount -t tmpfs none /mnt && mkdir -p /mnt/netns/red && touch /mnt/netns/red/mine");
    world.shell("mount --bind /mnt /etc");
    let mut client = Client::open(&world, &rich());
    assert!(client.step(0).passed);
    client.close(false);
    assert_eq!(world.shell("ip netns"), "green");
    assert_eq!(world.shell("ls /etc/netns/red"), "mine");
    let links = world.shell("ip -br link | cut -d@ -f1 | cut -d' ' -f1 | sort | xargs");
    assert_eq!(links, "lo mine yours");
}

#[test]
fn what_the_lab_would_make_is_refused_by_name_if_it_is_there() {
    let world = World::new();
    world.shell("ip link add mine type veth peer name yours");
    let refusal = |change: &dyn Fn(&mut netlab_protocol::Plan)| {
        let mut plan = rich();
        change(&mut plan);
        let mut client = Client::connect(&world);
        client.send(&Request::Open(Box::new(plan)));
        match client.next() {
            Event::Failed(Failure::Exists { what }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(&|plan| plan.interfaces = vec!["yours".to_owned()]), "interface `yours`");
    let what = refusal(&|plan| plan.processes = vec!["netlab-agent".to_owned()]);
    assert!(what.starts_with("process `netlab-agent` (pid "), "{what}");
}

#[test]
fn while_a_lab_is_open_nothing_leaves_for_its_networks() {
    let world = World::new();
    world.shell("ip link add out type veth peer name far && ip link set far up");
    world.shell("ip addr add 192.0.2.2/24 dev out && ip link set out up");
    world.shell("ip route add default via 192.0.2.1");
    let routes = || world.shell("ip -o route show type throw | cut -d' ' -f1-2");
    let mut plan = rich();
    // The machine is in the second one itself.
    plan.networks = vec!["10.0.0.0/24".to_owned(), "192.0.2.0/24".to_owned()];
    let client = Client::open(&world, &plan);
    assert_eq!(routes(), "throw 10.0.0.0/24");
    client.hang_up();
    assert_eq!(routes(), "");
    assert_eq!(world.shell("ls /run/netlab"), "agent.log\nlab.lock");
}

#[test]
fn a_kept_lab_stands_until_it_is_reset() {
    let world = World::new();
    let mut client = Client::open(&world, &rich());
    assert!(client.step(0).passed);
    assert_eq!(client.close(true), Vec::<String>::new());
    client.hang_up();
    assert_eq!(world.shell("ip netns | sort | cut -d' ' -f1 | xargs"), "blue red");
    // Its server still answers, though nobody reads what it prints any more.
    let mut client = Client::connect(&world);
    assert_eq!(client.hello.kept.as_deref(), Some("test"));
    client.send(&Request::Open(Box::new(rich())));
    assert_eq!(
        client.next(),
        Event::Failed(Failure::Protocol {
            asked: "open lab `test`".to_owned(),
            problem: "while lab `test` of an earlier session still stands".to_owned(),
        })
    );
    for _ in 0..3 {
        world.shell(
            "ip netns exec red perl -MIO::Socket::INET -e \
             'IO::Socket::INET->new(PeerAddr => \"10.0.0.2:4000\", Timeout => 5) or die'",
        );
    }
    client.send(&Request::Reset);
    client.closed();
    world.assert_clean();
    client.hang_up();
}

#[test]
fn in_a_kept_lab_nobody_waits_at_a_full_pipe() {
    // Each round is a sixteenth of what a pipe holds, on both streams.
    let chatter = |count: &str| {
        format!(
            "echo up; while head -c 4096 /dev/zero && head -c 4096 /dev/zero >&2; \
             do printf x >> /run/{count}; done"
        )
    };
    let world = World::new();
    let actions = vec![
        background("root", "chatter", &chatter("background"), Ready::Log("up".to_owned())),
        run("root", &format!("({}) &", chatter("daemon"))),
    ];
    let mut client = Client::open(&world, &plan(&[], vec![step(actions)]));
    assert!(client.step(0).passed);
    client.close(true);
    client.hang_up();
    for count in ["background", "daemon"] {
        world.shell(&format!(
            "cd /run; begun=$(wc -c < {count}); \
             timeout 20 sh -c \"until [ \\$(wc -c < {count}) -gt $((begun + 64)) ]; do :; done\""
        ));
    }
    let mut client = Client::connect(&world);
    client.send(&Request::Reset);
    client.closed();
    world.assert_clean();
    // Who read their output ends with them.
    world.shell("timeout 20 sh -c 'while pgrep -x cat > /run/cats && [ $(wc -l < /run/cats) -gt 1 ]; do :; done'");
}

#[test]
fn what_a_learner_makes_beside_a_kept_lab_survives_its_reset() {
    let world = World::new();
    let mut client = Client::open(&world, &rich());
    assert!(client.step(0).passed);
    client.close(true);
    world.shell("ip netns add mine && ip link add own-1 type veth peer name own-2");
    client.send(&Request::Reset);
    let removed = client.closed();
    assert!(removed.contains(&"interface `veth-1`".to_owned()), "{removed:?}");
    assert_eq!(world.shell("ip netns"), "mine");
    let links = world.shell("ip -br link | cut -d@ -f1 | cut -d' ' -f1 | sort | xargs");
    assert_eq!(links, "lo own-1 own-2");
}

#[test]
fn what_a_killed_agent_left_is_found_and_reset() {
    let world = World::new();
    let mut client = Client::open(&world, &rich());
    assert!(client.step(0).passed);
    client.kill();
    let mut client = Client::connect(&world);
    assert_eq!(client.hello.kept.as_deref(), Some("test"));
    client.send(&Request::Reset);
    client.closed();
    world.assert_clean();
}

#[test]
fn names_that_exist_and_needs_that_do_not_are_refused_before_anything_is_made() {
    let world = World::new();
    world.shell("ip netns add red && touch /run/there");
    let mut client = Client::connect(&world);
    let with_files = |file: &str| {
        let mut plan = plan(&[], vec![]);
        plan.files = vec![file.to_owned()];
        plan
    };
    let needing = |needs: Needs| {
        let mut plan = plan(&[], vec![]);
        plan.needs = needs;
        plan
    };
    for (plan, words) in [
        (plan(&["red"], vec![]), "namespace `red` exists already and was not made by netlab"),
        (with_files("/run/there"), "file `/run/there` exists already and was not made by netlab"),
        (
            needing(Needs { commands: vec!["no-such".to_owned()], ..Needs::default() }),
            "the guest has no command `no-such`",
        ),
        (
            needing(Needs { modules: vec!["no_such".to_owned()], ..Needs::default() }),
            "the guest has no kernel module `no_such`",
        ),
    ] {
        client.send(&Request::Open(Box::new(plan)));
        match client.next() {
            Event::Failed(failure) => assert_eq!(failure.to_string(), words),
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(world.shell("ls /run/netlab"), "agent.log\nlab.lock");
}

#[test]
fn a_second_lab_beside_a_running_one_is_refused() {
    let world = World::new();
    let mut first = Client::open(&world, &plan(&[], vec![]));
    let mut second = Client::connect(&world);
    assert_eq!(second.hello.kept, None, "a lab that runs is not left behind");
    for request in [Request::Open(Box::new(plan(&[], vec![]))), Request::Reset] {
        second.send(&request);
        assert_eq!(second.next(), Event::Failed(Failure::Busy));
    }
    first.close(false);
    second.send(&Request::Open(Box::new(plan(&[], vec![]))));
    assert_eq!(second.next(), Event::Opened);
}

#[test]
fn requests_out_of_order_are_refused_in_words() {
    let world = World::new();
    let mut client = Client::connect(&world);
    let words = |client: &Client| match client.next() {
        Event::Failed(failure) => failure.to_string(),
        event => panic!("{event:?}"),
    };
    client.send(&Request::Step { index: 0 });
    assert_eq!(words(&client), "the agent was asked to run step 0 while no lab is open");
    client.send(&Request::Close { keep: false });
    assert_eq!(words(&client), "the agent was asked to close a lab while none is open");
    client.send(&Request::Open(Box::new(plan(&[], vec![]))));
    assert_eq!(client.next(), Event::Opened);
    client.send(&Request::Step { index: 4 });
    assert_eq!(words(&client), "the agent was asked to run step 4 which the plan does not have");
}
