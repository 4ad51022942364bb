//! The root as a squashfs, compressed with zstd.
//!
//! backhand compresses block after block on one core, which takes most of a build. So the writer
//! runs twice: first with a compressor that only collects the blocks, which are then compressed on
//! all cores, and again with one that looks the results up. The bytes are the same as with one
//! run; the blocks with inodes, which depend on the results, are compressed as they come.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use backhand::compression::Compressor;
use backhand::kind::Kind;
use backhand::traits::CompressionAction;
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader, SuperBlock};
use rayon::prelude::*;
use thiserror::Error;

use crate::error::Error;
use crate::progress::Progress;
use crate::root::{Node, Tree};
use crate::store::keep_going;

/// Level 15 would make the root 8 % smaller (42.6 instead of 46.1 MB) and take seven times as long
/// (16 instead of 2 s of processor time), while the user waits for the first guest.
const ZSTD_LEVEL: i32 = 9;

/// mksquashfs's default, and what the guest's kernel reads at once. Larger blocks make the root
/// smaller and every first touch of a file slower.
const BLOCK_BYTES: u32 = 128 * 1024;

/// What was going on when the user asked to stop.
const STAGE: &str = "compressing the root";

/// The root could not be written; with everything in memory this is a fault of netlab.
#[derive(Debug, Error)]
#[error("the root file system cannot be made: {reason}")]
pub struct SquashfsError {
    reason: String,
}

/// Makes the file system. Owner is root, and every time is 0, so that equal trees give equal bytes.
///
/// The user's wish to stop is looked at with every block.
pub fn squashfs(tree: &Tree, progress: &dyn Progress) -> Result<Vec<u8>, Error> {
    two_passes(tree, progress).map_err(|error| match keep_going(progress, STAGE) {
        // The writer can only fail; what it failed of is known here.
        Err(cancelled) => cancelled.into(),
        Ok(()) => error.into(),
    })
}

fn two_passes(tree: &Tree, progress: &dyn Progress) -> Result<Vec<u8>, SquashfsError> {
    let (_, pass) = write(tree, Pass::Collecting(Vec::new()), progress)?;
    let prepared = match pass {
        Pass::Collecting(blocks) => blocks
            .par_iter()
            .map(|block| {
                stop_if_cancelled(progress)?;
                Ok((blake3::hash(block), compress(block)?))
            })
            .collect::<io::Result<_>>()
            .map_err(|error| SquashfsError { reason: error.to_string() })?,
        Pass::Writing(prepared) => prepared,
    };
    Ok(write(tree, Pass::Writing(prepared), progress)?.0)
}

fn stop_if_cancelled(progress: &dyn Progress) -> io::Result<()> {
    keep_going(progress, STAGE).map_err(io::Error::other)
}

/// A file's contents, which end in an error when the user asks to stop.
struct Contents<'a> {
    bytes: &'a [u8],
    progress: &'a dyn Progress,
}

impl Read for Contents<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        stop_if_cancelled(self.progress)?;
        self.bytes.read(out)
    }
}

/// What the compressor does; the writer calls it on its own thread.
enum Pass {
    Collecting(Vec<Vec<u8>>),
    Writing(HashMap<blake3::Hash, Vec<u8>>),
}

thread_local! {
    /// The compressor must be a static, so its state has to be beside it.
    static PASS: RefCell<Pass> = const { RefCell::new(Pass::Collecting(Vec::new())) };
}

struct TwoPass;

impl CompressionAction for TwoPass {
    type Error = BackhandError;
    type Compressor = Compressor;
    type FilesystemCompressor = FilesystemCompressor;
    type SuperBlock = SuperBlock;

    fn decompress(
        &self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        _compressor: Compressor,
    ) -> Result<(), BackhandError> {
        zstd::stream::copy_decode(bytes, out).map_err(BackhandError::from)
    }

    fn compress(
        &self,
        bytes: &[u8],
        _compressor: FilesystemCompressor,
        _block_size: u32,
    ) -> Result<Vec<u8>, BackhandError> {
        PASS.with_borrow_mut(|pass| match pass {
            Pass::Collecting(blocks) => {
                blocks.push(bytes.to_vec());
                Ok(Vec::new())
            }
            Pass::Writing(prepared) => match prepared.get(&blake3::hash(bytes)) {
                Some(compressed) => Ok(compressed.clone()),
                None => Ok(compress(bytes)?),
            },
        })
    }
}

fn compress(block: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(block, ZSTD_LEVEL)
}

