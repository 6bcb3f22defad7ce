//! Verify audit: every stream from its first event to its head, and the old rows by their digest.
//!
//! It finds what was changed, dropped, doubled, reordered or spliced, streams that were cut short or taken away, and secrets
//! that were put back to an earlier state or taken away. That a whole store was put back to an earlier state, or that its
//! history was written anew by someone with the keyring, shows only against a checkpoint kept elsewhere.

use super::Settings;
use super::checkpoint::check_against;
use super::initialise::ensure_initialised;
use super::scene::{Scene, verify_secret};
use super::transact::{ATTEMPTS, Call, Plan, authorized, conflict, transact};
use super::unchained::Unchained;
use crate::audit::{Action, ChainCheck, Checkpoint, Event, Fault, Leaf, VAULT_STREAM};
use crate::encoding::hex;
use crate::error::{Error, Result};
use crate::flow::{EventQuery, EventScope, Io, ListQuery, PAGE_LIMIT};
use crate::ident::{Actor, Slot};
use crate::record::{Head, RecordKey, RecordKind, StreamHead, read_mac};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// What a verified history consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Which vault it is: 32 hex digits, to be pinned by [`VaultOptions::vault_id`](crate::VaultOptions).
    pub vault_id: String,
    /// Events in the chain.
    pub events: u64,
    /// Streams that they are in.
    pub streams: u64,
    /// Old rows outside the chain, found as they were adopted.
    pub unchained: u64,
}

/// Verifies the whole history. Errors: `AUDIT_TAMPERED`, naming the first bad event and what is wrong with it; those of
/// [`transact`].
pub(crate) async fn verify_audit(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    checkpoint: Option<&Checkpoint>,
) -> Result<AuditReport> {
    let call = Call::of_vault(Action::VerifyAudit, actor);
    authorized(io, settings, &call).await?;
    let leaves = checkpoint.map(Checkpoint::leaves).unwrap_or_default();
    let found = examine(io, settings, leaves).await.and_then(|(report, chain)| match checkpoint {
        Some(checkpoint) => check_against(checkpoint, &chain).map(|()| report),
        None => Ok(report),
    });
    // A finding is recorded before it is told; other failures found nothing.
    if let Err(error) = &found
        && !error.code().is_finding()
    {
        return found;
    }
    transact(io, settings, &call, |_, _| found.clone().map(Plan::record)).await
}

/// Reads the whole history, against leaves that ascend by stream and place. Errors: `AUDIT_TAMPERED`, `RECORD_TAMPERED`, those
/// of the store.
pub(super) async fn examine(io: &Io, settings: &Settings, leaves: &[Leaf]) -> Result<(AuditReport, Chain)> {
    ensure_initialised(io, settings).await?;
    let chain = examine_chain(io, settings, leaves).await?;
    with_unchained(io, chain).await
}

/// Reads the whole history that a store holds of a vault whose head it may lack. Errors: those of [`examine`].
pub(super) async fn examine_copy(io: &Io, scene: &Scene<'_>) -> Result<AuditReport> {
    let chain = read_through(io, scene, (&[], &[])).await?.ok_or_else(conflict)?;
    with_unchained(io, chain).await.map(|(report, _)| report)
}

/// What a chain and the rows outside it are together. Errors: `AUDIT_TAMPERED`, those of the store.
async fn with_unchained(io: &Io, chain: Chain) -> Result<(AuditReport, Chain)> {
    let unchained = Unchained::read(io).await?;
    let digest = unchained.digest().map(|digest| hex(&digest));
    if digest != chain.adopted {
        let why = match (&digest, &chain.adopted) {
            (Some(_), None) => "there are rows that the vault did not write",
            (None, Some(_)) => "they are gone",
            _ => "they are not what was adopted",
        };
        return Err(Error::from(&Fault { stream: String::new(), seq: 0, why }));
    }
    let streams = u64::try_from(chain.ends.len()).unwrap_or(u64::MAX);
    let report =
        AuditReport { vault_id: hex(&chain.vault_id), events: chain.events, streams, unchained: unchained.count };
    Ok((report, chain))
}

/// A chain that was read through and found intact.
pub(super) struct Chain {
    pub(super) vault_id: [u8; 16],
    events: u64,
    /// The last event of every stream, ascending by stream.
    pub(super) ends: Vec<Leaf>,
    /// What it does not hold of what is known from elsewhere.
    pub(super) unmet: Vec<Unmet>,
    /// How many streams have a head: that of the vault, and one for each name that a secret has or had.
    pub(super) heads: u64,
    /// The digest of the rows outside it, as the latest adoption recorded it.
    pub(super) adopted: Option<String>,
    /// What happened to some secrets.
    kept: Vec<Event>,
}

/// Something known from elsewhere that a chain does not hold.
pub(super) struct Unmet {
    pub(super) leaf: Leaf,
    /// How far the stream goes; 0 when there is no such stream.
    pub(super) end: u64,
}

/// Reads the whole chain, and looks in it for events that are known from elsewhere, which ascend by stream and place. Errors:
/// `AUDIT_TAMPERED`, `RECORD_TAMPERED`, those of the store.
pub(super) async fn examine_chain(io: &Io, settings: &Settings, known: &[Leaf]) -> Result<Chain> {
    read_chain(io, settings, (known, &[])).await
}

