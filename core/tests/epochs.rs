//! Renewals of the vault's root: nothing is lost on the way, and whoever holds the root before can do nothing with it after.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use strongroom::audit::Event;
use strongroom::crypto::sealed::Sealed;
use strongroom::crypto::{Context, KeyMaterial, Purpose};
use strongroom::keyring::KeyState;
use strongroom::ops::{Expiry, Match, Renewed, Rotation, Setting, WithoutGenerator};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Record, RecordKey, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::{
    Answer, Entropy, ErrorCode as Code, Flow, Keyring, Leaked, Reply, Request, Result, Step, Timestamp, Vault,
    VaultOptions,
};
use support::thief::Thief;
use support::{
    Clock, Seeded, World, actor, code, drive, drive_with, old_event, old_row, plainly, secret, slot, store_of,
    with_events, with_records,
};

/// A vault under a key that the test knows, with something of everything in it.
fn lived_in() -> World {
    let mut world = World::new();
    world.keyring = Arc::new(Keyring::parse(&"07".repeat(32)).unwrap());
    world.reopen(VaultOptions::default());
    world.store =
        store_of([old_row(&world.keyring, "OLD", "legacy")], [old_event("set", "OLD"), old_event("get", "OLD")]);
    world.set("A", "a one").unwrap();
    world.rotate("A", "a two").unwrap();
    let graceful = Rotation { grace_millis: Some(100_000_000), ..Rotation::to(secret("a three")) };
    world.act(|v, a, e| v.rotate(a, &slot("A"), graceful, e)).unwrap();
    world.set("nexus:B", "b one").unwrap();
    world.set("GONE", "gone").unwrap();
    world.delete("GONE").unwrap();
    world.set("BACK", "back one").unwrap();
    world.delete("BACK").unwrap();
    world.set("BACK", "back two").unwrap();
    let ended = Setting { expiry: Some(Expiry::In(100_000_000)), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("ENDING"), (secret("soon over").into(), ended), e)).unwrap();
    for name in ["A", "nexus:B", "BACK", "OLD", "ENDING"] {
        world.get(name).unwrap();
    }
    let to = (Grantee::User("bob".into()), vec![Permission::Read], None);
    let policy = r#"{"rules": [{"id": "all", "users": ["alice"], "actions": ["*"]}]}"#;
    world.act(|v, a, e| v.set_policy(a, Policy::parse(policy).unwrap(), e)).unwrap();
    world.act(|v, a, e| v.grant(a, &slot("A"), to, e)).unwrap();
    world
}

fn page(world: &mut World, after: Option<&str>, limit: u32) -> Result<Renewed> {
    world.act(|v, a, e| v.renew_root(a, (after, limit), e).unwrap())
}

/// Renews from the first page to the last; gives what the pages told.
fn renew(world: &mut World, limit: u32) -> Vec<Renewed> {
    let mut pages = vec![page(world, None, limit).unwrap()];
    while let Some(next) = pages.last().unwrap().next.clone() {
        pages.push(page(world, Some(&next), limit).unwrap());
    }
    pages
}

/// The state in the middle of a renewal, and its next page.
fn half_renewed(world: &mut World) -> String {
    page(world, None, 2).unwrap().next.unwrap()
}

fn head(world: &World) -> Record {
    world.store.records().find(|record| record.key.kind == RecordKind::Head).unwrap().clone()
}

fn body(record: &Record) -> Value {
    serde_json::from_str(&record.data).unwrap()
}

/// The store with one record in another's place, or put in.
fn with_record(store: &MemoryStore, record: &Record) -> MemoryStore {
    with_records(store, |records| {
        records.retain(|known| known.key != record.key);
        records.push(record.clone());
    })
}

/// That everything of [`lived_in`] is as it should be, by every way to look at it.
fn assert_whole(world: &mut World, at: &str) {
    for (name, value) in [("A", "a three"), ("nexus:B", "b one"), ("BACK", "back two"), ("OLD", "legacy")] {
        assert_eq!(world.get(name).unwrap(), value, "{at}");
        let found = world.act(|v, a, e| v.identify(a, None, secret(value), e).unwrap()).unwrap();
        assert_eq!(found.name.as_deref(), Some(slot(name).name()), "{at}");
    }
    let previous = world.act(|v, a, e| v.identify(a, None, secret("a two"), e).unwrap()).unwrap();
    assert_eq!((previous.name.as_deref(), previous.matches), (Some("A"), Some(Match::Previous)), "{at}");
    let unknown = world.act(|v, a, e| v.identify(a, None, secret("a one"), e).unwrap()).unwrap();
    assert!(!unknown.accepted, "{at}");
    assert_eq!(code(world.get("GONE")), Code::SecretNotFound, "{at}");
    assert_eq!(world.get("ENDING").unwrap(), "soon over", "{at}");
    let listed = world.act(|v, a, e| v.list(a, None, e).unwrap()).unwrap();
    assert_eq!(listed.secrets.len(), 5, "{at}");
    let versions = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    assert!(versions.len() == 3 && versions.iter().all(|version| version.fingerprint.is_some()), "{at}");
    assert_eq!(world.act(|v, a, e| v.grants(a, &slot("A"), e)).unwrap().grants.len(), 1, "{at}");
    world.act(|v, a, e| v.census(a, e)).unwrap();
    world.act(|v, a, e| v.audit(a, None, 1000, e).unwrap()).unwrap();
    world.act(|v, a, e| v.audit(a, Some(&slot("A")), 1000, e).unwrap()).unwrap();
    world.verify().unwrap();
}

