//! Rotation by the host's rotator: processes that die at every request, run twice at once, and are overtaken by every other
//! writer. A model of a provider tells whether anybody is locked out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strongroom::flow::{Applied, Found, RotatorStep};
use strongroom::ops::{Expiry, Match, Rotation, Verified, Written};
use strongroom::record::RecordKind;
use strongroom::store::MemoryStore;
use strongroom::{
    Actor, Answer, ErrorCode as Code, Flow, Keyring, Reply, Request, Result, SecretBytes, Step, Timestamp, Vault,
    VaultOptions,
};
use support::{Clock, Seeded, World, actor, code, drive, secret, slot};

/// What a provider does when it is asked twice to create a value for one rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    /// It gives the same.
    Same,
    /// It gives another beside it.
    Another,
    /// It has room for one, and gives another in its place.
    InItsPlace,
}

/// Where the value is used. What is in use is good, and so is what was before it and what is still to be activated.
#[derive(Clone, Debug)]
struct Provider {
    asked_again: Asked,
    in_use: String,
    before: Option<String>,
    /// By rotation.
    waiting: BTreeMap<String, Vec<String>>,
    issued: usize,
    /// The rotation and the value of each activation.
    activations: Vec<(String, String)>,
}

impl Provider {
    fn of(in_use: &str, asked_again: Asked) -> Self {
        let (waiting, activations) = Default::default();
        Provider { asked_again, in_use: in_use.into(), before: None, waiting, issued: 0, activations }
    }

    fn create(&mut self, id: &str) -> String {
        let waiting = self.waiting.entry(id.into()).or_default();
        match (self.asked_again, waiting.last()) {
            (Asked::Same, Some(value)) => return value.clone(),
            (Asked::InItsPlace, _) => waiting.clear(),
            _ => {}
        }
        self.issued += 1;
        waiting.push(format!("issued {}", self.issued));
        waiting.last().unwrap().clone()
    }

    /// Whether it would.
    fn activate(&mut self, id: &str, value: &str) -> bool {
        let is_waiting = self.waiting.get(id).is_some_and(|waiting| waiting.iter().any(|it| it == value));
        if value != self.in_use && !is_waiting {
            return false;
        }
        self.activations.push((id.into(), value.into()));
        if value != self.in_use {
            self.before = Some(std::mem::replace(&mut self.in_use, value.into()));
        }
        true
    }

    fn accepts(&self, value: &str) -> bool {
        value == self.in_use
            || self.before.as_deref() == Some(value)
            || self.waiting.values().flatten().any(|waiting| waiting == value)
    }
}

/// A run of the operation in a process of its own.
struct Process {
    flow: Flow<Written>,
    open: Option<(u64, Request)>,
    result: Option<Result<Written>>,
    asked: Vec<Request>,
}

/// What all processes share.
#[derive(Clone)]
struct Outside {
    store: MemoryStore,
    provider: Provider,
    clock: Clock,
}

const GRACE: u64 = 60_000;

impl Process {
    fn start(vault: &Vault, who: &Actor, seed: u64, outside: &mut Outside) -> Self {
        Self::started(
            vault.rotate_with_rotator(who, &slot("A"), Some(GRACE), None, Box::new(Seeded::new(seed))),
            outside,
        )
    }

    fn started(flow: Flow<Written>, outside: &mut Outside) -> Self {
        let mut process = Process { flow, open: None, result: None, asked: vec![] };
        process.step(None, outside);
        process
    }

    fn step(&mut self, reply: Option<Reply>, outside: &mut Outside) {
        match self.flow.step(outside.clock.now(), reply).unwrap() {
            Step::Ask { number, request } => {
                self.asked.push(request.clone());
                self.open = Some((number, request));
            }
            Step::Done(result) => self.result = Some(result),
        }
    }

