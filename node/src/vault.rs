//! Vaults, sessions, and what stores need.

use crate::keyring::NativeKeyring;
use crate::secret::NativeSecret;
use crate::watch::NativeWatch;
use crate::wrapped::rejected;
use crate::{Thrown, thrown};
use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom_bindings::{Session, postgres, sqlite};

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

/// The same, its access watched.
#[napi]
pub fn open_watched_vault(
    keyring: &NativeKeyring,
    options: String,
    watch: &NativeWatch,
) -> Result<NativeVault, Thrown> {
    let (keyring, watch) = (Arc::clone(&keyring.keyring), Some(watch.watch.clone()));
    let vault = strongroom_bindings::open_watched_vault(keyring, &options, watch).map_err(thrown)?;
    Ok(NativeVault { vault })
}

#[napi]
impl NativeVault {
    /// Starts an operation as JSON, with a value beside it.
    #[napi]
    pub fn begin(&self, operation: String, value: Option<&NativeSecret>) -> Result<NativeSession, Thrown> {
        // A copy of its own: the caller may wipe the secret while the operation goes on.
        let value = value.map(|value| value.get().map(|value| SecretBytes::copy_of(value.expose()))).transpose()?;
        Session::begin(&self.vault, &operation, value).map(held).map_err(thrown)
    }

    /// What it has seen, in the text format of Prometheus.
    #[napi]
    pub fn metrics(&self, prefix: String) -> Result<String, Thrown> {
        self.vault.metrics(&prefix).map_err(thrown)
    }
}

/// One operation under way.
#[napi]
pub struct NativeSession {
    session: Arc<Session>,
}

#[napi]
impl NativeSession {
    /// Goes on until the next request or the end.
    #[napi]
    pub fn step(&self, now_millis: f64, reply: Option<String>) -> Result<String, Thrown> {
        self.session.step(now_millis, reply.as_deref()).map_err(thrown)
    }

    /// The same in a thread of libuv's pool, when the next step may take a second.
    #[napi]
    pub fn step_long(&self, now_millis: f64, reply: Option<String>) -> Option<AsyncTask<Stepping>> {
        let session = &self.session;
        session.is_long().then(|| AsyncTask::new(Stepping { session: Arc::clone(session), now_millis, reply }))
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

fn held(session: Session) -> NativeSession {
    NativeSession { session: Arc::new(session) }
}

/// A step that takes a while.
pub struct Stepping {
    session: Arc<Session>,
    now_millis: f64,
    reply: Option<String>,
}

impl Task for Stepping {
    type Output = strongroom::Result<String>;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.session.step(self.now_millis, self.reply.as_deref()))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<String> {
        output.map_err(|error| rejected(env, error))
    }
}

/// Starts the conformance kit, for a store that is to be put to the test.
#[napi]
#[must_use]
pub fn begin_store_check() -> NativeSession {
    held(Session::of_store_check())
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

/// The statements of a PostgreSQL store over a schema, by name.
#[napi]
pub fn postgres_statements(schema: String) -> Result<String, Thrown> {
    postgres::statements(&schema).map_err(thrown)
}

/// What a PostgreSQL store runs when it opens a database.
#[napi]
pub fn postgres_plan_opening(schema: String, inspection: String, version: Option<u32>) -> Result<String, Thrown> {
    postgres::plan_opening(&schema, &inspection, version.map(u64::from)).map_err(thrown)
}
