//! Keyrings.

use crate::value::{optional_value_of, thrown, value_of};
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::crypto::Format;
use strongroom::keyring::{Decrypted, Keyring};
use strongroom_bindings::{
    OsEntropy, decrypt, inspect, keyring_info, now, revealed_text, with_advanced, with_enabled, with_label,
    with_primary,
};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use zeroize::Zeroizing;

/// Keys in the module's memory.
#[wasm_bindgen]
pub struct NativeKeyring {
    // Shared with the vaults that were opened with it.
    pub(crate) keyring: Arc<Keyring>,
}

fn held(keyring: strongroom::Result<Keyring>) -> Result<NativeKeyring, JsValue> {
    keyring.map(|keyring| NativeKeyring { keyring: Arc::new(keyring) }).map_err(thrown)
}

/// A keyring of one fresh key.
#[wasm_bindgen(js_name = generateKeyring)]
pub fn generate_keyring(now_millis: f64, label: Option<String>) -> Result<NativeKeyring, JsValue> {
    held(strongroom_bindings::generate_keyring(label.as_deref(), now(now_millis)))
}

/// A keyring from text.
#[wasm_bindgen(js_name = parseKeyring)]
pub fn parse_keyring(text: String) -> Result<NativeKeyring, JsValue> {
    held(Keyring::parse(&Zeroizing::new(text)))
}

#[wasm_bindgen]
impl NativeKeyring {
    /// Encrypts a value.
    pub fn encrypt(
        &self,
        plaintext: &JsValue,
        format: Option<String>,
        associated_data: &JsValue,
        now_millis: f64,
    ) -> Result<String, JsValue> {
        let format = format.as_deref().map_or(Ok(Format::default()), Format::from_name).map_err(thrown)?;
        let (plaintext, associated_data) = (value_of(plaintext)?, optional_value_of(associated_data)?);
        let associated_data = associated_data.as_ref().map(SecretBytes::expose);
        self.keyring
            .encrypt((&mut OsEntropy, now(now_millis)), plaintext.expose(), format, associated_data)
            .map_err(thrown)
    }

    /// Decrypts to text.
    #[wasm_bindgen(js_name = decryptText)]
    pub fn decrypt_text(
        &self,
        token: &str,
        associated_data: &JsValue,
        formats: Option<Vec<String>>,
    ) -> Result<JsValue, JsValue> {
        let decrypted = self.decrypt(token, associated_data, formats)?;
        revealed_text(&decrypted.value).map(JsValue::from_str).map_err(thrown)
    }

    /// Decrypts to bytes.
    #[wasm_bindgen(js_name = decryptBytes)]
    pub fn decrypt_bytes(
        &self,
        token: &str,
        associated_data: &JsValue,
        formats: Option<Vec<String>>,
    ) -> Result<js_sys::Uint8Array, JsValue> {
        // EXPOSE: the host asked for it by name.
        Ok(js_sys::Uint8Array::from(self.decrypt(token, associated_data, formats)?.value.expose()))
    }

    /// Which format a token is in and which key opens it, as JSON.
    pub fn inspect(&self, token: &str, associated_data: &JsValue) -> Result<String, JsValue> {
        let associated_data = optional_value_of(associated_data)?;
        inspect(&self.keyring, token, associated_data.as_ref().map(SecretBytes::expose)).map_err(thrown)
    }

    /// What may be told of every key, as JSON.
    #[must_use]
    pub fn keys(&self) -> String {
        keyring_info(&self.keyring)
    }

    /// With one key more, enabled: the one of that text, or a fresh one.
    #[wasm_bindgen(js_name = addEnabled)]
    pub fn add_enabled(
        &self,
        now_millis: f64,
        key: Option<String>,
        label: Option<String>,
    ) -> Result<NativeKeyring, JsValue> {
        let key = key.map(Zeroizing::new);
        let key = key.as_ref().map(|key| key.as_str());
        held(with_enabled(&self.keyring, key, label.as_deref(), now(now_millis)))
    }

    /// With another primary.
    #[wasm_bindgen(js_name = makePrimary)]
    pub fn make_primary(&self, key_id: &str) -> Result<NativeKeyring, JsValue> {
        held(with_primary(&self.keyring, key_id))
    }

    /// With a key one step further in its life.
    pub fn advance(&self, key_id: &str, to: &str) -> Result<NativeKeyring, JsValue> {
        held(with_advanced(&self.keyring, key_id, to))
    }

    /// With another label of a key, or none.
    pub fn relabel(&self, key_id: &str, label: Option<String>) -> Result<NativeKeyring, JsValue> {
        held(with_label(&self.keyring, key_id, label.as_deref()))
    }

    /// All keys as text.
    #[wasm_bindgen(js_name = dangerousExport)]
    pub fn dangerous_export(&self) -> Result<JsValue, JsValue> {
        revealed_text(&self.keyring.dangerous_export()).map(JsValue::from_str).map_err(thrown)
    }

    fn decrypt(
        &self,
        token: &str,
        associated_data: &JsValue,
        formats: Option<Vec<String>>,
    ) -> Result<Decrypted, JsValue> {
        let associated_data = optional_value_of(associated_data)?;
        let associated_data = associated_data.as_ref().map(SecretBytes::expose);
        decrypt(&self.keyring, token, associated_data, formats.as_deref()).map_err(thrown)
    }
}
