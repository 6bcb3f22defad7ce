//! The rules of a secret's life on a simulated clock: grace, expiry, versions, rollback, purge, rotation, generators.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use strongroom::generate::Generator;
use strongroom::ops::{Expiry, Match, NewValue, Rotation, Setting, Verified, Written};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Reason, RecordKind};
use strongroom::rotation::{Sensitivity, Standing};
use strongroom::{Actor, Entropy, ErrorCode as Code, Flow, Reply, Result, Step, Timestamp, Vault};
use support::{Seeded, World, actor, code, plainly, secret, slot};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Runs an operation whose steps all happen at one instant.
fn at<T: Send + 'static>(
    world: &mut World,
    now: i64,
    make: impl FnOnce(&Vault, &Actor, Box<dyn Entropy>) -> Flow<T>,
) -> Result<T> {
    from_to(world, (now, now), make)
}

/// Runs an operation that begins at one instant and has every answer of the store at another.
fn from_to<T: Send + 'static>(
    world: &mut World,
    (begun, answered): (i64, i64),
    make: impl FnOnce(&Vault, &Actor, Box<dyn Entropy>) -> Flow<T>,
) -> Result<T> {
    let entropy = world.entropy();
    let mut flow = make(&world.vault, &world.actor, entropy);
    let (mut now, mut reply) = (begun, None);
    world.clock.0 = answered;
    loop {
        match flow.step(Timestamp::from_millis(now), reply).unwrap() {
            Step::Ask { number, request } => reply = Some(Reply { number, answer: world.store.answer(&request) }),
            Step::Done(result) => return result,
        }
        now = answered;
    }
}

fn verify_at(world: &mut World, now: i64, value: &str) -> Verified {
    at(world, now, |v, a, e| v.verify(a, &slot("A"), secret(value), e)).unwrap()
}

fn get_at(world: &mut World, now: i64) -> std::result::Result<Vec<u8>, Code> {
    let revealed = at(world, now, |v, a, e| v.get(a, &slot("A"), e));
    revealed.map(|revealed| revealed.value.expose().to_vec()).map_err(|error| error.code())
}

fn rotate_at(world: &mut World, now: i64, value: &str, grace_millis: Option<u64>) -> Written {
    let rotation = Rotation { grace_millis, ..Rotation::to(secret(value)) };
    at(world, now, |v, a, e| v.rotate(a, &slot("A"), rotation, e)).unwrap()
}

fn ending(value: &str, expiry: Expiry) -> (NewValue, Setting) {
    (secret(value).into(), Setting { expiry: Some(expiry), ..Setting::default() })
}

fn expire_at(world: &mut World, now: i64, expiry: Expiry) -> Result<Written> {
    at(world, now, |v, a, e| v.expire(a, &slot("A"), expiry, e))
}

/// A world with a secret `A` of the value `one`, and an instant after that.
fn with_a() -> (World, i64) {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    let now = world.clock.0 + 1;
    (world, now)
}

// Grace.

#[test]
fn the_old_value_is_accepted_until_its_grace_ends_and_not_at_that_millisecond() {
    let (mut world, start) = with_a();
    rotate_at(&mut world, start, "two", Some(1000));
    let end = start + 1000;
    for now in [start, start + 1, start + 500, end - 1] {
        let old = verify_at(&mut world, now, "one");
        assert_eq!((old.accepted, old.matches, old.version), (true, Some(Match::Previous), Some(1)));
        assert_eq!(old.valid_until, Some(Timestamp::from_millis(end)));
        assert_eq!(world.last_event().action.as_deref(), Some("verify_previous"));
        let new = verify_at(&mut world, now, "two");
        assert_eq!((new.matches, new.version, new.valid_until), (Some(Match::Current), Some(2), None));
    }
    for now in [end, end + 1, end + DAY] {
        let refused = Verified { accepted: false, matches: None, version: None, valid_until: None };
        assert_eq!(verify_at(&mut world, now, "one"), refused);
        let event = world.last_event();
        assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("verify"), Some("denied")));
        assert!(verify_at(&mut world, now, "two").accepted);
    }
    world.verify().unwrap();
}

