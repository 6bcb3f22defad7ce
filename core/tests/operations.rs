//! Each operation as its users see it: through the vault, on a store in memory.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use strongroom::audit::Event;
use strongroom::command::CommandReply;
use strongroom::crypto::Format;
use strongroom::ident::Slot;
use strongroom::ops::{Rotation, Setting};
use strongroom::record::{Change, Counters, Record, RecordKind};
use strongroom::{Actor, ErrorCode as Code, SecretBytes, Timestamp, VaultOptions};
use support::{
    World, actor, code, keyring, old_event, old_row, plainly, secret, slot, store_of, unhex, vault, with_records,
};

fn body(record: &Record) -> Value {
    serde_json::from_str(&record.data).unwrap()
}

/// Everything that the store holds, as text.
fn serialized(world: &World) -> String {
    let records: Vec<&Record> = world.store.records().collect();
    serde_json::to_string(&json!([records, world.store.all_events()])).unwrap()
}

fn told(event: &Event) -> (&str, &str, Option<&str>, Option<&str>) {
    (event.action.as_deref().unwrap(), event.outcome.as_deref().unwrap(), event.code.as_deref(), event.name.as_deref())
}

fn accessed(world: &World, name: &str) -> u64 {
    world.secret_record(name).counters.accessed_count
}

// Set, get, exists, list, rotate, delete.

#[test]
fn a_secret_is_set_and_read_back() {
    let mut world = World::new();
    let written = world.set("STRIPE_API_KEY", "sk_test_abc123").unwrap();
    assert_eq!((written.version, written.created), (Some(1), true));
    assert_eq!((&*written.namespace, &*written.name), ("default", "STRIPE_API_KEY"));
    let revealed = world.act(|vault, actor, entropy| vault.get(actor, &slot("STRIPE_API_KEY"), entropy)).unwrap();
    assert_eq!(revealed.value.expose(), b"sk_test_abc123");
    assert_eq!((revealed.version, revealed.format), (1, Format::Sealed));
    assert_eq!(revealed.key_id, world.keyring.keys().next().unwrap().id);
    assert_eq!(revealed.last_rotated, Some(written.at));
    assert_eq!(told(world.last_event()), ("get", "success", None, Some("STRIPE_API_KEY")));
    assert!(!serialized(&world).contains("sk_test_abc123"));
}

#[test]
fn a_value_is_bytes_and_need_not_be_text() {
    let mut world = World::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let value = SecretBytes::copy_of(&bytes);
    world
        .act(|vault, actor, entropy| vault.set(actor, &slot("BYTES"), (value.into(), Setting::default()), entropy))
        .unwrap();
    let revealed = world.act(|vault, actor, entropy| vault.get(actor, &slot("BYTES"), entropy)).unwrap();
    assert_eq!(revealed.value.expose(), bytes);
}

#[test]
fn set_gives_an_existing_secret_the_next_version() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let written = world.set("A", "two").unwrap();
    assert_eq!((written.version, written.created), (Some(2), false));
    assert_eq!(world.get("A").unwrap(), "two");
    let event = &world.store.all_events()[2];
    assert_eq!((event.action.as_deref(), event.reason.as_deref()), (Some("set"), Some("manual")));
    assert_eq!(event.stream, world.secret_record("A").columns.uid, "the secret's own stream");
}

#[test]
fn the_last_ten_versions_are_kept_newest_first() {
    let mut world = World::new();
    world.set("A", "value 1").unwrap();
    for number in 2..=14 {
        assert_eq!(world.rotate("A", &format!("value {number}")).unwrap().version, Some(number));
    }
    let record = world.secret_record("A");
    assert_eq!(record.columns.version, Some(14));
    let body = body(record);
    let versions = body["versions"].as_array().unwrap();
    let numbers: Vec<u64> = versions.iter().map(|version| version["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [13, 12, 11, 10, 9, 8, 7, 6, 5], "the current one is the tenth");
    for version in versions {
        assert_eq!((&version["by"], &version["reason"]), (&json!("alice"), &json!("rotation")));
        assert!(version["value"].as_str().unwrap().starts_with("sr1."));
        assert_eq!(version["compromised"], json!(false));
    }
    let distinct: BTreeSet<&str> = versions.iter().map(|version| version["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), 9);
    assert_eq!(world.get("A").unwrap(), "value 14");
}

#[test]
fn accesses_are_counted_for_each_successful_get_and_for_nothing_else() {
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
    world.set("A", "one").unwrap();
    assert_eq!(accessed(&world, "A"), 0);
    for count in 1..=3 {
        world.get("A").unwrap();
        assert_eq!(accessed(&world, "A"), count);
    }
    let at = world.secret_record("A").counters.last_accessed.unwrap();
    assert_eq!(at.as_millis(), world.last_event().at.unwrap().as_millis());
    world.actor = actor("mallory");
    assert_eq!(code(world.get("A")), Code::PermissionDenied);
    world.actor = actor("alice").until(Timestamp::from_millis(0));
    assert_eq!(code(world.get("A")), Code::SessionExpired);
    world.actor = actor("alice");
    assert_eq!(code(world.get("B")), Code::SecretNotFound);
    world.rotate("A", "two").unwrap();
    world.act(|vault, actor, entropy| vault.exists(actor, &slot("A"), entropy)).unwrap();
    world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).unwrap();
    world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("A")), 10, entropy).unwrap()).unwrap();
    assert_eq!(accessed(&world, "A"), 3);
    // A keyring that lacks the key does not read, and does not count.
    let (right, wrong) = (world.vault, vault(&keyring(999), VaultOptions::default()));
    world.vault = wrong;
    assert_eq!(code(world.get("A")), Code::KeyUnknown);
    world.vault = right;
    world.get("A").unwrap();
    assert_eq!(accessed(&world, "A"), 4);
}

#[test]
fn a_get_of_an_unknown_name_is_an_event_of_the_vault() {
    let mut world = World::new();
    let error = world.get("MISSING").unwrap_err();
    assert_eq!(error.code(), Code::SecretNotFound);
    assert!(error.message().starts_with("Secret not found"));
    assert!(!error.message().contains("MISSING"), "what no secret is called may be a value: {error}");
    assert_eq!(told(world.last_event()), ("get", "error", Some("SECRET_NOT_FOUND"), None));
    assert_eq!(world.last_event().stream.as_deref(), Some("vault"));
    assert!(!serialized(&world).contains("MISSING"));
}

#[test]
fn a_get_of_a_deleted_secret_names_it() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    world.delete("A").unwrap();
    let error = world.get("A").unwrap_err();
    assert_eq!(error.code(), Code::SecretNotFound);
    assert!(error.message().starts_with("Secret not found") && error.message().contains("A was deleted"), "{error}");
    assert_eq!(told(world.last_event()), ("get", "error", Some("SECRET_NOT_FOUND"), Some("A")));
    assert_eq!(world.last_event().stream.as_deref(), Some("vault"));
}

