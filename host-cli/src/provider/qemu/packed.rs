//! A guest's whole state as a file: a third of its size by zstd, whose quickest level keeps up with
//! QEMU.

use std::io;
use std::path::Path;

use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Packs what is written to it into a file, or into what makes something of one.
pub fn packing<W: AsyncWrite>(sink: W) -> ZstdEncoder<W> {
    ZstdEncoder::with_quality(sink, Level::Fastest)
}

/// Writes the end of a packed file, without which it is a cut one.
///
/// # Errors
/// What the system says.
pub async fn finish(mut packing: ZstdEncoder<impl AsyncWrite + Unpin>) -> io::Result<()> {
    packing.shutdown().await
}

/// What a packed file contains.
///
/// # Errors
/// The file can't be opened.
pub async fn unpacked(path: &Path) -> io::Result<ZstdDecoder<BufReader<File>>> {
    let file = File::open(path).await?;
    Ok(ZstdDecoder::new(BufReader::with_capacity(PIECE_BYTES, file)))
}
