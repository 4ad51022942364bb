//! Other programs' connections: stock OpenSSH with host-key checking on, and what becomes of a lab
//! whose connection breaks off.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::Body;
use crate::running::{read_until, wait_until};
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("stock_ssh_works_with_host_key_checking", stock_ssh_works),
    ("stock_scp_and_sftp_copy_a_file", stock_scp_copies),
    ("a_wrong_host_key_is_refused", a_wrong_host_key_is_refused),
    ("two_labs_at_once_are_refused_and_exec_is_not", two_labs_at_once),
    ("a_killed_netlab_leaves_nothing_in_the_guest", a_killed_netlab_leaves_nothing),
    ("a_demo_right_after_a_killed_one_waits_for_its_end", a_demo_after_a_killed_one),
    (
        "a_demo_killed_at_a_step_is_offered_from_there_and_its_page_is_whole",
        a_demo_killed_at_a_step,
    ),
    ("ctrl_c_ends_a_lab_in_order", ctrl_c_ends_a_lab_in_order),
    ("a_reset_while_a_lab_runs_is_refused", a_reset_while_a_lab_runs),
    ("a_shell_whose_guest_is_swapped_is_told_so", a_shell_whose_guest_is_swapped),
    ("a_background_that_prints_to_the_end_does_no_harm", a_background_that_prints),
];

fn configuration(netlab: &Netlab) -> PathBuf {
    let block = netlab.run(["ssh-config"]).exit(0).text();
    assert!(block.contains("StrictHostKeyChecking yes"), "{block}");
    netlab.lab("ssh.conf", &block)
}

/// A program of stock OpenSSH that knows the way to the guest as `netlab`.
#[expect(clippy::disallowed_methods, reason = "stock OpenSSH is what is tested here")]
pub fn stock(program: &str, netlab: &Netlab) -> Command {
    let mut command = Command::new(program);
    command.arg("-F").arg(configuration(netlab));
    command
}

fn stock_ssh_works(netlab: &Netlab) {
    let output = stock("ssh", netlab).args(["netlab", "uname"]).output().expect("ssh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"Linux\n");
}

fn stock_scp_copies(netlab: &Netlab) {
    let here = netlab.lab("copied.txt", "over and back\n");
    let back = netlab.home().join("back.txt");
    for (from, to) in [
        (here.as_os_str().to_owned(), "netlab:/tmp/copied.txt".into()),
        ("netlab:/tmp/copied.txt".into(), back.as_os_str().to_owned()),
    ] {
        let output = stock("scp", netlab).args([from, to]).output().expect("scp runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fs::read_to_string(back).expect("a copy"), "over and back\n");
    let mut sftp = stock("sftp", netlab);
    sftp.args(["-b", "-", "netlab"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sftp = sftp.spawn().expect("sftp starts");
    let commands = sftp.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut { commands }, b"ls /tmp/copied.txt\n").expect("a command");
    let output = sftp.wait_with_output().expect("sftp ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("copied.txt"));
}

fn a_wrong_host_key_is_refused(netlab: &Netlab) {
    let pinned = netlab.known_hosts();
    let right = fs::read_to_string(&pinned).expect("the pinned key");
    // Another key of the same form: the 32 bytes at the end differ.
    let wrong = right.trim_end().strip_suffix('A').map_or_else(
        || format!("{}A\n", &right.trim_end()[..right.trim_end().len() - 1]),
        |rest| format!("{rest}Q\n"),
    );
    File::create(&pinned)
        .and_then(|mut file| std::io::Write::write_all(&mut file, wrong.as_bytes()))
        .expect("the pinned key");
    let outcome = netlab.run(["exec", "--", "true"]);
    File::create(&pinned)
        .and_then(|mut file| std::io::Write::write_all(&mut file, right.as_bytes()))
        .expect("the pinned key");
    outcome.exit(5).complains(&["host key", "SHA256:"]);
    netlab.run(["exec", "--", "true"]).exit(0);
}

/// A lab that says that it is there and then runs for as long as a trial may take.
pub const SLOW: &str = include_str!("slow.md");

/// A lab of two steps that are over at once.
pub const BRIEF: &str = include_str!("crashes/brief.md");

/// Another step for it, of the other kind.
const THIRD_STEP: &str = "\n## And sleeps\n\nLong enough for whoever looks on.\n\n\
     ```sh within=300s\necho third is running; sleep 3003\n```\n\n\
     ```toml check\nclaim = \"red has lo\"\nin = \"red\"\nlinks = [\"lo\"]\n```\n";

/// A demo in the middle of the one that takes its time.
#[track_caller]
pub fn slow_demo(netlab: &Netlab) -> Child {
    let file = netlab.lab("slow.md", SLOW);
    let mut demo = netlab.start([std::ffi::OsStr::new("demo"), file.as_os_str()]);
    read_until(demo.stdout.as_mut().expect("a pipe"), "slow is running");
    demo
}

fn two_labs_at_once(netlab: &Netlab) {
    let mut first = slow_demo(netlab);
    netlab.run(["demo", "1"]).exit(4).complains(&["another netlab is running a lab"]);
    netlab.run(["exec", "--ns", "slow", "--", "true"]).exit(0);
    interrupt(&first);
    assert_eq!(first.wait().expect("it ends").code(), Some(130));
}

fn a_killed_netlab_leaves_nothing(netlab: &Netlab) {
    let mut demo = slow_demo(netlab);
    demo.kill().expect("kill -9");
    demo.wait().expect("it ends");
    wait_until("the guest has cleared the lab away", || nothing_is_left(netlab));
}

fn a_demo_after_a_killed_one(netlab: &Netlab) {
    // Work of the user's keeps the guest, and the lab that was killed in it.
    netlab.run(["exec", "--", "true"]).exit(0);
    let mut demo = slow_demo(netlab);
    demo.kill().expect("kill -9");
    demo.wait().expect("it ends");
    let brief = netlab.lab("brief.md", BRIEF);
    netlab.run(["demo".as_ref(), brief.as_os_str()]).exit(0);
}

fn a_demo_killed_at_a_step(netlab: &Netlab) {
    let file = netlab.lab("third.md", &(BRIEF.to_owned() + THIRD_STEP));
    let (lab, page) = (file.as_os_str(), netlab.home().join("page"));
    let mut demo = netlab.command(["demo".as_ref(), lab]);
    let mut demo = demo.stdout(File::create(&page).expect("a file")).spawn().expect("it starts");
    let page = || fs::read_to_string(&page).expect("the page");
    wait_until("the third step is running", || page().contains("> third is running"));
    demo.kill().expect("kill -9");
    demo.wait().expect("it ends");
    let page = page();
    let mut rest = page.as_str();
    for part in [
        "[1/3]   Red comes into being",
        "root # ip netns add red",
        "✓ red has only lo",
        "[2/3]   And has its own loopback",
        "red # ip link set lo up",
        "✓ red still has only lo",
        "[3/3]   And sleeps",
    ] {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("no {part:?}:\n{page}"));
        rest = after;
    }

    let mut demo = netlab.start(["demo".as_ref(), lab]);
    let line = format!("`netlab demo {} --from 3`", file.display());
    let offer = format!("the last run broke off at step 3: {line} goes on there");
    read_until(demo.stderr.as_mut().expect("a pipe"), &offer);
    interrupt(&demo);
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));

    let mut demo = netlab.start(["demo".as_ref(), lab, "--from".as_ref(), "3".as_ref()]);
    let shown = read_until(demo.stdout.as_mut().expect("a pipe"), "> third is running");
    // The steps before are replayed in a line each.
    assert!(shown.contains("loopback … ✓ 1 check") && !shown.contains("red #"), "{shown}");
    interrupt(&demo);
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));
}

