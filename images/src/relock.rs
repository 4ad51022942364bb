//! Making a lock: from the signed index of a mirror to pinned packages.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pgp::composed::SignedPublicKey;
use sha2::{Digest, Sha256};

use crate::arch::Arch;
use crate::archive::{
    Answer, ArchiveError, Client, Package, Release, Wanted, debian_keys, default_mirror,
    kernel_package, parse_packages, resolve, snapshot_mirror, timestamp, verify,
};
use crate::error::Error;
use crate::lock::{LOCK_FORMAT, Lock, LockError, LockedPackage};
use crate::progress::{Progress, ProgressEvent};
use crate::recipe::Recipe;
use crate::xz;

/// The snapshot archive imports the pool some hours after an index is published; a day later it
/// surely has everything, and stable releases drop nothing so soon.
const SNAPSHOT_DELAY: Duration = Duration::from_secs(24 * 3600);

/// No signed index of a release is larger (trixie: 0.14 MB).
const MAX_INDEX_BYTES: u64 = 16 * 1024 * 1024;

/// No list of a Debian release is larger (trixie's main: 57 MB); stops decompression bombs.
const MAX_LIST_BYTES: u64 = 512 * 1024 * 1024;

/// What a new lock contains, for a line to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSummary {
    /// Debian's version of the release.
    pub version: String,
    /// The kernel package and its version.
    pub kernel: String,
    /// Number of packages, the kernel's included.
    pub packages: usize,
    /// Bytes to download for an image.
    pub download_bytes: u64,
}

/// Pins today's versions of the recipe's packages into the file `out`.
///
/// The index must be signed by one of Debian's archive keys, be neither stale nor from the future,
/// and not older than the one that the lock compiled in or the one at `out` was made from. Without a mirror it is the one apt uses on this machine, or the snapshot archive.
///
/// # Errors
/// [`Error::Archive`] when the index is not trustworthy or lacks a package, [`Error::Lock`] when
/// the file cannot be written.
pub fn lock(
    arch: Arch,
    mirror: Option<&str>,
    out: &Path,
    progress: &dyn Progress,
) -> Result<LockSummary, Error> {
    let recipe = Recipe::load()?;
    let now = SystemTime::now();
    let mirror = mirror
        .map(|address| format!("{}/", address.trim_end_matches('/')))
        .or_else(default_mirror)
        .unwrap_or_else(|| snapshot_mirror(&timestamp(now)));
    progress.event(ProgressEvent::Resolving);
    let trust = Trust { keys: &debian_keys()?, now, seen: seen(arch, &recipe, out)? };
    let fetched = fetch_index(&mirror, arch, &recipe, &trust)?;
    if progress.cancelled() {
        return Err(ArchiveError::Cancelled.into());
    }
    let lock = pin(arch, &recipe, &fetched)?;
    write(&lock, out)?;
    let kernel = lock.packages.iter().find(|package| package.name == lock.kernel);
    Ok(LockSummary {
        kernel: kernel
            .map(|package| format!("{} {}", package.name, package.version))
            .unwrap_or_default(),
        packages: lock.packages.len(),
        download_bytes: lock.packages.iter().map(|package| package.size).sum(),
        version: lock.version,
    })
}

/// What an index is measured by.
struct Trust<'a> {
    keys: &'a [SignedPublicKey],
    now: SystemTime,
    seen: Seen,
}

/// The newest index that is known: one that is older is of a mirror that is stale, or that wants
/// packages back whose holes are known by now. Its signature alone would not tell.
struct Seen {
    /// As a lock has it, so that texts compare as times do.
    date: String,
    /// The lock that was made from it.
    lock: String,
}

/// Looks into the lock that is compiled in, and into the one that is to be replaced.
fn seen(arch: Arch, recipe: &Recipe, out: &Path) -> Result<Seen, LockError> {
    let ours = Lock::load(arch, &recipe.release, None)?;
    let ours = Seen { date: ours.date, lock: format!("images/lock/{arch}.toml") };
    // What is no lock, or one for something else, says nothing.
    let theirs = Lock::load(arch, &recipe.release, Some(out)).ok();
    let theirs = theirs.map(|lock| Seen { date: lock.date, lock: out.display().to_string() });
    Ok(theirs.filter(|theirs| theirs.date > ours.date).unwrap_or(ours))
}

struct Fetched {
    release: Release,
    index_sha256: String,
    packages: Vec<Package>,
}

