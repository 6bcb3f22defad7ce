//! Disable and enable: a disabled secret is refused on get and verifies nothing until it is enabled again.

use super::Settings;
use super::set::{Written, plan_update};
use super::transact::{Call, Detail, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::record::SecretState;

/// Disables a secret; one that is disabled already stays so. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn disable(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Written> {
    become_so(io, settings, &Call::of_secret(Action::Disable, actor, slot), slot, SecretState::Disabled).await
}

/// Enables a secret; one that is enabled already stays so. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn enable(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Written> {
    become_so(io, settings, &Call::of_secret(Action::Enable, actor, slot), slot, SecretState::Active).await
}

async fn become_so(io: &Io, settings: &Settings, call: &Call<'_>, slot: &Slot, state: SecretState) -> Result<Written> {
    transact(io, settings, call, |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        secret.state = state;
        plan_update(scene, secret, Detail::of(call.action))
    })
    .await
}
