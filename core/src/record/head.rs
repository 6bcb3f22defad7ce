//! The vault's head: its id and its roots, sealed under the primary key.
//!
//! One root is in force: new records and events are under its keys. The ones before it stay, each sealed as a former one, to
//! verify the events of their epochs; records under the last of them are accepted only while a renewal is under way.

use super::{Columns, Counters, Record, RecordKey, RecordKeys, write_body};
use crate::crypto::sealed::{self, Sealed};
use crate::crypto::{Context, KeyId, Purpose, RootKeys, VaultRoot};
use crate::encoding::{from_hex, hex};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::keyring::{Decrypted, Keyring};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::wire::read_fields;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;
use spin::Mutex;

/// What a former root is sealed for, besides its place: so that nobody who still has it can make it the one in force again.
const FORMER: &[u8] = b"former root";

/// The opened head of a vault.
pub(crate) struct Head {
    pub(crate) vault_id: [u8; 16],
    /// Which root is in force, from 1.
    pub(crate) epoch: u64,
    /// The keys of the root in force.
    pub(crate) keys: RootKeys,
    /// The key that the root in force is sealed under.
    pub(crate) sealed_under: KeyId,
    /// The revision of its record.
    pub(crate) revision: u64,
    pub(crate) keyring: Arc<Keyring>,
    former: Vec<Former>,
    /// While a renewal is under way, the epoch whose root may still authenticate records, and its keys.
    moving: Option<(u64, Arc<RootKeys>)>,
}

/// A root that was in force once. Opened when something asks for it, and not twice.
struct Former {
    epoch: u64,
    sealed: String,
    keys: Mutex<Option<Arc<RootKeys>>>,
}

#[derive(Serialize)]
struct Body {
    vault_id: String,
    epoch: u64,
    roots: Vec<SealedRoot>,
    /// While a renewal is under way, the oldest epoch that records may still be under.
    #[serde(skip_serializing_if = "Option::is_none")]
    moving_from: Option<u64>,
}

read_fields!(Body { vault_id, epoch, roots, moving_from });

#[derive(Serialize)]
struct SealedRoot {
    epoch: u64,
    sealed: String,
}

read_fields!(SealedRoot { epoch, sealed });

impl Head {
    /// A new vault: its head, and the record that keeps it. Errors: `ENTROPY_FAILED`, `NOT_CONFIGURED`.
    pub(crate) fn make(keyring: &Arc<Keyring>, entropy: &mut dyn Entropy, now: Timestamp) -> Result<(Head, Record)> {
        let vault_id = make_bytes::<16>(entropy)?;
        let root = VaultRoot::make(entropy)?;
        let (epoch, primary) = (1, keyring.primary()?);
        let sealed = sealed::seal(primary, entropy, &in_force(&vault_id, epoch), root.expose())?;
        let roots = vec![SealedRoot { epoch, sealed }];
        let body = Body { vault_id: hex(&vault_id), epoch, roots, moving_from: None };
        let head = Head {
            vault_id,
            epoch,
            keys: root.derive_keys(),
            sealed_under: primary.id(),
            revision: 1,
            keyring: Arc::clone(keyring),
            former: Vec::new(),
            moving: None,
        };
        let record = Record {
            key: RecordKey::head(),
            revision: head.revision,
            columns: Columns { created_at: Some(now), updated_at: Some(now), ..Columns::default() },
            data: write_body(&body)?,
            mac: None,
            counters: Counters::default(),
        };
        let record = record.authenticate(&head.keys.record);
        Ok((head, record))
    }

