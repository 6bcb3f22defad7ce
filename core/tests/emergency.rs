//! Emergencies: after one, no operation gives, accepts or brings back a value from before. And what finds secrets by their
//! values and dates: identify, due, the sweeps, and what is purged in passing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use strongroom::generate::Generator;
use strongroom::ops::{Expiry, Match, NewValue, Rotation, Setting, Swept, WhyLeft, WithoutGenerator};
use strongroom::policy::Policy;
use strongroom::record::{Change, Reason, RecordKind};
use strongroom::rotation::{Sensitivity, Standing};
use strongroom::{Actor, Entropy, ErrorCode as Code, Flow, Leaked, Request, Result, Vault};
use support::{World, actor, code, drive_with, secret, slot};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// `A` has a generator and the values `a1` to `a3`, the last two in use; `B` was set by hand: `b1`, then `b2` with a grace.
fn lived_in() -> World {
    let mut world = World::new();
    let setting = Setting { generator: Generator::from_name("hex").ok(), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("A"), (secret("a1").into(), setting), e)).unwrap();
    world.rotate("A", "a2").unwrap();
    world.set("B", "b1").unwrap();
    for (name, value) in [("A", "a3"), ("B", "b2")] {
        let rotation = Rotation { grace_millis: Some(DAY.cast_unsigned()), ..Rotation::to(secret(value)) };
        world.act(|v, a, e| v.rotate(a, &slot(name), rotation, e)).unwrap();
    }
    world
}

fn emergency(world: &mut World, leaked: Leaked, without: WithoutGenerator) -> Result<Swept> {
    world.act(|v, a, e| v.emergency_rotate(a, (leaked, without), (None, 500), e).unwrap())
}

fn accepts(world: &mut World, name: &str, value: &str) -> bool {
    let verified = world.act(|v, a, e| v.verify(a, &slot(name), secret(value), e)).unwrap();
    let identified = world.act(|v, a, e| v.identify(a, None, secret(value), e).unwrap()).unwrap();
    let is_it = identified.name.as_deref() == Some(name);
    assert_eq!(verified.accepted, is_it && identified.accepted, "{name} {value}");
    verified.accepted
}

/// Every way on which a value could come to be in use again.
fn assert_never_again(world: &mut World, name: &str, leaked: &[&str]) {
    for value in leaked {
        assert!(!accepts(world, name, value), "{value} is accepted");
        assert!(world.get(name).map_or(true, |current| current != *value), "{value} is given");
        assert_eq!(code(world.set(name, value)), Code::VersionCompromised, "set {value}");
        assert_eq!(code(world.rotate(name, value)), Code::VersionCompromised, "rotate to {value}");
        for change in [Change::Set, Change::Rotate] {
            let id = world.propose(name, change, Some(value)).unwrap().id;
            let confirmed = world.act(|v, a, e| v.confirm(a, &id, e));
            assert_eq!(code(confirmed), Code::VersionCompromised, "{change:?} of {value} confirmed");
        }
    }
    let versions = world.act(|v, a, e| v.versions(a, &slot(name), e)).unwrap().versions;
    for version in versions.iter().filter(|version| version.compromised && !version.current) {
        let back = world.act(|v, a, e| v.rollback(a, &slot(name), version.number, e));
        assert_eq!(code(back), Code::VersionCompromised, "version {}", version.number);
    }
    world.verify().unwrap();
}

