//! What all hosts share: operations and answers as JSON, flow sessions, the operating system's entropy, the SQL.
//!
//! A host crate above this one converts types and nothing else. Everything crosses as JSON text but plaintext, which
//! crosses as bytes through [`Session`] alone: no shape here has a field that could hold it.

mod entropy;
mod environment;
mod memory;
mod operation;
mod options;
mod session;
pub mod sqlite;
mod text;

pub use entropy::{OsEntropy, now};
pub use environment::keyring_from_environment;
pub use memory::MemoryStore;
pub use options::{keyring_info, open_vault};
pub use session::Session;
pub use text::revealed_text;

use strongroom::{Error, ErrorCode};

/// The error for arguments that do not have the shape of their operation.
///
/// Of serde's own words only those that name a field are kept: the others may repeat what was given.
fn invalid_arguments(what: &str, error: &serde_json::Error) -> Error {
    let words = error.to_string();
    let named = ["unknown field", "missing field", "unknown variant", "duplicate field"];
    let detail =
        named.iter().any(|start| words.starts_with(start)).then(|| words.split(" at line").next().unwrap_or(""));
    let message = match detail {
        Some(detail) if !detail.starts_with("unknown variant") => format!("{what}: {detail}"),
        _ => format!("{what}: an argument has the wrong type or an unknown value"),
    };
    Error::new(ErrorCode::InvalidArgument, message)
}
