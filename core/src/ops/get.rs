//! Get: the value leaves the vault once the event that says so is committed, and not before.

use super::Settings;
use super::scene::Scene;
use super::transact::{Call, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::crypto::{Format, KeyId};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{CounterDelta, Io};
use crate::ident::{Actor, Slot};
use crate::keyring::Decrypted;
use crate::record::{RecordKey, SecretRecord, SecretState, Version};
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

/// Opens one of a secret's versions. Errors: `TOKEN_MALFORMED`, also for one that has no value; `KEY_UNKNOWN`;
/// `NOT_AUTHENTIC`.
pub(super) fn open_version(scene: &Scene<'_>, secret: &SecretRecord, version: &Version) -> Result<Decrypted> {
    let stored = version.value.as_deref().ok_or_else(|| {
        let slot = &secret.slot;
        let message = format!("{slot} has no stored value: the program that wrote it left the column empty; set one");
        Error::new(ErrorCode::TokenMalformed, message)
    })?;
    let opened = scene.settings.keyring.open(stored, &secret.context(&scene.head.vault_id, version.number))?;
    // A key is retired when nothing needs it any more: what is sealed under it was put back, or put in.
    if scene.ring.as_ref().is_some_and(|ring| ring.is_retired(&opened.key_id)) {
        let message = format!("{} is sealed under a key that was retired from the vault", secret.slot);
        return Err(Error::new(ErrorCode::KeyUnknown, message));
    }
    Ok(opened)
}

/// A secret's current value, if it may be used. Errors: `SECRET_DISABLED`, `SECRET_EXPIRED`, `VERSION_COMPROMISED`, those
/// of [`open_version`].
pub(super) fn reveal(scene: &Scene<'_>, secret: &SecretRecord) -> Result<Revealed> {
    let (slot, current) = (&secret.slot, &secret.current);
    if secret.state == SecretState::Disabled {
        return Err(Error::new(ErrorCode::SecretDisabled, format!("{slot} is disabled: enable it first")));
    }
    if secret.is_expired(scene.now) {
        return Err(Error::new(ErrorCode::SecretExpired, format!("{slot} has expired: set or rotate it")));
    }
    if current.compromised {
        let message = format!("the value of {slot} was compromised and is not given any more: set or rotate it");
        return Err(Error::new(ErrorCode::VersionCompromised, message));
    }
    let Decrypted { value, format, key_id, .. } = open_version(scene, secret, current)?;
    let (version, last_rotated) = (current.number, current.at);
    Ok(Revealed { value, slot: slot.clone(), version, format, key_id, last_rotated })
}

/// Reads a secret's current value. Errors: `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `SECRET_EXPIRED`, `VERSION_COMPROMISED`, `KEY_UNKNOWN`, `NOT_AUTHENTIC`,
/// `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn get(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Revealed> {
    let call = Call::of_secret(Action::Get, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let output = reveal(scene, scene.existing(slot)?)?;
        let counters = vec![CounterDelta { key: RecordKey::secret(slot), accessed: 1, at: scene.now }];
        Ok(Plan { output, writes: Writes { counters, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await
}
