//! The checkpoints of one guest on the host's disk: two files each, the saved state and what tells
//! of it by name. The rule: a state has a name that no other has, and the file that tells of it takes
//! the place of an older one in one step, once the state is safe on the disk. So there is always a
//! whole one of a label, and a state that nothing tells of is the rest of something cut short, which
//! the next save clears away. Both are readable by nobody else, since the guest's keys are in them.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use netlab_fault as fault;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::about::About;
use super::error::CheckpointError;
use crate::instance::{Home, Name, read_file};
use crate::platform;
use crate::provider::checkpoint::{Checkpoint, Forget, Label, Occasion};

/// Most checkpoints before steps that are kept of one guest: twice the steps of the longest lab that
/// netlab has would be 18.
const MOST_AUTOMATIC: usize = 16;

/// What they may take on the disk, in bytes. One of demo 3 takes 40 MB.
const AUTOMATIC_BYTES: u64 = 768 << 20;

/// What the user's own may take on the disk, for one guest, in bytes: some fifty.
pub const ASKED_BYTES: u64 = 2 << 30;

/// Ending of the file that tells of a checkpoint.
const ABOUT: &str = "json";

/// Ending of the file with the saved state.
const STATE: &str = "zst";

/// Digits of a state's digest in its name: two states of one label never share them.
pub(super) const NAME_DIGITS: usize = 16;

/// How the name of a file begins that is still being written.
const UNFINISHED: &str = ".new-";

/// The checkpoints of one guest.
#[derive(Debug, Clone)]
pub struct Shelf {
    name: Name,
    folder: PathBuf,
}

impl Shelf {
    /// The checkpoints of a guest. Makes nothing.
    pub fn of(home: &Home, name: &Name) -> Self {
        Self { name: name.clone(), folder: home.checkpoints(name) }
    }

    /// Everything that is there, oldest first; what can't be read is among it, at the end.
    ///
    /// # Errors
    /// [`CheckpointError::File`] if the folder can't be read.
    pub fn list(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        let mut abouts = Vec::new();
        let mut broken = Vec::new();
        for label in self.labels()? {
            match self.about(&label) {
                Ok(about) => abouts.push(about),
                Err(error) => broken.push(Checkpoint {
                    bytes: self.length_of_broken(&label),
                    problem: Some(error.to_string()),
                    label,
                    occasion: None,
                    made: None,
                }),
            }
        }
        abouts.sort_by_key(|about| about.made);
        Ok(abouts.iter().map(About::told).chain(broken).collect())
    }

    /// Finds a checkpoint; without a label the newest that the user made, or else the newest of all.
    ///
    /// # Errors
    /// [`CheckpointError::None`], [`CheckpointError::Absent`], and what keeps it from being read.
    pub fn find(&self, label: Option<&Label>) -> Result<About, CheckpointError> {
        let labels = self.labels()?;
        if labels.is_empty() {
            return Err(CheckpointError::None { name: self.name.to_string() });
        }
        let Some(label) = label else {
            let checkpoints = self.list()?;
            let readable = || checkpoints.iter().rev().filter(|it| it.problem.is_none());
            let newest =
                readable().find(|it| it.occasion == Some(Occasion::Asked)).or(readable().next());
            // All are broken: the reason of any one is a reason.
            let label = newest.map_or(&labels[0], |newest| &newest.label);
            return self.about(label);
        };
        if !labels.contains(label) {
            let (name, label) = (self.name.to_string(), label.clone());
            return Err(CheckpointError::Absent { name, label });
        }
        self.about(label)
    }

    /// Makes sure that a state is all there and as it was written. Reads all of it.
    ///
    /// # Errors
    /// [`CheckpointError::Cut`], [`CheckpointError::Altered`], [`CheckpointError::File`].
    pub fn verify(&self, about: &About) -> Result<(), CheckpointError> {
        let (path, label) = (self.state(about), about.label.clone());
        let found = length(&path).map_err(failed("read", &path))?;
        if found != about.bytes {
            return Err(CheckpointError::Cut { label, found, expected: about.bytes });
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(&path).map_err(failed("read", &path))?;
        if hasher.finalize().to_hex().as_str() != about.blake3 {
            return Err(CheckpointError::Altered { label });
        }
        Ok(())
    }

    /// Begins a new state, after clearing away what a killed netlab left of one.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn draft(&self) -> Result<NamedTempFile, CheckpointError> {
        platform::create_private_folder(&self.folder).map_err(failed("make", &self.folder))?;
        self.sweep()?;
        self.unfinished()
    }

