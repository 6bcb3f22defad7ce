//! The policy engine against a plain definition of what it should decide, and against policies meant to break it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test crate: helpers outside #[test] may fail loudly too"
)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use strongroom::ident::Slot;
use strongroom::policy::{Decision, Grant, Grantee, Permission, Policy, Scope, Subject};
use strongroom::{ErrorCode, Timestamp};

const ACTIONS: [&str; 6] = ["read", "write", "list", "delete", "export", "admin"];

fn permission(name: &str) -> Permission {
    Permission::from_name(name).unwrap()
}

fn policy(value: Value) -> Policy {
    Policy::parse(&value.to_string()).unwrap()
}

fn secret<'a>(namespace: &'a str, name: &'a str) -> Scope<'a> {
    Scope::Secret { namespace, name }
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

// The plain definition: data of its own, and loops that follow the documentation word by word.

struct PlainRule {
    id: String,
    roles: Vec<&'static str>,
    users: Vec<&'static str>,
    actions: Vec<&'static str>,
    namespaces: Option<Vec<String>>,
    names: Option<Vec<String>>,
}

struct PlainGrant {
    id: String,
    user: Option<&'static str>,
    role: Option<&'static str>,
    actions: Vec<&'static str>,
    until: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    user: &'a str,
    host_roles: &'a [&'static str],
    action: &'a str,
    scope: Scope<'a>,
    now: i64,
}

fn plain_glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), None) => plain_glob(&pattern[1..], text),
        (Some('*'), Some(_)) => plain_glob(&pattern[1..], text) || plain_glob(pattern, &text[1..]),
        (Some('?'), Some(_)) => plain_glob(&pattern[1..], &text[1..]),
        (Some(a), Some(b)) => a == b && plain_glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn plain_match(globs: Option<&Vec<String>>, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    globs.is_none_or(|globs| globs.iter().any(|glob| plain_glob(&glob.chars().collect::<Vec<_>>(), &text)))
}

fn plain_everything(globs: Option<&Vec<String>>) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.replace('*', "").is_empty()))
}

fn plain_decision(
    rules: &[PlainRule],
    members: &BTreeMap<&str, Vec<&str>>,
    grants: &[PlainGrant],
    question: Question<'_>,
) -> Option<String> {
    let mut held: Vec<&str> = question.host_roles.to_vec();
    held.extend(members.get(question.user).into_iter().flatten());
    for rule in rules {
        let somebody = rule.users.contains(&question.user) || rule.roles.iter().any(|role| held.contains(role));
        let action = rule.actions.contains(&question.action) || rule.actions.contains(&"*");
        let (namespaces, names) = (rule.namespaces.as_ref(), rule.names.as_ref());
        let place = match question.scope {
            Scope::Vault => plain_everything(namespaces) && plain_everything(names),
            Scope::Namespace(namespace) => plain_match(namespaces, namespace),
            Scope::AnyNamespace => true,
            Scope::Secret { namespace, name } => plain_match(namespaces, namespace) && plain_match(names, name),
        };
        if somebody && action && place {
            return Some(rule.id.clone());
        }
    }
    for grant in grants {
        let somebody = grant.user == Some(question.user) || grant.role.is_some_and(|role| held.contains(&role));
        let action =
            grant.actions.contains(&question.action) && !["list", "export", "admin"].contains(&question.action);
        let open = grant.until.is_none_or(|until| question.now < until);
        if somebody && action && open && matches!(question.scope, Scope::Secret { .. }) {
            return Some(format!("grant:{}", grant.id));
        }
    }
    None
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below).unwrap()).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.next(of.len())]
    }

    /// So many different ones at most.
    fn some<T: Copy + PartialEq>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let mut chosen = Vec::new();
        for _ in 0..self.next(most + 1) {
            let item = self.one(of);
            if !chosen.contains(&item) {
                chosen.push(item);
            }
        }
        chosen
    }

    fn text(&mut self, alphabet: &[char], longest: usize) -> String {
        (0..=self.next(longest)).map(|_| self.one(alphabet)).collect()
    }

    fn globs(&mut self) -> Option<Vec<String>> {
        let mut globs: Vec<String> =
            (0..self.next(3)).map(|_| self.text(&['a', 'b', '/', '*', '*', '*', '?'], 4)).collect();
        globs.dedup();
        (!globs.is_empty()).then_some(globs)
    }
}

