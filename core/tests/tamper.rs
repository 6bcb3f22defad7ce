//! What a hostile store can try: swapped values, altered records, altered histories. Nothing of it is believed.
//!
//! Alterations are made from the JSON of what is stored, so that no field is forgotten, old or new.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;
use strongroom::audit::Event;
use strongroom::crypto::sealed::Sealed;
use strongroom::crypto::{Context, KeyMaterial, Purpose};
use strongroom::ident::Slot;
use strongroom::record::{Change, Record, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::{Answer, Error, ErrorCode as Code, Keyring, Request, Result, VaultOptions};
use support::{World, code, drive_with, old_event, old_row, secret, store_of, unhex, with_events, with_records};

const KEY: [u8; 32] = [7; 32];

/// A vault that has seen some life, under a key that the test knows.
fn lived_in(seed: u64) -> World {
    let mut world = World::seeded(seed, VaultOptions::default());
    world.keyring = Arc::new(Keyring::parse(&"07".repeat(32)).unwrap());
    world.reopen(VaultOptions::default());
    world.store =
        store_of([old_row(&world.keyring, "OLD", "legacy")], [old_event("set", "OLD"), old_event("get", "OLD")]);
    world.set("A", "a one").unwrap();
    world.rotate("A", "a two").unwrap();
    world.rotate("A", "a three").unwrap();
    world.set("B", "b one").unwrap();
    world.set("nexus:A", "nexus one").unwrap();
    world.set("C", "c one").unwrap();
    world.get("C").unwrap();
    world.delete("C").unwrap();
    world.set("C", "c again").unwrap();
    for name in ["A", "B", "C", "nexus:A", "OLD", "A"] {
        world.get(name).unwrap();
    }
    assert_eq!(code(world.get("UNKNOWN")), Code::SecretNotFound);
    world.propose("A", Change::Rotate, Some("a four")).unwrap();
    world.propose("B", Change::Delete, None).unwrap();
    let id = world.propose("B", Change::Set, Some("b two")).unwrap().id;
    world.act(|vault, actor, entropy| vault.confirm(actor, &id, entropy)).unwrap();
    let id = world.propose("D", Change::Set, Some("d one")).unwrap().id;
    world.act(|vault, actor, entropy| vault.cancel(actor, &id, entropy)).unwrap();
    world.propose("D", Change::Set, Some("d one")).unwrap();
    world.actor = support::actor("alice").on_platform("telegram").unwrap();
    world.get("A").unwrap();
    world.verify().unwrap();
    world
}

fn body(record: &Record) -> Value {
    serde_json::from_str(&record.data).unwrap()
}

// Swap.

/// A sealed value and the place that it belongs in.
struct Place {
    what: String,
    sealed: String,
    purpose: Purpose,
    vault_id: [u8; 16],
    slot: Option<(String, String)>,
    uid: Option<[u8; 16]>,
    version: Option<u64>,
}

impl Place {
    fn open(&self, sealed: &str) -> Result<Vec<u8>> {
        let context = Context {
            vault_id: Some(&self.vault_id),
            namespace: self.slot.as_ref().map(|slot| &*slot.0),
            name: self.slot.as_ref().map(|slot| &*slot.1),
            uid: self.uid.as_ref(),
            version: self.version,
            ..Context::of(self.purpose)
        };
        let key = KeyMaterial::derive(Box::new(zeroize::Zeroizing::new(KEY)));
        Ok(Sealed::parse(sealed)?.open(&key, &context)?.expose().to_vec())
    }
}

/// The bytes of a proposal's id.
fn decode(id: &str) -> Option<[u8; 16]> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()
}

