//! Verifying the chain: every stream from its first event to its head, and the rows outside it by their digest.

use super::{Action, Event, Outcome, VAULT_STREAM};
use crate::crypto::MacKey;
use crate::encoding::{Encoder, hex};
use crate::error::{Error, ErrorCode};
use crate::record::StreamHead;
use alloc::collections::{BTreeMap, BTreeSet};
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

#[derive(Clone, Default)]
struct Tail {
    seq: u64,
    mac: Option<String>,
}

/// A namespace and a name, as events have them.
type Place = (Option<String>, Option<String>);

/// Takes the chained events in order of stream and place, and finds the first fault.
pub(crate) struct ChainCheck<'a> {
    key: &'a MacKey,
    /// How far the vault's stream went before the heads were taken.
    known: u64,
    /// How far each stream goes, by the heads that the store had before the events were read.
    heads: BTreeMap<String, (u64, Option<String>)>,
    /// The namespaces and names that have a head, which outlives the secret.
    slots: BTreeSet<Place>,
    tails: BTreeMap<String, Tail>,
    current: String,
    /// The last MAC of each deleted secret's stream, as its deletion recorded it, and that event's place.
    ended: BTreeMap<String, (u64, Option<String>)>,
    /// Secrets that came to be, the place of the event that says so, and where they came to be.
    begun: BTreeMap<String, (u64, Place)>,
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
    pub(crate) fn new(key: &'a MacKey, known: u64) -> Self {
        ChainCheck {
            key,
            known,
            heads: BTreeMap::new(),
            slots: BTreeSet::new(),
            tails: BTreeMap::new(),
            current: String::new(),
            ended: BTreeMap::new(),
            begun: BTreeMap::new(),
            live: Vec::new(),
            gone: Vec::new(),
            adopted: None,
            events: 0,
        }
    }

    /// Notes how far a stream goes, and whether its secret is there: if not, its deletion must be among the events. Heads
    /// are taken before events, so that a busy vault verifies.
    pub(crate) fn expect(&mut self, head: &StreamHead, has_secret: bool) {
        self.heads.insert(head.stream.clone(), (head.seq, head.mac.map(|mac| hex(&mac))));
        if head.stream != VAULT_STREAM {
            self.slots.insert((Some(head.key.namespace.clone()), Some(head.key.name.clone())));
            let known = if has_secret { &mut self.live } else { &mut self.gone };
            known.push(head.stream.clone());
        }
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event) -> Result<(), Fault> {
        self.events = self.events.saturating_add(1);
        let stream = event.stream.clone().unwrap_or_default();
        let seq = event.seq.unwrap_or_default();
        let fault = |why| Err(Fault { stream: stream.clone(), seq, why });
        if stream.is_empty() || seq == 0 {
            let stream = if stream.is_empty() { "(none)".into() } else { stream };
            return Err(Fault { stream, seq, why: "the event lost its place" });
        }
        if stream != self.current {
            if self.tails.contains_key(&stream) {
                return fault("the store gave the streams out of order");
            }
            self.current.clone_from(&stream);
        }
        let tail = self.tails.entry(stream.clone()).or_default();
        let next = tail.seq.saturating_add(1);
        if seq > next {
            return Err(Fault { stream: stream.clone(), seq: next, why: "the event is missing" });
        }
        if seq < next {
            return fault("the event is there twice, or out of order");
        }
        if !event.is_authentic(self.key) {
            return fault("the event was altered");
        }
        if event.prev_mac != tail.mac {
            return fault("the event does not follow the one before it");
        }
        if let Some((head_seq, head_mac)) = self.heads.get(&stream)
            && *head_seq == seq
            && *head_mac != event.mac
        {
            return fault("the stream's head does not match its event");
        }
        if stream == VAULT_STREAM && seq == 1 && !is_beginning(event) {
            return fault("the history does not begin with the vault's own beginning");
        }
        *tail = Tail { seq, mac: event.mac.clone() };
        if stream == VAULT_STREAM && event.outcome.as_deref() == Some(Outcome::Success.name()) {
            self.note_lifecycle(event);
        }
        Ok(())
    }

    fn note_lifecycle(&mut self, event: &Event) {
        let action = event.action.as_deref();
        let seq = event.seq.unwrap_or_default();
        match &event.secret_uid {
            Some(uid) if action == Some(Action::Delete.name()) => {
                self.ended.insert(uid.clone(), (seq, event.digest.clone()));
            }
            Some(uid) if action == Some(Action::Set.name()) || action == Some(Action::Adopted.name()) => {
                self.begun.insert(uid.clone(), (seq, (event.namespace.clone(), event.name.clone())));
            }
            None if action == Some(Action::Adopted.name()) => self.adopted.clone_from(&event.digest),
            _ => {}
        }
    }

    /// After the last event: whether every stream reaches its end.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        for (stream, (seq, _)) in &self.heads {
            let reached = self.end_of(stream);
            if reached < *seq {
                let seq = reached.saturating_add(1);
                return Err(Fault {
                    stream: stream.clone(),
                    seq,
                    why: "the event is missing: the stream was cut short",
                });
            }
        }
        // What was deleted after the heads were taken may have gone on after its events were read.
        let known = self.known;
        for (stream, (_, end)) in self.ended.iter().filter(|(_, (seq, _))| *seq <= known) {
            let tail = self.tails.get(stream).cloned().unwrap_or_default();
            if tail.mac != *end {
                let seq = tail.seq.saturating_add(1);
                let why = "the stream does not end where its secret was deleted";
                return Err(Fault { stream: stream.clone(), seq, why });
            }
        }
        // Whatever came to be before the heads were taken has a head, or an end.
        let lives = |stream: &String| self.heads.contains_key(stream) || self.ended.contains_key(stream);
        let mut begun = self.begun.iter().filter(|(_, (seq, _))| *seq <= known);
        let lost = begun.clone().find(|(stream, _)| !lives(stream));
        let lost =
            lost.map(|(stream, _)| (stream, "the stream of a secret is gone, and no event says that it was deleted"));
        // A deleted secret's head stays, until another secret of that name takes it over.
        let beheaded = begun.find(|(_, (_, slot))| !self.slots.contains(slot));
        let beheaded = beheaded.map(|(stream, _)| (stream, "the head of a deleted secret's stream is missing"));
        let is_over = |stream: &&String| self.ended.get(*stream).is_some_and(|(seq, _)| *seq <= known);
        let back = self.live.iter().find(is_over).map(|stream| (stream, "the secret was deleted, and is there again"));
        let gone = self.gone.iter().find(|stream| !self.ended.contains_key(*stream));
        let gone = gone.map(|stream| (stream, "the secret is gone, and no event says that it was deleted"));
        if let Some((stream, why)) = lost.or(beheaded).or(back).or(gone) {
            return Err(Fault { stream: stream.clone(), seq: self.end_of(stream).saturating_add(1), why });
        }
        Ok(())
    }

    /// Streams that had more events than their head told of, and no deletion that explains it; and how far they went.
    pub(crate) fn beyond_heads(&self) -> impl Iterator<Item = (&String, u64)> {
        let told = |stream: &String| self.heads.get(stream).map_or(0, |(seq, _)| *seq);
        let beyond = move |stream: &String, tail: &Tail| told(stream) < tail.seq && !self.ended.contains_key(stream);
        self.tails.iter().filter(move |(stream, tail)| beyond(stream, tail)).map(|(stream, tail)| (stream, tail.seq))
    }

    /// How far a stream was read.
    pub(crate) fn end_of(&self, stream: &str) -> u64 {
        self.tails.get(stream).map_or(0, |tail| tail.seq)
    }

    pub(crate) fn streams(&self) -> u64 {
        u64::try_from(self.tails.len()).unwrap_or(u64::MAX)
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
