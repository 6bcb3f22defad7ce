//! The kit passes a right store, and says of each broken one what is wrong with it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test crate: helpers outside #[test] may fail loudly too"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use strongroom::audit::Event;
use strongroom::conformance::{Report, check_store};
use strongroom::flow::{
    ChangeSet, CommitAnswer, Delete, EventQuery, EventScope, Expected, Item, ListQuery, Lookup, Put,
};
use strongroom::ident::Slot;
use strongroom::ops::Setting;
use strongroom::record::{Counters, Index, Record, RecordKey};
use strongroom::store::{CommitFailed, MemoryStore, Page, Store, drive};
use strongroom::{Actor, ErrorCode, SecretBytes, Timestamp, VaultOptions};
use support::Seeded;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn checked<S: Store>(store: &mut S) -> Report
where
    S::Error: std::fmt::Debug,
{
    drive(check_store(Box::new(Seeded::new(1))), store, || NOW).unwrap()
}

/// What is wrong with a [`Broken`] store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NoCompareAndSwap,
    ComparesTheFirstRecordOnly,
    CommitsInPart,
    ForgetsEvents,
    AppliesTwice,
    OrdersWithoutCase,
    LosesTheCursor,
    CutsValues,
    ReadsWhatItReadBefore,
    FoldsNames,
    LoadsAsManyAsFit,
    TakesConflictsForApplied,
    KeepsCountersOfTheDeleted,
    StartsCountersAtZero,
    TakesNoNamespaceForAny,
    OrdersByCodeUnits,
    OrdersEventsByTime,
    PagesByNameAlone,
    CountsRowsForCursors,
    LosesItsPlaceWithTheRecord,
    LosesTheCursorOfChains,
    CountsEventsForCursors,
    EndsWithAnEmptyPage,
    ListsEverythingThatIsAskedForBySomething,
    OrdersLookupsByKey,
    LooksUpInEveryNamespace,
    LeavesOutWhatIsDueNow,
    LosesTies,
    KeepsTheIndexOfAnEarlierPut,
    KeepsTheIndexWithoutAnother,
    KeepsTheIndexOfTheDeleted,
}

/// A store in memory with one fault.
struct Broken {
    store: MemoryStore,
    fault: Fault,
    seen: BTreeMap<RecordKey, Option<Record>>,
    /// For a store that applies the same twice: how often it has.
    applied: u64,
    /// For a store that remembers the wrong things: operation ids, and the counters of records that are gone.
    asked: BTreeSet<String>,
    counted: BTreeMap<RecordKey, Counters>,
    /// What was put, for a store that does not let go of it.
    indexes: BTreeMap<RecordKey, Index>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let (seen, asked, counted, indexes) = Default::default();
        Broken { store: MemoryStore::new(), fault, seen, applied: 0, asked, counted, indexes }
    }

    fn folded(&self, key: &RecordKey) -> RecordKey {
        if self.fault == Fault::FoldsNames {
            return RecordKey { name: key.name.to_lowercase(), ..key.clone() };
        }
        key.clone()
    }

    fn revision(&self, key: &RecordKey) -> Expected {
        let record = self.store.records().find(|record| record.key == *key);
        record.map_or(Expected::Absent, |record| Expected::Revision(record.revision))
    }

    /// The change set as the store applies it, told to expect what is there.
    fn obliging(&self, change_set: &ChangeSet, but_the_first: bool) -> ChangeSet {
        let mut changed = change_set.clone();
        let skip = usize::from(but_the_first);
        for put in changed.puts.iter_mut().skip(skip) {
            put.expected = self.revision(&put.record.key);
        }
        for delete in changed.deletes.iter_mut().skip(if change_set.puts.is_empty() { skip } else { 0 }) {
            delete.expected = self.revision(&delete.key);
        }
        if !but_the_first || !change_set.puts.is_empty() {
            changed.checks.clear();
        } else {
            changed.checks.truncate(1);
        }
        changed
    }
}

