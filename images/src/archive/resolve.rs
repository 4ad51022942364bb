//! From the names in the recipe to the packages that go into the image.
//!
//! The choice among alternatives is apt's: what is already chosen, else the first that exists,
//! else the first package (by name) that provides one. A dependency with an alternative that the
//! recipe leaves out counts as met, since the recipe says that the image works without it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::error::ArchiveError;
use super::packages::Package;
use super::relation::{Group, Relation};
use super::version;

/// What the recipe asks of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Packages asked for by name.
    pub packages: &'a [String],
    /// Packages left out although others depend on them.
    pub excluded: &'a [String],
}

struct Index<'a> {
    by_name: HashMap<&'a str, &'a Package>,
    providers: HashMap<&'a str, Vec<(&'a Package, &'a Relation)>>,
}

impl<'a> Index<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut by_name: HashMap<&str, &Package> = HashMap::new();
        for package in packages {
            let newest = by_name.entry(&package.name).or_insert(package);
            if version::compare(&package.version, &newest.version).is_gt() {
                *newest = package;
            }
        }
        let mut providers: HashMap<&str, Vec<_>> = HashMap::new();
        for package in by_name.values() {
            for provided in package.provides.iter().flatten() {
                providers.entry(provided.name.as_str()).or_default().push((*package, provided));
            }
        }
        for candidates in providers.values_mut() {
            candidates.sort_by(|left, right| left.0.name.cmp(&right.0.name));
        }
        Self { by_name, providers }
    }

    fn named(&self, relation: &Relation) -> Option<&'a Package> {
        self.by_name.get(relation.name.as_str()).copied().filter(|package| {
            relation.bound.as_ref().is_none_or(|bound| bound.admits(&package.version))
        })
    }

    fn provided(&self, relation: &Relation) -> impl Iterator<Item = &'a Package> {
        let admits = |provided: &Relation| match (&relation.bound, &provided.bound) {
            (None, _) => true,
            // A name provided without a version satisfies no bound (Debian policy 7.5).
            (Some(_), None) => false,
            (Some(bound), Some(exact)) => bound.admits(exact.version()),
        };
        let candidates = self.providers.get(relation.name.as_str()).map_or(&[][..], Vec::as_slice);
        candidates.iter().filter(move |(_, provided)| admits(provided)).map(|(package, _)| *package)
    }
}

/// Returns the packages asked for and all they depend on, sorted by name.
pub fn resolve<'a>(
    packages: &'a [Package],
    wanted: &Wanted<'_>,
) -> Result<Vec<&'a Package>, ArchiveError> {
    let index = Index::new(packages);
    let excluded: BTreeSet<&str> = wanted.excluded.iter().map(String::as_str).collect();
    let mut chosen: BTreeMap<&str, &Package> = BTreeMap::new();
    let mut open = VecDeque::new();
    // All that is asked for comes first, so that alternatives fall on it.
    for name in wanted.packages {
        let relation = Relation { name: name.clone(), bound: None };
        let package =
            index.named(&relation).ok_or_else(|| unsatisfied(&[relation], "the recipe"))?;
        chosen.insert(&package.name, package);
        open.push_back(package);
    }
    while let Some(package) = open.pop_front() {
        for group in &package.depends {
            let met = group.iter().any(|relation| {
                excluded.contains(relation.name.as_str())
                    || index.named(relation).is_some_and(|found| chosen.contains_key(&*found.name))
                    || index.provided(relation).any(|found| chosen.contains_key(&*found.name))
            });
            if met {
                continue;
            }
            let choice = choose(&index, group, &excluded)
                .ok_or_else(|| unsatisfied(group, &format!("`{}`", package.name)))?;
            chosen.insert(&choice.name, choice);
            open.push_back(choice);
        }
    }
    Ok(chosen.into_values().collect())
}

fn choose<'a>(index: &Index<'a>, group: &Group, excluded: &BTreeSet<&str>) -> Option<&'a Package> {
    let real = group.iter().find_map(|relation| index.named(relation));
    let provider = || group.iter().find_map(|relation| index.provided(relation).next());
    real.or_else(provider).filter(|package| !excluded.contains(package.name.as_str()))
}

