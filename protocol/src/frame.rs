//! Frames: a four-byte big-endian length, then that many bytes of JSON.
//!
//! Incomplete is not invalid: a [`Decoder`] keeps what has come so far. The end of the stream
//! inside a frame is an error, between frames it is the end.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest payload of one frame, in bytes. The largest message is a plan (tens of kilobytes);
/// output is cut into pieces far below this, so anything larger is a broken or hostile peer.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Bytes of the length before each payload.
const LENGTH_BYTES: usize = 4;

/// Why a frame could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The payload is larger than [`MAX_FRAME_BYTES`].
    #[error("a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLarge {
        /// Length of the payload, in bytes.
        length: usize,
    },
    /// The payload is not the JSON of the expected message.
    #[error("a frame of {length} bytes is not a `{expected}`: {source}")]
    Malformed {
        /// Length of the payload, in bytes.
        length: usize,
        /// Name of the Rust type that was expected.
        expected: &'static str,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, {have} of {want} bytes in")]
    Truncated {
        /// Bytes of the frame that came, its length field included.
        have: usize,
        /// Bytes that were announced, or the length field's size if not even that was complete.
        want: usize,
    },
}

/// Returns the frame that carries `message`.
///
/// # Errors
/// [`FrameError::TooLarge`] if it would not be accepted by a [`Decoder`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    encode_padded(message, 0)
}

/// Returns the frame that carries `message` and then `padding` blanks, which no reader sees.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_padded<T: Serialize>(
    message: &T,
    padding: usize,
) -> Result<Vec<u8>, FrameError> {
    let malformed =
        |source| FrameError::Malformed { length: 0, expected: std::any::type_name::<T>(), source };
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message).map_err(malformed)?;
    frame.resize(frame.len() + padding, b' ');
    let length = frame.len() - LENGTH_BYTES;
    let field = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let field = field.ok_or(FrameError::TooLarge { length })?;
    frame[..LENGTH_BYTES].copy_from_slice(&field.to_be_bytes());
    Ok(frame)
}

/// Owns the partial input of one stream and yields its messages in order.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Takes in bytes as they come, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Returns the next whole message, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] as soon as the length field shows it, [`FrameError::Malformed`]
    /// for a payload that is no `T`. The stream is unusable after either.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(length) = self.announced() else {
            return Ok(None);
        };
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge { length });
        }
        let end = LENGTH_BYTES + length;
        if self.pending.len() < end {
            return Ok(None);
        }
        let message =
            serde_json::from_slice(&self.pending[LENGTH_BYTES..end]).map_err(|source| {
                FrameError::Malformed { length, expected: std::any::type_name::<T>(), source }
            })?;
        self.pending.drain(..end);
        Ok(Some(message))
    }

    /// Says whether the stream may end here.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if bytes of an unfinished frame are left.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let want = self.announced().map_or(LENGTH_BYTES, |length| LENGTH_BYTES + length);
        Err(FrameError::Truncated { have: self.pending.len(), want })
    }

    /// Forgets a partial frame, for a channel whose other side has been replaced by a new one.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    fn announced(&self) -> Option<usize> {
        let field: [u8; LENGTH_BYTES] = self.pending.get(..LENGTH_BYTES)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(field)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_any_cut() {
        let mut stream = encode(&"first").unwrap();
        stream.extend(encode(&"second").unwrap());
        for piece in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut seen: Vec<String> = Vec::new();
            for bytes in stream.chunks(piece) {
                decoder.push(bytes);
                while let Some(message) = decoder.message().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, ["first", "second"], "cut every {piece} bytes");
            decoder.finish().unwrap();
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_be_bytes());
        let error = decoder.message::<String>().unwrap_err();
        assert_eq!(error.to_string(), "a frame of 4294967295 bytes is over the limit of 1048576");
    }

    #[test]
    fn a_payload_that_is_no_such_message_names_what_was_expected() {
        let mut decoder = Decoder::default();
        decoder.push(&encode(&7).unwrap());
        let error = decoder.message::<String>().unwrap_err().to_string();
        assert!(
            error.starts_with("a frame of 1 bytes is not a `alloc::string::String`"),
            "{error}"
        );
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error_and_between_frames_is_not() {
        let mut decoder = Decoder::default();
        decoder.finish().unwrap();
        decoder.push(&[0, 0]);
        let early = decoder.finish().unwrap_err();
        assert_eq!(early.to_string(), "the stream ended inside a frame, 2 of 4 bytes in");
        decoder.push(&[0, 9, b'"']);
        assert!(decoder.message::<String>().unwrap().is_none());
        let late = decoder.finish().unwrap_err();
        assert_eq!(late.to_string(), "the stream ended inside a frame, 5 of 13 bytes in");
    }

    #[test]
    fn a_message_too_large_for_the_peer_is_not_sent() {
        let error = encode(&"x".repeat(MAX_FRAME_BYTES)).unwrap_err();
        assert_eq!(error.to_string(), "a frame of 1048578 bytes is over the limit of 1048576");
    }

    /// All messages of a stream that comes in pieces of `piece` bytes, and how it ended.
    fn decoded(stream: &[u8], piece: usize) -> (Vec<serde_json::Value>, Option<String>) {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for bytes in stream.chunks(piece) {
            decoder.push(bytes);
            loop {
                match decoder.message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error.to_string())),
                }
            }
            assert!(decoder.pending.len() < LENGTH_BYTES + MAX_FRAME_BYTES);
        }
        (messages, decoder.finish().err().map(|error| error.to_string()))
    }

    #[test]
    fn any_bytes_are_the_same_messages_however_they_are_cut() {
        bolero::check!(name = "frames").for_each(|stream: &[u8]| {
            let whole = decoded(stream, stream.len().max(1));
            for piece in 1..=5 {
                assert_eq!(decoded(stream, piece), whole, "cut every {piece} bytes");
            }
        });
    }

    /// Whatever is understood as a message is told the same way again.
    fn round_trip<T: Serialize + DeserializeOwned>(payload: &[u8]) {
        if let Ok(message) = serde_json::from_slice::<T>(payload) {
            let told = serde_json::to_string(&message).unwrap();
            let again: T = serde_json::from_str(&told).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), told);
        }
    }

    #[test]
    fn any_payload_is_a_message_that_can_be_told_again_or_none() {
        use crate::boot::{Order, Report};
        bolero::check!(name = "messages").for_each(|payload: &[u8]| {
            round_trip::<crate::Hello>(payload);
            round_trip::<crate::Request>(payload);
            round_trip::<crate::Event>(payload);
            round_trip::<Report>(payload);
            round_trip::<Order>(payload);
        });
    }
}
