//! Several flows on one store, step by step in every order there is, or in many random ones: what two processes do.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strongroom::audit::Event;
use strongroom::crypto::KeyId;
use strongroom::ops::{Rotation, Setting};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::{
    Actor, Answer, Entropy, ErrorCode as Code, Flow, Keyring, Reply, Request, Result, Step, Timestamp, Vault,
    VaultOptions,
};
use support::{Clock, Seeded, World, actor, drive, old_event, old_row, secret, slot, store_of, with_records};

/// What an operation tells, or its code.
type Told = std::result::Result<String, Code>;

/// Makes an operation for an actor.
type Make = Box<dyn Fn(&Vault, &Actor, Box<dyn Entropy>) -> Flow<String>>;

fn set(name: &'static str, value: &'static str) -> Make {
    Box::new(move |v, a, e| {
        v.set(a, &slot(name), (secret(value).into(), Setting::default()), e)
            .map(|written| format!("v{}", written.version.unwrap()))
    })
}

fn rotate(name: &'static str, value: &'static str) -> Make {
    Box::new(move |v, a, e| {
        v.rotate(a, &slot(name), Rotation::to(secret(value)), e).map(|written| format!("v{}", written.version.unwrap()))
    })
}

fn get(name: &'static str) -> Make {
    Box::new(move |v, a, e| {
        v.get(a, &slot(name), e).map(|revealed| String::from_utf8(revealed.value.expose().to_vec()).unwrap())
    })
}

fn delete(name: &'static str) -> Make {
    Box::new(move |v, a, e| v.delete(a, &slot(name), e).map(|_| "deleted".into()))
}

fn list() -> Make {
    Box::new(|v, a, e| v.list(a, None, e).unwrap().map(|listing| format!("{} listed", listing.secrets.len())))
}

fn verify() -> Make {
    Box::new(|v, a, e| v.verify_audit(a, e).map(|_| "verified".into()))
}

fn confirm(id: &str) -> Make {
    let id = id.to_string();
    Box::new(move |v, a, e| {
        v.confirm(a, &id, e).map(|confirmed| if confirmed.repeated { "repeated".into() } else { "confirmed".into() })
    })
}

fn cancel(id: &str) -> Make {
    let id = id.to_string();
    Box::new(move |v, a, e| v.cancel(a, &id, e).map(|()| "cancelled".into()))
}

fn adopt() -> Make {
    Box::new(|v, a, e| v.adopt(a, e).map(|adopted| format!("{} adopted", adopted.secrets)))
}

/// A process: operations one after the other, by one actor.
struct Process<'a> {
    actor: Actor,
    script: &'a [Make],
    open: Option<(Flow<String>, u64, Request)>,
    told: Vec<Told>,
    entropy: u64,
}

impl Process<'_> {
    /// Begins the next operation, up to its first request.
    fn begin(&mut self, vault: &Vault, clock: &mut Clock) {
        self.open = None;
        while let Some(make) = self.script.get(self.told.len()) {
            self.entropy += 1;
            let flow = make(vault, &self.actor, Box::new(Seeded::new(self.entropy)));
            if self.advance(flow, clock, None) {
                return;
            }
        }
    }

    /// Takes a step; whether the flow goes on.
    fn advance(&mut self, mut flow: Flow<String>, clock: &mut Clock, reply: Option<Reply>) -> bool {
        match flow.step(clock.now(), reply).unwrap() {
            Step::Ask { number, request } => {
                self.open = Some((flow, number, request));
                true
            }
            Step::Done(result) => {
                self.told.push(result.map_err(|error| error.code()));
                false
            }
        }
    }

    /// Has its open request answered.
    fn go_on(&mut self, vault: &Vault, store: &mut MemoryStore, clock: &mut Clock, page: u32) {
        let (flow, number, mut request) = self.open.take().unwrap();
        // A store may give shorter pages than it is asked for.
        if let Request::Events { query, .. } = &mut request {
            query.limit = query.limit.min(page);
        }
        if let Request::List { query, .. } = &mut request {
            query.limit = query.limit.min(page);
        }
        let answer = if let Request::Wait { .. } = request { Answer::Wait {} } else { store.answer(&request) };
        if !self.advance(flow, clock, Some(Reply { number, answer })) {
            self.begin(vault, clock);
        }
    }
}