impl Store for Broken {
    type Error = Infallible;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Infallible> {
        let keys = match self.fault {
            Fault::LoadsAsManyAsFit => keys.get(..999).unwrap_or(keys),
            _ => keys,
        };
        let folded: Vec<RecordKey> = keys.iter().map(|key| self.folded(key)).collect();
        let mut records = self.store.load(&folded)?;
        if self.fault == Fault::CutsValues {
            for record in &mut records {
                record.columns.value_encrypted.iter_mut().for_each(|value| value.truncate(255));
            }
        }
        if self.fault == Fault::ReadsWhatItReadBefore {
            for key in keys {
                let found = records.iter().find(|record| record.key == *key).cloned();
                self.seen.entry(key.clone()).or_insert(found);
            }
            return Ok(keys.iter().filter_map(|key| self.seen[key].clone()).collect());
        }
        if self.fault == Fault::FoldsNames {
            // It gives what it found under the name that was asked for, as SQL on a case-insensitive column does.
            for (record, key) in records.iter_mut().zip(keys) {
                record.key = key.clone();
            }
        }
        Ok(records)
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Infallible> {
        let cursor = cursor.filter(|_| self.fault != Fault::LosesTheCursor);
        let mut query = query.clone();
        if self.fault == Fault::TakesNoNamespaceForAny {
            query.namespace = query.namespace.filter(|namespace| !namespace.is_empty());
        }
        if let (Fault::PagesByNameAlone, Some(after)) = (self.fault, cursor) {
            // As `WHERE name > ?` does.
            let (limit, after) = (query.limit as usize, after.rsplit('\0').next().unwrap());
            let mut items = self.store.list(&ListQuery { limit: u32::MAX, ..query }, None)?.items;
            items.retain(|item| *item.key.name > *after);
            let cursor = items.get(limit.wrapping_sub(1)).map(|item| item.key.name.clone());
            items.truncate(limit);
            return Ok(Page { items, cursor });
        }
        if self.fault == Fault::CountsRowsForCursors {
            let limit = query.limit as usize;
            let skip: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let all = self.store.list(&ListQuery { limit: u32::MAX, ..query }, None)?.items;
            let cursor = (skip + limit < all.len()).then(|| (skip + limit).to_string());
            return Ok(Page { items: all.into_iter().skip(skip).take(limit).collect(), cursor });
        }
        let gone = |cursor: &str| {
            let (namespace, name) = cursor.trim_start_matches('\0').split_once('\0').unwrap();
            let mut records = self.store.records();
            !records.any(|record| record.key.namespace == namespace && record.key.name == name)
        };
        if self.fault == Fault::LosesItsPlaceWithTheRecord && cursor.is_some_and(gone) {
            return Ok(Page { items: vec![], cursor: None });
        }
        let instant = |cursor: &str| cursor.split('\0').next().map(ToString::to_string);
        match self.fault {
            Fault::ListsEverythingThatIsAskedForBySomething => query.by = None,
            Fault::LooksUpInEveryNamespace if query.by.is_some() => query.namespace = None,
            Fault::LeavesOutWhatIsDueNow => {
                if let Some(Lookup::Due(until)) = &mut query.by {
                    *until = until.plus_millis(-1);
                }
            }
            // As `WHERE due_at > ?` does.
            Fault::LosesTies if query.by.is_some() => {
                let last = cursor.and_then(instant).map(|instant| format!("{instant}\0\u{10ffff}\0"));
                return self.store.list(&query, last.as_deref());
            }
            _ => {}
        }
        let mut page = self.store.list(&query, cursor)?;
        let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        match self.fault {
            Fault::OrdersWithoutCase => {
                page.items.sort_by_key(|item| (item.key.namespace.to_lowercase(), item.key.name.to_lowercase()));
            }
            Fault::OrdersByCodeUnits => {
                page.items.sort_by_key(|item| (units(&item.key.namespace), units(&item.key.name)));
            }
            Fault::OrdersLookupsByKey => page.items.sort_by(|a, b| a.key.cmp(&b.key)),
            _ => {}
        }
        Ok(page)
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Infallible>> {
        let mut changed = change_set.clone();
        match self.fault {
            Fault::NoCompareAndSwap => changed = self.obliging(change_set, false),
            Fault::ComparesTheFirstRecordOnly => changed = self.obliging(change_set, true),
            Fault::ForgetsEvents if !changed.deletes.is_empty() => changed.events.clear(),
            Fault::AppliesTwice => {
                let known = self
                    .store
                    .all_events()
                    .iter()
                    .any(|event| event.operation_id.as_ref() == Some(&change_set.operation_id));
                if known {
                    changed = self.obliging(change_set, false);
                    self.applied += 1;
                    changed.operation_id = format!("again-{}", self.applied);
                    for event in &mut changed.events {
                        event.seq = event.seq.map(|seq| seq + 1000 * self.applied);
                    }
                }
            }
            Fault::FoldsNames => {
                for put in &mut changed.puts {
                    put.record.key = self.folded(&put.record.key);
                }
            }
            Fault::TakesConflictsForApplied if !self.asked.insert(change_set.operation_id.clone()) => {
                return Ok(CommitAnswer::Committed);
            }
            Fault::KeepsCountersOfTheDeleted => {
                let gone = |delete: &Delete| self.store.records().find(|record| record.key == delete.key);
                let gone = change_set.deletes.iter().filter_map(gone);
                self.counted.extend(gone.map(|record| (record.key.clone(), record.counters)));
                for put in &mut changed.puts {
                    put.record.counters = self.counted.get(&put.record.key).copied().unwrap_or(put.record.counters);
                }
            }
            Fault::StartsCountersAtZero => {
                changed.puts.iter_mut().for_each(|put| put.record.counters = Counters::default());
            }
            Fault::KeepsTheIndexOfAnEarlierPut => {
                for put in &mut changed.puts {
                    let Put { record, index, .. } = put;
                    *index = self.indexes.entry(record.key.clone()).or_insert(index.clone()).clone();
                }
            }
            Fault::KeepsTheIndexWithoutAnother | Fault::KeepsTheIndexOfTheDeleted => {
                for put in &mut changed.puts {
                    let anew = put.expected == Expected::Absent;
                    let plain = put.index == Index::default();
                    let deleted = self.fault == Fault::KeepsTheIndexOfTheDeleted;
                    let before = self.indexes.insert(put.record.key.clone(), put.index.clone());
                    put.index = before.filter(|_| plain && anew == deleted).unwrap_or(put.index.clone());
                }
            }
            _ => {}
        }
        let answer = self.store.commit(&changed)?;
        if answer == CommitAnswer::Conflict && self.fault == Fault::CommitsInPart {
            // As a store does that writes one thing after another, without a transaction.
            let puts = ChangeSet { checks: vec![], deletes: vec![], counters: vec![], ..change_set.clone() };
            for put in change_set.puts.iter().take(1) {
                let one = ChangeSet { puts: vec![put.clone()], events: vec![], ..puts.clone() };
                self.store.commit(&one)?;
            }
        }
        Ok(answer)
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Infallible> {
        let chained = query.scope == EventScope::Chained;
        let forgets = self.fault == Fault::LosesTheCursor || (self.fault == Fault::LosesTheCursorOfChains && chained);
        let cursor = cursor.filter(|_| !forgets);
        let limit = query.limit as usize;
        match self.fault {
            Fault::OrdersEventsByTime if query.scope == EventScope::Latest => {
                let mut page = self.store.events(query, cursor)?;
                page.items.sort_by_key(|event| std::cmp::Reverse(event.at));
                Ok(page)
            }
            Fault::CountsEventsForCursors if chained => {
                let skip: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
                let all = self.store.events(&EventQuery { limit: u32::MAX, ..query.clone() }, None)?.items;
                let cursor = (skip + limit < all.len()).then(|| (skip + limit).to_string());
                Ok(Page { items: all.into_iter().skip(skip).take(limit).collect(), cursor })
            }
            Fault::EndsWithAnEmptyPage => {
                let page = self.store.events(query, cursor.filter(|cursor| *cursor != "end"))?;
                let items = if cursor == Some("end") { vec![] } else { page.items };
                Ok(Page { items, cursor: page.cursor.or(Some("end".to_string())) })
            }
            _ => self.store.events(query, cursor),
        }
    }
}

#[test]
fn a_right_store_passes_every_check() {
    let report = checked(&mut MemoryStore::new());
    assert_eq!(report.failures, []);
    assert_eq!(report.passed.len(), 15);
}

#[test]
fn each_broken_store_is_caught_by_the_check_that_is_named_for_it() {
    let expected = [
        (Fault::NoCompareAndSwap, "compare_and_swap", "instead of answering `conflict`"),
        (Fault::ComparesTheFirstRecordOnly, "compare_and_swap_of_each_record", "another record, or of one record only"),
        (Fault::CommitsInPart, "all_or_nothing", "applied a put all the same"),
        (Fault::ForgetsEvents, "events_are_kept", "committed with a deletion is missing"),
        (Fault::AppliesTwice, "idempotent_by_operation_id", "applied again"),
        (Fault::OrdersWithoutCase, "page_order", "byte by byte"),
        (Fault::LosesTheCursor, "cursors", "a cursor was lost"),
        (Fault::CutsValues, "values_are_kept_whole", "`value_encrypted` of a secret"),
        (Fault::ReadsWhatItReadBefore, "reads_are_fresh", "`load` showed an earlier state"),
        (Fault::FoldsNames, "names_are_exact", "of another name"),
        (Fault::LoadsAsManyAsFit, "load_gives_what_was_asked", "`load` of 1000 keys"),
        (Fault::TakesConflictsForApplied, "idempotent_by_operation_id", "is to be judged again"),
        (Fault::KeepsCountersOfTheDeleted, "counters_stand_beside_records", "the counters of the one before"),
        (Fault::StartsCountersAtZero, "counters_stand_beside_records", "the counters that it brought"),
        (Fault::TakesNoNamespaceForAny, "queries_are_exact", "the empty namespace of a `list`"),
        (Fault::OrdersByCodeUnits, "page_order", "byte by byte in UTF-8"),
        (Fault::OrdersEventsByTime, "page_order", "whatever their times"),
        (Fault::PagesByNameAlone, "cursors", "a cursor is a namespace and a name"),
        (Fault::CountsRowsForCursors, "cursors", "between two pages of `list` shifted the next page"),
        (Fault::LosesItsPlaceWithTheRecord, "cursors", "between two pages of `list` shifted the next page"),
        (Fault::LosesTheCursorOfChains, "cursors", "in the scope `chained`"),
        (Fault::CountsEventsForCursors, "cursors", "in the scope `chained`"),
        (Fault::EndsWithAnEmptyPage, "cursors", "an empty page and a cursor"),
        (Fault::ListsEverythingThatIsAskedForBySomething, "lookups", "records that were not asked for"),
        (Fault::OrdersLookupsByKey, "lookups", "not ordered by the instant"),
        (Fault::LooksUpInEveryNamespace, "lookups", "records that were not asked for"),
        (Fault::LeavesOutWhatIsDueNow, "lookups", "did not give every record"),
        (Fault::LosesTies, "lookups", "a cursor was lost, or ties"),
        (Fault::KeepsTheIndexOfAnEarlierPut, "lookups", "a record by the index of an earlier put"),
        (Fault::KeepsTheIndexWithoutAnother, "lookups", "whose last put came without an index"),
        (Fault::KeepsTheIndexOfTheDeleted, "lookups", "deleted and made anew by the index of the one before"),
    ];
    for (fault, check, says) in expected {
        let report = checked(&mut Broken::new(fault));
        let Some(failure) = report.failures.iter().find(|failure| failure.check == check) else {
            panic!("{fault:?} passes `{check}`; it fails {:?}", report.failures);
        };
        assert!(failure.says.contains(says), "{fault:?}: {}", failure.says);
        assert!(!failure.says.contains('\n'));
    }
}

#[test]
fn a_store_that_is_in_use_is_left_alone() {
    let vault = support::vault(&support::keyring(1), VaultOptions::default());
    let (actor, slot) = (Actor::new("alice").unwrap(), Slot::parse(None, "A").unwrap());
    let mut store = MemoryStore::new();
    let set =
        vault.set(&actor, &slot, (SecretBytes::copy_of(b"value").into(), Setting::default()), Box::new(Seeded::new(1)));
    drive(set, &mut store, || NOW).unwrap();
    let before: Vec<Record> = store.records().cloned().collect();
    let failed = drive(check_store(Box::new(Seeded::new(2))), &mut store, || NOW).unwrap_err();
    assert_eq!(failed.error.code(), ErrorCode::InvalidArgument);
    assert_eq!(store.records().cloned().collect::<Vec<_>>(), before);
}

#[test]
fn a_store_that_fails_ends_the_test_with_its_own_error() {
    struct Failing(u32);
    impl Store for Failing {
        type Error = &'static str;
        fn load(&mut self, _: &[RecordKey]) -> Result<Vec<Record>, &'static str> {
            Err("no such table")
        }
        fn list(&mut self, _: &ListQuery, _: Option<&str>) -> Result<Page<Item>, &'static str> {
            Ok(Page { items: vec![], cursor: None })
        }
        fn commit(&mut self, _: &ChangeSet) -> Result<CommitAnswer, CommitFailed<&'static str>> {
            self.0 += 1;
            Ok(CommitAnswer::Committed)
        }
        fn events(&mut self, _: &EventQuery, _: Option<&str>) -> Result<Page<Event>, &'static str> {
            Ok(Page { items: vec![], cursor: None })
        }
    }
    let failed = drive(check_store(Box::new(Seeded::new(1))), &mut Failing(0), || NOW).unwrap_err();
    assert_eq!((failed.error.code(), failed.cause), (ErrorCode::StorageFailed, Some("no such table")));
    assert!(failed.error.message().contains("`load_gives_what_was_asked`"), "{}", failed.error);
}
