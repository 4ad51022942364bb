//! Demo 3 by each tier with each QEMU.

use std::env;

use crate::{Bench, Outcome, figure};

/// Every way in which a guest can be started.
const TIERS: [&str; 3] = ["clone", "restore", "cold"];

/// Runs demo 3 once for each pair.
pub fn run(bench: &Bench) -> Outcome<()> {
    let more = env::var_os("NETLAB_BENCH_QEMUS").unwrap_or_default();
    let mut programs = vec![None];
    for path in env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()) {
        programs.push(Some(path.to_str().ok_or("a QEMU's path is no text")?.to_owned()));
    }
    if programs.len() == 1 {
        figure::words("other QEMUs", "none: name them in NETLAB_BENCH_QEMUS");
    }
    for program in &programs {
        let qemu: Vec<&str> = program.iter().flat_map(|path| ["--qemu", path]).collect();
        let with = program.as_deref().unwrap_or("the QEMU that netlab finds");
        for tier in TIERS {
            // One pair that does not work must not hide the others.
            let outcome =
                demo(bench, &qemu, tier).unwrap_or_else(|error| format!("FAILED: {error}"));
            figure::words(&format!("{tier} with {with}"), &outcome);
            bench.netlab.run(&["down"])?;
        }
    }
    Ok(())
}

/// Starts a guest and runs demo 3 in it; returns what came of both.
fn demo(bench: &Bench, qemu: &[&str], tier: &str) -> Outcome<String> {
    let netlab = &bench.netlab;
    let call = |words: &[&str]| netlab.command(&[qemu, words].concat());
    let up = netlab.listen(call(&["up", "--start", tier]))?.good()?;
    if up.tier()? != tier {
        return Err(format!("started by `{}`", up.tier()?).into());
    }
    let demo = netlab.listen(call(&["demo", "3", "--auto"]))?.good()?;
    let result = demo.last()?;
    Ok(format!(
        "up {:.2} s, {} of {} checks passed in {:.1} s",
        up.at("ready")?.as_secs_f64(),
        result["passed"],
        result["checks"],
        result["millis"].as_f64().unwrap_or_default() / 1000.0
    ))
}
