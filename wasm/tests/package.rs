//! What the package does, in Node and in headless Chromium (`scripts/test.sh` runs this in both): values, errors, masking,
//! and the permanent vectors of the core.
#![cfg(target_family = "wasm")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail loudly")]

use js_sys::{Reflect, Uint8Array};
use serde_json::Value;
use strongroom_bindings::MemoryStore;
use strongroom_wasm::{
    NativeSession, NativeVault, SecretHandle, generate_keyring, make_secret, mask, open_vault, parse_keyring, version,
};
use wasm_bindgen::{JsCast, JsValue};
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
    let keyring = generate_keyring(NOW, None).unwrap();
    let none = JsValue::UNDEFINED;
    let bound = JsValue::from_str("user:42");
    let token = keyring.encrypt(&"gr\u{fc}\u{df}e \u{1f511}".into(), None, &bound, NOW).unwrap();
    assert!(token.starts_with("sr1."));
    assert_eq!(keyring.decrypt_text(&token, &bound, None).unwrap().as_string().unwrap(), "gr\u{fc}\u{df}e \u{1f511}");
    for other in [none.clone(), "".into(), "user:43".into()] {
        assert_eq!(code_of(&keyring.decrypt_text(&token, &other, None).unwrap_err()), "NOT_AUTHENTIC");
    }
    let bytes = Uint8Array::from([0xff, 0x00, 0xfe].as_slice());
    let token = keyring.encrypt(&bytes, None, &none, NOW).unwrap();
    assert_eq!(keyring.decrypt_bytes(&token, &none, None).unwrap().to_vec(), [0xff, 0x00, 0xfe]);
    assert_eq!(code_of(&keyring.decrypt_text(&token, &none, None).unwrap_err()), "VALUE_INVALID");
    assert_eq!(code_of(&keyring.encrypt(&JsValue::from(7), None, &none, NOW).unwrap_err()), "INVALID_ARGUMENT");
}

#[wasm_bindgen_test]
fn nonces_are_fresh() {
    let keyring = generate_keyring(NOW, None).unwrap();
    let encrypt = || keyring.encrypt(&"same".into(), None, &JsValue::UNDEFINED, NOW).unwrap();
    assert_ne!(encrypt(), encrypt());
}