#[test]
fn what_has_a_generator_gets_a_new_value_at_once_and_every_earlier_one_is_dead() {
    let mut world = lived_in();
    assert!(accepts(&mut world, "A", "a2") && accepts(&mut world, "A", "a3"));
    let swept = emergency(&mut world, Leaked::Secret(slot("A")), WithoutGenerator::Keep).unwrap();
    assert_eq!((swept.rotated.len(), swept.left.len(), swept.next), (1, 0, None));
    let new = world.get("A").unwrap();
    assert_eq!(new.len(), 64);
    assert!(accepts(&mut world, "A", &new));
    assert_never_again(&mut world, "A", &["a1", "a2", "a3"]);
    let versions = world.act(|v, a, e| v.versions(a, &slot("A"), e)).unwrap().versions;
    let told: Vec<_> = versions.iter().map(|v| (v.number, v.reason, v.compromised, v.valid_until)).collect();
    assert_eq!(told[0], (4, Reason::Emergency, false, None));
    assert!(told[1..].iter().all(|(_, _, compromised, until)| *compromised && until.is_none()), "{told:?}");
    assert_eq!(world.get("B").unwrap(), "b2", "the others are left alone");
    assert!(accepts(&mut world, "B", "b1"));
}

#[test]
fn what_leaked_stays_refused_when_its_versions_are_no_longer_kept_and_when_the_secret_was_deleted() {
    let mut world = lived_in();
    emergency(&mut world, Leaked::Secret(slot("A")), WithoutGenerator::Keep).unwrap();
    for round in 0..12 {
        world.rotate("A", &format!("later {round}")).unwrap();
    }
    assert_never_again(&mut world, "A", &["a1", "a2", "a3"]);
    world.delete("A").unwrap();
    assert_eq!(code(world.set("A", "a3")), Code::VersionCompromised);
    world.set("A", "harmless").unwrap();
    assert_never_again(&mut world, "A", &["a1", "a2", "a3"]);
    world.delete("A").unwrap();
    world.set("A", "harmless").unwrap();
    assert_never_again(&mut world, "A", &["a1"]);
}

#[test]
fn without_a_generator_it_stays_in_use_until_it_is_replaced_or_is_disabled_on_request() {
    let mut world = lived_in();
    let swept = emergency(&mut world, Leaked::All, WithoutGenerator::Keep).unwrap();
    assert_eq!(swept.rotated.iter().map(|written| &*written.name).collect::<Vec<_>>(), ["A"]);
    assert_eq!(
        swept.left.iter().map(|left| (&*left.name, left.why)).collect::<Vec<_>>(),
        [("B", WhyLeft::NoGenerator)]
    );
    assert_eq!(world.get("B").unwrap(), "b2");
    assert!(!accepts(&mut world, "B", "b1"), "its grace is over");
    let due = world.act(|v, a, e| v.due(a, None, 0, e).unwrap()).unwrap().secrets;
    assert_eq!(due.iter().map(|state| (&*state.name, state.standing)).collect::<Vec<_>>(), [("B", Standing::Overdue)]);
    let grace = Rotation { grace_millis: Some(1000), ..Rotation::to(secret("b3")) };
    assert_eq!(code(world.set("B", "b2")), Code::VersionCompromised, "the same value again is no new one");
    world.act(|v, a, e| v.rotate(a, &slot("B"), grace, e)).unwrap();
    assert_never_again(&mut world, "B", &["b1", "b2"]);
    assert!(world.act(|v, a, e| v.due(a, None, 0, e).unwrap()).unwrap().secrets.is_empty());

    let mut world = lived_in();
    let swept = emergency(&mut world, Leaked::All, WithoutGenerator::Disable).unwrap();
    assert_eq!(swept.left[0].why, WhyLeft::Disabled);
    assert_eq!(code(world.get("B")), Code::SecretDisabled);
    world.act(|v, a, e| v.enable(a, &slot("B"), e)).unwrap();
    assert_eq!(code(world.get("B")), Code::VersionCompromised, "enabling brings no value back");
    assert_never_again(&mut world, "B", &["b1", "b2"]);
    world.set("B", "b3").unwrap();
    assert_eq!(world.get("B").unwrap(), "b3");
    assert_never_again(&mut world, "B", &["b1", "b2"]);
}

#[test]
fn a_deleted_secret_that_leaked_and_was_not_replaced_does_not_come_back() {
    let mut world = lived_in();
    emergency(&mut world, Leaked::Secret(slot("B")), WithoutGenerator::Keep).unwrap();
    world.delete("B").unwrap();
    for value in ["b1", "b2"] {
        assert_eq!(code(world.set("B", value)), Code::VersionCompromised);
    }
}

