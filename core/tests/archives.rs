//! Archives: what goes from one vault to another, and what is refused of those that somebody else made.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test crate: its helpers may fail loudly too"
)]

mod support;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom::audit::{AccessFinding, AccessRules, Event, EventFilter, SharedWatch};
use strongroom::generate::Generator;
use strongroom::ops::{
    ARCHIVE_SECRETS_MAX, Expiry, Exported, Exports, IfExists, ImportOptions, ImportOutcome, ImportReport, NewValue,
    Rotation, Run, Setting, WithHistory, WithoutGenerator,
};
use strongroom::policy::Policy;
use strongroom::record::Record;
use strongroom::rotation::Sensitivity;
use strongroom::store::{Host, drive_with};
use strongroom::{Error, ErrorCode as Code, Leaked, Result, SecretBytes, Timestamp, VaultOptions};
use support::{World, actor, code, secret, slot, with_events};

const FAIL: ImportOptions = ImportOptions { on_conflict: IfExists::Fail, run: Run::Real };
const REPLACE: ImportOptions = ImportOptions { on_conflict: IfExists::Replace, run: Run::Real };

fn export(world: &mut World, exports: Exports) -> Result<Exported> {
    world.act(|v, a, e| v.export(a, (exports, WithHistory::Yes), e).unwrap())
}

fn text_of(exported: &Exported) -> String {
    String::from_utf8(exported.archive.expose().to_vec()).unwrap()
}

fn import(world: &mut World, archive: &str, options: ImportOptions) -> Result<ImportReport> {
    world.act(|v, a, e| {
        let mut flow = v.import(a, options, e);
        flow.offer(SecretBytes::copy_of(archive.as_bytes()));
        flow
    })
}

/// A vault with a history worth taking along.
fn lived_in() -> World {
    let mut world = World::seeded(1, VaultOptions::default());
    let setting = Setting {
        sensitivity: Some(Sensitivity::Critical),
        expiry: Some(Expiry::In(1_000_000)),
        notify: Some(vec!["ops".into()]),
        generator: Some(Generator::from_name("uuid").unwrap()),
    };
    world.act(|v, a, e| v.set(a, &slot("A"), (secret("a one").into(), setting), e)).unwrap();
    let expiry = Some(Expiry::In(1_000_000));
    let rotation = Rotation { grace_millis: Some(900_000), expiry, ..Rotation::to(secret("a two")) };
    world.act(|v, a, e| v.rotate(a, &slot("A"), rotation, e)).unwrap();
    world.set("nexus:B", "b one").unwrap();
    world.act(|v, a, e| v.disable(a, &slot("nexus:B"), e)).unwrap();
    world.set("GONE", "gone").unwrap();
    world.delete("GONE").unwrap();
    world.set("GONE", "back").unwrap();
    world.get("A").unwrap();
    world
}

fn other() -> World {
    let mut world = World::seeded(9, VaultOptions::default());
    world.actor = actor("bob");
    world.clock.0 += 500;
    world
}

fn archive() -> String {
    text_of(&export(&mut lived_in(), Exports::All).unwrap())
}

/// The archive with other lines, and a header that is right again.
fn altered(archive: &str, alter: impl FnOnce(&mut Vec<String>)) -> String {
    let (header, body) = archive.split_once('\n').unwrap();
    let mut lines: Vec<String> = body.lines().map(ToString::to_string).collect();
    alter(&mut lines);
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut header: Value = serde_json::from_str(header).unwrap();
    header["bytes"] = json!(body.len());
    format!("{}\n{body}", with_digest(&header, &body))
}

fn with_digest(header: &Value, body: &str) -> Value {
    let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut header = header.clone();
    header["digest"] = json!(digest);
    header
}

/// The same with another JSON in one line.
fn edited(archive: &str, line: usize, edit: impl FnOnce(&mut Value)) -> String {
    altered(archive, |lines| {
        let mut value: Value = serde_json::from_str(&lines[line]).unwrap();
        edit(&mut value);
        lines[line] = value.to_string();
    })
}

/// What is refused leaves one event and nothing else.
#[track_caller]
fn refused(archive: &str, what: &str) -> Error {
    for run in [Run::Real, Run::Dry] {
        let mut world = other();
        world.set("A", "mine").unwrap();
        let before: Vec<_> = world.store.records().filter(|it| !it.key.namespace.is_empty()).cloned().collect();
        let events = world.store.all_events().len();
        let error = import(&mut world, archive, ImportOptions { run, ..REPLACE }).expect_err(what);
        let after: Vec<_> = world.store.records().filter(|it| !it.key.namespace.is_empty()).cloned().collect();
        assert_eq!(before, after, "{what}");
        let [event] = &world.store.all_events()[events..] else { panic!("{what}: not one event") };
        assert_eq!((event.action.as_deref(), event.code.as_deref()), (Some("import"), Some(error.code().name())));
        world.verify().unwrap();
        if run == Run::Dry {
            return error;
        }
    }
    unreachable!()
}

