//! Archives: secrets in plaintext, on their way from one vault to another.
//!
//! An archive is text. Its first line is a header with counts and a digest of what follows, so that one which promises too
//! much is refused before the rest is looked at. Then each secret has a line of JSON that tells all but its values, a line of
//! these in base64, newest first, and a line of JSON for each event of its history. `docs/export.md` has it in full. An
//! archive is a secret as a whole and never leaves its type; hosts seal it as an age file.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use crate::audit::Event;
use crate::error::{Error, ErrorCode};
use crate::generate::Generator;
use crate::record::{Grace, Reason, SecretState};
use crate::rotation::Sensitivity;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::wire::read_fields;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

/// What an archive begins with, and what says how it is to be read.
const FORMAT: &str = "strongroom/archive/v1";

/// The most secrets of an archive.
pub const ARCHIVE_SECRETS_MAX: usize = 10_000;

/// The largest archive, in bytes: 64 MiB.
pub const ARCHIVE_MAX: usize = 64 * 1024 * 1024;

/// The most versions of a secret.
const VERSIONS_MAX: usize = 10;

/// The longest line that tells of a secret or an event, in bytes.
const LINE_MAX: usize = 256 * 1024;

/// Where an archive comes from, and what there is in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Which vault it is of: 32 hex digits.
    pub(crate) vault_id: String,
    pub(crate) at: Timestamp,
    /// What the histories are chained under; random, and of this archive alone.
    pub(crate) history_key: Zeroizing<[u8; 32]>,
    pub(crate) entries: Vec<Entry>,
}

/// One secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) about: About,
    /// As many as there are versions, in their order.
    pub(crate) values: Vec<SecretBytes>,
    /// Whatever happened under its name, the oldest first; chained under the key of the archive.
    pub(crate) history: Vec<Event>,
}

/// What is told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct About {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) state: SecretState,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) notify: Vec<String>,
    pub(crate) generator: Option<Generator>,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    /// Whether its current value leaked and there was none to put in its place.
    pub(crate) exposed: bool,
    /// Newest first, the current one among them.
    pub(crate) versions: Vec<AboutVersion>,
    pub(crate) grace: Vec<Grace>,
    /// How many events its history has.
    pub(crate) events: usize,
    /// The MAC of the last of them.
    pub(crate) end: Option<String>,
}

/// What is told of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AboutVersion {
    pub(crate) number: u64,
    pub(crate) at: Option<Timestamp>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Reason,
    pub(crate) compromised: bool,
    pub(crate) ended_at: Option<Timestamp>,
}

/// The first line.
#[derive(Serialize)]
struct Header {
    format: String,
    vault_id: String,
    at: Timestamp,
    secrets: usize,
    events: usize,
    /// How many bytes follow, but for what is put after them to round a file up.
    bytes: usize,
    history_key: String,
    /// SHA-256 of these bytes, 64 hex digits. Last, so that it is written when they are known.
    digest: String,
}

impl Drop for Header {
    fn drop(&mut self) {
        self.history_key.zeroize();
    }
}

read_fields!(Header { format, vault_id, at, secrets, events, bytes, history_key, digest });
read_fields!(AboutVersion { number, at, by, reason, compromised, ended_at });
read_fields!(About {
    namespace,
    name,
    state,
    sensitivity,
    expires_at,
    notify,
    generator,
    created_by,
    created_at,
    exposed,
    versions,
    grace,
    events,
    end
});

/// The error of what is no archive, or not a whole one.
fn invalid(why: &str) -> Error {
    Error::new(ErrorCode::BackupInvalid, alloc::format!("the archive is not one that can be imported: {why}"))
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorCode::LimitExceeded, alloc::format!("the archive would be too large: {what}"))
}
