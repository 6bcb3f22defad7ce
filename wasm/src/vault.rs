//! Vaults and sessions.

use crate::keyring::NativeKeyring;
use crate::secret::{NativeSecret, SecretHandle};
use crate::value::thrown;
use crate::watch::NativeWatch;
use std::sync::Arc;
use strongroom_bindings::Session;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A vault.
#[wasm_bindgen]
pub struct NativeVault {
    vault: strongroom::Vault,
}

/// Opens a vault with options as JSON.
#[wasm_bindgen(js_name = openVault)]
pub fn open_vault(keyring: &NativeKeyring, options: &str) -> Result<NativeVault, JsValue> {
    let vault = strongroom_bindings::open_vault(Arc::clone(&keyring.keyring), options).map_err(thrown)?;
    Ok(NativeVault { vault })
}

/// The same, its access watched.
#[wasm_bindgen(js_name = openWatchedVault)]
pub fn open_watched_vault(keyring: &NativeKeyring, options: &str, watch: &NativeWatch) -> Result<NativeVault, JsValue> {
    let (keyring, watch) = (Arc::clone(&keyring.keyring), Some(watch.watch.clone()));
    let vault = strongroom_bindings::open_watched_vault(keyring, options, watch).map_err(thrown)?;
    Ok(NativeVault { vault })
}

#[wasm_bindgen]
impl NativeVault {
    /// Starts an operation as JSON, with a value beside it.
    pub fn begin(
        &self,
        operation: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "NativeSecret")] value: Option<SecretHandle>,
    ) -> Result<NativeSession, JsValue> {
        // A copy of its own: the caller may wipe the secret while the operation goes on.
        let value = value.map(|value| value.copy()).transpose()?.and_then(NativeSecret::into_value);
        Session::begin(&self.vault, operation, value).map(|session| NativeSession { session }).map_err(thrown)
    }

    /// What it has seen, in the text format of Prometheus.
    pub fn metrics(&self, prefix: &str) -> Result<String, JsValue> {
        self.vault.metrics(prefix).map_err(thrown)
    }
}

/// One operation under way.
#[wasm_bindgen]
pub struct NativeSession {
    session: Session,
}

#[wasm_bindgen]
impl NativeSession {
    /// Goes on until the next request or the end.
    pub fn step(&self, now_millis: f64, reply: Option<String>) -> Result<String, JsValue> {
        self.session.step(now_millis, reply.as_deref()).map_err(thrown)
    }

    /// Gives a value: of an operation on many before its first step, or what the next answer tells of.
    pub fn offer(
        &self,
        #[wasm_bindgen(unchecked_param_type = "NativeSecret")] value: SecretHandle,
    ) -> Result<(), JsValue> {
        if let Some(value) = NativeSecret::into_value(value.copy()?) {
            self.session.offer(value);
        }
        Ok(())
    }

    /// The value that goes with the open request, or the next one that the operation gave.
    #[wasm_bindgen(js_name = takeSecret)]
    #[must_use]
    pub fn take_secret(&self) -> Option<NativeSecret> {
        self.session.take_value().map(NativeSecret::new)
    }

    /// Ends the operation and frees the session: JavaScript's handle is void afterwards.
    pub fn close(self) {
        self.session.close();
    }
}

impl NativeSession {
    /// Starts the conformance kit, for a store that is to be put to the test: for the module `wasm/testing`.
    #[must_use]
    pub fn of_store_check() -> NativeSession {
        NativeSession { session: Session::of_store_check() }
    }
}
