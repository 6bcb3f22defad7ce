//! Faults: for each operation, at each of its requests, everything that can go wrong between a flow and its host. The
//! error is the documented one, the change is whole or was not made, counts are right, and the operation can be repeated.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test crate: its helpers may fail loudly too"
)]

mod support;

use std::fmt::Debug;
use std::sync::Arc;
use strongroom::audit::{Checkpoint, ExportFormat};
use strongroom::flow::{Applied, CommitAnswer, Item, RotatorStep};
use strongroom::generate::Generator;
use strongroom::ops::{
    Assignment, Expiry, Exports, IfExists, ManyOptions, NewValue, Rotation, Setting, WithHistory, WithoutGenerator,
};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::{Change, Record, RecordKey, RecordKind};
use strongroom::store::MemoryStore;
use strongroom::wire::Json;
use strongroom::{
    Actor, Answer, Entropy, ErrorCode as Code, Flow, Keyring, Leaked, Reply, Request, Result, Step, Timestamp, Vault,
    VaultOptions,
};
use support::{
    Clock, Failing, Seeded, World, actor, drive, old_event, old_row, plainly, rotator_answer, secret, signing_key,
    slot, store_of, with_events, with_records,
};

type Make = Box<dyn Fn(&Vault, Box<dyn Entropy>) -> Flow<String>>;

/// An operation, with the state of the store that it starts from.
struct Case {
    name: &'static str,
    store: MemoryStore,
    vault: Vault,
    clock: Clock,
    make: Make,
    /// The error that the operation ends with when nothing goes wrong.
    refused: Option<Code>,
}

fn shown<T: Debug + Send + 'static>(flow: Flow<T>) -> Flow<String> {
    flow.map(|output| format!("{output:?}"))
}

fn hex() -> NewValue {
    NewValue::Generated(Generator::from_name("hex").unwrap())
}

fn tree(text: &str) -> Json {
    strongroom::wire::read(text).unwrap()
}

fn to_bob() -> (Grantee, Vec<Permission>, Option<Timestamp>) {
    (Grantee::User("bob".into()), vec![Permission::Read], None)
}

/// A store in which the rotator gave a value for `A`, and failed to activate it.
fn cut_short(world: &World, store: &MemoryStore) -> MemoryStore {
    let (mut store, mut clock) = (store.clone(), world.clock.clone());
    let mut flow =
        world.vault.rotate_with_rotator(&actor("alice"), &slot("A"), None, None, Box::new(Seeded::new(1_000)));
    let mut reply = None;
    while let Step::Ask { number, request } = flow.step(clock.now(), reply).unwrap() {
        if matches!(request, Request::Rotate { step: RotatorStep::Activate, .. }) {
            return store;
        }
        let answer = rotator_answer(&mut flow, &request).unwrap_or_else(|| store.answer(&request));
        reply = Some(Reply { number, answer });
    }
    panic!("it asked for no activation")
}

fn some_secrets() -> (Vec<Assignment>, ManyOptions) {
    support::assignments(&[("A", "new"), ("GONE", "new"), ("NEW", "new")])
}

