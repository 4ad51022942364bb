//! Where labs come from: the ones compiled in, and files of the user's.
//!
//! To add a lab: its file in `labs/` and one line in [`builtin`].

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{Exit, Hint};

use super::mistake::instead;
use super::source::{Lines, Source};

/// A lab that is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Number by which it can be asked for, from 1.
    pub number: u32,
    /// The id that its file states.
    pub id: &'static str,
    /// Path of its file in the project.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Builtin {
    /// Returns its text under the name of its file.
    pub fn source(&self) -> Source {
        Source { name: self.file.to_owned(), text: self.text.to_owned() }
    }
}

macro_rules! lab {
    ($number:literal, $id:literal, $file:literal) => {
        Builtin {
            number: $number,
            id: $id,
            file: concat!("labs/", $file),
            text: include_str!(concat!("../../../labs/", $file)),
        }
    };
}

/// The labs that are compiled in, in the order in which they are learned.
pub fn builtin() -> &'static [Builtin] {
    &[
        lab!(1, "namespaces", "01-namespaces.md"),
        lab!(2, "veth-and-switch", "02-veth-and-switch.md"),
        lab!(3, "tenants", "03-tenants.md"),
    ]
}

/// Largest lab file, in bytes. The longest of our own has 1 % of it.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// Why there is no lab of that name.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Neither a number, nor an id, nor a path.
    #[error("there is no lab `{reference}`")]
    Unknown {
        /// What was asked for.
        reference: String,
    },
    /// The file can't be read.
    #[error("could not read the lab file `{path}`")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than a lab can be.
    #[error("the lab file `{path}` is larger than 1 MiB")]
    TooBig {
        /// The file.
        path: String,
    },
    /// The file is no text.
    #[error("{path}:{line}:{column}: the lab file is no UTF-8 text from here on")]
    NotText {
        /// The file.
        path: String,
        /// Line of the first wrong byte, from 1.
        line: u32,
        /// Its column, from 1.
        column: u32,
    },
}

impl Hint for LabError {
    fn hint(&self) -> String {
        match self {
            Self::Unknown { reference } => {
                let ids: Vec<_> = builtin().iter().map(|lab| lab.id).collect();
                let known: Vec<_> =
                    builtin().iter().map(|lab| format!("{} (`{}`)", lab.number, lab.id)).collect();
                let near = match instead(reference, &ids) {
                    near if near.starts_with("did") => format!("{near}\n"),
                    _ => String::new(),
                };
                format!(
                    "{near}there are {}; a file of your own is written as a path: `./my-lab.md`",
                    known.join(", ")
                )
            }
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!("see that `{path}` is there, or take one from `netlab list`")
            }
            Self::Read { path, .. } => format!("see that `{path}` is a file that you may read"),
            Self::TooBig { .. } => {
                "a lab is one page of Markdown: see that it is the right file".to_owned()
            }
            Self::NotText { .. } => {
                "save the file as UTF-8, or see that it is the right file".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Finds a lab by its number, its id, or the path of a file.
///
/// # Errors
/// [`LabError`] if there is no such lab, or its file can't be read as text.
pub fn find(reference: &str) -> Result<Source, LabError> {
    let named = |lab: &&Builtin| lab.id == reference || lab.number.to_string() == reference;
    if let Some(lab) = builtin().iter().find(named) {
        return Ok(lab.source());
    }
    if !is_path(reference) {
        return Err(LabError::Unknown { reference: reference.to_owned() });
    }
    let name = reference.to_owned();
    let bytes = read(Path::new(reference))
        .map_err(|source| LabError::Read { path: name.clone(), source })?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(LabError::TooBig { path: name });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { name, text: without_mark(text) }),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..good]);
            let position = Lines::new(&text).position(good);
            Err(LabError::NotText { path: name, line: position.line, column: position.column })
        }
    }
}

/// A path has a separator, or the ending of a lab file.
fn is_path(reference: &str) -> bool {
    reference.contains(['/', '\\']) || reference.ends_with(".md")
}

/// Reads a file up to just past the limit: a device or a pipe may have no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Windows editors put a byte order mark before the text.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my-lab.md");
        File::create(&path).unwrap().write_all(bytes).unwrap();
        let name = path.to_str().unwrap().to_owned();
        (folder, name)
    }

    #[test]
    fn a_lab_is_found_by_number_by_id_and_by_path() {
        for lab in builtin() {
            assert_eq!(find(&lab.number.to_string()).unwrap(), lab.source());
            assert_eq!(find(lab.id).unwrap(), lab.source());
        }
        let (_folder, path) = file(b"\xef\xbb\xbf# Mine\r\n");
        assert_eq!(find(&path).unwrap(), Source { name: path, text: "# Mine\r\n".to_owned() });
    }

    #[test]
    fn an_unknown_lab_gets_the_list_and_a_guess() {
        let error = find("tenant").unwrap_err();
        assert_eq!(error.to_string(), "there is no lab `tenant`");
        assert_eq!(
            error.hint(),
            "did you mean `tenants`?\nthere are 1 (`namespaces`), 2 (`veth-and-switch`), 3 \
             (`tenants`); a file of your own is written as a path: `./my-lab.md`"
        );
        assert!(!find("99").unwrap_err().hint().contains("did you mean"));
    }

    #[test]
    fn a_file_that_can_not_be_a_lab_says_why() {
        let (_folder, path) = file(b"# Title\n\nab\xff\n");
        let error = find(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{path}:3:3: the lab file is no UTF-8 text from here on")
        );

        let (_folder, path) = file(&vec![b'x'; LARGEST_BYTES as usize + 1]);
        let error = find(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("the lab file `{path}` is larger than 1 MiB"));

        let (_folder, path) = file(&vec![b'x'; LARGEST_BYTES as usize]);
        assert!(find(&path).is_ok());

        let error = find("./no-such.md").unwrap_err();
        assert_eq!(error.to_string(), "could not read the lab file `./no-such.md`");
        assert_eq!(
            error.hint(),
            "see that `./no-such.md` is there, or take one from `netlab list`"
        );
    }
}