fn fetch_index(
    mirror: &str,
    arch: Arch,
    recipe: &Recipe,
    trust: &Trust<'_>,
) -> Result<Fetched, ArchiveError> {
    let client = Client::new();
    let folder = format!("{mirror}dists/{}/", recipe.release);
    let url = format!("{folder}InRelease");
    let index = get(&client, &url, mirror, MAX_INDEX_BYTES)?;
    let text =
        String::from_utf8(index.clone()).map_err(|error| malformed(&url, error.to_string()))?;
    let signed = verify(&url, &text, trust.keys, trust.now)?;
    let release = Release::parse(&url, &signed, &recipe.release, trust.now)?;
    let (found, seen) = (timestamp(release.date), &trust.seen);
    if found < seen.date {
        let (known, seen) = (seen.date.clone(), seen.lock.clone());
        return Err(ArchiveError::Replayed { url, found, known, seen });
    }

    let path = format!("{}/binary-{arch}/Packages.xz", recipe.component);
    let listed =
        release.file(&path).ok_or_else(|| malformed(&url, format!("it does not list `{path}`")))?;
    let list_url = format!("{folder}{path}");
    let list = get(&client, &list_url, mirror, listed.size.min(MAX_LIST_BYTES))?;
    let found = hex::encode(Sha256::digest(&list));
    if found != listed.sha256 || list.len() as u64 != listed.size {
        return Err(ArchiveError::Altered {
            url: list_url,
            difference: format!("SHA-256 {found} instead of {}", listed.sha256),
        });
    }
    let mut text = String::new();
    xz::reader(&list)
        .take(MAX_LIST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| malformed(&list_url, error.to_string()))?;
    if text.len() as u64 > MAX_LIST_BYTES {
        return Err(too_large(&list_url, MAX_LIST_BYTES));
    }
    let packages = parse_packages(&text)
        .map_err(|name| malformed(&list_url, format!("the stanza of `{name}`")))?;
    Ok(Fetched { release, index_sha256: hex::encode(Sha256::digest(&index)), packages })
}

/// Indexes are read whole: they are small, and a broken transfer is simply begun anew.
fn get(client: &Client, url: &str, mirror: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let unreachable = |reason: String| ArchiveError::Unreachable { url: url.to_owned(), reason };
    match client.get(url, 0) {
        Answer::Body { body, .. } => {
            let mut bytes = Vec::new();
            body.take(limit + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| unreachable(error.to_string()))?;
            if bytes.len() as u64 > limit {
                return Err(too_large(url, limit));
            }
            Ok(bytes)
        }
        Answer::Missing => Err(ArchiveError::Missing {
            name: "the index".to_owned(),
            version: url.to_owned(),
            mirror: mirror.to_owned(),
        }),
        Answer::BehindTheEnd => Err(unreachable("the file is empty".to_owned())),
        Answer::Failed { reason, .. } => Err(unreachable(reason)),
    }
}

fn pin(arch: Arch, recipe: &Recipe, fetched: &Fetched) -> Result<Lock, ArchiveError> {
    let wanted = Wanted { packages: &recipe.packages, excluded: &recipe.excluded };
    let metapackage = format!("linux-image-{}-{arch}", recipe.kernel.flavour);
    let kernel = kernel_package(&fetched.packages, &metapackage, "linux-image-")?;
    let mut chosen = resolve(&fetched.packages, &wanted)?;
    // Only the kernel's files are wanted: what it depends on serves its maintainer scripts.
    chosen.retain(|package| package.name != kernel.name);
    chosen.push(kernel);
    chosen.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Lock {
        format: LOCK_FORMAT,
        arch: arch.to_string(),
        release: recipe.release.clone(),
        version: fetched.release.version.clone(),
        date: timestamp(fetched.release.date),
        snapshot: timestamp(fetched.release.date + SNAPSHOT_DELAY),
        index_sha256: fetched.index_sha256.clone(),
        kernel: kernel.name.clone(),
        packages: chosen.into_iter().map(locked).collect(),
    })
}

fn locked(package: &Package) -> LockedPackage {
    LockedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        filename: package.filename.clone(),
        size: package.size,
        sha256: package.sha256.clone(),
        homepage: package.homepage.clone(),
    }
}

fn write(lock: &Lock, out: &Path) -> Result<(), LockError> {
    let failed = |source| LockError::File { action: "write", path: out.to_owned(), source };
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, lock.text()?.as_bytes()).map_err(failed)?;
    file.persist(out).map_err(|error| failed(error.error))?;
    Ok(())
}

fn too_large(url: &str, limit: u64) -> ArchiveError {
    malformed(url, format!("it has more than {limit} bytes"))
}

fn malformed(url: &str, reason: String) -> ArchiveError {
    ArchiveError::Malformed { url: url.to_owned(), reason }
}

#[cfg(test)]
mod tests;