#[test]
fn a_vault_goes_to_another_with_values_versions_settings_and_history() {
    let mut source = lived_in();
    let exported = export(&mut source, Exports::All).unwrap();
    assert_eq!(exported.secrets, 3);
    let mut target = other();
    let report = import(&mut target, &text_of(&exported), FAIL).unwrap();
    assert!(report.secrets.iter().all(|each| each.outcome == ImportOutcome::Created));
    assert_eq!(report.events, exported.events);
    assert_eq!(target.get("A").unwrap(), "a two");
    assert_eq!(target.get("GONE").unwrap(), "back");
    assert_eq!(code(target.get("nexus:B")), Code::SecretDisabled);
    let of = |world: &mut World| world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    let (mine, theirs) = (of(&mut target), of(&mut source));
    assert_eq!(mine.len(), 2);
    for (mine, theirs) in mine.iter().zip(&theirs) {
        let told = |it: &strongroom::ops::ListedVersion| (it.number, it.at, it.by.clone(), it.reason, it.valid_until);
        assert_eq!(told(mine), told(theirs));
        assert_ne!(mine.fingerprint, theirs.fingerprint);
    }
    let listed = |world: &mut World| {
        let listing = world.act(|v, a, e| v.list(a, None, e).unwrap()).unwrap();
        let told = |it: strongroom::ops::Listed| (it.name, it.version, it.last_rotated, it.created_by, it.expires_at);
        listing.secrets.into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut target), listed(&mut source));
    let body = |world: &World| -> Value { serde_json::from_str(&world.secret_record("A").data).unwrap() };
    for field in ["sensitivity", "notify", "generator", "grace", "expires_at"] {
        assert!(!body(&source)[field].is_null(), "{field}");
        assert_eq!(body(&source)[field], body(&target)[field], "{field}");
    }
    assert_ne!(source.secret_record("A").columns.uid, target.secret_record("A").columns.uid);
    let verified = target.act(|v, a, e| v.verify(a, &slot("A"), secret("a one"), e)).unwrap();
    assert!(verified.accepted, "{verified:?}");
    target.verify().unwrap();
    target.act(|v, a, e| v.rollback(a, &slot("A"), 1, e)).unwrap();
    assert_eq!(target.get("A").unwrap(), "a one");
    target.verify().unwrap();
}

#[test]
fn the_history_of_a_name_shows_what_happened_elsewhere_before_what_happens_here() {
    let mut target = other();
    import(&mut target, &archive(), FAIL).unwrap();
    let history = target.act(|v, a, e| v.audit(a, Some(&slot("GONE")), 100, e).unwrap()).unwrap().events;
    let told = |event: &Event| (event.action.clone().unwrap(), event.actor.clone().unwrap());
    let told: Vec<_> = history.iter().rev().map(told).collect();
    let alice = |action: &str| (action.to_string(), "alice".to_string());
    let bob = |action: &str| (action.to_string(), "bob".to_string());
    let here = [bob("import_history"), bob("set")];
    let there = [alice("set"), alice("delete"), alice("set"), alice("export")];
    assert_eq!(told, [&there[..], &here[..]].concat());
    assert!(history.iter().rev().take(4).all(|event| event.stream.as_ref().unwrap().starts_with("imported:")));
    assert!(history.iter().rev().take(4).is_sorted_by_key(|event| event.at));
}

#[test]
fn an_imported_history_that_is_changed_cut_dropped_or_extended_is_found() {
    let mut target = other();
    import(&mut target, &archive(), FAIL).unwrap();
    let foreign = |event: &Event| event.stream.as_ref().unwrap().starts_with("imported:");
    let places: Vec<usize> =
        target.store.all_events().iter().enumerate().filter(|(_, event)| foreign(event)).map(|(at, _)| at).collect();
    let stream = target.store.all_events()[places[0]].stream.clone();
    let last = *places.iter().filter(|at| target.store.all_events()[**at].stream == stream).max().unwrap();
    let whole = target.store.clone();
    let alterations: [(&str, Box<dyn Fn(&mut Vec<Event>)>); 5] = [
        ("changed", Box::new(move |events| events[last].actor = Some("mallory".into()))),
        ("cut", Box::new(move |events| drop(events.remove(last)))),
        (
            "dropped",
            Box::new({
                let stream = stream.clone();
                move |events| events.retain(|event| event.stream != stream)
            }),
        ),
        (
            "extended",
            Box::new(move |events| {
                let mut event = events[last].clone();
                event.seq = event.seq.map(|seq| seq + 1);
                event.prev_mac = event.mac.clone();
                events.push(event);
            }),
        ),
        (
            "made up",
            Box::new(move |events| {
                let mut event = events[last].clone();
                (event.stream, event.seq) = (Some(format!("imported:{}", "0".repeat(32))), Some(1));
                events.push(event);
            }),
        ),
    ];
    for (what, alter) in alterations {
        target.store = with_events(&whole, |events| alter(events));
        assert_eq!(code(target.verify()), Code::AuditTampered, "{what}");
    }
    target.store = whole;
    target.verify().unwrap();
}

#[test]
fn what_is_imported_goes_on_to_a_third_vault_and_survives_a_new_root() {
    let mut second = other();
    import(&mut second, &archive(), FAIL).unwrap();
    second.act(|v, a, e| v.renew_root(a, (None, 100), e).unwrap()).unwrap();
    second.verify().unwrap();
    let exported = export(&mut second, Exports::Secrets(vec![slot("GONE")])).unwrap();
    let mut third = World::seeded(12, VaultOptions::default());
    let report = import(&mut third, &text_of(&exported), FAIL).unwrap();
    assert_eq!(report.events, 8);
    assert_eq!(third.get("GONE").unwrap(), "back");
    third.verify().unwrap();
}

#[test]
fn every_secret_and_the_vault_have_an_event_before_anything_leaves() {
    let mut world = lived_in();
    let before = world.store.all_events().len();
    export(&mut world, Exports::Namespace("default".into())).unwrap();
    let told: Vec<_> = world.store.all_events()[before..]
        .iter()
        .map(|event| (event.action.as_deref().unwrap(), event.name.as_deref(), event.outcome.as_deref().unwrap()))
        .collect();
    assert_eq!(
        told,
        [("export", None, "success"), ("export", Some("A"), "success"), ("export", Some("GONE"), "success")]
    );
    world.verify().unwrap();
}

