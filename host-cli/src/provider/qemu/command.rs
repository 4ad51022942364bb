//! From a machine to QEMU's whole command line. The rule: this is a pure function of plain data,
//! so that the lines for macOS and Windows are tested wherever netlab is built. Nothing secret is
//! ever in it: every user of the host can read it.

use std::path::{Path, PathBuf};

use netlab_protocol::boot::PORT_NAME;

use super::version::Version;
use crate::platform::{Accelerator, Architecture, ChannelKind, Platform};

/// Guest memory, in MiB. The labs of the product run in half of it.
pub const MEMORY_MIB: u32 = 512;

/// What QEMU calls the guest's memory.
const MEMORY_ID: &str = "ram";

/// First QEMU that can open a memory file for reading only and still let the guest write to its
/// copy (`rom=off`).
pub const READS_ONLY_SINCE: Version = Version(8, 2, 0);

/// Most processors of a guest that hardware runs: two let the labs' servers and clients run at the
/// same time.
const MAX_CPUS: u32 = 2;

/// Bound of TCG's cache of translated code, in MiB: the smallest with which demo 3 takes no longer.
/// QEMU throws all of it away when it is full. A boot and demo 3 twice cost 4.5 s and 2 × 15.7 s of
/// processor with it, as with 128 and 256; with 64, 2 × 21 s; with 32, 2 × 30 s. QEMU then held
/// 300 MiB, and 375 and 523 with the larger ones (QEMU 7.2, Pss).
const TCG_CACHE_MIB: u32 = 96;

/// The option of QEMU's control channel. No other program's command line has it.
pub const CONTROL_MONITOR: &str = "chardev=control,mode=control";

/// How the option of the guest's console begins, likewise.
pub const CONSOLE_FILE: &str = "file,id=console,path=";

/// QEMU's own sandbox: a guest that breaks out of its machine is in a process that can start no
/// program, gain no rights, and use no system call that QEMU has no use for. The words are libvirt's.
pub const SANDBOX: [&str; 2] =
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

/// What every machine has, even one that only shows whether an accelerator works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The host's system.
    pub platform: Platform,
    /// The host's processor.
    pub host: Architecture,
    /// The guest's processor.
    pub guest: Architecture,
    /// The QEMU that reads the command line.
    pub version: Version,
    /// Whether that has its sandbox here.
    pub sandbox: bool,
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// Processors of the guest.
    pub cpus: u32,
    /// The kernel: for x86_64 guests its uncompressed ELF with a PVH entry, else an `Image`, raw or
    /// compressed with gzip.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The file that gets what the guest writes on its console.
    pub serial_log: PathBuf,
    /// How much the kernel says there.
    pub console: Console,
    /// Where its memory is.
    pub memory: Memory,
    /// What it starts from.
    pub origin: Origin,
    /// Everything else of a real instance; `None` for a trial of the accelerator.
    pub instance: Option<Instance>,
}

/// Where a guest's memory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// In QEMU's own, which ends with it.
    Private,
    /// In this file, which shows whatever the guest writes: the memory of a template that is being
    /// made.
    Written(PathBuf),
    /// As this file has it, copied page by page where the guest writes; the file stays as it is.
    Copied(PathBuf),
}

/// What a guest starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Its kernel.
    Boot,
    /// A saved state that is yet to be told over QEMU's control channel.
    Saved,
}

/// How much the kernel says on its console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Panics and errors: each line costs time on an emulated serial port.
    Quiet,
    /// Everything, for a trial that waits for a line.
    Full,
}

/// What makes a machine an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its UUID.
    pub uuid: String,
    /// The read-only root file system.
    pub root: PathBuf,
    /// QEMU's control channel, as [`crate::instance::InstancePaths::control_channel`] names it.
    pub control_channel: String,
    /// The host's side of the boot channel, named likewise.
    pub boot_channel: String,
    /// The port on 127.0.0.1 that leads to SSH; `None` lets the system choose a free one.
    pub port: Option<u16>,
}

/// Processors of a guest on a host that has `host` of them.
pub fn cpus(accelerator: Accelerator, host: u32) -> u32 {
    match accelerator {
        Accelerator::Kvm | Accelerator::Hvf | Accelerator::Whpx => host.clamp(1, MAX_CPUS),
        // Before version 8.1 QEMU may translate an instruction while the guest's kernel patches it
        // on another processor, as it does with its jump labels all through the boot: one start in
        // some hundreds ended in a panic. A second one makes neither boot nor labs any faster.
        Accelerator::Tcg => 1,
    }
}

