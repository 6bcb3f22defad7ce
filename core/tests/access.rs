//! Rules of access: what is unusual, told once, from events in any order and of any shape.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test crate: its helpers may fail loudly too"
)]

mod support;

use strongroom::audit::{AccessFinding, AccessRule, AccessRules, AccessWatch, Burst, Event, SharedWatch};
use strongroom::wire::read;
use strongroom::{Timestamp, VaultOptions};
use support::{World, actor, assignments, slot};

const MINUTE: u64 = 60_000;

fn event(action: &str, actor: &str, name: &str, at: i64) -> Event {
    Event {
        at: Some(Timestamp::from_millis(at)),
        action: Some(action.into()),
        actor: Some(actor.into()),
        namespace: Some("default".into()),
        name: Some(name.into()),
        outcome: Some("success".into()),
        ..Event::default()
    }
}

fn denied(actor: &str, at: i64) -> Event {
    let (outcome, code) = (Some("denied".into()), Some("PERMISSION_DENIED".into()));
    Event { outcome, code, ..event("get", actor, "A", at) }
}

fn burst(count: u32) -> Option<Burst> {
    Some(Burst::new(count, MINUTE).unwrap())
}

fn many_reads(count: u32) -> AccessWatch {
    AccessWatch::new(AccessRules { many_reads: burst(count), ..AccessRules::default() })
}

fn told(watch: &mut AccessWatch, events: impl IntoIterator<Item = Event>) -> Vec<AccessFinding> {
    events.into_iter().flat_map(|event| watch.observe(&event)).collect()
}

