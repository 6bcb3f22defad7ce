//! What a vault has seen, in numbers: real operations over a store, and the page that tells of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test crate: its helpers may fail loudly too"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use strongroom::audit::{AccessRules, Burst, SharedWatch};
use strongroom::flow::{Applied, CommitAnswer, Request};
use strongroom::ident::Slot;
use strongroom::manifest::Manifest;
use strongroom::ops::{Rotation, Setting, WithoutGenerator};
use strongroom::policy::Policy;
use strongroom::record::{Change, Columns};
use strongroom::store::MemoryStore;
use strongroom::{Actor, Answer, Entropy, ErrorCode as Code, Leaked, Timestamp, Vault, VaultOptions};
use support::{World, actor, assignments, drive_with, old_row, plainly, secret, slot, store_of};

/// The samples of a page by their names and labels. Every line is one of the format's, and no sample is there twice.
#[track_caller]
fn samples(world: &World) -> BTreeMap<String, f64> {
    let page = world.vault.metrics("strongroom").unwrap();
    let mut samples = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE ")) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} is no sample"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?} has no number"));
        assert!(value.is_finite(), "{line}");
        let name = name.strip_prefix("strongroom_").unwrap_or_else(|| panic!("{line:?} has another prefix"));
        assert_eq!(samples.insert(name.to_string(), value), None, "{line} is there twice");
    }
    samples
}

/// Those that are not nothing, of some families.
fn counted(world: &World, families: &[&str]) -> Vec<(String, u64)> {
    let of = |name: &String| families.iter().any(|family| name.split('{').next() == Some(*family));
    let samples = samples(world).into_iter().filter(|(name, value)| of(name) && *value != 0.0);
    samples.map(|(name, value)| (name, value as u64)).collect()
}

#[track_caller]
fn check(world: &World, families: &[&str], expected: &[(&str, u64)]) {
    let expected: Vec<(String, u64)> = expected.iter().map(|(name, count)| (name.to_string(), *count)).collect();
    assert_eq!(counted(world, families), expected);
}

const ACCESS: &str = "secret_access_total";

#[test]
fn every_call_counts_once_by_how_it_ended_and_every_event_as_it_is_in_the_history() {
    let mut world = World::with(VaultOptions { policy: Some(Policy::default_roles()), ..VaultOptions::default() });
    world.actor = actor("alice").in_roles(&["senior-engineer".into()]).unwrap();
    world.set("A", "one").unwrap();
    world.get("A").unwrap();
    world.get("A").unwrap();
    world.get("MISSING").unwrap_err();
    world.act(|v, a, e| v.exists(a, &slot("A"), e)).unwrap();
    world.act(|v, a, e| v.set_many(a, assignments(&[("B", "b"), ("C", "c")]), e)).unwrap();
    world.act(|v, a, e| v.get_many(a, vec![slot("A"), slot("B"), slot("C")], e)).unwrap();
    world.act(|v, a, e| v.verify(a, &slot("A"), secret("wrong"), e)).unwrap();
    world.actor = actor("mallory");
    world.get("A").unwrap_err();
    world.set("A", "mine").unwrap_err();
    check(
        &world,
        &[ACCESS, "errors_total"],
        &[
            ("errors_total{code=\"PERMISSION_DENIED\"}", 2),
            ("errors_total{code=\"SECRET_NOT_FOUND\"}", 1),
            ("secret_access_total{result=\"denied\"}", 2),
            ("secret_access_total{result=\"error\"}", 1),
            ("secret_access_total{result=\"success\"}", 7),
        ],
    );
    check(
        &world,
        &["events_total"],
        &[
            ("events_total{action=\"get\",result=\"denied\"}", 1),
            ("events_total{action=\"get\",result=\"error\"}", 1),
            ("events_total{action=\"get\",result=\"success\"}", 5),
            ("events_total{action=\"get_many\",result=\"success\"}", 1),
            ("events_total{action=\"init\",result=\"success\"}", 1),
            ("events_total{action=\"set\",result=\"denied\"}", 1),
            ("events_total{action=\"set\",result=\"success\"}", 3),
            ("events_total{action=\"set_many\",result=\"success\"}", 1),
            ("events_total{action=\"verify\",result=\"denied\"}", 1),
        ],
    );
    let events: u64 = counted(&world, &["events_total"]).iter().map(|(_, count)| count).sum();
    assert_eq!(events, world.store.all_events().len() as u64);
}

