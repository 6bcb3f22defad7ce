//! Copying a vault from one store to another: everything is there, nothing else is taken for it, and a copy that was cut
//! short is no vault.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use strongroom::flow::{Applied, CommitAnswer, ListQuery, Lookup};
use strongroom::generate::Generator;
use strongroom::ops::{Copied, Expiry, ManyOptions, Rotation, Setting};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Record, RecordKey, RecordKind};
use strongroom::rotation::Sensitivity;
use strongroom::store::MemoryStore;
use strongroom::{Answer, ErrorCode as Code, Flow, Request, Result, Step, Timestamp, VaultOptions};
use support::{
    Seeded, World, actor, code, drive, drive_with, old_event, old_row, plainly, secret, slot, store_of, with_events,
    with_records,
};

/// A vault that has seen everything: versions, grace, proposals, grants, a policy, ends, deletions, adopted rows, a renewal.
fn lived_in(secrets: usize) -> World {
    let mut world = World::new();
    let rows: Vec<Record> = ["OLD", "two words"].iter().map(|name| old_row(&world.keyring, name, "old")).collect();
    world.store = store_of(rows, [old_event("set", "OLD"), old_event("get", "OLD")]);
    for start in (0..secrets).step_by(100) {
        let names: Vec<String> = (start..secrets.min(start + 100)).map(|n| format!("many:S{n:05}")).collect();
        let given: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
        let (assignments, options): (_, ManyOptions) = support::assignments(&given);
        world.act(|v, a, e| v.set_many(a, (assignments, options), e)).unwrap();
    }
    world.set("A", "a one").unwrap();
    for number in 2..14 {
        world.rotate("A", &format!("a {number}")).unwrap();
    }
    let rotation = Rotation { grace_millis: Some(1_000_000), ..Rotation::to(secret("a in use")) };
    world.act(|v, a, e| v.rotate(a, &slot("A"), rotation, e)).unwrap();
    for _ in 0..5 {
        world.get("A").unwrap();
    }
    world.get("OLD").unwrap();
    let setting = Setting {
        sensitivity: Some(Sensitivity::Critical),
        expiry: Some(Expiry::In(50)),
        notify: Some(vec!["ops".into()]),
        generator: Some(Generator::from_name("hex").unwrap()),
    };
    world.act(|v, a, e| v.set(a, &slot("nexus:ENDED"), (secret("over").into(), setting), e)).unwrap();
    world.clock.0 += 100;
    world.act(|v, a, e| v.disable(a, &slot("OLD"), e)).unwrap();
    world.set("GONE", "gone").unwrap();
    world.delete("GONE").unwrap();
    world.set("AGAIN", "once").unwrap();
    world.delete("AGAIN").unwrap();
    world.set("AGAIN", "twice").unwrap();
    world.propose("A", Change::Set, Some("proposed")).unwrap();
    let to = (Grantee::User("bob".into()), vec![Permission::Read], None);
    world.act(|v, a, e| v.grant(a, &slot("A"), to, e)).unwrap();
    let policy = r#"{"rules": [{"id": "owner", "users": ["alice"], "actions": ["*"]}]}"#;
    world.act(|v, a, e| v.set_policy(a, Policy::parse(policy).unwrap(), e)).unwrap();
    renew(&mut world);
    world
}

