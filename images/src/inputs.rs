//! Everything that an image is made of, and the key that stands for it.

use crate::arch::Arch;
use crate::error::Error;
use crate::image::IMAGE_FORMAT;
use crate::lock::Lock;
use crate::recipe::{self, Recipe};
use crate::store::BuildOptions;

/// Length of a key in hexadecimal digits; 128 bits make chance collisions impossible in practice
/// and keep paths short.
const KEY_DIGITS: usize = 32;

/// The inputs of one build.
pub struct Inputs {
    /// The guest's architecture.
    pub arch: Arch,
    /// The recipe.
    pub recipe: Recipe,
    /// The lock.
    pub lock: Lock,
    /// Digest of the recipe and our files.
    pub recipe_digest: String,
    /// Digest of the lock.
    pub lock_digest: String,
    /// Digest of init.
    pub init_digest: String,
    /// Digest of all of these.
    pub key: String,
}

impl Inputs {
    /// Reads recipe and lock and computes the key.
    pub fn new(options: &BuildOptions, init: &[u8]) -> Result<Self, Error> {
        let recipe = Recipe::load()?;
        let lock = Lock::load(options.arch, &recipe.release, options.lock.as_deref())?;
        let recipe_digest = recipe::digest().to_string();
        let lock_digest = lock.digest()?.to_string();
        let init_digest = blake3::hash(init).to_string();
        let all =
            format!("{IMAGE_FORMAT} {} {recipe_digest} {lock_digest} {init_digest}", options.arch);
        let mut key = blake3::hash(all.as_bytes()).to_string();
        key.truncate(KEY_DIGITS);
        Ok(Self { arch: options.arch, recipe, lock, recipe_digest, lock_digest, init_digest, key })
    }
}
