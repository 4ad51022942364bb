//! Capture files in the classic pcap format, as `tcpdump -w` writes them.
//!
//! A capture is read while it grows: a record that is not yet whole ends it quietly.

use crate::netlink::Mac;

/// Bytes of the file's header.
const FILE_HEADER_BYTES: usize = 24;

/// Bytes of the header before each frame.
const RECORD_HEADER_BYTES: usize = 16;

/// Link type of Ethernet frames.
const ETHERNET: u32 = 1;

/// EtherTypes that announce a VLAN tag: 802.1Q and 802.1ad.
const TAGGED: [u16; 2] = [0x8100, 0x88a8];

/// Lowest 12 bits of the tag: the VLAN's number. Priority stands above them.
const VLAN_MASK: u16 = 0x0fff;

/// What of a frame matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Who sent it.
    pub source: Mac,
    /// The number of its outer VLAN tag, if it has one.
    pub vlan: Option<u16>,
}

/// Returns the frames of a capture, in order.
///
/// # Errors
/// In words, if it is no pcap file of Ethernet frames.
pub fn parse(file: &[u8]) -> Result<Vec<Frame>, String> {
    let Some(header) = file.first_chunk::<FILE_HEADER_BYTES>() else {
        return Ok(Vec::new());
    };
    let number = match [header[0], header[1], header[2], header[3]] {
        // Times in microseconds or nanoseconds, written by a little- or big-endian machine.
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => u32::from_le_bytes,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => u32::from_be_bytes,
        _ => return Err("it is no pcap file".to_owned()),
    };
    let link_type = number([header[20], header[21], header[22], header[23]]);
    // The upper bits tell of a frame check sequence.
    if link_type & 0xffff != ETHERNET {
        return Err(format!("its link type is {link_type}, not Ethernet (1)"));
    }
    let mut frames = Vec::new();
    let mut rest = &file[FILE_HEADER_BYTES..];
    while let Some(record) = rest.first_chunk::<RECORD_HEADER_BYTES>() {
        let captured = number([record[8], record[9], record[10], record[11]]) as usize;
        let Some(end) = RECORD_HEADER_BYTES.checked_add(captured) else {
            break;
        };
        let Some(frame) = rest.get(RECORD_HEADER_BYTES..end) else {
            break;
        };
        frames.extend(read_frame(frame));
        rest = &rest[end..];
    }
    Ok(frames)
}

fn read_frame(frame: &[u8]) -> Option<Frame> {
    let source = frame.get(6..12)?.try_into().ok()?;
    let word = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let vlan = if TAGGED.contains(&word(12)?) { Some(word(14)? & VLAN_MASK) } else { None };
    Some(Frame { source, vlan })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Mac = [2, 0, 0, 0, 0, 1];

    fn frame(tag: Option<u16>) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(RED);
        if let Some(tag) = tag {
            frame.extend([0x81, 0x00]);
            frame.extend(tag.to_be_bytes());
        }
        frame.extend([8, 6, 0, 1]);
        frame
    }

    fn file(magic: u32, number: fn(u32) -> [u8; 4], frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for field in [magic, 0x0004_0002, 0, 0, 65535, ETHERNET] {
            file.extend(number(field));
        }
        for frame in frames {
            let length = u32::try_from(frame.len()).unwrap();
            for field in [1, 2, length, length] {
                file.extend(number(field));
            }
            file.extend(frame);
        }
        file
    }

    #[test]
    fn tags_are_read_in_both_byte_orders_and_both_resolutions() {
        // Priority 5 in the upper bits must not change the number.
        let frames = [frame(Some(100)), frame(None), frame(Some(0xa000 | 200))];
        let read = [Some(100), None, Some(200)].map(|vlan| Frame { source: RED, vlan });
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            assert_eq!(parse(&file(magic, u32::to_le_bytes, &frames)).unwrap(), read);
            assert_eq!(parse(&file(magic, u32::to_be_bytes, &frames)).unwrap(), read);
        }
    }

    #[test]
    fn a_file_that_still_grows_is_read_up_to_its_last_whole_frame() {
        let whole = file(0xa1b2_c3d4, u32::to_le_bytes, &[frame(None), frame(Some(7))]);
        for length in 0..whole.len() {
            let count = parse(&whole[..length]).unwrap().len();
            let second = FILE_HEADER_BYTES + RECORD_HEADER_BYTES + frame(None).len();
            assert_eq!(count, usize::from(length >= second), "{length}");
        }
    }

    #[test]
    fn other_files_are_refused_in_words() {
        assert_eq!(parse(&[0; 30]).unwrap_err(), "it is no pcap file");
        let mut cooked = file(0xa1b2_c3d4, u32::to_le_bytes, &[]);
        cooked[20] = 113;
        assert_eq!(parse(&cooked).unwrap_err(), "its link type is 113, not Ethernet (1)");
    }
}
