//! The Rust host of the tests between languages: one JSON object a line in, one a line out. Octets are hex.
//!
//! Every host speaks the same lines (`tests/hosts/host.py`): `{"do": ..., ...}` is answered by `{"told": ...}`, or by
//! `{"code", "message"}` when it was refused. A line that cannot be read ends the program.

mod keyrings;
mod tape;
mod vaults;

use keyrings::KeyringRequest;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use strongroom::SecretBytes;
use vaults::{VaultHost, VaultRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut host = VaultHost::default();
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let answer = match answer(&mut host, request)? {
            Ok(told) => json!({ "told": told }),
            Err(refused) => json!({ "code": refused.code().name(), "message": refused.message() }),
        };
        writeln!(stdout(), "{answer}")?;
    }
    Ok(())
}

fn answer(host: &mut VaultHost, request: Value) -> Result<strongroom::Result<Value>, Box<dyn Error>> {
    let what = request.get("do").and_then(Value::as_str).unwrap_or_default().to_owned();
    match what.as_str() {
        "version" => return Ok(Ok(json!(env!("CARGO_PKG_VERSION")))),
        #[cfg(feature = "transcripts")]
        "fix_entropy" => {
            let seed = request.get("seed").and_then(Value::as_u64).ok_or("the seed is missing")?;
            strongroom_bindings::fix_entropy(u32::try_from(seed)?);
            return Ok(Ok(Value::Null));
        }
        "generate" | "keys" | "export" | "encrypt" | "decrypt" | "inspect" => {
            return Ok(serde_json::from_value::<KeyringRequest>(request)?.answer(host.tape.now()));
        }
        _ => {}
    }
    Ok(host.answer(serde_json::from_value::<VaultRequest>(request)?))
}

/// Octets, as they cross.
struct Octets(Vec<u8>);

impl Octets {
    fn into_secret(self) -> SecretBytes {
        SecretBytes::new(self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or_else(|| serde::de::Error::custom("octets are pairs of hex digits"))?;
        Ok(Octets(digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()))
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
