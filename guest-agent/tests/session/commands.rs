//! Commands: what they print, how they end, what they leave.

use netlab_protocol::{Action, Background, Event, Exit, ExitRule, Failure, Ready, Request, Stream};

use crate::client::Client;
use crate::plans::{SERVER, background, command, plan, run, step};
use crate::world::World;

#[test]
fn output_comes_with_its_stream_and_a_kept_value_is_known_later() {
    let world = World::new();
    let mut keep = command("root", "echo ' 10.0.0.7 '; echo aside >&2");
    keep.keep = Some("ADDRESS".to_owned());
    let steps = vec![step(vec![Action::Run(keep), run("root", "echo $ADDRESS in $SUBNET")])];
    let mut client = Client::open(&world, &plan(&[], steps));
    let told = client.step(0);
    assert!(told.passed, "{told:?}");
    assert_eq!(told.output(), " 10.0.0.7 \n10.0.0.7 in 10.0.0\n");
    let kept = Event::Kept { name: "ADDRESS".to_owned(), value: "10.0.0.7".to_owned() };
    assert!(told.events.contains(&kept), "{told:?}");
    let aside = |event: &Event| matches!(event, Event::Output { stream: Stream::Stderr, bytes, .. } if bytes == b"aside\n");
    assert!(told.events.iter().any(aside), "{told:?}");
}

#[test]
fn each_wrong_end_fails_the_step_in_words_and_skips_the_rest() {
    let slow = || {
        let mut slow = command("root", "trap '' TERM; sleep 1000 & wait");
        slow.within_ms = 300;
        slow
    };
    let mut empty = command("root", "true");
    empty.keep = Some("NOTHING".to_owned());
    let mut any = command("root", "kill -9 $$");
    any.exit = ExitRule::Any;
    let cases = [
        (command("root", "exit 3"), "ended with exit status 3, expected exit status 0"),
        (command("root", "kill -9 $$"), "was killed by signal 9, expected exit status 0"),
        (any, "was killed by signal 9, expected an exit status"),
        (slow(), "did not end within its time limit, expected exit status 0"),
        (empty, "ended with exit status 0, expected some output for `$NOTHING`"),
    ];
    let world = World::new();
    let steps = cases
        .iter()
        .map(|(command, _)| step(vec![Action::Run(command.clone()), run("root", "echo skipped")]));
    let mut client = Client::open(&world, &plan(&[], steps.collect()));
    for (index, (command, words)) in (0..).zip(&cases) {
        let told = client.step(index);
        assert!(!told.passed);
        assert_eq!(told.output(), "", "{told:?}");
        let expected = format!("`{}` in root {words}", command.text);
        assert_eq!(told.failure().map(Failure::to_string), Some(expected));
    }
    assert_eq!(world.shell("pgrep -x sleep || true"), "", "a killed command left a child");
}

#[test]
fn a_flood_is_cut_and_counted_and_does_not_stall() {
    let world = World::new();
    let steps =
        vec![step(vec![run("root", "head -c 100000000 /dev/zero"), run("root", "echo on")])];
    let mut client = Client::open(&world, &plan(&[], steps));
    let told = client.step(0);
    assert!(told.passed);
    assert!(told.output().ends_with("on\n"));
    assert_eq!(told.output().len(), (1 << 20) + 3);
    let dropped = Event::OutputDropped { bytes: 100_000_000 - (1 << 20) };
    assert!(told.events.contains(&dropped));
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let world = World::new();
    let steps = vec![step(vec![run("root", r"printf '\377\000\376'")])];
    let mut client = Client::open(&world, &plan(&[], steps));
    let told = client.step(0);
    let is_output =
        |event: &Event| matches!(event, Event::Output { bytes, .. } if bytes == &[0xff, 0, 0xfe]);
    assert!(told.events.iter().any(is_output), "{told:?}");
}

#[test]
fn a_daemon_outlives_its_command_but_not_its_lab() {
    let world = World::new();
    // It keeps the command's output open, as careless daemons do.
    let steps = vec![step(vec![run("root", "setsid sleep 1000 & echo started")])];
    let mut client = Client::open(&world, &plan(&[], steps));
    assert_eq!(client.step(0).output(), "started\n");
    let pid = world.pid_of("sleep");
    assert_eq!(client.close(false), [format!("process sleep (pid {pid})")]);
    assert_eq!(world.shell("pgrep -x sleep || true"), "");
    world.assert_clean();
}