fn renew(world: &mut World) {
    let mut after = None;
    loop {
        let page = world.act(|v, a, e| v.renew_root(a, (after.as_deref(), 500), e).unwrap()).unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
}

/// Runs a flow over two stores.
fn between(
    world: &mut World,
    flow: Flow<Copied>,
    target: &mut MemoryStore,
    mut host: impl FnMut(u64, &Request, &mut MemoryStore, &mut MemoryStore) -> Answer,
) -> Result<Copied> {
    let store = &mut world.store;
    drive_with(flow, &mut world.clock, |number, request| host(number, request, store, target))
}

fn plain_answer(_: u64, request: &Request, store: &mut MemoryStore, target: &mut MemoryStore) -> Answer {
    match request {
        Request::Target { request } => target.answer(request),
        request => store.answer(request),
    }
}

fn copy(world: &mut World, target: &mut MemoryStore) -> Result<Copied> {
    let entropy = world.entropy();
    let flow = world.vault.copy_to(&actor("alice"), entropy);
    between(world, flow, target, plain_answer)
}

/// What lists find records by.
fn lookups(store: &mut MemoryStore) -> Vec<Answer> {
    let mut answers = Vec::new();
    let fingerprints: Vec<String> =
        store.records().filter_map(|record| record.columns.value_fingerprint.clone()).collect();
    let end = Timestamp::from_millis(i64::MAX);
    let by =
        [Lookup::Due(end), Lookup::Expired(end)].into_iter().chain(fingerprints.into_iter().map(Lookup::Fingerprint));
    for by in by {
        for kind in [RecordKind::Secret, RecordKind::Pending] {
            let query = ListQuery { kind, namespace: None, by: Some(by.clone()), limit: 10_000 };
            answers.push(store.answer(&Request::List { query, cursor: None }));
        }
    }
    answers
}

fn assert_same(store: &mut MemoryStore, copy: &mut MemoryStore) {
    assert!(store.records().eq(copy.records()), "the records are not the same");
    assert!(store.all_events() == copy.all_events(), "the events are not the same");
    for (one, other) in lookups(store).into_iter().zip(lookups(copy)) {
        assert!(one == other, "{:.2000} and {:.2000}", format!("{one:?}"), format!("{other:?}"));
    }
}

#[test]
fn a_copy_is_the_same_to_the_letter() {
    let mut world = lived_in(1_000);
    let mut target = MemoryStore::new();
    let copied = copy(&mut world, &mut target).unwrap();
    assert_eq!((copied.secrets, copied.proposals, copied.left), (1_005, 1, 0));
    assert_eq!(copied.events, world.store.all_events().len() as u64);
    assert_eq!(copied.vault_id, strongroom_hex(&world.vault_id()));
    assert_eq!(world.last_event().action.as_deref(), Some("copy_to"));
    assert_same(&mut world.store, &mut target);
    let verified = |world: &mut World, store: &MemoryStore| {
        world.store = store.clone();
        (world.verify().unwrap(), world.get("A").unwrap(), world.get("nexus:ENDED").map_err(|error| error.code()))
    };
    let original = world.store.clone();
    assert_eq!(verified(&mut world, &original), verified(&mut world, &target));
}

fn strongroom_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_copy_of_a_copy_is_the_same_again_and_an_empty_vault_can_be_copied() {
    let mut world = World::new();
    let (mut first, mut second) = (MemoryStore::new(), MemoryStore::new());
    assert_eq!(copy(&mut world, &mut first).unwrap().events, 2);
    world.store = first;
    assert_eq!(copy(&mut world, &mut second).unwrap().events, 3);
    assert_same(&mut world.store, &mut second);
}

#[test]
fn a_vault_whose_root_is_being_renewed_is_copied_as_it_is_and_goes_on() {
    let mut world = lived_in(20);
    world.act(|v, a, e| v.renew_root(a, (None, 5), e).unwrap()).unwrap();
    let mut target = MemoryStore::new();
    copy(&mut world, &mut target).unwrap();
    assert!(world.store.records().eq(target.records()));
    world.store = target;
    for name in ["many:S00003", "many:S00019"] {
        let found = world.act(|v, a, e| v.identify(a, None, secret(name), e).unwrap()).unwrap();
        assert!(found.accepted, "{name}: {found:?}");
    }
    renew(&mut world);
    assert_eq!(world.get("many:S00003").unwrap(), "many:S00003");
    world.verify().unwrap();
}

#[test]
fn an_old_store_is_adopted_and_copied() {
    let mut world = World::new();
    world.store = store_of(
        (0..600).map(|n| old_row(&world.keyring, &format!("R{n:04}"), "old")),
        (0..600).map(|n| old_event("get", &format!("R{n:04}"))),
    );
    let mut target = MemoryStore::new();
    let copied = copy(&mut world, &mut target).unwrap();
    assert_eq!((copied.secrets, copied.events), (600, 600 + 1 + 600 + 1));
    assert_same(&mut world.store, &mut target);
}

#[test]
fn a_row_that_nobody_could_ask_for_is_left_behind() {
    let mut world = lived_in(0);
    world.store = with_records(&world.store, |records| records.push(old_row(&world.keyring, "", "old")));
    let mut target = MemoryStore::new();
    let copied = copy(&mut world, &mut target).unwrap();
    assert_eq!(copied.left, 1);
    assert_eq!(target.records().count() + 1, world.store.records().count());
}

/// What a copy that ended early left behind is no vault; or it is whole.
fn assert_half_or_whole(world: &mut World, target: &mut MemoryStore, what: &str) {
    let is_whole = target.records().any(|record| record.key.kind == RecordKind::Head);
    if is_whole {
        // A proposal that a store does not list is nowhere told of.
        let but_proposals = |store: &MemoryStore| {
            let records = store.records().filter(|record| record.key.kind != RecordKind::Pending);
            records.cloned().collect::<Vec<Record>>()
        };
        assert!(but_proposals(target) == but_proposals(&world.store), "{what}");
        let mut copy = target.clone();
        let verify = world.vault.verify_audit(&actor("alice"), Box::new(Seeded::new(3)));
        let report = drive(verify, &mut copy, &mut world.clock.clone()).unwrap();
        assert_eq!(report.events + report.unchained, world.store.all_events().len() as u64, "{what}");
    } else if !target.all_events().is_empty() {
        let get = world.vault.get(&actor("alice"), &slot("A"), Box::new(Seeded::new(3)));
        let found = drive(get, &mut target.clone(), &mut world.clock.clone());
        assert_eq!(code(found), Code::VaultHeadMissing, "{what}");
        assert_eq!(code(copy(world, target)), Code::InvalidArgument, "{what}");
    } else {
        assert_eq!(target.records().count(), 0, "{what}");
    }
}

#[test]
fn a_copy_that_is_cut_short_at_any_request_is_no_vault() {
    let world = lived_in(150);
    let mut stages = [0; 3];
    for cut in 1.. {
        let (mut world, mut target) = (lived_like(&world), MemoryStore::new());
        let (store, clock) = (&mut world.store, &mut world.clock);
        let mut flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        let mut reply = None;
        let mut is_done = false;
        for _ in 0..cut {
            match flow.step(clock.now(), reply.take()).unwrap() {
                Step::Ask { number, request } => {
                    let answer = plain_answer(number, &request, store, &mut target);
                    reply = Some(strongroom::Reply { number, answer });
                }
                Step::Done(result) => is_done = result.map(|_| true).unwrap(),
            }
            if is_done {
                break;
            }
        }
        drop(flow);
        let is_whole = target.records().any(|record| record.key.kind == RecordKind::Head);
        stages[if is_whole { 2 } else { usize::from(!target.all_events().is_empty()) }] += 1;
        assert_half_or_whole(&mut world, &mut target, &format!("cut after {cut} requests"));
        if is_done {
            break;
        }
    }
    assert!(stages.iter().all(|count| *count > 2), "{stages:?}");
}

fn lived_like(world: &World) -> World {
    let mut same = World::new();
    same.store = world.store.clone();
    same.clock = world.clock.clone();
    same
}

/// What a store does at one request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    FailsBefore,
    LosesTheReply,
    LosesTheReplyForGood,
    SaysThatNothingWasApplied,
    Conflicts,
    Answers(usize),
}

