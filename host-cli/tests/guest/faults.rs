//! What a host can lack or do wrong, each with a clear error. Each trial has a home of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::Body;
use crate::running::read_until;
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("a_qemu_that_is_too_old_is_named", qemu_too_old),
    ("a_kernel_that_panics_is_told_with_its_words", kernel_panic),
    ("a_guest_that_can_not_find_its_boot_channel_gives_up_in_words", no_boot_channel),
    ("a_guest_that_stands_still_is_told_with_its_phase", guest_stands_still),
    ("a_port_that_is_taken_is_an_error_of_its_own", port_taken),
    ("a_qemu_killed_during_a_lab_is_a_lost_connection", qemu_killed_during_a_lab),
    ("ctrl_c_during_the_boot_leaves_nothing", ctrl_c_during_the_boot),
    ("ctrl_c_during_a_download_ends_it_at_once", ctrl_c_during_a_download),
    ("a_mirror_that_can_not_be_reached_is_named", mirror_unreachable),
    ("two_builds_are_the_same_and_a_flipped_byte_is_caught", image_verify),
    ("an_altered_image_is_named_and_made_anew", altered_image),
    ("a_lab_with_a_mistake_starts_no_guest", mistake_starts_no_guest),
];

/// A QEMU that is the real one, but for what `edit` (a shell function `edit`) does to each of its
/// arguments.
pub fn edited_qemu(netlab: &Netlab, edit: &str) -> String {
    let script = format!(
        "#!/bin/bash\nedit() {{ {edit} }}\nwords=()\nfor word in \"$@\"; do\n\
         words+=(\"$(edit \"$word\")\")\ndone\nexec qemu-system-x86_64 \"${{words[@]}}\"\n"
    );
    let path = netlab.lab("qemu-system-x86_64", &script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
    path.to_string_lossy().into_owned()
}

#[track_caller]
fn up_with_edited_qemu(edit: &str) -> Outcome {
    let netlab = Netlab::new();
    let qemu = edited_qemu(&netlab, edit);
    let netlab = netlab.with("NETLAB_QEMU", &qemu).with("NETLAB_ACCEL", "tcg");
    let outcome = netlab.run(["up"]);
    netlab.run(["down", "--all"]).exit(0).says(&["nothing was up"]);
    outcome
}

fn qemu_too_old(_: &Netlab) {
    let netlab = Netlab::new();
    let old = netlab.lab("qemu-system-x86_64", "#!/bin/sh\necho QEMU emulator version 5.2.0\n");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("a script");
    let netlab = netlab.with("NETLAB_QEMU", &old.to_string_lossy());
    netlab.run(["up"]).exit(3).complains(&["5.2.0", "7.2"]);
}

fn kernel_panic(_: &Netlab) {
    // Any file that is no initramfs leaves the kernel without an init.
    let edit = "case $1 in */initramfs) echo /bin/true ;; *) echo \"$1\" ;; esac;";
    let outcome = up_with_edited_qemu(edit).exit(4);
    outcome.complains(&["panic", "phase", "try:"]);
}

fn no_boot_channel(_: &Netlab) {
    let edit = "echo \"${1/name=netlab.boot/name=elsewhere}\";";
    up_with_edited_qemu(edit).exit(4).complains(&["netlab.boot", "phase", "try:"]);
}

fn guest_stands_still(_: &Netlab) {
    // `-S` leaves the processors stopped.
    let edit = "[ \"$1\" = -no-reboot ] && echo -S || echo \"$1\";";
    let outcome = up_with_edited_qemu(edit).exit(4);
    outcome.complains(&["stuck in phase `kernel`", "try:"]);
}

fn port_taken(_: &Netlab) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let outcome = Netlab::new().run(["up", "--port", &port]).exit(3);
    outcome.complains(&[&format!("port {port}"), "is taken"]);
}