/// All for one user, nothing for anybody else.
fn only(user: &str) -> Policy {
    let rule = format!(r#"{{"id": "owner", "users": ["{user}"], "actions": ["*"]}}"#);
    Policy::parse(&format!(r#"{{"rules": [{rule}]}}"#)).unwrap()
}

fn cases() -> Vec<Case> {
    let chat = || VaultOptions {
        actors: Some(vec!["alice".into()]),
        confirm: vec![Change::Set, Change::Rotate, Change::Delete],
        ..VaultOptions::default()
    };
    let mut world = World::with(chat());
    world.set("A", "a one").unwrap();
    world.rotate("A", "a two").unwrap();
    world.get("A").unwrap();
    world.set("B", "b one").unwrap();
    world.set("nexus:C", "c one").unwrap();
    let proposed = [
        world.propose("NEW", Change::Set, Some("proposed")).unwrap().id,
        world.propose("A", Change::Set, Some("proposed")).unwrap().id,
        world.propose("A", Change::Rotate, Some("proposed")).unwrap().id,
        world.propose("A", Change::Delete, None).unwrap().id,
    ];
    let [set_new, set_old, rotate, delete] = proposed;
    let done = world.propose("B", Change::Rotate, Some("b two")).unwrap().id;
    world.act(|vault, actor, entropy| vault.confirm(actor, &done, entropy)).unwrap();
    let late = world.propose("B", Change::Rotate, Some("b three")).unwrap().id;
    world.set("B", "b four").unwrap();
    world.set("GONE", "gone").unwrap();
    world.delete("GONE").unwrap();
    let made = Setting { generator: Some(Generator::from_name("hex").unwrap()), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("gen:MADE"), (hex(), made), e)).unwrap();
    world.set("gen:GIVEN", "given").unwrap();
    world.propose("gen:GIVEN", Change::Set, Some("proposed")).unwrap();
    let ended = Setting { expiry: Some(Expiry::In(50)), ..Setting::default() };
    world.act(|v, a, e| v.set(a, &slot("ENDED"), (secret("over").into(), ended), e)).unwrap();
    world.clock.0 += 100;
    let granted = world.act(|v, a, e| v.grant(a, &slot("B"), to_bob(), e)).unwrap().id;
    let attested = world.checkpoint().unwrap();
    let lived_in = world.store.clone();
    world.get("A").unwrap();
    let later_attested = world.checkpoint().unwrap();
    let mut later = with_records(&lived_in, |records| records.push(old_row(&world.keyring, "LATE", "late")));
    later = with_events(&later, |events| events.push(old_event("get", "LATE")));
    let old = store_of(
        [old_row(&world.keyring, "A", "a one"), old_row(&world.keyring, "two words", "odd")],
        [old_event("set", "A"), old_event("get", "A")],
    );
    let empty = MemoryStore::new();

    let mut cases = Vec::new();
    let mut add = |name, store: &MemoryStore, refused, make: Make| {
        let vault = support::vault(&world.keyring, chat());
        cases.push(Case { name, store: store.clone(), vault, clock: world.clock.clone(), make, refused });
    };
    let confirmed =
        |id: String| -> Make { Box::new(move |vault, entropy| shown(vault.confirm(&actor("alice"), &id, entropy))) };
    let command = |text: &'static str| -> Make {
        Box::new(move |vault, entropy| shown(vault.command(&actor("alice"), secret(text), entropy)))
    };
    let (no, missing) = (Some(Code::PermissionDenied), Some(Code::SecretNotFound));
    macro_rules! add {
        ($name:literal, $store:expr, $refused:expr, |$vault:ident, $alice:ident, $entropy:ident| $flow:expr) => {
            add(
                $name,
                $store,
                $refused,
                Box::new(|$vault, $entropy| {
                    let $alice = &actor("alice");
                    shown($flow)
                }),
            )
        };
    }
    add!("set new", &lived_in, None, |v, a, e| v.set(a, &slot("NEW"), plainly("new"), e));
    add!("set a name again", &lived_in, None, |v, a, e| v.set(a, &slot("GONE"), plainly("new"), e));
    add!("set existing", &lived_in, None, |v, a, e| v.set(a, &slot("A"), plainly("new"), e));
    add!("set nothing", &lived_in, Some(Code::ValueInvalid), |v, a, e| v.set(a, &slot("A"), plainly(""), e));
    add!("set in an empty store", &empty, None, |v, a, e| v.set(a, &slot("A"), plainly("new"), e));
    add!("set in an old store", &old, None, |v, a, e| v.set(a, &slot("A"), plainly("new"), e));
    add!("get", &lived_in, None, |v, a, e| v.get(a, &slot("A"), e));
    add!("get unknown", &lived_in, missing, |v, a, e| v.get(a, &slot("UNKNOWN"), e));
    add!("get from an old store", &old, None, |v, a, e| v.get(a, &slot("A"), e));
    add!("exists", &lived_in, None, |v, a, e| v.exists(a, &slot("A"), e));
    add!("exists in an empty store", &empty, None, |v, a, e| v.exists(a, &slot("A"), e));
    add!("list", &lived_in, None, |v, a, e| v.list(a, None, e).unwrap());
    add!("list a namespace", &lived_in, None, |v, a, e| v.list(a, Some("nexus"), e).unwrap());
    add!("list an old store", &old, None, |v, a, e| v.list(a, None, e).unwrap());
    add!("rotate", &lived_in, None, |v, a, e| v.rotate(a, &slot("A"), Rotation::to(secret("new")), e));
    add!("rotate unknown", &lived_in, missing, |v, a, e| v.rotate(a, &slot("UNKNOWN"), Rotation::to(secret("new")), e));
    add!("delete", &lived_in, None, |v, a, e| v.delete(a, &slot("A"), e));
    add!("delete from an old store", &old, None, |v, a, e| v.delete(a, &slot("A"), e));
    add!("audit", &lived_in, None, |v, a, e| v.audit(a, Some(&slot("A")), 100, e).unwrap());
    add!("audit all", &lived_in, None, |v, a, e| v.audit(a, None, 100, e).unwrap());
    add!("verify_audit", &lived_in, None, |v, a, e| v.verify_audit(a, e));
    add!("verify_audit of an old store", &old, None, |v, a, e| v.verify_audit(a, e));
    let against = |text: &str| -> Make {
        let attested = Checkpoint::parse(text, &[signing_key(1).verifier()]).unwrap();
        Box::new(move |vault, entropy| shown(vault.verify_audit_against(&actor("alice"), attested.clone(), entropy)))
    };
    add("verify_audit_against", &lived_in, None, against(&attested));
    add("verify_audit_against a later state", &lived_in, Some(Code::AuditTampered), against(&later_attested));
    add!("checkpoint", &lived_in, None, |v, a, e| v.checkpoint(a, &signing_key(1), e));
    add!("checkpoint of an old store", &old, None, |v, a, e| v.checkpoint(a, &signing_key(1), e));
    add!("export_audit", &lived_in, None, |v, a, e| {
        v.export_audit(a, ExportFormat::Ocsf, (None, 1000), e).unwrap()
    });
    add!("export_audit of an old store", &old, None, |v, a, e| {
        v.export_audit(a, ExportFormat::Jsonl, (None, 1000), e).unwrap()
    });
    add!("propose a set", &lived_in, None, |v, a, e| v.propose(a, &slot("NEW"), (Change::Set, Some(secret("new"))), e));
    add!("propose a rotation", &lived_in, None, |v, a, e| v.propose(
        a,
        &slot("A"),
        (Change::Rotate, Some(secret("x"))),
        e
    ));
    add!("propose a deletion", &lived_in, None, |v, a, e| v.propose(a, &slot("A"), (Change::Delete, None), e));
    add!("census", &lived_in, None, |v, a, e| v.census(a, e));
    add!("adopt", &later, None, |v, a, e| v.adopt(a, e));
    add!("adopt an old store", &old, None, |v, a, e| v.adopt(a, e));
    let (id, rotated) = (rotate.clone(), rotate.clone());
    add("cancel", &lived_in, None, Box::new(move |v, e| shown(v.cancel(&actor("alice"), &id, e))));
    let id = done.clone();
    let found = Some(Code::ConfirmationNotFound);
    add("cancel too late", &lived_in, found, Box::new(move |v, e| shown(v.cancel(&actor("alice"), &id, e))));
    let id = set_old.clone();
    add("confirm denied", &lived_in, no, Box::new(move |v, e| shown(v.confirm(&actor("mallory"), &id, e))));
    add("get denied", &lived_in, no, Box::new(|v, e| shown(v.get(&actor("mallory"), &slot("A"), e))));
    add("exists denied", &lived_in, no, Box::new(|v, e| shown(v.exists(&actor("mallory"), &slot("A"), e))));
    add("confirm a creation", &lived_in, None, confirmed(set_new));
    add("confirm a set", &lived_in, None, confirmed(set_old));
    add("confirm a rotation", &lived_in, None, confirmed(rotate));
    add("confirm a deletion", &lived_in, None, confirmed(delete));
    add("confirm again", &lived_in, None, confirmed(done));
    add("confirm too late", &lived_in, Some(Code::ChangedSinceProposed), confirmed(late));
    add("confirm nothing", &lived_in, Some(Code::ConfirmationNotFound), confirmed("A".repeat(22)));
    add("command get", &lived_in, None, command("secret get A"));
    add("command rotate", &lived_in, None, command("secret rotate A new"));
    add("command list", &lived_in, None, command("secret list"));
    add("command audit", &lived_in, None, command("secret audit A"));
    add!("set generated", &lived_in, None, |v, a, e| v.set(a, &slot("B"), (hex(), Setting::default()), e));
    add!("rotate with grace", &lived_in, None, |v, a, e| {
        v.rotate(a, &slot("A"), Rotation { grace_millis: Some(9_000), ..Rotation::to(secret("new")) }, e)
    });
    add!("get ended", &lived_in, Some(Code::SecretExpired), |v, a, e| v.get(a, &slot("ENDED"), e));
    add!("disable", &lived_in, None, |v, a, e| v.disable(a, &slot("B"), e));
    add!("enable", &lived_in, None, |v, a, e| v.enable(a, &slot("B"), e));
    add!("versions", &lived_in, None, |v, a, e| v.versions(a, &slot("A"), e));
    add!("rollback", &lived_in, None, |v, a, e| v.rollback(a, &slot("A"), 1, e));
    let lost = Some(Code::VersionNotFound);
    add!("rollback to nothing", &lived_in, lost, |v, a, e| v.rollback(a, &slot("A"), 9, e));
    add!("verify", &lived_in, None, |v, a, e| v.verify(a, &slot("A"), secret("a two"), e));
    add!("verify a wrong one", &lived_in, None, |v, a, e| v.verify(a, &slot("A"), secret("a one"), e));
    add!("revoke_previous", &lived_in, None, |v, a, e| v.revoke_previous(a, &slot("A"), e));
    add!("expire", &lived_in, None, |v, a, e| v.expire(a, &slot("B"), Expiry::In(9_000), e));
    add!("purge", &lived_in, None, |v, a, e| v.purge(a, None, e).unwrap());
    add!("rotation_status", &lived_in, None, |v, a, e| v.rotation_status(a, None, 0, e).unwrap());
    add!("due", &lived_in, None, |v, a, e| v.due(a, None, 40 * 86_400_000, e).unwrap());
    add!("identify", &lived_in, None, |v, a, e| v.identify(a, None, secret("a two"), e).unwrap());
    add!("identify nobody's", &lived_in, None, |v, a, e| v.identify(a, None, secret("a one"), e).unwrap());
    add!("rotate_due", &lived_in, None, |v, a, e| v.rotate_due(a, (None, None), (None, 9), e).unwrap());
    add!("rotate_all", &lived_in, None, |v, a, e| v.rotate_all(a, (Some("gen"), Some(9)), (None, 9), e).unwrap());
    add!("emergency_rotate", &lived_in, None, |v, a, e| {
        v.emergency_rotate(a, (Leaked::Namespace("gen".into()), WithoutGenerator::Disable), (None, 9), e).unwrap()
    });
    add!("emergency_rotate of one", &lived_in, None, |v, a, e| {
        v.emergency_rotate(a, (Leaked::Secret(slot("gen:GIVEN")), WithoutGenerator::Keep), (None, 9), e).unwrap()
    });
    add!("set_policy", &lived_in, None, |v, a, e| v.set_policy(a, only("alice"), e));
    let lockout = Some(Code::InvalidArgument);
    add!("set_policy to a lockout", &lived_in, lockout, |v, a, e| v.set_policy(a, only("bob"), e));
    add!("policy", &lived_in, None, |v, a, e| v.policy(a, e));
    add!("grant", &lived_in, None, |v, a, e| v.grant(a, &slot("B"), to_bob(), e));
    add!("grants", &lived_in, None, |v, a, e| v.grants(a, &slot("B"), e));
    add("revoke", &lived_in, None, Box::new(move |v, e| shown(v.revoke(&actor("alice"), &slot("B"), &granted, e))));
    add!("rotate with a rotator", &lived_in, None, |v, a, e| v.rotate_with_rotator(a, &slot("A"), Some(9), None, e));
    add!("rotate unknown with a rotator", &lived_in, missing, |v, a, e| {
        v.rotate_with_rotator(a, &slot("UNKNOWN"), None, None, e)
    });
    let cut_short = cut_short(&world, &lived_in);
    add!("resume a rotator", &cut_short, None, |v, a, e| v.rotate_with_rotator(a, &slot("A"), None, None, e));
    add!("get_many", &lived_in, None, |v, a, e| v.get_many(a, vec![slot("A"), slot("nexus:C")], e));
    add!("get_many with an unknown one", &lived_in, missing, |v, a, e| {
        v.get_many(a, vec![slot("A"), slot("UNKNOWN")], e)
    });
    add!("set_many", &lived_in, None, |v, a, e| v.set_many(a, some_secrets(), e));
    add!("set_many in an empty store", &empty, None, |v, a, e| v.set_many(a, some_secrets(), e));
    add!("set_many in an old store", &old, None, |v, a, e| v.set_many(a, some_secrets(), e));
    let exists = Some(Code::SecretExists);
    add!("set_many of what is there", &lived_in, exists, |v, a, e| {
        let (assignments, options) = some_secrets();
        v.set_many(a, (assignments, ManyOptions { if_exists: IfExists::Fail, ..options }), e)
    });
    add!("export", &lived_in, None, |v, a, e| v.export(a, (Exports::All, WithHistory::Yes), e).unwrap());
    add!("export from an empty store", &empty, None, |v, a, e| v
        .export(a, (Exports::All, WithHistory::Yes), e)
        .unwrap());
    add!("export from an old store", &old, None, |v, a, e| v.export(a, (Exports::All, WithHistory::No), e).unwrap());
    add!("export unknown", &lived_in, missing, |v, a, e| {
        v.export(a, (Exports::Secrets(vec![slot("A"), slot("UNKNOWN")]), WithHistory::No), e).unwrap()
    });
    add!("import", &lived_in, None, |v, a, e| support::importing(v, a, "FOREIGN", e));
    add!("import over what is there", &lived_in, None, |v, a, e| support::importing(v, a, "A", e));
    add!("import in an empty store", &empty, None, |v, a, e| support::importing(v, a, "A", e));
    add!("import in an old store", &old, None, |v, a, e| support::importing(v, a, "A", e));
    add!("import nothing", &lived_in, Some(Code::BackupInvalid), |v, a, e| support::offered_import(v, a, b"", e));
    add!("provision", &lived_in, None, |v, a, e| v.provision(a, support::needs(&["A", "NEW", "GONE"]), e));
    add!("check", &lived_in, None, |v, a, e| v.check(a, support::needs(&["A", "NEW", "GONE"]), e));
    let unresolved = Some(Code::ReferenceUnresolved);
    add!("resolve", &lived_in, None, |v, a, e| {
        v.resolve(a, (&tree(r#"{"a": "secret:A", "c": ["secret:nexus:C", "INFO", "secret:A"]}"#), None), e).unwrap()
    });
    add!("resolve what is wrong", &lived_in, unresolved, |v, a, e| {
        v.resolve(a, (&tree(r#"["secret:A", "secret:UNKNOWN", "secret:ENDED"]"#), None), e).unwrap()
    });
    add!("resolve in an empty store", &empty, None, |v, a, e| v.resolve(a, (&tree(r#""INFO""#), None), e).unwrap());
    add!("resolve from an old store", &old, None, |v, a, e| v.resolve(a, (&tree(r#""secret:A""#), None), e).unwrap());
    add!("rekey of what is new", &lived_in, None, |v, a, e| v.rekey(a, (None, 100), e).unwrap());

    add!("renew_root", &lived_in, None, |v, a, e| v.renew_root(a, (None, 100), e).unwrap());
    // With one: see copying.rs.
    let without = Some(Code::Unsupported);
    add!("copy_to without a target", &lived_in, without, |v, a, e| v.copy_to(a, e));
    add!("renew_root, the first page", &lived_in, None, |v, a, e| v.renew_root(a, (None, 1), e).unwrap());

    // The vaults of a keyring that moved on, of one that did not, and of a policy that denies.
    let mut rolled = Keyring::generate(&mut Seeded::new(1 << 32), Timestamp::from_millis(0)).unwrap();
    let old_key = rolled.keys().next().unwrap().id;
    rolled.add_primary(&mut Seeded::new(5), None, Timestamp::from_millis(0)).unwrap();
    let rolled = Arc::new(rolled);
    let mut moved = lived_in.clone();
    let rekey = support::vault(&rolled, chat()).rekey(&actor("alice"), (None, 100), Box::new(Seeded::new(6))).unwrap();
    drive(rekey, &mut moved, &mut world.clock.clone()).unwrap();
    let mut ruled = lived_in.clone();
    let set_policy = world.vault.set_policy(&actor("alice"), only("alice"), Box::new(Seeded::new(7)));
    drive(set_policy, &mut ruled, &mut world.clock.clone()).unwrap();
    // What was granted before there was a policy counts no more under it.
    let mut later = Clock(world.clock.0 + 50);
    let grant = world.vault.grant(&actor("alice"), &slot("B"), to_bob(), Box::new(Seeded::new(8)));
    drive(grant, &mut ruled, &mut later).unwrap();
    let open = VaultOptions { actors: None, ..chat() };
    let clock = Clock(world.clock.0 + 100);
    let mut other = |name, store: &MemoryStore, keyring, refused, make: Make| {
        let vault = support::vault(keyring, open.clone());
        cases.push(Case { name, store: store.clone(), vault, clock: clock.clone(), make, refused });
    };
    let alice = || actor("alice");
    let stale = Some(Code::KeyringStale);
    let set_a: fn() -> Make = || Box::new(|v, e| shown(v.set(&actor("alice"), &slot("A"), plainly("new"), e)));
    other("rekey", &lived_in, &rolled, None, Box::new(move |v, e| shown(v.rekey(&alice(), (None, 100), e).unwrap())));
    other(
        "rekey a page",
        &lived_in,
        &rolled,
        None,
        Box::new(move |v, e| shown(v.rekey(&alice(), (None, 1), e).unwrap())),
    );
    other("set before the rekey", &lived_in, &rolled, stale, set_a());
    other("set after the rekey", &moved, &rolled, None, set_a());
    other("retire", &moved, &rolled, None, Box::new(move |v, e| shown(v.retire(&alice(), old_key, e))));
    let in_use = Some(Code::KeyInUse);
    other(
        "retire the primary",
        &lived_in,
        &world.keyring,
        in_use,
        Box::new(move |v, e| shown(v.retire(&alice(), old_key, e))),
    );
    let mut half = lived_in.clone();
    let begun = world.vault.renew_root(&alice(), (None, 2), Box::new(Seeded::new(9))).unwrap();
    drive(begun, &mut half, &mut world.clock.clone()).unwrap();
    let mine = &world.keyring;
    let id = rotated.clone();
    let confirm: Make = Box::new(move |v, e| shown(v.confirm(&actor("alice"), &id, e)));
    other("set while a root is renewed", &half, mine, None, set_a());
    other("confirm a rotation while a root is renewed", &half, mine, None, confirm);
    let identify: Make = Box::new(move |v, e| shown(v.identify(&actor("alice"), None, secret("a two"), e).unwrap()));
    let import: Make = Box::new(move |v, e| shown(support::importing(v, &actor("alice"), "A", e)));
    other("import while a root is renewed", &half, mine, None, import);
    other("identify while a root is renewed", &half, mine, None, identify);
    other(
        "renew_root again",
        &half,
        mine,
        None,
        Box::new(move |v, e| shown(v.renew_root(&alice(), (None, 100), e).unwrap())),
    );
    let bob = |make: fn(&Vault, &Actor, Box<dyn Entropy>) -> Flow<String>| -> Make {
        Box::new(move |v, e| make(v, &actor("bob"), e))
    };
    other("set under a policy", &ruled, &world.keyring, None, set_a());
    other("get by grant", &ruled, &world.keyring, None, bob(|v, a, e| shown(v.get(a, &slot("B"), e))));
    other("get denied by policy", &ruled, &world.keyring, no, bob(|v, a, e| shown(v.get(a, &slot("A"), e))));
    other("list denied by policy", &ruled, &world.keyring, no, bob(|v, a, e| shown(v.list(a, None, e).unwrap())));
    other(
        "retire denied by policy",
        &ruled,
        &world.keyring,
        no,
        Box::new(move |v, e| shown(v.retire(&actor("bob"), old_key, e))),
    );
    cases
}

/// What a store holds, without what is random in it: kinds, names, versions, counters, the history.
fn shape(store: &MemoryStore) -> String {
    let mut records: Vec<String> = store
        .records()
        .map(|record| {
            let key = &record.key;
            let name = if key.kind == RecordKind::Pending { "(id)" } else { &key.name };
            let (version, counters) = (record.columns.version, record.counters.accessed_count);
            let open = record.data.contains("\"state\":\"open\"");
            format!("{:?} {} {name} r{} v{version:?} {counters}x {open}", key.kind, key.namespace, record.revision)
        })
        .collect();
    records.sort();
    let events: Vec<String> = store
        .all_events()
        .iter()
        .map(|event| {
            let stream = if event.stream.as_deref() == Some("vault") { "vault" } else { "own" };
            format!("{stream} {:?} {:?} {:?} {:?} {:?}", event.seq, event.action, event.name, event.outcome, event.code)
        })
        .collect();
    format!("{records:#?}\n{events:#?}")
}

/// What goes wrong at one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The host fails before anything is applied, and says so.
    FailsAndSaysSo,
    /// The host fails before anything is applied, and does not know.
    FailsBefore,
    /// As before, and so does every request after.
    FailsBeforeForGood,
    /// The host fails after it applied: the reply is lost.
    FailsAfter,
    /// As before, and every request after fails.
    FailsAfterForGood,
    /// The commit, and every other one after it, meets another writer.
    ConflictForGood,
    /// The commit meets another writer once.
    ConflictOnce,
    /// The request is answered with the answer to another kind of request.
    WrongAnswer(usize),
    /// Something was put into the answer that was not asked for.
    Foreign,
    /// Something is in the answer twice.
    Twice,
    /// A page is empty, and yet not the last.
    EmptyPage,
    /// The reply comes a second time, while the next request is open.
    Doubled,
    /// A late reply to the request before comes first.
    Late,
    /// Replies with other numbers come first.
    OtherNumber,
    /// The flow is stepped without a reply.
    NoReply,
    /// The flow is dropped before the request is answered.
    Dropped,
    /// The flow is dropped after the request was applied.
    DroppedAfter,
}

fn faults() -> Vec<Fault> {
    use Fault as F;
    let mut faults = vec![
        F::FailsAndSaysSo,
        F::FailsBefore,
        F::FailsBeforeForGood,
        F::FailsAfter,
        F::FailsAfterForGood,
        F::ConflictForGood,
        F::ConflictOnce,
        F::Foreign,
        F::Twice,
        F::EmptyPage,
        F::Doubled,
        F::Late,
        F::OtherNumber,
        F::NoReply,
        F::Dropped,
        F::DroppedAfter,
    ];
    faults.extend((0..6).map(F::WrongAnswer));
    faults
}

fn every_answer() -> [Answer; 6] {
    [
        Answer::Load { records: vec![] },
        Answer::List { items: vec![], cursor: None },
        Answer::Commit(CommitAnswer::Committed),
        Answer::Events { events: vec![], cursor: None },
        Answer::Wait {},
        Answer::Failed { applied: Applied::No },
    ]
}

fn stranger() -> Record {
    let key = RecordKey { kind: RecordKind::Secret, namespace: "zz".into(), name: "stranger".into() };
    Record { key, revision: 1, columns: Default::default(), data: "{}".into(), mac: None, counters: Default::default() }
}

/// The answer with the fault in it; `None` when the request offers no place for it.
fn spoil(fault: Fault, request: &Request, answer: Answer) -> Option<Answer> {
    Some(match (fault, answer) {
        (Fault::WrongAnswer(index), answer) => {
            let wrong = every_answer()[index].clone();
            if std::mem::discriminant(&wrong) == std::mem::discriminant(&answer) || index == 5 {
                return None;
            }
            wrong
        }
        (Fault::Foreign, Answer::Load { mut records }) => {
            records.push(stranger());
            Answer::Load { records }
        }
        (Fault::Foreign, Answer::List { mut items, cursor }) => {
            // In order, so that only its kind or its namespace gives it away.
            let Request::List { query, .. } = request else { return None };
            let mut key = stranger().key;
            if query.namespace.is_some() {
                key.kind = query.kind;
            } else {
                key.kind = if query.kind == RecordKind::Head { RecordKind::Stream } else { RecordKind::Head };
            }
            items.push(Item { key, revision: 1 });
            Answer::List { items, cursor }
        }
        (Fault::Twice, Answer::Load { mut records }) => {
            records.push(records.first()?.clone());
            Answer::Load { records }
        }
        (Fault::Twice, Answer::List { mut items, cursor }) => {
            items.push(items.last()?.clone());
            Answer::List { items, cursor }
        }
        (Fault::EmptyPage, Answer::List { .. }) => Answer::List { items: vec![], cursor: Some("x".into()) },
        (Fault::EmptyPage, Answer::Events { .. }) => Answer::Events { events: vec![], cursor: Some("x".into()) },
        _ => return None,
    })
}

/// How a run ended.
struct Run {
    result: Option<Result<String>>,
    store: MemoryStore,
    /// Commits that changed the store.
    applied: usize,
    /// The state after each of them, the first state first.
    states: Vec<String>,
    requests: Vec<&'static str>,
    /// Whether the fault found its place.
    struck: bool,
}

/// A command tells its refusal in words, with the code beside them.
fn spoken(result: Result<String>) -> Result<String> {
    let output = result?;
    match output.split_once(" code: Some(\"").and_then(|(_, rest)| rest.split('"').next()).and_then(Code::from_name) {
        Some(code) => Err(strongroom::Error::new(code, output)),
        None => Ok(output),
    }
}

fn stale(flow: &mut Flow<String>, clock: &mut Clock, reply: Option<Reply>) {
    let refused = flow.step(clock.now(), reply);
    assert_eq!(refused.err().map(|error| error.code()), Some(Code::StaleReply));
}

/// Runs a case with a fault at one of its requests; 0 is none of them.
fn run(case: &Case, at: usize, fault: Fault) -> Run {
    let mut flow = (case.make)(&case.vault, Box::new(Seeded::new(99)));
    let (mut store, mut clock) = (case.store.clone(), case.clock.clone());
    let mut run = Run {
        result: None,
        store: MemoryStore::new(),
        applied: 0,
        states: vec![shape(&store)],
        requests: vec![],
        struck: false,
    };
    let mut reply = None;
    let mut last: Option<Reply> = None;
    loop {
        let (number, request) = match flow.step(clock.now(), reply.take()).unwrap() {
            Step::Ask { number, request } => (number, request),
            Step::Done(result) => {
                run.result = Some(if case.name.starts_with("command") { spoken(result) } else { result });
                break;
            }
        };
        run.requests.push(request.name());
        assert_eq!(number as usize, run.requests.len(), "requests are numbered from 1");
        let is_commit = matches!(request, Request::Commit { .. });
        let (here, since) = (number as usize == at, at > 0 && number as usize >= at);
        let answer_truly = |flow: &mut Flow<String>, run: &mut Run, store: &mut MemoryStore| {
            let before = store.all_events().len();
            let answer = rotator_answer(flow, &request).unwrap_or_else(|| store.answer(&request));
            if store.all_events().len() > before {
                run.applied += 1;
                run.states.push(shape(store));
            }
            answer
        };
        let failed = Answer::Failed { applied: Applied::Unknown };
        let answer = match fault {
            Fault::FailsAndSaysSo if here => Answer::Failed { applied: Applied::No },
            Fault::FailsBefore if here => failed,
            Fault::FailsBeforeForGood if since => failed,
            Fault::FailsAfter if here => {
                answer_truly(&mut flow, &mut run, &mut store);
                failed
            }
            Fault::FailsAfterForGood if since => {
                if here {
                    answer_truly(&mut flow, &mut run, &mut store);
                }
                failed
            }
            Fault::ConflictForGood if since && is_commit => Answer::Commit(CommitAnswer::Conflict),
            Fault::ConflictOnce if here && is_commit => Answer::Commit(CommitAnswer::Conflict),
            Fault::Dropped if here => {
                run.struck = true;
                break;
            }
            Fault::DroppedAfter if here => {
                answer_truly(&mut flow, &mut run, &mut store);
                run.struck = true;
                break;
            }
            Fault::WrongAnswer(_) | Fault::Foreign | Fault::Twice | Fault::EmptyPage if here => {
                let mut aside = store.clone();
                match spoil(fault, &request, aside.answer(&request)) {
                    Some(answer) => {
                        run.struck = true;
                        answer
                    }
                    None => answer_truly(&mut flow, &mut run, &mut store),
                }
            }
            Fault::Late | Fault::Doubled if here => {
                if let Some(last) = last.take() {
                    run.struck = true;
                    stale(&mut flow, &mut clock, Some(last.clone()));
                    if fault == Fault::Doubled {
                        stale(&mut flow, &mut clock, Some(last));
                    }
                }
                answer_truly(&mut flow, &mut run, &mut store)
            }
            Fault::OtherNumber if here => {
                for other in [0, number + 1, number + 2, u64::MAX] {
                    for answer in every_answer() {
                        stale(&mut flow, &mut clock, Some(Reply { number: other, answer }));
                    }
                }
                answer_truly(&mut flow, &mut run, &mut store)
            }
            Fault::NoReply if here => {
                stale(&mut flow, &mut clock, None);
                stale(&mut flow, &mut clock, None);
                answer_truly(&mut flow, &mut run, &mut store)
            }
            _ => answer_truly(&mut flow, &mut run, &mut store),
        };
        let conflicts = matches!(fault, Fault::ConflictForGood | Fault::ConflictOnce);
        let spoils = matches!(
            fault,
            Fault::WrongAnswer(_) | Fault::Foreign | Fault::Twice | Fault::EmptyPage | Fault::Late | Fault::Doubled
        );
        run.struck |= here && !spoils && (!conflicts || is_commit);
        let given = Reply { number, answer };
        last = Some(given.clone());
        reply = Some(given);
    }
    if run.result.is_some() {
        let refused = flow.step(clock.now(), last);
        assert_eq!(refused.err().map(|error| error.code()), Some(Code::FlowDone));
    }
    run.store = store;
    run
}

fn outcome(result: &Result<String>) -> std::result::Result<(), Code> {
    result.as_ref().map(drop).map_err(strongroom::Error::code)
}

fn outcome_of(run: &Run) -> Option<std::result::Result<(), Code>> {
    run.result.as_ref().map(outcome)
}

/// What a line of a shape says of a record's version.
fn version_of(line: &str) -> String {
    line.split(' ').find(|word| word.starts_with("vS") || word.starts_with("vN")).unwrap().into()
}

/// What must hold whatever went wrong.
fn assert_sound(case: &Case, run: &Run, clean: &Run, what: &str) {
    let state = shape(&run.store);
    // That a rotator failed is an event of its own, and the secret is as it was.
    if outcome_of(run) == Some(Err(Code::RotationFailed)) {
        let versions = |state: &str| state.lines().filter(|it| it.contains(" A r")).map(version_of).collect::<Vec<_>>();
        assert_eq!(versions(&state), versions(&clean.states[0]), "{what}: the rotator failed");
    } else {
        assert!(clean.states.contains(&state), "{what}: the store is between two states\n{state}");
        assert_eq!(state, clean.states[run.applied], "{what}: {} commits were applied", run.applied);
    }
    // The chain verifies, and each secret gives one of the values that it could have.
    let (mut store, mut clock) = (run.store.clone(), case.clock.clone());
    clock.0 += 1_000_000;
    if store.all_events().iter().any(|event| event.stream.is_some()) && case.name != "adopt" {
        drive(case.vault.verify_audit(&actor("alice"), Box::new(Seeded::new(7))), &mut store, &mut clock).unwrap();
    }
    if run.store.records().any(|record| record.key == clean_key()) && run.store.records().any(|r| r.revision > 0) {
        let revealed =
            drive(case.vault.get(&actor("alice"), &slot("A"), Box::new(Seeded::new(8))), &mut store, &mut clock);
        let value = String::from_utf8(revealed.unwrap().value.expose().to_vec()).unwrap();
        assert!(["a one", "a two", "new", "proposed"].contains(&&*value), "{what}");
    }
}

fn clean_key() -> RecordKey {
    RecordKey { kind: RecordKind::Secret, namespace: "default".into(), name: "A".into() }
}

/// Whether a request is one for what a write purges in passing, when it has done its own.
fn in_passing(case: &Case, clean: &Run, at: usize) -> bool {
    let creates = ["set new", "set a name again", "set in an empty store"].contains(&case.name);
    let purges = creates || case.name.starts_with("propose ") || case.name == "command rotate";
    purges && clean.requests.iter().rposition(|request| *request == "list").is_some_and(|first| first < at)
}

/// The documented end of the operation after this fault; `None` for a flow that was dropped.
fn documented(case: &Case, run: &Run, clean: &Run, at: usize, fault: Fault) -> Option<std::result::Result<(), Code>> {
    use Fault as F;
    let usual = case.refused.map_or(Ok(()), Err);
    let is_commit = clean.requests[at - 1] == "commit";
    // The last commit of a refusal records it; a refusal stays one when it can't be recorded. That of an initialisation
    // comes before.
    let is_last = at == clean.requests.len();
    let storage = if is_commit && is_last && case.refused.is_some() { usual } else { Err(Code::StorageFailed) };
    Some(match fault {
        F::Dropped | F::DroppedAfter => return None,
        _ if in_passing(case, clean, at) => usual,
        F::ConflictOnce | F::Late | F::Doubled | F::OtherNumber | F::NoReply => usual,
        // A refusal that can't be recorded stays a refusal.
        F::ConflictForGood => {
            let meets_one = clean.requests[at - 1..].contains(&"commit");
            if meets_one && case.refused.is_none() { Err(Code::Conflict) } else { usual }
        }
        F::FailsBefore | F::FailsAfter | F::WrongAnswer(_) if is_commit => usual,
        _ if !run.struck => usual,
        _ if clean.requests[at - 1] == "rotate" => Err(Code::RotationFailed),
        _ => storage,
    })
}

#[test]
fn after_every_fault_at_every_request_of_every_operation_all_or_nothing_was_done() {
    let mut count = 0;
    let cases = cases();
    for case in &cases {
        let clean = run(case, 0, Fault::NoReply);
        let usual = case.refused.map_or(Ok(()), Err);
        assert_eq!(outcome(clean.result.as_ref().unwrap()), usual, "{}", case.name);
        assert_eq!(clean.applied + 1, clean.states.len());
        for at in 1..=clean.requests.len() {
            for fault in faults() {
                let run = run(case, at, fault);
                if !run.struck {
                    continue;
                }
                count += 1;
                let what = format!("{}, request {at} of {:?}, {fault:?}", case.name, clean.requests);
                assert_sound(case, &run, &clean, &what);
                let found = run.result.as_ref().map(outcome);
                assert_eq!(found, documented(case, &run, &clean, at, fault), "{what}");
                if found == Some(Ok(())) && !in_passing(case, &clean, at) {
                    assert_eq!(run.applied, clean.applied, "{what}: it says that it was done");
                }
                if let Some(Ok(output)) = &run.result {
                    assert!(!output.contains("a two") && !output.contains("proposed\""), "{what}");
                }
                assert_repeatable(case, &run, &clean, &what);
            }
        }
    }
    assert!(cases.len() >= 75 && count > 5000, "{} operations, {count} cases", cases.len());
}

/// The same operation, made again on a host that has recovered, ends as it should.
fn assert_repeatable(case: &Case, run: &Run, clean: &Run, what: &str) {
    let (mut store, mut clock) = (run.store.clone(), case.clock.clone());
    clock.0 += 1_000;
    let again = drive((case.make)(&case.vault, Box::new(Seeded::new(100))), &mut store, &mut clock);
    let done = run.applied == clean.applied;
    let expected = match case.name {
        "delete" | "delete from an old store" if done => Err(Code::SecretNotFound),
        "revoke" if done => Err(Code::InvalidArgument),
        _ => case.refused.map_or(Ok(()), Err),
    };
    assert_eq!(outcome(&again), expected, "{what}, made again");
    if case.name.starts_with("confirm a ") {
        assert_eq!(again.unwrap().contains("repeated: true"), done, "{what}, made again");
    }
    drive(case.vault.verify_audit(&actor("alice"), Box::new(Seeded::new(101))), &mut store, &mut clock).unwrap();
}

#[test]
fn when_randomness_fails_nothing_is_done() {
    let mut count = 0;
    // These do one thing after the other, and what they did before stays done.
    let many = ["purge", "rotate_due", "rotate_all", "emergency_rotate"];
    for case in cases().into_iter().filter(|case| !many.contains(&case.name)) {
        let clean = run(&case, 0, Fault::NoReply);
        for fills in 0..20 {
            let (mut store, mut clock) = (case.store.clone(), case.clock.clone());
            let entropy = Failing { inner: Seeded::new(99), fills };
            let result = drive((case.make)(&case.vault, Box::new(entropy)), &mut store, &mut clock);
            let failed = result.as_ref().is_err_and(|error| error.code() == Code::EntropyFailed);
            // The failure of a decision is an event of its own, which has an effect on nothing else.
            let is_recorded =
                store.all_events().last().is_some_and(|event| event.code.as_deref() == Some("ENTROPY_FAILED"));
            assert!(failed || !is_recorded);
            let secrets = |store: &MemoryStore| -> Vec<(RecordKey, Option<u64>)> {
                let secrets = store.records().filter(|record| record.key.kind == RecordKind::Secret);
                secrets.map(|record| (record.key.clone(), record.columns.version)).collect()
            };
            if !failed {
                // What it would purge in passing may be left.
                let (state, last) = (shape(&store), clean.states.last().unwrap());
                let purges = in_passing(&case, &clean, clean.requests.len()) && clean.states.contains(&state);
                assert!(purges || state == *last, "{} after {fills} draws: {state}", case.name);
                break;
            }
            let adopted = |store: &MemoryStore| {
                secrets(store).into_iter().map(|(key, version)| (key, version.unwrap_or(1))).collect::<Vec<_>>()
            };
            assert_eq!(adopted(&store), adopted(&case.store), "{} after {fills} draws", case.name);
            let again = drive((case.make)(&case.vault, Box::new(Seeded::new(5))), &mut store, &mut clock);
            assert_eq!(outcome(&again), case.refused.map_or(Ok(()), Err));
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn a_get_gives_no_value_before_its_event_is_committed() {
    for case in cases().into_iter().filter(|case| case.name.starts_with("get")) {
        let clean = run(&case, 0, Fault::NoReply);
        let before = |run: &Run| run.applied < clean.applied;
        for at in 1..=clean.requests.len() {
            for fault in faults() {
                let run = run(&case, at, fault);
                assert!(!before(&run) || !matches!(run.result, Some(Ok(_))), "{} {at} {fault:?}", case.name);
            }
        }
    }
}

#[test]
fn a_flow_that_was_not_started_takes_no_reply_and_one_that_has_ended_takes_no_step() {
    let case = &cases()[0];
    let mut flow = (case.make)(&case.vault, Box::new(Seeded::new(1)));
    let mut clock = case.clock.clone();
    for answer in every_answer() {
        stale(&mut flow, &mut clock, Some(Reply { number: 0, answer }));
    }
    let (mut store, mut reply) = (case.store.clone(), None);
    loop {
        match flow.step(clock.now(), reply).unwrap() {
            Step::Ask { number, request } => reply = Some(Reply { number, answer: store.answer(&request) }),
            Step::Done(result) => break drop(result.unwrap()),
        }
    }
    for _ in 0..3 {
        let error = flow.step(clock.now(), None).err().unwrap();
        assert_eq!(error.code(), Code::FlowDone);
    }
}
