//! Command lines for the guest's shell, and the namespace they run in.

use netlab_protocol::Place;

use super::{Connection, SshError};

/// Where `ip netns` keeps a file for each namespace.
const NAMESPACES: &str = "/run/netns";

/// Returns the shell line that runs a command, word for word, in a place.
///
/// # Errors
/// [`SshError::BadNamespace`] or [`SshError::ZeroByte`].
pub fn line(place: &Place, words: &[String]) -> Result<String, SshError> {
    let mut line = Vec::new();
    if let Place::Namespace(name) = place {
        check_name(name)?;
        line.extend(["ip", "netns", "exec", name]);
    }
    line.extend(words.iter().map(String::as_str));
    shlex::try_join(line).map_err(|_| SshError::ZeroByte)
}

/// Makes sure that the guest has the namespace, since `ip netns exec` can't be told apart from the
/// command it runs.
///
/// # Errors
/// [`SshError::NoSuchNamespace`], which names those that the guest has.
pub async fn check_place(connection: &Connection, place: &Place) -> Result<(), SshError> {
    let Place::Namespace(name) = place else {
        return Ok(());
    };
    let listing = connection.output(&format!("ls -1 {NAMESPACES} 2>/dev/null")).await?;
    let existing: Vec<String> =
        String::from_utf8_lossy(&listing).lines().map(str::to_owned).collect();
    if existing.contains(name) {
        return Ok(());
    }
    Err(SshError::NoSuchNamespace { name: name.clone(), existing })
}

fn check_name(name: &str) -> Result<(), SshError> {
    let known = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let folder = matches!(name, "" | "." | "..");
    if folder || name.starts_with('-') || !name.chars().all(known) {
        return Err(SshError::BadNamespace { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_guest_as_they_are() {
        let red = Place::Namespace("red".to_owned());
        let cases: [(&Place, &[&str], &str); 6] = [
            (&Place::Root, &["ip", "-br", "addr"], "ip -br addr"),
            (&red, &["ip", "-br", "addr"], "ip netns exec red ip -br addr"),
            (&Place::Root, &["echo", "a b", "$HOME"], "echo 'a b' '$HOME'"),
            (&Place::Root, &["echo", "it's"], "echo \"it's\""),
            (&Place::Root, &["printf", "", "*;|&\n"], "printf '' '*;|&\n'"),
            (&red, &["sh", "-c", "exit 3"], "ip netns exec red sh -c 'exit 3'"),
        ];
        for (place, words, expected) in cases {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let line = line(place, &words).unwrap();
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn names_that_no_namespace_can_have_are_refused() {
        for name in ["", ".", "..", "../etc", "-n", "a b", "a;reboot", "$x", "röd"] {
            let error = line(&Place::Namespace(name.to_owned()), &[]).unwrap_err();
            assert_eq!(error.to_string(), format!("`{name}` can't be the name of a namespace"));
        }
    }

    #[test]
    fn a_zero_byte_is_refused() {
        let error = line(&Place::Root, &["a\0b".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "the command has a zero byte in one of its words");
    }
}
