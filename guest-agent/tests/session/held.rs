//! A held lab: it lives on without a host and goes on with the next one, as if never interrupted.

use netlab_protocol::plan::Command;
use netlab_protocol::{Action, Event, Plan, Ready, Request};

use crate::client::Client;
use crate::plans::{SERVER, background, command, plan, reach, run, step, wired};
use crate::world::World;

/// Three steps, of which the later ones need what the earlier ones made and learnt.
fn stepped() -> Plan {
    let keep = |name: &str, text: &str| {
        Action::Run(Command { keep: Some(name.to_owned()), ..command("root", text) })
    };
    let mut first = wired();
    first.push(keep("WORD", "echo remembered"));
    first.push(background("blue", "server", SERVER, Ready::Tcp(4000)));
    let client = "perl -MIO::Socket::INET -e \
        'IO::Socket::INET->new(PeerAddr => \"10.0.0.2:4000\", Timeout => 5) or die'";
    let second = vec![
        run("root", "echo $WORD"),
        run("red", client),
        crate::plans::holds("reaches", "red", reach("10.0.0.2")),
    ];
    plan(&["red", "blue"], vec![step(first), step(second.clone()), step(second)])
}

#[track_caller]
fn hold(client: &mut Client) {
    client.send(&Request::Hold);
    client.wait_for(|event| *event == Event::Held);
}

#[track_caller]
fn attach(world: &World) -> Client {
    let mut client = Client::connect(world);
    assert_eq!(client.hello.held.as_deref(), Some("test"));
    assert_eq!(client.hello.kept, None, "it is held, not left behind");
    client.send(&Request::Attach);
    assert_eq!(client.next(), Event::Attached);
    client
}

#[track_caller]
fn goes_on(client: &mut Client, index: u32) {
    let told = client.step(index);
    assert!(told.passed, "{told:?}");
    assert_eq!(told.output(), "remembered\n");
    assert_eq!(told.verdicts().len(), 1);
}

#[track_caller]
fn words(client: &Client) -> String {
    match client.wait_for(|event| matches!(event, Event::Failed(_))) {
        Event::Failed(failure) => failure.to_string(),
        _ => unreachable!(),
    }
}

#[test]
fn a_held_lab_goes_on_with_the_next_host() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    let mode = world.shell("stat -c %a /run/netlab /run/netlab/held.sock | xargs");
    assert_eq!(mode, "700 600");
    client.abandon();

    let mut second = attach(&world);
    goes_on(&mut second, 1);
    // Again, from the second host to a third, with all requests of a session in between.
    second.send(&Request::Topology);
    second.wait_for(|event| matches!(event, Event::Topology(_)));
    hold(&mut second);
    second.abandon();
    let mut third = attach(&world);
    goes_on(&mut third, 2);
    third.close(false);
    world.assert_clean();
    assert!(third.ended(), "the shell of the session ends as the session does");
    world.shell("timeout 20 sh -c 'while pgrep -x netlab-agent; do :; done'");
}

#[test]
fn a_guest_that_was_saved_knows_nothing_of_the_end_of_its_host() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    // Its connection is dead, but nothing has told it so: it stays open.
    let mut second = attach(&world);
    goes_on(&mut second, 1);
    second.close(false);
    world.assert_clean();
    assert!(second.ended());
    drop(client);
}

#[test]
fn the_host_that_holds_a_lab_goes_on_with_it() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    hold(&mut client);
    client.send(&Request::Attach);
    client.wait_for(|event| *event == Event::Attached);
    assert_eq!(world.shell("ls /run/netlab"), "agent.log\nlab.lock\nledger.json");
    goes_on(&mut client, 1);
    // Any other request ends the hold too, and with it the lab's right to outlive its host.
    hold(&mut client);
    goes_on(&mut client, 2);
    client.hang_up();
    world.assert_clean();
}

#[test]
fn a_lost_connection_ends_an_attached_lab() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    client.abandon();
    attach(&world).hang_up();
    world.assert_clean();

    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    client.abandon();
    // The shell is killed, and its connection with it.
    attach(&world).kill();
    world.shell("timeout 20 sh -c 'while pgrep -x netlab-agent; do :; done'");
    world.assert_clean();
}

#[test]
fn a_host_that_was_not_taken_over_in_time_is_told_so_and_shared_with_nobody() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    let mut second = Client::connect(&world);
    client.abandon_during(|| {
        second.send(&Request::Attach);
        let told = words(&second);
        assert!(told.starts_with("could not talk with the agent that holds a lab: timed out"));
        assert!(!second.ended(), "its session is over");
    });
    // What waited at the door came to nothing, and the lab goes on with whoever comes next.
    let mut third = attach(&world);
    goes_on(&mut third, 1);
    third.close(false);
    world.assert_clean();
}

