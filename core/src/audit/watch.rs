//! Unusual access: rules over events, each told of once for a burst and not at every event.
//!
//! A watch has no clock, since time is that of the events, and its memory has an end: it remembers 2000 actors and 100,000 pairs of
//! an actor and a secret at most, by digests. Where there are more, those are forgotten that were not seen for longest.

use super::{Action, Event, Outcome};
use crate::encoding::Encoder;
use crate::error::{Error, ErrorCode, Result};
use crate::time::Timestamp;
use crate::wire::{Fault, Fields, FromJson, Json, read_fields};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::Serialize;
use sha2::{Digest, Sha256};
use spin::Mutex;

/// The most events that a burst can ask for.
const COUNT_MAX: u32 = 1000;

/// The longest window, in milliseconds: 31 days.
const WINDOW_MAX: u64 = 31 * 24 * 60 * 60 * 1000;

/// How many actors one generation has.
const ACTORS: usize = 1000;

/// How many pairs of an actor and a secret one generation has.
const READERS: usize = 50_000;

/// So many events of one actor within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    count: u32,
    window_millis: u64,
}

impl Burst {
    /// 1 to 1000 events within 1 millisecond to 31 days. Errors: `INVALID_ARGUMENT`.
    pub fn new(count: u32, window_millis: u64) -> Result<Burst> {
        if (1..=COUNT_MAX).contains(&count) && (1..=WINDOW_MAX).contains(&window_millis) {
            return Ok(Burst { count, window_millis });
        }
        Err(Error::new(ErrorCode::InvalidArgument, TOO_MUCH))
    }
}

const TOO_MUCH: &str = "a rule of access counts 1 to 1000 events within a window of 31 days at most";

/// What is unusual. What is absent is not looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// One actor reads so many values: `many_reads`.
    pub many_reads: Option<Burst>,
    /// One actor is denied so often: `denied_burst`. A presented value that `verify` does not accept is none.
    pub denied_burst: Option<Burst>,
    /// An actor reads a secret that the watch has not seen them read: `first_reader`. It takes a watch that has
    /// [observed](AccessWatch::observe) the history, or everybody is the first.
    pub first_reader: bool,
}

/// The name of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessRule {
    /// One actor read many values.
    ManyReads,
    /// An actor read a secret for the first time.
    FirstReader,
    /// One actor was denied often.
    DeniedBurst,
}

impl AccessRule {
    /// All of them.
    pub const ALL: [AccessRule; 3] = [AccessRule::ManyReads, AccessRule::FirstReader, AccessRule::DeniedBurst];

    /// The name on the wire and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            AccessRule::ManyReads => "many_reads",
            AccessRule::FirstReader => "first_reader",
            AccessRule::DeniedBurst => "denied_burst",
        }
    }
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessFinding {
    /// Which rule.
    pub rule: AccessRule,
    /// Who.
    pub actor: String,
    /// The namespace of the secret that the last of the events was about, if it was about one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// How many events of the window it took.
    pub count: u64,
    /// When the first of them was.
    pub since: Timestamp,
    /// When the last of them was.
    pub at: Timestamp,
}

/// Looks at events by some rules.
///
/// ```
/// use strongroom::Timestamp;
/// use strongroom::audit::{AccessRule, AccessRules, AccessWatch, Burst, Event};
/// let rules = AccessRules { many_reads: Some(Burst::new(2, 60_000)?), ..AccessRules::default() };
/// let mut watch = AccessWatch::new(rules);
/// let read = |at| Event {
///     at: Some(Timestamp::from_millis(at)),
///     action: Some("get".into()),
///     actor: Some("mallory".into()),
///     name: Some("STRIPE_API_KEY".into()),
///     outcome: Some("success".into()),
///     ..Event::default()
/// };
/// assert!(watch.observe(&read(1_000)).is_empty());
/// let [finding] = watch.observe(&read(2_000)).try_into().unwrap();
/// assert_eq!((finding.rule, finding.count), (AccessRule::ManyReads, 2));
/// assert!(watch.observe(&read(3_000)).is_empty(), "the same burst");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Debug)]
pub struct AccessWatch {
    rules: AccessRules,
    reads: Recent<Window>,
    denials: Recent<Window>,
    readers: Recent<()>,
}

impl AccessWatch {
    /// One that has seen nothing yet.
    pub fn new(rules: AccessRules) -> Self {
        let (reads, denials) = (Recent::of(ACTORS), Recent::of(ACTORS));
        AccessWatch { rules, reads, denials, readers: Recent::of(READERS) }
    }

    /// Looks at an event; at each once, and best in the order in which they happened. One that is older than its actor's window
    /// counts for no burst. What carries no actor or time is passed over, and so is what [happened in another
    /// vault](Event::is_foreign).
    pub fn observe(&mut self, event: &Event) -> Vec<AccessFinding> {
        let mut findings = Vec::new();
        let (Some(actor), Some(at)) = (&event.actor, event.at) else { return findings };
        if event.is_foreign() {
            return findings;
        }
        let mut found = |rule, (count, since): (u64, Timestamp)| {
            let (namespace, name) = (event.namespace.clone(), event.name.clone());
            findings.push(AccessFinding { rule, actor: actor.clone(), namespace, name, count, since, at });
        };
        if is_read(event) {
            if let Some(burst) = self.rules.many_reads
                && let Some(since) = self.reads.at(digest(&[Some(actor)])).0.count(at, burst)
            {
                found(AccessRule::ManyReads, (burst.count.into(), since));
            }
            if self.rules.first_reader {
                let pair = digest(&[Some(actor), event.namespace.as_deref(), event.name.as_deref()]);
                if !self.readers.at(pair).1 {
                    found(AccessRule::FirstReader, (1, at));
                }
            }
        }
        if let Some(burst) = self.rules.denied_burst.filter(|_| is_denial(event))
            && let Some(since) = self.denials.at(digest(&[Some(actor)])).0.count(at, burst)
        {
            found(AccessRule::DeniedBurst, (burst.count.into(), since));
        }
        findings
    }
}