#[test]
fn a_name_that_no_secret_could_have_is_not_written_down() {
    let mut world = World::new();
    let pasted = Slot::parse_stored(None, "my value, pasted where a name belongs").unwrap();
    assert_eq!(code(world.get_slot(&pasted)), Code::NameInvalid);
    assert_eq!(told(world.last_event()), ("get", "error", Some("NAME_INVALID"), None));
    let set = world.act(|vault, actor, entropy| vault.set(actor, &pasted, plainly("v"), entropy));
    assert_eq!(code(set), Code::NameInvalid);
    assert!(!serialized(&world).contains("pasted"));
}

#[test]
fn exists_tells_without_leaving_an_event_unless_refused() {
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
    world.set("A", "one").unwrap();
    let before = world.store.all_events().len();
    for (name, exists) in [("A", true), ("B", false)] {
        let told = world.act(|vault, actor, entropy| vault.exists(actor, &slot(name), entropy));
        assert_eq!(told, Ok(exists));
    }
    assert_eq!(world.store.all_events().len(), before);
    world.actor = actor("mallory");
    let refused = world.act(|vault, actor, entropy| vault.exists(actor, &slot("A"), entropy));
    assert_eq!(code(refused), Code::PermissionDenied);
    assert_eq!(world.store.all_events().len(), before + 1);
    assert_eq!(told(world.last_event()), ("exists", "denied", Some("PERMISSION_DENIED"), Some("A")));
}

#[test]
fn a_list_is_ordered_and_holds_no_value() {
    let mut world = World::new();
    for name in ["b", "nexus:a", "a", "B", "abc:z"] {
        world.set(name, "canary-value").unwrap();
    }
    world.get("a").unwrap();
    let listing = world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).unwrap();
    let names: Vec<_> = listing.secrets.iter().map(|listed| (&*listed.namespace, &*listed.name)).collect();
    assert_eq!(names, [("abc", "z"), ("default", "B"), ("default", "a"), ("default", "b"), ("nexus", "a")]);
    let a = &listing.secrets[2];
    assert_eq!((a.accessed_count, a.version, a.created_by.as_deref()), (1, 1, Some("alice")));
    assert!(a.last_accessed.is_some() && a.last_rotated.is_some() && a.created_at.is_some());
    assert!(!serde_json::to_string(&listing).unwrap().contains("canary"));
    assert_eq!(told(world.last_event()), ("list", "success", None, None));
    let listing = world.act(|vault, actor, entropy| vault.list(actor, Some("nexus"), entropy).unwrap()).unwrap();
    assert_eq!(listing.secrets.len(), 1);
    let listing = world.act(|vault, actor, entropy| vault.list(actor, Some("none"), entropy).unwrap()).unwrap();
    assert!(listing.secrets.is_empty());
    let entropy = world.entropy();
    assert_eq!(code(world.vault.list(&actor("alice"), Some(""), entropy)), Code::NameInvalid);
}

#[test]
fn rotate_needs_an_existing_secret_and_keeps_the_old_value_among_its_versions() {
    let mut world = World::new();
    assert_eq!(code(world.rotate("A", "two")), Code::SecretNotFound);
    world.set("A", "one").unwrap();
    let before = world.secret_record("A").clone();
    let written = world.rotate("A", "two").unwrap();
    assert_eq!((written.version, written.created), (Some(2), false));
    let after = world.secret_record("A");
    assert_eq!(after.columns.uid, before.columns.uid);
    assert_eq!(after.columns.created_at, before.columns.created_at);
    assert_eq!(after.columns.last_rotated, Some(written.at));
    assert_eq!(body(after)["versions"][0]["value"].as_str(), before.columns.value_encrypted.as_deref());
    assert_eq!((world.last_event().reason.as_deref(), told(world.last_event()).0), (Some("rotation"), "rotate"));
}

#[test]
fn delete_takes_every_value_and_leaves_the_history() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    world.get("A").unwrap();
    let uid = world.secret_record("A").columns.uid.clone();
    let written = world.delete("A").unwrap();
    assert_eq!((written.version, written.created), (None, false));
    assert!(world.record(RecordKind::Secret, "A").is_none());
    assert!(world.record(RecordKind::Stream, "A").is_some(), "the stream's head stays");
    assert!(!serialized(&world).contains("\"data\":\"{\\\"by"), "no version is left");
    assert_eq!(world.last_event().secret_uid, uid);
    let history =
        world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("A")), 10, entropy).unwrap()).unwrap();
    let actions: Vec<_> = history.events.iter().map(|event| event.action.as_deref().unwrap()).collect();
    assert_eq!(actions, ["delete", "get", "set"]);
    assert_eq!(code(world.get("A")), Code::SecretNotFound);
    assert_eq!(code(world.rotate("A", "two")), Code::SecretNotFound);
    assert_eq!(code(world.delete("A")), Code::SecretNotFound);
    world.verify().unwrap();
}

#[test]
fn a_name_created_again_is_another_secret_with_another_stream() {
    let mut world = World::new();
    let mut uids = BTreeSet::new();
    for round in 0..3 {
        world.set("A", &format!("value {round}")).unwrap();
        let record = world.secret_record("A");
        assert_eq!((record.columns.version, record.counters), (Some(1), Counters::default()));
        let uid = record.columns.uid.clone().unwrap();
        world.get("A").unwrap();
        assert_eq!(world.last_event().stream.as_ref(), Some(&uid));
        assert_eq!(world.last_event().seq, Some(1));
        assert_eq!(world.last_event().prev_mac, None);
        uids.insert(uid);
        world.delete("A").unwrap();
    }
    assert_eq!(uids.len(), 3);
    let history =
        world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("A")), 100, entropy).unwrap()).unwrap();
    assert_eq!(history.events.len(), 9, "the history of a name joins its secrets");
    let report = world.verify().unwrap();
    assert_eq!((report.events, report.streams), (11, 4));
}

#[test]
fn namespaces_keep_equal_names_apart() {
    let mut world = World::new();
    world.set("A", "default").unwrap();
    world.set("nexus:A", "nexus").unwrap();
    assert_eq!((&*world.get("A").unwrap(), &*world.get("nexus:A").unwrap()), ("default", "nexus"));
    world.delete("A").unwrap();
    assert_eq!(world.get("nexus:A").unwrap(), "nexus");
    let history =
        world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("A")), 10, entropy).unwrap()).unwrap();
    assert!(history.events.iter().all(|event| event.namespace.as_deref() == Some("default")));
}

// Limits.

