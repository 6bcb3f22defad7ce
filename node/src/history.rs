//! Signing keys, as handles of their text, and checkpoints.

use crate::secret::NativeSecret;
use crate::{Thrown, thrown};
use napi_derive::napi;
use strongroom::{Result as Outcome, SecretBytes};
use zeroize::Zeroizing;

fn held(key: Outcome<SecretBytes>) -> Result<NativeSecret, Thrown> {
    key.map(NativeSecret::new).map_err(thrown)
}

/// A fresh signing key.
#[napi]
pub fn generate_signing_key(name: String) -> Result<NativeSecret, Thrown> {
    held(strongroom_bindings::generate_signing_key(&name))
}

/// A signing key from text.
#[napi]
pub fn parse_signing_key(text: String, name: String) -> Result<NativeSecret, Thrown> {
    held(strongroom_bindings::parse_signing_key(&Zeroizing::new(text), &name))
}

/// A signing key from the values of `STRONGROOM_SIGNING_KEY` and `STRONGROOM_SIGNING_KEY_FILE`.
#[napi]
pub fn signing_key_from_environment_values(
    name: String,
    key: Option<String>,
    key_file: Option<String>,
) -> Result<NativeSecret, Thrown> {
    let key = key.map(Zeroizing::new);
    let key = key.as_ref().map(|key| key.as_str());
    held(strongroom_bindings::signing_key_from_environment(key, key_file.as_deref(), &name))
}

/// What verifies the signatures of a signing key.
#[napi]
pub fn verifier_of(key: &NativeSecret, name: String) -> Result<String, Thrown> {
    strongroom_bindings::verifier_of(&*key.get()?, &name).map_err(thrown)
}

/// What a checkpoint says of itself, as JSON.
#[napi]
pub fn read_checkpoint(text: String, verifiers: Vec<String>) -> Result<String, Thrown> {
    strongroom_bindings::read_checkpoint(&text, &verifiers).map_err(thrown)
}
