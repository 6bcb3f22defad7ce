//! Checkpoints: what a history can't tell of itself is found against one that was kept elsewhere, also when whoever changed
//! the store has the keyring; and every honest later state verifies.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use std::sync::Arc;
use strongroom::audit::{Checkpoint, Event, Leaf};
use strongroom::record::RecordKind;
use strongroom::{Answer, ErrorCode as Code, Keyring, Timestamp, VaultOptions};
use support::thief::Thief;
use support::{Seeded, World, actor, drive, drive_with, old_event, old_row, signing_key, slot, store_of, with_records};

fn lived_in() -> World {
    let mut world = World::new();
    world.keyring = Arc::new(Keyring::parse(&"07".repeat(32)).unwrap());
    world.reopen(VaultOptions::default());
    world.store = store_of([old_row(&world.keyring, "OLD", "legacy")], [old_event("set", "OLD")]);
    for name in ["A", "B", "GONE"] {
        world.set(name, "one").unwrap();
        world.get(name).unwrap();
        world.rotate(name, "two").unwrap();
    }
    world.delete("GONE").unwrap();
    world
}

/// What is found against a checkpoint; the history alone shows nothing, and the finding is recorded.
#[track_caller]
fn finding(world: &mut World, kept: &str) -> String {
    let store = world.store.clone();
    world.verify().unwrap();
    world.store = store;
    let error = world.verify_against(kept).unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    let recorded = world.last_event();
    assert_eq!((recorded.action.as_deref(), recorded.code.as_deref()), (Some("verify_audit"), Some("AUDIT_TAMPERED")));
    error.message().to_string()
}

fn uid(world: &World, name: &str) -> String {
    world.secret_record(name).columns.uid.clone().unwrap()
}

fn leaf_of(kept: &str, stream: &str) -> Leaf {
    let checkpoint = Checkpoint::parse(kept, &[signing_key(1).verifier()]).unwrap();
    checkpoint.leaves().iter().find(|leaf| leaf.stream == stream).unwrap().clone()
}

fn is_of(event: &Event, stream: &str) -> bool {
    event.stream.as_deref() == Some(stream)
}