#[test]
fn values_have_one_byte_to_64_kib_and_the_refusal_gives_the_limit() {
    let mut world = World::new();
    let longest = "x".repeat(64 * 1024);
    world.set("A", &longest).unwrap();
    assert_eq!(world.get("A").unwrap(), longest);
    world.set("A", "x").unwrap();
    for value in [String::new(), longest + "y"] {
        for result in [
            world.set("A", &value).map(drop),
            world.set("B", &value).map(drop),
            world.rotate("A", &value).map(drop),
            world.propose("A", Change::Set, Some(&value)).map(drop),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.code(), Code::ValueInvalid);
            assert!(error.message().contains("65536"), "{error}");
            assert_eq!(told(world.last_event()).2, Some("VALUE_INVALID"));
        }
    }
    assert_eq!(world.get("A").unwrap(), "x");
    assert!(world.record(RecordKind::Secret, "B").is_none());
}

#[test]
fn the_limit_of_values_can_be_chosen() {
    let mut world = World::with(VaultOptions { value_max: 3, ..VaultOptions::default() });
    world.set("A", "abc").unwrap();
    assert!(world.set("A", "abcd").unwrap_err().message().contains("1 to 3"));
    for options in [
        VaultOptions { value_max: 0, ..VaultOptions::default() },
        VaultOptions { value_max: 16 * 1024 * 1024 + 1, ..VaultOptions::default() },
        VaultOptions { proposal_millis: 0, ..VaultOptions::default() },
    ] {
        assert_eq!(strongroom::Vault::new(keyring(1), options).err().unwrap().code(), Code::InvalidArgument);
    }
}

#[test]
fn names_with_nul_newline_or_129_characters_are_refused_and_not_repeated() {
    let longest = "n".repeat(128);
    assert!(Slot::parse(Some(&longest), &longest).is_ok());
    let mut world = World::new();
    for name in ["canary\0", "canary\nname", &"canary".repeat(22)[..129], "canary name", ""] {
        let error = Slot::parse(None, name).unwrap_err();
        assert_eq!(error.code(), Code::NameInvalid);
        assert!(!error.message().contains("canary"));
        // Hosts hand over what may exist already; a new secret is refused all the same.
        let Ok(stored) = Slot::parse_stored(None, name) else { continue };
        for change in [Change::Set, Change::Rotate, Change::Delete] {
            let value = (change != Change::Delete).then(|| secret("v"));
            let result = world.act(|vault, actor, entropy| vault.propose(actor, &stored, (change, value), entropy));
            assert_eq!(code(result), Code::NameInvalid);
        }
        let result = world.act(|vault, actor, entropy| vault.set(actor, &stored, plainly("v"), entropy));
        assert!(!result.unwrap_err().message().contains("canary"));
    }
    assert!(!serialized(&world).contains("canary"));
}

// Who may.

#[test]
fn only_listed_actors_may_and_each_refusal_is_an_event() {
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
    world.set("A", "one").unwrap();
    let id = world.propose("A", Change::Delete, None).unwrap().id;
    world.actor = actor("mallory").on_platform("telegram").unwrap();
    let a = slot("A");
    type Refused = Box<dyn FnOnce(&mut World) -> strongroom::Result<()>>;
    let attempts: Vec<(&str, Refused)> = vec![
        ("set", Box::new(|world| world.set("A", "two").map(drop))),
        ("set", Box::new(|world| world.set("NEW", "two").map(drop))),
        ("get", Box::new(|world| world.get("A").map(drop))),
        ("rotate", Box::new(|world| world.rotate("A", "two").map(drop))),
        ("delete", Box::new(|world| world.delete("A").map(drop))),
        ("list", Box::new(|world| world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop))),
        ("audit", Box::new(|world| world.act(|v, a, e| v.audit(a, None, 5, e).unwrap()).map(drop))),
        ("audit", Box::new(move |world| world.act(|v, w, e| v.audit(w, Some(&a), 5, e).unwrap()).map(drop))),
        ("verify_audit", Box::new(|world| world.verify().map(drop))),
        ("census", Box::new(|world| world.act(|v, a, e| v.census(a, e)).map(drop))),
        ("adopted", Box::new(|world| world.act(|v, a, e| v.adopt(a, e)).map(drop))),
        ("propose", Box::new(|world| world.propose("A", Change::Delete, None).map(drop))),
        (
            "confirm",
            Box::new({
                let id = id.clone();
                move |world| world.act(|v, a, e| v.confirm(a, &id, e)).map(drop)
            }),
        ),
        ("cancel", Box::new(move |world| world.act(|v, a, e| v.cancel(a, &id, e)))),
    ];
    let before: Vec<Record> = world.store.records().filter(|r| r.key.kind != RecordKind::Stream).cloned().collect();
    for (action, attempt) in attempts {
        let events = world.store.all_events().len();
        assert_eq!(code(attempt(&mut world)), Code::PermissionDenied, "{action}");
        assert_eq!(world.store.all_events().len(), events + 1, "{action}");
        let event = world.last_event();
        assert_eq!((told(event).0, told(event).1, told(event).2), (action, "denied", Some("PERMISSION_DENIED")));
        assert_eq!((event.actor.as_deref(), event.platform.as_deref()), (Some("mallory"), Some("telegram")));
        assert_eq!(event.success, Some(false));
    }
    let after: Vec<Record> = world.store.records().filter(|r| r.key.kind != RecordKind::Stream).cloned().collect();
    assert_eq!(after, before);
    world.actor = actor("alice");
    world.verify().unwrap();
}

#[test]
fn a_session_ends_at_its_instant() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    // A get takes three steps; the last time that counts is that of the load's answer.
    world.actor = actor("alice").until(Timestamp::from_millis(world.clock.0 + 3));
    assert_eq!(world.get("A").unwrap(), "one");
    world.actor = actor("alice").until(Timestamp::from_millis(world.clock.0 + 2));
    assert_eq!(code(world.get("A")), Code::SessionExpired);
    assert_eq!(told(world.last_event()), ("get", "denied", Some("SESSION_EXPIRED"), Some("A")));
}

// History.

#[test]
fn audit_gives_the_latest_events_first_up_to_the_limit() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    for _ in 0..5 {
        world.get("A").unwrap();
    }
    world.set("B", "one").unwrap();
    let all = world.act(|vault, actor, entropy| vault.audit(actor, None, 3, entropy).unwrap()).unwrap().events;
    assert_eq!(all.iter().map(|event| event.name.as_deref()).collect::<Vec<_>>(), [Some("B"), Some("A"), Some("A")]);
    let one = world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("A")), 1000, entropy).unwrap());
    assert_eq!(one.unwrap().events.len(), 6);
    assert_eq!(told(world.last_event()), ("audit", "success", None, Some("A")));
    for limit in [0, 1001] {
        let entropy = world.entropy();
        assert_eq!(code(world.vault.audit(&actor("alice"), None, limit, entropy)), Code::InvalidArgument);
    }
}

