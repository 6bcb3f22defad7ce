//! Adoption: rows that an earlier program wrote become secrets, and its audit rows are sealed by their digest.
//!
//! Nothing is re-encrypted and nothing is lost: an adopted value stays as it was until it is set or rotated.

use super::Settings;
use super::initialise::ensure_initialised;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, authorized, transact};
use super::unchained::Unchained;
use super::verify_audit::examine_chain;
use crate::audit::Action;
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io, Item, ListQuery, PAGE_LIMIT, Put};
use crate::ident::{Actor, Slot};
use crate::keyring::Keyring;
use crate::record::{Columns, Head, Reason, Record, RecordKey, RecordKind, SecretRecord, StreamHead, Version};
use alloc::vec::Vec;
use serde::Serialize;

/// What an adoption found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Rows that became secrets.
    pub secrets: u64,
    /// Audit rows that stay outside the chain, all in all.
    pub events: u64,
}

/// What a store holds that no vault wrote.
#[derive(Clone)]
pub(super) struct Unadopted {
    rows: Vec<Record>,
    /// The audit rows outside the chain.
    pub(super) unchained: Unchained,
    /// Whether there are secrets that a vault wrote.
    pub(super) beside_a_vault: bool,
}

impl Unadopted {
    /// Reads all of it.
    pub(super) async fn gather(io: &Io) -> Result<Self> {
        let mut rows = Vec::new();
        let query = ListQuery { kind: RecordKind::Secret, namespace: None, by: None, limit: PAGE_LIMIT };
        let items = io.list_all(&query).await?;
        let beside_a_vault = items.iter().any(|item| item.revision > 0);
        let is_new = |item: &Item| item.revision == 0 && !is_nameless(item);
        let new: Vec<_> = items.into_iter().filter(is_new).map(|item| item.key).collect();
        for keys in new.chunks(PAGE_LIMIT as usize) {
            let loaded = io.load(keys.to_vec()).await?;
            rows.extend(loaded.into_iter().flatten().filter(is_unadopted));
        }
        rows.iter().try_for_each(refuse_stripped)?;
        Ok(Unadopted { rows, unchained: Unchained::read(io).await?, beside_a_vault })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.unchained.count == 0
    }

    /// A keyring that opens none of the values is the wrong one: under it, the vault would be lost to the right one.
    pub(super) fn refuse_foreign_keys(&self, keyring: &Keyring) -> Result<()> {
        let mut values = self.rows.iter().filter_map(|row| row.columns.value_encrypted.as_deref()).peekable();
        if values.peek().is_some() && values.all(|value| keyring.decrypt(value, None).is_err()) {
            let message = "Decryption failed - wrong key: none of the values in the store open with this ENCRYPTION_KEY, or \
                           they are not base64 of a 16-byte IV, a 16-byte tag and the ciphertext; no value was changed";
            return Err(Error::new(ErrorCode::NotAuthentic, message));
        }
        Ok(())
    }

    /// The rows as the vault's own, each with a stream of its own.
    pub(super) fn adopt_rows(&self, keyring: &Keyring, head: &Head, entropy: &mut dyn Entropy) -> Result<AdoptedRows> {
        let mut adopted = AdoptedRows { puts: Vec::with_capacity(2 * self.rows.len()), secrets: Vec::new() };
        for row in &self.rows {
            let secret = adopted_secret(row, keyring, head, entropy)?;
            let record = secret.next_record(&head.keys.record)?;
            let secret_mac = record.mac_bytes();
            let stream = StreamHead::start(RecordKey::stream(&secret.slot), hex(&secret.uid), 0);
            let stream = StreamHead { secret_mac, ..stream }.next_record(&head.keys.record)?;
            adopted.puts.push(Put { record, expected: Expected::Revision(0), index: secret.index() });
            adopted.puts.push(Put::plain(stream, Expected::Absent));
            adopted.secrets.push((secret.slot, secret.uid));
        }
        Ok(adopted)
    }

    pub(super) fn found(&self) -> Adopted {
        let secrets = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        Adopted { secrets, events: self.unchained.count }
    }
}

/// What an adoption writes, and the secrets that come of it.
pub(super) struct AdoptedRows {
    pub(super) puts: Vec<Put>,
    pub(super) secrets: Vec<(Slot, [u8; 16])>,
}