fn write(
    tree: &Tree,
    pass: Pass,
    progress: &dyn Progress,
) -> Result<(Vec<u8>, Pass), SquashfsError> {
    static COMPRESSOR: TwoPass = TwoPass;
    let failed = |error: BackhandError| SquashfsError { reason: error.to_string() };
    let mut writer = FilesystemWriter::default();
    writer.set_kind(Kind::new_v4(&COMPRESSOR));
    writer.set_compressor(FilesystemCompressor::new(Compressor::Zstd, None).map_err(failed)?);
    writer.set_block_size(BLOCK_BYTES);
    writer.set_time(0);
    writer.set_only_root_id();
    writer.set_root_mode(0o755);
    for (path, node) in tree.iter() {
        let header = |mode: u16| NodeHeader { permissions: mode, uid: 0, gid: 0, mtime: 0 };
        match node {
            Node::Directory { mode } => writer.push_dir(path, header(*mode)),
            Node::File { mode, bytes } => {
                writer.push_file(Contents { bytes, progress }, path, header(*mode))
            }
            Node::Symlink { target } => writer.push_symlink(target.as_str(), path, header(0o777)),
        }
        .map_err(failed)?;
    }
    PASS.set(pass);
    let mut out = Cursor::new(Vec::new());
    let written = writer.write(&mut out);
    let pass = PASS.replace(Pass::Collecting(Vec::new()));
    written.map_err(failed)?;
    Ok((out.into_inner(), pass))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{ProgressEvent, Silent};
    use backhand::{FilesystemReader, InnerNode};
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn tree() -> Tree {
        let mut tree = Tree::default();
        let noise: Vec<u8> =
            (0..400_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        tree.insert("usr/bin/large", Node::File { mode: 0o755, bytes: noise.into() });
        tree.insert("usr/bin/small", Node::File { mode: 0o644, bytes: b"text"[..].into() });
        tree.insert("etc/empty", Node::File { mode: 0o600, bytes: b""[..].into() });
        tree.insert("bin", Node::Symlink { target: "usr/bin".to_owned() });
        tree.insert("tmp", Node::Directory { mode: 0o1777 });
        tree
    }

    #[test]
    fn equal_trees_give_equal_bytes() {
        let once = squashfs(&tree(), &Silent).unwrap();
        assert!(once == squashfs(&tree(), &Silent).unwrap());
        let mut other = tree();
        other.insert("a", Node::File { mode: 0o644, bytes: b"b"[..].into() });
        assert!(once != squashfs(&other, &Silent).unwrap());
    }

    /// Asks to stop after it was asked a number of times.
    struct Impatient(AtomicUsize);

    impl Progress for Impatient {
        fn event(&self, _event: ProgressEvent) {}

        fn cancelled(&self) -> bool {
            let left = |left: usize| Some(left.saturating_sub(1));
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(0)
        }
    }

    #[test]
    fn the_user_may_stop_it_at_any_block() {
        let patience = Impatient(AtomicUsize::new(usize::MAX));
        squashfs(&tree(), &patience).unwrap();
        let looks = usize::MAX - patience.0.into_inner();
        assert!(looks > 10, "{looks}");
        for patience in 0..looks {
            let error = squashfs(&tree(), &Impatient(AtomicUsize::new(patience))).unwrap_err();
            assert_eq!(error.to_string(), "interrupted while compressing the root");
        }
    }

    #[test]
    fn what_went_in_comes_out() {
        let bytes = squashfs(&tree(), &Silent).unwrap();
        let reader = FilesystemReader::from_reader(Cursor::new(bytes)).unwrap();
        let mut found = Tree::default();
        for node in reader.files() {
            let path = node.fullpath.to_str().unwrap().trim_start_matches('/');
            let mode = node.header.permissions;
            assert_eq!((node.header.uid, node.header.gid, node.header.mtime), (0, 0, 0));
            match &node.inner {
                InnerNode::Dir(_) if path.is_empty() => {}
                InnerNode::Dir(_) => drop(found.set_directory(path, mode)),
                InnerNode::Symlink(link) => {
                    let target = link.link.to_str().unwrap().to_owned();
                    found.insert(path, Node::Symlink { target });
                }
                InnerNode::File(file) => {
                    let mut bytes = Vec::new();
                    reader.file(file).reader().read_to_end(&mut bytes).unwrap();
                    found.insert(path, Node::File { mode, bytes: bytes.into() });
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(found, tree());
    }
}