#[test]
fn verify_audit_counts_what_it_verified() {
    let mut world = World::new();
    let report = world.verify().unwrap();
    assert_eq!((report.events, report.streams, report.unchained), (1, 1, 0));
    world.set("A", "one").unwrap();
    world.get("A").unwrap();
    let report = world.verify().unwrap();
    assert_eq!((report.events, report.streams, report.unchained), (4, 2, 0));
}

#[test]
fn census_counts_values_versions_proposals_and_the_root_by_key_and_format() {
    let mut world = World::new();
    world.store = store_of([old_row(&world.keyring, "OLD", "legacy"), old_row(&keyring(77), "ODD", "foreign")], []);
    world.set("A", "one").unwrap();
    world.rotate("A", "two").unwrap();
    let kept = world.propose("A", Change::Rotate, Some("three")).unwrap();
    let dropped = world.propose("A", Change::Rotate, Some("four")).unwrap();
    world.act(|vault, actor, entropy| vault.cancel(actor, &dropped.id, entropy)).unwrap();
    let census = world.act(|vault, actor, entropy| vault.census(actor, entropy)).unwrap();
    let id = world.keyring.keys().next().unwrap().id.to_hex();
    let (counted, count) = census.keys[0].clone();
    assert_eq!(counted, id);
    assert_eq!((count.values, count.versions, count.proposals, count.root), (2, 1, 1, 1), "{kept:?}");
    assert_eq!(census.keys.len(), 1);
    assert_eq!(census.formats, [("node_gcm".to_string(), 2), ("sealed".to_string(), 3)]);
    assert_eq!(census.unreadable, 1);
}

// The vault itself.

#[test]
fn a_pinned_vault_is_the_only_one_that_opens() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let id = world.vault_id();
    world.reopen(VaultOptions { vault_id: Some(id), ..VaultOptions::default() });
    assert_eq!(world.get("A").unwrap(), "one");
    let events = world.store.all_events().len();
    world.reopen(VaultOptions { vault_id: Some([7; 16]), ..VaultOptions::default() });
    assert_eq!(code(world.get("A")), Code::VaultHeadMissing);
    assert_eq!(world.store.all_events().len(), events);
    // A stripped store is not taken for a new one.
    world.reopen(VaultOptions { vault_id: Some(id), ..VaultOptions::default() });
    world.store = store_of([], []);
    assert_eq!(code(world.set("A", "two")), Code::VaultHeadMissing);
    assert_eq!(world.store.records().count(), 0);
}

#[test]
fn a_store_with_a_history_and_no_head_is_never_initialised_again() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    world.get("A").unwrap();
    world.propose("A", Change::Delete, None).unwrap();
    let whole = world.store.clone();
    let kept = |kinds: &[RecordKind]| -> Vec<Record> {
        whole.records().filter(|record| kinds.contains(&record.key.kind)).cloned().collect()
    };
    let events = whole.all_events().to_vec();
    use RecordKind as K;
    for (records, events) in [
        (kept(&[K::Secret, K::Stream, K::Pending]), events.clone()),
        (kept(&[]), events),
        (kept(&[K::Stream]), vec![]),
        (kept(&[K::Secret]), vec![]),
        (kept(&[K::Pending]), vec![]),
    ] {
        world.store = store_of(records, events);
        let before = serialized(&world);
        assert_eq!(code(world.get("A")), Code::VaultHeadMissing);
        assert_eq!(code(world.set("A", "two")), Code::VaultHeadMissing);
        assert_eq!(code(world.verify()), Code::VaultHeadMissing);
        assert_eq!(code(world.act(|vault, actor, entropy| vault.adopt(actor, entropy))), Code::VaultHeadMissing);
        assert_eq!(serialized(&world), before);
    }
}

#[test]
fn strangers_leave_no_trace_in_a_store_that_has_no_vault() {
    let options = || VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() };
    let mut world = World::with(options());
    for store in [store_of([], []), old_store(&world)] {
        world.store = store;
        let before = serialized(&world);
        world.actor = actor("mallory");
        let slot = slot("STRIPE_API_KEY");
        for result in [
            world.get("STRIPE_API_KEY").map(drop),
            world.set("NEW", "v").map(drop),
            world.rotate("STRIPE_API_KEY", "v").map(drop),
            world.delete("STRIPE_API_KEY").map(drop),
            world.propose("STRIPE_API_KEY", Change::Delete, None).map(drop),
            world.act(|v, a, e| v.exists(a, &slot, e)).map(drop),
            world.act(|v, a, e| v.list(a, None, e).unwrap()).map(drop),
            world.act(|v, a, e| v.audit(a, None, 10, e).unwrap()).map(drop),
            world.act(|v, a, e| v.census(a, e)).map(drop),
            world.act(|v, a, e| v.adopt(a, e)).map(drop),
            world.act(|v, a, e| v.confirm(a, &"A".repeat(22), e)).map(drop),
            world.act(|v, a, e| v.cancel(a, &"A".repeat(22), e)),
            world.verify().map(drop),
        ] {
            assert_eq!(code(result), Code::PermissionDenied);
            assert_eq!(serialized(&world), before);
        }
        world.actor = actor("alice").until(Timestamp::from_millis(0));
        assert_eq!(code(world.set("NEW", "v")), Code::SessionExpired);
        assert_eq!(serialized(&world), before);
        world.actor = actor("alice");
        world.set("NEW", "v").unwrap();
        world.verify().unwrap();
    }
}

// Adoption.

fn odd_names() -> Vec<String> {
    vec!["two words".into(), "line\nbreak".into(), "\u{fc}ml\u{e4}ut: x".into(), "x".repeat(4096), " ".into()]
}

fn old_store(world: &World) -> strongroom::store::MemoryStore {
    let mut rows = vec![
        old_row(&world.keyring, "STRIPE_API_KEY", "sk_live_1"),
        old_row(&world.keyring, "BIG", &"v".repeat(70_000)),
    ];
    rows.extend(odd_names().iter().map(|name| old_row(&world.keyring, name, "odd")));
    let empty = Record { columns: strongroom::record::Columns::default(), ..old_row(&world.keyring, "NULL", "") };
    rows.push(empty);
    store_of(rows, [old_event("set", "STRIPE_API_KEY"), old_event("get", "STRIPE_API_KEY")])
}

