//! The digest of a file that is mostly holes. The rule: blocks of zeros do not count, whether the
//! disk has them or not, so that the digest belongs to the contents and not to the file's layout.
//!
//! Data is read, not mapped: a mapping shows whatever somebody else writes to the file meanwhile,
//! needs `unsafe`, and dies of a file that is cut short; reading costs a copy of memory that the
//! hashing itself takes three times as long for.

use std::fs::File;
use std::io;

use rayon::prelude::*;

use crate::platform;

/// Bytes of a block: each processor works on one at a time.
const BLOCK_BYTES: u64 = 1 << 20;

/// The digest, in hexadecimal: BLAKE3 over the number and the BLAKE3 of each block that is not all
/// zeros, and over the file's size.
///
/// # Errors
/// What the system says.
pub fn of(file: &File) -> io::Result<String> {
    let size = file.metadata()?.len();
    let mut blocks: Vec<u64> = platform::data_ranges(file)?
        .into_iter()
        .flat_map(|range| range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES))
        .collect();
    blocks.dedup();
    let digests = blocks
        .par_iter()
        .map_init(
            || vec![0; BLOCK_BYTES as usize],
            |buffer, &block| {
                let start = block * BLOCK_BYTES;
                let bytes = &mut buffer[..(size - start).min(BLOCK_BYTES) as usize];
                platform::read_exact_at(file, bytes, start)?;
                let is_empty = bytes.iter().all(|&byte| byte == 0);
                Ok((!is_empty).then(|| (block, blake3::hash(bytes))))
            },
        )
        .collect::<io::Result<Vec<_>>>()?;
    let mut whole = blake3::Hasher::new();
    whole.update(&size.to_le_bytes());
    for (block, digest) in digests.into_iter().flatten() {
        whole.update(&block.to_le_bytes()).update(digest.as_bytes());
    }
    Ok(whole.finalize().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::*;

    fn file(write: impl FnOnce(&mut File)) -> String {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file);
        of(&file).unwrap()
    }

    #[test]
    fn a_hole_and_written_zeros_are_the_same_and_all_else_is_not() {
        const SIZE: u64 = 5 << 20;
        let with = |place: u64, byte: u8| {
            file(|file| {
                file.set_len(SIZE).unwrap();
                file.seek(SeekFrom::Start(place)).unwrap();
                file.write_all(&[byte]).unwrap();
            })
        };
        let zeros = file(|file| file.write_all(&vec![0; SIZE as usize]).unwrap());
        assert_eq!(with(3 << 20, 0), zeros);
        let others = [with(0, 1), with(1, 1), with(SIZE - 1, 1), with(3 << 20, 1)];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, zeros);
            assert!(!others[index + 1..].contains(other), "{index}");
        }
        let longer = file(|file| file.set_len(SIZE + 1).unwrap());
        assert_ne!(longer, zeros);
    }
}