    fn unfinished(&self) -> Result<NamedTempFile, CheckpointError> {
        // Made with mode 0600, and the mode stays with the rename.
        let draft = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder);
        draft.map_err(failed("write in", &self.folder))
    }

    /// Puts a finished state in its place, and then one of the same label away.
    ///
    /// # Errors
    /// [`CheckpointError::File`]; what there was of the label is still there then.
    pub fn put(&self, draft: NamedTempFile, about: &About) -> Result<(), CheckpointError> {
        fault::reach(fault::Phase::CheckpointSaving);
        self.persist(draft, &self.state(about))?;
        let path = self.about_path(&about.label);
        let text = serde_json::to_vec_pretty(about).map(Zeroizing::new).map_err(io::Error::from);
        let mut told = self.unfinished()?;
        let written = text.and_then(|text| told.write_all(&text));
        written.map_err(failed("write", &path))?;
        self.persist(told, &path)?;
        // Nothing tells of the older state any more.
        self.sweep()
    }

    /// Gives a file its name once its bytes are on the disk, and makes sure that the name is as well.
    fn persist(&self, draft: NamedTempFile, path: &Path) -> Result<(), CheckpointError> {
        draft.as_file().sync_all().map_err(failed("write", path))?;
        draft.persist(path).map_err(|error| failed("write", path)(error.error))?;
        platform::sync_folder(&self.folder).map_err(failed("write in", &self.folder))
    }

    /// Removes checkpoints, and returns the labels of those that were there.
    ///
    /// # Errors
    /// [`CheckpointError::File`], [`CheckpointError::Absent`] for a label.
    pub fn forget(&self, which: &Forget) -> Result<Vec<Label>, CheckpointError> {
        let labels = match which {
            Forget::One(label) if !self.labels()?.contains(label) => {
                let (name, label) = (self.name.to_string(), label.clone());
                return Err(CheckpointError::Absent { name, label });
            }
            Forget::One(label) => vec![label.clone()],
            Forget::Steps => {
                let checkpoints = self.list()?.into_iter();
                checkpoints.filter(is_automatic).map(|checkpoint| checkpoint.label).collect()
            }
            Forget::All => self.labels()?,
        };
        for label in &labels {
            remove(&self.about_path(label))?;
        }
        self.sweep()?;
        if self.labels()?.is_empty() {
            self.remove_folder()?;
        }
        Ok(labels)
    }

    fn remove_folder(&self) -> Result<(), CheckpointError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &self.folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the oldest of those before steps until they are within their bounds.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn bound_automatic(&self) -> Result<(), CheckpointError> {
        let checkpoints = self.list()?;
        let sizes: Vec<_> = checkpoints.iter().filter(|it| is_automatic(it)).collect();
        for checkpoint in &sizes[..surplus(&sizes, MOST_AUTOMATIC, AUTOMATIC_BYTES)] {
            remove(&self.about_path(&checkpoint.label))?;
        }
        self.sweep()
    }

    /// Makes sure that the user's own have room for one more.
    ///
    /// # Errors
    /// [`CheckpointError::TooMany`], [`CheckpointError::File`].
    pub fn check_room(&self) -> Result<(), CheckpointError> {
        let checkpoints = self.list()?;
        let asked = checkpoints.iter().filter(|it| !is_automatic(it));
        let taken = asked.fold(0, |taken, it| u64::saturating_add(taken, it.bytes));
        if taken < ASKED_BYTES {
            return Ok(());
        }
        let (name, limit) = (self.name.to_string(), ASKED_BYTES);
        Err(CheckpointError::TooMany { name, taken, limit })
    }

    /// All labels, sorted.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn labels(&self) -> Result<Vec<Label>, CheckpointError> {
        let labels = self.files()?.into_iter().filter_map(|path| {
            let is_about = path.extension().is_some_and(|extension| extension == ABOUT);
            // Whatever has another name was not made by us.
            is_about.then(|| path.file_stem()?.to_str()?.parse().ok()).flatten()
        });
        let mut labels: Vec<Label> = labels.collect();
        labels.sort();
        Ok(labels)
    }

    /// The file with the saved state.
    pub fn state(&self, about: &About) -> PathBuf {
        self.folder.join(format!("{}.{STATE}", about.name()))
    }

    /// The folder of all of them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn about_path(&self, label: &Label) -> PathBuf {
        self.folder.join(format!("{label}.{ABOUT}"))
    }

    fn about(&self, label: &Label) -> Result<About, CheckpointError> {
        let path = self.about_path(label);
        // The guest's private keys are in it.
        let gone = || failed("read", &path)(ErrorKind::NotFound.into());
        let text = Zeroizing::new(read_file(&path)?.ok_or_else(gone)?);
        About::parse(label, &text)
    }

    /// Removes what a killed netlab left: drafts, and states that nothing tells of. Those of a label
    /// that can't be read stay, since a newer netlab may read it.
    fn sweep(&self) -> Result<(), CheckpointError> {
        let labels = self.labels()?;
        let abouts: Vec<_> = labels.iter().map(|label| (label, self.about(label))).collect();
        let is_told_of = |path: &Path| {
            abouts.iter().any(|(label, about)| match about {
                Ok(about) => self.state(about) == path,
                Err(_) => is_of(label, path),
            })
        };
        for path in self.files()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let alone =
                path.extension().is_some_and(|extension| extension == STATE) && !is_told_of(&path);
            if alone || name.starts_with(UNFINISHED) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// What the states of a label take that can't be read, as far as that is known.
    fn length_of_broken(&self, label: &Label) -> u64 {
        let files = self.files().unwrap_or_default().into_iter();
        files.filter(|path| is_of(label, path)).filter_map(|path| length(&path).ok()).sum()
    }

    fn files(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let read = || -> io::Result<Vec<PathBuf>> {
            fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect()
        };
        match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            files => files.map_err(failed("read", &self.folder)),
        }
    }
}