/// What became of a schedule.
struct Ended {
    store: MemoryStore,
    clock: Clock,
    /// What each process was told, by operation.
    told: Vec<Vec<Told>>,
}

impl Ended {
    fn secret(&self, name: &str) -> Option<&strongroom::record::Record> {
        self.store.records().find(|record| record.key.kind == RecordKind::Secret && record.key.name == name)
    }

    fn events_of(&self, actor: &str) -> Vec<&Event> {
        self.store.all_events().iter().filter(|event| event.actor.as_deref() == Some(actor)).collect()
    }
}

/// A scenario: where it starts, and what each process does.
struct Scenario {
    vault: Vault,
    store: MemoryStore,
    clock: Clock,
    scripts: Vec<(&'static str, Vec<Make>)>,
    page: u32,
}

impl Scenario {
    fn of(world: &World, scripts: Vec<(&'static str, Vec<Make>)>) -> Self {
        let vault = support::vault(&world.keyring, VaultOptions::default());
        Scenario { vault, store: world.store.clone(), clock: world.clock.clone(), scripts, page: 500 }
    }

    /// Runs once; the chooser picks among the processes that wait, by their number.
    fn run(&self, mut choose: impl FnMut(usize) -> usize) -> Ended {
        let (mut store, mut clock) = (self.store.clone(), self.clock.clone());
        let mut processes: Vec<Process<'_>> = self
            .scripts
            .iter()
            .enumerate()
            .map(|(index, (name, script))| Process {
                actor: actor(name),
                script,
                open: None,
                told: vec![],
                entropy: 1_000_000 * (index as u64 + 1),
            })
            .collect();
        processes.iter_mut().for_each(|process| process.begin(&self.vault, &mut clock));
        loop {
            let waiting: Vec<usize> = (0..processes.len()).filter(|index| processes[*index].open.is_some()).collect();
            if waiting.is_empty() {
                break;
            }
            let chosen = if waiting.len() == 1 { 0 } else { choose(waiting.len()) };
            processes[waiting[chosen]].go_on(&self.vault, &mut store, &mut clock, self.page);
        }
        let told = processes.into_iter().map(|process| process.told).collect();
        Ended { store, clock, told }
    }

    /// Runs in every order there is, up to a number; gives how many there were.
    fn in_every_order(&self, most: usize, mut check: impl FnMut(&Ended)) -> usize {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut count = 0;
        loop {
            let mut depth = 0;
            let ended = self.run(|among| {
                if depth == path.len() {
                    path.push((0, among));
                }
                depth += 1;
                path[depth - 1].0
            });
            path.truncate(depth);
            count += 1;
            self.check(&ended, &mut check);
            // The next path: the last choice that can be made otherwise is.
            while path.last().is_some_and(|(chosen, among)| chosen + 1 == *among) {
                path.pop();
            }
            let Some(last) = path.last_mut() else { return count };
            last.0 += 1;
            assert!(count < most, "there are more than {most} orders");
        }
    }

    /// Runs in so many random orders.
    fn in_random_orders(&self, orders: u64, mut check: impl FnMut(&Ended)) {
        for seed in 0..orders {
            let mut random = Seeded::new(seed);
            let ended = self.run(|among| random.below(among));
            self.check(&ended, &mut check);
        }
    }

    fn check(&self, ended: &Ended, check: &mut impl FnMut(&Ended)) {
        let (mut store, mut clock) = (ended.store.clone(), ended.clock.clone());
        let flow = self.vault.verify_audit(&actor("auditor"), Box::new(Seeded::new(5)));
        drive(flow, &mut store, &mut clock).unwrap();
        // Revisions are one more with every put: a lost update would show here.
        let operations: BTreeSet<_> =
            ended.store.all_events().iter().filter_map(|event| event.operation_id.clone()).collect();
        // An adoption has one for itself and one for each secret.
        // A page of a rekey has one for itself and one for each secret.
        let is_in_passing = |event: &Event| event.action.as_deref() == Some("rekey") && event.secret_uid.is_some();
        let own = |event: &&Event| {
            event.stream.is_some() && event.reason.as_deref() != Some("import") && !is_in_passing(event)
        };
        let chained = ended.store.all_events().iter().filter(own).count();
        assert_eq!(operations.len(), chained, "one operation, one event");
        check(ended);
    }
}

fn with_a() -> World {
    let mut world = World::new();
    world.set("A", "one").unwrap();
    world
}

fn told(ended: &Ended) -> Vec<Told> {
    let mut all: Vec<Told> = ended.told.concat();
    all.sort();
    all
}

fn done(values: &[&str]) -> Vec<Told> {
    values.iter().map(|value| Ok((*value).to_string())).collect()
}

fn versions(ended: &Ended, name: &str) -> Vec<u64> {
    let record = ended.secret(name).unwrap();
    let body: serde_json::Value = serde_json::from_str(&record.data).unwrap();
    let earlier = body["versions"].as_array().unwrap().iter().map(|version| version["number"].as_u64().unwrap());
    std::iter::once(record.columns.version.unwrap()).chain(earlier).collect()
}

#[test]
fn every_one_of_three_gets_is_counted_once() {
    let scenario = Scenario::of(&with_a(), vec![("p", vec![get("A")]), ("q", vec![get("A")]), ("r", vec![get("A")])]);
    let orders = scenario.in_every_order(100_000, |ended| {
        assert_eq!(told(ended), done(&["one", "one", "one"]));
        assert_eq!(ended.secret("A").unwrap().counters.accessed_count, 3);
        assert_eq!(ended.events_of("p").len() + ended.events_of("q").len() + ended.events_of("r").len(), 3);
    });
    assert!(orders > 100, "{orders}");
}

#[test]
fn three_sets_make_three_versions_and_none_is_lost() {
    let scripts = vec![("p", vec![set("A", "p")]), ("q", vec![set("A", "q")]), ("r", vec![rotate("A", "r")])];
    let orders = Scenario::of(&with_a(), scripts).in_every_order(100_000, |ended| {
        assert_eq!(told(ended), done(&["v2", "v3", "v4"]));
        assert_eq!(versions(ended, "A"), [4, 3, 2, 1]);
    });
    assert!(orders > 100, "{orders}");
}

#[test]
fn two_creations_of_one_name_make_one_secret_with_two_versions() {
    let scripts = vec![("p", vec![set("NEW", "p")]), ("q", vec![set("NEW", "q")])];
    let orders = Scenario::of(&with_a(), scripts).in_every_order(10_000, |ended| {
        assert_eq!(told(ended), done(&["v1", "v2"]));
        assert_eq!(versions(ended, "NEW"), [2, 1]);
    });
    assert!(orders >= 6, "{orders}");
}

#[test]
fn processes_that_meet_in_an_empty_store_make_one_vault() {
    let scripts = vec![("p", vec![set("A", "p"), get("A")]), ("q", vec![get("B")])];
    Scenario::of(&World::new(), scripts).in_random_orders(1500, |ended| {
        assert_eq!(ended.told[0], done(&["v1", "p"]));
        assert_eq!(ended.told[1], [Err(Code::SecretNotFound)]);
        assert_eq!(ended.store.all_events().iter().filter(|event| event.action.as_deref() == Some("init")).count(), 1);
    });
}

#[test]
fn processes_that_meet_in_an_old_store_adopt_it_once() {
    let mut world = World::new();
    world.store = store_of(
        [old_row(&world.keyring, "A", "old"), old_row(&world.keyring, "two words", "odd")],
        [old_event("set", "A")],
    );
    type Script = (Vec<Make>, Told);
    let others: [fn() -> Script; 4] = [
        || (vec![get("A")], Ok("old".into())),
        || (vec![list()], Ok("2 listed".into())),
        || (vec![verify()], Ok("verified".into())),
        || (vec![rotate("A", "new")], Ok("v2".into())),
    ];
    for other in others {
        let (script, expected) = other();
        let scenario = Scenario::of(&world, vec![("p", vec![get("A")]), ("q", script)]);
        scenario.in_random_orders(400, |ended| {
            assert!(matches!(ended.told[0][0].as_deref(), Ok("old" | "new")), "{:?}", ended.told);
            assert_eq!(ended.told[1][0], expected);
            let adoptions = ended.store.all_events().iter().filter(|event| event.action.as_deref() == Some("adopted"));
            let (secrets, whole): (Vec<_>, Vec<_>) = adoptions.partition(|event| event.secret_uid.is_some());
            assert_eq!(whole.len(), 1);
            let mut names: Vec<_> = secrets.iter().map(|event| event.name.as_deref().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["A", "two words"], "each secret is adopted once");
        });
    }
}

#[test]
fn two_adoptions_of_later_rows_both_end_and_adopt_once() {
    let mut world = with_a();
    let late = old_row(&world.keyring, "LATE", "late");
    world.store = with_records(&world.store, |records| records.push(late));
    let scenario = Scenario::of(&world, vec![("p", vec![adopt(), get("LATE")]), ("q", vec![adopt()])]);
    scenario.in_random_orders(300, |ended| {
        assert_eq!(ended.told[0][1], Ok("late".into()));
        let adopted: Vec<&Told> = [&ended.told[0][0], &ended.told[1][0]].into();
        assert!(
            adopted.contains(&&Ok("1 adopted".into())) && adopted.contains(&&Ok("0 adopted".into())),
            "{adopted:?}"
        );
    });
}

/// The streams of the secrets that had each value, by the events of the process that set it.
fn stream_of_value(ended: &Ended) -> BTreeMap<&'static str, Option<String>> {
    let created = |actor: &str| {
        let set = ended.events_of(actor).into_iter().find(|event| event.action.as_deref() == Some("set"));
        set.and_then(|event| event.secret_uid.clone())
    };
    BTreeMap::from([("one", created("alice")), ("two", created("writer"))])
}

#[test]
fn a_get_that_races_a_deletion_and_a_new_creation_is_written_into_the_stream_of_what_it_read() {
    let scripts = vec![("writer", vec![delete("A"), set("A", "two"), get("A")]), ("reader", vec![get("A")])];
    let mut seen: BTreeMap<Told, usize> = BTreeMap::new();
    let orders = Scenario::of(&with_a(), scripts).in_every_order(100_000, |ended| {
        assert_eq!(ended.told[0], done(&["deleted", "v1", "two"]));
        let read = &ended.told[1][0];
        *seen.entry(read.clone()).or_default() += 1;
        let events = ended.events_of("reader");
        assert_eq!(events.len(), 1);
        match read {
            Ok(value) => {
                assert_eq!(events[0].stream, stream_of_value(ended)[&**value], "{value}");
                let counted = ended.secret("A").unwrap().counters.accessed_count;
                assert_eq!(counted, if value == "two" { 2 } else { 1 }, "counted for what was read");
            }
            Err(code) => {
                assert_eq!(*code, Code::SecretNotFound);
                assert_eq!(events[0].stream.as_deref(), Some("vault"));
            }
        }
    });
    let ends: Vec<_> = seen.keys().cloned().collect();
    assert_eq!(ends, [Ok("one".into()), Ok("two".into()), Err(Code::SecretNotFound)], "all three happen: {orders}");
}

#[test]
fn a_write_that_races_a_deletion_and_a_new_creation_hits_one_secret_whole() {
    let scripts = vec![("writer", vec![delete("A"), set("A", "two")]), ("other", vec![rotate("A", "three")])];
    Scenario::of(&with_a(), scripts).in_every_order(100_000, |ended| {
        assert_eq!(ended.told[0], done(&["deleted", "v1"]));
        match &ended.told[1][0] {
            Ok(version) => {
                assert_eq!(version, "v2");
                let after = ended.events_of("other")[0].stream.clone();
                let kept = ended.secret("A").unwrap().columns.uid == after;
                assert_eq!(versions(ended, "A"), if kept { vec![2, 1] } else { vec![1] });
            }
            Err(code) => assert_eq!(*code, Code::SecretNotFound),
        }
    });
}

#[test]
fn two_confirmations_of_one_proposal_make_the_change_once() {
    for (change, value) in [(Change::Set, Some("new")), (Change::Rotate, Some("new")), (Change::Delete, None)] {
        let mut world = with_a();
        world.actor = actor("p");
        let id = world.propose("A", change, value).unwrap().id;
        let scripts = vec![("p", vec![confirm(&id)]), ("p", vec![confirm(&id)]), ("p", vec![get("A")])];
        Scenario::of(&world, scripts).in_random_orders(400, |ended| {
            let mut told = ended.told[..2].concat();
            told.sort();
            assert_eq!(told, done(&["confirmed", "repeated"]));
            if change != Change::Delete {
                assert_eq!(versions(ended, "A"), [2, 1]);
            }
        });
    }
}

#[test]
fn a_confirmation_races_a_cancellation_or_a_change_and_one_of_them_comes_first() {
    let mut world = with_a();
    world.actor = actor("p");
    let id = world.propose("A", Change::Rotate, Some("proposed")).unwrap().id;
    let scripts = vec![("p", vec![confirm(&id)]), ("p", vec![cancel(&id)])];
    let mut ends = BTreeSet::new();
    Scenario::of(&world, scripts).in_every_order(10_000, |ended| {
        ends.insert(ended.told.concat());
        assert_eq!(versions(ended, "A").len(), if ended.told[0][0].is_ok() { 2 } else { 1 });
    });
    let first = vec![Ok("confirmed".into()), Err(Code::ConfirmationNotFound)];
    let second = vec![Err(Code::ConfirmationNotFound), Ok("cancelled".into())];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), [first, second]);

    let scripts = vec![("p", vec![confirm(&id)]), ("q", vec![set("A", "meanwhile")])];
    let mut ends = BTreeSet::new();
    Scenario::of(&world, scripts).in_every_order(10_000, |ended| {
        ends.insert(ended.told.concat());
    });
    let first = vec![Ok("confirmed".into()), Ok("v3".into())];
    let second = vec![Err(Code::ChangedSinceProposed), Ok("v2".into())];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), [first, second]);
}

