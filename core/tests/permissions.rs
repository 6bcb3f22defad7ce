//! A policy from end to end: every operation of the vault under it, what it reads and writes before it refuses, and what a
//! hostile store can do to the policy and the ring.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use strongroom::audit::{Checkpoint, ExportFormat};
use strongroom::crypto::KeyId;
use strongroom::ident::Slot;
use strongroom::keyring::KeyState;
use strongroom::ops::{Expiry, Exports, Rotation, WithHistory, WithoutGenerator};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Record, RecordKey, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::wire::Json;
use strongroom::{
    Actor, Answer, Entropy, Error, ErrorCode as Code, Flow, Keyring, Leaked, Request, Result, Timestamp, Vault,
    VaultOptions,
};
use support::{Seeded, World, actor, code, drive, drive_with, plainly, secret, slot, with_records};

/// An operation, told by the code that it was refused with in words.
type Make = Box<dyn Fn(&Vault, &Actor, Box<dyn Entropy>) -> Flow<Option<String>>>;

/// An operation of the vault and the permission that it needs.
struct Op {
    name: &'static str,
    needs: Option<Permission>,
    make: Make,
}

/// A vault before it has a policy: `A` with versions, a grace and a grant, a key to retire, a proposal of bob's.
fn prepared() -> (World, Vec<Op>) {
    let mut world = World::new();
    let mut keyring = Keyring::generate(&mut Seeded::new(77), Timestamp::from_millis(0)).unwrap();
    let spare = keyring.add_enabled(&mut Seeded::new(78), None, Timestamp::from_millis(0)).unwrap();
    world.keyring = Arc::new(keyring);
    world.reopen(VaultOptions::default());
    world.set("A", "one").unwrap();
    let rotation = Rotation { grace_millis: Some(1_000_000), ..Rotation::to(secret("two")) };
    world.act(|v, a, e| v.rotate(a, &slot("A"), rotation, e)).unwrap();
    world.set("nexus:B", "b").unwrap();
    let to = (Grantee::User("carol".into()), vec![Permission::Read], None);
    let grant = world.act(|v, a, e| v.grant(a, &slot("A"), to, e)).unwrap().id;
    world.actor = actor("bob");
    let open = world.propose("A", Change::Set, Some("three")).unwrap().id;
    world.actor = actor("alice");
    let attested = world.checkpoint().unwrap();
    let attested = Checkpoint::parse(&attested, &[support::signing_key(1).verifier()]).unwrap();
    let ops = operations(spare, (&grant, &open), &attested);
    (world, ops)
}