    /// Has the open request done, whether anybody learns of it or not.
    fn done(&mut self, outside: &mut Outside) -> Reply {
        let (number, request) = self.open.take().unwrap();
        let answer = match &request {
            Request::Rotate { step: RotatorStep::Create, id, .. } => {
                self.flow.offer(secret(&outside.provider.create(id)));
                Answer::Values { found: vec![Found::Given] }
            }
            Request::Rotate { step: RotatorStep::Activate, id, .. } => {
                let value = self.flow.take_shown().unwrap();
                match outside.provider.activate(id, &text(&value)) {
                    true => Answer::Activated {},
                    false => Answer::Failed { applied: Applied::Unknown },
                }
            }
            of_store => outside.store.answer(of_store),
        };
        Reply { number, answer }
    }

    /// Goes on by so many requests, or to the end.
    fn advance(&mut self, requests: usize, outside: &mut Outside) {
        for _ in 0..requests {
            if self.result.is_none() {
                let reply = self.done(outside);
                self.step(Some(reply), outside);
            }
        }
    }

    fn finish(mut self, outside: &mut Outside) -> Result<Written> {
        self.advance(1_000, outside);
        self.result.unwrap()
    }

    fn rotates(&self) -> Vec<(RotatorStep, String, u64)> {
        let rotate = |request: &Request| match request {
            Request::Rotate { step, id, version, namespace, name } => {
                assert_eq!((&**namespace, &**name), ("default", "A"));
                Some((*step, id.clone(), *version))
            }
            _ => None,
        };
        self.asked.iter().filter_map(rotate).collect()
    }
}

fn text(value: &SecretBytes) -> String {
    String::from_utf8(value.expose().to_vec()).unwrap()
}

/// A vault with a secret that is in use.
fn prepared(asked_again: Asked) -> (World, Outside) {
    let mut world = World::new();
    world.set("A", "first").unwrap();
    let outside = Outside {
        store: world.store.clone(),
        provider: Provider::of("first", asked_again),
        clock: world.clock.clone(),
    };
    (world, outside)
}

fn run<T: Send + 'static>(flow: Flow<T>, outside: &mut Outside) -> Result<T> {
    drive(flow, &mut outside.store, &mut outside.clock)
}

fn get(vault: &Vault, outside: &mut Outside) -> Result<String> {
    let revealed = run(vault.get(&actor("reader"), &slot("A"), Box::new(Seeded::new(50))), outside)?;
    Ok(text(&revealed.value))
}

fn verify(vault: &Vault, value: &str, outside: &mut Outside) -> Verified {
    run(vault.verify(&actor("reader"), &slot("A"), secret(value), Box::new(Seeded::new(51))), outside).unwrap()
}

/// What holds at every moment: whoever has the vault's value is let in, by the provider and by `verify`; the history is
/// whole; no value is in the store in the clear.
#[track_caller]
fn nobody_is_locked_out(vault: &Vault, outside: &Outside, what: &str) {
    let mut aside = outside.clone();
    let value = get(vault, &mut aside).unwrap();
    assert!(aside.provider.accepts(&value), "{what}: the provider refuses {value}: {:?}", aside.provider);
    assert_eq!(verify(vault, &value, &mut aside).matches, Some(Match::Current), "{what}");
    run(vault.verify_audit(&actor("reader"), Box::new(Seeded::new(52))), &mut aside).unwrap();
    for record in outside.store.records() {
        assert!(!format!("{record:?}").contains("issued"), "{what}: {record:?}");
    }
}

/// What holds once a rotation came to its end.
#[track_caller]
fn all_is_well(vault: &Vault, outside: &Outside, before: &str, what: &str) {
    nobody_is_locked_out(vault, outside, what);
    let mut aside = outside.clone();
    assert_eq!(get(vault, &mut aside).unwrap(), outside.provider.in_use, "{what}");
    assert_eq!(verify(vault, before, &mut aside).matches, Some(Match::Previous), "{what}: within its grace");
    aside.clock.0 += GRACE as i64 + 1_000;
    assert_eq!(verify(vault, before, &mut aside).matches, None, "{what}: after its grace");
    let record = outside.store.records().find(|record| record.key.kind == RecordKind::Secret).unwrap();
    assert!(!record.data.contains("rotating"), "{what}: nothing is under way");
}

fn rotated(outside: &Outside) -> usize {
    let is_it = |event: &&strongroom::audit::Event| {
        event.action.as_deref() == Some("rotate") && event.outcome.as_deref() == Some("success")
    };
    outside.store.all_events().iter().filter(is_it).count()
}