#[test]
fn whatever_either_store_does_a_copy_is_whole_or_no_vault() {
    let faults = [
        Fault::FailsBefore,
        Fault::LosesTheReply,
        Fault::LosesTheReplyForGood,
        Fault::SaysThatNothingWasApplied,
        Fault::Conflicts,
        Fault::Answers(0),
        Fault::Answers(1),
        Fault::Answers(2),
    ];
    let original = lived_in(100);
    for fault in faults {
        let mut done = [0, 0];
        for at in 1.. {
            let (mut world, mut target) = (lived_like(&original), MemoryStore::new());
            let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
            let mut struck = false;
            let result = between(&mut world, flow, &mut target, |number, request, store, target| {
                let is_commit = matches!(request, Request::Commit { .. })
                    || matches!(request, Request::Target { request } if matches!(**request, Request::Commit { .. }));
                let (failed, unknown) = (|applied| Answer::Failed { applied }, Applied::Unknown);
                let is_at = number == at || (struck && matches!(fault, Fault::LosesTheReplyForGood));
                if !is_at || matches!(request, Request::Wait { .. }) {
                    return plain_answer(number, request, store, target);
                }
                struck = true;
                match fault {
                    Fault::FailsBefore => failed(unknown),
                    Fault::LosesTheReply | Fault::LosesTheReplyForGood => {
                        plain_answer(number, request, store, target);
                        failed(unknown)
                    }
                    Fault::SaysThatNothingWasApplied => failed(Applied::No),
                    Fault::Conflicts if is_commit => Answer::Commit(CommitAnswer::Conflict),
                    Fault::Conflicts => plain_answer(number, request, store, target),
                    Fault::Answers(0) => Answer::Load { records: vec![] },
                    Fault::Answers(1) => Answer::List { items: vec![], cursor: None },
                    Fault::Answers(_) => Answer::Events { events: vec![], cursor: None },
                }
            });
            if !struck {
                assert!(result.is_ok());
                break;
            }
            let what = format!("{fault:?} at request {at}: {result:?}");
            if result.is_ok() {
                assert!(target.records().any(|record| record.key.kind == RecordKind::Head), "{what}");
            }
            done[usize::from(result.is_ok())] += 1;
            assert_half_or_whole(&mut world, &mut target, &what);
        }
        assert!(done[0] > 3 || matches!(fault, Fault::Conflicts), "{fault:?}: {done:?}");
    }
}

