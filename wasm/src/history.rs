//! Signing keys, as handles of their text, and checkpoints.

use crate::secret::NativeSecret;
use crate::value::thrown;
use strongroom::SecretBytes;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use zeroize::Zeroizing;

fn held(key: strongroom::Result<SecretBytes>) -> Result<NativeSecret, JsValue> {
    key.map(NativeSecret::new).map_err(thrown)
}

/// A fresh signing key.
#[wasm_bindgen(js_name = generateSigningKey)]
pub fn generate_signing_key(name: &str) -> Result<NativeSecret, JsValue> {
    held(strongroom_bindings::generate_signing_key(name))
}

/// A signing key from text.
#[wasm_bindgen(js_name = parseSigningKey)]
pub fn parse_signing_key(text: String, name: &str) -> Result<NativeSecret, JsValue> {
    held(strongroom_bindings::parse_signing_key(&Zeroizing::new(text), name))
}

/// What verifies the signatures of a signing key.
#[wasm_bindgen(js_name = verifierOf)]
pub fn verifier_of(key: &NativeSecret, name: &str) -> Result<String, JsValue> {
    key.with(|key| strongroom_bindings::verifier_of(key, name).map_err(thrown))
}

/// What a checkpoint says of itself, as JSON.
#[wasm_bindgen(js_name = readCheckpoint)]
pub fn read_checkpoint(text: &str, verifiers: Vec<String>) -> Result<String, JsValue> {
    strongroom_bindings::read_checkpoint(text, &verifiers).map_err(thrown)
}
