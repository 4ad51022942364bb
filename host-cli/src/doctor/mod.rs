//! What this host has and lacks for a guest, as rows: what, state, detail, cure. The rule: each
//! row rests on something that was really tried, and a doctor changes nothing by looking.

pub mod install;
pub mod offer;

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Hint};
use crate::finding::{Finding, State};
use crate::instance::{Home, InstanceError, InstancePaths, Name};
use crate::platform::{Accelerator, Architecture, Platform};
use crate::provider::Tier;
use crate::provider::qemu::accel::{Circumstances, Verdict};
use crate::provider::qemu::discover::{self, Qemu};
use crate::provider::qemu::flaws::{self, Flaw};
use crate::provider::qemu::probe::{Finding as Trial, Freshness, Trials};
use crate::provider::qemu::tier::{Finding as Known, Tiers};
use crate::provider::qemu::{Artifacts, QemuError, QemuOptions, Version, room};
use crate::report::Reporter;

/// Disk space for the packages, the image and the space to build it in, in MiB: 77 of downloads,
/// 125 of image, and the same once more while it is built.
const IMAGE_DISK_MIB: u64 = 400;

/// Looks for an image without building one: `Ok(None)` if there is none, an error if it is broken.
pub type ImageState = Arc<dyn Fn() -> Result<Option<Artifacts>, Error> + Send + Sync>;

/// What is examined.
pub struct Doctor<'a> {
    /// Where netlab keeps its files.
    pub home: &'a Home,
    /// The instance whose paths are checked.
    pub name: &'a Name,
    /// The QEMU that the user named, if any.
    pub options: &'a QemuOptions,
    /// The guest's processor.
    pub guest: Architecture,
    /// How to look for the image.
    pub image: ImageState,
}

impl Doctor<'_> {
    /// Examines everything. Trying the accelerators takes up to five seconds each.
    ///
    /// # Errors
    /// What keeps the examination itself from being made; what is wrong with the host is a row.
    pub async fn examine(&self, reporter: &Reporter) -> Result<Vec<Finding>, Error> {
        let paths = self.home.instance(self.name);
        let qemu = discover::discover(self.options.qemu.as_deref(), self.guest).await;
        let look = Arc::clone(&self.image);
        let image = tokio::task::spawn_blocking(move || look())
            .await
            .map_err(|source| QemuError::Internal { doing: "looking at the image", source })?;
        let mut findings = vec![qemu_row(&qemu)];
        findings.extend(qemu.as_ref().ok().and_then(|qemu| sandbox_row(qemu, Platform::HOST)));
        match (&qemu, &image) {
            (Ok(qemu), Ok(Some(artifacts))) => {
                let trials = Trials { home: self.home, qemu, artifacts, reporter };
                let mut best = None;
                for &accelerator in Platform::HOST.accelerators() {
                    let trial = trials.verdict(accelerator, Freshness::Anew).await?;
                    findings.push(accelerator_row(accelerator, &trial));
                    if trial.verdict == Verdict::Works {
                        best = best.or(Some(accelerator));
                    } else {
                        findings.extend(flaw_rows(qemu.version, Some(accelerator)));
                    }
                }
                let accelerator = best.unwrap_or(Accelerator::Tcg);
                let here = Circumstances::here(accelerator, qemu, &artifacts.digest);
                let here = here.map_err(QemuError::from)?;
                let tiers = Tiers::of(self.home, &artifacts.agent, accelerator, here);
                for tier in Tier::ALL {
                    findings.push(tier_row(tier, &tiers.finding(tier)?));
                }
            }
            (Ok(qemu), _) => {
                findings.extend(flaw_rows(qemu.version, None));
                findings.push(untried_row());
            }
            (Err(_), _) => findings.push(untried_row()),
        }
        let has_image = matches!(image, Ok(Some(_)));
        let folder = existing(self.home.root());
        findings.push(memory_row(room::available_memory_mib()?));
        findings.push(disk_row(room::available_disk_mib(folder)?, has_image, folder));
        findings.push(image_row(&image));
        findings.push(paths_row(&paths, paths.check_socket_length(Platform::HOST)));
        Ok(findings)
    }
}

/// The folder itself or the nearest one above it that is there.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(folder)
}

fn row(what: &str, state: State, detail: String, cure: Option<String>) -> Finding {
    Finding { what: what.to_owned(), state, detail, cure }
}

fn qemu_row(qemu: &Result<Qemu, QemuError>) -> Finding {
    match qemu {
        Ok(Qemu { path, version, .. }) => {
            row("QEMU", State::Good, format!("{version} at `{}`", path.display()), None)
        }
        Err(error) => row("QEMU", State::Bad, error.to_string(), Some(error.hint())),
    }
}

