//! A store in memory: the storage contract in its plainest form, for tests, for trying out, and as the example to read.
//! Documents ([`Document`](super::Document)) are answered from one, too.

use super::{CommitFailed, Page, Store, answer};
use crate::audit::Event;
use crate::flow::{
    Answer, ChangeSet, CommitAnswer, EventQuery, EventScope, Expected, Item, ListQuery, Lookup, Request,
};
use crate::record::{Index, Record, RecordKey};
use crate::time::Timestamp;
use crate::wire::read_fields;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;
use serde::Serialize;

/// Records and events in memory. Gone with the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<RecordKey, Stored>,
    /// In the order of their commits.
    events: Vec<Event>,
    /// What a commit looks for among the events: the operations that they are of, and the places that they have.
    applied: BTreeSet<String>,
    taken: BTreeSet<(String, u64)>,
}

/// A record, and what lists find it by.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stored {
    pub(super) record: Record,
    #[serde(skip_serializing_if = "Index::is_empty")]
    pub(super) index: Index,
}

read_fields!(Stored { record, index });

/// What became of a change set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    /// Its operation id is among the events.
    AppliedBefore,
    Conflict,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds exactly this, even what no commit leaves, such as an event twice: for tests of what is found then.
    /// With each record comes what lists find it by.
    ///
    /// ```
    /// use strongroom::record::Index;
    /// use strongroom::store::MemoryStore;
    /// let vault = MemoryStore::new();
    /// let records = vault.records().map(|record| (record.clone(), Index::default()));
    /// let copy = MemoryStore::holding(records, vault.all_events().iter().cloned());
    /// assert_eq!(copy.records().count(), 0);
    /// ```
    pub fn holding(
        records: impl IntoIterator<Item = (Record, Index)>,
        events: impl IntoIterator<Item = Event>,
    ) -> Self {
        let mut store = Self::new();
        for (record, index) in records {
            store.put_back(Stored { record, index });
        }
        for event in events {
            store.append(event);
        }
        store
    }

    /// Answers a request; `wait` at once.
    ///
    /// ```
    /// use strongroom::store::MemoryStore;
    /// use strongroom::{Answer, Request};
    /// let answer = MemoryStore::new().answer(&Request::Load { keys: vec![] });
    /// assert_eq!(answer, Answer::Load { records: vec![] });
    /// ```
    pub fn answer(&mut self, request: &Request) -> Answer {
        match answer(self, request) {
            Ok(answer) => answer,
            Err((failed, _)) => failed,
        }
    }

    /// Every record, by key.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values().map(|stored| &stored.record)
    }

    /// Every event, in the order of their commits.
    pub fn all_events(&self) -> &[Event] {
        &self.events
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Infallible> {
        Ok(keys.iter().filter_map(|key| self.records.get(key)).map(|stored| stored.record.clone()).collect())
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Infallible> {
        let wanted = |key: &RecordKey| {
            key.kind == query.kind && query.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
        };
        let mut matching: Vec<(Place<'_>, u64)> = Vec::new();
        for (key, Stored { record, index }) in self.records.iter().filter(|(key, _)| wanted(key)) {
            if let Some(at) = found_at(query.by.as_ref(), index) {
                matching.push((Place { at, namespace: &key.namespace, name: &key.name }, record.revision));
            }
        }
        matching.sort_unstable();
        // A cursor is the last place, so that a page is right whatever was written since the one before.
        let after = cursor.map(Place::read);
        let mut rest = matching.into_iter().skip_while(|(place, _)| after.as_ref().is_some_and(|after| place <= after));
        let page: Vec<(Place<'_>, u64)> = rest.by_ref().take(query.limit as usize).collect();
        let cursor = page.last().filter(|_| rest.next().is_some()).map(|(place, _)| place.write());
        let item = |(Place { namespace, name, .. }, revision): (Place<'_>, u64)| {
            let key = RecordKey { kind: query.kind, namespace: namespace.to_string(), name: name.to_string() };
            Item { key, revision }
        };
        Ok(Page { items: page.into_iter().map(item).collect(), cursor })
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Infallible> {
        let wanted = |event: &Event| match &query.scope {
            EventScope::Slot { namespace, name } => {
                event.namespace.as_ref() == Some(namespace) && event.name.as_ref() == Some(name)
            }
            EventScope::Latest => true,
            EventScope::Chained => event.stream.is_some(),
            EventScope::Unchained => event.stream.is_none(),
        };
        let mut matching: Vec<(usize, &Event)> =
            self.events.iter().enumerate().filter(|(_, event)| wanted(event)).collect();
        match query.scope {
            EventScope::Chained => {
                matching.sort_unstable_by(|(_, a), (_, b)| (&a.stream, a.seq).cmp(&(&b.stream, b.seq)))
            }
            EventScope::Unchained => {}
            EventScope::Slot { .. } | EventScope::Latest => matching.reverse(),
        }
        // A cursor is the place of the last event, and events stay: a page is right whatever was appended since.
        let last: Option<usize> = cursor.and_then(|cursor| cursor.parse().ok());
        let start = matching.iter().position(|(place, _)| Some(*place) == last).map_or(0, |index| index + 1);
        let mut rest = matching.into_iter().skip(start).peekable();
        let page: Vec<(usize, &Event)> = rest.by_ref().take(query.limit as usize).collect();
        let last = page.last().filter(|_| rest.peek().is_some());
        let cursor = last.map(|(place, _)| place.to_string());
        Ok(Page { items: page.into_iter().map(|(_, event)| event.clone()).collect(), cursor })
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Infallible>> {
        Ok(match self.apply(change_set) {
            Outcome::Applied | Outcome::AppliedBefore => CommitAnswer::Committed,
            Outcome::Conflict => CommitAnswer::Conflict,
        })
    }
}

impl MemoryStore {
    pub(super) fn apply(&mut self, change_set: &ChangeSet) -> Outcome {
        if self.applied.contains(&change_set.operation_id) {
            return Outcome::AppliedBefore;
        }
        let expected = (change_set.puts.iter().map(|put| (&put.record.key, put.expected)))
            .chain(change_set.deletes.iter().map(|delete| (&delete.key, delete.expected)))
            .chain(change_set.checks.iter().map(|check| (&check.key, check.expected)));
        let as_expected = |(key, expected): (&RecordKey, Expected)| match (self.records.get(key), expected) {
            (None, Expected::Absent) => true,
            (Some(stored), Expected::Revision(revision)) => stored.record.revision == revision,
            _ => false,
        };
        let mut places = BTreeSet::new();
        let mut is_free = |place| !self.taken.contains(&place) && places.insert(place);
        let are_free = change_set.events.iter().filter_map(place).all(&mut is_free);
        if !are_free || !expected.into_iter().all(as_expected) {
            return Outcome::Conflict;
        }
        for put in &change_set.puts {
            let mut record = put.record.clone();
            if let Some(old) = self.records.get(&record.key) {
                record.counters = old.record.counters;
            }
            self.records.insert(record.key.clone(), Stored { record, index: put.index.clone() });
        }
        for delete in &change_set.deletes {
            self.records.remove(&delete.key);
        }
        for delta in &change_set.counters {
            if let Some(stored) = self.records.get_mut(&delta.key) {
                let counters = &mut stored.record.counters;
                counters.accessed_count = counters.accessed_count.saturating_add(delta.accessed);
                counters.last_accessed = counters.last_accessed.max(Some(delta.at));
            }
        }
        for event in &change_set.events {
            self.append(event.clone());
        }
        Outcome::Applied
    }

    /// Puts a record back that was written down; gives whether its key was free.
    pub(super) fn put_back(&mut self, stored: Stored) -> bool {
        self.records.insert(stored.record.key.clone(), stored).is_none()
    }

    /// Appends an event; gives whether its place was free.
    pub(super) fn append(&mut self, event: Event) -> bool {
        if let Some(operation_id) = &event.operation_id
            && !self.applied.contains(operation_id)
        {
            self.applied.insert(operation_id.clone());
        }
        let is_free = place(&event).is_none_or(|place| self.taken.insert(place));
        self.events.push(event);
        is_free
    }

    /// Every record with what it is found by, by key.
    pub(super) fn all_stored(&self) -> impl Iterator<Item = &Stored> {
        self.records.values()
    }
}

/// The place that an event has in a stream, if it has one: no other may have it.
fn place(event: &Event) -> Option<(String, u64)> {
    Some((event.stream.clone()?, event.seq?))
}

/// Where a record stands in a list: by the instant that it is found by, where it is found by one, then by namespace and name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    at: Option<Timestamp>,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn write(&self) -> String {
        let at = self.at.map(|at| at.as_millis().to_string()).unwrap_or_default();
        format!("{at}\0{}\0{}", self.namespace, self.name)
    }

    fn read(cursor: &'a str) -> Self {
        let mut parts = cursor.splitn(3, '\0');
        let mut next = || parts.next().unwrap_or_default();
        let at = next().parse().ok().map(Timestamp::from_millis);
        Place { at, namespace: next(), name: next() }
    }
}

/// The instant by which a lookup finds a record, or that it is found without one; nothing for one that it does not find.
fn found_at(by: Option<&Lookup>, index: &Index) -> Option<Option<Timestamp>> {
    match by {
        None => Some(None),
        Some(Lookup::Fingerprint(fingerprint)) => index.fingerprints.contains(fingerprint).then_some(None),
        Some(Lookup::Due(until)) => index.due_at.filter(|at| at <= until).map(Some),
        Some(Lookup::Expired(until)) => index.expires_at.filter(|at| at <= until).map(Some),
    }
}
