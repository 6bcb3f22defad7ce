//! A secret: its current value, its last versions, and what is told of it.

use super::{Columns, Counters, Record, RecordKey, write_body};
use crate::crypto::{Context, MacKey, Purpose};
use crate::encoding::{from_hex, hex};
use crate::error::Result;
use crate::ident::Slot;
use crate::time::Timestamp;
use crate::wire::{read_fields, read_names};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// How many versions are kept, the current one among them.
const VERSIONS_KEPT: usize = 10;

/// Whether a secret may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretState {
    /// It may.
    Active,
    /// It is refused until it is enabled.
    Disabled,
}

/// Why a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody set it.
    Manual,
    /// It was rotated.
    Rotation,
    /// It was rotated because the earlier one leaked.
    Emergency,
    /// An earlier version was brought back.
    Rollback,
    /// It came from elsewhere: an import, or the adoption of an existing store.
    Import,
}

impl Reason {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Manual => "manual",
            Reason::Rotation => "rotation",
            Reason::Emergency => "emergency",
            Reason::Rollback => "rollback",
            Reason::Import => "import",
        }
    }
}

read_names!(Reason {
    "manual" => Manual,
    "rotation" => Rotation,
    "emergency" => Emergency,
    "rollback" => Rollback,
    "import" => Import,
});

/// One version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    /// The encrypted value. Only old stores lack one.
    pub(crate) value: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Reason,
    pub(crate) fingerprint: Option<String>,
    pub(crate) compromised: bool,
}

read_fields!(Version { number, value, key_id, at, by, reason, fingerprint, compromised });

/// A secret whose record was verified, or that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct SecretRecord {
    pub(crate) slot: Slot,
    pub(crate) revision: u64,
    pub(crate) uid: [u8; 16],
    pub(crate) state: SecretState,
    pub(crate) current: Version,
    /// Earlier versions, newest first; at most one less than are kept.
    pub(crate) previous: Vec<Version>,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) counters: Counters,
}

/// What the columns do not show.
#[derive(Serialize)]
struct Body {
    by: Option<String>,
    reason: Reason,
    compromised: bool,
    versions: Vec<Version>,
}

read_fields!(Body { by, reason, compromised, versions });

impl SecretRecord {
    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, key: &MacKey) -> Result<Self> {
        record.verify(key)?;
        let body: Body = record.body()?;
        let columns = &record.columns;
        let broken = || record.tampered("a column cannot be read");
        let state = match columns.state.as_deref() {
            Some("active") => SecretState::Active,
            Some("disabled") => SecretState::Disabled,
            _ => return Err(broken()),
        };
        Ok(SecretRecord {
            slot: Slot::parse_stored(Some(&record.key.namespace), &record.key.name)?,
            revision: record.revision,
            uid: columns.uid.as_deref().and_then(from_hex).ok_or_else(broken)?,
            state,
            current: Version {
                number: columns.version.ok_or_else(broken)?,
                value: columns.value_encrypted.clone(),
                key_id: columns.encryption_key_id.clone(),
                at: columns.last_rotated,
                by: body.by,
                reason: body.reason,
                fingerprint: columns.value_fingerprint.clone(),
                compromised: body.compromised,
            },
            previous: body.versions,
            created_by: columns.created_by.clone(),
            created_at: columns.created_at,
            updated_at: columns.updated_at,
            counters: record.counters,
        })
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey) -> Result<Record> {
        let current = &self.current;
        let body = Body {
            by: current.by.clone(),
            reason: current.reason,
            compromised: current.compromised,
            versions: self.previous.clone(),
        };
        let state = match self.state {
            SecretState::Active => "active",
            SecretState::Disabled => "disabled",
        };
        let record = Record {
            key: RecordKey::secret(&self.slot),
            revision: self.revision.saturating_add(1),
            columns: Columns {
                uid: Some(hex(&self.uid)),
                state: Some(state.to_string()),
                version: Some(current.number),
                value_encrypted: current.value.clone(),
                encryption_key_id: current.key_id.clone(),
                value_fingerprint: current.fingerprint.clone(),
                last_rotated: current.at,
                created_by: self.created_by.clone(),
                created_at: self.created_at,
                updated_at: self.updated_at,
            },
            data: write_body(&body)?,
            mac: None,
            counters: self.counters,
        };
        Ok(record.authenticate(key))
    }

    /// Replaces the current version and keeps the last ones.
    pub(crate) fn push_version(&mut self, version: Version) {
        let retired = core::mem::replace(&mut self.current, version);
        self.previous.insert(0, retired);
        self.previous.truncate(VERSIONS_KEPT - 1);
    }

    /// Every version, newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        core::iter::once(&self.current).chain(&self.previous)
    }

    /// The context that a version's value is sealed in.
    pub(crate) fn context<'a>(&'a self, vault_id: &'a [u8; 16], version: u64) -> Context<'a> {
        Context {
            purpose: Purpose::Secret,
            vault_id: Some(vault_id),
            namespace: Some(self.slot.namespace()),
            name: Some(self.slot.name()),
            uid: Some(&self.uid),
            version: Some(version),
            associated_data: None,
        }
    }
}
