//! strongroom for the browser: conversion between JavaScript's values and the core's, and nothing else.

mod allocator;
mod keyring;
mod secret;
mod value;

pub use keyring::{NativeKeyring, generate_keyring, parse_keyring};
pub use secret::{NativeSecret, make_secret};

use strongroom::MaskStyle;
use value::{thrown, value_of};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// The version of this package.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// A text that stands for a value.
#[wasm_bindgen]
pub fn mask(value: &JsValue, style: &str) -> Result<String, JsValue> {
    let style = MaskStyle::from_name(style).map_err(thrown)?;
    // EXPOSE: masked on the way.
    Ok(strongroom::mask::mask(value_of(value)?.expose(), style))
}
