//! What the checks are written in: requests with answers that were looked at, and rows that look like a vault's.

use crate::audit::Event;
use crate::encoding::hex;
use crate::entropy::make_bytes;
use crate::flow::{
    Answer, ChangeSet, Check, CommitAnswer, CounterDelta, Delete, EventQuery, EventScope, Expected, Io, Item,
    ListQuery, Lookup, Put, Request,
};
use crate::record::{Columns, Counters, Record, RecordKey, RecordKind};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Why a check ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store did something that it must not do.
    Wrong(String),
    /// It failed to answer this request.
    Failed(&'static str),
}

/// Ends a check unless something holds.
pub(super) fn ensure(holds: bool, otherwise: impl Into<String>) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Wrong(otherwise.into())) }
}

/// The way to the store under test.
pub(super) struct Probe {
    io: Io,
}

impl Probe {
    pub(super) fn new(io: Io) -> Probe {
        Probe { io }
    }

    pub(super) async fn load(&self, keys: &[&RecordKey]) -> Result<Vec<Record>, Stop> {
        let keys = keys.iter().map(|key| (*key).clone()).collect();
        match self.io.ask(Request::Load { keys }).await {
            Answer::Load { records } => Ok(records),
            _ => Err(Stop::Failed("load")),
        }
    }

    /// The one record with a key, if there is one.
    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>, Stop> {
        let records = self.load(&[key]).await?;
        let alone = records.len() <= 1 && records.iter().all(|record| record.key == *key);
        ensure(alone, "`load` of one key gave other records, or several")?;
        Ok(records.into_iter().next())
    }

    /// Its revision alone.
    pub(super) async fn revision(&self, key: &RecordKey) -> Result<Option<u64>, Stop> {
        Ok(self.record(key).await?.map(|record| record.revision))
    }

    pub(super) async fn commit(&self, change_set: &ChangeSet) -> Result<CommitAnswer, Stop> {
        match self.io.ask(Request::Commit { change_set: change_set.clone() }).await {
            Answer::Commit(answer) => Ok(answer),
            _ => Err(Stop::Failed("commit")),
        }
    }

    /// Commits what must apply.
    pub(super) async fn must_commit(&self, change_set: &ChangeSet) -> Result<(), Stop> {
        let answer = self.commit(change_set).await?;
        ensure(answer == CommitAnswer::Committed, "`commit` answered `conflict` though everything was as expected")
    }

    /// One page of a list.
    pub(super) async fn list_page(
        &self,
        which: (RecordKind, Option<&str>),
        limit: u32,
        cursor: Option<String>,
    ) -> Result<(Vec<Item>, Option<String>), Stop> {
        self.lookup_page(which, None, limit, cursor).await
    }

    /// One page of a list of what is found by something else than its key.
    pub(super) async fn lookup_page(
        &self,
        (kind, namespace): (RecordKind, Option<&str>),
        by: Option<Lookup>,
        limit: u32,
        cursor: Option<String>,
    ) -> Result<(Vec<Item>, Option<String>), Stop> {
        let query = ListQuery { kind, namespace: namespace.map(ToString::to_string), by, limit };
        match self.io.ask(Request::List { query, cursor }).await {
            Answer::List { items, cursor } => Ok((items, cursor)),
            _ => Err(Stop::Failed("list")),
        }
    }

    /// One page of events.
    pub(super) async fn events_page(
        &self,
        scope: EventScope,
        limit: u32,
        cursor: Option<String>,
    ) -> Result<(Vec<Event>, Option<String>), Stop> {
        match self.io.ask(Request::Events { query: EventQuery { scope, limit }, cursor }).await {
            Answer::Events { events, cursor } => Ok((events, cursor)),
            _ => Err(Stop::Failed("events")),
        }
    }

    /// Everything that a list gives, on as many pages as the store likes.
    pub(super) async fn list(&self, kind: RecordKind, namespace: Option<&str>) -> Result<Vec<Item>, Stop> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_AT_MOST {
            let (items, next) = self.list_page((kind, namespace), WHOLE, cursor).await?;
            ensure(!items.is_empty() || next.is_none(), "`list` gave an empty page and a cursor")?;
            all.extend(items);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(Stop::Wrong("`list` gives a cursor again and again, and comes to no end".to_string()))
    }

    /// The same of events.
    pub(super) async fn events(&self, scope: EventScope) -> Result<Vec<Event>, Stop> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_AT_MOST {
            let (events, next) = self.events_page(scope.clone(), WHOLE, cursor).await?;
            ensure(!events.is_empty() || next.is_none(), "`events` gave an empty page and a cursor")?;
            all.extend(events);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(Stop::Wrong("`events` gives a cursor again and again, and comes to no end".to_string()))
    }

