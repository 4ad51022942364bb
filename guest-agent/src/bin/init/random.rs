//! The kernel's random generator. A fresh guest has little entropy, and all guests restored from
//! one saved state have the same: the host's bytes make each one different.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::libc;
use zeroize::Zeroize as _;

use netlab_protocol::boot::ENTROPY_BYTES;

use crate::error::InitError;

/// The kernel's `struct rand_pool_info` with room for the host's bytes.
#[repr(C)]
struct PoolInfo {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    pool: [u8; ENTROPY_BYTES],
}

/// The control calls of `/dev/random`, numbered in `linux/random.h`.
mod calls {
    use super::libc;

    // The size in the number is that of the struct without its flexible array: two integers.
    nix::ioctl_write_ptr_bad!(
        add_entropy,
        nix::request_code_write!(b'R', 0x03, 2 * size_of::<libc::c_int>()),
        super::PoolInfo
    );
    nix::ioctl_none!(reseed, b'R', 0x07);
}

/// Gives the kernel the host's bytes, counted in full, and makes the generator use them at once.
pub fn seed(entropy: &[u8; ENTROPY_BYTES]) -> Result<(), InitError> {
    let path = "/dev/random";
    let device = File::options().write(true).open(path).map_err(|cause| InitError::File {
        doing: "open",
        path: path.into(),
        cause,
    })?;
    let refused = |cause: Errno| InitError::System { doing: "seed the random generator", cause };
    let bytes = ENTROPY_BYTES as libc::c_int;
    let mut info = PoolInfo { entropy_bits: bytes * 8, bytes, pool: *entropy };
    // SAFETY: `device` is open, and `info` has the layout that the call reads: two integers and
    // as many bytes as the second says.
    #[expect(unsafe_code, reason = "there is no other way to have entropy counted")]
    let added = unsafe { calls::add_entropy(device.as_raw_fd(), &raw const info) };
    info.pool.zeroize();
    added.map_err(refused)?;
    // SAFETY: `device` is open, and the call takes no argument.
    #[expect(unsafe_code, reason = "there is no other way to have entropy used at once")]
    unsafe { calls::reseed(device.as_raw_fd()) }.map_err(refused)?;
    Ok(())
}

/// Returns bytes from the kernel's generator.
pub fn bytes<const COUNT: usize>() -> Result<[u8; COUNT], InitError> {
    let path = "/dev/urandom";
    let mut bytes = [0; COUNT];
    File::open(path)
        .and_then(|mut device| device.read_exact(&mut bytes))
        .map_err(|cause| InitError::File { doing: "read", path: path.into(), cause })?;
    Ok(bytes)
}
