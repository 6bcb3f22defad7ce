//! Verify audit: every stream from its first event to its head, and the old rows by their digest.
//!
//! It finds what was changed, dropped, doubled, reordered or spliced, and streams that were cut short. That a whole store
//! was put back to an earlier state shows only against something kept elsewhere.

use super::Settings;
use super::adopt::unchained_digest;
use super::initialise::initialise;
use super::scene::Scene;
use super::transact::{Call, Plan, transact};
use crate::audit::{Action, ChainCheck, Fault};
use crate::crypto::MacKey;
use crate::error::{Error, Result};
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
    let found = match settings.authorize(actor, io.now()) {
        Ok(()) => examine(io, settings).await?,
        Err(_) => Ok(AuditReport::default()),
    };
    let call = Call::of_vault(Action::VerifyAudit, actor);
    transact(io, settings, &call, |_, _| match &found {
        Ok(report) => Ok(Plan::record(*report)),
        Err(fault) => Err(Error::from(fault)),
    })
    .await
}

async fn examine(io: &Io, settings: &Settings) -> Result<Result<AuditReport, Fault>> {
    let Some(scene) = Scene::load(io, settings, None, &[]).await? else {
        initialise(io, settings).await?;
        return Ok(Ok(AuditReport { events: 1, streams: 1, unchained: 0 }));
    };
    let mut check = ChainCheck::new(&scene.head.keys.audit);
    for head in stream_heads(io, &scene.head.keys.record).await? {
        check.expect(&head.stream, head.seq, head.mac.as_ref());
    }
    let query = EventQuery { scope: EventScope::Chained, limit: PAGE_LIMIT };
    let mut cursor = None;
    loop {
        let (events, next) = io.events(&query, cursor).await?;
        if let Err(fault) = events.iter().try_for_each(|event| check.take(event)) {
            return Ok(Err(fault));
        }
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    let (digest, unchained) = unchained_digest(io).await?;
    if let Err(fault) = check.finish(digest.map(|digest| digest.finalize().into())) {
        return Ok(Err(fault));
    }
    // A stream that began while we read has a head by now; one whose head was taken away has not.
    if check.headless().next().is_some() {
        let heads = stream_heads(io, &scene.head.keys.record).await?;
        let lost = check.headless().find(|(stream, _)| !heads.iter().any(|head| head.stream == **stream));
        if let Some((stream, seq)) = lost {
            return Ok(Err(Fault { stream: stream.clone(), seq, why: "the stream's head is missing" }));
        }
    }
    Ok(Ok(AuditReport { events: check.events, streams: check.streams(), unchained }))
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
