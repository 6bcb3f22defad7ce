//! The head of an audit stream: how far the chain goes.

use super::{Columns, Counters, Record, RecordKey, write_body};
use crate::crypto::MacKey;
use crate::encoding::{from_hex, hex};
use crate::error::Result;
use alloc::string::String;
use serde::{Deserialize, Serialize};

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
    /// The revision of the stored record; 0 when there is none.
    pub(crate) revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    stream: String,
    seq: u64,
    mac: Option<String>,
}

impl StreamHead {
    /// The start of a stream that takes over the key of an earlier one, or a key that no stream had.
    pub(crate) fn start(key: RecordKey, stream: String, revision: u64) -> Self {
        StreamHead { key, stream, seq: 0, mac: None, revision }
    }

    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, key: &MacKey) -> Result<Self> {
        record.verify(key)?;
        let Body { stream, seq, mac } = record.body()?;
        let mac = match mac {
            Some(mac) => Some(from_hex(&mac).ok_or_else(|| record.tampered("its MAC cannot be read"))?),
            None => None,
        };
        Ok(StreamHead { key: record.key.clone(), stream, seq, mac, revision: record.revision })
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey) -> Result<Record> {
        let mac = self.mac.map(|mac| hex(&mac));
        let record = Record {
            key: self.key.clone(),
            revision: self.revision.saturating_add(1),
            columns: Columns::default(),
            data: write_body(&Body { stream: self.stream.clone(), seq: self.seq, mac })?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }
}