#[test]
fn an_old_store_is_adopted_on_its_first_use_and_nothing_is_lost() {
    let mut world = World::new();
    world.store = old_store(&world);
    let before: Vec<Record> = world.store.records().cloned().collect();
    assert_eq!(world.get("STRIPE_API_KEY").unwrap(), "sk_live_1");
    assert_eq!(world.get("BIG").unwrap().len(), 70_000);
    for old in &before {
        let new = world.store.records().find(|record| record.key == old.key).unwrap();
        assert_eq!(new.columns.value_encrypted, old.columns.value_encrypted);
        assert_eq!(new.columns.encryption_key_id, old.columns.encryption_key_id);
        assert_eq!(new.columns.created_by, old.columns.created_by);
        assert_eq!(new.columns.created_at, old.columns.created_at);
        assert!(new.counters.accessed_count >= old.counters.accessed_count);
        assert_eq!(new.revision, 1);
    }
    assert_eq!(accessed(&world, "STRIPE_API_KEY"), 8);
    let revealed = world.act(|vault, actor, entropy| vault.get(actor, &slot("STRIPE_API_KEY"), entropy)).unwrap();
    assert_eq!((revealed.format, revealed.version), (Format::NodeGcm, 1));
    assert_eq!(told(&world.store.all_events()[2]), ("adopted", "success", None, None));
    assert!(world.store.all_events()[2].digest.is_some() && world.store.all_events()[2].secret_uid.is_none());
    let mut begun = Vec::new();
    for event in &world.store.all_events()[3..3 + before.len()] {
        assert_eq!((told(event).0, told(event).1, event.reason.as_deref()), ("adopted", "success", Some("import")));
        assert_eq!((event.stream.as_deref(), event.digest.as_deref()), (Some("vault"), None));
        begun.push((event.name.clone().unwrap(), event.secret_uid.clone()));
    }
    let secrets = world.store.records().filter(|record| record.key.kind == RecordKind::Secret);
    let mut secrets: Vec<_> = secrets.map(|record| (record.key.name.clone(), record.columns.uid.clone())).collect();
    assert_eq!(secrets.len(), before.len());
    begun.sort();
    secrets.sort();
    assert_eq!(begun, secrets, "each adopted secret has an event that says so");
    assert_eq!(code(world.get("NULL")), Code::TokenMalformed);
    world.set("NULL", "now it has one").unwrap();
    assert_eq!(world.get("NULL").unwrap(), "now it has one");
    let report = world.verify().unwrap();
    assert_eq!(report.unchained, 2);
    let history =
        world.act(|vault, actor, entropy| vault.audit(actor, Some(&slot("STRIPE_API_KEY")), 50, entropy).unwrap());
    let history = history.unwrap().events;
    assert_eq!(history.len(), 5);
    assert_eq!(told(&history[2]), ("adopted", "success", None, Some("STRIPE_API_KEY")));
    assert_eq!(history[4].stream, None, "old rows are shown with the rest");
}

#[test]
fn adopted_values_are_rewritten_only_when_they_change() {
    let mut world = World::new();
    world.store = old_store(&world);
    world.rotate("STRIPE_API_KEY", "sk_live_2").unwrap();
    let record = world.secret_record("STRIPE_API_KEY");
    assert!(record.columns.value_encrypted.as_ref().unwrap().starts_with("sr1."));
    let version = &body(record)["versions"][0];
    assert_eq!(
        (&version["reason"], &version["number"], &version["key_id"]),
        (&json!("import"), &json!(1), &json!("default"))
    );
    assert_eq!(world.get("STRIPE_API_KEY").unwrap(), "sk_live_2");
    world.delete("STRIPE_API_KEY").unwrap();
    world.verify().unwrap();
}

#[test]
fn odd_names_of_an_old_store_stay_readable_and_rotatable() {
    let mut world = World::new();
    world.store = old_store(&world);
    for name in odd_names() {
        let odd = Slot::parse_stored(None, &name).unwrap();
        assert!(odd.check().is_err());
        assert_eq!(world.get_slot(&odd).unwrap(), "odd");
        let rotated =
            world.act(|vault, actor, entropy| vault.rotate(actor, &odd, Rotation::to(secret("new")), entropy)).unwrap();
        assert_eq!(rotated.version, Some(2));
        assert_eq!(world.get_slot(&odd).unwrap(), "new");
        assert_eq!(world.last_event().name.as_ref(), Some(&name));
        let proposed = world
            .act(|vault, actor, entropy| vault.propose(actor, &odd, (Change::Rotate, Some(secret("newer"))), entropy))
            .unwrap();
        world.act(|vault, actor, entropy| vault.confirm(actor, &proposed.id, entropy)).unwrap();
        assert_eq!(world.get_slot(&odd).unwrap(), "newer");
        world.act(|vault, actor, entropy| vault.delete(actor, &odd, entropy)).unwrap();
        let again = world.act(|vault, actor, entropy| vault.set(actor, &odd, plainly("new"), entropy));
        assert_eq!(code(again), Code::NameInvalid, "once gone it can't come back");
    }
    world.verify().unwrap();
}

#[test]
fn a_row_without_a_usable_name_does_not_stop_the_others() {
    let mut world = World::new();
    for name in ["", "nul\0", &"x".repeat(4097)] {
        let rows = [old_row(&world.keyring, name, "odd"), old_row(&world.keyring, "A", "one")];
        world.store = store_of(rows.clone(), []);
        assert_eq!(world.get("A").unwrap(), "one");
        let listing = world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).unwrap();
        assert_eq!(listing.secrets.len(), 1);
        world.act(|vault, actor, entropy| vault.census(actor, entropy)).unwrap();
        let adopted = world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).unwrap();
        assert_eq!(adopted.secrets, 0);
        assert!(world.store.records().any(|record| *record == rows[0]), "the row stays as it was");
        world.verify().unwrap();
    }
}

#[test]
fn a_keyring_that_opens_nothing_adopts_nothing() {
    let mut world = World::new();
    world.store = old_store(&world);
    let before = serialized(&world);
    world.vault = vault(&keyring(999), VaultOptions::default());
    for result in [
        world.get("STRIPE_API_KEY").map(drop),
        world.set("NEW", "v").map(drop),
        world.verify().map(drop),
        world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).map(drop),
        world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).map(drop),
        world.act(|vault, actor, entropy| vault.exists(actor, &slot("A"), entropy)).map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::NotAuthentic);
        assert!(error.message().starts_with("Decryption failed - wrong key"), "{error}");
    }
    assert_eq!(serialized(&world), before);
    world.reopen(VaultOptions::default());
    assert_eq!(world.get("STRIPE_API_KEY").unwrap(), "sk_live_1");
}

