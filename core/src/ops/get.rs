//! Get: the value leaves the vault once the event that says so is committed, and not before.

use super::Settings;
use super::transact::{Call, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::crypto::{Format, KeyId};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{CounterDelta, Io};
use crate::ident::{Actor, Slot};
use crate::record::{RecordKey, SecretState};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::format;
use alloc::vec;

/// A value, and what is told of it.
#[derive(Debug)]
pub struct Revealed {
    /// The value.
    pub value: SecretBytes,
    /// Whose it is.
    pub slot: Slot,
    /// Which version it is, from 1.
    pub version: u64,
    /// How it is stored.
    pub format: Format,
    /// Under which key.
    pub key_id: KeyId,
    /// Since when it is the current value.
    pub last_rotated: Option<Timestamp>,
}

/// Reads a secret's current value. Errors: `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `KEY_UNKNOWN`, `NOT_AUTHENTIC`,
/// `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn get(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Revealed> {
    let call = Call::of_secret(Action::Get, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let secret = scene.existing(slot)?;
        if secret.state == SecretState::Disabled {
            return Err(Error::new(ErrorCode::SecretDisabled, format!("{slot} is disabled: enable it first")));
        }
        let version = secret.current.number;
        let stored = secret.current.value.as_deref().ok_or_else(|| {
            let message =
                format!("{slot} has no stored value: the program that wrote it left the column empty; set one");
            Error::new(ErrorCode::TokenMalformed, message)
        })?;
        let opened = settings.keyring.open(stored, &secret.context(&scene.head.vault_id, version))?;
        let output = Revealed {
            value: opened.value,
            slot: slot.clone(),
            version,
            format: opened.format,
            key_id: opened.key_id,
            last_rotated: secret.current.at,
        };
        let counters = vec![CounterDelta { key: RecordKey::secret(slot), accessed: 1, at: scene.now }];
        Ok(Plan { output, writes: Writes { counters, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await
}
