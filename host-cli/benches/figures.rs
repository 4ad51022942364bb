//! Prints netlab's figures: time to the first prompt, of a demo, of an image build, and sizes.
//!
//! `cargo bench --bench figures` runs it. Machines differ by more than twice and are noisy, so
//! seconds mean little alone: name opponents, and they are run in turn with netlab.
//!
//! - `NETLAB_BENCH_BOOT`: a command that boots another guest to its `ssh true` and prints the
//!   seconds as its last word.
//! - `NETLAB_BENCH_SCRIPT`: a script with the same commands as demo 3, run in the same guest.
//! - `NETLAB_BENCH_RUNS`: how many rounds (5).

use std::error::Error;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The built `netlab`, with a home of its own and the user's cache.
struct Netlab {
    home: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "the benchmark owns the processes it starts")]
fn process(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

impl Netlab {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = process(env!("CARGO_BIN_EXE_netlab"));
        command.args(words).env("NETLAB_HOME", self.home.path()).env("NETLAB_CACHE", cache());
        command
    }

    /// Runs a verb and returns how long it took.
    fn time(&self, words: &[&str]) -> Outcome<Duration> {
        let started = Instant::now();
        let output = self.command(words).output()?;
        let took = started.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("netlab {}: {}\n{said}", words.join(" "), output.status).into());
        }
        Ok(took)
    }
}

/// The cache that all rounds share: `NETLAB_CACHE`, or one beside the build.
fn cache() -> PathBuf {
    env::var_os("NETLAB_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"), PathBuf::from)
}

fn main() -> Outcome<()> {
    // `cargo test --benches` only asks whether it runs at all.
    if env::args().any(|word| word == "--test") {
        return Ok(());
    }
    let runs = env::var("NETLAB_BENCH_RUNS").ok().map_or(Ok(5), |text| text.parse::<usize>())?;
    let netlab = Netlab { home: tempfile::tempdir()? };
    netlab.time(&["image", "build"])?;
    first_line(&netlab)?;
    starts(&netlab, runs)?;
    demo(&netlab, runs)?;
    image_build()?;
    sizes(&netlab)
}

/// Time from the command to the first byte of progress.
fn first_line(netlab: &Netlab) -> Outcome<()> {
    let started = Instant::now();
    let mut child = netlab.command(&["up"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut byte = [0];
    child.stderr.as_mut().ok_or("no pipe")?.read_exact(&mut byte)?;
    row("first progress line", &[started.elapsed()]);
    child.wait_with_output()?;
    // The accelerator is known from now on, as on every later start.
    netlab.time(&["down"])?;
    Ok(())
}

/// Cold starts to the agent's hello, in turn with the opponent's.
fn starts(netlab: &Netlab, runs: usize) -> Outcome<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(ready(netlab)?);
        netlab.time(&["down"])?;
        if let Some(seconds) = opponent_boot()? {
            theirs.push(seconds);
        }
    }
    row("up, cold, to the agent's hello", &ours);
    compare("the opponent's boot to `ssh true`", &ours, &theirs);
    Ok(())
}

/// One cold start, up to the agent's hello; `up` itself goes on until the switch runs, too.
fn ready(netlab: &Netlab) -> Outcome<Duration> {
    let output = netlab.command(&["up", "--json"]).output()?;
    for line in String::from_utf8(output.stdout)?.lines() {
        let event: serde_json::Value = serde_json::from_str(line)?;
        if event["event"] == "ready" {
            let millis = event["millis"].as_u64().ok_or("a start without a time")?;
            return Ok(Duration::from_millis(millis));
        }
    }
    Err("the guest did not get ready".into())
}

