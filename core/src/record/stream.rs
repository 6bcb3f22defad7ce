//! The head of an audit stream: how far the chain goes, and which state of its secret's record goes with it.

use super::{Columns, Counters, Record, RecordKey, write_body};
use crate::crypto::MacKey;
use crate::encoding::{from_hex, hex};
use crate::error::Result;
use crate::wire::read_fields;
use alloc::string::String;
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
    /// The revision of the stored record; 0 when there is none.
    pub(crate) revision: u64,
}

#[derive(Serialize)]
struct Body {
    stream: String,
    seq: u64,
    mac: Option<String>,
    secret_mac: Option<String>,
}

read_fields!(Body { stream, seq, mac, secret_mac });

impl StreamHead {
    /// The start of a stream that takes over the key of an earlier one, or a key that no stream had.
    pub(crate) fn start(key: RecordKey, stream: String, revision: u64) -> Self {
        StreamHead { key, stream, seq: 0, mac: None, secret_mac: None, revision }
    }

    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, key: &MacKey) -> Result<Self> {
        record.verify(key)?;
        let Body { stream, seq, mac, secret_mac } = record.body()?;
        let read = |mac: Option<String>| match mac {
            Some(mac) => from_hex(&mac).map(Some).ok_or_else(|| record.tampered("a MAC in it cannot be read")),
            None => Ok(None),
        };
        let (mac, secret_mac) = (read(mac)?, read(secret_mac)?);
        Ok(StreamHead { key: record.key.clone(), stream, seq, mac, secret_mac, revision: record.revision })
    }

    /// Whether a secret's record is in the state that goes with this head.
    pub(crate) fn fits(&self, uid: &[u8; 16], record: &Record) -> bool {
        self.stream == hex(uid) && self.secret_mac.is_some() && self.secret_mac == record.mac_bytes()
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey) -> Result<Record> {
        let text = |mac: Option<[u8; 32]>| mac.map(|mac| hex(&mac));
        let (mac, secret_mac) = (text(self.mac), text(self.secret_mac));
        let record = Record {
            key: self.key.clone(),
            revision: self.revision.saturating_add(1),
            columns: Columns::default(),
            data: write_body(&Body { stream: self.stream.clone(), seq: self.seq, mac, secret_mac })?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }
}
