//! Saving a guest. The rule: it runs while its memory is written, and whatever goes wrong, it runs
//! on afterwards.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::super::channel::unix_nanos;
use super::super::migrate::{self, Contents};
use super::super::packed::packing;
use super::super::qmp::{Migration, Qmp};
use super::super::reconcile::{State, settle};
use super::super::start::blocking;
use super::super::{QemuError, QemuProvider, room};
use super::about::{About, CHECKPOINT_VERSION, Maker};
use super::digested::{Digest, Digested};
use super::error::CheckpointError;
use super::keys::Keys;
use super::shelf::{Shelf, failed};
use crate::error::Error;
use crate::guest::NotUp;
use crate::instance::{InstanceLock, Patience, Record, Use};
use crate::provider::checkpoint::{Label, Occasion, Saved, Wanted};
use crate::report::Reporter;

/// Free disk space without which no checkpoint is begun, in MiB: one of demo 3 takes 40. One of a
/// guest whose memory is full of what can't be packed takes up to 512, and fails if they are not there.
const DISK_MIB: u64 = 128;

/// What can't be done when QEMU does not answer.
const ASKING: &str = "can't ask QEMU to save the guest";

/// Time for QEMU to give up a state that nobody takes any more.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(5);

/// Time between two questions whether it has.
const ASK_EVERY: Duration = Duration::from_millis(5);

impl QemuProvider {
    /// Saves the guest, which runs on.
    pub(in super::super) async fn save_guest(
        &self,
        wanted: Wanted,
        reporter: &Reporter,
    ) -> Result<Saved, Error> {
        let begun = Instant::now();
        self.check_available(None)?;
        let not_up = || NotUp { name: self.paths.name().to_string(), host: None };
        let patience = Patience::Wait(reporter);
        let lock = InstanceLock::of_existing(&self.paths, patience).await?.ok_or_else(not_up)?;
        let State::Up { record, port, .. } = settle(&lock, &self.paths, reporter).await? else {
            return Err(not_up().into());
        };
        self.check_available(Some(record.accelerator))?;
        let maker = Maker::of_guest(&record).ok_or_else(|| CheckpointError::Unavailable {
            why: "an older netlab started it and did not note down what it is made of".to_owned(),
        })?;
        let shelf = self.shelf();
        let (label, occasion) = place(&shelf, wanted)?;
        let draft = shelf.draft()?;
        let free = room::available_disk_mib(shelf.folder())?;
        if free < DISK_MIB {
            let (folder, needed_mib, available_mib) = (shelf.folder().to_owned(), DISK_MIB, free);
            return Err(QemuError::Disk { folder, needed_mib, available_mib }.into());
        }
        let keys = Keys::of(&self.paths)?;
        let mut client = self.client(&record).await?;
        let path = draft.path().to_owned();
        let file = draft.as_file().try_clone().map_err(failed("write", &path))?;
        let written = self.write(&mut client, file.into(), &path).await;
        // Now or never: a guest that stands still has to go on before anything else is told.
        if go_on(&mut client).await.is_err() {
            // The channel may be what broke, so once more over another one.
            drop(client);
            client = self.control(&record, ASKING).await?;
            go_on(&mut client).await?;
        }
        let Digest { bytes, blake3 } = written?;
        // Only now: what was begun while the state was written is in it.
        let usage = Use::of(&self.paths)?;
        let about = About {
            version: CHECKPOINT_VERSION,
            label,
            occasion,
            made: unix_nanos(),
            bytes,
            blake3,
            maker,
            usage,
            tier: record.tier,
            template: record.template,
            port,
            keys,
        };
        let told = about.told();
        let put = move || {
            shelf.put(draft, &about)?;
            Ok(shelf.bound_automatic()?)
        };
        blocking("keeping the checkpoint", put).await?;
        let paused = client.stood_still().unwrap_or_default();
        Ok(Saved { checkpoint: told, paused, took: begun.elapsed() })
    }

    /// A client of the QEMU that runs the guest, which must not stand still.
    async fn client(&self, record: &Record) -> Result<Qmp, QemuError> {
        let mut client = self.control(record, ASKING).await?;
        let status = client.status().await;
        match status.map_err(|source| QemuError::Control { doing: ASKING, source })?.as_str() {
            "running" => Ok(client),
            status => Err(QemuError::NotRunning { status: status.to_owned() }),
        }
    }

    /// Packs the guest's state into a file.
    async fn write(
        &self,
        client: &mut Qmp,
        file: tokio::fs::File,
        path: &Path,
    ) -> Result<Digest, Error> {
        let mut packing = packing(Digested::new(file));
        let socket = self.paths.state_socket();
        let contents = Contents::Everything;
        let saved = migrate::save_running(client, &socket, contents, &mut packing, path).await;
        if saved.is_ok() {
            // The last of it is packed and written while the guest runs.
            go_on(client).await?;
        }
        match saved {
            Err(QemuError::File { action, path, source }) => {
                Err(CheckpointError::File { action, path, source }.into())
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                packing.shutdown().await.map_err(failed("write", path))?;
                Ok(packing.into_inner().digest())
            }
        }
    }
}

/// Lets a guest run that does not, once QEMU is done with its state.
async fn go_on(client: &mut Qmp) -> Result<(), QemuError> {
    let failed = |source| QemuError::Control { doing: "can't let the guest run on", source };
    let deadline = Instant::now() + GIVES_UP_WITHIN;
    while client.migration().await.map_err(failed)? == Migration::Underway
        && Instant::now() < deadline
    {
        tokio::time::sleep(ASK_EVERY).await;
    }
    if client.status().await.map_err(failed)? != "running" {
        client.go_on().await.map_err(failed)?;
    }
    Ok(())
}

/// The label of a new checkpoint, and why it is made.
fn place(shelf: &Shelf, wanted: Wanted) -> Result<(Label, Occasion), CheckpointError> {
    match wanted {
        Wanted::Asked(label) => {
            let taken = shelf.labels()?;
            let label = label.unwrap_or_else(|| Label::next(&taken));
            if !label.is_a_users() {
                return Err(CheckpointError::NotYours(label));
            }
            if taken.contains(&label) {
                return Err(CheckpointError::Exists(label));
            }
            shelf.check_room()?;
            Ok((label, Occasion::Asked))
        }
        Wanted::Step { lab, plan, step, number } => {
            Ok((Label::before_step(&lab, number), Occasion::Step { lab, plan, step }))
        }
    }
}