#[test]
fn everything_is_there_before_during_and_after_a_renewal() {
    let mut world = lived_in();
    assert_whole(&mut world, "before");
    let fingerprint = world.secret_record("A").columns.value_fingerprint.clone();
    let (mut after, mut pages) = (None::<String>, 0);
    loop {
        world.reopen(VaultOptions::default());
        let told = page(&mut world, after.as_deref(), 1).unwrap();
        pages += 1;
        assert_eq!((told.epoch, told.unreadable), (2, 0));
        assert_whole(&mut world, &format!("after page {pages}"));
        after = told.next;
        if after.is_none() {
            break;
        }
        assert_eq!(body(&head(&world))["moving_from"], json!(1));
    }
    assert!(pages > 5, "{pages}");
    assert_ne!(world.secret_record("A").columns.value_fingerprint, fingerprint);
    let head = body(&head(&world));
    assert_eq!((&head["epoch"], head.get("moving_from")), (&json!(2), None));
    assert_eq!(head["roots"].as_array().unwrap().len(), 2);
    assert_eq!(world.last_event().epoch, Some(2));
}

#[test]
fn each_secret_that_is_moved_has_an_event_and_a_second_look_writes_nothing() {
    let mut world = lived_in();
    let next = half_renewed(&mut world);
    let before = world.store.all_events().len();
    // A first page goes on with the renewal that is under way.
    let again = page(&mut world, None, 2).unwrap();
    assert_eq!((again.epoch, again.changed, again.next.as_ref()), (2, 0, Some(&next)));
    assert_eq!(world.store.all_events().len(), before);
    renew(&mut world, 100);
    let moved = world.store.all_events().iter().filter(|event| event.action.as_deref() == Some("renew_root"));
    let of_secrets = moved.filter(|event| event.stream.as_deref() != Some("vault"));
    assert_eq!(of_secrets.count(), 5);
    assert_eq!(body(world.secret_record("A"))["resealed"], json!(1));
}

#[test]
fn a_page_from_somewhere_begins_no_renewal_and_ends_none_before_its_time() {
    let mut world = lived_in();
    let next = half_renewed(&mut world);
    let mut fresh = lived_in();
    let told = page(&mut fresh, Some(&next), 2).unwrap();
    assert_eq!((told.epoch, told.changed), (1, 0));
    assert_eq!(body(&head(&fresh))["epoch"], json!(1));
    // The last page looks everywhere, whatever was passed over.
    let far = renew_far(&mut world);
    assert!(far.next.is_none() && far.changed >= 3, "{far:?}");
    assert_eq!(body(&head(&world)).get("moving_from"), None);
    assert_whole(&mut world, "after");
}

/// A page from behind the last stream.
fn renew_far(world: &mut World) -> Renewed {
    let mut last = page(world, None, 1).unwrap().next;
    let cursors: Vec<String> = std::iter::from_fn(|| {
        let at = last.clone()?;
        let query = strongroom::flow::ListQuery { kind: RecordKind::Stream, namespace: None, by: None, limit: 1 };
        let Answer::List { cursor, .. } = world.store.answer(&Request::List { query, cursor: Some(at.clone()) }) else {
            return None;
        };
        last = cursor;
        Some(at)
    })
    .collect();
    page(world, cursors.last().map(String::as_str), 1).unwrap()
}

#[test]
fn open_proposals_are_confirmed_after_a_renewal_and_confirmed_ones_tell_it_again() {
    for pages in [1, 100] {
        let mut world = lived_in();
        let rotate = world.propose("A", Change::Rotate, Some("a four")).unwrap().id;
        let delete = world.propose("nexus:B", Change::Delete, None).unwrap().id;
        let done = world.propose("BACK", Change::Rotate, Some("back three")).unwrap().id;
        world.act(|v, a, e| v.confirm(a, &done, e)).unwrap();
        // One is confirmed in the middle of it, before its secret or its own record was moved.
        page(&mut world, None, pages).unwrap();
        world.act(|v, a, e| v.confirm(a, &rotate, e)).unwrap();
        assert_eq!(world.get("A").unwrap(), "a four");
        renew(&mut world, pages);
        world.act(|v, a, e| v.confirm(a, &delete, e)).unwrap();
        assert!(world.act(|v, a, e| v.confirm(a, &done, e)).unwrap().repeated);
        assert_eq!(code(world.get("nexus:B")), Code::SecretNotFound);
        world.verify().unwrap();
    }
}

