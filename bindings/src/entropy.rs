//! The operating system as the source of randomness: asked for every nonce, never cached, so that forks and snapshots
//! repeat nothing.

use strongroom::{Entropy, Error, ErrorCode, Result, Timestamp};

/// Asks the operating system every time.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        #[cfg(feature = "transcripts")]
        if crate::transcripts::filled(buffer) {
            return Ok(());
        }
        getrandom::fill(buffer).map_err(|_| {
            Error::new(ErrorCode::EntropyFailed, "the operating system gave no randomness: nothing was done")
        })
    }
}

/// The instant that a host's clock gave, in milliseconds since the epoch. What is not a number counts as the epoch:
/// everything that can expire then has not, and nothing panics.
pub fn now(millis: f64) -> Timestamp {
    // A saturating cast: the range of f64 is larger, its precision below 2^53 exact.
    #[expect(clippy::cast_possible_truncation, reason = "saturating, and exact for every date there is")]
    Timestamp::from_millis(millis as i64)
}
