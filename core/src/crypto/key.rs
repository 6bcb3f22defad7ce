//! Key material, and what is derived from it.

use super::fernet::FernetKey;
use crate::encoding::{from_hex, hex};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use hkdf::Hkdf;
use sha2::Sha256;
use xaes_256_gcm::Xaes256Gcm;
use xaes_256_gcm::aead::KeyInit;
use zeroize::Zeroizing;

/// The length of key material in bytes.
pub const KEY_LEN: usize = 32;

/// The public name of a key: 32 bytes derived from its material, so that it also commits a ciphertext to the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The whole id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the whole id.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        KeyId(bytes)
    }

    /// From 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(KeyId)
    }

    /// The whole id as 64 hex digits: how stores keep it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The first 8 hex digits: how people see it.
    pub fn short(&self) -> String {
        self.0.first_chunk::<4>().map(|start| hex(start)).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.short())
    }
}

/// 32 uniformly random bytes and what sealed v1 derives from them. Wiped on drop; never shown.
///
/// The same material may serve Fernet and `node_gcm` raw, because programs that strongroom replaces used it so.
pub struct KeyMaterial {
    raw: Box<Zeroizing<[u8; KEY_LEN]>>,
    id: KeyId,
    // Boxed, so that moving a keyring leaves no copy of the key schedule behind.
    sealer: Box<Xaes256Gcm>,
    fernet: FernetKey,
}

impl KeyMaterial {
    /// Derives the id and the sealing key from material by HKDF-SHA256 (RFC 5869, no salt).
    pub fn derive(raw: Box<Zeroizing<[u8; KEY_LEN]>>) -> Self {
        let kdf = Hkdf::<Sha256>::new(None, raw.as_slice());
        let seal_key = derive_32(&kdf, "strongroom/v1/seal");
        let id = KeyId(**derive_32(&kdf, "strongroom/v1/key-id"));
        let sealer = Box::new(Xaes256Gcm::new((&**seal_key).into()));
        let fernet = FernetKey::derive(&raw);
        KeyMaterial { raw, id, sealer, fernet }
    }

    /// The same material as a Fernet key.
    pub const fn fernet(&self) -> &FernetKey {
        &self.fernet
    }

    /// The key id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The material itself, for the legacy formats and for export.
    pub(crate) fn raw(&self) -> &[u8; KEY_LEN] {
        &self.raw
    }

    pub(super) fn sealer(&self) -> &Xaes256Gcm {
        &self.sealer
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One 32-byte output of HKDF-Expand.
pub(super) fn derive_32(kdf: &Hkdf<Sha256>, info: &str) -> Box<Zeroizing<[u8; 32]>> {
    let mut output = Box::new(Zeroizing::new([0u8; 32]));
    // INVARIANT: HKDF-SHA256 yields up to 255 * 32 bytes, so 32 can't be too many.
    let expanded = kdf.expand(info.as_bytes(), output.as_mut_slice());
    debug_assert!(expanded.is_ok());
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_output_shows_the_id_alone() {
        let key = KeyMaterial::derive(Box::new(Zeroizing::new([7; 32])));
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("KeyMaterial {{ id: KeyId({}), .. }}", key.id().short()));
    }

    #[test]
    fn an_id_goes_through_hex_and_back() {
        let id = KeyMaterial::derive(Box::new(Zeroizing::new([7; 32]))).id();
        assert_eq!(KeyId::from_hex(&id.to_hex()), Some(id));
        assert!(id.to_hex().starts_with(&id.short()));
    }
}
