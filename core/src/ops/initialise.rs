//! The first use of a store: a new vault, or the adoption of what an earlier program left in it.

use super::Settings;
use super::adopt::{Adopted, Unadopted};
use super::scene::Scene;
use super::transact::{ATTEMPTS, back_off, conflict};
use crate::audit::{Action, Draft, Outcome, VAULT_STREAM, link};
use crate::encoding::hex;
use crate::entropy::make_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{ChangeSet, Committed, EventQuery, EventScope, Expected, Io, ListQuery, PAGE_LIMIT, Put};
use crate::record::{Head, RecordKey, RecordKind, Ring, StreamHead};
use alloc::vec;
use alloc::vec::Vec;

/// Makes the vault's head if the store has none; tells what that adopted, and the head's revision. Errors: those of [`initialise`] and of opening
/// a head.
pub(super) async fn ensure_initialised(io: &Io, settings: &Settings) -> Result<(Adopted, u64)> {
    let mut adopted = Adopted::default();
    for attempt in 0..ATTEMPTS {
        if let Some(scene) = Scene::load(io, settings, None, &[]).await? {
            return Ok((adopted, scene.head.revision));
        }
        if attempt > 0 {
            back_off(io, attempt).await?;
        }
        adopted = initialise(io, settings).await?;
    }
    Err(conflict())
}

/// Makes the vault's head and tells what that adopted. Returns without one when another process makes it at the same
/// time: the caller looks again.
///
/// Errors: `VAULT_HEAD_MISSING` when the store holds a vault's data, or the host pinned a vault; `NOT_AUTHENTIC` when it
/// holds an earlier program's values and the keyring opens none of them; those of the store.
pub(super) async fn initialise(io: &Io, settings: &Settings) -> Result<Adopted> {
    if settings.vault_id.is_some() {
        let message = "the store has no head record, and the host expects a certain vault: restore it from a backup";
        return Err(Error::new(ErrorCode::VaultHeadMissing, message));
    }
    let has_history = has_history(io).await?;
    let unadopted = Unadopted::gather(io).await?;
    if has_history || unadopted.beside_a_vault {
        return refuse_headless(io).await;
    }
    unadopted.refuse_foreign_keys(&settings.keyring)?;

    let now = io.now();
    let (operation_id, head, head_record) = io.with_entropy(|entropy| {
        let operation_id = make_bytes::<16>(entropy)?;
        let (head, record) = Head::make(&settings.keyring, entropy, now)?;
        Ok((operation_id, head, record))
    })?;
    let mut puts = vec![Put::plain(head_record, Expected::Absent)];
    let adopted = io.with_entropy(|entropy| unadopted.adopt_rows(&settings.keyring, &head, entropy))?;
    puts.extend(adopted.puts);

    let is_new = unadopted.is_empty();
    let draft = Draft {
        action: if is_new { Action::Init } else { Action::Adopted },
        actor: None,
        slot: None,
        uid: None,
        outcome: Outcome::Success,
        code: None,
        reason: None,
        digest: unadopted.unchained.digest(),
        rule: None,
    };
    let ring = Ring::of(&settings.keyring).next_record(&head.keys.record, now)?;
    let start = StreamHead::start(RecordKey::vault_stream(), VAULT_STREAM.into(), 0);
    let mut stream = StreamHead { ring_mac: ring.mac_bytes(), ..start };
    puts.push(Put::plain(ring, Expected::Absent));
    let stamp = (&operation_id, head.epoch, now);
    let mut events = vec![link(&draft, &mut stream, &head.keys.audit, stamp)];
    for (slot, uid) in &adopted.secrets {
        events.push(link(&Draft::adopted(slot, *uid), &mut stream, &head.keys.audit, stamp));
    }
    puts.push(Put::plain(stream.next_record(&head.keys.record)?, Expected::Absent));
    let (deletes, checks, counters) = (Vec::new(), Vec::new(), Vec::new());
    let change_set = ChangeSet { operation_id: hex(&operation_id), puts, deletes, checks, counters, events };
    Ok(match io.commit(change_set).await? {
        Committed::Yes => unadopted.found(),
        Committed::Conflict => Adopted::default(),
    })
}

/// Whether a vault has written into the store, other than secrets.
async fn has_history(io: &Io) -> Result<bool> {
    let query = EventQuery { scope: EventScope::Chained, limit: 1 };
    let (events, _) = io.events(&query, None).await?;
    if !events.is_empty() {
        return Ok(true);
    }
    for kind in [RecordKind::Stream, RecordKind::Pending, RecordKind::Ring, RecordKind::Policy] {
        let query = ListQuery { kind, namespace: None, by: None, limit: PAGE_LIMIT };
        if !io.list_all(&query).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A vault that lost its head is never made anew: that would bury what it holds. But when the head is there by now, then
/// another process has made it while we looked around.
async fn refuse_headless(io: &Io) -> Result<Adopted> {
    if io.load(vec![RecordKey::head()]).await?.iter().flatten().next().is_none() {
        let message = "the store holds a vault's data but no head record: restore the head from a backup";
        return Err(Error::new(ErrorCode::VaultHeadMissing, message));
    }
    Ok(Adopted::default())
}
