//! The ring: the keys of the vault and their states, as all hosts must see them.
//!
//! Every change set that writes a value checks its revision, and a host whose primary is another one is told that its
//! keyring is stale. So from the moment at which the ring names another primary, nothing is written under the old key.

use super::{Columns, Counters, Record, RecordKey, RecordKeys, write_body};
use crate::crypto::{KeyId, MacKey};
use crate::encoding::from_hex;
use crate::error::{Error, ErrorCode, Result};
use crate::keyring::{KeyState, Keyring};
use crate::time::Timestamp;
use crate::wire::{read_fields, read_names};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// A ring whose record was verified, or that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// By id.
    pub(crate) keys: Vec<(KeyId, KeyState)>,
    /// The revision of the stored record; 0 when there is none.
    pub(crate) revision: u64,
}

#[derive(Serialize)]
struct Body {
    keys: Vec<Key>,
}

read_fields!(Body { keys });

#[derive(Serialize)]
struct Key {
    id: String,
    state: KeyState,
}

read_fields!(Key { id, state });
read_names!(KeyState {
    "primary" => Primary,
    "enabled" => Enabled,
    "disabled" => Disabled,
    "destroyed" => Destroyed,
});

impl Ring {
    /// The ring of a new vault: that of the keyring which makes it.
    pub(crate) fn of(keyring: &Keyring) -> Ring {
        Ring { keys: keyring.states(), revision: 0 }
    }

    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, keys: RecordKeys<'_>) -> Result<Self> {
        record.verify(keys)?;
        let body: Body = record.body()?;
        let mut keys = Vec::new();
        for key in body.keys {
            let id = from_hex(&key.id).ok_or_else(|| record.tampered("a key id in it cannot be read"))?;
            keys.push((KeyId::from_bytes(id), key.state));
        }
        Ok(Ring { keys, revision: record.revision })
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey, now: Timestamp) -> Result<Record> {
        let told = |(id, state): &(KeyId, KeyState)| Key { id: id.to_hex(), state: *state };
        let record = Record {
            key: RecordKey::ring(),
            revision: self.revision.saturating_add(1),
            columns: Columns { updated_at: Some(now), ..Columns::default() },
            data: write_body(&Body { keys: self.keys.iter().map(told).collect() })?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }

    /// The state of a key; nothing for one that the vault never had.
    pub(crate) fn state(&self, id: &KeyId) -> Option<KeyState> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, state)| *state)
    }

    /// Whether a key is disabled or destroyed.
    pub(crate) fn is_retired(&self, id: &KeyId) -> bool {
        matches!(self.state(id), Some(KeyState::Disabled | KeyState::Destroyed))
    }

    /// Whether a keyring may write: its primary is the vault's. Errors: `KEYRING_STALE`.
    pub(crate) fn check_writer(&self, keyring: &Keyring) -> Result<()> {
        let own = keyring.primary()?.id();
        if self.state(&own) == Some(KeyState::Primary) {
            return Ok(());
        }
        let known =
            self.state(&own).map_or("a key that the vault does not know", |_| "not the vault's primary any more");
        let message = format!(
            "the primary of this keyring, {own}, is {known}, and nothing was written: give this process the current \
             keyring, or make the vault move to this one with rekey"
        );
        Err(Error::new(ErrorCode::KeyringStale, message))
    }

    /// The ring once a keyring's primary is the vault's. Keys that the keyring has come in; those that it lacks stay, and so
    /// does what was retired.
    pub(crate) fn led_by(&self, keyring: &Keyring) -> Result<Ring> {
        let primary = keyring.primary()?.id();
        if self.is_retired(&primary) {
            let message = format!("key {primary} was retired from this vault: make another key the primary");
            return Err(Error::new(ErrorCode::KeyringStale, message));
        }
        let mut ring = self.clone();
        for (_, state) in &mut ring.keys {
            if *state == KeyState::Primary {
                *state = KeyState::Enabled;
            }
        }
        for (id, state) in keyring.states() {
            match ring.keys.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) if id == primary => *known = KeyState::Primary,
                Some(_) => {}
                None => {
                    let place = ring.keys.partition_point(|(known, _)| *known < id);
                    ring.keys.insert(place, (id, state));
                }
            }
        }
        Ok(ring)
    }
}
