//! `frames`: a capture holds a frame of a sender, with a VLAN tag or without one.

use std::collections::BTreeMap;

use netlab_protocol::check::FramesProbe;

use super::capture::{self, Frame};
use super::{Outcome, Words, file};
use crate::error::Error;
use crate::netlink::parse_mac;

/// Largest capture that is read, in bytes: a lab's own takes some kilobytes.
const LARGEST_BYTES: u64 = 64 << 20;

/// Says what is expected.
pub fn words(probe: &FramesProbe) -> Words {
    let tag = tag_words(probe.vlan);
    let from = &probe.from;
    Words::new(
        format!("a frame from {from} {tag}"),
        format!("no frame from {from} {tag}"),
        format!("tcpdump -enr {}", probe.file),
    )
}

/// Tries once.
pub async fn attempt(probe: &FramesProbe) -> Result<Outcome, Error> {
    let Some(file) = file::read(&probe.file, LARGEST_BYTES).await? else {
        return Ok(Outcome::No(format!("there is no file `{}`", probe.file)));
    };
    Ok(match capture::parse(&file) {
        Ok(frames) => judge(probe, &frames),
        Err(problem) => Outcome::Unknown(format!("`{}`: {problem}", probe.file)),
    })
}

fn judge(probe: &FramesProbe, frames: &[Frame]) -> Outcome {
    let Some(from) = parse_mac(&probe.from) else {
        return Outcome::Unknown(format!("`{}` is no MAC address", probe.from));
    };
    let mut counts: BTreeMap<Option<u16>, usize> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.source == from) {
        *counts.entry(frame.vlan).or_default() += 1;
    }
    let in_words: Vec<_> =
        counts.iter().map(|(&vlan, count)| format!("{count} {}", tag_words(vlan))).collect();
    if in_words.is_empty() {
        let words = format!("none of {} frames is from {}", frames.len(), probe.from);
        return Outcome::No(words);
    }
    Outcome::of(counts.contains_key(&probe.vlan), in_words.join(", "))
}

fn tag_words(vlan: Option<u16>) -> String {
    match vlan {
        Some(number) => format!("with VLAN tag {number}"),
        None => "untagged".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_with_its_own_tag_only() {
        let (red, blue) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let frames = [
            Frame { source: red, vlan: Some(100) },
            Frame { source: red, vlan: Some(100) },
            Frame { source: blue, vlan: None },
        ];
        let counted = "2 with VLAN tag 100".to_owned();
        for (from, vlan, outcome) in [
            ("02:00:00:00:00:01", Some(100), Outcome::Yes(counted.clone())),
            ("02:00:00:00:00:01", Some(200), Outcome::No(counted.clone())),
            ("02:00:00:00:00:01", None, Outcome::No(counted)),
            ("02:00:00:00:00:02", None, Outcome::Yes("1 untagged".to_owned())),
            (
                "02:00:00:00:00:03",
                None,
                Outcome::No("none of 3 frames is from 02:00:00:00:00:03".to_owned()),
            ),
        ] {
            let probe = FramesProbe { file: "/x".to_owned(), from: from.to_owned(), vlan };
            assert_eq!(judge(&probe, &frames), outcome);
        }
    }
}