#[test]
fn a_renewal_that_is_cut_short_at_any_request_is_finished_by_another_process() {
    let world = lived_in();
    let mut cuts = 0;
    for arrives in [false, true] {
        for cut in 1.. {
            let mut cut_short = World::seeded(77 + cut, VaultOptions::default());
            (cut_short.keyring, cut_short.store) = (Arc::clone(&world.keyring), world.store.clone());
            cut_short.clock = world.clock.clone();
            let mut world = cut_short;
            world.reopen(VaultOptions::default());
            let (mut after, mut count, mut ended) = (None::<String>, 0, false);
            'pages: loop {
                let entropy = world.entropy();
                let mut flow = world.vault.renew_root(&world.actor, (after.as_deref(), 1), entropy).unwrap();
                let mut reply = None;
                loop {
                    match flow.step(world.clock.now(), reply.take()).unwrap() {
                        Step::Ask { number, request } => {
                            count += 1;
                            // The process is killed while its request is under way: it arrives, or it does not.
                            let answer = (count < cut || arrives).then(|| world.store.answer(&request));
                            if count == cut {
                                break 'pages;
                            }
                            reply = answer.map(|answer| Reply { number, answer });
                        }
                        Step::Done(result) => {
                            after = result.unwrap().next;
                            break;
                        }
                    }
                }
                if after.is_none() {
                    ended = true;
                    break;
                }
            }
            assert_eq!(world.get("A").unwrap(), "a three");
            world.verify().unwrap();
            if ended {
                break;
            }
            let has_begun = body(&head(&world)).get("moving_from").is_some();
            let was = body(&head(&world))["epoch"].as_u64().unwrap();
            let pages = renew(&mut world, 3);
            assert_eq!(pages[0].epoch, if has_begun { was } else { was + 1 }, "cut at {cut}");
            assert_eq!(body(&head(&world)).get("moving_from"), None);
            assert_whole(&mut world, &format!("cut at {cut}"));
            cuts += 1;
        }
    }
    assert!(cuts > 50, "{cuts}");
}

#[test]
fn forged_records_under_the_root_before_are_refused_for_every_kind() {
    let mut world = lived_in();
    let open = world.propose("A", Change::Rotate, Some("a four")).unwrap().id;
    let thief = Thief::of(&world);
    // The forgery is good: before the renewal it is what the vault wrote.
    for record in world.store.records() {
        assert_eq!(thief.forge(record.clone()).mac, record.mac, "{:?}", record.key);
    }
    let old = world.store.clone();
    let next = half_renewed(&mut world);
    // While it is under way, what rules the others is under the new root already.
    let half = world.store.clone();
    for kind in [RecordKind::Head, RecordKind::Ring, RecordKind::Policy] {
        let record = half.records().find(|record| record.key.kind == kind).unwrap().clone();
        world.store = with_record(&half, &thief.forge(record));
        assert!(world.get("A").is_err(), "{kind:?}");
    }
    let vault_stream = |record: &&Record| record.key.kind == RecordKind::Stream && record.key.namespace.is_empty();
    let record = half.records().find(vault_stream).unwrap().clone();
    world.store = with_record(&half, &thief.forge(record));
    assert_eq!(code(world.get("A")), Code::RecordTampered);
    world.store = half.clone();
    let mut after = Some(next);
    while let Some(next) = after {
        after = page(&mut world, Some(&next), 2).unwrap().next;
    }
    let new = world.store.clone();
    let mut kinds = Vec::new();
    for record in new.records() {
        // What is there, under the root before; and what was there then.
        let earlier = old.records().find(|known| known.key == record.key).cloned();
        for forged in [Some(thief.forge(record.clone())), earlier].into_iter().flatten() {
            world.store = with_record(&new, &forged);
            let slot = strongroom::ident::Slot::parse(Some(&forged.key.namespace), &forged.key.name);
            let result = match forged.key.kind {
                RecordKind::Pending => world.act(|v, a, e| v.confirm(a, &open, e)).map(|_| ()),
                _ => world.get_slot(&slot.unwrap_or(support::slot("A"))).map(|_| ()),
            };
            let tampered = code(result.clone());
            assert_eq!(tampered, Code::RecordTampered, "{:?}: {result:?}", forged.key);
            kinds.push(forged.key.kind);
        }
        // A secret together with its history, both as they were.
        if record.key.kind == RecordKind::Secret {
            let stream = RecordKey { kind: RecordKind::Stream, ..record.key.clone() };
            let stream = new.records().find(|known| known.key == stream).unwrap().clone();
            let forged = thief.forge(record.clone());
            let mut its = body(&stream);
            its["secret_mac"] = json!(forged.mac);
            let stream = thief.forge(Record { data: its.to_string(), ..stream });
            world.store = with_record(&with_record(&new, &forged), &stream);
            let slot = strongroom::ident::Slot::parse(Some(&record.key.namespace), &record.key.name).unwrap();
            assert_eq!(code(world.get_slot(&slot)), Code::RecordTampered);
        }
    }
    for kind in ["Secret", "Pending", "Stream", "Head", "Ring", "Policy"] {
        assert!(kinds.iter().any(|known| format!("{known:?}") == kind), "{kind}");
    }
}