/// Reads the whole chain, and gives what happened in some slots, which are in order, stream by stream. Errors: those of
/// [`examine_chain`].
pub(super) async fn examine_chain_of(io: &Io, settings: &Settings, slots: &[Slot]) -> Result<Vec<Event>> {
    read_chain(io, settings, (&[], slots)).await.map(|chain| chain.kept)
}

async fn read_chain(io: &Io, settings: &Settings, of: (&[Leaf], &[Slot])) -> Result<Chain> {
    for _ in 0..ATTEMPTS {
        let Some(scene) = Scene::load(io, settings, None, &[]).await? else { continue };
        match read_through(io, &scene, of).await {
            Ok(Some(chain)) => return Ok(chain),
            Ok(None) => {}
            // The root may have been renewed while we read: what is there by now is under another than the one we knew.
            Err(error) if error.code().is_finding() => {
                let head = io.load(vec![RecordKey::head()]).await?.pop().flatten();
                if head.is_none_or(|head| head.mac == scene.head_record.mac) {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(conflict())
}

/// Reads the whole chain once; `None` when it moved on in a way that only another reading can judge.
async fn read_through(io: &Io, scene: &Scene<'_>, (known, slots): (&[Leaf], &[Slot])) -> Result<Option<Chain>> {
    let mut check = ChainCheck::new(&scene.head, scene.vault_stream.seq);
    let mut met = vec![false; known.len()];
    let mut kept = Vec::new();
    let heads = stream_heads(io, &scene.head).await?;
    for (head, has_secret) in &heads {
        check.expect(head, *has_secret);
    }
    let heads = u64::try_from(heads.len()).unwrap_or(u64::MAX);
    let query = EventQuery { scope: EventScope::Chained, limit: PAGE_LIMIT };
    let mut cursor = None;
    loop {
        let (events, next) = io.events(&query, cursor).await?;
        for event in &events {
            check.take(event)?;
            if is_of(event, slots) {
                kept.push(event.clone());
            }
            if let Some(place) = place_of(event, known).and_then(|place| met.get_mut(place)) {
                *place = true;
            }
        }
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    check.finish().map_err(|fault| Error::from(&fault))?;
    // The head of a stream that went on while we read tells of it by now; one that was put back or taken away does not.
    if check.beyond_heads().next().is_some() {
        let heads = stream_heads(io, &scene.head).await?;
        let reaches = |stream: &str, seq| heads.iter().any(|(head, _)| head.stream == stream && head.seq >= seq);
        let lost = check.beyond_heads().find(|(stream, seq)| !reaches(stream, *seq));
        if let Some((stream, seq)) = lost {
            // Or the stream's secret was deleted, and its name taken again, after its events were read.
            if heads.iter().any(|(head, _)| head.stream == VAULT_STREAM && head.seq > check.end_of(VAULT_STREAM)) {
                return Ok(None);
            }
            let why = "the stream's head does not reach it: the head was put back, or taken away";
            return Err(Error::from(&Fault { stream: stream.clone(), seq, why }));
        }
    }
    let unmet = known.iter().zip(met).filter(|(_, met)| !met);
    let unmet = unmet.map(|(leaf, _)| Unmet { leaf: leaf.clone(), end: check.end_of(&leaf.stream) }).collect();
    let (vault_id, ends) = (scene.head.vault_id, check.ends());
    Ok(Some(Chain { vault_id, events: check.events, ends, unmet, heads, adopted: check.adopted, kept }))
}

/// Which of the known events an event is, if it is one.
fn place_of(event: &Event, known: &[Leaf]) -> Option<usize> {
    let (stream, seq) = (event.stream.as_deref()?, event.seq?);
    let place = known.binary_search_by(|leaf| (leaf.stream.as_str(), leaf.seq).cmp(&(stream, seq))).ok()?;
    let is_same = |leaf: &Leaf| event.mac.as_deref().and_then(read_mac) == Some(leaf.mac);
    known.get(place).is_some_and(is_same).then_some(place)
}

fn is_of(event: &Event, slots: &[Slot]) -> bool {
    let place = (event.namespace.as_deref(), event.name.as_deref());
    slots.binary_search_by(|slot| (Some(slot.namespace()), Some(slot.name())).cmp(&place)).is_ok()
}

/// Every stream's head, and whether its secret is there. A secret that is there must fit its head; both are read in one
/// load, which sees one state of the store.
async fn stream_heads(io: &Io, head: &Head) -> Result<Vec<(StreamHead, bool)>> {
    let query = ListQuery { kind: RecordKind::Stream, namespace: None, by: None, limit: PAGE_LIMIT };
    let keys: Vec<_> = io.list_all(&query).await?.into_iter().map(|item| item.key).collect();
    let mut heads = Vec::with_capacity(keys.len());
    for page in keys.chunks(PAGE_LIMIT as usize) {
        let with_secret = |key: &RecordKey| [key.clone(), RecordKey { kind: RecordKind::Secret, ..key.clone() }];
        let mut records = io.load(page.iter().flat_map(with_secret).collect()).await?.into_iter();
        while let (Some(stream), Some(secret)) = (records.next(), records.next()) {
            let Some(stream) = stream else { continue };
            let stream = StreamHead::verify(&stream, head.record_keys())?;
            // A row that another program wrote is refused when it is read, and is nobody's history.
            let secret = secret.filter(|record| record.mac.is_some());
            if let Some(record) = &secret {
                verify_secret(record, Some(&stream), head)?;
            }
            heads.push((stream, secret.is_some()));
        }
    }
    Ok(heads)
}
