//! Decompression of xz, whose streams say themselves how much memory they want.

use lzma_rust2::XzReader;

/// Memory that a stream may want, in KiB: twice what the highest preset of `xz` takes. The format
/// allows 4 GiB, whatever little is behind them.
const MEMORY_KIB: u32 = 128 << 10;

/// Returns a reader of what one stream, or several behind each other, unpack to.
pub fn reader(packed: &[u8]) -> XzReader<&[u8]> {
    XzReader::new_mem_limit(packed, true, MEMORY_KIB)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use lzma_rust2::{XzOptions, XzWriter};

    use super::*;

    /// A stream whose header wants a dictionary of the size that this byte stands for.
    fn wanting(dictionary: u8) -> Vec<u8> {
        let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(0)).unwrap();
        writer.write_all(b"text").unwrap();
        let mut stream = writer.finish().unwrap();
        // Behind the stream's header of 12 bytes: the block header's size in words, less one; flags,
        // filter, length of its properties, the dictionary; at the end a checksum.
        let length = (usize::from(stream[12]) + 1) * 4;
        stream[16] = dictionary;
        let mut checksum = flate2::Crc::new();
        checksum.update(&stream[12..12 + length - 4]);
        stream[12 + length - 4..12 + length].copy_from_slice(&checksum.sum().to_le_bytes());
        stream
    }

    fn unpacked(stream: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader(stream).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn a_stream_gets_as_much_memory_as_a_package_needs_and_no_more() {
        // 64 MiB, as `xz -9` writes it, and the most that there is.
        assert_eq!(unpacked(&wanting(28)).unwrap(), b"text");
        let error = unpacked(&wanting(40)).unwrap_err().to_string();
        assert!(error.contains("memory"), "{error}");
    }
}
