//! The kernel in the form that QEMU boots.
//!
//! A bzImage first unpacks itself, in emulation; so on x86 its payload, an ELF with a PVH entry
//! point, is taken out once, here. An Arm kernel is packaged as a raw image, 31 MB of it, and QEMU
//! unpacks one that was compressed with gzip, which takes it 0.15 s. Offsets are those of the boot protocol in the kernel's
//! `Documentation/arch/x86/boot.rst` and `Documentation/arch/arm64/booting.rst`.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::error::KernelError;
use crate::arch::Arch;
use crate::root::{Node, Tree};
use crate::xz;

/// No unpacked kernel of Debian is larger (6.12: 58 MB); stops decompression bombs.
const MAX_KERNEL_BYTES: u64 = 512 << 20;

/// A kernel that QEMU boots, and the file it was made from.
pub struct Bootable {
    /// The kernel as it was packaged, where that is the smaller one.
    pub packaged: Option<Arc<[u8]>>,
    /// What QEMU boots.
    pub booted: Vec<u8>,
}

/// Finds the kernel in its package and brings it into bootable form.
pub fn bootable(arch: Arch, package: &Tree) -> Result<Bootable, KernelError> {
    let (path, packaged) = package
        .iter()
        .find_map(|(path, node)| match node {
            Node::File { bytes, .. } if path.starts_with("boot/vmlinuz-") => Some((path, bytes)),
            _ => None,
        })
        .ok_or(KernelError::NoKernel)?;
    let unusable = |reason: String| KernelError::Unusable { path: path.to_owned(), reason };
    Ok(match arch {
        Arch::Amd64 => {
            let booted = payload(packaged).map_err(unusable)?;
            Bootable { packaged: Some(Arc::clone(packaged)), booted }
        }
        Arch::Arm64 => {
            check_arm_image(packaged).map_err(|reason| unusable(reason.to_owned()))?;
            let booted = compress(packaged).map_err(|error| unusable(error.to_string()))?;
            Bootable { packaged: None, booted }
        }
    })
}

/// Takes the ELF out of a bzImage.
fn payload(image: &[u8]) -> Result<Vec<u8>, String> {
    const MAGIC: std::ops::Range<usize> = 0x202..0x206;
    /// Protocol versions below 2.08 have no payload fields.
    const FIRST_VERSION: u16 = 0x0208;
    const SECTOR_BYTES: usize = 512;
    if image.get(MAGIC) != Some(b"HdrS") {
        return Err("it is no bzImage".to_owned());
    }
    let short = || "it ends early".to_owned();
    let version = u16::from_le_bytes(field(image, 0x206).ok_or_else(short)?);
    if version < FIRST_VERSION {
        return Err(format!("its boot protocol {version:#06x} is too old"));
    }
    // A setup of 0 sectors means 4, as ever.
    let setup_sectors = match image.get(0x1f1) {
        Some(0) | None => 4,
        Some(count) => usize::from(*count),
    };
    let offset = u32::from_le_bytes(field(image, 0x248).ok_or_else(short)?) as usize;
    let length = u32::from_le_bytes(field(image, 0x24c).ok_or_else(short)?) as usize;
    let start = (setup_sectors + 1) * SECTOR_BYTES + offset;
    let compressed = image.get(start..start + length).ok_or_else(short)?;
    let elf = decompress(compressed)?;
    if !elf.starts_with(b"\x7fELF") {
        return Err("its payload is no ELF file".to_owned());
    }
    Ok(elf)
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>, String> {
    // The build appends the unpacked size, which is no part of the stream.
    const SIZE_BYTES: usize = 4;
    let stream = &payload[..payload.len().saturating_sub(SIZE_BYTES)];
    let reader: Box<dyn Read> = match stream {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::Decoder::new(stream).map_err(|error| error.to_string())?;
            Box::new(decoder.single_frame())
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Box::new(xz::reader(stream)),
        [first, second, third, fourth, ..] => {
            return Err(format!(
                "its payload begins with {first:02x} {second:02x} {third:02x} {fourth:02x}, which \
                 is neither zstd nor xz"
            ));
        }
        _ => return Err("its payload is empty".to_owned()),
    };
    let mut unpacked = Vec::new();
    reader
        .take(MAX_KERNEL_BYTES + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| format!("its payload is damaged: {error}"))?;
    if unpacked.len() as u64 > MAX_KERNEL_BYTES {
        return Err(format!("its payload unpacks to more than {MAX_KERNEL_BYTES} bytes"));
    }
    Ok(unpacked)
}

/// Compresses a kernel with neither name nor time in the header, so that equal ones stay equal.
fn compress(image: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(image)?;
    encoder.finish()
}

/// An Arm kernel must be a raw image: QEMU unpacks no other.
fn check_arm_image(image: &[u8]) -> Result<(), &'static str> {
    let compressed = image.get(4..8) == Some(b"zimg");
    match (image.get(0x38..0x3c), compressed) {
        (Some(b"ARM\x64"), _) => Ok(()),
        (_, true) => Err("it is an EFI image with a compressed payload"),
        _ => Err("it is no raw arm64 image"),
    }
}

