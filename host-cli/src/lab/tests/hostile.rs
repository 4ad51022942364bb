//! A lab file may be anybody's: whatever is in it, it is a lab or a list of mistakes.

use crate::lab::parse;
use crate::lab::source::Source;

#[test]
fn any_text_is_a_lab_or_has_mistakes() {
    bolero::check!(name = "lab").for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match parse(&Source { name: "hostile.md".to_owned(), text }) {
            Ok(lab) => assert!(!lab.plan().steps.is_empty()),
            Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
        }
    });
}
