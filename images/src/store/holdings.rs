//! What the cache holds, to be listed and cleared away. The rule: nothing is removed but under the
//! lock, so that no build is at it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{BuildOptions, Store, StoreError, UNFINISHED_PREFIX, file_error, tidy};
use crate::error::Error;
use crate::image::RECORD_FILE;
use crate::inputs::Inputs;
use crate::progress::Progress;

/// What something in the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldingKind {
    /// An image, in a folder.
    Image,
    /// A package, or the beginning of one.
    Package,
    /// The beginning of an image.
    Unfinished,
}

/// Something in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// What it is.
    pub kind: HoldingKind,
    /// Its name there.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last used, as far as that is known.
    pub used: Option<SystemTime>,
    /// Whether a build or start takes it.
    pub current: bool,
}

impl Store {
    /// Lists everything in the cache. Other files than the cache's own are passed over. `taken` are
    /// the images that builds and starts take, each by its options and its init.
    pub fn holdings(&self, taken: &[(BuildOptions, &[u8])]) -> Result<Vec<Holding>, Error> {
        let inputs = taken.iter().map(|(options, init)| Inputs::new(options, init));
        let inputs: Vec<Inputs> = inputs.collect::<Result<_, _>>()?;
        let images: Vec<PathBuf> = inputs.iter().map(|inputs| self.place(inputs).dir).collect();
        let locked = inputs.iter().flat_map(|inputs| &inputs.lock.packages);
        let locked: HashSet<&str> = locked.map(|package| package.sha256.as_str()).collect();
        let mut holdings = Vec::new();
        for (name, path) in entries(&self.images)? {
            let kind = match name.strip_prefix(UNFINISHED_PREFIX) {
                Some(_) => HoldingKind::Unfinished,
                None if path.join(RECORD_FILE).exists() => HoldingKind::Image,
                None => continue,
            };
            let mut bytes = 0;
            for (_, file) in entries(&path)? {
                bytes += size(&file)?.0;
            }
            let used = size(&path.join(RECORD_FILE))?.1;
            let current = images.contains(&path);
            holdings.push(Holding { kind, name, bytes, used, current, path });
        }
        for (name, path) in entries(&self.packages)? {
            if let Some(digest) = tidy::package_digest(&name) {
                let current = locked.contains(digest);
                let (bytes, used) = size(&path)?;
                let kind = HoldingKind::Package;
                holdings.push(Holding { kind, name, path, bytes, used, current });
            }
        }
        Ok(holdings)
    }

    /// Removes what is `unwanted`, and unfinished images, which no build is at. Returns what is
    /// gone; what can't be removed is told to `progress`.
    pub fn prune(
        &self,
        taken: &[(BuildOptions, &[u8])],
        unwanted: &dyn Fn(&Holding) -> bool,
        progress: &dyn Progress,
    ) -> Result<Vec<Holding>, Error> {
        let _held = self.lock(progress)?;
        let mut gone = Vec::new();
        for holding in self.holdings(taken)? {
            let Holding { kind, name, path, .. } = &holding;
            let removed = match kind {
                HoldingKind::Unfinished => fs::remove_dir_all(path),
                HoldingKind::Image | HoldingKind::Package if !unwanted(&holding) => continue,
                HoldingKind::Image => tidy::remove_image(&self.images, name),
                HoldingKind::Package => fs::remove_file(path),
            };
            match removed {
                Ok(()) => gone.push(holding),
                Err(error) => tidy::note(path, &error, progress),
            }
        }
        Ok(gone)
    }
}

/// What is in a folder, in the order of names; nothing if it isn't there.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut entries = if folder.is_dir() { tidy::entries(folder)? } else { Vec::new() };
    entries.sort();
    Ok(entries)
}

/// Size and time of a file; of one that has just gone, nothing.
fn size(path: &Path) -> Result<(u64, Option<SystemTime>), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok((metadata.len(), metadata.modified().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, None)),
        Err(source) => Err(file_error("read", path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::progress::Silent;

    fn put(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).and_then(|mut file| io::Write::write_all(&mut file, bytes)).unwrap();
    }

    #[test]
    fn everything_of_the_cache_is_listed_and_the_unwanted_goes() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::new(cache.path().to_owned());
        let options = BuildOptions { arch: Arch::Amd64, mirror: None, lock: None, bundle: None };
        let taken = [(options.clone(), &b"init"[..])];
        assert_eq!(store.holdings(&taken).unwrap(), []);
        let image = store.image(&options, b"init").unwrap();
        let current = image.dir.file_name().unwrap().to_str().unwrap();
        let inputs = Inputs::new(&options, b"init").unwrap();
        let locked = format!("{}.deb", inputs.lock.packages[0].sha256);
        put(&image.dir.join(RECORD_FILE), b"{}");
        put(&store.images.join("amd64-old").join(RECORD_FILE), b"{}");
        put(&store.images.join("amd64-old").join("root"), b"four");
        put(&store.images.join("theirs").join("file"), b"");
        put(&store.images.join(".unfinished-x").join("root"), b"one");
        put(&store.packages.join(&locked), b"12345");
        put(&store.packages.join("00.deb"), b"1");
        put(&store.packages.join("notes"), b"1");

        let holdings = store.holdings(&taken).unwrap();
        let rows: Vec<_> =
            holdings.iter().map(|it| (it.kind, it.name.as_str(), it.bytes, it.current)).collect();
        let mut expected = vec![
            (HoldingKind::Unfinished, ".unfinished-x", 3, false),
            (HoldingKind::Image, current, 2, true),
            (HoldingKind::Image, "amd64-old", 6, false),
            (HoldingKind::Package, "00.deb", 1, false),
            (HoldingKind::Package, locked.as_str(), 5, true),
        ];
        expected.sort_by_key(|(kind, name, ..)| (*kind == HoldingKind::Package, *name));
        assert_eq!(rows, expected);

        let unwanted = |holding: &Holding| !holding.current;
        let gone = store.prune(&taken, &unwanted, &Silent).unwrap();
        let names: Vec<_> = gone.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, [".unfinished-x", "amd64-old", "00.deb"]);
        let left = store.holdings(&taken).unwrap();
        assert!(left.len() == 2 && left.iter().all(|it| it.current), "{left:?}");
        assert!(store.images.join("theirs").exists() && store.packages.join("notes").exists());
    }
}