#[test]
fn open_proposals_are_cancelled_and_those_of_others_are_not() {
    let mut world = lived_in();
    let of_a = world.propose("A", Change::Rotate, Some("a3")).unwrap().id;
    let of_b = world.propose("B", Change::Set, Some("b3")).unwrap().id;
    emergency(&mut world, Leaked::Secret(slot("A")), WithoutGenerator::Keep).unwrap();
    assert_eq!(code(world.act(|v, a, e| v.confirm(a, &of_a, e))), Code::ConfirmationNotFound);
    let record = world.store.records().find(|record| record.key.name == of_a).unwrap();
    assert!(record.data.contains("cancelled") && record.data.contains("\"sealed\":null"), "{}", record.data);
    world.act(|v, a, e| v.confirm(a, &of_b, e)).unwrap();
}

#[test]
fn what_had_ended_leaked_too_and_gets_no_new_life() {
    let mut world = World::new();
    let setting =
        Setting { generator: Generator::from_name("hex").ok(), expiry: Some(Expiry::In(1000)), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("A"), (secret("a1").into(), setting), e)).unwrap();
    world.clock.0 += 2000;
    let swept = emergency(&mut world, Leaked::All, WithoutGenerator::Keep).unwrap();
    assert_eq!(swept.left[0].why, WhyLeft::Expired);
    assert_eq!(code(world.get("A")), Code::SecretExpired);
    world.act(|v, a, e| v.expire(a, &slot("A"), Expiry::Never, e)).unwrap();
    assert_eq!(code(world.get("A")), Code::VersionCompromised);
    assert_eq!(code(world.set("A", "a1")), Code::VersionCompromised);
}

#[test]
fn one_that_was_tampered_with_keeps_no_other_from_being_rotated() {
    let mut world = lived_in();
    let setting = Setting { generator: Generator::from_name("hex").ok(), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("C"), (secret("c1").into(), setting), e)).unwrap();
    world.store = support::with_records(&world.store, |records| {
        let record = records.iter_mut().find(|r| r.key.kind == RecordKind::Secret && r.key.name == "B").unwrap();
        record.columns.created_by = Some("mallory".into());
    });
    let swept = emergency(&mut world, Leaked::All, WithoutGenerator::Disable).unwrap();
    assert_eq!(swept.rotated.iter().map(|written| &*written.name).collect::<Vec<_>>(), ["A", "C"]);
    let left = &swept.left[0];
    assert_eq!((&*left.name, left.why, left.code), ("B", WhyLeft::Failed, Some("RECORD_TAMPERED")));
}

