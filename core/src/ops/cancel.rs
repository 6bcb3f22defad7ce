//! Cancel: a proposal is withdrawn by the one who made it, and its value forgotten.

use super::Settings;
use super::confirm::{not_found, own_proposal, proposal_key};
use super::transact::{Call, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Expected, Io, Put};
use crate::ident::Actor;
use crate::record::ProposalState;
use alloc::vec;

/// Cancels a proposal; a second time does nothing. Errors: `CONFIRMATION_NOT_FOUND` also when it was confirmed already,
/// `CONFIRMATION_MISMATCH`, those of [`transact`].
pub(crate) async fn cancel(io: &Io, settings: &Settings, actor: &Actor, id: &str) -> Result<()> {
    let call = Call { also: proposal_key(id), ..Call::of_vault(Action::Cancel, actor) };
    transact(io, settings, &call, |scene, _| {
        let mut proposal = own_proposal(scene, actor)?;
        match proposal.body.state {
            ProposalState::Cancelled => return Ok(Plan::record(())),
            ProposalState::Applied { .. } => return Err(not_found("was confirmed already")),
            ProposalState::Open => {}
        }
        let expected = Expected::Revision(proposal.revision);
        proposal.body.sealed = None;
        proposal.body.state = ProposalState::Cancelled;
        let puts = vec![Put {
            record: proposal.next_record(&scene.head.keys.record, scene.now)?,
            expected,
            index: proposal.index(),
        }];
        Ok(Plan { output: (), writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await
}
