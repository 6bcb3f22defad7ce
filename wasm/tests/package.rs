//! What the package does, in Node and in headless Chromium (`scripts/test.sh` runs this in both): values, errors, masking,
//! and the permanent vectors of the core.
#![cfg(target_family = "wasm")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail loudly")]

use js_sys::{Reflect, Uint8Array};
use serde_json::Value;
use strongroom_wasm::{generate_keyring, make_secret, mask, parse_keyring, version};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

const NOW: f64 = 1_700_000_000_000.0;

fn code_of(error: &JsValue) -> String {
    Reflect::get(error, &"code".into()).unwrap().as_string().expect("the error carries a code")
}

#[wasm_bindgen_test]
fn the_module_tells_its_version() {
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
}

#[wasm_bindgen_test]
fn text_and_bytes_go_round_and_associated_data_binds_them() {
    let keyring = generate_keyring(NOW).unwrap();
    let none = JsValue::UNDEFINED;
    let bound = JsValue::from_str("user:42");
    let token = keyring.encrypt(&"gr\u{fc}\u{df}e \u{1f511}".into(), None, &bound).unwrap();
    assert!(token.starts_with("sr1."));
    assert_eq!(keyring.decrypt_text(&token, &bound).unwrap().as_string().unwrap(), "gr\u{fc}\u{df}e \u{1f511}");
    for other in [none.clone(), "".into(), "user:43".into()] {
        assert_eq!(code_of(&keyring.decrypt_text(&token, &other).unwrap_err()), "NOT_AUTHENTIC");
    }
    let bytes = Uint8Array::from([0xff, 0x00, 0xfe].as_slice());
    let token = keyring.encrypt(&bytes, None, &none).unwrap();
    assert_eq!(keyring.decrypt_bytes(&token, &none).unwrap().to_vec(), [0xff, 0x00, 0xfe]);
    assert_eq!(code_of(&keyring.decrypt_text(&token, &none).unwrap_err()), "VALUE_INVALID");
    assert_eq!(code_of(&keyring.encrypt(&JsValue::from(7), None, &none).unwrap_err()), "INVALID_ARGUMENT");
}

#[wasm_bindgen_test]
fn nonces_are_fresh() {
    let keyring = generate_keyring(NOW).unwrap();
    let encrypt = || keyring.encrypt(&"same".into(), None, &JsValue::UNDEFINED).unwrap();
    assert_ne!(encrypt(), encrypt());
}

#[wasm_bindgen_test]
fn keys_go_out_as_text_and_come_back() {
    let keyring = generate_keyring(NOW).unwrap();
    let text = keyring.dangerous_export().unwrap().as_string().unwrap();
    let again = parse_keyring(text).unwrap();
    let id = |keys: JsValue| {
        let first = js_sys::Array::from(&keys).get(0);
        Reflect::get(&first, &"id".into()).unwrap().as_string().unwrap()
    };
    assert_eq!(id(keyring.keys().unwrap()), id(again.keys().unwrap()));
    assert_eq!(code_of(&parse_keyring("hunter2".into()).err().unwrap()), "KEY_INVALID");
    assert_eq!(code_of(&parse_keyring(String::new()).err().unwrap()), "NOT_CONFIGURED");
}

#[wasm_bindgen_test]
fn a_secret_shows_itself_only_when_asked_and_not_after_it_was_wiped() {
    let secret = make_secret(&"sk_test_abc123".into()).unwrap();
    assert_eq!(secret.masked("prefix(4)").unwrap(), "sk_t****");
    assert_eq!(mask(&"sk_test_abc123".into(), "full").unwrap(), "****");
    assert_eq!(code_of(&secret.masked("all").unwrap_err()), "INVALID_ARGUMENT");
    assert!(secret.equals(&make_secret(&"sk_test_abc123".into()).unwrap()).unwrap());
    assert!(!secret.equals(&make_secret(&"sk_test_abc124".into()).unwrap()).unwrap());
    assert_eq!(secret.reveal_text().unwrap().as_string().unwrap(), "sk_test_abc123");
    secret.wipe();
    assert_eq!(code_of(&secret.reveal_text().unwrap_err()), "INVALID_ARGUMENT");
}

/// Every case of every file that a host without contexts can run; the files are those that the core discovers.
#[wasm_bindgen_test]
fn the_permanent_vectors_hold() {
    let files = [
        include_str!("../../core/tests/own/sealed_v1_data.json"),
        include_str!("../../core/tests/own/sealed_v1_refused.json"),
        include_str!("../../core/tests/own/node_gcm.json"),
        include_str!("../../core/tests/own/node_gcm_refused.json"),
        include_str!("../../core/tests/own/fernet.json"),
        include_str!("../../core/tests/own/fernet_refused.json"),
    ];
    let mut opened = 0;
    let mut refused = 0;
    for file in files {
        let file: Value = serde_json::from_str(file).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let context = case["context"].as_object();
            if context.is_some_and(|context| context.keys().any(|key| key != "purpose" && key != "associated_data")) {
                continue; // A vault's context: not to be had here.
            }
            let keys: Vec<&str> = case["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
            let keyring = parse_keyring(keys.join(",")).unwrap();
            let data = case["context"]["associated_data"].as_str();
            let data = data.map_or(JsValue::UNDEFINED, |data| Uint8Array::from(from_hex(data).as_slice()).into());
            let name = case["name"].as_str().unwrap();
            match keyring.decrypt_bytes(case["token"].as_str().unwrap(), &data) {
                Ok(value) => {
                    let expected = case["outcome"]["plaintext"].as_str().unwrap_or_else(|| panic!("{name}: opened"));
                    assert_eq!(value.to_vec(), from_hex(expected), "{name}");
                    opened += 1;
                }
                Err(error) => {
                    assert_eq!(case["outcome"]["error"].as_str(), Some(code_of(&error).as_str()), "{name}");
                    refused += 1;
                }
            }
        }
    }
    assert!(opened > 15 && refused > 50, "{opened} opened, {refused} refused");
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
