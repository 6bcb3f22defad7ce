//! Revoke previous: the grace of all previous values ends at once.

use super::Settings;
use super::set::{Written, plan_update};
use super::transact::{Call, Detail, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::{Actor, Slot};

/// Ends the grace of previous values. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn revoke_previous(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Written> {
    let call = Call::of_secret(Action::RevokePrevious, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        secret.grace.clear();
        plan_update(scene, secret, Detail::of(Action::RevokePrevious))
    })
    .await
}
