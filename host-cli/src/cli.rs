//! The command line: what can be typed, and the words of `--help`.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::instance::Name;

/// Learn and prove how Linux networking isolates containers
///
/// Boots a tiny Linux guest, ships an agent into it and runs labs there, one explained command at a
/// time, each claim proven by a check. The guest cannot reach your computer or your network.
#[derive(Debug, Parser)]
#[command(name = "netlab", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// Options that every verb takes.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The documented exit codes, shown beneath `--help`.
const EXIT_CODES: &str = "\
Exit codes:
    0  good
    1  a check of the lab failed
    2  wrong usage, or a mistake in a lab file
    3  the host lacks something
    4  the guest did not come up, or is not up
    5  the connection to the guest was lost
  130  interrupted";

/// Options that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Name of the instance, or of a group, for several guests side by side
    #[arg(
        long,
        global = true,
        env = "NETLAB_NAME",
        default_value = Name::DEFAULT,
        value_name = "NAME"
    )]
    pub name: String,
    /// Where the machine comes from, instead of what the instance has, or QEMU
    #[arg(long, global = true, env = "NETLAB_PROVIDER", value_name = "HOW")]
    pub provider: Option<crate::provider::Kind>,
    /// With `--provider ssh`: the machine, as for `ssh`: a host of your configuration, or user@address
    #[arg(long, global = true, env = "NETLAB_HOST", value_name = "HOST")]
    pub host: Option<String>,
    /// With `--host`: the SSH configuration to use instead of your own, as for `ssh -F`
    #[arg(long, global = true, env = "NETLAB_SSH_CONFIG", value_name = "FILE")]
    pub ssh_config: Option<std::path::PathBuf>,
    /// Print JSON lines on standard output instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Answer every question with yes, such as whether to install QEMU
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// QEMU program to use instead of the one that is found
    #[arg(long, global = true, env = "NETLAB_QEMU", value_name = "PATH")]
    pub qemu: Option<std::path::PathBuf>,
    /// Architecture of the guest (amd64, arm64) instead of this computer's own
    #[arg(long, global = true, env = "NETLAB_ARCH", value_name = "NAME")]
    pub arch: Option<crate::platform::Architecture>,
    /// Accelerator to use (kvm, hvf, whpx, tcg) instead of the fastest that works
    #[arg(long, global = true, env = "NETLAB_ACCEL", value_name = "NAME")]
    pub accel: Option<crate::platform::Accelerator>,
    /// How to start the guest, instead of the quickest way that works
    #[arg(long, global = true, env = "NETLAB_START", value_name = "HOW")]
    pub start: Option<crate::provider::Tier>,
    /// Port on 127.0.0.1 for the guest's SSH server instead of a free one
    #[arg(long, global = true, value_name = "PORT")]
    pub port: Option<u16>,
    /// Debian mirror for the image's packages instead of the snapshot archive
    #[arg(long, global = true, env = "NETLAB_MIRROR", value_name = "URL")]
    pub mirror: Option<String>,
    /// Lock file for the image instead of the one that netlab was built with
    #[arg(long, global = true, env = "NETLAB_IMAGE_LOCK", value_name = "FILE")]
    pub image_lock: Option<std::path::PathBuf>,
    /// File of `netlab bundle` that the image and labs come from, so that no network is needed
    #[arg(long, global = true, env = "NETLAB_BUNDLE", value_name = "FILE")]
    pub bundle: Option<std::path::PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the guest, or find it running
    Up(commands::up::Args),
    /// End the guest, or a group of them, and remove all of it but its checkpoints
    Down(commands::down::Args),
    /// Show the guests and what runs in them
    Status(commands::status::Args),
    /// List the labs
    List(commands::list::Args),
    /// Show a lab as its author wrote it
    Show(commands::show::Args),
    /// Run a lab, one explained command at a time
    Demo(commands::demo::Args),
    /// Swap the guest for a fresh one
    Reset(commands::reset::Args),
    /// Save the guest whole, or list what was saved
    Checkpoint(commands::checkpoint::Args),
    /// Bring a saved guest back
    Back(commands::back::Args),
    /// Run a command in the guest and pass its exit status on
    Exec(commands::exec::Args),
    /// Open a shell in the guest
    Shell(commands::shell::Args),
    /// Print a block for OpenSSH's configuration
    SshConfig(commands::ssh_config::Args),
    /// Show the guest's logs
    Logs(commands::logs::Args),
    /// Check what this computer has, and say how to mend what it lacks
    Doctor(commands::doctor::Args),
    /// Build, lock, verify or locate the guest's image, or see what takes space
    #[command(subcommand)]
    Image(commands::image::Verb),
    /// Write one file from which another computer makes the guest's image without a network
    Bundle(commands::bundle::Args),
    /// Print a completion script for a shell
    Completions(commands::completions::Args),
    /// Print the manual page, or write those of all verbs into a folder
    Man(commands::man::Args),
}
