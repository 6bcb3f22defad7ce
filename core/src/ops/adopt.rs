//! Adoption: rows that an earlier program wrote become secrets, and its audit rows are sealed by their digest.
//!
//! Nothing is re-encrypted and nothing is lost: an adopted value stays as it was until it is set or rotated.

use super::Settings;
use super::initialise::ensure_initialised;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::{Action, Fault, digest_of_unchained};
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{EventQuery, EventScope, Expected, Io, Item, ListQuery, PAGE_LIMIT, Put};
use crate::ident::{Actor, Slot};
use crate::keyring::Keyring;
use crate::record::{Head, Reason, Record, RecordKind, SecretRecord, SecretState, Version};
use alloc::vec::Vec;
use serde::Serialize;
use sha2::{Digest, Sha256};

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
    /// The digest over every audit row outside the chain; `None` when there is none.
    digest: Option<Sha256>,
    events: u64,
    /// Whether there are secrets that a vault wrote.
    pub(super) beside_a_vault: bool,
}

impl Unadopted {
    /// Reads all of it.
    pub(super) async fn gather(io: &Io) -> Result<Self> {
        let mut rows = Vec::new();
        let query = ListQuery { kind: RecordKind::Secret, namespace: None, limit: PAGE_LIMIT };
        let items = io.list_all(&query).await?;
        let beside_a_vault = items.iter().any(|item| item.revision > 0);
        let is_new = |item: &Item| item.revision == 0 && !is_nameless(item);
        let new: Vec<_> = items.into_iter().filter(is_new).map(|item| item.key).collect();
        for keys in new.chunks(PAGE_LIMIT as usize) {
            let loaded = io.load(keys.to_vec()).await?;
            rows.extend(loaded.into_values().filter(is_unadopted));
        }
        let (digest, events) = unchained_digest(io).await?;
        Ok(Unadopted { rows, digest, events, beside_a_vault })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.events == 0
    }

    /// A keyring that opens none of the values is the wrong one: under it, the vault would be lost to the right one.
    pub(super) fn refuse_foreign_keys(&self, keyring: &Keyring) -> Result<()> {
        let mut values = self.rows.iter().filter_map(|row| row.columns.value_encrypted.as_deref()).peekable();
        if values.peek().is_some() && values.all(|value| keyring.decrypt(value, None).is_err()) {
            let message = "Decryption failed - wrong key: none of the values in the store open with this ENCRYPTION_KEY; \
                           nothing was changed, restore the key that they were encrypted with";
            return Err(Error::new(ErrorCode::NotAuthentic, message));
        }
        Ok(())
    }

    /// The rows as the vault's own.
    pub(super) fn adopt_rows(&self, keyring: &Keyring, head: &Head, entropy: &mut dyn Entropy) -> Result<Vec<Put>> {
        let mut puts = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let columns = &row.columns;
            let Ok(slot) = Slot::parse_stored(Some(&row.key.namespace), &row.key.name) else {
                continue; // No name that could be asked for; the row stays as it is.
            };
            let opened = columns.value_encrypted.as_deref().and_then(|value| keyring.decrypt(value, None).ok());
            let fingerprint = opened.map(|opened| head.keys.fingerprint.mac(opened.value.expose()));
            let secret = SecretRecord {
                slot,
                revision: 0,
                uid: make_bytes(entropy)?,
                state: SecretState::Active,
                current: Version {
                    number: 1,
                    value: columns.value_encrypted.clone(),
                    key_id: columns.encryption_key_id.clone(),
                    at: columns.last_rotated,
                    by: columns.created_by.clone(),
                    reason: Reason::Import,
                    fingerprint: fingerprint.map(|mac| crate::encoding::hex(&mac)),
                    compromised: false,
                },
                previous: Vec::new(),
                created_by: columns.created_by.clone(),
                created_at: columns.created_at,
                updated_at: columns.updated_at,
                counters: row.counters,
            };
            puts.push(Put { record: secret.next_record(&head.keys.record)?, expected: Expected::Revision(0) });
        }
        Ok(puts)
    }

    pub(super) fn found(&self) -> Adopted {
        let secrets = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        Adopted { secrets, events: self.events }
    }
}

fn is_unadopted(record: &Record) -> bool {
    record.revision == 0 && record.mac.is_none()
}

/// Whether a row has no name that could be asked for: no vault wrote it, and none can adopt it.
pub(super) fn is_nameless(item: &Item) -> bool {
    let is_old_row = item.key.kind == RecordKind::Secret && item.revision == 0;
    is_old_row && Slot::parse_stored(Some(&item.key.namespace), &item.key.name).is_err()
}

/// What the event of an adoption carries: the digest of all rows outside the chain.
pub(super) fn adopted_event_digest(unadopted: &Unadopted) -> Option<[u8; 32]> {
    unadopted.digest.clone().map(|digest| digest.finalize().into())
}

/// The digest over the rows outside the chain, and their number.
pub(super) async fn unchained_digest(io: &Io) -> Result<(Option<Sha256>, u64)> {
    let query = EventQuery { scope: EventScope::Unchained, limit: PAGE_LIMIT };
    let (mut digest, mut count, mut cursor) = (None, 0u64, None);
    loop {
        let (events, next) = io.events(&query, cursor).await?;
        for event in &events {
            if event.is_chained() {
                let stream = event.stream.clone().unwrap_or_else(|| "(none)".into());
                let seq = event.seq.unwrap_or_default();
                return Err(Error::from(&Fault { stream, seq, why: "the event lost its place" }));
            }
            digest = Some(digest_of_unchained(digest.take(), event));
            count = count.saturating_add(1);
        }
        if next.is_none() {
            return Ok((digest, count));
        }
        cursor = next;
    }
}

/// Adopts what another program has written into the store since. An adopted store does this by itself on its first use;
/// later rows are refused until somebody answers for them by calling this.
pub(crate) async fn adopt(io: &Io, settings: &Settings, actor: &Actor) -> Result<Adopted> {
    let call = Call::of_vault(Action::Adopted, actor);
    authorized(io, settings, &call).await?;
    let first = ensure_initialised(io, settings).await?;
    let unadopted = Unadopted::gather(io).await?;
    let also = unadopted.rows.iter().map(|row| row.key.clone()).collect();
    let call = Call { also, ..call };
    transact(io, settings, &call, |scene, entropy| {
        // Another process may have adopted some of them by now.
        let rows = scene.records.values().filter(|record| is_unadopted(record)).cloned().collect();
        let unadopted = Unadopted { rows, ..unadopted.clone() };
        unadopted.refuse_foreign_keys(&settings.keyring)?;
        let puts = unadopted.adopt_rows(&settings.keyring, &scene.head, entropy)?;
        let detail = Detail {
            action: Action::Adopted,
            in_vault_stream: true,
            uid: None,
            reason: None,
            digest: adopted_event_digest(&unadopted),
        };
        let writes = Writes { puts, ..Writes::default() };
        let Adopted { secrets, events } = unadopted.found();
        // Adopting a store that was never opened before happens in its initialisation; it is told here all the same.
        let output = Adopted { secrets: secrets.saturating_add(first.secrets), events };
        Ok(Plan { output, writes, event: EventPlan::Detailed(detail) })
    })
    .await
}
