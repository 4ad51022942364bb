//! The index of a release: which lists it has, their hashes, and how long it may be believed.

use std::time::{Duration, SystemTime};

use super::control::Stanza;
use super::error::ArchiveError;
use crate::lock::is_sha256;

/// How far a mirror's clock may run ahead of ours before its index counts as from the future.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(600);

/// The fields of a `Release` text that netlab goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Debian's version, such as `13.8`.
    pub version: String,
    /// When the index was made.
    pub date: SystemTime,
    files: Vec<IndexFile>,
}

/// A list that the index vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Path below the release's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Release {
    /// Reads a verified index; `wanted` is the codename that it must have.
    pub fn parse(
        url: &str,
        text: &str,
        wanted: &str,
        now: SystemTime,
    ) -> Result<Self, ArchiveError> {
        let stanza = Stanza::new(text);
        let malformed = |reason: String| ArchiveError::Malformed { url: url.to_owned(), reason };
        let field = |name: &str| {
            stanza.get(name).ok_or_else(|| malformed(format!("the field `{name}` is missing")))
        };
        let codename = field("Codename")?;
        if codename != wanted {
            return Err(ArchiveError::WrongRelease {
                url: url.to_owned(),
                wanted: wanted.to_owned(),
                found: codename.to_owned(),
            });
        }
        let date_as_written = field("Date")?;
        let date = parse_date(date_as_written)
            .ok_or_else(|| malformed(format!("`{date_as_written}` is no date")))?;
        if date > now + CLOCK_TOLERANCE {
            return Err(ArchiveError::FromFuture {
                url: url.to_owned(),
                date: date_as_written.to_owned(),
            });
        }
        // Stable releases carry no Valid-Until; what has one wants it respected.
        if let Some(until) = stanza.get("Valid-Until") {
            let deadline =
                parse_date(until).ok_or_else(|| malformed(format!("`{until}` is no date")))?;
            if deadline < now {
                return Err(ArchiveError::Expired { url: url.to_owned(), until: until.to_owned() });
            }
        }
        let files = stanza.lines("SHA256").filter(|line| !line.is_empty());
        let files = files
            .map(|line| {
                parse_file(line).ok_or_else(|| malformed(format!("`{line}` is no hash line")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Releases before their publication, and unstable, have no version.
        let version = stanza.get("Version").unwrap_or(codename).to_owned();
        Ok(Self { version, date, files })
    }

    /// Looks up a list by its path below the release's folder.
    pub fn file(&self, path: &str) -> Option<&IndexFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn parse_file(line: &str) -> Option<IndexFile> {
    let mut words = line.split_whitespace();
    let (sha256, size, path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    is_sha256(sha256).then(|| IndexFile { path: path.to_owned(), size, sha256: sha256.to_owned() })
}

/// Debian writes `UTC` (and sometimes `+0000`) where HTTP writes `GMT`; the rest is one format.
fn parse_date(text: &str) -> Option<SystemTime> {
    let stem = text.strip_suffix("UTC").or_else(|| text.strip_suffix("+0000"))?;
    httpdate::parse_http_date(&format!("{stem}GMT")).ok()
}

/// Writes a time the way the snapshot archive names its folders: `20261121T091544Z`.
pub fn timestamp(time: SystemTime) -> String {
    // "Sat, 21 Nov 2026 09:15:44 GMT": fixed columns, so that no calendar is needed here.
    let text = httpdate::fmt_http_date(time);
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = MONTHS.find(&text[8..11]).map_or(0, |at| at / 3 + 1);
    format!("{}{month:02}{}T{}Z", &text[12..16], &text[5..7], text[17..25].replace(':', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nVersion: 13.8\nCodename: trixie\n\
        Date: Sat, 21 Nov 2026 09:15:44 UTC\nMD5Sum:\n 00 1 main/Contents\nSHA256:\n \
        2efd6103f013081f8118f4c9f228739bc97bff2e4e1de496f80458c7e72a24ac 56634892 \
        main/binary-amd64/Packages\n";

    fn at(date: &str) -> SystemTime {
        parse_date(date).unwrap()
    }

    fn parse(text: &str, now: &str) -> Result<Release, String> {
        Release::parse("http://mirror/InRelease", text, "trixie", at(now))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_stable_index_is_read_and_never_expires() {
        let release = parse(TEXT, "Fri, 21 Nov 2036 09:15:44 UTC").unwrap();
        assert_eq!(release.version, "13.8");
        assert_eq!(timestamp(release.date), "20261121T091544Z");
        assert_eq!(release.file("main/binary-amd64/Packages").unwrap().size, 56_634_892);
        assert_eq!(release.file("main/Contents"), None);
    }

    #[test]
    fn stale_future_and_foreign_indexes_are_refused_in_words() {
        let expiring = format!("Valid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n{TEXT}");
        assert!(parse(&expiring, "Fri, 27 Nov 2026 09:15:44 UTC").is_ok());
        let table = [
            (
                expiring.as_str(),
                "Sun, 29 Nov 2026 09:15:44 UTC",
                "the index http://mirror/InRelease was valid until Sat, 28 Nov 2026 09:15:44 UTC, \
                 and that has passed",
            ),
            (
                TEXT,
                "Fri, 20 Nov 2026 09:15:44 UTC",
                "the index http://mirror/InRelease is dated Sat, 21 Nov 2026 09:15:44 UTC, which \
                 is in the future by this machine's clock",
            ),
            (
                "Codename: sid\n",
                "Fri, 20 Nov 2026 09:15:44 UTC",
                "the index http://mirror/InRelease is of the release `sid`, wanted is `trixie`",
            ),
            (
                "Codename: trixie\nDate: soon\n",
                "Fri, 20 Nov 2026 09:15:44 UTC",
                "http://mirror/InRelease is not readable: `soon` is no date",
            ),
            (
                "Origin: Debian\n",
                "Fri, 20 Nov 2026 09:15:44 UTC",
                "http://mirror/InRelease is not readable: the field `Codename` is missing",
            ),
        ];
        for (text, now, expected) in table {
            assert_eq!(parse(text, now).unwrap_err(), expected);
        }
    }

    #[test]
    fn any_text_is_an_index_or_refused() {
        let now = at("Fri, 27 Nov 2026 09:15:44 UTC");
        bolero::check!(name = "release").for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(release) = Release::parse("http://mirror/InRelease", &text, "trixie", now) {
                assert!(release.date <= now + CLOCK_TOLERANCE);
                assert_eq!(timestamp(release.date).len(), "20261121T091544Z".len());
                assert!(release.files.iter().all(|file| is_sha256(&file.sha256)));
            }
        });
    }
}
