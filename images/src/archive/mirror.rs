//! Which mirror serves the packages.
//!
//! A mirror that the user names is the only one asked. Otherwise a Debian-family host lends the
//! address of its own mirror, and nothing else of its configuration; what that one no longer has
//! comes from Debian's snapshot archive, which keeps every version for ever.

use std::path::Path;

use super::control::stanzas;

/// Debian's archive of all versions; a timestamp and a slash follow.
const SNAPSHOT_ARCHIVE: &str = "http://snapshot.debian.org/archive/debian/";

/// Codenames whose pool holds the packages of Debian 13: all releases share one pool, so a host of
/// another release has a fitting mirror too.
const RELEASES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Mirrors in the order in which they are asked for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors(Vec<String>);

impl Mirrors {
    /// Only the mirror that the user named, or the default one with the snapshot archive behind.
    pub fn new(named: Option<&str>, snapshot: &str) -> Self {
        let snapshot = snapshot_mirror(snapshot);
        let list = match named {
            Some(address) => vec![with_slash(address)],
            None => default_mirror().into_iter().chain([snapshot]).collect(),
        };
        Self(list)
    }

    /// Exactly these.
    #[cfg(test)]
    pub fn of(addresses: Vec<String>) -> Self {
        Self(addresses)
    }

    /// Returns the addresses, each ending in a slash.
    pub fn addresses(&self) -> &[String] {
        &self.0
    }
}

/// Returns the folder of the snapshot archive for a timestamp.
pub fn snapshot_mirror(timestamp: &str) -> String {
    format!("{SNAPSHOT_ARCHIVE}{timestamp}/")
}

/// Returns the mirror that apt uses on this machine; `None` where there is no apt, or it uses
/// something else than a Debian mirror over HTTP.
pub fn default_mirror() -> Option<String> {
    from_apt(Path::new("/etc/apt"))
}

fn from_apt(folder: &Path) -> Option<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files.insert(0, folder.join("sources.list"));
    files.iter().find_map(|file| {
        // A file that cannot be read lends no mirror; the snapshot archive does as well.
        let text = std::fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "sources" => in_stanzas(&text),
            "list" => in_lines(&text),
            _ => None,
        }
    })
}

/// Finds the first mirror in the deb822 form (`*.sources`).
fn in_stanzas(text: &str) -> Option<String> {
    let uncommented: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    stanzas(&uncommented).find_map(|stanza| {
        let words = |field| stanza.lines(field).flat_map(str::split_whitespace);
        let serves = words("Types").any(|word| word == "deb")
            && words("Suites").any(is_release)
            && words("Components").any(|word| word == "main")
            && !stanza.get("Enabled").is_some_and(|word| word.eq_ignore_ascii_case("no"));
        serves.then(|| words("URIs").find_map(web_address)).flatten()
    })
}

/// Finds the first mirror in the one-line form: `deb [options] URI suite component…`.
fn in_lines(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (address, suite) = (words.next()?, words.next()?);
        let serves = is_release(suite) && words.any(|word| word == "main");
        serves.then(|| web_address(address)).flatten()
    })
}

fn is_release(suite: &str) -> bool {
    RELEASES.contains(&suite)
}

fn web_address(address: &str) -> Option<String> {
    let web = address.starts_with("http://") || address.starts_with("https://");
    web.then(|| with_slash(address))
}

fn with_slash(address: &str) -> String {
    format!("{}/", address.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_mirror_is_the_only_one() {
        let mirrors = Mirrors::new(Some("http://mirror.test/debian"), "20261122T000000Z");
        assert_eq!(mirrors.addresses(), ["http://mirror.test/debian/"]);
        assert_eq!(
            Mirrors::new(None, "20261122T000000Z").addresses().last().unwrap(),
            "http://snapshot.debian.org/archive/debian/20261122T000000Z/"
        );
    }

    #[test]
    fn apt_lends_the_address_of_its_first_debian_mirror() {
        let deb822 = "# http://old.test/\nTypes: deb deb-src\nURIs: http://a.test/debian\n\
                      Suites: bookworm bookworm-updates\nComponents: main\n";
        type Parser = fn(&str) -> Option<String>;
        let table: [(Parser, &str, Option<&str>); 10] = [
            (in_stanzas, deb822, Some("http://a.test/debian/")),
            (in_stanzas, &deb822.replace("main", "contrib"), None),
            (in_stanzas, &deb822.replace("bookworm ", "noble "), None),
            (in_stanzas, &deb822.replace("http://a", "cdrom:/a"), None),
            (in_stanzas, &deb822.replace("# http", "Enabled: no\n# http"), None),
            (in_lines, "deb http://b.test/debian/ trixie main\n", Some("http://b.test/debian/")),
            (
                in_lines,
                "#deb http://c.test stable main\ndeb [arch=amd64] https://d.test sid contrib main",
                Some("https://d.test/"),
            ),
            (in_lines, "deb-src http://b.test/debian trixie main", None),
            (in_lines, "deb http://e.test/ubuntu noble main", None),
            (in_lines, "deb http://b.test/debian trixie", None),
        ];
        for (parser, text, expected) in table {
            assert_eq!(parser(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn both_forms_are_read_from_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(from_apt(folder.path()), None);
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::io::Write::write_all(&mut std::fs::File::create(file).unwrap(), text.as_bytes())
                .unwrap();
        };
        write(
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://a.test\nSuites: sid\nComponents: main\n",
        );
        write("sources.list.d/a.sources.disabled", "Types: deb\n");
        assert_eq!(from_apt(folder.path()).as_deref(), Some("http://a.test/"));
        write("sources.list", "deb http://b.test stable main\n");
        assert_eq!(from_apt(folder.path()).as_deref(), Some("http://b.test/"));
    }
}