#[test]
fn however_it_is_rotated_exactly_the_current_value_and_those_within_their_grace_are_accepted() {
    let (mut world, mut now) = with_a();
    let mut random = Seeded::new(11);
    // Each value with the instant at which it ends; the last is the current one.
    let mut values: Vec<(String, i64)> = vec![("one".into(), i64::MAX)];
    for round in 0..60 {
        now += random.below(400) as i64;
        let grace = [None, Some(1 + random.below(1500) as u64)][random.below(2)];
        let next = format!("value {round}");
        rotate_at(&mut world, now, &next, grace);
        values.last_mut().unwrap().1 = grace.map_or(0, |grace| now + grace.cast_signed());
        values.push((next, i64::MAX));
        // Of ten versions nine are previous ones.
        let kept = values.len().saturating_sub(10);
        let mut instants = vec![now, now + 1];
        instants.extend(values[kept..].iter().map(|(_, end)| *end).filter(|end| (now..now + 2000).contains(end)));
        for instant in instants {
            let accepted: Vec<bool> =
                values.iter().map(|(value, _)| verify_at(&mut world, instant, value).accepted).collect();
            let expected: Vec<bool> =
                values.iter().enumerate().map(|(index, (_, end))| index >= kept && instant < *end).collect();
            assert_eq!(accepted, expected, "round {round} at {instant}: {values:?}");
            assert!(accepted.contains(&true));
        }
        world.clock.0 = now;
        if values.len() > 12 {
            values.remove(0);
        }
    }
}

#[test]
fn a_grace_is_ended_by_its_revocation_and_lasts_a_millisecond_to_366_days() {
    let (mut world, now) = with_a();
    rotate_at(&mut world, now, "two", Some(DAY.cast_unsigned()));
    rotate_at(&mut world, now, "three", Some(DAY.cast_unsigned()));
    assert!(verify_at(&mut world, now, "one").accepted && verify_at(&mut world, now, "two").accepted);
    at(&mut world, now, |v, a, e| v.revoke_previous(a, &slot("A"), e)).unwrap();
    assert_eq!(["one", "two", "three"].map(|value| verify_at(&mut world, now, value).accepted), [false, false, true]);
    for millis in [0, (366 * DAY).cast_unsigned() + 1, u64::MAX] {
        let rotation = Rotation { grace_millis: Some(millis), ..Rotation::to(secret("x")) };
        let refused = at(&mut world, now, |v, a, e| v.rotate(a, &slot("A"), rotation, e));
        assert_eq!(code(refused), Code::InvalidArgument);
    }
    rotate_at(&mut world, now, "four", Some((366 * DAY).cast_unsigned()));
    assert!(verify_at(&mut world, now + 366 * DAY - 1, "three").accepted);
}

#[test]
fn a_value_that_ends_by_itself_ends_then_whatever_its_grace() {
    let (mut world, now) = with_a();
    expire_at(&mut world, now, Expiry::In(1000)).unwrap();
    rotate_at(&mut world, now + 1, "two", Some(DAY.cast_unsigned()));
    assert!(verify_at(&mut world, now + 999, "one").accepted);
    assert!(!verify_at(&mut world, now + 1000, "one").accepted);
    assert!(verify_at(&mut world, now + 1000, "two").accepted, "the new value has no end of its own");
}

#[test]
fn what_was_refused_when_the_secret_had_ended_does_not_come_back_with_its_next_value() {
    let (mut world, now) = with_a();
    rotate_at(&mut world, now, "two", Some(DAY.cast_unsigned()));
    expire_at(&mut world, now, Expiry::In(1000)).unwrap();
    for value in ["one", "two"] {
        assert!(!verify_at(&mut world, now + 1000, value).accepted, "an ended secret accepts nothing");
    }
    rotate_at(&mut world, now + 2000, "three", Some(1000));
    assert_eq!(["one", "two", "three"].map(|v| verify_at(&mut world, now + 2000, v).accepted), [false, false, true]);
}

// The time that counts.