fn requests_of_a_run() -> usize {
    let (world, mut outside) = prepared(Asked::Same);
    let mut process = Process::start(&world.vault, &actor("alice"), 1, &mut outside);
    process.advance(1_000, &mut outside);
    process.asked.len()
}

#[test]
fn a_value_is_created_kept_activated_and_then_current() {
    let (world, mut outside) = prepared(Asked::Same);
    let mut process = Process::start(&world.vault, &actor("alice"), 1, &mut outside);
    process.advance(1_000, &mut outside);
    let names: Vec<&str> = process.asked.iter().map(Request::name).collect();
    assert_eq!(names, ["load", "commit", "rotate", "load", "commit", "rotate", "load", "commit"]);
    let steps = process.rotates();
    assert_eq!((steps[0].0, steps[1].0), (RotatorStep::Create, RotatorStep::Activate));
    assert_eq!((&steps[0].1, steps[0].2), (&steps[1].1, 2));
    assert!(steps[0].1.len() == 32 && steps[0].2 == steps[1].2);
    let written = process.result.unwrap().unwrap();
    assert_eq!((written.version, written.created), (Some(2), false));
    all_is_well(&world.vault, &outside, "first", "a clean run");
    let events: Vec<(&str, Option<&str>)> = outside.store.all_events()[2..]
        .iter()
        .map(|event| (event.action.as_deref().unwrap(), event.reason.as_deref()))
        .collect();
    let reason = Some("rotation");
    assert_eq!(events, [("rotate_begin", None), ("rotate_create", reason), ("rotate", reason)]);
}

