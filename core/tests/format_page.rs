//! The worked examples of `docs/format.md`: what the page says is what the code does, octet by octet.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: what is missing must fail the test"
)]

mod support;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use strongroom::Leaked;
use strongroom::crypto::sealed::{self, Sealed};
use strongroom::crypto::{Context, KeyMaterial, Purpose};
use strongroom::generate::Generator;
use strongroom::ops::{Expiry, Rotation, Setting, WithoutGenerator};
use strongroom::policy::{Grantee, Permission, Policy};
use strongroom::record::RecordKind;
use strongroom::rotation::Sensitivity;
use strongroom::{Entropy, Keyring, Result};
use support::{World, secret, slot};
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroizing;

/// A section of the page, from its heading to the next one of any level.
struct Section(String);

impl Section {
    fn read(heading: &str) -> Section {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/format.md")).unwrap();
        let (_, rest) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
        Section(rest.split("\n#").next().unwrap_or(rest).to_string())
    }

    /// What stands behind a label at the beginning of a line, without quotes.
    fn text(&self, label: &str) -> String {
        let line = self.0.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix("  "));
        line.unwrap_or_else(|| panic!("no line {label}")).trim().trim_matches('"').to_string()
    }

    fn octets(&self, label: &str) -> Vec<u8> {
        unhex(&self.text(label))
    }

    fn array<const N: usize>(&self, label: &str) -> [u8; N] {
        self.octets(label).try_into().unwrap()
    }
}

/// Entropy that yields the page's nonce.
struct Fixed([u8; 24]);

impl Entropy for Fixed {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        buffer.copy_from_slice(&self.0);
        Ok(())
    }
}

#[test]
fn the_keys_of_the_example_are_derived_as_the_page_says() {
    let page = Section::read("### Worked example");
    let material = page.octets("material");
    assert_eq!(derive(&material, "strongroom/v1/seal"), page.octets("seal key"));
    assert_eq!(derive(&material, "strongroom/v1/key-id"), page.octets("key id"));
    let keyring = Keyring::parse(&page.text("material")).unwrap();
    assert_eq!(keyring.keys().next().unwrap().id.as_bytes(), page.octets("key id").as_slice());
    assert_eq!(keyring.dangerous_export().expose(), page.text("key text").as_bytes());
    assert!(Keyring::parse(&page.text("key text")).is_ok());
}

#[test]
fn the_example_opens_and_is_written_again() {
    let page = Section::read("### Worked example");
    let key = KeyMaterial::derive(Box::new(Zeroizing::new(page.array("material"))));
    let (namespace, name) = (page.text("namespace"), page.text("name"));
    let context = Context {
        purpose: Purpose::Secret,
        vault_id: Some(&page.array("vault id")),
        namespace: Some(&namespace),
        name: Some(&name),
        uid: Some(&page.array("uid")),
        version: Some(page.text("version").parse().unwrap()),
        associated_data: None,
    };
    assert_eq!((page.text("purpose"), page.text("associated data")), ("secret".to_string(), "absent".to_string()));
    let opened = Sealed::parse(&page.text("text")).unwrap().open(&key, &context).unwrap();
    assert_eq!(opened.expose(), page.octets("plaintext"));
    let written = sealed::seal(&key, &mut Fixed(page.array("nonce")), &context, opened.expose()).unwrap();
    assert_eq!(written, page.text("text"));
}

#[test]
fn the_example_is_laid_out_and_encrypted_as_the_page_says() {
    let page = Section::read("### Worked example");
    let layout = ["key id", "nonce", "ciphertext", "tag"].map(|label| page.octets(label)).concat();
    assert_eq!(page.text("text"), format!("sr1.{}", URL_SAFE_NO_PAD.encode(layout)));

    let fields = page.0.lines().filter_map(|line| line.split_once(" | "));
    let spelt_out: String = fields.flat_map(|(_, octets)| octets.chars()).filter(|c| !c.is_whitespace()).collect();
    assert_eq!(spelt_out, page.text("encoded"));

    let (msg, aad) = ([page.octets("ciphertext"), page.octets("tag")].concat(), page.octets("encoded"));
    let xaes = Xaes256Gcm::new(&page.array("seal key").into());
    let opened = xaes.decrypt(&page.array("nonce").into(), Payload { msg: &msg, aad: &aad });
    assert_eq!(opened.unwrap(), page.octets("plaintext"));
    let gcm = Aes256Gcm::new(&page.array("derived key").into());
    let opened = gcm.decrypt(&page.array("GCM nonce").into(), Payload { msg: &msg, aad: &aad });
    assert_eq!(opened.unwrap(), page.octets("plaintext"));
}

#[test]
fn the_keys_of_the_example_root_are_derived_as_the_page_says() {
    let page = Section::read("## The vault root");
    for purpose in ["audit", "record", "fingerprint"] {
        let info = format!("strongroom/v1/{purpose}");
        assert!(page.0.contains(&format!("| {purpose} key | `HKDF(root, \"{info}\")` |")), "{purpose}");
        assert_eq!(derive(&page.octets("root"), &info), page.octets(&format!("{purpose} key")));
    }
}

