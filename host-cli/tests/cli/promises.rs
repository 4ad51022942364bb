//! Each test that `SECURITY.md` names is one.

use std::fs;
use std::path::Path;

/// Words in backticks that could be the name of a test: a sentence of words joined by underscores.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        word.matches('_').count() >= 4
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    })
}

/// The text of every source file below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|its| its == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}

#[test]
fn each_test_that_the_security_policy_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let promises = fs::read_to_string(root.join("SECURITY.md")).expect("the policy");
    let mut text = String::new();
    for folder in ["protocol", "images", "host-cli", "guest-agent"] {
        for part in ["src", "tests"] {
            let folder = root.join(folder).join(part);
            if folder.is_dir() {
                sources(&folder, &mut text);
            }
        }
    }
    let names: Vec<_> = named(&promises).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let is_there =
            text.contains(&format!("fn {name}(")) || text.contains(&format!("(\"{name}\", "));
        assert!(is_there, "`{name}`, which SECURITY.md names, is no test");
    }
}