/// A watch that several share: a vault, and whoever shows it the history first.
#[derive(Clone, Debug)]
pub struct SharedWatch(Arc<Mutex<AccessWatch>>);

impl SharedWatch {
    /// One that has seen nothing yet.
    pub fn new(rules: AccessRules) -> Self {
        SharedWatch(Arc::new(Mutex::new(AccessWatch::new(rules))))
    }

    /// [`AccessWatch::observe`].
    pub fn observe(&self, event: &Event) -> Vec<AccessFinding> {
        self.0.lock().observe(event)
    }
}

/// Whether a value left the vault for the actor.
fn is_read(event: &Event) -> bool {
    let reads = [Action::Get.name(), Action::Resolve.name(), Action::Export.name()];
    // Rows of an adopted store have no outcome.
    let is_success = match event.outcome.as_deref() {
        Some(outcome) => outcome == Outcome::Success.name(),
        None => event.success == Some(true),
    };
    // What is done with many has an event of its own besides, which names none of them.
    is_success && event.name.is_some() && event.action.as_deref().is_some_and(|action| reads.contains(&action))
}

/// Whether the actor was denied. That a presented value was not accepted carries no code.
fn is_denial(event: &Event) -> bool {
    event.outcome.as_deref() == Some(Outcome::Denied.name()) && event.code.is_some()
}

type Key = [u8; 16];

fn digest(parts: &[Option<&str>]) -> Key {
    let mut encoder = Encoder::new("access");
    for part in parts {
        encoder.optional_text(*part);
    }
    let mut key = Key::default();
    key.iter_mut().zip(Sha256::digest(encoder.finish())).for_each(|(to, from)| *to = from);
    key
}

/// What was seen lately, in two generations: when the young one is full it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
struct Recent<V> {
    young: BTreeMap<Key, V>,
    old: BTreeMap<Key, V>,
    most: usize,
}

impl<V: Default> Recent<V> {
    fn of(most: usize) -> Self {
        Recent { young: BTreeMap::new(), old: BTreeMap::new(), most }
    }

    /// What is kept under a key, and whether it was there.
    fn at(&mut self, key: Key) -> (&mut V, bool) {
        let moved = self.old.remove(&key);
        let was_there = moved.is_some() || self.young.contains_key(&key);
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = core::mem::take(&mut self.young);
        }
        (self.young.entry(key).or_insert_with(|| moved.unwrap_or_default()), was_there)
    }
}

/// The latest events of one actor, as many as the burst asks for, the oldest first.
#[derive(Debug, Default)]
struct Window {
    times: VecDeque<Timestamp>,
    is_told: bool,
}

impl Window {
    /// Takes in an event. Tells since when, if it makes a burst that was not told of.
    fn count(&mut self, at: Timestamp, burst: Burst) -> Option<Timestamp> {
        let newest = self.times.back().map_or(at, |last| at.max(*last));
        let begin = newest.plus_millis(-i64::try_from(burst.window_millis).unwrap_or(i64::MAX));
        while self.times.front().is_some_and(|first| *first <= begin) {
            self.times.pop_front();
        }
        if at <= begin {
            return None;
        }
        let count = burst.count as usize;
        // A burst has ended when half of it has, so that one that comes and goes by an event is not told again and again.
        if self.times.len() <= count / 2 {
            self.is_told = false;
        }
        let place = self.times.partition_point(|earlier| *earlier <= at);
        self.times.insert(place, at);
        if self.times.len() > count {
            self.times.pop_front();
        }
        let is_new = self.times.len() >= count && !self.is_told;
        self.is_told |= is_new;
        self.times.front().copied().filter(|_| is_new)
    }
}

impl FromJson for Burst {
    fn from_json(value: Json) -> Result<Self, Fault> {
        struct Shape {
            count: u32,
            window_millis: u64,
        }
        read_fields!(Shape { count, window_millis });
        let Shape { count, window_millis } = Shape::from_json(value)?;
        Burst::new(count, window_millis).map_err(|_| Fault::Borrowed(TOO_MUCH))
    }
}

impl FromJson for AccessRules {
    /// `{"many_reads": {"count", "window_millis"}, "denied_burst": {...}, "first_reader": true}`, all of them optional.
    fn from_json(value: Json) -> Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let (many_reads, denied_burst) = (fields.take("many_reads")?, fields.take("denied_burst")?);
        let first_reader: Option<bool> = fields.take("first_reader")?;
        fields.end()?;
        Ok(AccessRules { many_reads, denied_burst, first_reader: first_reader.unwrap_or_default() })
    }
}
