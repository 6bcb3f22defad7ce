//! Checkpoint: verifies the whole history, as `verify_audit` does, and signs how far every stream goes.
//!
//! It costs what `verify_audit` costs, one reading of all events: what it attests must be a history that holds. Kept
//! elsewhere, it shows what no history tells of itself: that a store was put back, or written anew by one who has its keys.

use super::Settings;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, authorized, transact};
use super::verify_audit::{Chain, examine};
use crate::audit::{Action, Checkpoint, Fault, Leaf, VAULT_STREAM, write_checkpoint};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::Actor;
use crate::keyring::SigningKey;
use alloc::format;
use alloc::string::String;
use serde::Serialize;

/// A checkpoint that was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checkpointed {
    /// Its text, to be kept where those who keep the vault can't change it; [`Checkpoint::parse`] reads it.
    pub checkpoint: String,
}

/// Verifies the whole history and signs where it stands. Errors: `AUDIT_TAMPERED`, `RECORD_TAMPERED`, `LIMIT_EXCEEDED`, those of
/// [`transact`].
pub(crate) async fn checkpoint(io: &Io, settings: &Settings, actor: &Actor, key: &SigningKey) -> Result<Checkpointed> {
    let call = Call::of_vault(Action::Checkpoint, actor);
    authorized(io, settings, &call).await?;
    let signed = examine(io, settings, &[])
        .await
        .and_then(|(_, chain)| write_checkpoint(&chain.vault_id, io.now(), &chain.ends, key));
    // A finding is recorded before it is told; other failures found nothing.
    if let Err(error) = &signed
        && !error.code().is_finding()
    {
        return Err(error.clone());
    }
    transact(io, settings, &call, |_, _| {
        let (checkpoint, digest) = signed.clone()?;
        let detail = Detail { digest: Some(digest), ..Detail::of_vault(Action::Checkpoint) };
        let (writes, event) = (Writes::default(), EventPlan::Detailed(detail));
        Ok(Plan { output: Checkpointed { checkpoint }, writes, event })
    })
    .await
}

/// Whether a history still holds all that a checkpoint attests. Errors: `AUDIT_TAMPERED`, naming what tells most.
pub(super) fn check_against(checkpoint: &Checkpoint, chain: &Chain) -> Result<()> {
    let (attested, found) = (checkpoint.vault_id(), hex(&chain.vault_id));
    if attested != found {
        let message = format!(
            "the audit history is not the one that was attested: the checkpoint is of vault {attested}, and the store holds \
             {found}"
        );
        return Err(Error::new(ErrorCode::AuditTampered, message));
    }
    // A store that was put back lacks whole streams too, which were begun since: where its own stream ends says it all.
    let is_put_back = |leaf: &Leaf, end: u64| leaf.stream == VAULT_STREAM && end < leaf.seq;
    type Kind = fn(&Leaf, u64) -> bool;
    let kinds: [(Kind, &'static str); 3] = [
        (|_, end| end == 0, "the stream is missing: it was taken away, or the store was put back to before it began"),
        (
            |leaf, end| end >= leaf.seq,
            "the event is another: the history was forged, or the store put back and used since",
        ),
        (|_, _| true, "the event is missing: the stream was cut short, or the store was put back"),
    ];
    let first_of = |kind: &dyn Fn(&Leaf, u64) -> bool| chain.unmet.iter().find(|unmet| kind(&unmet.leaf, unmet.end));
    let why = "the event is missing: the store was put back to an earlier state, or the vault's stream was cut";
    let fault = first_of(&is_put_back)
        .map(|unmet| (unmet, why))
        .or_else(|| kinds.iter().find_map(|(kind, why)| first_of(kind).map(|unmet| (unmet, *why))));
    let Some((unmet, why)) = fault else { return Ok(()) };
    let fault = Fault { stream: unmet.leaf.stream.clone(), seq: unmet.leaf.seq, why };
    let others = match chain.unmet.len().saturating_sub(1) {
        0 => String::new(),
        more => format!("; and {more} more of {} streams", checkpoint.leaves().len()),
    };
    let message =
        format!("the audit history lacks what the checkpoint of {} attests: {fault}{others}", checkpoint.at());
    Err(Error::new(ErrorCode::AuditTampered, message))
}