#[test]
fn a_conflict_and_a_lost_reply_are_counted_as_such_and_the_call_and_its_event_once() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let flow = made(&mut world, |v, a, e| v.rotate(a, &slot("A"), Rotation::to(secret("two")), e));
    let mut commits = 0;
    let store = &mut world.store;
    drive_with(flow, &mut world.clock, |_, request| match request {
        Request::Commit { .. } => {
            commits += 1;
            match commits {
                1 => Answer::Commit(CommitAnswer::Conflict),
                // Applied, and the reply is lost.
                2 => {
                    store.answer(request);
                    Answer::Failed { applied: Applied::Unknown }
                }
                _ => store.answer(request),
            }
        }
        request => store.answer(request),
    })
    .unwrap();
    assert_eq!(commits, 3);
    check(
        &world,
        &[ACCESS, "commit_conflicts_total", "store_failures_total", "errors_total"],
        &[
            ("commit_conflicts_total", 1),
            ("secret_access_total{result=\"success\"}", 2),
            ("store_failures_total{request=\"commit\"}", 1),
        ],
    );
    assert_eq!(samples(&world)["events_total{action=\"rotate\",result=\"success\"}"], 1.0);
}

/// A flow that is not run yet, or whatever else becomes of a call.
fn made<T>(world: &mut World, make: impl FnOnce(&Vault, &Actor, Box<dyn Entropy>) -> T) -> T {
    let entropy = world.entropy();
    make(&world.vault, &world.actor, entropy)
}

#[test]
fn a_store_that_fails_is_counted_by_request_and_what_it_did_not_commit_is_no_event() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let before = counted(&world, &["events_total"]);
    for fail in ["load", "commit"] {
        let flow = made(&mut world, |v, a, e| v.get(a, &slot("A"), e));
        let store = &mut world.store;
        let result = drive_with(flow, &mut world.clock, |_, request| {
            if request.name() == fail { Answer::Failed { applied: Applied::No } } else { store.answer(request) }
        });
        assert_eq!(result.unwrap_err().code(), Code::StorageFailed);
    }
    check(
        &world,
        &[ACCESS, "store_failures_total", "errors_total"],
        &[
            ("errors_total{code=\"STORAGE_FAILED\"}", 2),
            ("secret_access_total{result=\"error\"}", 2),
            ("secret_access_total{result=\"success\"}", 1),
            ("store_failures_total{request=\"commit\"}", 1),
            ("store_failures_total{request=\"load\"}", 1),
        ],
    );
    assert_eq!(counted(&world, &["events_total"]), before);
}

#[test]
fn a_call_that_is_given_up_is_none() {
    let mut world = World::new();
    let mut flow = made(&mut world, |v, a, e| v.get(a, &slot("A"), e));
    flow.step(Timestamp::from_millis(0), None).unwrap();
    drop(flow);
    check(&world, &[ACCESS, "events_total"], &[]);
}

#[test]
fn proposals_count_as_calls_and_turn_nothing_until_they_are_confirmed() {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let turned = "secret_rotation_timestamp_seconds{namespace=\"default\",name=\"A\"}";
    let before = samples(&world)[turned];
    let proposed = world.propose("A", Change::Rotate, Some("two")).unwrap().id;
    assert_eq!(samples(&world)[turned], before);
    let turned_all = |world: &World| counted(world, &["secret_rotation_timestamp_seconds"]).len();
    assert_eq!(turned_all(&world), 1, "a proposal is no secret");
    world.act(|v, a, e| v.confirm(a, &proposed, e)).unwrap();
    let after = samples(&world)[turned];
    assert!(after > before, "{after}");
    // Confirmed again, it is a call that does nothing.
    world.act(|v, a, e| v.confirm(a, &proposed, e)).unwrap();
    assert_eq!(samples(&world)[turned], after);
    let last = world.propose("A", Change::Delete, None).unwrap().id;
    world.actor = actor("mallory");
    world.act(|v, a, e| v.confirm(a, &last, e)).unwrap_err();
    check(
        &world,
        &[ACCESS, "events_total"],
        &[
            ("events_total{action=\"confirm\",result=\"denied\"}", 1),
            ("events_total{action=\"confirm\",result=\"success\"}", 1),
            ("events_total{action=\"init\",result=\"success\"}", 1),
            ("events_total{action=\"propose\",result=\"success\"}", 2),
            ("events_total{action=\"rotate\",result=\"success\"}", 1),
            ("events_total{action=\"set\",result=\"success\"}", 1),
            ("secret_access_total{result=\"denied\"}", 1),
            ("secret_access_total{result=\"success\"}", 5),
        ],
    );
}

