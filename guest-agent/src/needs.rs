//! What a lab needs is looked for, and what it would overwrite is refused, before its first step.

use std::env::split_paths;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use netlab_protocol::plan::Needs;
use netlab_protocol::{Failure, Place, Plan};

use crate::error::Error;
use crate::exec;
use crate::netlink::Netlink;
use crate::netns;
use crate::process;
use crate::service;
use crate::switch;

/// How long a kernel module may take to load.
const MODULE_LIMIT: Duration = Duration::from_secs(20);

/// Makes sure that all of it is there, loading modules and starting services.
///
/// # Errors
/// [`Failure::Missing`] for the first thing that is not.
pub async fn meet(needs: &Needs) -> Result<(), Failure> {
    for command in &needs.commands {
        if !is_command(command) {
            return Err(Failure::Missing { what: format!("command `{command}`") });
        }
    }
    for module in &needs.modules {
        load(module).await?;
    }
    for &needed in &needs.services {
        service::start(needed).await?;
    }
    Ok(())
}

/// Makes sure that the kernel has a module.
///
/// # Errors
/// [`Failure::Missing`] if it can't be loaded.
pub async fn load(module: &str) -> Result<(), Failure> {
    if !has_module(module)? && exec::help("modprobe", &[module], MODULE_LIMIT).await.is_err() {
        return Err(Failure::Missing { what: format!("kernel module `{module}`") });
    }
    Ok(())
}

/// Refuses a plan whose namespaces, interfaces, processes or files exist: they are not ours to touch.
///
/// # Errors
/// [`Failure::Exists`], which names the first; what looking for them may say.
pub async fn refuse_existing(plan: &Plan) -> Result<(), Failure> {
    let exists = |what| Failure::Exists { what };
    let there = netns::names()?;
    if let Some(name) = plan.namespaces.iter().find(|name| there.contains(name)) {
        return Err(exists(format!("namespace `{name}`")));
    }
    if !plan.interfaces.is_empty() {
        let links = Netlink::open(&Place::Root).await?.links().await?;
        // A bridge whose switch is at rest has no interface.
        let bridges = switch::bridge_names().await?;
        for name in &plan.interfaces {
            if bridges.contains(name) {
                return Err(exists(format!("bridge `{name}`")));
            }
            if links.iter().any(|link| link.name == *name) {
                return Err(exists(format!("interface `{name}`")));
            }
        }
    }
    if let Some((pid, name)) = process::named(&plan.processes)? {
        return Err(exists(format!("process `{name}` (pid {pid})")));
    }
    // A dangling link exists too, hence not `Path::exists`.
    match plan.files.iter().find(|file| fs::symlink_metadata(file).is_ok()) {
        Some(file) => Err(exists(format!("file `{file}`"))),
        None => Ok(()),
    }
}

fn is_command(name: &str) -> bool {
    split_paths(OsStr::new(exec::PATH)).any(|folder| {
        let metadata = fs::metadata(folder.join(name));
        metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    })
}

fn has_module(name: &str) -> Result<bool, Error> {
    // The kernel knows a loaded module by underscores, whatever its file is called.
    if Path::new("/sys/module").join(name.replace('-', "_")).exists() {
        return Ok(true);
    }
    let release = Path::new("/proc/sys/kernel/osrelease");
    let release = fs::read_to_string(release).map_err(Error::file("read", release))?;
    let list = Path::new("/lib/modules").join(release.trim()).join("modules.builtin");
    // A guest without the list can still load modules, which is tried next.
    Ok(fs::read_to_string(list).is_ok_and(|list| is_listed(&list, name)))
}

/// Looks for a module in a list of lines such as `kernel/net/8021q/8021q.ko`.
pub(crate) fn is_listed(builtin: &str, name: &str) -> bool {
    let same = |file: &str| file.replace('-', "_") == name.replace('-', "_");
    let files = builtin.lines().filter_map(|line| line.rsplit('/').next()?.strip_suffix(".ko"));
    files.into_iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_listed_by_file_name_with_dashes_or_underscores() {
        let list = "kernel/net/8021q/8021q.ko\nkernel/drivers/virtio/virtio-ring.ko\n";
        for (name, found) in [("8021q", true), ("virtio_ring", true), ("virtio", false)] {
            assert_eq!(is_listed(list, name), found, "{name}");
        }
    }

    #[test]
    fn commands_are_executable_files() {
        assert!(is_command("sh"));
        assert!(!is_command("no-such-command"));
        assert!(!is_command(""));
    }
}
