//! `netlab doctor`

use std::sync::Arc;

use serde::Serialize;

use crate::context::Context;
use crate::doctor::{Doctor, offer};
use crate::error::{Error, Exit};
use crate::finding::{Finding, State};
use crate::image::{ImageError, ImageSource};
use crate::provider;
use crate::provider::qemu::{Artifacts, QemuOptions};
use crate::report::print;

/// Check what this computer has, and say how to mend what it lacks
///
/// With `--provider ssh` or `vagrant` it looks at that machine instead, and `--fix` installs there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Install what is missing with the system's own package manager
    #[arg(long)]
    pub fix: bool,
}

/// One finding, as `--json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    what: &'a str,
    state: &'static str,
    detail: &'a str,
    cure: Option<&'a str>,
}

/// Runs the verb.
///
/// # Errors
/// The examination itself can't be made, or QEMU can't be installed.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let name = context.name()?;
    if let Some(lent) = provider::lent(context, &name)? {
        if args.fix {
            lent.mend(context).await?;
        }
        return tell(&context.cancel.guard(lent.examine()).await?, context);
    }
    if args.fix {
        offer::qemu(context).await?;
    }
    let options = QemuOptions::from(&context.options);
    let guest = context.architecture();
    let images = ImageSource::new(context, guest);
    let doctor = Doctor {
        home: &context.home,
        name: &name,
        options: &options,
        guest,
        image: Arc::new(move || match images.found() {
            Ok(image) => Ok(Some(Artifacts::of(image, guest)?)),
            Err(ImageError::Absent) => Ok(None),
            Err(error) => Err(error.into()),
        }),
    };
    tell(&context.cancel.guard(doctor.examine(&context.reporter)).await?, context)
}

fn tell(findings: &[Finding], context: &Context) -> Result<Exit, Error> {
    if context.options.json {
        print::json("doctor", &findings.iter().map(Row::from).collect::<Vec<_>>())?;
    } else {
        for finding in findings {
            print::foreign(&lines(finding))?;
        }
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { Exit::HostLacks } else { Exit::Good })
}

impl<'a> From<&'a Finding> for Row<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            what: &finding.what,
            state: word(finding.state),
            detail: &finding.detail,
            cure: finding.cure.as_deref(),
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Good => "ok",
        State::Warning => "warning",
        State::Bad => "bad",
    }
}

fn lines(finding: &Finding) -> String {
    let line = format!("{:8} {}: {}\n", word(finding.state), finding.what, finding.detail);
    let cure = finding.cure.as_ref().map(|cure| format!("{:8} try: {cure}\n", ""));
    line + &cure.unwrap_or_default()
}