#[test]
fn a_head_from_the_middle_of_a_renewal_is_not_taken_back_nor_made_from_the_one_after() {
    let mut world = lived_in();
    let thief = Thief::of(&world);
    half_renewed(&mut world);
    let during = head(&world);
    renew(&mut world, 100);
    let (new, after) = (world.store.clone(), head(&world));
    world.store = with_record(&new, &during);
    assert_eq!(code(world.get("A")), Code::RecordTampered);
    assert_eq!(code(world.verify()), Code::RecordTampered);
    let mut bodies = Vec::new();
    for (field, value) in [("moving_from", json!(1)), ("epoch", json!(1)), ("epoch", json!(3))] {
        let mut altered = body(&after);
        altered[field] = value;
        bodies.push(altered);
    }
    let mut without = body(&during);
    without.as_object_mut().unwrap().remove("moving_from");
    bodies.push(without);
    for altered in bodies {
        let altered = Record { data: altered.to_string(), ..after.clone() };
        for forged in [thief.forge(altered.clone()), altered] {
            world.store = with_record(&new, &forged);
            assert!(matches!(code(world.get("A")), Code::RecordTampered | Code::NotAuthentic));
        }
    }
}

#[test]
fn the_root_before_as_the_head_keeps_it_never_comes_into_force_again() {
    let mut world = lived_in();
    let thief = Thief::of(&world);
    let old = world.store.clone();
    renew(&mut world, 100);
    // A whole store of the first epoch, with the root before as it is sealed now: all of it under the root that was stolen.
    let mut forged = body(&head(&world));
    forged["epoch"] = json!(1);
    forged["roots"].as_array_mut().unwrap().truncate(1);
    let old_head = old.records().find(|record| record.key.kind == RecordKind::Head).unwrap().clone();
    let forged = thief.forge(Record { data: forged.to_string(), ..old_head });
    world.store = with_record(&old, &forged);
    assert_eq!(code(world.get("A")), Code::NotAuthentic);
    // With the sealed text of then it is the whole store put back, for as long as its key is there.
    world.store = old;
    assert_eq!(world.get("A").unwrap(), "a three");
}

#[test]
fn forged_events_of_an_earlier_epoch_are_found() {
    let mut world = lived_in();
    let thief = Thief::of(&world);
    for event in world.store.all_events().iter().filter(|event| event.stream.is_some()) {
        assert_eq!(thief.forge_event(event.clone()).mac, event.mac);
    }
    renew(&mut world, 2);
    world.get("A").unwrap();
    world.verify().unwrap();
    let new = world.store.clone();
    let uid = world.secret_record("A").columns.uid.clone();
    let chained = |event: &Event| event.stream.is_some() && event.epoch == Some(1);
    // One in the middle of each stream is another one.
    let mut streams: Vec<Option<String>> =
        new.all_events().iter().filter(|event| chained(event)).map(|event| event.stream.clone()).collect();
    streams.sort();
    streams.dedup();
    assert!(streams.len() > 5, "{streams:?}");
    for stream in &streams {
        let last = new.all_events().iter().rfind(|event| event.stream == *stream && chained(event));
        for seq in [Some(1), last.unwrap().seq] {
            world.store = with_events(&new, |events| {
                let mut prev = None;
                // The thief makes all that follow anew, as far as that epoch goes.
                for event in events.iter_mut().filter(|event| event.stream == *stream && chained(event)) {
                    if event.seq == seq {
                        event.actor = Some("mallory".into());
                        *event = thief.forge_event(event.clone());
                        prev.clone_from(&event.mac);
                    } else if let Some(mac) = prev.take() {
                        event.prev_mac = Some(mac);
                        *event = thief.forge_event(event.clone());
                        prev.clone_from(&event.mac);
                    }
                }
            });
            assert_eq!(code(world.verify()), Code::AuditTampered, "{stream:?} {seq:?}");
            let shown = world.act(|v, a, e| v.audit(a, None, 1000, e).unwrap());
            assert_eq!(code(shown), Code::AuditTampered, "{stream:?} {seq:?}");
        }
    }
    // One that follows an event of the new epoch, at the end and put between.
    let last = new.all_events().iter().rfind(|event| event.stream == uid).unwrap().clone();
    let (seq, prev_mac) = (last.seq.map(|seq| seq + 1), last.mac.clone());
    let appended = thief.forge_event(Event { seq, prev_mac, epoch: Some(1), ..last.clone() });
    world.store = with_events(&new, |events| events.push(appended));
    assert!(world.verify().unwrap_err().message().contains("earlier epoch"));
    assert_eq!(code(world.act(|v, a, e| v.audit(a, Some(&slot("A")), 10, e).unwrap())), Code::AuditTampered);
    let replaced = thief.forge_event(Event { epoch: Some(1), ..last.clone() });
    world.store = with_events(&new, |events| *events.iter_mut().find(|event| **event == last).unwrap() = replaced);
    assert!(world.verify().unwrap_err().message().contains("earlier epoch"));
    // A stream that never was, and an epoch that is not yet.
    for (stream, epoch) in [("ab".repeat(16), 1), ("vault".to_string(), 3), ("vault".to_string(), 0)] {
        let of_stream = new.all_events().iter().filter(|event| event.stream.as_ref() == Some(&stream)).count() as u64;
        let (stream, seq) = (Some(stream), Some(of_stream + 1));
        let made_up = thief.forge_event(Event { stream, seq, epoch: Some(epoch), prev_mac: None, ..last.clone() });
        world.store = with_events(&new, |events| events.push(made_up));
        assert_eq!(code(world.verify()), Code::AuditTampered);
        assert_eq!(code(world.act(|v, a, e| v.audit(a, None, 10, e).unwrap())), Code::AuditTampered);
    }
}

