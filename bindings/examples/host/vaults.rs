//! A vault, over `strongroom::store::drive`: how it is opened and looked at. What it does is in `operations.rs`.

use crate::tape::{Faults, Rows, Surroundings, Tape, TapedHost, TapedStore};
use crate::{Failure, operations};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::store::{drive_between, drive_with};
use strongroom::wire::read;
use strongroom::{Error, ErrorCode, Keyring, Vault};
use strongroom_bindings::open_vault;

/// What is no operation of a vault.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum VaultRequest {
    /// Opens a vault on a store with these rows; `page` is the longest page that the store gives.
    Open {
        key: String,
        options: Value,
        rows: Rows,
        page: Option<u32>,
    },
    /// Opens a vault on the store as it is.
    Reopen {
        key: String,
        options: Value,
    },
    Dump,
    /// What the vault has seen.
    Metrics {
        prefix: String,
    },
    /// Adds rows, as another program would.
    Put {
        rows: Rows,
    },
    Clock {
        at: i64,
    },
    Faults {
        faults: Faults,
    },
    /// What else there is besides the store.
    Host {
        #[serde(flatten)]
        surroundings: Surroundings,
    },
    /// What the last operation asked and was answered.
    Taken,
}

/// A vault, its store, and its clock.
#[derive(Default)]
pub(crate) struct VaultHost {
    pub(crate) tape: Tape,
    store: TapedStore,
    surroundings: Surroundings,
    vault: Option<Vault>,
}

impl VaultHost {
    pub(crate) fn answer(&mut self, request: VaultRequest) -> Result<Value, Failure> {
        match request {
            VaultRequest::Open { key, options, rows, page } => {
                self.store = TapedStore::new(self.tape.clone(), rows, page);
                self.open(&key, &options)?;
            }
            VaultRequest::Reopen { key, options } => self.open(&key, &options)?,
            VaultRequest::Dump => return Ok(json!(self.store.rows())),
            VaultRequest::Metrics { prefix } => return Ok(json!(self.vault()?.metrics(&prefix)?)),
            VaultRequest::Put { rows } => self.store.put(rows),
            VaultRequest::Clock { at } => self.tape.set_clock(at),
            VaultRequest::Faults { faults } => self.store.faults = faults,
            VaultRequest::Host { surroundings } => self.surroundings = surroundings,
            VaultRequest::Taken => return Ok(self.tape.taken()),
        }
        Ok(Value::Null)
    }

    fn open(&mut self, key: &str, options: &Value) -> Result<(), Failure> {
        self.vault = Some(open_vault(Arc::new(Keyring::parse(key)?), &options.to_string())?);
        Ok(())
    }

    fn vault(&self) -> Result<&Vault, Failure> {
        let no_vault = || Error::new(ErrorCode::InvalidArgument, "no vault is open");
        Ok(self.vault.as_ref().ok_or_else(no_vault)?)
    }

    /// Runs an operation.
    pub(crate) fn operate(&mut self, request: &str) -> Result<Value, Failure> {
        self.tape.rewind();
        let flow = operations::begin(self.vault()?, read(request)?)?;
        if serde_json::from_str::<Value>(request)?.get("do") == Some(&json!("copy_to")) {
            let mut target = self.store.target();
            let stores = (&mut self.store, &mut target);
            let told = drive_between(flow, stores, self.tape.clone()).map_err(|failed| failed.error)?;
            // From then on it is the one in use.
            self.store = target.moved_to();
            return Ok(told);
        }
        let mut host = TapedHost { tape: self.tape.clone(), surroundings: &mut self.surroundings };
        Ok(drive_with(flow, &mut self.store, &mut host, self.tape.clone()).map_err(|failed| failed.error)?)
    }
}
