//! The labs that are compiled in, read as their users' would be.

use netlab_protocol::{Action, Place, Step};

use crate::lab::{builtin, parse};

#[test]
fn every_lab_is_understood_and_bears_the_id_it_is_found_by() {
    for builtin in builtin() {
        let lab = parse(&builtin.source()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(lab.id, builtin.id);
        assert!(lab.shown_steps() > 5, "{}", lab.id);
    }
}

#[test]
fn every_step_of_ours_is_proven() {
    for builtin in builtin() {
        let lab = parse(&builtin.source()).unwrap();
        let proven = |step: &Step| step.actions.iter().any(|act| matches!(act, Action::Check(_)));
        let unproven: Vec<_> = lab.steps.iter().filter(|step| !proven(step)).collect();
        assert!(unproven.is_empty(), "{}: {unproven:?}", lab.id);
    }
}

#[test]
fn every_namespace_of_ours_is_made_and_used() {
    for builtin in builtin() {
        let lab = parse(&builtin.source()).unwrap();
        for name in &lab.namespaces {
            assert!(builtin.text.contains(&format!("ip netns add {name}\n")), "{name}");
            assert_ne!(Place::from(name.clone()), Place::Root);
        }
    }
}
