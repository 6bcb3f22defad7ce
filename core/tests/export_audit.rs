//! The export of the history: every event once and in order, whatever the pages are, and none that was altered.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use serde_json::Value;
use std::sync::Arc;
use strongroom::audit::{Event, ExportFormat};
use strongroom::ops::ExportedAudit;
use strongroom::{ErrorCode as Code, Keyring, Result, VaultOptions};
use support::thief::Thief;
use support::{World, code, old_event, old_row, store_of, with_events};

fn lived_in() -> World {
    let mut world = World::new();
    world.keyring = Arc::new(Keyring::parse(&"07".repeat(32)).unwrap());
    world.reopen(VaultOptions::default());
    world.store = store_of(
        [old_row(&world.keyring, "OLD", "legacy")],
        ["set", "get", "get"].map(|action| old_event(action, "OLD")),
    );
    for name in ["A", "B", "C"] {
        world.set(name, "one").unwrap();
        world.get(name).unwrap();
        world.rotate(name, "two").unwrap();
    }
    world.delete("C").unwrap();
    world
}

fn page(world: &mut World, format: ExportFormat, after: Option<&str>, limit: u32) -> Result<ExportedAudit> {
    world.act(|v, a, e| v.export_audit(a, format, (after, limit), e).unwrap())
}

fn exported(world: &mut World, format: ExportFormat, limit: u32) -> Vec<Value> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let told = page(world, format, after.as_deref(), limit).unwrap();
        assert!(told.lines.len() <= limit as usize);
        lines.extend(told.lines.iter().map(|line| serde_json::from_str(line).unwrap()));
        after = told.next;
        if after.is_none() {
            return lines;
        }
    }
}

#[test]
fn every_event_is_exported_once_in_order_whatever_the_pages_are() {
    let mut world = lived_in();
    let mut expected = world.store.all_events().to_vec();
    // Stable: the old rows stay in their order, and come last.
    expected.sort_by_key(|event| (event.stream.is_none(), event.stream.clone(), event.seq));
    let whole = world.store.clone();
    for limit in [1, 2, 3, 5, 7, 500, 5000] {
        world.store = whole.clone();
        let found = exported(&mut world, ExportFormat::Jsonl, limit).into_iter();
        let found = found.map(|line| serde_json::from_value::<Event>(line).unwrap());
        let found: Vec<Event> = found.filter(|event| event.action.as_deref() != Some("export_audit")).collect();
        assert_eq!(found, expected, "pages of {limit}");
    }
}

#[test]
fn every_page_is_recorded_and_every_id_is_its_own() {
    let mut world = lived_in();
    let before = world.store.all_events().len();
    let lines = exported(&mut world, ExportFormat::Ocsf, 4);
    let pages = world.store.all_events().len() - before;
    assert!(pages >= before / 4, "{pages}");
    assert_eq!(world.last_event().action.as_deref(), Some("export_audit"));
    let mut ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(&ids[ids.len() - 3..], ["unchained/1", "unchained/2", "unchained/3"]);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lines.len());
}

#[test]
fn an_altered_event_spoils_its_page() {
    let mut world = lived_in();
    let whole = world.store.clone();
    for (index, event) in whole.all_events().iter().enumerate().filter(|(_, event)| event.stream.is_some()) {
        world.store = with_events(&whole, |events| events[index].actor = Some("mallory".into()));
        let error = page(&mut world, ExportFormat::Jsonl, None, 5000).unwrap_err();
        assert_eq!(error.code(), Code::AuditTampered, "{event:?}");
        // Dropped, unless it was the last of its stream: that `verify_audit` finds.
        world.store = with_events(&whole, |events| drop(events.remove(index)));
        let is_last = !whole.all_events().iter().any(|it| it.stream == event.stream && it.seq > event.seq);
        assert_eq!(page(&mut world, ExportFormat::Jsonl, None, 5000).is_err(), !is_last, "{event:?}");
    }
}

#[test]
fn an_event_that_lost_its_place_among_the_old_rows_is_found() {
    let mut world = lived_in();
    let index = world.store.all_events().iter().position(|event| event.stream.is_some()).unwrap();
    world.store = with_events(&world.store, |events| {
        events.push(Event { stream: None, ..events[index].clone() });
    });
    assert_eq!(code(page(&mut world, ExportFormat::Jsonl, None, 5000)), Code::AuditTampered);
}

#[test]
fn what_a_former_root_can_forge_is_not_exported() {
    let mut world = lived_in();
    let thief = Thief::of(&world);
    world.act(|v, a, e| v.renew_root(a, (None, 500), e).unwrap()).unwrap();
    let whole = world.store.clone();
    let uid = world.secret_record("A").columns.uid.clone();
    // Idle since the renewal, but for the event of that: cut, and gone on with by the root that leaked.
    let renewed = |event: &Event| event.stream == uid && event.epoch == Some(2);
    world.store = with_events(&whole, |events| {
        events.retain(|event| !renewed(event));
        let last = events.iter().rev().find(|event| event.stream == uid).unwrap().clone();
        let (seq, prev_mac) = (last.seq.map(|seq| seq + 1), last.mac.clone());
        events.push(thief.forge_event(Event { seq, prev_mac, actor: Some("mallory".into()), ..last }));
    });
    let error = page(&mut world, ExportFormat::Jsonl, None, 5000).unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    world.store = whole;
    page(&mut world, ExportFormat::Jsonl, None, 5000).unwrap();
    // Cut off from what leads to it by the end of a page, an honest one of a former epoch is looked for in the whole.
    exported(&mut world, ExportFormat::Jsonl, 1);
}

#[test]
fn only_what_a_page_told_is_a_place_to_go_on_from() {
    let mut world = lived_in();
    let past_all =
        ["99999999999999999999:", "18446744073709551615:", "9007199254740993:", "chained:99999999999999999999:"];
    for after in ["", "chained", "x:1", "-1:"].into_iter().chain(past_all) {
        assert_eq!(code(page(&mut world, ExportFormat::Jsonl, Some(after), 5)), Code::InvalidArgument, "{after:?}");
    }
    let last = page(&mut world, ExportFormat::Ocsf, Some("9007199254740992:"), 5).unwrap();
    assert!(last.lines[0].contains("unchained/9007199254740993"), "{:?}", last.lines);
    page(&mut world, ExportFormat::Jsonl, Some("chained:18446744073709551615:"), 5).unwrap();
    for limit in [0, 5001] {
        let entropy = world.entropy();
        let refused = world.vault.export_audit(&world.actor, ExportFormat::Jsonl, (None, limit), entropy);
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::InvalidArgument));
    }
}
