//! Vaults, sessions, and what stores need.

use crate::keyring::NativeKeyring;
use crate::secret::NativeSecret;
use crate::{Thrown, thrown};
use napi_derive::napi;
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom_bindings::{Session, sqlite};

/// A vault.
#[napi]
pub struct NativeVault {
    vault: strongroom::Vault,
}

/// Opens a vault with options as JSON.
#[napi]
pub fn open_vault(keyring: &NativeKeyring, options: String) -> Result<NativeVault, Thrown> {
    let vault = strongroom_bindings::open_vault(Arc::clone(&keyring.keyring), &options).map_err(thrown)?;
    Ok(NativeVault { vault })
}

#[napi]
impl NativeVault {
    /// Starts an operation as JSON, with a value beside it.
    #[napi]
    pub fn begin(&self, operation: String, value: Option<&NativeSecret>) -> Result<NativeSession, Thrown> {
        // A copy of its own: the caller may wipe the secret while the operation goes on.
        let value = value.map(|value| value.get().map(|value| SecretBytes::copy_of(value.expose()))).transpose()?;
        Session::begin(&self.vault, &operation, value).map(|session| NativeSession { session }).map_err(thrown)
    }
}

/// One operation under way.
#[napi]
pub struct NativeSession {
    session: Session,
}

#[napi]
impl NativeSession {
    /// Goes on until the next request or the end.
    #[napi]
    pub fn step(&self, now_millis: f64, reply: Option<String>) -> Result<String, Thrown> {
        self.session.step(now_millis, reply.as_deref()).map_err(thrown)
    }

    /// Gives a value: of an operation on many before its first step, or what the next answer tells of.
    #[napi]
    pub fn offer(&self, value: &NativeSecret) -> Result<(), Thrown> {
        self.session.offer(SecretBytes::copy_of(value.get()?.expose()));
        Ok(())
    }

    /// The value that goes with the open request, or the next one that the operation gave.
    #[napi]
    pub fn take_secret(&self) -> Option<NativeSecret> {
        self.session.take_value().map(NativeSecret::new)
    }

    /// Ends the operation.
    #[napi]
    pub fn close(&self) {
        self.session.close();
    }
}

/// Starts the conformance kit, for a store that is to be put to the test.
#[napi]
#[must_use]
pub fn begin_store_check() -> NativeSession {
    NativeSession { session: Session::of_store_check() }
}

/// The statements of a SQLite store, by name, as JSON.
#[napi]
#[must_use]
pub fn sqlite_statements() -> String {
    sqlite::statements()
}

/// What a SQLite store runs for a request.
#[napi]
pub fn sqlite_plan(request: String) -> Result<String, Thrown> {
    sqlite::plan(&request).map_err(thrown)
}

/// What a SQLite store runs when it opens a database.
#[napi]
pub fn sqlite_plan_opening(inspection: String, version: Option<u32>) -> Result<String, Thrown> {
    sqlite::plan_opening(&inspection, version.map(u64::from)).map_err(thrown)
}
