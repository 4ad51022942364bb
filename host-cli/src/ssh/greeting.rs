//! The connection to a port, and whether an SSH server is behind it.

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::SshError;
use super::limit::{BANNER_LIMIT, CONNECT_LIMIT, within};
use super::login::Address;

/// Connects and waits until the other side shows that it is there.
pub(super) async fn greeted(address: &Address) -> Result<TcpStream, SshError> {
    let unreachable = |cause| SshError::Unreachable { address: address.clone(), cause };
    let connect = TcpStream::connect((address.host.as_str(), address.port));
    let stream = within(CONNECT_LIMIT, "connecting", address, connect).await?;
    let stream = stream.map_err(unreachable)?;
    // Small packets go at once: the handshake is a dialogue.
    stream.set_nodelay(true).map_err(unreachable)?;
    wait_for_banner(&stream, address).await?;
    Ok(stream)
}

/// Waits for the server's first bytes without taking them: with QEMU's forwarding, an accepted
/// connection proves nothing.
async fn wait_for_banner(stream: &TcpStream, address: &Address) -> Result<(), SshError> {
    let no_banner = |problem: String| SshError::NoBanner { address: address.clone(), problem };
    let mut first = [0; 4];
    match timeout(BANNER_LIMIT, stream.peek(&mut first)).await {
        Ok(Ok(0)) => Err(no_banner("it was closed at once".to_owned())),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(no_banner(cause.to_string())),
        Err(_) => Err(no_banner(format!("silence for {} s", BANNER_LIMIT.as_secs()))),
    }
}
