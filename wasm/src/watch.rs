//! Rules of access.

use crate::value::thrown;
use strongroom::audit::SharedWatch;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Looks at events by some rules.
#[wasm_bindgen]
pub struct NativeWatch {
    pub(crate) watch: SharedWatch,
}

/// By rules as JSON.
#[wasm_bindgen(js_name = makeWatch)]
pub fn make_watch(rules: &str) -> Result<NativeWatch, JsValue> {
    strongroom_bindings::parse_watch(rules).map(|watch| NativeWatch { watch }).map_err(thrown)
}

#[wasm_bindgen]
impl NativeWatch {
    /// Looks at an event as JSON. Gives what it found, as JSON.
    pub fn observe(&self, event: &str) -> Result<String, JsValue> {
        strongroom_bindings::observe(&self.watch, event).map_err(thrown)
    }
}
