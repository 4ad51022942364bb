//! A file whose digest is made while it is written, so that it need not be read again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Its length, in bytes.
    pub bytes: u64,
    /// Its BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// Passes on what is written to it.
pub struct Digested<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W> Digested<W> {
    /// Begins with nothing written.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }

    /// The digest of everything so far.
    pub fn digest(&self) -> Digest {
        let blake3 = self.hasher.finalize().to_hex().to_string();
        Digest { bytes: self.hasher.count(), blake3 }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Digested<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.hasher.update(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn the_digest_is_that_of_what_was_passed_on() {
        let mut digested = Digested::new(Vec::new());
        for bytes in [&b"one "[..], b"", b"two"] {
            digested.write_all(bytes).await.unwrap();
        }
        let blake3 = blake3::hash(b"one two").to_hex().to_string();
        assert_eq!(digested.digest(), Digest { bytes: 7, blake3 });
        assert_eq!(digested.inner, b"one two");
    }
}
