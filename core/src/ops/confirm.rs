//! Confirm: a proposal is consumed and its change made, in one commit. Confirmed again, it tells its first outcome.

use super::Settings;
use super::delete::plan_delete;
use super::rotate::{Rotation, plan_rotate};
use super::scene::Scene;
use super::set::{Setting, Written, plan_set};
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::policy::Scope;
use crate::record::{Change, Proposal, ProposalState, RecordKey, SecretRecord};
use crate::secret::SecretBytes;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// What a confirmation did, or had done before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    /// The change that was made.
    pub change: Change,
    /// What it wrote.
    pub written: Written,
    /// Whether it had been confirmed before, and nothing was done this time.
    pub repeated: bool,
}

/// Confirms a proposal.
///
/// Errors: `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_EXPIRED`, `CONFIRMATION_MISMATCH`, `CHANGED_SINCE_PROPOSED`, those of
/// the change and of [`transact`].
pub(crate) async fn confirm(io: &Io, settings: &Settings, actor: &Actor, id: &str) -> Result<Confirmed> {
    authorized(io, settings, &Call::of_vault(Action::Confirm, actor)).await?;
    let slot = proposed_slot(io, id).await?;
    let call = Call { slot: slot.as_ref(), also: proposal_key(id), ..Call::of_vault(Action::Confirm, actor) };
    transact(io, settings, &call, |scene, entropy| {
        let proposal = own_proposal(scene, actor)?;
        let change = proposal.body.change;
        // INVARIANT: the scene and the event are those of the slot that the verified proposal names.
        let Some(slot) = slot.clone().filter(|slot| proposal.is_for(slot)) else {
            let message = "the store told two stories of one proposal; look at the cause, then try again";
            return Err(Error::new(ErrorCode::StorageFailed, message));
        };
        match proposal.body.state {
            ProposalState::Applied { version, created, at } => {
                let written = Written::of(&slot, version, created, at);
                return Ok(Plan::record(Confirmed { change, written, repeated: true }));
            }
            ProposalState::Cancelled => return Err(not_found("was cancelled")),
            ProposalState::Open => {}
        }
        let rule = scene.permit(actor, change.permission(), Scope::from(&slot))?;
        check_timely(scene, &proposal)?;
        let value = proposed_value(scene, &proposal)?;
        let plan = plan_change(scene, entropy, actor, &slot, change, value.as_ref())?;
        consume(scene, proposal, plan, rule)
    })
    .await
}

/// Where the proposal is aimed. What it says is believed only in the transaction, where its MAC is checked.
async fn proposed_slot(io: &Io, id: &str) -> Result<Option<Slot>> {
    let Some(key) = proposal_key(id).pop() else {
        return Ok(None);
    };
    let record = io.load(vec![key]).await?.pop().flatten();
    Ok(record.and_then(|record| Proposal::unverified_slot(&record)))
}

/// The key to load for an id; none for text that is no id.
pub(super) fn proposal_key(id: &str) -> Vec<RecordKey> {
    Proposal::uid(id).map(|_| RecordKey::pending(id)).into_iter().collect()
}

/// The proposal that was loaded, verified, if it is the actor's own. Errors: `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_MISMATCH`.
pub(super) fn own_proposal(scene: &Scene<'_>, actor: &Actor) -> Result<Proposal> {
    let record = scene.records.iter().flatten().next().ok_or_else(|| not_found("is not waiting"))?;
    let proposal = Proposal::verify(record, scene.head.record_keys())?;
    if proposal.body.actor != actor.id() || proposal.body.platform.as_deref() != actor.platform() {
        let message = "only the one who proposed a change can confirm or cancel it, on the same platform";
        return Err(Error::new(ErrorCode::ConfirmationMismatch, message));
    }
    Ok(proposal)
}

pub(super) fn not_found(why: &str) -> Error {
    let message = alloc::format!("the proposal {why}; look at the secret, and propose again if it is to change");
    Error::new(ErrorCode::ConfirmationNotFound, message)
}

fn check_timely(scene: &Scene<'_>, proposal: &Proposal) -> Result<()> {
    if proposal.body.expires_at <= scene.now {
        let message = "the proposal was not confirmed in time: propose the change again";
        return Err(Error::new(ErrorCode::ConfirmationExpired, message));
    }
    let secret = scene.secret()?;
    if proposal.body.seen != secret.map(SecretRecord::seen) {
        let message = "the secret has changed since the proposal: look again, then propose again";
        return Err(Error::new(ErrorCode::ChangedSinceProposed, message));
    }
    Ok(())
}

fn proposed_value(scene: &Scene<'_>, proposal: &Proposal) -> Result<Option<SecretBytes>> {
    let Some(sealed) = &proposal.body.sealed else {
        return Ok(None);
    };
    let uid = Proposal::uid(&proposal.id).ok_or_else(|| not_found("is not waiting"))?;
    let context = Proposal::context(&proposal.body, &scene.head.vault_id, &uid);
    scene.settings.keyring.open_sealed(sealed, &context).map(|opened| Some(opened.value))
}

fn plan_change(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    change: Change,
    value: Option<&SecretBytes>,
) -> Result<Plan<Written>> {
    match (change, value) {
        (Change::Set, Some(value)) => plan_set(scene, entropy, actor, slot, (value, &Setting::default())),
        (Change::Rotate, Some(value)) => plan_rotate(scene, entropy, actor, slot, (value, &Rotation::default())),
        (Change::Delete, _) => plan_delete(scene, slot),
        (_, None) => Err(not_found("has lost its value")),
    }
}

/// The change's plan with the proposal's end in it.
fn consume(
    scene: &Scene<'_>,
    mut proposal: Proposal,
    plan: Plan<Written>,
    rule: Option<String>,
) -> Result<Plan<Confirmed>> {
    let change = proposal.body.change;
    let Plan { output: written, mut writes, event } = plan.allowed_by(rule);
    let expected = Expected::Revision(proposal.revision);
    proposal.body.sealed = None;
    proposal.body.state = ProposalState::Applied { version: written.version, created: written.created, at: written.at };
    writes.puts.push(Put {
        record: proposal.next_record(&scene.head.keys.record, scene.now)?,
        expected,
        index: proposal.index(),
    });
    Ok(Plan { output: Confirmed { change, written, repeated: false }, writes, event })
}