const ROLES: [&str; 4] = ["dev", "Dev", "ops", "u1"];
const USERS: [&str; 4] = ["u1", "u2", "u3", "ops"];

fn draw_rules(draw: &mut Draw) -> Vec<PlainRule> {
    (0..draw.next(5))
        .map(|index| {
            let (mut given, mut users) = (draw.some(&ROLES, 2), draw.some(&USERS, 2));
            if given.is_empty() && users.is_empty() {
                if draw.next(2) == 0 { given.push("dev") } else { users.push("u1") }
            }
            let mut actions = draw.some(&["read", "write", "list", "delete", "export", "admin", "*"], 4);
            if actions.is_empty() {
                actions.push("read");
            }
            let (namespaces, names) = (draw.globs(), draw.globs());
            PlainRule { id: format!("rule-{index}"), roles: given, users, actions, namespaces, names }
        })
        .collect()
}

fn draw_grants(draw: &mut Draw) -> Vec<PlainGrant> {
    (0..draw.next(4))
        .map(|index| {
            let user = (draw.next(2) == 0).then(|| draw.one(&USERS));
            let role = user.is_none().then(|| draw.one(&ROLES));
            // What can't be granted among it: it was not checked, and must have no effect.
            let actions = draw.some(&ACTIONS, 4);
            let until = (draw.next(3) > 0).then(|| i64::try_from(draw.next(10)).unwrap());
            PlainGrant { id: format!("g{index}"), user, role, actions, until }
        })
        .collect()
}

fn as_json(rules: &[PlainRule], members: &BTreeMap<&str, Vec<&str>>) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| {
            let mut value = json!({ "id": rule.id, "roles": rule.roles, "users": rule.users, "actions": rule.actions });
            for (field, globs) in [("namespaces", &rule.namespaces), ("names", &rule.names)] {
                if let Some(globs) = globs {
                    value[field] = json!(globs);
                }
            }
            value
        })
        .collect();
    json!({ "rules": rules, "members": members })
}

fn as_grant(grant: &PlainGrant) -> Grant {
    let to = match (grant.user, grant.role) {
        (Some(user), _) => Grantee::User(user.into()),
        (_, role) => Grantee::Role(role.unwrap().into()),
    };
    Grant {
        id: grant.id.clone(),
        to,
        actions: grant.actions.iter().map(|name| permission(name)).collect(),
        until: grant.until.map(Timestamp::from_millis),
        granted_by: "alice".into(),
        granted_at: Timestamp::from_millis(-1),
    }
}

