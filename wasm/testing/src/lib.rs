//! The conformance kit for the browser, in a module of its own: pages that keep secrets have no use for it.

use strongroom_wasm::NativeSession;
use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the kit, for a store that is to be put to the test.
#[wasm_bindgen(js_name = beginStoreCheck)]
#[must_use]
pub fn begin_store_check() -> NativeSession {
    NativeSession::of_store_check()
}
