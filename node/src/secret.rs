//! A value that JavaScript holds by a handle.

use crate::{Text, Thrown, host_failed, secret_of, thrown};
use napi::bindgen_prelude::BufferSlice;
use napi::{Env, JsString};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom::{Error, ErrorCode, MaskStyle, SecretBytes};
use strongroom_bindings::revealed_text;

/// A value outside of JavaScript's heap.
#[napi]
pub struct NativeSecret {
    // Shared with a call that is using it at the moment; wiped when both have let go of it.
    value: Mutex<Option<Arc<SecretBytes>>>,
}

impl NativeSecret {
    pub(crate) fn new(value: SecretBytes) -> Self {
        NativeSecret { value: Mutex::new(Some(Arc::new(value))) }
    }

    pub(crate) fn get(&self) -> Result<Arc<SecretBytes>, Thrown> {
        let wiped = || thrown(Error::new(ErrorCode::InvalidArgument, "the secret was wiped: get it again"));
        self.lock().as_ref().map(Arc::clone).ok_or_else(wiped)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<SecretBytes>>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a value from JavaScript.
#[napi]
pub fn make_secret(value: Text) -> NativeSecret {
    NativeSecret::new(secret_of(value))
}

#[napi]
impl NativeSecret {
    /// The value as text.
    #[napi]
    pub fn reveal_text<'env>(&self, env: &'env Env) -> Result<JsString<'env>, Thrown> {
        let value = self.get()?;
        env.create_string(revealed_text(&value).map_err(thrown)?).map_err(host_failed)
    }

    /// The value as bytes.
    #[napi]
    pub fn reveal_bytes<'env>(&self, env: &'env Env) -> Result<BufferSlice<'env>, Thrown> {
        // EXPOSE: the host asked for it by name.
        BufferSlice::copy_from(env, self.get()?.expose()).map_err(host_failed)
    }

    /// The value, masked.
    #[napi]
    pub fn masked(&self, style: String) -> Result<String, Thrown> {
        let style = MaskStyle::from_name(&style).map_err(thrown)?;
        // EXPOSE: masked on the way.
        Ok(strongroom::mask::mask(self.get()?.expose(), style))
    }

    /// Whether two values are the same.
    #[napi]
    pub fn equals(&self, other: &NativeSecret) -> Result<bool, Thrown> {
        Ok(*self.get()? == *other.get()?)
    }

    /// Lets go of the value.
    #[napi]
    pub fn wipe(&self) {
        *self.lock() = None;
    }
}
