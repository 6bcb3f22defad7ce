//! Signing keys, as handles of their text, and checkpoints.

use crate::secret::{Secret, Unicode, raised};
use pyo3::prelude::{PyResult, pyfunction};

/// A fresh signing key.
#[pyfunction]
pub(crate) fn generate_signing_key(name: Unicode) -> PyResult<Secret> {
    strongroom_bindings::generate_signing_key(&name.0).map(Secret::new).map_err(raised)
}

/// A signing key from text.
#[pyfunction]
pub(crate) fn parse_signing_key(text: Unicode, name: Unicode) -> PyResult<Secret> {
    strongroom_bindings::parse_signing_key(&text.0, &name.0).map(Secret::new).map_err(raised)
}

/// A signing key from the values of `STRONGROOM_SIGNING_KEY` and `STRONGROOM_SIGNING_KEY_FILE`.
#[pyfunction]
#[pyo3(signature = (key, key_file, name))]
pub(crate) fn signing_key_from_environment_values(
    key: Option<Unicode>,
    key_file: Option<Unicode>,
    name: Unicode,
) -> PyResult<Secret> {
    let (key, key_file) = (key.as_ref().map(|key| &*key.0), key_file.as_ref().map(|file| &*file.0));
    strongroom_bindings::signing_key_from_environment(key, key_file, &name.0).map(Secret::new).map_err(raised)
}

/// What verifies the signatures of a signing key.
#[pyfunction]
pub(crate) fn verifier_of(key: &Secret, name: &str) -> PyResult<String> {
    strongroom_bindings::verifier_of(&*key.get()?, name).map_err(raised)
}

/// What a checkpoint says of itself, as JSON.
#[pyfunction]
pub(crate) fn read_checkpoint(text: Unicode, verifiers: Vec<String>) -> PyResult<String> {
    strongroom_bindings::read_checkpoint(&text.0, &verifiers).map_err(raised)
}