#[test]
fn expiry_is_judged_when_the_store_has_answered() {
    let (mut world, now) = with_a();
    let end = now + 10 * MINUTE;
    expire_at(&mut world, now, Expiry::At(Timestamp::from_millis(end))).unwrap();
    assert_eq!(get_at(&mut world, end - 1).unwrap(), b"one");
    assert_eq!(get_at(&mut world, end), Err(Code::SecretExpired));
    let late = from_to(&mut world, (end - 5 * MINUTE, end), |v, a, e| v.get(a, &slot("A"), e));
    assert_eq!(code(late), Code::SecretExpired);
    assert_eq!(world.last_event().code.as_deref(), Some("SECRET_EXPIRED"));
    let verified = from_to(&mut world, (end - 1, end), |v, a, e| v.verify(a, &slot("A"), secret("one"), e)).unwrap();
    assert!(!verified.accepted);
    let shorter = Expiry::At(Timestamp::from_millis(end));
    let refused = from_to(&mut world, (end - 1, end), |v, a, e| v.expire(a, &slot("A"), shorter, e));
    assert_eq!(code(refused), Code::InvalidArgument, "it would end at once");
    expire_at(&mut world, end, Expiry::Never).unwrap();
    assert_eq!(get_at(&mut world, end).unwrap(), b"one");
}

#[test]
fn a_session_is_judged_when_the_store_has_answered() {
    let (mut world, now) = with_a();
    let end = now + MINUTE;
    let alice = actor("alice").until(Timestamp::from_millis(end));
    let get = |v: &Vault, _: &Actor, e: Box<dyn Entropy>| v.get(&alice, &slot("A"), e);
    from_to(&mut world, (now, end - 1), get).unwrap();
    assert_eq!(code(from_to(&mut world, (now, end), get)), Code::SessionExpired);
    assert_eq!(world.last_event().code.as_deref(), Some("SESSION_EXPIRED"));
}

#[test]
fn a_grant_is_judged_when_the_store_has_answered() {
    let (mut world, now) = with_a();
    let policy = r#"{"rules": [{"id": "owner", "users": ["alice"], "actions": ["*"]}]}"#;
    let policy = Policy::parse(policy).unwrap();
    at(&mut world, now, |v, a, e| v.set_policy(a, policy, e)).unwrap();
    let end = now + 10 * MINUTE;
    let to = || (Grantee::User("bob".into()), vec![Permission::Read], Some(Timestamp::from_millis(end)));
    let late = from_to(&mut world, (now, end), |v, a, e| v.grant(a, &slot("A"), to(), e));
    assert_eq!(code(late), Code::InvalidArgument);
    at(&mut world, now, |v, a, e| v.grant(a, &slot("A"), to(), e)).unwrap();
    let get = |v: &Vault, _: &Actor, e: Box<dyn Entropy>| v.get(&actor("bob"), &slot("A"), e);
    from_to(&mut world, (now, end - 1), get).unwrap();
    assert_eq!(code(from_to(&mut world, (end - 1, end), get)), Code::PermissionDenied);
    assert_eq!(at(&mut world, end - 1, |v, a, e| v.grants(a, &slot("A"), e)).unwrap().grants.len(), 1);
    assert_eq!(at(&mut world, end, |v, a, e| v.grants(a, &slot("A"), e)).unwrap().grants.len(), 0);
}

#[test]
fn a_confirmation_is_judged_when_the_store_has_answered() {
    let (mut world, now) = with_a();
    let mut propose =
        || at(&mut world, now, |v, a, e| v.propose(a, &slot("A"), (Change::Set, Some(secret("two"))), e)).unwrap();
    let (first, second) = (propose(), propose());
    let end = first.expires_at.as_millis();
    assert_eq!(end, now + 5 * MINUTE);
    let late = from_to(&mut world, (now, end), |v, a, e| v.confirm(a, &first.id, e));
    assert_eq!(code(late), Code::ConfirmationExpired);
    from_to(&mut world, (now, end - 1), |v, a, e| v.confirm(a, &second.id, e)).unwrap();
    assert_eq!(get_at(&mut world, end).unwrap(), b"two");
}

