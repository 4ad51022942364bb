//! Removes from the cache what nobody has used for long: images of other keys, and packages that
//! are in no lock of today.
//!
//! Age is the rule because it is safe: another netlab may be about to start a guest from an image of
//! its own, or a guest may run from one. The lock of the store is held, so nobody is building.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{StoreError, UNFINISHED_PREFIX, file_error};
use crate::image::{Image, RECORD_FILE};
use crate::lock::Lock;
use crate::progress::{Progress, ProgressEvent};

/// Long enough for whoever goes back and forth between two versions of netlab.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Notes in an image that it is used now, by the time of its record.
pub fn touch(image: &Image) -> Result<(), StoreError> {
    let path = image.dir.join(RECORD_FILE);
    let file = OpenOptions::new().append(true).open(&path);
    match file.and_then(|file| file.set_modified(SystemTime::now())) {
        Ok(()) => Ok(()),
        // Who may not write here removes nothing either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        Err(source) => Err(file_error("write", &path, source)),
    }
}

/// Removes the old images beside this one.
pub fn images(current: &Image, arch: &str, progress: &dyn Progress) -> Result<(), StoreError> {
    let Some(folder) = current.dir.parent() else {
        return Ok(());
    };
    for (name, path) in entries(folder)? {
        let other = name.starts_with(&format!("{arch}-")) && path != current.dir;
        if !other || !is_old(&path.join(RECORD_FILE))? {
            continue;
        }
        if let Err(error) = remove_image(folder, &name) {
            note(&path, &error, progress);
        }
    }
    Ok(())
}

/// Removes an image.
pub fn remove_image(folder: &Path, name: &str) -> io::Result<()> {
    // Under its new name it is nobody's image, and goes whole or with the next build. Windows
    // renames no folder with open files: then a guest still runs from it.
    let leaving = folder.join(format!("{UNFINISHED_PREFIX}{name}"));
    fs::rename(folder.join(name), &leaving).and_then(|()| fs::remove_dir_all(&leaving))
}

/// Removes the old packages that are in none of the locks.
pub fn packages(folder: &Path, locks: &[&Lock], progress: &dyn Progress) -> Result<(), StoreError> {
    let locked = locks.iter().flat_map(|lock| &lock.packages);
    let locked: HashSet<&str> = locked.map(|package| package.sha256.as_str()).collect();
    for (name, path) in entries(folder)? {
        if package_digest(&name).is_none_or(|digest| locked.contains(digest)) || !is_old(&path)? {
            continue;
        }
        if let Err(error) = fs::remove_file(&path) {
            note(&path, &error, progress);
        }
    }
    Ok(())
}

/// The digest in the name of a package's file, whole or not; `None` of any other file.
pub fn package_digest(name: &str) -> Option<&str> {
    name.strip_suffix(".deb").or_else(|| name.strip_suffix(".part"))
}

/// What is in a folder.
pub fn entries(folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>, StoreError> {
    let reading = |source| file_error("read", folder, source);
    let entries = fs::read_dir(folder).map_err(reading)?;
    entries
        .map(|entry| {
            let entry = entry.map_err(reading)?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        })
        .collect()
}

/// Says whether a file was last used long ago; what is not there is as old as can be.
fn is_old(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        // A time in the future is a matter of the clock, not of age.
        Ok(time) => Ok(time.elapsed().is_ok_and(|age| age > KEPT_UNUSED)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(file_error("read", path, source)),
    }
}

/// Tells what can't be removed.
pub fn note(path: &Path, error: &io::Error, progress: &dyn Progress) {
    let text = format!("`{}` is not needed any more and can't be removed: {error}", path.display());
    progress.event(ProgressEvent::Note(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::progress::Silent;
    use std::fs::File;

    fn put(path: &Path, age: Duration) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    fn left(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            entries(folder).unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn images_go_when_nobody_has_used_them_for_long() {
        let cache = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 3600);
        for (name, days) in [("amd64-a", 40), ("amd64-b", 29), ("amd64-c", 99), ("arm64-d", 99)] {
            put(&cache.path().join(name).join(RECORD_FILE), day * days);
        }
        fs::create_dir(cache.path().join("amd64-without-record")).unwrap();
        let image = |name: &str| Image::at(cache.path().join(name), Arch::Amd64, String::new());
        touch(&image("amd64-c")).unwrap();
        images(&image("amd64-e"), "amd64", &Silent).unwrap();
        assert_eq!(left(cache.path()), ["amd64-b", "amd64-c", "arm64-d"]);
    }

    #[test]
    fn packages_stay_while_they_are_young_or_locked() {
        let cache = tempfile::tempdir().unwrap();
        let old = KEPT_UNUSED + Duration::from_secs(60);
        let lock = |arch: Arch, sha256: &str| {
            let mut lock = Lock::load(arch, "trixie", None).unwrap();
            lock.packages.truncate(1);
            lock.packages[0].sha256 = sha256.to_owned();
            lock
        };
        let locks = [lock(Arch::Amd64, "aa"), lock(Arch::Arm64, "ee")];
        for (name, age) in [
            ("aa.deb", old),
            ("bb.deb", old),
            ("ee.deb", old),
            ("cc.part", old),
            ("dd.deb", Duration::ZERO),
            ("theirs", old),
        ] {
            put(&cache.path().join(name), age);
        }
        packages(cache.path(), &locks.each_ref(), &Silent).unwrap();
        assert_eq!(left(cache.path()), ["aa.deb", "dd.deb", "ee.deb", "theirs"]);
    }
}