#[test]
fn a_sweep_goes_page_by_page_and_is_recorded_once_before_it_begins() {
    let mut world = World::new();
    for index in 0..7 {
        let setting = Setting { generator: Generator::from_name("uuid").ok(), ..Setting::default() };
        world.act(|v, a, e| v.set(a, &slot(&format!("K{index}")), (secret("x").into(), setting), e)).unwrap();
    }
    let (mut after, mut rotated) = (None::<String>, Vec::new());
    let before = world.store.all_events().len();
    loop {
        let page = world
            .act(|v, a, e| {
                v.emergency_rotate(a, (Leaked::All, WithoutGenerator::Keep), (after.as_deref(), 3), e).unwrap()
            })
            .unwrap();
        rotated.extend(page.rotated.into_iter().map(|written| written.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(rotated, (0..7).map(|index| format!("K{index}")).collect::<Vec<_>>());
    let events: Vec<_> = world.store.all_events()[before..]
        .iter()
        .map(|event| {
            (event.action.as_deref().unwrap(), event.reason.as_deref(), event.stream.as_deref() == Some("vault"))
        })
        .collect();
    assert_eq!(events[0], ("emergency_rotate", None, true));
    assert_eq!(events[1..], vec![("rotate", Some("emergency"), false); 7]);
}

#[test]
fn an_emergency_is_an_administrator_s_and_a_sweep_passes_over_what_is_not_the_actor_s() {
    let mut world = lived_in();
    let rules = r#"{"rules": [
        {"id": "root", "users": ["root"], "actions": ["*"]},
        {"id": "writes", "users": ["alice"], "actions": ["write", "read"], "names": ["A"]}
    ]}"#;
    world.actor = actor("root");
    world.act(|v, a, e| v.set_policy(a, Policy::parse(rules).unwrap(), e)).unwrap();
    world.actor = actor("alice");
    let refused = emergency(&mut world, Leaked::Secret(slot("A")), WithoutGenerator::Keep);
    assert_eq!(code(refused), Code::PermissionDenied);
    assert_eq!(world.last_event().outcome.as_deref(), Some("denied"));
    let before = world.store.all_events().len();
    let swept = world.act(|v, a, e| v.rotate_all(a, (None, None), (None, 9), e).unwrap()).unwrap();
    assert_eq!((swept.rotated.len(), swept.left.len()), (1, 0), "B is not told of");
    assert!(world.store.all_events()[before..].iter().all(|event| event.name.as_deref() != Some("B")));
    assert_eq!(world.last_event().rule.as_deref(), Some("writes"));
    assert!(world.act(|v, a, e| v.identify(a, None, secret("b2"), e).unwrap()).unwrap().name.is_none());
}

#[test]
fn identify_finds_current_and_previous_values_and_nobody_s() {
    let mut world = lived_in();
    let identify =
        |world: &mut World, value: &str| world.act(|v, a, e| v.identify(a, None, secret(value), e).unwrap()).unwrap();
    let found = identify(&mut world, "a3");
    assert_eq!((found.name.as_deref(), found.matches, found.version), (Some("A"), Some(Match::Current), Some(3)));
    assert_eq!(world.last_event().action.as_deref(), Some("identify"));
    let found = identify(&mut world, "b1");
    assert_eq!((found.name.as_deref(), found.matches, found.version), (Some("B"), Some(Match::Previous), Some(1)));
    assert_eq!(world.last_event().action.as_deref(), Some("verify_previous"));
    for nobody in ["a1", "nobody's", "a", ""] {
        assert!(!identify(&mut world, nobody).accepted, "{nobody}");
        let event = world.last_event();
        assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("identify"), Some("denied")));
        assert_eq!((event.name.as_deref(), event.secret_uid.as_deref()), (None, None));
    }
    world.clock.0 += DAY;
    assert!(!identify(&mut world, "b1").accepted, "its grace has ended");
    world.act(|v, a, e| v.disable(a, &slot("A"), e)).unwrap();
    assert!(!identify(&mut world, "a3").accepted);
    world.set("C", "a3").unwrap();
    assert_eq!(identify(&mut world, "a3").name.as_deref(), Some("C"), "the usable one of two");
    world.verify().unwrap();
}

#[test]
fn an_index_that_lies_makes_no_value_accepted_and_no_secret_due_or_deleted() {
    let mut world = lived_in();
    let everything = |request: &Request| match request {
        Request::List { query, cursor } => {
            let query = strongroom::flow::ListQuery { by: None, ..query.clone() };
            Request::List { query, cursor: cursor.clone() }
        }
        request => request.clone(),
    };
    fn lied_to<T: Send + 'static>(
        world: &mut World,
        lie: impl Fn(&Request) -> Request,
        make: impl FnOnce(&Vault, &Actor, Box<dyn Entropy>) -> Flow<T>,
    ) -> Result<T> {
        let entropy = world.entropy();
        let flow = make(&world.vault, &world.actor, entropy);
        let (store, clock) = (&mut world.store, &mut world.clock);
        drive_with(flow, clock, |_, request| store.answer(&lie(request)))
    }
    assert!(
        !lied_to(&mut world, everything, |v, a, e| v.identify(a, None, secret("a1"), e).unwrap()).unwrap().accepted
    );
    assert!(lied_to(&mut world, everything, |v, a, e| v.due(a, None, 0, e).unwrap()).unwrap().secrets.is_empty());
    let swept =
        lied_to(&mut world, everything, |v, a, e| v.rotate_due(a, (None, None), (None, 9), e).unwrap()).unwrap();
    assert_eq!((swept.rotated.len(), swept.left.len()), (0, 0));
    let purged = lied_to(&mut world, everything, |v, a, e| v.purge(a, None, e).unwrap()).unwrap();
    assert_eq!((purged.secrets, purged.proposals), (0, 0));
}