#[test]
fn a_busy_vault_verifies_in_every_order() {
    let mut world = with_a();
    world.get("A").unwrap();
    let busy =
        || vec![get("A"), delete("A"), set("A", "two"), get("A"), set("B", "b"), get("B"), delete("B"), set("B", "c")];
    // Short pages: the history is read in many requests, and changes between them.
    for page in [1, 2, 3] {
        let scenario =
            Scenario { page, ..Scenario::of(&world, vec![("auditor", vec![verify(), verify()]), ("busy", busy())]) };
        scenario.in_random_orders(400, |ended| {
            assert_eq!(ended.told[0], done(&["verified", "verified"]));
        });
    }
}

#[test]
fn lists_and_histories_of_a_busy_vault_never_fail() {
    let world = with_a();
    let reads = || -> Vec<Make> {
        vec![
            list(),
            Box::new(|v, a, e| v.census(a, e).map(|_| "counted".into())),
            Box::new(|v, a, e| v.audit(a, Some(&slot("A")), 50, e).unwrap().map(|_| "read".into())),
            Box::new(|v, a, e| v.exists(a, &slot("A"), e).map(|_| "looked".into())),
        ]
    };
    let busy = || vec![get("A"), delete("A"), set("A", "two"), set("B", "b"), delete("B"), rotate("A", "three")];
    let scenario = Scenario { page: 1, ..Scenario::of(&world, vec![("reader", reads()), ("busy", busy())]) };
    scenario.in_random_orders(600, |ended| {
        assert!(ended.told.concat().iter().all(Result::is_ok), "{:?}", ended.told);
    });
}