#[test]
fn whoever_dies_at_any_request_is_resumed_by_another_process() {
    let requests = requests_of_a_run();
    let mut count = 0;
    for asked_again in [Asked::Same, Asked::Another, Asked::InItsPlace] {
        for (first, second) in (0..2 * requests).flat_map(|first| (0..=2 * requests).map(move |second| (first, second)))
        {
            let (world, mut outside) = prepared(asked_again);
            let vaults = [(); 3].map(|()| support::vault(&world.keyring, VaultOptions::default()));
            // Dies before a request is done, or after, and nobody learns of it; then the next does; the third is let live.
            let mut died = vec![];
            for (index, point) in [first, second].into_iter().enumerate() {
                let mut process = Process::start(&vaults[index], &actor("alice"), 10 + index as u64, &mut outside);
                process.advance(point / 2, &mut outside);
                if point % 2 == 1 && process.result.is_none() {
                    process.done(&mut outside);
                }
                died.push(process.rotates());
                nobody_is_locked_out(&vaults[2], &outside, &format!("{asked_again:?}, dead at {first}, {second}"));
            }
            let before = (rotated(&outside), outside.provider.in_use.clone(), get(&vaults[2], &mut outside).unwrap());
            let what = format!("{asked_again:?}, dead at {first} and {second}");
            let written = Process::start(&vaults[2], &actor("bob"), 20, &mut outside).finish(&mut outside).unwrap();
            all_is_well(&vaults[2], &outside, &before.2, &what);
            assert_eq!(written.version, Some(2 + before.0 as u64), "{what}");
            assert_eq!(rotated(&outside), 1 + before.0, "{what}");
            // Of each rotation one value was activated, and no other, however often.
            let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            outside.provider.activations.iter().for_each(|(id, value)| {
                values.entry(id).or_default().insert(value);
            });
            assert_eq!(values.len(), rotated(&outside), "{what}: {values:?}");
            assert!(values.values().all(|values| values.len() == 1), "{what}: {values:?}");
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn two_processes_at_once_carry_one_rotation_to_its_end() {
    let requests = requests_of_a_run();
    for asked_again in [Asked::Same, Asked::Another] {
        for (first, second) in (0..=requests).flat_map(|first| (0..=requests).map(move |second| (first, second))) {
            let (world, mut outside) = prepared(asked_again);
            let vault = &world.vault;
            let what = format!("{asked_again:?}, {first} and {second}");
            let mut one = Process::start(vault, &actor("alice"), 1, &mut outside);
            one.advance(first, &mut outside);
            let mut two = Process::start(vault, &actor("bob"), 2, &mut outside);
            two.advance(second, &mut outside);
            nobody_is_locked_out(vault, &outside, &what);
            let results = [one.finish(&mut outside), two.finish(&mut outside)];
            // One that comes too late with a value of its own is told; none of it was activated.
            for result in &results {
                let fine = result.is_ok() || asked_again == Asked::Another && code(result.clone()) == Code::Conflict;
                assert!(fine, "{what}: {results:?}");
            }
            assert!(results.iter().any(Result::is_ok), "{what}");
            let record = outside.store.records().find(|record| record.key.kind == RecordKind::Secret).unwrap();
            assert_eq!(record.columns.version, Some(1 + rotated(&outside) as u64), "{what}");
            assert_eq!(get(vault, &mut outside).unwrap(), outside.provider.in_use, "{what}");
            nobody_is_locked_out(vault, &outside, &what);
        }
    }
}

#[test]
fn what_is_written_in_between_stays_and_the_next_run_makes_all_agree() {
    type Change = fn(&Vault, u64) -> Flow<Written>;
    let changes: [(&str, Change); 3] = [
        ("set", |v, s| v.set(&actor("carol"), &slot("A"), support::plainly("between"), Box::new(Seeded::new(s)))),
        ("rotate", |v, s| {
            v.rotate(&actor("carol"), &slot("A"), Rotation::to(secret("between")), Box::new(Seeded::new(s)))
        }),
        ("rollback", |v, s| v.rollback(&actor("carol"), &slot("A"), 1, Box::new(Seeded::new(s)))),
    ];
    for (name, change) in changes {
        let mut found = BTreeSet::new();
        for at in 0..requests_of_a_run() {
            let (mut world, mut outside) = prepared(Asked::Same);
            world.set("A", "between").unwrap();
            world.set("A", "first").unwrap();
            outside.store = world.store.clone();
            let vault = &world.vault;
            let mut process = Process::start(vault, &actor("alice"), 1, &mut outside);
            process.advance(at, &mut outside);
            run(change(vault, 2), &mut outside).unwrap();
            let value = get(vault, &mut outside).unwrap();
            let activated = outside.provider.activations.len();
            let result = process.finish(&mut outside);
            let what = format!("{name} at {at}: {result:?}");
            match &result {
                Ok(written) => assert_eq!(written.version, Some(5), "{what}"),
                Err(error) => {
                    assert_eq!(get(vault, &mut outside).unwrap(), value, "{what}: what was written stays");
                    let is_late = !outside.provider.activations.is_empty();
                    let expected = if is_late { Code::RotationFailed } else { Code::Conflict };
                    assert_eq!(error.code(), expected, "{what}");
                    assert!(activated <= outside.provider.activations.len());
                }
            }
            found.insert(format!("{:?}", result.map(|_| ()).map_err(|error| error.code())));
            Process::start(vault, &actor("bob"), 3, &mut outside).finish(&mut outside).unwrap();
            assert_eq!(get(vault, &mut outside).unwrap(), outside.provider.in_use, "{what}, and again");
            nobody_is_locked_out(vault, &outside, &what);
        }
        let all = ["Err(Conflict)", "Err(RotationFailed)", "Ok(())"].map(String::from);
        assert!(found.iter().eq(&all), "{name}: {found:?}");
    }
}

#[test]
fn a_secret_that_is_deleted_or_made_anew_in_between_takes_nothing_from_the_rotation() {
    for again in [false, true] {
        for at in 0..requests_of_a_run() {
            let (world, mut outside) = prepared(Asked::Same);
            let vault = &world.vault;
            let mut process = Process::start(vault, &actor("alice"), 1, &mut outside);
            process.advance(at, &mut outside);
            run(vault.delete(&actor("carol"), &slot("A"), Box::new(Seeded::new(2))), &mut outside).unwrap();
            if again {
                let anew = support::plainly("anew");
                run(vault.set(&actor("carol"), &slot("A"), anew, Box::new(Seeded::new(3))), &mut outside).unwrap();
            }
            let is_begun = at >= 2;
            let result = process.finish(&mut outside);
            let what = format!("at {at}, made anew: {again}: {result:?}");
            match (again, is_begun) {
                (false, _) => assert_eq!(code(result), Code::SecretNotFound, "{what}"),
                (true, false) => assert_eq!(result.unwrap().version, Some(2), "{what}"),
                (true, true) => {
                    assert!([Code::Conflict, Code::RotationFailed].contains(&code(result)), "{what}");
                    assert_eq!(get(vault, &mut outside).unwrap(), "anew", "{what}");
                }
            }
        }
    }
}

#[test]
fn keys_that_change_in_between_are_those_that_the_value_is_sealed_under() {
    for at in 0..requests_of_a_run() {
        let (world, mut outside) = prepared(Asked::Same);
        let mut rolled = Keyring::generate(&mut Seeded::new(1 << 32), Timestamp::from_millis(0)).unwrap();
        let old_key = rolled.keys().next().unwrap().id;
        rolled.add_primary(&mut Seeded::new(5), None, Timestamp::from_millis(0)).unwrap();
        let moved = support::vault(&Arc::new(rolled), VaultOptions::default());
        let mut process = Process::start(&world.vault, &actor("alice"), 1, &mut outside);
        process.advance(at, &mut outside);
        run(moved.rekey(&actor("carol"), (None, 100), Box::new(Seeded::new(2))).unwrap(), &mut outside).unwrap();
        let census = run(moved.census(&actor("carol"), Box::new(Seeded::new(3))), &mut outside).unwrap();
        assert!(census.keys.iter().all(|(key, _)| *key != old_key.to_hex()), "at {at}: {census:?}");
        for _ in 0..2 {
            run(moved.retire(&actor("carol"), old_key, Box::new(Seeded::new(4))), &mut outside).unwrap();
        }
        // The old process has no key of the head any more; had it both, it would still not be the one to seal.
        let result = process.finish(&mut outside);
        let codes = [Code::KeyringStale, Code::KeyUnknown];
        assert!(result.is_err_and(|error| codes.contains(&error.code())), "at {at}");
        nobody_is_locked_out(&moved, &outside, &format!("at {at}"));
        Process::start(&moved, &actor("bob"), 6, &mut outside).finish(&mut outside).unwrap();
        all_is_well(&moved, &outside, "first", &format!("at {at}"));
    }
}

#[test]
fn a_keyring_that_is_not_the_vaults_begins_no_rotation_and_ends_one_that_is_activated() {
    let requests = requests_of_a_run();
    for at in 0..requests {
        let (_, mut outside) = prepared(Asked::Same);
        let keys = |primary_first: bool| {
            let mut keyring = Keyring::generate(&mut Seeded::new(1 << 32), Timestamp::from_millis(0)).unwrap();
            let entropy = &mut Seeded::new(5);
            if primary_first {
                keyring.add_enabled(entropy, None, Timestamp::from_millis(0)).unwrap();
            } else {
                keyring.add_primary(entropy, None, Timestamp::from_millis(0)).unwrap();
            }
            support::vault(&Arc::new(keyring), VaultOptions::default())
        };
        let (stale, moved) = (keys(true), keys(false));
        let mut process = Process::start(&stale, &actor("alice"), 1, &mut outside);
        process.advance(at, &mut outside);
        run(moved.rekey(&actor("carol"), (None, 100), Box::new(Seeded::new(2))).unwrap(), &mut outside).unwrap();
        let steps = process.rotates().len();
        let result = process.finish(&mut outside);
        // Up to the commit of what was created; from then on nothing is left to seal.
        match result {
            Err(error) => assert!(at < 5 && error.code() == Code::KeyringStale, "at {at}: {error}"),
            Ok(_) => assert!(at >= 5, "at {at}"),
        }
        assert!(at > 1 || steps == 0);
        let census = run(moved.census(&actor("carol"), Box::new(Seeded::new(3))), &mut outside).unwrap();
        assert_eq!(census.keys.len(), 1, "at {at}: nothing is sealed under the old key: {census:?}");
        nobody_is_locked_out(&moved, &outside, &format!("at {at}"));
    }
}

#[test]
fn a_disabled_or_expired_secret_is_rotated_and_stays_disabled() {
    for at in 0..requests_of_a_run() {
        let (world, mut outside) = prepared(Asked::Same);
        let vault = &world.vault;
        let mut process = Process::start(vault, &actor("alice"), 1, &mut outside);
        process.advance(at, &mut outside);
        let entropy = |seed| Box::new(Seeded::new(seed));
        run(vault.expire(&actor("carol"), &slot("A"), Expiry::In(1), entropy(2)), &mut outside).unwrap();
        run(vault.disable(&actor("carol"), &slot("A"), entropy(3)), &mut outside).unwrap();
        assert_eq!(process.finish(&mut outside).unwrap().version, Some(2), "at {at}");
        assert_eq!(code(get(vault, &mut outside)), Code::SecretDisabled, "at {at}");
        run(vault.enable(&actor("carol"), &slot("A"), entropy(4)), &mut outside).unwrap();
        assert_eq!(get(vault, &mut outside).unwrap(), outside.provider.in_use, "at {at}");
        assert_eq!(verify(vault, "first", &mut outside).matches, None, "at {at}: what had ended gets no grace");
    }
}

#[test]
fn the_time_and_the_author_of_a_version_are_those_of_its_activation() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    Process::start(vault, &actor("alice"), 1, &mut outside).advance(5, &mut outside);
    outside.clock.0 += 86_400_000;
    let resumed = Timestamp::from_millis(outside.clock.0);
    let mut process = Process::start(vault, &actor("bob"), 2, &mut outside);
    process.advance(1_000, &mut outside);
    let steps: Vec<RotatorStep> = process.rotates().into_iter().map(|(step, ..)| step).collect();
    assert_eq!(steps, [RotatorStep::Activate], "what was created is not created again");
    let written = process.result.unwrap().unwrap();
    assert!(written.at > resumed);
    let versions = run(vault.versions(&actor("carol"), &slot("A"), Box::new(Seeded::new(3))), &mut outside).unwrap();
    let current = &versions.versions[0];
    assert_eq!((current.at, current.by.as_deref()), (Some(written.at), Some("bob")));
    assert_eq!(versions.versions[1].valid_until, Some(written.at.plus_millis(GRACE as i64)));
    let record = outside.store.records().find(|record| record.key.kind == RecordKind::Secret).unwrap();
    assert_eq!(record.columns.last_rotated, Some(written.at));
}

#[test]
fn what_no_rotation_may_have_is_refused_before_anybody_is_asked() {
    let (world, mut outside) = prepared(Asked::Same);
    let past = Some(Expiry::At(Timestamp::from_millis(1)));
    for (grace, expiry) in [(Some(0), None), (Some(367 * 86_400_000), None), (None, past), (None, Some(Expiry::In(0)))]
    {
        let flow =
            world.vault.rotate_with_rotator(&actor("alice"), &slot("A"), grace, expiry, Box::new(Seeded::new(1)));
        let mut process = Process::started(flow, &mut outside);
        process.advance(1_000, &mut outside);
        assert!(process.rotates().is_empty());
        assert_eq!(code(process.result.unwrap()), Code::InvalidArgument);
    }
    assert!(!outside.store.records().any(|record| record.data.contains("rotating")));
}

#[test]
fn an_end_that_passes_while_it_is_activated_stays_the_end() {
    let (world, mut outside) = prepared(Asked::Same);
    let end = Timestamp::from_millis(outside.clock.0 + 1_000);
    let expiry = Some(Expiry::At(end));
    let flow = world.vault.rotate_with_rotator(&actor("alice"), &slot("A"), None, expiry, Box::new(Seeded::new(1)));
    let mut process = Process::started(flow, &mut outside);
    process.advance(6, &mut outside);
    outside.clock.0 += 2_000;
    assert_eq!(process.finish(&mut outside).unwrap().version, Some(2));
    assert_eq!(code(get(&world.vault, &mut outside)), Code::SecretExpired);
}

#[test]
fn who_may_not_any_more_once_it_is_activated_leaves_it_to_the_next() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    let alice = actor("alice").until(Timestamp::from_millis(outside.clock.0 + 1_000));
    let mut process = Process::start(vault, &alice, 1, &mut outside);
    process.advance(6, &mut outside);
    outside.clock.0 += 2_000;
    assert_eq!(code(process.finish(&mut outside)), Code::SessionExpired);
    nobody_is_locked_out(vault, &outside, "after the session");
    Process::start(vault, &actor("bob"), 2, &mut outside).finish(&mut outside).unwrap();
    all_is_well(vault, &outside, "first", "by the next");
}

// Hosts that fail, and hosts that lie.

/// Runs a rotation whose rotator is answered for by a function; the function may offer values.
fn with_answers(
    outside: &mut Outside,
    vault: &Vault,
    mut say: impl FnMut(RotatorStep, &mut Flow<Written>) -> Option<Answer>,
) -> (Result<Written>, Vec<(RotatorStep, String, u64)>) {
    let seed = 1_000 + outside.store.all_events().len() as u64;
    let mut process = Process::start(vault, &actor("alice"), seed, outside);
    while process.result.is_none() {
        let said = match &process.open {
            Some((number, Request::Rotate { step, .. })) => {
                let (number, step) = (*number, *step);
                say(step, &mut process.flow).map(|answer| Reply { number, answer })
            }
            _ => None,
        };
        let reply = said.unwrap_or_else(|| process.done(outside));
        process.step(Some(reply), outside);
    }
    let steps = process.rotates();
    (process.result.unwrap(), steps)
}

fn values(found: &[Found]) -> Option<Answer> {
    Some(Answer::Values { found: found.to_vec() })
}

#[test]
fn a_rotator_that_gives_no_value_changes_nothing_and_is_asked_again_under_the_same_id() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    type Say = fn(&mut Flow<Written>) -> Option<Answer>;
    let hostile: [(&str, Say); 10] = [
        ("fails", |_| Some(Answer::Failed { applied: Applied::Unknown })),
        ("fails and says so", |_| Some(Answer::Failed { applied: Applied::No })),
        ("has none", |_| values(&[Found::Missing])),
        ("cannot read it", |_| values(&[Found::Failed])),
        ("says nothing", |_| values(&[])),
        ("says it of two", |flow| {
            flow.offer(secret("x"));
            flow.offer(secret("y"));
            values(&[Found::Given, Found::Given])
        }),
        ("says that it gave one and did not", |_| values(&[Found::Given])),
        ("gives one and says that it has none", |flow| {
            flow.offer(secret("x"));
            values(&[Found::Missing])
        }),
        ("gives two and speaks of one", |flow| {
            flow.offer(secret("x"));
            flow.offer(secret("y"));
            values(&[Found::Given])
        }),
        ("says that it is activated", |_| Some(Answer::Activated {})),
    ];
    let mut ids = BTreeSet::new();
    for (what, say) in hostile {
        let (result, steps) = with_answers(&mut outside, vault, |_, flow| say(flow));
        assert_eq!(code(result), Code::RotationFailed, "{what}");
        let last = outside.store.all_events().last().unwrap();
        let told = (last.action.as_deref(), last.outcome.as_deref(), last.code.as_deref());
        assert_eq!(told, (Some("rotate_create"), Some("error"), Some("ROTATION_FAILED")), "{what}");
        assert_eq!(get(vault, &mut outside).unwrap(), "first", "{what}");
        ids.insert(steps[0].1.clone());
    }
    assert_eq!(ids.len(), 1, "one rotation, however often it failed");
    Process::start(vault, &actor("bob"), 2, &mut outside).finish(&mut outside).unwrap();
    all_is_well(vault, &outside, "first", "after all that");
}