fn operations(spare: KeyId, (grant, open): (&str, &str), attested: &Checkpoint) -> Vec<Op> {
    use Permission as P;
    let mut ops = Vec::new();
    macro_rules! op {
        ($name:literal, $needs:expr, |$v:ident, $a:ident, $e:ident| $flow:expr) => {{
            let make: Make = Box::new(move |$v, $a, $e| $flow.map(|_| None));
            ops.push(Op { name: $name, needs: $needs, make });
        }};
    }
    let (grant, confirmed, cancelled) = (grant.to_string(), open.to_string(), open.to_string());
    op!("set", Some(P::Write), |v, a, e| v.set(a, &slot("A"), plainly("new"), e));
    op!("get", Some(P::Read), |v, a, e| v.get(a, &slot("A"), e));
    op!("exists", Some(P::Read), |v, a, e| v.exists(a, &slot("A"), e));
    op!("list", Some(P::List), |v, a, e| v.list(a, None, e).unwrap());
    op!("list", Some(P::List), |v, a, e| v.list(a, Some("nexus"), e).unwrap());
    op!("rotate", Some(P::Write), |v, a, e| v.rotate(a, &slot("A"), Rotation::to(secret("new")), e));
    op!("rotate_with_rotator", Some(P::Write), |v, a, e| v.rotate_with_rotator(a, &slot("A"), None, None, e));
    op!("delete", Some(P::Delete), |v, a, e| v.delete(a, &slot("A"), e));
    op!("due", Some(P::List), |v, a, e| v.due(a, None, 0, e).unwrap());
    op!("identify", Some(P::Read), |v, a, e| v.identify(a, None, secret("two"), e).unwrap());
    op!("rotate_due", Some(P::Write), |v, a, e| v.rotate_due(a, (None, None), (None, 9), e).unwrap());
    op!("rotate_all", Some(P::Write), |v, a, e| v.rotate_all(a, (None, None), (None, 9), e).unwrap());
    op!("emergency_rotate", Some(P::Admin), |v, a, e| {
        v.emergency_rotate(a, (Leaked::All, WithoutGenerator::Keep), (None, 9), e).unwrap()
    });
    op!("emergency_rotate", Some(P::Admin), |v, a, e| {
        v.emergency_rotate(a, (Leaked::Secret(slot("A")), WithoutGenerator::Keep), (None, 9), e).unwrap()
    });
    op!("audit", Some(P::Read), |v, a, e| v.audit(a, Some(&slot("A")), 10, e).unwrap());
    op!("audit", Some(P::List), |v, a, e| v.audit(a, None, 10, e).unwrap());
    op!("verify_audit", Some(P::Read), |v, a, e| v.verify_audit(a, e));
    let (key, of_now) = (support::signing_key(1), attested.clone());
    op!("verify_audit_against", Some(P::Read), |v, a, e| v.verify_audit_against(a, of_now.clone(), e));
    op!("checkpoint", Some(P::Admin), |v, a, e| v.checkpoint(a, &key, e));
    op!("export_audit", Some(P::List), |v, a, e| v.export_audit(a, ExportFormat::Jsonl, (None, 100), e).unwrap());
    op!("propose", Some(P::Write), |v, a, e| v.propose(a, &slot("A"), (Change::Rotate, Some(secret("x"))), e));
    op!("propose", Some(P::Delete), |v, a, e| v.propose(a, &slot("A"), (Change::Delete, None), e));
    op!("confirm", Some(P::Write), |v, a, e| v.confirm(a, &confirmed, e));
    op!("cancel", None, |v, a, e| v.cancel(a, &cancelled, e));
    op!("census", Some(P::Admin), |v, a, e| v.census(a, e));
    op!("adopt", Some(P::Admin), |v, a, e| v.adopt(a, e));
    op!("disable", Some(P::Write), |v, a, e| v.disable(a, &slot("A"), e));
    op!("enable", Some(P::Write), |v, a, e| v.enable(a, &slot("A"), e));
    op!("versions", Some(P::Read), |v, a, e| v.versions(a, &slot("A"), e));
    op!("rollback", Some(P::Write), |v, a, e| v.rollback(a, &slot("A"), 1, e));
    op!("verify", Some(P::Read), |v, a, e| v.verify(a, &slot("A"), secret("two"), e));
    op!("revoke_previous", Some(P::Write), |v, a, e| v.revoke_previous(a, &slot("A"), e));
    op!("expire", Some(P::Write), |v, a, e| v.expire(a, &slot("A"), Expiry::In(1_000_000), e));
    op!("purge", Some(P::Delete), |v, a, e| v.purge(a, None, e).unwrap());
    op!("rotation_status", Some(P::List), |v, a, e| v.rotation_status(a, None, 0, e).unwrap());
    op!("set_policy", Some(P::Admin), |v, a, e| v.set_policy(a, policy(&[("bob", "*"), ("alice", "*")]), e));
    op!("policy", Some(P::Admin), |v, a, e| v.policy(a, e));
    op!("grant", Some(P::Admin), |v, a, e| {
        v.grant(a, &slot("A"), (Grantee::User("dave".into()), vec![Permission::Read], None), e)
    });
    op!("revoke", Some(P::Admin), |v, a, e| v.revoke(a, &slot("A"), &grant, e));
    op!("grants", Some(P::Admin), |v, a, e| v.grants(a, &slot("A"), e));
    op!("rekey", Some(P::Admin), |v, a, e| v.rekey(a, (None, 100), e).unwrap());
    op!("renew_root", Some(P::Admin), |v, a, e| v.renew_root(a, (None, 100), e).unwrap());
    op!("copy_to", Some(P::Admin), |v, a, e| v.copy_to(a, e));
    op!("retire", Some(P::Admin), |v, a, e| v.retire(a, spare, e));
    op!("get_many", Some(P::Read), |v, a, e| v.get_many(a, vec![slot("A")], e));
    op!("set_many", Some(P::Write), |v, a, e| v.set_many(a, support::assignments(&[("A", "new")]), e));
    op!("export", Some(P::Export), |v, a, e| v.export(a, (Exports::All, WithHistory::Yes), e).unwrap());
    op!("export", Some(P::Export), |v, a, e| {
        v.export(a, (Exports::Secrets(vec![slot("A")]), WithHistory::No), e).unwrap()
    });
    op!("import", Some(P::Write), |v, a, e| support::importing(v, a, "A", e));
    op!("import_sealed", Some(P::Write), |v, a, e| {
        v.import_sealed(a, (support::REPLACING, Box::new(|_| Ok(support::archive_of("A")))), e)
    });
    op!("provision", Some(P::Write), |v, a, e| v.provision(a, support::needs(&["A"]), e));
    op!("check", Some(P::Read), |v, a, e| v.check(a, support::needs(&["A"]), e));
    op!("resolve", Some(P::Read), |v, a, e| v.resolve(a, (&Json::Text("secret:A".into()), None), e).unwrap());
    let commands = [("secret get A", P::Read), ("secret set A x", P::Write), ("secret list", P::List)];
    for (text, needs) in commands.into_iter().chain([("secret delete A", P::Delete), ("secret audit A", P::Read)]) {
        let make: Make = Box::new(move |v, a, e| v.command(a, secret(text), e).map(|reply| reply.code));
        ops.push(Op { name: "command", needs: Some(needs), make });
    }
    ops
}