fn ctrl_c_ends_a_lab_in_order(netlab: &Netlab) {
    let mut demo = slow_demo(netlab);
    interrupt(&demo);
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));
    // In order means that it is gone when netlab returns, not some time later.
    assert!(nothing_is_left(netlab));
}

fn a_reset_while_a_lab_runs(netlab: &Netlab) {
    let mut demo = slow_demo(netlab);
    netlab.run(["reset"]).exit(4).complains(&["another netlab is running a lab"]);
    interrupt(&demo);
    assert_eq!(demo.wait().expect("it ends").code(), Some(130));
}

fn a_shell_whose_guest_is_swapped(netlab: &Netlab) {
    let mut shell = netlab.command(["shell"]).stdin(Stdio::piped()).spawn().expect("netlab starts");
    let mut keys = shell.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut keys, b"echo there\n").expect("a command");
    read_until(shell.stdout.as_mut().expect("a pipe"), "there\n");
    netlab.run(["reset"]).exit(0);
    let outcome = Outcome::of("shell".to_owned(), shell.wait_with_output().expect("it ends"));
    outcome.exit(5).complains(&["another guest has taken the place of this one"]);
    drop(keys);
}

fn a_background_that_prints(netlab: &Netlab) {
    let text = "# Chatter\n\n```toml lab\nid = \"chatter\"\nsummary = \"Chatter\"\nminutes = 1\n\
                namespaces = [\"red\"]\n```\n\n## It talks\n\nAll the time.\n\n\
                ```sh\nip netns add red\n```\n\n\
                ```sh background=talker ready=log:word\nwhile :; do echo word; done\n```\n\n\
                ```toml check\nclaim = \"red has only lo\"\nin = \"red\"\nlinks = [\"lo\"]\n```\n";
    let file = netlab.lab("chatter.md", text);
    for _ in 0..3 {
        netlab.run([std::ffi::OsStr::new("demo"), file.as_os_str()]).exit(0);
    }
}

fn nothing_is_left(netlab: &Netlab) -> bool {
    let namespaces = netlab.run(["exec", "--", "ip", "netns"]).exit(0).text();
    let sleepers = netlab.run(["exec", "--", "pgrep", "-f", "sleep 3003"]);
    namespaces.is_empty() && sleepers.code == Some(1)
}

/// Presses Ctrl-C.
pub fn interrupt(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("a signal");
}