#[test]
fn a_commit_whose_reply_is_lost_is_not_done_twice() {
    let mut world = lived_in(260);
    let mut target = MemoryStore::new();
    let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
    let mut lost = Vec::new();
    let copied = between(&mut world, flow, &mut target, |number, request, store, target| {
        let answer = plain_answer(number, request, store, target);
        match request {
            Request::Target { request } => match &**request {
                Request::Commit { change_set } if !lost.contains(&change_set.operation_id) => {
                    lost.push(change_set.operation_id.clone());
                    Answer::Failed { applied: Applied::Unknown }
                }
                _ => answer,
            },
            _ => answer,
        }
    });
    copied.unwrap();
    assert!(lost.len() > 2);
    assert_same(&mut world.store, &mut target);
}

#[test]
fn old_rows_without_a_place_are_not_doubled_by_lost_replies() {
    for rows in [900, 1_150] {
        let mut world = World::new();
        // All alike, so that the newest one tells nothing.
        world.store = store_of([old_row(&world.keyring, "R", "old")], (0..rows).map(|_| old_event("get", "R")));
        let (mut target, mut lost) = (MemoryStore::new(), 0);
        let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        let mut known = Vec::new();
        let copied = between(&mut world, flow, &mut target, |number, request, store, target| {
            let answer = plain_answer(number, request, store, target);
            let Request::Target { request } = request else { return answer };
            let Request::Commit { change_set } = &**request else { return answer };
            if known.contains(&change_set.operation_id) {
                return answer;
            }
            known.push(change_set.operation_id.clone());
            lost += 1;
            Answer::Failed { applied: Applied::Unknown }
        });
        assert_eq!(copied.unwrap().events, world.store.all_events().len() as u64);
        assert!(lost > 4);
        assert_same(&mut world.store, &mut target);
    }
}

