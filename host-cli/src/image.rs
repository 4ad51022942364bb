//! The guest's image, as the host sees it: found in the cache or built there, with its progress
//! told. How it is built is the `netlab-images` crate's business.

use std::path::{Path, PathBuf};

use netlab_images::{
    Arch, BuildOptions, Holding, Image, LockSummary, Progress, ProgressEvent, Store, VerifyReport,
};

use crate::agent::binary;
use crate::cancel::{Cancel, Interrupted};
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::report::{Event, Reporter};

/// What can go wrong with the image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The builder failed.
    #[error("the guest's image could not be made ready: {0}")]
    Builder(#[from] netlab_images::Error),
    /// The image has not been built yet.
    #[error("the guest's image has not been built yet")]
    Absent,
    /// The builder's thread died.
    #[error("the image builder stopped unexpectedly")]
    Stopped(#[source] tokio::task::JoinError),
}

impl Hint for ImageError {
    fn hint(&self) -> String {
        match self {
            Self::Builder(error) => error.hint(),
            Self::Absent => "build it with `netlab image build`".to_owned(),
            Self::Stopped(_) => {
                "run the same command again; this is a mistake of netlab".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Builder(_) | Self::Absent | Self::Stopped(_) => Exit::HostLacks,
        }
    }
}

/// Where the image of this netlab comes from.
#[derive(Clone)]
pub struct ImageSource {
    cache: PathBuf,
    options: BuildOptions,
    cancel: Cancel,
}

impl ImageSource {
    /// The source that the options of this run describe.
    pub fn new(context: &Context) -> Self {
        let options = BuildOptions {
            arch: Arch::Amd64,
            mirror: context.options.mirror.clone(),
            lock: context.options.image_lock.clone(),
        };
        Self { cache: context.home.cache(), options, cancel: context.cancel.clone() }
    }

    /// The image if it is there.
    ///
    /// # Errors
    /// [`ImageError::Absent`], or a cache that can't be read.
    pub fn found(&self) -> Result<Image, ImageError> {
        self.store().find(&self.options, binary::INIT)?.ok_or(ImageError::Absent)
    }

    /// Names the image's files, whether they have been built or not.
    ///
    /// # Errors
    /// A lock that can't be read.
    pub fn place(&self) -> Result<Image, ImageError> {
        Ok(self.store().image(&self.options, binary::INIT)?)
    }

    /// Finds the image, or builds it, and checks that it is as it was built.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn ensure(&self, reporter: &Reporter) -> Result<Image, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (store, told) = (self.store(), self.told(reporter));
        self.finish(store.build(&self.options, binary::INIT, &told))
    }

    /// Builds the image a second time and compares every byte.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn verify(&self, reporter: &Reporter) -> Result<VerifyReport, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (store, told) = (self.store(), self.told(reporter));
        self.finish(store.verify_rebuild(&self.options, binary::INIT, &told))
    }

    /// Resolves the recipe anew and writes a lock.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn lock(
        &self,
        arch: Arch,
        output: &Path,
        reporter: &Reporter,
    ) -> Result<LockSummary, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let mirror = self.options.mirror.as_deref();
        self.finish(netlab_images::lock(arch, mirror, output, &self.told(reporter)))
    }

    /// Lists images and packages, the old ones as well.
    ///
    /// # Errors
    /// A cache or lock that can't be read.
    pub fn holdings(&self) -> Result<Vec<Holding>, ImageError> {
        Ok(self.store().holdings(&self.options, binary::INIT)?)
    }

    /// Removes those of them that are unwanted, and unfinished images. Returns what is gone.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn prune(
        &self,
        unwanted: &dyn Fn(&Holding) -> bool,
        reporter: &Reporter,
    ) -> Result<Vec<Holding>, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (store, told) = (self.store(), self.told(reporter));
        self.finish(store.prune(&self.options, binary::INIT, unwanted, &told))
    }

    /// Runs one of the jobs above, which take seconds, on a thread of its own.
    ///
    /// # Errors
    /// [`ImageError::Stopped`], or what the job returns.
    pub async fn on_a_thread<T: Send + 'static>(
        &self,
        reporter: &Reporter,
        job: impl FnOnce(&Self, &Reporter) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (source, reporter) = (self.clone(), reporter.clone());
        let work = tokio::task::spawn_blocking(move || job(&source, &reporter));
        work.await.map_err(ImageError::Stopped)?
    }

    fn store(&self) -> Store {
        Store::new(self.cache.clone())
    }

    fn told(&self, reporter: &Reporter) -> Told {
        Told { reporter: reporter.clone(), cancel: self.cancel.clone() }
    }

    fn finish<T>(&self, outcome: Result<T, netlab_images::Error>) -> Result<T, Error> {
        match outcome {
            Err(_) if self.cancel.is_cancelled() => Err(Interrupted.into()),
            outcome => Ok(outcome.map_err(ImageError::Builder)?),
        }
    }
}

/// Tells the builder's progress to the renderer, and the builder of an interruption.
struct Told {
    reporter: Reporter,
    cancel: Cancel,
}

impl Progress for Told {
    fn event(&self, event: ProgressEvent) {
        self.reporter.emit(match event {
            ProgressEvent::Download { done, total, files_done, files } => {
                Event::Download { done, total, files_done: files_done as u64, files: files as u64 }
            }
            ProgressEvent::Resolving => Event::ImageStage { stage: "resolve".to_owned() },
            ProgressEvent::Stage(stage) => Event::ImageStage { stage: stage.to_owned() },
            ProgressEvent::Waiting => {
                Event::Note { text: "waiting for another netlab that builds the image".to_owned() }
            }
            ProgressEvent::Done => return,
            ProgressEvent::Note(text) => Event::Note { text },
        });
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