#[test]
fn a_rotator_that_does_not_activate_is_asked_again_with_the_same_value_until_a_value_gives_it_up() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    let mut seen = BTreeSet::new();
    for answer in [
        Answer::Failed { applied: Applied::Unknown },
        Answer::Wait {},
        Answer::Values { found: vec![Found::Given] },
        Answer::Load { records: vec![] },
    ] {
        let mut shown = None;
        let (result, steps) = with_answers(&mut outside, vault, |step, flow| match step {
            RotatorStep::Create => None,
            RotatorStep::Activate => {
                shown = flow.take_shown().map(|value| text(&value));
                assert!(flow.take_shown().is_none(), "once");
                Some(answer.clone())
            }
        });
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::RotationFailed);
        assert!(error.message().contains("run it again") && !error.message().contains("issued"), "{error}");
        let last = outside.store.all_events().last().unwrap();
        assert_eq!((last.action.as_deref(), last.code.as_deref()), (Some("rotate"), Some("ROTATION_FAILED")));
        seen.insert((steps.last().unwrap().clone().1, shown.unwrap()));
        nobody_is_locked_out(vault, &outside, "before it is activated");
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(outside.provider.issued, 1, "it was created once");
    run(vault.set(&actor("carol"), &slot("A"), support::plainly("by hand"), Box::new(Seeded::new(3))), &mut outside)
        .unwrap();
    assert_eq!(get(vault, &mut outside).unwrap(), "by hand");
    outside.provider.in_use = "by hand".into();
    let mut process = Process::start(vault, &actor("alice"), 4, &mut outside);
    process.advance(1_000, &mut outside);
    let steps = process.rotates();
    assert_eq!((steps[0].0, steps[0].2), (RotatorStep::Create, 3));
    assert!(seen.iter().all(|(id, _)| *id != steps[0].1), "another rotation");
    all_is_well(vault, &outside, "by hand", "after it was given up");
}