/// Follows a metapackage to the package of that prefix which it depends on.
pub fn dependency<'a>(
    packages: &'a [Package],
    metapackage: &str,
    prefix: &str,
) -> Result<&'a Package, ArchiveError> {
    let index = Index::new(packages);
    let named = |name: &str| index.named(&Relation { name: name.to_owned(), bound: None });
    let meta = named(metapackage).ok_or_else(|| {
        unsatisfied(&[Relation { name: metapackage.to_owned(), bound: None }], "the recipe")
    })?;
    meta.depends
        .iter()
        .flatten()
        .filter(|relation| relation.name.starts_with(prefix))
        .find_map(|relation| index.named(relation))
        .ok_or_else(|| {
            let relation = Relation { name: format!("{prefix}…"), bound: None };
            unsatisfied(&[relation], &format!("`{metapackage}`"))
        })
}

fn unsatisfied(group: &[Relation], needed_by: &str) -> ArchiveError {
    let alternatives: Vec<String> = group.iter().map(ToString::to_string).collect();
    ArchiveError::Unsatisfied {
        relation: alternatives.join(" | "),
        needed_by: needed_by.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::relation;

    fn package(name: &str, version: &str, depends: &str, provides: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            depends: relation::parse(depends).unwrap(),
            provides: relation::parse(provides).unwrap(),
            filename: String::new(),
            size: 0,
            sha256: String::new(),
            homepage: None,
        }
    }

    fn names(packages: &[Package], wanted: &[&str], excluded: &[&str]) -> Result<String, String> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (wanted, excluded) = (owned(wanted), owned(excluded));
        let wanted = Wanted { packages: &wanted, excluded: &excluded };
        resolve(packages, &wanted)
            .map(|found| {
                let words: Vec<_> =
                    found.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
                words.join(" ")
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_closure_follows_alternatives_virtual_names_and_versions() {
        let archive = [
            package("tool", "1", "lib (>= 2), awk, editor | vim, conf", ""),
            package("lib", "1", "", ""),
            package("lib", "2.1", "base", ""),
            package("base", "1", "tool", ""),
            package("mawk", "1", "", "awk"),
            package("gawk", "1", "", "awk"),
            package("vim", "9", "", ""),
            package("abi", "1", "", "api (= 4)"),
            package("user", "1", "api (>= 4)", ""),
            package("late", "1", "api (>= 5)", ""),
            package("conf", "1", "perl", ""),
        ];
        let table = [
            (&["tool"][..], &["conf"][..], Ok("base=1 gawk=1 lib=2.1 tool=1 vim=9")),
            (&["tool", "mawk"], &["conf"], Ok("base=1 lib=2.1 mawk=1 tool=1 vim=9")),
            (&["tool"], &["conf", "awk", "vim"], Ok("base=1 lib=2.1 tool=1")),
            (&["user"], &[], Ok("abi=1 user=1")),
            (
                &["late"],
                &[],
                Err("nothing in the index satisfies `api (>= 5)`, which `late` needs"),
            ),
            (&["conf"], &[], Err("nothing in the index satisfies `perl`, which `conf` needs")),
            (&["none"], &[], Err("nothing in the index satisfies `none`, which the recipe needs")),
        ];
        for (wanted, excluded, expected) in table {
            let found = names(&archive, wanted, excluded);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_metapackage_leads_to_its_kernel() {
        let archive = [
            package(
                "linux-image-cloud-amd64",
                "6.12.57-1",
                "linux-image-6.12.57 (= 6.12.57-1)",
                "",
            ),
            package("linux-image-6.12.57", "6.12.57-1", "kmod", ""),
        ];
        let found = dependency(&archive, "linux-image-cloud-amd64", "linux-image-").unwrap();
        assert_eq!(found.name, "linux-image-6.12.57");
        assert_eq!(
            dependency(&archive, "linux-image-6.12.57", "linux-image-").unwrap_err().to_string(),
            "nothing in the index satisfies `linux-image-…`, which `linux-image-6.12.57` needs"
        );
    }
}
