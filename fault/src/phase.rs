//! The phases of everything that starts, makes or ends something.

use std::fmt;

/// A moment between two steps of a command, at which a crash must cost nothing but the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `up` has the instance's lock, and has done nothing yet.
    UpLocked,
    /// A guest is being started.
    Start(Way, Moment),
    /// The guest that becomes a template has given up its keys, and waits to be saved.
    TemplateSettled,
    /// Its state is written, and its QEMU has ended.
    TemplateSaved,
    /// The template is whole, beside its place.
    TemplateDrafted,
    /// It is in its place, and the workshop not yet cleared.
    TemplatePlaced,
    /// A demo's lab is open in the guest.
    DemoOpened,
    /// A step of it has been asked for.
    DemoStep,
    /// All steps have run.
    DemoClosing,
    /// A checkpoint's state is written, and not yet in its place.
    CheckpointSaving,
    /// `down` has the lock, and the guest still runs.
    DownBegun,
    /// The guest has ended, all of its files are there.
    DownEnded,
    /// Half of its files are gone.
    DownHalf,
    /// `image build` has the first of its packages.
    ImageDownloading,
    /// All of them are there, and nothing is unpacked.
    ImageDownloaded,
    /// The image's first file is written, beside its place.
    ImageWriting,
    /// All of its files are.
    ImageWritten,
    /// `reset` has all that a fresh guest needs, and the old one still runs.
    ResetReady,
    /// The old one has ended, and the fresh one is not begun.
    ResetGone,
    /// The fresh one's agent has answered.
    ResetDone,
}

/// How a guest is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// By a boot.
    Cold,
    /// From a saved guest's packed stream.
    Restore,
    /// From a saved guest's memory file.
    Clone,
    /// By a boot, to become a template.
    Template,
}

/// A moment of a start. They come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The intent is on record, and QEMU is not started.
    Intent,
    /// QEMU runs, and its process is not on record.
    Spawned,
    /// Its process is on record, and nobody talks to it yet.
    Recorded,
    /// The guest is about to get its secrets.
    Secrets,
    /// It is up, and still ends with netlab.
    Started,
    /// It lives on without netlab, and nobody is logged in.
    LetGo,
    /// Netlab is logged in, and the agent not started.
    Connected,
    /// The agent has said hello.
    Hello,
}

impl Way {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Cold, Self::Restore, Self::Clone, Self::Template];

    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Restore => "restore",
            Self::Clone => "clone",
            Self::Template => "template",
        }
    }
}

impl Moment {
    /// Each of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Intent,
        Self::Spawned,
        Self::Recorded,
        Self::Secrets,
        Self::Started,
        Self::LetGo,
        Self::Connected,
        Self::Hello,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Spawned => "spawned",
            Self::Recorded => "recorded",
            Self::Secrets => "secrets",
            Self::Started => "started",
            Self::LetGo => "let-go",
            Self::Connected => "connected",
            Self::Hello => "hello",
        }
    }
}

/// What is `NETLAB_FAULT`'s word for it: the verb or way, a stroke, the moment.
impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::UpLocked => "up/locked",
            Self::Start(way, moment) => {
                return write!(formatter, "{}/{}", way.name(), moment.name());
            }
            Self::TemplateSettled => "template/settled",
            Self::TemplateSaved => "template/saved",
            Self::TemplateDrafted => "template/drafted",
            Self::TemplatePlaced => "template/placed",
            Self::DemoOpened => "demo/opened",
            Self::DemoStep => "demo/step",
            Self::DemoClosing => "demo/closing",
            Self::CheckpointSaving => "checkpoint/saving",
            Self::DownBegun => "down/begun",
            Self::DownEnded => "down/ended",
            Self::DownHalf => "down/half",
            Self::ImageDownloading => "image/downloading",
            Self::ImageDownloaded => "image/downloaded",
            Self::ImageWriting => "image/writing",
            Self::ImageWritten => "image/written",
            Self::ResetReady => "reset/ready",
            Self::ResetGone => "reset/gone",
            Self::ResetDone => "reset/done",
        };
        formatter.write_str(name)
    }
}
