//! Documents and files as stores.

use crate::secret::raised;
use pyo3::prelude::{Bound, PyResult, Python, pyclass, pymethods};
use pyo3::types::PyBytes;
use std::path::PathBuf;
use strongroom_bindings::{Existing, SharedDocument, SharedFile};

/// A document, for stores over what the host can read and write.
#[pyclass(frozen)]
pub(crate) struct Document {
    document: SharedDocument,
}

#[pymethods]
impl Document {
    #[new]
    fn new(limit: usize) -> Self {
        Document { document: SharedDocument::new(Some(limit)) }
    }

    /// Answers a request as JSON over a text, and gives the text to write in its place.
    #[pyo3(signature = (text, request))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        text: Option<&[u8]>,
        request: &str,
    ) -> PyResult<(String, Option<Bound<'py, PyBytes>>)> {
        let (answer, text) = py.detach(|| self.document.answer(text, request)).map_err(raised)?;
        Ok((answer, text.map(|text| PyBytes::new(py, &text))))
    }
}

/// A store in a file.
#[pyclass(frozen)]
pub(crate) struct FileStore {
    store: SharedFile,
}

#[pymethods]
impl FileStore {
    #[new]
    fn new(path: PathBuf, limit: usize, lock_timeout_millis: u64) -> PyResult<Self> {
        let store = SharedFile::new(&path, Some(limit), Some(lock_timeout_millis)).map_err(raised)?;
        Ok(FileStore { store })
    }

    /// Answers a request as JSON.
    fn answer(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        py.detach(|| self.store.answer(request)).map_err(raised)
    }

    /// Writes a verified copy, and gives its checksum.
    fn backup(&self, py: Python<'_>, to: PathBuf, replace: bool) -> PyResult<String> {
        let existing = if replace { Existing::Replace } else { Existing::Refuse };
        py.detach(|| self.store.backup(&to, existing)).map_err(raised)
    }
}
