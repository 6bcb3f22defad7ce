//! The head of an audit stream: how far the chain goes, and which state of its secret's record goes with it.

use super::{Columns, Counters, Record, RecordKey, RecordKeys, unless_empty, write_body};
use crate::crypto::MacKey;
use crate::encoding::{from_hex, hex};
use crate::error::Result;
use crate::wire::read_fields;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// How far a stream goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamHead {
    pub(crate) key: RecordKey,
    /// The stream: a secret's uid, or the vault itself.
    pub(crate) stream: String,
    /// How many events it has.
    pub(crate) seq: u64,
    /// The MAC of the last one.
    pub(crate) mac: Option<[u8; 32]>,
    /// The MAC of the secret's record. The head moves with every event, so a record that is put back to an earlier state
    /// no longer fits it. Absent for the vault's own stream, and once the secret is deleted.
    pub(crate) secret_mac: Option<[u8; 32]>,
    /// In the vault's own stream, the MAC of the policy's record: one that is taken away or put back no longer fits.
    pub(crate) policy_mac: Option<[u8; 32]>,
    /// In the vault's own stream, the MAC of the ring's record.
    pub(crate) ring_mac: Option<[u8; 32]>,
    /// In the vault's own stream, the MAC of the head's record, once there was more than one root.
    pub(crate) head_mac: Option<[u8; 32]>,
    /// The revisions of the ring and of the policy that its last event was decided under: they never fall.
    pub(crate) ring_revision: u64,
    pub(crate) policy_revision: u64,
    /// Once the secret is deleted, what its name must never hold again: see [`SecretRecord`](super::SecretRecord).
    pub(crate) compromised: Vec<String>,
    /// The revision of the stored record; 0 when there is none.
    pub(crate) revision: u64,
}

#[derive(Serialize)]
struct Body {
    stream: String,
    seq: u64,
    mac: Option<String>,
    secret_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compromised: Option<Vec<String>>,
}

read_fields!(Body {
    stream,
    seq,
    mac,
    secret_mac,
    policy_mac,
    ring_mac,
    head_mac,
    ring_revision,
    policy_revision,
    compromised
});

impl StreamHead {
    /// The start of a stream that takes over the key of an earlier one, or a key that no stream had.
    pub(crate) fn start(key: RecordKey, stream: String, revision: u64) -> Self {
        StreamHead {
            key,
            stream,
            seq: 0,
            mac: None,
            secret_mac: None,
            policy_mac: None,
            ring_mac: None,
            head_mac: None,
            ring_revision: 0,
            policy_revision: 0,
            compromised: Vec::new(),
            revision,
        }
    }

    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, keys: RecordKeys<'_>) -> Result<Self> {
        record.verify(keys)?;
        let Body {
            stream,
            seq,
            mac,
            secret_mac,
            policy_mac,
            ring_mac,
            head_mac,
            ring_revision,
            policy_revision,
            compromised,
        } = record.body()?;
        let read = |mac: Option<String>| match mac {
            Some(mac) => from_hex(&mac).map(Some).ok_or_else(|| record.tampered("a MAC in it cannot be read")),
            None => Ok(None),
        };
        Ok(StreamHead {
            key: record.key.clone(),
            stream,
            seq,
            mac: read(mac)?,
            secret_mac: read(secret_mac)?,
            policy_mac: read(policy_mac)?,
            ring_mac: read(ring_mac)?,
            head_mac: read(head_mac)?,
            ring_revision: ring_revision.unwrap_or_default(),
            policy_revision: policy_revision.unwrap_or_default(),
            compromised: compromised.unwrap_or_default(),
            revision: record.revision,
        })
    }

    /// Whether a secret's record is in the state that goes with this head.
    pub(crate) fn fits(&self, uid: &[u8; 16], record: &Record) -> bool {
        self.stream == hex(uid) && self.secret_mac.is_some() && self.secret_mac == record.mac_bytes()
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey) -> Result<Record> {
        let text = |mac: Option<[u8; 32]>| mac.map(|mac| hex(&mac));
        let body = Body {
            stream: self.stream.clone(),
            seq: self.seq,
            mac: text(self.mac),
            secret_mac: text(self.secret_mac),
            policy_mac: text(self.policy_mac),
            ring_mac: text(self.ring_mac),
            head_mac: text(self.head_mac),
            ring_revision: (self.ring_revision > 0).then_some(self.ring_revision),
            policy_revision: (self.policy_revision > 0).then_some(self.policy_revision),
            compromised: unless_empty(&self.compromised),
        };
        let record = Record {
            key: self.key.clone(),
            revision: self.revision.saturating_add(1),
            columns: Columns::default(),
            data: write_body(&body)?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }
}