#[test]
fn a_checkpoint_tells_the_end_of_every_stream_and_is_recorded_with_its_digest() {
    let mut world = lived_in();
    let before = world.store.clone();
    let kept = world.checkpoint().unwrap();
    let checkpoint = Checkpoint::parse(&kept, &[signing_key(1).verifier()]).unwrap();
    let mut ends: Vec<(String, u64, Option<String>)> = Vec::new();
    for event in before.all_events().iter().filter(|event| event.stream.is_some()) {
        let stream = event.stream.clone().unwrap();
        ends.retain(|(known, ..)| *known != stream);
        ends.push((stream, event.seq.unwrap(), event.mac.clone()));
    }
    ends.sort();
    let hex = |mac: [u8; 32]| mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let told: Vec<_> =
        checkpoint.leaves().iter().map(|leaf| (leaf.stream.clone(), leaf.seq, Some(hex(leaf.mac)))).collect();
    assert_eq!(told, ends);
    assert_eq!(checkpoint.vault_id(), hex_of(&world.vault_id()));
    let event = world.last_event();
    assert_eq!((event.action.as_deref(), event.stream.as_deref()), (Some("checkpoint"), Some("vault")));
    assert_eq!(event.digest.as_deref(), kept.lines().nth(4));
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_store_never_holds_the_signing_key() {
    let mut world = lived_in();
    world.checkpoint().unwrap();
    let text = String::from_utf8(signing_key(1).dangerous_export().expose().to_vec()).unwrap();
    let mut seed = [0; 32];
    strongroom::Entropy::fill(&mut Seeded::new(1), &mut seed).unwrap();
    let shown = format!("{:?} {:?}", world.store.records().collect::<Vec<_>>(), world.store.all_events());
    assert!(!shown.contains(&text) && !shown.contains(&hex_of(&seed)));
}

#[test]
fn every_honest_later_state_verifies() {
    let mut world = lived_in();
    let mut kept = vec![world.checkpoint().unwrap()];
    world.set("A", "three").unwrap();
    world.delete("B").unwrap();
    kept.push(world.checkpoint().unwrap());
    world.set("B", "made again").unwrap();
    world.get("B").unwrap();
    world.set("GONE", "made again").unwrap();
    kept.push(world.checkpoint().unwrap());
    let late = old_row(&world.keyring, "LATE", "legacy");
    world.store = with_records(&world.store, |records| records.push(late));
    world.act(|v, a, e| v.adopt(a, e)).unwrap();
    kept.push(world.checkpoint().unwrap());
    let next = world.act(|v, a, e| v.renew_root(a, (None, 1), e).unwrap()).unwrap().next;
    kept.push(world.checkpoint().unwrap());
    world.act(|v, a, e| v.renew_root(a, (next.as_deref(), 500), e).unwrap()).unwrap();
    kept.push(world.checkpoint().unwrap());
    let mut keyring = world.keyring.duplicate();
    let fresh = keyring.add_enabled(&mut Seeded::new(5), None, Timestamp::from_millis(0)).unwrap();
    keyring.make_primary(&fresh).unwrap();
    world.keyring = Arc::new(keyring);
    world.reopen(VaultOptions::default());
    world.act(|v, a, e| v.rekey(a, (None, 500), e).unwrap()).unwrap();
    world.get("A").unwrap();
    kept.push(world.checkpoint().unwrap());
    for (index, kept) in kept.iter().enumerate() {
        world.verify_against(kept).unwrap_or_else(|error| panic!("checkpoint {index}: {error}"));
    }
}

#[test]
fn a_store_that_was_put_back_is_found() {
    let mut world = lived_in();
    let before = world.store.clone();
    world.set("NEW", "one").unwrap();
    world.get("NEW").unwrap();
    world.rotate("A", "three").unwrap();
    let kept = world.checkpoint().unwrap();
    world.store = before.clone();
    let found = finding(&mut world, &kept);
    let end = leaf_of(&kept, "vault").seq;
    assert!(found.contains(&format!("stream vault, event {end}: ")), "{found}");
    assert!(found.contains("the store was put back to an earlier state") && found.contains("and 2 more"), "{found}");
    // And when it went on from there, past what was attested.
    world.store = before;
    for name in ["X", "Y", "Z"] {
        world.set(name, "one").unwrap();
    }
    world.rotate("A", "another three").unwrap();
    world.set("NEW", "one").unwrap();
    let found = finding(&mut world, &kept);
    assert!(found.contains("the stream is missing"), "{found}");
}

#[test]
fn a_store_that_was_put_back_and_used_since_is_found_without_a_new_stream() {
    let mut world = lived_in();
    let before = world.store.clone();
    world.rotate("A", "three").unwrap();
    let kept = world.checkpoint().unwrap();
    world.store = before;
    world.rotate("A", "another three").unwrap();
    world.verify().unwrap();
    let found = finding(&mut world, &kept);
    assert!(found.contains(&format!("stream {}, event", uid(&world, "A"))), "{found}");
    assert!(found.contains("the store put back and used since"), "{found}");
}

#[test]
fn a_stream_that_was_cut_with_its_head_put_back_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let stream = uid(&world, "A");
    let cut = |events: &mut Vec<Event>| {
        let last = events.iter().rposition(|event| is_of(event, &stream)).unwrap();
        events.remove(last);
    };
    world.store = Thief::of(&world).relinked(&world.store, cut);
    let found = finding(&mut world, &kept);
    let end = leaf_of(&kept, &stream).seq;
    assert!(found.contains(&format!("stream {stream}, event {end}: ")), "{found}");
    assert!(found.contains("the stream was cut short"), "{found}");
}