/// A policy of users, each with one action.
fn policy(rules: &[(&str, &str)]) -> Policy {
    let rule = |(index, (user, action)): (usize, &(&str, &str))| {
        format!(r#"{{"id": "r{index}", "users": ["{user}"], "actions": ["{action}"]}}"#)
    };
    let rules: Vec<String> = rules.iter().enumerate().map(rule).collect();
    Policy::parse(&format!(r#"{{"rules": [{}]}}"#, rules.join(","))).unwrap()
}

/// The store with a policy in it, or the vault with one fixed in code.
fn under(world: &mut World, policy: Policy, is_fixed: bool) {
    if is_fixed {
        world.reopen(VaultOptions { policy: Some(policy), ..VaultOptions::default() });
    } else {
        world.act(|v, a, e| v.set_policy(a, policy, e)).unwrap();
    }
}

/// Runs an operation on a copy of the store; gives the code that it ended with, the store, and what was asked.
fn attempt(world: &mut World, who: &str, op: &Op) -> (Option<Code>, MemoryStore, Vec<Request>) {
    let (mut store, entropy) = (world.store.clone(), world.entropy());
    let mut target = MemoryStore::new();
    let flow = (op.make)(&world.vault, &actor(who), entropy);
    let mut asked = Vec::new();
    let result = drive_with(flow, &mut world.clock.clone(), |_, request| {
        asked.push(request.clone());
        answer(request, &mut store, &mut target)
    });
    let found = match result {
        Ok(spoken) => spoken.map(|name| Code::from_name(&name).unwrap()),
        Err(error) => Some(error.code()),
    };
    (found, store, asked)
}

/// What a vault's store says, or the one that it is copied to.
fn answer(request: &Request, store: &mut MemoryStore, target: &mut MemoryStore) -> Answer {
    match request {
        Request::Target { request } => target.answer(request),
        request => store.answer(request),
    }
}

#[test]
fn the_table_holds_every_operation_of_the_vault() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/vault")).unwrap();
    let source: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let functions = source.split("pub fn ").skip(1);
    let signatures = functions.map(|rest| rest.split('{').next().unwrap());
    let flows = signatures.filter(|signature| signature.contains("Flow<"));
    let operations: BTreeSet<String> =
        flows.map(|signature| signature.split(['(', '<']).next().unwrap().to_string()).collect();
    assert!(operations.len() >= 28, "{operations:?}");
    let (_, ops) = prepared();
    let table: BTreeSet<String> = ops.iter().map(|op| op.name.to_string()).collect();
    assert_eq!(table, operations);
}

#[test]
fn a_stranger_is_denied_everything_and_leaves_one_event() {
    for is_fixed in [false, true] {
        let (mut world, ops) = prepared();
        under(&mut world, policy(&[("alice", "*")]), is_fixed);
        let before: Vec<Record> = world.store.records().cloned().collect();
        for op in ops.iter().filter(|op| op.needs.is_some()) {
            // Bob, and not anybody: only he has a proposal to confirm.
            let (found, store, asked) = attempt(&mut world, "bob", op);
            let what = format!("{} (fixed: {is_fixed})", op.name);
            assert_eq!(found, Some(Code::PermissionDenied), "{what}");
            let new = &store.all_events()[world.store.all_events().len()..];
            assert_eq!(new.len(), 1, "{what}");
            assert_eq!((new[0].outcome.as_deref(), new[0].actor.as_deref()), (Some("denied"), Some("bob")), "{what}");
            let changed = store.records().filter(|record| !before.contains(record));
            assert!(changed.map(|record| record.key.kind).eq([RecordKind::Stream]), "{what}");
            assert_eq!(store.records().count(), before.len(), "{what}");
            for request in &asked {
                let of_scene =
                    |key: &RecordKey| key.namespace.is_empty() && key.kind != RecordKind::Pending || key.name == "A";
                let of_proposal = |key: &RecordKey| op.name == "confirm" && key.kind == RecordKind::Pending;
                match request {
                    Request::Load { keys } => {
                        assert!(keys.iter().all(|key| of_scene(key) || of_proposal(key)), "{what}: {keys:?}");
                    }
                    Request::Commit { .. } => {}
                    other => panic!("{what} asked for {other:?} before it refused"),
                }
            }
            let mut store = store;
            drive(
                world.vault.verify_audit(&actor("alice"), Box::new(Seeded::new(1))),
                &mut store,
                &mut world.clock.clone(),
            )
            .unwrap();
        }
    }
}

#[test]
fn exactly_the_permission_that_an_operation_needs_allows_it() {
    for is_fixed in [false, true] {
        for permission in Permission::ALL {
            let (mut world, ops) = prepared();
            under(&mut world, policy(&[("alice", "*"), ("bob", permission.name())]), is_fixed);
            for op in &ops {
                let (found, ..) = attempt(&mut world, "bob", op);
                let expected = match op.needs {
                    Some(needed) if needed != permission => Some(Code::PermissionDenied),
                    _ if is_fixed && op.name == "set_policy" => Some(Code::Unsupported),
                    _ => None,
                };
                assert_eq!(found, expected, "{} with {} (fixed: {is_fixed})", op.name, permission.name());
            }
        }
    }
}

#[test]
fn a_policy_fixed_in_code_holds_before_there_is_a_vault_and_over_the_stored_one() {
    let fixed = || VaultOptions { policy: Some(policy(&[("alice", "*")])), ..VaultOptions::default() };
    let (mut world, ops) = prepared();
    let lived_in = std::mem::take(&mut world.store);
    world.reopen(fixed());
    for op in ops.iter().filter(|op| op.needs.is_some() && op.name != "confirm") {
        let (found, store, _) = attempt(&mut world, "bob", op);
        assert_eq!(found, Some(Code::PermissionDenied), "{}", op.name);
        assert_eq!((store.records().count(), store.all_events().len()), (0, 0), "{}", op.name);
    }
    world.store = lived_in;
    world.reopen(VaultOptions::default());
    under(&mut world, policy(&[("bob", "*"), ("alice", "*")]), false);
    world.reopen(fixed());
    let (found, ..) = attempt(&mut world, "bob", &ops[1]);
    assert_eq!(found, Some(Code::PermissionDenied), "the stored policy counts no more");
    let in_force = world.act(|v, a, e| v.policy(a, e)).unwrap();
    assert_eq!((in_force.fixed, in_force.policy), (true, fixed().policy));
}

#[test]
fn who_sets_a_policy_must_be_able_to_set_the_next() {
    let (mut world, _) = prepared();
    let some_names = r#"{"rules": [{"id": "r", "users": ["alice"], "actions": ["*"], "names": ["A*"]}]}"#;
    let others_role = r#"{"rules": [{"id": "r", "roles": ["admin"], "actions": ["*"]}]}"#;
    for refused in [policy(&[("bob", "*")]), policy(&[("alice", "write")]), Policy::empty(), Policy::default_roles()]
        .into_iter()
        .chain([some_names, others_role].map(|text| Policy::parse(text).unwrap()))
    {
        assert_eq!(code(world.act(|v, a, e| v.set_policy(a, refused, e))), Code::InvalidArgument);
        assert!(!world.store.records().any(|record| record.key.kind == RecordKind::Policy));
    }
    world.actor = actor("alice").in_roles(&["senior-engineer".to_string()]).unwrap();
    world.act(|v, a, e| v.set_policy(a, Policy::default_roles(), e)).unwrap();
    let in_force = world.act(|v, a, e| v.policy(a, e)).unwrap();
    assert_eq!((in_force.fixed, in_force.policy), (false, Some(Policy::default_roles())));
    world.actor = actor("alice");
    assert_eq!(code(world.get("A")), Code::PermissionDenied, "without her role alice is nobody");
}

#[test]
fn lists_reports_and_purges_reach_what_the_actor_may_and_no_more() {
    let (mut world, _) = prepared();
    for name in ["A", "nexus:B"] {
        world.act(|v, a, e| v.expire(a, &slot(name), Expiry::In(1), e)).unwrap();
    }
    let text = r#"{"rules": [
        {"id": "owner", "users": ["alice"], "actions": ["*"]},
        {"id": "nexus", "users": ["bob"], "actions": ["list", "read", "delete"], "namespaces": ["nexus"]}]}"#;
    under(&mut world, Policy::parse(text).unwrap(), false);
    world.actor = actor("bob");
    let listed = world.act(|v, a, e| v.list(a, None, e).unwrap()).unwrap().secrets;
    assert_eq!(listed.iter().map(|secret| &*secret.name).collect::<Vec<_>>(), ["B"]);
    let report = world.act(|v, a, e| v.rotation_status(a, None, 0, e).unwrap()).unwrap();
    assert_eq!(report.secrets.iter().map(|secret| &*secret.name).collect::<Vec<_>>(), ["B"]);
    let of_default = world.act(|v, a, e| v.list(a, Some("default"), e).unwrap());
    assert_eq!(code(of_default), Code::PermissionDenied);
    assert_eq!(world.act(|v, a, e| v.purge(a, None, e).unwrap()).unwrap().secrets, 1);
    assert!(world.record(RecordKind::Secret, "A").is_some() && world.record(RecordKind::Secret, "nexus:B").is_none());
}

