//! The phases of everything that starts, makes or ends something.

use std::fmt;

/// Declares things with a word for each, which `NETLAB_FAULT` takes, and a list of them, of which none can
/// be left out.
macro_rules! named {
    (
        $(#[$about:meta])*
        $kind:ident, listed as $visible:vis $list:ident
        $(, beside [$(#[$more_doc:meta])* $more:ident($($part:ident: $of:ty),+) = $words:literal])?
        {
            $($(#[$doc:meta])* $value:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[$doc])* $value,)+
            $($(#[$more_doc])* $more($($of),+),)?
        }

        impl $kind {
            /// Each of them that has a word of its own, in their order.
            $visible const $list: [Self; [$($word),+].len()] = [$(Self::$value),+];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$value => formatter.write_str($word),)+
                    $(Self::$more($($part),+) => write!(formatter, $words, $($part),+),)?
                }
            }
        }
    };
}

named! {
    /// A moment between two steps of a command, at which a crash must cost nothing but the command.
    Phase, listed as ALONE,
    beside [
        /// A guest is being started: by which way, and how far that is.
        Start(way: Way, moment: Moment) = "{}/{}"
    ] {
        /// `up` has the instance's lock, and has done nothing yet.
        UpLocked = "up/locked",
        /// The guest that becomes a template has given up its keys, and waits to be saved.
        TemplateSettled = "template/settled",
        /// Its state is written, and its QEMU has ended.
        TemplateSaved = "template/saved",
        /// The template is whole, beside its place.
        TemplateDrafted = "template/drafted",
        /// It is in its place, and the workshop not yet cleared.
        TemplatePlaced = "template/placed",
        /// A demo's lab is open in the guest.
        DemoOpened = "demo/opened",
        /// A step of it has been asked for.
        DemoStep = "demo/step",
        /// All steps have run.
        DemoClosing = "demo/closing",
        /// A checkpoint's state is written, and not yet in its place.
        CheckpointSaving = "checkpoint/saving",
        /// `down` has the lock, and the guest still runs.
        DownBegun = "down/begun",
        /// The guest has ended, all of its files are there.
        DownEnded = "down/ended",
        /// Half of its files are gone.
        DownHalf = "down/half",
        /// `image build` has the first of its packages.
        ImageDownloading = "image/downloading",
        /// All of them are there, and nothing is unpacked.
        ImageDownloaded = "image/downloaded",
        /// The image's first file is written, beside its place.
        ImageWriting = "image/writing",
        /// All of its files are.
        ImageWritten = "image/written",
        /// `reset` has all that a fresh guest needs, and the old one still runs.
        ResetReady = "reset/ready",
        /// The old one has ended, and the fresh one is not begun.
        ResetGone = "reset/gone",
        /// The fresh one's agent has answered.
        ResetDone = "reset/done",
        /// `back` has found nothing wrong with the checkpoint, and the old guest still runs.
        BackReady = "back/ready",
        /// The old one has ended, and the saved one is not begun.
        BackGone = "back/gone",
    }
}

named! {
    /// How a guest is started.
    Way, listed as pub ALL {
        /// By a boot.
        Cold = "cold",
        /// From a saved guest's packed stream.
        Restore = "restore",
        /// From a saved guest's memory file.
        Clone = "clone",
        /// By a boot, to become a template.
        Template = "template",
    }
}

named! {
    /// A moment of a start. They come in this order.
    Moment, listed as pub ALL {
        /// The intent is on record, and QEMU is not started.
        Intent = "intent",
        /// QEMU runs, and its process is not on record.
        Spawned = "spawned",
        /// Its process is on record, and nobody talks to it yet.
        Recorded = "recorded",
        /// The guest is about to get its secrets.
        Secrets = "secrets",
        /// It is up, and still ends with netlab.
        Started = "started",
        /// It lives on without netlab, and nobody is logged in.
        LetGo = "let-go",
        /// Netlab is logged in, and the agent not started.
        Connected = "connected",
        /// The agent has said hello.
        Hello = "hello",
    }
}

impl Phase {
    /// Each of them that netlab comes to.
    pub fn all() -> impl Iterator<Item = Self> {
        let start = |way| Moment::ALL.map(|moment| Self::Start(way, moment));
        // A guest that is saved is never let go.
        let is_reached = |phase: &Self| *phase != Self::Start(Way::Template, Moment::LetGo);
        Way::ALL.into_iter().flat_map(start).filter(is_reached).chain(Self::ALONE)
    }
}
