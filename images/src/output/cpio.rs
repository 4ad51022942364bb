//! The `newc` form of cpio archives, which the kernel unpacks as its first root.
//!
//! Owner and time are 0 and inode numbers count up from 1, so equal contents give equal bytes.
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

/// File type bits of a mode, as in stat(2).
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// Headers, names and contents end at multiples of this.
const ALIGNMENT: usize = 4;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Cpio {
    out: Vec<u8>,
    inode: u32,
}

impl Cpio {
    /// Adds a folder; those above it must have been added before.
    pub fn directory(&mut self, path: &str, mode: u16) {
        self.entry(path, DIRECTORY | u32::from(mode), 2, &[]);
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: u16, contents: &[u8]) {
        self.entry(path, REGULAR | u32::from(mode), 1, contents);
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.header("TRAILER!!!", 0, 0, 1, 0);
        self.out
    }

    fn entry(&mut self, path: &str, mode: u32, links: u32, contents: &[u8]) {
        self.inode += 1;
        self.header(path, self.inode, mode, links, contents.len());
        self.out.extend(contents);
        self.pad();
    }

    fn header(&mut self, path: &str, inode: u32, mode: u32, links: u32, size: usize) {
        let name_size = path.len() + 1;
        // inode, mode, uid, gid, links, time, size, device (4 fields), name size, checksum
        let fields = [inode, mode, 0, 0, links, 0, size as u32, 0, 0, 0, 0, name_size as u32, 0];
        self.out.extend(b"070701");
        for field in fields {
            self.out.extend(format!("{field:08X}").bytes());
        }
        self.out.extend(path.as_bytes());
        self.out.push(0);
        self.pad();
    }

    fn pad(&mut self) {
        self.out.resize(self.out.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_gnu_cpio() {
        let mut cpio = Cpio::default();
        cpio.directory("dev", 0o755);
        cpio.file("init", 0o755, b"hello");
        let expected = [
            "070701",
            "00000001",
            "000041ED",
            "00000000",
            "00000000",
            "00000002",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000004",
            "00000000",
            "dev\0\0\0",
            "070701",
            "00000002",
            "000081ED",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000000",
            "init\0\0hello\0\0\0",
            "070701",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000B",
            "00000000",
            "TRAILER!!!\0\0\0\0",
        ];
        assert_eq!(String::from_utf8(cpio.finish()).unwrap(), expected.concat());
    }
}
