//! What `netlab up --dry-run --json` prints on every host that netlab knows, as files that can be
//! read: `host-cli/tests/golden`. The rule: a flag stands there with the comment that says where it
//! comes from, and a flag without one fails. `NETLAB_GOLDEN=write cargo test golden` writes them anew.

use super::tests::{instance, machine};
use super::*;

/// One command line to come.
struct Case {
    platform: Platform,
    host: Architecture,
    guest: Architecture,
    accelerator: Accelerator,
    version: Version,
}

/// The newest QEMU when these were written.
const NEW: Version = Version(11, 0, 2);

/// Each host with a guest of its own, as hardware runs it; what differs by QEMU or without hardware,
/// once; and each host with a guest of the other architecture.
fn cases() -> Vec<Case> {
    use Accelerator::{Hvf, Kvm, Tcg, Whpx};
    use Architecture::{Aarch64, X86_64};
    use Platform::{Linux, Macos, Windows};
    let case = |(platform, host, guest, accelerator, version)| Case {
        platform,
        host,
        guest,
        accelerator,
        version,
    };
    [
        (Linux, X86_64, X86_64, Kvm, NEW),
        (Linux, X86_64, X86_64, Tcg, NEW),
        (Linux, X86_64, Aarch64, Tcg, NEW),
        (Linux, Aarch64, Aarch64, Kvm, NEW),
        (Linux, Aarch64, Aarch64, Tcg, NEW),
        (Linux, Aarch64, X86_64, Tcg, NEW),
        (Macos, X86_64, X86_64, Hvf, NEW),
        (Macos, X86_64, Aarch64, Tcg, NEW),
        (Macos, Aarch64, Aarch64, Hvf, NEW),
        (Macos, Aarch64, X86_64, Tcg, NEW),
        (Windows, X86_64, X86_64, Whpx, NEW),
        (Windows, X86_64, X86_64, Whpx, Version(10, 2, 0)),
        (Windows, X86_64, X86_64, Tcg, NEW),
        (Windows, X86_64, Aarch64, Tcg, NEW),
        (Windows, Aarch64, Aarch64, Whpx, NEW),
        (Windows, Aarch64, X86_64, Tcg, NEW),
    ]
    .map(case)
    .into()
}