/// Every sealed value of a store.
fn places(world: &World, label: &str) -> Vec<Place> {
    let vault_id = world.vault_id();
    let mut places = Vec::new();
    for record in world.store.records() {
        let (key, body) = (&record.key, body(record));
        let mut add = |sealed: Option<&str>, purpose, slot, uid, version| {
            let Some(sealed) = sealed.filter(|sealed| sealed.starts_with("sr1.")) else { return };
            let what = format!("{label}: {purpose:?} {slot:?} {version:?}");
            places.push(Place { what, sealed: sealed.to_string(), purpose, vault_id, slot, uid, version });
        };
        match key.kind {
            RecordKind::Secret => {
                let slot = Some((key.namespace.clone(), key.name.clone()));
                let uid = Some(unhex(record.columns.uid.as_deref().unwrap()));
                let columns = &record.columns;
                add(columns.value_encrypted.as_deref(), Purpose::Secret, slot.clone(), uid, columns.version);
                for version in body["versions"].as_array().unwrap() {
                    add(version["value"].as_str(), Purpose::Secret, slot.clone(), uid, version["number"].as_u64());
                }
            }
            RecordKind::Pending => {
                let text = |name: &str| body[name].as_str().unwrap().to_string();
                let slot = Some((text("namespace"), text("name")));
                add(body["sealed"].as_str(), Purpose::Pending, slot, decode(&key.name), None);
            }
            RecordKind::Head => {
                let root = &body["roots"][0];
                add(root["sealed"].as_str(), Purpose::VaultRoot, None, None, root["epoch"].as_u64());
            }
            RecordKind::Stream => {}
        }
    }
    places
}

#[test]
fn no_sealed_value_opens_in_any_other_place() {
    let (one, two) = (lived_in(1), lived_in(2));
    let all: Vec<Place> = places(&one, "one").into_iter().chain(places(&two, "two")).collect();
    let mut swapped = 0;
    for (i, value) in all.iter().enumerate() {
        for (j, place) in all.iter().enumerate() {
            let opened = place.open(&value.sealed);
            if i == j {
                assert!(opened.is_ok(), "{} opens at home", value.what);
            } else {
                assert_eq!(opened.unwrap_err().code(), Code::NotAuthentic, "{} in {}", value.what, place.what);
                swapped += 1;
            }
        }
    }
    assert!(all.len() >= 20 && swapped >= 380, "{} values, {swapped} swaps", all.len());
}

/// Puts a sealed text into one of the places of a secret's record: 0 is the current value, then the versions.
fn replace(record: &mut Record, index: usize, sealed: &str) {
    if index == 0 {
        record.columns.value_encrypted = Some(sealed.to_string());
    } else {
        let mut body = body(record);
        body["versions"][index - 1]["value"] = json!(sealed);
        record.data = body.to_string();
    }
}

#[test]
fn a_store_that_swaps_values_between_records_is_refused() {
    let (mut world, other) = (lived_in(1), lived_in(2));
    let whole = world.store.clone();
    let values: Vec<String> =
        places(&world, "one").into_iter().chain(places(&other, "two")).map(|place| place.sealed).collect();
    let targets: Vec<Record> =
        whole.records().filter(|record| record.key.kind == RecordKind::Secret).cloned().collect();
    let mut swapped = 0;
    for target in &targets {
        for index in 0..=body(target)["versions"].as_array().unwrap().len() {
            for sealed in &values {
                let mut altered = target.clone();
                replace(&mut altered, index, sealed);
                if altered == *target || body(&altered) == body(target) && altered.columns == target.columns {
                    continue;
                }
                world.store = with_records(&whole, |records| {
                    *records.iter_mut().find(|record| record.key == altered.key).unwrap() = altered.clone();
                });
                let slot = Slot::parse(Some(&altered.key.namespace), &altered.key.name).unwrap();
                assert_eq!(code(world.get_slot(&slot)), Code::RecordTampered);
                swapped += 1;
            }
        }
    }
    assert!(swapped > 100, "{swapped}");
}

