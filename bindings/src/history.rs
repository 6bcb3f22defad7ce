//! Checkpoints and the keys that sign them, and the export of the history. A signing key crosses as its text, in a handle:
//! it is a value like others.

use crate::environment::file_of;
use crate::operation::{Given, Told, tell, told};
use crate::{OsEntropy, json_of};
use serde::Serialize;
use std::sync::Arc;
use strongroom::audit::{Checkpoint, ExportFormat};
use strongroom::keyring::{Environment, SIGNER_NAME, SIGNING_KEY_FILE_VARIABLE, SigningKey, Verifier};
use strongroom::{Actor, Error, ErrorCode, Result, SecretBytes, Timestamp, Vault};

/// How many events a page of `export_audit` takes unless told otherwise.
const EXPORT_LIMIT: u32 = 1000;

/// A fresh signing key of that name, as its text. Errors: `NAME_INVALID`, `ENTROPY_FAILED`.
pub fn generate_signing_key(name: &str) -> Result<SecretBytes> {
    SigningKey::make(&mut OsEntropy, name).map(|key| key.dangerous_export())
}

/// A signing key from its text, as its text. Errors: `KEY_INVALID`, `NAME_INVALID`.
pub fn parse_signing_key(text: &str, name: &str) -> Result<SecretBytes> {
    SigningKey::parse(text, name).map(|key| key.dangerous_export())
}

/// The same from the values of `STRONGROOM_SIGNING_KEY` and `STRONGROOM_SIGNING_KEY_FILE`, as the host found them. Errors: those
/// of [`SigningKey::from_environment`]; `NOT_CONFIGURED` when the file cannot be read.
pub fn signing_key_from_environment(key: Option<&str>, key_file: Option<&str>, name: &str) -> Result<SecretBytes> {
    let file = file_of(key, key_file, SIGNING_KEY_FILE_VARIABLE)?;
    let environment = Environment { key, file: file.as_ref().map(|text| text.as_str()) };
    SigningKey::from_environment(&environment, name).map(|key| key.dangerous_export())
}

/// What verifies the signatures of a signing key. Errors: `KEY_INVALID`, `NAME_INVALID`.
pub fn verifier_of(key: &SecretBytes, name: &str) -> Result<String> {
    signing_key(key, name).map(|key| key.verifier().to_string())
}

/// What a checkpoint says of itself, as JSON: `{"vault_id", "at", "streams"}`. Errors: those of [`Checkpoint::parse`] and
/// [`Verifier::parse`].
pub fn read_checkpoint(text: &str, verifiers: &[String]) -> Result<String> {
    #[derive(Serialize)]
    struct Read {
        vault_id: String,
        at: Timestamp,
        streams: usize,
    }
    let checkpoint = parse(text, verifiers)?;
    Ok(json_of(&Read { vault_id: checkpoint.vault_id(), at: checkpoint.at(), streams: checkpoint.leaves().len() }))
}

/// `{"signer"}`, with the signing key's text as the value. Tells `{"checkpoint"}`.
pub(crate) fn checkpoint(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Box<dyn Told>> {
    let signer: Option<String> = given.take("signer")?;
    let key = signing_key(&given.value()?, signer.as_deref().unwrap_or(SIGNER_NAME))?;
    Ok(told(vault.checkpoint(actor, &Arc::new(key), Box::new(OsEntropy)), tell))
}

/// `{"checkpoint", "verifiers": [...]}`, both of them or neither.
pub(crate) fn verify_audit(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Box<dyn Told>> {
    let (text, verifiers): (Option<String>, Option<Vec<String>>) =
        (given.take("checkpoint")?, given.take("verifiers")?);
    let entropy = Box::new(OsEntropy);
    let flow = match (text, verifiers) {
        (None, None) => vault.verify_audit(actor, entropy),
        (Some(text), verifiers) => {
            vault.verify_audit_against(actor, parse(&text, &verifiers.unwrap_or_default())?, entropy)
        }
        (None, Some(_)) => {
            let message = "verifiers and no checkpoint: give the checkpoint that they are to verify";
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    };
    Ok(told(flow, tell))
}

/// `{"format", "after", "limit"}`. Tells `{"lines": [...], "next"}`.
pub(crate) fn export_audit(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Box<dyn Told>> {
    let (format, after): (Option<String>, Option<String>) = (given.take("format")?, given.take("after")?);
    let limit: Option<u32> = given.take("limit")?;
    let format = format.as_deref().map_or(Ok(ExportFormat::default()), ExportFormat::from_name)?;
    let page = (after.as_deref(), limit.unwrap_or(EXPORT_LIMIT));
    Ok(told(vault.export_audit(actor, format, page, Box::new(OsEntropy))?, tell))
}

fn parse(text: &str, verifiers: &[String]) -> Result<Checkpoint> {
    let verifiers: Result<Vec<Verifier>> = verifiers.iter().map(|verifier| Verifier::parse(verifier)).collect();
    Checkpoint::parse(text, &verifiers?)
}

fn signing_key(text: &SecretBytes, name: &str) -> Result<SigningKey> {
    // EXPOSE: to be read as a key.
    SigningKey::parse(std::str::from_utf8(text.expose()).unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_crosses_as_its_text_and_its_name_beside_it() {
        let key = generate_signing_key("example.com/vault").unwrap();
        let text = std::str::from_utf8(key.expose()).unwrap().to_string();
        let verifier = verifier_of(&key, "example.com/vault").unwrap();
        assert!(verifier.starts_with("example.com/vault+"));
        assert_eq!(parse_signing_key(&format!("{text}\n"), "n").unwrap(), key);
        assert_eq!(signing_key_from_environment(Some(&text), None, "n").unwrap(), key);
        assert_eq!(parse_signing_key(&text, "two words").unwrap_err().code(), ErrorCode::NameInvalid);
        assert_eq!(verifier_of(&SecretBytes::copy_of(&[0xff]), "n").unwrap_err().code(), ErrorCode::KeyInvalid);
    }

    #[test]
    fn a_file_of_a_signing_key_is_read_unless_the_key_is_given_too() {
        let key = generate_signing_key("n").unwrap();
        let path = std::env::temp_dir().join(format!("strongroom-signing-{}", std::process::id()));
        std::fs::write(&path, key.expose()).unwrap();
        let file = path.to_str();
        assert_eq!(signing_key_from_environment(None, file, "n").unwrap(), key);
        let both = signing_key_from_environment(Some("srs1.x"), file, "n").unwrap_err();
        assert_eq!(both.code(), ErrorCode::InvalidArgument);
        std::fs::remove_file(&path).unwrap();
        let gone = signing_key_from_environment(None, file, "n").unwrap_err();
        assert_eq!(gone.code(), ErrorCode::NotConfigured);
        assert!(gone.message().contains("STRONGROOM_SIGNING_KEY_FILE"), "{gone}");
    }
}