#[test]
fn a_secret_that_can_t_be_opened_or_exported_refuses_the_whole() {
    let mut world = lived_in();
    let missing = export(&mut world, Exports::Secrets(vec![slot("A"), slot("NOWHERE")])).unwrap_err();
    assert_eq!(missing.code(), Code::SecretNotFound);
    assert!(!missing.message().contains("NOWHERE"), "{missing}");
    let twice = export(&mut world, Exports::Secrets(vec![slot("A"), slot("A")])).unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument);
    let rule = r#"{"rules": [{"id": "some", "users": ["alice"], "actions": ["export"], "names": ["A"]}]}"#;
    let policy = Some(Policy::parse(rule).unwrap());
    world.reopen(VaultOptions { policy, ..VaultOptions::default() });
    for exports in [Exports::All, Exports::Namespace("default".into())] {
        let denied = export(&mut world, exports).unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        // The names are not the caller's own: they stay where they are.
        assert!(!denied.message().contains("GONE") && !denied.message().contains("nexus"), "{denied}");
        assert!(!denied.message().contains(char::is_numeric), "{denied}");
    }
    assert_eq!(export(&mut world, Exports::Secrets(vec![slot("A")])).unwrap().secrets, 1);
    let lost = World::seeded(33, VaultOptions::default()).keyring;
    world.keyring = lost;
    world.reopen(VaultOptions::default());
    assert_eq!(export(&mut world, Exports::All).unwrap_err().code(), Code::KeyUnknown);
}

#[test]
fn conflicts_fail_are_skipped_or_replaced_and_a_dry_run_writes_nothing() {
    let archive = archive();
    let mut target = other();
    target.set("A", "mine").unwrap();
    target.set("GONE", "back").unwrap();
    let before = target.store.clone();
    assert_eq!(code(import(&mut target, &archive, FAIL)), Code::SecretExists);
    target.store = before.clone();
    let dry = ImportOptions { run: Run::Dry, ..FAIL };
    let outcomes =
        |report: &ImportReport| -> Vec<ImportOutcome> { report.secrets.iter().map(|each| each.outcome).collect() };
    use ImportOutcome::{Created, Refused, Replaced, Skipped, Unchanged};
    let report = import(&mut target, &archive, dry).unwrap();
    assert_eq!(outcomes(&report), [Refused, Refused, Created]);
    assert_eq!(report.secrets[0].code.as_deref(), Some("SECRET_EXISTS"));
    for (on_conflict, expected) in
        [(IfExists::Skip, [Skipped, Skipped, Created]), (IfExists::Replace, [Replaced, Unchanged, Created])]
    {
        target.store = before.clone();
        let dry = import(&mut target, &archive, ImportOptions { on_conflict, run: Run::Dry }).unwrap();
        assert_eq!((outcomes(&dry), dry.dry_run), (expected.to_vec(), true));
        let of_secrets = |it: &&Record| !it.key.namespace.is_empty();
        assert!(target.store.records().filter(of_secrets).eq(before.records().filter(of_secrets)));
        // It told what there is, and that is in the history.
        let [events @ .., event] = target.store.all_events() else { panic!("no event") };
        assert_eq!(events, before.all_events());
        let told = (event.action.as_deref(), event.actor.as_deref(), event.reason.as_deref());
        assert_eq!(told, (Some("import"), Some("bob"), None));
        let done = import(&mut target, &archive, ImportOptions { on_conflict, run: Run::Real }).unwrap();
        assert_eq!(ImportReport { dry_run: true, ..done.clone() }, dry);
        target.verify().unwrap();
    }
    let versions = target.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    assert_eq!((versions[0].number, versions[0].reason.name(), versions.len()), (2, "import", 2));
    assert_eq!(target.get("A").unwrap(), "a two");
}

#[test]
fn who_may_not_write_every_name_imports_nothing_and_learns_nothing() {
    let archive = archive();
    let rule = r#"{"rules": [{"id": "some", "users": ["bob"], "actions": ["write"], "names": ["A", "GONE"], "namespaces": ["default"]}]}"#;
    for run in [Run::Real, Run::Dry] {
        let mut target = other();
        target.reopen(VaultOptions { policy: Some(Policy::parse(rule).unwrap()), ..VaultOptions::default() });
        let denied = import(&mut target, &archive, ImportOptions { run, ..FAIL });
        assert_eq!(code(denied), Code::PermissionDenied);
        let names = vec![slot("A"), slot("GONE")];
        let some = text_of(&export(&mut lived_in(), Exports::Secrets(names)).unwrap());
        assert_eq!(import(&mut target, &some, ImportOptions { run, ..FAIL }).unwrap().secrets.len(), 2);
        target.actor = actor("mallory");
        assert_eq!(code(import(&mut target, "no archive", FAIL)), Code::PermissionDenied);
    }
}

#[test]
fn nothing_is_opened_for_who_may_import_nothing() {
    let mut target = other();
    target.set("A", "mine").unwrap();
    let rule = r#"{"rules": [{"id": "some", "users": ["bob"], "actions": ["write"], "names": ["A"]}]}"#;
    target.reopen(VaultOptions { policy: Some(Policy::parse(rule).unwrap()), ..VaultOptions::default() });
    let sealed = |world: &mut World| {
        let opened = Arc::new(AtomicBool::new(false));
        let (told, text) = (Arc::clone(&opened), archive());
        let open = move |offered: Vec<SecretBytes>| {
            assert_eq!(offered, [secret("passphrase")]);
            told.store(true, Ordering::Relaxed);
            Ok(secret(&text))
        };
        let done = world.act(|v, a, e| {
            let mut flow = v.import_sealed(a, (REPLACE, Box::new(open)), e);
            flow.offer(secret("passphrase"));
            flow
        });
        (code(done), opened.load(Ordering::Relaxed))
    };
    // Who may write something is told which of the names are not theirs.
    assert_eq!(sealed(&mut target), (Code::PermissionDenied, true));
    target.actor = actor("mallory");
    let events = target.store.all_events().len();
    assert_eq!(sealed(&mut target), (Code::PermissionDenied, false));
    let [event] = &target.store.all_events()[events..] else { panic!("not one event") };
    assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("import"), Some("denied")));
}