#[test]
fn rows_that_appear_later_are_refused_until_somebody_adopts_them() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let late = old_row(&world.keyring, "LATE", "appeared");
    world.store = with_records(&world.store, |records| records.push(late));
    for result in [
        world.get("LATE").map(drop),
        world.rotate("LATE", "two").map(drop),
        world.set("LATE", "two").map(drop),
        world.delete("LATE").map(drop),
        world.propose("LATE", Change::Delete, None).map(drop),
        world.act(|vault, actor, entropy| vault.exists(actor, &slot("LATE"), entropy)).map(drop),
        world.act(|vault, actor, entropy| vault.list(actor, None, entropy).unwrap()).map(drop),
        world.act(|vault, actor, entropy| vault.census(actor, entropy)).map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::RecordTampered);
        assert!(error.message().contains("another program wrote it"), "{error}");
        assert_eq!(told(world.last_event()).2, Some("RECORD_TAMPERED"));
    }
    assert_eq!(world.get("A").unwrap(), "one");
    let adopted = world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).unwrap();
    assert_eq!((adopted.secrets, adopted.events), (1, 0));
    let [.., whole, one] = world.store.all_events() else { panic!("an event of the whole, and one of the secret") };
    assert_eq!((told(whole), whole.secret_uid.as_ref()), (("adopted", "success", None, None), None));
    assert_eq!(told(one), ("adopted", "success", None, Some("LATE")));
    assert_eq!(one.secret_uid, world.secret_record("LATE").columns.uid);
    assert_eq!(world.get("LATE").unwrap(), "appeared");
    world.verify().unwrap();
}

#[test]
fn later_rows_of_another_key_are_not_adopted_and_the_refusal_is_an_event() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let foreign = old_row(&keyring(77), "LATE", "foreign");
    world.store = with_records(&world.store, |records| records.push(foreign.clone()));
    let refused = world.act(|vault, actor, entropy| vault.adopt(actor, entropy));
    assert_eq!(code(refused), Code::NotAuthentic);
    assert_eq!(told(world.last_event()), ("adopted", "error", Some("NOT_AUTHENTIC"), None));
    assert!(world.store.records().any(|record| *record == foreign));
}

#[test]
fn adopting_an_old_store_by_name_tells_what_was_adopted() {
    let mut world = World::new();
    world.store = old_store(&world);
    let rows = world.store.records().count() as u64;
    let adopted = world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).unwrap();
    assert_eq!((adopted.secrets, adopted.events), (rows, 2));
    let again = world.act(|vault, actor, entropy| vault.adopt(actor, entropy)).unwrap();
    assert_eq!((again.secrets, again.events), (0, 2));
    world.verify().unwrap();
}

#[test]
fn verifying_an_old_store_first_adopts_it_and_counts_its_rows() {
    let mut world = World::new();
    world.store = old_store(&world);
    let rows = world.store.records().count() as u64;
    let report = world.verify().unwrap();
    assert_eq!((report.events, report.streams, report.unchained), (1 + rows, 1, 2));
    assert_eq!(unhex(&report.vault_id), world.vault_id());
}

// Confirmation.

fn confirm(world: &mut World, id: &str) -> strongroom::Result<strongroom::ops::Confirmed> {
    world.act(|vault, actor, entropy| vault.confirm(actor, id, entropy))
}

fn cancel(world: &mut World, id: &str) -> strongroom::Result<()> {
    world.act(|vault, actor, entropy| vault.cancel(actor, id, entropy))
}

fn telegram(id: &str) -> Actor {
    actor(id).on_platform("telegram").unwrap()
}

/// What a confirmation must not have changed.
fn secrets(world: &World) -> Vec<Record> {
    world.store.records().filter(|record| record.key.kind == RecordKind::Secret).cloned().collect()
}

#[test]
fn a_proposal_shows_a_masked_value_and_changes_nothing() {
    let mut world = World::new();
    let proposed = world.propose("A", Change::Set, Some("sk_test_canary_value")).unwrap();
    assert_eq!(proposed.masked.as_deref(), Some("sk_t****"));
    assert!(!proposed.exists);
    assert_eq!(proposed.expires_at, world.last_event().at.unwrap().plus_millis(5 * 60 * 1000));
    assert_eq!(proposed.id.len(), 22);
    assert!(secrets(&world).is_empty());
    assert_eq!(told(world.last_event()), ("propose", "success", None, Some("A")));
    assert!(!serialized(&world).contains("canary"), "the value is stored sealed");
    world.set("A", "one").unwrap();
    assert!(world.propose("A", Change::Set, Some("two")).unwrap().exists);
    assert_eq!(world.propose("A", Change::Delete, None).unwrap().masked, None);
}

#[test]
fn each_change_can_be_proposed_and_confirmed() {
    let mut world = World::new();
    let id = world.propose("A", Change::Set, Some("one")).unwrap().id;
    let confirmed = confirm(&mut world, &id).unwrap();
    assert_eq!((confirmed.change, confirmed.repeated), (Change::Set, false));
    assert_eq!((confirmed.written.version, confirmed.written.created), (Some(1), true));
    assert_eq!(told(world.last_event()), ("set", "success", None, Some("A")));
    assert_eq!(world.get("A").unwrap(), "one");
    let id = world.propose("A", Change::Rotate, Some("two")).unwrap().id;
    assert_eq!(confirm(&mut world, &id).unwrap().written.version, Some(2));
    assert_eq!(told(world.last_event()), ("rotate", "success", None, Some("A")));
    assert_eq!(world.get("A").unwrap(), "two");
    let id = world.propose("A", Change::Delete, None).unwrap().id;
    assert_eq!(confirm(&mut world, &id).unwrap().written.version, None);
    assert_eq!(code(world.get("A")), Code::SecretNotFound);
    world.verify().unwrap();
}

#[test]
fn proposals_that_could_never_be_confirmed_are_refused() {
    let mut world = World::new();
    assert_eq!(code(world.propose("A", Change::Rotate, Some("v"))), Code::SecretNotFound);
    assert_eq!(code(world.propose("A", Change::Delete, None)), Code::SecretNotFound);
    assert_eq!(code(world.propose("A", Change::Set, None)), Code::InvalidArgument);
    world.set("A", "one").unwrap();
    assert_eq!(code(world.propose("A", Change::Delete, Some("v"))), Code::InvalidArgument);
    assert_eq!(world.store.records().filter(|record| record.key.kind == RecordKind::Pending).count(), 0);
}

#[test]
fn a_proposal_outlives_its_process() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let id = world.propose("A", Change::Rotate, Some("two")).unwrap().id;
    world.reopen(VaultOptions::default());
    confirm(&mut world, &id).unwrap();
    world.reopen(VaultOptions::default());
    assert_eq!(world.get("A").unwrap(), "two");
}

#[test]
fn a_second_confirmation_tells_the_first_outcome_and_writes_nothing() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let id = world.propose("A", Change::Rotate, Some("two")).unwrap().id;
    let first = confirm(&mut world, &id).unwrap();
    world.rotate("A", "three").unwrap();
    let before = (
        secrets(&world),
        world.store.records().filter(|r| r.key.kind == RecordKind::Pending).cloned().collect::<Vec<_>>(),
    );
    world.clock.0 += 10 * 60 * 1000;
    let second = confirm(&mut world, &id).unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!((second.change, &second.written), (first.change, &first.written));
    let after = (
        secrets(&world),
        world.store.records().filter(|r| r.key.kind == RecordKind::Pending).cloned().collect::<Vec<_>>(),
    );
    assert_eq!(after, before);
    assert_eq!(told(world.last_event()), ("confirm", "success", None, Some("A")));
    // Deletion too, where nothing is left to look at.
    let id = world.propose("A", Change::Delete, None).unwrap().id;
    let first = confirm(&mut world, &id).unwrap();
    assert_eq!(confirm(&mut world, &id).unwrap().written, first.written);
    world.verify().unwrap();
}

