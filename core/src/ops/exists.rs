//! Exists: whether there is a secret of that name. Recorded only when it is refused.

use super::Settings;
use super::transact::{Call, Plan, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::{Actor, Slot};

/// Tells whether a secret exists. Errors: `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn exists(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<bool> {
    let call = Call::of_secret(Action::Exists, actor, slot);
    transact(io, settings, &call, |scene, _| Ok(Plan::silent(scene.secret()?.is_some()))).await
}
