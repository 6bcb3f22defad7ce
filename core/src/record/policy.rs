//! The policy as the vault keeps it.

use super::{Columns, Counters, Record, RecordKey, RecordKeys, write_body};
use crate::crypto::MacKey;
use crate::error::Result;
use crate::policy::Policy;
use crate::time::Timestamp;

/// A policy whose record was verified, or that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct PolicyRecord {
    pub(crate) policy: Policy,
    pub(crate) revision: u64,
    /// Since when there is a policy. What was granted before, by anybody, does not count.
    pub(crate) since: Timestamp,
}

impl PolicyRecord {
    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, keys: RecordKeys<'_>) -> Result<Self> {
        record.verify(keys)?;
        let since =
            record.columns.created_at.ok_or_else(|| record.tampered("it does not say since when it is there"))?;
        Ok(PolicyRecord { policy: record.body()?, revision: record.revision, since })
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey, now: Timestamp) -> Result<Record> {
        let record = Record {
            key: RecordKey::policy(),
            revision: self.revision.saturating_add(1),
            columns: Columns { created_at: Some(self.since), updated_at: Some(now), ..Columns::default() },
            data: write_body(&self.policy)?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }
}
