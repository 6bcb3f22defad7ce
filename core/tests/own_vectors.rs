//! Our own permanent vectors: every file of `tests/own`, each case with the plaintext or the error code that it has to get.
//!
//! Files are discovered, not listed: a new one runs as soon as it is there. None is ever changed or removed, since what
//! was written stays readable. They were made by an independent implementation (Python, on the package `cryptography`),
//! so both sides would have to be wrong alike. What opens is also written again, byte for byte, under the nonce it holds.
//! Every key in them is a test key.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: what is missing must fail the test"
)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use strongroom::crypto::sealed::{self, Sealed};
use strongroom::crypto::{Context, Format, KeyId, KeyMaterial, Purpose, node_gcm};
use strongroom::keyring::{KeyInfo, WrappedKeyring};
use strongroom::{Entropy, Error, ErrorCode, Keyring, Result, SecretBytes};
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<Case> {
    about: String,
    #[serde(rename = "kind")]
    _kind: String,
    cases: Vec<Case>,
}

/// A value in one of the three formats. Octets are hex; a version is a decimal string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueCase {
    name: String,
    keys: Vec<String>,
    token: String,
    #[serde(default)]
    context: Place,
    outcome: ValueOutcome,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ValueOutcome {
    Opens { plaintext: String, format: String },
    Refused { error: String },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Place {
    purpose: Option<String>,
    vault_id: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    version: Option<String>,
    associated_data: Option<String>,
}

/// A text that `Keyring::parse` is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTextCase {
    name: String,
    text: String,
    outcome: KeyTextOutcome,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum KeyTextOutcome {
    Parses { keys: Vec<String>, key_ids: Vec<String>, written: String },
    Refused { error: String, says: Vec<String> },
}

/// A wrapped keyring, and one way to open it. A time is a decimal string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedCase {
    name: String,
    text: String,
    passphrase: Option<String>,
    data_key: Option<String>,
    made: Option<Making>,
    outcome: WrappedOutcome,
}

