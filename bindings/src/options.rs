//! Opening a vault from options as JSON.

use crate::invalid_arguments;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::record::Change;
use strongroom::{Error, ErrorCode, Keyring, Result, Vault, VaultOptions};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    vault_id: Option<String>,
    actors: Option<Vec<String>>,
    confirm: Vec<String>,
    value_max: Option<usize>,
    proposal_millis: Option<i64>,
}

/// A vault from `{"vault_id", "actors", "confirm", "value_max", "proposal_millis"}`, all of them optional; ids in hex.
/// Errors: `INVALID_ARGUMENT`.
pub fn open_vault(keyring: Arc<Keyring>, options: &str) -> Result<Vault> {
    let options: Options =
        serde_json::from_str(options).map_err(|error| invalid_arguments("the vault's options", &error))?;
    let defaults = VaultOptions::default();
    let vault_id = options.vault_id.as_deref().map(parse_vault_id).transpose()?;
    let confirm = options.confirm.iter().map(|name| Change::from_name(name)).collect::<Result<_>>()?;
    let options = VaultOptions {
        vault_id,
        actors: options.actors,
        value_max: options.value_max.unwrap_or(defaults.value_max),
        proposal_millis: options.proposal_millis.unwrap_or(defaults.proposal_millis),
        confirm,
    };
    Vault::new(keyring, options)
}

fn parse_vault_id(text: &str) -> Result<[u8; 16]> {
    let invalid = || Error::new(ErrorCode::InvalidArgument, "a vault id has 32 hex digits");
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    value.map(u128::to_be_bytes).ok_or_else(invalid)
}

/// What may be told of a keyring's keys, as an array of `{"id", "label", "created_at", "state"}`.
pub fn keyring_info(keyring: &Keyring) -> Value {
    let keys = keyring.keys().map(|key| {
        json!({
            "id": key.id.to_hex(),
            "label": key.label,
            "created_at": key.created_at.map(strongroom::Timestamp::as_millis),
            "state": key.state.name(),
        })
    });
    Value::Array(keys.collect())
}
