//! Wrapped keyrings.

use crate::keyring::NativeKeyring;
use crate::secret::SecretHandle;
use crate::value::thrown;
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::keyring::WrappedKeyring;
use strongroom_bindings::{OpenedKeyring, host_wrap, wraps_info};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// A keyring that only its wraps open.
#[wasm_bindgen]
pub struct NativeWrapped {
    wrapped: WrappedKeyring,
}

/// A wrapped keyring, opened to be changed.
#[wasm_bindgen]
pub struct NativeOpened {
    opened: OpenedKeyring,
}

/// A wrapped keyring from its text.
#[wasm_bindgen(js_name = parseWrappedKeyring)]
pub fn parse_wrapped_keyring(text: &str) -> Result<NativeWrapped, JsValue> {
    WrappedKeyring::parse(text).map(|wrapped| NativeWrapped { wrapped }).map_err(thrown)
}

/// A keyring under a fresh data key, without a wrap yet.
#[wasm_bindgen(js_name = sealKeyring)]
pub fn seal_keyring(keyring: &NativeKeyring) -> Result<NativeOpened, JsValue> {
    held(OpenedKeyring::seal(Arc::clone(&keyring.keyring)))
}

fn held(opened: strongroom::Result<OpenedKeyring>) -> Result<NativeOpened, JsValue> {
    opened.map(|opened| NativeOpened { opened }).map_err(thrown)
}

/// A copy of what a secret holds.
fn taken(secret: &SecretHandle) -> Result<SecretBytes, JsValue> {
    Ok(secret.copy()?.into_value().unwrap_or_else(|| SecretBytes::new(Vec::new())))
}

#[wasm_bindgen]
impl NativeWrapped {
    /// The text to keep.
    #[wasm_bindgen(js_name = toText)]
    pub fn to_text(&self) -> Result<String, JsValue> {
        self.wrapped.to_text().map_err(thrown)
    }

    /// What may be told of every wrap, as JSON.
    #[must_use]
    pub fn wraps(&self) -> String {
        wraps_info(&self.wrapped)
    }

    /// What the host made of the data key, of its wraps in their order.
    #[wasm_bindgen(js_name = hostWrap)]
    #[must_use]
    pub fn host_wrap(&self, index: u32) -> Option<Vec<u8>> {
        host_wrap(&self.wrapped, index).map(<[u8]>::to_vec)
    }

    /// Opens by a passphrase.
    #[wasm_bindgen(js_name = openWithPassphrase)]
    pub fn open_with_passphrase(&self, passphrase: &SecretHandle) -> Result<NativeOpened, JsValue> {
        held(OpenedKeyring::open_with_passphrase(&self.wrapped, &taken(passphrase)?))
    }

    /// Opens by what the host's `unwrap` gave.
    #[wasm_bindgen(js_name = openWithDataKey)]
    pub fn open_with_data_key(&self, data_key: &SecretHandle) -> Result<NativeOpened, JsValue> {
        held(OpenedKeyring::open_with_data_key(&self.wrapped, &taken(data_key)?))
    }
}

#[wasm_bindgen]
impl NativeOpened {
    /// The keyring.
    #[must_use]
    pub fn keyring(&self) -> NativeKeyring {
        NativeKeyring { keyring: self.opened.keyring() }
    }

    /// As it is now, to keep.
    pub fn wrapped(&self) -> Result<NativeWrapped, JsValue> {
        self.opened.wrapped().map(|wrapped| NativeWrapped { wrapped }).map_err(thrown)
    }

    /// The data key.
    #[wasm_bindgen(js_name = dataKey)]
    pub fn data_key(&self) -> Result<js_sys::Uint8Array, JsValue> {
        // EXPOSE: for the host's own `wrap`.
        self.opened.data_key().map(|data_key| js_sys::Uint8Array::from(data_key.expose())).map_err(thrown)
    }

    /// Adds a passphrase.
    #[wasm_bindgen(js_name = addPassphrase)]
    pub fn add_passphrase(&self, label: &str, passphrase: &SecretHandle, cost: &str) -> Result<(), JsValue> {
        self.opened.add_passphrase(label, &taken(passphrase)?, cost).map_err(thrown)
    }

    /// Adds what the host's `wrap` made of the data key.
    #[wasm_bindgen(js_name = addHost)]
    pub fn add_host(&self, label: &str, opaque: &[u8]) -> Result<(), JsValue> {
        self.opened.add_host(label, opaque).map_err(thrown)
    }

    /// Removes a wrap.
    pub fn remove(&self, label: &str) -> Result<(), JsValue> {
        self.opened.remove(label).map_err(thrown)
    }

    /// Seals a changed keyring in place of the one that is there.
    pub fn reseal(&self, keyring: &NativeKeyring) -> Result<(), JsValue> {
        self.opened.reseal(Arc::clone(&keyring.keyring)).map_err(thrown)
    }

    /// Wipes the data key.
    pub fn close(&self) {
        self.opened.close();
    }
}