#[test]
fn a_host_that_comes_just_as_the_one_before_goes_is_taken_over() {
    for _ in 0..5 {
        let world = World::new();
        let mut client = Client::open(&world, &stepped());
        assert!(client.step(0).passed);
        hold(&mut client);
        let mut second = Client::connect(&world);
        client.abandon_during(|| {
            second.send(&Request::Attach);
            // The socket itself, and a visitor's at the door.
            let waits = "[ $(grep -c held.sock /proc/net/unix) = 2 ]";
            world.shell(&format!("timeout 20 sh -c 'until {waits}; do :; done'"));
        });
        assert_eq!(second.next(), Event::Attached);
        goes_on(&mut second, 1);
        second.close(false);
        world.assert_clean();
    }
}

#[test]
fn what_is_printed_while_nobody_listens_is_told_up_to_a_limit() {
    let world = World::new();
    let chatter = "echo up; until [ -e /run/go ]; do sleep 0.01; done; \
                   echo missed; head -c 1500000 /dev/zero; touch /run/done; exec sleep 1000";
    let actions = vec![background("root", "chatter", chatter, Ready::Log("up".to_owned()))];
    let mut client = Client::open(&world, &plan(&[], vec![step(actions)]));
    assert!(client.step(0).passed);
    hold(&mut client);
    client.abandon();
    world.shell("touch /run/go; timeout 20 sh -c 'until [ -e /run/done ]; do :; done'");
    let mut client = attach(&world);
    let Event::Output { bytes, .. } = client.next() else { panic!() };
    assert!(bytes.starts_with(b"missed\n"));
    client.wait_for(|event| matches!(event, Event::OutputDropped { bytes: 1.. }));
    client.close(false);
    world.assert_clean();
}

#[test]
fn a_held_lab_is_in_the_way_until_it_is_reset() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    client.abandon();
    let mut client = Client::connect(&world);
    assert_eq!(client.hello.held.as_deref(), Some("test"));
    client.send(&Request::Open(Box::new(stepped())));
    assert_eq!(
        words(&client),
        "the agent was asked to open lab `test` while lab `test` of an earlier session still \
         stands"
    );
    client.send(&Request::Reset);
    let removed = client.closed();
    assert!(removed.contains(&"namespace `red`".to_owned()), "{removed:?}");
    world.assert_clean();
    client.send(&Request::Open(Box::new(stepped())));
    assert_eq!(client.next(), Event::Opened);
}

#[test]
fn a_signal_ends_a_held_lab() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    client.abandon();
    let mut other = Client::connect(&world);
    world.shell("pkill -TERM -o -x netlab-agent");
    world.shell("timeout 20 sh -c 'until [ ! -e /run/netlab/ledger.json ]; do :; done'");
    world.assert_clean();
    other.send(&Request::Open(Box::new(plan(&[], vec![]))));
    assert_eq!(other.next(), Event::Opened);
}

#[test]
fn the_socket_of_a_killed_agent_blocks_nothing() {
    let world = World::new();
    let mut client = Client::open(&world, &stepped());
    assert!(client.step(0).passed);
    hold(&mut client);
    client.kill();
    let mut client = Client::connect(&world);
    assert_eq!(client.hello.held, None);
    assert_eq!(client.hello.kept.as_deref(), Some("test"));
    client.send(&Request::Attach);
    assert_eq!(words(&client), "the agent was asked to go on with the held lab while none is held");
    client.send(&Request::Reset);
    client.closed();
    client.send(&Request::Open(Box::new(stepped())));
    assert_eq!(client.next(), Event::Opened);
    hold(&mut client);
    client.close(false);
    world.assert_clean();
}

#[test]
fn what_can_not_be_held_or_attached_is_refused_in_words() {
    let world = World::new();
    let mut client = Client::connect(&world);
    client.send(&Request::Hold);
    assert_eq!(words(&client), "the agent was asked to hold the lab while none is open");
    client.send(&Request::Open(Box::new(plan(&[], vec![]))));
    assert_eq!(client.next(), Event::Opened);
    client.send(&Request::Attach);
    assert_eq!(
        words(&client),
        "the agent was asked to go on with the held lab while a lab is open"
    );
    client.close(false);
    client.hang_up();
}
