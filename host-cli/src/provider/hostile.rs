//! What Vagrant prints, and what a machine of the user's says of itself, is read or not, whatever it is.

use super::ssh::Survey;
use super::vagrant::{field, is_new_enough, plain};

#[test]
fn whatever_vagrant_and_a_lent_machine_say_is_read_or_not() {
    bolero::check!(name = "lent").for_each(|bytes: &[u8]| {
        let said = String::from_utf8_lossy(bytes);
        assert!(field(&said, "state").is_none_or(|state| !state.contains([',', '\n'])));
        assert!(!plain(&said).contains('\n'));
        assert!(!is_new_enough(&said) || said.starts_with("Vagrant "));
        if let Some(survey) = Survey::read(&said) {
            let _new = survey.has_new_kernel();
            assert!(survey.lacking().iter().all(|what| !what.contains('\n')));
            let _fit = survey.check("pi", "ann");
        }
    });
}
