//! What the host does with keys and tokens.

use crate::{Octets, hex};
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom::crypto::Format;
use strongroom::keyring::KeyInfo;
use strongroom::{Keyring, Result, SecretBytes, Timestamp};
use strongroom_bindings::OsEntropy;

/// A request; `key` is the text of a keyring.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum KeyringRequest {
    Generate,
    Keys { key: String },
    Export { key: String },
    Encrypt { key: String, value: Octets, format: String, bound: Option<Octets> },
    Decrypt { key: String, token: String, bound: Option<Octets>, formats: Option<Vec<String>> },
    Inspect { key: String, token: String, bound: Option<Octets> },
}

impl KeyringRequest {
    pub(crate) fn answer(self, now: Timestamp) -> Result<Value> {
        Ok(match self {
            KeyringRequest::Generate => {
                let keyring = Keyring::generate(&mut OsEntropy, now)?;
                json!({ "key": text(&keyring.dangerous_export()), "keys": keys(&keyring) })
            }
            KeyringRequest::Keys { key } => keys(&Keyring::parse(&key)?),
            KeyringRequest::Export { key } => json!(text(&Keyring::parse(&key)?.dangerous_export())),
            KeyringRequest::Encrypt { key, value, format, bound } => {
                let (keyring, value) = (Keyring::parse(&key)?, value.into_secret());
                let format = Format::from_name(&format)?;
                json!(keyring.encrypt((&mut OsEntropy, now), value.expose(), format, octets(bound.as_ref()))?)
            }
            KeyringRequest::Decrypt { key, token, bound, formats } => {
                let keyring = Keyring::parse(&key)?;
                let bound = octets(bound.as_ref());
                let formats =
                    formats.map(|names| names.iter().map(|name| Format::from_name(name)).collect::<Result<Vec<_>>>());
                let decrypted = match formats.transpose()? {
                    None => keyring.decrypt(&token, bound)?,
                    Some(formats) => keyring.decrypt_only(&formats, &token, bound)?,
                };
                json!(hex(decrypted.value.expose()))
            }
            KeyringRequest::Inspect { key, token, bound } => {
                let decrypted = Keyring::parse(&key)?.decrypt(&token, octets(bound.as_ref()))?;
                json!({ "format": decrypted.format.name(), "key_id": decrypted.key_id.to_hex() })
            }
        })
    }
}

fn keys(keyring: &Keyring) -> Value {
    let told = |key: &KeyInfo| {
        let (id, state) = (key.id.to_hex(), key.state.name());
        json!({ "id": id, "label": key.label, "created_at": key.created_at, "state": state })
    };
    keyring.keys().map(told).collect()
}

fn octets(bound: Option<&Octets>) -> Option<&[u8]> {
    bound.map(|bound| bound.0.as_slice())
}

fn text(secret: &SecretBytes) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}