    /// Opens a head record, and in it the root in force; while a renewal is under way also the one before. Errors: those of
    /// opening a sealed value; `RECORD_TAMPERED`.
    pub(crate) fn open(record: &Record, keyring: &Arc<Keyring>) -> Result<Head> {
        let body: Body = record.body()?;
        let vault_id = from_hex::<16>(&body.vault_id).ok_or_else(|| record.tampered("its vault id cannot be read"))?;
        let root = body.roots.iter().find(|root| root.epoch == body.epoch);
        let root = root.ok_or_else(|| record.tampered("it holds no root of its epoch"))?;
        // Sealed or nothing: in a format that knows no context, whoever can write to the store and knows any 32 bytes that
        // were once encrypted could choose the root, and with it every MAC.
        let opened = open_root(keyring, &root.sealed, &in_force(&vault_id, body.epoch))?;
        let keys = derive(&opened)?;
        let only = RecordKeys { current: &keys.record, former: None };
        record.verify(only)?;
        let (epoch, revision, sealed_under) = (body.epoch, record.revision, opened.key_id);
        let former = body.roots.into_iter().filter(|root| root.epoch < epoch);
        let former = former.map(|SealedRoot { epoch, sealed }| Former { epoch, sealed, keys: Mutex::new(None) });
        let (keyring, former) = (Arc::clone(keyring), former.collect());
        let mut head = Head { vault_id, epoch, keys, sealed_under, revision, keyring, former, moving: None };
        if let Some(epoch) = body.moving_from {
            head.moving = Some((epoch, head.former_keys(epoch)?));
        }
        Ok(head)
    }

    /// The keys that records may be authenticated by.
    pub(crate) fn record_keys(&self) -> RecordKeys<'_> {
        RecordKeys { current: &self.keys.record, former: self.moving.as_ref().map(|(_, keys)| &keys.record) }
    }

    /// While a renewal is under way, the epoch that records are moved from, and its keys.
    pub(crate) fn moving(&self) -> Option<(u64, &RootKeys)> {
        self.moving.as_ref().map(|(epoch, keys)| (*epoch, &**keys))
    }

    /// The keys of a root that was in force before. Errors: `RECORD_TAMPERED` when there was none of that epoch; those of
    /// opening a sealed value.
    pub(crate) fn former_keys(&self, epoch: u64) -> Result<Arc<RootKeys>> {
        let former = self.former.iter().find(|former| former.epoch == epoch).ok_or_else(|| {
            Error::new(
                ErrorCode::RecordTampered,
                format!("the vault has had no root of epoch {epoch}: restore the store"),
            )
        })?;
        let mut keys = former.keys.lock();
        if let Some(keys) = &*keys {
            return Ok(Arc::clone(keys));
        }
        let opened = open_root(&self.keyring, &former.sealed, &former_context(&self.vault_id, epoch))?;
        let derived = Arc::new(derive(&opened)?);
        *keys = Some(Arc::clone(&derived));
        Ok(derived)
    }

    /// The keyed fingerprints of a value, 64 hex digits each, that lists find it by. That of the root before comes first: what is
    /// moved while somebody looks is found under one of them.
    pub(crate) fn fingerprints(&self, value: &SecretBytes) -> Vec<String> {
        let keys = self.moving().map(|(_, keys)| keys).into_iter().chain([&self.keys]);
        keys.map(|keys| hex(&keys.fingerprint.mac(value.expose()))).collect()
    }

    /// The ids of the keys that its roots are sealed under, one for each root.
    pub(crate) fn sealing_keys(&self) -> Vec<KeyId> {
        let former = self.former.iter().filter_map(|former| Sealed::parse(&former.sealed).ok());
        former.map(|sealed| sealed.key_id()).chain([self.sealed_under]).collect()
    }

    /// A head record with every root sealed anew under the primary, one revision on. Errors: those of opening a sealed
    /// value; `ENTROPY_FAILED`.
    pub(crate) fn resealed(&self, record: &Record, entropy: &mut dyn Entropy, now: Timestamp) -> Result<Record> {
        let mut body: Body = record.body()?;
        for root in &mut body.roots {
            let is_former = root.epoch != self.epoch;
            let context = if is_former { former_context } else { in_force }(&self.vault_id, root.epoch);
            let opened = self.keyring.open_sealed(&root.sealed, &context)?;
            root.sealed = sealed::seal(self.keyring.primary()?, entropy, &context, opened.value.expose())?;
        }
        self.next_record(record, &body, now)
    }

    /// The head of the next epoch, with a root of its own, and its record: a renewal is under way from then on. Every root is
    /// sealed under the primary, and this one as a former one. Errors: those of opening a sealed value; `ENTROPY_FAILED`.
    pub(crate) fn renewed(&self, record: &Record, entropy: &mut dyn Entropy, now: Timestamp) -> Result<(Head, Record)> {
        let mut body: Body = record.body()?;
        let primary = self.keyring.primary()?;
        for root in &mut body.roots {
            let is_former = root.epoch != self.epoch;
            let was = if is_former { former_context } else { in_force }(&self.vault_id, root.epoch);
            let opened = self.keyring.open_sealed(&root.sealed, &was)?;
            let context = former_context(&self.vault_id, root.epoch);
            root.sealed = sealed::seal(primary, entropy, &context, opened.value.expose())?;
        }
        let (root, epoch) = (VaultRoot::make(entropy)?, self.epoch.saturating_add(1));
        let sealed = sealed::seal(primary, entropy, &in_force(&self.vault_id, epoch), root.expose())?;
        body.roots.push(SealedRoot { epoch, sealed });
        body.moving_from = Some(self.epoch);
        body.epoch = epoch;
        let keys = root.derive_keys();
        let record = Record { revision: record.revision.saturating_add(1), data: write_body(&body)?, ..record.clone() };
        let columns = Columns { updated_at: Some(now), ..record.columns };
        let record = Record { columns, ..record }.authenticate(&keys.record);
        let head = Head::open(&record, &self.keyring)?;
        Ok((head, record))
    }

    /// The record once nothing is left under the root before: from then on that authenticates no record.
    pub(crate) fn settled(&self, record: &Record, now: Timestamp) -> Result<Record> {
        let body: Body = record.body()?;
        self.next_record(record, &Body { moving_from: None, ..body }, now)
    }

    fn next_record(&self, record: &Record, body: &Body, now: Timestamp) -> Result<Record> {
        let columns = Columns { updated_at: Some(now), ..record.columns.clone() };
        let revision = record.revision.saturating_add(1);
        let record = Record { revision, columns, data: write_body(body)?, ..record.clone() };
        Ok(record.authenticate(&self.keys.record))
    }
}

