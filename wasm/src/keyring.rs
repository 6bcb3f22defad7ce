//! Keyrings.

use crate::value::{optional_value_of, thrown, value_of};
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::crypto::Format;
use strongroom::keyring::{Decrypted, Keyring};
use strongroom_bindings::{OsEntropy, decrypt, inspect, keyring_info, now, revealed_text};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use zeroize::Zeroizing;

/// Keys in the module's memory.
#[wasm_bindgen]
pub struct NativeKeyring {
    // Shared with the vaults that were opened with it.
    pub(crate) keyring: Arc<Keyring>,
}

impl NativeKeyring {
    fn new(keyring: Keyring) -> Self {
        NativeKeyring { keyring: Arc::new(keyring) }
    }
}

/// A keyring of one fresh key.
#[wasm_bindgen(js_name = generateKeyring)]
pub fn generate_keyring(now_millis: f64) -> Result<NativeKeyring, JsValue> {
    Keyring::generate(&mut OsEntropy, now(now_millis)).map(NativeKeyring::new).map_err(thrown)
}

/// A keyring from text.
#[wasm_bindgen(js_name = parseKeyring)]
pub fn parse_keyring(text: String) -> Result<NativeKeyring, JsValue> {
    Keyring::parse(&Zeroizing::new(text)).map(NativeKeyring::new).map_err(thrown)
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