#[test]
fn only_its_actor_confirms_or_cancels_a_proposal_and_on_the_same_platform() {
    let mut world = World::new();
    world.actor = telegram("alice");
    world.set("A", "one").unwrap();
    let id = world.propose("A", Change::Rotate, Some("two")).unwrap().id;
    let before = secrets(&world);
    for other in [telegram("bob"), actor("alice").on_platform("discord").unwrap(), actor("alice"), actor("bob")] {
        world.actor = other;
        assert_eq!(code(confirm(&mut world, &id)), Code::ConfirmationMismatch);
        assert_eq!(told(world.last_event()), ("confirm", "denied", Some("CONFIRMATION_MISMATCH"), Some("A")));
        assert_eq!(code(cancel(&mut world, &id)), Code::ConfirmationMismatch);
        assert_eq!(told(world.last_event()).1, "denied");
    }
    assert_eq!(secrets(&world), before);
    world.actor = telegram("alice");
    confirm(&mut world, &id).unwrap();
    world.actor = telegram("bob");
    assert_eq!(code(confirm(&mut world, &id)), Code::ConfirmationMismatch, "nor is its outcome told to others");
}

#[test]
fn a_proposal_expires_at_its_instant() {
    for (early, expected) in [(1, None), (0, Some(Code::ConfirmationExpired)), (-1, Some(Code::ConfirmationExpired))] {
        let mut world = World::with(VaultOptions { proposal_millis: 1000, ..VaultOptions::default() });
        world.set("A", "one").unwrap();
        let proposed = world.propose("A", Change::Rotate, Some("two")).unwrap();
        // A confirmation takes five steps; it is judged by the time of the fourth, when the scene was loaded.
        world.clock.0 = proposed.expires_at.as_millis() - early - 4;
        let confirmed = confirm(&mut world, &proposed.id);
        assert_eq!(confirmed.as_ref().err().map(strongroom::Error::code), expected);
        assert_eq!(world.get("A").unwrap(), if expected.is_some() { "one" } else { "two" });
    }
}

#[test]
fn a_secret_that_changed_since_is_not_overwritten() {
    type Meanwhile = fn(&mut World);
    let changes: [(&str, Meanwhile); 4] = [
        ("set", |world| drop(world.set("A", "meanwhile").unwrap())),
        ("rotated", |world| drop(world.rotate("A", "meanwhile").unwrap())),
        ("deleted", |world| drop(world.delete("A").unwrap())),
        ("created again", |world| {
            world.delete("A").unwrap();
            world.set("A", "meanwhile").unwrap();
        }),
    ];
    for change in [Change::Set, Change::Rotate, Change::Delete] {
        for (what, meanwhile) in changes {
            let mut world = World::new();
            world.set("A", "one").unwrap();
            let value = (change != Change::Delete).then_some("proposed");
            let id = world.propose("A", change, value).unwrap().id;
            meanwhile(&mut world);
            let before = secrets(&world);
            assert_eq!(code(confirm(&mut world, &id)), Code::ChangedSinceProposed, "{change:?}, {what}");
            assert_eq!(secrets(&world), before);
            assert_eq!(told(world.last_event()).2, Some("CHANGED_SINCE_PROPOSED"));
        }
    }
    let mut world = World::new();
    let id = world.propose("A", Change::Set, Some("proposed")).unwrap().id;
    world.set("A", "meanwhile").unwrap();
    assert_eq!(code(confirm(&mut world, &id)), Code::ChangedSinceProposed);
    // Reading is no change.
    let id = world.propose("A", Change::Set, Some("proposed")).unwrap().id;
    world.get("A").unwrap();
    confirm(&mut world, &id).unwrap();
}

#[test]
fn policy_and_session_are_judged_again_at_the_confirmation() {
    let mut world = World::new();
    let id = world.propose("A", Change::Set, Some("one")).unwrap().id;
    world.actor = actor("alice").until(Timestamp::from_millis(0));
    assert_eq!(code(confirm(&mut world, &id)), Code::SessionExpired);
    world.actor = actor("alice");
    world.reopen(VaultOptions { actors: Some(vec![]), ..VaultOptions::default() });
    assert_eq!(code(confirm(&mut world, &id)), Code::PermissionDenied);
    world.reopen(VaultOptions { value_max: 2, ..VaultOptions::default() });
    assert_eq!(code(confirm(&mut world, &id)), Code::ValueInvalid);
    world.reopen(VaultOptions::default());
    confirm(&mut world, &id).unwrap();
}

#[test]
fn a_cancelled_proposal_is_gone_and_its_value_forgotten() {
    let mut world = World::new();
    let id = world.propose("A", Change::Set, Some("one")).unwrap().id;
    cancel(&mut world, &id).unwrap();
    let pending = world.store.records().find(|record| record.key.kind == RecordKind::Pending).unwrap();
    assert_eq!(body(pending)["sealed"], Value::Null);
    assert_eq!(code(confirm(&mut world, &id)), Code::ConfirmationNotFound);
    cancel(&mut world, &id).unwrap();
    assert!(secrets(&world).is_empty());
    let id = world.propose("A", Change::Set, Some("one")).unwrap().id;
    confirm(&mut world, &id).unwrap();
    let pending: Vec<_> = world.store.records().filter(|record| record.key.kind == RecordKind::Pending).collect();
    assert!(pending.iter().all(|record| body(record)["sealed"] == Value::Null));
    assert_eq!(code(cancel(&mut world, &id)), Code::ConfirmationNotFound);
}

#[test]
fn unknown_and_malformed_ids_are_not_found() {
    let mut world = World::new();
    let id = world.propose("A", Change::Set, Some("one")).unwrap().id;
    let unknown = "A".repeat(22);
    let padded = id.clone() + "=";
    for id in [&*unknown, &*padded, &id[..21], "", "vault", "../..", "\0", "\u{1f511}", &"x".repeat(10_000)] {
        assert_eq!(code(confirm(&mut world, id)), Code::ConfirmationNotFound, "{id:?}");
        assert_eq!(told(world.last_event()), ("confirm", "error", Some("CONFIRMATION_NOT_FOUND"), None));
        assert_eq!(code(cancel(&mut world, id)), Code::ConfirmationNotFound, "{id:?}");
    }
}

// Chat commands.

fn say(world: &mut World, text: &str) -> CommandReply {
    world.act(|vault, actor, entropy| vault.command(actor, secret(text), entropy)).unwrap()
}

