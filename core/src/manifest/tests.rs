use super::*;
use crate::wire::read as json;
use alloc::string::ToString;
use alloc::vec;
use serde_json::{Value, json};

fn manifest(value: &Value) -> Result<Manifest> {
    Manifest::read(json(&value.to_string()).unwrap())
}

fn of_entries(entries: Value) -> Result<Manifest> {
    manifest(&json!({ "version": 1, "entries": entries }))
}

/// An entry with these fields besides its name.
fn entry(name: &str, mut fields: Value) -> Entry {
    fields["name"] = json!(name);
    of_entries(json!([fields])).unwrap().entries()[0].clone()
}

fn mistakes(entries: Value) -> String {
    let error = of_entries(entries).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);
    error.message().to_string()
}

fn names(weaknesses: &[Weakness]) -> Vec<&'static str> {
    weaknesses.iter().map(Weakness::name).collect()
}

/// The settings of the seed's agent system, as its pydantic class and its .env.example have them.
fn seed() -> Value {
    json!({
        "version": 1,
        "environments": ["development", "staging", "production"],
        "entries": [
            { "name": "ENVIRONMENT", "kind": "plain", "default": "development" },
            { "name": "DEBUG", "kind": "plain", "type": "bool", "default": false },
            { "name": "POSTGRES_HOST", "kind": "plain" },
            { "name": "POSTGRES_PORT", "kind": "plain", "type": "int", "default": 5432 },
            { "name": "POSTGRES_SSL_MODE", "kind": "plain", "default": "require" },
            { "name": "POSTGRES_PASSWORD", "environments": ["production"], "minimum_length": 16,
              "classes": ["lower", "upper", "digit", "symbol"], "sensitivity": "critical",
              "generator": { "kind": "password", "length": 24 }, "notify": ["dba@corp.test"],
              "note": "Use strong password\nMaintenance window: Sundays, 02:00 UTC" },
            { "name": "POSTGRES_PASSWORD", "environments": ["development", "staging"] },
            { "name": "SECRET_KEY", "minimum_length": 32 },
            { "name": "DATABASE_URL", "type": "url", "pattern": "postgres://*", "required": false },
        ],
    })
}

#[test]
fn the_seeds_settings_are_read_with_their_defaults() {
    let manifest = manifest(&seed()).unwrap();
    assert_eq!(manifest.environments(), ["development", "staging", "production"]);
    let [environment, debug, host, port, ssl, password, other, ..] = manifest.entries() else { panic!() };
    assert_eq!((environment.kind, environment.value_type), (Kind::Plain, ValueType::Text));
    assert_eq!(debug.default.as_deref(), Some("false"));
    assert!(host.required && host.default.is_none() && host.environments.is_none());
    assert_eq!((port.default.as_deref(), port.value_type), (Some("5432"), ValueType::Int));
    assert_eq!(ssl.slot.to_string(), "POSTGRES_SSL_MODE");
    assert_eq!(password.kind, Kind::Secret);
    assert_eq!(password.minimum_length, Some(16));
    assert_eq!(password.classes.len(), 4);
    assert_eq!(password.sensitivity, Some(Sensitivity::Critical));
    assert_eq!(password.notify, ["dba@corp.test"]);
    assert_eq!(password.generator.as_ref().map(Generator::name), Some("password"));
    assert!(password.is_for(Some("production")) && !password.is_for(Some("staging")) && password.is_for(None));
    assert!(other.is_for(Some("staging")) && host.is_for(Some("anything")));
    assert!(manifest.check_environment("staging").is_ok());
    assert_eq!(manifest.check_environment("prod").unwrap_err().code(), ErrorCode::InvalidArgument);
    assert!(of_entries(json!([])).unwrap().check_environment("prod").is_ok());
}

