//! Rotate: an existing secret gets a new value; the old one stays among its versions, and is accepted for a while if asked.

use super::Settings;
use super::expire::Expiry;
use super::scene::Scene;
use super::set::{NewValue, Written, plan_new_version};
use super::transact::{Call, Plan, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::record::{Grace, Reason, SecretRecord};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::format;

/// The longest grace, in milliseconds: 366 days.
const GRACE_MAX: u64 = 366 * 24 * 60 * 60 * 1000;

/// How a secret is rotated.
#[derive(Debug, Default)]
pub struct Rotation {
    /// Its new value; made by the secret's own generator when absent.
    pub value: Option<NewValue>,
    /// For how many milliseconds the old value is still accepted by verify; not at all when absent. At most 366 days.
    pub grace_millis: Option<u64>,
    /// When the new value ends; never unless told otherwise.
    pub expiry: Option<Expiry>,
}

impl Rotation {
    /// To a value, with no grace and no end.
    pub fn to(value: impl Into<NewValue>) -> Self {
        Rotation { value: Some(value.into()), ..Rotation::default() }
    }
}

/// Rotates a secret.
///
/// Errors: `SECRET_NOT_FOUND`; `VALUE_INVALID`; `INVALID_ARGUMENT` when there is neither a value nor a generator, or for a
/// grace out of range; those of [`transact`].
pub(crate) async fn rotate(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    rotation: &Rotation,
) -> Result<Written> {
    let call = Call::of_secret(Action::Rotate, actor, slot);
    transact(io, settings, &call, |scene, entropy| {
        let value = match (&rotation.value, &scene.existing(slot)?.generator) {
            (Some(value), _) => value.make(entropy)?,
            (None, Some(generator)) => generator.make(entropy)?,
            (None, None) => {
                let message = format!("{slot} has no generator: give its new value, or say how it is to be made");
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        };
        plan_rotate(scene, entropy, actor, slot, (&value, rotation))
    })
    .await
}

/// The plan of a rotation to a value; also what a confirmed one does.
pub(super) fn plan_rotate(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    (value, rotation): (&SecretBytes, &Rotation),
) -> Result<Plan<Written>> {
    let mut secret = scene.existing(slot)?.clone();
    scene.settings.check_value(value)?;
    keep_accepted(&mut secret, rotation.grace_millis, scene.now)?;
    let expires_at = rotation.expiry.unwrap_or(Expiry::Never).end(scene.now)?;
    plan_new_version(scene, entropy, actor, secret, (value, expires_at), (Action::Rotate, Reason::Rotation))
}

/// Has the current value accepted for so many milliseconds after the next one is there, or not at all. Errors:
/// `INVALID_ARGUMENT` for a grace out of range.
pub(super) fn keep_accepted(secret: &mut SecretRecord, grace_millis: Option<u64>, now: Timestamp) -> Result<()> {
    check_grace(grace_millis)?;
    secret.grace.retain(|grace| now < grace.valid_until);
    if let Some(millis) = grace_millis {
        let valid_until = now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        // A value that ends by itself ends then, grace or not.
        let valid_until = secret.expires_at.map_or(valid_until, |end| end.min(valid_until));
        if now < valid_until && !secret.current.compromised && !secret.is_exposed {
            secret.grace.insert(0, Grace { version: secret.current.number, valid_until });
        }
    }
    Ok(())
}

/// Errors: `INVALID_ARGUMENT` for a grace out of range.
pub(crate) fn check_grace(grace_millis: Option<u64>) -> Result<()> {
    if grace_millis.is_none_or(|millis| (1..=GRACE_MAX).contains(&millis)) {
        return Ok(());
    }
    let message = "the grace must be 1 millisecond to 366 days: leave it out when the old value is to end at once";
    Err(Error::new(ErrorCode::InvalidArgument, message))
}
