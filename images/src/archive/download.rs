//! Downloads into the content-addressed cache.
//!
//! A file arrives as `<sha256>.part` and is renamed to `<sha256>.deb` once its size and digest are
//! the locked ones, so whatever bears a `.deb` name was verified. A part left by an interrupted
//! run is continued with a range request. Files already there are hashed again before use.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use netlab_fault as fault;
use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::http::{Answer, Client};
use super::mirror::Mirrors;
use crate::lock::LockedPackage;
use crate::progress::{Progress, ProgressEvent};

/// Connections at a time: enough to hide the latency of small files, few enough to be polite.
const CONNECTIONS: usize = 8;

/// How often a transfer may break without having brought a single byte.
const FRUITLESS_ATTEMPTS: u32 = 4;

/// Bytes read between two looks at the clock and the user's wish to stop.
const BLOCK_BYTES: usize = 64 * 1024;

/// Where downloads go and come from.
#[derive(Debug)]
pub struct Downloads<'a> {
    /// The cache's folder of packages.
    pub folder: &'a Path,
    /// Mirrors to ask.
    pub mirrors: &'a Mirrors,
}

impl Downloads<'_> {
    /// Returns where a package lies once it is verified.
    pub fn path(&self, package: &LockedPackage) -> PathBuf {
        self.folder.join(package.file_name())
    }
}

/// Brings all packages into the cache, several at a time; each is verified.
pub fn fetch_all(
    downloads: &Downloads<'_>,
    packages: &[LockedPackage],
    progress: &dyn Progress,
) -> Result<(), ArchiveError> {
    fs::create_dir_all(downloads.folder)
        .map_err(|source| file_error("create", downloads.folder, source))?;
    let client = Client::new();
    let transfer = Transfer {
        downloads,
        client: &client,
        progress,
        done: AtomicU64::new(0),
        files_done: AtomicUsize::new(0),
        total: packages.iter().map(|package| package.size).sum(),
        files: packages.len(),
        stopped: AtomicBool::new(false),
        first_alive: AtomicUsize::new(0),
    };
    let absent = transfer.each(packages, |package| transfer.is_cached(package))?;
    let absent: Vec<&LockedPackage> =
        packages.iter().zip(absent).filter(|(_, cached)| !cached).map(|(p, _)| p).collect();
    transfer.each(&absent, |package| transfer.fetch(package))?;
    Ok(())
}

struct Transfer<'a> {
    downloads: &'a Downloads<'a>,
    client: &'a Client,
    progress: &'a dyn Progress,
    done: AtomicU64,
    files_done: AtomicUsize,
    total: u64,
    files: usize,
    stopped: AtomicBool,
    /// Mirrors before this one can't be reached.
    first_alive: AtomicUsize,
}

