//! What the kernel does by itself while nobody uses the guest: forty of them may idle on a laptop.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::InitError;

/// How eagerly the kernel joins free memory before anybody wants large pieces of it. Unless it is
/// zero, a thread wakes up twice a second to look, which is a quarter of what an idle guest costs.
const COMPACTION: &str = "/proc/sys/vm/compaction_proactiveness";

/// Turns off what only costs.
pub fn wake_up_less() -> Result<(), InitError> {
    let path = Path::new(COMPACTION);
    #[expect(clippy::disallowed_methods, reason = "a kernel setting is no file to be replaced")]
    match fs::write(path, "0") {
        // A kernel without it has nothing to turn off.
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(InitError::File { doing: "write", path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}