#[test]
fn a_new_value_has_no_end_unless_it_is_given_one() {
    let (mut world, now) = with_a();
    at(&mut world, now, |v, a, e| v.set(a, &slot("A"), ending("two", Expiry::In(1000)), e)).unwrap();
    assert_eq!(get_at(&mut world, now + 1000), Err(Code::SecretExpired));
    at(&mut world, now + 1000, |v, a, e| v.set(a, &slot("A"), plainly("three"), e)).unwrap();
    assert_eq!(get_at(&mut world, now + 100 * DAY).unwrap(), b"three");
    for expiry in [Expiry::In(0), Expiry::At(Timestamp::from_millis(now))] {
        let refused = at(&mut world, now, |v, a, e| v.set(a, &slot("A"), ending("x", expiry), e));
        assert_eq!(code(refused), Code::InvalidArgument);
        let rotation = Rotation { expiry: Some(expiry), ..Rotation::to(secret("x")) };
        assert_eq!(code(at(&mut world, now, |v, a, e| v.rotate(a, &slot("A"), rotation, e))), Code::InvalidArgument);
    }
    at(&mut world, now, |v, a, e| v.set(a, &slot("A"), ending("four", Expiry::In(u64::MAX)), e)).unwrap();
    assert_eq!(get_at(&mut world, now).unwrap(), b"four");
}

// Disabled secrets.

#[test]
fn a_disabled_secret_gives_and_accepts_nothing_whatever_is_written_to_it_until_it_is_enabled() {
    let (mut world, now) = with_a();
    rotate_at(&mut world, now, "two", Some(DAY.cast_unsigned()));
    at(&mut world, now, |v, a, e| v.disable(a, &slot("A"), e)).unwrap();
    world.clock.0 = now;
    world.set("A", "three").unwrap();
    world.rotate("A", "four").unwrap();
    let id = world.propose("A", Change::Rotate, Some("five")).unwrap().id;
    world.act(|v, a, e| v.confirm(a, &id, e)).unwrap();
    world.act(|v, a, e| v.rollback(a, &slot("A"), 4, e)).unwrap();
    let now = world.clock.0 + 1;
    assert_eq!(get_at(&mut world, now), Err(Code::SecretDisabled));
    for value in ["one", "two", "three", "four", "five"] {
        assert!(!verify_at(&mut world, now, value).accepted, "{value}");
    }
    at(&mut world, now, |v, a, e| v.enable(a, &slot("A"), e)).unwrap();
    assert_eq!(get_at(&mut world, now).unwrap(), b"four");
    assert!(verify_at(&mut world, now, "one").accepted, "its grace goes on");
    let actions: Vec<_> = world.store.all_events().iter().filter_map(|event| event.action.as_deref()).collect();
    assert!(actions.contains(&"disable") && actions.contains(&"enable") && actions.contains(&"rollback"));
}

// Versions and rollback.

#[test]
fn ten_versions_are_listed_newest_first_with_equal_fingerprints_for_equal_values_alone() {
    let mut world = World::new();
    for value in ["a", "b", "a", "c", "d", "e", "f", "g", "a", "h", "i", "g"] {
        world.set("A", value).unwrap();
    }
    let versions = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    let numbers: Vec<u64> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    let current: Vec<bool> = versions.iter().map(|version| version.current).collect();
    assert!(current[0] && !current[1..].contains(&true));
    let prints: Vec<&str> = versions.iter().map(|version| version.fingerprint.as_deref().unwrap()).collect();
    assert!(prints.iter().all(|print| print.len() == 12 && print.bytes().all(|b| b.is_ascii_hexdigit())));
    let values = ["g", "i", "h", "a", "g", "f", "e", "d", "c", "a"];
    for (i, one) in prints.iter().enumerate() {
        for (j, other) in prints.iter().enumerate() {
            assert_eq!(one == other, values[i] == values[j], "versions {} and {}", numbers[i], numbers[j]);
        }
    }
    world.set("B", "g").unwrap();
    let other = world.act(|v, a, e| v.versions(a, &slot("B"), e)).unwrap().versions;
    assert_eq!(other[0].fingerprint.as_deref(), Some(prints[0]), "equal values of a vault are found");
    let mut foreign = World::seeded(2, strongroom::VaultOptions::default());
    foreign.set("A", "g").unwrap();
    let foreign = foreign.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    assert_ne!(foreign[0].fingerprint.as_deref(), Some(prints[0]), "those of two vaults are not");
}

