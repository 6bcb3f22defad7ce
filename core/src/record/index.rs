//! What lists find a record by besides its key.

use crate::time::Timestamp;
use crate::wire::{Fault, Fields, FromJson, Json};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// What lists find a record by besides its key. It follows from the record, is never told back, and nothing of what a list
/// finds by it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Index {
    /// When a secret is due for rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When a secret's value or a proposal ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The keyed fingerprints of a secret's values that can be accepted, 64 hex digits each, at most 10 different ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
}

impl Index {
    /// Of a record that is found by its key alone.
    pub(crate) const NONE: Index = Index { due_at: None, expires_at: None, fingerprints: Vec::new() };

    pub(crate) fn is_empty(&self) -> bool {
        *self == Index::NONE
    }
}

impl FromJson for Index {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let (due_at, expires_at) = (fields.take("due_at")?, fields.take("expires_at")?);
        let fingerprints: Option<Vec<String>> = fields.take("fingerprints")?;
        fields.end()?;
        Ok(Index { due_at, expires_at, fingerprints: fingerprints.unwrap_or_default() })
    }

    fn absent() -> Option<Self> {
        Some(Index::default())
    }
}
