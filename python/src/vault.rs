//! Vaults, sessions, and what stores need.

use crate::keyring::Keyring;
use crate::secret::{Secret, raised};
use crate::watch::AccessWatch;
use pyo3::prelude::{PyResult, Python, pyclass, pyfunction, pymethods};
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom_bindings::{postgres, sqlite};

/// A vault.
#[pyclass(frozen)]
pub(crate) struct Vault {
    vault: strongroom::Vault,
}

/// Opens a vault with options as JSON, its access watched or not.
#[pyfunction]
#[pyo3(signature = (keyring, options, watch))]
pub(crate) fn open_vault(keyring: &Keyring, options: &str, watch: Option<&AccessWatch>) -> PyResult<Vault> {
    let (keyring, watch) = (Arc::clone(&keyring.keyring), watch.map(|watch| watch.watch.clone()));
    let vault = strongroom_bindings::open_watched_vault(keyring, options, watch).map_err(raised)?;
    Ok(Vault { vault })
}

#[pymethods]
impl Vault {
    /// Starts an operation as JSON, with a value beside it.
    #[pyo3(signature = (operation, value))]
    fn begin(&self, operation: &str, value: Option<&Secret>) -> PyResult<Session> {
        // A copy of its own: the caller may wipe the secret while the operation goes on.
        let value = value.map(|value| value.get().map(|value| SecretBytes::copy_of(value.expose()))).transpose()?;
        let session = strongroom_bindings::Session::begin(&self.vault, operation, value).map_err(raised)?;
        Ok(Session { session })
    }

    /// What it has seen, in the text format of Prometheus.
    fn metrics(&self, prefix: &str) -> PyResult<String> {
        self.vault.metrics(prefix).map_err(raised)
    }
}

/// One operation under way.
#[pyclass(frozen)]
pub(crate) struct Session {
    session: strongroom_bindings::Session,
}

#[pymethods]
impl Session {
    /// Goes on until the next request or the end. What a request carries comes beside it.
    #[pyo3(signature = (now_millis, reply))]
    fn step(&self, py: Python<'_>, now_millis: f64, reply: Option<&str>) -> PyResult<(String, Option<String>)> {
        let step = || self.session.step_apart(now_millis, reply);
        let told = if self.session.is_long() { py.detach(step) } else { step() };
        told.map_err(raised)
    }

    /// Whether the next step may take a second, in which other threads go on.
    fn is_long(&self) -> bool {
        self.session.is_long()
    }

    /// Gives a value: of an operation on many before its first step, or what the next answer tells of.
    fn offer(&self, value: &Secret) -> PyResult<()> {
        self.session.offer(SecretBytes::copy_of(value.get()?.expose()));
        Ok(())
    }

    /// The value that goes with the open request, or the next one that the operation gave.
    fn take_secret(&self) -> Option<Secret> {
        self.session.take_value().map(Secret::new)
    }

    /// Ends the operation.
    fn close(&self) {
        self.session.close();
    }
}

/// Starts the conformance kit, for a store that is to be put to the test.
#[pyfunction]
pub(crate) fn begin_store_check() -> Session {
    Session { session: strongroom_bindings::Session::of_store_check() }
}

/// A store in memory.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct MemoryStore {
    store: strongroom_bindings::MemoryStore,
}

#[pymethods]
impl MemoryStore {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Answers a request as JSON.
    fn answer(&self, request: &str) -> PyResult<String> {
        self.store.answer(request).map_err(raised)
    }
}

/// The statements of a SQLite store, by name, as JSON.
#[pyfunction]
pub(crate) fn sqlite_statements() -> String {
    sqlite::statements()
}

/// What a SQLite store runs for a request.
#[pyfunction]
pub(crate) fn sqlite_plan(request: &str) -> PyResult<String> {
    sqlite::plan(request).map_err(raised)
}

/// What a SQLite store runs when it opens a database.
#[pyfunction]
#[pyo3(signature = (inspection, version))]
pub(crate) fn sqlite_plan_opening(inspection: &str, version: Option<u64>) -> PyResult<String> {
    sqlite::plan_opening(inspection, version).map_err(raised)
}

/// The statements of a PostgreSQL store over a schema, by name.
#[pyfunction]
pub(crate) fn postgres_statements(schema: &str) -> PyResult<String> {
    postgres::statements(schema).map_err(raised)
}

/// What a PostgreSQL store runs when it opens a database.
#[pyfunction]
#[pyo3(signature = (schema, inspection, version))]
pub(crate) fn postgres_plan_opening(schema: &str, inspection: &str, version: Option<u64>) -> PyResult<String> {
    postgres::plan_opening(schema, inspection, version).map_err(raised)
}