#[test]
fn a_background_command_is_ready_by_its_socket_and_known_by_its_pid() {
    let world = World::new();
    let ready = || Ready::Tcp(4000);
    let steps = vec![step(vec![
        run("root", "ip netns add blue"),
        background("blue", "the-server", SERVER, ready()),
        run("root", "ip netns identify $THE_SERVER_PID"),
        // Replaces the first, whose port it takes.
        background("blue", "the-server", SERVER, ready()),
        run("root", "ip netns pids blue | wc -l"),
    ])];
    let mut client = Client::open(&world, &plan(&["blue"], steps));
    let told = client.step(0);
    assert!(told.passed, "{told:?}");
    assert_eq!(told.output(), "blue\n1\n");
    let ready = |event: &&Event| matches!(event, Event::BackgroundReady { .. });
    assert_eq!(told.events.iter().filter(ready).count(), 2);
}

#[test]
fn a_background_command_is_ready_by_its_line_or_file_and_its_output_goes_on() {
    let world = World::new();
    let steps = vec![step(vec![
        background(
            "root",
            "log",
            "sleep 0.1; echo up now; exec cat /dev/zero",
            Ready::Log("up".into()),
        ),
        background(
            "root",
            "file",
            "echo x > /run/x; exec sleep 1000",
            Ready::File("/run/x".into()),
        ),
    ])];
    let mut client = Client::open(&world, &plan(&[], steps));
    let told = client.step(0);
    assert!(told.passed, "{told:?}");
    assert!(told.output_of(Some("log")).starts_with("up now\n"));
}

#[test]
fn a_background_command_may_put_itself_into_the_background() {
    let world = World::new();
    let text = "{ sleep 0.2; echo up; exec sleep 1000; } & exit 0";
    let steps = vec![step(vec![
        background("root", "daemon", text, Ready::Log("up".into())),
        run("root", "cat /proc/$DAEMON_PID/comm"),
    ])];
    let mut client = Client::open(&world, &plan(&[], steps));
    let told = client.step(0);
    assert!(told.passed, "{told:?}");
    assert!(["sleep\n", "sh\n"].contains(&told.output().as_str()), "{told:?}");
    let pid = world.pid_of("sleep");
    assert_eq!(client.close(false), [format!("process sleep (pid {pid})")]);
}

#[test]
fn a_background_command_that_is_not_ready_fails_in_words_and_is_gone() {
    let world = World::new();
    let late = Background {
        line: 7,
        name: "late".to_owned(),
        place: crate::plans::place("root"),
        text: "exec sleep 1000".to_owned(),
        ready: Ready::Udp(67),
        within_ms: 300,
    };
    let steps = vec![
        step(vec![background("root", "early", "echo no such option >&2; exit 2", Ready::Tcp(1))]),
        step(vec![Action::Start(late)]),
    ];
    let mut client = Client::open(&world, &plan(&[], steps));
    assert_eq!(
        client.step(0).failure().map(Failure::to_string).as_deref(),
        Some(
            "`echo no such option >&2; exit 2` in root (background `early`) ended before it was \
             ready, exit status 2: no such option"
        )
    );
    assert_eq!(
        client.step(1).failure().map(Failure::to_string).as_deref(),
        Some(
            "`exec sleep 1000` in root (background `late`) was not ready in 0.3 s: no sign of a \
             UDP socket bound to port 67"
        )
    );
    assert_eq!(world.shell("pgrep -x sleep || true"), "");
}

#[test]
fn closing_breaks_a_running_command_off() {
    let world = World::new();
    let mut long = command("root", "echo begun; sleep 1000");
    long.within_ms = 1_000_000;
    let mut client = Client::open(&world, &plan(&[], vec![step(vec![Action::Run(long)])]));
    client.send(&Request::Step { index: 0 });
    client.wait_for(|event| matches!(event, Event::Output { .. }));
    client.send(&Request::Close { keep: false });
    client.wait_for(|event| matches!(event, Event::StepEnded { passed: false, .. }));
    client.closed();
    assert_eq!(world.shell("pgrep -x sleep || true"), "");
    world.assert_clean();
}

#[test]
fn a_command_that_ends_well_is_told_with_its_exit() {
    let world = World::new();
    let mut one = command("root", "exit 1");
    one.exit = ExitRule::Code(1);
    let mut client = Client::open(&world, &plan(&[], vec![step(vec![Action::Run(one)])]));
    let told = client.step(0);
    assert!(told.passed);
    let ended = |event: &Event| matches!(event, Event::CommandEnded { exit: Exit::Code(1), .. });
    assert!(told.events.iter().any(ended), "{told:?}");
}
