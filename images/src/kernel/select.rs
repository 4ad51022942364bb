//! Which modules go into the initramfs and which into the root, with what modprobe needs there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::error::KernelError;
use super::index::Index;
use super::module::{self, Module};
use crate::recipe::KernelRecipe;
use crate::root::{Node, Tree};

/// The modules of a guest.
pub struct Modules {
    /// For the initramfs, in load order.
    pub initramfs: Vec<Module>,
    /// Files for the root, with their paths.
    pub root: Vec<(String, Node)>,
}

/// The text files of the package that describe what is built in; tools read them as they are.
const BUILTIN: &str = "modules.builtin";
const DESCRIPTIONS: [&str; 3] = [BUILTIN, "modules.builtin.modinfo", "modules.order"];

struct Package<'a> {
    folder: String,
    files: BTreeMap<String, (&'a str, &'a [u8])>,
    builtin: BTreeSet<String>,
}

/// Chooses modules by the recipe, and adds whatever they depend on.
pub fn select(recipe: &KernelRecipe, tree: &Tree) -> Result<Modules, KernelError> {
    let package = Package::read(tree)?;
    let by_recipe = || "the recipe".to_owned();
    let wanted: BTreeMap<String, String> = package
        .files
        .iter()
        .filter(|(_, (path, _))| is_chosen(recipe, path))
        .map(|(name, _)| (name.clone(), by_recipe()))
        .chain(recipe.initramfs.iter().map(|name| (module::with_underscores(name), by_recipe())))
        .collect();
    let loaded = package.closure(wanted)?;
    let initramfs = package.in_order(&recipe.initramfs, &loaded)?;
    let root = package.root_files(tree, &loaded);
    Ok(Modules { initramfs, root })
}

fn is_chosen(recipe: &KernelRecipe, path: &str) -> bool {
    let Some(path) = path.strip_prefix("kernel/") else {
        return false;
    };
    let below = |entry: &String| {
        path.strip_prefix(entry.as_str()).is_some_and(|rest| rest.starts_with(['/', '.']))
    };
    recipe.folders.iter().any(below) && !recipe.skipped.iter().any(below)
}

impl<'a> Package<'a> {
    fn read(tree: &'a Tree) -> Result<Self, KernelError> {
        let folder = tree
            .iter()
            .find_map(|(path, _)| path.strip_suffix(&format!("/{BUILTIN}")))
            .ok_or_else(|| KernelError::NoModule {
                module: BUILTIN.to_owned(),
                needed_by: "the recipe".to_owned(),
            })?;
        let below = format!("{folder}/");
        let files = tree.iter().filter_map(|(path, node)| {
            let path = path.strip_prefix(&below)?;
            let is_module = path.ends_with(".ko") || path.ends_with(".ko.xz");
            match node {
                Node::File { bytes, .. } if is_module => {
                    Some((module::name_of(path), (path, bytes.as_ref())))
                }
                _ => None,
            }
        });
        let builtin = tree.file(&format!("{below}{BUILTIN}")).map(|bytes| bytes.as_ref());
        let builtin = String::from_utf8_lossy(builtin.unwrap_or_default());
        Ok(Self {
            folder: folder.to_owned(),
            files: files.collect(),
            builtin: builtin.lines().map(module::name_of).collect(),
        })
    }

