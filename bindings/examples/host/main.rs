//! The Rust host of the tests between languages: one JSON object a line in, one a line out. Octets are hex.
//!
//! Every host speaks the same lines (`tests/hosts/process.py`): `{"do": ..., ...}` is answered by `{"told": ...}`, or by
//! `{"code", "message"}` when it was refused. A line that cannot be read ends the program.

mod archives;
mod history;
mod keyrings;
mod many;
mod operations;
mod tape;
mod vaults;

use keyrings::KeyringRequest;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use strongroom::SecretBytes;
use strongroom::wire::{Fault, FromJson, Json};
use vaults::{VaultHost, VaultRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut host = VaultHost::default();
    for line in stdin().lock().lines() {
        let answer = match answer(&mut host, &line?) {
            Ok(told) => json!({ "told": told }),
            Err(Failure::Refused(refused)) => json!({ "code": refused.code().name(), "message": refused.message() }),
            Err(Failure::Unreadable(why)) => return Err(why.into()),
        };
        writeln!(stdout(), "{answer}")?;
    }
    Ok(())
}

/// Why a request came to nothing.
enum Failure {
    /// strongroom refused it.
    Refused(strongroom::Error),
    /// It is none.
    Unreadable(String),
}

impl From<strongroom::Error> for Failure {
    fn from(refused: strongroom::Error) -> Self {
        Failure::Refused(refused)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(why: serde_json::Error) -> Self {
        Failure::Unreadable(why.to_string())
    }
}

impl From<Fault> for Failure {
    fn from(why: Fault) -> Self {
        Failure::Unreadable(why.into_owned())
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Failure::Unreadable(why.to_owned())
    }
}

fn answer(host: &mut VaultHost, line: &str) -> Result<Value, Failure> {
    let request: Value = serde_json::from_str(line)?;
    match request.get("do").and_then(Value::as_str).unwrap_or_default() {
        "version" => Ok(json!(env!("CARGO_PKG_VERSION"))),
        #[cfg(feature = "transcripts")]
        "fix_entropy" => {
            let seed = request.get("seed").and_then(Value::as_u64).and_then(|seed| u32::try_from(seed).ok());
            strongroom_bindings::fix_entropy(seed.ok_or("the seed is missing")?);
            Ok(Value::Null)
        }
        // An export of a vault is somebody's.
        "generate" | "keys" | "export" | "encrypt" | "decrypt" | "inspect" if request.get("actor").is_none() => {
            Ok(serde_json::from_value::<KeyringRequest>(request)?.answer(host.tape.now())?)
        }
        "open" | "reopen" | "dump" | "metrics" | "put" | "clock" | "faults" | "host" | "taken" => {
            host.answer(serde_json::from_value::<VaultRequest>(request)?)
        }
        _ => host.operate(line),
    }
}

/// Octets, as they cross.
struct Octets(Vec<u8>);

impl Octets {
    fn into_secret(self) -> SecretBytes {
        SecretBytes::new(self.0)
    }
}

impl FromJson for Octets {
    fn from_json(value: Json) -> Result<Self, Fault> {
        let text = String::from_json(value)?;
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or("octets are pairs of hex digits")?;
        Ok(Octets(digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Octets::from_json(Json::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
