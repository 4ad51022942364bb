//! The host's side of the boot channel: frames over the socket of a virtio-serial port.

use netlab_protocol::boot::{Order, Report};
use netlab_protocol::{Decoder, FrameError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::platform::{self, Connection};

/// Why the boot channel can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The socket broke.
    #[error("the system says: {0}")]
    Io(#[from] std::io::Error),
    /// What came or was to go is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// QEMU closed its side.
    #[error("QEMU closed it")]
    Closed,
}

/// An open boot channel.
pub struct BootChannel {
    stream: Connection,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl BootChannel {
    /// Connects to QEMU's socket; that says nothing about the guest.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect(address: &str) -> std::io::Result<Self> {
        let stream = platform::connect(address).await?;
        Ok(Self { stream, decoder: Decoder::default(), buffer: vec![0; 4096] })
    }

    /// Waits for the guest's next report. May be cancelled: nothing of a report is lost.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn report(&mut self) -> Result<Report, ChannelError> {
        loop {
            if let Some(report) = self.decoder.message()? {
                return Ok(report);
            }
            match self.stream.read(&mut self.buffer).await? {
                0 => {
                    self.decoder.finish()?;
                    return Err(ChannelError::Closed);
                }
                count => self.decoder.push(&self.buffer[..count]),
            }
        }
    }

    /// Sends an order.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn order(&mut self, order: &Order) -> Result<(), ChannelError> {
        self.stream.write_all(&order.frame()?).await?;
        self.stream.flush().await?;
        Ok(())
    }
}
