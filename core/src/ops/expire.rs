//! Expire: a secret that has an end is refused from then on.

use super::Settings;
use super::set::{Written, plan_update};
use super::transact::{Call, Detail, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::{Actor, Slot};
use crate::time::Timestamp;

/// When a value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At an instant; from that millisecond on it is refused.
    At(Timestamp),
    /// So many milliseconds after the operation's last step.
    In(u64),
}

impl Expiry {
    /// Errors: `INVALID_ARGUMENT` for an end that has passed.
    pub(super) fn end(self, now: Timestamp) -> Result<Option<Timestamp>> {
        let end = match self {
            Expiry::Never => return Ok(None),
            Expiry::At(end) => end,
            Expiry::In(millis) => now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)),
        };
        if end <= now {
            let message = "the value would expire at once: give an instant that is still to come";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(Some(end))
    }
}

/// Gives a secret's value an end, or takes it away. Errors: `SECRET_NOT_FOUND`, `INVALID_ARGUMENT`, those of [`transact`].
pub(crate) async fn expire(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    expiry: Expiry,
) -> Result<Written> {
    let call = Call::of_secret(Action::Expire, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        // What had ended stays so: only the current value comes back.
        if secret.is_expired(scene.now) {
            secret.grace.clear();
        }
        secret.expires_at = expiry.end(scene.now)?;
        plan_update(scene, secret, Detail::of(Action::Expire))
    })
    .await
}