#[test]
fn a_refusal_that_a_chat_command_tells_in_words_is_a_refusal() {
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() });
    world.act(|v, a, e| v.command(a, secret("secret set A one"), e)).unwrap();
    world.act(|v, a, e| v.command(a, secret("secret get MISSING"), e)).unwrap();
    world.act(|v, a, e| v.command(a, secret("secret frobnicate"), e)).unwrap();
    world.actor = actor("mallory");
    world.act(|v, a, e| v.command(a, secret("secret get A"), e)).unwrap();
    check(
        &world,
        &[ACCESS, "errors_total", "secret_validation_errors_total"],
        &[
            ("errors_total{code=\"COMMAND_INVALID\"}", 1),
            ("errors_total{code=\"PERMISSION_DENIED\"}", 1),
            ("errors_total{code=\"SECRET_NOT_FOUND\"}", 1),
            ("secret_access_total{result=\"denied\"}", 1),
            ("secret_access_total{result=\"error\"}", 2),
            ("secret_access_total{result=\"success\"}", 1),
            ("secret_validation_errors_total", 1),
        ],
    );
}

#[test]
fn what_is_refused_for_its_form_is_a_validation_error_and_nothing_else_is() {
    let mut world = World::new();
    world.set("A", "").unwrap_err();
    let wide = Slot::parse_stored(None, "two words").unwrap();
    world.act(|v, a, e| v.set(a, &wide, plainly("x"), e)).unwrap_err();
    world.get("MISSING").unwrap_err();
    let refused = made(&mut world, |v, a, e| v.audit(a, None, 0, e)).unwrap_err();
    world.vault.count_refusal(&refused);
    check(
        &world,
        &[ACCESS, "secret_validation_errors_total"],
        &[("secret_access_total{result=\"error\"}", 4), ("secret_validation_errors_total", 3)],
    );
}

#[test]
fn an_emergency_counts_its_secrets_each_once() {
    let mut world = World::new();
    let setting = Setting { generator: Some(read("\"hex\"")), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("A"), (secret("one").into(), setting), e)).unwrap();
    world.set("B", "without a generator").unwrap();
    assert_eq!(samples(&world)["emergency_rotation_total"], 0.0);
    world.act(|v, a, e| v.emergency_rotate(a, (Leaked::All, WithoutGenerator::Keep), (None, 9), e).unwrap()).unwrap();
    assert_eq!(samples(&world)["emergency_rotation_total"], 2.0);
    world.rotate("B", "another").unwrap();
    assert_eq!(samples(&world)["emergency_rotation_total"], 2.0);
}

fn read<T: strongroom::wire::FromJson>(text: &str) -> T {
    strongroom::wire::read(text).unwrap()
}

#[test]
fn secrets_show_when_they_were_rotated_and_when_they_are_due_until_they_are_deleted() {
    let mut world = World::new();
    let high = Setting { sensitivity: Some(read("\"high\"")), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("nexus:A"), (secret("one").into(), high), e)).unwrap();
    let labels = "{namespace=\"nexus\",name=\"A\"}";
    let (turned, due) = (
        format!("secret_rotation_timestamp_seconds{labels}"),
        format!("secret_rotation_due_timestamp_seconds{labels}"),
    );
    let at = samples(&world)[&turned];
    assert!((1_765_108_800.0..1_765_108_801.0).contains(&at), "{at}");
    assert!((samples(&world)[&due] - at - 90.0 * 86_400.0).abs() < 0.01);
    world.get_slot(&slot("nexus:A")).unwrap();
    assert_eq!(samples(&world)[&turned], at, "a read rotates nothing");
    world.delete("nexus:A").unwrap();
    assert!(!samples(&world).contains_key(&turned) && !samples(&world).contains_key(&due));
}