#[wasm_bindgen_test]
fn keys_go_out_as_text_and_come_back() {
    let keyring = generate_keyring(NOW, None).unwrap();
    let text = keyring.dangerous_export().unwrap().as_string().unwrap();
    let again = parse_keyring(text).unwrap();
    let id = |keys: &str| serde_json::from_str::<serde_json::Value>(keys).unwrap()[0]["id"].clone();
    assert_eq!(id(&keyring.keys()), id(&again.keys()));
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

fn handle_of(value: &str) -> SecretHandle {
    JsValue::from(make_secret(&value.into()).unwrap()).unchecked_into()
}

fn begin(vault: &NativeVault, operation: &str, value: Option<&str>) -> Result<NativeSession, JsValue> {
    let actor = r#""actor":{"id":"alice"}"#;
    vault.begin(&format!("{{\"op\":{operation},{actor}}}"), value.map(handle_of))
}

/// Runs a session to its end; what it gave stays in it.
fn run(session: &NativeSession, store: &MemoryStore) -> Value {
    let mut reply = None;
    loop {
        let step: Value = serde_json::from_str(&session.step(NOW, reply).unwrap()).unwrap();
        let Some(ask) = step.get("ask") else { return step };
        let answer: Value = serde_json::from_str(&store.answer(&ask["request"].to_string()).unwrap()).unwrap();
        reply = Some(serde_json::json!({ "number": ask["number"], "answer": answer }).to_string());
    }
}

#[wasm_bindgen_test]
fn a_vault_keeps_a_value_and_gives_it_once_to_who_asks() {
    let (store, vault) = (MemoryStore::default(), open_vault(&generate_keyring(NOW, None).unwrap(), "{}").unwrap());
    let set = begin(&vault, r#""set","name":"A""#, Some("sk_test_abc123")).unwrap();
    assert_eq!(run(&set, &store)["done"]["version"], 1);
    assert!(set.take_secret().is_none());
    set.close();
    let get = begin(&vault, r#""get","name":"A""#, None).unwrap();
    let told = run(&get, &store);
    assert_eq!(told["done"]["version"], 1);
    assert!(!told.to_string().contains("sk_test"));
    let secret = get.take_secret().unwrap();
    assert!(get.take_secret().is_none());
    get.close();
    assert_eq!(secret.reveal_text().unwrap().as_string().unwrap(), "sk_test_abc123");
}

#[wasm_bindgen_test]
fn a_secret_given_to_an_operation_can_be_wiped_at_once() {
    let (store, vault) = (MemoryStore::default(), open_vault(&generate_keyring(NOW, None).unwrap(), "{}").unwrap());
    let own = JsValue::from(make_secret(&"of my own".into()).unwrap());
    let operation = r#"{"op":"set","name":"A","actor":{"id":"alice"}}"#;
    let set = vault.begin(operation, Some(own.clone().unchecked_into())).unwrap();
    let wipe: js_sys::Function = Reflect::get(&own, &"wipe".into()).unwrap().unchecked_into();
    wipe.call0(&own).unwrap();
    assert_eq!(run(&set, &store)["done"]["version"], 1);
    set.close();
    assert_eq!(code_of(&vault.begin(operation, Some(own.unchecked_into())).err().unwrap()), "INVALID_ARGUMENT");
    let get = begin(&vault, r#""get","name":"A""#, None).unwrap();
    run(&get, &store);
    assert_eq!(get.take_secret().unwrap().reveal_text().unwrap().as_string().unwrap(), "of my own");
}

/// How often a text of JavaScript's stands in the module's memory.
fn occurrences(text: &JsValue) -> f64 {
    let body = "const bytes = new Uint8Array(memory.buffer), wanted = new TextEncoder().encode(text);
        let count = 0;
        for (let at = bytes.indexOf(wanted[0]); at !== -1; at = bytes.indexOf(wanted[0], at + 1))
            if (wanted.every((byte, index) => bytes[at + index] === byte)) count += 1;
        return count;";
    let count = js_sys::Function::new_with_args("memory, text", body);
    count.call2(&JsValue::NULL, &wasm_bindgen::memory(), text).unwrap().as_f64().unwrap()
}

#[wasm_bindgen_test]
fn an_operation_that_is_given_up_leaves_no_value_in_memory() {
    let vault = open_vault(&generate_keyring(NOW, None).unwrap(), "{}").unwrap();
    // Made by JavaScript, and known to this test by its handle alone.
    let value: JsValue =
        js_sys::Function::new_no_args("return `canary-${Math.random()}`").call0(&JsValue::NULL).unwrap();
    let own = JsValue::from(make_secret(&value).unwrap());
    let set =
        vault.begin(r#"{"op":"set","name":"A","actor":{"id":"alice"}}"#, Some(own.clone().unchecked_into())).unwrap();
    Reflect::get(&own, &"wipe".into()).unwrap().unchecked_into::<js_sys::Function>().call0(&own).unwrap();
    assert!(set.step(NOW, None).unwrap().contains("load"));
    assert!(occurrences(&value) > 0.0);
    set.close();
    assert_eq!(occurrences(&value), 0.0);
}

#[wasm_bindgen_test]
fn what_the_core_refuses_is_thrown_with_its_code() {
    let keyring = generate_keyring(NOW, None).unwrap();
    let refused = |options| code_of(&open_vault(&keyring, options).err().unwrap());
    assert_eq!(refused(r#"{"cofirm":["set"]}"#), "INVALID_ARGUMENT");
    assert_eq!(refused("{"), "INVALID_ARGUMENT");
    let (store, vault) = (MemoryStore::default(), open_vault(&keyring, "{}").unwrap());
    let code = |operation, value| code_of(&begin(&vault, operation, value).err().unwrap());
    assert_eq!(code(r#""set","name":"A""#, None), "INVALID_ARGUMENT");
    assert_eq!(code(r#""get","name":"A""#, Some("x")), "INVALID_ARGUMENT");
    let get = begin(&vault, r#""get","name":"A""#, None).unwrap();
    assert_eq!(run(&get, &store)["failed"]["code"], "SECRET_NOT_FOUND");
    assert_eq!(code_of(&get.step(NOW, None).unwrap_err()), "FLOW_DONE");
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
            match keyring.decrypt_bytes(case["token"].as_str().unwrap(), &data, None) {
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
