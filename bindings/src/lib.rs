//! What all hosts share: operations and answers as JSON, flow sessions, the operating system's entropy, the SQL.
//!
//! A host crate above this one converts types and nothing else. Everything crosses as JSON text but plaintext, which
//! crosses as bytes through [`Session`] alone: no shape here has a field that could hold it.

#[cfg(feature = "age")]
pub mod archive;
#[cfg(not(target_family = "wasm"))]
mod clock;
pub mod document;
mod entropy;
mod environment;
mod exchange;
#[cfg(unix)]
mod file;
mod history;
mod keys;
mod manifest;
mod many;
mod memory;
mod operation;
mod options;
#[cfg(not(target_family = "wasm"))]
pub mod postgres;
mod resolve;
mod session;
pub mod sqlite;
mod stored;
#[cfg(feature = "postgres")]
pub mod stores;
#[cfg(not(target_family = "wasm"))]
mod system;
mod text;
#[cfg(feature = "transcripts")]
mod transcripts;
mod value;
mod watch;
mod wrapped;

#[cfg(not(target_family = "wasm"))]
pub use clock::SystemClock;
pub use entropy::{OsEntropy, now};
pub use environment::keyring_from_environment;
#[cfg(unix)]
pub use file::{Existing, FileOptions, FileStore};
pub use history::{
    generate_signing_key, parse_signing_key, read_checkpoint, signing_key_from_environment, verifier_of,
};
pub use keys::{generate_keyring, with_advanced, with_enabled, with_label, with_primary};
pub use manifest::{manifest_example, read_manifest};
pub use memory::MemoryStore;
pub use options::{keyring_info, open_vault, open_watched_vault};
pub use session::Session;
pub use stored::SharedDocument;
#[cfg(unix)]
pub use stored::SharedFile;
#[cfg(not(target_family = "wasm"))]
pub use system::{FILE_MAX, SystemHost};
pub use text::revealed_text;
#[cfg(feature = "transcripts")]
pub use transcripts::fix_entropy;
pub use value::{decrypt, inspect};
pub use watch::{observe, parse_watch};
pub use wrapped::{OpenedKeyring, host_wrap, wraps_info};

use serde::Serialize;
use strongroom::{Error, ErrorCode};

/// Something as JSON.
fn json_of(told: &impl Serialize) -> String {
    // INVARIANT: what is told are plain structs with text keys; serde_json writes them all.
    serde_json::to_string(told).unwrap_or_default()
}

/// The error for arguments that do not have the shape of their operation.
fn invalid_arguments(what: &str, fault: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{what}: {fault}"))
}
