//! What a checkpoint is to those who ask for one: a guest saved whole, under a label.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::error::{Exit, Hint};

/// Longest label that a user may give, in characters: it is read in a list.
const MAX_LABEL_LENGTH: usize = 32;

/// Most letters of a lab's id in the label of a checkpoint before one of its steps: labels are names
/// of files.
const MAX_LAB_LENGTH: usize = 64;

/// The name of a checkpoint among those of its guest. A dot is only in those that netlab makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The label of the checkpoint before a lab's step.
    pub fn before_step(lab: &str, number: u32) -> Self {
        // An id has only ASCII letters.
        let lab: String = lab.chars().take(MAX_LAB_LENGTH).collect();
        Self(format!("{lab}.{number}"))
    }

    /// The label that follows these: the next free number.
    pub fn next(taken: &[Self]) -> Self {
        let greatest = taken.iter().filter_map(|label| label.0.parse::<u32>().ok()).max();
        Self(greatest.map_or(1, |number| number.saturating_add(1)).to_string())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user may give it to a checkpoint.
    pub fn is_a_users(&self) -> bool {
        self.0.len() <= MAX_LABEL_LENGTH && !self.0.contains('.')
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label for a checkpoint")]
pub struct LabelError(pub String);

impl Hint for LabelError {
    fn hint(&self) -> String {
        format!(
            "use lower-case letters, digits and hyphens, at most {MAX_LABEL_LENGTH}, such as \
             `netlab checkpoint before-vlans`"
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let fits = first
            && text.len() <= MAX_LAB_LENGTH + 12
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(LabelError(text.to_owned())) }
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

/// Why a checkpoint was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "occasion", rename_all = "snake_case", deny_unknown_fields)]
pub enum Occasion {
    /// The user asked for it. It stays until the user removes it.
    Asked,
    /// A step of a lab was about to begin. It is gone with the lab.
    Step {
        /// The lab's id.
        lab: String,
        /// Digest of its plan, in hexadecimal: another text is another lab.
        plan: String,
        /// Index of the step in the plan.
        step: u32,
    },
}

/// A checkpoint that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub label: Label,
    /// Why it was made; `None` if it can't be read.
    pub occasion: Option<Occasion>,
    /// When, in seconds since 1970-01-01 00:00 UTC; `None` if it can't be read.
    pub made: Option<u64>,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
    /// Why it can't be read, if it can't.
    pub problem: Option<String>,
}

/// What to save a guest as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The user's own, under this label or the next number.
    Asked(Option<Label>),
    /// The state before a step.
    Step {
        /// The lab's id.
        lab: String,
        /// Digest of its plan, in hexadecimal.
        plan: String,
        /// Index of the step in the plan.
        step: u32,
        /// Its number as the reader sees it.
        number: u32,
    },
}

/// What came of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How long the guest stood still.
    pub paused: Duration,
    /// How long it all took.
    pub took: Duration,
}

/// A guest that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// How it is reached.
    pub endpoint: Endpoint,
    /// What it was brought back from.
    pub checkpoint: Checkpoint,
}

/// Which checkpoints to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// This one.
    One(Label),
    /// Those before steps, since their lab is gone.
    Steps,
    /// All of them.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_plain_and_a_dot_is_netlabs_own() {
        for (text, users) in [("1", true), ("before-vlans", true), ("demo-tenants.3", false)] {
            assert_eq!(text.parse::<Label>().unwrap().is_a_users(), users, "{text}");
        }
        assert!(!"a".repeat(33).parse::<Label>().unwrap().is_a_users());
        for bad in ["", "-a", ".a", "A", "a/b", "../a", "a b", "é"] {
            let error = bad.parse::<Label>().unwrap_err();
            assert_eq!(error.to_string(), format!("`{bad}` is no label for a checkpoint"));
        }
        let longest = Label::before_step(&"l".repeat(200), u32::MAX);
        assert_eq!(longest.as_str().parse(), Ok(longest));
    }

    #[test]
    fn a_checkpoint_without_a_label_gets_the_next_number() {
        let label = |text: &str| text.parse::<Label>().unwrap();
        assert_eq!(Label::next(&[]), label("1"));
        assert_eq!(Label::next(&[label("9"), label("b"), label("10"), label("l.20")]), label("11"));
    }
}
