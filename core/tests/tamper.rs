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
use strongroom::generate::Generator;
use strongroom::ident::Slot;
use strongroom::ops::{Expiry, Rotation, Setting};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Record, RecordKey, RecordKind};
use strongroom::rotation::Sensitivity;
use strongroom::store::MemoryStore;
use strongroom::{Answer, Error, ErrorCode as Code, Keyring, Request, Result, Timestamp, VaultOptions};
use support::{
    World, code, drive_with, old_event, old_row, plainly, secret, slot, store_of, unhex, with_events, with_records,
};

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
    // Everything that can be told of a secret, and a policy.
    let setting = Setting {
        sensitivity: Some(Sensitivity::Critical),
        expiry: Some(Expiry::In(1_000_000)),
        notify: Some(vec!["ops".into()]),
        generator: Some(Generator::from_name("password").unwrap()),
    };
    world.act(|v, a, e| v.set(a, &slot("RICH"), (secret("rich").into(), setting), e)).unwrap();
    let rotation = Rotation { grace_millis: Some(1_000), expiry: Some(Expiry::In(1_000_000)), ..Rotation::default() };
    world.act(|v, a, e| v.rotate(a, &slot("RICH"), rotation, e)).unwrap();
    let to = (
        Grantee::Role("dev".into()),
        vec![Permission::Read, Permission::Delete],
        Some(Timestamp::from_millis(1 << 50)),
    );
    world.act(|v, a, e| v.grant(a, &slot("RICH"), to, e)).unwrap();
    let policy = r#"{"rules": [{"id": "all", "users": ["alice"], "actions": ["*"]},
        {"id": "dev", "roles": ["dev"], "actions": ["read"], "namespaces": ["test*"]}], "members": {"bob": ["dev"]}}"#;
    world.act(|v, a, e| v.set_policy(a, Policy::parse(policy).unwrap(), e)).unwrap();
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
            RecordKind::Stream | RecordKind::Ring | RecordKind::Policy => {}
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

/// The MAC of the record that another one stands in for.
fn whole_mac(whole: &MemoryStore, altered: &Record) -> String {
    whole.records().find(|record| record.key == altered.key).unwrap().mac.clone().unwrap()
}

