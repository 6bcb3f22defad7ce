//! Manifests.

use crate::secret::{Text, raised};
use pyo3::prelude::{PyResult, pyfunction};

/// Reads a manifest; gives it as JSON.
#[pyfunction]
pub(crate) fn read_manifest(text: Text, format_name: &str) -> PyResult<String> {
    strongroom_bindings::read_manifest(format_name, text.as_bytes()).map_err(raised)
}

/// The text of `.env.example` for a manifest as JSON.
#[pyfunction]
#[pyo3(signature = (manifest, environment))]
pub(crate) fn manifest_example(manifest: &str, environment: Option<&str>) -> PyResult<String> {
    strongroom_bindings::manifest_example(manifest, environment).map_err(raised)
}