impl Transfer<'_> {
    /// Runs `work` for every item on a few threads; the first failure stops the others.
    fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, ArchiveError> + Sync,
    ) -> Result<Vec<R>, ArchiveError> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<(usize, Result<R, ArchiveError>)>> = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS.min(items.len()) {
                scope.spawn(|| {
                    while !self.stopped.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(at) else { break };
                        let result = work(item);
                        if result.is_err() {
                            self.stopped.store(true, Ordering::Relaxed);
                        }
                        results.lock().unwrap_or_else(|held| held.into_inner()).push((at, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(|held| held.into_inner());
        // Failures of the others, which were told to stop, are the consequence of the first one.
        let cancelled =
            |result: &Result<R, ArchiveError>| matches!(result, Err(ArchiveError::Cancelled));
        results.sort_by_key(|(at, result)| (result.is_ok(), cancelled(result), *at));
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn is_cached(&self, package: &LockedPackage) -> Result<bool, ArchiveError> {
        self.keep_going()?;
        let path = self.downloads.path(package);
        let found = match difference(&path, package) {
            Ok(difference) => difference,
            Err(ArchiveError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if found.is_some() {
            // The disk or someone changed it since; a fresh one is as good.
            fs::remove_file(&path).map_err(|source| file_error("remove", &path, source))?;
            return Ok(false);
        }
        self.add(package.size);
        self.complete();
        Ok(true)
    }

    /// Asks one mirror after the other. One that can't be reached is left out from then on, as
    /// long as another is behind it: waiting for it with every package would take minutes.
    fn fetch(&self, package: &LockedPackage) -> Result<(), ArchiveError> {
        let mirrors = self.downloads.mirrors.addresses();
        let mut failures = Vec::new();
        for (at, mirror) in mirrors.iter().enumerate() {
            let is_last = at + 1 == mirrors.len();
            if self.first_alive.load(Ordering::Relaxed) > at && !is_last {
                continue;
            }
            match self.fetch_from(mirror, package) {
                Err(error) if weight(&error) > 0 => {
                    if matches!(error, ArchiveError::Unreachable { .. }) {
                        self.first_alive.fetch_max(at + 1, Ordering::Relaxed);
                    }
                    failures.push(error);
                }
                done => return done,
            }
        }
        failures.sort_by_key(|error| Reverse(weight(error)));
        Err(failures.into_iter().next().unwrap_or(ArchiveError::Cancelled))
    }

    fn fetch_from(&self, mirror: &str, package: &LockedPackage) -> Result<(), ArchiveError> {
        let url = format!("{mirror}{}", package.filename);
        let part = self.downloads.folder.join(format!("{}.part", package.sha256));
        let resumed = length(&part)? > 0;
        self.transfer(&url, &part, mirror, package)?;
        let mut found = difference(&part, package)?;
        if found.is_some() && resumed {
            // The older piece may have been of another file, or damaged: once more from nothing.
            self.discard(&part, package)?;
            self.transfer(&url, &part, mirror, package)?;
            found = difference(&part, package)?;
        }
        if let Some(difference) = found {
            self.discard(&part, package)?;
            return Err(ArchiveError::Altered { url, difference });
        }
        let path = self.downloads.path(package);
        fs::rename(&part, &path).map_err(|source| file_error("rename", &path, source))?;
        fault::reach(fault::Phase::ImageDownloading);
        self.complete();
        Ok(())
    }

    /// Fills the part to the locked size, over as many connections as it takes.
    fn transfer(
        &self,
        url: &str,
        part: &Path,
        mirror: &str,
        package: &LockedPackage,
    ) -> Result<(), ArchiveError> {
        let mut have = length(part)?.min(package.size);
        self.add(have);
        let mut fruitless = 0;
        while have < package.size {
            self.keep_going()?;
            let before = have;
            let reason = match self.client.get(url, have) {
                Answer::Body { offset, body } => {
                    // A mirror may ignore the range and begin at 0, or at what it likes.
                    let offset = if offset == have { have } else { 0 };
                    if offset == 0 && have > 0 {
                        self.subtract(have);
                    }
                    let (bytes, reason) = self.receive(body, part, offset, package.size)?;
                    have = offset + bytes;
                    reason
                }
                Answer::BehindTheEnd => {
                    self.subtract(have);
                    self.truncate(part)?;
                    have = 0;
                    "the range lies behind the end".to_owned()
                }
                Answer::Missing => {
                    self.subtract(have);
                    return Err(ArchiveError::Missing {
                        name: package.name.clone(),
                        version: package.version.clone(),
                        mirror: mirror.to_owned(),
                    });
                }
                Answer::Failed { reason, permanent } => {
                    if permanent {
                        fruitless = FRUITLESS_ATTEMPTS;
                    }
                    reason
                }
            };
            fruitless = if have > before { 0 } else { fruitless + 1 };
            if have < package.size && fruitless >= FRUITLESS_ATTEMPTS {
                self.subtract(have);
                return Err(ArchiveError::Unreachable { url: url.to_owned(), reason });
            }
        }
        Ok(())
    }

    /// Appends a body to the part; a broken connection is a reason, not an error.
    fn receive(
        &self,
        mut body: Box<dyn Read>,
        part: &Path,
        offset: u64,
        size: u64,
    ) -> Result<(u64, String), ArchiveError> {
        let writing = |source| file_error("write", part, source);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(writing)?;
        file.set_len(offset).map_err(writing)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(offset)).map_err(writing)?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut received = 0;
        loop {
            self.keep_going()?;
            let count = match body.read(&mut block) {
                Ok(0) => return Ok((received, "the connection ended early".to_owned())),
                Ok(count) => count,
                Err(error) => return Ok((received, error.to_string())),
            };
            // What is longer than locked is wrong anyway; the digest will say so.
            let room = usize::try_from(size - offset - received).unwrap_or(usize::MAX);
            let count = count.min(room);
            file.write_all(&block[..count]).map_err(writing)?;
            received += count as u64;
            self.add(count as u64);
            if offset + received == size {
                return Ok((received, String::new()));
            }
        }
    }

    fn discard(&self, part: &Path, package: &LockedPackage) -> Result<(), ArchiveError> {
        self.subtract(length(part)?.min(package.size));
        fs::remove_file(part).map_err(|source| file_error("remove", part, source))
    }

    fn truncate(&self, part: &Path) -> Result<(), ArchiveError> {
        File::create(part).map(drop).map_err(|source| file_error("write", part, source))
    }

    fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.report();
    }

    fn subtract(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn complete(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
        self.report();
    }

    fn report(&self) {
        self.progress.event(ProgressEvent::Download {
            done: self.done.load(Ordering::Relaxed),
            total: self.total,
            files_done: self.files_done.load(Ordering::Relaxed),
            files: self.files,
        });
    }

    fn keep_going(&self) -> Result<(), ArchiveError> {
        if self.stopped.load(Ordering::Relaxed) || self.progress.cancelled() {
            return Err(ArchiveError::Cancelled);
        }
        Ok(())
    }
}

/// What of several mirrors' failures the user is told: that a package is gone says more than that
/// one arrives altered, and that more than that a mirror can't be asked. 0 is no mirror's fault.
fn weight(error: &ArchiveError) -> u8 {
    match error {
        ArchiveError::Missing { .. } => 3,
        ArchiveError::Altered { .. } => 2,
        ArchiveError::Unreachable { .. } => 1,
        _ => 0,
    }
}

/// Tells in which way a file is not the locked one; `None` when it is.
fn difference(path: &Path, package: &LockedPackage) -> Result<Option<String>, ArchiveError> {
    let reading = |source| file_error("read", path, source);
    let mut file = File::open(path).map_err(reading)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut size = 0;
    loop {
        let count = file.read(&mut block).map_err(reading)?;
        if count == 0 {
            break;
        }
        digest.update(&block[..count]);
        size += count as u64;
    }
    if size != package.size {
        return Ok(Some(format!("{size} bytes instead of {}", package.size)));
    }
    let found = hex::encode(digest.finalize());
    Ok((found != package.sha256).then(|| format!("SHA-256 {found} instead of {}", package.sha256)))
}

fn length(path: &Path) -> Result<u64, ArchiveError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(file_error("read", path, source)),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> ArchiveError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ArchiveError::DiskFull { path }
        }
        _ => ArchiveError::File { action, path, source },
    }
}

#[cfg(test)]
mod tests;
