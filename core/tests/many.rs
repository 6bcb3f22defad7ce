//! Many secrets at once: get_many, set_many, provision and check.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use strongroom::audit::Event;
use strongroom::generate::Generator;
use strongroom::ident::Slot;
use strongroom::ops::{
    Assignment, EntryState, Expiry, IfExists, ManifestReport, ManyOptions, NewValue, Origin, PlainValues, Rotation,
    Run, Setting, WrittenMany,
};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Reason, Record, RecordKind};
use strongroom::rotation::Sensitivity;
use strongroom::{ErrorCode as Code, Request, Result, SecretBytes, VaultOptions};
use support::{World, actor, assignments, code, drive_with, manifest, needs, secret, slot, with_records};

fn world() -> World {
    let mut world = World::new();
    for (name, value) in [("A", "a one"), ("B", "b one"), ("nexus:C", "c one")] {
        world.set(name, value).unwrap();
    }
    world
}

fn get_many(world: &mut World, names: &[&str]) -> Result<Vec<String>> {
    let slots: Vec<Slot> = names.iter().map(|name| slot(name)).collect();
    let found = world.act(|v, a, e| v.get_many(a, slots, e))?;
    Ok(found.iter().map(|one| String::from_utf8(one.value.expose().to_vec()).unwrap()).collect())
}

fn set_many(world: &mut World, given: &[(&str, &str)], options: ManyOptions) -> Result<WrittenMany> {
    let (assignments, _) = assignments(given);
    world.act(|v, a, e| v.set_many(a, (assignments, options), e))
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().message().to_string()
}

/// The events since, as `stream action name outcome`.
fn told(events: &[Event]) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let stream = |event: &Event| if event.stream.as_deref() == Some("vault") { "vault" } else { "own" };
    let told = |event: &Event| {
        format!("{} {} {} {}", stream(event), text(&event.action), text(&event.name), text(&event.outcome))
    };
    events.iter().map(told).collect()
}

fn events_since(world: &World, before: usize) -> Vec<String> {
    told(&world.store.all_events()[before..])
}