#[test]
fn what_is_due_is_told_the_longest_due_first_and_recorded_when_it_is_overdue() {
    let mut world = World::new();
    for (name, sensitivity) in
        [("high", Sensitivity::High), ("critical", Sensitivity::Critical), ("never", Sensitivity::None)]
    {
        let setting = Setting {
            sensitivity: Some(sensitivity),
            notify: Some(vec!["#ops".into()]),
            generator: Generator::from_name("hex").ok(),
            ..Setting::default()
        };
        world.act(|v, a, e| v.set(a, &slot(name), (secret("x").into(), setting), e)).unwrap();
    }
    let due = |world: &mut World, ahead: i64| -> Vec<(String, Standing)> {
        let due = world.act(|v, a, e| v.due(a, None, ahead * DAY, e).unwrap()).unwrap();
        due.secrets.into_iter().map(|state| (state.name, state.standing)).collect()
    };
    assert_eq!(due(&mut world, 7), []);
    assert_eq!(due(&mut world, 60), [("critical".into(), Standing::DueSoon)]);
    assert_eq!(world.last_event().action.as_deref(), Some("due"));
    world.clock.0 += 89 * DAY;
    assert_eq!(due(&mut world, 7), [("critical".into(), Standing::Overdue), ("high".into(), Standing::DueSoon)]);
    let event = world.last_event();
    assert_eq!((event.action.as_deref(), event.name.as_deref()), (Some("overdue"), Some("critical")));
    let swept = world.act(|v, a, e| v.rotate_due(a, (None, Some(1000)), (None, 9), e).unwrap()).unwrap();
    assert_eq!(swept.rotated.iter().map(|written| &*written.name).collect::<Vec<_>>(), ["critical"]);
    assert!(accepts(&mut world, "critical", "x"), "within its grace");
    assert_eq!(due(&mut world, 0), []);
    world.verify().unwrap();
}

#[test]
fn writes_purge_in_passing_what_has_ended_and_fail_of_nothing_there() {
    let mut world = World::new();
    let ends = || Setting { expiry: Some(Expiry::In(1000)), ..Setting::default() };
    for index in 0..20 {
        world.act(|v, a, e| v.set(a, &slot(&format!("E{index}")), (secret("x").into(), ends()), e)).unwrap();
        world.propose("NEW", Change::Set, Some("y")).unwrap();
    }
    let count = |world: &World, kind| world.store.records().filter(|record| record.key.kind == kind).count();
    world.clock.0 += DAY;
    world.set("F", "f").unwrap();
    assert_eq!(count(&world, RecordKind::Secret), 20 - 8 + 1);
    world.set("F", "f again").unwrap();
    assert_eq!(count(&world, RecordKind::Secret), 20 - 8 + 1, "only what adds a secret takes some away");
    world.propose("F", Change::Delete, None).unwrap();
    assert_eq!(count(&world, RecordKind::Pending), 20 - 8 + 1);
    for index in 0..3 {
        world.set(&format!("G{index}"), "g").unwrap();
        world.propose("F", Change::Delete, None).unwrap();
    }
    assert_eq!((count(&world, RecordKind::Secret), count(&world, RecordKind::Pending)), (4, 4));
    let refused = world.act(|v, a, e| v.set(a, &slot("H"), (NewValue::from(secret("")), Setting::default()), e));
    assert_eq!(code(refused), Code::ValueInvalid);
    world.verify().unwrap();
}