fn open_root(keyring: &Keyring, sealed: &str, context: &Context<'_>) -> Result<Decrypted> {
    keyring.open_sealed(sealed, context).map_err(|error| match error.code() {
        ErrorCode::KeyUnknown => error,
        code => Error::new(code, format!("the vault's root can't be opened: {error}")),
    })
}

fn derive(opened: &Decrypted) -> Result<RootKeys> {
    let root = VaultRoot::from_opened(&opened.value).ok_or_else(|| {
        Error::new(ErrorCode::RecordTampered, "a root of the vault has a wrong length: restore the store")
    })?;
    Ok(root.derive_keys())
}

/// What the root in force is sealed in.
fn in_force(vault_id: &[u8; 16], epoch: u64) -> Context<'_> {
    Context { vault_id: Some(vault_id), version: Some(epoch), ..Context::of(Purpose::VaultRoot) }
}

/// What a root that was in force once is sealed in.
fn former_context(vault_id: &[u8; 16], epoch: u64) -> Context<'_> {
    Context { associated_data: Some(FORMER), ..in_force(vault_id, epoch) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Format;
    use crate::entropy::testing::Seeded;

    #[test]
    fn a_root_in_a_format_without_a_context_is_refused() {
        let now = Timestamp::from_millis(0);
        let keyring = Arc::new(Keyring::generate(&mut Seeded::new(1), now).unwrap());
        let (head, record) = Head::make(&keyring, &mut Seeded::new(2), now).unwrap();
        assert_eq!(Head::open(&record, &keyring).ok().unwrap().vault_id, head.vault_id);

        // What a thief of the store can do who knows a plaintext: choose the root, and authenticate what they like.
        let chosen = VaultRoot::make(&mut Seeded::new(3)).unwrap();
        let sealed = keyring.encrypt((&mut Seeded::new(4), now), chosen.expose(), Format::NodeGcm, None).unwrap();
        let mut body: Body = record.body().unwrap();
        body.roots[0].sealed = sealed;
        let forged = Record { data: write_body(&body).unwrap(), ..record }.authenticate(&chosen.derive_keys().record);
        let error = Head::open(&forged, &keyring).err().unwrap();
        assert_eq!(error.code(), ErrorCode::TokenMalformed);
    }
}
