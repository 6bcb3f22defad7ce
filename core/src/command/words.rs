//! The words of the answers. They are plain text: no markup, so that no platform reads a name as markup.

use crate::audit::Event;
use crate::ident::Slot;
use crate::ops::{History, Listing, Proposed, Written};
use crate::record::Change;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};

pub(super) fn proposed(slot: &Slot, proposed: &Proposed, now: Timestamp) -> String {
    let masked = proposed.masked.as_deref().unwrap_or_default();
    let question = match (proposed.change, proposed.exists) {
        (Change::Delete, _) => format!("Delete {slot}? This cannot be undone."),
        (Change::Rotate, _) => format!("Rotate {slot} to {masked}?"),
        (Change::Set, true) => {
            format!("Set {slot} to {masked}? It exists already: the new value takes the place of the old one.")
        }
        (Change::Set, false) => format!("Set {slot} to {masked}?"),
    };
    let id = &proposed.id;
    // Rounded to the second, so that the instant between proposing and answering takes no minute off.
    let left = minutes(proposed.expires_at.as_millis().saturating_sub(now.as_millis()).saturating_add(999));
    format!("{question}\nPress Confirm, or write: secret confirm {id}\nTo drop it: secret cancel {id}\nWithin {left}.")
}

fn minutes(millis: i64) -> String {
    match (millis / 60_000, millis / 1000) {
        (0, 1) => "1 second".to_string(),
        (0, seconds) => format!("{seconds} seconds"),
        (1, _) => "1 minute".to_string(),
        (minutes, _) => format!("{minutes} minutes"),
    }
}

pub(super) fn written(change: Change, written: &Written) -> String {
    let name = shown(&written.namespace, &written.name);
    let version = written.version.unwrap_or_default();
    match change {
        Change::Set if written.created => format!("{name} is stored."),
        Change::Set => format!("{name} has a new value (version {version})."),
        Change::Rotate => format!("{name} is rotated (version {version})."),
        Change::Delete => format!("{name} is deleted. Its history is kept: secret audit {name}"),
    }
}

pub(super) fn list(listing: &Listing) -> String {
    if listing.secrets.is_empty() {
        return "There are no secrets yet. Store one: secret set <name> <value>".to_string();
    }
    let mut text = format!("Secrets ({}):", listing.secrets.len());
    for secret in &listing.secrets {
        let name = shown(&secret.namespace, &secret.name);
        let by = secret.created_by.as_deref().unwrap_or("unknown");
        let count = secret.accessed_count;
        text.push_str(&format!(
            "\n{name}: last rotated {}, accessed {count}x, created by {by}",
            at(secret.last_rotated)
        ));
    }
    text
}

pub(super) fn history(slot: &Slot, history: &History) -> String {
    if history.events.is_empty() {
        // What is no name may be a value in the wrong place: it is not repeated.
        return slot.check().map_or_else(
            |_| "There is no history of that name.".into(),
            |()| format!("There is no history of {slot}."),
        );
    }
    let mut text = format!("History of {slot}, latest first:");
    for event in &history.events {
        text.push('\n');
        text.push_str(&line(event));
    }
    text
}

fn line(event: &Event) -> String {
    let action = event.action.as_deref().unwrap_or("?").to_ascii_uppercase();
    let actor = event.actor.as_deref().unwrap_or("unknown");
    let platform = event.platform.as_deref().map(|platform| format!(" ({platform})")).unwrap_or_default();
    let outcome = match (event.success, &event.code) {
        (Some(true), _) => "ok".to_string(),
        (_, Some(code)) => format!("failed: {code}"),
        _ => "failed".to_string(),
    };
    // Old rows of an adopted store: the chain vouches for them as a whole, when it is verified.
    let outcome = if event.stream.is_none() { format!("{outcome} (from before)") } else { outcome };
    format!("{} {action} {actor}{platform} {outcome}", at(event.at))
}

fn at(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_string(), |at| at.to_string())
}

fn shown(namespace: &str, name: &str) -> String {
    Slot::parse_stored(Some(namespace), name).map_or_else(|_| "(unnamed)".to_string(), |slot| slot.to_string())
}