#[test]
fn the_namespace_of_the_manifest_holds_for_entries_that_name_none() {
    let entries = json!([{ "name": "A" }, { "name": "A", "namespace": "other" }]);
    let manifest = manifest(&json!({ "version": 1, "namespace": "nexus", "entries": entries })).unwrap();
    let slots: Vec<_> = manifest.entries().iter().map(|entry| entry.slot.to_string()).collect();
    assert_eq!(slots, ["nexus:A", "other:A"]);
}

#[test]
fn every_mistake_is_told_in_one_error_that_repeats_no_value() {
    let told = |fields: Value| {
        let mut entry = json!({ "name": "A" });
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let text = mistakes(json!([entry]));
        assert!(!text.contains("canary"), "{text}");
        text.strip_prefix("1 mistake in the manifest: entries[0] (A): ").unwrap_or(&text).to_string()
    };
    for (fields, start) in [
        (json!({ "kind": "canary" }), "`kind`: it must be one of secret, plain"),
        (json!({ "type": "email" }), "`type`: it must be one of text, int, bool, url"),
        (json!({ "type": 7 }), "`type`: it must be one of"),
        (json!({ "default": "canary" }), "`default`: a secret has none"),
        (json!({ "kind": "plain", "default": ["canary"] }), "`default`: it must be text"),
        (json!({ "kind": "plain", "default": 1.5 }), "`default`: it must be text"),
        (json!({ "kind": "plain", "default": "canary\u{0}" }), "`default`: it must be text"),
        (json!({ "kind": "plain", "type": "int", "default": "canary" }), "`default`: it breaks the entry's own rules"),
        (json!({ "kind": "plain", "minimum_length": 9, "default": "canary" }), "`default`: it breaks"),
        (json!({ "required": "canary" }), "`required`: it must be true or false"),
        (json!({ "minimum_length": 0 }), "`minimum_length`: it must be an integer from 1 to 65536"),
        (json!({ "minimum_length": 65537 }), "`minimum_length`"),
        (json!({ "minimum_length": "canary" }), "`minimum_length`"),
        (json!({ "pattern": "" }), "`pattern`"),
        (json!({ "pattern": 7 }), "`pattern`"),
        (json!({ "classes": ["canary"] }), "`classes`: it must be a list of some of lower, upper, digit, symbol"),
        (json!({ "classes": "lower" }), "`classes`"),
        (json!({ "sensitivity": "canary" }), "`sensitivity`: it must be one of critical, high, standard, none"),
        (json!({ "kind": "plain", "sensitivity": "high" }), "`sensitivity`: only secrets have one"),
        (json!({ "kind": "plain", "generator": {} }), "`generator`: only secrets have one"),
        (json!({ "environments": [] }), "`environments`"),
        (json!({ "environments": ["p", "p"] }), "`environments`"),
        (json!({ "environments": ["canary value"] }), "`environments`"),
        (json!({ "environments": "production" }), "`environments`"),
        (json!({ "note": 7 }), "`note`: it must be text"),
        (json!({ "note": "x".repeat(4097) }), "`note`: it must be text of at most"),
        (json!({ "notify": "canary" }), "`notify`"),
        (json!({ "notify": ["canary\n"] }), "`notify`"),
        (json!({ "notify": vec!["x"; 17] }), "`notify`: it must be a list of at most 16"),
        (json!({ "generator": "canary" }), "`generator`: the generator is not known"),
        (json!({ "generator": { "kind": "hex", "bytes": 8 } }), "`generator`: 8 bytes have 64 bits of randomness"),
        (json!({ "generator": { "kind": "hex", "length": 8 } }), "`generator`: unknown field `length`"),
        (json!({ "generator": ["canary"] }), "`generator`: it must be an object"),
        (json!({ "sensitivty": "high" }), "unknown field `sensitivty`"),
        (json!({ "canary Value": "x" }), "it has an unknown field"),
    ] {
        let fault = told(fields.clone());
        assert!(fault.starts_with(start), "{fields}: {fault}");
    }
    let many = mistakes(json!([{ "name": "A", "kind": 1, "type": 1, "required": 1 }, { "name": "two words" }, 7]));
    assert!(many.starts_with("5 mistakes in the manifest: entries[0] (A): `kind`"), "{many}");
    assert!(many.contains("; entries[1]: `name`: the name has another character") && !many.contains("two words"));
    assert!(many.ends_with("; entries[2]: it must be an object"), "{many}");
}

