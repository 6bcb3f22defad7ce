//! Rotate: an existing secret gets a new value; the old one stays among its versions.

use super::Settings;
use super::scene::Scene;
use super::set::{Written, plan_new_version};
use super::transact::{Call, Plan, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::record::Reason;
use crate::secret::SecretBytes;

/// Rotates a secret to a given value. Errors: `SECRET_NOT_FOUND`, `VALUE_INVALID`, those of [`transact`].
pub(crate) async fn rotate(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    value: &SecretBytes,
) -> Result<Written> {
    let call = Call::of_secret(Action::Rotate, actor, slot);
    transact(io, settings, &call, |scene, entropy| plan_rotate(scene, entropy, actor, slot, value)).await
}

/// The plan of a rotation; also what a confirmed one does.
pub(super) fn plan_rotate(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    value: &SecretBytes,
) -> Result<Plan<Written>> {
    let secret = scene.existing(slot)?;
    scene.settings.check_value(value)?;
    plan_new_version(scene, entropy, actor, secret, value, (Action::Rotate, Reason::Rotation))
}
