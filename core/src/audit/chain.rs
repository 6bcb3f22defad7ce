//! Verifying the chain: every stream from its first event to its head, and the rows outside it by their digest.

use super::foreign::imported_stream;
use super::{Action, Event, Leaf, Outcome, VAULT_STREAM};
use crate::encoding::{Encoder, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::record::{Head, StreamHead, read_mac};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest, Sha256};

/// The first thing that is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stream: `vault`, a secret's uid, or empty for rows outside the chain.
    pub stream: String,
    /// The place in the stream, from 1; for a missing event, where it should be.
    pub seq: u64,
    /// What is wrong.
    pub why: &'static str,
}

impl From<&Fault> for Error {
    fn from(fault: &Fault) -> Self {
        Error::new(ErrorCode::AuditTampered, format!("the audit history was altered outside the vault: {fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stream.is_empty() {
            write!(f, "the old rows outside the chain: {}", self.why)
        } else {
            write!(f, "stream {}, event {}: {}", self.stream, self.seq, self.why)
        }
    }
}

/// How far a stream goes: the place of its last event and that event's MAC.
type End = (u64, Option<String>);

/// A namespace and a name.
type Place = (String, String);

/// What is known of one stream. One map of these and not one map for each field: every other map type is kilobytes of the
/// browser's module.
#[derive(Default)]
struct Stream {
    /// How far it goes by the head that the store had before the events were read.
    head: Option<End>,
    /// How far it was read.
    tail: Option<End>,
    /// Its last MAC as the deletion of its secret recorded it, and that event's place.
    ended: Option<End>,
    /// The place of the event that its secret came to be by, and where it came to be.
    begun: Option<(u64, Place)>,
    /// The epoch of the event that was read last.
    epoch: u64,
}

impl Stream {
    fn seq(&self) -> u64 {
        self.tail.as_ref().map_or(0, |(seq, _)| *seq)
    }
}

/// Takes the chained events in order of stream and place, and finds the first fault.
pub(crate) struct ChainCheck<'a> {
    head: &'a Head,
    /// How far the vault's stream went before the heads were taken.
    known: u64,
    streams: BTreeMap<String, Stream>,
    /// The namespaces and names that have a head, which outlives the secret. In order, as lists are.
    slots: Vec<Place>,
    current: String,
    /// Secrets that are there by the records, and should be by the events.
    live: Vec<String>,
    /// Secrets that are gone by the records, and should be by the events.
    gone: Vec<String>,
    /// The digest of the rows outside the chain, as the latest adoption recorded it.
    pub(crate) adopted: Option<String>,
    pub(crate) events: u64,
}

impl<'a> ChainCheck<'a> {
    /// A check of a history whose vault stream had `known` events before anything else was read.
    pub(crate) fn new(head: &'a Head, known: u64) -> Self {
        ChainCheck {
            head,
            known,
            streams: BTreeMap::new(),
            slots: Vec::new(),
            current: String::new(),
            live: Vec::new(),
            gone: Vec::new(),
            adopted: None,
            events: 0,
        }
    }

    /// Notes how far a stream goes, and whether its secret is there: if not, its deletion must be among the events. Heads
    /// are taken before events, so that a busy vault verifies, and in the order of lists.
    pub(crate) fn expect(&mut self, head: &StreamHead, has_secret: bool) {
        self.stream(&head.stream).head = Some((head.seq, head.mac.map(|mac| hex(&mac))));
        if head.stream != VAULT_STREAM {
            self.slots.push((head.key.namespace.clone(), head.key.name.clone()));
            let known = if has_secret { &mut self.live } else { &mut self.gone };
            known.push(head.stream.clone());
        }
    }

    fn stream(&mut self, stream: &str) -> &mut Stream {
        self.streams.entry(stream.into()).or_default()
    }

    /// Takes the next event. Errors: `AUDIT_TAMPERED`; those of opening the root that was in force then.
    pub(crate) fn take(&mut self, event: &Event) -> Result<()> {
        self.events = self.events.saturating_add(1);
        let name = event.stream.clone().unwrap_or_default();
        let seq = event.seq.unwrap_or_default();
        if name.is_empty() || seq == 0 {
            let stream = if name.is_empty() { "(none)".into() } else { name };
            return Err(Error::from(&Fault { stream, seq, why: "the event lost its place" }));
        }
        let is_next = name == self.current;
        self.current.clone_from(&name);
        let head = self.head;
        let stream = self.stream(&name);
        let fault = |why| Err(Error::from(&Fault { stream: name.clone(), seq, why }));
        if !is_next && stream.tail.is_some() {
            return fault("the store gave the streams out of order");
        }
        let next = stream.seq().saturating_add(1);
        if seq > next {
            return Err(Error::from(&Fault { stream: name, seq: next, why: "the event is missing" }));
        }
        if seq < next {
            return fault("the event is there twice, or out of order");
        }
        // Whoever has a former root can make events of its epoch, but not where the next one has begun.
        let epoch = event.epoch.unwrap_or_default();
        if epoch < stream.epoch {
            return fault("the event is of an earlier epoch than the one before it");
        }
        if !event.is_authentic_in(head)? {
            return fault("the event was altered");
        }
        if event.prev_mac.as_ref() != stream.tail.as_ref().and_then(|(_, mac)| mac.as_ref()) {
            return fault("the event does not follow the one before it");
        }
        if stream.head.as_ref().is_some_and(|(end, mac)| *end == seq && *mac != event.mac) {
            return fault("the stream's head does not match its event");
        }
        if name == VAULT_STREAM && seq == 1 && !is_beginning(event) {
            return fault("the history does not begin with the vault's own beginning");
        }
        stream.tail = Some((seq, event.mac.clone()));
        stream.epoch = epoch;
        if name == VAULT_STREAM && event.outcome.as_deref() == Some(Outcome::Success.name()) {
            self.note_lifecycle(event);
        }
        Ok(())
    }

