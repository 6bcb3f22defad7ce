//! Audit: the latest events of a secret, or of the whole vault, each with its MAC checked.

use super::Settings;
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::{Action, Event, Fault};
use crate::error::{Error, Result};
use crate::flow::{EventQuery, EventScope, Io};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::Serialize;

/// The latest events, latest first. Rows of an adopted store have no stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
}

/// Reads at most `limit` events of one secret, also after its deletion, or of all. Errors: `AUDIT_TAMPERED`, those of
/// [`transact`].
pub(crate) async fn audit(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: Option<&Slot>,
    limit: u32,
) -> Result<History> {
    let scope = match slot {
        Some(slot) => EventScope::Slot { namespace: slot.namespace().to_string(), name: slot.name().to_string() },
        None => EventScope::Latest,
    };
    let call = match slot {
        Some(slot) => Call::of_secret(Action::Audit, actor, slot),
        // The history of all tells which secrets there are, and that is what `list` gives.
        None => Call { permission: Some(Permission::List), ..Call::of_vault(Action::Audit, actor) },
    };
    authorized(io, settings, &call).await?;
    let (mut events, _) = io.events(&EventQuery { scope, limit }, None).await?;
    events.truncate(limit as usize);
    transact(io, settings, &call, |scene, _| {
        let altered = |event: &&Event| event.is_chained() && !event.is_authentic(&scene.head.keys.audit);
        if let Some(event) = events.iter().find(altered) {
            let fault = Fault {
                stream: event.stream.clone().unwrap_or_else(|| "(none)".into()),
                seq: event.seq.unwrap_or_default(),
                why: "the event was altered",
            };
            return Err(Error::from(&fault));
        }
        Ok(Plan::record(History { events: events.clone() }))
    })
    .await
}
