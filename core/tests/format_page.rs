//! The worked examples of `docs/format.md`: what the page says is what the code does, octet by octet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: what is missing must fail the test")]

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use std::fs;
use std::path::Path;
use strongroom::crypto::sealed::{self, Sealed};
use strongroom::crypto::{Context, KeyMaterial, Purpose};
use strongroom::{Entropy, Keyring, Result};
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