fn field<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<[u8; LENGTH]> {
    bytes.get(at..at + LENGTH)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a bzImage with one setup sector and the payload right behind it.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    fn with_size(mut stream: Vec<u8>) -> Vec<u8> {
        stream.extend([0; 4]);
        stream
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        with_size(zstd::encode_all(text, 1).unwrap())
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(text).unwrap();
        with_size(writer.finish().unwrap())
    }

    #[test]
    fn the_elf_comes_out_of_zstd_and_xz() {
        for payload_bytes in [zstd(b"\x7fELF kernel"), xz(b"\x7fELF kernel")] {
            assert_eq!(payload(&image(&payload_bytes)).unwrap(), b"\x7fELF kernel");
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused_in_words() {
        let mut old = image(&zstd(b"\x7fELF"));
        old[0x206] = 7;
        let good = image(&zstd(b"\x7fELF"));
        let mut damaged = zstd(&[7; 1000]);
        damaged.drain(8..12);
        let table = [
            (b"MZ".to_vec(), "it is no bzImage"),
            (old, "its boot protocol 0x0207 is too old"),
            (good[..good.len() - 1].to_vec(), "it ends early"),
            (image(b""), "its payload is empty"),
            (image(&zstd(b"text")), "its payload is no ELF file"),
            (
                image(b"\x1f\x8b\x08\x00-gzip--"),
                "its payload begins with 1f 8b 08 00, which is neither zstd nor xz",
            ),
        ];
        for (bytes, expected) in table {
            assert_eq!(payload(&bytes).unwrap_err(), expected);
        }
        let error = payload(&image(&damaged)).unwrap_err();
        assert!(error.starts_with("its payload is damaged: "), "{error}");
    }

    #[test]
    fn a_compressed_kernel_depends_on_nothing_but_the_kernel() {
        let compressed = compress(b"kernel").unwrap();
        // RFC 1952: the magic number, deflate, no flags, no time, best compression, unknown system.
        assert_eq!(compressed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, b"kernel");
    }

    #[test]
    fn arm_kernels_must_be_raw() {
        let mut image = vec![0; 64];
        assert_eq!(check_arm_image(&image), Err("it is no raw arm64 image"));
        image[4..8].copy_from_slice(b"zimg");
        assert_eq!(check_arm_image(&image), Err("it is an EFI image with a compressed payload"));
        image[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(check_arm_image(&image), Ok(()));
    }

    #[test]
    fn any_bytes_are_a_kernel_or_refused() {
        bolero::check!(name = "kernel").for_each(|image: &[u8]| {
            if let Ok(elf) = payload(image) {
                assert!(elf.starts_with(b"\x7fELF"));
            }
            let _arm = check_arm_image(image);
        });
    }
}
