//! From packages to the guest's root, in the order in which dpkg and the maintainer scripts would
//! have worked: unpack, remove what is not wanted, add accounts, folders, links and our files.
//!
//! There is no ld.so.cache: every library lies in the folders that the loader searches by itself,
//! and packages bring their own links to library versions.

use std::fs;

use rayon::prelude::*;

use super::error::RootError;
use super::tree::{Node, Tree};
use super::{accounts, deb, trim};
use crate::archive::{ArchiveError, Downloads};
use crate::error::Error;
use crate::files;
use crate::lock::LockedPackage;
use crate::recipe::Recipe;

/// A package and its files.
pub type Unpacked = (String, Vec<(String, Node)>);

/// Unpacks packages from the cache, several at a time, in the order of the lock.
pub fn unpack_all(
    downloads: &Downloads<'_>,
    packages: &[LockedPackage],
) -> Result<Vec<Unpacked>, Error> {
    packages
        .par_iter()
        .map(|package| {
            let path = downloads.path(package);
            let bytes = fs::read(&path).map_err(|source| ArchiveError::File {
                action: "read",
                path: path.clone(),
                source,
            })?;
            Ok((package.name.clone(), deb::unpack(&package.name, &bytes)?))
        })
        .collect()
}

/// Makes the root of everything but the kernel's modules.
pub fn assemble(recipe: &Recipe, packages: Vec<Unpacked>) -> Result<Tree, RootError> {
    let mut tree = merge(packages)?;
    accounts::add(&mut tree, &recipe.accounts)?;
    tree.retain(|path| !trim::matches_any(&recipe.trim, path));
    for (path, mode) in &recipe.directories {
        if let Some(Node::File { .. } | Node::Symlink { .. }) =
            tree.set_directory(path, (mode & 0o7777) as u16)
        {
            return Err(conflict(path, "a package", "the recipe"));
        }
    }
    for (path, target) in &recipe.links {
        if let Some(Node::Directory { .. }) = tree.get(path) {
            tree.retain(|other| other != path && !other.starts_with(&format!("{path}/")));
        }
        tree.insert(path, Node::Symlink { target: target.clone() });
    }
    for file in files::GUEST {
        let node = Node::File { mode: file.mode, bytes: file.bytes.into() };
        if let Some(Node::Directory { .. }) = tree.insert(file.path, node) {
            return Err(conflict(file.path, "a package", "the recipe"));
        }
    }
    Ok(tree)
}

/// Puts all packages into one tree; as with dpkg, no two may own one file.
fn merge(packages: Vec<Unpacked>) -> Result<Tree, RootError> {
    let mut tree = Tree::default();
    for (package, entries) in packages {
        for (path, node) in entries {
            if tree.insert(&path, node).is_some() {
                return Err(conflict(&path, "another package", &package));
            }
        }
    }
    Ok(tree)
}

fn conflict(path: &str, owner: &str, package: &str) -> RootError {
    RootError::Conflict {
        path: path.to_owned(),
        owner: owner.to_owned(),
        package: package.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Node {
        Node::File { mode: 0o644, bytes: text.as_bytes().into() }
    }

    fn base() -> Unpacked {
        let masters = ["passwd", "group"].map(|name| {
            (format!("usr/share/base-passwd/{name}.master"), file("root:*:0:0::/:/bin/sh\n"))
        });
        ("base-passwd".to_owned(), masters.into())
    }

    #[test]
    fn the_recipe_completes_what_packages_bring() {
        let package = [
            ("usr/bin/mawk", file("")),
            ("usr/share/doc/mawk/copyright", file("")),
            ("etc/hosts", file("theirs")),
            ("var/run", Node::Directory { mode: 0o755 }),
        ];
        let package = package.map(|(path, node)| (path.to_owned(), node)).into();
        let recipe = Recipe::load().unwrap();
        let tree = assemble(&recipe, vec![base(), ("mawk".to_owned(), package)]).unwrap();
        assert_eq!(tree.get("usr/share/doc"), None);
        assert_eq!(tree.get("tmp"), Some(&Node::Directory { mode: 0o1777 }));
        assert_eq!(tree.get("usr/bin/awk"), Some(&Node::Symlink { target: "mawk".to_owned() }));
        assert_eq!(tree.get("var/run"), Some(&Node::Symlink { target: "/run".to_owned() }));
        assert!(tree.file("etc/hosts").unwrap().starts_with(b"127.0.0.1 localhost"));
    }

    #[test]
    fn two_packages_cannot_own_one_file() {
        let owner = |name: &str, text| (name.to_owned(), vec![("etc/a".to_owned(), file(text))]);
        let recipe = Recipe::load().unwrap();
        let packages = vec![base(), owner("p", "1"), owner("q", "2")];
        assert_eq!(
            assemble(&recipe, packages).unwrap_err().to_string(),
            "`etc/a` from another package is in the way of another from q"
        );
    }
}
