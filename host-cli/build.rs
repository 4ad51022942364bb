//! Builds the two guest binaries for the guest's system and hands them to the host's build, which
//! embeds them: the host ships the agent it was built with.
//!
//! They get a target directory of their own, beside the outer build's: the outer Cargo holds a
//! lock on its own, and all profiles of the host can share them. `NETLAB_GUEST_BINARIES` names a
//! folder of ready ones instead, for packagers and cross builds.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a build script speaks to Cargo on standard output, and starts one itself"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// The guest's two programs, as Cargo names them.
const BINARIES: [&str; 2] = ["netlab-agent", "netlab-init"];

/// Folder of ready-made guest binaries, if the builder has them.
const READY_VARIABLE: &str = "NETLAB_GUEST_BINARIES";

/// What decides how Rust code for the guest is compiled and linked on a host.
struct GuestTarget {
    triple: &'static str,
    flags: &'static str,
}

/// Picks the guest's target by what a host can link without a C tool chain for Linux.
fn guest_target(host: &str) -> GuestTarget {
    if host == "x86_64-unknown-linux-gnu" {
        // The host's own linker makes it; glibc is linked in, so the guest needs none of its own.
        return GuestTarget {
            triple: "x86_64-unknown-linux-gnu",
            flags: "-Ctarget-feature=+crt-static",
        };
    }
    // The musl target brings its own start files, and `rust-lld` comes with rustc.
    GuestTarget {
        triple: "x86_64-unknown-linux-musl",
        flags: "-Ctarget-feature=+crt-static\u{1f}-Clinker=rust-lld\u{1f}-Clinker-flavor=ld.lld",
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["guest-agent", "protocol", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed={READY_VARIABLE}");

    let built = match env::var_os(READY_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => build(&workspace, &out)?,
    };
    for name in BINARIES {
        let from = built.join(name);
        fs::copy(&from, out.join(name)).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    let agent = fs::read(out.join(BINARIES[0]))?;
    println!("cargo::rustc-env=NETLAB_AGENT_SHA256={}", hex::encode(Sha256::digest(&agent)));
    Ok(())
}

/// Builds the guest binaries and returns the folder they are in.
fn build(workspace: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = guest_target(&env::var("HOST")?);
    // OUT_DIR is <target>/[triple/]<profile>/build/<package>-<hash>/out.
    let profile = out.ancestors().nth(3).ok_or("OUT_DIR is not where Cargo puts it")?;
    let folder = profile.parent().ok_or("OUT_DIR is not where Cargo puts it")?.join("guest");

    let mut cargo = Command::new(env::var_os("CARGO").ok_or("Cargo did not name itself")?);
    cargo
        .current_dir(workspace)
        .args(["build", "--locked", "--profile", "guest", "--package", "netlab-agent", "--bins"])
        .args(["--target", target.triple, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", target.flags);
    // The outer build may be Clippy's, or for another system: neither is the guest's business.
    for outer in ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET", "RUSTFLAGS"] {
        cargo.env_remove(outer);
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!(
            "building the guest's agent for {} failed ({status}); `rustup target add {}` may be \
             missing, or set {READY_VARIABLE} to a folder that holds {BINARIES:?}",
            target.triple, target.triple
        )
        .into());
    }
    Ok(folder.join(target.triple).join("guest"))
}
