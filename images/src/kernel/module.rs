//! One kernel module: unpacked, without its signature, and what it says about itself.

use std::io::Read;

use object::read::elf::ElfFile64;
use object::{Object, ObjectSection};

use super::error::KernelError;
use crate::xz;

/// No module is larger; stops decompression bombs.
const MAX_MODULE_BYTES: u64 = 256 << 20;

/// Longest name or alias of a module, in bytes: the longest of Debian's has 200. It bounds how deep the
/// indexes of them are.
const MAX_NAME_BYTES: usize = 1024;

/// Ends a signed module, behind a 12-byte record whose last four bytes are the signature's length.
const SIGNATURE_MAGIC: &[u8] = b"~Module signature appended~\n";
const SIGNATURE_RECORD_BYTES: usize = 12;

/// A module ready to be loaded.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, with underscores as the kernel has it.
    pub name: String,
    /// Its file below the folder of the kernel's version, ending in `.ko`.
    pub path: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Names of modules that must be loaded before.
    pub depends: Vec<String>,
    /// Names and patterns by which the kernel asks for it.
    pub aliases: Vec<String>,
    /// Modules that should be loaded around it, as modprobe.d(5) writes it.
    pub soft_dependencies: Vec<String>,
}

/// Reads a module from its packaged file, `….ko` or `….ko.xz`.
///
/// The signature goes: checking it costs an RSA operation a module, which is slow in emulation, and
/// the image's own hashes vouch for the bytes. The kernel does not insist on it.
pub fn read(path: &str, packaged: &[u8]) -> Result<Module, KernelError> {
    let bad = |reason: String| KernelError::BadModule { path: path.to_owned(), reason };
    let (path, mut bytes) = match path.strip_suffix(".xz") {
        Some(path) => {
            let mut bytes = Vec::new();
            xz::reader(packaged)
                .take(MAX_MODULE_BYTES + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| bad(error.to_string()))?;
            if bytes.len() as u64 > MAX_MODULE_BYTES {
                return Err(bad(format!("it unpacks to more than {MAX_MODULE_BYTES} bytes")));
            }
            (path, bytes)
        }
        None => (path, packaged.to_vec()),
    };
    bytes.truncate(unsigned_length(&bytes));
    let information = information(&bytes).map_err(bad)?;
    let values = |key: &str| -> Vec<String> {
        let pairs = information.split(|byte| *byte == 0).filter_map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            pair.split_once('=').filter(|(found, _)| *found == key).map(|(_, value)| value)
        });
        pairs.map(str::to_owned).collect()
    };
    let aliases = values("alias");
    if name_of(path).len() > MAX_NAME_BYTES || aliases.iter().any(|it| it.len() > MAX_NAME_BYTES) {
        return Err(bad(format!("it has a name of more than {MAX_NAME_BYTES} bytes")));
    }
    let depends = values("depends");
    let depends = depends.iter().flat_map(|list| list.split(',')).filter(|name| !name.is_empty());
    Ok(Module {
        name: name_of(path),
        path: path.to_owned(),
        depends: depends.map(with_underscores).collect(),
        aliases,
        soft_dependencies: values("softdep"),
        bytes,
    })
}

/// Returns the module name of a file such as `kernel/net/sched/sch-a.ko.xz`: `sch_a`.
pub fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    with_underscores(file.split('.').next().unwrap_or(file))
}

/// Writes a name or an alias the way kmod compares them: `-` and `_` are one, but not in ranges.
pub fn with_underscores(name: &str) -> String {
    let mut in_range = false;
    name.chars()
        .map(|character| {
            in_range = (in_range || character == '[') && character != ']';
            if character == '-' && !in_range { '_' } else { character }
        })
        .collect()
}

fn unsigned_length(bytes: &[u8]) -> usize {
    let signed = || {
        let record = bytes.strip_suffix(SIGNATURE_MAGIC)?;
        let length = record.last_chunk::<4>()?;
        record
            .len()
            .checked_sub(SIGNATURE_RECORD_BYTES)?
            .checked_sub(u32::from_be_bytes(*length) as usize)
    };
    signed().unwrap_or(bytes.len())
}