#[test]
fn swapped_values_do_not_open_even_under_a_forged_mac() {
    let (mut world, other) = (lived_in(1), lived_in(2));
    let (whole, key) = (world.store.clone(), record_key(&world));
    // The forgery is good: a record forged without a change is taken.
    for kind in [RecordKind::Secret, RecordKind::Stream] {
        let mut same = world.record(kind, "B").unwrap().clone();
        let mac = same.mac.take();
        forge(&mut same, &key);
        assert_eq!(same.mac, mac);
    }
    let mut swapped = 0;
    for place in places(&world, "one").into_iter().chain(places(&other, "two")) {
        for name in ["A", "B", "C", "nexus:A"] {
            let mut altered = world.secret_record(name).clone();
            if altered.columns.value_encrypted.as_ref() == Some(&place.sealed) {
                continue;
            }
            altered.columns.value_encrypted = Some(place.sealed.clone());
            forge(&mut altered, &key);
            world.store = with_records(&whole, |records| replace_record(records, altered.clone()));
            assert_eq!(code(world.get(name)), Code::RecordTampered, "{} in {name}, against its history", place.what);
            // The head of its stream is forged too: all that is left is the context that the value was sealed in.
            let mut stream = world.record(RecordKind::Stream, name).unwrap().clone();
            let fitting = format!("\"secret_mac\":\"{}\"", altered.mac.as_ref().unwrap());
            let fit = format!("\"secret_mac\":\"{}\"", whole_mac(&whole, &altered));
            assert!(stream.data.contains(&fit), "{}", stream.data);
            stream.data = stream.data.replace(&fit, &fitting);
            forge(&mut stream, &key);
            world.store = with_records(&whole, |records| {
                replace_record(records, altered.clone());
                replace_record(records, stream);
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

fn vault_key() -> RecordKey {
    RecordKey { kind: RecordKind::Head, namespace: String::new(), name: "vault".into() }
}

/// Every operation that meets a record of the key refuses it.
#[track_caller]
fn assert_refused(world: &mut World, whole: &MemoryStore, altered: Record, path: &str) {
    let key = altered.key.clone();
    world.store = with_records(whole, |records| replace_record(records, altered));
    // Without the head of its history, a vault does nothing at all.
    let is_vault = |record: &Record| record.key == RecordKey { kind: RecordKind::Stream, ..vault_key() };
    let missing = key.kind != RecordKind::Head && !world.store.records().any(is_vault);
    let expected = if missing { Code::AuditTampered } else { Code::RecordTampered };
    let slot = Slot::parse_stored(Some(&key.namespace), &key.name);
    let mut results: Vec<(&str, Result<()>)> = Vec::new();
    match (key.kind, slot) {
        (RecordKind::Secret, Ok(slot)) => {
            results.push(("get", world.get_slot(&slot).map(drop)));
            results.push(("set", world.act(|v, a, e| v.set(a, &slot, plainly("new"), e)).map(drop)));
            results.push(("rotate", world.act(|v, a, e| v.rotate(a, &slot, Rotation::to(secret("new")), e)).map(drop)));
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
                results.push(("set", world.act(|v, a, e| v.set(a, &slot, plainly("new"), e)).map(drop)));
                results.push(("delete", world.act(|v, a, e| v.delete(a, &slot, e)).map(drop)));
            } else if key.name == "vault" && key.namespace.is_empty() {
                results.push(("get", world.get("A").map(drop)));
                results.push(("list", world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop)));
            }
        }
        (RecordKind::Head | RecordKind::Ring | RecordKind::Policy, _) => {
            results.push(("get", world.get("A").map(drop)));
            results.push(("verify_audit", world.verify().map(drop)));
        }
    }
    for (operation, result) in results {
        let found = result.as_ref().err().map(Error::code);
        assert_eq!(found, Some(expected), "{operation} after {path} of {key:?}");
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
    assert!(counts["policy"] > 100 && counts["ring"] > 40, "{counts:?}");
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
        let slot = Slot::parse_stored(Some(&record.key.namespace), &record.key.name);
        if stream == "vault" {
            // There is no place that the refusals could be recorded in, and nothing is overwritten.
            let found =
                [code(world.verify()), code(world.get("A")), code(world.set("NEW", "x")), code(world.delete("B"))];
            assert_eq!(found, [Code::AuditTampered; 4]);
            assert_named(world.verify().unwrap_err().message(), ("vault", 1), "the head");
            assert_eq!(world.store.all_events().len(), events);
        } else {
            assert_named(&finding(&mut world), (&stream, seq + 1), "the head");
            // Nor does the stream begin anew over its events.
            assert_eq!(code(world.get_slot(&slot.unwrap())), Code::RecordTampered);
        }
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn a_deleted_secrets_stream_without_its_head_is_named() {
    let mut world = lived_in(1);
    world.delete("A").unwrap();
    world.delete("OLD").unwrap();
    let whole = world.store.clone();
    for name in ["A", "OLD"] {
        let head = world.record(RecordKind::Stream, name).unwrap().clone();
        let place = (body(&head)["stream"].as_str().unwrap().to_string(), body(&head)["seq"].as_u64().unwrap() + 1);
        world.store = with_records(&whole, |records| records.retain(|record| record.key != head.key));
        assert_named(&finding(&mut world), (&place.0, place.1), "the head");
        world.store = whole.clone();
    }
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
                // The first load is of the scene in which the actor is asked for.
                if loads == 2 {
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

// Records put back, and taken away.

/// The same store with one record as it is in another store, or without it where that has none.
fn put_back(now: &MemoryStore, before: &MemoryStore, kinds: &[RecordKind], name: &str) -> MemoryStore {
    let slot = support::slot(name);
    let is_its = |record: &Record| {
        let key = &record.key;
        kinds.contains(&key.kind) && key.namespace == slot.namespace() && key.name == slot.name()
    };
    with_records(now, |records| {
        records.retain(|record| !is_its(record));
        records.extend(before.records().filter(|record| is_its(record)).cloned());
    })
}

/// The stream of the secret, and the place after its last event.
fn end_of(store: &MemoryStore, stream: &str) -> u64 {
    store.all_events().iter().filter(|event| event.stream.as_deref() == Some(stream)).count() as u64 + 1
}

fn uid(world: &World, name: &str) -> String {
    world.secret_record(name).columns.uid.clone().unwrap()
}

/// Every operation on the secret is refused and says so in the history; so is every look at the whole vault.
fn assert_put_back_is_refused(world: &mut World, name: &str, what: &str) {
    let tampered = world.secret_record(name).clone();
    let slot = support::slot(name);
    let results = [
        world.get(name).map(drop),
        world.set(name, "new").map(drop),
        world.rotate(name, "new").map(drop),
        world.delete(name).map(drop),
        world.act(|v, a, e| v.exists(a, &slot, e)).map(drop),
        world.propose(name, Change::Set, Some("new")).map(drop),
        world.propose(name, Change::Delete, None).map(drop),
        world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop),
        world.act(|v, a, e| v.census(a, e)).map(drop),
        world.verify().map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.as_ref().map_err(Error::code), Err(Code::RecordTampered), "{what}: {index} of {name}");
        assert!(result.unwrap_err().message().contains("it does not fit its history"), "{what}: {index} of {name}");
    }
    let refusals = world.store.all_events().iter().rev().take(10);
    assert!(refusals.into_iter().all(|event| event.code.as_deref() == Some("RECORD_TAMPERED")), "{what}: {name}");
    assert_eq!(*world.secret_record(name), tampered, "nothing is written over it");
}

#[test]
fn a_secret_put_back_to_an_earlier_state_is_refused() {
    for name in ["A", "nexus:A", "OLD"] {
        let mut world = lived_in(1);
        let mut states = vec![world.store.clone()];
        for value in ["next", "and next", "and the one after"] {
            world.rotate(name, value).unwrap();
            world.get(name).unwrap();
            states.push(world.store.clone());
        }
        let now = states.pop().unwrap();
        for (index, before) in states.iter().enumerate() {
            world.store = put_back(&now, before, &[RecordKind::Secret], name);
            assert_put_back_is_refused(&mut world, name, &format!("state {index}"));
        }
        world.store = now;
        assert_eq!(world.get(name).unwrap(), "and the one after");
        world.verify().unwrap();
    }
}

#[test]
fn a_proposal_is_not_confirmed_over_a_secret_put_back_to_what_it_saw() {
    for (change, value) in [(Change::Set, Some("new")), (Change::Rotate, Some("new")), (Change::Delete, None)] {
        let mut world = lived_in(1);
        world.actor = support::actor("alice");
        let id = world.propose("A", change, value).unwrap().id;
        let before = world.store.clone();
        world.rotate("A", "changed since").unwrap();
        assert_eq!(code(world.act(|v, a, e| v.confirm(a, &id, e))), Code::ChangedSinceProposed);
        world.store = put_back(&world.store, &before, &[RecordKind::Secret], "A");
        assert_eq!(code(world.act(|v, a, e| v.confirm(a, &id, e))), Code::RecordTampered);
        assert_eq!(world.last_event().code.as_deref(), Some("RECORD_TAMPERED"));
        assert_eq!(code(world.verify()), Code::RecordTampered);
    }
}

#[test]
fn a_secret_and_its_head_put_back_together_go_against_their_events() {
    for name in ["A", "OLD"] {
        let mut world = lived_in(1);
        let before = world.store.clone();
        world.rotate(name, "next").unwrap();
        world.get(name).unwrap();
        let stream = uid(&world, name);
        for kinds in [&[RecordKind::Secret, RecordKind::Stream][..], &[RecordKind::Stream]] {
            let now = world.store.clone();
            world.store = put_back(&now, &before, kinds, name);
            if kinds.len() == 2 {
                // Its next event would take the place of one that is there.
                assert_eq!(code(world.get(name)), Code::Conflict);
                assert_eq!(code(world.rotate(name, "other")), Code::Conflict);
                assert_named(&finding(&mut world), (&stream, end_of(&now, &stream) - 1), "the head");
            } else {
                assert_eq!(code(world.get(name)), Code::RecordTampered);
                assert_eq!(code(world.verify()), Code::RecordTampered);
            }
            world.store = now;
        }
    }
    // The vault's own head: nothing can be recorded, not even the finding.
    let mut world = lived_in(1);
    let before = world.store.clone();
    world.set("NEW", "new").unwrap();
    let vault = RecordKey { kind: RecordKind::Stream, ..vault_key() };
    world.store = with_records(&world.store, |records| {
        replace_record(records, before.records().find(|record| record.key == vault).unwrap().clone());
    });
    let end = end_of(&world.store, "vault") - 1;
    assert_eq!(code(world.set("OTHER", "x")), Code::Conflict);
    let error = world.verify().unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered);
    assert_named(error.message(), ("vault", end), "the head");
}

#[test]
fn a_deleted_secret_put_back_is_refused() {
    for name in ["A", "OLD"] {
        for again in [false, true] {
            let mut world = lived_in(1);
            let before = world.store.clone();
            let stream = uid(&world, name);
            world.delete(name).unwrap();
            if again {
                world.set(name, "another secret").unwrap();
            }
            let now = world.store.clone();
            world.store = put_back(&now, &before, &[RecordKind::Secret], name);
            assert_put_back_is_refused(&mut world, name, "back from the dead");
            // With its head, it fits; but the vault's history knows that it is over, before and after it is read.
            world.store = put_back(&now, &before, &[RecordKind::Secret, RecordKind::Stream], name);
            let found = finding(&mut world);
            assert!(again || found.contains(&format!("stream {stream}, event {}:", end_of(&now, &stream))), "{found}");
            let _ = world.get(name);
            assert!(again || finding(&mut world).contains(&format!("stream {stream}, event")));
            // Without any head it fits nothing, and the loss of the head is found.
            world.store = with_records(&world.store, |records| {
                let slot = support::slot(name);
                records.retain(|record| record.key.kind != RecordKind::Stream || record.key.name != slot.name());
            });
            assert_eq!(code(world.get(name)), Code::RecordTampered);
            finding(&mut world);
        }
    }
}

#[test]
fn a_secret_whose_stream_was_erased_is_refused_and_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    for name in ["A", "B", "C", "nexus:A", "OLD"] {
        let (stream, slot) = (uid(&world, name), support::slot(name));
        let without = |store: &MemoryStore, kinds: &[RecordKind]| put_back(store, &MemoryStore::new(), kinds, name);
        let eventless = with_events(&whole, |events| events.retain(|event| event.stream.as_ref() != Some(&stream)));
        world.store = without(&eventless, &[RecordKind::Stream]);
        for result in [world.get(name).map(drop), world.rotate(name, "x").map(drop), world.set(name, "x").map(drop)] {
            assert_eq!(result.map_err(|error| error.code()), Err(Code::RecordTampered), "{name}");
        }
        assert_named(&finding(&mut world), (&stream, 1), "the loss");
        // As if it had never been: the vault's stream says that it was.
        world.store = without(&world.store, &[RecordKind::Secret, RecordKind::Stream]);
        assert!(!world.act(|v, a, e| v.exists(a, &slot, e)).unwrap());
        assert_named(&finding(&mut world), (&stream, 1), "the loss");
        // Nor is another secret of the name taken for it, or an old row.
        let erased = world.store.clone();
        world.set(name, "another").unwrap();
        assert_named(&finding(&mut world), (&stream, 1), "the loss");
        let row = Record { key: RecordKey { kind: RecordKind::Secret, ..secret_key(&slot) }, ..legacy(&world) };
        world.store = with_records(&erased, |records| records.push(row.clone()));
        let refused = world.act(|v, a, e| v.adopt(a, e)).unwrap_err();
        assert_eq!(refused.code(), Code::AuditTampered);
        assert_named(refused.message(), (&stream, 1), "the loss");
        assert!(world.store.records().any(|record| *record == row), "it is not adopted");
        world.store = whole.clone();
    }
}

fn secret_key(slot: &Slot) -> RecordKey {
    RecordKey { kind: RecordKind::Secret, namespace: slot.namespace().into(), name: slot.name().into() }
}

fn legacy(world: &World) -> Record {
    old_row(&world.keyring, "LEGACY", "planted")
}

#[test]
fn a_vault_whose_history_was_erased_is_refused() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let head_only = with_records(&whole, |records| records.retain(|record| record.key.kind != RecordKind::Stream));
    let no_events = with_events(&head_only, |events| events.clear());
    for store in [head_only, no_events] {
        world.store = store.clone();
        let found = [
            code(world.get("A")),
            code(world.get("UNKNOWN")),
            code(world.set("A", "x")),
            code(world.set("NEW", "x")),
            code(world.rotate("A", "x")),
            code(world.delete("A")),
            code(world.propose("A", Change::Delete, None)),
            code(world.act(|v, a, e| v.list(a, None, e).unwrap())),
            code(world.act(|v, a, e| v.audit(a, None, 10, e).unwrap())),
            code(world.act(|v, a, e| v.census(a, e))),
            code(world.act(|v, a, e| v.adopt(a, e))),
            code(world.verify()),
        ];
        assert_eq!(found, [Code::AuditTampered; 12]);
        assert_eq!(world.store.records().collect::<Vec<_>>(), store.records().collect::<Vec<_>>());
        assert_eq!(world.store.all_events(), store.all_events());
    }
    // The events alone: the heads know of them.
    world.store = with_events(&whole, |events| events.clear());
    finding(&mut world);
    world.store = with_events(&whole, |events| events.retain(|event| event.stream.is_none()));
    finding(&mut world);
}

#[test]
fn a_secret_taken_away_without_an_event_is_named() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    for name in ["A", "B", "C", "nexus:A", "OLD"] {
        let stream = uid(&world, name);
        world.store = put_back(&whole, &MemoryStore::new(), &[RecordKind::Secret], name);
        assert_named(&finding(&mut world), (&stream, end_of(&whole, &stream)), "the loss");
        assert_eq!(code(world.get(name)), Code::SecretNotFound);
        assert_eq!(code(world.act(|v, a, e| v.adopt(a, e))), Code::AuditTampered);
        // Another secret of that name does not hide it.
        world.set(name, "another").unwrap();
        assert_named(&finding(&mut world), (&stream, end_of(&whole, &stream)), "the loss");
        world.store = whole.clone();
    }
}

// Adoption of what is not another program's.

/// What is left of a record when its MAC is taken, in more and less thorough ways; the last is all that an old row has.
fn stripped(record: &Record, value: Option<String>) -> Vec<Record> {
    let mut bare = Record { revision: 0, mac: None, ..record.clone() };
    bare.columns.value_encrypted = value;
    let mut all = vec![bare.clone()];
    let traces: [fn(&mut Record); 4] = [
        |record| record.columns.uid = None,
        |record| record.columns.state = None,
        |record| record.columns.version = None,
        |record| record.columns.value_fingerprint = None,
    ];
    for kept in 0..traces.len() {
        let mut record = bare.clone();
        traces.iter().enumerate().filter(|(index, _)| *index != kept).for_each(|(_, take)| take(&mut record));
        all.push(record);
    }
    traces.iter().for_each(|take| take(&mut bare));
    bare.data = "{}".into();
    all.push(bare);
    all
}

#[test]
fn a_stripped_secret_is_not_adopted() {
    let mut world = lived_in(1);
    let whole = world.store.clone();
    world.delete("B").unwrap();
    let deleted = world.store.clone();
    let planted = legacy(&world).columns.value_encrypted;
    for (name, now) in [("A", &whole), ("nexus:A", &whole), ("OLD", &whole), ("B", &deleted)] {
        let record = whole.records().find(|record| record.key == secret_key(&support::slot(name))).unwrap();
        for (index, row) in stripped(record, planted.clone()).into_iter().enumerate() {
            world.store = with_records(now, |records| replace_record(records, row.clone()));
            assert_eq!(code(world.get(name)), Code::RecordTampered, "{index} of {name}");
            let refused = code(world.act(|v, a, e| v.adopt(a, e)));
            // A living secret is missed in its history; a name that is free has one all the same.
            let expected = if name == "B" { Code::RecordTampered } else { Code::AuditTampered };
            assert_eq!(refused, expected, "{index} of {name}");
            assert!(world.store.records().any(|record| *record == row), "{index} of {name} is as it was");
            assert_eq!(code(world.get(name)), Code::RecordTampered, "{index} of {name}");
            if name == "B" {
                world.verify().unwrap();
                // Nor when the head that tells of it is taken away too.
                world.store = put_back(&world.store, &MemoryStore::new(), &[RecordKind::Stream], name);
                assert_eq!(code(world.act(|v, a, e| v.adopt(a, e))), Code::AuditTampered, "{index} of {name}");
                assert!(world.store.records().any(|record| *record == row), "{index} of {name} is as it was");
            } else {
                finding(&mut world);
            }
        }
    }
    // What another program wrote under a name of its own is adopted beside them.
    world.store = with_records(&whole, |records| records.push(legacy(&world)));
    assert_eq!(world.act(|v, a, e| v.adopt(a, e)).unwrap().secrets, 1);
    assert_eq!(world.get("LEGACY").unwrap(), "planted");
    world.verify().unwrap();
}

#[test]
fn a_store_with_traces_of_a_vault_is_not_adopted_as_an_old_one() {
    let world = lived_in(1);
    let planted = legacy(&world).columns.value_encrypted;
    let mut rows = stripped(world.secret_record("A"), planted);
    let clean = rows.pop().unwrap();
    let mut fresh = World::seeded(1, VaultOptions::default());
    fresh.keyring = Arc::clone(&world.keyring);
    fresh.reopen(VaultOptions::default());
    for row in rows {
        fresh.store = store_of([row.clone()], []);
        assert_eq!(code(fresh.get("A")), Code::RecordTampered);
        assert_eq!(code(fresh.act(|v, a, e| v.adopt(a, e))), Code::RecordTampered);
        assert_eq!(fresh.store.records().collect::<Vec<_>>(), [&row]);
        assert!(fresh.store.all_events().is_empty());
    }
    let traces: [fn(&mut Event); 2] =
        [|event| event.operation_id = Some("00".repeat(16)), |event| event.secret_uid = Some("00".repeat(16))];
    for trace in traces {
        let mut event = old_event("get", "A");
        trace(&mut event);
        fresh.store = store_of([clean.clone()], [event]);
        assert_eq!(code(fresh.get("A")), Code::AuditTampered);
        assert_eq!(fresh.store.records().count(), 1);
    }
    fresh.store = store_of([clean], [old_event("get", "A")]);
    assert_eq!(fresh.get("A").unwrap(), "planted");
}

#[test]
fn old_audit_rows_that_were_adopted_are_not_adopted_again_otherwise() {
    type Change<'a> = &'a dyn Fn(&mut Vec<Event>);
    let mut world = lived_in(1);
    let whole = world.store.clone();
    let mut adopt = |change: Change<'_>| {
        world.store = with_events(&whole, change);
        let result = world.act(|v, a, e| v.adopt(a, e));
        (result, world.verify())
    };
    let later = || old_event("get", "LATER");
    let changes: [(&str, Change<'_>); 9] = [
        ("the first is gone", &|events| drop(events.remove(0))),
        ("the last is gone", &|events| drop(events.remove(1))),
        ("all are gone", &|events| events.retain(|event| event.stream.is_some())),
        ("all are replaced", &|events| {
            events.retain(|event| event.stream.is_some());
            events.extend([later(), later()]);
        }),
        ("swapped", &|events| events.swap(0, 1)),
        ("another comes first", &|events| events.insert(0, later())),
        ("another comes between", &|events| events.insert(1, later())),
        ("one is gone and another appended", &|events| {
            events.remove(1);
            events.push(later());
        }),
        ("one lost its place in the chain", &|events| {
            let last = events.last().unwrap().clone();
            events.push(Event { stream: None, seq: None, mac: None, prev_mac: None, ..last });
        }),
    ];
    for (what, change) in changes {
        let (adopted, verified) = adopt(change);
        assert_eq!((code(adopted), code(verified)), (Code::AuditTampered, Code::AuditTampered), "{what}");
    }
    let mut altered = 0;
    for index in 0..2 {
        for (path, new) in alterations(&serde_json::to_value(&whole.all_events()[index]).unwrap()) {
            let Ok(new) = serde_json::from_value::<Event>(new) else { continue };
            if new == whole.all_events()[index] {
                continue;
            }
            let (adopted, verified) = adopt(&|events: &mut Vec<Event>| events[index] = new.clone());
            assert_eq!((code(adopted), code(verified)), (Code::AuditTampered, Code::AuditTampered), "{index}: {path}");
            altered += 1;
        }
    }
    assert!(altered > 100, "{altered}");
    for more in 1..4 {
        let (adopted, verified) = adopt(&|events| (0..more).for_each(|_| events.push(later())));
        assert_eq!((adopted.unwrap().events, verified.unwrap().unchained), (2 + more, 2 + more));
    }
}

// What people paste where a name belongs.

#[test]
fn an_unknown_name_is_kept_out_of_events_and_messages() {
    const PASTED: &str = "sk_live_canary_pasted";
    let mut world = lived_in(1);
    let unknown = support::slot(PASTED);
    for actor in ["alice", "mallory"] {
        world.reopen(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
        world.actor = support::actor(actor);
        let refused = [
            world.get(PASTED).map(drop),
            world.rotate(PASTED, "x").map(drop),
            world.delete(PASTED).map(drop),
            world.propose(PASTED, Change::Rotate, Some("x")).map(drop),
            world.propose(PASTED, Change::Delete, None).map(drop),
            world.propose(PASTED, Change::Set, Some("")).map(drop),
            world.propose(PASTED, Change::Set, None).map(drop),
            world.set(PASTED, "").map(drop),
        ];
        for result in refused {
            let message = result.unwrap_err().message().to_string();
            assert!(!message.contains("canary"), "{message}");
        }
        let told = [
            world.act(|v, a, e| v.exists(a, &unknown, e)).map(drop),
            world.act(|v, a, e| v.audit(a, Some(&unknown), 10, e).unwrap()).map(drop),
        ];
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), if actor == "alice" { 2 } else { 0 });
        let texts = ["secret get", "secret delete", "secret set", ""];
        for text in texts {
            let text = format!("{text} {PASTED}");
            let reply = world.act(|v, a, e| v.command(a, secret(&text), e)).unwrap();
            assert!(!serde_json::to_string(&reply).unwrap().contains("canary"), "{text}: {reply:?}");
        }
    }
    let events = serde_json::to_string(world.store.all_events()).unwrap();
    assert!(!events.contains("canary"));
    assert!(!world.store.records().any(|record| serde_json::to_string(record).unwrap().contains("canary")));
    // A secret of that name has it in its history, and in what is told of it afterwards.
    world.reopen(VaultOptions::default());
    world.actor = support::actor("alice");
    world.set(PASTED, "x").unwrap();
    assert_eq!(world.last_event().name.as_deref(), Some(PASTED));
    world.delete(PASTED).unwrap();
    assert!(world.get(PASTED).unwrap_err().message().contains(PASTED));
    assert_eq!(world.last_event().name.as_deref(), Some(PASTED));
}