fn leak(world: &mut World, name: &str, without: WithoutGenerator) {
    let leaked = (Leaked::Secret(slot(name)), without);
    world.act(|v, a, e| v.emergency_rotate(a, leaked, (None, 10), e).unwrap()).unwrap();
}

#[test]
fn what_leaked_stays_refused_across_renewals_when_its_value_is_gone() {
    let mut world = lived_in();
    world.set("A", "leaked").unwrap();
    leak(&mut world, "A", WithoutGenerator::Keep);
    world.set("nexus:B", "leaked too").unwrap();
    leak(&mut world, "nexus:B", WithoutGenerator::Disable);
    world.delete("nexus:B").unwrap();
    // One that leaked and is still in use, and one that stays among the versions.
    world.set("BACK", "in use").unwrap();
    leak(&mut world, "BACK", WithoutGenerator::Keep);
    for number in 0..12 {
        world.set("A", &format!("later {number}")).unwrap();
    }
    let refused = |world: &mut World, name: &str, value: &str| {
        assert_eq!(code(world.set(name, value)), Code::VersionCompromised, "{name} {value}");
    };
    for epoch in 2..5 {
        let next = half_renewed(&mut world);
        for (name, value) in [("A", "leaked"), ("nexus:B", "leaked too"), ("BACK", "in use"), ("BACK", "back two")] {
            refused(&mut world, name, value);
        }
        page(&mut world, Some(&next), 500).unwrap();
        for (name, value) in [("A", "leaked"), ("nexus:B", "leaked too"), ("BACK", "in use"), ("BACK", "back two")] {
            refused(&mut world, name, value);
        }
        // What leaks in this epoch is remembered under its root.
        world.set("OLD", &format!("leaked in {epoch}")).unwrap();
        leak(&mut world, "OLD", WithoutGenerator::Keep);
        for number in 0..12 {
            world.set("OLD", &format!("later {epoch} {number}")).unwrap();
        }
        for earlier in 2..=epoch {
            refused(&mut world, "OLD", &format!("leaked in {earlier}"));
        }
        assert_eq!(body(&head(&world))["epoch"], json!(epoch));
    }
    let remembered = body(world.secret_record("OLD"))["compromised_fingerprints"].to_string();
    assert!(remembered.contains("\"2.") && remembered.contains("\"4."), "{remembered}");
    let number = world.act(|v, a, e| v.versions(a, &slot("BACK"), e)).unwrap().versions.last().unwrap().number;
    let rolled_back = world.act(|v, a, e| v.rollback(a, &slot("BACK"), number, e));
    assert_eq!(code(rolled_back), Code::VersionCompromised);
    // A new secret of a deleted one's name takes over what leaked there, and what did not is taken.
    world.set("nexus:B", "something else").unwrap();
    refused(&mut world, "nexus:B", "leaked too");
    world.verify().unwrap();
}

#[test]
fn after_two_renewals_and_a_rekey_the_old_key_is_retired_and_the_history_verifies() {
    let mut world = lived_in();
    renew(&mut world, 2);
    assert_eq!(renew(&mut world, 3)[0].epoch, 3);
    assert_whole(&mut world, "renewed twice");
    let old_key = world.keyring.keys().next().unwrap().id;
    let census = world.act(|v, a, e| v.census(a, e)).unwrap();
    assert_eq!(census.keys[0].1.root, 3);

    let mut keyring = Keyring::parse(&"07".repeat(32)).unwrap();
    keyring.add_primary(&mut Seeded::new(5), None, Timestamp::from_millis(0)).unwrap();
    let new_text = keyring.dangerous_export();
    world.keyring = Arc::new(keyring);
    world.reopen(VaultOptions::default());
    // A keyring that does not lead begins no renewal.
    assert_eq!(code(page(&mut world, None, 10)), Code::KeyringStale);
    let retire = |world: &mut World| world.act(|v, a, e| v.retire(a, old_key, e));
    assert_eq!(code(retire(&mut world)), Code::KeyInUse);
    world.act(|v, a, e| v.rekey(a, (None, 100), e).unwrap()).unwrap();
    let census = world.act(|v, a, e| v.census(a, e)).unwrap();
    assert!(census.keys.len() == 1 && census.keys[0].1.root == 3, "{census:?}");
    assert_eq!(retire(&mut world).unwrap().state, KeyState::Disabled);
    assert_eq!(retire(&mut world).unwrap().state, KeyState::Destroyed);
    // Without the old key in the keyring nothing is missed.
    let new_text = String::from_utf8(new_text.expose().to_vec()).unwrap();
    let first = new_text.split([',', '\n']).next().unwrap();
    world.keyring = Arc::new(Keyring::parse(first).unwrap());
    world.reopen(VaultOptions::default());
    assert_whole(&mut world, "under the new key alone");
    assert_eq!(renew(&mut world, 100)[0].epoch, 4);
    assert_whole(&mut world, "renewed once more");
}

