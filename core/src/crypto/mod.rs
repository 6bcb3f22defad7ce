//! The three value formats and the keys under them. Nothing is hand-rolled here: every primitive is a RustCrypto crate.
//!
//! | format | text | source |
//! | --- | --- | --- |
//! | [`sealed`] | `sr1.` + base64url | `docs/format.md`; XAES-256-GCM as C2SP specifies it |
//! | [`fernet`] | base64url, begins `gAAAA` | the Fernet specification |
//! | [`node_gcm`] | base64 of IV, tag, ciphertext | NIST SP 800-38D with 16-octet IVs, as Node's `aes-256-gcm` is commonly used |

mod context;
pub mod fernet;
mod key;
pub mod node_gcm;
mod root;
pub mod sealed;

pub use context::{Context, Purpose};
pub use key::{KEY_LEN, KeyId, KeyMaterial};
pub(crate) use root::{MacKey, RootKeys, VaultRoot};

use crate::error::{Error, ErrorCode, Result};

/// How a value is written. Reading tells the formats apart by their first characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Sealed v1: bound to its context and its key. What everything new is written in.
    #[default]
    Sealed,
    /// A Fernet token: AES-128-CBC with HMAC-SHA256. Knows no context.
    Fernet,
    /// IV, tag and ciphertext of AES-256-GCM in base64. Knows no context.
    NodeGcm,
}

impl Format {
    /// The name on the wire: `sealed`, `fernet` or `node_gcm`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Sealed => "sealed",
            Format::Fernet => "fernet",
            Format::NodeGcm => "node_gcm",
        }
    }

    /// The format of that wire name. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<Format> {
        [Format::Sealed, Format::Fernet, Format::NodeGcm].into_iter().find(|format| format.name() == name).ok_or_else(
            || Error::new(ErrorCode::InvalidArgument, "the format is not known: use sealed, node_gcm or fernet"),
        )
    }

    /// What a text claims to be. A text that begins like a Fernet token may still be `node_gcm`.
    pub fn of(text: &str) -> Format {
        if text.starts_with(sealed::PREFIX) {
            Format::Sealed
        } else if text.starts_with(fernet::PREFIX) {
            Format::Fernet
        } else {
            Format::NodeGcm
        }
    }
}

/// The error for text that cannot be a value of its format, whatever the key.
fn malformed(message: &'static str) -> Error {
    Error::new(ErrorCode::TokenMalformed, message)
}
