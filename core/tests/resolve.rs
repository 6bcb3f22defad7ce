//! References in configuration: what they stand for, everything that is wrong in one error, and what is asked and recorded.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test crate: its helpers may fail loudly too")]

mod support;

use std::collections::BTreeMap;
use strongroom::flow::{CommitAnswer, Found};
use strongroom::ops::{Expiry, RESOLVE_MAX, Resolved, ResolvedValue};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::reference::TEXTS_MAX;
use strongroom::store::{Cause, Failed, Host, HostRotation, Refusal, drive_with};
use strongroom::wire::{Json, read};
use strongroom::{Answer, Error, ErrorCode as Code, Flow, Reply, Request, Result, SecretBytes, Step, VaultOptions};
use support::{World, actor, code, plainly, secret, slot};

/// An environment and files; what is `None` cannot be read.
#[derive(Clone, Default)]
struct Machine {
    env: BTreeMap<&'static str, Option<&'static [u8]>>,
    files: BTreeMap<&'static str, Option<&'static [u8]>>,
    asked: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken;

impl Machine {
    fn of(env: &[(&'static str, &'static str)], files: &[(&'static str, &'static str)]) -> Machine {
        let all = |of: &[(&'static str, &'static str)]| of.iter().map(|(k, v)| (*k, Some(v.as_bytes()))).collect();
        Machine { env: all(env), files: all(files), asked: vec![] }
    }

    fn give(found: Option<&Option<&'static [u8]>>) -> std::result::Result<Option<SecretBytes>, Refusal<Broken>> {
        match found {
            Some(Some(value)) => Ok(Some(SecretBytes::copy_of(value))),
            Some(None) => Err(Refusal::Failed(Broken)),
            None => Ok(None),
        }
    }
}

impl Host for Machine {
    type Error = Broken;

    fn read_env(&mut self, name: &str) -> std::result::Result<Option<SecretBytes>, Refusal<Broken>> {
        self.asked.push(format!("${name}"));
        Machine::give(self.env.get(name))
    }

