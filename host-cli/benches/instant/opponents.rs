//! The guests that netlab is measured against, run in turn with it.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;
use crate::figure;
use crate::netlab::process;

/// The prototype's guest as `checkpoint.py` starts it.
const GUEST: [&str; 6] = [
    "--kernel",
    "vmlinux",
    "--nomark",
    "--base-append",
    "quiet loglevel=0",
    "--append=cryptomgr.notests mitigations=off init_on_alloc=0 nl.ovs",
];

/// Where the opponents are, if they are here.
pub struct Opponents {
    scripts: Option<PathBuf>,
    guests: PathBuf,
}

impl Opponents {
    /// Looks for what the environment names.
    pub fn from_environment() -> Self {
        Self {
            scripts: env::var_os("NETLAB_BENCH_PROTOTYPE").map(PathBuf::from),
            guests: env::var_os("NETLAB_BENCH_GUESTS")
                .map_or_else(|| PathBuf::from("/tmp/p1"), PathBuf::from),
        }
    }

    /// From spawn to the end of `ssh true`, for a clone of the prototype's template.
    pub fn prototype_clone(&self) -> Outcome<Option<Duration>> {
        let guest = self.guests.join("amd64");
        let Some(scripts) = self.scripts.as_ref().filter(|_| guest.exists()) else {
            figure::words("the prototype", "not here: name it in NETLAB_BENCH_PROTOTYPE");
            return Ok(None);
        };
        let template = self.guests.join("tmpl");
        let run = |words: &[&str]| {
            process("python3")
                .arg(scripts.join("tmpl.py"))
                .args(words)
                .args(GUEST)
                .arg("--img")
                .arg(&guest)
                .arg("--inst")
                .arg(self.guests.join("inst-amd64"))
                .arg("--initrd")
                .arg(guest.join("i.nosec"))
                .env("TD", &template)
                .output()
        };
        if !template.join("dev").exists() {
            let made = run(&["save"])?;
            if !made.status.success() {
                return Err(String::from_utf8_lossy(&made.stderr).into());
            }
        }
        // "… ssh 0.54/0.57 …": the least and the median, here of one.
        seconds_after(run(&["bench", "-n", "1"])?, " ssh ").map(Some)
    }

    /// From spawn to the end of `ssh true`, for a stock Debian guest.
    pub fn stock(&self) -> Outcome<Option<Duration>> {
        let guest = self.guests.join("stock");
        let Some(scripts) = self.scripts.as_ref().filter(|_| guest.exists()) else {
            figure::words("the stock guest", "not here: name it in NETLAB_BENCH_GUESTS");
            return Ok(None);
        };
        let output = process("python3")
            .arg(scripts.join("stockboot.py"))
            .args([guest, self.guests.join("inst-amd64")])
            .arg("1")
            .output()?;
        seconds_after(output, "ssh min/med ").map(Some)
    }
}

/// The number that follows a mark in what a script printed.
fn seconds_after(output: std::process::Output, mark: &str) -> Outcome<Duration> {
    let text = String::from_utf8_lossy(&output.stdout);
    let rest = text.split_once(mark).map(|(_, rest)| rest).unwrap_or_default();
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let Ok(seconds) = number.parse() else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the opponent printed no time: {text}{errors}").into());
    };
    Ok(Duration::from_secs_f64(seconds))
}
