//! Packages out of bundles into the cache, and out of the cache into bundles.

use std::fs;
use std::path::Path;

use super::{BuildOptions, Store, UNFINISHED_PREFIX, file_error};
use crate::archive::{Downloads, Mirrors, fetch_all};
use crate::bundle::{self, Bundle, BundleError, BundleSummary};
use crate::error::Error;
use crate::inputs::Inputs;
use crate::lock::LockedPackage;
use crate::progress::{Progress, ProgressEvent};

/// Opens a bundle from which this image can be made.
pub(super) fn open(path: &Path, inputs: &Inputs) -> Result<Bundle, BundleError> {
    let bundle = Bundle::open(path)?;
    bundle.must_fit(inputs.arch, &inputs.lock_digest)?;
    Ok(bundle)
}

impl Store {
    /// Writes a bundle of the images that these options give, and of labs, each an id and a text.
    /// Packages that are not in the cache are brought there first.
    ///
    /// # Errors
    /// Packages that can't be had, or a file that can't be written.
    pub fn bundle(
        &self,
        images: &[BuildOptions],
        labs: &[(String, String)],
        output: &Path,
        progress: &dyn Progress,
    ) -> Result<BundleSummary, Error> {
        // Before anything is downloaded for it.
        bundle::must_be_free(output)?;
        // Init is no part of a bundle, only of the image's key.
        let inputs = images.iter().map(|options| Inputs::new(options, b""));
        let inputs: Vec<Inputs> = inputs.collect::<Result<_, _>>()?;
        let _held = self.lock(progress)?;
        for (inputs, options) in inputs.iter().zip(images) {
            let mirrors = Mirrors::new(options.mirror.as_deref(), &inputs.lock.snapshot);
            let downloads = Downloads { folder: &self.packages, mirrors: &mirrors };
            self.bring(inputs, options, &downloads, progress)?;
        }
        progress.event(ProgressEvent::Stage("bundle"));
        bundle::write(output, &inputs, labs, &self.packages, progress)
    }

    /// Brings an image's packages into the cache. The store's lock is held.
    pub(super) fn bring(
        &self,
        inputs: &Inputs,
        options: &BuildOptions,
        downloads: &Downloads<'_>,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let packages = &inputs.lock.packages;
        match &options.bundle {
            Some(path) => {
                progress.event(ProgressEvent::Stage("bundle"));
                self.take(&open(path, inputs)?, packages, progress)
            }
            None => Ok(fetch_all(downloads, packages, progress)?),
        }
    }

    /// Takes packages out of a bundle: all of them, or none.
    pub(super) fn take(
        &self,
        bundle: &Bundle,
        packages: &[LockedPackage],
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let beside = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempdir_in(&self.images)
            .map_err(|source| file_error("create a folder in", &self.images, source))?;
        bundle.unpack(packages, beside.path(), progress)?;
        fs::create_dir_all(&self.packages)
            .map_err(|source| file_error("create", &self.packages, source))?;
        for package in packages {
            let name = package.file_name();
            let path = self.packages.join(&name);
            fs::rename(beside.path().join(&name), &path)
                .map_err(|source| file_error("rename", &path, source))?;
        }
        Ok(())
    }
}