/// The canonical encoding of `docs/format.md`, written a second time: what an insider with the record key could do.
fn forge(record: &mut Record, record_key: &[u8; 32]) {
    fn field(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
        let Some(field) = field else { return bytes.push(0) };
        bytes.push(1);
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    let mut bytes = Vec::new();
    let (key, columns) = (&record.key, &record.columns);
    let text = |text: &Option<String>| text.clone().map(String::into_bytes);
    let number = |number: Option<u64>| number.map(|number| number.to_be_bytes().to_vec());
    let at = |at: &Option<strongroom::Timestamp>| number(at.map(|at| at.as_millis().cast_unsigned()));
    let fields = [
        Some(b"strongroom/v1/record".to_vec()),
        Some(key.kind.name().into()),
        Some(key.namespace.clone().into()),
        Some(key.name.clone().into()),
        number(Some(record.revision)),
        text(&columns.uid),
        text(&columns.state),
        number(columns.version),
        text(&columns.value_encrypted),
        text(&columns.encryption_key_id),
        text(&columns.value_fingerprint),
        at(&columns.last_rotated),
        text(&columns.created_by),
        at(&columns.created_at),
        at(&columns.updated_at),
        Some(record.data.clone().into()),
    ];
    fields.iter().for_each(|one| field(&mut bytes, one.as_deref()));
    let mac = Hmac::<Sha256>::new_from_slice(record_key).unwrap().chain_update(&bytes).finalize().into_bytes();
    record.mac = Some(mac.iter().map(|byte| format!("{byte:02x}")).collect());
}

fn record_key(world: &World) -> [u8; 32] {
    let root = places(world, "").into_iter().find(|place| place.purpose == Purpose::VaultRoot).unwrap();
    let mut key = [0; 32];
    let root = root.open(&root.sealed).unwrap();
    hkdf::Hkdf::<Sha256>::new(None, &root).expand(b"strongroom/v1/record", &mut key).unwrap();
    key
}

#[test]
fn swapped_values_do_not_open_even_under_a_forged_mac() {
    let (mut world, other) = (lived_in(1), lived_in(2));
    let (whole, key) = (world.store.clone(), record_key(&world));
    // The forgery is good: a record forged without a change is taken.
    let mut same = world.secret_record("B").clone();
    let mac = same.mac.take();
    forge(&mut same, &key);
    assert_eq!(same.mac, mac);
    let mut swapped = 0;
    for place in places(&world, "one").into_iter().chain(places(&other, "two")) {
        for name in ["A", "B", "C", "nexus:A"] {
            let mut altered = world.secret_record(name).clone();
            if altered.columns.value_encrypted.as_ref() == Some(&place.sealed) {
                continue;
            }
            altered.columns.value_encrypted = Some(place.sealed.clone());
            forge(&mut altered, &key);
            world.store = with_records(&whole, |records| {
                *records.iter_mut().find(|record| record.key == altered.key).unwrap() = altered.clone();
            });
            assert_eq!(code(world.get(name)), Code::NotAuthentic, "{} in {name}", place.what);
            swapped += 1;
            world.store = whole.clone();
        }
    }
    assert!(swapped >= 76, "{swapped}");
}

#[test]
fn a_whole_record_in_the_place_of_another_is_refused() {
    let (mut world, other) = (lived_in(1), lived_in(2));
    let whole = world.store.clone();
    let mut moved = 0;
    for stolen in whole.records().chain(other.store.records()) {
        for target in whole.records().filter(|target| target.key.kind == stolen.key.kind) {
            if stolen == target {
                continue;
            }
            let altered = Record { key: target.key.clone(), ..stolen.clone() };
            if target.key.kind == RecordKind::Head {
                // Another vault's head opens under the same keyring, and then nothing here is its own.
                world.store = with_records(&whole, |records| replace_record(records, altered));
                assert_eq!(code(world.get("A")), Code::RecordTampered);
            } else {
                assert_refused(&mut world, &whole, altered, "moved");
            }
            moved += 1;
        }
    }
    assert!(moved > 100, "{moved}");
}

// Records.

/// Every value that differs from this one in one place, with the path of the place.
fn alterations(value: &Value) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = Vec::new();
    let mut add = |path: &str, value: Value| all.push((path.to_string(), value));
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                for (path, new) in alterations(inner) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), new);
                    add(&format!("{name}.{path}"), Value::Object(fields));
                }
                let mut fewer = fields.clone();
                fewer.remove(name);
                add(&format!("{name}.gone"), Value::Object(fewer));
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                for (path, new) in alterations(inner) {
                    let mut items = items.clone();
                    items[index] = new;
                    add(&format!("{index}.{path}"), Value::Array(items));
                }
                let mut fewer = items.clone();
                fewer.remove(index);
                add(&format!("{index}.gone"), Value::Array(fewer));
                let mut more = items.clone();
                more.insert(index, inner.clone());
                add(&format!("{index}.twice"), Value::Array(more));
            }
            let reversed: Vec<Value> = items.iter().rev().cloned().collect();
            add("reversed", Value::Array(reversed));
        }
        Value::String(text) => {
            add("longer", json!(format!("{text}0")));
            add("shorter", json!(text.chars().skip(1).collect::<String>()));
            add("empty", json!(""));
            add("null", Value::Null);
            add("upper", json!(text.to_uppercase()));
            let mut flipped: Vec<char> = text.chars().collect();
            if let Some(last) = flipped.last_mut() {
                *last = if *last == 'A' { 'B' } else { 'A' };
            }
            add("flipped", json!(flipped.into_iter().collect::<String>()));
            for word in ["secret", "pending", "stream", "head", "active", "disabled", "vault", "success", "denied"] {
                add(word, json!(word));
            }
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str::<Value>(text) {
                for (path, new) in alterations(&inner) {
                    add(&format!("inside.{path}"), json!(new.to_string()));
                }
            }
        }
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            for (path, new) in [("more", number + 1), ("less", number - 1), ("zero", 0), ("one", 1)] {
                add(path, json!(new));
            }
            add("null", Value::Null);
        }
        Value::Bool(flag) => {
            add("not", json!(!flag));
            add("null", Value::Null);
        }
        Value::Null => {
            for (path, new) in
                [("text", json!("x")), ("number", json!(1)), ("yes", json!(true)), ("hex", json!("00".repeat(32)))]
            {
                add(path, new);
            }
        }
    }
    all.retain(|(_, new)| new != value);
    all
}