#[test]
fn a_name_that_is_missing_or_no_name_is_told_by_the_place_of_its_entry() {
    for (entry, start) in [
        (json!({}), "1 mistake in the manifest: entries[0]: `name`: it is missing"),
        (json!({ "name": 7 }), "1 mistake in the manifest: entries[0]: `name`: it must be text"),
        (json!({ "name": "" }), "1 mistake in the manifest: entries[0]: `name`: the name is empty"),
        (
            json!({ "name": "A", "namespace": "a b" }),
            "1 mistake in the manifest: entries[0]: `name`: the namespace has",
        ),
    ] {
        let told = mistakes(json!([entry]));
        assert!(told.starts_with(start), "{told}");
    }
}

#[test]
fn the_top_is_strict_too() {
    for (value, expected) in [
        (json!([]), "it must be an object"),
        (json!({ "entries": [] }), "`version`: it must be 1"),
        (json!({ "version": 2, "entries": [] }), "`version`: it must be 1"),
        (json!({ "version": "1", "entries": [] }), "`version`: it must be 1"),
        (json!({ "version": 1 }), "`entries`: it must be a list"),
        (json!({ "version": 1, "entries": {} }), "`entries`: it must be a list"),
        (json!({ "version": 1, "entries": [], "entrys": [] }), "unknown field `entrys`"),
        (
            json!({ "version": 1, "entries": [], "namespace": "a b" }),
            "`namespace`: the namespace has another character",
        ),
        (json!({ "version": 1, "entries": [], "environments": [] }), "`environments`"),
    ] {
        let error = manifest(&value).unwrap_err();
        let told = error.message().strip_prefix("1 mistake in the manifest: ").unwrap_or_else(|| panic!("{error}"));
        assert!(told.starts_with(expected), "{value}: {told}");
    }
    let undeclared = json!({ "version": 1, "environments": ["production"],
                             "entries": [{ "name": "A", "environments": ["prod"] }] });
    let error = manifest(&undeclared).unwrap_err();
    assert!(error.message().ends_with("`environments`: it names one that the manifest does not declare"), "{error}");
}

#[test]
fn mistakes_are_listed_up_to_twenty_and_counted() {
    let told = mistakes(Value::Array(vec![json!({}); 1000]));
    assert!(told.starts_with("1000 mistakes in the manifest: entries[0]: `name`"), "{told}");
    assert!(told.contains("entries[19]") && !told.contains("entries[20]"), "{told}");
    assert!(told.ends_with("; and 980 more"), "{told}");
}

#[test]
fn entries_are_bounded() {
    let entries = |count: usize| Value::Array((0..count).map(|index| json!({ "name": format!("N{index}") })).collect());
    assert_eq!(of_entries(entries(ENTRIES_MAX)).unwrap().entries().len(), ENTRIES_MAX);
    assert_eq!(of_entries(entries(ENTRIES_MAX + 1)).unwrap_err().code(), ErrorCode::LimitExceeded);
}