    fn note_lifecycle(&mut self, event: &Event) {
        let action = event.action.as_deref();
        let seq = event.seq.unwrap_or_default();
        match &event.secret_uid {
            Some(uid) if action == Some(Action::Delete.name()) => {
                self.stream(uid).ended = Some((seq, event.digest.clone()));
            }
            Some(uid) if action == Some(Action::Set.name()) || action == Some(Action::Adopted.name()) => {
                let place = (event.namespace.clone().unwrap_or_default(), event.name.clone().unwrap_or_default());
                self.stream(uid).begun = Some((seq, place));
            }
            _ if action == Some(Action::ImportHistory.name()) => {
                let text = |field: &Option<String>| field.clone().unwrap_or_default();
                let place = (text(&event.namespace), text(&event.name));
                let stream = imported_stream(&text(&event.operation_id), &place.0, &place.1);
                self.stream(&stream).ended = Some((seq, event.digest.clone()));
            }
            None if action == Some(Action::Adopted.name()) => self.adopted.clone_from(&event.digest),
            _ => {}
        }
    }

    /// After the last event: whether every stream reaches its end.
    pub(crate) fn finish(&self) -> core::result::Result<(), Fault> {
        let beyond = |(name, stream): (&String, &Stream), why| {
            Err(Fault { stream: name.clone(), seq: stream.seq().saturating_add(1), why })
        };
        for found in &self.streams {
            if found.1.head.as_ref().is_some_and(|(seq, _)| found.1.seq() < *seq) {
                return beyond(found, "the event is missing: the stream was cut short");
            }
        }
        for found in &self.streams {
            if let Some(why) = self.fault_of(found.1) {
                return beyond(found, why);
            }
        }
        for (names, should_be_gone, why) in [
            (&self.live, true, "the secret was deleted, and is there again"),
            (&self.gone, false, "the secret is gone, and no event says that it was deleted"),
        ] {
            for name in names {
                let Some(stream) = self.streams.get(name) else { continue };
                // A deletion after the heads were taken explains why a secret is gone, and not that it is there.
                let known = if should_be_gone { self.known } else { u64::MAX };
                if stream.ended.as_ref().is_some_and(|(seq, _)| *seq <= known) == should_be_gone {
                    return beyond((name, stream), why);
                }
            }
        }
        Ok(())
    }

    /// What is wrong with a stream whose secret came to be, or was deleted, before the heads were taken.
    fn fault_of(&self, stream: &Stream) -> Option<&'static str> {
        // What was deleted after the heads were taken may have gone on after its events were read.
        if let Some((seq, end)) = &stream.ended
            && *seq <= self.known
            && stream.tail.as_ref().and_then(|(_, mac)| mac.as_ref()) != end.as_ref()
        {
            return Some("the stream does not end where its secret was deleted");
        }
        match &stream.begun {
            Some((seq, _)) if *seq > self.known => None,
            // Whatever came to be before the heads were taken has a head, or an end.
            Some(_) if stream.head.is_none() && stream.ended.is_none() => {
                Some("the stream of a secret is gone, and no event says that it was deleted")
            }
            // A deleted secret's head stays, until another secret of that name takes it over.
            Some((_, slot)) if self.slots.binary_search(slot).is_err() => {
                Some("the head of a deleted secret's stream is missing")
            }
            _ => None,
        }
    }

    /// Streams that had more events than their head told of, and no deletion that explains it; and how far they went.
    pub(crate) fn beyond_heads(&self) -> impl Iterator<Item = (&String, u64)> {
        let told = |stream: &Stream| stream.head.as_ref().map_or(0, |(seq, _)| *seq);
        let beyond = move |stream: &Stream| told(stream) < stream.seq() && stream.ended.is_none();
        self.streams.iter().filter(move |(_, stream)| beyond(stream)).map(|(name, stream)| (name, stream.seq()))
    }

    /// The last event of every stream, ascending by stream.
    pub(crate) fn ends(&self) -> Vec<Leaf> {
        let end = |(stream, found): (&String, &Stream)| {
            let (seq, mac) = found.tail.as_ref()?;
            let mac = mac.as_deref().and_then(read_mac)?;
            Some(Leaf { stream: stream.clone(), seq: *seq, mac })
        };
        self.streams.iter().filter_map(end).collect()
    }

    /// How far a stream was read.
    pub(crate) fn end_of(&self, stream: &str) -> u64 {
        self.streams.get(stream).map_or(0, Stream::seq)
    }
}

fn is_beginning(event: &Event) -> bool {
    [Action::Init, Action::Adopted].iter().any(|action| event.action.as_deref() == Some(action.name()))
}

/// Takes one more of the rows that an adopted store held before it had a chain into their digest, with every field.
pub(crate) fn digest_of_unchained(digest: &mut Sha256, event: &Event) {
    let mut encoder = Encoder::new("strongroom/v1/unchained");
    encoder.field(&event.authenticated()).optional_integer(event.success.map(u64::from));
    digest.update(encoder.finish());
}