#[test]
fn four_processes_on_five_secrets_lose_nothing() {
    const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];
    let mut world = World::new();
    for name in NAMES {
        world.set(name, "one").unwrap();
    }
    let mut random = Seeded::new(4711);
    let mut script = || -> (Vec<Make>, BTreeMap<&'static str, (u64, u64)>) {
        let mut planned: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let makes = (0..40)
            .map(|_| {
                let name = NAMES[random.below(NAMES.len())];
                let (gets, writes) = planned.entry(name).or_default();
                if random.below(3) == 0 {
                    *writes += 1;
                    rotate(name, "next")
                } else {
                    *gets += 1;
                    get(name)
                }
            })
            .collect();
        (makes, planned)
    };
    let (scripts, plans): (Vec<_>, Vec<_>) = ["p", "q", "r", "s"]
        .into_iter()
        .map(|actor| {
            let (makes, planned) = script();
            ((actor, makes), planned)
        })
        .unzip();
    Scenario::of(&world, scripts).in_random_orders(8, |ended| {
        assert!(ended.told.concat().iter().all(Result::is_ok), "no error reaches a caller");
        for name in NAMES {
            let planned = plans.iter().filter_map(|plan| plan.get(name));
            let (gets, writes) = planned.fold((0, 0), |sum, plan| (sum.0 + plan.0, sum.1 + plan.1));
            let record = ended.secret(name).unwrap();
            assert_eq!(record.counters.accessed_count, gets, "{name}");
            assert_eq!(record.columns.version, Some(1 + writes), "{name}");
        }
        assert_eq!(ended.store.all_events().len(), 6 + 160);
    });
}

