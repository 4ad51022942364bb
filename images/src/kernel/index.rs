//! The binary indexes that kmod's modprobe reads (`modules.*.bin`).
//!
//! kmod does not fall back to the text files, so without these no module loads by name, nor on the
//! kernel's own wish (`ip link add type veth`). The format is that of kmod's `libkmod-index.h`: a
//! trie, each node written behind its children, integers big-endian.

use std::collections::BTreeMap;

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;

/// The upper bits of a node's offset say what the node consists of.
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;

/// An index under construction.
#[derive(Debug, Default)]
pub struct Index {
    entries: BTreeMap<Vec<u8>, Vec<(u32, String)>>,
}

impl Index {
    /// Adds a value to a key; of several, the one with the lowest priority number comes first.
    pub fn insert(&mut self, key: &str, value: &str, priority: u32) {
        let values = self.entries.entry(key.as_bytes().to_vec()).or_default();
        if !values.iter().any(|(_, present)| present == value) {
            let at = values.partition_point(|(present, _)| *present <= priority);
            values.insert(at, (priority, value.to_owned()));
        }
    }

    /// Writes the index.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC.to_be_bytes());
        out.extend(VERSION.to_be_bytes());
        // The root's offset, known at the end.
        out.extend([0; 4]);
        let entries: Vec<_> = self.entries.iter().map(|(key, values)| (&key[..], values)).collect();
        let root = write_node(&mut out, &entries, 0);
        out[8..12].copy_from_slice(&root.to_be_bytes());
        out
    }
}

type Entries<'a> = [(&'a [u8], &'a Vec<(u32, String)>)];

/// Writes the node for entries that agree in their first `depth` bytes; returns its offset.
fn write_node(out: &mut Vec<u8>, entries: &Entries<'_>, depth: usize) -> u32 {
    let shared = match (entries.first(), entries.last()) {
        // Entries are sorted, so what the first and the last share, all share.
        (Some((first, _)), Some((last, _))) => {
            first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count()
        }
        _ => 0,
    };
    let end = depth + shared;
    let (own, below) = match entries.first() {
        Some((key, values)) if key.len() == end => (Some(*values), &entries[1..]),
        _ => (None, entries),
    };
    let mut children = BTreeMap::new();
    for group in below.chunk_by(|left, right| left.0[end] == right.0[end]) {
        children.insert(group[0].0[end], write_node(out, group, end + 1));
    }

    let mut offset = out.len() as u32;
    if shared > 0 {
        offset |= HAS_PREFIX;
        out.extend(&entries[0].0[depth..end]);
        out.push(0);
    }
    if let (Some((first, _)), Some((last, _))) =
        (children.first_key_value(), children.last_key_value())
    {
        offset |= HAS_CHILDREN;
        out.extend([*first, *last]);
        for character in *first..=*last {
            out.extend(children.get(&character).copied().unwrap_or(0).to_be_bytes());
        }
    }
    if let Some(values) = own {
        offset |= HAS_VALUES;
        out.extend((values.len() as u32).to_be_bytes());
        for (priority, value) in values {
            out.extend(priority.to_be_bytes());
            out.extend(value.as_bytes());
            out.push(0);
        }
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an index back the way kmod walks it.
    fn look_up(index: &[u8], key: &str) -> Vec<String> {
        let integer = |at: usize| u32::from_be_bytes(index[at..at + 4].try_into().unwrap());
        assert_eq!((integer(0), integer(4)), (MAGIC, VERSION));
        let (mut node, mut rest) = (integer(8), key.as_bytes());
        loop {
            let mut at = (node & 0x0FFF_FFFF) as usize;
            let text = |at: usize| {
                let end = index[at..].iter().position(|byte| *byte == 0).unwrap();
                std::str::from_utf8(&index[at..at + end]).unwrap().to_owned()
            };
            if node & HAS_PREFIX != 0 {
                let prefix = text(at);
                let Some(after) = rest.strip_prefix(prefix.as_bytes()) else {
                    return vec![];
                };
                rest = after;
                at += prefix.len() + 1;
            }
            let mut children = None;
            if node & HAS_CHILDREN != 0 {
                let (first, last) = (index[at], index[at + 1]);
                children = Some((first, last, at + 2));
                at += 2 + 4 * (usize::from(last - first) + 1);
            }
            let Some((byte, after)) = rest.split_first() else {
                if node & HAS_VALUES == 0 {
                    return vec![];
                }
                let count = integer(at);
                at += 4;
                let mut values = Vec::new();
                for _ in 0..count {
                    let value = text(at + 4);
                    at += 4 + value.len() + 1;
                    values.push(value);
                }
                return values;
            };
            let Some((first, last, table)) = children else {
                return vec![];
            };
            if !(first..=last).contains(byte) {
                return vec![];
            }
            node = integer(table + 4 * usize::from(byte - first));
            if node == 0 {
                return vec![];
            }
            rest = after;
        }
    }

    #[test]
    fn what_is_inserted_is_found_and_nothing_else() {
        let mut index = Index::default();
        let keys = ["veth", "vxlan", "v", "virtio_net", "virtio", "openvswitch"];
        for key in keys {
            index.insert(key, &format!("{key}.ko:"), 1);
        }
        index.insert("v", "later", 9);
        index.insert("v", "first", 0);
        index.insert("v", "later", 3);
        let bytes = index.bytes();
        for key in keys.into_iter().filter(|key| *key != "v") {
            assert_eq!(look_up(&bytes, key), [format!("{key}.ko:")]);
        }
        assert_eq!(look_up(&bytes, "v"), ["first", "v.ko:", "later"]);
        for absent in ["", "ve", "vethx", "z", "virtio_", "openvswitc"] {
            assert_eq!(look_up(&bytes, absent), Vec::<String>::new(), "{absent}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_depmod() {
        let mut index = Index::default();
        index.insert("ab", "x", 5);
        index.insert("ac", "y", 6);
        let expected: Vec<u8> = [
            &[0xB0, 0x07, 0xF4, 0x57, 0, 2, 0, 1, 0xA0, 0, 0, 32][..],
            &[0, 0, 0, 1, 0, 0, 0, 5, b'x', 0],
            &[0, 0, 0, 1, 0, 0, 0, 6, b'y', 0],
            &[b'a', 0, b'b', b'c', 0x40, 0, 0, 12, 0x40, 0, 0, 22],
        ]
        .concat();
        assert_eq!(index.bytes(), expected);
    }
}