/// Where a flag comes from: the option, how its value begins, and the comment. Sources beside QEMU's
/// manual are named by repository and number.
const SOURCES: &[(&str, &str, &str)] = &[
    (
        "-machine",
        "q35,",
        "The board whose PVH entry boots Debian's kernel quickest, as measured; nothing is at what is \
         off, and each costs a probe",
    ),
    ("-machine", "virt,memory-backend", "The board for Arm (QEMU manual, `virt`)"),
    (
        "-machine",
        "virt,gic-version=3",
        "Apple's framework emulates no GICv2 (QEMU, accel/hvf; lima, pkg/driver/qemu)",
    ),
    (
        "-machine",
        "virt,gic-version=host",
        "KVM can only give the interrupt controller that the host has (QEMU manual, `virt`)",
    ),
    ("-accel", "kvm", "Taken once our own kernel has booted with it"),
    ("-accel", "hvf", "Taken once our own kernel has booted with it, else TCG"),
    (
        "-accel",
        "whpx,kernel-irqchip=off",
        "Before QEMU 11 it loses interrupts with its own controller (QEMU work item 346; \
         lima-vm/lima pulls 931, 4933)",
    ),
    (
        "-accel",
        "whpx",
        "From QEMU 11 on its own controller is right, and QEMU falls back by itself on Windows 10 \
         (lima-vm/lima issue 4808); on Arm it has no other (microsoft/quicksand issue 34)",
    ),
    (
        "-accel",
        "tcg,thread=multi",
        "QEMU's translator, a thread per processor (QEMU manual, multi-threaded TCG); tb-size as \
         measured: with less, demo 3 takes longer",
    ),
    (
        "-accel",
        "tcg,thread=single",
        "QEMU's translator; Arm orders memory more loosely than x86, so one thread (QEMU manual, \
         multi-threaded TCG)",
    ),
    ("-cpu", "host,-pdpe1gb,-avx512vl", "HVF can't virtualize these two (lima, pkg/driver/qemu)"),
    ("-cpu", "host", "The accelerator's own processor (QEMU manual)"),
    ("-cpu", "qemu64,+rdrand", "Each QEMU has it; without rdrand the kernel waits for entropy"),
    ("-cpu", "qemu64", "`max` dies on AMD with WHPX (QEMU work item 1043; lima-vm/lima pull 931)"),
    (
        "-cpu",
        "cortex-a57",
        "Each QEMU has it, and a saved guest needs the one that it was saved on",
    ),
    (
        "-smp",
        "1",
        "A translated guest gets one: a second makes nothing faster, and is unsafe before 8.1",
    ),
    ("-smp", "2", "Servers and clients of a lab run at the same time"),
    ("-m", "", "In MiB; the labs run in half of it"),
    (
        "-object",
        "memory-backend-ram",
        "Always of one name, by which a saved guest finds its memory",
    ),
    ("-nodefaults", "", "No floppy, VGA or CD-ROM: each costs time (QEMU manual)"),
    ("-no-user-config", "", "No surprises from configuration files of the user's (QEMU manual)"),
    ("-display", "none", "The guest has no screen"),
    (
        "-sandbox",
        "on,",
        "No system call that QEMU has no use for, and no program started, whatever the guest makes of \
         it (QEMU manual; libvirt, src/qemu)",
    ),
    ("-no-reboot", "", "With `panic=-1` below, a panic ends QEMU"),
    ("-kernel", "", "From the image: an ELF with a PVH entry for x86, for Arm a packed `Image`"),
    ("-initrd", "", "From the image: nothing but netlab's own init"),
    (
        "-append",
        "console=ttyS0",
        "x86's console, and no count of timer ticks, which a busy host fails; the rest is boot time",
    ),
    ("-append", "console=ttyAMA0", "Arm's console; the rest is boot time"),
    ("-chardev", "file,id=console", "What `netlab logs serial` shows"),
    ("-serial", "chardev:console", "The guest's console goes there"),
    ("-uuid", "", "Made anew for each start; with it netlab knows its own QEMU again"),
    ("-drive", "if=none,id=root", "The root file system, read-only, so all guests can share it"),
    ("-device", "virtio-blk-pci", "The disk of it"),
    (
        "-netdev",
        "user,id=uplink",
        "No way to the host or beyond (restrict), and SSH on 127.0.0.1 alone, at a port that the \
         system chooses (0) or `--port`",
    ),
    ("-device", "virtio-net-pci", "The network card; without `romfile=` QEMU wants a boot ROM"),
    ("-chardev", "socket,id=boot", "The boot channel, a Unix socket in the instance's folder"),
    (
        "-chardev",
        "pipe,id=boot",
        "The boot channel, a named pipe: neither std nor tokio has Unix sockets on Windows. QEMU \
         waits here for its one client (QEMU, chardev/char-pipe.c)",
    ),
    ("-device", "virtio-serial-pci", "The bus of the boot channel's port"),
    ("-device", "virtserialport", "The port, which the guest's init finds by its name"),
    ("-chardev", "socket,id=control", "QEMU's control channel, likewise"),
    ("-chardev", "pipe,id=control", "QEMU's control channel, likewise"),
    ("-mon", "", "QMP speaks there"),
];

/// The comment of a flag, which exactly one row has; of several that begin alike, the longest.
fn source(option: &str, value: &str) -> &'static (&'static str, &'static str, &'static str) {
    SOURCES
        .iter()
        .filter(|(name, begin, _)| *name == option && value.starts_with(begin))
        .max_by_key(|(_, begin, _)| begin.len())
        .unwrap_or_else(|| panic!("`{option} {value}` has no comment on where it comes from"))
}

impl Case {
    fn file_name(&self) -> String {
        let Self { host, guest, accelerator, version: Version(major, ..), .. } = self;
        let system = self.system().to_lowercase();
        format!("{system}-{host}.{guest}-guest.{accelerator}.qemu-{major}.jsonc")
    }