#[test]
fn two_entries_for_one_name_in_one_environment_are_refused() {
    let of = |first: Value, second: Value| {
        let with = |environments: Value| match environments {
            Value::Null => json!({ "name": "A" }),
            environments => json!({ "name": "A", "environments": environments }),
        };
        of_entries(json!([with(first), { "name": "B" }, with(second)]))
    };
    for (first, second) in [
        (Value::Null, Value::Null),
        (Value::Null, json!(["p"])),
        (json!(["p"]), Value::Null),
        (json!(["a", "p"]), json!(["p", "z"])),
        (json!(["p"]), json!(["p"])),
    ] {
        let error = of(first.clone(), second.clone()).unwrap_err();
        let expected =
            "1 mistake in the manifest: entries[2] (A): entries[0] is for the same name, in the same environment";
        assert_eq!(error.message(), expected, "{first} {second}");
    }
    assert!(of(json!(["a", "b"]), json!(["c", "d"])).is_ok());
    let spaces = json!([{ "name": "A" }, { "name": "A", "namespace": "other" }, { "name": "A", "namespace": "a" }]);
    assert!(of_entries(spaces).is_ok());
    let third =
        json!([{ "name": "A", "environments": ["a"] }, { "name": "A", "environments": ["b"] }, { "name": "A" }]);
    assert!(mistakes(third).starts_with("1 mistake in the manifest: entries[2] (A)"));
    // An entry for everywhere counts for its own name alone.
    let other =
        json!([{ "name": "A" }, { "name": "B", "environments": ["a"] }, { "name": "B", "environments": ["b"] }]);
    assert!(of_entries(other).is_ok());
}

#[test]
fn values_are_checked_against_their_type() {
    for (value_type, good, bad) in [
        ("int", ["5432", "-1", "18446744073709551615"], ["", "1.5", " 1"]),
        ("bool", ["true", "Off", "1"], ["", "maybe", "truee"]),
        ("url", ["https://h", "postgres://u:p@h/d", "git+ssh://h"], ["h", "://h", "https:// h"]),
    ] {
        let entry = entry("A", json!({ "type": value_type }));
        for value in good {
            assert_eq!(check_value(&entry, value.as_bytes()), [], "{value}");
        }
        for value in bad {
            assert_eq!(check_value(&entry, value.as_bytes())[0].name(), "wrong_type", "{value}");
        }
    }
    let text = entry("A", json!({}));
    assert_eq!(check_value(&text, b"\xff\xfe"), [Weakness::WrongType(ValueType::Text)]);
    assert_eq!(check_value(&text, "gr\u{fc}n".as_bytes()), []);
}

#[test]
fn a_production_password_has_sixteen_characters_of_four_classes_where_the_manifest_says_so() {
    let manifest = manifest(&seed()).unwrap();
    let production = &manifest.entries()[5];
    let development = &manifest.entries()[6];
    assert_eq!(check_value(production, b"Tr0ub4dor&3-horse"), []);
    assert_eq!(names(&check_value(production, b"Tr0ub4dor&3")), ["too_short"]);
    assert_eq!(names(&check_value(production, b"tr0ub4dor&3-horse")), ["lacks_class"]);
    assert_eq!(check_value(production, b"horse-horse-horse").len(), 2);
    assert_eq!(
        check_value(production, b"                 "),
        [
            Weakness::LacksClass(CharacterClass::Lower),
            Weakness::LacksClass(CharacterClass::Upper),
            Weakness::LacksClass(CharacterClass::Digit),
            Weakness::LacksClass(CharacterClass::Symbol),
            Weakness::Placeholder(PlaceholderRule::Empty),
        ]
    );
    assert_eq!(check_value(development, b"horse"), []);
    // Characters and not bytes.
    assert_eq!(
        names(&check_value(&entry("A", json!({ "minimum_length": 4 })), "\u{e9}\u{e9}".as_bytes())),
        ["too_short"]
    );
}

#[test]
fn a_value_that_does_not_match_the_pattern_is_weak() {
    let entry = entry("STRIPE", json!({ "pattern": "sk_live_*" }));
    assert_eq!(check_value(&entry, b"sk_live_51H"), []);
    assert_eq!(check_value(&entry, b"sk_test_51H"), [Weakness::PatternNotMet]);
}