#[test]
fn many_reads_are_told_at_the_event_that_makes_them_many_and_not_again_in_the_same_burst() {
    let mut watch = many_reads(3);
    let found = told(&mut watch, (0..10).map(|at| event("get", "mallory", &format!("N{at}"), at * 1000)));
    let expected = AccessFinding {
        rule: AccessRule::ManyReads,
        actor: "mallory".into(),
        namespace: Some("default".into()),
        name: Some("N2".into()),
        count: 3,
        since: Timestamp::from_millis(0),
        at: Timestamp::from_millis(2000),
    };
    assert_eq!(found, [expected]);
    // Quiet for a window: the next one is another burst.
    let found = told(&mut watch, (0..10).map(|at| event("get", "mallory", "A", 200_000 + at)));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_rate_at_the_very_limit_is_one_burst() {
    let mut watch = many_reads(10);
    // One every six seconds, some a little late: nine or ten within a minute, for an hour.
    let late = |at: i64| at * 6000 + if at % 3 == 0 { 50 } else { 0 };
    assert_eq!(told(&mut watch, (0..600).map(|at| event("get", "cron", "A", late(at)))).len(), 1);
}

#[test]
fn a_window_ends_and_actors_and_other_events_do_not_add_up() {
    let mut watch = many_reads(3);
    let minute = i64::try_from(MINUTE).unwrap();
    assert_eq!(told(&mut watch, [0, 1, minute].map(|at| event("get", "a", "A", at))), []);
    assert_eq!(told(&mut watch, ["b", "c", "d", "e"].map(|who| event("get", who, "A", 5))), []);
    assert_eq!(told(&mut watch, ["set", "rotate", "verify", "list", "versions"].map(|it| event(it, "f", "A", 5))), []);
    assert_eq!(told(&mut watch, (0..9).map(|at| denied("g", at))), []);
    assert_eq!(told(&mut watch, ["get", "resolve", "export"].map(|it| event(it, "h", "A", 5))).len(), 1);
}

#[test]
fn the_order_of_events_within_a_window_does_not_matter_and_older_ones_count_for_nothing() {
    let mut watch = many_reads(3);
    let [found] = told(&mut watch, [30_000, 10_000, 20_000].map(|at| event("get", "a", "A", at))).try_into().unwrap();
    assert_eq!((found.since.as_millis(), found.at.as_millis()), (10_000, 20_000));
    let mut watch = many_reads(3);
    assert_eq!(told(&mut watch, [500_000, 1, 2, 3, 4].map(|at| event("get", "a", "A", at))), []);
}

#[test]
fn denials_of_an_actor_make_a_burst_and_presented_values_that_are_not_accepted_do_not() {
    let rules = AccessRules { denied_burst: burst(3), ..AccessRules::default() };
    let mut watch = AccessWatch::new(rules);
    let refused = |at| Event { outcome: Some("denied".into()), ..event("verify", "api", "A", at) };
    assert_eq!(told(&mut watch, (0..99).map(refused)), []);
    let found = told(&mut watch, (0..99).map(|at| denied("mallory", at)));
    assert_eq!(found.iter().map(|found| found.rule).collect::<Vec<_>>(), [AccessRule::DeniedBurst]);
}

#[test]
fn the_first_read_of_a_secret_by_an_actor_is_told_and_history_makes_it_known() {
    let rules = AccessRules { first_reader: true, ..AccessRules::default() };
    let mut watch = AccessWatch::new(rules);
    let [found] = watch.observe(&event("get", "alice", "A", 1)).try_into().unwrap();
    assert_eq!((found.rule, &*found.actor, found.name.as_deref()), (AccessRule::FirstReader, "alice", Some("A")));
    assert_eq!(told(&mut watch, (2..9).map(|at| event("get", "alice", "A", at))), []);
    let elsewhere = Event { namespace: Some("nexus".into()), ..event("get", "alice", "A", 9) };
    for new in [event("get", "bob", "A", 9), event("get", "alice", "B", 9), elsewhere] {
        assert_eq!(watch.observe(&new).len(), 1);
        assert_eq!(watch.observe(&new).len(), 0);
    }
    // A process that starts anew and reads the history first.
    let mut watch = AccessWatch::new(rules);
    told(&mut watch, [event("get", "alice", "A", 1)]);
    assert_eq!(told(&mut watch, [event("get", "alice", "A", 10_000_000)]), []);
    // Rows of an adopted store, which have no outcome.
    let old = Event { outcome: None, success: Some(true), ..event("get", "old", "A", 1) };
    assert_eq!(told(&mut watch, [old]).len(), 1);
    assert_eq!(told(&mut watch, [event("get", "old", "A", 2)]), []);
}

#[test]
fn parts_of_names_are_not_mixed_up() {
    let mut watch = AccessWatch::new(AccessRules { first_reader: true, ..AccessRules::default() });
    let of = |actor: &str, namespace: &str, name: &str| Event {
        namespace: Some(namespace.into()),
        ..event("get", actor, name, 1)
    };
    let found = told(&mut watch, [of("a", "b", "cd"), of("a", "bc", "d"), of("ab", "c", "d"), of("ab", "", "cd")]);
    assert_eq!(found.len(), 4);
}

#[test]
fn events_of_any_shape_and_time_are_taken() {
    let all = AccessRules { many_reads: burst(1), denied_burst: burst(1), first_reader: true };
    let mut watch = AccessWatch::new(all);
    let whole = event("get", "a", "A", 0);
    for odd in [
        Event::default(),
        Event { actor: None, ..whole.clone() },
        Event { at: None, ..whole.clone() },
        Event { action: None, ..whole.clone() },
        Event { name: None, ..whole.clone() },
        Event { outcome: Some("SUCCESS".into()), ..whole.clone() },
        Event { outcome: None, success: Some(false), ..whole },
    ] {
        assert_eq!(watch.observe(&odd), []);
    }
    for at in [i64::MIN, -1, 0, i64::MAX, i64::MIN] {
        watch.observe(&event("get", "b", "A", at));
        watch.observe(&denied("b", at));
    }
}

#[test]
fn memory_has_an_end_and_who_is_seen_all_the_time_is_not_forgotten() {
    let mut watch =
        AccessWatch::new(AccessRules { first_reader: true, many_reads: burst(2), ..AccessRules::default() });
    watch.observe(&event("get", "regular", "A", 0));
    for stranger in 0..120_000 {
        watch.observe(&event("get", &format!("s{stranger}"), "A", 1));
        if stranger % 10_000 == 0 {
            assert!(
                watch.observe(&event("get", "regular", "A", 2)).iter().all(|it| it.rule != AccessRule::FirstReader)
            );
        }
    }
    let forgotten = watch.observe(&event("get", "s0", "A", 3));
    assert_eq!(forgotten.iter().map(|found| found.rule).collect::<Vec<_>>(), [AccessRule::FirstReader]);
    let told = format!("{watch:?}").len();
    assert!(told < 30_000_000, "{told}");
}

#[test]
fn rules_are_read_strictly_and_refuse_what_they_cannot_keep() {
    let whole = r#"{"many_reads": {"count": 100, "window_millis": 60000}, "denied_burst": null, "first_reader": true}"#;
    let expected = AccessRules { many_reads: burst(100), first_reader: true, ..AccessRules::default() };
    assert_eq!(read::<AccessRules>(whole).unwrap(), expected);
    assert_eq!(read::<AccessRules>("{}").unwrap(), AccessRules::default());
    for wrong in [
        "[]",
        r#"{"many_read": {"count": 1, "window_millis": 1}}"#,
        r#"{"many_reads": {"count": 0, "window_millis": 1}}"#,
        r#"{"many_reads": {"count": 1001, "window_millis": 1}}"#,
        r#"{"many_reads": {"count": 1, "window_millis": 0}}"#,
        r#"{"many_reads": {"count": 1, "window_millis": 2678400001}}"#,
        r#"{"many_reads": {"count": 1.5, "window_millis": 1}}"#,
        r#"{"many_reads": {"count": 1}}"#,
        r#"{"many_reads": {"count": 1, "window_millis": 1, "actor": "a"}}"#,
        r#"{"first_reader": 1}"#,
    ] {
        assert!(read::<AccessRules>(wrong).is_err(), "{wrong}");
    }
    assert!(Burst::new(1000, 31 * 24 * 60 * 60 * 1000).is_ok());
}

#[test]
fn a_vault_has_its_own_events_watched_and_its_history_warms_a_watch_up() {
    let rules = AccessRules { first_reader: true, many_reads: burst(3), ..AccessRules::default() };
    let mut world = World::new();
    world.act(|v, a, e| v.set_many(a, assignments(&[("A", "a"), ("B", "b"), ("C", "c")]), e)).unwrap();
    world.get("A").unwrap();
    let history = world.act(|v, a, e| v.audit(a, None, 1000, e).unwrap()).unwrap();
    let watch = SharedWatch::new(rules);
    for event in history.events.iter().rev() {
        watch.observe(event);
    }
    world.reopen(VaultOptions { watch: Some(watch), ..VaultOptions::default() });
    let found = findings(&mut world, "alice", &["A", "B", "C"]);
    let rules: Vec<_> = found.iter().map(|found| (found.rule.name(), found.name.as_deref().unwrap())).collect();
    // alice has read A before, and that read counts for the burst.
    assert_eq!(rules, [("many_reads", "B"), ("first_reader", "B"), ("first_reader", "C")]);
    assert_eq!(findings(&mut world, "alice", &["A", "B", "C"]), []);
}

/// What is found while an actor reads some secrets together.
fn findings(world: &mut World, who: &str, names: &[&str]) -> Vec<AccessFinding> {
    #[derive(Default)]
    struct Told(Vec<AccessFinding>);
    impl strongroom::store::Host for Told {
        type Error = core::convert::Infallible;
        fn found(&mut self, finding: &AccessFinding) {
            self.0.push(finding.clone());
        }
    }
    let (entropy, now, mut told) = (world.entropy(), world.clock.now(), Told::default());
    let flow = world.vault.get_many(&actor(who), names.iter().map(|name| slot(name)).collect(), entropy);
    strongroom::store::drive_with(flow, &mut world.store, &mut told, || now)
        .unwrap_or_else(|_| panic!("a failed read"));
    told.0
}
