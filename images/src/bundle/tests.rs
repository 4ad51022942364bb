//! What is written comes back to the byte, and whatever is not as it was written is refused by name,
//! with nothing of it in the cache.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::arch::Arch;
use crate::error::Error;
use crate::lock::{LOCK_FORMAT, Lock};
use crate::progress::{Progress, ProgressEvent, Silent};
use crate::store::{BuildOptions, Store};
use sha2::{Digest as _, Sha256};

const LAB: &str = "# A lab\n";

/// A cache with two small packages, a lock of them, and a bundle of both.
struct World {
    folder: tempfile::TempDir,
    options: BuildOptions,
    lock: Lock,
    bundle: PathBuf,
    summary: BundleSummary,
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn package(name: &str, bytes: &[u8]) -> LockedPackage {
    LockedPackage {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "all".to_owned(),
        filename: format!("pool/{name}.deb"),
        size: bytes.len() as u64,
        sha256: hex::encode(Sha256::digest(bytes)),
        homepage: None,
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let contents = [("a", vec![b'a'; 700]), ("linux", vec![b'l'; 300])];
        let lock = Lock {
            format: LOCK_FORMAT,
            arch: "amd64".to_owned(),
            release: "trixie".to_owned(),
            version: "13.8".to_owned(),
            date: String::new(),
            snapshot: String::new(),
            index_sha256: String::new(),
            kernel: "linux".to_owned(),
            packages: contents.iter().map(|(name, bytes)| package(name, bytes)).collect(),
        };
        for (package, (_, bytes)) in lock.packages.iter().zip(&contents) {
            put(&folder.path().join("full/debs").join(package.file_name()), bytes);
        }
        let path = folder.path().join("lock.toml");
        put(&path, lock.text().unwrap().as_bytes());
        let options =
            BuildOptions { arch: Arch::Amd64, mirror: None, lock: Some(path), bundle: None };
        let bundle = folder.path().join("a.bundle");
        let store = Store::new(folder.path().join("full"));
        let summary =
            store.bundle(std::slice::from_ref(&options), &labs(), &bundle, &Silent).unwrap();
        Self { folder, options, lock, bundle, summary }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.bundle).unwrap()
    }

    /// Makes an image from a bundle in an empty cache: the store whose cache then has the packages,
    /// or what failed, once it is seen that nothing was left there.
    fn take(&self, bundle: &Path, progress: &dyn Progress) -> Result<Store, Error> {
        let cache = tempfile::tempdir_in(self.folder.path()).unwrap();
        let store = Store::new(cache.path().to_owned());
        let options = BuildOptions { bundle: Some(bundle.to_owned()), ..self.options.clone() };
        // What is in them makes no image, but that is found out once they are in the cache.
        let error = store.build(&options, b"init", progress).unwrap_err();
        let left = |folder: &str| -> Vec<_> {
            let entries = fs::read_dir(cache.path().join(folder)).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name()).collect()
        };
        assert!(left("images").iter().all(|name| name == ".lock"), "after {error}");
        if matches!(error, Error::Root(_)) {
            assert_eq!(left("debs").len(), self.lock.packages.len());
            drop(cache.keep());
            return Ok(store);
        }
        assert!(left("debs").is_empty(), "after {error}");
        Err(error)
    }

    /// What is said of a bundle with these bytes, which is called `B`.
    fn refusal(&self, bytes: &[u8]) -> String {
        let path = self.folder.path().join("b.bundle");
        put(&path, bytes);
        let error = self.take(&path, &Silent).expect_err("a refusal");
        error.to_string().replace(&path.display().to_string(), "B")
    }

    fn manifest(&self) -> Manifest {
        let BundleSummary { images, labs, .. } = self.summary.clone();
        Manifest { format: BUNDLE_FORMAT, bytes: 0, images, labs }
    }
}

fn labs() -> [(String, String); 1] {
    [("mine".to_owned(), LAB.to_owned())]
}

