//! `netlab bundle`

use std::path::{Path, PathBuf};

use netlab_images::BundleSummary;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::image::ImageSource;
use crate::lab;
use crate::platform::Architecture;
use crate::report::{print, size};

/// Write one file from which another computer makes the guest's image without a network
///
/// Use it there with `--bundle FILE`, which every verb takes that would make the image.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write it
    #[arg(value_name = "FILE", default_value = "netlab.bundle")]
    pub file: PathBuf,
    /// Architecture of guests (amd64, arm64) that it is for, instead of this computer's own; may be
    /// given twice
    #[arg(long, env = "NETLAB_ARCH", value_name = "NAME")]
    pub arch: Vec<Architecture>,
    /// Lab file to take along, known by its id there; may be given several times
    #[arg(long = "lab", value_name = "LAB")]
    pub labs: Vec<String>,
}

/// Two labs would be known by one id.
#[derive(Debug, thiserror::Error)]
#[error("the lab `{file}` has the id `{id}`, as another lab has")]
struct IdTaken {
    /// The file.
    file: String,
    /// Its id.
    id: String,
}

impl Hint for IdTaken {
    fn hint(&self) -> String {
        format!("give the lab in `{}` an id of its own", self.file)
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A bundle, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    path: String,
    bytes: u64,
    sha256: String,
    architectures: Vec<String>,
    labs: Vec<String>,
}

impl Row {
    fn new(summary: BundleSummary, file: &Path) -> Self {
        let BundleSummary { bytes, sha256, images, labs } = summary;
        Self {
            path: file.display().to_string(),
            bytes,
            sha256,
            architectures: images.into_iter().map(|image| image.arch).collect(),
            labs: labs.into_iter().map(|lab| lab.id).collect(),
        }
    }

    fn sentences(&self) -> String {
        let Self { path, bytes, sha256, architectures, labs } = self;
        let (size, guests) = (size(*bytes), architectures.join(" and "));
        let labs = match labs.as_slice() {
            [] => String::new(),
            labs => format!(", and the labs {}", labs.join(", ")),
        };
        format!(
            "{path}: {size}, for {guests} guests{labs}\nSHA-256 {sha256}\nuse it with `netlab up \
             --bundle {path}`\n"
        )
    }
}

/// Runs the verb.
///
/// # Errors
/// A mistake in a lab, packages that can't be had, or a file that can't be written.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let Args { file, mut arch, labs } = args;
    let labs = read(&labs)?;
    if arch.is_empty() {
        arch.push(context.architecture());
    }
    arch.sort_by_key(|guest| guest.name());
    arch.dedup();
    let output = file.clone();
    let images = ImageSource::new(context, context.architecture());
    let job =
        move |images: &ImageSource, reporter: &_| images.bundle(&arch, &labs, &output, reporter);
    let row = Row::new(images.on_a_thread(&context.reporter, job).await?, &file);
    if context.options.json {
        print::json("bundle", &row)?;
    } else {
        print::text(&row.sentences())?;
    }
    Ok(Exit::Good)
}

/// Reads labs, each an id and a text, and tells their mistakes before anything is downloaded.
fn read(files: &[String]) -> Result<Vec<(String, String)>, Error> {
    let mut labs: Vec<(String, String)> = Vec::new();
    for file in files {
        let source = lab::find(file)?;
        let id = lab::parse(&source)?.id;
        let is_taken = labs.iter().any(|(other, _)| *other == id)
            || lab::builtin().iter().any(|builtin| builtin.id == id);
        if is_taken {
            return Err(IdTaken { file: file.clone(), id }.into());
        }
        labs.push((id, source.text));
    }
    Ok(labs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_are_taken_along_by_ids_of_their_own() {
        assert_eq!(read(&[]).unwrap(), []);
        let error = read(&["2".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the lab `2` has the id `veth-and-switch`, as another lab has"
        );
        assert_eq!(error.hint(), "give the lab in `2` an id of its own");
    }

    #[test]
    fn a_bundle_says_what_is_in_it_and_how_it_is_used() {
        let row = Row {
            path: "n.bundle".to_owned(),
            bytes: 76_543_210,
            sha256: "5a".to_owned(),
            architectures: vec!["amd64".to_owned(), "arm64".to_owned()],
            labs: vec!["mine".to_owned()],
        };
        assert_eq!(
            row.sentences(),
            "n.bundle: 76.5 MB, for amd64 and arm64 guests, and the labs mine\nSHA-256 5a\nuse it \
             with `netlab up --bundle n.bundle`\n"
        );
    }
}
