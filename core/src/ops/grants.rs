//! Grants: access to one secret for a user or a role, per action, until a time.

use super::Settings;
use super::set::plan_update;
use super::transact::{Call, Detail, Plan, transact};
use crate::audit::Action;
use crate::encoding::hex;
use crate::entropy::make_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::policy::{Grant, Grantee, Permission};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The most grants that a secret has.
const GRANTS_MAX: usize = 64;

/// What a grant came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// The grant's id, by which it is revoked: 16 hex digits.
    pub id: String,
}

/// The grants of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grants {
    /// Those that have not ended.
    pub grants: Vec<Grant>,
}

/// Grants access to a secret. Errors: `SECRET_NOT_FOUND`; `INVALID_ARGUMENT`; `LIMIT_EXCEEDED` beyond 64 grants; those of
/// [`transact`].
pub(crate) async fn grant(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    (to, actions, until): (&Grantee, &[Permission], Option<Timestamp>),
) -> Result<Granted> {
    let call = Call::of_secret(Action::Grant, actor, slot);
    transact(io, settings, &call, |scene, entropy| {
        let mut secret = scene.existing(slot)?.clone();
        secret.grants.retain(|grant| grant.until.is_none_or(|until| scene.now < until));
        if secret.grants.len() >= GRANTS_MAX {
            let message =
                format!("the secret has {GRANTS_MAX} grants already: revoke some, or write a rule for a role");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        if until.is_some_and(|until| until <= scene.now) {
            let message = "the grant would end at once: give an instant that is still to come";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let id = hex(&make_bytes::<8>(entropy)?);
        let (granted_by, granted_at) = (actor.id().to_string(), scene.now);
        let grant = Grant { id: id.clone(), to: to.clone(), actions: actions.to_vec(), until, granted_by, granted_at };
        grant.check()?;
        secret.grants.push(grant);
        let Plan { writes, event, .. } = plan_update(scene, secret, Detail::of(Action::Grant))?;
        Ok(Plan { output: Granted { id }, writes, event })
    })
    .await
}

/// Takes a grant back. Errors: `SECRET_NOT_FOUND`; `INVALID_ARGUMENT` when there is no such grant; those of [`transact`].
pub(crate) async fn revoke(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot, id: &str) -> Result<()> {
    let call = Call::of_secret(Action::Revoke, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        let before = secret.grants.len();
        secret.grants.retain(|grant| grant.id != id);
        if secret.grants.len() == before {
            let message = "the secret has no such grant (any more): list its grants";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let Plan { writes, event, .. } = plan_update(scene, secret, Detail::of(Action::Revoke))?;
        Ok(Plan { output: (), writes, event })
    })
    .await
}

/// Lists the grants of a secret. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn grants(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Grants> {
    let call = Call::of_secret(Action::Grants, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let grants = scene.existing(slot)?.grants.iter();
        let grants = grants.filter(|grant| grant.until.is_none_or(|until| scene.now < until)).cloned().collect();
        Ok(Plan::record(Grants { grants }))
    })
    .await
}
