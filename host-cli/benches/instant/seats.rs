//! A room of seats: forty guests on one machine.

use std::time::Duration;

use crate::{Bench, Outcome, figure, qemu};

/// From the command to the last guest's answer, in seconds.
const READY_SECONDS: f64 = 60.0;
/// Memory of each, in MB.
const PSS_MB: f64 = 100.0;
/// What all of them use together when nothing happens, in cores.
const IDLE_CORES: f64 = 0.5;
/// What came with the start has died down by then.
const SETTLE: Duration = Duration::from_secs(5);
/// How long they are watched.
const WATCH: Duration = Duration::from_secs(10);

/// Starts them, watches them, uses them and ends them.
pub fn run(bench: &Bench) -> Outcome<()> {
    let (netlab, seats) = (&bench.netlab, bench.seats);
    // The template is there before a room is filled.
    netlab.run(&["up"])?;
    netlab.run(&["down"])?;

    let count = seats.to_string();
    let up = netlab.listen(netlab.command(&["up", "--count", &count, "--name", "seat"]))?.good()?;
    let took = up.at("group")?.as_secs_f64();
    figure::at_most(&format!("`up --count {seats}`"), took, READY_SECONDS, "s");
    let members = up.last()?["members"].as_array().ok_or("no members")?;
    let clones = members.iter().filter(|member| member["start"] == "clone").count();
    figure::at_least("clones among them", clones as f64, seats as f64, "");
    let names: Vec<_> =
        netlab.guests()?.into_iter().filter(|name| name.starts_with("seat-")).collect();
    let pids = names.iter().map(|name| netlab.pid(name)).collect::<Outcome<Vec<_>>>()?;
    if pids.len() != seats {
        return Err(format!("{} guests are up", pids.len()).into());
    }
    memory("Pss of the largest, fresh", &pids)?;

    qemu::cores(&pids, SETTLE)?;
    let idle = qemu::cores(&pids, WATCH)?;
    figure::at_most("CPU of all together, idle", idle, IDLE_CORES, "cores");

    let (said, took) = netlab.run(&["exec", "--name", "seat", "--", "ping", "-c1", "127.0.0.1"])?;
    let answered = said.matches(" 0% packet loss").count();
    figure::at_least("guests that answered their own ping", answered as f64, seats as f64, "");
    figure::times("that ping in all of them", &[took]);
    memory("Pss of the largest, after the ping", &pids)?;

    let (_, took) = netlab.run(&["down", "--name", "seat"])?;
    figure::times("`down` of the group", &[took]);
    let files = netlab.guests()?.iter().filter(|name| name.starts_with("seat-")).count();
    let alive = pids.iter().filter(|pid| qemu::lives(**pid)).count();
    figure::at_most("folders that it left", files as f64, 0.0, "");
    figure::at_most("processes that it left", alive as f64, 0.0, "");
    Ok(())
}

fn memory(what: &str, pids: &[u64]) -> Outcome<()> {
    let each = pids.iter().map(|pid| qemu::pss(*pid)).collect::<Outcome<Vec<_>>>()?;
    let largest = each.iter().copied().fold(0.0, f64::max);
    figure::at_most(what, largest, PSS_MB, "MB");
    figure::words("  of all together", &format!("{:7.2} MB", each.iter().sum::<f64>()));
    Ok(())
}