#[test]
fn ssl_modes_that_let_somebody_listen_are_weak() {
    for name in ["POSTGRES_SSL_MODE", "PGSSLMODE", "db_ssl_mode"] {
        let entry = entry(name, json!({ "kind": "plain" }));
        for mode in ["disable", "allow", "prefer", "PREFER", "false", "unknown"] {
            assert_eq!(check_value(&entry, mode.as_bytes()), [Weakness::WeakSslMode], "{name}={mode}");
        }
        for mode in ["require", "verify-ca", "verify-full", "VERIFY_IDENTITY", "require\n"] {
            assert_eq!(check_value(&entry, mode.as_bytes()), [], "{name}={mode}");
        }
    }
    assert_eq!(check_value(&entry("POSTGRES_SSL_MODES", json!({ "kind": "plain" })), b"prefer"), []);
}

#[test]
fn weaknesses_show_no_value_and_have_names_of_their_own() {
    let strict = entry(
        "X_SSL_MODE",
        json!({ "type": "int", "minimum_length": 60000, "classes": ["lower", "upper", "digit", "symbol"], "pattern": "z*" }),
    );
    for value in ["your-CANARY-7-here", "CANARY", "changeme-CANARY", "${CANARY}", "<CANARY>", "sk-CANARY-xxxx"] {
        for weakness in check_value(&strict, value.as_bytes()) {
            let shown = format!("{weakness} {weakness:?} {}", weakness.name());
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }
}

#[test]
fn the_example_file_has_comments_defaults_and_empty_secrets() {
    let manifest = manifest(&seed()).unwrap();
    let text = dotenv_example(&manifest, Some("production"));
    assert!(text.contains("# Environment: production\n"));
    assert!(text.contains("\n# POSTGRES_PORT: plain int\nPOSTGRES_PORT=5432\n"), "{text}");
    assert!(text.contains(
        "\n# POSTGRES_PASSWORD: a secret text, 16 characters at least, with lower, upper, digit, symbol, in production; fill in your own\n\
         # Use strong password\n# Maintenance window: Sundays, 02:00 UTC\nPOSTGRES_PASSWORD=\n"
    ), "{text}");
    assert_eq!(text.matches("\nPOSTGRES_PASSWORD=").count(), 1);
    assert!(text.contains("# DATABASE_URL: a secret url, like `postgres://*`; optional; fill in your own\n"), "{text}");
    // Without an environment, both entries for the password are told, and one stands there to be filled in.
    let all = dotenv_example(&manifest, None);
    assert_eq!(all.matches("\nPOSTGRES_PASSWORD=").count(), 1);
    assert_eq!(all.matches("\n# POSTGRES_PASSWORD: ").count(), 2);
    assert!(all.contains("the variable of this name is another entry's"), "{all}");
}

#[test]
fn what_is_no_variable_is_a_comment_and_nothing_in_a_manifest_can_add_a_line() {
    let manifest = of_entries(json!([
        { "name": "mcp.bun.apiKey", "namespace": "nexus", "note": "a\rEVIL=1\nEVIL=2\u{0}\u{85}EVIL=3" },
        { "name": "P", "kind": "plain", "default": "a\nEVIL=4 'b' \"c\" $d \\e" },
        { "name": "Q", "kind": "plain", "default": "two words # here" },
    ]))
    .unwrap();
    let text = dotenv_example(&manifest, Some("x\nEVIL=5"));
    assert!(text.lines().all(|line| !line.starts_with("EVIL")) && !text.contains(['\r', '\0', '\u{85}']), "{text}");
    assert!(text.contains("# nexus:mcp.bun.apiKey: a secret text; fill in your own\n"), "{text}");
    assert!(!text.contains("\nmcp.bun.apiKey=") && text.contains("its name is no variable's"), "{text}");
    assert!(text.contains("\nP=\"a\\nEVIL=4 'b' \\\"c\\\" \\$d \\\\e\"\n"), "{text}");
    assert!(text.ends_with("\nQ='two words # here'\n"), "{text}");
}