/// What the text was made with: entropy in the order in which it is drawn, passphrases by their label.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Making {
    entropy: String,
    passphrases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WrappedOutcome {
    Opens { keys: Vec<WrappedKey> },
    Refused { error: String },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedKey {
    id: String,
    state: String,
    label: Option<String>,
    created_at: Option<String>,
    material: Option<String>,
}

/// Entropy that yields what a text was made with, draw by draw.
struct Draws(Vec<u8>);

impl Entropy for Draws {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let rest = self.0.split_off(buffer.len());
        buffer.copy_from_slice(&core::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

/// Entropy that yields the nonce of a vector, once.
struct Nonces(Vec<u8>);

impl Entropy for Nonces {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        assert_eq!(buffer.len(), self.0.len(), "the whole nonce is asked for at once, and nothing else");
        buffer.copy_from_slice(&core::mem::take(&mut self.0));
        Ok(())
    }
}

#[test]
fn every_vector_of_the_folder_gets_its_outcome() {
    let mut cases = BTreeMap::new();
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own")).unwrap();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let file = path.file_name().unwrap().to_str().unwrap().to_string();
        let json = fs::read_to_string(&path).unwrap();
        let kind = serde_json::from_str::<serde_json::Value>(&json).unwrap()["kind"].as_str().unwrap().to_string();
        let count = match kind.as_str() {
            "value" => run::<ValueCase>(&file, &json, check_value),
            "key_text" => run::<KeyTextCase>(&file, &json, check_key_text),
            "wrapped_keyring" => run::<WrappedCase>(&file, &json, check_wrapped),
            _ => panic!("{file}: the kind {kind} is not known"),
        };
        cases.insert(file, count);
    }
    // What is there today stays: a file that is lost or emptied is missed.
    assert!(cases.len() >= 12, "files: {cases:?}");
    assert!(cases.values().sum::<usize>() >= 280, "cases: {cases:?}");
}

fn run<Case: DeserializeOwned>(file: &str, json: &str, check: impl Fn(&Case) -> Option<String>) -> usize {
    let File { about, cases, .. } = serde_json::from_str::<File<Case>>(json).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert!(!about.is_empty() && !cases.is_empty(), "{file}");
    let broken: Vec<_> = cases.iter().filter_map(check).map(|what| format!("{file}: {what}")).collect();
    assert!(broken.is_empty(), "{} of {} cases:\n{}", broken.len(), cases.len(), broken.join("\n"));
    cases.len()
}

/// What is wrong with the case, if anything is.
fn check_value(case: &ValueCase) -> Option<String> {
    let keys: Vec<_> = case.keys.iter().map(|key| material(key)).collect();
    let place = case.context.parse();
    let opened = open(case, &keys, &place);
    match (&case.outcome, opened) {
        (ValueOutcome::Opens { plaintext, format }, Ok((value, read_from, id))) => {
            let same = hex(&value) == *plaintext && read_from.name() == format;
            let key = keys.iter().find(|key| key.id() == id).unwrap();
            let written = write_again(&case.token, read_from, key, &place.context(), &value);
            let rewritten = written.is_none_or(|text| text == case.token);
            (!same || !rewritten).then(|| format!("{}: {} as {read_from:?}, {rewritten}", case.name, hex(&value)))
        }
        (ValueOutcome::Refused { error }, Err(refused)) => {
            if refused.code() == ErrorCode::KeyUnknown {
                // A caller who holds a key object can try it all the same: the value does not open.
                for key in &keys {
                    let tried = Sealed::parse(&case.token).unwrap().open(key, &place.context());
                    assert_eq!(tried.unwrap_err().code(), ErrorCode::NotAuthentic, "{}", case.name);
                }
            }
            let told = case.token.len() > 4 && refused.message().contains(&case.token);
            (refused.code().name() != error || told).then(|| format!("{}: {refused:?}", case.name))
        }
        (_, Ok((value, ..))) => Some(format!("{}: it opens as {}", case.name, hex(&value))),
        (_, Err(refused)) => Some(format!("{}: {refused:?}", case.name)),
    }
}

/// Opens a value as its reader would: a keyring for an application's own data, the sealed module for a vault's.
fn open(case: &ValueCase, keys: &[KeyMaterial], place: &Parsed) -> Result<(Vec<u8>, Format, KeyId)> {
    let by_sealed = || {
        let sealed = Sealed::parse(&case.token)?;
        let id = sealed.key_id();
        let key = keys.iter().find(|key| key.id() == id).ok_or_else(|| Error::new(ErrorCode::KeyUnknown, "no key"))?;
        Ok((sealed.open(key, &place.context())?.expose().to_vec(), Format::Sealed, id))
    };
    if place.purpose != Purpose::Data {
        return by_sealed();
    }
    let keyring = Keyring::parse(&case.keys.join(",")).unwrap();
    let opened = keyring
        .decrypt(&case.token, place.associated_data.as_deref())
        .map(|opened| (opened.value.expose().to_vec(), opened.format, opened.key_id));
    if Format::of(&case.token) == Format::Sealed {
        let (code, directly) = (opened.as_ref().map_err(Error::code), by_sealed());
        assert_eq!(code, directly.as_ref().map_err(Error::code), "{}: by keyring and directly", case.name);
    }
    opened
}

/// The text that the same value gets under the same nonce; `None` for spellings and formats that are read alone.
fn write_again(token: &str, format: Format, key: &KeyMaterial, context: &Context<'_>, value: &[u8]) -> Option<String> {
    match format {
        Format::Sealed => {
            let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("sr1.")?).ok()?;
            Some(sealed::seal(key, &mut Nonces(bytes[32..56].to_vec()), context, value).unwrap())
        }
        Format::NodeGcm => {
            let bytes = STANDARD.decode(token).ok()?;
            Some(node_gcm::encrypt(key, &mut Nonces(bytes[..16].to_vec()), value).unwrap())
        }
        Format::Fernet => {
            let bytes = URL_SAFE.decode(token).ok()?;
            let (timestamp, iv) = (bytes[1..9].try_into().unwrap(), bytes[9..25].try_into().unwrap());
            Some(key.fernet().encrypt_with_iv(&iv, u64::from_be_bytes(timestamp), value).unwrap().to_text())
        }
    }
}

fn check_key_text(case: &KeyTextCase) -> Option<String> {
    match (&case.outcome, Keyring::parse(&case.text)) {
        (KeyTextOutcome::Parses { keys, key_ids, written }, Ok(keyring)) => {
            let ids: Vec<_> = keyring.keys().map(|key| key.id.to_hex()).collect();
            let derived: Vec<_> = keys.iter().map(|key| material(key).id().to_hex()).collect();
            let same =
                ids == *key_ids && derived == *key_ids && keyring.dangerous_export().expose() == written.as_bytes();
            (!same).then(|| format!("{}: {ids:?}", case.name))
        }
        (KeyTextOutcome::Refused { error, says }, Err(refused)) => {
            let message = refused.message();
            let told = case.text.split([',', '\n']).any(|part| part.len() > 6 && message.contains(part.trim()));
            let as_expected = refused.code().name() == error && says.iter().all(|word| message.contains(word));
            (!as_expected || told).then(|| format!("{}: {refused:?}", case.name))
        }
        (_, Ok(_)) => Some(format!("{}: it is taken for a key", case.name)),
        (_, Err(refused)) => Some(format!("{}: {refused:?}", case.name)),
    }
}

