//! The host's side of the boot channel: frames over the socket of a virtio-serial port.

use std::time::{Duration, SystemTime};

use netlab_protocol::boot::{Order, Report};
use netlab_protocol::{Decoder, FrameError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::platform::{self, Connection};
use crate::report::{Event, Reporter};

/// How late the guest's clock may be: an order and its answer that take no longer are good enough.
const CLOCK_WITHIN: Duration = Duration::from_millis(20);

/// How often the clock is set on a host that is too busy for that.
const CLOCK_TRIES: usize = 5;

/// How long a guest that runs may take to set its clock: milliseconds, unless it is very busy.
const CLOCK_SET_WITHIN: Duration = Duration::from_secs(2);

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

    /// Sets the guest's clock. That of one which is too busy to listen is left, and `reporter` told:
    /// it can still be worked in.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn set_clock(&mut self, reporter: &Reporter) -> Result<(), ChannelError> {
        let Ok(set) = timeout(CLOCK_SET_WITHIN, self.set_clock_in_time()).await else {
            let seconds = CLOCK_SET_WITHIN.as_secs();
            let text = format!(
                "the guest's clock was not set: its init did not answer within {seconds} s"
            );
            reporter.emit(Event::Note { text });
            return Ok(());
        };
        set
    }

    /// Sets the clock again as long as it may have come too late. The first time, a guest under
    /// emulation has the code for it yet to translate.
    async fn set_clock_in_time(&mut self) -> Result<(), ChannelError> {
        for _ in 0..CLOCK_TRIES {
            let sent = Instant::now();
            self.order(&Order::SetClock { unix_nanos: unix_nanos() }).await?;
            while self.report().await? != Report::ClockSet {}
            if sent.elapsed() <= CLOCK_WITHIN {
                break;
            }
        }
        Ok(())
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

/// The host's wall clock, in nanoseconds since 1970-01-01 00:00 UTC.
pub fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
