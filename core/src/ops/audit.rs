//! Audit: the latest events of a secret, or of the whole vault, each with its MAC checked.

use super::Settings;
use super::transact::{Call, Plan, authorized, transact};
use super::verify_audit::examine_chain;
use crate::audit::{Action, Event, Fault, Leaf};
use crate::error::{Error, Result};
use crate::flow::{EventQuery, EventScope, Io};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use alloc::string::{String, ToString};
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
    let mut history: Option<Result<()>> = None;
    loop {
        let told = transact(io, settings, &call, |scene, _| {
            for event in events.iter().filter(|event| event.is_chained()) {
                if !event.is_authentic_in(&scene.head)? {
                    return Err(Error::from(&event.fault("the event was altered")));
                }
            }
            let unlinked = unlinked(&events, scene.head.epoch);
            match &history {
                None if !unlinked.is_empty() => Ok(Plan::silent(Err(unlinked))),
                Some(Err(error)) => Err(Error::clone(error)),
                _ => Ok(Plan::record(Ok(History { events: events.clone() }))),
            }
        })
        .await?;
        let known = match told {
            Ok(told) => return Ok(told),
            Err(unlinked) => unlinked,
        };
        // Whoever has a former root can make events of its epoch. Those that nothing newer leads to are looked for in the whole
        // history, which ends under the root in force.
        history = Some(held_by_history(io, settings, &known).await?);
    }
}

/// Whether each of some authentic events is the one that the history has in its place. Errors outside: those that say nothing
/// of the history.
pub(super) async fn held_by_history(io: &Io, settings: &Settings, known: &[Event]) -> Result<Result<()>> {
    let mut leaves: Vec<Leaf> = known.iter().filter_map(Event::leaf).collect();
    leaves.sort();
    match examine_chain(io, settings, &leaves).await {
        Ok(chain) => Ok(match chain.unmet.first() {
            None => Ok(()),
            Some(unmet) => {
                let Leaf { stream, seq, .. } = unmet.leaf.clone();
                let why = "the event is not the one that the history has there";
                Err(Error::from(&Fault { stream, seq, why }))
            }
        }),
        Err(error) if error.code().is_finding() => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// The events of former epochs that no event of the present one leads to among these, latest first as they are.
fn unlinked(events: &[Event], epoch: u64) -> Vec<Event> {
    let mut led_to: Vec<(&Option<String>, &Option<String>)> = Vec::new();
    let mut unlinked = Vec::new();
    for event in events.iter().filter(|event| event.is_chained()) {
        let is_led_to = led_to.contains(&(&event.stream, &event.mac));
        if event.epoch == Some(epoch) || is_led_to {
            led_to.push((&event.stream, &event.prev_mac));
        } else {
            unlinked.push(event.clone());
        }
    }
    unlinked
}
