//! Rollback: an earlier version's value becomes current again, as a new version.

use super::Settings;
use super::get::open_version;
use super::set::{Written, plan_new_version};
use super::transact::{Call, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::record::Reason;
use alloc::format;

/// Brings an earlier version's value back, with the end that it had.
///
/// Errors: `SECRET_NOT_FOUND`; `VERSION_NOT_FOUND`, also for one that is no longer kept; `VERSION_COMPROMISED`;
/// `SECRET_EXPIRED` for one whose value has ended; `INVALID_ARGUMENT` for the current one; those of opening a value and of [`transact`].
pub(crate) async fn rollback(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot, number: u64) -> Result<Written> {
    let call = Call::of_secret(Action::Rollback, actor, slot);
    transact(io, settings, &call, |scene, entropy| {
        let secret = scene.existing(slot)?;
        if number == secret.current.number {
            let message = format!("version {number} is the current one: name an earlier one");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let version = secret.previous.iter().find(|version| version.number == number).ok_or_else(|| {
            let message = format!("there is no version {number} (any more): the last 10 are kept; list the versions");
            Error::new(ErrorCode::VersionNotFound, message)
        })?;
        let refused = || {
            let message = format!("version {number} was compromised and can't come back: set a new value");
            Error::new(ErrorCode::VersionCompromised, message)
        };
        if version.compromised {
            return Err(refused());
        }
        let value = open_version(scene, secret, version)?.value;
        if secret.is_compromised(&value, &scene.head)? {
            return Err(refused());
        }
        if version.ended_at.is_some_and(|end| end <= scene.now) {
            let message = format!("the value of version {number} has expired: set a new one");
            return Err(Error::new(ErrorCode::SecretExpired, message));
        }
        let why = (Action::Rollback, Reason::Rollback);
        plan_new_version(scene, entropy, actor, secret.clone(), (&value, version.ended_at), why)
    })
    .await
}