    /// Reads the wanted modules, then those they depend on, until nothing is missing.
    fn closure(
        &self,
        mut wanted: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Module>, KernelError> {
        let mut loaded = BTreeMap::new();
        while !wanted.is_empty() {
            let batch: Vec<(String, String)> = std::mem::take(&mut wanted).into_iter().collect();
            let read: Vec<Module> = batch
                .into_par_iter()
                .map(|(name, needed_by)| {
                    let (path, bytes) = self
                        .files
                        .get(&name)
                        .ok_or(KernelError::NoModule { module: name, needed_by })?;
                    module::read(path, bytes)
                })
                .collect::<Result<_, _>>()?;
            for module in read {
                loaded.insert(module.name.clone(), module);
            }
            for module in loaded.values() {
                for needed in &module.depends {
                    if !loaded.contains_key(needed) && !self.builtin.contains(needed) {
                        wanted.insert(needed.clone(), format!("`{}`", module.name));
                    }
                }
            }
        }
        Ok(loaded)
    }

    fn in_order(
        &self,
        order: &[String],
        loaded: &BTreeMap<String, Module>,
    ) -> Result<Vec<Module>, KernelError> {
        let mut ready: BTreeSet<&str> = self.builtin.iter().map(String::as_str).collect();
        let mut modules: Vec<Module> = Vec::new();
        for module in order.iter().filter_map(|name| loaded.get(&module::with_underscores(name))) {
            if let Some(needed) = module.depends.iter().find(|name| !ready.contains(name.as_str()))
            {
                return Err(KernelError::WrongOrder {
                    module: module.name.clone(),
                    needed: needed.clone(),
                });
            }
            ready.insert(&module.name);
            modules.push(module.clone());
        }
        Ok(modules)
    }

    fn root_files(&self, tree: &Tree, loaded: &BTreeMap<String, Module>) -> Vec<(String, Node)> {
        let place = |name: &str| format!("{}/{name}", self.folder);
        let file = |bytes: Vec<u8>| Node::File { mode: 0o644, bytes: Arc::from(bytes) };
        let mut files: Vec<(String, Node)> = loaded
            .values()
            .map(|module| (place(&module.path), file(module.bytes.clone())))
            .collect();
        for name in DESCRIPTIONS {
            if let Some(node) = tree.get(&place(name)) {
                files.push((place(name), node.clone()));
            }
        }
        let mut dependencies = Index::default();
        let mut aliases = Index::default();
        let mut soft = String::new();
        for (priority, module) in (0..).zip(loaded.values()) {
            let needed: String = all_needed(module, loaded)
                .iter()
                .map(|needed| format!(" {}", needed.path))
                .collect();
            dependencies.insert(&module.name, &format!("{}:{needed}", module.path), priority);
            for alias in &module.aliases {
                aliases.insert(&module::with_underscores(alias), &module.name, priority);
            }
            for text in &module.soft_dependencies {
                soft.push_str(&format!("softdep {} {text}\n", module.name));
            }
        }
        let mut builtin = Index::default();
        for name in &self.builtin {
            builtin.insert(name, "", 0);
        }
        files.push((place("modules.dep.bin"), file(dependencies.bytes())));
        files.push((place("modules.alias.bin"), file(aliases.bytes())));
        files.push((place("modules.builtin.bin"), file(builtin.bytes())));
        files.push((place("modules.softdep"), file(soft.into_bytes())));
        files
    }
}

/// Returns all that a module needs, those first that are loaded last, as modprobe expects it. Not by
/// recursion: how deep modules depend on each other is the package's word.
fn all_needed<'a>(module: &'a Module, loaded: &'a BTreeMap<String, Module>) -> Vec<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    let mut open = vec![(module, module.depends.iter())];
    while let Some((_, depends)) = open.last_mut() {
        if let Some(name) = depends.next() {
            if let Some(needed) = loaded.get(name).filter(|needed| seen.insert(&needed.name)) {
                open.push((needed, needed.depends.iter()));
            }
        } else if let Some((done, _)) = open.pop()
            && !open.is_empty()
        {
            order.push(done);
        }
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "usr/lib/modules/6.12";

    fn tree() -> Tree {
        let modules: [(&str, &[&str]); 5] = [
            ("kernel/net/openvswitch/openvswitch", &["depends=nsh", "alias=net-pf-[0-9]-x"]),
            ("kernel/net/nsh/nsh", &["depends=crc-itu,virtio", "softdep=pre: crc32c"]),
            ("kernel/lib/crc-itu", &["depends="]),
            ("kernel/net/can/can", &["depends="]),
            ("kernel/fs/squashfs", &["depends="]),
        ];
        let mut tree = Tree::default();
        let mut add = |path: String, bytes: &[u8]| {
            tree.insert(&path, Node::File { mode: 0o644, bytes: bytes.into() });
        };
        for (path, information) in modules {
            add(format!("{FOLDER}/{path}.ko"), &module::module_file(information));
        }
        add(format!("{FOLDER}/{BUILTIN}"), b"kernel/drivers/virtio/virtio.ko\n");
        tree
    }

    fn recipe(initramfs: &[&str]) -> KernelRecipe {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        KernelRecipe {
            flavour: "cloud".to_owned(),
            initramfs: owned(initramfs),
            folders: owned(&["net"]),
            skipped: owned(&["net/can"]),
        }
    }

    #[test]
    fn the_root_has_what_the_recipe_names_and_all_it_needs() {
        let modules = select(&recipe(&["squashfs"]), &tree()).unwrap();
        assert_eq!(modules.initramfs[0].name, "squashfs");
        let names: Vec<&str> = modules
            .root
            .iter()
            .map(|(path, _)| path.strip_prefix("usr/lib/modules/6.12/").unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "kernel/lib/crc-itu.ko",
                "kernel/net/nsh/nsh.ko",
                "kernel/net/openvswitch/openvswitch.ko",
                "kernel/fs/squashfs.ko",
                "modules.builtin",
                "modules.dep.bin",
                "modules.alias.bin",
                "modules.builtin.bin",
                "modules.softdep",
            ]
        );
        let mut expected = Index::default();
        let lines = [
            ("crc_itu", "kernel/lib/crc-itu.ko:", 0),
            ("nsh", "kernel/net/nsh/nsh.ko: kernel/lib/crc-itu.ko", 1),
            (
                "openvswitch",
                "kernel/net/openvswitch/openvswitch.ko: kernel/net/nsh/nsh.ko kernel/lib/crc-itu.ko",
                2,
            ),
            ("squashfs", "kernel/fs/squashfs.ko:", 3),
        ];
        for (name, line, priority) in lines {
            expected.insert(name, line, priority);
        }
        let contents =
            |name: &str| match &modules.root.iter().find(|(path, _)| path.ends_with(name)) {
                Some((_, Node::File { bytes, .. })) => bytes.to_vec(),
                other => panic!("{other:?}"),
            };
        assert_eq!(contents("modules.dep.bin"), expected.bytes());
        assert_eq!(contents("modules.softdep"), b"softdep nsh pre: crc32c\n");
    }