#[test]
fn a_value_that_no_key_opens_is_told_and_known_again_when_it_leaks_later() {
    let mut world = lived_in();
    let other = Keyring::generate(&mut Seeded::new(9), Timestamp::from_millis(0)).unwrap();
    let foreign = old_row(&other, "FOREIGN", "unreadable");
    world.store = with_records(&world.store, |records| records.push(foreign));
    let mut both = Keyring::parse(&"07".repeat(32)).unwrap();
    let other_text = String::from_utf8(other.dangerous_export().expose().to_vec()).unwrap();
    both = Keyring::parse(&format!("{},{other_text}", "07".repeat(32))).unwrap_or(both);
    let both = Arc::new(both);
    let one = std::mem::replace(&mut world.keyring, both.clone());
    world.reopen(VaultOptions::default());
    world.act(|v, a, e| v.adopt(a, e)).unwrap();
    assert!(world.secret_record("FOREIGN").columns.value_fingerprint.is_some());
    world.keyring = one;
    world.reopen(VaultOptions::default());
    let unreadable: u64 = renew(&mut world, 2).iter().map(|page| page.unreadable).sum();
    assert_eq!(unreadable, 1);
    let left_behind = |world: &World| world.secret_record("FOREIGN").columns.value_fingerprint.clone().unwrap();
    assert!(left_behind(&world).starts_with("1."), "{}", left_behind(&world));
    let versions = world.act(|v, a, e| v.versions(a, &slot("FOREIGN"), e)).unwrap();
    assert_eq!(versions.versions[0].fingerprint, None, "it would be taken for one under the root in force");
    assert_eq!(renew(&mut world, 100).iter().map(|page| page.unreadable).sum::<u64>(), 1);
    assert!(left_behind(&world).starts_with("1."), "{}", left_behind(&world));
    // Who has its key may not put it back, whether it leaked before its version was retired or after.
    leak(&mut world, "FOREIGN", WithoutGenerator::Keep);
    world.keyring = both;
    world.reopen(VaultOptions::default());
    for later in 0..12 {
        assert_eq!(code(world.set("FOREIGN", "unreadable")), Code::VersionCompromised, "{later}");
        world.set("FOREIGN", &format!("later {later}")).unwrap();
    }
    world.verify().unwrap();
}

#[test]
fn a_host_without_an_old_key_that_writes_amid_a_renewal_forgets_nothing_that_may_leak() {
    let mut world = lived_in();
    let fresh = Keyring::generate(&mut Seeded::new(11), Timestamp::from_millis(0)).unwrap();
    let fresh_text = String::from_utf8(fresh.dangerous_export().expose().to_vec()).unwrap();
    let both = Arc::new(Keyring::parse(&format!("{fresh_text},{}", "07".repeat(32))).unwrap());
    world.keyring = both.clone();
    world.reopen(VaultOptions::default());
    world.act(|v, a, e| v.rekey(a, (None, 1), e).unwrap()).unwrap();
    let next = half_renewed(&mut world);
    world.keyring = Arc::new(fresh);
    world.reopen(VaultOptions::default());
    world.set("BACK", "written without the old key").unwrap();
    world.keyring = both;
    world.reopen(VaultOptions::default());
    page(&mut world, Some(&next), 500).unwrap();
    leak(&mut world, "BACK", WithoutGenerator::Keep);
    for value in ["back two", "written without the old key"] {
        assert_eq!(code(world.set("BACK", value)), Code::VersionCompromised, "{value}");
    }
}

#[test]
fn a_vault_from_before_there_were_rings_gets_one_with_its_new_root() {
    let mut world = World::new();
    world.keyring = Arc::new(Keyring::parse(&"07".repeat(32)).unwrap());
    world.reopen(VaultOptions::default());
    world.set("A", "one").unwrap();
    // What such a vault looks like: the head of its stream holds no ring.
    let thief = Thief::of(&world);
    world.store = with_records(&world.store, |records| {
        records.retain(|record| record.key.kind != RecordKind::Ring);
        for record in records.iter_mut().filter(|record| record.key.kind == RecordKind::Stream) {
            let mut its = body(record);
            its.as_object_mut().unwrap().retain(|name, _| !name.starts_with("ring_"));
            *record = thief.forge(Record { data: its.to_string(), ..record.clone() });
        }
    });
    assert_eq!(world.get("A").unwrap(), "one");
    renew(&mut world, 100);
    assert!(world.store.records().any(|record| record.key.kind == RecordKind::Ring));
    assert_eq!(world.get("A").unwrap(), "one");
    world.verify().unwrap();
}

