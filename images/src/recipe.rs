//! The recipe: what the image is made of, as `recipe.toml` says it.
//!
//! The recipe is compiled in. Unknown keys are errors, so a typo cannot silently leave something
//! out of the image.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::files;

/// The recipe is not in order; only whoever edits it can meet this.
#[derive(Debug, Error)]
#[error("the recipe is not readable: {reason}")]
pub struct RecipeError {
    /// Where and why.
    reason: String,
}

impl RecipeError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        "correct `images/recipe.toml` and build netlab anew".to_owned()
    }
}

/// The contents of `recipe.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Codename of the Debian release.
    pub release: String,
    /// Part of the archive.
    pub component: String,
    /// Packages asked for by name.
    pub packages: Vec<String>,
    /// Packages left out although others depend on them.
    pub excluded: Vec<String>,
    /// Paths removed from the root; `*` stands for part of one name.
    pub trim: Vec<String>,
    /// Empty folders and their modes.
    pub directories: BTreeMap<String, u32>,
    /// Symbolic links and what they point at.
    pub links: BTreeMap<String, String>,
    /// Accounts beyond those of base-passwd.
    pub accounts: Vec<Account>,
    /// The kernel and its modules.
    pub kernel: KernelRecipe,
}

/// A system account without a password, with a group of the same name and number; one of root's number
/// is in root's group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Name of the user and of the group.
    pub name: String,
    /// Number of the user and of the group.
    pub id: u32,
    /// Home folder.
    pub home: String,
    /// Login shell; without it nobody can log in.
    #[serde(default = "no_login")]
    pub shell: String,
}

fn no_login() -> String {
    "/usr/sbin/nologin".to_owned()
}

/// Which kernel, and which of its modules go where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelRecipe {
    /// Debian's flavour: the metapackage is `linux-image-<flavour>-<arch>`.
    pub flavour: String,
    /// Modules for the initramfs in their load order.
    pub initramfs: Vec<String>,
    /// Folders, or modules without their suffix, that go into the root.
    pub folders: Vec<String>,
    /// Exceptions from these.
    pub skipped: Vec<String>,
}

impl Recipe {
    /// Reads the recipe that is compiled in.
    pub fn load() -> Result<Self, RecipeError> {
        Self::parse(files::RECIPE)
    }

    fn parse(text: &str) -> Result<Self, RecipeError> {
        toml::from_str(text).map_err(|error| RecipeError { reason: error.to_string() })
    }
}

/// Returns a digest of the recipe and of all files of ours that it puts into the image.
pub fn digest() -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    // Lengths keep the parts apart: moving bytes from one file to the next changes the digest.
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(files::RECIPE.as_bytes());
    for file in files::GUEST {
        part(file.path.as_bytes());
        part(&file.mode.to_le_bytes());
        part(file.bytes);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_recipe_is_in_order() {
        let recipe = Recipe::load().unwrap();
        for name in &recipe.packages {
            assert!(!recipe.excluded.contains(name), "`{name}` is both wanted and left out");
        }
        assert_eq!(recipe.directories["tmp"], 0o1777);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let text = format!("relaese = \"trixie\"\n{}", files::RECIPE);
        let error = Recipe::parse(&text).unwrap_err().to_string();
        assert!(error.contains("unknown field `relaese`"), "{error}");
    }
}