fn derive(material: &[u8], info: &str) -> Vec<u8> {
    let mut okm = vec![0; 32];
    Hkdf::<Sha256>::new(None, material).expand(info.as_bytes(), &mut okm).unwrap();
    okm
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|index| u8::from_str_radix(&text[index..index + 2], 16).unwrap()).collect()
}

/// The names of the fields that a JSON object has, or of every object in a list of them.
fn fields(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(items) => items.iter().flat_map(fields).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn the_bodies_of_records_have_the_fields_that_the_page_names() {
    let mut world = World::new();
    let setting = Setting {
        sensitivity: Some(Sensitivity::High),
        expiry: Some(Expiry::In(1_000_000)),
        notify: Some(vec!["ops".into()]),
        generator: Some(Generator::from_name("password").unwrap()),
    };
    world.set("PLAIN", "x").unwrap();
    world.set("PLAIN", "y").unwrap();
    world.act(|v, a, e| v.set(a, &slot("RICH"), (secret("x").into(), setting), e)).unwrap();
    let rotation =
        Rotation { grace_millis: Some(9_000), expiry: Some(Expiry::In(1_000_000)), ..Rotation::to(secret("y")) };
    world.act(|v, a, e| v.rotate(a, &slot("RICH"), rotation, e)).unwrap();
    let to = (Grantee::User("bob".into()), vec![Permission::Read], None);
    world.act(|v, a, e| v.grant(a, &slot("RICH"), to, e)).unwrap();
    let rule = r#"{"rules": [{"id": "r", "users": ["alice"], "actions": ["*"]}]}"#;
    world.act(|v, a, e| v.set_policy(a, Policy::parse(rule).unwrap(), e)).unwrap();
    world.set("LEAKED", "x").unwrap();
    world.set("LEAKED", "y").unwrap();
    let leak = (Leaked::Secret(slot("LEAKED")), WithoutGenerator::Keep);
    world.act(|v, a, e| v.emergency_rotate(a, leak, (None, 9), e).unwrap()).unwrap();
    // A host without a rotator is asked for one, and the rotation stays under way.
    let entropy = world.entropy();
    let flow = world.vault.rotate_with_rotator(&world.actor, &slot("LEAKED"), None, None, entropy);
    let now = world.clock.now();
    strongroom::store::drive(flow, &mut world.store, || now).unwrap_err();
    let body = |kind: RecordKind, name: &str| -> Value {
        let record = world.store.records().find(|record| record.key.kind == kind && record.key.name == name);
        serde_json::from_str(&record.unwrap().data).unwrap()
    };

    let records = Section::read("## Records").0;
    let row = |kind: &str| records.lines().find(|line| line.starts_with(&format!("| `{kind}` |"))).unwrap();
    let names = |kind: &str, field: &str| assert!(row(kind).contains(field), "{kind}: {field}");
    let whole_row = |kind: &str, body: &Value| fields(body).iter().for_each(|field| names(kind, field));
    whole_row("secret", &body(RecordKind::Secret, "PLAIN"));
    whole_row("secret", &body(RecordKind::Secret, "RICH")["versions"][0]);
    whole_row("stream", &body(RecordKind::Stream, "vault"));
    whole_row("ring", &body(RecordKind::Ring, "vault"));
    whole_row("ring", &body(RecordKind::Ring, "vault")["keys"]);
    whole_row("policy", &body(RecordKind::Policy, "vault"));

    let page = Section::read("### Body of a secret").0;
    let told = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<String> = told.map(ToString::to_string).collect();
    let (plain, rich) = (body(RecordKind::Secret, "PLAIN"), body(RecordKind::Secret, "RICH"));
    let leaked = body(RecordKind::Secret, "LEAKED");
    let rich_fields: BTreeSet<String> = fields(&rich).union(&fields(&leaked)).cloned().collect();
    let found: BTreeSet<String> = rich_fields.difference(&fields(&plain)).cloned().collect();
    // `resealed` is written by a rekey alone.
    let expected: BTreeSet<String> = told.iter().filter(|name| *name != "resealed").cloned().collect();
    assert_eq!(found, expected);
    assert!(fields(&leaked["rotating"]).iter().all(|field| page.contains(field)));
    assert!(fields(&rich["grants"]).iter().chain(&fields(&rich["grace"])).all(|field| page.contains(field)));
    assert!(page.contains("ended_at") && rich["versions"][0]["ended_at"].is_number());

    let policy = body(RecordKind::Policy, "vault");
    let page = Section::read("### Policy").0;
    assert!(fields(&policy["rules"]).iter().all(|field| page.contains(field.as_str())));
    assert_eq!(policy["rules"][0]["actions"], serde_json::json!(["*"]));
}