#[test]
fn what_can_t_be_opened_is_refused_on_the_record_with_its_own_reason() {
    let mut target = other();
    let refused = target.act(|v, a, e| {
        let open = |_| Err(Error::new(Code::LimitExceeded, "too much work"));
        v.import_sealed(a, (FAIL, Box::new(open)), e)
    });
    assert_eq!(refused.unwrap_err().message(), "too much work");
    assert_eq!(target.last_event().code.as_deref(), Some("LIMIT_EXCEEDED"));
}

#[test]
fn whether_a_value_is_a_secret_s_own_is_told_to_its_readers_alone() {
    let exports = Exports::Secrets(vec![slot("GONE")]);
    let archive = text_of(&export(&mut lived_in(), exports).unwrap());
    for (actions, expected) in [
        (r#""write""#, ImportOutcome::Replaced),
        (r#""write", "list""#, ImportOutcome::Replaced),
        (r#""write", "read""#, ImportOutcome::Unchanged),
    ] {
        for run in [Run::Dry, Run::Real] {
            let mut reports = ["back", "another"].map(|value| {
                let mut target = other();
                target.set("GONE", value).unwrap();
                let rule = format!(r#"{{"rules": [{{"id": "some", "users": ["bob"], "actions": [{actions}]}}]}}"#);
                target.reopen(VaultOptions { policy: Some(Policy::parse(&rule).unwrap()), ..VaultOptions::default() });
                import(&mut target, &archive, ImportOptions { run, ..REPLACE }).unwrap()
            });
            assert_eq!(reports[0].secrets[0].outcome, expected, "{actions}");
            reports[1].secrets[0].outcome = expected;
            reports[1].secrets[0].version = Some(if expected == ImportOutcome::Unchanged { 1 } else { 2 });
            if expected == ImportOutcome::Unchanged {
                reports[1].events = 0;
            }
            assert_eq!(reports[0], reports[1], "{actions}");
        }
    }
}

#[test]
fn what_leaked_stays_so_and_comes_back_nowhere() {
    let mut source = lived_in();
    source.set("MADE", "leaked").unwrap();
    source.act(|v, a, e| v.rotate(a, &slot("MADE"), Rotation::to(NewValue::Generated(Generator::Uuid)), e)).unwrap();
    source.set("LEFT", "left").unwrap();
    emergency(&mut source, "MADE");
    source.set("MADE", "after").unwrap();
    emergency(&mut source, "LEFT");
    let archive = text_of(&export(&mut source, Exports::Secrets(vec![slot("MADE"), slot("LEFT")])).unwrap());

    let mut target = other();
    import(&mut target, &archive, FAIL).unwrap();
    assert_eq!(target.get("LEFT").unwrap(), "left");
    let status = target.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    assert!(format!("{status:?}").contains("Overdue"));
    assert_eq!(code(target.set("MADE", "leaked")), Code::VersionCompromised);
    assert_eq!(code(target.act(|v, a, e| v.rollback(a, &slot("MADE"), 1, e))), Code::VersionCompromised);
    target.set("LEFT", "new").unwrap();
    assert_eq!(code(target.set("LEFT", "left")), Code::VersionCompromised);

    let mut target = other();
    target.set("MADE", "mine").unwrap();
    target.set("LEFT", "mine").unwrap();
    assert_eq!(code(import(&mut target, &archive, REPLACE)), Code::VersionCompromised);
    let made = text_of(&export(&mut source, Exports::Secrets(vec![slot("MADE")])).unwrap());
    import(&mut target, &made, REPLACE).unwrap();
    assert_eq!(code(target.set("MADE", "leaked")), Code::VersionCompromised);

    let mut target = other();
    target.set("MADE", "after").unwrap();
    emergency(&mut target, "MADE");
    target.delete("MADE").unwrap();
    assert_eq!(code(import(&mut target, &made, FAIL)), Code::VersionCompromised);
    target.verify().unwrap();
}

/// An archive of a secret whose first value leaked, and which has the value `after` now.
fn archive_of_a_leak() -> String {
    let mut source = World::seeded(1, VaultOptions::default());
    source.set("MADE", "leaked").unwrap();
    source.act(|v, a, e| v.rotate(a, &slot("MADE"), Rotation::to(NewValue::Generated(Generator::Uuid)), e)).unwrap();
    emergency(&mut source, "MADE");
    source.set("MADE", "after").unwrap();
    text_of(&export(&mut source, Exports::Secrets(vec![slot("MADE")])).unwrap())
}

fn emergency(world: &mut World, name: &str) {
    let what = (Leaked::Secret(slot(name)), WithoutGenerator::Keep);
    world.act(|v, a, e| v.emergency_rotate(a, what, (None, 9), e).unwrap()).unwrap();
}

#[test]
fn a_secret_that_stays_as_it_is_learns_what_leaked_elsewhere_all_the_same() {
    let archive = archive_of_a_leak();
    let skip = ImportOptions { on_conflict: IfExists::Skip, ..FAIL };
    for (mine, options, expected) in
        [("mine", skip, ImportOutcome::Skipped), ("after", REPLACE, ImportOutcome::Unchanged)]
    {
        let mut target = other();
        target.set("MADE", "leaked").unwrap();
        let rotation = Rotation { grace_millis: Some(900_000), ..Rotation::to(secret(mine)) };
        target.act(|v, a, e| v.rotate(a, &slot("MADE"), rotation, e)).unwrap();
        let accepts =
            |world: &mut World| world.act(|v, a, e| v.verify(a, &slot("MADE"), secret("leaked"), e)).unwrap().accepted;
        assert!(accepts(&mut target));
        let report = import(&mut target, &archive, options).unwrap();
        assert_eq!((report.secrets[0].outcome, report.secrets[0].version), (expected, Some(2)));
        assert_eq!(report.events, 0);
        let event = target.store.all_events().iter().rfind(|event| event.name.is_some()).unwrap();
        assert_eq!((event.action.as_deref(), event.reason.as_deref()), (Some("import"), Some("import")));
        assert!(!accepts(&mut target), "a grace of what leaked");
        assert_eq!(code(target.set("MADE", "leaked")), Code::VersionCompromised);
        assert_eq!(code(target.act(|v, a, e| v.rollback(a, &slot("MADE"), 1, e))), Code::VersionCompromised);
        assert_eq!(target.get("MADE").unwrap(), mine);
        // What it knows already changes nothing.
        let known = target.secret_record("MADE").clone();
        assert_eq!(import(&mut target, &archive, options).unwrap().secrets[0].outcome, expected);
        assert_eq!(known.revision, target.secret_record("MADE").revision);
        target.verify().unwrap();
    }
}

#[test]
fn a_secret_whose_present_value_leaked_elsewhere_is_not_left_at_that_in_silence() {
    let archive = archive_of_a_leak();
    let skip = ImportOptions { on_conflict: IfExists::Skip, ..FAIL };
    let mut target = other();
    target.set("MADE", "leaked").unwrap();
    let before = target.store.clone();
    assert_eq!(code(import(&mut target, &archive, skip)), Code::VersionCompromised);
    // What takes its place is another value; the one before is one that leaked.
    target.store = before.clone();
    import(&mut target, &archive, REPLACE).unwrap();
    assert_eq!(code(target.act(|v, a, e| v.rollback(a, &slot("MADE"), 1, e))), Code::VersionCompromised);
    let versions = target.act(|v, a, e| v.versions(a, &slot("MADE"), e)).unwrap().versions;
    assert_eq!((versions[0].compromised, versions[1].compromised), (false, true));
    // Who may not read it learns nothing, now or by what is refused later on.
    target.store = before;
    let rule = r#"{"rules": [{"id": "some", "users": ["bob"], "actions": ["write"]}]}"#;
    target.reopen(VaultOptions { policy: Some(Policy::parse(rule).unwrap()), ..VaultOptions::default() });
    for options in [skip, REPLACE] {
        import(&mut target, &archive, options).unwrap();
    }
    target.act(|v, a, e| v.rollback(a, &slot("MADE"), 1, e)).unwrap();
}

#[test]
fn what_this_vault_knows_to_have_leaked_comes_back_by_no_word_of_an_archive() {
    let mut source = World::seeded(1, VaultOptions::default());
    source.set("LEFT", "left").unwrap();
    emergency(&mut source, "LEFT");
    let exposed = text_of(&export(&mut source, Exports::Secrets(vec![slot("LEFT")])).unwrap());
    let compromised = edited(&exposed, 0, |about| {
        about["versions"][0]["compromised"] = json!(true);
        about["exposed"] = json!(false);
    });
    let plain = edited(&exposed, 0, |about| about["exposed"] = json!(false));
    for archive in [exposed, compromised, plain] {
        import(&mut other(), &archive, FAIL).unwrap();
        let mut target = other();
        target.set("LEFT", "left").unwrap();
        emergency(&mut target, "LEFT");
        target.delete("LEFT").unwrap();
        assert_eq!(code(import(&mut target, &archive, FAIL)), Code::VersionCompromised);
    }
}

#[test]
fn an_archive_that_is_cut_or_altered_anywhere_is_refused() {
    let archive = archive();
    let header = archive.find('\n').unwrap();
    for length in (0..archive.len()).step_by(97).chain([header, header + 1, archive.len() - 1]) {
        assert_eq!(refused(&archive[..length], "cut").code(), Code::BackupInvalid, "{length}");
    }
    for place in (header + 1..archive.len()).step_by(211) {
        let mut bytes = archive.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert_eq!(refused(&text, "flipped").code(), Code::BackupInvalid, "{place}");
    }
    for (text, why) in [("", "no header"), ("{}\n", "missing field"), ("an old backup\n", "no JSON")] {
        assert!(refused(text, text).message().contains(why), "{text}");
    }
    assert!(refused(&format!("{archive}more"), "more").message().contains("follows"));
    let mut world = other();
    import(&mut world, &format!("{archive}\n\n\n"), FAIL).unwrap();
}

#[test]
fn a_header_that_promises_a_million_secrets_is_refused_before_anything_else_is_read() {
    let (header, body) = (archive().split_once('\n').map(|(a, b)| (a.to_string(), b.to_string()))).unwrap();
    let header: Value = serde_json::from_str(&header).unwrap();
    let promises = |field: &str, value: Value| {
        let mut header = header.clone();
        header[field] = value;
        format!("{header}\n{body}")
    };
    let million = refused(&promises("secrets", json!(1_000_000)), "a million");
    assert_eq!(million.code(), Code::LimitExceeded);
    assert!(million.message().contains("1000000") && million.message().contains(&ARCHIVE_SECRETS_MAX.to_string()));
    for (field, value) in [
        ("secrets", json!(9_999)),
        ("secrets", json!(2)),
        ("secrets", json!(-1)),
        ("events", json!(u64::MAX)),
        ("events", json!(3)),
        ("bytes", json!(u64::MAX)),
        ("bytes", json!(10)),
        ("format", json!("strongroom/archive/v2")),
        ("vault_id", json!("../..")),
        ("history_key", json!("00")),
        ("digest", json!("00")),
        ("extra", json!(1)),
    ] {
        assert_eq!(refused(&promises(field, value), field).code(), Code::BackupInvalid, "{field}");
    }
}

#[test]
fn a_real_stream_of_a_million_tiny_entries_is_refused() {
    let about = json!({"namespace": "a", "name": "A", "state": "active"}).to_string();
    let body: String = (0..1_000_000).map(|_| format!("{}\n\n", &about[..12])).collect();
    let header: Value = serde_json::from_str(archive().split('\n').next().unwrap()).unwrap();
    for secrets in [1_000_000, ARCHIVE_SECRETS_MAX] {
        let mut header = header.clone();
        (header["secrets"], header["bytes"], header["events"]) = (json!(secrets), json!(body.len()), json!(0));
        let text = format!("{}\n{body}", with_digest(&header, &body));
        let expected = if secrets == ARCHIVE_SECRETS_MAX { Code::BackupInvalid } else { Code::LimitExceeded };
        assert_eq!(refused(&text, "a million").code(), expected);
    }
}

#[test]
fn names_that_climb_are_odd_or_there_twice_are_refused_whole() {
    let archive = archive();
    for name in ["../../etc/passwd", "..", "a/../b", "./A", "a\\b", "C:\\x", "two words", "", "a\u{0}", "\u{202e}"] {
        let text = edited(&archive, 0, |about| about["name"] = json!(name));
        let error = refused(&text, name);
        assert_eq!(error.code(), Code::NameInvalid, "{name}");
        assert!(error.message().starts_with("[0] ") && (name.len() < 3 || !error.message().contains(name)));
        let text = edited(&archive, 0, |about| about["namespace"] = json!(name));
        assert_eq!(refused(&text, name).code(), Code::NameInvalid, "{name}");
    }
    let one = text_of(&export(&mut lived_in(), Exports::Secrets(vec![slot("nexus:B")])).unwrap());
    let (header, body) = one.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(header).unwrap();
    let body = body.repeat(2);
    (header["secrets"], header["bytes"]) = (json!(2), json!(body.len()));
    header["events"] = json!(header["events"].as_u64().unwrap() * 2);
    let twice = refused(&format!("{}\n{body}", with_digest(&header, &body)), "twice");
    assert!(twice.message().contains("[1] is the same secret as [0]"), "{twice}");
}

#[test]
fn what_a_secret_s_line_can_t_say_is_refused() {
    let archive = archive();
    let edits: [(&str, fn(&mut Value)); 11] = [
        ("an escape", |about| about["created_by"] = json!("\u{1b}[2J")),
        ("two lines", |about| about["versions"][0]["by"] = json!("a\nb")),
        ("unknown field", |about| about["path"] = json!("x")),
        ("missing field", |about| drop(about.as_object_mut().unwrap().remove("state"))),
        ("no version", |about| about["versions"] = json!([])),
        ("order", |about| about["versions"].as_array_mut().unwrap().reverse()),
        ("a number of 0", |about| about["versions"][1]["number"] = json!(0)),
        ("a huge number", |about| about["versions"][0]["number"] = json!(1u64 << 53)),
        ("a grace of nothing", |about| about["grace"][0]["version"] = json!(7)),
        ("a weak generator", |about| about["generator"] = json!({"kind": "hex", "bytes": 1})),
        ("one event less", |about| about["events"] = json!(1)),
    ];
    for (what, edit) in edits {
        assert_eq!(refused(&edited(&archive, 0, edit), what).code(), Code::BackupInvalid, "{what}");
    }
    for values in ["YQ==", "YQ== YQ== YQ==", "YQ= YQ==", "YQ== Y\u{e9}", "YR== YQ=="] {
        let text = altered(&archive, |lines| lines[1] = values.into());
        assert_eq!(refused(&text, values).code(), Code::BackupInvalid, "{values}");
    }
    let empty = altered(&archive, |lines| lines[1] = " YQ==".into());
    let mut target = other();
    assert_eq!(code(import(&mut target, &empty, FAIL)), Code::ValueInvalid);
    let contacts = edited(&archive, 0, |about| about["notify"] = json!(vec!["x"; 17]));
    assert_eq!(code(import(&mut target, &contacts, FAIL)), Code::LimitExceeded);
}

#[test]
fn a_history_that_is_forged_cut_or_reordered_is_refused_with_all_else() {
    let archive = archive();
    let line = |lines: &[String], place: usize| -> Value { serde_json::from_str(&lines[place]).unwrap() };
    let edits: [(&str, &str, Box<dyn Fn(&mut Vec<String>)>); 5] = [
        (
            "forged",
            "altered",
            Box::new(move |lines| {
                let mut event = line(lines, 2);
                event["actor"] = json!("mallory");
                lines[2] = event.to_string();
            }),
        ),
        ("reordered", "out of order", Box::new(|lines| lines.swap(2, 3))),
        ("doubled", "out of order", Box::new(|lines| lines[3] = lines[2].clone())),
        (
            "of another",
            "another secret",
            Box::new(move |lines| {
                let mut event = line(lines, 2);
                event["name"] = json!("B");
                lines[2] = event.to_string();
            }),
        ),
        (
            "cut",
            "does not end",
            Box::new(move |lines| {
                let mut about = line(lines, 0);
                let events = about["events"].as_u64().unwrap();
                about["events"] = json!(events - 1);
                lines[0] = about.to_string();
                lines.remove(1 + usize::try_from(events).unwrap());
            }),
        ),
    ];
    for (what, why, edit) in edits {
        let error = refused(&altered(&archive, |lines| edit(lines)), what);
        assert_eq!(error.code(), Code::BackupInvalid, "{what}");
        assert!(error.message().contains(why), "{what}: {error}");
    }
}

#[test]
fn more_secrets_than_one_load_holds_go_in_one_commit() {
    let mut source = World::new();
    for page in 0..3 {
        let names: Vec<(String, String)> =
            (0..400).map(|index| (format!("N{page}/{index}"), format!("value {page} {index}"))).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|(name, value)| (&**name, &**value)).collect();
        source.act(|v, a, e| v.set_many(a, support::assignments(&pairs), e)).unwrap();
    }
    let exported = source.act(|v, a, e| v.export(a, (Exports::All, WithHistory::No), e).unwrap()).unwrap();
    assert_eq!((exported.secrets, exported.events), (1200, 0));
    let mut target = other();
    let report = import(&mut target, &text_of(&exported), FAIL).unwrap();
    assert_eq!(report.secrets.len(), 1200);
    let operations: std::collections::BTreeSet<_> = target
        .store
        .all_events()
        .iter()
        .filter(|event| event.action.as_deref() == Some("set"))
        .collect::<Vec<_>>()
        .iter()
        .map(|event| event.operation_id.clone())
        .collect();
    assert_eq!(operations.len(), 1);
    assert_eq!(target.get("N2/399").unwrap(), "value 2 399");
}

#[test]
fn nothing_is_exported_from_an_empty_vault_and_nothing_imported_of_it() {
    let mut source = World::new();
    let exported = export(&mut source, Exports::All).unwrap();
    assert_eq!((exported.secrets, exported.events), (0, 0));
    let mut target = other();
    let report = import(&mut target, &text_of(&exported), FAIL).unwrap();
    assert!(report.secrets.is_empty());
    assert_eq!(report.vault_id, source.vault_id().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let event: &Event = target.last_event();
    assert_eq!(event.action.as_deref(), Some("import"));
}

/// A host that keeps what it is told.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    findings: usize,
}

impl Host for Told {
    type Error = std::convert::Infallible;

    fn committed(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn found(&mut self, _: &AccessFinding) {
        self.findings += 1;
    }
}

#[test]
fn what_happened_elsewhere_is_no_news_to_hosts_watches_and_metrics() {
    let rules = AccessRules { first_reader: true, ..AccessRules::default() };
    let watch = SharedWatch::new(rules);
    let mut world = World::seeded(9, VaultOptions { watch: Some(watch.clone()), ..VaultOptions::default() });
    world.clock.0 += 500;
    let entropy = world.entropy();
    let mut flow = world.vault.import(&actor("bob"), FAIL, entropy);
    flow.offer(SecretBytes::copy_of(archive().as_bytes()));
    let (mut told, now) = (Told::default(), world.clock.0);
    drive_with(flow, &mut world.store, &mut told, || Timestamp::from_millis(now)).unwrap();
    let is_foreign_read = |event: &&Event| event.is_foreign() && event.action.as_deref() == Some("get");
    let foreign = world.store.all_events().iter().find(is_foreign_read).unwrap();
    assert!(!told.events.is_empty());
    assert!(told.events.iter().all(|event| !event.is_foreign() && event.actor.as_deref() != Some("alice")));
    assert_eq!(told.findings, 0);
    let page = world.vault.metrics("strongroom").unwrap();
    assert!(page.contains("strongroom_events_total{action=\"import\",result=\"success\"}"), "{page}");
    assert!(!page.contains("strongroom_events_total{action=\"get\""), "{page}");
    // Nor does the watch know the reader of another vault.
    assert!(watch.observe(foreign).is_empty());
    let here = Event { stream: None, ..foreign.clone() };
    assert_eq!((watch.observe(&here).len(), watch.observe(&here).len()), (1, 0));
}

#[test]
fn hosts_are_not_told_of_what_happened_elsewhere_by_any_filter() {
    let mut target = other();
    import(&mut target, &archive(), FAIL).unwrap();
    let all = EventFilter::parse::<&str>(&[]).unwrap();
    let (foreign, own): (Vec<&Event>, Vec<&Event>) =
        target.store.all_events().iter().partition(|event| event.is_foreign());
    assert!(!foreign.is_empty() && !own.is_empty());
    assert!(!foreign.into_iter().any(|event| all.takes(event)) && own.into_iter().all(|event| all.takes(event)));
}

#[test]
fn instants_that_no_calendar_has_are_refused_and_what_was_made_is_of_now_at_the_latest() {
    const YEAR: i64 = 365 * 24 * 60 * 60 * 1000;
    let archive = archive();
    let now = other().clock.0;
    let outside = [i64::MIN, -62_167_219_200_001, 253_402_300_800_000, i64::MAX];
    let edits: [(&str, fn(&mut Value, i64)); 6] = [
        ("created_at", |about, at| about["created_at"] = json!(at)),
        ("at", |about, at| about["versions"][0]["at"] = json!(at)),
        ("at of an earlier one", |about, at| about["versions"][1]["at"] = json!(at)),
        ("ended_at", |about, at| about["versions"][1]["ended_at"] = json!(at)),
        ("expires_at", |about, at| about["expires_at"] = json!(at)),
        ("grace", |about, at| about["grace"][0]["valid_until"] = json!(at)),
    ];
    for (what, edit) in edits {
        for at in outside {
            let error = refused(&edited(&archive, 0, |about| edit(about, at)), what);
            assert_eq!(error.code(), Code::BackupInvalid, "{what} {at}");
            assert!(error.message().contains("years 0 to 9999"), "{what} {at}: {error}");
        }
        for at in [now + YEAR, 253_402_300_799_999] {
            let mut target = other();
            import(&mut target, &edited(&archive, 0, |about| edit(about, at)), FAIL).unwrap();
            let versions = target.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
            assert!(versions.iter().all(|version| version.at.is_none_or(|at| at.as_millis() <= target.clock.0)));
        }
    }
    let (header, body) = archive.split_once('\n').unwrap();
    for at in outside {
        let mut header: Value = serde_json::from_str(header).unwrap();
        header["at"] = json!(at);
        assert_eq!(refused(&format!("{header}\n{body}"), "made at").code(), Code::BackupInvalid, "{at}");
    }
}

#[test]
fn what_a_clock_that_ran_ahead_left_behind_is_imported_all_the_same() {
    let mut source = World::seeded(1, VaultOptions::default());
    source.clock.0 += 365 * 24 * 60 * 60 * 1000;
    source.set("A", "one").unwrap();
    let archive = text_of(&export(&mut source, Exports::All).unwrap());
    let mut target = other();
    assert!(import(&mut target, &archive, FAIL).unwrap().events > 0);
    assert_eq!(target.get("A").unwrap(), "one");
    target.verify().unwrap();
}

#[test]
fn an_event_of_a_clock_that_was_wrong_spoils_no_other_vault() {
    let now = other().clock.0;
    for ahead in [253_402_300_801_000 - now, i64::MAX - now - 1000] {
        let mut source = World::seeded(1, VaultOptions::default());
        source.clock.0 += ahead;
        source.set("A", "one").unwrap();
        let archive = text_of(&export(&mut source, Exports::All).unwrap());
        // All but the events told as if the clock had been right.
        let archive = edited(&archive, 0, |about| {
            about["created_at"] = json!(now);
            about["versions"][0]["at"] = json!(now);
        });
        let (header, body) = archive.split_once('\n').unwrap();
        let mut header: Value = serde_json::from_str(header).unwrap();
        header["at"] = json!(now);
        let error = refused(&format!("{header}\n{body}"), "events");
        assert!(error.message().contains("years 0 to 9999"), "{error}");
    }
}

#[test]
fn versions_near_the_last_number_are_counted_anew_so_that_there_is_room_for_good() {
    let last = (1u64 << 53) - 1;
    let text = edited(&archive(), 0, |about| {
        about["grace"][0]["version"] = json!(last - 7);
        about["versions"][0]["number"] = json!(last);
        about["versions"][1]["number"] = json!(last - 7);
    });
    let mut target = other();
    let report = import(&mut target, &text, FAIL).unwrap();
    assert_eq!(report.secrets[0].version, Some(2));
    assert!(target.act(|v, a, e| v.verify(a, &slot("A"), secret("a one"), e)).unwrap().accepted, "its grace is kept");
    assert_eq!(target.set("A", "more").unwrap().version, Some(3));
    // What is kept as it is can grow on and still go to another vault.
    let text = edited(&archive(), 0, |about| about["versions"][0]["number"] = json!(1u64 << 31));
    let mut target = other();
    import(&mut target, &text, FAIL).unwrap();
    assert_eq!(target.set("A", "more").unwrap().version, Some((1 << 31) + 1));
    let text = text_of(&export(&mut target, Exports::All).unwrap());
    let mut third = World::seeded(9, VaultOptions::default());
    import(&mut third, &text, FAIL).unwrap();
    assert_eq!(third.get("A").unwrap(), "more");
}

#[test]
fn a_history_is_refused_at_its_first_event_that_is_wrong_or_too_many() {
    let archive = archive();
    let (header, body) = archive.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(header).unwrap();
    header["events"] = json!(1);
    let mut lines: Vec<&str> = body.lines().collect();
    lines[2] = "what is never read";
    let body = lines.join("\n") + "\n";
    header["bytes"] = json!(body.len());
    let error = refused(&format!("{}\n{body}", with_digest(&header, &body)), "too many");
    assert!(error.message().contains("more events than the header tells"), "{error}");
    let forged = altered(&archive, |lines| {
        lines[2] = lines[2].replace("alice", "mallory");
        lines[3] = "what is never read".into();
    });
    assert!(refused(&forged, "forged").message().contains("altered"));
}

#[test]
fn an_archive_of_the_first_release_is_read_for_good() {
    let mut target = other();
    let report = import(&mut target, include_str!("archive_v1.txt"), FAIL).unwrap();
    let told: Vec<_> = report.secrets.iter().map(|it| (&*it.namespace, &*it.name, it.version, it.outcome)).collect();
    let created = ImportOutcome::Created;
    let expected =
        [("default", "A", Some(2), created), ("default", "GONE", Some(1), created), ("nexus", "B", Some(1), created)];
    assert_eq!((told.as_slice(), report.events), (&expected[..], 11));
    assert_eq!((target.get("A").unwrap(), target.get("GONE").unwrap()), ("a two".into(), "back".into()));
    assert!(target.act(|v, a, e| v.verify(a, &slot("A"), secret("a one"), e)).unwrap().accepted);
    assert_eq!(code(target.get("nexus:B")), Code::SecretDisabled);
    target.verify().unwrap();
}

#[test]
fn an_archive_holds_no_plaintext_where_it_is_shown() {
    let exported = export(&mut lived_in(), Exports::All).unwrap();
    assert!(!format!("{exported:?}").contains("YSB0d28"));
    assert!(text_of(&exported).contains("YSB0d28="));
}
