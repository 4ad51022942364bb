//! What a host can lack or do wrong, each with a clear error. Each trial has a home of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::Body;
use crate::running::read_until;
use crate::support::Netlab;

pub const TRIALS: &[(&str, Body)] = &[
    ("a_qemu_that_is_too_old_is_named", qemu_too_old),
    ("a_forced_accelerator_that_hangs_or_aborts_is_an_error", forced_accelerator),
    ("ctrl_c_during_the_boot_leaves_nothing", ctrl_c_during_the_boot),
    ("an_altered_image_is_named_and_made_anew", altered_image),
    ("a_lab_with_a_mistake_starts_no_guest", mistake_starts_no_guest),
];

fn qemu_too_old(_: &Netlab) {
    let netlab = Netlab::new();
    let old = netlab.lab("qemu-system-x86_64", "#!/bin/sh\necho QEMU emulator version 5.2.0\n");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("a script");
    let netlab = netlab.with("NETLAB_QEMU", &old.to_string_lossy());
    netlab.run(["up"]).exit(3).complains(&["5.2.0", "7.2"]);
}

fn forced_accelerator(_: &Netlab) {
    if !std::path::Path::new("/dev/kvm").exists() {
        // Then the error is that it is missing, which the same message covers.
        Netlab::new().run(["--accel", "kvm", "up"]).exit(3).complains(&["kvm"]);
        return;
    }
    let netlab = Netlab::new();
    let outcome = netlab.run(["--accel", "kvm", "up"]);
    match outcome.code {
        // A machine on which KVM works.
        Some(0) => drop(netlab.run(["down"]).exit(0)),
        _ => drop(outcome.exit(3).complains(&["kvm", "--accel"])),
    }
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
