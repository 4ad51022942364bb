//! What a guest could reach of its host, tried by root inside. The rule: a probe that reaches nothing must
//! be seen to reach its aim in a guest whose QEMU was told to let it out.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Own;
use crate::faults::edited_qemu;
use crate::running::wait_until;
use crate::support::{Netlab, Outcome};

/// Where QEMU is told that the host's DNS server is, since it forwards to port 53 only; of the addresses
/// of the loopback one that no server is likely to have.
const RESOLVER: &str = "127.0.0.77:53";

/// How a guest gets ready: routes and addresses that netlab does not give it.
const PREPARE: &str =
    "ip route add default via 10.0.2.2 && ip addr add fec0::15/64 dev eth0 nodad || exit";

/// The servers that probes come to, each with its own name as what it says.
struct Aims {
    /// On the host's loopback.
    loopback: TcpListener,
    /// On all of the host's addresses.
    everywhere: TcpListener,
    /// On its loopback, by IPv6; `None` where it has none.
    ipv6: Option<TcpListener>,
    /// On its loopback, for datagrams.
    datagrams: UdpSocket,
    /// In the place of its DNS server; `None` where only root may be one.
    resolver: Option<UdpSocket>,
    /// Its address in the network around it; `None` where it has none of its own.
    lan: Option<Ipv4Addr>,
}

impl Aims {
    #[track_caller]
    fn new() -> Self {
        let listener = |address| {
            let listener = TcpListener::bind((address, 0)).ok()?;
            listener.set_nonblocking(true).expect("a listener");
            Some(listener)
        };
        let datagrams = |address| {
            let socket = UdpSocket::bind(address).ok()?;
            socket.set_nonblocking(true).expect("a socket");
            Some(socket)
        };
        Self {
            loopback: listener("127.0.0.1").expect("a port"),
            everywhere: listener("0.0.0.0").expect("a port"),
            ipv6: listener("::1"),
            datagrams: datagrams("127.0.0.1:0").expect("a port"),
            resolver: datagrams(RESOLVER).filter(|_| may_mount()),
            lan: own_address(),
        }
    }

    /// What is run inside, each with the name by which it gives away that it came through.
    #[track_caller]
    fn probes(&self, neighbour: &str) -> Vec<(&'static str, String)> {
        let stream = |name, address: &str, listener: &TcpListener| {
            let port = listener.local_addr().expect("an address").port();
            (name, format!("echo {name} | nc -N -w 3 {address} {port}"))
        };
        let datagram = |name, address, socket: &UdpSocket| {
            let port = socket.local_addr().expect("an address").port();
            (name, format!("echo {name} | nc -u -q 0 -w 1 {address} {port}"))
        };
        let (_, port) = neighbour.rsplit_once(':').expect("a port");
        let greeting =
            format!("nc -w 3 10.0.2.2 {port} < /dev/null | grep -q SSH-2.0 && echo neighbour");
        let mut probes = vec![
            stream("loopback", "10.0.2.2", &self.loopback),
            stream("everywhere", "10.0.2.2", &self.everywhere),
            datagram("datagram", "10.0.2.2", &self.datagrams),
            ("neighbour", greeting),
            ("tftp", "curl -s -m 3 tftp://10.0.2.2/word".to_owned()),
        ];
        probes.extend(self.lan.map(|lan| stream("lan", &lan.to_string(), &self.everywhere)));
        probes.extend(self.ipv6.as_ref().map(|it| stream("ipv6", "fec0::2", it)));
        probes.extend(self.resolver.as_ref().map(|it| datagram("dns", "10.0.2.3", it)));
        probes
    }

    /// Notes down the names of those that have come since it was asked last.
    #[track_caller]
    fn note(&self, came: &mut BTreeSet<String>) {
        let listeners = [Some(&self.loopback), Some(&self.everywhere), self.ipv6.as_ref()];
        for listener in listeners.into_iter().flatten() {
            while let Ok((mut stream, _)) = listener.accept() {
                stream.set_nonblocking(false).expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a connection");
                let mut name = String::new();
                stream.read_to_string(&mut name).expect("a name");
                came.insert(name.trim().to_owned());
            }
        }
        for socket in [Some(&self.datagrams), self.resolver.as_ref()].into_iter().flatten() {
            let mut name = [0; 100];
            while let Ok(count) = socket.recv(&mut name) {
                came.insert(String::from_utf8_lossy(&name[..count]).trim().to_owned());
            }
        }
    }