#[test]
fn a_rollback_makes_a_new_version_of_one_that_is_still_kept() {
    let mut world = World::new();
    for number in 1..=12 {
        world.set("A", &format!("value {number}")).unwrap();
    }
    let rollback = |world: &mut World, number| world.act(|v, a, e| v.rollback(a, &slot("A"), number, e));
    assert_eq!(rollback(&mut world, 3).unwrap().version, Some(13));
    assert_eq!(world.get("A").unwrap(), "value 3");
    let versions = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    assert_eq!((versions[0].reason, versions[0].by.as_deref()), (Reason::Rollback, Some("alice")));
    assert_eq!(versions.last().unwrap().number, 4);
    for (number, expected) in [
        (13, Code::InvalidArgument),
        (3, Code::VersionNotFound),
        (0, Code::VersionNotFound),
        (14, Code::VersionNotFound),
        (u64::MAX, Code::VersionNotFound),
    ] {
        assert_eq!(code(rollback(&mut world, number)), expected, "{number}");
    }
    world.verify().unwrap();
}

#[test]
fn a_rollback_brings_no_value_back_beyond_its_end() {
    let (mut world, now) = with_a();
    let end = now + 1000;
    expire_at(&mut world, now, Expiry::At(Timestamp::from_millis(end))).unwrap();
    rotate_at(&mut world, now, "two", None);
    let rollback = |world: &mut World, now| at(world, now, |v, a, e| v.rollback(a, &slot("A"), 1, e));
    assert_eq!(code(rollback(&mut world, end)), Code::SecretExpired);
    assert_eq!(get_at(&mut world, end).unwrap(), b"two");
    rollback(&mut world, end - 1).unwrap();
    assert_eq!(get_at(&mut world, end - 1).unwrap(), b"one");
    assert_eq!(get_at(&mut world, end), Err(Code::SecretExpired), "with the end that it had");
}

// Purge.

#[test]
fn a_purge_deletes_what_has_ended_and_proposals_that_are_over_and_nothing_else() {
    let (mut world, now) = with_a();
    for name in ["GONE", "nexus:GONE", "LATER"] {
        let millis = if name == "LATER" { 2000 } else { 1000 };
        at(&mut world, now, |v, a, e| v.set(a, &slot(name), ending("x", Expiry::In(millis)), e)).unwrap();
    }
    at(&mut world, now, |v, a, e| v.propose(a, &slot("A"), (Change::Delete, None), e)).unwrap();
    let purge =
        |world: &mut World, now, namespace| at(world, now, |v, a, e| v.purge(a, namespace, e).unwrap()).unwrap();
    let purged = purge(&mut world, now + 999, None);
    assert_eq!((purged.secrets, purged.proposals), (0, 0));
    let purged = purge(&mut world, now + 1000, Some("nexus"));
    assert_eq!((purged.secrets, purged.proposals), (1, 0));
    assert!(world.record(RecordKind::Secret, "GONE").is_some());
    let purged = purge(&mut world, now + 5 * MINUTE, None);
    assert_eq!((purged.secrets, purged.proposals), (2, 1));
    let left: Vec<&str> =
        world.store.records().filter(|r| r.key.kind == RecordKind::Secret).map(|r| &*r.key.name).collect();
    assert_eq!(left, ["A"]);
    assert!(!world.store.records().any(|record| record.key.kind == RecordKind::Pending));
    let deleted = world.store.all_events().iter().filter(|event| event.action.as_deref() == Some("delete")).count();
    assert_eq!(deleted, 3, "each deletion is an event");
    world.verify().unwrap();
}

// Rotation.