#[test]
fn a_grant_gives_its_actions_on_its_secret_until_it_is_revoked() {
    let (mut world, ops) = prepared();
    under(&mut world, policy(&[("alice", "*")]), false);
    let of_a =
        ["get", "exists", "audit", "versions", "verify", "set", "rotate", "disable", "expire", "delete", "grant"];
    for (actions, needs) in [
        (vec![Permission::Read], vec![Permission::Read]),
        (vec![Permission::Write, Permission::Delete], vec![Permission::Write, Permission::Delete]),
    ] {
        let to = (Grantee::User("bob".into()), actions, None);
        let id = world.act(|v, a, e| v.grant(a, &slot("A"), to, e)).unwrap().id;
        let mut seen = BTreeSet::new();
        for op in ops.iter().filter(|op| of_a.contains(&op.name)) {
            // Of the two audits, the second is of the whole vault.
            let of_secret = op.name != "audit" || seen.insert("audit");
            let allowed = of_secret && op.needs.is_some_and(|needed| needs.contains(&needed));
            let (found, ..) = attempt(&mut world, "bob", op);
            assert_eq!(found, (!allowed).then_some(Code::PermissionDenied), "{} under {needs:?}", op.name);
        }
        world.actor = actor("bob");
        assert_eq!(code(world.get("nexus:B")), Code::PermissionDenied, "of this secret alone");
        world.actor = actor("alice");
        world.act(|v, a, e| v.revoke(a, &slot("A"), &id, e)).unwrap();
        world.actor = actor("bob");
        assert_eq!(code(world.get("A")), Code::PermissionDenied);
        world.actor = actor("alice");
    }
    for never in [Permission::Admin, Permission::Export, Permission::List] {
        let to = (Grantee::User("bob".into()), vec![never], None);
        assert_eq!(code(world.act(|v, a, e| v.grant(a, &slot("A"), to, e))), Code::InvalidArgument);
    }
}

