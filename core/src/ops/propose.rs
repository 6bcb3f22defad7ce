//! Propose: a change that its actor sees masked first and confirms later, perhaps after a restart of the host.

use super::Settings;
use super::purge::purge_in_passing;
use super::transact::{Call, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::crypto::sealed;
use crate::encoding::base64url;
use crate::entropy::make_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::mask::{MaskStyle, mask};
use crate::record::{Change, Proposal, ProposalState, RecordKind, SecretRecord, pending};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec;
use serde::Serialize;

/// A proposal that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// The id that confirms or cancels it: 22 characters of `A-Z a-z 0-9 _ -`.
    pub id: String,
    /// What it would do.
    pub change: Change,
    /// The secret's namespace.
    pub namespace: String,
    /// The secret's name.
    pub name: String,
    /// The proposed value, masked; absent for a deletion.
    pub masked: Option<String>,
    /// Whether there is such a secret now.
    pub exists: bool,
    /// From this instant on it can't be confirmed.
    pub expires_at: Timestamp,
}

/// Proposes a change. A deletion takes no value, the others need one.
///
/// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`, `VALUE_INVALID`, `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn propose(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    (change, value): (Change, Option<&SecretBytes>),
) -> Result<Proposed> {
    let call = Call { permission: Some(change.permission()), ..Call::of_secret(Action::Propose, actor, slot) };
    // One id for all attempts: a store may come to know of the first one late.
    let uid = io.with_entropy(make_bytes::<16>)?;
    let proposed = transact(io, settings, &call, |scene, entropy| {
        if value.is_some() == (change == Change::Delete) {
            let message = "set and rotate are proposed with a value, delete without one";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let secret = match change {
            Change::Set => scene.secret()?,
            Change::Rotate | Change::Delete => Some(scene.existing(slot)?),
        };
        if secret.is_none() {
            slot.check()?;
        }
        value.map_or(Ok(()), |value| settings.check_value(value))?;

        let mut body = pending::Body {
            change,
            namespace: slot.namespace().to_string(),
            name: slot.name().to_string(),
            sealed: None,
            actor: actor.id().to_string(),
            platform: actor.platform().map(ToString::to_string),
            proposed_at: scene.now,
            expires_at: scene.now.plus_millis(settings.proposal_millis),
            seen: secret.map(SecretRecord::seen),
            state: ProposalState::Open,
        };
        if let Some(value) = value {
            let context = Proposal::context(&body, &scene.head.vault_id, &uid);
            body.sealed = Some(sealed::seal(settings.keyring.primary()?, entropy, &context, value.expose())?);
        }
        let output = Proposed {
            id: base64url(&uid),
            change,
            namespace: body.namespace.clone(),
            name: body.name.clone(),
            // EXPOSE: masked on the way.
            masked: value.map(|value| mask(value.expose(), MaskStyle::Prefix4)),
            exists: secret.is_some(),
            expires_at: body.expires_at,
        };
        let proposal = Proposal { id: output.id.clone(), revision: 0, body };
        let record = proposal.next_record(&scene.head.keys.record, scene.now)?;
        let puts = vec![Put { record, expected: Expected::Absent, index: proposal.index() }];
        Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await?;
    purge_in_passing(io, settings, actor, RecordKind::Pending).await;
    Ok(proposed)
}
