//! Opening a vault from options as JSON.

use crate::operation::read_policy;
use crate::{invalid_arguments, json_of};
use serde::Serialize;
use std::sync::Arc;
use strongroom::audit::{EventFilter, SharedWatch};
use strongroom::keyring::KeyInfo;
use strongroom::record::Change;
use strongroom::wire::{Fault, Fields, FromJson, Json, read};
use strongroom::{Error, ErrorCode, Keyring, Result, Timestamp, Vault, VaultOptions};

/// A vault from `{"vault_id", "actors", "confirm", "value_max", "proposal_millis", "policy", "events"}`, all of them
/// optional; ids in hex, the policy as JSON or `"default"` for the built-in roles, `events` the names of an
/// [`EventFilter`]. Errors: `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`.
pub fn open_vault(keyring: Arc<Keyring>, options: &str) -> Result<Vault> {
    open_watched_vault(keyring, options, None)
}

/// The same, with what watches its access: see [`parse_watch`](crate::parse_watch).
pub fn open_watched_vault(keyring: Arc<Keyring>, options: &str, watch: Option<SharedWatch>) -> Result<Vault> {
    let given = read::<Options>(options);
    let given = given.map_err(|fault| invalid_arguments("the vault's options", &fault))?;
    let defaults = VaultOptions::default();
    let options = VaultOptions {
        vault_id: given.vault_id.as_deref().map(parse_vault_id).transpose()?,
        actors: given.actors,
        value_max: given.value_max.unwrap_or(defaults.value_max),
        proposal_millis: given.proposal_millis.unwrap_or(defaults.proposal_millis),
        confirm: given.confirm.iter().flatten().map(|name| Change::from_name(name)).collect::<Result<_>>()?,
        policy: given.policy.map(read_policy).transpose()?,
        events: given.events.map(|names| EventFilter::parse(&names)).transpose()?,
        watch,
    };
    Vault::new(keyring, options)
}

struct Options {
    vault_id: Option<String>,
    actors: Option<Vec<String>>,
    confirm: Option<Vec<String>>,
    value_max: Option<usize>,
    proposal_millis: Option<i64>,
    policy: Option<Json>,
    events: Option<Vec<String>>,
}

impl FromJson for Options {
    fn from_json(value: Json) -> core::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let read = Options {
            vault_id: fields.take("vault_id")?,
            actors: fields.take("actors")?,
            confirm: fields.take("confirm")?,
            value_max: fields.take("value_max")?,
            proposal_millis: fields.take("proposal_millis")?,
            policy: fields.take("policy")?,
            events: fields.take("events")?,
        };
        fields.end()?;
        Ok(read)
    }
}

fn parse_vault_id(text: &str) -> Result<[u8; 16]> {
    let invalid = || Error::new(ErrorCode::InvalidArgument, "a vault id has 32 hex digits");
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    value.map(u128::to_be_bytes).ok_or_else(invalid)
}

/// What may be told of a keyring's keys, as JSON: an array of `{"id", "label", "created_at", "state"}`.
pub fn keyring_info(keyring: &Keyring) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        id: String,
        label: Option<&'a str>,
        created_at: Option<Timestamp>,
        state: &'static str,
    }
    let told = |key: &'_ KeyInfo| -> String {
        let KeyInfo { id, label, created_at, state } = key;
        json_of(&Told { id: id.to_hex(), label: label.as_deref(), created_at: *created_at, state: state.name() })
    };
    let keys: Vec<String> = keyring.keys().map(told).collect();
    format!("[{}]", keys.join(","))
}
