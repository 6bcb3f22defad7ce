//! Rules of access.

use crate::secret::raised;
use pyo3::prelude::{PyResult, pyclass, pymethods};
use strongroom::audit::SharedWatch;

/// Looks at events by some rules.
#[pyclass(frozen)]
pub(crate) struct AccessWatch {
    pub(crate) watch: SharedWatch,
}

#[pymethods]
impl AccessWatch {
    /// By rules as JSON.
    #[new]
    fn new(rules: &str) -> PyResult<Self> {
        strongroom_bindings::parse_watch(rules).map(|watch| AccessWatch { watch }).map_err(raised)
    }

    /// Looks at an event as JSON. Gives what it found, as JSON.
    fn observe(&self, event: &str) -> PyResult<String> {
        strongroom_bindings::observe(&self.watch, event).map_err(raised)
    }
}