fn information(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let elf: ElfFile64 = ElfFile64::parse(bytes).map_err(|error| error.to_string())?;
    let section = elf.section_by_name(".modinfo").ok_or("it has no section `.modinfo`")?;
    section.data().map(<[u8]>::to_vec).map_err(|error| error.to_string())
}

/// Makes the smallest module there is: an ELF file with nothing but its description.
#[cfg(test)]
pub fn module_file(information: &[&str]) -> Vec<u8> {
    const HEADER_BYTES: usize = 64;
    let description: Vec<u8> =
        information.iter().flat_map(|pair| [pair, "\0"].concat().into_bytes()).collect();
    let names = b"\0.modinfo\0.shstrtab\0";
    let sections_at = HEADER_BYTES + description.len() + names.len();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    // Relocatable, x86_64, version 1; no entry, no program headers.
    bytes.extend([1, 0, 62, 0, 1, 0, 0, 0]);
    bytes.extend([0; 16]);
    bytes.extend((sections_at as u64).to_le_bytes());
    bytes.extend([0; 4]);
    // Sizes and counts of headers: three sections, the last with their names.
    for value in [HEADER_BYTES as u16, 0, 0, 64, 3, 2] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(&description);
    bytes.extend(names);
    bytes.extend([0; 64]);
    let parts = [
        (1_u32, 1_u32, HEADER_BYTES, description.len()),
        (10, 3, HEADER_BYTES + description.len(), names.len()),
    ];
    for (name, kind, offset, size) in parts {
        bytes.extend(name.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        for value in [0, 0, offset as u64, size as u64, 0, 1, 0] {
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_says_about_itself_is_read() {
        let file = module_file(&["depends=udp_tunnel,ip6-udp", "alias=a", "alias=b-c", "name=x"]);
        let module = read("kernel/net/x.ko", &file).unwrap();
        assert_eq!((module.name.as_str(), module.path.as_str()), ("x", "kernel/net/x.ko"));
        assert_eq!(module.depends, ["udp_tunnel", "ip6_udp"]);
        assert_eq!(module.aliases, ["a", "b-c"]);
        assert_eq!(module.bytes, file);
    }

    #[test]
    fn only_the_signature_is_cut_off() {
        let mut signed = b"module".to_vec();
        signed.extend(b"signature");
        signed.extend([0; 8]);
        signed.extend(9_u32.to_be_bytes());
        signed.extend(SIGNATURE_MAGIC);
        let table = [(&signed[..], 6), (b"module", 6), (SIGNATURE_MAGIC, SIGNATURE_MAGIC.len())];
        for (bytes, length) in table {
            assert_eq!(unsigned_length(bytes), length);
        }
    }

    #[test]
    fn names_are_as_the_kernel_has_them() {
        assert_eq!(name_of("kernel/crypto/crc32c-intel.ko.xz"), "crc32c_intel");
        assert_eq!(with_underscores("net-pf-16-proto-[0-9]-x"), "net_pf_16_proto_[0-9]_x");
    }

    #[test]
    fn damaged_modules_are_named() {
        let error = read("kernel/a.ko", b"text").unwrap_err().to_string();
        assert!(error.starts_with("the module `kernel/a.ko` is not readable: "), "{error}");
        let long = format!("alias={}", "x".repeat(MAX_NAME_BYTES + 1));
        let error = read("kernel/a.ko", &module_file(&[&long])).unwrap_err().to_string();
        assert!(error.ends_with("it has a name of more than 1024 bytes"), "{error}");
    }

    #[test]
    fn any_bytes_are_a_module_or_refused() {
        bolero::check!(name = "module").for_each(|bytes: &[u8]| {
            for path in ["kernel/a.ko", "kernel/a.ko.xz"] {
                if let Ok(module) = read(path, bytes) {
                    assert_eq!((module.name.as_str(), module.path.as_str()), ("a", "kernel/a.ko"));
                }
            }
        });
    }
}
