//! How much memory netlab, the agent and QEMU have, at the same point of each round: in a guest of a
//! home of its own, that nobody harms and that is the same from the first round to the last.

use crate::call::{self, Meanwhile};
use crate::world::World;
use crate::{Outcome, process};

/// Done in the guest, beside a demo: the most that an agent had from its start on, in KiB.
const AGENT_PEAK: &str = "agent='^[/]run/netlab/bin/'; peak=0; \
    for i in $(seq 300); do pgrep -f $agent > /dev/null && break; sleep 0.2; done; \
    for i in $(seq 600); do pids=$(pgrep -f $agent) || break; for pid in $pids; do \
    set -- $(grep VmHWM /proc/$pid/status) 0 0; [ $2 -gt $peak ] && peak=$2; done; sleep 0.2; done; \
    echo $peak";

/// Done in the guest: memory in use in KiB, and how many processes there are.
const IN_USE: &str = "free -k | while read name total used rest; do \
    [ $name = Mem: ] && echo $used; done; ls -d /proc/[0-9]* | wc -l";

/// The guest.
pub struct Steady {
    qemu: u32,
}

/// Figures of one round, in KiB but for the last.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// The most that netlab had in demo 3.
    pub netlab: u64,
    /// The most that the agent had in it.
    pub agent: u64,
    /// QEMU's, after it.
    pub qemu_rss: u64,
    pub qemu_pss: u64,
    /// Memory in use in the guest, after it.
    pub guest: u64,
    /// Processes in the guest, after it.
    pub processes: u64,
}

impl Steady {
    /// Starts it, and works in it, so that a demo leaves it where it is.
    pub fn up(world: &World) -> Outcome<Self> {
        world.good_steady(&["up"])?;
        world.good_steady(&["exec", "--", "true"])?;
        let folder = world.steady_home().join("i/steady");
        let qemu = process::naming(&folder).into_iter().next().ok_or("no steady QEMU")?;
        Ok(Self { qemu: qemu.pid.cast_unsigned() })
    }

    /// Runs demo 3 in it, and measures.
    pub fn measure(&self, world: &World) -> Outcome<Memory> {
        let (ended, agent) = std::thread::scope(|scope| {
            let words = ["exec", "--", "bash", "-c", AGENT_PEAK];
            let sampled =
                scope.spawn(move || world.good_steady(&words).map_err(|error| error.to_string()));
            let words = ["demo", "3", "--auto"];
            let demo = world.steady_command(&words);
            let nothing: Option<Meanwhile> = None;
            let ended = call::run(world, demo, "demo 3", nothing);
            (ended, sampled.join())
        });
        let ended = ended?;
        if ended.code != Some(0) {
            return Err(format!("demo 3 in the steady guest: {:?}", ended).into());
        }
        let agent = agent.map_err(|_| "the agent could not be watched")??;
        let text = world.good_steady(&["exec", "--", "bash", "-c", IN_USE])?;
        let mut figures = text.lines().map(|line| line.trim().parse::<u64>());
        let mut figure = || figures.next().ok_or("no figure of the guest's memory");
        let of_qemu = |file, field| process::kib(self.qemu, file, field).ok_or("no steady QEMU");
        Ok(Memory {
            netlab: ended.peak,
            agent: agent.trim().parse()?,
            qemu_rss: of_qemu("status", "VmRSS")?,
            qemu_pss: of_qemu("smaps_rollup", "Pss")?,
            guest: figure()??,
            processes: figure()??,
        })
    }

    /// Ends it.
    pub fn down(&self, world: &World) -> Outcome<()> {
        world.good_steady(&["down", "--purge"]).map(drop)
    }
}