/// Whether QEMU has its sandbox, where a system gives it one.
fn sandbox_row(qemu: &Qemu, platform: Platform) -> Option<Finding> {
    let found = |state, detail: &str, cure: Option<&str>| {
        row("QEMU's sandbox", state, detail.to_owned(), cure.map(str::to_owned))
    };
    platform.sandboxes_qemu().then(|| match qemu.sandbox {
        true => found(State::Good, "QEMU runs in it", None),
        false => found(
            State::Warning,
            "this QEMU or this kernel has none; guests run without it",
            Some("name a QEMU that is built with seccomp with `--qemu`"),
        ),
    })
}

/// What is known to be bad about a QEMU on this host: with one accelerator, or with any.
fn flaw_rows(version: Version, with: Option<Accelerator>) -> impl Iterator<Item = Finding> {
    flaws::known(Platform::HOST, Architecture::HOST, version)
        .filter(move |flaw| with.is_none_or(|accelerator| flaw.accelerator == accelerator))
        .map(move |flaw| flaw_row(version, flaw))
}

fn flaw_row(version: Version, flaw: &Flaw) -> Finding {
    let detail = format!("{version} is known to be bad with {}: {}", flaw.accelerator, flaw.what);
    row("QEMU", State::Warning, detail, Some(flaw.cure.to_owned()))
}

fn accelerator_row(accelerator: Accelerator, trial: &Trial) -> Finding {
    let what = format!("accelerator {accelerator}");
    match (&trial.verdict, accelerator) {
        (Verdict::Works, Accelerator::Tcg) => {
            row(&what, State::Good, "always works, slowly".to_owned(), None)
        }
        (Verdict::Works, _) => row(&what, State::Good, "a kernel boots with it".to_owned(), None),
        (Verdict::Fails { problem }, _) => {
            let cure = problem.cure(accelerator).to_owned();
            row(&what, State::Warning, problem.to_string(), Some(cure))
        }
    }
}

fn tier_row(tier: Tier, known: &Known) -> Finding {
    let what = format!("start by {}", tier.name());
    match known {
        Known::Works if tier == Tier::Cold => {
            row(&what, State::Good, "always works, slowly".to_owned(), None)
        }
        Known::Works => row(&what, State::Good, "a guest has come up by it".to_owned(), None),
        Known::Untried => {
            row(&what, State::Good, "the next start that takes it tries it".to_owned(), None)
        }
        Known::Impossible { reason } => row(&what, State::Warning, (*reason).to_owned(), None),
        Known::Fails { reason } => {
            let cure = format!("`netlab up --start {}` tries it again", tier.name());
            row(&what, State::Warning, reason.clone(), Some(cure))
        }
    }
}

fn untried_row() -> Finding {
    row(
        "accelerator",
        State::Warning,
        "not tried: that takes a QEMU and the image's kernel".to_owned(),
        Some("`netlab image build`, then `netlab doctor` again".to_owned()),
    )
}

fn memory_row(available_mib: u64) -> Finding {
    let needed = room::needed_memory_mib();
    let detail = format!("{available_mib} MiB free, a guest needs {needed}");
    if available_mib >= needed {
        return row("memory", State::Good, detail, None);
    }
    let cure = "close some programs, or end other guests with `netlab down --all`".to_owned();
    row("memory", State::Bad, detail, Some(cure))
}

fn disk_row(available_mib: u64, has_image: bool, folder: &Path) -> Finding {
    let needed = if has_image { room::DISK_MIB } else { IMAGE_DISK_MIB };
    let detail =
        format!("{available_mib} MiB free at `{}`, netlab needs {needed}", folder.display());
    if available_mib >= needed {
        return row("disk", State::Good, detail, None);
    }
    let cure = "free some space, or set `NETLAB_HOME` to a folder on another disk".to_owned();
    row("disk", State::Bad, detail, Some(cure))
}

fn image_row(image: &Result<Option<Artifacts>, Error>) -> Finding {
    match image {
        Ok(Some(artifacts)) => {
            let folder = artifacts.kernel.parent().unwrap_or(&artifacts.kernel);
            row("image", State::Good, format!("built, at `{}`", folder.display()), None)
        }
        Ok(None) => row(
            "image",
            State::Warning,
            "not built yet: the first `netlab up` does it".to_owned(),
            Some("`netlab image build` does it now".to_owned()),
        ),
        Err(error) => row("image", State::Bad, error.to_string(), Some(error.hint())),
    }
}

