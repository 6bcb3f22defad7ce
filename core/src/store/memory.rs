//! A store in memory: the storage contract in its plainest form, for tests, for trying out, and as the example to read.

use super::{CommitFailed, Page, Store, answer};
use crate::audit::Event;
use crate::flow::{Answer, ChangeSet, CommitAnswer, EventQuery, EventScope, Expected, Item, ListQuery, Request};
use crate::record::{Record, RecordKey};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::convert::Infallible;

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
        match answer(self, request) {
            Ok(answer) => answer,
            Err((failed, _)) => failed,
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
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Infallible> {
        Ok(keys.iter().filter_map(|key| self.records.get(key)).cloned().collect())
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Infallible> {
        let wanted = |key: &&RecordKey| {
            key.kind == query.kind && query.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
        };
        let matching = self
            .records
            .keys()
            .filter(wanted)
            .map(|key| Item { key: key.clone(), revision: self.records.get(key).map_or(0, |record| record.revision) });
        // A cursor is the last key, so that a page is right whatever was written since the one before.
        let after = cursor.and_then(|cursor| cursor.split_once('\0'));
        let mut rest = matching
            .skip_while(|item| after.is_some_and(|after| (&*item.key.namespace, &*item.key.name) <= after))
            .peekable();
        let items: Vec<Item> = rest.by_ref().take(query.limit as usize).collect();
        let last = items.last().filter(|_| rest.peek().is_some());
        let cursor = last.map(|item| format!("{}\0{}", item.key.namespace, item.key.name));
        Ok(Page { items, cursor })
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
        if self.events.iter().any(|event| event.operation_id.as_ref() == Some(&change_set.operation_id)) {
            return Ok(CommitAnswer::Committed);
        }
        let expected = (change_set.puts.iter().map(|put| (&put.record.key, put.expected)))
            .chain(change_set.deletes.iter().map(|delete| (&delete.key, delete.expected)))
            .chain(change_set.checks.iter().map(|check| (&check.key, check.expected)));
        let as_expected = |(key, expected): (&RecordKey, Expected)| match (self.records.get(key), expected) {
            (None, Expected::Absent) => true,
            (Some(record), Expected::Revision(revision)) => record.revision == revision,
            _ => false,
        };
        let has_place = |event: &Event| event.stream.is_some() && event.seq.is_some();
        let taken = |event: &Event| {
            has_place(event) && self.events.iter().any(|old| old.stream == event.stream && old.seq == event.seq)
        };
        if !expected.into_iter().all(as_expected) || change_set.events.iter().any(taken) {
            return Ok(CommitAnswer::Conflict);
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
        Ok(CommitAnswer::Committed)
    }
}
