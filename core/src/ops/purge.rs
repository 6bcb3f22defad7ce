//! Purge: what has ended is deleted, when somebody asks for it and in passing by writes. Found by the store's index.

use super::Settings;
use super::delete::plan_delete;
use super::initialise::ensure_initialised;
use super::transact::{Call, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Delete, Expected, Io, Item, ListQuery, Lookup, PAGE_LIMIT};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use crate::record::{Proposal, RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::Serialize;

/// How much a write deletes in passing.
const IN_PASSING: u32 = 8;

/// For how many milliseconds after its end nothing is deleted in passing, so that whoever comes late is told why: an hour.
const KEPT_MILLIS: i64 = 60 * 60 * 1000;

/// What a purge deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Secrets whose value had ended.
    pub secrets: u64,
    /// Proposals that were over.
    pub proposals: u64,
}

/// Deletes the expired secrets of a namespace or of all that the actor may delete, and the proposals that are over: each in
/// a commit of its own, so that a purge which is cut short has done a part. Errors: those of [`transact`].
pub(crate) async fn purge(io: &Io, settings: &Settings, actor: &Actor, namespace: Option<&str>) -> Result<Purged> {
    let call = Call::of_namespace(Action::Purge, actor, namespace);
    authorized(io, settings, &call).await?;
    ensure_initialised(io, settings).await?;
    transact(io, settings, &call, |_, _| Ok(Plan::record(()))).await?;
    let mut purged = Purged::default();
    let items = io.list_all(&expired(io.now(), RecordKind::Secret, namespace, PAGE_LIMIT)).await?;
    purged.secrets = purge_secrets(io, settings, actor, items).await?;
    // Proposals are their makers' own: whoever may purge anything may clear away those that are over.
    let items = io.list_all(&expired(io.now(), RecordKind::Pending, None, PAGE_LIMIT)).await?;
    for page in items.chunks(100) {
        purged.proposals += purge_proposals(io, settings, actor, page).await?;
    }
    Ok(purged)
}

/// Deletes some of what ended an hour ago, after a write of its own was done: so what is added is never more than what goes. Nothing
/// of it makes the write fail.
pub(super) async fn purge_in_passing(io: &Io, settings: &Settings, actor: &Actor, kind: RecordKind) {
    let query = expired(io.now().plus_millis(-KEPT_MILLIS), kind, None, IN_PASSING);
    let Ok((items, _)) = io.list_page(&query, None).await else { return };
    if items.is_empty() {
        return;
    }
    let _ = match kind {
        RecordKind::Secret => purge_secrets(io, settings, actor, items).await,
        _ => purge_proposals(io, settings, actor, &items).await,
    };
}

/// What had ended at an instant.
fn expired(at: Timestamp, kind: RecordKind, namespace: Option<&str>, limit: u32) -> ListQuery {
    ListQuery { kind, namespace: namespace.map(ToString::to_string), by: Some(Lookup::Expired(at)), limit }
}

async fn purge_secrets(io: &Io, settings: &Settings, actor: &Actor, items: Vec<Item>) -> Result<u64> {
    let mut deleted = 0;
    for item in items {
        // No vault gave a secret a name that can't be asked for.
        let Ok(slot) = Slot::parse_stored(Some(&item.key.namespace), &item.key.name) else { continue };
        // What is not the actor's to delete is passed over, and no attempt to delete it.
        let call = Call { permission: None, ..Call::of_secret(Action::Delete, actor, &slot) };
        deleted += transact(io, settings, &call, |scene, _| match scene.secret()? {
            Some(secret) if secret.is_expired(scene.now) && scene.may(actor, Permission::Delete, secret) => {
                plan_delete(scene, &slot).map(|plan| plan.map(|_| 1))
            }
            // Deleted by another, or given a new value since.
            _ => Ok(Plan::silent(0)),
        })
        .await?;
    }
    Ok(deleted)
}

async fn purge_proposals(io: &Io, settings: &Settings, actor: &Actor, items: &[Item]) -> Result<u64> {
    let also: Vec<RecordKey> = items.iter().map(|item| item.key.clone()).collect();
    let call = Call { permission: None, also, ..Call::of_vault(Action::Purge, actor) };
    transact(io, settings, &call, |scene, _| {
        let mut deletes = Vec::new();
        for record in scene.records.iter().flatten() {
            // One that is not the vault's own keeps none of the others.
            let Ok(proposal) = Proposal::verify(record, scene.head.record_keys()) else { continue };
            // What was applied answers a repeated confirmation, for as long as it could have been confirmed.
            if proposal.body.expires_at <= scene.now {
                let expected = Expected::Revision(record.revision);
                deletes.push(Delete { key: record.key.clone(), expected });
            }
        }
        let output = u64::try_from(deletes.len()).unwrap_or(u64::MAX);
        let event = if output == 0 { EventPlan::None } else { EventPlan::Plain };
        Ok(Plan { output, writes: Writes { deletes, ..Writes::default() }, event })
    })
    .await
}
