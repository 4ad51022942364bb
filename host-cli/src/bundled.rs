//! Labs by what the user typed, out of the bundle too if one was named. The rule: netlab's own labs and
//! files come first, so a bundle never puts another lab in their place.

use std::path::PathBuf;

use netlab_images::Bundle;

use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::image::ImageError;
use crate::lab::{self, LabError, Source};

/// Neither netlab nor the bundle has such a lab.
#[derive(Debug, thiserror::Error)]
#[error("there is no lab `{reference}`, nor is one in the bundle `{}`", bundle.display())]
struct NotBundled {
    /// What was asked for.
    reference: String,
    /// The bundle.
    bundle: PathBuf,
    /// Ids of the labs in it.
    ids: Vec<String>,
}

impl Hint for NotBundled {
    fn hint(&self) -> String {
        let ids: Vec<_> = self.ids.iter().map(|id| format!("`{id}`")).collect();
        let bundled = match ids.as_slice() {
            [] => "the bundle has no labs".to_owned(),
            ids => format!("the bundle has {}", ids.join(", ")),
        };
        format!("{bundled}; `netlab list` shows netlab's own, and `./my-lab.md` is a file of yours")
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Finds a lab by its number, its id, or the path of a file.
///
/// # Errors
/// There is none, its file can't be read as text, or the bundle can't be used.
pub fn lab(reference: &str, context: &Context) -> Result<Source, Error> {
    match (lab::find(reference), &context.options.bundle) {
        (Err(LabError::Unknown { .. }), Some(path)) => {
            let bundle = Bundle::open(path).map_err(ImageError::Bundle)?;
            let text = bundle.lab(reference).map_err(ImageError::from)?;
            let ids = bundle.labs().iter().map(|lab| lab.id.clone()).collect();
            let missing =
                || NotBundled { reference: reference.to_owned(), bundle: path.clone(), ids };
            let name = format!("{}:{reference}", path.display());
            Ok(Source { name, text: text.ok_or_else(missing)? })
        }
        (found, _) => Ok(found?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_is_nowhere_is_answered_with_what_the_bundle_has() {
        let error = |ids: &[&str]| NotBundled {
            reference: "mine".to_owned(),
            bundle: "n.bundle".into(),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
        };
        assert_eq!(
            error(&[]).to_string(),
            "there is no lab `mine`, nor is one in the bundle `n.bundle`"
        );
        let own = "`netlab list` shows netlab's own, and `./my-lab.md` is a file of yours";
        assert_eq!(error(&[]).hint(), format!("the bundle has no labs; {own}"));
        assert_eq!(error(&["a", "b"]).hint(), format!("the bundle has `a`, `b`; {own}"));
    }
}
