//! What an operation sees before it decides: the opened head, the secret in question, and the streams.

use super::Settings;
use crate::audit::{Fault, VAULT_STREAM};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io};
use crate::ident::Slot;
use crate::record::{Head, Record, RecordKey, SecretRecord, StreamHead};
use crate::time::Timestamp;
use alloc::format;
use alloc::vec::Vec;

/// The state of the store that a decision is made on.
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) head: Head,
    pub(super) vault_stream: StreamHead,
    /// The secret in the slot, unless its record was tampered with: then the error, which the operation meets when it
    /// looks.
    secret: Result<Option<SecretRecord>>,
    /// The head of the slot's stream: the secret's own, or that of the secret which had the slot before.
    stream: Option<StreamHead>,
    /// The other records that were asked for, as far as they exist, in the order of their keys.
    pub(super) records: Vec<Record>,
}

impl<'a> Scene<'a> {
    /// Loads all of it at once; `None` when the store has no head yet. Errors: those of the store, the keyring, the head.
    pub(super) async fn load(
        io: &Io,
        settings: &'a Settings,
        slot: Option<&Slot>,
        also: &[RecordKey],
    ) -> Result<Option<Scene<'a>>> {
        let mut keys: Vec<RecordKey> = [RecordKey::head(), RecordKey::vault_stream()].into();
        keys.extend(slot.into_iter().flat_map(|slot| [RecordKey::secret(slot), RecordKey::stream(slot)]));
        keys.extend_from_slice(also);
        let mut records = io.load(keys).await?.into_iter();
        let mut next = || records.next().flatten();
        let (Some(head), vault_stream) = (next(), next()) else {
            return Ok(None);
        };
        let (secret, stream) = if slot.is_some() { (next(), next()) } else { (None, None) };
        let head = Head::open(&head, &settings.keyring)?;
        if settings.vault_id.is_some_and(|pinned| pinned != head.vault_id) {
            let message = format!("the store holds another vault, {}: open the right store", hex(&head.vault_id));
            return Err(Error::new(ErrorCode::VaultHeadMissing, message));
        }
        let vault_stream = match vault_stream {
            Some(record) => StreamHead::verify(&record, &head.keys.record)?,
            // Both are made in one commit.
            None => {
                let fault = Fault { stream: VAULT_STREAM.into(), seq: 1, why: "the vault's history was taken away" };
                return Err(Error::from(&fault));
            }
        };
        let stream = stream.map(|record| StreamHead::verify(&record, &head.keys.record)).transpose()?;
        let secret = secret.map(|record| verify_secret(&record, stream.as_ref(), &head)).transpose();
        Ok(Some(Scene {
            settings,
            now: io.now(),
            head,
            vault_stream,
            secret,
            stream,
            records: records.flatten().collect(),
        }))
    }

    /// The secret, if there is one. Errors: `RECORD_TAMPERED`.
    pub(super) fn secret(&self) -> Result<Option<&SecretRecord>> {
        match &self.secret {
            Ok(secret) => Ok(secret.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }

    /// The secret. Errors: `RECORD_TAMPERED`; `SECRET_NOT_FOUND`; `NAME_INVALID` when no secret could have that name.
    pub(super) fn existing(&self, slot: &Slot) -> Result<&SecretRecord> {
        match self.secret()? {
            Some(secret) => Ok(secret),
            None => {
                slot.check()?;
                // A name that no secret ever had is not repeated: it may be a value that was pasted in its place.
                let what = if self.stream.is_some() {
                    format!("{slot} was deleted")
                } else {
                    "there is no secret of that name".into()
                };
                let message = format!("Secret not found: {what}; check the spelling against the list");
                Err(Error::new(ErrorCode::SecretNotFound, message))
            }
        }
    }

    /// The head of the secret's own stream, from the start if it has none.
    pub(super) fn own_stream(&self, secret: &SecretRecord) -> StreamHead {
        let uid = hex(&secret.uid);
        match &self.stream {
            Some(head) if head.stream == uid => head.clone(),
            earlier => {
                let revision = earlier.as_ref().map_or(0, |head| head.revision);
                StreamHead::start(RecordKey::stream(&secret.slot), uid, revision)
            }
        }
    }

    /// Whether the slot is that of a secret, or was.
    pub(super) fn is_known(&self) -> bool {
        self.stream.is_some() || matches!(&self.secret, Ok(Some(_)))
    }

    /// What a put of the slot's stream head must find.
    pub(super) fn expected_stream(&self) -> Expected {
        expected(self.stream.as_ref().map_or(0, |head| head.revision))
    }
}

/// Reads a secret's record after verifying it, also against the head of its stream. Errors: `RECORD_TAMPERED`.
pub(super) fn verify_secret(record: &Record, stream: Option<&StreamHead>, head: &Head) -> Result<SecretRecord> {
    let secret = SecretRecord::verify(record, &head.keys.record)?;
    match stream {
        Some(stream) if stream.fits(&secret.uid, record) => Ok(secret),
        _ => Err(record.tampered("it does not fit its history: it was put back to an earlier state")),
    }
}

/// What a write must find: revision 0 of anything but a secret means that there is no record.
pub(super) fn expected(revision: u64) -> Expected {
    match revision {
        0 => Expected::Absent,
        revision => Expected::Revision(revision),
    }
}