fn qemu_killed_during_a_lab(_: &Netlab) {
    let netlab = Netlab::new();
    let file = netlab.lab("slow.md", include_str!("slow.md"));
    let mut demo = netlab.start([std::ffi::OsStr::new("demo"), file.as_os_str()]);
    read_until(demo.stdout.as_mut().expect("a pipe"), "slow is running");
    let pid = crate::leftovers::pids(&netlab);
    for pid in pid.into_iter().filter(|&pid| pid.cast_unsigned() != demo.id()) {
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill -9");
    }
    let output = demo.wait_with_output().expect("it ends");
    Outcome::of("demo slow.md".to_owned(), output).exit(5).complains(&["the guest", "try:"]);
    netlab.run(["up"]).exit(0);
    netlab.run(["down"]).exit(0);
}

fn ctrl_c_during_the_boot(_: &Netlab) {
    let netlab = Netlab::new();
    let mut up = netlab.start(["up"]);
    read_until(up.stderr.as_mut().expect("a pipe"), "image");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(up.id()).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("a signal");
    assert_eq!(up.wait().expect("it ends").code(), Some(130));
    netlab.run(["down", "--all"]).exit(0).says(&["nothing was up"]);
}

fn ctrl_c_during_a_download(_: &Netlab) {
    // A mirror that takes connections and never answers.
    let mirror = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/", mirror.local_addr().expect("an address"));
    let netlab = Netlab::new();
    let cache = netlab.home().join("cache");
    let netlab =
        netlab.with("NETLAB_CACHE", &cache.to_string_lossy()).with("NETLAB_MIRROR", &address);
    let mut build = netlab.start(["image", "build"]);
    read_until(build.stderr.as_mut().expect("a pipe"), "downloading");
    drop(mirror.accept().expect("a connection"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(build.id()).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("a signal");
    assert_eq!(build.wait().expect("it ends").code(), Some(130));
    let images = fs::read_dir(cache.join("images"))
        .map_or(0, |entries| entries.flatten().filter(|entry| entry.path().is_dir()).count());
    assert_eq!(images, 0, "half an image was left");
}

fn mirror_unreachable(_: &Netlab) {
    let netlab = Netlab::new();
    let cache = netlab.home().join("cache");
    let netlab = netlab
        .with("NETLAB_CACHE", &cache.to_string_lossy())
        // Port 1 (tcpmux) is nobody's.
        .with("NETLAB_MIRROR", "http://127.0.0.1:1/");
    netlab.run(["image", "build"]).exit(3).complains(&["http://127.0.0.1:1/", "--mirror"]);
}

fn image_verify(suite: &Netlab) {
    suite.run(["image", "verify"]).exit(0).says(&["root.squashfs", "the same, byte for byte"]);
}

fn altered_image(suite: &Netlab) {
    let folder = suite.run(["image", "path"]).exit(0).text();
    let cache = tempfile::tempdir().expect("a folder");
    let copy = cache
        .path()
        .join("images")
        .join(std::path::Path::new(folder.trim()).file_name().expect("the image's key"));
    fs::create_dir_all(&copy).expect("a folder");
    let packages = std::path::Path::new(folder.trim()).join("../../debs");
    std::os::unix::fs::symlink(packages, cache.path().join("debs")).expect("a link");
    for entry in fs::read_dir(folder.trim()).expect("the image").flatten() {
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
    }
    let root = fs::read_dir(&copy)
        .expect("a copy")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("root"));
    let root = root.expect("a root").path();
    let mut bytes = fs::read(&root).expect("the root");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o644)).expect("permissions");
    fs::File::create(&root).and_then(|mut file| file.write_all(&bytes)).expect("an altered root");

    let netlab = Netlab::new().with("NETLAB_CACHE", &cache.path().to_string_lossy());
    // It is named, thrown away and made anew from the packages.
    netlab.run(["up"]).exit(0).complains(&["root", "altered"]);
    netlab.run(["down"]).exit(0);
}

fn mistake_starts_no_guest(_: &Netlab) {
    let netlab = Netlab::new();
    let file = netlab.lab("broken.md", "# Broken\n\n## A step\n");
    netlab.run(["demo".as_ref(), file.as_os_str()]).exit(2).complains(&["broken.md:"]);
    assert!(!netlab.home().join("i").exists());
}
