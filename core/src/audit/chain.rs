//! Verifying the chain: every stream from its first event to its head, and the rows outside it by their digest.

use super::{Action, Event, Outcome, VAULT_STREAM};
use crate::crypto::MacKey;
use crate::encoding::{Encoder, hex};
use crate::error::{Error, ErrorCode};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
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

/// Takes the chained events in order of stream and place, and finds the first fault.
pub(crate) struct ChainCheck<'a> {
    key: &'a MacKey,
    /// How far each stream goes, by the heads that the store had before the events were read.
    heads: BTreeMap<String, (u64, Option<String>)>,
    tails: BTreeMap<String, Tail>,
    current: String,
    /// The last MAC of each deleted secret's stream, as its deletion recorded it, and that event's place.
    ended: BTreeMap<String, (u64, Option<String>)>,
    /// The digest of the rows outside the chain, as the latest adoption recorded it.
    adopted: Option<String>,
    pub(crate) events: u64,
}

impl<'a> ChainCheck<'a> {
    pub(crate) fn new(key: &'a MacKey) -> Self {
        ChainCheck {
            key,
            heads: BTreeMap::new(),
            tails: BTreeMap::new(),
            current: String::new(),
            ended: BTreeMap::new(),
            adopted: None,
            events: 0,
        }
    }

    /// Notes how far a stream goes. Heads are taken before events, so that a busy vault verifies.
    pub(crate) fn expect(&mut self, stream: &str, seq: u64, mac: Option<&[u8; 32]>) {
        self.heads.insert(stream.to_string(), (seq, mac.map(|mac| hex(mac))));
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
        *tail = Tail { seq, mac: event.mac.clone() };
        if stream == VAULT_STREAM && event.outcome.as_deref() == Some(Outcome::Success.name()) {
            self.note_lifecycle(event);
        }
        Ok(())
    }

    fn note_lifecycle(&mut self, event: &Event) {
        let action = event.action.as_deref();
        if action == Some(Action::Delete.name()) {
            if let Some(uid) = &event.secret_uid {
                self.ended.insert(uid.clone(), (event.seq.unwrap_or_default(), event.digest.clone()));
            }
        } else if action == Some(Action::Adopted.name()) {
            self.adopted.clone_from(&event.digest);
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
        let known = self.heads.get(VAULT_STREAM).map_or(0, |(seq, _)| *seq);
        for (stream, (_, end)) in self.ended.iter().filter(|(_, (seq, _))| *seq <= known) {
            let tail = self.tails.get(stream).cloned().unwrap_or_default();
            if tail.mac != *end {
                let seq = tail.seq.saturating_add(1);
                let why = "the stream does not end where its secret was deleted";
                return Err(Fault { stream: stream.clone(), seq, why });
            }
        }
        Ok(())
    }

    /// Whether the rows outside the chain are as they were adopted.
    pub(crate) fn finish_unchained(&self, unchained: Option<[u8; 32]>) -> Result<(), Fault> {
        let digest = unchained.map(|digest| hex(&digest));
        if digest != self.adopted {
            let why = match (&digest, &self.adopted) {
                (Some(_), None) => "there are rows that the vault did not write",
                (None, Some(_)) => "they are gone",
                _ => "they are not what was adopted",
            };
            return Err(Fault { stream: String::new(), seq: 0, why });
        }
        Ok(())
    }

    /// Streams that had events but no head, and no deletion that explains it.
    pub(crate) fn headless(&self) -> impl Iterator<Item = (&String, u64)> {
        let explained = |stream: &&String| !self.heads.contains_key(*stream) && !self.ended.contains_key(*stream);
        self.tails.iter().filter(move |(stream, _)| explained(stream)).map(|(stream, tail)| (stream, tail.seq))
    }

    /// How far a stream was read.
    pub(crate) fn end_of(&self, stream: &str) -> u64 {
        self.tails.get(stream).map_or(0, |tail| tail.seq)
    }

    pub(crate) fn streams(&self) -> u64 {
        u64::try_from(self.tails.len()).unwrap_or(u64::MAX)
    }
}

/// The digest of the rows that an adopted store held before it had a chain, each with every field; `None` for no rows.
pub(crate) fn digest_of_unchained(digest: Option<Sha256>, event: &Event) -> Sha256 {
    let mut encoder = Encoder::new("strongroom/v1/unchained");
    encoder.field(&event.authenticated()).optional_integer(event.success.map(u64::from));
    let encoded = encoder.finish();
    let mut digest = digest.unwrap_or_default();
    digest.update(encoded);
    digest
}
