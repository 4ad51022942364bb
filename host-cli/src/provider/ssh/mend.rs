//! Gives a machine of the user's what it lacks, with its own package manager. The rule: nothing is
//! installed without a yes, and the user sees the very commands that run.

use std::io;

use super::SshProvider;
use super::packages::cure;
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::report::{Event, print, prompt};
use crate::ssh;

/// Why a machine could not be given what it lacks.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// Nobody could be asked.
    #[error("nobody can be asked whether `{line}` may run on `{host}`")]
    NobodyToAsk {
        /// The machine.
        host: String,
        /// What would run.
        line: String,
    },
    /// The user said no.
    #[error("`{line}` was not wanted on `{host}`")]
    Declined {
        /// The machine.
        host: String,
        /// What would have run.
        line: String,
    },
    /// The question could not be asked.
    #[error("can't ask on the terminal")]
    Terminal(#[source] io::Error),
    /// A command failed.
    #[error("`{line}` failed on `{host}` (exit status {status})")]
    Failed {
        /// The machine.
        host: String,
        /// What ran.
        line: String,
        /// How it ended.
        status: u8,
    },
}

impl Hint for MendError {
    fn hint(&self) -> String {
        match self {
            Self::NobodyToAsk { line, .. } | Self::Declined { line, .. } => {
                format!("give `--yes`, or run `{line}` there yourself")
            }
            Self::Terminal(_) => "give `--yes`".to_owned(),
            Self::Failed { line, .. } => {
                format!("see its own message above; then run `{line}` there yourself")
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NobodyToAsk { .. }
            | Self::Declined { .. }
            | Self::Terminal(_)
            | Self::Failed { .. } => Exit::HostLacks,
        }
    }
}

impl SshProvider {
    /// Installs and starts what is missing, with `--yes` or after a question on a terminal.
    ///
    /// # Errors
    /// [`MendError`], a machine that no lab can run on, or a lost connection.
    pub async fn mend(&self, context: &Context) -> Result<(), Error> {
        let endpoint = self.endpoint(true).await?;
        let (connection, survey) = self.look(&endpoint).await?;
        if connection.first_seen().is_some() {
            let host = &self.target.host;
            let text = format!("the host key of `{host}` was not known: pinned now");
            context.reporter.emit(Event::Note { text });
        }
        survey.check(&self.target.host, &endpoint.user)?;
        let lines = cure(&survey);
        if lines.is_empty() {
            return Ok(());
        }
        self.consent(lines.join(" && "), context).await?;
        // Not dropped on Ctrl-C: a package manager cut short leaves the machine half-installed.
        for line in lines {
            let host = &self.target.host;
            context.reporter.emit(Event::Note { text: format!("on `{host}`: {line}") });
            // Standard output stays free for results; with standard error gone nobody is there to see.
            let tell = |line: &[u8]| drop(print::said(line));
            let status = ssh::run_aloud(&connection, &line, tell).await?;
            if status != 0 {
                return Err(MendError::Failed { host: host.clone(), line, status }.into());
            }
        }
        Ok(())
    }

    async fn consent(&self, line: String, context: &Context) -> Result<(), Error> {
        let host = self.target.host.clone();
        if context.options.yes {
            return Ok(());
        }
        if !context.terminal.is_interactive() || context.options.json {
            return Err(MendError::NobodyToAsk { host, line }.into());
        }
        let question = format!("Run `{line}` on `{host}`?");
        // On a thread of its own, so that Ctrl-C is heard: a read of the keyboard can't be called back.
        let answered = async {
            let answer = tokio::task::spawn_blocking(move || prompt::yes(&question)).await;
            Ok::<_, Error>(answer.map_err(io::Error::other).flatten().map_err(MendError::Terminal)?)
        };
        if context.cancel.guard(answered).await? {
            Ok(())
        } else {
            Err(MendError::Declined { host, line }.into())
        }
    }
}