#[test]
fn a_record_under_neither_root_keeps_the_renewal_from_ending_until_it_is_mended() {
    let mut world = lived_in();
    let next = half_renewed(&mut world);
    let good = world.secret_record("nexus:B").clone();
    let bad = Record { mac: Some("00".repeat(32)), ..good.clone() };
    world.store = with_record(&world.store, &bad);
    assert_eq!(code(page(&mut world, Some(&next), 500)), Code::RecordTampered);
    assert_eq!(body(&head(&world))["moving_from"], json!(1));
    world.store = with_record(&world.store, &good);
    renew(&mut world, 500);
    assert_eq!(world.get("nexus:B").unwrap(), "b one");
    world.verify().unwrap();
}

#[test]
fn a_key_that_only_a_former_root_needs_is_not_retired_and_an_operation_opens_no_former_root_in_vain() {
    // A vault in which all is under a new key but the root before.
    let mut world = lived_in();
    renew(&mut world, 100);
    let mut keyring = Keyring::parse(&"07".repeat(32)).unwrap();
    keyring.add_primary(&mut Seeded::new(5), None, Timestamp::from_millis(0)).unwrap();
    let text = String::from_utf8(keyring.dangerous_export().expose().to_vec()).unwrap();
    world.keyring = Arc::new(keyring);
    world.reopen(VaultOptions::default());
    let (former, old_key) = (body(&head(&world))["roots"][0].clone(), Keyring::parse(&"07".repeat(32)).unwrap());
    let old_key = old_key.keys().next().unwrap().id;
    world.act(|v, a, e| v.rekey(a, (None, 100), e).unwrap()).unwrap();
    let mut its = body(&head(&world));
    its["roots"][0] = former;
    let thief_of_the_new = ThiefOf(&world, &text).keys();
    let forged = thief_of_the_new.forge(Record { data: its.to_string(), ..head(&world) });
    let vault_stream = |record: &&Record| record.key.kind == RecordKind::Stream && record.key.namespace.is_empty();
    let stream = world.store.records().find(vault_stream).unwrap().clone();
    let mut of_vault = body(&stream);
    of_vault["head_mac"] = json!(forged.mac);
    let stream = thief_of_the_new.forge(Record { data: of_vault.to_string(), ..stream });
    world.store = with_record(&with_record(&world.store, &forged), &stream);
    let refused = world.act(|v, a, e| v.retire(a, old_key, e)).unwrap_err();
    assert_eq!(refused.code(), Code::KeyInUse);
    assert!(refused.message().contains("0 values, 0 earlier versions, 0 proposals and 1 vault roots"), "{refused}");
    world.keyring = Arc::new(Keyring::parse(text.split([',', '\n']).next().unwrap()).unwrap());
    world.reopen(VaultOptions::default());
    assert_eq!(world.get("A").unwrap(), "a three");
    world.set("A", "a four").unwrap();
    assert_eq!(code(world.verify()), Code::KeyUnknown);
}

/// Somebody who has the keyring's text too.
struct ThiefOf<'a>(&'a World, &'a str);

impl ThiefOf<'_> {
    fn keys(&self) -> Thief {
        let ThiefOf(world, text) = self;
        let (head, vault_id) = (body(&head(world)), world.vault_id());
        let root = head["roots"].as_array().unwrap().last().unwrap();
        let context =
            Context { vault_id: Some(&vault_id), version: root["epoch"].as_u64(), ..Context::of(Purpose::VaultRoot) };
        let text = text.split([',', '\n']).next().unwrap().strip_prefix("srk1.").unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap();
        let key = KeyMaterial::derive(Box::new(zeroize::Zeroizing::new(bytes[..32].try_into().unwrap())));
        let root = Sealed::parse(root["sealed"].as_str().unwrap()).unwrap().open(&key, &context).unwrap();
        let derive = |info: &str| {
            let mut key = [0; 32];
            hkdf::Hkdf::<Sha256>::new(None, root.expose()).expand(info.as_bytes(), &mut key).unwrap();
            key
        };
        Thief { record: derive("strongroom/v1/record"), audit: derive("strongroom/v1/audit") }
    }
}

// Several processes at once.

/// An operation, which may go on with where the one before it in its process ended.
type Make = Box<dyn Fn(&Vault, Option<&str>, Box<dyn Entropy>) -> Flow<Option<String>>>;

struct Process {
    script: Vec<Make>,
    at: usize,
    after: Option<String>,
    open: Option<(Flow<Option<String>>, u64, Request)>,
}

fn renewing() -> Vec<Make> {
    let first: Make = Box::new(|v, _, e| v.renew_root(&actor("admin"), (None, 1), e).unwrap().map(|told| told.next));
    let next = || -> Make {
        Box::new(|v, after, e| match after {
            Some(after) => v.renew_root(&actor("admin"), (Some(after), 1), e).unwrap().map(|told| told.next),
            None => v.exists(&actor("admin"), &slot("A"), e).map(|_| None),
        })
    };
    std::iter::once(first).chain((0..8).map(|_| next())).collect()
}