fn altered_records(record: &Record) -> Vec<(String, Record)> {
    let value = serde_json::to_value(record).unwrap();
    alterations(&value)
        .into_iter()
        .filter_map(|(path, value)| Some((path, serde_json::from_value::<Record>(value).ok()?)))
        .filter(|(_, altered)| altered != record)
        .collect()
}

fn replace_record(records: &mut Vec<Record>, altered: Record) {
    records.retain(|record| record.key != altered.key);
    records.push(altered);
}

/// Every operation that meets a record of the key refuses it.
#[track_caller]
fn assert_refused(world: &mut World, whole: &MemoryStore, altered: Record, path: &str) {
    let key = altered.key.clone();
    world.store = with_records(whole, |records| replace_record(records, altered));
    let slot = Slot::parse_stored(Some(&key.namespace), &key.name);
    let mut results: Vec<(&str, Result<()>)> = Vec::new();
    match (key.kind, slot) {
        (RecordKind::Secret, Ok(slot)) => {
            results.push(("get", world.get_slot(&slot).map(drop)));
            results.push(("set", world.act(|v, a, e| v.set(a, &slot, secret("new"), e)).map(drop)));
            results.push(("rotate", world.act(|v, a, e| v.rotate(a, &slot, secret("new"), e)).map(drop)));
            results.push(("delete", world.act(|v, a, e| v.delete(a, &slot, e)).map(drop)));
            results.push(("exists", world.act(|v, a, e| v.exists(a, &slot, e)).map(drop)));
            results.push(("propose", world.act(|v, a, e| v.propose(a, &slot, (Change::Delete, None), e)).map(drop)));
            results.push(("list", world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop)));
            results.push(("census", world.act(|v, a, e| v.census(a, e)).map(drop)));
        }
        (RecordKind::Secret, Err(_)) => {
            results.push(("list", world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop)));
        }
        (RecordKind::Pending, _) => {
            if decode(&key.name).is_some() && key.namespace.is_empty() {
                results.push(("confirm", world.act(|v, a, e| v.confirm(a, &key.name, e)).map(drop)));
                results.push(("cancel", world.act(|v, a, e| v.cancel(a, &key.name, e)).map(drop)));
            }
            results.push(("census", world.act(|v, a, e| v.census(a, e)).map(drop)));
        }
        (RecordKind::Stream, slot) => {
            results.push(("verify_audit", world.verify().map(drop)));
            if let Ok(slot) = slot {
                results.push(("get", world.get_slot(&slot).map(drop)));
                results.push(("set", world.act(|v, a, e| v.set(a, &slot, secret("new"), e)).map(drop)));
                results.push(("delete", world.act(|v, a, e| v.delete(a, &slot, e)).map(drop)));
            } else if key.name == "vault" && key.namespace.is_empty() {
                results.push(("get", world.get("A").map(drop)));
                results.push(("list", world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop)));
            }
        }
        (RecordKind::Head, _) => {
            results.push(("get", world.get("A").map(drop)));
            results.push(("verify_audit", world.verify().map(drop)));
        }
    }
    for (operation, result) in results {
        let found = result.as_ref().err().map(Error::code);
        assert_eq!(found, Some(Code::RecordTampered), "{operation} after {path} of {key:?}");
    }
}

