//! Keyrings.

use crate::secret::{Text, Unicode, raised};
use pyo3::prelude::{Bound, PyResult, Python, pyclass, pyfunction, pymethods};
use pyo3::types::{PyBytes, PyString};
use std::sync::Arc;
use strongroom::Entropy;
use strongroom::crypto::Format;
use strongroom::keyring::Decrypted;
use strongroom_bindings::{
    OsEntropy, decrypt, keyring_from_environment, keyring_info, now, revealed_text, with_advanced, with_enabled,
    with_label, with_primary,
};

/// Keys, outside of Python's heap.
#[pyclass(frozen)]
pub(crate) struct Keyring {
    pub(crate) keyring: Arc<strongroom::Keyring>,
}

fn held(keyring: strongroom::Result<strongroom::Keyring>) -> PyResult<Keyring> {
    keyring.map(|keyring| Keyring { keyring: Arc::new(keyring) }).map_err(raised)
}

/// A keyring of one fresh key.
#[pyfunction]
#[pyo3(signature = (label, now_millis))]
pub(crate) fn generate_keyring(label: Option<Unicode>, now_millis: f64) -> PyResult<Keyring> {
    held(strongroom_bindings::generate_keyring(text_of(label.as_ref()), now(now_millis)))
}

/// A keyring from text.
#[pyfunction]
pub(crate) fn parse_keyring(text: Unicode) -> PyResult<Keyring> {
    held(strongroom::Keyring::parse(&text.0))
}

/// A keyring from the values of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_FILE`.
#[pyfunction]
#[pyo3(signature = (key, key_file))]
pub(crate) fn keyring_from_environment_values(key: Option<Unicode>, key_file: Option<Unicode>) -> PyResult<Keyring> {
    held(keyring_from_environment(text_of(key.as_ref()), text_of(key_file.as_ref())))
}

fn text_of(text: Option<&Unicode>) -> Option<&str> {
    text.map(|text| &*text.0)
}

#[pymethods]
impl Keyring {
    #[pyo3(signature = (plaintext, format_name, associated_data, now_millis))]
    fn encrypt(
        &self,
        py: Python<'_>,
        plaintext: Text,
        format_name: &str,
        associated_data: Option<Text>,
        now_millis: f64,
    ) -> PyResult<String> {
        let format = Format::from_name(format_name).map_err(raised)?;
        let (plaintext, associated_data) = (plaintext.as_bytes(), associated_data.as_ref().map(Text::as_bytes));
        let source: (&mut dyn Entropy, _) = (&mut OsEntropy, now(now_millis));
        detached_when_long(py, plaintext.len(), || self.keyring.encrypt(source, plaintext, format, associated_data))
            .map_err(raised)
    }

    #[pyo3(signature = (token, associated_data, formats))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        token: Unicode,
        associated_data: Option<Text>,
        formats: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        // EXPOSE: the host asked for it by name.
        Ok(PyBytes::new(py, self.opened(py, &token.0, associated_data, formats)?.value.expose()))
    }

    /// `(format, key id)` of a token.
    #[pyo3(signature = (token, associated_data))]
    fn inspect(
        &self,
        py: Python<'_>,
        token: Unicode,
        associated_data: Option<Text>,
    ) -> PyResult<(&'static str, String)> {
        let Decrypted { format, key_id, .. } = self.opened(py, &token.0, associated_data, None)?;
        Ok((format.name(), key_id.to_hex()))
    }

    /// What may be told of every key, as JSON.
    fn keys(&self) -> String {
        keyring_info(&self.keyring)
    }

    /// With one key more, enabled: the one of that text, or a fresh one.
    #[pyo3(signature = (key, label, now_millis))]
    fn add_enabled(&self, key: Option<Unicode>, label: Option<Unicode>, now_millis: f64) -> PyResult<Keyring> {
        held(with_enabled(&self.keyring, text_of(key.as_ref()), text_of(label.as_ref()), now(now_millis)))
    }

    fn make_primary(&self, key_id: &str) -> PyResult<Keyring> {
        held(with_primary(&self.keyring, key_id))
    }

    fn advance(&self, key_id: &str, to: &str) -> PyResult<Keyring> {
        held(with_advanced(&self.keyring, key_id, to))
    }

    #[pyo3(signature = (key_id, label))]
    fn relabel(&self, key_id: &str, label: Option<Unicode>) -> PyResult<Keyring> {
        held(with_label(&self.keyring, key_id, text_of(label.as_ref())))
    }

    fn dangerous_export<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let text = self.keyring.dangerous_export();
        Ok(PyString::new(py, revealed_text(&text).map_err(raised)?))
    }
}

impl Keyring {
    fn opened(
        &self,
        py: Python<'_>,
        token: &str,
        associated_data: Option<Text>,
        formats: Option<Vec<String>>,
    ) -> PyResult<Decrypted> {
        let associated_data = associated_data.as_ref().map(Text::as_bytes);
        detached_when_long(py, token.len(), || decrypt(&self.keyring, token, associated_data, formats.as_deref()))
            .map_err(raised)
    }
}

/// Lets other threads of Python run while a long value is worked on. For short ones that would cost more than it gives.
pub(crate) fn detached_when_long<T: Send>(py: Python<'_>, length: usize, work: impl FnOnce() -> T + Send) -> T {
    const LONG: usize = 64 * 1024;
    if length < LONG { work() } else { py.detach(work) }
}