fn read_policy(rules: &str) -> Policy {
    Policy::parse(&format!(r#"{{"rules": [{rules}]}}"#)).unwrap()
}

// get_many

#[test]
fn many_values_come_in_the_order_of_their_names_with_an_event_and_a_count_for_each() {
    let mut world = world();
    let before = world.store.all_events().len();
    assert_eq!(get_many(&mut world, &["nexus:C", "A"]).unwrap(), ["c one", "a one"]);
    assert_eq!(events_since(&world, before), ["vault get_many - success", "own get C success", "own get A success"]);
    let counts: Vec<u64> = ["A", "B", "nexus:C"].map(|name| world.secret_record(name).counters.accessed_count).into();
    assert_eq!(counts, [1, 0, 1]);
    world.verify().unwrap();
}

#[test]
fn many_values_take_one_load_and_one_commit() {
    let mut world = world();
    let flow = world.vault.get_many(&actor("alice"), vec![slot("A"), slot("B")], world_entropy(2));
    let mut asked = Vec::new();
    let store = &mut world.store;
    drive_with(flow, &mut world.clock, |_, request| {
        asked.push(request.name());
        store.answer(request)
    })
    .unwrap();
    assert_eq!(asked, ["load", "commit"]);
}

fn world_entropy(seed: u64) -> Box<dyn strongroom::Entropy> {
    Box::new(support::Seeded::new(seed))
}

#[test]
fn one_that_cannot_be_had_refuses_the_whole_and_the_error_tells_all_of_them() {
    let mut world = world();
    world.set("GONE", "x").unwrap();
    world.delete("GONE").unwrap();
    world.act(|v, a, e| v.disable(a, &slot("B"), e)).unwrap();
    let ended = Setting { expiry: Some(Expiry::In(50)), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("ENDED"), (secret("over").into(), ended), e)).unwrap();
    world.clock.0 += 100;
    let before = world.store.all_events().len();
    let error = get_many(&mut world, &["A", "B", "GONE", "hunter2", "ENDED"]).unwrap_err();
    assert_eq!(error.code(), Code::SecretDisabled);
    let message = error.message();
    assert!(message.starts_with("4 problems, and nothing was done: [1]: B is disabled"), "{message}");
    for part in ["[2]: Secret not found: GONE was deleted", "[3]: Secret not found: there is no", "[4]: ENDED has exp"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("hunter2") && !message.contains("over"), "{message}");
    assert_eq!(events_since(&world, before), ["vault get_many - error"]);
    let counts = world.secret_record("A").counters.accessed_count;
    assert_eq!(counts, 0, "what was refused is no access");
}

#[test]
fn problems_are_listed_up_to_twenty_and_counted() {
    let mut world = world();
    let names: Vec<String> = (0..100).map(|index| format!("N{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = message(get_many(&mut world, &names));
    assert!(message.starts_with("100 problems") && message.ends_with("; and 80 more"), "{message}");
    assert!(message.contains("[19]: ") && !message.contains("[20]: "), "{message}");
}

#[test]
fn a_record_that_was_tampered_with_refuses_the_whole() {
    let mut world = world();
    let earlier = world.secret_record("A").clone();
    world.rotate("A", "a two").unwrap();
    world.store = with_records(&world.store, |records: &mut Vec<Record>| {
        records.retain(|record| record.key != earlier.key);
        records.push(earlier);
    });
    assert_eq!(code(get_many(&mut world, &["B", "A"])), Code::RecordTampered);
    let set = set_many(&mut world, &[("A", "x")], ManyOptions::default());
    assert_eq!(code(set), Code::RecordTampered);
    assert_eq!(code(world.act(|v, a, e| v.check(a, needs(&["A"]), e))), Code::RecordTampered);
}

#[test]
fn a_secret_that_was_used_under_a_later_policy_than_the_stores_is_refused() {
    let mut world = world();
    let rule = |id: &str| read_policy(&format!(r#"{{"id": "{id}", "users": ["alice"], "actions": ["*"]}}"#));
    world.act(|v, a, e| v.set_policy(a, rule("first"), e)).unwrap();
    let early = world.store.clone();
    world.act(|v, a, e| v.set_policy(a, rule("second"), e)).unwrap();
    world.get("A").unwrap();
    let (now, a_stream) = (world.store.clone(), |record: &Record| {
        record.key.name == "A" && matches!(record.key.kind, RecordKind::Stream | RecordKind::Secret)
    });
    let mixed: Vec<Record> = early.records().filter(|record| !a_stream(record)).cloned().collect();
    let mixed = mixed.into_iter().chain(now.records().filter(|record| a_stream(record)).cloned());
    world.store = support::store_of(mixed, now.all_events().iter().cloned());
    assert_eq!(code(get_many(&mut world, &["A"])), Code::RecordTampered);
}

#[test]
fn nothing_is_asked_for_when_there_are_no_names() {
    let mut world = World::new();
    assert!(get_many(&mut world, &[]).unwrap().is_empty());
    assert!(set_many(&mut world, &[], ManyOptions::default()).unwrap().written.is_empty());
    assert_eq!(world.store.records().count(), 0);
}

#[test]
fn a_name_that_is_there_twice_and_too_many_of_them_are_refused_before_anything_is_asked() {
    let mut world = World::new();
    let twice = get_many(&mut world, &["A", "hunter2", "B", "hunter2"]);
    assert_eq!(message(twice), "[3] names the same secret as [1]: name each once");
    assert_eq!(code(set_many(&mut world, &[("A", "1"), ("A", "2")], ManyOptions::default())), Code::InvalidArgument);
    let names: Vec<String> = (0..501).map(|index| format!("N{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(code(get_many(&mut world, &names)), Code::LimitExceeded);
    assert_eq!(world.store.records().count(), 0);
}

#[test]
fn who_may_not_read_one_of_them_gets_none_and_learns_not_whether_it_is_there() {
    let mut world = world();
    let rules = r#"{"id": "all", "users": ["alice"], "actions": ["*"]},
        {"id": "nexus", "users": ["bob"], "actions": ["read"], "namespaces": ["nexus"]}"#;
    world.act(|v, a, e| v.set_policy(a, read_policy(rules), e)).unwrap();
    world.actor = actor("bob");
    let before = world.store.all_events().len();
    let (there, not) = (get_many(&mut world, &["nexus:C", "A"]), get_many(&mut world, &["nexus:C", "NOWHERE"]));
    assert_eq!(code(there.clone()), Code::PermissionDenied);
    assert_eq!(message(there), message(not));
    assert_eq!(events_since(&world, before), ["vault get_many - denied", "vault get_many - denied"]);
    // Denied is told whatever came before it.
    assert_eq!(code(get_many(&mut world, &["nexus:NOT", "A"])), Code::PermissionDenied);
    assert_eq!(get_many(&mut world, &["nexus:C"]).unwrap(), ["c one"]);
    let last = world.last_event();
    assert_eq!((last.action.as_deref(), last.rule.as_deref()), (Some("get"), Some("nexus")));
}

#[test]
fn a_grant_on_each_of_them_is_enough() {
    let mut world = world();
    world
        .act(|v, a, e| v.set_policy(a, read_policy(r#"{"id": "r", "users": ["alice"], "actions": ["*"]}"#), e))
        .unwrap();
    for name in ["A", "B"] {
        let to = (Grantee::User("bob".into()), vec![Permission::Read], None);
        world.act(|v, a, e| v.grant(a, &slot(name), to, e)).unwrap();
    }
    world.actor = actor("bob");
    assert_eq!(get_many(&mut world, &["A", "B"]).unwrap(), ["a one", "b one"]);
    assert_eq!(code(get_many(&mut world, &["A", "nexus:C"])), Code::PermissionDenied);
}

#[test]
fn a_policy_fixed_in_code_decides_for_each_before_there_is_a_vault() {
    let rules = r#"{"id": "nexus", "users": ["alice"], "actions": ["write"], "namespaces": ["nexus"]}"#;
    let fixed = || VaultOptions { policy: Some(read_policy(rules)), ..VaultOptions::default() };
    let mut world = World::with(fixed());
    let refused = set_many(&mut world, &[("nexus:A", "1"), ("B", "2")], ManyOptions::default());
    assert_eq!(code(refused), Code::PermissionDenied);
    assert_eq!(world.store.records().count(), 0, "it makes no vault");
    assert_eq!(set_many(&mut world, &[("nexus:A", "1")], ManyOptions::default()).unwrap().written.len(), 1);
}

// set_many

#[test]
fn many_are_set_at_once_new_and_old_with_an_event_for_each() {
    let mut world = world();
    let before = world.store.all_events().len();
    let done = set_many(&mut world, &[("NEW", "n"), ("A", "a two")], ManyOptions::default()).unwrap();
    let shown: Vec<_> = done.written.iter().map(|one| (one.name.as_str(), one.version, one.created)).collect();
    assert_eq!(shown, [("NEW", Some(1), true), ("A", Some(2), false)]);
    assert!(done.skipped.is_empty() && !done.dry_run);
    assert_eq!(
        events_since(&world, before),
        ["vault set_many - success", "vault set NEW success", "own set A success"]
    );
    assert_eq!((world.get("NEW").unwrap(), world.get("A").unwrap()), ("n".into(), "a two".into()));
    world.verify().unwrap();
}

#[test]
fn what_is_there_fails_the_whole_or_is_skipped_or_replaced_as_asked() {
    let mut world = world();
    let given = [("A", "a two"), ("NEW", "n")];
    let with = |if_exists| ManyOptions { if_exists, ..ManyOptions::default() };
    let refused = set_many(&mut world, &given, with(IfExists::Fail)).unwrap_err();
    assert_eq!(refused.code(), Code::SecretExists);
    assert!(refused.message().contains("[0]: A exists"), "{refused}");
    assert!(world.record(RecordKind::Secret, "NEW").is_none());
    let skipped = set_many(&mut world, &given, with(IfExists::Skip)).unwrap();
    assert_eq!((skipped.written.len(), skipped.skipped[0].name.as_str()), (1, "A"));
    assert_eq!(world.get("A").unwrap(), "a one");
    let replaced = set_many(&mut world, &given, with(IfExists::Replace)).unwrap();
    assert_eq!(replaced.written.iter().map(|one| one.version).collect::<Vec<_>>(), [Some(2), Some(2)]);
}

#[test]
fn what_was_skipped_must_still_be_there_when_the_rest_is_written() {
    let mut world = world();
    let (given, options) = (
        assignments(&[("A", "x"), ("NEW", "n")]).0,
        ManyOptions { if_exists: IfExists::Skip, ..ManyOptions::default() },
    );
    let flow = world.vault.set_many(&actor("alice"), (given, options), world_entropy(70));
    let (store, mut clock, mut is_gone) = (&mut world.store, world.clock.clone(), false);
    let vault = &world.vault;
    let done = drive_with(flow, &mut world.clock, |_, request| {
        if matches!(request, Request::Commit { .. }) && !is_gone {
            is_gone = true;
            support::drive(vault.delete(&actor("alice"), &slot("A"), world_entropy(71)), store, &mut clock).unwrap();
        }
        store.answer(request)
    })
    .unwrap();
    assert_eq!(done.written.len(), 2);
    assert_eq!(world.get("A").unwrap(), "x");
}

#[test]
fn every_name_and_value_is_checked_before_anything_is_asked() {
    let mut world = World::new();
    let odd = Slot::parse_stored(None, "hunter2 pasted").unwrap();
    let given = |slot, value: &str| Assignment { slot, value: Some(secret(value).into()), setting: Setting::default() };
    let all = vec![given(odd, "x"), given(slot("A"), "ok"), given(slot("B"), "")];
    let error = world.act(|v, a, e| v.set_many(a, (all, ManyOptions::default()), e)).unwrap_err();
    assert_eq!(error.code(), Code::NameInvalid);
    let message = error.message();
    assert!(message.starts_with("2 problems, and nothing was done: [0]: the name has another character"), "{message}");
    assert!(message.contains("[2]: the value is empty") && !message.contains("hunter2"), "{message}");
    assert_eq!(world.store.records().count(), 0);
}

#[test]
fn values_can_be_offered_or_made_and_must_come_in_the_right_number() {
    let mut world = world();
    let entry = |name: &str, value| Assignment { slot: slot(name), value, setting: Setting::default() };
    let made = || Some(NewValue::Generated(Generator::from_name("hex").unwrap()));
    let all = || vec![entry("X", None), entry("Y", made()), entry("Z", None)];
    let entropy = world.entropy();
    let mut flow = world.vault.set_many(&actor("alice"), (all(), ManyOptions::default()), entropy);
    for value in ["x", "z"] {
        flow.offer(SecretBytes::copy_of(value.as_bytes()));
    }
    world.run(flow).unwrap();
    assert_eq!((world.get("X").unwrap(), world.get("Z").unwrap()), ("x".into(), "z".into()));
    assert_eq!(world.get("Y").unwrap().len(), 64);
    let few = world.act(|v, a, e| v.set_many(a, (all(), ManyOptions::default()), e));
    assert_eq!(code(few), Code::InvalidArgument);
}

#[test]
fn an_import_says_so_in_versions_and_events() {
    let mut world = world();
    let options = ManyOptions { origin: Origin::Import, ..ManyOptions::default() };
    set_many(&mut world, &[("A", "a two"), ("NEW", "n")], options).unwrap();
    let events = world.store.all_events();
    let reasons: Vec<_> = events[events.len() - 3..].iter().map(|event| event.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("import"); 3]);
    let versions = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    assert_eq!(versions[0].reason, Reason::Import);
    let refused = set_many(&mut world, &[("A", "ok"), ("EMPTY", "")], options);
    assert!(message(refused).contains("EMPTY: the value is empty"), "variables are told by their names");
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_writes_nothing() {
    let mut world = world();
    let before = (world.store.records().cloned().collect::<Vec<_>>(), world.store.all_events().len());
    let options = ManyOptions { run: Run::Dry, ..ManyOptions::default() };
    let told = set_many(&mut world, &[("A", "a two"), ("NEW", "n")], options).unwrap();
    assert!(told.dry_run && told.written.len() == 2 && told.written[1].created);
    let after = (world.store.records().cloned().collect::<Vec<_>>(), world.store.all_events().len());
    assert_eq!(after, before);
    let refused = ManyOptions { if_exists: IfExists::Fail, ..options };
    assert_eq!(code(set_many(&mut world, &[("A", "a two")], refused)), Code::SecretExists);
    // A keyring that could not write is told so.
    let mut keyring =
        strongroom::Keyring::generate(&mut support::Seeded::new(1 << 32), strongroom::Timestamp::from_millis(0))
            .unwrap();
    keyring.add_primary(&mut support::Seeded::new(5), None, strongroom::Timestamp::from_millis(0)).unwrap();
    world.keyring = std::sync::Arc::new(keyring);
    world.reopen(VaultOptions::default());
    assert_eq!(code(set_many(&mut world, &[("A", "a two")], options)), Code::KeyringStale);
    assert_eq!(code(set_many(&mut world, &[("A", "a two")], ManyOptions::default())), Code::KeyringStale);
}

#[test]
fn what_is_told_of_each_is_kept_and_what_cannot_be_refuses_the_whole() {
    let mut world = world();
    let told = |notify: usize| Setting {
        sensitivity: Some(Sensitivity::Critical),
        notify: Some(vec!["ops".into(); notify]),
        ..Setting::default()
    };
    let of = |notify| vec![Assignment { slot: slot("X"), value: Some(secret("x").into()), setting: told(notify) }];
    world.act(|v, a, e| v.set_many(a, (of(1), ManyOptions::default()), e)).unwrap();
    assert!(world.secret_record("X").data.contains("\"critical\""));
    let refused = world.act(|v, a, e| v.set_many(a, (of(17), ManyOptions::default()), e));
    assert_eq!(code(refused), Code::LimitExceeded);
}

#[test]
fn a_deleted_secret_comes_back_with_a_stream_of_its_own() {
    let mut world = world();
    world.delete("A").unwrap();
    set_many(&mut world, &[("A", "again"), ("B", "b two")], ManyOptions::default()).unwrap();
    assert_eq!(world.get("A").unwrap(), "again");
    world.rotate("A", "more").unwrap();
    world.verify().unwrap();
}

#[test]
fn many_secrets_are_set_and_read_at_the_limit() {
    let mut world = World::new();
    let names: Vec<String> = (0..500).map(|index| format!("N{index}")).collect();
    let given: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    assert_eq!(set_many(&mut world, &given, ManyOptions::default()).unwrap().written.len(), 500);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(get_many(&mut world, &names).unwrap(), names);
}

// provision and check

fn states(report: &ManifestReport) -> Vec<(&str, EntryState, Vec<&str>)> {
    report.entries.iter().map(|entry| (entry.name.as_str(), entry.state, entry.weaknesses.clone())).collect()
}

fn check(world: &mut World, entries: &str, plain: &[(&str, &str)]) -> ManifestReport {
    let names = PlainValues::Of(plain.iter().map(|(name, _)| (*name).to_string()).collect());
    let entropy = world.entropy();
    let mut flow = world.vault.check(&world.actor, (manifest(entries), None, names), entropy);
    for (_, value) in plain {
        flow.offer(SecretBytes::copy_of(value.as_bytes()));
    }
    world.run(flow).unwrap()
}

#[test]
fn a_check_tells_how_each_entry_stands_and_no_value() {
    let mut world = world();
    world.set("PW", "your_secure_password_here").unwrap();
    world.set("SHORT", "canary").unwrap();
    world.set("OFF", "x1").unwrap();
    world.act(|v, a, e| v.disable(a, &slot("OFF"), e)).unwrap();
    let ended = Setting { expiry: Some(Expiry::In(50)), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("ENDED"), (secret("over").into(), ended), e)).unwrap();
    world.clock.0 += 100;
    let entries = r#"
        {"name": "A"}, {"name": "PW"}, {"name": "SHORT", "minimum_length": 16, "classes": ["digit", "upper"]},
        {"name": "OFF"}, {"name": "ENDED"}, {"name": "NONE"}, {"name": "MAYBE", "required": false},
        {"name": "DB_SSL_MODE", "kind": "plain"}, {"name": "HOST", "kind": "plain"},
        {"name": "PORT", "kind": "plain", "type": "int", "default": 5432},
        {"name": "LOG", "kind": "plain"}, {"name": "URL", "kind": "plain", "type": "url"}"#;
    let plain = [("DB_SSL_MODE", "prefer"), ("HOST", "<host>"), ("URL", "nowhere"), ("OTHER", "canary")];
    let before = world.store.all_events().len();
    let report = check(&mut world, entries, &plain);
    use EntryState::*;
    assert_eq!(
        states(&report),
        [
            ("A", Ok, vec![]),
            ("PW", Placeholder, vec!["placeholder"]),
            ("SHORT", Weak, vec!["too_short", "lacks_class"]),
            ("OFF", Disabled, vec![]),
            ("ENDED", Expired, vec![]),
            ("NONE", Missing, vec![]),
            ("MAYBE", Missing, vec![]),
            ("DB_SSL_MODE", Weak, vec!["weak_ssl_mode"]),
            ("HOST", Placeholder, vec!["placeholder"]),
            ("PORT", Ok, vec![]),
            ("LOG", Missing, vec![]),
            ("URL", Weak, vec!["wrong_type"]),
        ]
    );
    assert!(!report.ok);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("canary") && !shown.contains("secure") && !shown.contains("prefer"), "{shown}");
    assert_eq!(
        events_since(&world, before),
        ["vault check - success", "own check A success", "own check PW success", "own check SHORT success"]
    );
    assert_eq!(world.secret_record("A").counters.accessed_count, 1, "what was opened is an access");
}

#[test]
fn all_is_well_when_what_is_required_keeps_the_rules() {
    let mut world = world();
    let entries = r#"{"name": "A"}, {"name": "MAYBE", "required": false}, {"name": "LOG", "kind": "plain"}"#;
    assert!(check(&mut world, entries, &[("LOG", "info")]).ok);
    assert!(!check(&mut world, entries, &[]).ok);
    // Where there is no environment nothing is said of it.
    let unread = (manifest(entries), None, PlainValues::Unread);
    let report = world.act(|v, a, e| v.check(a, unread, e)).unwrap();
    assert!(report.ok);
    assert_eq!(report.entries[2].state, EntryState::Unchecked);
}

#[test]
fn what_no_key_opens_is_told_as_that_and_refuses_a_read_of_many() {
    let mut world = world();
    let at = strongroom::Timestamp::from_millis(0);
    let mut keyring = strongroom::Keyring::generate(&mut support::Seeded::new(1 << 32), at).unwrap();
    keyring.add_primary(&mut support::Seeded::new(5), None, at).unwrap();
    let text = keyring.dangerous_export();
    let text = std::str::from_utf8(text.expose()).unwrap().to_string();
    world.keyring = std::sync::Arc::new(keyring);
    world.reopen(VaultOptions::default());
    world.act(|v, a, e| v.rekey(a, (None, 1), e).unwrap()).unwrap();
    // The root and A stand under the new key by now, B under the old one.
    let primary = text.split([',', '\n']).next().unwrap();
    world.keyring = std::sync::Arc::new(strongroom::Keyring::parse(primary).unwrap());
    world.reopen(VaultOptions::default());
    let report = check(&mut world, r#"{"name": "A"}, {"name": "B"}"#, &[]);
    assert_eq!(states(&report), [("A", EntryState::Ok, vec![]), ("B", EntryState::Unreadable, vec![])]);
    assert_eq!(code(get_many(&mut world, &["A", "B"])), Code::KeyUnknown);
}

#[test]
fn provision_makes_what_is_missing_and_can_be_made() {
    let mut world = world();
    let entries = r#"
        {"name": "A"}, {"name": "MADE", "generator": {"kind": "password", "length": 20}, "minimum_length": 16,
         "classes": ["lower", "upper", "digit", "symbol"], "sensitivity": "critical", "notify": ["dba@corp.test"]},
        {"name": "TOKEN", "namespace": "nexus", "generator": "token_urlsafe", "required": false}, {"name": "NONE"}"#;
    let before = world.store.all_events().len();
    let asked = || (manifest(entries), None, PlainValues::Unread);
    let report = world.act(|v, a, e| v.provision(a, asked(), e)).unwrap();
    let shown: Vec<_> = report.entries.iter().map(|entry| (entry.name.as_str(), entry.state, entry.created)).collect();
    use EntryState::*;
    assert_eq!(shown, [("A", Ok, false), ("MADE", Ok, true), ("TOKEN", Ok, true), ("NONE", Missing, false)]);
    assert!(!report.ok);
    assert_eq!(
        events_since(&world, before),
        ["vault provision - success", "own provision A success", "vault set MADE success", "vault set TOKEN success"]
    );
    assert_eq!(world.get("MADE").unwrap().len(), 20);
    let data = &world.secret_record("MADE").data;
    for told in ["\"critical\"", "dba@corp.test", "\"generator\":{\"kind\":\"password\""] {
        assert!(data.contains(told), "{data}");
    }
    let made = world.get("nexus:TOKEN").unwrap();
    let again = world.act(|v, a, e| v.provision(a, asked(), e)).unwrap();
    assert!(again.entries.iter().all(|entry| !entry.created));
    assert_eq!(world.get("nexus:TOKEN").unwrap(), made);
    world.act(|v, a, e| v.rotate(a, &slot("MADE"), Rotation::default(), e)).unwrap();
    world.verify().unwrap();
}

#[test]
fn a_generator_whose_values_break_the_rules_of_its_entry_makes_nothing() {
    let mut world = world();
    let entries = r#"{"name": "FINE", "generator": "hex"}, {"name": "X", "generator": "uuid", "classes": ["upper"]}"#;
    let refused = world.act(|v, a, e| v.provision(a, (manifest(entries), None, PlainValues::Unread), e)).unwrap_err();
    assert_eq!(refused.code(), Code::ManifestInvalid);
    assert!(refused.message().contains("X: what its generator makes breaks the entry's own rules (lacks_class)"));
    assert!(world.record(RecordKind::Secret, "FINE").is_none());
}

#[test]
fn who_may_write_a_secret_and_not_read_it_learns_nothing_of_its_value() {
    let mut world = world();
    world.set("A", "changeme").unwrap();
    let rules = r#"{"id": "all", "users": ["alice"], "actions": ["*"]},
        {"id": "writer", "users": ["bob"], "actions": ["write"]}, {"id": "reader", "users": ["carol"], "actions": ["read"]}"#;
    world.act(|v, a, e| v.set_policy(a, read_policy(rules), e)).unwrap();
    world.actor = actor("bob");
    let report = world.act(|v, a, e| v.provision(a, needs(&["A", "NEW"]), e)).unwrap();
    assert_eq!(report.entries[0].state, EntryState::Unchecked);
    assert!(report.entries[1].created);
    assert_eq!(code(world.act(|v, a, e| v.check(a, needs(&["A"]), e))), Code::PermissionDenied);
    world.actor = actor("carol");
    assert_eq!(code(world.act(|v, a, e| v.provision(a, needs(&["A"]), e))), Code::PermissionDenied);
    let report = world.act(|v, a, e| v.check(a, needs(&["A"]), e)).unwrap();
    assert_eq!(report.entries[0].state, EntryState::Placeholder);
}

#[test]
fn an_environment_has_its_entries_and_no_others() {
    let mut world = world();
    let text = r#"{"version": 1, "environments": ["dev", "prod"], "entries": [
        {"name": "A", "environments": ["dev"]}, {"name": "A", "environments": ["prod"], "minimum_length": 16},
        {"name": "B"}]}"#;
    let manifest = strongroom::manifest::Manifest::read(strongroom::wire::read(text).unwrap()).unwrap();
    let mut of = |environment| world.act(|v, a, e| v.check(a, (manifest.clone(), environment, PlainValues::Unread), e));
    assert!(of(Some("dev")).unwrap().ok);
    let prod = of(Some("prod")).unwrap();
    assert_eq!((prod.environment.as_deref(), prod.entries.len()), (Some("prod"), 2));
    assert_eq!(prod.entries[0].state, EntryState::Weak);
    assert_eq!(code(of(Some("staging"))), Code::InvalidArgument);
    assert_eq!(code(of(None)), Code::InvalidArgument);
}

#[test]
fn a_manifest_without_secrets_asks_the_vault_nothing() {
    let mut world = World::new();
    let report = check(&mut world, r#"{"name": "LOG", "kind": "plain"}"#, &[("LOG", "info")]);
    assert!(report.ok);
    assert_eq!(world.store.records().count(), 0);
}

#[test]
fn more_secrets_than_one_operation_takes_are_refused() {
    let mut world = World::new();
    let names: Vec<String> = (0..501).map(|index| format!("N{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(code(world.act(|v, a, e| v.check(a, needs(&names), e))), Code::LimitExceeded);
}