/// Whether a file is a state of a label, by its name.
fn is_of(label: &Label, path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let rest = name.strip_prefix(label.as_str()).and_then(|rest| rest.strip_prefix('-'));
    path.extension().is_some_and(|extension| extension == STATE)
        && rest.is_some_and(|digits| digits.len() == NAME_DIGITS)
}

fn is_automatic(checkpoint: &Checkpoint) -> bool {
    matches!(checkpoint.occasion, Some(Occasion::Step { .. }))
}

/// How many of the oldest have to go. The newest may stay whatever it takes.
fn surplus(checkpoints: &[&Checkpoint], most: usize, limit: u64) -> usize {
    // What a file says of a length is no reason to overflow.
    let mut taken = 0_u64;
    let stay = checkpoints.iter().rev().enumerate().take_while(|(older, checkpoint)| {
        taken = taken.saturating_add(checkpoint.bytes);
        *older == 0 || (*older < most && taken <= limit)
    });
    checkpoints.len() - stay.count()
}

fn length(path: &Path) -> io::Result<u64> {
    path.symlink_metadata().map(|metadata| metadata.len())
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// What the system says of a file.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::about::tests::about;
    use super::*;

    fn shelf(folder: &tempfile::TempDir) -> Shelf {
        let home = Home::at(folder.path().to_owned());
        Shelf::of(&home, &"a".parse().unwrap())
    }

    /// Puts a checkpoint with a state of three bytes there.
    fn put(shelf: &Shelf, label: &str, made: u64, occasion: Occasion) -> About {
        let mut draft = shelf.draft().unwrap();
        draft.write_all(b"abc").unwrap();
        let label = label.parse().unwrap();
        let blake3 = blake3::hash(b"abc").to_hex().to_string();
        let about = About { label, made, blake3, occasion, ..about() };
        shelf.put(draft, &about).unwrap();
        about
    }

    fn step() -> Occasion {
        Occasion::Step { lab: "l".to_owned(), plan: "p".to_owned(), step: 1 }
    }

    #[test]
    fn the_newest_of_the_users_own_is_meant_when_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let none = shelf.find(None).unwrap_err();
        assert_eq!(none.to_string(), "guest `a` has no checkpoint");
        put(&shelf, "l.1", 3, step());
        put(&shelf, "l.2", 4, step());
        assert_eq!(shelf.find(None).unwrap().label.as_str(), "l.2");
        put(&shelf, "two", 2, Occasion::Asked);
        put(&shelf, "one", 1, Occasion::Asked);
        assert_eq!(shelf.find(None).unwrap().label.as_str(), "two");
        let labels: Vec<_> = shelf.list().unwrap().into_iter().map(|it| it.label).collect();
        assert_eq!(
            labels.iter().map(Label::as_str).collect::<Vec<_>>(),
            ["one", "two", "l.1", "l.2"]
        );
        let absent = shelf.find(Some(&"three".parse().unwrap())).unwrap_err();
        assert_eq!(absent.to_string(), "guest `a` has no checkpoint `three`");
        assert_eq!(shelf.forget(&Forget::Steps).unwrap().len(), 2);
        assert_eq!(shelf.labels().unwrap().len(), 2);
        shelf.forget(&Forget::All).unwrap();
        assert!(!shelf.folder().exists());
    }

    #[test]
    fn each_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let about = put(&shelf, "one", 1, Occasion::Asked);
        shelf.verify(&about).unwrap();
        let state = shelf.state(&about);
        fs::write(&state, b"abd").unwrap();
        let altered = shelf.verify(&about).unwrap_err();
        assert_eq!(altered.to_string(), "checkpoint `one` has been altered");
        fs::write(&state, b"ab").unwrap();
        let cut = shelf.verify(&about).unwrap_err();
        assert_eq!(cut.to_string(), "checkpoint `one` is cut short: it has 2 of 3 bytes");
        fs::remove_file(&state).unwrap();
        let gone = shelf.verify(&about).unwrap_err();
        assert_eq!(gone.to_string(), format!("can't read `{}`", state.display()));
        fs::write(shelf.about_path(&about.label), b"{").unwrap();
        let listed = shelf.list().unwrap();
        assert_eq!(listed[0].problem.as_deref(), Some("checkpoint `one` can't be read"));
        assert!(matches!(shelf.find(None), Err(CheckpointError::Corrupt { .. })));
    }

    #[test]
    fn what_a_killed_save_left_is_gone_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        put(&shelf, "one", 1, Occasion::Asked);
        fs::write(shelf.folder().join(".new-x"), b"half").unwrap();
        fs::write(shelf.folder().join("two.zst"), b"alone").unwrap();
        drop(shelf.draft().unwrap());
        let mut names: Vec<_> =
            shelf.files().unwrap().iter().map(|it| it.file_name().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["one-6437b3ac38465133.zst", "one.json"]);
    }

    #[test]
    fn a_label_has_its_old_state_until_its_new_one_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        let old = put(&shelf, "l.1", 1, step());
        let mut draft = shelf.draft().unwrap();
        draft.write_all(b"abcd").unwrap();
        let blake3 = blake3::hash(b"abcd").to_hex().to_string();
        let new = About { made: 2, bytes: 4, blake3, ..old.clone() };
        // A netlab that was killed between the two files.
        shelf.persist(draft, &shelf.state(&new)).unwrap();
        assert_eq!(shelf.find(None).unwrap(), old);
        shelf.verify(&old).unwrap();
        let mut draft = shelf.draft().unwrap();
        assert!(!shelf.state(&new).exists());
        draft.write_all(b"abcd").unwrap();
        shelf.put(draft, &new).unwrap();
        assert_eq!(shelf.find(None).unwrap(), new);
        shelf.verify(&new).unwrap();
        assert!(!shelf.state(&old).exists());
        // What can't be read may be a newer netlab's.
        put(&shelf, "two", 2, Occasion::Asked);
        fs::write(shelf.about_path(&new.label), b"{").unwrap();
        drop(shelf.draft().unwrap());
        assert!(shelf.state(&new).exists());
        assert_eq!(shelf.list().unwrap()[1].bytes, 4);
        assert_eq!(shelf.forget(&Forget::One(new.label.clone())).unwrap().len(), 1);
        assert!(!shelf.state(&new).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let shelf = shelf(&folder);
        put(&shelf, "one", 1, Occasion::Asked);
        for path in shelf.files().unwrap() {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        }
        assert_eq!(shelf.folder().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_take_too_much() {
        let of = |sizes: &[u64]| -> Vec<Checkpoint> {
            let of_size = |&bytes| Checkpoint { bytes, ..about().told() };
            sizes.iter().map(of_size).collect()
        };
        for (sizes, surplus_is) in [
            (&[][..], 0),
            (&[1, 1, 1][..], 0),
            (&[1, 1, 1, 1][..], 1),
            (&[9, 1, 1][..], 1),
            (&[1, 9, 1][..], 1),
            (&[1, 1, 99][..], 2),
        ] {
            let checkpoints = of(sizes);
            let all: Vec<_> = checkpoints.iter().collect();
            assert_eq!(surplus(&all, 3, 10), surplus_is, "{sizes:?}");
        }
    }
}
