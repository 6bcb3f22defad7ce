//! The policy of the vault: set by whoever may administer it, and read.

use super::Settings;
use super::scene::expected;
use super::transact::{Call, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Io, Put};
use crate::ident::Actor;
use crate::policy::{Permission, Policy, Scope, Subject};
use crate::record::PolicyRecord;
use alloc::vec;
use serde::Serialize;

/// The policy that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyInForce {
    /// The policy; absent when everybody may do everything.
    pub policy: Option<Policy>,
    /// Whether it is fixed in code and can't be set.
    pub fixed: bool,
}

/// Sets the policy; from then on, what it does not allow is denied.
///
/// Errors: `UNSUPPORTED` when the policy is fixed in code; `INVALID_ARGUMENT` for one that would leave the actor without
/// the permission to change it again; those of [`transact`].
pub(crate) async fn set_policy(io: &Io, settings: &Settings, actor: &Actor, policy: &Policy) -> Result<()> {
    let call = Call::of_vault(Action::SetPolicy, actor);
    transact(io, settings, &call, |scene, _| {
        if settings.policy.is_some() {
            let message = "the policy of this vault is fixed in code: change it there";
            return Err(Error::new(ErrorCode::Unsupported, message));
        }
        let subject = Subject { user: actor.id(), roles: actor.roles() };
        if !policy.decide(subject, Permission::Admin, Scope::Vault).allowed {
            let message = "under this policy you could not change it again: give yourself admin over `*` in it";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let (revision, since) = scene.policy.as_ref().map_or((0, scene.now), |record| (record.revision, record.since));
        let record = PolicyRecord { policy: policy.clone(), revision, since };
        let record = record.next_record(&scene.head.keys.record, scene.now)?;
        let puts = vec![Put::plain(record, expected(revision))];
        Ok(Plan { output: (), writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
    })
    .await
}

/// Tells the policy in force. Errors: those of [`transact`].
pub(crate) async fn policy(io: &Io, settings: &Settings, actor: &Actor) -> Result<PolicyInForce> {
    let call = Call::of_vault(Action::Policy, actor);
    transact(io, settings, &call, |scene, _| {
        let stored = scene.policy.as_ref().map(|record| &record.policy);
        let policy = settings.policy.as_ref().or(stored).cloned();
        Ok(Plan::record(PolicyInForce { policy, fixed: settings.policy.is_some() }))
    })
    .await
}