// Keys that move on.

/// A keyring that has a new key, and the same one step later, when that key is the primary; the old and the new key.
fn rolled_out(world: &World) -> (Arc<Keyring>, Arc<Keyring>, [KeyId; 2]) {
    let make = || {
        let mut keyring = Keyring::generate(&mut Seeded::new(1 << 32), Timestamp::from_millis(0)).unwrap();
        let new = keyring.add_enabled(&mut Seeded::new(12), None, Timestamp::from_millis(0)).unwrap();
        (keyring, new)
    };
    let (before, _) = make();
    let (mut after, new) = make();
    let old = world.keyring.keys().next().unwrap().id;
    after.make_primary(&new).unwrap();
    (Arc::new(before), Arc::new(after), [old, new])
}

fn rekey(keyring: &Arc<Keyring>) -> Make {
    let vault = support::vault(keyring, VaultOptions::default());
    Box::new(move |_, a, e| {
        vault.rekey(a, (None, 100), e).unwrap().map(|rekeyed| {
            assert_eq!((rekeyed.next, rekeyed.unreadable), (None, 0));
            "rekeyed".into()
        })
    })
}

fn retire(keyring: &Arc<Keyring>, key: KeyId) -> Make {
    let vault = support::vault(keyring, VaultOptions::default());
    Box::new(move |_, a, e| vault.retire(a, key, e).map(|retired| retired.state.name().to_string()))
}