#[test]
fn the_vaults_own_stream_cut_at_its_end_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let end = leaf_of(&kept, "vault").seq;
    // The deletion is the last thing in it, and comes back to life with its end.
    let cut = |events: &mut Vec<Event>| events.retain(|event| !is_of(event, "vault") || event.seq < Some(end - 1));
    let gone = world.store.all_events().iter().find(|event| event.action.as_deref() == Some("delete")).unwrap();
    let gone = gone.secret_uid.clone().unwrap();
    let relinked = Thief::of(&world).relinked(&world.store, |events| {
        cut(events);
        events.retain(|event| event.secret_uid.as_deref() != Some(&gone));
    });
    world.store = with_records(&relinked, |records| {
        records.retain(|record| record.key.kind != RecordKind::Stream || record.key.name != "GONE");
    });
    let found = finding(&mut world, &kept);
    assert!(found.contains("stream vault, event"), "{found}");
    assert!(found.contains("or the vault's stream was cut"), "{found}");
}

#[test]
fn a_whole_stream_that_was_dropped_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let stream = uid(&world, "B");
    let relinked = Thief::of(&world).relinked(&world.store, |events| {
        events.retain(|event| !is_of(event, &stream) && event.secret_uid.as_deref() != Some(&stream));
    });
    world.store = with_records(&relinked, |records| records.retain(|record| record.key.name != "B"));
    let found = finding(&mut world, &kept);
    let end = leaf_of(&kept, &stream).seq;
    assert!(found.contains(&format!("stream {stream}, event {end}: the stream is missing")), "{found}");
    assert!(found.contains("and 1 more"), "the vault's own stream is another: {found}");
}

#[test]
fn a_secret_deleted_and_made_again_behind_the_vaults_back_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let stream = uid(&world, "B");
    let relinked = Thief::of(&world).relinked(&world.store, |events| {
        events.retain(|event| !is_of(event, &stream) && event.secret_uid.as_deref() != Some(&stream));
    });
    world.store = with_records(&relinked, |records| records.retain(|record| record.key.name != "B"));
    world.set("B", "planted").unwrap();
    world.get("B").unwrap();
    world.rotate("B", "planted too").unwrap();
    let found = finding(&mut world, &kept);
    assert!(found.contains(&format!("stream {stream}, event")) && found.contains("is missing"), "{found}");
}

#[test]
fn a_chain_forged_by_someone_who_has_the_keyring_and_not_the_signing_key_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let blame = |events: &mut Vec<Event>| {
        let chained = events.iter_mut().filter(|event| event.stream.is_some());
        chained.for_each(|event| event.actor = Some("mallory".into()));
    };
    world.store = Thief::of(&world).relinked(&world.store, blame);
    let found = finding(&mut world, &kept);
    assert!(found.contains("the event is another: the history was forged"), "{found}");
    // They can sign a checkpoint of it, but not by the key that is trusted.
    let theirs = signing_key(2);
    let forged = world.act(|v, a, e| v.checkpoint(a, &theirs, e)).unwrap().checkpoint;
    let error = world.verify_against(&forged).unwrap_err();
    assert_eq!(error.code(), Code::BackupInvalid, "{error}");
}

#[test]
fn every_single_event_that_is_forged_is_found() {
    let mut world = lived_in();
    let kept = world.checkpoint().unwrap();
    let (thief, whole) = (Thief::of(&world), world.store.clone());
    let attested = whole.all_events().len() - 1;
    let chained: Vec<usize> = (0..attested).filter(|index| whole.all_events()[*index].stream.is_some()).collect();
    assert!(chained.len() >= 10, "{}", chained.len());
    for index in chained {
        let event = &whole.all_events()[index];
        world.store = thief.relinked(&whole, |events| events[index].actor = Some("mallory".into()));
        let found = finding(&mut world, &kept);
        // Whatever follows it in its stream is another event then, to the very end that the checkpoint tells.
        let end = leaf_of(&kept, event.stream.as_deref().unwrap());
        let named = format!("stream {}, event {}: the event is another", end.stream, end.seq);
        assert!(found.contains(&named), "{found}");
    }
}