#[test]
fn a_policy_that_changes_between_load_and_commit_is_asked_anew() {
    let (open, shut) = (|| policy(&[("alice", "*"), ("bob", "*")]), || policy(&[("alice", "*")]));
    for (first, then, expected) in [(open(), shut(), Some(Code::PermissionDenied)), (shut(), open(), None)] {
        let (mut world, ops) = prepared();
        under(&mut world, first, false);
        for op in ops.iter().filter(|op| op.needs.is_some()) {
            if (op.name, expected) == ("set_policy", None) {
                continue;
            }
            let (mut store, entropy) = (world.store.clone(), world.entropy());
            let mut target = MemoryStore::new();
            let flow = (op.make)(&world.vault, &actor("bob"), entropy);
            let (vault, mut clock, mut is_changed) = (&world.vault, world.clock.clone(), false);
            let result = drive_with(flow, &mut world.clock.clone(), |_, request| {
                if matches!(request, Request::Commit { .. }) && !is_changed {
                    is_changed = true;
                    let set = vault.set_policy(&actor("alice"), then.clone(), Box::new(Seeded::new(3)));
                    drive(set, &mut store, &mut clock).unwrap();
                }
                answer(request, &mut store, &mut target)
            });
            let found = result.map(|spoken| spoken.and_then(|name| Code::from_name(&name)));
            let found = found.unwrap_or_else(|error| Some(error.code()));
            // Some write nothing here and give nothing away, and what was refused before all reading stays refused.
            let silent = op.name == "exists" || op.name == "rekey";
            if expected.is_some() && (!silent || is_changed) {
                assert_eq!(found, expected, "{}", op.name);
            } else if expected.is_none() && found.is_some() {
                assert_eq!(found, Some(Code::PermissionDenied), "{}", op.name);
            }
        }
    }
}

