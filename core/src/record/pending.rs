//! A proposal: a change that its actor has seen and not yet confirmed. Its value is stored sealed.

use super::{Columns, Counters, Index, Record, RecordKey, RecordKeys, write_body};
use crate::crypto::{Context, MacKey, Purpose};
use crate::encoding::from_base64url;
use crate::error::{Error, ErrorCode, Result};
use crate::ident::Slot;
use crate::policy::Permission;
use crate::time::Timestamp;
use crate::wire::{Fault, Fields, FromJson, Json, read_fields, read_names, tagged, unknown};
use alloc::string::{String, ToString};
use serde::Serialize;

/// A change that can be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Create a secret, or give it a value.
    Set,
    /// Give an existing secret a new value.
    Rotate,
    /// Delete a secret.
    Delete,
}

impl Change {
    /// What an actor needs for it.
    pub const fn permission(self) -> Permission {
        match self {
            Change::Set | Change::Rotate => Permission::Write,
            Change::Delete => Permission::Delete,
        }
    }

    /// The change of that wire name: `set`, `rotate` or `delete`. Errors: `INVALID_ARGUMENT`.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "set" => Ok(Change::Set),
            "rotate" => Ok(Change::Rotate),
            "delete" => Ok(Change::Delete),
            _ => Err(Error::new(ErrorCode::InvalidArgument, "the change is not known: use set, rotate or delete")),
        }
    }
}

/// Where a proposal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProposalState {
    /// It waits for its confirmation.
    Open,
    /// It was confirmed, and the change made: `version` says which.
    Applied { version: Option<u64>, created: bool, at: Timestamp },
    /// It was cancelled.
    Cancelled,
}

/// A proposal whose record was verified, or that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    /// Its public id: base64url of 16 random bytes, 22 characters.
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) body: Body,
}

/// What a proposal consists of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) change: Change,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The proposed value, sealed; absent for a deletion and once the proposal is no longer open.
    pub(crate) sealed: Option<String>,
    pub(crate) actor: String,
    pub(crate) platform: Option<String>,
    pub(crate) proposed_at: Timestamp,
    /// From this instant on it can't be confirmed.
    pub(crate) expires_at: Timestamp,
    /// The secret as the proposer saw it: its uid and the number of its changes, or absent.
    pub(crate) seen: Option<(String, u64)>,
    pub(crate) state: ProposalState,
}

read_names!(Change { "set" => Set, "rotate" => Rotate, "delete" => Delete });
read_fields!(Body { change, namespace, name, sealed, actor, platform, proposed_at, expires_at, seen, state });

impl FromJson for ProposalState {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let (tag, content) = tagged(value)?;
        match (&*tag, content) {
            ("open", Json::Null) => Ok(ProposalState::Open),
            ("cancelled", Json::Null) => Ok(ProposalState::Cancelled),
            ("applied", content) => {
                let mut fields = Fields::of(content)?;
                let (version, created, at) = (fields.take("version")?, fields.take("created")?, fields.take("at")?);
                fields.end()?;
                Ok(ProposalState::Applied { version, created, at })
            }
            _ => Err(unknown()),
        }
    }
}

impl Proposal {
    /// Reads a record after verifying it. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, keys: RecordKeys<'_>) -> Result<Self> {
        record.verify(keys)?;
        Ok(Proposal { id: record.key.name.clone(), revision: record.revision, body: record.body()? })
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey, now: Timestamp) -> Result<Record> {
        let record = Record {
            key: RecordKey::pending(&self.id),
            revision: self.revision.saturating_add(1),
            columns: Columns {
                created_at: Some(self.body.proposed_at),
                updated_at: Some(now),
                created_by: Some(self.body.actor.to_string()),
                ..Columns::default()
            },
            data: write_body(&self.body)?,
            mac: None,
            counters: Counters::default(),
        };
        Ok(record.authenticate(key))
    }

    /// What lists find it by.
    pub(crate) fn index(&self) -> Index {
        Index { expires_at: Some(self.body.expires_at), ..Index::NONE }
    }

    /// The slot that a record which was not verified names: enough to know what to load, and no more.
    pub(crate) fn unverified_slot(record: &Record) -> Option<Slot> {
        let body: Body = record.body().ok()?;
        Slot::parse_stored(Some(&body.namespace), &body.name).ok()
    }

    /// Whether a slot is the one that it would change.
    pub(crate) fn is_for(&self, slot: &Slot) -> bool {
        self.body.namespace == slot.namespace() && self.body.name == slot.name()
    }

    /// The context that the proposed value is sealed in.
    pub(crate) fn context<'a>(body: &'a Body, vault_id: &'a [u8; 16], uid: &'a [u8; 16]) -> Context<'a> {
        Context {
            purpose: Purpose::Pending,
            vault_id: Some(vault_id),
            namespace: Some(&body.namespace),
            name: Some(&body.name),
            uid: Some(uid),
            version: None,
            associated_data: None,
        }
    }

    /// The id's bytes; `None` for text that is no id.
    pub(crate) fn uid(id: &str) -> Option<[u8; 16]> {
        from_base64url(id).ok()?.try_into().ok()
    }
}
