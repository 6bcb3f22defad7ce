//! Where random bytes come from: the host. The released packages ask the operating system for every nonce.

use crate::error::Result;

/// A source of uniformly random, unpredictable bytes.
pub trait Entropy: Send {
    /// Fills the whole buffer, or fails with `ENTROPY_FAILED` and leaves the buffer unused.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()>;
}

/// An array of random bytes.
pub(crate) fn make_bytes<const N: usize>(entropy: &mut dyn Entropy) -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use sha2::{Digest, Sha256};

    /// Reproducible bytes for tests: SHA-256 in counter mode over a seed.
    pub(crate) struct Seeded {
        pub(crate) seed: u64,
        pub(crate) counter: u64,
    }

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            Seeded { seed, counter: 0 }
        }
    }

    impl Entropy for Seeded {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            for chunk in buffer.chunks_mut(32) {
                let block =
                    Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(self.counter.to_be_bytes());
                self.counter += 1;
                chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            }
            Ok(())
        }
    }
}
