//! The command line as data, for systems that can't be run here.

use super::*;

pub(super) fn machine(
    platform: Platform,
    processor: Architecture,
    accelerator: Accelerator,
) -> Machine {
    Machine {
        platform,
        host: processor,
        guest: processor,
        version: Version(10, 0, 2),
        sandbox: platform.sandboxes_qemu(),
        accelerator,
        cpus: 2,
        kernel: "/c/vmlinux".into(),
        initramfs: "/c/initramfs".into(),
        serial_log: "/i/serial.log".into(),
        console: Console::Quiet,
        memory: Memory::Private,
        origin: Origin::Boot,
        instance: None,
    }
}

pub(super) fn instance() -> Instance {
    Instance {
        uuid: "5c8f9d0e-0000-4000-8000-000000000000".to_owned(),
        root: "/c/root.squashfs".into(),
        control_channel: "/i/qmp.sock".to_owned(),
        boot_channel: "/i/boot.sock".to_owned(),
        port: None,
    }
}

/// The board of each x86 guest.
const Q35: &str = "q35,sata=off,smbus=off,usb=off,vmport=off,hpet=off";

/// The value behind an option.
fn value<'a>(arguments: &'a [String], option: &str) -> &'a str {
    let place = arguments.iter().position(|word| word == option).unwrap();
    &arguments[place + 1]
}

#[test]
fn the_whole_line_of_an_instance() {
    let machine = Machine {
        instance: Some(instance()),
        ..machine(Platform::Linux, Architecture::X86_64, Accelerator::Tcg)
    };
    assert_eq!(
        machine.arguments().join("\n"),
        "\
-machine
q35,sata=off,smbus=off,usb=off,vmport=off,hpet=off,memory-backend=ram
-accel
tcg,thread=multi,tb-size=96
-cpu
qemu64,+rdrand
-smp
2
-m
512
-object
memory-backend-ram,id=ram,size=512M
-nodefaults
-no-user-config
-display
none
-sandbox
on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-no-reboot
-kernel
/c/vmlinux
-initrd
/c/initramfs
-append
console=ttyS0 quiet no_timer_check panic=-1 cryptomgr.notests mitigations=off init_on_alloc=0
-chardev
file,id=console,path=/i/serial.log
-serial
chardev:console
-uuid
5c8f9d0e-0000-4000-8000-000000000000
-drive
if=none,id=root,file=/c/root.squashfs,format=raw,readonly=on
-device
virtio-blk-pci,drive=root
-netdev
user,id=uplink,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22
-device
virtio-net-pci,netdev=uplink,romfile=
-chardev
socket,id=boot,path=/i/boot.sock,server=on,wait=off
-device
virtio-serial-pci
-device
virtserialport,chardev=boot,name=netlab.boot
-chardev
socket,id=control,path=/i/qmp.sock,server=on,wait=off
-mon
chardev=control,mode=control"
    );
}

#[test]
fn an_arm64_instance_differs_in_board_processor_and_console_only() {
    let arguments = |guest| {
        let machine = machine(Platform::Linux, guest, Accelerator::Tcg);
        Machine { instance: Some(instance()), ..machine }.arguments()
    };
    let (amd64, arm64) = (arguments(Architecture::X86_64), arguments(Architecture::Aarch64));
    assert_eq!(amd64.len(), arm64.len());
    let differing: Vec<_> = amd64.iter().zip(&arm64).filter(|(one, other)| one != other).collect();
    let append = "panic=-1 cryptomgr.notests mitigations=off init_on_alloc=0";
    let expected = [
        (format!("{Q35},memory-backend=ram"), "virt,memory-backend=ram".to_owned()),
        ("qemu64,+rdrand".to_owned(), "cortex-a57".to_owned()),
        (
            format!("console=ttyS0 quiet no_timer_check {append}"),
            format!("console=ttyAMA0 quiet {append}"),
        ),
    ];
    assert_eq!(differing, expected.iter().map(|(one, other)| (one, other)).collect::<Vec<_>>());
}

#[test]
fn processor_and_accelerator_fit_each_host() {
    use Accelerator::{Hvf, Kvm, Tcg, Whpx};
    use Architecture::{Aarch64, X86_64};
    use Platform::{Linux, Macos, Windows};
    let new = Version(11, 0, 2);
    let old = Version(7, 2, 0);
    let rows = [
        (Linux, X86_64, Kvm, old, Q35, "kvm", "host"),
        (Linux, X86_64, Tcg, old, Q35, "tcg,thread=multi,tb-size=96", "qemu64,+rdrand"),
        (Linux, Aarch64, Kvm, old, "virt,gic-version=host", "kvm", "host"),
        (Linux, Aarch64, Tcg, old, "virt", "tcg,thread=multi,tb-size=96", "cortex-a57"),
        (Macos, X86_64, Hvf, new, Q35, "hvf", "host,-pdpe1gb,-avx512vl"),
        (Macos, Aarch64, Hvf, new, "virt,gic-version=3", "hvf", "host"),
        (Macos, Aarch64, Tcg, new, "virt", "tcg,thread=multi,tb-size=96", "cortex-a57"),
        (Macos, X86_64, Tcg, new, Q35, "tcg,thread=multi,tb-size=96", "qemu64,+rdrand"),
        (Windows, X86_64, Whpx, old, Q35, "whpx,kernel-irqchip=off", "qemu64"),
        (Windows, X86_64, Whpx, new, Q35, "whpx", "qemu64"),
        (Windows, X86_64, Tcg, new, Q35, "tcg,thread=multi,tb-size=96", "qemu64,+rdrand"),
        (Windows, Aarch64, Whpx, new, "virt", "whpx", "host"),
        (Windows, Aarch64, Tcg, new, "virt", "tcg,thread=multi,tb-size=96", "cortex-a57"),
    ];
    for (platform, processor, accelerator, version, board, accel, cpu) in rows {
        let machine = Machine { version, ..machine(platform, processor, accelerator) };
        let arguments = machine.arguments();
        let got = ["-machine", "-accel", "-cpu"].map(|option| value(&arguments, option));
        let board = format!("{board},memory-backend=ram");
        assert_eq!(
            got,
            [board.as_str(), accel, cpu],
            "{platform:?} {processor:?} {accelerator} {version}"
        );
        let console = if processor == Aarch64 { "console=ttyAMA0 " } else { "console=ttyS0 " };
        assert!(value(&arguments, "-append").starts_with(console));
    }
}

