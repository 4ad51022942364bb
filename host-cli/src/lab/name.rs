//! What a lab file may call things.

/// Names that a shell or a login gives a meaning of its own: never asked of the lab, and never
/// kept by it.
const SHELLS_OWN: [&str; 24] = [
    "EDITOR", "ENV", "FUNCNAME", "HISTFILE", "HOME", "HOSTNAME", "IFS", "LANG", "LC_ALL", "LINENO",
    "LOGNAME", "MAIL", "OLDPWD", "OPTARG", "OPTIND", "PATH", "PPID", "PS1", "PWD", "SHELL",
    "SHLVL", "TERM", "TMPDIR", "USER",
];

/// Longest name that Linux takes for a file under `/run/netns`, and more than anyone wants.
const NAMESPACE_BYTES: usize = 64;

/// Whether this can be an id: `red-blue`.
pub fn is_id(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether this can be a value's name: `RED_IP`.
pub fn is_value(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// Whether the shell uses this name itself: `PATH`.
pub fn is_shells_own(text: &str) -> bool {
    SHELLS_OWN.contains(&text)
}

/// Whether `ip netns add` takes this name, and netlab has no other meaning for it: `dhcp-r`.
pub fn is_namespace(text: &str) -> bool {
    text != "root"
        && text.len() <= NAMESPACE_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Makes an id of a sentence: `red reaches blue` gives `red-reaches-blue`.
pub fn id_of(sentence: &str) -> String {
    /// Ids are read in lists; a sentence's beginning is enough to tell it apart.
    const LONGEST: usize = 40;
    let words = sentence
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '\'')
        .map(|word| word.replace('\'', "").to_ascii_lowercase())
        .filter(|word| !word.is_empty());
    let mut id = String::new();
    for word in words {
        if !id.is_empty() && id.len() + 1 + word.len() > LONGEST {
            break;
        }
        if !id.is_empty() {
            id.push('-');
        }
        id.push_str(&word);
    }
    if id.is_empty() { "check".to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert!(is_id("red-blue") && is_id("2nd") && !is_id("") && !is_id("-a") && !is_id("Red"));
        assert!(is_value("RED_IP") && is_value("A1") && !is_value("1A") && !is_value("Red"));
        assert!(is_namespace("dhcp-r") && !is_namespace("root") && !is_namespace("a/b"));
        assert!(!is_namespace("..") && !is_namespace("") && !is_namespace(&"a".repeat(65)));
    }

    #[test]
    fn a_claim_makes_an_id() {
        for (claim, id) in [
            ("red reaches blue", "red-reaches-blue"),
            ("blue's port is up", "blues-port-is-up"),
            ("10.0.0.2 answers", "10-0-0-2-answers"),
            ("…", "check"),
            (
                "the route to the network between red and blue stands only in these two",
                "the-route-to-the-network-between-red-and",
            ),
        ] {
            assert_eq!(id_of(claim), id);
            assert!(is_id(id));
        }
    }
}
