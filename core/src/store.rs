//! A store in memory: the storage contract in its plainest form, for tests, for trying out, and as the example to read.

use crate::audit::Event;
use crate::flow::{
    Answer, ChangeSet, CommitAnswer, EventQuery, EventScope, Expected, Item, ListQuery, Request,
};
use crate::record::{Record, RecordKey};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Records and events in memory. Gone with the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<RecordKey, Record>,
    events: Vec<Event>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
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
        match request {
            Request::Load { keys } => {
                Answer::Load { records: keys.iter().filter_map(|key| self.records.get(key)).cloned().collect() }
            }
            Request::List { query, cursor } => self.list(query, cursor.as_deref()),
            Request::Commit { change_set } => Answer::Commit(self.commit(change_set)),
            Request::Events { query, cursor } => self.events(query, cursor.as_deref()),
            Request::Wait { .. } => Answer::Wait {},
        }
    }

    /// Every record, by key.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Every event, in the order of their commits.
    pub fn all_events(&self) -> &[Event] {
        &self.events
    }

    fn list(&self, query: &ListQuery, cursor: Option<&str>) -> Answer {
        let wanted = |key: &&RecordKey| {
            key.kind == query.kind && query.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
        };
        let matching = self.records.keys().filter(wanted).map(|key| Item {
            key: key.clone(),
            revision: self.records.get(key).map_or(0, |record| record.revision),
        });
        // A cursor is the last key, so that a page is right whatever was written since the one before.
        let after = cursor.and_then(|cursor| cursor.split_once('\0'));
        let mut rest = matching
            .skip_while(|item| after.is_some_and(|after| (&*item.key.namespace, &*item.key.name) <= after))
            .peekable();
        let items: Vec<Item> = rest.by_ref().take(query.limit as usize).collect();
        let last = items.last().filter(|_| rest.peek().is_some());
        let cursor = last.map(|item| format!("{}\0{}", item.key.namespace, item.key.name));
        Answer::List { items, cursor }
    }

    fn events(&self, query: &EventQuery, cursor: Option<&str>) -> Answer {
        let mut matching: Vec<&Event> = match &query.scope {
            EventScope::Slot { namespace, name } => {
                let of_slot =
                    |event: &&Event| event.namespace.as_ref() == Some(namespace) && event.name.as_ref() == Some(name);
                self.events.iter().rev().filter(of_slot).collect()
            }
            EventScope::Latest => self.events.iter().rev().collect(),
            EventScope::Chained => self.events.iter().filter(|event| event.stream.is_some()).collect(),
            EventScope::Unchained => self.events.iter().filter(|event| event.stream.is_none()).collect(),
        };
        if query.scope == EventScope::Chained {
            matching.sort_by(|a, b| (&a.stream, a.seq).cmp(&(&b.stream, b.seq)));
        }
        if let (EventScope::Chained, Some((stream, seq))) = (&query.scope, cursor.and_then(|cursor| cursor.split_once('\0'))) {
            let after = (Some(stream), seq.parse().ok());
            matching.retain(|event| (event.stream.as_deref(), event.seq) > after);
        }
        let start: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
        let end = start.saturating_add(query.limit as usize);
        let more = end < matching.len();
        let events: Vec<Event> = matching.into_iter().skip(start).take(query.limit as usize).cloned().collect();
        let cursor = events.last().filter(|_| more).map(|last| match &query.scope {
            EventScope::Chained => {
                format!("{}\0{}", last.stream.as_deref().unwrap_or_default(), last.seq.unwrap_or_default())
            }
            _ => end.to_string(),
        });
        Answer::Events { events, cursor }
    }

    fn commit(&mut self, change_set: &ChangeSet) -> CommitAnswer {
        if self.events.iter().any(|event| event.operation_id.as_ref() == Some(&change_set.operation_id)) {
            return CommitAnswer::Committed;
        }
        let expected = (change_set.puts.iter().map(|put| (&put.record.key, put.expected)))
            .chain(change_set.deletes.iter().map(|delete| (&delete.key, delete.expected)))
            .chain(change_set.checks.iter().map(|check| (&check.key, check.expected)));
        let as_expected = |(key, expected): (&RecordKey, Expected)| match (self.records.get(key), expected) {
            (None, Expected::Absent) => true,
            (Some(record), Expected::Revision(revision)) => record.revision == revision,
            _ => false,
        };
        let taken = |event: &Event| self.events.iter().any(|old| old.stream == event.stream && old.seq == event.seq);
        if !expected.into_iter().all(as_expected) || change_set.events.iter().any(taken) {
            return CommitAnswer::Conflict;
        }
        for put in &change_set.puts {
            let mut record = put.record.clone();
            if let Some(old) = self.records.get(&record.key) {
                record.counters = old.counters;
            }
            self.records.insert(record.key.clone(), record);
        }
        for delete in &change_set.deletes {
            self.records.remove(&delete.key);
        }
        for delta in &change_set.counters {
            if let Some(record) = self.records.get_mut(&delta.key) {
                let counters = &mut record.counters;
                counters.accessed_count = counters.accessed_count.saturating_add(delta.accessed);
                counters.last_accessed = counters.last_accessed.max(Some(delta.at));
            }
        }
        self.events.extend(change_set.events.iter().cloned());
        CommitAnswer::Committed
    }
}
