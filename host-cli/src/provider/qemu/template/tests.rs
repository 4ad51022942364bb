//! Templates on a disk, whole and damaged in every way.

use super::*;
use crate::error::{Exit, Hint as _};
use crate::instance::Patience;
use crate::provider::qemu::Version;
use crate::provider::qemu::discover::Qemu;
use std::time::Duration;

/// A home, and the template of one key in it.
struct Bench {
    folder: TempDir,
    templates: Templates,
    key: Key,
}

fn key(image: &str) -> Key {
    Key::of(&Ingredients {
        format: 1,
        form: Form::Memory,
        image: image.to_owned(),
        agent: "agent".to_owned(),
        qemu: Qemu {
            path: "/bin/q".into(),
            version: Version(7, 2, 22),
            modified: 1,
            sandbox: true,
        },
        host: None,
        arguments: Vec::new(),
    })
    .unwrap()
}

/// A key, and the place of its template's record.
pub fn record_of_one(home: &Home) -> (Key, PathBuf) {
    let key = key("image");
    let folder = home.templates().join(key.as_str());
    fs::create_dir_all(&folder).unwrap();
    (key, folder.join(RECORD))
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = Templates::of(&Home::at(folder.path().to_owned()));
        Self { folder, templates, key: key("image") }
    }

    async fn lock(&self) -> InstanceLock {
        let workshop = Home::at(self.folder.path().to_owned()).workshop();
        InstanceLock::acquire(&workshop, Patience::UpTo(Duration::ZERO)).await.unwrap()
    }

    async fn draft(&self) -> Draft {
        let draft = self.templates.draft(&self.lock().await).unwrap();
        let mut memory = vec![0; 300 << 10];
        memory[200 << 10] = 7;
        replace_file(&draft.ram(), &memory).unwrap();
        replace_file(&draft.state(), b"devices").unwrap();
        draft
    }

    async fn made() -> (Self, Template) {
        let bench = Self::new();
        let draft = bench.draft().await;
        let made = draft.finish(&bench.templates, &bench.key, Form::Memory, false).unwrap();
        (bench, made)
    }

    fn found(&self) -> Found {
        self.templates.find(&self.key).unwrap()
    }

    /// What is wrong by the first look.
    fn problem(&self) -> String {
        match self.found() {
            Found::Broken { problem } => problem,
            other => panic!("{other:?}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let home = Home::at(self.folder.path().to_owned());
        let mut names: Vec<_> = fs::read_dir(home.templates())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Puts other bytes in the place of a file, as closed to others as before.
fn replace(path: &Path, bytes: &[u8]) {
    replace_file(path, bytes).unwrap();
}

fn altered(path: &Path, how: &str) -> String {
    format!("the template's `{}` {how}", path.display())
}

#[tokio::test]
async fn a_template_is_found_as_it_was_made_and_nobody_may_write_it() {
    let (bench, made) = Bench::made().await;
    let Found::Whole(found) = bench.found() else { panic!("not whole") };
    assert_eq!(found, made);
    found.verify().unwrap();
    assert_eq!(bench.names(), [bench.key.as_str(), "w"]);
    for path in [found.ram(), found.state()] {
        assert!(path.metadata().unwrap().permissions().readonly(), "{}", path.display());
    }
    assert!(matches!(bench.templates.find(&key("another")).unwrap(), Found::Absent));
}

#[tokio::test]
async fn a_draft_that_is_dropped_leaves_nothing() {
    let bench = Bench::new();
    drop(bench.draft().await);
    assert_eq!(bench.names(), ["w"]);
}

#[tokio::test]
async fn a_draft_without_its_files_is_no_template_and_leaves_nothing() {
    let bench = Bench::new();
    let draft = bench.draft().await;
    let state = draft.state();
    fs::remove_file(&state).unwrap();
    let error = draft.finish(&bench.templates, &bench.key, Form::Memory, false).unwrap_err();
    let start = format!("can't finish `{}`: ", state.display());
    assert!(error.to_string().starts_with(&start), "{error}");
    assert_eq!(error.exit(), Exit::HostLacks);
    assert_eq!(bench.names(), ["w"]);
}

#[tokio::test]
async fn a_template_that_is_there_already_stays_and_the_second_one_goes() {
    let (bench, made) = Bench::made().await;
    let draft = bench.draft().await;
    draft.finish(&bench.templates, &bench.key, Form::Memory, false).unwrap_err();
    assert_eq!(bench.names(), [bench.key.as_str(), "w"]);
    made.verify().unwrap();
}

#[tokio::test]
async fn what_a_killed_netlab_left_is_swept_away() {
    let bench = Bench::new();
    let _left = bench.draft().await.folder.keep();
    assert!(bench.templates.unfinished_bytes().unwrap() > 0);
    let swept = bench.templates.sweep(&bench.lock().await).unwrap();
    assert_eq!(swept, ["a half-made template that an earlier netlab had left"]);
    assert_eq!(bench.names(), ["w"]);
    assert_eq!(bench.templates.unfinished_bytes().unwrap(), 0);
}

#[tokio::test]
async fn altered_files_of_the_same_size_are_found_by_their_digest() {
    for which in [RAM, STATE] {
        let (bench, made) = Bench::made().await;
        let path = made.ram().with_file_name(which);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        replace(&path, &bytes);
        let Found::Whole(found) = bench.found() else { panic!("seen by its size") };
        let error = found.verify().unwrap_err();
        assert_eq!(error.to_string(), altered(&path, "is not what was saved"));
        assert_eq!(error.exit(), Exit::GuestDown);
        assert!(error.hint().contains("netlab image prune --all"));
    }
}

#[tokio::test]
async fn truncated_vanished_and_misplaced_files_are_named_at_once() {
    for which in [RAM, STATE] {
        let (bench, made) = Bench::made().await;
        let path = made.ram().with_file_name(which);
        let bytes = fs::read(&path).unwrap();

        replace(&path, &bytes[1..]);
        assert_eq!(bench.problem(), altered(&path, "has another size"));
        let error = made.verify().unwrap_err();
        assert_eq!(error.to_string(), altered(&path, "has another size"));

        fs::remove_file(&path).unwrap();
        assert_eq!(bench.problem(), altered(&path, "is gone"));

        fs::create_dir(&path).unwrap();
        assert_eq!(bench.problem(), altered(&path, "is no plain file"));

        bench.templates.discard(&bench.key).unwrap();
        assert!(matches!(bench.found(), Found::Absent));
        assert_eq!(bench.names(), ["w"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_the_very_same_bytes_is_no_template() {
    let (bench, made) = Bench::made().await;
    let elsewhere = bench.folder.path().join("elsewhere");
    fs::rename(made.ram(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, made.ram()).unwrap();
    assert_eq!(bench.problem(), altered(&made.ram(), "is no plain file"));
    bench.templates.discard(&bench.key).unwrap();
    assert!(elsewhere.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_others_may_read_or_nobody_can_are_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let (bench, made) = Bench::made().await;
    let mode = |mode| fs::set_permissions(made.ram(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    assert_eq!(bench.problem(), altered(&made.ram(), "is open to others"));
    mode(0o000);
    // Root reads it all the same.
    if !platform::is_root() {
        let error = made.verify().unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't read `{}`", made.ram().display())), "{error}");
    }
}

#[tokio::test]
async fn records_that_are_gone_cut_or_of_another_template_are_named() {
    let (bench, made) = Bench::made().await;
    let path = made.ram().with_file_name(RECORD);
    let whole = fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() - 2], b"{}", b""] {
        replace(&path, bytes);
        assert_eq!(bench.problem(), altered(&path, "is no record of this netlab"));
    }
    let other = String::from_utf8(whole.clone()).unwrap().replace("\"image\"", "\"other\"");
    replace(&path, other.as_bytes());
    assert_eq!(bench.problem(), altered(&path, "is no record of this netlab"));
    let text = String::from_utf8(whole.clone()).unwrap().replace(r#": "image""#, r#": "other""#);
    replace(&path, text.as_bytes());
    assert_eq!(bench.problem(), altered(&path, "is of another one"));
    let without = String::from_utf8(whole).unwrap().replace(r#""name": "ram""#, r#""name": "x""#);
    replace(&path, without.as_bytes());
    assert_eq!(bench.problem(), altered(&path, "names other files"));
    fs::remove_file(&path).unwrap();
    assert_eq!(bench.problem(), altered(&path, "is gone"));
}

#[tokio::test]
async fn old_templates_go_and_used_ones_stay() {
    let (bench, made) = Bench::made().await;
    let [shelved] = bench.templates.list().unwrap().try_into().unwrap();
    assert_eq!((shelved.name.as_str(), &shelved.path), (bench.key.as_str(), &made.folder));
    assert_eq!(shelved.contents, Some((Form::Memory, bench.key.source().clone())));
    assert!(shelved.bytes > 0);

    let record = made.folder.join(RECORD);
    let old = SystemTime::now() - Duration::from_secs(31 * 24 * 3600);
    OpenOptions::new().append(true).open(&record).unwrap().set_modified(old).unwrap();
    assert!(matches!(bench.found(), Found::Whole(_)));
    assert_eq!(bench.templates.tidy().unwrap(), Vec::<String>::new());
    assert!(matches!(bench.found(), Found::Whole(_)));

    OpenOptions::new().append(true).open(&record).unwrap().set_modified(old).unwrap();
    bench.templates.tidy().unwrap();
    assert!(matches!(bench.found(), Found::Absent));
    assert_eq!(bench.templates.list().unwrap(), []);
}

#[test]
fn a_full_disk_is_named_with_its_cure() {
    let error =
        TemplateError::file("finish", Path::new("/c/ram"), io::ErrorKind::StorageFull.into());
    assert_eq!(error.to_string(), "can't finish `/c/ram`: no storage space");
    assert_eq!(error.hint(), "free some space on the disk of `/c/ram`");
    assert_eq!(error.exit(), Exit::HostLacks);
}