#[test]
fn a_vault_that_is_used_meanwhile_is_not_copied() {
    let original = lived_in(130);
    let asked = {
        let (mut world, mut target, mut asked) = (lived_like(&original), MemoryStore::new(), 0);
        let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        between(&mut world, flow, &mut target, |number, request, store, target| {
            asked = number;
            plain_answer(number, request, store, target)
        })
        .unwrap();
        asked
    };
    let mut refused = 0;
    for at in 1..=asked {
        let (mut world, mut target) = (lived_like(&original), MemoryStore::new());
        let other = support::vault(&world.keyring, VaultOptions::default());
        let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        let mut clock = world.clock.clone();
        let result = between(&mut world, flow, &mut target, |number, request, store, target| {
            if number == at {
                let set = other.set(&actor("alice"), &slot("many:S00001"), plainly("new"), Box::new(Seeded::new(10)));
                drive(set, store, &mut clock).unwrap();
            }
            plain_answer(number, request, store, target)
        });
        match result {
            // Before the vault was read, or after: then it is whole as it was.
            Ok(_) => assert!(target.records().any(|record| record.key.kind == RecordKind::Head), "at {at}"),
            Err(error) => {
                refused += 1;
                assert_eq!(error.code(), Code::Conflict, "at {at}: {error}");
                assert!(error.message().contains("the vault was used while it was copied"), "{error}");
                assert!(!target.records().any(|record| record.key.kind == RecordKind::Head), "at {at}");
            }
        }
    }
    assert!(refused > 5, "{refused} of {asked}");
}

#[test]
fn a_target_that_is_not_empty_is_refused_untouched_and_the_refusal_recorded() {
    let mut world = lived_in(3);
    let mut vault = World::seeded(2, VaultOptions::default());
    vault.set("A", "of another").unwrap();
    let of_kind = |kind| {
        let records: Vec<Record> = vault.store.records().filter(|record| record.key.kind == kind).cloned().collect();
        assert!(!records.is_empty());
        store_of(records, [])
    };
    let targets = [
        (vault.store.clone(), "a vault"),
        (of_kind(RecordKind::Secret), "secrets, and no vault's head"),
        (of_kind(RecordKind::Stream), "a part of a vault"),
        (of_kind(RecordKind::Ring), "a part of a vault"),
        (store_of([], [old_event("get", "A")]), "a part of a vault"),
        (store_of([old_row(&world.keyring, "A", "old")], []), "secrets, and no vault's head"),
    ];
    for (mut target, what) in targets {
        let before = format!("{target:?}");
        let error = copy(&mut world, &mut target).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(&format!("the target store is not empty: it has {what}")), "{error}");
        assert_eq!(format!("{target:?}"), before);
        let event = world.last_event();
        assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("copy_to"), Some("error")));
    }
    // A store is not copied to itself.
    let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
    let mut nothing = MemoryStore::new();
    let result = between(&mut world, flow, &mut nothing, |_, request, store, _| match request {
        Request::Target { request } => store.answer(request),
        request => store.answer(request),
    });
    assert_eq!(code(result), Code::InvalidArgument);
}

#[test]
fn a_host_without_a_target_is_told_so() {
    let mut world = lived_in(3);
    let result = world.act(|v, a, e| v.copy_to(a, e));
    assert_eq!(code(result), Code::Unsupported);
}

#[test]
fn what_is_not_as_the_vault_wrote_it_is_refused_by_name_and_nothing_is_written() {
    let original = lived_in(3);
    let altered = |kind: RecordKind, name: &str| {
        let mut world = lived_like(&original);
        world.store = with_records(&world.store, |records| {
            let record = records.iter_mut().find(|record| record.key.kind == kind && record.key.name.starts_with(name));
            record.unwrap().columns.updated_at = Some(Timestamp::from_millis(1));
        });
        world
    };
    let cases = [
        (altered(RecordKind::Secret, "S00001"), "secret record many:S00001", true),
        (altered(RecordKind::Stream, "GONE"), "stream record GONE", true),
        (altered(RecordKind::Stream, "A"), "stream record", true),
        (altered(RecordKind::Pending, ""), "pending record", false),
        (altered(RecordKind::Policy, ""), "policy record", true),
        (altered(RecordKind::Ring, ""), "ring record", true),
    ];
    for (mut world, named, before_anything) in cases {
        let mut target = MemoryStore::new();
        let error = copy(&mut world, &mut target).unwrap_err();
        assert_eq!(error.code(), Code::RecordTampered, "{named}: {error}");
        assert!(error.message().contains(named), "{named}: {error}");
        assert!(!target.records().any(|record| record.key.kind == RecordKind::Head), "{named}");
        assert!(!before_anything || target.all_events().is_empty(), "{named}");
    }
    for (change, what) in [(0, "altered"), (1, "missing")] {
        let mut world = lived_like(&original);
        world.store = with_events(&world.store, |events| match change {
            0 => events[20].actor = Some("mallory".into()),
            _ => drop(events.remove(20)),
        });
        let mut target = MemoryStore::new();
        let error = copy(&mut world, &mut target).unwrap_err();
        assert_eq!(error.code(), Code::AuditTampered, "{what}");
        assert_eq!((target.records().count(), target.all_events().len()), (0, 0), "{what}");
    }
    // A row that another program wrote since.
    let mut world = lived_like(&original);
    world.store = with_records(&world.store, |records| records.push(old_row(&world.keyring, "LATE", "late")));
    let error = copy(&mut world, &mut MemoryStore::new()).unwrap_err();
    assert_eq!(error.code(), Code::RecordTampered);
    assert!(error.message().contains("LATE"), "{error}");
}