#[test]
fn another_process_learns_how_the_whole_vault_stands_by_asking_and_no_part_is_taken_for_the_whole() {
    let mut world = World::new();
    let critical = || Setting { sensitivity: Some(read("\"critical\"")), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("A"), (secret("one").into(), critical()), e)).unwrap();
    world.act(|v, a, e| v.set(a, &slot("nexus:B"), (secret("two").into(), critical()), e)).unwrap();
    world.clock.0 += 31 * 86_400_000;
    world.rotate("A", "three").unwrap();
    world.reopen(VaultOptions::default());
    assert!(!samples(&world).contains_key("secrets_overdue"), "nobody looked");
    world.act(|v, a, e| v.due(a, Some("default"), 0, e).unwrap()).unwrap();
    assert!(!samples(&world).contains_key("secrets_overdue"), "nobody looked at all of it");
    world.act(|v, a, e| v.due(a, None, 0, e).unwrap()).unwrap();
    let named = |world: &World| -> Vec<String> {
        samples(world).into_keys().filter(|name| name.starts_with("secret_rotation_due")).collect()
    };
    assert_eq!(samples(&world)["secrets_overdue"], 1.0);
    assert_eq!(named(&world), ["secret_rotation_due_timestamp_seconds{namespace=\"nexus\",name=\"B\"}"]);
    world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    assert_eq!((samples(&world)["secrets_overdue"], named(&world).len()), (1.0, 2));
    // Another process deletes one, and this one looks again.
    let elsewhere = support::vault(&world.keyring, VaultOptions::default());
    let flow = elsewhere.delete(&actor("bob"), &slot("nexus:B"), world.entropy());
    world.run(flow).unwrap();
    assert_eq!(named(&world).len(), 2);
    world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    assert_eq!((samples(&world)["secrets_overdue"], named(&world).len()), (0.0, 1));
    // Who may see a part of the vault says nothing of the whole.
    let checked = samples(&world)["rotation_checked_timestamp_seconds"];
    let only_nexus = r#"{"rules": [{"id": "nexus", "roles": ["nexus"], "actions": ["*"], "namespaces": ["nexus"]}]}"#;
    let policy = Policy::read(read(only_nexus)).unwrap();
    world.reopen(VaultOptions { policy: Some(policy), ..VaultOptions::default() });
    world.actor = actor("carol").in_roles(&["nexus".into()]).unwrap();
    world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    assert!(checked > 0.0 && !samples(&world).contains_key("rotation_checked_timestamp_seconds"));
}

#[test]
fn no_more_than_1000_secrets_are_named_and_those_that_are_due_first_stay() {
    let mut world = World::new();
    for page in 0..3 {
        let names: Vec<String> = (0..400).map(|index| format!("N{page}_{index}")).collect();
        let given: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "value")).collect();
        world.act(|v, a, e| v.set_many(a, assignments(&given), e)).unwrap();
    }
    let samples = samples(&world);
    let named = |family: &str| samples.keys().filter(|name| name.starts_with(family)).count();
    assert_eq!(named("secret_rotation_timestamp_seconds{"), 1000);
    assert_eq!(named("secret_rotation_due_timestamp_seconds{"), 1000);
    assert_eq!(samples["secret_rotation_dropped_total"], 200.0);
    assert!(samples.contains_key("secret_rotation_timestamp_seconds{namespace=\"default\",name=\"N0_399\"}"));
    let page = world.vault.metrics("strongroom").unwrap();
    assert!(page.len() < 300_000, "{}", page.len());
}

#[test]
fn hostile_names_of_an_adopted_store_are_escaped_and_those_too_long_left_out() {
    let mut world = World::new();
    let long = "x".repeat(300);
    let names = ["a\"} 1\nforged_total{b=\"c", "back\\slash", "\u{e9}\r\t\u{1F512}", &long];
    let rows = names.map(|name| {
        let row = old_row(&world.keyring, name, "value");
        let columns = Columns { last_rotated: Some(Timestamp::from_millis(1_700_000_000_123)), ..row.columns };
        strongroom::record::Record { columns, ..row }
    });
    world.store = store_of(rows, []);
    world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    let page = world.vault.metrics("strongroom").unwrap();
    let family = "strongroom_secret_rotation_due_timestamp_seconds{namespace=\"default\",name=";
    for label in [r#""a\"} 1\nforged_total{b=\"c""#, r#""back\\slash""#, "\"\u{e9}\r\t\u{1F512}\""] {
        assert!(page.contains(&format!("\n{family}{label}}} ")), "{label}: {page}");
    }
    assert!(!page.lines().any(|line| line.starts_with("forged")), "{page}");
    assert!(!page.contains("xxxxx"));
    // Once when it was adopted, once when it was looked at.
    assert!(page.contains("strongroom_secret_rotation_dropped_total 2\n"), "{page}");
}

