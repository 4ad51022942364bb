//! From packages in the cache to the bytes of an image.

use std::sync::Arc;

use crate::archive::Downloads;
use crate::error::Error;
use crate::image::{
    IMAGE_FORMAT, INITRAMFS_FILE, MANIFEST_FILE, PACKAGED_KERNEL_FILE, RECORD_FILE, ROOT_FILE,
    Record, recorded,
};
use crate::inputs::Inputs;
use crate::kernel::{self, Bootable};
use crate::output;
use crate::progress::{Progress, ProgressEvent};
use crate::root::{Tree, assemble, unpack_all};
use crate::store::keep_going;

/// The files of an image in memory.
pub struct Outputs {
    files: Vec<(&'static str, Arc<[u8]>)>,
}

impl Outputs {
    /// Returns names and contents; the record comes last.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, bytes.as_ref()))
    }
}

/// Makes an image of packages that are all in the cache.
pub fn build(
    inputs: &Inputs,
    init: &[u8],
    downloads: &Downloads<'_>,
    progress: &dyn Progress,
) -> Result<Outputs, Error> {
    progress.event(ProgressEvent::Stage("unpack"));
    let mut packages = unpack_all(downloads, &inputs.lock.packages)?;
    keep_going(progress, "unpacking packages")?;

    progress.event(ProgressEvent::Stage("kernel"));
    let mut kernel_package = Tree::default();
    packages.retain_mut(|(name, entries)| {
        let is_kernel = *name == inputs.lock.kernel;
        if is_kernel {
            for (path, node) in entries.drain(..) {
                kernel_package.insert(&path, node);
            }
        }
        !is_kernel
    });
    let modules = kernel::select(&inputs.recipe.kernel, &kernel_package)?;
    keep_going(progress, "reading the kernel's modules")?;

    progress.event(ProgressEvent::Stage("root"));
    let mut root = assemble(&inputs.recipe, packages)?;
    for (path, node) in modules.root {
        root.insert(&path, node);
    }
    // The kernel is one long stream: it is unpacked or compressed while the root's many blocks are
    // compressed.
    let (bootable, root) = rayon::join(
        || kernel::bootable(inputs.arch, &kernel_package),
        || output::squashfs(&root, progress),
    );
    let mut files = kernel_files(inputs, bootable?);
    files.push((INITRAMFS_FILE, output::initramfs(init, &modules.initramfs).into()));
    files.push((ROOT_FILE, root?.into()));
    files.push((MANIFEST_FILE, output::manifest(&inputs.lock, &inputs.key)?.into()));
    let record = Record {
        format: IMAGE_FORMAT,
        arch: inputs.arch.to_string(),
        key: inputs.key.clone(),
        release: inputs.lock.version.clone(),
        recipe: inputs.recipe_digest.clone(),
        lock: inputs.lock_digest.clone(),
        init: inputs.init_digest.clone(),
        files: files.iter().map(|(name, bytes)| recorded(name, bytes)).collect(),
        digest: String::new(),
    };
    files.push((RECORD_FILE, record.sealed().text().into()));
    Ok(Outputs { files })
}

fn kernel_files(inputs: &Inputs, bootable: Bootable) -> Vec<(&'static str, Arc<[u8]>)> {
    let booted = inputs.arch.kernel_file();
    let packaged = bootable.packaged.map(|packaged| (PACKAGED_KERNEL_FILE, packaged));
    packaged.into_iter().chain([(booted, bootable.booted.into())]).collect()
}