#[test]
fn an_x86_guest_on_an_arm_host_gets_one_thread() {
    let machine = Machine {
        host: Architecture::Aarch64,
        ..machine(Platform::Macos, Architecture::X86_64, Accelerator::Tcg)
    };
    assert_eq!(value(&machine.arguments(), "-accel"), "tcg,thread=single,tb-size=96");
}

#[test]
fn translated_guests_have_one_processor_and_others_at_most_two() {
    let rows = [
        (Accelerator::Tcg, 8, 1),
        (Accelerator::Kvm, 1, 1),
        (Accelerator::Hvf, 8, 2),
        (Accelerator::Whpx, 0, 1),
    ];
    for (accelerator, host, expected) in rows {
        assert_eq!(cpus(accelerator, host), expected, "{accelerator} on {host}");
    }
}

#[test]
fn windows_gets_named_pipes() {
    let machine = Machine {
        instance: Some(Instance {
            control_channel: r"\\.\pipe\netlab-a-qmp".to_owned(),
            boot_channel: r"\\.\pipe\netlab-a-boot".to_owned(),
            ..instance()
        }),
        ..machine(Platform::Windows, Architecture::X86_64, Accelerator::Whpx)
    };
    let arguments = machine.arguments();
    assert!(arguments.contains(&"pipe,id=boot,path=netlab-a-boot".to_owned()));
    assert!(arguments.contains(&"pipe,id=control,path=netlab-a-qmp".to_owned()));
}

#[test]
fn a_chosen_port_and_a_comma_in_a_path_stay_whole() {
    let machine = Machine {
        serial_log: "/a,b/serial.log".into(),
        instance: Some(Instance { port: Some(2222), root: "/a,b/root".into(), ..instance() }),
        ..machine(Platform::Linux, Architecture::X86_64, Accelerator::Tcg)
    };
    let line = machine.arguments().join(" ");
    assert!(line.contains("hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22"), "{line}");
    assert!(line.contains("file=/a,,b/root,format=raw"), "{line}");
    assert!(line.contains("path=/a,,b/serial.log"), "{line}");
}

#[test]
fn memory_is_where_it_was_asked_for_and_always_called_the_same() {
    let file = || PathBuf::from("/t,1/ram");
    let rows = [
        (Memory::Private, Version(7, 2, 0), "memory-backend-ram,id=ram,size=512M"),
        (
            Memory::Written(file()),
            Version(10, 0, 2),
            "memory-backend-file,id=ram,size=512M,mem-path=/t,,1/ram,share=on",
        ),
        (
            Memory::Copied(file()),
            Version(7, 2, 0),
            "memory-backend-file,id=ram,size=512M,mem-path=/t,,1/ram,share=off",
        ),
        (
            Memory::Copied(file()),
            Version(8, 2, 0),
            "memory-backend-file,id=ram,size=512M,mem-path=/t,,1/ram,share=off,readonly=on,rom=off",
        ),
    ];
    for (memory, version, expected) in rows {
        let base = machine(Platform::Linux, Architecture::X86_64, Accelerator::Tcg);
        let machine = Machine { memory, version, origin: Origin::Saved, ..base };
        let arguments = machine.arguments();
        assert_eq!(value(&arguments, "-object"), expected);
        assert_eq!(value(&arguments, "-incoming"), "defer");
    }
}

#[test]
fn a_saved_arm_guest_is_given_no_kernel_and_a_saved_x86_guest_is() {
    let has_kernel = |guest, origin| {
        let machine = Machine { origin, ..machine(Platform::Linux, guest, Accelerator::Tcg) };
        let arguments = machine.arguments();
        ["-kernel", "-initrd", "-append"].map(|option| arguments.iter().any(|word| word == option))
    };
    assert_eq!(has_kernel(Architecture::X86_64, Origin::Saved), [true; 3]);
    assert_eq!(has_kernel(Architecture::Aarch64, Origin::Boot), [true; 3]);
    assert_eq!(has_kernel(Architecture::Aarch64, Origin::Saved), [false; 3]);
}

#[test]
fn a_trial_has_a_loud_console_and_no_devices() {
    let machine = Machine {
        console: Console::Full,
        ..machine(Platform::Linux, Architecture::X86_64, Accelerator::Kvm)
    };
    let arguments = machine.arguments();
    assert!(value(&arguments, "-append").starts_with("console=ttyS0 no_timer_check panic=-1"));
    assert!(!arguments.iter().any(|word| word == "-device" || word == "-netdev"));
}
