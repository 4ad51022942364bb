//! The cache of packages and images, shared by all instances and all runs of netlab.
//!
//! An image is made in a folder beside its place and renamed there when it is complete, under a
//! lock of the operating system: of two builds at once, the second waits and finds the work done.

mod bundling;
mod holdings;
mod tidy;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netlab_fault as fault;
use tempfile::TempDir;
use thiserror::Error;

use crate::arch::Arch;
use crate::archive::{Downloads, Mirrors};
use crate::build::{self, Outputs};
use crate::error::Error;
use crate::image::{Image, ImageError};
use crate::inputs::Inputs;
use crate::lock::Lock;
use crate::progress::{Progress, ProgressEvent};

pub use holdings::{Holding, HoldingKind};

/// Folders of unfinished images begin with this; only crashed builds leave any behind.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// How often a waiting build looks at the lock and at the user's wish to stop. The systems' calls
/// that wait for a lock cannot be interrupted.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// What to build, and from where.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The guest's architecture.
    pub arch: Arch,
    /// The only mirror to ask; without one, apt's and then the snapshot archive.
    pub mirror: Option<String>,
    /// A lock file instead of the one compiled in.
    pub lock: Option<PathBuf>,
    /// A bundle that packages come from, and no mirror is asked.
    pub bundle: Option<PathBuf>,
}

/// The folder of packages and images.
#[derive(Debug, Clone)]
pub struct Store {
    packages: PathBuf,
    images: PathBuf,
}

/// How a second build compares with the image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The image's key.
    pub key: String,
    /// Each file's name, and whether it is the same to the byte.
    pub files: Vec<(String, bool)>,
}

impl VerifyReport {
    /// Says whether all files are the same.
    pub fn is_identical(&self) -> bool {
        self.files.iter().all(|(_, same)| *same)
    }
}

/// The cache cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk has no room left.
    #[error("the disk is full: cannot write `{}`", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder of the cache could not be used.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// `create`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The user asked to stop.
    #[error("interrupted while {stage}")]
    Cancelled {
        /// What was going on.
        stage: &'static str,
    },
}

impl StoreError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::DiskFull { .. } => {
                "free some space: packages and image together need 250 MB".to_owned()
            }
            Self::File { .. } => "check the permissions of the cache folder".to_owned(),
            Self::Cancelled { .. } => "run the same command again; packages are kept".to_owned(),
        }
    }
}

impl Store {
    /// Uses a cache folder, which need not exist yet.
    pub fn new(cache_dir: PathBuf) -> Self {
        Self { packages: cache_dir.join("debs"), images: cache_dir.join("images") }
    }

    /// Names the image that these options and this init give, whether it exists or not.
    pub fn image(&self, options: &BuildOptions, init: &[u8]) -> Result<Image, Error> {
        Ok(self.place(&Inputs::new(options, init)?))
    }

    /// Returns the image if it is complete; its contents are not looked at, see [`Image::check`].
    pub fn find(&self, options: &BuildOptions, init: &[u8]) -> Result<Option<Image>, Error> {
        let image = self.image(options, init)?;
        if !image.dir.exists() {
            return Ok(None);
        }
        image.check_sizes()?;
        Ok(Some(image))
    }

    /// Returns the image, building it if it is not there or no longer what it was.
    ///
    /// `init` becomes the initramfs's `/init`. Needs packages from the cache, a mirror or a bundle.
    pub fn build(
        &self,
        options: &BuildOptions,
        init: &[u8],
        progress: &dyn Progress,
    ) -> Result<Image, Error> {
        let inputs = Inputs::new(options, init)?;
        let image = self.place(&inputs);
        if is_intact(&image, progress)? {
            return Ok(image);
        }
        let _held = self.lock(progress)?;
        // Whoever had the lock before may have built just this.
        if is_intact(&image, progress)? {
            return Ok(image);
        }
        if self.remove_unfinished()? {
            let text = "cleared away a half-built image that an earlier netlab had left";
            progress.event(ProgressEvent::Note(text.to_owned()));
        }
        let fresh = self.build_beside(&inputs, options, init, progress)?;
        fault::reach(fault::Phase::ImageWritten);
        if image.dir.exists() {
            fs::remove_dir_all(&image.dir)
                .map_err(|source| file_error("remove", &image.dir, source))?;
        }
        let made = fresh.keep();
        fs::rename(&made, &image.dir).map_err(|source| {
            // The folder is no longer removed by itself; what cannot be removed now goes with the
            // next build.
            drop(fs::remove_dir_all(&made));
            file_error("rename", &image.dir, source)
        })?;
        tidy::images(&image, inputs.arch.debian(), progress)?;
        // Those of the other architectures' images are in the same folder.
        let others = Arch::ALL.into_iter().filter(|&arch| arch != inputs.arch);
        let others = others.map(|arch| Lock::load(arch, &inputs.recipe.release, None));
        let others: Vec<Lock> = others.collect::<Result<_, _>>()?;
        let locks: Vec<&Lock> = others.iter().chain([&inputs.lock]).collect();
        tidy::packages(&self.packages, &locks, progress)?;
        progress.event(ProgressEvent::Done);
        Ok(image)
    }