    fn read_file(&mut self, path: &str) -> std::result::Result<Option<SecretBytes>, Refusal<Broken>> {
        self.asked.push(path.to_string());
        Machine::give(self.files.get(path))
    }
}

fn tree(text: &str) -> Json {
    read(text).unwrap()
}

fn flow(world: &mut World, tree: &Json) -> Result<Flow<Resolved>> {
    let entropy = world.entropy();
    world.vault.resolve(&world.actor, (tree, None), entropy)
}

fn resolve(world: &mut World, machine: &mut Machine, text: &str) -> Result<Vec<(String, String)>> {
    let flow = flow(world, &tree(text))?;
    let mut clock = world.clock.clone();
    world.clock.0 += 1_000;
    let resolved = drive_with(flow, &mut world.store, machine, move || clock.now()).map_err(|failed| failed.error)?;
    Ok(values(&resolved))
}

/// Each place with the kind and the text that it stands for.
fn values(resolved: &Resolved) -> Vec<(String, String)> {
    let shown = |value: &ResolvedValue| {
        let (kind, value) = match value {
            ResolvedValue::Secret(revealed) => ("secret", &revealed.value),
            ResolvedValue::Env(value) => ("env", value),
            ResolvedValue::File(value) => ("file", value),
            ResolvedValue::Plain(value) => ("plain", value),
        };
        format!("{kind} {}", String::from_utf8_lossy(value.expose()))
    };
    resolved.texts.iter().map(|text| (text.place.to_string(), shown(&resolved.values[text.value]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(place, value)| (place.to_string(), value.to_string())).collect()
}

fn world() -> World {
    let mut world = World::new();
    world.set("DB", "db-value").unwrap();
    world.set("nexus:BOT", "bot-value").unwrap();
    world
}

#[test]
fn every_kind_of_reference_is_resolved_and_plain_text_is_left_out() {
    let mut machine = Machine::of(&[("HOME", "/root"), ("EMPTY", "")], &[("/run/tls", " key\n")]);
    let text = r#"{"db": [{"password": "secret:DB", "user": "app", "port": 5432, "on": true, "none": null, "f": 1.5}],
        "bot": "secret:nexus:BOT", "home": "env:HOME", "empty": "env:EMPTY", "tls": "file:/run/tls",
        "escaped": "plain:secret:DB", "plain": "plain:"}"#;
    let found = resolve(&mut world(), &mut machine, text).unwrap();
    let expected = [
        ("db[0].password", "secret db-value"),
        ("bot", "secret bot-value"),
        ("home", "env /root"),
        ("empty", "env "),
        ("tls", "file  key\n"),
        ("escaped", "plain secret:DB"),
        ("plain", "plain "),
    ];
    assert_eq!(found, pairs(&expected));
}

#[test]
fn a_text_alone_is_a_tree_and_one_without_references_asks_for_nothing_and_is_recorded() {
    let mut machine = Machine::default();
    let mut world = world();
    assert_eq!(resolve(&mut world, &mut machine, r#""secret:DB""#), Ok(pairs(&[("the root", "secret db-value")])));
    assert_eq!(resolve(&mut world, &mut machine, r#"["INFO", 7]"#), Ok(vec![]));
    assert_eq!(world.last_event().action.as_deref(), Some("resolve"));
    assert_eq!(machine.asked, [""; 0]);
}

#[test]
fn names_without_a_namespace_are_of_the_given_one() {
    let mut world = world();
    world.set("nexus:DB", "of nexus").unwrap();
    let tree = tree(r#"["secret:DB", "secret:default:DB"]"#);
    let found = world.act(|v, a, e| v.resolve(a, (&tree, Some("nexus")), e).unwrap()).unwrap();
    assert_eq!(values(&found), pairs(&[("[0]", "secret of nexus"), ("[1]", "secret db-value")]));
    let refused = world.vault.resolve(&actor("alice"), (&tree, Some("no space")), Box::new(support::Seeded::new(1)));
    assert_eq!(code(refused), Code::NameInvalid);
}

#[test]
fn the_file_of_a_variable_wins_when_it_is_there() {
    let env = [
        ("A", "own"),
        ("A_FILE", "/run/a"),
        ("B", "own"),
        ("B_FILE", "/gone"),
        ("C_FILE", " /run/a \n"),
        ("D_FILE", " "),
    ];
    let mut machine = Machine::of(&[&env[..], &[("D", "own")]].concat(), &[("/run/a", "\t of the file \n\n")]);
    let text = r#"["env:A", "env:B", "env:C", "env:D", "env:A_FILE", "file:/run/a"]"#;
    let expected = [
        ("[0]", "env of the file"),
        ("[1]", "env own"),
        ("[2]", "env of the file"),
        ("[3]", "env own"),
        ("[4]", "env /run/a"),
        ("[5]", "file \t of the file \n\n"),
    ];
    assert_eq!(resolve(&mut world(), &mut machine, text), Ok(pairs(&expected)));
    let once = machine.asked.iter().filter(|asked| *asked == "/run/a" || *asked == "$A_FILE").count();
    assert_eq!(once, 2, "each variable and each file is asked for once: {:?}", machine.asked);
}

#[test]
fn everything_that_is_wrong_is_told_in_one_error_by_its_place_and_without_a_name() {
    let mut world = world();
    for name in ["DISABLED", "EXPIRED", "DELETED"] {
        world.set(name, "canary-value").unwrap();
    }
    world.act(|v, a, e| v.disable(a, &slot("DISABLED"), e)).unwrap();
    world.act(|v, a, e| v.expire(a, &slot("EXPIRED"), Expiry::In(1), e)).unwrap();
    world.delete("DELETED").unwrap();
    let mut machine = Machine::of(&[("ODD_FILE", "/run/locked"), ("BYTES_FILE", "x")], &[("/run/good", "canary")]);
    machine.env.insert("LOCKED", None);
    machine.env.insert("BYTES_FILE", Some(b"/run/\xff"));
    machine.files.insert("/run/locked", None);
    let text = r#"{"ok": "secret:DB", "good": "file:/run/good", "a": [{"missing": "secret:canary_pasted"}], "b": "secret:DISABLED",
        "c": "secret:EXPIRED", "d": "secret:DELETED", "e": "env:canary_unset", "f": "file:/run/canary", "g": "file:/run/locked",
        "h": "env:LOCKED", "i": "env:ODD", "j": "env:BYTES", "k": "secret:canary_pasted"}"#;
    let error = resolve(&mut world, &mut machine, text).unwrap_err();
    assert_eq!(error.code(), Code::ReferenceUnresolved);
    let message = error.message();
    assert!(message.starts_with("11 problems, and nothing was done: a[0].missing: "), "{message}");
    for told in [
        "b: default:DISABLED is disabled",
        "c: default:EXPIRED has expired",
        "d: Secret not found: default:DELETED was deleted",
        "e: the variable is not set",
        "f: there is no such file",
        "g: the file could not be read",
        "h: the variable could not be read",
        "i: the file for it could not be read",
        "j: the variable that names a file for it holds no path",
        "k: Secret not found: there is no secret of that name",
    ] {
        let told = told.replace("default:", &slot("X").to_string().replace('X', ""));
        assert!(message.contains(&told), "{told}\n{message}");
    }
    assert!(!message.contains("canary") && !message.contains("ok:") && !message.contains("good:"), "{message}");
    let event = world.last_event();
    assert_eq!((event.action.as_deref(), event.outcome.as_deref()), (Some("resolve"), Some("error")));
    assert_eq!(world.secret_record("DB").counters.accessed_count, 0, "what was not given is not counted");
    world.verify().unwrap();
}

#[test]
fn one_error_lists_the_first_twenty_and_their_number() {
    let text: Vec<String> = (0..500).map(|index| format!("\"secret:MISSING_{index}\"")).collect();
    let error = resolve(&mut world(), &mut Machine::default(), &format!("[{}]", text.join(","))).unwrap_err();
    let message = error.message();
    assert!(message.starts_with("500 problems, and nothing was done: [0]: "), "{message}");
    assert!(message.contains("; [19]: ") && !message.contains("; [20]: "), "{message}");
    assert!(message.ends_with("; and 480 more") && !message.contains("MISSING"), "{message}");
}

#[test]
fn many_texts_take_one_load_and_one_commit_and_each_secret_is_counted_once() {
    let mut world = world();
    let own: Vec<String> = (0..RESOLVE_MAX - 1).map(|index| format!("KEY_{index}")).collect();
    let assigned: Vec<_> = own.iter().map(|name| (name, plainly(name))).collect();
    for (name, value) in assigned {
        world.act(|v, a, e| v.set(a, &slot(name), value, e)).unwrap();
    }
    let reference = |index: usize| match own.get(index % RESOLVE_MAX) {
        Some(name) => format!("\"secret:{name}\""),
        None => "\"secret:DB\"".to_string(),
    };
    let text: Vec<String> = (0..TEXTS_MAX).map(reference).collect();
    let tree = tree(&format!("[{}]", text.join(",")));
    let flow = flow(&mut world, &tree).unwrap();
    let (mut requests, mut store) = (Vec::new(), world.store.clone());
    let resolved = support::drive_with(flow, &mut world.clock, |_, request| {
        requests.push(request.name());
        store.answer(request)
    });
    let resolved = resolved.unwrap();
    assert_eq!(requests, ["load", "commit"]);
    assert_eq!((resolved.texts.len(), resolved.values.len()), (TEXTS_MAX, RESOLVE_MAX));
    let found = values(&resolved);
    assert_eq!(found[501].1, "secret KEY_1");
    let events = &store.all_events()[world.store.all_events().len()..];
    assert_eq!(events.len(), RESOLVE_MAX + 1);
    assert!(events.iter().all(|event| event.action.as_deref() == Some("resolve")));
    assert_eq!(events[0].stream.as_deref(), Some("vault"));
    world.store = store;
    for name in ["DB", "KEY_0", "KEY_498"] {
        assert_eq!(world.secret_record(name).counters.accessed_count, 1, "{name}");
    }
    world.verify().unwrap();
}

#[test]
fn what_is_too_much_or_malformed_is_refused_before_anything_is_asked() {
    let mut world = world();
    for kind in ["secret:A", "env:A", "file:A"] {
        let texts = |count: usize| {
            let all: Vec<String> = (0..count).map(|index| format!("\"{kind}{index}\"")).collect();
            tree(&format!("[{}]", all.join(",")))
        };
        assert!(flow(&mut world, &texts(RESOLVE_MAX)).is_ok());
        assert_eq!(code(flow(&mut world, &texts(RESOLVE_MAX + 1))), Code::LimitExceeded, "{kind}");
    }
    let many = Json::List(vec![Json::Text("x".into()); TEXTS_MAX + 1]);
    assert_eq!(code(flow(&mut world, &many)), Code::LimitExceeded);
    let deep = (0..65).fold(Json::Text("secret:DB".into()), |inner, _| Json::List(vec![inner]));
    assert_eq!(code(flow(&mut world, &deep)), Code::LimitExceeded);
    assert_eq!(code(flow(&mut world, &tree(r#"["secret:"]"#))), Code::ReferenceInvalid);
    assert_eq!(code(flow(&mut world, &tree(r#"{"a": "1", "a": "2"}"#))), Code::InvalidArgument);
}

fn under(world: &mut World, rules: &str) {
    let text = format!(r#"{{"rules": [{{"id": "owner", "users": ["alice"], "actions": ["*"]}}, {rules}]}}"#);
    world.act(|v, a, e| v.set_policy(a, Policy::parse(&text).unwrap(), e)).unwrap();
}

#[test]
fn who_may_not_read_a_secret_is_told_the_same_whether_it_is_there_or_not() {
    let mut world = world();
    under(&mut world, r#"{"id": "nexus", "users": ["bob"], "actions": ["read"], "namespaces": ["nexus"]}"#);
    world.actor = actor("bob");
    let mut told = |name: &str| {
        let text = format!(r#"{{"x": "secret:{name}", "y": "secret:nexus:BOT", "z": "secret:nexus:NONE"}}"#);
        let error = resolve(&mut world, &mut Machine::default(), &text).unwrap_err();
        let event = world.last_event();
        let (outcome, who) = (event.outcome.clone().unwrap(), event.actor.clone().unwrap());
        assert_eq!((error.code(), &*outcome, &*who), (Code::PermissionDenied, "denied", "bob"));
        error.message().to_string()
    };
    assert_eq!(told("DB"), told("NONE"));
    assert!(told("DB").contains("2 problems") && told("DB").contains("z: Secret not found"), "{}", told("DB"));
    world.actor = actor("alice");
    assert_eq!(world.secret_record("nexus:BOT").counters.accessed_count, 0);
}

#[test]
fn rules_and_grants_allow_each_secret_and_are_recorded_with_it() {
    let mut world = world();
    under(&mut world, r#"{"id": "nexus", "users": ["bob"], "actions": ["read"], "namespaces": ["nexus"]}"#);
    let grant =
        world.act(|v, a, e| v.grant(a, &slot("DB"), (Grantee::User("bob".into()), vec![Permission::Read], None), e));
    world.actor = actor("bob");
    let found = resolve(&mut world, &mut Machine::default(), r#"["secret:DB", "secret:nexus:BOT"]"#).unwrap();
    assert_eq!(found.len(), 2);
    let events = world.store.all_events();
    let rules: Vec<_> = events[events.len() - 2..].iter().map(|event| event.rule.clone().unwrap()).collect();
    assert_eq!(rules, [format!("grant:{}", grant.unwrap().id), "nexus".to_string()]);
}

#[test]
fn variables_and_files_are_not_read_for_who_may_read_nothing() {
    let mut world = world();
    under(&mut world, r#"{"id": "writers", "users": ["carol"], "actions": ["write"]}"#);
    for who in ["bob", "carol"] {
        world.actor = actor(who);
        let mut machine = Machine::of(&[("A", "a")], &[]);
        for text in [r#"["env:A"]"#, r#"["file:/run/a"]"#, r#"["INFO"]"#] {
            assert_eq!(code(resolve(&mut world, &mut machine, text)), Code::PermissionDenied, "{who} {text}");
            assert_eq!(world.last_event().outcome.as_deref(), Some("denied"));
        }
        assert_eq!(machine.asked, [""; 0]);
    }
}

#[test]
fn a_tampered_secret_is_told_by_itself() {
    let mut world = world();
    world.store = support::with_records(&world.store, |records| {
        let record = records.iter_mut().find(|record| record.columns.value_encrypted.is_some()).unwrap();
        record.columns.created_by = Some("mallory".into());
    });
    let text = r#"["secret:DB", "secret:NONE", "secret:nexus:BOT"]"#;
    assert_eq!(code(resolve(&mut world, &mut Machine::default(), text)), Code::RecordTampered);
}

#[test]
fn a_host_without_variables_or_files_is_told_so_and_the_cause_is_its_own() {
    let mut world = world();
    let entropy = world.entropy();
    let asked = tree(r#"["env:A", "file:/run/a", "secret:DB"]"#);
    let flow = world.vault.resolve(&world.actor, (&asked, None), entropy).unwrap();
    let mut clock = world.clock.clone();
    let failed = drive_with(flow, &mut world.store, &mut (), || clock.now()).unwrap_err();
    assert_eq!((failed.error.code(), failed.cause), (Code::ReferenceUnresolved, None));
    assert!(failed.error.message().contains("[0]: there is no environment here"), "{}", failed.error);
    assert!(failed.error.message().contains("[1]: no files are read here"), "{}", failed.error);
    let mut machine = Machine::default();
    machine.files.insert("/run/a", None);
    let flow = self::flow(&mut world, &tree(r#"["file:/run/a"]"#)).unwrap();
    let Failed { error, cause } = drive_with(flow, &mut world.store, &mut machine, || clock.now()).unwrap_err();
    assert_eq!((error.code(), cause), (Code::ReferenceUnresolved, Some(Cause::Host(Broken))));
}

#[test]
fn a_rotator_that_is_not_there_is_unsupported() {
    let rotation = HostRotation { id: "0", namespace: "default", name: "A", version: 1 };
    assert_eq!(().create(rotation), Err(Refusal::Unsupported));
    assert_eq!(().activate(rotation, &secret("x")), Err(Refusal::Unsupported));
}

/// Answers that no honest host gives to a request for variables, and how often a value is offered with them.
fn dishonest() -> Vec<(Answer, usize)> {
    use Found::{Failed as No, Given, Missing};
    let values = |found: &[Found]| Answer::Values { found: found.to_vec() };
    vec![
        (values(&[Given, Missing]), 0),
        (values(&[Given, Missing]), 2),
        (values(&[Missing, Missing]), 1),
        (values(&[Given]), 1),
        (values(&[Given, Given, Given]), 3),
        (values(&[]), 0),
        (values(&[No, No]), 0),
        (Answer::Activated {}, 0),
        (Answer::Unsupported {}, 1),
        (Answer::Load { records: vec![] }, 0),
        (Answer::Commit(CommitAnswer::Committed), 0),
        (Answer::Wait {}, 0),
    ]
}

#[test]
fn a_host_that_gives_what_it_does_not_tell_of_has_given_nothing() {
    for (answer, offered) in dishonest() {
        let mut world = world();
        let mut flow = flow(&mut world, &tree(r#"["env:A"]"#)).unwrap();
        let mut reply = None;
        let error: Error = loop {
            match flow.step(world.clock.now(), reply.take()).unwrap() {
                Step::Ask { number, request: Request::ReadEnv { .. } } => {
                    (0..offered).for_each(|_| flow.offer(secret("canary")));
                    reply = Some(Reply { number, answer: answer.clone() });
                }
                Step::Ask { number, request } => reply = Some(Reply { number, answer: world.store.answer(&request) }),
                Step::Done(result) => break result.unwrap_err(),
            }
        };
        assert_eq!(error.code(), Code::ReferenceUnresolved, "{answer:?}");
        assert!(error.message().starts_with("1 problem, and nothing was done: [0]: "), "{error}");
    }
}

#[test]
fn a_pinned_actor_list_holds_for_trees_too() {
    let options = VaultOptions { actors: Some(vec!["alice".into()]), ..VaultOptions::default() };
    let mut world = World::with(options);
    world.set("DB", "value").unwrap();
    world.actor = actor("mallory");
    for text in [r#"["secret:DB"]"#, r#"["env:A"]"#, "[]"] {
        let mut machine = Machine::of(&[("A", "a")], &[]);
        assert_eq!(code(resolve(&mut world, &mut machine, text)), Code::PermissionDenied);
        assert_eq!(machine.asked, [""; 0]);
    }
}