#[test]
fn every_altered_field_of_every_record_is_refused() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for record in whole.records().filter(|record| record.key.kind != RecordKind::Head) {
        for (path, altered) in altered_records(record) {
            if path.starts_with("counters") {
                world.store = with_records(&whole, |records| replace_record(records, altered));
                world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).unwrap();
                world.verify().unwrap();
            } else if path.starts_with("key.") {
                // Under another key it is another record, and what was there is gone: that is no alteration to be found,
                // but the record is believed nowhere else. A head is looked for under one key alone.
                if altered.key.kind == RecordKind::Head && altered.key.name != "vault" {
                    continue;
                }
                let moved = with_records(&whole, |records| records.retain(|other| other.key != record.key));
                assert_refused(&mut world, &moved, altered, &path);
            } else {
                assert_refused(&mut world, &whole, altered, &path);
            }
            *counts.entry(record.key.kind.name()).or_default() += 1;
        }
    }
    assert!(counts["secret"] > 400 && counts["pending"] > 250 && counts["stream"] > 250, "{counts:?}");
}

#[test]
fn every_altered_field_of_the_head_is_refused() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let head = whole.records().find(|record| record.key.kind == RecordKind::Head).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, altered) in altered_records(head) {
        let sealed = path.starts_with("data.inside.roots.0.sealed") || path.starts_with("data.inside.vault_id");
        let moved = path.starts_with("key.");
        world.store = with_records(&whole, |records| {
            records.retain(|record| record.key != head.key);
            replace_record(records, altered);
        });
        if path.starts_with("counters") {
            world.get("A").unwrap();
            continue;
        }
        let events = world.store.all_events().len();
        for found in [code(world.get("A")), code(world.set("A", "x")), code(world.verify())] {
            if moved {
                assert_eq!(found, Code::VaultHeadMissing, "{path}");
            } else if sealed {
                // Here the root itself does not open, and without it there is no key to check a MAC with.
                let all = [Code::NotAuthentic, Code::KeyUnknown, Code::TokenMalformed, Code::RecordTampered];
                assert!(all.contains(&found), "{path}: {found}");
            } else {
                assert_eq!(found, Code::RecordTampered, "{path}");
            }
        }
        assert_eq!(world.store.all_events().len(), events);
        *counts
            .entry(if moved {
                "moved"
            } else if sealed {
                "sealed"
            } else {
                "other"
            })
            .or_default() += 1;
    }
    assert!(counts["moved"] >= 15 && counts["sealed"] >= 20 && counts["other"] >= 40, "{counts:?}");
}

