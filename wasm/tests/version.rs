//! Runs in Node and in headless Chromium (`scripts/test.sh`): the module loads in both.

#![cfg(target_family = "wasm")]

use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn the_module_tells_its_version() {
    assert_eq!(strongroom_wasm::version(), env!("CARGO_PKG_VERSION"));
}
