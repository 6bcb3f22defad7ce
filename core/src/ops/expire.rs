//! Expire and purge: a secret that has an end is refused from then on, and deleted when somebody purges.

use super::Settings;
use super::delete::plan_delete;
use super::list::{all_secrets, for_each_page};
use super::set::{Written, plan_update};
use super::transact::{Call, Detail, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Delete, Expected, Io};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use crate::record::{Proposal, RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// When a value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At an instant; from that millisecond on it is refused.
    At(Timestamp),
    /// So many milliseconds after the operation's last step.
    In(u64),
}

impl Expiry {
    /// Errors: `INVALID_ARGUMENT` for an end that has passed.
    pub(super) fn end(self, now: Timestamp) -> Result<Option<Timestamp>> {
        let end = match self {
            Expiry::Never => return Ok(None),
            Expiry::At(end) => end,
            Expiry::In(millis) => now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)),
        };
        if end <= now {
            let message = "the value would expire at once: give an instant that is still to come";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(Some(end))
    }
}

/// Gives a secret's value an end, or takes it away. Errors: `SECRET_NOT_FOUND`, `INVALID_ARGUMENT`, those of [`transact`].
pub(crate) async fn expire(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    expiry: Expiry,
) -> Result<Written> {
    let call = Call::of_secret(Action::Expire, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        // What had ended stays so: only the current value comes back.
        if secret.is_expired(scene.now) {
            secret.grace.clear();
        }
        secret.expires_at = expiry.end(scene.now)?;
        plan_update(scene, secret, Detail::of(Action::Expire))
    })
    .await
}

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
    let records = all_secrets(io, settings, namespace).await?;
    let expired = transact(io, settings, &call, |scene, _| {
        let mut expired: Vec<Slot> = Vec::new();
        for record in &records {
            let secret = record.verify(&scene.head)?;
            let may = scene.may(actor, Permission::Delete, &secret);
            if may && secret.is_expired(scene.now) {
                expired.push(secret.slot);
            }
        }
        Ok(Plan::record(expired))
    })
    .await?;
    let mut purged = Purged::default();
    for slot in &expired {
        let call = Call::of_secret(Action::Delete, actor, slot);
        purged.secrets += transact(io, settings, &call, |scene, _| match scene.secret()? {
            Some(secret) if secret.is_expired(scene.now) => {
                let Plan { writes, event, .. } = plan_delete(scene, slot)?;
                Ok(Plan { output: 1u64, writes, event })
            }
            // Deleted by another, or given a new value since.
            _ => Ok(Plan::silent(0)),
        })
        .await?;
    }
    purged.proposals = purge_proposals(io, settings, actor).await?;
    Ok(purged)
}

/// Proposals are their makers' own: whoever may purge anything may clear away those that are over.
async fn purge_proposals(io: &Io, settings: &Settings, actor: &Actor) -> Result<u64> {
    let mut keys: Vec<RecordKey> = Vec::new();
    let alone = |key: &RecordKey| vec![key.clone()];
    for_each_page(io, settings, RecordKind::Pending, None, alone, |page| {
        keys.extend(page.into_iter().flatten().map(|record| record.key));
    })
    .await?;
    let mut deleted = 0u64;
    for page in keys.chunks(100) {
        let call = Call { permission: None, also: page.to_vec(), ..Call::of_vault(Action::Purge, actor) };
        deleted += transact(io, settings, &call, |scene, _| {
            let mut deletes = Vec::new();
            for record in scene.records.iter().flatten() {
                let proposal = Proposal::verify(record, &scene.head.keys.record)?;
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
        .await?;
    }
    Ok(deleted)
}
