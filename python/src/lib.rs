//! strongroom for Python: conversion between Python's values and the core's, and nothing else.

use pyo3::prelude::pymodule;

/// The native part of the package `strongroom`.
#[pymodule(name = "_native")]
mod native {
    use pyo3::prelude::pyfunction;

    /// The version of this package.
    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
