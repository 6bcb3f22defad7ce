//! The vault's head: its id and its root, sealed under the primary key.

use super::{Columns, Counters, Record, RecordKey, write_body};
use crate::crypto::{Context, Purpose, RootKeys, VaultRoot, sealed};
use crate::encoding::{from_hex, hex};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::keyring::Keyring;
use crate::time::Timestamp;
use crate::wire::read_fields;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// The opened head of a vault.
pub(crate) struct Head {
    pub(crate) vault_id: [u8; 16],
    /// Which root is in force, from 1.
    pub(crate) epoch: u64,
    pub(crate) keys: RootKeys,
    /// The key that the root is sealed under.
    pub(crate) sealed_under: crate::crypto::KeyId,
}

#[derive(Serialize)]
struct Body {
    vault_id: String,
    epoch: u64,
    roots: Vec<SealedRoot>,
}

read_fields!(Body { vault_id, epoch, roots });

#[derive(Serialize)]
struct SealedRoot {
    epoch: u64,
    sealed: String,
}

read_fields!(SealedRoot { epoch, sealed });

impl Head {
    /// A new vault: its head, and the record that keeps it. Errors: `ENTROPY_FAILED`, `NOT_CONFIGURED`.
    pub(crate) fn make(keyring: &Keyring, entropy: &mut dyn Entropy, now: Timestamp) -> Result<(Head, Record)> {
        let vault_id = make_bytes::<16>(entropy)?;
        let root = VaultRoot::make(entropy)?;
        let (epoch, primary) = (1, keyring.primary()?);
        let sealed = sealed::seal(primary, entropy, &context(&vault_id, epoch), root.expose())?;
        let body = Body { vault_id: hex(&vault_id), epoch, roots: vec![SealedRoot { epoch, sealed }] };
        let keys = root.derive_keys();
        let record = Record {
            key: RecordKey::head(),
            revision: 1,
            columns: Columns { created_at: Some(now), updated_at: Some(now), ..Columns::default() },
            data: write_body(&body)?,
            mac: None,
            counters: Counters::default(),
        };
        let record = record.authenticate(&keys.record);
        Ok((Head { vault_id, epoch, keys, sealed_under: primary.id() }, record))
    }

    /// Opens a head record. Errors: those of opening a sealed value; `RECORD_TAMPERED`.
    pub(crate) fn open(record: &Record, keyring: &Keyring) -> Result<Head> {
        let body: Body = record.body()?;
        let vault_id = from_hex::<16>(&body.vault_id).ok_or_else(|| record.tampered("its vault id cannot be read"))?;
        let root = body.roots.iter().find(|root| root.epoch == body.epoch);
        let root = root.ok_or_else(|| record.tampered("it holds no root of its epoch"))?;
        // Sealed or nothing: in a format that knows no context, whoever can write to the store and knows any 32 bytes that
        // were once encrypted could choose the root, and with it every MAC.
        let opened =
            keyring.open_sealed(&root.sealed, &context(&vault_id, body.epoch)).map_err(|error| match error.code() {
                ErrorCode::KeyUnknown => error,
                code => Error::new(code, format!("the vault's root can't be opened: {error}")),
            })?;
        let root =
            VaultRoot::from_opened(&opened.value).ok_or_else(|| record.tampered("its root has a wrong length"))?;
        let keys = root.derive_keys();
        record.verify(&keys.record)?;
        Ok(Head { vault_id, epoch: body.epoch, keys, sealed_under: opened.key_id })
    }
}

impl Head {
    /// A head record with every root sealed anew under the primary, one revision on. Errors: those of opening a sealed
    /// value; `ENTROPY_FAILED`.
    pub(crate) fn resealed(
        &self,
        record: &Record,
        keyring: &Keyring,
        entropy: &mut dyn Entropy,
        now: Timestamp,
    ) -> Result<Record> {
        let mut body: Body = record.body()?;
        for root in &mut body.roots {
            let context = context(&self.vault_id, root.epoch);
            let opened = keyring.open_sealed(&root.sealed, &context)?;
            root.sealed = sealed::seal(keyring.primary()?, entropy, &context, opened.value.expose())?;
        }
        let columns = Columns { updated_at: Some(now), ..record.columns.clone() };
        let revision = record.revision.saturating_add(1);
        let record = Record { revision, columns, data: write_body(&body)?, ..record.clone() };
        Ok(record.authenticate(&self.keys.record))
    }
}

fn context(vault_id: &[u8; 16], epoch: u64) -> Context<'_> {
    Context { vault_id: Some(vault_id), version: Some(epoch), ..Context::of(Purpose::VaultRoot) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Format;
    use crate::entropy::testing::Seeded;

    #[test]
    fn a_root_in_a_format_without_a_context_is_refused() {
        let now = Timestamp::from_millis(0);
        let keyring = Keyring::generate(&mut Seeded::new(1), now).unwrap();
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
