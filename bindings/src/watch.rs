//! Rules of access as JSON, and the events that they look at.

use crate::{invalid_arguments, json_of};
use strongroom::Result;
use strongroom::audit::{AccessRules, Event, SharedWatch};
use strongroom::wire::{Fault, Fields, FromJson, Json, read};

/// A watch by rules: `{"many_reads": {"count", "window_millis"}, "denied_burst": {"count", "window_millis"}, "first_reader":
/// true}`, all of them optional. Errors: `INVALID_ARGUMENT`.
pub fn parse_watch(rules: &str) -> Result<SharedWatch> {
    let rules = read::<AccessRules>(rules).map_err(|fault| invalid_arguments("the rules of access", &fault))?;
    Ok(SharedWatch::new(rules))
}

/// Shows a watch an event of the history: `{"at", "action", "actor", "namespace", "name", "outcome", "code", "stream"}`, all
/// of them optional. Gives `[{"rule", "actor", "namespace", "name", "count", "since", "at"}]`. Errors: `INVALID_ARGUMENT`.
pub fn observe(watch: &SharedWatch, event: &str) -> Result<String> {
    let Shown(event) = read(event).map_err(|fault| invalid_arguments("the event", &fault))?;
    Ok(json_of(&watch.observe(&event)))
}

/// What of an event is looked at.
struct Shown(Event);

impl FromJson for Shown {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let event = Event {
            at: fields.take("at")?,
            action: fields.take("action")?,
            actor: fields.take("actor")?,
            namespace: fields.take("namespace")?,
            name: fields.take("name")?,
            outcome: fields.take("outcome")?,
            code: fields.take("code")?,
            stream: fields.take("stream")?,
            ..Event::default()
        };
        fields.end()?;
        Ok(Shown(event))
    }
}