fn check_wrapped(case: &WrappedCase) -> Option<String> {
    let opened = WrappedKeyring::parse(&case.text).and_then(|wrapped| match (&case.passphrase, &case.data_key) {
        (Some(passphrase), None) => wrapped.open_with_passphrase(&SecretBytes::copy_of(passphrase.as_bytes())),
        (None, Some(key)) => wrapped.open_with_data_key(&SecretBytes::new(unhex(key))),
        _ => panic!("{}: it is opened in one way", case.name),
    });
    match (&case.outcome, opened) {
        (WrappedOutcome::Opens { keys }, Ok(opened)) => {
            let told = told_keys(&opened.keyring, keys);
            let rewritten = case.made.as_ref().is_none_or(|made| wrap_again(case, made, &opened.keyring) == case.text);
            (told != *keys || !rewritten).then(|| format!("{}: {told:?}, {rewritten}", case.name))
        }
        (WrappedOutcome::Refused { error }, Err(refused)) => {
            (refused.code().name() != error).then(|| format!("{}: {refused:?}", case.name))
        }
        (_, Ok(_)) => Some(format!("{}: it opens", case.name)),
        (_, Err(refused)) => Some(format!("{}: {refused:?}", case.name)),
    }
}

/// What a keyring tells of its keys, with the material of those that read, which alone is exported.
fn told_keys(keyring: &Keyring, expected: &[WrappedKey]) -> Vec<WrappedKey> {
    let export = keyring.dangerous_export();
    let texts = std::str::from_utf8(export.expose()).unwrap().split(',');
    let materials: BTreeMap<_, _> = texts
        .map(|text| hex(&URL_SAFE_NO_PAD.decode(text.strip_prefix("srk1.").unwrap()).unwrap()[..32]))
        .map(|raw| (material(&raw).id().to_hex(), raw))
        .collect();
    let tell = |(index, key): (usize, &KeyInfo)| {
        let (id, state) = (key.id.to_hex(), key.state.name().to_string());
        let kept = || expected.get(index).and_then(|key| key.material.clone()).filter(|_| state == "disabled");
        WrappedKey {
            material: materials.get(&id).cloned().or_else(kept),
            label: key.label.clone(),
            created_at: key.created_at.map(|at| at.as_millis().to_string()),
            id,
            state,
        }
    };
    keyring.keys().enumerate().map(tell).collect()
}

/// The text that the same keyring gets from the same entropy and passphrases.
fn wrap_again(case: &WrappedCase, made: &Making, keyring: &Keyring) -> String {
    let mut entropy = Draws(unhex(&made.entropy));
    let (mut again, data_key) = WrappedKeyring::seal(keyring, &mut entropy).unwrap();
    for wrap in WrappedKeyring::parse(&case.text).unwrap().wraps() {
        match (wrap.cost(), wrap.opaque()) {
            (Some(cost), _) => {
                let passphrase = SecretBytes::copy_of(made.passphrases[wrap.label()].as_bytes());
                again.add_passphrase(&data_key, wrap.label(), &passphrase, cost, &mut entropy).unwrap();
            }
            (None, opaque) => again.add_host(&data_key, wrap.label(), opaque.unwrap()).unwrap(),
        }
    }
    assert!(entropy.0.is_empty(), "{}: entropy is left", case.name);
    again.to_text().unwrap()
}

fn material(key: &str) -> KeyMaterial {
    KeyMaterial::derive(Box::new(Zeroizing::new(unhex(key).try_into().unwrap())))
}

/// A place with its fields decoded.
struct Parsed {
    purpose: Purpose,
    vault_id: Option<[u8; 16]>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<[u8; 16]>,
    version: Option<u64>,
    associated_data: Option<Vec<u8>>,
}

impl Place {
    fn parse(&self) -> Parsed {
        let id = |text: &Option<String>| text.as_ref().map(|text| unhex(text).try_into().unwrap());
        Parsed {
            purpose: match self.purpose.as_deref() {
                None | Some("data") => Purpose::Data,
                Some("secret") => Purpose::Secret,
                Some("pending") => Purpose::Pending,
                Some("vault-root") => Purpose::VaultRoot,
                Some("wrap") => Purpose::Wrap,
                Some(purpose) => panic!("the purpose {purpose} is not known"),
            },
            vault_id: id(&self.vault_id),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: id(&self.uid),
            version: self.version.as_ref().map(|text| text.parse().unwrap()),
            associated_data: self.associated_data.as_ref().map(|text| unhex(text)),
        }
    }
}

impl Parsed {
    fn context(&self) -> Context<'_> {
        Context {
            purpose: self.purpose,
            vault_id: self.vault_id.as_ref(),
            namespace: self.namespace.as_deref(),
            name: self.name.as_deref(),
            uid: self.uid.as_ref(),
            version: self.version,
            associated_data: self.associated_data.as_deref(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|index| u8::from_str_radix(&text[index..index + 2], 16).unwrap()).collect()
}