fn chat() -> World {
    let confirm = vec![Change::Set, Change::Rotate, Change::Delete];
    let mut world = World::with(VaultOptions { confirm, ..VaultOptions::default() });
    world.actor = telegram("alice");
    world
}

#[test]
fn a_chat_sets_reads_rotates_and_deletes_with_confirmations() {
    let mut world = chat();
    let reply = say(&mut world, "secret set STRIPE sk_test_canary_one");
    assert!(reply.carried_value);
    assert!(reply.text.starts_with("Set STRIPE to sk_t****?"), "{}", reply.text);
    assert_eq!(reply.buttons.len(), 2);
    let [yes, no] = [&reply.buttons[0], &reply.buttons[1]];
    assert_eq!((&*yes.label, &*no.label), ("Confirm", "Cancel"));
    for button in [yes, no] {
        assert!(button.command.len() <= 64, "{}", button.command);
        assert!(reply.text.contains(&button.command), "the words say how to decide without buttons");
    }
    assert!(secrets(&world).is_empty());
    let done = say(&mut world, &yes.command);
    assert_eq!((&*done.text, done.carried_value, done.code), ("STRIPE is stored.", false, None));
    assert_eq!(say(&mut world, "secret get STRIPE").text, "STRIPE: sk_t****");

    let reply = say(&mut world, "secret rotate STRIPE sk_test_canary_two");
    assert_eq!(say(&mut world, &reply.buttons[0].command).text, "STRIPE is rotated (version 2).");
    assert_eq!(world.get("STRIPE").unwrap(), "sk_test_canary_two");

    let reply = say(&mut world, "secret delete STRIPE");
    assert!(!reply.carried_value);
    assert_eq!(say(&mut world, &reply.buttons[1].command).text, "Cancelled. Nothing was changed.");
    assert_eq!(world.get("STRIPE").unwrap(), "sk_test_canary_two");
    let late = say(&mut world, &reply.buttons[0].command);
    assert_eq!(late.code.as_deref(), Some("CONFIRMATION_NOT_FOUND"));
    let reply = say(&mut world, "secret delete STRIPE");
    assert!(say(&mut world, &reply.buttons[0].command).text.starts_with("STRIPE is deleted."));
    world.verify().unwrap();
}

#[test]
fn without_confirmations_commands_act_at_once() {
    let mut world = World::new();
    assert_eq!(say(&mut world, "secret set A one").text, "A is stored.");
    assert_eq!(say(&mut world, "secret set A two").text, "A has a new value (version 2).");
    assert_eq!(say(&mut world, "secret rotate A three").text, "A is rotated (version 3).");
    assert_eq!(world.get("A").unwrap(), "three");
    assert!(say(&mut world, "secret delete A").text.starts_with("A is deleted."));
    assert_eq!(say(&mut world, "secret get A").code.as_deref(), Some("SECRET_NOT_FOUND"));
}

#[test]
fn a_chat_lists_and_shows_history() {
    let mut world = chat();
    assert!(say(&mut world, "secret list").text.starts_with("There are no secrets yet."));
    world.set("A", "canary-canary-canary").unwrap();
    say(&mut world, "secret get A");
    let list = say(&mut world, "/SECRET List").text;
    assert!(list.starts_with("Secrets (1):\nA: last rotated 2025-12-07T12:00:00."), "{list}");
    assert!(list.ends_with("Z, accessed 1x, created by alice"), "{list}");
    let audit = say(&mut world, "secret audit A").text;
    let lines: Vec<_> = audit.lines().collect();
    assert_eq!(lines.len(), 3, "{audit}");
    assert!(lines[1].ends_with("GET alice (telegram) ok") && lines[2].ends_with("SET alice (telegram) ok"), "{audit}");
    assert_eq!(say(&mut world, "secret audit B").text, "There is no history of B.");
}

#[test]
fn no_reply_holds_a_value() {
    let mut world = chat();
    for value in ["canary", "canary-canary", "c\ncanary\ncanary-canary"] {
        let mut replies = vec![say(&mut world, &format!("secret set A {value}"))];
        replies.push(say(&mut world, &replies[0].buttons[0].command.clone()));
        replies.push(say(&mut world, "secret get A"));
        replies.push(say(&mut world, "secret list"));
        replies.push(say(&mut world, "secret audit A"));
        replies.push(say(&mut world, &format!("secret store A {value}")));
        replies.push(say(&mut world, &format!("secret get A {value}")));
        replies.push(say(&mut world, value));
        for reply in replies {
            assert!(!serde_json::to_string(&reply).unwrap().contains("canary"), "{}", reply.text);
        }
        assert!(!serialized(&world).contains("canary"));
    }
}

#[test]
fn messages_that_may_carry_a_value_are_marked() {
    let mut world = chat();
    for (text, carried_value) in [
        ("secret set A one", true),
        ("secret rotate A one", true),
        ("secret set bad\u{e9}name one", true),
        ("secret put A one", true),
        ("one", true),
        ("secret get A", false),
        ("secret list", false),
        ("secret", false),
        ("secret delete A", false),
    ] {
        assert_eq!(say(&mut world, text).carried_value, carried_value, "{text}");
    }
}

#[test]
fn refusals_are_words_and_failures_of_the_store_are_errors() {
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
    world.set("A", "one").unwrap();
    world.actor = telegram("mallory");
    let commands = ["secret get A", "secret list", "secret audit A", "secret set A x", "secret delete A"];
    let no_commands = ["secret", "secret help", "secret put A x", "hello"];
    for text in commands.into_iter().chain(no_commands) {
        let reply = say(&mut world, text);
        assert_eq!(reply.code.as_deref(), Some("PERMISSION_DENIED"), "{text}");
        assert!(reply.text.contains("permission denied") && reply.buttons.is_empty());
        assert_eq!(told(world.last_event()).1, "denied");
    }
    world.actor = actor("alice");
    let reply = say(&mut world, "secret put A x");
    assert_eq!(reply.code.as_deref(), Some("COMMAND_INVALID"));
    assert!(reply.text.contains("secret set <name> <value>"));
    let reply = say(&mut world, "secret help");
    assert_eq!(reply.code, None);
    assert!(reply.text.contains("secret set <name> <value>"));
    world.store = with_records(&world.store, |records| records.retain(|record| record.key.kind != RecordKind::Head));
    let failed = world.act(|vault, actor, entropy| vault.command(actor, secret("secret get A"), entropy));
    assert_eq!(code(failed), Code::VaultHeadMissing);
}

#[test]
fn a_chat_reaches_other_namespaces() {
    let mut world = World::new();
    assert_eq!(say(&mut world, "secret set nexus:mcp.bun.apiKey one").text, "nexus:mcp.bun.apiKey is stored.");
    assert_eq!(world.get("nexus:mcp.bun.apiKey").unwrap(), "one");
}
