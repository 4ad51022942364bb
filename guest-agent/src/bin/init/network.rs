//! `lo` and the guest's own interface, without a default route.
//!
//! The guest's network is closed. Without a default route a lab's packet to nowhere is answered
//! with "no route" at once, instead of leaving for the learner's own network.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::InitError;
use crate::wait;

/// What QEMU's user network expects the guest to be; forwarded ports lead there.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// The netmask of QEMU's user network.
const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Longest time that the kernel may take to find the interface: milliseconds even under emulation.
const INTERFACE_LIMIT: Duration = Duration::from_secs(10);

/// `ARPHRD_ETHER`, in `/sys/class/net/*/type`.
const ETHERNET: &str = "1";

/// The interface calls of `linux/sockios.h`.
mod calls {
    use super::libc;

    nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, libc::ifreq);
    nix::ioctl_write_ptr_bad!(set_netmask, libc::SIOCSIFNETMASK, libc::ifreq);
    nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
}

/// Brings both interfaces up.
pub fn bring_up() -> Result<(), InitError> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|cause| InitError::System { doing: "open a socket", cause })?;
    let loopback = Interface { socket: &socket, name: "lo" };
    loopback.set_up()?;
    let name = wait::until("an Ethernet interface", INTERFACE_LIMIT, first_ethernet)?;
    let interface = Interface { socket: &socket, name: &name };
    ignore_router_advertisements(&name)?;
    interface.set_address(ADDRESS, NETMASK)?;
    interface.set_up()
}

/// Keeps QEMU's IPv6 router from giving the guest a default route behind our back.
fn ignore_router_advertisements(interface: &str) -> Result<(), InitError> {
    let path = Path::new("/proc/sys/net/ipv6/conf").join(interface).join("accept_ra");
    #[expect(clippy::disallowed_methods, reason = "a kernel setting is no file to be replaced")]
    let written = fs::write(&path, "0");
    match written {
        // A kernel without IPv6 has nothing to keep off.
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(InitError::File { doing: "write", path, cause })
        }
        _ => Ok(()),
    }
}

/// Returns the name of the first Ethernet interface, in alphabetical order.
fn first_ethernet() -> Result<Option<String>, InitError> {
    let folder = Path::new("/sys/class/net");
    let unreadable = |cause| InitError::File { doing: "list", path: folder.to_owned(), cause };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // One that vanishes while we look is none.
        let kind = fs::read_to_string(entry.path().join("type")).unwrap_or_default();
        if kind.trim() == ETHERNET {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names.into_iter().min())
}

/// One interface, and a socket to ask the kernel by.
struct Interface<'a> {
    socket: &'a OwnedFd,
    name: &'a str,
}

impl Interface<'_> {
    fn set_address(&self, address: Ipv4Addr, netmask: Ipv4Addr) -> Result<(), InitError> {
        let mut request = self.request();
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.call("set the address", calls::set_address, &request)?;
        // The kernel has taken the netmask of a class A network from the address.
        request.ifr_ifru.ifru_addr = socket_address(netmask);
        self.call("set the netmask", calls::set_netmask, &request)
    }

    fn set_up(&self) -> Result<(), InitError> {
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        self.call("set the state", calls::set_flags, &request)
    }

    fn call(
        &self,
        doing: &'static str,
        call: unsafe fn(libc::c_int, *const libc::ifreq) -> nix::Result<libc::c_int>,
        request: &libc::ifreq,
    ) -> Result<(), InitError> {
        // SAFETY: the socket is open, `request` is a whole `ifreq` with a terminated name, and
        // its caller has filled in the member that `call` reads.
        #[expect(unsafe_code, reason = "control calls are unsafe")]
        let outcome = unsafe { call(self.socket.as_raw_fd(), request) };
        let failed = |cause| InitError::Interface { interface: self.name.to_owned(), doing, cause };
        outcome.map(drop).map_err(failed)
    }

    fn request(&self) -> libc::ifreq {
        let mut name = [0; libc::IFNAMSIZ];
        // The last byte stays zero: the kernel wants the name terminated.
        for (to, &from) in name[..libc::IFNAMSIZ - 1].iter_mut().zip(self.name.as_bytes()) {
            *to = from as libc::c_char;
        }
        let ifr_ifru =
            libc::__c_anonymous_ifr_ifru { ifru_addr: socket_address(Ipv4Addr::UNSPECIFIED) };
        libc::ifreq { ifr_name: name, ifr_ifru }
    }
}

/// Writes an address the way the interface calls want it: a `sockaddr_in`, its port unused, laid
/// over a `sockaddr`.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}