    /// Brings a guest up whose QEMU takes the resolver here for the host's.
    #[track_caller]
    fn guest(&self, netlab: Netlab) -> Own {
        if self.resolver.is_none() {
            return Own::up(netlab);
        }
        let own = Own(netlab);
        let output = up_with_resolver(&own).output().expect("it runs");
        Outcome::of("up".to_owned(), output).exit(0);
        own
    }

    /// Runs the probes in a guest and returns the names of those that came through.
    #[track_caller]
    fn reached(&self, guest: &Netlab, probes: &[(&'static str, String)]) -> BTreeSet<String> {
        let probes: String = probes.iter().map(|(_, line)| format!("({line}) &\n")).collect();
        let script = format!("{PREPARE}\n{probes}wait\n");
        let mut came = BTreeSet::new();
        let mut exec = guest.start(["exec", "--", "sh", "-c", &script]);
        wait_until("the probes have ended", || {
            self.note(&mut came);
            exec.try_wait().expect("a process").is_some()
        });
        let output = exec.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.note(&mut came);
        came.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        came
    }
}

pub fn there_is_none(suite: &Netlab) {
    let aims = Aims::new();
    let probes = aims.probes(suite.address().as_str().expect("the suite's guest is up"));
    let names = probes.iter().map(|&(name, _)| name.to_owned()).collect::<BTreeSet<_>>();
    for name in ["lan", "ipv6", "dns"].into_iter().filter(|&name| !names.contains(name)) {
        let mut told = std::io::stderr();
        let _ = writeln!(told, "not tried: {name}, for which this computer has no server to reach");
    }

    let closed = aims.guest(Netlab::new());
    // With no default route, "no route" answers at once instead of leaving for the network.
    closed.run(["exec", "--", "ip", "route", "get", "192.0.2.1"]).exit(2);
    assert_eq!(aims.reached(&closed, &probes), BTreeSet::new(), "the guest has a way out");
    drop(closed);

    let open = aims.guest(let_out(Netlab::new()));
    assert_eq!(aims.reached(&open, &probes), names, "a probe can't see an opening");
}

/// Gives netlab a QEMU that does not close its guest off, and has something to hand out.
#[track_caller]
fn let_out(netlab: Netlab) -> Netlab {
    let folder = netlab.home().join("handed-out");
    fs::create_dir(&folder).expect("a folder");
    netlab.lab("handed-out/word", "tftp\n");
    let open = format!("restrict=off,ipv4=on,ipv6=on,tftp={}", folder.display());
    let edit = format!("echo \"${{1/restrict=on,ipv6=off/{open}}}\";");
    let qemu = edited_qemu(&netlab, &edit);
    // A template for its only guest would cost more than the guest.
    netlab.with("NETLAB_QEMU", &qemu).with("NETLAB_ACCEL", "tcg").with("NETLAB_START", "cold")
}

/// A netlab to whose QEMU a file of its home's is the host's list of DNS servers.
#[track_caller]
fn up_with_resolver(netlab: &Netlab) -> Command {
    let (address, _) = RESOLVER.rsplit_once(':').expect("a port");
    let list = netlab.lab("resolv.conf", &format!("nameserver {address}\n"));
    let inner = netlab.command(["up"]);
    let mut command = unshare();
    command.args(["sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""]).arg(list);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Whether the user may mount, so that QEMU can be shown another resolver.
fn may_mount() -> bool {
    unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a program whose mounts nobody else sees.
#[expect(clippy::disallowed_methods, reason = "a program of the system's that only the test needs")]
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    command
}

/// The host's address in the network around it, unless that is the guest's as well.
fn own_address() -> Option<Ipv4Addr> {
    // To connect a socket for datagrams sends none. TEST-NET-2 is nobody's (RFC 5737).
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => {
            let is_apart =
                |ip: &Ipv4Addr| !ip.is_loopback() && !ip.octets().starts_with(&[10, 0, 2]);
            Some(*address.ip()).filter(is_apart)
        }
        SocketAddr::V6(_) => None,
    }
}
