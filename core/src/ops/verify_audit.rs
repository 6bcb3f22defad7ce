//! Verify audit: every stream from its first event to its head, and the old rows by their digest.
//!
//! It finds what was changed, dropped, doubled, reordered or spliced, streams that were cut short or taken away, and secrets
//! that were put back to an earlier state or taken away. That a whole store was put back to an earlier state shows only
//! against something kept elsewhere.

use super::Settings;
use super::initialise::ensure_initialised;
use super::scene::{Scene, verify_secret};
use super::transact::{ATTEMPTS, Call, Plan, authorized, conflict, transact};
use super::unchained::Unchained;
use crate::audit::{Action, ChainCheck, Event, Fault, VAULT_STREAM};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{EventQuery, EventScope, Io, ListQuery, PAGE_LIMIT};
use crate::ident::Actor;
use crate::record::{Head, RecordKey, RecordKind, StreamHead};
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
pub(crate) async fn verify_audit(io: &Io, settings: &Settings, actor: &Actor) -> Result<AuditReport> {
    let call = Call::of_vault(Action::VerifyAudit, actor);
    authorized(io, settings, &call).await?;
    let found = examine(io, settings).await;
    // A finding is recorded before it is told; other failures found nothing.
    if let Err(error) = &found
        && !matches!(error.code(), ErrorCode::AuditTampered | ErrorCode::RecordTampered)
    {
        return found;
    }
    transact(io, settings, &call, |_, _| found.clone().map(Plan::record)).await
}

async fn examine(io: &Io, settings: &Settings) -> Result<AuditReport> {
    ensure_initialised(io, settings).await?;
    let chain = examine_chain(io, settings, &[]).await?;
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
    let Chain { vault_id, events, streams, .. } = chain;
    Ok(AuditReport { vault_id, events, streams, unchained: unchained.count })
}

/// A chain that was read through and found intact.
pub(super) struct Chain {
    vault_id: String,
    events: u64,
    streams: u64,
    /// The digest of the rows outside it, as the latest adoption recorded it.
    pub(super) adopted: Option<String>,
}

/// Reads the whole chain, in which each of some events that are known from elsewhere must occur. Errors: `AUDIT_TAMPERED`,
/// `RECORD_TAMPERED`, those of the store.
pub(super) async fn examine_chain(io: &Io, settings: &Settings, known: &[Event]) -> Result<Chain> {
    for _ in 0..ATTEMPTS {
        let Some(scene) = Scene::load(io, settings, None, &[]).await? else { continue };
        match read_through(io, &scene, known).await {
            Ok(Some(chain)) => return Ok(chain),
            Ok(None) => {}
            // The root may have been renewed while we read: what is there by now is under another than the one we knew.
            Err(error) if matches!(error.code(), ErrorCode::AuditTampered | ErrorCode::RecordTampered) => {
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
async fn read_through(io: &Io, scene: &Scene<'_>, known: &[Event]) -> Result<Option<Chain>> {
    let mut check = ChainCheck::new(&scene.head, scene.vault_stream.seq);
    let mut unmet: Vec<&Event> = known.iter().collect();
    for (head, has_secret) in stream_heads(io, &scene.head).await? {
        check.expect(&head, has_secret);
    }
    let query = EventQuery { scope: EventScope::Chained, limit: PAGE_LIMIT };
    let mut cursor = None;
    loop {
        let (events, next) = io.events(&query, cursor).await?;
        for event in &events {
            check.take(event)?;
            unmet.retain(|known| *known != event);
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
    if let Some(event) = unmet.first() {
        return Err(Error::from(&event.fault("the event is not the one that the history has there")));
    }
    let (events, streams) = (check.events, check.streams());
    Ok(Some(Chain { vault_id: hex(&scene.head.vault_id), events, streams, adopted: check.adopted }))
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