#[test]
fn a_value_that_cannot_be_kept_is_refused_and_the_next_rotation_has_another_id() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    let mut ids = BTreeSet::new();
    for bad in [String::new(), "x".repeat(65 * 1024)] {
        let (result, steps) = with_answers(&mut outside, vault, |step, flow| {
            assert_eq!(step, RotatorStep::Create, "nothing is activated");
            flow.offer(secret(&bad));
            values(&[Found::Given])
        });
        assert_eq!(code(result), Code::ValueInvalid);
        ids.insert(steps[0].1.clone());
        assert_eq!(get(vault, &mut outside).unwrap(), "first");
        let codes: Vec<_> = outside.store.all_events().iter().rev().filter_map(|event| event.code.as_deref()).collect();
        assert_eq!(codes[0], "VALUE_INVALID");
    }
    assert_eq!(ids.len(), 2);
    Process::start(vault, &actor("bob"), 2, &mut outside).finish(&mut outside).unwrap();
    all_is_well(vault, &outside, "first", "after all that");
}

#[test]
fn a_host_without_a_rotator_says_so_and_the_next_host_goes_on() {
    let (world, mut outside) = prepared(Asked::Same);
    let vault = &world.vault;
    let (result, first) = with_answers(&mut outside, vault, |_, _| Some(Answer::Unsupported {}));
    assert_eq!(code(result), Code::Unsupported);
    let refused = strongroom::store::drive(
        vault.rotate_with_rotator(&actor("alice"), &slot("A"), None, None, Box::new(Seeded::new(7))),
        &mut outside.store,
        || outside.clock.now(),
    );
    assert_eq!(refused.unwrap_err().error.code(), Code::Unsupported);
    let (result, second) =
        with_answers(&mut outside, vault, |step, _| (step == RotatorStep::Activate).then_some(Answer::Unsupported {}));
    assert_eq!(code(result), Code::Unsupported);
    assert_eq!(first[0].1, second[0].1);
    Process::start(vault, &actor("bob"), 2, &mut outside).finish(&mut outside).unwrap();
    all_is_well(vault, &outside, "first", "on a host that has one");
}

#[test]
fn a_rotation_needs_a_secret() {
    let (world, mut outside) = prepared(Asked::Same);
    let flow = world.vault.rotate_with_rotator(&actor("alice"), &slot("B"), None, None, Box::new(Seeded::new(1)));
    let mut process = Process::started(flow, &mut outside);
    process.advance(1_000, &mut outside);
    assert!(process.rotates().is_empty());
    assert_eq!(code(process.result.unwrap()), Code::SecretNotFound);
}
