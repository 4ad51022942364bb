//! What netlab keeps on this host's disk that takes space: images, their packages, templates and
//! checkpoints. The rule: nothing goes that a running process has on its command line, as QEMU has
//! the files that it maps and reads (its folder's name is looked for, since two paths may lead to one
//! cache); and a checkpoint is the user's, so it never goes by itself.

use std::time::SystemTime;

use netlab_images::{Holding, HoldingKind};

use crate::context::Context;
use crate::error::Error;
use crate::image::ImageSource;
use crate::platform::CommandLines;
use crate::provider;
use crate::provider::qemu::template::{Form, Shelved, TemplateError, Templates};

/// What a thing in stock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A guest's kernel, initramfs and root.
    Image,
    /// Packages that images are made of, taken together.
    Packages,
    /// A saved guest from which others go on.
    Template,
    /// A saved guest of the user's.
    Checkpoint,
    /// What was never finished.
    Unfinished,
}

/// What is to be known before it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A running guest has it open.
    InUse,
    /// The next start or build takes it.
    Current,
    /// Nothing takes it any more, but another netlab, image or QEMU.
    Old,
    /// It is not what it should be.
    Broken,
}

/// A thing in stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its key, or whatever it is known by.
    pub name: String,
    /// What else there is to say.
    pub about: String,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it was last used.
    pub used: Option<SystemTime>,
    /// Its state.
    pub state: State,
}

/// Lists all that is in stock.
///
/// # Errors
/// What can't be read.
pub fn list(context: &Context) -> Result<Vec<Item>, Error> {
    let running = CommandLines::now().map_err(TemplateError::from)?;
    let templates = Templates::of(&context.home);
    let images = ImageSource::new(context, context.architecture());
    let mut items = images_and_packages(images.holdings()?, &running);
    let taken = images.saved_from()?;
    items.extend(templates.list()?.iter().map(|shelved| template(shelved, &taken, &running)));
    let unfinished = templates.unfinished_bytes()?;
    if unfinished > 0 {
        items.push(half_made(unfinished));
    }
    for name in provider::saved_instances(&context.home)? {
        let provider = provider::open(context, &name)?;
        let Some(emulator) = provider.machine().emulator() else { continue };
        for checkpoint in emulator.checkpoints()? {
            items.push(Item {
                kind: Kind::Checkpoint,
                name: format!("{name} {}", checkpoint.label),
                about: checkpoint.problem.clone().unwrap_or_default(),
                bytes: checkpoint.bytes,
                used: checkpoint.made.map(seconds_since_1970),
                state: if checkpoint.problem.is_some() { State::Broken } else { State::Current },
            });
        }
    }
    Ok(items)
}

/// Removes what is old or broken, and with `all` also what the next start would take. Returns what
/// is gone.
///
/// # Errors
/// What can't be read or removed.
pub fn prune(context: &Context, all: bool) -> Result<Vec<Item>, Error> {
    let running = CommandLines::now().map_err(TemplateError::from)?;
    let templates = Templates::of(&context.home);
    let images = ImageSource::new(context, context.architecture());
    let taken = images.saved_from()?;
    let mut gone = Vec::new();
    for shelved in templates.list()? {
        let item = template(&shelved, &taken, &running);
        if goes(item.state, all) {
            templates.remove(&shelved.name)?;
            gone.push(item);
        }
    }
    let unwanted = |holding: &Holding| goes(state(holding, &running), all);
    let removed = images.prune(&unwanted, &context.reporter)?;
    gone.extend(images_and_packages(removed, &running));
    Ok(gone)
}

/// Whether something that may go does.
fn goes(state: State, all: bool) -> bool {
    match state {
        State::InUse => false,
        State::Current => all,
        State::Old | State::Broken => true,
    }
}

fn state(holding: &Holding, running: &CommandLines) -> State {
    match holding.kind {
        HoldingKind::Image if running.mention(&holding.name) => State::InUse,
        HoldingKind::Unfinished => State::Broken,
        HoldingKind::Image | HoldingKind::Package if holding.current => State::Current,
        HoldingKind::Image | HoldingKind::Package => State::Old,
    }
}

/// Images one by one; packages, of which there are more than a hundred, by their state.
fn images_and_packages(holdings: Vec<Holding>, running: &CommandLines) -> Vec<Item> {
    let mut items = Vec::new();
    let mut packages: Vec<(usize, Item)> = Vec::new();
    for holding in holdings {
        let state = state(&holding, running);
        let Holding { kind, name, bytes, used, .. } = holding;
        let about = String::new();
        match kind {
            HoldingKind::Image => {
                items.push(Item { kind: Kind::Image, name, about, bytes, used, state });
            }
            HoldingKind::Unfinished => {
                items.push(Item { kind: Kind::Unfinished, name, about, bytes, used, state });
            }
            HoldingKind::Package => match packages.iter_mut().find(|(_, sum)| sum.state == state) {
                Some((count, sum)) => {
                    *count += 1;
                    sum.bytes += bytes;
                    sum.used = sum.used.max(used);
                }
                None => {
                    let name = "debs".to_owned();
                    let kind = Kind::Packages;
                    packages.push((1, Item { kind, name, about, bytes, used, state }));
                }
            },
        }
    }
    items.extend(packages.into_iter().map(|(count, sum)| {
        let plural = if count == 1 { "" } else { "s" };
        Item { about: format!("{count} package{plural}"), ..sum }
    }));
    items
}