impl Machine {
    /// Returns QEMU's arguments, without the program's name.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = self.base();
        if let Some(instance) = &self.instance {
            arguments.extend(self.devices(instance));
        }
        arguments
    }

    /// Processor, memory, kernel and console.
    fn base(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        add(&["-machine", &format!("{},memory-backend={MEMORY_ID}", self.machine())]);
        add(&["-accel", &self.accel()]);
        add(&["-cpu", self.cpu()]);
        add(&["-smp", &self.cpus.to_string()]);
        add(&["-m", &MEMORY_MIB.to_string(), "-object", &self.memory()]);
        // No floppy, no VGA, no CD-ROM, and no surprises from configuration files of the user's:
        // each device costs the firmware and the kernel time (QEMU manual, "Standard options").
        add(&["-nodefaults", "-no-user-config", "-display", "none"]);
        if self.sandbox {
            add(&SANDBOX);
        }
        // A guest that resets itself ends, so that a panic (see `panic=-1` below) is an exit.
        add(&["-no-reboot"]);
        if self.reads_kernel() {
            add(&["-kernel", &self.kernel.to_string_lossy()]);
            add(&["-initrd", &self.initramfs.to_string_lossy()]);
            add(&["-append", &self.kernel_arguments()]);
        }
        // QEMU bounds no file of its own (its `ringbuf` keeps a tail, but in its memory, where
        // nobody finds it once QEMU has died), so whoever reads this one reads only its end.
        let file = format!("{CONSOLE_FILE}{}", escaped(&self.serial_log));
        add(&["-chardev", &file, "-serial", "chardev:console"]);
        match self.origin {
            Origin::Boot => {}
            // `defer`: what is loaded, and how, comes over the control channel.
            Origin::Saved => add(&["-incoming", "defer"]),
        }
        arguments
    }

    /// Disk, network, and the two channels to the host.
    fn devices(&self, instance: &Instance) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        add(&["-uuid", &instance.uuid]);
        let drive =
            format!("if=none,id=root,file={},format=raw,readonly=on", escaped(&instance.root));
        add(&["-drive", &drive, "-device", "virtio-blk-pci,drive=root"]);
        // `restrict=on`: the guest reaches neither the host nor what is behind it. 127.0.0.1 must
        // be named, or the port is open to the whole network. Port 0 is the system's choice, so
        // nobody can take it between choosing and use; QMP tells which it became. Slirp's first
        // address is the one that the guest's init gives itself.
        let port = instance.port.unwrap_or(0);
        let uplink = format!(
            "user,id=uplink,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"
        );
        add(&["-netdev", &uplink]);
        // `romfile=`: without it QEMU wants a boot ROM that minimal packages don't bring.
        add(&["-device", "virtio-net-pci,netdev=uplink,romfile="]);
        add(&["-chardev", &self.channel("boot", &instance.boot_channel)]);
        add(&["-device", "virtio-serial-pci"]);
        add(&["-device", &format!("virtserialport,chardev=boot,name={PORT_NAME}")]);
        add(&["-chardev", &self.channel("control", &instance.control_channel)]);
        add(&["-mon", CONTROL_MONITOR]);
        arguments
    }

    /// Whether QEMU is given a kernel. A saved guest has its own in its memory, and an Arm machine
    /// unpacks and loads whatever it is given, which takes a third of a clone's time; of an x86
    /// machine the kernel is a part, which it reads only when the guest does.
    fn reads_kernel(&self) -> bool {
        match (self.guest, self.origin) {
            (Architecture::X86_64, _) | (Architecture::Aarch64, Origin::Boot) => true,
            (Architecture::Aarch64, Origin::Saved) => false,
        }
    }

    fn machine(&self) -> &'static str {
        match (self.guest, self.accelerator) {
            // q35: the machine whose PVH entry boots Debian's kernel quickest; microvm did not
            // reach SSH with it.
            // Nothing is at what is switched off, and each costs the kernel a probe.
            (Architecture::X86_64, _) => "q35,sata=off,smbus=off,usb=off,vmport=off,hpet=off",
            // Apple's framework emulates no GICv2.
            (Architecture::Aarch64, Accelerator::Hvf) => "virt,gic-version=3",
            // KVM can only give the interrupt controller that the host has.
            (Architecture::Aarch64, Accelerator::Kvm) => "virt,gic-version=host",
            (Architecture::Aarch64, Accelerator::Whpx | Accelerator::Tcg) => "virt",
        }
    }

    /// The memory as an object of its own and always of one name: a saved state is loaded only into
    /// memory that is called what it was called when it was saved.
    fn memory(&self) -> String {
        let size = format!("id={MEMORY_ID},size={MEMORY_MIB}M");
        match &self.memory {
            Memory::Private => format!("memory-backend-ram,{size}"),
            Memory::Written(file) => {
                format!("memory-backend-file,{size},mem-path={},share=on", escaped(file))
            }
            Memory::Copied(file) => {
                // Without these two QEMU opens the file for writing, even where it only copies
                // from it (since 8.2 they may be said together).
                let opened =
                    if self.version < READS_ONLY_SINCE { "" } else { ",readonly=on,rom=off" };
                format!("memory-backend-file,{size},mem-path={},share=off{opened}", escaped(file))
            }
        }
    }

    fn accel(&self) -> String {
        match self.accelerator {
            Accelerator::Kvm => "kvm".to_owned(),
            Accelerator::Hvf => "hvf".to_owned(),
            Accelerator::Whpx => {
                // Before QEMU 11 it loses x86's interrupts with its own controller, and on Arm it
                // has no other.
                let is_off = self.guest == Architecture::X86_64 && self.version < Version(11, 0, 0);
                if is_off { "whpx,kernel-irqchip=off" } else { "whpx" }.to_owned()
            }
            Accelerator::Tcg => {
                // x86 orders memory accesses more strictly than Arm does, so only one thread can
                // emulate it there (QEMU manual, "Multi-threaded TCG").
                let thread = match (self.host, self.guest) {
                    (Architecture::Aarch64, Architecture::X86_64) => "single",
                    _ => "multi",
                };
                format!("tcg,thread={thread},tb-size={TCG_CACHE_MIB}")
            }
        }
    }

    fn cpu(&self) -> &'static str {
        match (self.accelerator, self.guest) {
            // HVF can't virtualize these two, and QEMU says so on each start.
            (Accelerator::Hvf, Architecture::X86_64) => "host,-pdpe1gb,-avx512vl",
            (Accelerator::Kvm | Accelerator::Hvf, _) => "host",
            // `max` dies on AMD.
            (Accelerator::Whpx, Architecture::X86_64) => "qemu64",
            // QEMU's own example ("Windows Hypervisor Platform").
            (Accelerator::Whpx, Architecture::Aarch64) => "host",
            // rdrand: without it the kernel waits for entropy. `max` boots as quickly, but means
            // another processor in each QEMU, and a saved guest needs the one that it was saved on.
            (Accelerator::Tcg, Architecture::X86_64) => "qemu64,+rdrand",
            (Accelerator::Tcg, Architecture::Aarch64) => "cortex-a57",
        }
    }

    fn kernel_arguments(&self) -> String {
        // no_timer_check: the kernel waits for ten ticks of the timer and panics if too few of them
        // come ("IO-APIC + timer doesn't work!"), as on a host that is too busy to emulate them in
        // time. Under KVM it leaves that out by itself.
        let (console, machine) = match self.guest {
            Architecture::X86_64 => ("ttyS0", " no_timer_check"),
            Architecture::Aarch64 => ("ttyAMA0", ""),
        };
        let loud = match self.console {
            Console::Quiet => " quiet",
            Console::Full => "",
        };
        // panic=-1: reboot at once, which `-no-reboot` turns into an exit. The rest is boot time:
        // self-tests of ciphers, cures for processor bugs in a guest of one user's own, and
        // clearing memory twice (the host's kernel hands it out cleared).
        format!(
            "console={console}{loud}{machine} panic=-1 cryptomgr.notests mitigations=off init_on_alloc=0"
        )
    }

    fn channel(&self, id: &str, address: &str) -> String {
        match self.platform.channel_kind() {
            // `wait=off`: QEMU starts whether or not someone has connected.
            ChannelKind::UnixSocket => {
                format!("socket,id={id},path={},server=on,wait=off", escaped(Path::new(address)))
            }
            // QEMU adds the prefix of all pipes itself.
            ChannelKind::NamedPipe => {
                format!("pipe,id={id},path={}", address.trim_start_matches(r"\\.\pipe\"))
            }
        }
    }
}

/// A path as an option's value: QEMU ends it at a comma unless that is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