#[test]
fn the_rotation_status_tells_where_each_secret_stands() {
    let mut world = World::new();
    let now = world.clock.0;
    let of = |sensitivity| Setting { sensitivity, notify: Some(vec!["ops".into()]), ..Setting::default() };
    let all = [
        ("critical", Some(Sensitivity::Critical)),
        ("high", Some(Sensitivity::High)),
        ("nexus:standard", None),
        ("whenever", Some(Sensitivity::None)),
    ];
    for (name, sensitivity) in all {
        at(&mut world, now, |v, a, e| v.set(a, &slot(name), (secret("x").into(), of(sensitivity)), e)).unwrap();
    }
    let mut report = |days: i64, ahead| {
        at(&mut world, now + days * DAY, |v, a, e| v.rotation_status(a, None, ahead, e).unwrap()).unwrap()
    };
    let counts = |r: &strongroom::ops::RotationReport| [r.compliant, r.due_soon, r.overdue, r.never];
    let first = report(0, 7 * DAY);
    assert_eq!(counts(&first), [4, 0, 0, 0]);
    assert_eq!(first.next_due, Some(Timestamp::from_millis(now + 30 * DAY)));
    assert_eq!(first.secrets[0].notify, ["ops"]);
    assert_eq!(counts(&report(22, 7 * DAY)), [4, 0, 0, 0]);
    assert_eq!(counts(&report(23, 7 * DAY)), [3, 1, 0, 0]);
    assert_eq!(counts(&report(30, 7 * DAY)), [3, 0, 1, 0]);
    assert_eq!(counts(&report(85, 7 * DAY)), [2, 1, 1, 0]);
    let last = report(1000, 0);
    assert_eq!(counts(&last), [1, 0, 3, 0]);
    assert_eq!(last.next_due, None);
    let standings: Vec<_> =
        last.secrets.iter().map(|state| (&*state.namespace, &*state.name, state.standing)).collect();
    let expected = [
        ("default", "critical", Standing::Overdue),
        ("default", "high", Standing::Overdue),
        ("default", "whenever", Standing::Compliant),
        ("nexus", "standard", Standing::Overdue),
    ];
    assert_eq!(standings, expected);
    at(&mut world, now + 1000 * DAY, |v, a, e| v.rotate(a, &slot("high"), Rotation::to(secret("y")), e)).unwrap();
    let after =
        at(&mut world, now + 1000 * DAY, |v, a, e| v.rotation_status(a, Some("default"), 0, e).unwrap()).unwrap();
    assert_eq!(counts(&after), [2, 0, 1, 0], "a namespace alone");
}

#[test]
fn generators_make_values_for_set_and_rotate_and_the_last_one_told_is_kept() {
    let mut world = World::new();
    let refused =
        world.set("A", "by hand").and_then(|_| world.act(|v, a, e| v.rotate(a, &slot("A"), Rotation::default(), e)));
    assert_eq!(code(refused), Code::InvalidArgument);
    let generator = |name: &str| Generator::from_name(name).unwrap();
    let setting = Setting { generator: Some(generator("uuid")), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("A"), (NewValue::Generated(generator("hex")), setting), e)).unwrap();
    let first = world.get("A").unwrap();
    assert!(first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", first.len());
    let mut seen = std::collections::BTreeSet::from([first]);
    for _ in 0..3 {
        world.act(|v, a, e| v.rotate(a, &slot("A"), Rotation::default(), e)).unwrap();
        let value = world.get("A").unwrap();
        assert_eq!((value.len(), value.matches('-').count()), (36, 4));
        assert!(seen.insert(value), "every value is another one");
    }
    world
        .act(|v, a, e| v.rotate(a, &slot("A"), Rotation::to(NewValue::Generated(generator("alphanumeric"))), e))
        .unwrap();
    assert!(world.get("A").unwrap().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    world.act(|v, a, e| v.rotate(a, &slot("A"), Rotation::default(), e)).unwrap();
    assert_eq!(world.get("A").unwrap().len(), 36, "one rotation's way is not kept");
    world.verify().unwrap();
}

#[test]
fn only_an_accepted_value_is_counted_as_a_use() {
    let (mut world, now) = with_a();
    verify_at(&mut world, now, "wrong");
    assert_eq!(world.secret_record("A").counters.accessed_count, 0);
    verify_at(&mut world, now, "one");
    assert_eq!(world.secret_record("A").counters.accessed_count, 1);
    assert_eq!(world.secret_record("A").counters.last_accessed, Some(Timestamp::from_millis(now)));
}
