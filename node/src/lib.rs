//! strongroom for Node: conversion between JavaScript's values and the core's, and nothing else.

pub mod history;
pub mod keyring;
pub mod manifest;
pub mod secret;
pub mod stored;
pub mod vault;
pub mod watch;
pub mod wrapped;

use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;
use strongroom::{MaskStyle, SecretBytes};

/// What JavaScript gives where a value is wanted: text or bytes.
type Text = Either<String, Uint8Array>;

/// What JavaScript throws: an `Error` whose `code` is the wire name of the core's.
type Thrown = napi::Error<&'static str>;

/// The version of this package.
#[napi]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// From here on, all randomness follows from a seed: for transcripts.
#[cfg(feature = "transcripts")]
#[napi]
#[must_use]
pub fn fix_entropy(seed: u32) -> String {
    strongroom_bindings::fix_entropy(seed).into()
}

/// A text that stands for a value.
#[napi]
pub fn mask(value: Text, style: String) -> Result<String, Thrown> {
    let style = MaskStyle::from_name(&style).map_err(thrown)?;
    let value = secret_of(value);
    // EXPOSE: masked on the way.
    Ok(strongroom::mask::mask(value.expose(), style))
}

/// Takes a value over; the string's own copy in Rust is wiped with it.
fn secret_of(value: Text) -> SecretBytes {
    match value {
        Either::A(text) => SecretBytes::new(text.into_bytes()),
        Either::B(bytes) => SecretBytes::copy_of(&bytes),
    }
}

fn thrown(error: strongroom::Error) -> napi::Error<&'static str> {
    napi::Error::new(error.code().name(), error.message())
}

fn host_failed(error: napi::Error) -> napi::Error<&'static str> {
    napi::Error::new("GenericFailure", error.reason.clone())
}
