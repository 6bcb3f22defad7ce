//! Wrapped keyrings.

use crate::keyring::Keyring;
use crate::secret::{Secret, Unicode, raised};
use pyo3::prelude::{Bound, PyResult, Python, pyclass, pyfunction, pymethods};
use pyo3::types::{PyByteArray, PyBytes};
use std::sync::Arc;
use strongroom_bindings::{host_wrap, wraps_info};

/// A keyring that only its wraps open.
#[pyclass(frozen)]
pub(crate) struct WrappedKeyring {
    wrapped: strongroom::keyring::WrappedKeyring,
}

/// A wrapped keyring, opened to be changed.
#[pyclass(frozen)]
pub(crate) struct OpenedKeyring {
    opened: strongroom_bindings::OpenedKeyring,
}

/// A wrapped keyring from its text.
#[pyfunction]
pub(crate) fn parse_wrapped_keyring(text: Unicode) -> PyResult<WrappedKeyring> {
    strongroom::keyring::WrappedKeyring::parse(&text.0).map(|wrapped| WrappedKeyring { wrapped }).map_err(raised)
}

/// A keyring under a fresh data key, without a wrap yet.
#[pyfunction]
pub(crate) fn seal_keyring(keyring: &Keyring) -> PyResult<OpenedKeyring> {
    held(strongroom_bindings::OpenedKeyring::seal(Arc::clone(&keyring.keyring)))
}

fn held(opened: strongroom::Result<strongroom_bindings::OpenedKeyring>) -> PyResult<OpenedKeyring> {
    opened.map(|opened| OpenedKeyring { opened }).map_err(raised)
}

#[pymethods]
impl WrappedKeyring {
    fn to_text(&self) -> PyResult<String> {
        self.wrapped.to_text().map_err(raised)
    }

    /// What may be told of every wrap, as JSON.
    fn wraps(&self) -> String {
        wraps_info(&self.wrapped)
    }

    /// What the host made of the data key, of its wraps in their order.
    fn host_wrap<'py>(&self, py: Python<'py>, index: u32) -> Option<Bound<'py, PyBytes>> {
        host_wrap(&self.wrapped, index).map(|opaque| PyBytes::new(py, opaque))
    }

    fn open_with_passphrase(&self, py: Python<'_>, passphrase: &Secret) -> PyResult<OpenedKeyring> {
        let passphrase = passphrase.get()?;
        held(py.detach(|| strongroom_bindings::OpenedKeyring::open_with_passphrase(&self.wrapped, &passphrase)))
    }

    fn open_with_data_key(&self, data_key: &Secret) -> PyResult<OpenedKeyring> {
        held(strongroom_bindings::OpenedKeyring::open_with_data_key(&self.wrapped, &*data_key.get()?))
    }
}

// Every call may have to wait for one that derives a key from a passphrase: all of them let Python go on meanwhile.
#[pymethods]
impl OpenedKeyring {
    fn keyring(&self, py: Python<'_>) -> Keyring {
        Keyring { keyring: py.detach(|| self.opened.keyring()) }
    }

    fn wrapped(&self, py: Python<'_>) -> PyResult<WrappedKeyring> {
        py.detach(|| self.opened.wrapped()).map(|wrapped| WrappedKeyring { wrapped }).map_err(raised)
    }

    /// The data key, in a buffer that can be wiped.
    fn data_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let data_key = py.detach(|| self.opened.data_key()).map_err(raised)?;
        // EXPOSE: for the host's own `wrap`.
        Ok(PyByteArray::new(py, data_key.expose()))
    }

    fn add_passphrase(&self, py: Python<'_>, label: Unicode, passphrase: &Secret, cost: &str) -> PyResult<()> {
        let passphrase = passphrase.get()?;
        let label = &*label.0;
        py.detach(|| self.opened.add_passphrase(label, &passphrase, cost)).map_err(raised)
    }

    fn add_host(&self, py: Python<'_>, label: Unicode, opaque: &[u8]) -> PyResult<()> {
        let label = &*label.0;
        py.detach(|| self.opened.add_host(label, opaque)).map_err(raised)
    }

    fn remove(&self, py: Python<'_>, label: Unicode) -> PyResult<()> {
        let label = &*label.0;
        py.detach(|| self.opened.remove(label)).map_err(raised)
    }

    fn reseal(&self, py: Python<'_>, keyring: &Keyring) -> PyResult<()> {
        let keyring = Arc::clone(&keyring.keyring);
        py.detach(|| self.opened.reseal(keyring)).map_err(raised)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.opened.close());
    }
}
