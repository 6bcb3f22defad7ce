//! strongroom for the browser: conversion between JavaScript's values and the core's, and nothing else.

mod allocator;
mod history;
mod keyring;
mod manifest;
mod secret;
mod stored;
mod value;
mod vault;
mod watch;
mod wrapped;

pub use history::{generate_signing_key, parse_signing_key, read_checkpoint, verifier_of};
pub use keyring::{NativeKeyring, generate_keyring, parse_keyring};
pub use manifest::{manifest_example, read_manifest};
pub use secret::{NativeSecret, SecretHandle, make_secret};
pub use stored::{NativeDocument, make_document};
pub use vault::{NativeSession, NativeVault, open_vault, open_watched_vault};
pub use watch::{NativeWatch, make_watch};
pub use wrapped::{NativeOpened, NativeWrapped, parse_wrapped_keyring, seal_keyring};

use strongroom::MaskStyle;
use value::{thrown, value_of};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// The version of this package.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// From here on, all randomness follows from a seed: for transcripts.
#[cfg(feature = "transcripts")]
#[wasm_bindgen(js_name = fixEntropy)]
#[must_use]
pub fn fix_entropy(seed: u32) -> String {
    strongroom_bindings::fix_entropy(seed).into()
}

/// A text that stands for a value.
#[wasm_bindgen]
pub fn mask(value: &JsValue, style: &str) -> Result<String, JsValue> {
    let style = MaskStyle::from_name(style).map_err(thrown)?;
    // EXPOSE: masked on the way.
    Ok(strongroom::mask::mask(value_of(value)?.expose(), style))
}
