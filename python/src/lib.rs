//! strongroom for Python: conversion between Python's values and the core's, and nothing else.

use pyo3::prelude::pymodule;

mod fernet;
mod history;
mod keyring;
mod manifest;
mod secret;
mod stored;
mod vault;
mod watch;
mod wrapped;

/// The native part of the package `strongroom`.
#[pymodule(name = "_native")]
mod native {
    use crate::secret::Text;
    use crate::secret::raised;
    use pyo3::prelude::{PyResult, pyfunction};
    use strongroom::MaskStyle;

    #[pymodule_export]
    use crate::fernet::{FernetKey, FernetKeys, fernet_decode};
    #[pymodule_export]
    use crate::history::{
        generate_signing_key, parse_signing_key, read_checkpoint, signing_key_from_environment_values, verifier_of,
    };
    #[pymodule_export]
    use crate::keyring::{Keyring, generate_keyring, keyring_from_environment_values, parse_keyring};
    #[pymodule_export]
    use crate::manifest::{manifest_example, read_manifest};
    #[pymodule_export]
    use crate::secret::{NativeError, Secret, make_secret};
    #[pymodule_export]
    use crate::stored::{Document, FileStore};
    #[pymodule_export]
    use crate::vault::{
        MemoryStore, Session, Vault, begin_store_check, open_vault, postgres_plan_opening, postgres_statements,
        sqlite_plan, sqlite_plan_opening, sqlite_statements,
    };
    #[pymodule_export]
    use crate::watch::AccessWatch;
    #[pymodule_export]
    use crate::wrapped::{OpenedKeyring, WrappedKeyring, parse_wrapped_keyring, seal_keyring};

    /// The version of this package.
    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// From here on, all randomness follows from a seed: for transcripts.
    #[cfg(feature = "transcripts")]
    #[pyfunction]
    fn fix_entropy(seed: u32) -> &'static str {
        strongroom_bindings::fix_entropy(seed)
    }

    /// A text that stands for a value.
    #[pyfunction]
    fn mask(value: Text, style: &str) -> PyResult<String> {
        let style = MaskStyle::from_name(style).map_err(raised)?;
        // EXPOSE: masked on the way.
        Ok(strongroom::mask::mask(value.as_bytes(), style))
    }
}
