//! The guest's image, as the host sees it: found in the cache or built there, with its progress
//! told. How it is built is the `netlab-images` crate's business.

use std::path::{Path, PathBuf};

use netlab_images::{
    Arch, BuildOptions, BundleError, BundleSummary, Holding, Image, LockSummary, Progress,
    ProgressEvent, Store, VerifyReport,
};

use crate::agent::binary::{self, Binaries, NotBuiltIn};
use crate::cancel::{Cancel, Interrupted};
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::platform::Architecture;
use crate::report::{Event, Reporter};

/// What can go wrong with the image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The builder failed.
    #[error("the guest's image could not be made ready: {0}")]
    Builder(netlab_images::Error),
    /// A bundle can't be written or used.
    #[error(transparent)]
    Bundle(BundleError),
    /// This netlab has no init for such a guest.
    #[error(transparent)]
    NotBuiltIn(#[from] NotBuiltIn),
    /// The image has not been built yet.
    #[error("the guest's image has not been built yet")]
    Absent,
    /// The builder's thread died.
    #[error("the image builder stopped unexpectedly")]
    Stopped(#[source] tokio::task::JoinError),
}

impl From<netlab_images::Error> for ImageError {
    fn from(error: netlab_images::Error) -> Self {
        match error {
            netlab_images::Error::Bundle(error) => Self::Bundle(error),
            error => Self::Builder(error),
        }
    }
}

impl Hint for ImageError {
    fn hint(&self) -> String {
        match self {
            Self::Builder(error) => error.hint(),
            Self::Bundle(error) => error.hint(),
            Self::NotBuiltIn(error) => error.hint(),
            Self::Absent => "build it with `netlab image build`".to_owned(),
            Self::Stopped(_) => {
                "run the same command again; this is a mistake of netlab".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Bundle(BundleError::Taken { .. }) => Exit::Usage,
            Self::Builder(_)
            | Self::Bundle(_)
            | Self::NotBuiltIn(_)
            | Self::Absent
            | Self::Stopped(_) => Exit::HostLacks,
        }
    }
}

/// Where the image of this netlab comes from.
#[derive(Clone)]
pub struct ImageSource {
    cache: PathBuf,
    guest: Architecture,
    options: BuildOptions,
    cancel: Cancel,
}

impl From<Architecture> for Arch {
    fn from(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86_64 => Self::Amd64,
            Architecture::Aarch64 => Self::Arm64,
        }
    }
}

impl ImageSource {
    /// The source of the image for such guests, as the options of this run describe it.
    pub fn new(context: &Context, guest: Architecture) -> Self {
        let options = BuildOptions {
            arch: guest.into(),
            mirror: context.options.mirror.clone(),
            lock: context.options.image_lock.clone(),
            bundle: context.options.bundle.clone(),
        };
        Self { cache: context.home.cache(), guest, options, cancel: context.cancel.clone() }
    }

    /// The image if it is there.
    ///
    /// # Errors
    /// [`ImageError::Absent`], or a cache that can't be read.
    pub fn found(&self) -> Result<Image, ImageError> {
        self.store().find(&self.options, self.init()?)?.ok_or(ImageError::Absent)
    }

    /// Names the image's files, whether they have been built or not.
    ///
    /// # Errors
    /// A lock that can't be read.
    pub fn place(&self) -> Result<Image, ImageError> {
        Ok(self.store().image(&self.options, self.init()?)?)
    }

    /// Finds the image, or builds it, and checks that it is as it was built.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn ensure(&self, reporter: &Reporter) -> Result<Image, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (store, told) = (self.store(), self.told(reporter));
        self.finish(store.build(&self.options, self.init()?, &told))
    }

    /// Builds the image a second time and compares every byte.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn verify(&self, reporter: &Reporter) -> Result<VerifyReport, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (store, told) = (self.store(), self.told(reporter));
        self.finish(store.verify_rebuild(&self.options, self.init()?, &told))
    }

    /// Resolves the recipe anew and writes a lock.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn lock(&self, output: &Path, reporter: &Reporter) -> Result<LockSummary, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let (arch, mirror) = (self.options.arch, self.options.mirror.as_deref());
        self.finish(netlab_images::lock(arch, mirror, output, &self.told(reporter)))
    }

    /// Writes a bundle of the packages that images for such guests are made of, and of labs, each an
    /// id and a text.
    ///
    /// # Errors
    /// [`ImageError`], or an interruption.
    pub fn bundle(
        &self,
        guests: &[Architecture],
        labs: &[(String, String)],
        output: &Path,
        reporter: &Reporter,
    ) -> Result<BundleSummary, Error> {
        let _unsettled = self.cancel.hold().ok_or(Interrupted)?;
        let options =
            |&guest: &Architecture| BuildOptions { arch: guest.into(), ..self.options.clone() };
        let images: Vec<BuildOptions> = guests.iter().map(options).collect();
        self.finish(self.store().bundle(&images, labs, output, &self.told(reporter)))
    }

    /// Lists images and packages, the old ones as well.
    ///
    /// # Errors
    /// A cache or lock that can't be read.
    pub fn holdings(&self) -> Result<Vec<Holding>, ImageError> {
        Ok(self.store().holdings(&self.taken_by_init())?)
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
        self.finish(store.prune(&self.taken_by_init(), unwanted, &told))
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

    /// What templates that starts take are made from: keys of images, each with the digest of its
    /// agent.
    ///
    /// # Errors
    /// A lock that can't be read.
    pub fn saved_from(&self) -> Result<Vec<(String, &'static str)>, ImageError> {
        let store = self.store();
        let taken = self.taken().into_iter().map(|(options, binaries)| {
            Ok((store.image(&options, binaries.init)?.key, binaries.agent_sha256))
        });
        taken.collect()
    }

    /// How the images that starts take are built: one for each architecture of which this netlab has
    /// the guest's programs.
    fn taken(&self) -> Vec<(BuildOptions, &'static Binaries)> {
        let taken = Architecture::ALL.into_iter().filter_map(|guest| {
            let binaries = binary::of(guest).ok()?;
            // A lock that the user named is for one architecture.
            let lock = self.options.lock.clone().filter(|_| guest == self.guest);
            let options = BuildOptions { arch: guest.into(), lock, ..self.options.clone() };
            Some((options, binaries))
        });
        taken.collect()
    }

    fn taken_by_init(&self) -> Vec<(BuildOptions, &'static [u8])> {
        self.taken().into_iter().map(|(options, binaries)| (options, binaries.init)).collect()
    }

    fn init(&self) -> Result<&'static [u8], NotBuiltIn> {
        Ok(binary::of(self.guest)?.init)
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
            outcome => Ok(outcome.map_err(ImageError::from)?),
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