/// The same operation by a process that has another keyring.
fn by(keyring: &Arc<Keyring>, make: Make) -> Make {
    let vault = support::vault(keyring, VaultOptions::default());
    Box::new(move |_, a, e| make(&vault, a, e))
}

/// Which keys the sealed values of secrets name.
fn keys_of_values(ended: &Ended) -> BTreeSet<KeyId> {
    let mut texts: Vec<String> = Vec::new();
    for record in ended.store.records().filter(|record| record.key.kind == RecordKind::Secret) {
        texts.extend(record.columns.value_encrypted.clone());
        let body: serde_json::Value = serde_json::from_str(&record.data).unwrap();
        texts.extend(body["versions"].as_array().unwrap().iter().map(|v| v["value"].as_str().unwrap().to_string()));
    }
    texts.iter().map(|text| strongroom::crypto::sealed::Sealed::parse(text).unwrap().key_id()).collect()
}

#[test]
fn once_a_rekey_is_through_no_value_is_under_the_old_key_whoever_wrote_meanwhile() {
    let world = with_a();
    let (before, after, [old, new]) = rolled_out(&world);
    for (keyring, is_stale) in [(&before, true), (&after, false)] {
        let scripts =
            vec![("p", vec![rekey(&after)]), ("q", vec![by(keyring, set("A", "two")), by(keyring, set("B", "b"))])];
        let scenario =
            Scenario { vault: support::vault(&before, VaultOptions::default()), ..Scenario::of(&world, scripts) };
        let mut ends = BTreeSet::new();
        let orders = scenario.in_every_order(100_000, |ended| {
            ends.insert(ended.told.concat());
            let keys = keys_of_values(ended);
            if ended.told[0][0].is_ok() {
                assert_eq!(keys, BTreeSet::from([new]), "{:?}", ended.told);
            }
            for told in &ended.told[1] {
                assert!(matches!(told, Ok(_) | Err(Code::KeyringStale)), "{told:?}");
            }
            assert!(!keys.contains(&old) || ended.told[0][0].is_err());
        });
        assert!(orders > 20, "{orders}");
        let stale = |told: &Told| *told == Err(Code::KeyringStale);
        assert_eq!(ends.iter().any(|told| told[1..].iter().all(stale)), is_stale || ends.iter().any(|t| stale(&t[1])));
        assert!(ends.iter().any(|told| told.iter().all(Result::is_ok)), "{ends:?}");
    }
}