#[test]
fn two_hundred_thousand_drawn_decisions_agree_with_the_plain_definition() {
    let mut draw = Draw(1);
    // By scope and outcome.
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for _ in 0..4_000 {
        let rules = draw_rules(&mut draw);
        let members: BTreeMap<_, _> =
            draw.some(&USERS, 2).into_iter().map(|user| (user, draw.some(&ROLES, 2))).collect();
        let plain_grants = draw_grants(&mut draw);
        let grants: Vec<Grant> = plain_grants.iter().map(as_grant).collect();
        let text = as_json(&rules, &members).to_string();
        let policy = Policy::parse(&text).unwrap();
        let rewritten = serde_json::to_string(&policy).unwrap();
        assert_eq!(Policy::parse(&rewritten).as_ref(), Ok(&policy), "{text}");
        for _ in 0..50 {
            let (namespace, name) = (draw.text(&['a', 'b', '/'], 3), draw.text(&['a', 'b', '/', '\u{e9}'], 3));
            let (kind, scope) = match draw.next(8) {
                0 => ("vault", Scope::Vault),
                1 => ("namespace", Scope::Namespace(&namespace)),
                2 => ("any", Scope::AnyNamespace),
                _ => ("secret", secret(&namespace, &name)),
            };
            let (user, host_roles) = (draw.one(&["u1", "u2", "u3", "ops", "nobody", ""]), draw.some(&ROLES, 2));
            let (action, now) = (draw.one(&ACTIONS), i64::try_from(draw.next(12)).unwrap());
            let question = Question { user, host_roles: &host_roles, action, scope, now };
            let held = roles(&host_roles);
            let subject = Subject { user, roles: &held };
            let at = Timestamp::from_millis(now);
            let decided = policy.decide_with_grants(subject, permission(action), scope, &grants, at);
            let expected = plain_decision(&rules, &members, &plain_grants, question);
            assert_eq!(decided.rule, expected, "{question:?} {text} {grants:?}");
            assert_eq!(decided.allowed, expected.is_some());
            let without = plain_decision(&rules, &members, &[], question);
            assert_eq!(policy.decide(subject, permission(action), scope).rule, without, "{question:?} {text}");
            let outcome = match &expected {
                None => "denied",
                Some(rule) if rule.starts_with("grant:") => "grant",
                Some(_) => "rule",
            };
            *seen.entry((kind, outcome)).or_default() += 1;
        }
    }
    assert_eq!(seen.values().sum::<u32>(), 200_000);
    // The draw is of use only when it meets each outcome in each scope often; grants speak for secrets alone.
    assert_eq!(seen.len(), 9, "{seen:?}");
    assert!(seen.values().all(|count| *count > 1_000), "{seen:?}");
}

#[test]
fn the_built_in_roles_are_those_of_the_table_that_people_know() {
    let table = "
        | Role            | Read | Write | Delete | List | Export | Admin |
        | senior-engineer | yes  | yes   | yes    | yes  | yes    | yes   |
        | engineer        | yes  | no    | no     | no   | no     | no    |
        | analyst         | yes  | no    | no     | no   | no     | no    |
        | intern          | no   | no    | no     | no   | no     | no    |
        | Senior-Engineer | no   | no    | no     | no   | no     | no    |";
    let mut lines = table.trim().lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let policy = Policy::default_roles();
    let mut decisions = 0;
    for row in lines {
        let held = roles(&[row[1]]);
        let subject = Subject { user: "ada", roles: &held };
        for (column, answer) in head.iter().zip(&row).skip(2).take(6) {
            let asked = permission(&column.to_lowercase());
            let scopes =
                [Scope::Vault, Scope::Namespace("nexus"), Scope::AnyNamespace, secret("nexus", "mcp.bun.apiKey")];
            for scope in scopes {
                let decision = policy.decide(subject, asked, scope);
                assert_eq!(decision.allowed, *answer == "yes", "{} {column} {scope:?}", row[1]);
                decisions += 1;
            }
        }
    }
    assert_eq!(decisions, 5 * 6 * 4);
    let held = roles(&["analyst", "senior-engineer"]);
    let both = policy.decide(Subject { user: "ada", roles: &held }, Permission::Read, Scope::Vault);
    assert_eq!(both.rule.as_deref(), Some("senior-engineers-all"));
    let rewritten = serde_json::to_string(&policy).unwrap();
    assert_eq!(Policy::parse(&rewritten), Ok(policy));
}

