//! What `netlab` says and does without a guest.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "the support module is no `#[test]` function, where both are allowed"
)]

#[path = "../support/mod.rs"]
mod support;

// The installer for Windows is tried where releases are made.
#[cfg(unix)]
mod install;
mod promises;
#[cfg(unix)]
mod release;

use support::Netlab;

#[test]
fn the_labs_are_listed_with_the_command_that_runs_them() {
    let netlab = Netlab::new();
    netlab.run(["list"]).exit(0).says(&["netlab demo 1", "netlab demo 2", "netlab demo 3"]);
    let lines = netlab.run(["list", "--json"]).exit(0).json();
    assert_eq!(lines[0]["data"].as_array().map(Vec::len), Some(3), "{lines:?}");
}

#[test]
fn show_prints_the_file_that_is_run() {
    let netlab = Netlab::new();
    netlab.run(["show", "3"]).exit(0).says(&["# ", "```sh", "dnsmasq", "veth-r", "tag=100"]);
}

#[test]
fn an_unknown_lab_is_answered_with_what_there_is() {
    Netlab::new().run(["demo", "9"]).exit(2).complains(&["`9`", "`tenants`", "./my-lab.md"]);
    Netlab::new().run(["show", "./nothing-here.md"]).exit(2).complains(&["nothing-here.md"]);
}

#[test]
fn all_mistakes_of_a_lab_file_are_shown_with_line_column_and_caret() {
    let netlab = Netlab::new();
    let file = netlab.lab(
        "broken.md",
        "# Broken\n\n```toml lab\nid = \"broken\"\nsummary = \"Broken\"\nminutes = 1\n\
         namespaces = [\"red\"]\ncolour = \"blue\"\n```\n\n## Step\n\nWhy.\n\n\
         ```sh ns=green\ntrue\n```\n\n```toml check\nclaim = \"x\"\nin = \"red\"\n\
         reach = \"10.0.0.1\"\nnot = true\n```\n",
    );
    let outcome = netlab.run(["demo".as_ref(), file.as_os_str()]).exit(2);
    outcome.complains(&["broken.md:8:1", "colour", "broken.md:15:7", "green", "control", "^"]);
}

#[test]
fn a_qemu_that_is_not_where_it_was_named_is_told_before_anything_starts() {
    let netlab = Netlab::new().with("NETLAB_QEMU", "/nowhere/qemu");
    netlab.run(["demo", "1"]).exit(2).complains(&["there is no QEMU at `/nowhere/qemu`"]);
    assert!(!netlab.home().join("i").exists());
}

#[test]
fn an_architecture_and_a_qemu_for_it_are_checked_before_anything_starts() {
    let netlab = Netlab::new();
    netlab.run(["up", "--arch", "sparc"]).exit(2).complains(&["`sparc` is none of amd64, arm64"]);
    let qemu = netlab.lab("qemu-system-x86_64", "");
    let words = ["demo", "1", "--arch", "arm64", "--qemu"].map(AsRef::as_ref);
    let outcome = netlab.run(words.into_iter().chain([qemu.as_os_str()]));
    outcome.exit(2).complains(&["runs amd64 guests, wanted is arm64", "`qemu-system-aarch64`"]);
    assert!(!netlab.home().join("i").exists());
}

#[test]
fn verbs_that_need_a_guest_say_how_to_start_one() {
    let netlab = Netlab::new();
    for words in [&["exec", "--", "true"][..], &["shell"], &["ssh-config"], &["reset"]] {
        netlab.run(words).exit(4).complains(&["guest `default` is not up", "netlab up"]);
    }
    netlab
        .run(["--name", "lab-2", "exec", "--", "true"])
        .exit(4)
        .complains(&["netlab --name lab-2 up"]);
    netlab.run(["down"]).exit(0).says(&["nothing was up"]);
    netlab.run(["status"]).exit(0).says(&["no guest is up"]);
}

#[test]
fn a_name_that_can_not_be_one_is_a_usage_error() {
    Netlab::new().run(["--name", "../evil", "up"]).exit(2).complains(&["../evil"]);
}

#[test]
fn a_home_too_long_for_sockets_is_told_before_anything_starts() {
    let netlab = Netlab::new();
    let deep = netlab.home().join("d".repeat(120));
    let netlab = netlab.with("NETLAB_HOME", &deep.to_string_lossy());
    netlab.run(["up"]).exit(3).complains(&["NETLAB_HOME"]);
}

#[cfg(unix)]
#[test]
fn a_home_that_everybody_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let netlab = Netlab::new();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(netlab.home(), open).expect("a mode");
    netlab.run(["up"]).exit(3).complains(&["every account of this computer can write", "chmod"]);
    assert!(!netlab.home().join("i").exists());
}

#[test]
fn wrong_usage_exits_with_2() {
    Netlab::new().run(["demo"]).exit(2).complains(&["Usage:"]);
    Netlab::new().run(["--no-such-option"]).exit(2).complains(&["--no-such-option"]);
}

#[test]
fn errors_are_json_too_when_asked_for() {
    let lines = Netlab::new().run(["exec", "--json", "--", "true"]).exit(4).json();
    assert_eq!(lines[0]["event"], "error", "{lines:?}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        Netlab::new().run(["completions", shell]).exit(0).says(&["netlab"]);
    }
}

#[test]
fn the_manual_is_printed_or_written_page_by_page() {
    let netlab = Netlab::new();
    netlab.run(["man"]).exit(0).says(&[
        ".TH netlab 1",
        "netlab\\-up(1)",
        "NETLAB_QEMU",
        "interrupted",
    ]);
    let folder = netlab.home().join("man ü");
    let to = |folder: &std::path::Path| {
        netlab.run(["man".as_ref(), "--output".as_ref(), folder.as_os_str()])
    };
    to(&folder).exit(0);
    for page in ["netlab.1", "netlab-demo.1", "netlab-image-build.1"] {
        assert!(folder.join(page).is_file(), "{page}");
    }
    to(&folder.join("netlab.1")).exit(3).complains(&["netlab.1`", "name a folder"]);
}

#[test]
fn help_names_the_exit_codes() {
    Netlab::new().run(["--help"]).exit(0).says(&["Exit codes:", "130  interrupted"]);
}
