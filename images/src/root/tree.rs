//! A file system in memory: paths below the root, sorted, with what lies there.
//!
//! Nothing of it ever touches the host's file system under its own name, so a path can do no harm
//! there; what is kept out here is what would make no sense in the guest. Owners are left out:
//! all is root's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A folder with its permission bits.
    Directory {
        /// Permission bits, the sticky one included.
        mode: u16,
    },
    /// A file.
    File {
        /// Permission bits.
        mode: u16,
        /// Contents, shared between hard links.
        bytes: Arc<[u8]>,
    },
    /// A symbolic link.
    Symlink {
        /// What it points at, as written.
        target: String,
    },
}

/// Paths such as `usr/bin/ip`, without a slash in front, and their nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// Permission bits of folders that nobody gave any.
const DIRECTORY_MODE: u16 = 0o755;

/// Debian's merged /usr: these names at the root are links into it, for packages' paths as well.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

impl Tree {
    /// Puts a node at a path, with the folders above it; returns what was there and differs.
    ///
    /// A folder that is there already stays, since many packages bring the same.
    pub fn insert(&mut self, path: &str, node: Node) -> Option<Node> {
        let path = merged(path);
        for (at, _) in path.match_indices('/') {
            self.nodes
                .entry(path[..at].to_owned())
                .or_insert(Node::Directory { mode: DIRECTORY_MODE });
        }
        match self.nodes.entry(path) {
            Entry::Vacant(entry) => {
                entry.insert(node);
                None
            }
            Entry::Occupied(mut entry) => match (entry.get(), &node) {
                (Node::Directory { .. }, Node::Directory { .. }) => None,
                (old, new) if old == new => None,
                _ => Some(entry.insert(node)),
            },
        }
    }

    /// Sets a folder's permission bits, making it where it is not there.
    pub fn set_directory(&mut self, path: &str, mode: u16) -> Option<Node> {
        let was = self.insert(path, Node::Directory { mode });
        self.nodes.insert(merged(path), Node::Directory { mode });
        was
    }

    /// Looks up a node; links on the way are not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Returns a file's contents.
    pub fn file(&self, path: &str) -> Option<&Arc<[u8]>> {
        match self.nodes.get(path) {
            Some(Node::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// Returns all paths and nodes, folders before what is in them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Keeps only the paths for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.nodes.retain(|path, _| keep(path));
    }
}

fn merged(path: &str) -> String {
    match path.split_once('/') {
        Some((first, _)) if MERGED.contains(&first) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Node {
        Node::File { mode: 0o644, bytes: text.as_bytes().into() }
    }

    #[test]
    fn folders_appear_and_the_merged_ones_lie_in_usr() {
        let mut tree = Tree::default();
        assert_eq!(tree.insert("lib/modules/a.ko", file("x")), None);
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/a.ko"]);
    }

    #[test]
    fn equal_nodes_are_welcome_and_different_ones_are_told() {
        let mut tree = Tree::default();
        tree.insert("a", file("x"));
        assert_eq!(tree.insert("a", file("x")), None);
        assert_eq!(tree.insert("a", file("y")), Some(file("x")));
        assert_eq!(tree.file("a").unwrap().as_ref(), b"y");
    }
}
