//! What every verb is given: the options, where things are on disk, how to report, how to stop.

use crate::cancel::Cancel;
use crate::cli::Options;
use crate::died::Entered;
use crate::error::Error;
use crate::instance::{Home, InstancePaths, Name};
use crate::platform::Architecture;
use crate::provider::ssh::Target;
use crate::provider::{self, Kind, Provider};
use crate::report::{Reporter, Terminal};

/// The surroundings of one run.
#[derive(Clone)]
pub struct Context {
    /// Options that every verb takes.
    pub options: Options,
    /// Where netlab keeps its files.
    pub home: Home,
    /// What standard output and standard error are connected to.
    pub terminal: Terminal,
    /// The renderer of this run.
    pub reporter: Reporter,
    /// Whether the user has interrupted the run.
    pub cancel: Cancel,
    /// The guest that the run has gone into.
    pub entered: Entered,
}

impl Context {
    /// Looks around: where files go, what the output is connected to.
    ///
    /// # Errors
    /// No place for netlab's files can be found, or others can change what is there.
    pub fn new(mut options: Options, cancel: Cancel, reporter: Reporter) -> Result<Self, Error> {
        // A machine of the user's has a name of its own unless it is given one.
        if options.name == Name::DEFAULT {
            let name = match (options.provider, &options.host) {
                (Some(Kind::Vagrant), _) => Target::instance_name("vagrant"),
                (_, Some(host)) => Target::instance_name(host),
                (_, None) => None,
            };
            options.name = name.map_or(options.name, Into::into);
        }
        let (home, terminal) = (Home::from_environment()?, Terminal::detect());
        home.check_private()?;
        let entered = Entered::default();
        Ok(Self { home, options, terminal, reporter, cancel, entered })
    }

    /// The instance that `--name` names.
    ///
    /// # Errors
    /// A name that can't be one.
    pub fn name(&self) -> Result<Name, Error> {
        Ok(self.options.name.parse()?)
    }

    /// The architecture of a guest that is started anew.
    pub fn architecture(&self) -> Architecture {
        self.options.arch.unwrap_or(Architecture::HOST)
    }

    /// The files of the instance that `--name` names.
    ///
    /// # Errors
    /// A name that can't be one.
    pub fn paths(&self) -> Result<InstancePaths, Error> {
        Ok(self.home.instance(&self.name()?))
    }

    /// The same surroundings for another instance, as if `--name` had named it. What names a machine
    /// names that of one instance, so it does not count for another.
    pub fn named(&self, name: &Name) -> Self {
        let mut named = self.clone();
        let options = &mut named.options;
        if options.name != name.as_str() {
            (options.provider, options.host, options.ssh_config) = (None, None, None);
            options.name = name.to_string();
            named.entered = Entered::default();
        }
        named
    }

    /// The provider of the instance that `--name` names.
    ///
    /// # Errors
    /// A name that can't be one, or that is another machine's than the options say.
    pub fn provider(&self) -> Result<Box<dyn Provider>, Error> {
        provider::open(self, &self.name()?)
    }
}
