//! `netlab image`

mod list;
mod prune;
mod warm;

use std::path::{Path, PathBuf};

use netlab_images::LockSummary;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::image::ImageSource;
use crate::report::print;

/// Build, lock, verify or locate the guest's image, or see what takes space
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Build the image if it is not there yet
    Build,
    /// Resolve the recipe's packages anew, from an index whose signature is verified
    Lock {
        /// Where to write the lock, which `--image-lock` then takes [default:
        /// netlab-ARCH.lock.toml]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Build the image a second time and compare every byte
    Verify,
    /// Print the folder that the image is in
    Path,
    /// Boot a guest and save it, so that the next start goes on from there
    Warm,
    /// List what takes space: images, packages, templates and checkpoints
    List,
    /// Remove what no start takes any more, and nothing that a running guest uses
    Prune {
        /// Remove also what the next start would take, which is then downloaded and made anew
        #[arg(long)]
        all: bool,
    },
}

/// One image, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    key: String,
    path: String,
}

/// A new lock, as `--json` shows it.
#[derive(Serialize)]
struct LockRow {
    release: String,
    kernel: String,
    packages: usize,
    download_bytes: u64,
    path: String,
}

impl LockRow {
    fn new(summary: LockSummary, output: &Path) -> Self {
        let LockSummary { version, kernel, packages, download_bytes } = summary;
        let path = output.display().to_string();
        Self { release: version, kernel, packages, download_bytes, path }
    }

    fn sentence(&self) -> String {
        let Self { release, kernel, packages, download_bytes, path } = self;
        let megabytes = *download_bytes as f64 / 1e6;
        format!(
            "Debian {release}, kernel {kernel}: {packages} packages, {megabytes:.1} MB, pinned in \
             {path}\nuse it with `--image-lock {path}`\n"
        )
    }
}

/// One file of a second build, as `--json` shows it.
#[derive(Serialize)]
struct FileRow {
    file: String,
    identical: bool,
}

impl From<&(String, bool)> for FileRow {
    fn from((file, identical): &(String, bool)) -> Self {
        Self { file: file.clone(), identical: *identical }
    }
}

impl FileRow {
    fn cells(&self) -> Vec<String> {
        let verdict = if self.identical { "the same, byte for byte" } else { "DIFFERENT" };
        vec![self.file.clone(), verdict.to_owned()]
    }
}

/// Runs the verb.
///
/// # Errors
/// Whatever the image builder meets.
pub async fn run(verb: Verb, context: &Context) -> Result<Exit, Error> {
    let guest = context.architecture();
    let images = ImageSource::new(context, guest);
    match verb {
        Verb::Build => {
            let job = |images: &ImageSource, reporter: &_| images.ensure(reporter);
            let image = images.on_a_thread(&context.reporter, job).await?;
            image_line(context, "image", image.key, &image.dir)?;
        }
        Verb::Lock { output } => {
            let output = output.unwrap_or_else(|| format!("netlab-{guest}.lock.toml").into());
            let path = output.clone();
            let job = move |images: &ImageSource, reporter: &_| images.lock(&path, reporter);
            let summary = images.on_a_thread(&context.reporter, job).await?;
            let row = LockRow::new(summary, &output);
            if context.options.json {
                print::json("lock", &row)?;
            } else {
                print::text(&row.sentence())?;
            }
        }
        Verb::Verify => {
            let job = |images: &ImageSource, reporter: &_| images.verify(reporter);
            let report = images.on_a_thread(&context.reporter, job).await?;
            let rows: Vec<_> = report.files.iter().map(FileRow::from).collect();
            if context.options.json {
                print::json("verified", &rows)?;
            } else {
                let cells: Vec<_> = rows.iter().map(FileRow::cells).collect();
                print::table(&["FILE", "SECOND BUILD"], &cells)?;
            }
            return Ok(if report.is_identical() { Exit::Good } else { Exit::CheckFailed });
        }
        Verb::Path => {
            let image = images.found()?;
            image_line(context, "image", image.key, &image.dir)?;
        }
        Verb::Warm => warm::run(context).await?,
        Verb::List => list::run(context)?,
        Verb::Prune { all } => prune::run(all, context).await?,
    }
    Ok(Exit::Good)
}

fn image_line(context: &Context, event: &str, key: String, folder: &Path) -> Result<(), Error> {
    let path = folder.display().to_string();
    if context.options.json {
        print::json(event, &Row { key, path })?;
    } else {
        print::text(&format!("{path}\n"))?;
    }
    Ok(())
}