/// Runs processes in a random order, step by step; none may fail.
fn run_at_random(seed: u64, vault: &Vault, (store, clock): (&mut MemoryStore, &mut Clock), scripts: Vec<Vec<Make>>) {
    let mut random = Seeded::new(seed);
    let mut processes: Vec<Process> =
        scripts.into_iter().map(|script| Process { script, at: 0, after: None, open: None }).collect();
    let mut serial = seed << 20;
    loop {
        let waiting: Vec<usize> = (0..processes.len())
            .filter(|i| processes[*i].open.is_some() || processes[*i].at < processes[*i].script.len())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let process = &mut processes[waiting[random.below(waiting.len())]];
        let (mut flow, reply) = match process.open.take() {
            Some((flow, number, request)) => (flow, Some(Reply { number, answer: store.answer(&request) })),
            None => {
                serial += 1;
                (process.script[process.at](vault, process.after.as_deref(), Box::new(Seeded::new(serial))), None)
            }
        };
        match flow.step(clock.now(), reply).unwrap() {
            Step::Ask { number, request } => process.open = Some((flow, number, request)),
            Step::Done(result) => {
                process.after = result.unwrap();
                process.at += 1;
            }
        }
    }
}

#[test]
fn writers_and_readers_go_on_while_a_root_is_renewed_and_nothing_is_lost() {
    for seed in 0..60 {
        let mut world = lived_in();
        let id = world.propose("nexus:B", Change::Rotate, Some("b two")).unwrap().id;
        macro_rules! does {
            (|$v:ident, $a:ident, $e:ident| $flow:expr) => {{
                let make: Make = Box::new(move |$v, _, $e| {
                    let $a = &actor("alice");
                    $flow.map(|_| None)
                });
                make
            }};
        }
        let writer = vec![
            does!(|v, a, e| v.set(a, &slot("A"), plainly("a four"), e)),
            does!(|v, a, e| v.set(a, &slot("NEW"), plainly("new one"), e)),
            does!(|v, a, e| v.delete(a, &slot("BACK"), e)),
            does!(|v, a, e| v.rotate(a, &slot("A"), Rotation::to(secret("a five")), e)),
        ];
        let confirmer = vec![
            does!(|v, a, e| v.confirm(a, &id, e)),
            does!(|v, a, e| v.propose(a, &slot("OLD"), (Change::Rotate, Some(secret("x"))), e)),
            does!(|v, a, e| v.identify(a, None, secret("legacy"), e).unwrap().map(|found| assert!(found.accepted))),
        ];
        let reader = vec![
            does!(|v, a, e| v.get(a, &slot("OLD"), e)),
            does!(|v, a, e| v.verify_audit(a, e)),
            does!(|v, a, e| v.audit(a, None, 50, e).unwrap()),
            does!(|v, a, e| v.get(a, &slot("A"), e)),
        ];
        let policy = r#"{"rules": [{"id": "all", "users": ["alice", "admin"], "actions": ["*"]}]}"#;
        world.act(|v, a, e| v.set_policy(a, Policy::parse(policy).unwrap(), e)).unwrap();
        let (mut store, mut clock) = (world.store.clone(), world.clock.clone());
        let scripts = vec![renewing(), writer, confirmer, reader, renewing()];
        run_at_random(seed, &world.vault, (&mut store, &mut clock), scripts);
        (world.store, world.clock) = (store, clock);
        renew(&mut world, 100);
        assert_eq!(world.get("A").unwrap(), "a five", "{seed}");
        assert_eq!(world.get("NEW").unwrap(), "new one", "{seed}");
        assert_eq!(world.get("nexus:B").unwrap(), "b two", "{seed}");
        assert_eq!(world.get("OLD").unwrap(), "legacy", "{seed}");
        assert_eq!(code(world.get("BACK")), Code::SecretNotFound, "{seed}");
        let numbers = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
        assert_eq!(numbers.len(), 5, "{seed}");
        world.verify().unwrap();
        // Nothing is left under any root but the last.
        let thief = Thief::of(&world);
        for record in world.store.records() {
            assert_eq!(thief.forge(record.clone()).mac, record.mac, "{seed} {:?}", record.key);
        }
    }
}

#[test]
fn a_list_that_meets_the_end_of_a_renewal_tells_a_conflict_and_no_forgery() {
    let mut world = lived_in();
    let entropy = world.entropy();
    let flow = world.vault.list(&world.actor, None, entropy).unwrap();
    let mut asked = 0;
    let (mut store, mut clock) = (world.store.clone(), world.clock.clone());
    let mut beside = lived_in();
    beside.store = world.store.clone();
    let result = drive_with(flow, &mut clock, |_, request| {
        asked += 1;
        let answer = store.answer(request);
        // The records were read; the renewal begins and ends before they are looked at.
        if matches!(request, Request::Load { keys } if keys.iter().any(|key| key.name == "BACK")) {
            beside.store = store.clone();
            renew(&mut beside, 100);
            store = beside.store.clone();
        }
        answer
    });
    assert_eq!(code(result), Code::Conflict);
    world.store = store;
    assert_eq!(world.act(|v, a, e| v.list(a, None, e).unwrap()).unwrap().secrets.len(), 5);
    let _ = drive(
        world.vault.verify_audit(&world.actor, Box::new(Seeded::new(1))),
        &mut world.store.clone(),
        &mut world.clock.clone(),
    )
    .unwrap();
}
