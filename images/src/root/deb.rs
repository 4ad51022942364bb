//! Debian packages: an `ar` archive with a compressed `tar` of the files.
//!
//! The hash of a package is verified before it comes here. Even so nothing in it is believed:
//! names must stay below the root, and sizes below what any real package has.

use std::io::Read;
use std::sync::Arc;

use tar::EntryType;

use super::error::RootError;
use super::tree::Node;
use crate::xz;

/// The largest packages are kernels with about 130 MB of files.
const MAX_UNPACKED_BYTES: u64 = 1 << 30;

/// Most entries of a package: Debian's kernels have 5000. It bounds what small entries cost, and how
/// deep modules can depend on each other.
const MAX_ENTRIES: usize = 50_000;

/// Longest path, in bytes: Linux takes none that is longer (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;

/// Memory that is set aside on a header's word; longer files are given more as they arrive.
const MAX_RESERVED_BYTES: u64 = 1 << 20;

/// Every `ar` archive begins with this.
const AR_MAGIC: &[u8] = b"!<arch>\n";

/// Bytes of a member's header: name 16, time 12, owner 6, group 6, mode 8, size 10, end mark 2.
const AR_HEADER_BYTES: usize = 60;

/// Unpacks a package's files; paths have no slash in front.
pub fn unpack(package: &str, bytes: &[u8]) -> Result<Vec<(String, Node)>, RootError> {
    unpack_limited(package, bytes, MAX_UNPACKED_BYTES)
}

fn unpack_limited(
    package: &str,
    bytes: &[u8],
    limit: u64,
) -> Result<Vec<(String, Node)>, RootError> {
    let unreadable = |reason: String| RootError::Package { package: package.to_owned(), reason };
    let (name, member) = data_member(bytes).map_err(|reason| unreadable(reason.to_owned()))?;
    let reader: Box<dyn Read> = match name {
        "data.tar.xz" => Box::new(xz::reader(member)),
        "data.tar.zst" => {
            Box::new(zstd::Decoder::new(member).map_err(|error| unreadable(error.to_string()))?)
        }
        "data.tar" => Box::new(member),
        other => {
            return Err(unreadable(format!("`{other}` is compressed in an unknown way")));
        }
    };
    // Entries are measured against their headers, and the stream as a whole: sparse files and
    // endless padding end here too.
    let mut archive = tar::Archive::new(reader.take(limit));
    let mut unpacked: Vec<(String, Node)> = Vec::new();
    let mut total = 0;
    for entry in archive.entries().map_err(|error| unreadable(error.to_string()))? {
        let mut entry = entry.map_err(|error| unreadable(error.to_string()))?;
        // A header may claim any size, also one that has no room in a sum.
        total = u64::saturating_add(total, entry.size());
        if total > limit {
            return Err(RootError::TooLarge { package: package.to_owned(), limit });
        }
        let written = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|error| unreadable(error.to_string()))?;
        let refused = |reason| RootError::Entry {
            package: package.to_owned(),
            path: written.chars().take(MAX_PATH_BYTES).collect(),
            reason,
        };
        if written.len() > MAX_PATH_BYTES {
            return Err(refused("it is longer than any path"));
        }
        if unpacked.len() == MAX_ENTRIES {
            return Err(refused("no package has so many"));
        }
        let path = inside(&written).ok_or_else(|| refused("it leads out of the root"))?;
        let mode = entry
            .header()
            .mode()
            .map_err(|error| unreadable(error.to_string()))
            .map(|mode| (mode & 0o7777) as u16)?;
        let target = || {
            let name = entry.link_name_bytes().map(|name| name.into_owned());
            let name = name.filter(|name| name.len() <= MAX_PATH_BYTES);
            name.and_then(|name| String::from_utf8(name).ok()).ok_or_else(|| refused("no target"))
        };
        let node = match entry.header().entry_type() {
            // The root itself.
            EntryType::Directory if path.is_empty() => continue,
            _ if path.is_empty() => return Err(refused("it has no name")),
            EntryType::Directory => Node::Directory { mode },
            EntryType::Symlink => {
                let target = target()?;
                if !stays_inside(&path, &target) {
                    return Err(refused("its target leads out of the root"));
                }
                Node::Symlink { target }
            }
            EntryType::Link => {
                let target =
                    inside(&target()?).ok_or_else(|| refused("it leads out of the root"))?;
                let earlier = unpacked.iter().find(|(path, _)| *path == target);
                match earlier {
                    Some((_, node @ Node::File { .. })) => node.clone(),
                    _ => return Err(refused("it is a hard link to no file of the package")),
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                let mut contents =
                    Vec::with_capacity(entry.size().min(MAX_RESERVED_BYTES) as usize);
                entry.read_to_end(&mut contents).map_err(|error| unreadable(error.to_string()))?;
                Node::File { mode, bytes: Arc::from(contents) }
            }
            _ => {
                return Err(refused("it is a device or something else that no package has"));
            }
        };
        unpacked.push((path, node));
    }
    Ok(unpacked)
}

