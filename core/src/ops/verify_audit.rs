//! Verify audit: every stream from its first event to its head, and the old rows by their digest.
//!
//! It finds what was changed, dropped, doubled, reordered or spliced, and streams that were cut short. That a whole store
//! was put back to an earlier state shows only against something kept elsewhere.

use super::Settings;
use super::adopt::unchained_digest;
use super::initialise::ensure_initialised;
use super::scene::Scene;
use super::transact::{ATTEMPTS, Call, Plan, authorized, conflict, transact};
use crate::audit::{Action, ChainCheck, Fault, VAULT_STREAM};
use crate::crypto::MacKey;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{EventQuery, EventScope, Io, ListQuery, PAGE_LIMIT};
use crate::ident::Actor;
use crate::record::{RecordKind, StreamHead};
use alloc::vec::Vec;
use serde::Serialize;
use sha2::Digest;

/// What a verified history consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
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
    for _ in 0..ATTEMPTS {
        if let Some(report) = read_through(io, settings).await? {
            return Ok(report);
        }
    }
    Err(conflict())
}

/// Reads the whole history once; `None` when it moved on in a way that only another reading can judge.
async fn read_through(io: &Io, settings: &Settings) -> Result<Option<AuditReport>> {
    let Some(scene) = Scene::load(io, settings, None, &[]).await? else {
        return Ok(None);
    };
    let mut check = ChainCheck::new(&scene.head.keys.audit);
    for head in stream_heads(io, &scene.head.keys.record).await? {
        check.expect(&head.stream, head.seq, head.mac.as_ref());
    }
    let query = EventQuery { scope: EventScope::Chained, limit: PAGE_LIMIT };
    let mut cursor = None;
    loop {
        let (events, next) = io.events(&query, cursor).await?;
        events.iter().try_for_each(|event| check.take(event)).map_err(|fault| Error::from(&fault))?;
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    check.finish().map_err(|fault| Error::from(&fault))?;
    // A stream that began while we read has a head by now; one whose head was taken away has not.
    if check.headless().next().is_some() {
        let heads = stream_heads(io, &scene.head.keys.record).await?;
        let lost = check.headless().find(|(stream, _)| !heads.iter().any(|head| head.stream == **stream));
        if let Some((stream, seq)) = lost {
            // Or the stream's secret was deleted, and its name taken again, after its events were read.
            if heads.iter().any(|head| head.stream == VAULT_STREAM && head.seq > check.end_of(VAULT_STREAM)) {
                return Ok(None);
            }
            return Err(Error::from(&Fault { stream: stream.clone(), seq, why: "the stream's head is missing" }));
        }
    }
    let (digest, unchained) = unchained_digest(io).await?;
    check.finish_unchained(digest.map(|digest| digest.finalize().into())).map_err(|fault| Error::from(&fault))?;
    Ok(Some(AuditReport { events: check.events, streams: check.streams(), unchained }))
}

async fn stream_heads(io: &Io, key: &MacKey) -> Result<Vec<StreamHead>> {
    let query = ListQuery { kind: RecordKind::Stream, namespace: None, limit: PAGE_LIMIT };
    let keys: Vec<_> = io.list_all(&query).await?.into_iter().map(|item| item.key).collect();
    let mut heads = Vec::with_capacity(keys.len());
    for page in keys.chunks(PAGE_LIMIT as usize) {
        for record in io.load(page.to_vec()).await?.values() {
            heads.push(StreamHead::verify(record, key)?);
        }
    }
    Ok(heads)
}