    /// Builds the image a second time and compares it with the one in the cache, byte by byte.
    ///
    /// An image that was altered is reported and left as it is; only an absent one is built first.
    pub fn verify_rebuild(
        &self,
        options: &BuildOptions,
        init: &[u8],
        progress: &dyn Progress,
    ) -> Result<VerifyReport, Error> {
        let inputs = Inputs::new(options, init)?;
        let image = self.place(&inputs);
        if !image.dir.exists() {
            self.build(options, init, progress)?;
        }
        let _held = self.lock(progress)?;
        let fresh = self.build_beside(&inputs, options, init, progress)?;
        let files = image.compare(fresh.path())?;
        Ok(VerifyReport { key: image.key, files })
    }

    fn place(&self, inputs: &Inputs) -> Image {
        let dir = self.images.join(format!("{}-{}", inputs.arch, inputs.key));
        Image::at(dir, inputs.arch, inputs.key.clone())
    }

    fn build_beside(
        &self,
        inputs: &Inputs,
        options: &BuildOptions,
        init: &[u8],
        progress: &dyn Progress,
    ) -> Result<TempDir, Error> {
        let mirrors = Mirrors::new(options.mirror.as_deref(), &inputs.lock.snapshot);
        let downloads = Downloads { folder: &self.packages, mirrors: &mirrors };
        self.bring(inputs, options, &downloads, progress)?;
        fault::reach(fault::Phase::ImageDownloaded);
        let outputs = build::build(inputs, init, &downloads, progress)?;
        keep_going(progress, "writing the image")?;
        progress.event(ProgressEvent::Stage("write"));
        let fresh = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempdir_in(&self.images)
            .map_err(|source| file_error("create a folder in", &self.images, source))?;
        write_outputs(fresh.path(), &outputs)?;
        Ok(fresh)
    }

    /// Takes the build lock; it is given back when the file is dropped, also by a crash.
    fn lock(&self, progress: &dyn Progress) -> Result<File, Error> {
        fs::create_dir_all(&self.images)
            .map_err(|source| file_error("create", &self.images, source))?;
        let path = self.images.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| file_error("open", &path, source))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(file_error("lock", &path, source).into());
                }
            }
            if !told {
                progress.event(ProgressEvent::Waiting);
                told = true;
            }
            keep_going(progress, "waiting for another build")?;
            std::thread::park_timeout(LOCK_POLL);
        }
    }

    /// Removes what crashed builds left, and says whether there was something; the lock is held, so
    /// none of them is running.
    fn remove_unfinished(&self) -> Result<bool, StoreError> {
        let mut found = false;
        let reading = |source| file_error("read", &self.images, source);
        for entry in fs::read_dir(&self.images).map_err(reading)? {
            let entry = entry.map_err(reading)?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(|source| file_error("remove", &path, source))?;
                found = true;
            }
        }
        Ok(found)
    }
}

/// Tells stages apart for [`StoreError::Cancelled`].
pub fn keep_going(progress: &dyn Progress, stage: &'static str) -> Result<(), StoreError> {
    if progress.cancelled() { Err(StoreError::Cancelled { stage }) } else { Ok(()) }
}

fn is_intact(image: &Image, progress: &dyn Progress) -> Result<bool, Error> {
    if !image.dir.exists() {
        return Ok(false);
    }
    match image.check() {
        Ok(()) => {
            tidy::touch(image)?;
            Ok(true)
        }
        Err(error @ (ImageError::Altered { .. } | ImageError::OtherFormat { .. })) => {
            progress.event(ProgressEvent::Note(format!("{error}; building it anew")));
            Ok(false)
        }
        Err(ImageError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn write_outputs(folder: &Path, outputs: &Outputs) -> Result<(), StoreError> {
    for (name, bytes) in outputs.files() {
        let path = folder.join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|source| file_error("write", &path, source))?;
        fault::reach(fault::Phase::ImageWriting);
    }
    Ok(())
}

/// Tells a full disk apart from other failures.
pub fn file_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        _ => StoreError::File { action, path, source },
    }
}

#[cfg(test)]
mod tests;
