//! Keyrings.

use crate::{Text, Thrown, host_failed, secret_of, thrown};
use napi::bindgen_prelude::BufferSlice;
use napi::{Env, JsString};
use napi_derive::napi;
use std::sync::Arc;
use strongroom::SecretBytes;
use strongroom::crypto::Format;
use strongroom::keyring::Decrypted;
use strongroom_bindings::{
    OsEntropy, decrypt, inspect, keyring_from_environment, keyring_info, now, revealed_text, with_advanced,
    with_enabled, with_label, with_primary,
};
use zeroize::Zeroizing;

/// Keys, outside of JavaScript's heap.
#[napi]
pub struct NativeKeyring {
    pub(crate) keyring: Arc<strongroom::Keyring>,
}

fn held(keyring: strongroom::Result<strongroom::Keyring>) -> Result<NativeKeyring, Thrown> {
    keyring.map(|keyring| NativeKeyring { keyring: Arc::new(keyring) }).map_err(thrown)
}

/// A keyring of one fresh key.
#[napi]
pub fn generate_keyring(now_millis: f64, label: Option<String>) -> Result<NativeKeyring, Thrown> {
    held(strongroom_bindings::generate_keyring(label.as_deref(), now(now_millis)))
}

/// A keyring from text.
#[napi]
pub fn parse_keyring(text: String) -> Result<NativeKeyring, Thrown> {
    held(strongroom::Keyring::parse(&Zeroizing::new(text)))
}

/// A keyring from the values of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_FILE`.
#[napi]
pub fn keyring_from_environment_values(key: Option<String>, key_file: Option<String>) -> Result<NativeKeyring, Thrown> {
    let key = key.map(Zeroizing::new);
    held(keyring_from_environment(key.as_ref().map(|key| key.as_str()), key_file.as_deref()))
}

#[napi]
impl NativeKeyring {
    /// Encrypts a value.
    #[napi]
    pub fn encrypt(
        &self,
        plaintext: Text,
        format: Option<String>,
        associated_data: Option<Text>,
        now_millis: f64,
    ) -> Result<String, Thrown> {
        let format = format.as_deref().map_or(Ok(Format::default()), Format::from_name).map_err(thrown)?;
        let (plaintext, associated_data) = (secret_of(plaintext), associated_data.map(secret_of));
        let associated_data = associated_data.as_ref().map(SecretBytes::expose);
        self.keyring
            .encrypt((&mut OsEntropy, now(now_millis)), plaintext.expose(), format, associated_data)
            .map_err(thrown)
    }

    /// Decrypts to text.
    #[napi]
    pub fn decrypt_text<'env>(
        &self,
        env: &'env Env,
        token: String,
        associated_data: Option<Text>,
        formats: Option<Vec<String>>,
    ) -> Result<JsString<'env>, Thrown> {
        let decrypted = self.decrypt(&token, associated_data, formats)?;
        env.create_string(revealed_text(&decrypted.value).map_err(thrown)?).map_err(host_failed)
    }

    /// Decrypts to bytes.
    #[napi]
    pub fn decrypt_bytes<'env>(
        &self,
        env: &'env Env,
        token: String,
        associated_data: Option<Text>,
        formats: Option<Vec<String>>,
    ) -> Result<BufferSlice<'env>, Thrown> {
        let decrypted = self.decrypt(&token, associated_data, formats)?;
        // EXPOSE: the host asked for it by name.
        BufferSlice::copy_from(env, decrypted.value.expose()).map_err(host_failed)
    }

    /// Which format a token is in and which key opens it, as JSON.
    #[napi]
    pub fn inspect(&self, token: String, associated_data: Option<Text>) -> Result<String, Thrown> {
        let associated_data = associated_data.map(secret_of);
        inspect(&self.keyring, &token, associated_data.as_ref().map(SecretBytes::expose)).map_err(thrown)
    }

    /// What may be told of every key, as JSON.
    #[napi]
    pub fn keys(&self) -> String {
        keyring_info(&self.keyring)
    }

    /// With one key more, enabled: the one of that text, or a fresh one.
    #[napi]
    pub fn add_enabled(
        &self,
        now_millis: f64,
        key: Option<String>,
        label: Option<String>,
    ) -> Result<NativeKeyring, Thrown> {
        let key = key.map(Zeroizing::new);
        let key = key.as_ref().map(|key| key.as_str());
        held(with_enabled(&self.keyring, key, label.as_deref(), now(now_millis)))
    }

    /// With another primary.
    #[napi]
    pub fn make_primary(&self, key_id: String) -> Result<NativeKeyring, Thrown> {
        held(with_primary(&self.keyring, &key_id))
    }

    /// With a key one step further in its life.
    #[napi]
    pub fn advance(&self, key_id: String, to: String) -> Result<NativeKeyring, Thrown> {
        held(with_advanced(&self.keyring, &key_id, &to))
    }

    /// With another label of a key, or none.
    #[napi]
    pub fn relabel(&self, key_id: String, label: Option<String>) -> Result<NativeKeyring, Thrown> {
        held(with_label(&self.keyring, &key_id, label.as_deref()))
    }

    /// All keys as text.
    #[napi]
    pub fn dangerous_export<'env>(&self, env: &'env Env) -> Result<JsString<'env>, Thrown> {
        let text = self.keyring.dangerous_export();
        env.create_string(revealed_text(&text).map_err(thrown)?).map_err(host_failed)
    }

    fn decrypt(
        &self,
        token: &str,
        associated_data: Option<Text>,
        formats: Option<Vec<String>>,
    ) -> Result<Decrypted, Thrown> {
        let associated_data = associated_data.map(secret_of);
        let associated_data = associated_data.as_ref().map(SecretBytes::expose);
        decrypt(&self.keyring, token, associated_data, formats.as_deref()).map_err(thrown)
    }
}