#[test]
fn instants_are_finite_decimals_however_far_away() {
    for millis in [i64::MIN, -1, 0, i64::MAX] {
        let mut world = World::new();
        let row = old_row(&world.keyring, "A", "value");
        let columns = Columns { last_rotated: Some(Timestamp::from_millis(millis)), ..row.columns };
        world.store = store_of([strongroom::record::Record { columns, ..row }], []);
        world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
        samples(&world);
    }
}

#[test]
fn a_prefix_is_the_beginning_of_a_metrics_name() {
    let world = World::new();
    for prefix in ["hyperbun", "_a", ":a:b", "A9"] {
        let page = world.vault.metrics(prefix).unwrap();
        let begins = |line: &str| line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with(prefix);
        assert!(page.lines().all(begins), "{page}");
    }
    for prefix in ["", "9a", "a-b", "a b", "a\n", "\u{e9}", "a{", &"a".repeat(65)] {
        assert_eq!(world.vault.metrics(prefix).unwrap_err().code(), Code::InvalidArgument, "{prefix:?}");
    }
}

#[test]
fn what_the_rules_found_is_told_once_and_counted() {
    let rules = AccessRules { denied_burst: Some(Burst::new(3, 60_000).unwrap()), ..AccessRules::default() };
    let watch = Some(SharedWatch::new(rules));
    let mut world = World::with(VaultOptions { actors: Some(vec!["alice".into()]), watch, ..VaultOptions::default() });
    world.set("A", "one").unwrap();
    let mut host = Findings::default();
    for attempt in 1..=5u64 {
        let flow = made(&mut world, |v, _, e| v.get(&actor("mallory"), &slot("A"), e));
        let now = world.clock.now();
        strongroom::store::drive_with(flow, &mut world.store, &mut host, || now).unwrap_err();
        assert_eq!(host.0.len(), usize::from(attempt >= 3));
    }
    let [finding] = &*host.0 else { panic!("{:?}", host.0) };
    assert_eq!((finding.rule.name(), &*finding.actor, finding.count), ("denied_burst", "mallory", 3));
    assert_eq!(finding.name.as_deref(), Some("A"));
    check(&world, &["access_findings_total"], &[("access_findings_total{rule=\"denied_burst\"}", 1)]);
}

#[derive(Default)]
struct Findings(Vec<strongroom::audit::AccessFinding>);

impl strongroom::store::Host for Findings {
    type Error = core::convert::Infallible;

    fn found(&mut self, finding: &strongroom::audit::AccessFinding) {
        self.0.push(finding.clone());
    }
}

#[test]
fn no_value_and_no_name_of_nothing_stands_on_the_page() {
    let mut world = World::new();
    world.set("A", "canary-of-a-value").unwrap();
    world.get("canary-of-a-name").unwrap_err();
    world.act(|v, a, e| v.verify(a, &slot("A"), secret("canary-of-a-guess"), e)).unwrap();
    world.act(|v, a, e| v.command(a, secret("canary-of-a-command"), e)).unwrap();
    world.actor = actor("canary-of-an-actor");
    world.get("A").unwrap();
    assert!(!world.vault.metrics("strongroom").unwrap().contains("canary"));
}

#[test]
fn every_flow_of_the_vault_is_counted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(!source.contains("Flow::new("), "{}: make flows with `self.flow`", path.display());
    }
}

#[test]
fn a_manifest_and_a_store_of_nothing_are_fine() {
    let mut world = World::new();
    let manifest: Manifest = support::manifest("");
    world.act(|v, a, e| v.check(a, (manifest, None, strongroom::ops::PlainValues::Unread), e)).unwrap();
    world.store = MemoryStore::new();
    assert_eq!(samples(&world)["secret_access_total{result=\"success\"}"], 1.0);
}