fn paths_row(paths: &InstancePaths, checked: Result<(), InstanceError>) -> Finding {
    match checked {
        Ok(()) => {
            let detail = format!("`{}` is short enough for sockets", paths.folder().display());
            row("paths", State::Good, detail, None)
        }
        Err(error) => row("paths", State::Bad, error.to_string(), Some(error.hint())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::qemu::accel::Problem;

    fn shown(finding: &Finding) -> String {
        let Finding { what, state, detail, cure } = finding;
        format!("{state:?} {what}: {detail} | {}", cure.as_deref().unwrap_or("-"))
    }

    #[test]
    fn a_qemu_without_its_sandbox_is_told_where_it_could_have_one() {
        let told = |sandbox, platform| {
            let (path, version) = ("/usr/bin/q".into(), Version(10, 0, 2));
            let qemu = Qemu { path, version, modified: 0, sandbox };
            sandbox_row(&qemu, platform).map(|finding| shown(&finding))
        };
        assert_eq!(
            told(true, Platform::Linux).as_deref(),
            Some("Good QEMU's sandbox: QEMU runs in it | -")
        );
        assert_eq!(
            told(false, Platform::Linux).as_deref(),
            Some(
                "Warning QEMU's sandbox: this QEMU or this kernel has none; guests run without it | \
                 name a QEMU that is built with seccomp with `--qemu`"
            )
        );
        assert_eq!(told(false, Platform::Macos), None);
    }

    #[test]
    fn each_row_says_what_was_seen_and_what_to_do() {
        let qemu = Qemu {
            path: "/usr/bin/q".into(),
            version: Version(10, 0, 2),
            modified: 0,
            sandbox: true,
        };
        let missing = QemuError::Missing {
            program: "qemu-system-x86_64".to_owned(),
            folders: vec!["/usr/local/bin".into()],
            install: None,
        };
        let trial = |verdict| Trial { verdict, cached: false };
        let hung = Verdict::Fails { problem: Problem::Hung { seconds: 5 } };
        let folder = Path::new("/n");
        let bad = Version(11, 1, 0);
        let flaw = flaws::known(Platform::Macos, Architecture::Aarch64, bad).next().unwrap();
        let rows = [
            (
                flaw_row(bad, flaw),
                "Warning QEMU: 11.1.0 is known to be bad with hvf: guests have been seen to stall at \
                 the start of their kernel | take QEMU 11.0.2 or a later one than this, and name it with \
                 `--qemu`",
            ),
            (qemu_row(&Ok(qemu)), "Good QEMU: 10.0.2 at `/usr/bin/q` | -"),
            (
                qemu_row(&Err(missing)),
                "Bad QEMU: QEMU is not installed: there is no `qemu-system-x86_64` in `PATH`, nor \
                 in `/usr/local/bin` | install QEMU with the host's package manager, or name one \
                 with `--qemu`",
            ),
            (
                accelerator_row(Accelerator::Kvm, &trial(Verdict::Works)),
                "Good accelerator kvm: a kernel boots with it | -",
            ),
            (
                accelerator_row(Accelerator::Tcg, &trial(Verdict::Works)),
                "Good accelerator tcg: always works, slowly | -",
            ),
            (
                accelerator_row(Accelerator::Kvm, &trial(hung)),
                "Warning accelerator kvm: the guest printed nothing in 5 s | if this host is \
                 itself a virtual machine, its own host must allow nested virtualization; another \
                 QEMU may help, too: `--qemu`",
            ),
            (memory_row(640), "Good memory: 640 MiB free, a guest needs 640 | -"),
            (
                memory_row(100),
                "Bad memory: 100 MiB free, a guest needs 640 | close some programs, or end other \
                 guests with `netlab down --all`",
            ),
            (disk_row(50, true, folder), "Good disk: 50 MiB free at `/n`, netlab needs 32 | -"),
            (
                disk_row(50, false, folder),
                "Bad disk: 50 MiB free at `/n`, netlab needs 400 | free some space, or set \
                 `NETLAB_HOME` to a folder on another disk",
            ),
            (
                image_row(&Ok(None)),
                "Warning image: not built yet: the first `netlab up` does it | `netlab image \
                 build` does it now",
            ),
        ];
        for (finding, line) in rows {
            assert_eq!(shown(&finding), line);
        }
    }

    #[tokio::test]
    async fn a_host_without_qemu_gets_rows_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("not").join("there"));
        let named = Some("/nowhere/qemu".into());
        let options = QemuOptions { qemu: named, ..QemuOptions::default() };
        let doctor = Doctor {
            home: &home,
            name: &"a".parse().unwrap(),
            options: &options,
            guest: Architecture::X86_64,
            image: Arc::new(|| Ok(None)),
        };
        struct Silent;
        impl crate::report::Renderer for Silent {
            fn event(&mut self, _: &crate::report::Event) -> std::io::Result<()> {
                Ok(())
            }
        }
        let findings = doctor.examine(&Reporter::new(Box::new(Silent))).await.unwrap();
        let states: Vec<_> = findings.iter().map(|row| (row.what.as_str(), row.state)).collect();
        assert_eq!(states[0], ("QEMU", State::Bad));
        assert_eq!(states[1], ("accelerator", State::Warning));
        assert_eq!(states[4], ("image", State::Warning));
        assert!(!home.root().exists(), "a look makes nothing");
    }
}
