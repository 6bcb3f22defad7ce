//! Export audit: a page of the whole history as lines of JSON, oldest first within each stream, for programs that watch many
//! systems.

use super::Settings;
use super::audit::held_by_history;
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::{Action, Event, ExportFormat, VAULT_STREAM};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{EventQuery, EventScope, Io, PAGE_LIMIT};
use crate::ident::Actor;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The most events of one page.
pub(crate) const EXPORT_PAGE_MAX: u32 = 5000;

/// The most rows outside the chain that can have been exported before: what every host has exactly.
const ROWS_MAX: u64 = 1 << 53;

/// A page of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportedAudit {
    /// One line of JSON for each event, without its newline.
    pub lines: Vec<String>,
    /// Where the next page begins; absent when this was the last.
    pub next: Option<String>,
}

/// Where a page begins: in the chain, or in the old rows outside it, of which so many were exported before.
struct Place {
    scope: EventScope,
    cursor: Option<String>,
    rows: u64,
    /// How far the vault's own stream went when the first page was told: every page adds an event to it, and an export would
    /// never end that went on to those.
    until: Option<u64>,
}

impl Place {
    /// From what the page before told.
    fn parse(after: Option<&str>) -> Result<Place> {
        let Some(after) = after else {
            return Ok(Place { scope: EventScope::Chained, cursor: None, rows: 0, until: None });
        };
        let place = after.split_once(':').and_then(|(rows, rest)| {
            let cursor = |text: &str| Some(text.to_string()).filter(|cursor| !cursor.is_empty());
            if rows == "chained" {
                let (until, rest) = rest.split_once(':')?;
                let until = Some(until.parse().ok()?);
                return Some(Place { scope: EventScope::Chained, cursor: cursor(rest), rows: 0, until });
            }
            let rows = rows.parse().ok().filter(|rows| *rows <= ROWS_MAX)?;
            Some(Place { scope: EventScope::Unchained, cursor: cursor(rest), rows, until: None })
        });
        let message = "that is nowhere that a page of an export ended: give `next` of the page before, as it was told";
        place.ok_or_else(|| Error::new(ErrorCode::InvalidArgument, message))
    }

    fn to_text(&self, vault_seq: u64) -> String {
        let cursor = self.cursor.as_deref().unwrap_or_default();
        match self.scope {
            EventScope::Unchained => format!("{}:{cursor}", self.rows),
            _ => format!("chained:{}:{cursor}", self.until.unwrap_or(vault_seq)),
        }
    }
}

/// Gives about `limit` events from a place on. Each page is recorded by an event of its own: whoever has read a part of the
/// history stands in it. Errors: `AUDIT_TAMPERED`, `INVALID_ARGUMENT`, those of [`transact`].
pub(crate) async fn export_audit(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    format: ExportFormat,
    (after, limit): (Option<&str>, u32),
) -> Result<ExportedAudit> {
    let call = Call::of_vault(Action::ExportAudit, actor);
    authorized(io, settings, &call).await?;
    let mut place = Place::parse(after)?;
    let (before, is_start) = (place.rows, after.is_none());
    let (mut events, mut rows): (Vec<Event>, Vec<Event>) = Default::default();
    let next = loop {
        let taken = u32::try_from(events.len().saturating_add(rows.len())).unwrap_or(u32::MAX);
        let limit = limit.saturating_sub(taken).min(PAGE_LIMIT);
        if limit == 0 {
            break Some(place);
        }
        let query = EventQuery { scope: place.scope.clone(), limit };
        let (page, cursor) = io.events(&query, place.cursor.take()).await?;
        place.cursor = cursor;
        match place.scope {
            EventScope::Unchained => {
                place.rows = place.rows.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
                rows.extend(page);
                if place.cursor.is_none() {
                    break None;
                }
            }
            _ => {
                let length = page.len();
                let is_new = |event: &Event| event.stream.as_deref() == Some(VAULT_STREAM) && event.seq > place.until;
                let within = page.into_iter().take_while(|event| place.until.is_none() || !is_new(event));
                let before = events.len();
                events.extend(within);
                // The vault's stream is the last in the order of their names.
                if place.cursor.is_none() || events.len().saturating_sub(before) < length {
                    (place.scope, place.cursor) = (EventScope::Unchained, None);
                }
            }
        }
    };
    let mut history = None;
    loop {
        let told = transact(io, settings, &call, |scene, _| {
            for event in &events {
                if !event.is_authentic_in(&scene.head)? {
                    return Err(Error::from(&event.fault("the event was altered")));
                }
            }
            check_links(&events, &rows, is_start)?;
            let unlinked = unlinked(&events, scene.head.epoch);
            match &history {
                None if !unlinked.is_empty() => return Ok(Plan::silent(Err(unlinked))),
                Some(Err(error)) => return Err(Error::clone(error)),
                _ => {}
            }
            let vault_id = &scene.head.vault_id;
            let chained = events.iter().map(|event| format.line(event, vault_id, 0));
            let numbers = before.saturating_add(1)..;
            let outside = rows.iter().zip(numbers).map(|(row, number)| format.line(row, vault_id, number));
            let lines = chained.chain(outside).collect::<Result<Vec<String>>>()?;
            let next = next.as_ref().map(|place| place.to_text(scene.vault_stream.seq));
            Ok(Plan::record(Ok(ExportedAudit { lines, next })))
        })
        .await?;
        match told {
            Ok(told) => return Ok(told),
            // As with `audit`: events of former epochs that nothing newer leads to are looked for in the whole history.
            Err(known) => history = Some(held_by_history(io, settings, &known).await?),
        }
    }
}

/// Whether each event follows the one before it, or is the first of its stream; and no row outside the chain was in it once. Where
/// a page begins that is not the first, nothing is known of what its first event follows. Errors: `AUDIT_TAMPERED`.
fn check_links(events: &[Event], rows: &[Event], is_start: bool) -> Result<()> {
    let news = events.windows(2).filter_map(|pair| match pair {
        [one, next] if one.stream != next.stream => Some(next),
        _ => None,
    });
    for first in events.iter().take(usize::from(is_start)).chain(news) {
        if first.seq != Some(1) || first.prev_mac.is_some() {
            return Err(Error::from(&first.fault("the event does not begin its stream")));
        }
    }
    for pair in events.windows(2) {
        let [one, next] = pair else { continue };
        if one.stream == next.stream && (one.mac != next.prev_mac || one.seq >= next.seq) {
            return Err(Error::from(&next.fault("the event does not follow the one before it")));
        }
    }
    match rows.iter().find(|row| row.is_chained()) {
        Some(row) => Err(Error::from(&row.fault("the event lost its place"))),
        None => Ok(()),
    }
}

/// The events of former epochs that no event of the present one leads to among these, which are in the order of the chain.
fn unlinked(events: &[Event], epoch: u64) -> Vec<Event> {
    let mut led_to: Option<&Event> = None;
    let mut unlinked = Vec::new();
    for event in events.iter().rev() {
        if event.epoch == Some(epoch) || led_to.is_some_and(|next| next.stream == event.stream) {
            led_to = Some(event);
        } else {
            unlinked.push(event.clone());
            led_to = None;
        }
    }
    unlinked
}