fn opponent_boot() -> Outcome<Option<Duration>> {
    let Ok(line) = env::var("NETLAB_BENCH_BOOT") else {
        return Ok(None);
    };
    let output = process("sh").args(["-c", &line]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let seconds = text.split_whitespace().last().ok_or("the opponent printed nothing")?;
    Ok(Some(Duration::from_secs_f64(seconds.parse()?)))
}

/// Demo 3 in a guest that is up, in turn with a bare script of the same commands.
fn demo(netlab: &Netlab, runs: usize) -> Outcome<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        netlab.time(&["up"])?;
        ours.push(netlab.time(&["demo", "3", "--auto"])?);
        row("  demo 3 again in the same guest", &[netlab.time(&["demo", "3", "--auto"])?]);
        if let Ok(script) = env::var("NETLAB_BENCH_SCRIPT") {
            theirs.push(bare(netlab, &script)?);
        }
        netlab.time(&["down"])?;
    }
    row("demo 3, guest up", &ours);
    compare("the bare script, in the same guest", &ours, &theirs);
    Ok(())
}

fn bare(netlab: &Netlab, script: &str) -> Outcome<Duration> {
    let started = Instant::now();
    let script = fs::File::open(script)?;
    let status = netlab
        .command(&["exec", "--", "bash", "-s"])
        .stdin(script)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("the bare script: {status}").into());
    }
    Ok(started.elapsed())
}

/// An image build with all packages in the cache and no image.
fn image_build() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let warm = Netlab { home: tempfile::tempdir()? };
    let link = folder.path().join("debs");
    // The packages are moved in by name, not copied: the build only reads them.
    copy_folder(&cache().join("debs"), &link)?;
    let started = Instant::now();
    let status = warm
        .command(&["image", "build"])
        .env("NETLAB_CACHE", folder.path())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err("the image build failed".into());
    }
    row("image build from a warm cache", &[started.elapsed()]);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::hard_link(entry.path(), to.join(entry.file_name()))
            .or_else(|_| fs::copy(entry.path(), to.join(entry.file_name())).map(drop))?;
    }
    Ok(())
}

fn sizes(netlab: &Netlab) -> Outcome<()> {
    let output = netlab.command(&["image", "path"]).output()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let mut all = 0;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let bytes = entry.metadata()?.len();
        all += bytes;
        size(&entry.file_name().to_string_lossy(), bytes);
    }
    size("image on disk", all);
    let part = |name: &str| Ok::<_, std::io::Error>(fs::metadata(folder.join(name))?.len());
    // An amd64 kernel is booted unpacked, and an arm64 one as it is kept.
    let kernel = if folder.join("vmlinuz").exists() { "vmlinuz" } else { "Image.gz" };
    let distributed = part(kernel)? + part("initramfs")? + part("root.squashfs")?;
    size("kernel, initramfs and root, distributed", distributed);
    let agent = netlab.command(&["exec", "--", "sh", "-c", "cat /run/netlab/bin/* | wc -c"]);
    size("agent", agent_size(netlab, agent)?);
    let debs = fs::read_dir(cache().join("debs"))?;
    let debs: Result<Vec<u64>, std::io::Error> =
        debs.map(|entry| Ok(entry?.metadata()?.len())).collect();
    size("packages downloaded", debs?.iter().sum());
    size("netlab, the guests' programs in it", fs::metadata(env!("CARGO_BIN_EXE_netlab"))?.len());
    Ok(())
}

/// The size of the agent that a guest was shipped.
fn agent_size(netlab: &Netlab, mut count: Command) -> Outcome<u64> {
    netlab.time(&["up"])?;
    let output = count.output()?;
    netlab.time(&["down"])?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn sorted(times: &[Duration]) -> Vec<f64> {
    let mut seconds: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

fn median(times: &[Duration]) -> Option<f64> {
    let seconds = sorted(times);
    seconds.get(seconds.len() / 2).copied()
}

#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
fn row(what: &str, times: &[Duration]) {
    if let (Some(least), Some(middle)) = (sorted(times).first(), median(times)) {
        println!("{what:44} min {least:7.2} s  median {middle:7.2} s  n={}", times.len());
    }
}

#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
fn compare(what: &str, ours: &[Duration], theirs: &[Duration]) {
    row(what, theirs);
    if let (Some(ours), Some(theirs)) = (median(ours), median(theirs)) {
        println!("{:44} ours / theirs {:.2}", "", ours / theirs);
    }
}

#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
fn size(what: &str, bytes: u64) {
    println!("{what:44} {:8.2} MB", bytes as f64 / 1e6);
}
