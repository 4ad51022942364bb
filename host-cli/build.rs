//! Builds the guest's two programs for each architecture that guests can have, and hands them to
//! the host's build, which embeds them: the host ships the agent it was built with.
//!
//! Of these rules the first that applies to an architecture decides:
//!
//! 1. `NETLAB_GUEST_BINARIES` names a folder, for packagers and cross builds, and that has a folder
//!    of the architecture's name: the programs in there are taken.
//! 2. It is that of this machine, which runs Linux with glibc: the machine's own linker makes them.
//! 3. The compiler has the standard library of its musl target, as after `rustup target add`: the
//!    compiler's own linker makes them.
//! 4. It is left out, and netlab says so to whoever asks for such a guest.
//!
//! To leave out all of them is an error. They get a target directory of their own, beside the outer
//! build's: the outer Cargo holds a lock on its own, and all profiles of the host can share them.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a build script speaks to Cargo on standard output, and starts one itself"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest as _, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The architectures of guests, as Rust names them.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// The guest's two programs, as Cargo names them.
const BINARIES: [&str; 2] = ["netlab-agent", "netlab-init"];

/// Folder of ready-made guest binaries, if the builder has them.
const READY_VARIABLE: &str = "NETLAB_GUEST_BINARIES";

/// What decides how Rust code for the guest is compiled and linked on a host.
struct GuestTarget {
    triple: String,
    flags: &'static str,
}

/// Picks a guest's target by what a host can link without a C tool chain for another system.
fn guest_target(architecture: &str, host: &str) -> GuestTarget {
    if host == format!("{architecture}-unknown-linux-gnu") {
        // The host's own linker makes it; glibc is linked in, so the guest needs none of its own.
        return GuestTarget { triple: host.to_owned(), flags: "-Ctarget-feature=+crt-static" };
    }
    // The musl target brings its own start files, and `rust-lld` comes with rustc.
    GuestTarget {
        triple: format!("{architecture}-unknown-linux-musl"),
        flags: "-Ctarget-feature=+crt-static\u{1f}-Clinker=rust-lld\u{1f}-Clinker-flavor=ld.lld",
    }
}

fn main() -> Outcome<()> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["guest-agent", "protocol", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed={READY_VARIABLE}");
    let ready = env::var_os(READY_VARIABLE).map(PathBuf::from);
    if let Some(folder) = &ready {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    // Where rustup notes down the standard libraries that it adds.
    let components = PathBuf::from(rustc(&["--print", "sysroot"])?).join("lib/rustlib/components");
    if components.exists() {
        println!("cargo::rerun-if-changed={}", components.display());
    }

    let mut code = String::new();
    let mut left_out = Vec::new();
    for architecture in ARCHITECTURES {
        let target = guest_target(architecture, &env::var("HOST")?);
        let ready = ready.as_ref().map(|folder| folder.join(architecture));
        let built = match ready.filter(|folder| folder.is_dir()) {
            Some(folder) => Some(folder),
            None if has_library(&target)? => Some(build(&target, &workspace, &out)?),
            None => None,
        };
        if let Some(folder) = &built {
            code += &embed(architecture, folder, &out)?;
        } else {
            writeln!(code, "static {}: Option<Binaries> = None;", architecture.to_uppercase())?;
            left_out.push(format!("`rustup target add {}`", target.triple));
        }
    }
    if left_out.len() == ARCHITECTURES.len() {
        return Err(format!(
            "there is no standard library to build the guest's agent with: {}, or set \
             {READY_VARIABLE} to a folder that holds one of {ARCHITECTURES:?}, with {BINARIES:?} in it",
            left_out.join(" or ")
        )
        .into());
    }
    Ok(fs::write(out.join("binaries.rs"), code)?)
}

/// Copies an architecture's programs to where the host's build finds them, and returns the code that
/// embeds them.
fn embed(architecture: &str, folder: &Path, out: &Path) -> Outcome<String> {
    fs::create_dir_all(out.join(architecture))?;
    for name in BINARIES {
        let from = folder.join(name);
        fs::copy(&from, out.join(architecture).join(name))
            .map_err(|error| format!("{}: {error}", from.display()))?;
    }
    let [agent, init] = BINARIES;
    let sha256 = hex::encode(Sha256::digest(fs::read(out.join(architecture).join(agent))?));
    let bytes =
        |name| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{architecture}/{name}\"))");
    Ok(format!(
        "static {}: Option<Binaries> = Some(Binaries {{ agent: {}, agent_sha256: {sha256:?}, init: {} }});\n",
        architecture.to_uppercase(),
        bytes(agent),
        bytes(init)
    ))
}

/// Whether the compiler has what programs for this target are linked with.
fn has_library(target: &GuestTarget) -> Outcome<bool> {
    let folder = rustc(&["--print", "target-libdir", "--target", &target.triple])?;
    Ok(Path::new(&folder).is_dir())
}

/// Asks the compiler.
fn rustc(question: &[&str]) -> Outcome<String> {
    let compiler = env::var_os("RUSTC").ok_or("Cargo did not name the compiler")?;
    let output = Command::new(compiler).args(question).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Builds the guest binaries and returns the folder they are in.
fn build(target: &GuestTarget, workspace: &Path, out: &Path) -> Outcome<PathBuf> {
    // OUT_DIR is <target>/[triple/]<profile>/build/<package>-<hash>/out.
    let profile = out.ancestors().nth(3).ok_or("OUT_DIR is not where Cargo puts it")?;
    let folder = profile.parent().ok_or("OUT_DIR is not where Cargo puts it")?.join("guest");

    let mut cargo = Command::new(env::var_os("CARGO").ok_or("Cargo did not name itself")?);
    cargo
        .current_dir(workspace)
        .args(["build", "--locked", "--profile", "guest", "--package", "netlab-agent", "--bins"])
        .args(["--target", &target.triple, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", target.flags);
    // The outer build may be Clippy's, or for another system: neither is the guest's business.
    for outer in ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET", "RUSTFLAGS"] {
        cargo.env_remove(outer);
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("building the agent for {} failed ({status})", target.triple).into());
    }
    Ok(folder.join(&target.triple).join("guest"))
}