    #[test]
    fn what_cannot_be_loaded_is_told_at_build_time() {
        let table: [(&[&str], &str); 3] = [
            (&["nsh", "crc-itu"], "the initramfs loads `nsh` before `crc_itu`, which it needs"),
            (&["erofs"], "the kernel has no module `erofs`, which the recipe needs"),
            (&["openvswitch"], "the initramfs loads `openvswitch` before `nsh`, which it needs"),
        ];
        for (initramfs, expected) in table {
            let error = select(&recipe(initramfs), &tree()).map(drop).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let mut broken = tree();
        broken.retain(|path| !path.ends_with("crc-itu.ko"));
        assert_eq!(
            select(&recipe(&[]), &broken).map(drop).unwrap_err().to_string(),
            "the kernel has no module `crc_itu`, which `nsh` needs"
        );
    }

    #[test]
    fn modules_may_depend_on_each_other_as_deep_as_there_are_modules() {
        let module = |number: usize| Module {
            name: format!("m{number}"),
            path: String::new(),
            bytes: Vec::new(),
            depends: vec![format!("m{}", number + 1)],
            aliases: Vec::new(),
            soft_dependencies: Vec::new(),
        };
        let loaded: BTreeMap<_, _> =
            (0..50_000).map(|number| (format!("m{number}"), module(number))).collect();
        let needed = all_needed(&loaded["m0"], &loaded);
        assert_eq!(needed.len(), loaded.len() - 1);
        assert_eq!((&*needed[0].name, &*needed[49_998].name), ("m1", "m49999"));
    }
}
