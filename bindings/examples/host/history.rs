//! Checkpoints and the export of the history, through the API of Rust.

use crate::Failure;
use crate::operations::Given;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::audit::{Checkpoint, ExportFormat};
use strongroom::keyring::{SigningKey, Verifier};
use strongroom::{Actor, Error, Flow, Vault};
use strongroom_bindings::OsEntropy;

pub(crate) fn verify_audit(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Flow<Value>, Failure> {
    let (text, verifiers): (Option<String>, Option<Vec<String>>) =
        (given.take("checkpoint")?, given.take("verifiers")?);
    let entropy = Box::new(OsEntropy);
    let flow = match text {
        None => vault.verify_audit(actor, entropy),
        Some(text) => {
            let verifiers = verifiers.unwrap_or_default();
            let verifiers: Result<Vec<Verifier>, Error> = verifiers.iter().map(|text| Verifier::parse(text)).collect();
            vault.verify_audit_against(actor, Checkpoint::parse(&text, &verifiers?)?, entropy)
        }
    };
    Ok(flow.map(|told| json!(told)))
}

pub(crate) fn checkpoint(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Flow<Value>, Failure> {
    let (key, name): (String, String) = (given.take("signing_key")?, given.take("signer")?);
    let key = Arc::new(SigningKey::parse(&key, &name)?);
    Ok(vault.checkpoint(actor, &key, Box::new(OsEntropy)).map(|told| json!(told.checkpoint)))
}

/// The first page.
pub(crate) fn export_audit(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Flow<Value>, Failure> {
    let (format, limit): (String, u32) = (given.take("format")?, given.take("limit")?);
    let flow = vault.export_audit(actor, ExportFormat::from_name(&format)?, (None, limit), Box::new(OsEntropy))?;
    Ok(flow.map(|told| json!(told.lines)))
}
