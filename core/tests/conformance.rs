//! The kit passes a right store, and says of each broken one what is wrong with it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test crate: helpers outside #[test] may fail loudly too"
)]

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use strongroom::audit::Event;
use strongroom::conformance::{Report, check_store};
use strongroom::flow::{ChangeSet, CommitAnswer, EventQuery, Expected, Item, ListQuery};
use strongroom::ident::Slot;
use strongroom::record::{Record, RecordKey};
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
}

/// A store in memory with one fault.
struct Broken {
    store: MemoryStore,
    fault: Fault,
    seen: BTreeMap<RecordKey, Option<Record>>,
    /// For a store that applies the same twice: how often it has.
    applied: u64,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Broken { store: MemoryStore::new(), fault, seen: BTreeMap::new(), applied: 0 }
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
        let mut page = self.store.list(query, cursor)?;
        if self.fault == Fault::OrdersWithoutCase {
            page.items.sort_by_key(|item| (item.key.namespace.to_lowercase(), item.key.name.to_lowercase()));
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
        let cursor = cursor.filter(|_| self.fault != Fault::LosesTheCursor);
        self.store.events(query, cursor)
    }
}

#[test]
fn a_right_store_passes_every_check() {
    let report = checked(&mut MemoryStore::new());
    assert_eq!(report.failures, []);
    assert_eq!(report.passed.len(), 14);
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
    let set = vault.set(&actor, &slot, SecretBytes::copy_of(b"value"), Box::new(Seeded::new(1)));
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
