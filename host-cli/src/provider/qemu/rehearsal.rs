//! The command line that a start would run. The rule: it is put together from what is known, so that
//! it can be had on a machine with nothing built, and nothing is fetched, built or booted for it.

use std::sync::Arc;

use tokio::time::Instant;

use super::command::{Machine, Memory, Origin};
use super::discover::Qemu;
use super::making::Making;
use super::probe::{Choice, Foresight, Trials};
use super::start::Prepared;
use super::template::Form;
use super::{QemuProvider, start};
use crate::error::Error;
use crate::report::{Event, Reporter};

impl QemuProvider {
    /// The program and its arguments; what is not known yet is said in a note.
    pub(super) async fn rehearse(
        &self,
        qemu: &Qemu,
        reporter: &Reporter,
    ) -> Result<Vec<String>, Error> {
        let note = |text| reporter.emit(Event::Note { text });
        let (place, guest) = (Arc::clone(&self.sources.place), self.guest());
        let artifacts = start::blocking("naming the image", move || place(guest)).await?;
        if !artifacts.kernel.exists() {
            note("the guest's image has not been built yet: `netlab up` does it first".to_owned());
        }
        let trials = Trials { home: &self.home, qemu, artifacts: &artifacts, reporter };
        let Foresight { accelerator, is_known } = trials.foresee(self.options.accelerator)?;
        if !is_known {
            note(format!(
                "whether {} works here has not been tried yet: `netlab up` does it first",
                accelerator.title()
            ));
        }
        let choice = Choice { accelerator, cached: is_known };
        let prepared = Prepared { qemu: qemu.clone(), artifacts, choice };
        let machine = self.machine(qemu, &prepared.artifacts, accelerator, &start::uuid());
        let machine = match self.saved_memory(&prepared, reporter)? {
            Some(memory) => Machine { memory, origin: Origin::Saved, ..machine },
            None => machine,
        };
        let program = qemu.path.to_string_lossy().into_owned();
        Ok(std::iter::once(program).chain(machine.arguments()).collect())
    }

    /// Where the memory would be of a guest that goes on from a saved one; `None` for a boot.
    fn saved_memory(
        &self,
        prepared: &Prepared,
        reporter: &Reporter,
    ) -> Result<Option<Memory>, Error> {
        let Some(tier) = self.saved_tier(prepared)? else {
            return Ok(None);
        };
        let (form, begun, host) = (Form::of(tier), Instant::now(), self.tiers(prepared)?.host());
        let making = Making { provider: self, prepared, form, reporter, host, begun };
        let template = making.found()?;
        if template.is_none() {
            let text = "no guest has been saved to go on from yet: `netlab up` does it first";
            reporter.emit(Event::Note { text: text.to_owned() });
        }
        Ok(template.map(|template| match form {
            Form::Memory => Memory::Copied(template.ram()),
            Form::Stream => Memory::Private,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::instance::Home;
    use crate::platform::{Accelerator, Architecture, Platform};
    use crate::provider::qemu::{Artifacts, QemuOptions, Sources, Version};
    use crate::report::Renderer;

    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Renderer for Notes {
        fn event(&mut self, event: &Event) -> io::Result<()> {
            match event {
                Event::Note { text } => self.0.lock().unwrap().push(text.clone()),
                other => panic!("{other:?}"),
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_machine_with_nothing_built_gets_a_command_line_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        let image = Artifacts {
            architecture: Architecture::HOST,
            kernel: "/c/vmlinux".into(),
            initramfs: "/c/initramfs".into(),
            root: "/c/root.squashfs".into(),
            digest: "abc".to_owned(),
            agent: "def".to_owned(),
        };
        let sources = Sources {
            image: Arc::new(|_, _| panic!("nothing is built")),
            place: Arc::new(move |_| Ok(image.clone())),
            keys: Arc::new(|_| panic!("no keys are made")),
            furnish: Arc::new(|_, _, _| panic!("no guest is started")),
        };
        let qemu =
            Qemu { path: "/bin/q".into(), version: Version(10, 0, 2), modified: 0, sandbox: true };
        let untried = "the guest's image has not been built yet: `netlab up` does it first";
        for forced in [None, Some(Accelerator::Tcg)] {
            let options = QemuOptions { accelerator: forced, ..QemuOptions::default() };
            let name = "a".parse().unwrap();
            let provider = QemuProvider::new(home.clone(), &name, options, sources.clone());
            let notes = Notes::default();
            let reporter = Reporter::new(Box::new(notes.clone()));
            let words = provider.rehearse(&qemu, &reporter).await.unwrap();
            assert_eq!(words[0], "/bin/q");
            assert!(words.contains(&"/c/vmlinux".to_owned()), "{words:?}");
            let best = forced.unwrap_or(Platform::HOST.accelerators()[0]);
            let accelerator = words.iter().position(|word| word == "-accel").unwrap() + 1;
            assert!(words[accelerator].starts_with(best.name()), "{words:?}");
            let unsaved = "no guest has been saved to go on from yet: `netlab up` does it first";
            let mut expected = vec![untried.to_owned()];
            if forced.is_none() {
                let title = best.title();
                expected.push(format!(
                    "whether {title} works here has not been tried yet: `netlab up` does it first"
                ));
            }
            if Platform::HOST.saves_guests() {
                expected.push(unsaved.to_owned());
            }
            assert_eq!(*notes.0.lock().unwrap(), expected);
        }
        assert!(!home.root().exists());
    }
}