// Histories.

fn place(event: &Event) -> (String, u64) {
    (event.stream.clone().unwrap(), event.seq.unwrap())
}

/// What `verify_audit` says of the store.
fn finding(world: &mut World) -> String {
    let before = world.store.all_events().len();
    let error = world.verify().unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    assert_eq!(world.store.all_events().len(), before + 1, "the finding is recorded");
    assert_eq!(world.last_event().code.as_deref(), Some("AUDIT_TAMPERED"));
    error.message().to_string()
}

/// Fails unless the finding names this place.
#[track_caller]
fn assert_named(found: &str, (stream, seq): (&str, u64), what: &str) {
    assert!(found.contains(&format!("stream {stream}, event {seq}:")), "{what} of {stream} {seq}: {found}");
}

#[test]
fn every_altered_field_of_every_event_is_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut altered_count = 0;
    for (index, event) in whole.all_events().iter().enumerate() {
        let value = serde_json::to_value(event).unwrap();
        for (path, new) in alterations(&value) {
            let Ok(new) = serde_json::from_value::<Event>(new) else { continue };
            if new == *event {
                continue;
            }
            world.store = with_events(&whole, |events| events[index] = new.clone());
            let found = match world.verify() {
                Err(error) => {
                    assert_eq!(error.code(), Code::AuditTampered, "{path} of event {index}: {error}");
                    error.message().to_string()
                }
                Ok(_) => panic!("{path} of event {index} was altered and not found: {event:?}"),
            };
            altered_count += 1;
            match &event.stream {
                None => assert!(
                    found.contains("the old rows")
                        || found.contains("event lost its place")
                        || found.contains("altered"),
                    "{path}: {found}"
                ),
                Some(_) if path.starts_with("stream") || path.starts_with("seq") => {
                    let (old, new) = (event.stream.clone().unwrap(), new.stream.filter(|stream| !stream.is_empty()));
                    let names = |stream: &str| found.contains(&format!("stream {stream}, event"));
                    assert!(names(&old) || names(new.as_deref().unwrap_or("(none)")), "{path}: {found}");
                }
                Some(stream) => assert_named(&found, (stream, event.seq.unwrap()), &path),
            }
        }
    }
    assert!(altered_count > 2500, "{altered_count}");
}

