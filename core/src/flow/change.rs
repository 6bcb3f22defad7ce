//! A write: one change set, applied whole or not at all.

use crate::audit::Event;
use crate::record::{Index, Record, RecordKey};
use crate::time::Timestamp;
use crate::wire::{Fault, FromJson, Json, deserialize_as_read, read_fields, tagged, unknown};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// The revision that a record must have for the change set to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// There must be no such record.
    Absent,
    /// The record must have exactly this revision.
    Revision(u64),
}

/// A record to write in place of the one expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Put {
    /// The whole new record, its revision one more than that expected. Its counters count only when it is new.
    pub record: Record,
    /// What must be there.
    pub expected: Expected,
    /// What lists find it by besides its key, in place of what they found it by before.
    #[serde(skip_serializing_if = "Index::is_empty")]
    pub index: Index,
}

impl Put {
    /// A record that lists find by its key alone.
    pub const fn plain(record: Record, expected: Expected) -> Put {
        Put { record, expected, index: Index::NONE }
    }
}

/// A record to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delete {
    /// Which.
    pub key: RecordKey,
    /// What must be there.
    pub expected: Expected,
}

/// A record that is not written but must be as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub key: RecordKey,
    /// What must be there.
    pub expected: Expected,
}

/// Accesses to add to a record's counters. Changes no revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CounterDelta {
    /// Which record.
    pub key: RecordKey,
    /// How many accesses to add.
    pub accessed: u64,
    /// When the last of them was.
    pub at: Timestamp,
}

/// One atomic write. It always appends at least one event, and the events carry its operation id: a store that finds the
/// id among its events has applied the change set before, answers `committed`, and does nothing.
///
/// Where a vault is copied here from another store, a change set brings what that one held: records at any revision, none of
/// which is expected, and events of other operations, its own id in none of them. The vault's head comes
/// without any, and is deleted without any when the copy is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeSet {
    /// Random, 32 hex digits; the same whenever the operation asks again.
    pub operation_id: String,
    /// Records to write.
    pub puts: Vec<Put>,
    /// Records to delete.
    pub deletes: Vec<Delete>,
    /// Records that must be as they were read.
    pub checks: Vec<Check>,
    /// Counters to add to.
    pub counters: Vec<CounterDelta>,
    /// Events to append, in this order.
    pub events: Vec<Event>,
}

impl FromJson for Expected {
    fn from_json(value: Json) -> Result<Self, Fault> {
        match tagged(value)? {
            (tag, Json::Null) if tag == "absent" => Ok(Expected::Absent),
            (tag, revision) if tag == "revision" => u64::from_json(revision).map(Expected::Revision),
            _ => Err(unknown()),
        }
    }
}

read_fields!(Put { record, expected, index });
read_fields!(Delete { key, expected });
read_fields!(Check { key, expected });
read_fields!(CounterDelta { key, accessed, at });
deserialize_as_read!(ChangeSet);
read_fields!(ChangeSet { operation_id, puts, deletes, checks, counters, events });
