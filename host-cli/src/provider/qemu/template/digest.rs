//! The digest of a file that is mostly holes, and its copy with all of them. The rule: pages of zeros
//! do not count, whether the disk has them or not, so that the digest belongs to the contents and
//! not to the file's layout.
//!
//! Data is read, not mapped: a mapping shows whatever somebody else writes to the file meanwhile,
//! needs `unsafe`, and dies of a file that is cut short; reading costs a copy of memory, which is
//! less than the hashing takes.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use rayon::prelude::*;

use crate::platform;

/// Bytes of a page: the guest's, and what disks give out at least.
const PAGE_BYTES: usize = 4096;

/// A page of zeros: comparing with one is several times as fast as looking at each byte.
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// Pages of a segment: each processor works on one at a time, and finds in its cache what it has
/// just read.
const SEGMENT_PAGES: u64 = 64;

/// Bytes of a segment.
const SEGMENT_BYTES: u64 = SEGMENT_PAGES * PAGE_BYTES as u64;

/// The pages of a segment that are not all zeros.
#[derive(Default)]
struct Segment {
    /// Their numbers, from the start of the file.
    numbers: Vec<u64>,
    /// Their bytes, one after the other; the last one of a file may be short.
    bytes: Vec<u8>,
}

impl Segment {
    /// Reads what is there of the segment, by the file's data ranges.
    fn read(file: &File, ranges: &[std::ops::Range<u64>], number: u64) -> io::Result<Self> {
        let (start, end) = (number * SEGMENT_BYTES, (number + 1) * SEGMENT_BYTES);
        let mut segment = Self::default();
        let mut read = Vec::new();
        let first = ranges.partition_point(|range| range.end <= start);
        for range in ranges[first..].iter().take_while(|range| range.start < end) {
            // Whole pages: what surrounds the data in them is zeros.
            let page = PAGE_BYTES as u64;
            let from = (range.start.max(start) / page * page).max(segment.end());
            let until = range.end.min(end);
            if from >= until {
                continue;
            }
            read.resize((until - from) as usize, 0);
            platform::read_exact_at(file, &mut read, from)?;
            for (index, bytes) in read.chunks(PAGE_BYTES).enumerate() {
                if *bytes != ZEROS[..bytes.len()] {
                    segment.numbers.push(from / page + index as u64);
                    segment.bytes.extend_from_slice(bytes);
                }
            }
        }
        Ok(segment)
    }

    /// Where the last page ends that it has.
    fn end(&self) -> u64 {
        self.numbers.last().map_or(0, |number| (number + 1) * PAGE_BYTES as u64)
    }

    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for number in &self.numbers {
            hasher.update(&number.to_le_bytes());
        }
        // A short last page must not look like a whole one that ends in zeros.
        hasher.update(&(self.bytes.len() as u64).to_le_bytes());
        hasher.update(&self.bytes);
        hasher.finalize()
    }
}

/// The digest, in hexadecimal: BLAKE3 over the file's size and the BLAKE3 of each segment.
///
/// # Errors
/// What the system says.
pub fn of(file: &File) -> io::Result<String> {
    let size = file.metadata()?.len();
    let ranges = platform::data_ranges(file)?;
    let digests = (0..size.div_ceil(SEGMENT_BYTES))
        .into_par_iter()
        .map(|number| Segment::read(file, &ranges, number).map(|segment| segment.digest()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(whole(size, &digests))
}

/// Copies a file, leaving out its pages of zeros, and returns the digest of both.
///
/// # Errors
/// What the system says.
pub fn copy(from: &File, to: &mut File) -> io::Result<String> {
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let ranges = platform::data_ranges(from)?;
    let mut digests = Vec::new();
    for number in 0..size.div_ceil(SEGMENT_BYTES) {
        let segment = Segment::read(from, &ranges, number)?;
        digests.push(segment.digest());
        let pages = segment.bytes.chunks(PAGE_BYTES);
        let mut place = None;
        for (&number, bytes) in segment.numbers.iter().zip(pages) {
            let start = number * PAGE_BYTES as u64;
            if place != Some(start) {
                to.seek(SeekFrom::Start(start))?;
            }
            to.write_all(bytes)?;
            place = Some(start + bytes.len() as u64);
        }
    }
    Ok(whole(size, &digests))
}

fn whole(size: u64, digests: &[blake3::Hash]) -> String {
    let mut whole = blake3::Hasher::new();
    whole.update(&size.to_le_bytes());
    for digest in digests {
        whole.update(digest.as_bytes());
    }
    whole.finalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 5 * (1 << 20) + 7;

    fn file(write: impl FnOnce(&mut File)) -> File {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file);
        file
    }

    fn with(place: u64, byte: u8) -> File {
        file(|file| {
            file.set_len(SIZE).unwrap();
            file.seek(SeekFrom::Start(place)).unwrap();
            file.write_all(&[byte]).unwrap();
        })
    }

    fn digest(file: &File) -> String {
        of(file).unwrap()
    }

    #[test]
    fn a_hole_and_written_zeros_are_the_same_and_all_else_is_not() {
        let zeros = digest(&file(|file| file.write_all(&vec![0; SIZE as usize]).unwrap()));
        assert_eq!(digest(&with(3 << 20, 0)), zeros);
        let places = [0, 1, 4095, 4096, SEGMENT_BYTES, SIZE - 8, SIZE - 1];
        let others: Vec<_> = places.iter().map(|&place| digest(&with(place, 1))).collect();
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, zeros);
            assert!(!others[index + 1..].contains(other), "{}", places[index]);
        }
        let longer = file(|file| file.set_len(SIZE + 1).unwrap());
        assert_ne!(digest(&longer), zeros);
    }

    #[test]
    fn a_copy_is_the_same_and_has_no_more_than_the_data() {
        let original = file(|file| {
            file.write_all(&vec![0; SIZE as usize]).unwrap();
            for (place, byte) in [(0, 1_u8), (4096, 2), (8191, 3), (2 << 20, 4), (SIZE - 1, 5)] {
                file.seek(SeekFrom::Start(place)).unwrap();
                file.write_all(&[byte]).unwrap();
            }
        });
        let mut sparse = tempfile::tempfile().unwrap();
        let told = copy(&original, &mut sparse).unwrap();
        assert_eq!(told, digest(&original));
        assert_eq!(told, digest(&sparse));
        let bytes = |file: &File| {
            let mut bytes = vec![0; SIZE as usize];
            platform::read_exact_at(file, &mut bytes, 0).unwrap();
            bytes
        };
        assert!(bytes(&original) == bytes(&sparse));
    }
}