    fn system(&self) -> &'static str {
        match self.platform {
            Platform::Linux => "Linux",
            Platform::Macos => "macOS",
            Platform::Windows => "Windows",
        }
    }

    /// The folder of the program, and that of netlab's data for a user, both as the system has them.
    fn folders(&self) -> (&'static str, &'static str) {
        match (self.platform, self.host) {
            (Platform::Linux, _) => ("/usr/bin/", "/home/ann/.local/share/netlab"),
            (Platform::Macos, host) => (
                if host == Architecture::Aarch64 {
                    "/opt/homebrew/bin/"
                } else {
                    "/usr/local/bin/"
                },
                "/Users/ann/Library/Application Support/netlab",
            ),
            (Platform::Windows, _) => (
                "C:\\Program Files\\qemu\\",
                "C:\\Users\\Jürgen Groß\\AppData\\Local\\netlab\\data",
            ),
        }
    }

    /// The command line, the program first.
    fn words(&self) -> Vec<String> {
        let (programs, home) = self.folders();
        let separator = if self.platform == Platform::Windows { "\\" } else { "/" };
        let file = |parts: &[&str]| [&[home], parts].concat().join(separator);
        let key = format!("{}-KEY", self.guest);
        let image = |name| PathBuf::from(file(&["cache", "images", &key, name]));
        let channel = |word: &str| match self.platform.channel_kind() {
            ChannelKind::UnixSocket => file(&["i", "default", &format!("{word}.sock")]),
            ChannelKind::NamedPipe => format!(r"\\.\pipe\netlab-default-{word}"),
        };
        let kernel = if self.guest == Architecture::X86_64 { "vmlinux" } else { "Image.gz" };
        let machine = Machine {
            host: self.host,
            version: self.version,
            cpus: cpus(self.accelerator, 8),
            kernel: image(kernel),
            initramfs: image("initramfs"),
            serial_log: file(&["i", "default", "serial.log"]).into(),
            instance: Some(Instance {
                root: image("root.squashfs"),
                control_channel: channel("qmp"),
                boot_channel: channel("boot"),
                ..instance()
            }),
            ..machine(self.platform, self.guest, self.accelerator)
        };
        let program = self.platform.executable(self.guest.emulator());
        [vec![format!("{programs}{program}")], machine.arguments()].concat()
    }

    /// The line that netlab prints, laid out with a flag a line under its comment.
    fn text(&self) -> String {
        let words = self.words();
        let Self { host, guest, accelerator, version, .. } = self;
        let mut text = format!(
            "// `netlab up --dry-run --json --start cold`: {} {host}, QEMU {version}, {guest} guest, \
             {accelerator}\n{{\"v\":1,\"event\":\"command\",\"data\":[\n  // `{}` is looked for in \
             PATH and where QEMU is installed on {}\n  {}",
            self.system(),
            guest.emulator(),
            self.system(),
            quoted(&words[0])
        );
        for flag in flags(&words[1..]) {
            let (.., comment) = source(&flag[0], flag.get(1).map_or("", String::as_str));
            let flag = flag.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
            text += &format!(",\n  // {comment}\n  {flag}");
        }
        text + "\n]}\n"
    }
}

fn quoted(word: &str) -> String {
    serde_json::to_string(word).unwrap()
}

/// The words of each flag: its name and, where it has one, its value.
fn flags(words: &[String]) -> Vec<&[String]> {
    words.chunk_by(|_, next| !next.starts_with('-')).collect()
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect()
}

#[test]
fn each_host_gets_the_command_line_of_its_golden_file() {
    for case in cases() {
        let path = folder().join(case.file_name());
        if std::env::var_os("NETLAB_GOLDEN").is_some_and(|value| value == "write") {
            #[expect(clippy::disallowed_methods, reason = "a file of the source tree, no state")]
            std::fs::write(&path, case.text()).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(golden, case.text(), "{}", path.display());
    }
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: Vec<_> = cases().iter().map(Case::file_name).collect();
    files.sort();
    expected.sort();
    assert_eq!(files, expected, "no golden file without a host");
}

#[test]
fn a_golden_file_without_its_comments_is_the_printed_line_and_each_flag_has_one() {
    for case in cases() {
        let text = case.text();
        let is_comment = |line: &&str| line.trim_start().starts_with("// ");
        let bare: String = text.lines().filter(|line| !is_comment(line)).collect();
        let line: serde_json::Value = serde_json::from_str(&bare).unwrap();
        let words = case.words();
        assert_eq!(line, serde_json::json!({"v": 1, "event": "command", "data": words}));
        let lines: Vec<_> = text.lines().collect();
        let flags: Vec<_> = lines.windows(2).filter(|pair| pair[1].starts_with("  \"")).collect();
        assert_eq!(flags.len(), flags_of(&words), "{}", case.file_name());
        for pair in flags {
            assert!(is_comment(&pair[0]), "no comment above {}", pair[1]);
        }
    }
}

/// How many flags there are, with the program.
fn flags_of(words: &[String]) -> usize {
    1 + flags(&words[1..]).len()
}

#[test]
fn each_comment_belongs_to_a_flag_that_some_host_gets() {
    let all: Vec<_> = cases().iter().flat_map(Case::words).collect();
    for row @ (option, begin, _) in SOURCES {
        let is_used = all.iter().enumerate().any(|(place, word)| {
            let value = all.get(place + 1).map_or("", String::as_str);
            word == option && std::ptr::eq(source(option, value), row)
        });
        assert!(is_used, "no host gets `{option} {begin}`");
    }
}
