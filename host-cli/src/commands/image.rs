//! `netlab image`

use std::path::PathBuf;

use netlab_images::Arch;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::image::ImageSource;
use crate::report::print;

/// Build, lock, verify or locate the guest's image
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Build the image if it is not there yet
    Build,
    /// Resolve the recipe's packages anew, from an index whose signature is verified
    Lock {
        /// Where to write the lock
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Build the image a second time and compare every byte
    Verify,
    /// Print the folder that the image is in
    Path,
}

/// One image, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    key: String,
    path: String,
}

/// Runs the verb.
///
/// # Errors
/// Whatever the image builder meets.
pub async fn run(verb: Verb, context: &Context) -> Result<Exit, Error> {
    let images = ImageSource::new(context);
    match verb {
        Verb::Build => {
            let job = |images: &ImageSource, reporter: &_| images.ensure(reporter);
            let image = images.on_a_thread(&context.reporter, job).await?;
            image_line(context, "image", image.key, &image.dir)?;
        }
        Verb::Lock { output } => {
            let path = output.clone();
            let job =
                move |images: &ImageSource, reporter: &_| images.lock(Arch::Amd64, &path, reporter);
            let summary = images.on_a_thread(&context.reporter, job).await?;
            if context.options.json {
                print::json("lock", &summary)?;
            } else {
                print::text(&format!("{summary}\npinned in {}\n", output.display()))?;
            }
        }
        Verb::Verify => {
            let job = |images: &ImageSource, reporter: &_| images.verify(reporter);
            let image = images.on_a_thread(&context.reporter, job).await?;
            if !context.options.json {
                print::text("a second build from the same lock is the same, byte for byte\n")?;
            }
            image_line(context, "verified", image.key, &image.dir)?;
        }
        Verb::Path => {
            let image = images.found()?;
            image_line(context, "image", image.key, &image.dir)?;
        }
    }
    Ok(Exit::Good)
}

fn image_line(
    context: &Context,
    event: &str,
    key: String,
    folder: &std::path::Path,
) -> Result<(), Error> {
    let path = folder.display().to_string();
    if context.options.json {
        print::json(event, &Row { key, path })?;
    } else {
        print::text(&format!("{path}\n"))?;
    }
    Ok(())
}