/// Finds the member with the files.
fn data_member(bytes: &[u8]) -> Result<(&str, &[u8]), &'static str> {
    const TRUNCATED: &str = "it ends early";
    let mut rest = bytes.strip_prefix(AR_MAGIC).ok_or("it is no `ar` archive")?;
    while !rest.is_empty() {
        let (header, body) = rest.split_at_checked(AR_HEADER_BYTES).ok_or(TRUNCATED)?;
        let field = |range: std::ops::Range<usize>| {
            std::str::from_utf8(&header[range]).map(str::trim_end).map_err(|_| "a broken header")
        };
        let name = field(0..16)?.trim_end_matches('/');
        let size: usize = field(48..58)?.parse().map_err(|_| "a broken header")?;
        let (member, after) = body.split_at_checked(size).ok_or(TRUNCATED)?;
        if name.starts_with("data.tar") {
            return Ok((name, member));
        }
        // Members begin at even offsets.
        rest = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
    }
    Err("it has no files in it")
}

/// Cleans a path of `./` and empty parts; `None` when it leads out of the root.
fn inside(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

/// Says whether a link's target climbs no higher than the root; absolute ones begin there.
fn stays_inside(path: &str, target: &str) -> bool {
    let mut depth = if target.starts_with('/') { 0 } else { path.matches('/').count() };
    target.split('/').all(|part| match part {
        "" | "." => true,
        ".." => depth.checked_sub(1).map(|above| depth = above).is_some(),
        _ => {
            depth += 1;
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a package of one entry, with a name that `tar`'s own builder would refuse.
    fn package(kind: EntryType, path: &str, target: &str, contents: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(contents.len() as u64);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        let mut archive = tar::Builder::new(Vec::new());
        archive.append(&header, contents).unwrap();
        wrap("data.tar.zst", &zstd::encode_all(&archive.into_inner().unwrap()[..], 1).unwrap())
    }

    fn wrap(name: &str, member: &[u8]) -> Vec<u8> {
        let mut bytes = AR_MAGIC.to_vec();
        for (name, member) in [("debian-binary", &b"2.0\nodd"[..]), (name, member)] {
            bytes.extend(format!("{name:<16}{:<32}{:<10}`\n", "0", member.len()).bytes());
            bytes.extend(member);
            bytes.extend(std::iter::repeat_n(b'\n', member.len() % 2));
        }
        bytes
    }

    #[test]
    fn files_and_links_come_out() {
        let bytes = package(EntryType::Regular, "./usr/bin/tool", "", b"contents");
        let expected = Node::File { mode: 0o755, bytes: b"contents"[..].into() };
        assert_eq!(unpack("p", &bytes).unwrap(), [("usr/bin/tool".to_owned(), expected)]);
        let bytes = package(EntryType::Symlink, "./usr/sbin/a", "../bin/tool", b"");
        let expected = Node::Symlink { target: "../bin/tool".to_owned() };
        assert_eq!(unpack("p", &bytes).unwrap(), [("usr/sbin/a".to_owned(), expected)]);
    }

    #[test]
    fn entries_that_reach_out_of_the_root_are_refused() {
        use EntryType as Kind;
        let table = [
            (Kind::Regular, "../etc/passwd", "", "it leads out of the root"),
            (Kind::Regular, "usr/../../x", "", "it leads out of the root"),
            (Kind::Regular, "/etc/passwd", "", "it leads out of the root"),
            (Kind::Regular, "./.", "", "it has no name"),
            (Kind::Symlink, ".", "a", "it has no name"),
            (Kind::Link, "a", "../../etc/shadow", "it leads out of the root"),
            (Kind::Link, "a", "b", "it is a hard link to no file of the package"),
            (Kind::Symlink, "usr/a", "../../x", "its target leads out of the root"),
            (Kind::Symlink, "usr/a", "/../x", "its target leads out of the root"),
            (Kind::Block, "dev/vda", "", "it is a device or something else that no package has"),
        ];
        for (kind, path, target, reason) in table {
            let error = unpack("p", &package(kind, path, target, b"")).unwrap_err().to_string();
            let expected =
                format!("the package p has the entry `{path}`, which is refused: {reason}");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn sizes_that_have_no_room_in_a_sum_are_refused() {
        for (size, expected) in [
            (1 << 62, "the package p unpacks to more than 1073741824 bytes"),
            (u64::MAX, "the package p is not readable: size overflow"),
        ] {
            let mut archive = tar::Builder::new(Vec::new());
            for size in [1, size] {
                let mut header = tar::Header::new_gnu();
                header.set_path("a").unwrap();
                header.set_mode(0o644);
                header.set_size(size);
                header.set_cksum();
                archive.append(&header, &b"x"[..]).unwrap();
            }
            let bytes = wrap("data.tar", &archive.into_inner().unwrap());
            assert_eq!(unpack("p", &bytes).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn bombs_and_damaged_packages_are_refused() {
        let bomb = package(EntryType::Regular, "zeros", "", &vec![0; 1 << 20]);
        assert!(bomb.len() < 2000);
        assert_eq!(
            unpack_limited("p", &bomb, 1 << 16).unwrap_err().to_string(),
            "the package p unpacks to more than 65536 bytes"
        );
        let table = [
            (b"PK\x03\x04".to_vec(), "it is no `ar` archive"),
            (AR_MAGIC.to_vec(), "it has no files in it"),
            (bomb[..150].to_vec(), "it ends early"),
            (wrap("data.tar.bz2", b""), "`data.tar.bz2` is compressed in an unknown way"),
        ];
        for (bytes, reason) in table {
            let error = unpack("p", &bytes).unwrap_err().to_string();
            assert_eq!(error, format!("the package p is not readable: {reason}"));
        }
    }

    /// What comes out lies below the root, however it was put in, and is no larger than allowed.
    fn assert_harmless(package: &[u8]) {
        const LIMIT: u64 = 1 << 20;
        let Ok(unpacked) = unpack_limited("p", package, LIMIT) else { return };
        for (path, node) in unpacked {
            assert_eq!(inside(&path).as_ref(), Some(&path));
            assert!(!path.is_empty());
            match node {
                Node::Directory { mode } => assert!(mode <= 0o7777),
                Node::File { mode, bytes: contents } => {
                    assert!(mode <= 0o7777);
                    assert!(contents.len() as u64 <= LIMIT);
                }
                Node::Symlink { target } => assert!(stays_inside(&path, &target)),
            }
        }
    }

    #[test]
    fn any_bytes_are_a_package_below_the_root_or_refused() {
        bolero::check!(name = "deb").for_each(|bytes: &[u8]| assert_harmless(bytes));
    }

    #[test]
    fn any_archive_unpacks_below_the_root_or_is_refused() {
        bolero::check!(name = "tar").for_each(|bytes: &[u8]| {
            assert_harmless(&wrap("data.tar", bytes));
        });
    }
}
