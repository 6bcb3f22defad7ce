//! A value that Python holds by a handle.

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::{
    Borrowed, Bound, FromPyObject, PyAny, PyAnyMethods, PyErr, PyResult, Python, pyclass, pyfunction, pymethods,
};
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyByteArray, PyByteArrayMethods, PyBytes, PyString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom::{Error, ErrorCode, MaskStyle, SecretBytes};
use strongroom_bindings::revealed_text;

create_exception!(
    strongroom._native,
    NativeError,
    PyException,
    "Carries `(code, message)`; the package translates it."
);

/// The exception that the package turns into that of the code.
pub(crate) fn raised(error: Error) -> PyErr {
    NativeError::new_err((error.code().name(), error.message().to_owned()))
}

/// What Python gives where a value is wanted: `str` or `bytes`, borrowed; or a `bytearray`, which may change meanwhile,
/// copied.
pub(crate) enum Text {
    Borrowed(PyBackedStr),
    Bytes(PyBackedBytes),
    Copied(SecretBytes),
}

impl Text {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Text::Borrowed(text) => text.as_bytes(),
            Text::Bytes(bytes) => bytes,
            // EXPOSE: as the others.
            Text::Copied(bytes) => bytes.expose(),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Text {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyString>() {
            return given.extract().map(|Unicode(text)| Text::Borrowed(text));
        }
        if let Ok(bytes) = given.cast::<PyByteArray>() {
            return Ok(Text::Copied(SecretBytes::new(bytes.to_vec())));
        }
        let other_type = |_| PyTypeError::new_err("a value is `str` or `bytes`, and so is `associated_data`");
        given.extract().map(Text::Bytes).map_err(other_type)
    }
}

/// What Python gives where text is wanted, borrowed.
pub(crate) struct Unicode(pub(crate) PyBackedStr);

impl<'a, 'py> FromPyObject<'a, 'py> for Unicode {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if !given.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "a `str` is wanted: `.decode()` what is `bytes`, such as a Fernet token or key",
            ));
        }
        // Python's own error would carry the whole text.
        let message =
            "the text holds a lone surrogate, which is no character: give text, or bytes where they are taken";
        given.extract().map(Unicode).map_err(|_: PyErr| raised(Error::new(ErrorCode::InvalidArgument, message)))
    }
}

/// A value outside of Python's heap.
#[pyclass(frozen)]
pub(crate) struct Secret {
    // Shared with a call that is using it at the moment; wiped when both have let go of it.
    value: Mutex<Option<Arc<SecretBytes>>>,
}

impl Secret {
    pub(crate) fn new(value: SecretBytes) -> Self {
        Secret { value: Mutex::new(Some(Arc::new(value))) }
    }

    pub(crate) fn get(&self) -> PyResult<Arc<SecretBytes>> {
        let wiped = || raised(Error::new(ErrorCode::InvalidArgument, "the secret was wiped: get it again"));
        self.lock().as_ref().map(Arc::clone).ok_or_else(wiped)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<SecretBytes>>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a value from Python.
#[pyfunction]
pub(crate) fn make_secret(value: Text) -> Secret {
    Secret::new(SecretBytes::copy_of(value.as_bytes()))
}

#[pymethods]
impl Secret {
    fn reveal_text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let value = self.get()?;
        Ok(PyString::new(py, revealed_text(&value).map_err(raised)?))
    }

    fn reveal_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        // EXPOSE: the host asked for it by name.
        Ok(PyBytes::new(py, self.get()?.expose()))
    }

    fn masked(&self, style: &str) -> PyResult<String> {
        let style = MaskStyle::from_name(style).map_err(raised)?;
        // EXPOSE: masked on the way.
        Ok(strongroom::mask::mask(self.get()?.expose(), style))
    }

    fn equals(&self, other: &Secret) -> PyResult<bool> {
        Ok(*self.get()? == *other.get()?)
    }

    fn wipe(&self) {
        *self.lock() = None;
    }
}