    /// 32 hex digits that nobody has seen before.
    pub(super) fn fresh_id(&self) -> Result<String, Stop> {
        let id = self.io.with_entropy(|entropy| make_bytes::<16>(entropy));
        id.map(|id| hex(&id)).map_err(|_| Stop::Failed("entropy"))
    }

    /// A change set of one event, in a stream of its own, and nothing else yet.
    pub(super) fn change(&self) -> Result<ChangeSet, Stop> {
        let operation_id = self.fresh_id()?;
        let mut change_set =
            ChangeSet { operation_id, puts: vec![], deletes: vec![], checks: vec![], counters: vec![], events: vec![] };
        change_set.log(event(&self.fresh_id()?, 1));
        Ok(change_set)
    }
}

/// More than all the rows of these tests.
const WHOLE: u32 = 10_000;

/// And so are these pages, of one row each.
const PAGES_AT_MOST: u32 = 10_000;

impl ChangeSet {
    pub(super) fn put(mut self, record: Record, expected: Expected) -> ChangeSet {
        self.puts.push(Put::plain(record, expected));
        self
    }

    pub(super) fn delete(mut self, key: &RecordKey, expected: Expected) -> ChangeSet {
        self.deletes.push(Delete { key: key.clone(), expected });
        self
    }

    pub(super) fn check(mut self, key: &RecordKey, expected: Expected) -> ChangeSet {
        self.checks.push(Check { key: key.clone(), expected });
        self
    }

    pub(super) fn count(mut self, key: &RecordKey, accessed: u64, at: i64) -> ChangeSet {
        self.counters.push(CounterDelta { key: key.clone(), accessed, at: Timestamp::from_millis(at) });
        self
    }

    /// Adds an event, under the operation id of the change set.
    pub(super) fn log(&mut self, event: Event) {
        self.events.push(Event { operation_id: Some(self.operation_id.clone()), ..event });
    }
}

pub(super) fn key(kind: RecordKind, namespace: &str, name: &str) -> RecordKey {
    RecordKey { kind, namespace: namespace.to_string(), name: name.to_string() }
}

/// A secret of that key at a revision. Two revisions differ in everything that may differ.
pub(super) fn secret(key: &RecordKey, revision: u64) -> Record {
    let at = |millis: i64| Some(Timestamp::from_millis(millis + i64::try_from(revision).unwrap_or(0)));
    Record {
        key: key.clone(),
        revision,
        columns: Columns {
            state: Some("active".to_string()),
            version: Some(revision),
            value_encrypted: Some(format!("sr1.{revision}")),
            encryption_key_id: Some("5e".repeat(32)),
            value_fingerprint: Some(format!("{revision:064x}")),
            last_rotated: at(1_700_000_000_001),
            created_by: Some("alice".to_string()),
            created_at: at(1_700_000_000_000),
            updated_at: at(1_700_000_000_002),
            // Unique in a store: left to those who need one.
            uid: None,
        },
        data: format!("{{\"revision\":{revision}}}"),
        mac: Some(format!("{revision:064x}")),
        counters: Counters::default(),
    }
}

/// A record of another kind. It has fewer columns, and no counters.
pub(super) fn other(key: &RecordKey, revision: u64) -> Record {
    let Columns { created_by, created_at, updated_at, .. } = secret(key, revision).columns;
    Record { columns: Columns { created_by, created_at, updated_at, ..Columns::default() }, ..secret(key, revision) }
}

/// An event at a place of a stream, without the operation that logs it.
pub(super) fn event(stream: &str, seq: u64) -> Event {
    Event {
        stream: Some(stream.to_string()),
        seq: Some(seq),
        at: Some(Timestamp::from_millis(1_700_000_000_000)),
        action: Some("set".to_string()),
        actor: Some("alice".to_string()),
        outcome: Some("success".to_string()),
        success: Some(true),
        epoch: Some(1),
        mac: Some(format!("{seq:064x}")),
        ..Event::default()
    }
}

/// An event of a slot.
pub(super) fn event_of(key: &RecordKey, stream: &str, seq: u64) -> Event {
    Event { namespace: Some(key.namespace.clone()), name: Some(key.name.clone()), ..event(stream, seq) }
}

/// The scope of a slot's events.
pub(super) fn slot_of(key: &RecordKey) -> EventScope {
    EventScope::Slot { namespace: key.namespace.clone(), name: key.name.clone() }
}