// What the store can do.

fn of_vault(kind: RecordKind) -> RecordKey {
    RecordKey { kind, namespace: String::new(), name: "vault".into() }
}

fn all_refused(world: &mut World, ops: &[Op], what: &str) {
    for op in ops {
        let (found, store, _) = attempt(world, "alice", op);
        assert_eq!(found, Some(Code::RecordTampered), "{} after {what}", op.name);
        assert!(store.records().eq(world.store.records()), "{} after {what}", op.name);
    }
}

#[test]
fn a_policy_or_a_ring_that_was_taken_away_put_back_or_swapped_is_refused_by_every_operation() {
    let (mut world, ops) = prepared();
    let find =
        |world: &World, kind| world.store.records().find(|record| record.key == of_vault(kind)).cloned().unwrap();
    under(&mut world, policy(&[("alice", "*"), ("bob", "*")]), false);
    let earlier = [find(&world, RecordKind::Policy), find(&world, RecordKind::Ring)];
    under(&mut world, policy(&[("alice", "*")]), false);
    let spare = world.keyring.keys().find(|key| key.state == KeyState::Enabled).unwrap().id;
    world.act(|v, a, e| v.retire(a, spare, e)).unwrap();
    let now = [find(&world, RecordKind::Policy), find(&world, RecordKind::Ring)];
    let mut other = World::seeded(9, VaultOptions::default());
    other.keyring = Arc::clone(&world.keyring);
    other.reopen(VaultOptions::default());
    other.set("A", "x").unwrap();
    under(&mut other, policy(&[("alice", "*")]), false);
    let others = [find(&other, RecordKind::Policy), find(&other, RecordKind::Ring)];
    let whole = world.store.clone();
    for index in [0, 1] {
        let swapped = Record { key: now[index].key.clone(), ..now[1 - index].clone() };
        let stripped = Record { mac: None, revision: 0, ..now[index].clone() };
        let put: [(&str, Option<Record>); 5] = [
            ("taken away", None),
            ("put back", Some(earlier[index].clone())),
            ("that of another vault", Some(others[index].clone())),
            ("the other one", Some(swapped)),
            ("stripped", Some(stripped)),
        ];
        for (what, record) in put {
            world.store = with_records(&whole, |records| {
                records.retain(|record| record.key != now[index].key);
                records.extend(record);
            });
            all_refused(&mut world, &ops, what);
        }
    }
}

