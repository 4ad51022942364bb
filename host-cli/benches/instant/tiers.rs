//! Each way to start a guest, and the demos behind it, with each QEMU and architecture: a table, as
//! `docs/qemu-versions.md` keeps one.

use std::path::PathBuf;
use std::{env, fmt};

use crate::netlab::process;
use crate::{Bench, Outcome, figure};

/// Every way in which a guest can be started.
const TIERS: [&str; 3] = ["clone", "restore", "cold"];

/// Architectures of guests, with the program that emulates them.
const ARCHITECTURES: [(&str, &str); 2] =
    [("amd64", "qemu-system-x86_64"), ("arm64", "qemu-system-aarch64")];

const DEMOS: [&str; 3] = ["1", "2", "3"];

/// Prints a row for each QEMU, architecture and tier.
pub fn run(bench: &Bench) -> Outcome<()> {
    figure::row(&["QEMU", "guest", "start", "to the agent", "demo 1", "demo 2", "demo 3"]);
    figure::row(&["---"; 7]);
    for (architecture, program) in ARCHITECTURES {
        for program in programs(program) {
            let qemu = Qemu { program, architecture };
            let version = qemu.version()?;
            for tier in TIERS {
                // One row that does not work must not hide the others.
                let mut row = vec![version.clone(), architecture.to_owned(), tier.to_owned()];
                row.push(cell(qemu.up(bench, tier)));
                row.extend(DEMOS.map(|demo| cell(qemu.demo(bench, tier, demo))));
                figure::row(&row);
                bench.netlab.run(&["down"])?;
            }
        }
    }
    Ok(())
}

/// The QEMUs that are compared: the one that netlab finds by itself, and those in the folders of
/// `NETLAB_BENCH_QEMUS`.
fn programs(name: &str) -> Vec<PathBuf> {
    let more = env::var_os("NETLAB_BENCH_QEMUS").unwrap_or_default();
    let folders = env::split_paths(&more).filter(|path| !path.as_os_str().is_empty());
    let mut programs = vec![PathBuf::from(name)];
    programs.extend(folders.map(|folder| folder.join(name)));
    programs
}

/// What came of one run, in a cell of the table.
fn cell(outcome: Outcome<impl fmt::Display>) -> String {
    match outcome {
        Ok(words) => words.to_string(),
        // The table's own mark and lines have no place in it.
        Err(error) => {
            let words = error.to_string().replace('|', "/");
            format!("FAILED: {}", words.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}

/// A QEMU for guests of one architecture.
struct Qemu {
    program: PathBuf,
    architecture: &'static str,
}

impl Qemu {
    /// The number that it prints itself.
    fn version(&self) -> Outcome<String> {
        let output = process(&self.program).arg("--version").output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = said.split_whitespace().nth(3);
        number.map(str::to_owned).ok_or_else(|| format!("no version in `{said}`").into())
    }

    /// A verb for such a guest, to be started by one tier and no other.
    fn words<'a>(&'a self, tier: &'a str, verb: &[&'a str]) -> Outcome<Vec<&'a str>> {
        let program = self.program.to_str().ok_or("a QEMU's path is no text")?;
        let options = ["--qemu", program, "--arch", self.architecture, "--start", tier];
        Ok([&options[..], verb].concat())
    }

    /// Starts a guest; what it starts from has been made before.
    fn up(&self, bench: &Bench, tier: &str) -> Outcome<String> {
        let netlab = &bench.netlab;
        if tier != "cold" {
            netlab.run(&self.words(tier, &["image", "warm"])?)?;
        }
        let up = netlab.listen(netlab.command(&self.words(tier, &["up"])?))?.good()?;
        if up.tier()? != tier {
            return Err(format!("started by `{}`", up.tier()?).into());
        }
        Ok(format!("{:.2} s", up.at("ready")?.as_secs_f64()))
    }

    /// Runs a demo, in a fresh guest of that tier.
    fn demo(&self, bench: &Bench, tier: &str, demo: &str) -> Outcome<String> {
        let netlab = &bench.netlab;
        let call = netlab.command(&self.words(tier, &["demo", demo, "--auto"])?);
        let said = netlab.listen(call)?.good()?;
        if said.tier()? != tier {
            return Err(format!("started by `{}`", said.tier()?).into());
        }
        let result = said.last()?;
        let seconds = result["millis"].as_f64().unwrap_or_default() / 1000.0;
        Ok(format!("{} of {} in {seconds:.1} s", result["passed"], result["checks"]))
    }
}