fn adopted_secret(row: &Record, keyring: &Keyring, head: &Head, entropy: &mut dyn Entropy) -> Result<SecretRecord> {
    let columns = &row.columns;
    let opened = columns.value_encrypted.as_deref().and_then(|value| keyring.decrypt(value, None).ok());
    let fingerprint = opened.map(|opened| hex(&head.keys.fingerprint.mac(opened.value.expose())));
    let slot = Slot::parse_stored(Some(&row.key.namespace), &row.key.name)?;
    Ok(SecretRecord {
        current: Version {
            number: 1,
            value: columns.value_encrypted.clone(),
            key_id: columns.encryption_key_id.clone(),
            at: columns.last_rotated,
            by: columns.created_by.clone(),
            reason: Reason::Import,
            fingerprint,
            compromised: false,
            ended_at: None,
        },
        created_by: columns.created_by.clone(),
        created_at: columns.created_at,
        updated_at: columns.updated_at,
        counters: row.counters,
        ..SecretRecord::unset(slot, make_bytes(entropy)?, head.epoch)
    })
}

fn is_unadopted(record: &Record) -> bool {
    record.revision == 0 && record.mac.is_none()
}

/// Errors when a row that looks unadopted is a vault's after all, stripped of its MAC.
fn refuse_stripped(record: &Record) -> Result<()> {
    let Columns { uid, state, version, value_fingerprint, .. } = &record.columns;
    if uid.is_some() || state.is_some() || version.is_some() || value_fingerprint.is_some() {
        return Err(record.tampered("it was a vault's and lost its MAC"));
    }
    Ok(())
}

/// Whether a row has no name that could be asked for: no vault wrote it, and none can adopt it.
pub(super) fn is_nameless(item: &Item) -> bool {
    let is_old_row = item.key.kind == RecordKind::Secret && item.revision == 0;
    is_old_row && Slot::parse_stored(Some(&item.key.namespace), &item.key.name).is_err()
}

/// Adopts what another program has written into the store since. An adopted store does this by itself on its first use;
/// later rows are refused until somebody answers for them by calling this.
///
/// Errors: `RECORD_TAMPERED` for a row under a name that the vault has a history of; `AUDIT_TAMPERED` when the history or
/// the old audit rows are not intact; `NOT_AUTHENTIC` when the keyring opens none of the values; those of [`transact`].
pub(crate) async fn adopt(io: &Io, settings: &Settings, actor: &Actor) -> Result<Adopted> {
    let call = Call::of_vault(Action::Adopted, actor);
    authorized(io, settings, &call).await?;
    let (first, _) = ensure_initialised(io, settings).await?;
    let chain = examine_chain(io, settings, &[]).await?;
    let unadopted = Unadopted::gather(io).await?;
    unadopted.unchained.check_begins_with(chain.adopted.as_deref())?;
    let streams = unadopted.rows.iter().map(|row| RecordKey { kind: RecordKind::Stream, ..row.key.clone() });
    let also = unadopted.rows.iter().map(|row| row.key.clone()).chain(streams).collect();
    let call = Call { also, ..call };
    transact(io, settings, &call, |scene, entropy| {
        // Another process may have adopted some of them by now.
        let rows: Vec<Record> = scene.records.iter().flatten().filter(|record| is_unadopted(record)).cloned().collect();
        let had_a_secret = |row: &&Record| {
            let stream = RecordKey { kind: RecordKind::Stream, ..row.key.clone() };
            scene.records.iter().flatten().any(|record| record.key == stream)
        };
        if let Some(row) = rows.iter().find(had_a_secret) {
            return Err(
                row.tampered("the vault has a history of that name: it was stripped, or put in another's place")
            );
        }
        let unadopted = Unadopted { rows, ..unadopted.clone() };
        unadopted.refuse_foreign_keys(&settings.keyring)?;
        let AdoptedRows { mut puts, secrets } = unadopted.adopt_rows(&settings.keyring, &scene.head, entropy)?;
        // Their values may need another key than the primary. The ring moves on with them, so that a key which is about to
        // be retired is counted again.
        if let Some(ring) = scene.ring.as_ref().filter(|_| !puts.is_empty()) {
            let expected = Expected::Revision(ring.revision);
            puts.push(Put::plain(ring.next_record(&scene.head.keys.record, scene.now)?, expected));
        }
        let digest = unadopted.unchained.digest();
        let detail = Detail {
            digest,
            found: secrets.into_iter().map(|(slot, uid)| (Action::Adopted, slot, uid)).collect(),
            ..Detail::of_vault(Action::Adopted)
        };
        let writes = Writes { puts, ..Writes::default() };
        let Adopted { secrets, events } = unadopted.found();
        // Adopting a store that was never opened before happens in its initialisation; it is told here all the same.
        let output = Adopted { secrets: secrets.saturating_add(first.secrets), events };
        Ok(Plan { output, writes, event: EventPlan::Detailed(detail) })
    })
    .await
}
