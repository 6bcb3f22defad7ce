//! The vault root and its keys: random bytes that outlive every key rotation, since a rotation only reseals them.

use super::KEY_LEN;
use super::key::derive_32;
use crate::entropy::Entropy;
use crate::error::Result;
use crate::secret::SecretBytes;
use alloc::boxed::Box;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A MAC key: HMAC-SHA256 (RFC 2104, FIPS 198-1).
pub(crate) struct MacKey(Box<Zeroizing<[u8; 32]>>);

impl MacKey {
    /// A key that came from elsewhere: an archive's own.
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        MacKey(Box::new(Zeroizing::new(*bytes)))
    }

    fn start(&self) -> Hmac<Sha256> {
        // INVARIANT: HMAC takes keys of every length; this constructor takes exactly one block and can't fail.
        let mut block = Zeroizing::new([0u8; 64]);
        if let Some(start) = block.first_chunk_mut::<32>() {
            start.copy_from_slice(self.0.as_slice());
        }
        Hmac::<Sha256>::new((&*block).into())
    }

    /// The MAC of a message.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.start().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether a MAC is that of the message; constant time.
    pub(crate) fn verify(&self, message: &[u8], mac: &[u8; 32]) -> bool {
        self.start().chain_update(message).verify_slice(mac).is_ok()
    }
}

/// The keys that one vault root yields.
pub(crate) struct RootKeys {
    /// Links audit events.
    pub(crate) audit: MacKey,
    /// Authenticates stored records.
    pub(crate) record: MacKey,
    /// Fingerprints values.
    pub(crate) fingerprint: MacKey,
}

/// 32 random bytes, made once when a vault is initialised.
pub(crate) struct VaultRoot(Box<Zeroizing<[u8; KEY_LEN]>>);

impl VaultRoot {
    pub(crate) fn make(entropy: &mut dyn Entropy) -> Result<Self> {
        let mut root = Box::new(Zeroizing::new([0u8; KEY_LEN]));
        entropy.fill(root.as_mut_slice())?;
        Ok(VaultRoot(root))
    }

    /// From the opened head record; `None` if the length is wrong.
    pub(crate) fn from_opened(opened: &SecretBytes) -> Option<Self> {
        let root: &[u8; KEY_LEN] = opened.expose().try_into().ok()?;
        Some(VaultRoot(Box::new(Zeroizing::new(*root))))
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(crate) fn derive_keys(&self) -> RootKeys {
        let kdf = Hkdf::<Sha256>::new(None, self.0.as_slice());
        let key = |info| MacKey(derive_32(&kdf, info));
        RootKeys {
            audit: key("strongroom/v1/audit"),
            record: key("strongroom/v1/record"),
            fingerprint: key("strongroom/v1/fingerprint"),
        }
    }
}