/// `taken` are the images that starts take, each with the agent for it.
fn template(shelved: &Shelved, taken: &[(String, &str)], running: &CommandLines) -> Item {
    let (state, about) = match &shelved.contents {
        None => (State::Broken, "its record can't be read".to_owned()),
        Some((form, source)) => {
            let how = match form {
                Form::Memory => "to be cloned",
                Form::Stream => "to be restored",
            };
            let current = taken.iter().any(|(image, agent)| source.is_current(image, agent));
            let state = if current { State::Current } else { State::Old };
            (state, format!("{how} by QEMU {}", source.qemu.version))
        }
    };
    let state = if running.mention(&shelved.name) { State::InUse } else { state };
    let Shelved { name, bytes, used, .. } = shelved.clone();
    Item { kind: Kind::Template, name, about, bytes, used, state }
}

fn half_made(bytes: u64) -> Item {
    Item {
        kind: Kind::Unfinished,
        name: "templates".to_owned(),
        about: "being made, or left half-made".to_owned(),
        bytes,
        used: None,
        state: State::Broken,
    }
}

fn seconds_since_1970(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::qemu::Version;
    use crate::provider::qemu::discover::{Qemu, modified};
    use crate::provider::qemu::template::Source;

    fn holding(kind: HoldingKind, name: &str, bytes: u64, current: bool) -> Holding {
        let path = name.into();
        Holding { kind, name: name.to_owned(), path, bytes, used: None, current }
    }

    #[test]
    fn nothing_in_use_goes_and_what_is_current_only_with_all() {
        let rows = [
            (State::InUse, false, false),
            (State::Current, false, true),
            (State::Old, true, true),
            (State::Broken, true, true),
        ];
        for (state, without, with) in rows {
            assert_eq!((goes(state, false), goes(state, true)), (without, with), "{state:?}");
        }
    }

    #[test]
    fn packages_are_summed_and_images_are_not() {
        let running = CommandLines::from(["qemu", "-kernel", "/c/images/amd64-1/vmlinux"]);
        let holdings = vec![
            holding(HoldingKind::Image, "amd64-1", 5, false),
            holding(HoldingKind::Image, "amd64-2", 6, true),
            holding(HoldingKind::Package, "a.deb", 1, true),
            holding(HoldingKind::Package, "b.deb", 2, true),
            holding(HoldingKind::Package, "c.deb", 4, false),
            holding(HoldingKind::Unfinished, ".unfinished-1", 7, false),
        ];
        let items = images_and_packages(holdings, &running);
        let rows: Vec<_> = items
            .iter()
            .map(|it| (it.kind, it.name.as_str(), it.about.as_str(), it.bytes, it.state))
            .collect();
        assert_eq!(
            rows,
            [
                (Kind::Image, "amd64-1", "", 5, State::InUse),
                (Kind::Image, "amd64-2", "", 6, State::Current),
                (Kind::Unfinished, ".unfinished-1", "", 7, State::Broken),
                (Kind::Packages, "debs", "2 packages", 3, State::Current),
                (Kind::Packages, "debs", "1 package", 4, State::Old),
            ]
        );
    }

    #[test]
    fn a_template_is_current_for_one_image_and_in_use_while_it_is_mapped() {
        let path = std::env::current_exe().unwrap();
        let qemu =
            Qemu { modified: modified(&path), path, version: Version(7, 2, 22), sandbox: true };
        let source = Source { image: "i".to_owned(), agent: "a".to_owned(), qemu };
        let shelved = Shelved {
            name: "k".to_owned(),
            path: "/t/k".into(),
            bytes: 3,
            used: None,
            contents: Some((Form::Memory, source)),
        };
        let broken = Shelved { contents: None, ..shelved.clone() };
        let none = CommandLines::default();
        let mapped = CommandLines::from(["mem-path=/t/k/ram"]);
        let rows = [
            (&shelved, "i", &none, State::Current, "to be cloned by QEMU 7.2.22"),
            (&shelved, "j", &none, State::Old, "to be cloned by QEMU 7.2.22"),
            (&shelved, "j", &mapped, State::InUse, "to be cloned by QEMU 7.2.22"),
            (&broken, "i", &none, State::Broken, "its record can't be read"),
            (&broken, "i", &mapped, State::InUse, "its record can't be read"),
        ];
        for (shelved, image, running, state, about) in rows {
            let taken = [("other".to_owned(), "b"), (image.to_owned(), "a")];
            let item = template(shelved, &taken, running);
            assert_eq!((item.state, item.about.as_str()), (state, about));
        }
    }
}
