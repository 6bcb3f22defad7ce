//! Operations as JSON: what a host asks of a vault.

use crate::entropy::OsEntropy;
use crate::invalid_arguments;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strongroom::ident::Slot;
use strongroom::ops::Revealed;
use strongroom::record::Change;
use strongroom::{Actor, Error, ErrorCode, Flow, Result, SecretBytes, Timestamp, Vault};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Operation {
    Set { name: String, namespace: Option<String>, actor: WireActor },
    Get { name: String, namespace: Option<String>, actor: WireActor },
    Exists { name: String, namespace: Option<String>, actor: WireActor },
    List { namespace: Option<String>, actor: WireActor },
    Rotate { name: String, namespace: Option<String>, actor: WireActor },
    Delete { name: String, namespace: Option<String>, actor: WireActor },
    Audit { name: Option<String>, namespace: Option<String>, limit: Option<u32>, actor: WireActor },
    VerifyAudit { actor: WireActor },
    Propose { change: String, name: String, namespace: Option<String>, actor: WireActor },
    Confirm { id: String, actor: WireActor },
    Cancel { id: String, actor: WireActor },
    Census { actor: WireActor },
    Adopt { actor: WireActor },
    Command { actor: WireActor },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireActor {
    id: String,
    platform: Option<String>,
    session_expires_at: Option<i64>,
}

/// How many events `audit` gives unless told otherwise.
const AUDIT_LIMIT: u32 = 20;

/// What an operation came to: what may be told of it, and a value if it gives one.
pub(crate) struct Outcome {
    pub(crate) told: Value,
    pub(crate) value: Option<SecretBytes>,
}

/// Starts an operation. The value, or the text of a command, comes beside the JSON: it is no part of any shape.
///
/// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`.
pub(crate) fn begin(vault: &Vault, operation: &str, value: Option<SecretBytes>) -> Result<Flow<Outcome>> {
    let operation: Operation =
        serde_json::from_str(operation).map_err(|error| invalid_arguments("the operation", &error))?;
    let entropy = Box::new(OsEntropy);
    let value = Given(value);
    Ok(match operation {
        Operation::Set { name, namespace, actor } => {
            let (actor, slot) = (actor.parse()?, slot(&name, namespace.as_deref())?);
            vault.set(&actor, &slot, value.needed()?, entropy).map(tell)
        }
        Operation::Rotate { name, namespace, actor } => {
            let (actor, slot) = (actor.parse()?, slot(&name, namespace.as_deref())?);
            vault.rotate(&actor, &slot, value.needed()?, entropy).map(tell)
        }
        Operation::Propose { change, name, namespace, actor } => {
            let (actor, slot) = (actor.parse()?, slot(&name, namespace.as_deref())?);
            vault.propose(&actor, &slot, (Change::from_name(&change)?, value.0), entropy).map(tell)
        }
        Operation::Command { actor } => vault.command(&actor.parse()?, value.needed()?, entropy).map(tell),
        Operation::Get { name, namespace, actor } => {
            value.unwanted()?;
            vault.get(&actor.parse()?, &slot(&name, namespace.as_deref())?, entropy).map(reveal)
        }
        Operation::Exists { name, namespace, actor } => {
            value.unwanted()?;
            vault.exists(&actor.parse()?, &slot(&name, namespace.as_deref())?, entropy).map(tell)
        }
        Operation::List { namespace, actor } => {
            value.unwanted()?;
            vault.list(&actor.parse()?, namespace.as_deref(), entropy)?.map(tell)
        }
        Operation::Delete { name, namespace, actor } => {
            value.unwanted()?;
            vault.delete(&actor.parse()?, &slot(&name, namespace.as_deref())?, entropy).map(tell)
        }
        Operation::Audit { name, namespace, limit, actor } => {
            value.unwanted()?;
            let slot = audited_slot(name.as_deref(), namespace.as_deref())?;
            vault.audit(&actor.parse()?, slot.as_ref(), limit.unwrap_or(AUDIT_LIMIT), entropy)?.map(tell)
        }
        Operation::VerifyAudit { actor } => {
            value.unwanted()?;
            vault.verify_audit(&actor.parse()?, entropy).map(tell)
        }
        Operation::Confirm { id, actor } => {
            value.unwanted()?;
            vault.confirm(&actor.parse()?, &id, entropy).map(tell)
        }
        Operation::Cancel { id, actor } => {
            value.unwanted()?;
            vault.cancel(&actor.parse()?, &id, entropy).map(tell)
        }
        Operation::Census { actor } => {
            value.unwanted()?;
            vault.census(&actor.parse()?, entropy).map(tell)
        }
        Operation::Adopt { actor } => {
            value.unwanted()?;
            vault.adopt(&actor.parse()?, entropy).map(tell)
        }
    })
}

fn audited_slot(name: Option<&str>, namespace: Option<&str>) -> Result<Option<Slot>> {
    match (name, namespace) {
        (Some(name), namespace) => slot(name, namespace).map(Some),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let message = "a namespace without a name: give both, or neither for the whole vault";
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
    }
}

/// The value that came with an operation, if one did.
struct Given(Option<SecretBytes>);

impl Given {
    fn needed(self) -> Result<SecretBytes> {
        self.0.ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "this operation takes a value, and none was given"))
    }

    fn unwanted(self) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(Error::new(ErrorCode::InvalidArgument, "this operation takes no value")),
        }
    }
}

impl WireActor {
    fn parse(&self) -> Result<Actor> {
        let mut actor = Actor::new(&self.id)?;
        if let Some(platform) = &self.platform {
            actor = actor.on_platform(platform)?;
        }
        Ok(match self.session_expires_at {
            Some(at) => actor.until(Timestamp::from_millis(at)),
            None => actor,
        })
    }
}

fn slot(name: &str, namespace: Option<&str>) -> Result<Slot> {
    Slot::parse_stored(namespace, name)
}

/// What an operation came to that gives no value.
pub(crate) fn tell<T: Serialize>(told: T) -> Outcome {
    // INVARIANT: what operations return are plain structs with text keys; serde_json writes them all.
    Outcome { told: serde_json::to_value(&told).unwrap_or(Value::Null), value: None }
}

fn reveal(revealed: Revealed) -> Outcome {
    let told = json!({
        "namespace": revealed.slot.namespace(),
        "name": revealed.slot.name(),
        "version": revealed.version,
        "format": revealed.format.name(),
        "key_id": revealed.key_id.to_hex(),
        "last_rotated": revealed.last_rotated.map(Timestamp::as_millis),
    });
    Outcome { told, value: Some(revealed.value) }
}
