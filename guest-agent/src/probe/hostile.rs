//! What probes read was written by a lab's programs, or came over its network: whatever it is, it is an
//! outcome.

use std::net::Ipv4Addr;

use netlab_protocol::Exit;
use netlab_protocol::check::{CommandProbe, LeaseProbe};

use super::arp::{Asker, read_reply};
use super::icmp::{Answer, read_answer};
use super::{Outcome, capture, command, lease, listens};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

#[test]
fn whatever_a_probe_reads_is_an_outcome() {
    let (file, mac) = (String::new(), "02:00:00:00:00:01".to_owned());
    let wanted = LeaseProbe { file, mac, address: Some(THERE.to_string()) };
    let (run, pattern) = (String::new(), "^red.*id: [0-9]+".to_owned());
    let asked = CommandProbe { run, stdout: Some(pattern), exit: 0 };
    bolero::check!(name = "probes").for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(frames) = capture::parse(bytes) {
            assert!(frames.len() <= bytes.len() / 16);
            assert!(frames.iter().all(|frame| frame.vlan.is_none_or(|vlan| vlan <= 4095)));
        }
        assert!(!matches!(lease::judge(&wanted, &text), Outcome::Unknown(_)));
        let outcome = command::judge(&asked, Exit::Code(0), &text);
        assert!(matches!(&outcome, Outcome::Yes(it) | Outcome::No(it) if it.len() < 1000));
        assert!(!listens::has_socket(&text, 7, "no state"));
        let asker = Asker { link: 1, mac: MAC, address: HERE };
        assert!(read_reply(bytes, asker, THERE).is_none() || bytes.len() >= 28);
        if let Some(Answer::Unreachable { by }) = read_answer(bytes, THERE, 7) {
            assert_eq!(bytes[12..16], by.octets());
        }
    });
}
