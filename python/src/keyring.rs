//! Keyrings.

use crate::secret::{Text, Unicode, raised};
use pyo3::prelude::{Bound, PyResult, Python, pyclass, pyfunction, pymethods};
use pyo3::types::{PyBytes, PyString};
use std::sync::Arc;
use strongroom::crypto::Format;
use strongroom::keyring::Decrypted;
use strongroom_bindings::{OsEntropy, keyring_from_environment, keyring_info, now, revealed_text};

/// Keys, outside of Python's heap.
#[pyclass(frozen)]
pub(crate) struct Keyring {
    pub(crate) keyring: Arc<strongroom::Keyring>,
}

fn wrapped(keyring: strongroom::Result<strongroom::Keyring>) -> PyResult<Keyring> {
    keyring.map(|keyring| Keyring { keyring: Arc::new(keyring) }).map_err(raised)
}

/// A keyring of one fresh key.
#[pyfunction]
pub(crate) fn generate_keyring(now_millis: f64) -> PyResult<Keyring> {
    wrapped(strongroom::Keyring::generate(&mut OsEntropy, now(now_millis)))
}

/// A keyring from text.
#[pyfunction]
pub(crate) fn parse_keyring(text: Unicode) -> PyResult<Keyring> {
    wrapped(strongroom::Keyring::parse(&text.0))
}

/// A keyring from the values of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_FILE`.
#[pyfunction]
#[pyo3(signature = (key, key_file))]
pub(crate) fn keyring_from_environment_values(key: Option<Unicode>, key_file: Option<Unicode>) -> PyResult<Keyring> {
    let (key, key_file) = (key.as_ref().map(|text| &*text.0), key_file.as_ref().map(|text| &*text.0));
    wrapped(keyring_from_environment(key, key_file))
}

#[pymethods]
impl Keyring {
    #[pyo3(signature = (plaintext, format_name, associated_data))]
    fn encrypt(&self, plaintext: Text, format_name: &str, associated_data: Option<Text>) -> PyResult<String> {
        let format = Format::from_name(format_name).map_err(raised)?;
        let associated_data = associated_data.as_ref().map(Text::as_bytes);
        self.keyring.encrypt(&mut OsEntropy, plaintext.as_bytes(), format, associated_data).map_err(raised)
    }

    #[pyo3(signature = (token, associated_data))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        token: Unicode,
        associated_data: Option<Text>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        // EXPOSE: the host asked for it by name.
        Ok(PyBytes::new(py, self.opened(&token.0, associated_data)?.value.expose()))
    }

    /// `(format, key id)` of a token.
    #[pyo3(signature = (token, associated_data))]
    fn inspect(&self, token: Unicode, associated_data: Option<Text>) -> PyResult<(&'static str, String)> {
        let Decrypted { format, key_id, .. } = self.opened(&token.0, associated_data)?;
        Ok((format.name(), key_id.to_hex()))
    }

    /// What may be told of every key, as JSON.
    fn keys(&self) -> String {
        keyring_info(&self.keyring).to_string()
    }

    fn dangerous_export<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let text = self.keyring.dangerous_export();
        Ok(PyString::new(py, revealed_text(&text).map_err(raised)?))
    }
}

impl Keyring {
    fn opened(&self, token: &str, associated_data: Option<Text>) -> PyResult<Decrypted> {
        self.keyring.decrypt(token, associated_data.as_ref().map(Text::as_bytes)).map_err(raised)
    }
}