/// A bundle of other hands, with this manifest and these entries.
fn made_of(manifest: &Manifest, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let text = serde_json::to_vec(manifest).unwrap();
    for (name, bytes) in [(MANIFEST_NAME, text.as_slice())].iter().chain(entries) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Not by `set_path`, which takes no path that climbs.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A bundle with a header for a long name, of which a reader would hold as much as it says.
fn long_name(manifest: &Manifest) -> Vec<u8> {
    let mut bundle = made_of(manifest, &[("labs/0.md", b"name")]);
    let header = bundle.len() - 4 * 512;
    bundle[header + 156] = b'L';
    let mut changed = tar::Header::new_gnu();
    changed.as_mut_bytes().copy_from_slice(&bundle[header..header + 512]);
    changed.set_cksum();
    bundle[header..header + 512].copy_from_slice(changed.as_bytes());
    bundle
}

#[test]
fn what_is_written_comes_back_and_is_the_same_each_time() {
    let world = World::new();
    let bytes = world.bytes();
    assert_eq!(world.summary.bytes, bytes.len() as u64);
    assert_eq!(world.summary.sha256, hex::encode(Sha256::digest(&bytes)));
    world.take(&world.bundle, &Silent).unwrap();
    let bundle = Bundle::open(&world.bundle).unwrap();
    assert_eq!(bundle.labs(), world.summary.labs);
    assert_eq!(bundle.lab("mine").unwrap().as_deref(), Some(LAB));
    assert_eq!(bundle.lab("other").unwrap(), None);
    // A bundle made from a bundle, in its place.
    let options = BuildOptions { bundle: Some(world.bundle.clone()), ..world.options.clone() };
    let store = Store::new(world.folder.path().join("empty"));
    assert_eq!(store.bundle(&[options], &labs(), &world.bundle, &Silent).unwrap(), world.summary);
    assert_eq!(world.bytes(), bytes);
}

#[test]
fn one_that_is_cut_short_anywhere_is_refused() {
    let world = World::new();
    let bytes = world.bytes();
    for length in (0..bytes.len()).step_by(97).chain([511, 512, 513, bytes.len() - 1]) {
        let expected =
            if length < 512 { "`B` is no bundle" } else { "the bundle `B` is cut short" };
        assert_eq!(world.refusal(&bytes[..length]), expected, "{length} of {}", bytes.len());
    }
}

#[test]
fn a_flipped_byte_is_refused_or_changes_nothing() {
    let world = World::new();
    let bytes = world.bytes();
    let path = world.folder.path().join("b.bundle");
    for at in (0..bytes.len()).step_by(29) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        put(&path, &bad);
        // Where padding or a lab was hit, the packages are whole.
        let Ok(store) = world.take(&path, &Silent) else { continue };
        let held = store.holdings(&[(world.options.clone(), b"init")]).unwrap();
        assert!(held.iter().all(|held| held.current), "byte {at}: {held:?}");
        match Bundle::open(&path).map_err(Error::from).and_then(|bundle| bundle.lab("mine")) {
            Ok(Some(text)) => assert_eq!(text, LAB, "byte {at}"),
            Ok(None) | Err(Error::Bundle(BundleError::Altered { .. })) => {}
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn what_is_no_bundle_or_not_for_this_netlab_is_named() {
    let world = World::new();
    let manifest = world.manifest();
    let of = |arch: &str| {
        let image = manifest.images[0].clone();
        let image = BundledImage { arch: arch.to_owned(), lock: "x".to_owned(), ..image };
        made_of(&Manifest { images: vec![image], ..manifest.clone() }, &[])
    };
    let with = |name, bytes| made_of(&manifest, &[(name, bytes)]);
    let rows = [
        (b"\x1f\x8b and so on".to_vec(), "`B` is no bundle"),
        (vec![0; 4096], "`B` is no bundle"),
        (
            made_of(&Manifest { format: 7, ..manifest.clone() }, &[]),
            "the bundle `B` has format 7, this netlab reads format 1",
        ),
        (of("arm64"), "the bundle `B` is for arm64, wanted is amd64"),
        (
            of("amd64"),
            "the bundle `B` has packages of Debian 13.8, but not those of the image that this \
             netlab makes for amd64",
        ),
        (
            with("../../etc/passwd", b"root::0:0"),
            "the bundle `B` has an entry `../../etc/passwd`, which belongs into no bundle",
        ),
        (
            with("debs/../../x.deb", b""),
            "the bundle `B` has an entry `debs/../../x.deb`, which belongs into no bundle",
        ),
        (
            long_name(&manifest),
            "the bundle `B` has an entry `labs/0.md`, which belongs into no bundle",
        ),
    ];
    for (bytes, expected) in rows {
        assert_eq!(world.refusal(&bytes), expected);
    }
    let missing = world.take(Path::new("/nowhere/x.bundle"), &Silent).expect_err("a refusal");
    assert_eq!(missing.to_string(), "cannot read the bundle `/nowhere/x.bundle`");
}

#[test]
fn a_package_is_the_locked_one_or_refused_whatever_the_bundle_says() {
    let world = World::new();
    let [a, linux] = &world.lock.packages[..] else { panic!("two packages") };
    let rows = [(a, a, vec![b'b'; 700]), (a, a, vec![b'a'; 1]), (a, linux, vec![b'a'; 700])];
    for (given, refused, bytes) in rows {
        let bundle = made_of(&world.manifest(), &[(&package_name(given), &bytes)]);
        let expected = format!("the bundle `B` has been altered, in `{}`", package_name(refused));
        assert_eq!(world.refusal(&bundle), expected);
    }
}

#[test]
fn only_a_bundle_is_written_over() {
    let world = World::new();
    let store = Store::new(world.folder.path().join("full"));
    let refusal = |name: &str| {
        let path = world.folder.path().join(name);
        let error =
            store.bundle(std::slice::from_ref(&world.options), &[], &path, &Silent).unwrap_err();
        error.to_string().replace(&path.display().to_string(), "F")
    };
    put(&world.folder.path().join("my-lab.md"), LAB.as_bytes());
    assert_eq!(refusal("my-lab.md"), "`F` is there already, and is no bundle");
    assert_eq!(fs::read_to_string(world.folder.path().join("my-lab.md")).unwrap(), LAB);
    assert_eq!(refusal("none/x.bundle"), "cannot write the bundle `F`");
    let full = BundleError::writing(Path::new("F"), std::io::ErrorKind::StorageFull.into());
    assert_eq!(full.to_string(), "the disk is full: cannot write the bundle `F`");
}

#[test]
fn an_interruption_leaves_nothing() {
    /// Is cancelled once the bundle is being unpacked.
    struct Stopped(std::sync::atomic::AtomicBool);
    impl Progress for Stopped {
        fn event(&self, event: ProgressEvent) {
            let unpacking = event == ProgressEvent::Stage("bundle");
            self.0.fetch_or(unpacking, std::sync::atomic::Ordering::Relaxed);
        }

        fn cancelled(&self) -> bool {
            self.0.load(std::sync::atomic::Ordering::Relaxed)
        }
    }
    let world = World::new();
    let stopped = Stopped(false.into());
    let error = world.take(&world.bundle, &stopped).expect_err("an interruption");
    assert_eq!(error.to_string(), "interrupted while unpacking the bundle");
}

#[test]
fn any_bytes_are_a_bundle_of_what_was_locked_or_refused() {
    let world = World::new();
    let path = world.folder.path().join("any.bundle");
    let cache = tempfile::tempdir().unwrap();
    bolero::check!(name = "bundle").for_each(|bytes: &[u8]| {
        put(&path, bytes);
        let Ok(bundle) = Bundle::open(&path) else { return };
        for lab in bundle.labs() {
            if let Ok(Some(text)) = bundle.lab(&lab.id) {
                assert_eq!(blake3::hash(text.as_bytes()).to_string(), lab.blake3);
            }
        }
        if bundle.unpack(&world.lock.packages, cache.path(), &Silent).is_ok() {
            for package in &world.lock.packages {
                let bytes = fs::read(cache.path().join(package.file_name())).unwrap();
                assert_eq!(hex::encode(Sha256::digest(&bytes)), package.sha256);
            }
        }
    });
}
