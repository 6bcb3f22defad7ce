//! Manifests.

use crate::value::{thrown, value_of};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Reads a manifest; gives it as JSON.
#[wasm_bindgen(js_name = readManifest)]
pub fn read_manifest(text: &JsValue, format: &str) -> Result<String, JsValue> {
    strongroom_bindings::read_manifest(format, value_of(text)?.expose()).map_err(thrown)
}

/// The text of `.env.example` for a manifest as JSON.
#[wasm_bindgen(js_name = manifestExample)]
pub fn manifest_example(manifest: &str, environment: Option<String>) -> Result<String, JsValue> {
    strongroom_bindings::manifest_example(manifest, environment.as_deref()).map_err(thrown)
}