#[test]
fn a_checkpoint_of_another_vault_is_refused_and_recorded() {
    let mut world = lived_in();
    let mut other = World::seeded(2, VaultOptions::default());
    other.set("A", "one").unwrap();
    let kept = other.checkpoint().unwrap();
    let found = finding(&mut world, &kept);
    assert!(found.contains(&hex_of(&other.vault_id())) && found.contains(&hex_of(&world.vault_id())), "{found}");
}

#[test]
fn a_history_that_does_not_hold_is_not_attested() {
    let mut world = lived_in();
    let stream = uid(&world, "A");
    world.store = support::with_events(&world.store, |events| {
        let last = events.iter().rposition(|event| is_of(event, &stream)).unwrap();
        events.remove(last);
    });
    let error = world.checkpoint().unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered);
    let recorded = world.last_event();
    assert_eq!((recorded.action.as_deref(), recorded.code.as_deref()), (Some("checkpoint"), Some("AUDIT_TAMPERED")));
    assert_eq!(recorded.digest, None);
}

#[test]
fn an_empty_store_has_a_checkpoint_of_its_beginning() {
    let mut world = World::new();
    let kept = world.checkpoint().unwrap();
    assert_eq!(leaf_of(&kept, "vault").seq, 1);
    world.verify_against(&kept).unwrap();
}

#[test]
fn a_checkpoint_of_a_busy_vault_holds_and_so_does_what_is_verified_against_it_meanwhile() {
    let mut world = lived_in();
    let (mut store, mut clock) = (world.store.clone(), world.clock.clone());
    let writer = support::vault(&world.keyring, VaultOptions::default());
    let mut round = 0;
    let mut between = |store: &mut strongroom::store::MemoryStore| {
        round += 1;
        let (alice, name) = (actor("writer"), format!("BUSY_{round}"));
        let set = writer.set(&alice, &slot(&name), support::plainly("x"), Box::new(Seeded::new(900 + round)));
        drive(set, store, &mut support::Clock::new()).unwrap();
        let get = writer.get(&alice, &slot("A"), Box::new(Seeded::new(1900 + round)));
        drive(get, store, &mut support::Clock::new()).unwrap();
        drive(
            writer.delete(&alice, &slot(&name), Box::new(Seeded::new(2900 + round))),
            store,
            &mut support::Clock::new(),
        )
        .unwrap();
    };
    let mut busily = |store: &mut strongroom::store::MemoryStore, request: &strongroom::Request| -> Answer {
        let reads = matches!(request.name(), "list" | "events");
        let answer = store.answer(request);
        if reads {
            between(store);
        }
        answer
    };
    let flow = world.vault.checkpoint(&world.actor, &signing_key(1), Box::new(Seeded::new(77)));
    let kept = drive_with(flow, &mut clock, |_, request| busily(&mut store, request)).unwrap().checkpoint;
    let attested = Checkpoint::parse(&kept, &[signing_key(1).verifier()]).unwrap();
    let flow = world.vault.verify_audit_against(&world.actor, attested, Box::new(Seeded::new(78)));
    drive_with(flow, &mut clock, |_, request| busily(&mut store, request)).unwrap();
    world.store = store;
    world.verify_against(&kept).unwrap();
}

#[test]
fn a_checkpoint_of_the_first_release_is_read_for_good() {
    let kept = include_str!("checkpoint_v1.txt");
    let checkpoint = Checkpoint::parse(kept, &[signing_key(1).verifier()]).unwrap();
    assert_eq!(checkpoint.leaves().len(), 4);
    assert_eq!(checkpoint.leaves().last().map(|leaf| (leaf.stream.as_str(), leaf.seq)), Some(("vault", 6)));
    assert!(Checkpoint::parse(&kept.replacen('1', "2", 1), &[signing_key(1).verifier()]).is_err());
}
