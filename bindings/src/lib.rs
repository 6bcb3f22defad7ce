//! What all hosts share: operations and answers as JSON, flow sessions, the operating system's entropy, the SQL.
//!
//! A host crate above this one converts types and nothing else. Everything crosses as JSON text but plaintext, which
//! crosses as bytes through [`Session`] alone: no shape here has a field that could hold it.

mod clock;
mod entropy;
mod environment;
mod memory;
mod operation;
mod options;
mod session;
pub mod sqlite;
mod text;
#[cfg(feature = "transcripts")]
mod transcripts;
mod value;

pub use clock::SystemClock;
pub use entropy::{OsEntropy, now};
pub use environment::keyring_from_environment;
pub use memory::MemoryStore;
pub use options::{keyring_info, open_vault};
pub use session::Session;
pub use text::revealed_text;
#[cfg(feature = "transcripts")]
pub use transcripts::fix_entropy;
pub use value::decrypt;

use strongroom::{Error, ErrorCode};

/// The error for arguments that do not have the shape of their operation.
fn invalid_arguments(what: &str, error: &serde_json::Error) -> Error {
    let detail = shape_fault(error);
    Error::new(ErrorCode::InvalidArgument, format!("{what}: {detail}"))
}

/// What is wrong with the shape of some JSON. Of serde's own words only those that name a field are kept: the others may
/// repeat what was given.
fn shape_fault(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let named = ["unknown field", "missing field", "duplicate field"].iter().any(|start| words.starts_with(start));
    let detail = words.split(" at line").next().filter(|_| named);
    detail.unwrap_or("a field has the wrong type or an unknown value").to_string()
}