#[test]
fn a_key_that_was_retired_is_the_key_of_no_value_in_any_order() {
    let world = with_a();
    let (before, after, [old, _]) = rolled_out(&world);
    let scripts = vec![
        ("p", vec![rekey(&after), retire(&after, old)]),
        ("q", vec![by(&before, set("A", "two"))]),
        ("r", vec![by(&before, set("NEW", "three"))]),
    ];
    let scenario =
        Scenario { vault: support::vault(&before, VaultOptions::default()), ..Scenario::of(&world, scripts) };
    let mut ends = BTreeSet::new();
    scenario.in_random_orders(1500, |ended| {
        let retired = &ended.told[0][1];
        ends.insert(retired.clone());
        assert!(matches!(retired, Ok(_) | Err(Code::KeyInUse | Code::Conflict)), "{retired:?}");
        if retired.is_ok() {
            assert!(!keys_of_values(ended).contains(&old), "{:?}", ended.told);
        }
    });
    assert!(ends.contains(&Ok("disabled".into())), "{ends:?}");
}

#[test]
fn a_vault_that_moves_back_and_forth_between_keys_retires_neither_while_values_are_under_it() {
    let world = with_a();
    let (before, after, [old, new]) = rolled_out(&world);
    let scripts = vec![
        ("p", vec![rekey(&after), retire(&after, old)]),
        ("q", vec![rekey(&before), by(&before, rotate("A", "two"))]),
    ];
    let scenario =
        Scenario { vault: support::vault(&before, VaultOptions::default()), ..Scenario::of(&world, scripts) };
    scenario.in_random_orders(1500, |ended| {
        if ended.told[0][1].is_ok() {
            assert!(!keys_of_values(ended).contains(&old), "{:?}", ended.told);
        }
        assert!(keys_of_values(ended).is_subset(&BTreeSet::from([old, new])));
    });
}

#[test]
fn a_grant_and_a_revocation_of_another_are_both_kept_in_every_order() {
    let mut world = with_a();
    let to_bob = || (Grantee::User("bob".into()), vec![Permission::Read], None);
    let first = world.act(|v, a, e| v.grant(a, &slot("A"), to_bob(), e)).unwrap().id;
    let policy = r#"{"rules": [{"id": "r", "users": ["p", "q", "alice", "auditor"], "actions": ["*"]}]}"#;
    let policy = Policy::parse(policy).unwrap();
    world.act(|v, a, e| v.set_policy(a, policy, e)).unwrap();
    let revoked = first.clone();
    let scripts: Vec<(&'static str, Vec<Make>)> = vec![
        ("p", vec![Box::new(move |v, a, e| v.revoke(a, &slot("A"), &revoked, e).map(|()| "revoked".into()))]),
        ("q", vec![Box::new(move |v, a, e| v.grant(a, &slot("A"), to_bob(), e).map(|granted| granted.id))]),
        ("bob", vec![get("A")]),
    ];
    let mut seen = BTreeSet::new();
    Scenario::of(&world, scripts).in_every_order(100_000, |ended| {
        assert_eq!(ended.told[0], done(&["revoked"]));
        let body: serde_json::Value = serde_json::from_str(&ended.secret("A").unwrap().data).unwrap();
        let ids: Vec<&str> = body["grants"].as_array().unwrap().iter().map(|g| g["id"].as_str().unwrap()).collect();
        assert_eq!(vec![ended.told[1][0].clone().unwrap()], ids);
        seen.insert(ended.told[2][0].clone());
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [Ok("one".into()), Err(Code::PermissionDenied)]);
}
