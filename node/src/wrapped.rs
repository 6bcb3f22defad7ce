//! Wrapped keyrings. What derives a key from a passphrase does so in a thread of libuv's pool: it takes a while.

use crate::keyring::NativeKeyring;
use crate::secret::NativeSecret;
use crate::{Thrown, host_failed, thrown};
use napi::bindgen_prelude::{AsyncTask, BufferSlice, Uint8Array};
use napi::{Env, JsError, Task};
use napi_derive::napi;
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::keyring::WrappedKeyring;
use strongroom_bindings::{OpenedKeyring, host_wrap, wraps_info};

/// A keyring that only its wraps open.
#[napi]
pub struct NativeWrapped {
    wrapped: Arc<WrappedKeyring>,
}

/// A wrapped keyring, opened to be changed.
#[napi]
pub struct NativeOpened {
    opened: Arc<OpenedKeyring>,
}

/// A wrapped keyring from its text.
#[napi]
pub fn parse_wrapped_keyring(text: String) -> Result<NativeWrapped, Thrown> {
    WrappedKeyring::parse(&text).map(|wrapped| NativeWrapped { wrapped: Arc::new(wrapped) }).map_err(thrown)
}

/// A keyring under a fresh data key, without a wrap yet.
#[napi]
pub fn seal_keyring(keyring: &NativeKeyring) -> Result<NativeOpened, Thrown> {
    OpenedKeyring::seal(Arc::clone(&keyring.keyring)).map(held).map_err(thrown)
}

fn held(opened: OpenedKeyring) -> NativeOpened {
    NativeOpened { opened: Arc::new(opened) }
}

#[napi]
impl NativeWrapped {
    /// The text to keep.
    #[napi]
    pub fn to_text(&self) -> Result<String, Thrown> {
        self.wrapped.to_text().map_err(thrown)
    }

    /// What may be told of every wrap, as JSON.
    #[napi]
    pub fn wraps(&self) -> String {
        wraps_info(&self.wrapped)
    }

    /// What the host made of the data key, of its wraps in their order.
    #[napi]
    pub fn host_wrap(&self, index: u32) -> Option<Uint8Array> {
        host_wrap(&self.wrapped, index).map(|opaque| Uint8Array::new(opaque.to_vec()))
    }

    /// Opens by a passphrase.
    #[napi]
    pub fn open_with_passphrase(&self, passphrase: &NativeSecret) -> Result<AsyncTask<Opening>, Thrown> {
        Ok(AsyncTask::new(Opening { wrapped: Arc::clone(&self.wrapped), passphrase: passphrase.get()? }))
    }

    /// Opens by what the host's `unwrap` gave.
    #[napi]
    pub fn open_with_data_key(&self, data_key: &NativeSecret) -> Result<NativeOpened, Thrown> {
        OpenedKeyring::open_with_data_key(&self.wrapped, &*data_key.get()?).map(held).map_err(thrown)
    }
}

#[napi]
impl NativeOpened {
    /// The keyring.
    #[napi]
    pub fn keyring(&self) -> NativeKeyring {
        NativeKeyring { keyring: self.opened.keyring() }
    }

    /// As it is now, to keep.
    #[napi]
    pub fn wrapped(&self) -> Result<NativeWrapped, Thrown> {
        self.opened.wrapped().map(|wrapped| NativeWrapped { wrapped: Arc::new(wrapped) }).map_err(thrown)
    }

    /// The data key.
    #[napi]
    pub fn data_key<'env>(&self, env: &'env Env) -> Result<BufferSlice<'env>, Thrown> {
        // EXPOSE: for the host's own `wrap`.
        BufferSlice::copy_from(env, self.opened.data_key().map_err(thrown)?.expose()).map_err(host_failed)
    }

    /// Adds a passphrase.
    #[napi]
    pub fn add_passphrase(
        &self,
        label: String,
        passphrase: &NativeSecret,
        cost: String,
    ) -> Result<AsyncTask<Adding>, Thrown> {
        Ok(AsyncTask::new(Adding { opened: Arc::clone(&self.opened), label, passphrase: passphrase.get()?, cost }))
    }

    /// Adds what the host's `wrap` made of the data key.
    #[napi]
    pub fn add_host(&self, label: String, opaque: Uint8Array) -> Result<(), Thrown> {
        self.opened.add_host(&label, &opaque).map_err(thrown)
    }

    /// Removes a wrap.
    #[napi]
    pub fn remove(&self, label: String) -> Result<(), Thrown> {
        self.opened.remove(&label).map_err(thrown)
    }

    /// Seals a changed keyring in place of the one that is there.
    #[napi]
    pub fn reseal(&self, keyring: &NativeKeyring) -> Result<(), Thrown> {
        self.opened.reseal(Arc::clone(&keyring.keyring)).map_err(thrown)
    }

    /// Wipes the data key.
    #[napi]
    pub fn close(&self) {
        self.opened.close();
    }
}

/// A passphrase that is tried.
pub struct Opening {
    wrapped: Arc<WrappedKeyring>,
    passphrase: Arc<SecretBytes>,
}

impl Task for Opening {
    type Output = strongroom::Result<OpenedKeyring>;
    type JsValue = NativeOpened;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(OpenedKeyring::open_with_passphrase(&self.wrapped, &self.passphrase))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<NativeOpened> {
        output.map(held).map_err(|error| rejected(env, error))
    }
}

/// A passphrase that is added.
pub struct Adding {
    opened: Arc<OpenedKeyring>,
    label: String,
    passphrase: Arc<SecretBytes>,
    cost: String,
}

impl Task for Adding {
    type Output = strongroom::Result<()>;
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.opened.add_passphrase(&self.label, &self.passphrase, &self.cost))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<()> {
        output.map_err(|error| rejected(env, error))
    }
}

/// What a promise is rejected with: as what is thrown, an `Error` whose `code` is the wire name of the core's.
pub(crate) fn rejected(env: Env, error: strongroom::Error) -> napi::Error {
    napi::Error::from(JsError::from(thrown(error)).into_unknown(env))
}
