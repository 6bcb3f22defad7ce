//! Manifests.

use crate::{Text, Thrown, secret_of, thrown};
use napi_derive::napi;

/// Reads a manifest; gives it as JSON.
#[napi]
pub fn read_manifest(text: Text, format: String) -> Result<String, Thrown> {
    strongroom_bindings::read_manifest(&format, secret_of(text).expose()).map_err(thrown)
}

/// The text of `.env.example` for a manifest as JSON.
#[napi]
pub fn manifest_example(manifest: String, environment: Option<String>) -> Result<String, Thrown> {
    strongroom_bindings::manifest_example(&manifest, environment.as_deref()).map_err(thrown)
}
