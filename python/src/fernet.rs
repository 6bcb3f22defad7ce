//! Fernet keys, for `strongroom.fernet`, whose rules on time and on types stand there.

use crate::keyring::detached_when_long;
use crate::secret::raised;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::{
    Bound, Py, PyAny, PyAnyMethods, PyBytesMethods, PyDictMethods, PyErr, PyResult, PyStringMethods, Python, pyclass,
    pyfunction, pymethods,
};
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::crypto::fernet;
use strongroom_bindings::OsEntropy;

/// A Fernet key.
#[pyclass(frozen)]
pub(crate) struct FernetKey {
    key: Arc<fernet::FernetKey>,
}

#[pymethods]
impl FernetKey {
    /// From 32 bytes.
    #[new]
    fn new(raw: &[u8]) -> PyResult<FernetKey> {
        let raw: &[u8; 32] = raw.try_into().map_err(|_| PyValueError::new_err("a Fernet key has 32 bytes"))?;
        Ok(FernetKey { key: Arc::new(fernet::FernetKey::derive(raw)) })
    }

    /// A token, with a random IV.
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        current_time: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (data, timestamp) = (bytes_of(data)?.as_bytes(), timestamp_of(current_time)?);
        let text = detached_when_long(py, data.len(), || {
            self.key.encrypt(&mut OsEntropy, timestamp, data).map(|token| token.to_text())
        });
        Ok(PyBytes::new(py, text.map_err(raised)?.as_bytes()))
    }

    /// The token of an IV.
    fn encrypt_from_parts<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        current_time: &Bound<'py, PyAny>,
        iv: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (data, iv) = (bytes_of(data)?, iv.extract::<Vec<u8>>()?);
        let wrong_size = |_| PyValueError::new_err(format!("Invalid IV size ({}) for CBC.", iv.len()));
        let iv = iv.as_slice().try_into().map_err(wrong_size)?;
        let token = self.key.encrypt_with_iv(iv, timestamp_of(current_time)?, data.as_bytes()).map_err(raised)?;
        Ok(PyBytes::new(py, token.to_text().as_bytes()))
    }

    /// The plaintext of a token, whatever its time; `None` when it is not valid.
    fn decrypt<'py>(&self, py: Python<'py>, token: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let bytes = decoded(token)?;
        Ok(bytes.and_then(|bytes| detached_when_long(py, bytes.len(), || self.key.decrypt(bytes))).map(revealed(py)))
    }

    /// The same of a token's bytes.
    fn decrypt_data<'py>(&self, py: Python<'py>, data: &[u8]) -> Option<Bound<'py, PyBytes>> {
        self.key.decrypt(data.to_vec()).map(revealed(py))
    }

    /// Whether a token's bytes end in the MAC of what stands before.
    fn has_signed(&self, data: &[u8]) -> bool {
        self.key.has_signed(data)
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled())
    }
}

/// Several Fernet keys, to be tried in order.
#[pyclass(frozen)]
pub(crate) struct FernetKeys {
    keys: Vec<Arc<fernet::FernetKey>>,
}

#[pymethods]
impl FernetKeys {
    #[new]
    fn new(keys: Vec<Py<FernetKey>>) -> FernetKeys {
        FernetKeys { keys: keys.iter().map(|key| Arc::clone(&key.get().key)).collect() }
    }

    /// The plaintext of a token under the first key that has signed it; `None` when none has.
    fn decrypt<'py>(&self, py: Python<'py>, token: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(bytes) = decoded(token)? else { return Ok(None) };
        // A copy for each, since keys may have the half that signs in common.
        let plaintext = detached_when_long(py, bytes.len(), || {
            self.keys.iter().filter(|key| key.has_signed(&bytes)).find_map(|key| key.decrypt(bytes.clone()))
        });
        Ok(plaintext.map(revealed(py)))
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled())
    }
}

fn not_pickled() -> PyErr {
    PyTypeError::new_err("a Fernet is not pickled, since it holds a key: make one where it is needed")
}

/// The bytes of a token's text; `None` when it has none, or these do not begin as a token does.
#[pyfunction]
pub(crate) fn fernet_decode<'py>(py: Python<'py>, token: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    Ok(decoded(token)?.map(|bytes| PyBytes::new(py, &bytes)))
}

/// What begins with the version and has room for a time.
fn decoded(token: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    let begins_as_token = |bytes: &Vec<u8>| bytes.first() == Some(&0x80) && bytes.len() >= 9;
    Ok(decoded_text(token)?.filter(begins_as_token))
}

/// Decodes canonical text itself, and leaves everything else to Python's own decoder, which takes more.
fn decoded_text(token: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    let text = match (token.cast::<PyBytes>(), token.cast::<PyString>()) {
        (Ok(bytes), _) => bytes.as_bytes(),
        (_, Ok(text)) => text.to_str().unwrap_or_default().as_bytes(),
        _ => return Err(PyTypeError::new_err("token must be bytes or str")),
    };
    match fernet::decode(text) {
        Some(bytes) if !bytes.is_empty() => Ok(Some(bytes)),
        _ => decoded_by_python(token),
    }
}

fn decoded_by_python(token: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = token.py();
    match DECODE.import(py, "base64", "urlsafe_b64decode")?.call1((token,)) {
        Ok(bytes) => Ok(Some(bytes.extract()?)),
        Err(error) => {
            let of_binascii = error.is_instance(py, ERROR.import(py, "binascii", "Error")?);
            if of_binascii || error.is_instance_of::<PyTypeError>(py) { Ok(None) } else { Err(error) }
        }
    }
}

fn bytes_of<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast().map_err(|_| PyTypeError::new_err("data must be bytes"))
}

/// An `int`, or whatever else has its `to_bytes`: also for one that is too large, since that raises what users know.
fn timestamp_of(current_time: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(Ok(seconds)) = current_time.cast::<PyInt>().map(|seconds| seconds.extract()) {
        return Ok(seconds);
    }
    let form = PyDict::new(current_time.py());
    form.set_item("length", 8)?;
    form.set_item("byteorder", "big")?;
    let bytes: Vec<u8> = current_time.call_method("to_bytes", (), Some(&form))?.extract()?;
    let bytes: [u8; 8] = bytes.try_into().map_err(|_| PyValueError::new_err("the time has not 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn revealed<'py>(py: Python<'py>) -> impl FnOnce(SecretBytes) -> Bound<'py, PyBytes> {
    // EXPOSE: the host asked for it by name.
    move |plaintext| PyBytes::new(py, plaintext.expose())
}