#[test]
fn every_dropped_or_doubled_event_is_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut count = 0;
    for (index, event) in whole.all_events().iter().enumerate() {
        world.store = with_events(&whole, |events| drop(events.remove(index)));
        let found = finding(&mut world);
        match &event.stream {
            None => assert!(found.contains("the old rows"), "{found}"),
            Some(stream) => assert_named(&found, (stream, event.seq.unwrap()), "the loss"),
        }
        world.store = with_events(&whole, |events| events.insert(index, event.clone()));
        let found = finding(&mut world);
        match &event.stream {
            None => assert!(found.contains("the old rows"), "{found}"),
            Some(stream) => assert_named(&found, (stream, event.seq.unwrap()), "the double"),
        }
        count += 2;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn swapped_events_are_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut count = 0;
    for (i, one) in whole.all_events().iter().enumerate() {
        for (j, two) in whole.all_events().iter().enumerate().skip(i + 1) {
            // Each in the other's place, whether in one stream or between two.
            let (Some(_), Some(_)) = (&one.stream, &two.stream) else { continue };
            world.store = with_events(&whole, |events| {
                events[i] = Event { stream: two.stream.clone(), seq: two.seq, ..one.clone() };
                events[j] = Event { stream: one.stream.clone(), seq: one.seq, ..two.clone() };
            });
            let found = finding(&mut world);
            let names = |event: &Event| {
                let (stream, seq) = place(event);
                found.contains(&format!("stream {stream}, event {seq}:"))
            };
            assert!(names(one) || names(two), "{found}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn a_store_that_gives_events_out_of_order_is_found() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut in_order: Vec<(String, u64)> =
        whole.all_events().iter().filter(|event| event.stream.is_some()).map(place).collect();
    in_order.sort();
    let chained = in_order.len();
    let alone = |stream: &str| in_order.iter().filter(|(other, _)| other == stream).count() == 1;
    for position in 0..chained - 1 {
        if alone(&in_order[position].0) && alone(&in_order[position + 1].0) {
            continue; // Two whole streams changed places: every stream is in order.
        }
        let entropy = world.entropy();
        let flow = world.vault.verify_audit(&world.actor, entropy);
        let mut store = whole.clone();
        let result = drive_with(flow, &mut world.clock, |_, request| match store.answer(request) {
            Answer::Events { mut events, cursor } if events.len() == chained => {
                events.swap(position, position + 1);
                Answer::Events { events, cursor }
            }
            answer => answer,
        });
        assert_eq!(code(result), Code::AuditTampered, "{position}");
    }
    assert!(chained > 25);
}

#[test]
fn an_event_spliced_onto_the_end_of_a_stream_is_named() {
    let (mut world, other) = (lived_in(1), lived_in(2));
    let whole = world.store.clone();
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    for event in whole.all_events().iter().filter(|event| event.stream.is_some()) {
        let (stream, seq) = place(event);
        ends.insert(stream, seq);
    }
    let mut count = 0;
    for (stream, end) in &ends {
        for event in whole.all_events().iter().chain(other.store.all_events()) {
            let spliced = Event { stream: Some(stream.clone()), seq: Some(end + 1), ..event.clone() };
            if stream == "vault" {
                // The vault's own next event takes the same place, so the operation can't even be recorded.
                world.store = with_events(&whole, |events| events.push(spliced));
                assert!(matches!(code(world.verify()), Code::AuditTampered | Code::Conflict));
            } else {
                world.store = with_events(&whole, |events| events.push(spliced));
                assert_named(&finding(&mut world), (stream, end + 1), "the splice");
            }
            count += 1;
        }
    }
    assert!(ends.len() >= 7 && count > 300, "{} streams, {count}", ends.len());
}

#[test]
fn an_event_from_another_course_of_the_same_history_is_named() {
    // Both are authentic and in their place: a copy of the store went on by itself, and gave an event back.
    let (mut one, mut two) = (lived_in(1), lived_in(1));
    for world in [&mut one, &mut two] {
        world.clock.0 += 60_000;
        world.get("A").unwrap();
    }
    two.clock.0 += 60_000;
    let fork = one.store.all_events().len();
    for _ in 0..3 {
        one.get("A").unwrap();
        two.get("A").unwrap();
    }
    let (mine, theirs) = (one.store.clone(), two.store.all_events().to_vec());
    for offset in 0..3 {
        one.store = with_events(&mine, |events| events[fork + offset] = theirs[fork + offset].clone());
        let (stream, seq) = place(&theirs[fork + offset]);
        let noticed = if offset == 0 { seq + 1 } else { seq };
        assert_named(&finding(&mut one), (&stream, noticed), "the other course");
    }
}

#[test]
fn a_stream_that_was_cut_short_is_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    for event in whole.all_events().iter().filter(|event| event.stream.is_some()) {
        let (stream, seq) = place(event);
        ends.insert(stream, seq);
    }
    let mut count = 0;
    for (stream, end) in ends {
        for kept in 0..end {
            world.store = with_events(&whole, |events| {
                events.retain(|event| event.stream.as_ref() != Some(&stream) || event.seq.unwrap() <= kept);
            });
            assert_named(&finding(&mut world), (&stream, kept + 1), "the cut");
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
}

#[test]
fn a_stream_without_its_head_is_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut count = 0;
    for record in whole.records().filter(|record| record.key.kind == RecordKind::Stream) {
        let stream = body(record)["stream"].as_str().unwrap().to_string();
        let seq = body(record)["seq"].as_u64().unwrap();
        world.store = with_records(&whole, |records| records.retain(|other| other.key != record.key));
        let events = world.store.all_events().len();
        let result = world.verify();
        if stream == "vault" {
            // The finding can't be recorded: its place is taken, and nothing is overwritten.
            assert!(matches!(code(result), Code::AuditTampered | Code::Conflict));
            assert_eq!(world.store.all_events().len(), events);
        } else if seq > 0 {
            assert_eq!(result.as_ref().unwrap_err().code(), Code::AuditTampered);
            assert_named(result.unwrap_err().message(), (&stream, seq), "the head");
        } else {
            continue;
        }
        // Nor does the stream begin anew over its events.
        if stream != "vault" {
            let slot = Slot::parse_stored(Some(&record.key.namespace), &record.key.name).unwrap();
            assert_eq!(code(world.get_slot(&slot)), Code::Conflict);
        }
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn rows_added_to_or_taken_from_the_old_ones_are_found() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    world.store = with_events(&whole, |events| events.push(old_event("get", "OLD")));
    assert!(finding(&mut world).contains("they are not what was adopted"));
    world.store = with_events(&whole, |events| events.retain(|event| event.stream.is_some()));
    assert!(finding(&mut world).contains("they are gone"));
    world.store = with_events(&whole, |events| events.swap(0, 1));
    assert!(finding(&mut world).contains("they are not what was adopted"));
    // Somebody who answers for the new rows adopts them.
    world.store = with_events(&whole, |events| events.push(old_event("get", "OLD")));
    world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).unwrap();
    assert_eq!(world.verify().unwrap().unchained, 3);
    let mut fresh = World::new();
    fresh.set("A", "one").unwrap();
    fresh.store = with_events(&fresh.store, |events| events.push(old_event("get", "A")));
    assert!(finding(&mut fresh).contains("the vault did not write"));
}

#[test]
fn audit_refuses_an_altered_event_that_it_would_show() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let index = whole.all_events().iter().rposition(|event| event.name.as_deref() == Some("B")).unwrap();
    world.store = with_events(&whole, |events| events[index].actor = Some("nobody".into()));
    let shown = world.act(|v, a, e| v.audit(a, None, 100, e).unwrap());
    let (stream, seq) = place(&whole.all_events()[index]);
    assert_named(shown.unwrap_err().message(), (&stream, seq), "the alteration");
}

#[test]
fn a_proposal_that_the_store_tells_in_two_ways_is_refused() {
    let mut world = lived_in(1);
    world.actor = support::actor("alice");
    let id = world.propose("NEW", Change::Set, Some("value")).unwrap().id;
    for (path, told) in [("elsewhere", Some("ELSEWHERE")), ("nowhere", None)] {
        let entropy = world.entropy();
        let flow = world.vault.confirm(&world.actor, &id, entropy);
        let (mut store, mut loads) = (world.store.clone(), 0);
        let result = drive_with(flow, &mut world.clock, |_, request| match (store.answer(request), request) {
            (Answer::Load { mut records }, Request::Load { .. }) => {
                loads += 1;
                if loads == 1 {
                    match told {
                        Some(name) => records[0].data = records[0].data.replace("\"NEW\"", &format!("\"{name}\"")),
                        None => records.clear(),
                    }
                }
                Answer::Load { records }
            }
            (answer, _) => answer,
        });
        assert_eq!(code(result), Code::StorageFailed, "{path}");
        let named = store.all_events().iter().any(|event| {
            event.name.as_deref() == told && event.outcome.as_deref() == Some("success") && told.is_some()
        });
        assert!(
            !named && !store.records().any(|record| record.key.kind == RecordKind::Secret && record.key.name == "NEW")
        );
    }
    world.act(|v, a, e| v.confirm(a, &id, e)).unwrap();
}