#[test]
fn no_rule_means_no() {
    let held = roles(&["senior-engineer", "admin", "root", "*"]);
    let empty = Policy::parse(r#"{"rules": []}"#).unwrap();
    assert_eq!(empty, Policy::empty());
    for action in Permission::ALL {
        for scope in [Scope::Vault, Scope::Namespace("*"), Scope::AnyNamespace, secret("*", "*")] {
            let decision = empty.decide(Subject { user: "*", roles: &held }, action, scope);
            assert_eq!(decision, Decision::DENIED);
        }
    }
}

#[test]
fn a_star_is_no_wildcard_among_roles_and_users() {
    let policy = policy(json!({ "rules": [{ "id": "r", "roles": ["*"], "users": ["*"], "actions": ["*"] }] }));
    let held = roles(&["dev"]);
    assert!(!policy.decide(Subject { user: "ada", roles: &held }, Permission::Read, secret("a", "b")).allowed);
}

#[test]
fn roles_are_no_users_and_users_no_roles() {
    let policy =
        policy(json!({ "rules": [{ "id": "r", "users": ["ops"], "actions": ["*"] }], "members": { "ada": ["ops"] } }));
    let held = roles(&["ops"]);
    for subject in [Subject { user: "eve", roles: &held }, Subject { user: "ada", roles: &[] }] {
        assert!(!policy.decide(subject, Permission::Read, secret("a", "b")).allowed);
    }
    assert!(policy.decide(Subject { user: "ops", roles: &[] }, Permission::Read, secret("a", "b")).allowed);
}

#[test]
fn the_whole_vault_takes_one_rule_that_covers_it() {
    let rule = |id: &str, namespaces: &[&str], names: &[&str]| json!({ "id": id, "roles": ["dev"], "actions": ["*"], "namespaces": namespaces, "names": names });
    let held = roles(&["dev"]);
    let asked = |rules: Value| {
        policy(json!({ "rules": rules })).decide(Subject { user: "ada", roles: &held }, Permission::Admin, Scope::Vault)
    };
    assert!(!asked(json!([rule("halves", &["?", "??*"], &["*"])])).allowed);
    assert!(!asked(json!([rule("a", &["*"], &["a*"]), rule("b", &["a*"], &["*"])])).allowed);
    assert_eq!(asked(json!([rule("a", &["a*"], &["*"]), rule("b", &["x", "**"], &["*", "y"])])).rule.unwrap(), "b");
}

#[test]
fn grants_end_at_their_instant_and_reach_no_further_than_one_secret() {
    let grant = |action, until: i64| Grant {
        id: "g".into(),
        to: Grantee::Role("dev".into()),
        actions: vec![action],
        until: Some(Timestamp::from_millis(until)),
        granted_by: "alice".into(),
        granted_at: Timestamp::from_millis(0),
    };
    let policy = policy(json!({ "rules": [], "members": { "ada": ["dev"] } }));
    let ada = Subject { user: "ada", roles: &[] };
    let asked = |action, scope, now| {
        policy.decide_with_grants(ada, action, scope, &[grant(action, 1_000)], Timestamp::from_millis(now)).rule
    };
    let read = |now| asked(Permission::Read, secret("a", "b"), now);
    assert_eq!([read(999), read(1_000), read(1_001)], [Some("grant:g".to_string()), None, None]);
    for action in Permission::ALL {
        assert_eq!(asked(action, secret("a", "b"), 0).is_some(), action.is_grantable(), "{action:?}");
        for scope in [Scope::Vault, Scope::Namespace("a"), Scope::AnyNamespace] {
            assert_eq!(asked(action, scope, 0), None, "{action:?} {scope:?}");
        }
    }
}

#[test]
fn a_rule_id_cannot_pass_for_a_grant() {
    let text = r#"{"rules": [{"id": "grant:g1", "roles": ["dev"], "actions": ["read"]}]}"#;
    assert_eq!(Policy::parse(text).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_refusal_names_the_permission_and_only_a_slot_that_is_known() {
    let slot = Slot::parse(None, "hunter2").unwrap();
    for action in Permission::ALL {
        let (named, unnamed) = (Decision::refusal(action, Some(&slot)), Decision::refusal(action, None));
        for error in [&named, &unnamed] {
            assert_eq!(error.code(), ErrorCode::PermissionDenied);
            assert!(error.message().starts_with(&format!("permission denied: {} ", action.name())), "{error}");
        }
        assert!(named.message().contains("hunter2") && !unnamed.message().contains("hunter2"));
    }
}

#[test]
fn a_policy_is_written_in_full_and_in_one_form() {
    let short = json!({
        "members": { "zoe": [], "ada": ["dev", "b"] },
        "rules": [
            { "actions": ["write", "*"], "id": "one", "users": ["\u{e9}\"\\"] },
            { "id": "two", "roles": ["dev"], "actions": ["delete", "read"], "names": ["x?", "*"] },
        ],
    });
    let written = concat!(
        r#"{"rules":[{"id":"one","roles":[],"users":["é\"\\"],"actions":["*"],"namespaces":["*"],"names":["*"]},"#,
        r#"{"id":"two","roles":["dev"],"users":[],"actions":["read","delete"],"namespaces":["*"],"names":["x?","*"]}],"#,
        r#""members":{"ada":["dev","b"],"zoe":[]}}"#,
    );
    assert_eq!(serde_json::to_string(&policy(short)).unwrap(), written);
    assert_eq!(serde_json::to_string(&Policy::parse(written).unwrap()).unwrap(), written);
}

#[test]
fn what_is_wrong_is_said_with_its_rule_and_without_what_was_given() {
    let rule = |changes: Value| {
        let mut rule = json!({ "id": "dev/read", "roles": ["dev"], "actions": ["read"] });
        for (field, value) in changes.as_object().unwrap() {
            rule[field] = value.clone();
        }
        json!({ "rules": [{ "id": "first", "roles": ["dev"], "actions": ["read"] }, rule] })
    };
    let many = |count: usize| (0..count).map(|index| format!("hunter2-{index}")).collect::<Vec<_>>();
    let cases = [
        (json!([]), "it must be an object"),
        (json!({}), "missing field `rules`"),
        (json!({ "rules": {} }), "`rules`: it must be a list"),
        (json!({ "rules": null }), "`rules`: it must be a list"),
        (json!({ "rules": [], "version": 1 }), "unknown field `version`"),
        (json!({ "rules": [], "members": null }), "`members`: it must be an object"),
        (json!({ "rules": [], "members": [] }), "`members`: it must be an object"),
        (json!({ "rules": [], "members": { "ada": "hunter2" } }), "member 1: `roles`: it must be a list"),
        (json!({ "rules": [], "members": { "ada": [], "hunter2\n": [] } }), "member 2: a user id must have 1 to 256"),
        (json!({ "rules": [], "members": { "": [] } }), "member 1: a user id must have 1 to 256"),
        (json!({ "rules": [], "members": { "ada": ["hunter2\u{7f}"] } }), "member 1: `roles`: each must have"),
        (
            json!({ "rules": [], "members": { "ada": ["hunter2", "hunter2"] } }),
            "member 1: `roles`: entry 2 is there twice",
        ),
        (json!({ "rules": ["hunter2"] }), "rule 1: it must be an object"),
        (json!({ "rules": [{ "roles": ["dev"], "actions": ["read"] }] }), "rule 1: missing field `id`"),
        (rule(json!({ "id": "hunter2!" })), "rule 2: its id must be 1 to 128 of"),
        (rule(json!({ "id": "" })), "rule 2: its id must be 1 to 128 of"),
        (rule(json!({ "id": "hunter2".repeat(19) })), "rule 2: its id must be 1 to 128 of"),
        (rule(json!({ "id": 7 })), "rule 2: `id`: it must be text"),
        (rule(json!({ "id": "first" })), "rule `first`: an earlier rule has this id"),
        (rule(json!({ "effect": "deny" })), "rule `dev/read`: unknown field `effect`"),
        (rule(json!({ "hunter2 pasted": 1 })), "rule `dev/read`: it has an unknown field"),
        (rule(json!({ "roles": [] })), "rule `dev/read`: it is for nobody"),
        (rule(json!({ "roles": [], "users": [] })), "rule `dev/read`: it is for nobody"),
        (rule(json!({ "roles": null })), "rule `dev/read`: `roles`: it must be a list"),
        (rule(json!({ "roles": [""] })), "rule `dev/read`: `roles`: each must have 1 to 256 bytes"),
        (rule(json!({ "users": ["hunter2".repeat(40)] })), "rule `dev/read`: `users`: each must have 1 to 256 bytes"),
        (rule(json!({ "users": [["hunter2"]] })), "rule `dev/read`: `users`: [0] it must be text"),
        (rule(json!({ "users": ["hunter2", "b", "hunter2"] })), "rule `dev/read`: `users`: entry 3 is there twice"),
        (rule(json!({ "actions": [] })), "rule `dev/read`: `actions`: it must name one at least"),
        (rule(json!({ "actions": ["Read"] })), "rule `dev/read`: `actions`: each must be read, write"),
        (rule(json!({ "actions": ["hunter2"] })), "rule `dev/read`: `actions`: each must be read, write"),
        (rule(json!({ "actions": ["*", "hunter2"] })), "rule `dev/read`: `actions`: each must be read, write"),
        (rule(json!({ "actions": ["read", "read"] })), "rule `dev/read`: `actions`: entry 2 is there twice"),
        (rule(json!({ "actions": "*" })), "rule `dev/read`: `actions`: it must be a list"),
        (rule(json!({ "names": [] })), "rule `dev/read`: `names`: it matches nothing"),
        (rule(json!({ "names": null })), "rule `dev/read`: `names`: it must be a list"),
        (rule(json!({ "namespaces": null })), "rule `dev/read`: `namespaces`: it must be a list"),
        (rule(json!({ "names": ["a", "hunter2 "] })), "rule `dev/read`: `names`: a pattern must be 1 to 256 of"),
        (rule(json!({ "namespaces": [""] })), "rule `dev/read`: `namespaces`: a pattern must be 1 to 256 of"),
        (rule(json!({ "names": many(65) })), "rule `dev/read`: `names` has 65 entries: the limit is 64"),
        (rule(json!({ "roles": many(65) })), "rule `dev/read`: `roles` has 65 entries: the limit is 64"),
        (json!({ "rules": [], "members": { "ada": many(65) } }), "member 1: `roles` has 65 entries: the limit is 64"),
    ];
    for (value, fault) in cases {
        let error = Policy::parse(&value.to_string()).unwrap_err();
        let expected = format!("the policy is refused: {fault}");
        assert!(error.message().starts_with(&expected), "{error}\ninstead of\n{expected}");
        assert!(!error.message().contains("hunter2"), "{error}");
        let limit = fault.contains("the limit is");
        assert_eq!(error.code(), if limit { ErrorCode::LimitExceeded } else { ErrorCode::InvalidArgument }, "{error}");
    }
    assert!(Policy::parse(&rule(json!({ "roles": many(64), "users": ["x".repeat(256)] })).to_string()).is_ok());
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    for text in [
        r#"{"rules": [], "rules": []}"#,
        r#"{"rules": [], "members": {}, "members": {"ada": ["dev"]}}"#,
        r#"{"rules": [], "members": {"ada": [], "bob": [], "ada": ["dev"]}}"#,
        r#"{"rules": [{"id": "a", "roles": ["dev"], "actions": ["read"], "names": ["a"], "names": ["*"]}]}"#,
        r#"{"rules": [{"id": "a", "id": "b", "roles": ["dev"], "actions": ["read"]}]}"#,
        r#"{"rules": [{"id": "a", "roles": ["dev"], "actions": ["read"], "\u006eames": ["a"], "names": ["*"]}]}"#,
    ] {
        let error = Policy::parse(text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{text}");
    }
}

fn refused_quickly(text: &str) -> ErrorCode {
    let started = Instant::now();
    let error = Policy::parse(text).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?} for {error}", started.elapsed());
    assert!(error.message().len() < 300, "{error}");
    error.code()
}

#[test]
fn policies_beyond_the_limits_are_refused_quickly() {
    let rule = |index: usize| json!({ "id": format!("r{index}"), "roles": ["d"], "actions": ["*"] });
    let rules = |count: usize| json!({ "rules": (0..count).map(rule).collect::<Vec<_>>() }).to_string();
    let members = |count: usize| {
        let members: BTreeMap<_, _> = (0..count).map(|index| (format!("u{index}"), roles(&["dev"]))).collect();
        json!({ "rules": [], "members": members }).to_string()
    };
    let huge = json!({ "rules": [], "members": { "x".repeat(10 << 20): [] } }).to_string();
    for text in [&huge, &rules(100_000), &rules(257), &members(100_000), &members(4097)] {
        assert_eq!(refused_quickly(text), ErrorCode::LimitExceeded, "{}", text.len());
    }
    for text in [rules(256), members(4096)] {
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(Policy::parse(&serde_json::to_string(&policy).unwrap()), Ok(policy));
    }
    let spaced = |spaces: usize| format!("{}{}", rules(1), " ".repeat(spaces));
    let most = 256 * 1024 - rules(1).len();
    assert!(Policy::parse(&spaced(most)).is_ok());
    assert_eq!(refused_quickly(&spaced(most + 1)), ErrorCode::LimitExceeded);
}

#[test]
fn what_would_be_too_long_once_written_in_full_is_refused() {
    let text = |names: usize| {
        let names: Vec<_> = (0..names).map(|index| format!("{index:024}")).collect();
        let rule =
            |index: usize| json!({ "id": format!("r{index}"), "roles": ["d"], "actions": ["*"], "names": names });
        json!({ "rules": (0..256).map(rule).collect::<Vec<_>>() }).to_string()
    };
    let policy = Policy::parse(&text(34)).unwrap();
    assert_eq!(Policy::parse(&serde_json::to_string(&policy).unwrap()), Ok(policy));
    assert!(text(35).len() < 256 * 1024, "{}", text(35).len());
    assert_eq!(refused_quickly(&text(35)), ErrorCode::LimitExceeded);
}

#[test]
fn deep_or_broken_json_is_refused() {
    let lists = "[".repeat(100_000);
    let whole = format!(r#"{{"rules": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let objects = r#"{"rules":"#.repeat(20_000);
    let shallow = format!(r#"{{"rules": {}{}}}"#, "[".repeat(100), "]".repeat(100));
    for text in [&lists, &whole, &objects, &shallow, "", "{", "{\"rules\": []} x", "\u{feff}{\"rules\": []}", "NaN"] {
        assert_eq!(refused_quickly(text), ErrorCode::InvalidArgument, "{}", &text[..text.len().min(40)]);
    }
}

#[test]
fn policies_of_costly_patterns_decide_in_bounded_time() {
    // An eighth of the patterns that fit, each of the kind that tries every place, against the longest name of any store.
    let globs: Vec<_> = (0..8).map(|index| format!("*{}b{index}", "a".repeat(50))).collect();
    let rule = |index: usize| json!({ "id": format!("r{index}"), "roles": ["d"], "actions": ["*"], "names": globs });
    let policy = policy(json!({ "rules": (0..32).map(rule).collect::<Vec<_>>() }));
    let held = roles(&["d"]);
    let name = "a".repeat(4096);
    let started = Instant::now();
    let decision = policy.decide(Subject { user: "ada", roles: &held }, Permission::Read, secret("x", &name));
    assert!(!decision.allowed);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