#[test]
fn a_target_that_loses_something_is_found_out() {
    let original = lived_in(10);
    type Spoil = fn(&mut Request);
    let spoil: [(Spoil, Code); 3] = [
        (|request| edit(request, |puts, _| puts.retain(|key| key.name != "S00007")), Code::AuditTampered),
        (|request| edit(request, |_, events| drop(events.pop())), Code::AuditTampered),
        (|request| edit(request, |puts, _| puts.retain(|key| key.kind != RecordKind::Policy)), Code::RecordTampered),
    ];
    for (index, (spoil, expected)) in spoil.into_iter().enumerate() {
        let (mut world, mut target) = (lived_like(&original), MemoryStore::new());
        let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        let result = between(&mut world, flow, &mut target, |number, request, store, target| {
            let mut request = request.clone();
            spoil(&mut request);
            plain_answer(number, &request, store, target)
        });
        let error = result.unwrap_err();
        assert_eq!(error.code(), expected, "{index}: {error}");
        assert!(error.message().starts_with("in the target store: "), "{index}: {error}");
        assert!(!target.records().any(|record| record.key.kind == RecordKind::Head), "{index}: it opens as a vault");
    }
}

#[test]
fn a_copy_that_is_not_whole_and_keeps_its_head_is_told_of() {
    for (is_done, is_told) in [(false, true), (true, false)] {
        let (mut world, mut target) = (lived_like(&lived_in(3)), MemoryStore::new());
        let flow = world.vault.copy_to(&actor("alice"), Box::new(Seeded::new(9)));
        let result = between(&mut world, flow, &mut target, |number, request, store, target| {
            let mut request = request.clone();
            edit(&mut request, |puts, _| puts.retain(|key| key.kind != RecordKind::Ring));
            edit(&mut request, |puts, _| puts.retain(|key| key.kind != RecordKind::Policy));
            let is_deletion = |request: &Request| {
                let Request::Target { request } = request else { return false };
                matches!(&**request, Request::Commit { change_set } if !change_set.deletes.is_empty())
            };
            let deletes = is_deletion(&request);
            if !deletes || is_done {
                let answer = plain_answer(number, &request, store, target);
                return if deletes { Answer::Failed { applied: Applied::Unknown } } else { answer };
            }
            Answer::Failed { applied: Applied::Unknown }
        });
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::RecordTampered, "{error}");
        assert_eq!(error.message().contains("its head cannot be deleted again"), is_told, "{error}");
        assert_eq!(target.records().any(|record| record.key.kind == RecordKind::Head), is_told);
    }
}

/// Changes what is committed in the target.
fn edit(request: &mut Request, change: fn(&mut Keys, &mut Vec<strongroom::audit::Event>)) {
    let Request::Target { request } = request else { return };
    let Request::Commit { change_set } = &mut **request else { return };
    let mut keys = Keys(change_set.puts.iter().map(|put| put.record.key.clone()).collect());
    change(&mut keys, &mut change_set.events);
    change_set.puts.retain(|put| keys.0.contains(&put.record.key));
}

struct Keys(Vec<RecordKey>);

impl Keys {
    fn retain(&mut self, keep: impl FnMut(&RecordKey) -> bool) {
        self.0.retain(keep);
    }
}