#[test]
fn a_policy_that_the_vault_never_made_is_refused() {
    let (mut world, ops) = prepared();
    let mut other = World::seeded(9, VaultOptions::default());
    other.set("A", "x").unwrap();
    under(&mut other, policy(&[("alice", "*"), ("mallory", "*")]), false);
    let foreign = other.store.records().find(|record| record.key.kind == RecordKind::Policy).cloned().unwrap();
    world.store = with_records(&world.store.clone(), |records| records.push(foreign));
    all_refused(&mut world, &ops, "another's policy");
}

#[test]
fn a_store_without_a_head_that_holds_a_ring_or_a_policy_is_no_new_store() {
    let (mut world, ops) = prepared();
    under(&mut world, policy(&[("alice", "*")]), false);
    for kind in [RecordKind::Ring, RecordKind::Policy] {
        let record = world.store.records().find(|record| record.key.kind == kind).cloned().unwrap();
        world.store = support::store_of([record], []);
        let (found, ..) = attempt(&mut world, "alice", &ops[1]);
        assert_eq!(found, Some(Code::VaultHeadMissing), "{kind:?}");
        let (mut again, _) = prepared();
        under(&mut again, policy(&[("alice", "*")]), false);
        world.store = again.store;
    }
}

#[test]
fn a_refusal_names_no_secret_and_tells_not_whether_it_is_there() {
    let (mut world, _) = prepared();
    under(&mut world, policy(&[("alice", "*")]), false);
    world.actor = actor("bob");
    let message = |world: &mut World, slot: &Slot| -> String {
        let refused: Result<bool, Error> = world.act(|v, a, e| v.exists(a, slot, e));
        refused.unwrap_err().message().to_string()
    };
    assert_eq!(message(&mut world, &slot("A")), message(&mut world, &slot("NOWHERE")));
}
