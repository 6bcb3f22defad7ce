//! Operations as JSON: what a host asks of a vault.

use crate::entropy::OsEntropy;
use crate::{invalid_arguments, json_of};
use serde::Serialize;
use strongroom::flow::Reply;
use strongroom::ident::Slot;
use strongroom::ops::Revealed;
use strongroom::record::Change;
use strongroom::wire::{Fields, FromJson, read};
use strongroom::{Actor, Error, ErrorCode, Flow, Result, SecretBytes, Step, Timestamp, Vault};

/// How many events `audit` gives unless told otherwise.
const AUDIT_LIMIT: u32 = 20;

/// What an operation came to: what may be told of it, as JSON, and a value if it gives one.
pub(crate) struct Outcome {
    pub(crate) told: String,
    pub(crate) value: Option<SecretBytes>,
}

/// An operation under way whose result is told as JSON.
pub(crate) trait Told: Send {
    /// [`Flow::step`], the result told.
    fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<Outcome>>;
}

/// A flow and what tells of its result. Not [`Flow::map`], whose future around the flow's own is a kilobyte of the
/// browser's module for each result.
struct ToldBy<T> {
    flow: Flow<T>,
    tell: fn(T) -> Outcome,
}

impl<T: Send + 'static> Told for ToldBy<T> {
    fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<Outcome>> {
        Ok(match self.flow.step(now, reply)? {
            Step::Ask { number, request } => Step::Ask { number, request },
            Step::Done(result) => Step::Done(result.map(self.tell)),
        })
    }
}

/// The flow, its result told.
pub(crate) fn told<T: Send + 'static>(flow: Flow<T>, tell: fn(T) -> Outcome) -> Box<dyn Told> {
    Box::new(ToldBy { flow, tell })
}

/// Starts an operation. The value, or the text of a command, comes beside the JSON: it is no part of any shape.
///
/// Errors: `INVALID_ARGUMENT`, `NAME_INVALID`.
pub(crate) fn begin(vault: &Vault, operation: &str, value: Option<SecretBytes>) -> Result<Box<dyn Told>> {
    let fields = read(operation).and_then(Fields::of).map_err(|fault| invalid_arguments("the operation", &fault))?;
    let mut given = Given { fields, value };
    let op: String = given.take("op")?;
    let actor = given.actor()?;
    let entropy = Box::new(OsEntropy);
    let flow = match &*op {
        "set" => told(vault.set(&actor, &given.slot()?, given.value()?, entropy), tell),
        "rotate" => told(vault.rotate(&actor, &given.slot()?, given.value()?, entropy), tell),
        "get" => told(vault.get(&actor, &given.slot()?, entropy), reveal),
        "exists" => told(vault.exists(&actor, &given.slot()?, entropy), tell),
        "delete" => told(vault.delete(&actor, &given.slot()?, entropy), tell),
        "list" => told(vault.list(&actor, given.take::<Option<String>>("namespace")?.as_deref(), entropy)?, tell),
        "audit" => {
            let limit: Option<u32> = given.take("limit")?;
            let slot = given.audited_slot()?;
            told(vault.audit(&actor, slot.as_ref(), limit.unwrap_or(AUDIT_LIMIT), entropy)?, tell)
        }
        "verify_audit" => told(vault.verify_audit(&actor, entropy), tell),
        "propose" => {
            let change: String = given.take("change")?;
            let change = (Change::from_name(&change)?, given.value.take());
            told(vault.propose(&actor, &given.slot()?, change, entropy), tell)
        }
        "confirm" => told(vault.confirm(&actor, &given.take::<String>("id")?, entropy), tell),
        "cancel" => told(vault.cancel(&actor, &given.take::<String>("id")?, entropy), tell),
        "census" => told(vault.census(&actor, entropy), tell),
        "adopt" => told(vault.adopt(&actor, entropy), tell),
        "command" => told(vault.command(&actor, given.value()?, entropy), tell),
        _ => return Err(invalid("the operation: there is none of that name")),
    };
    given.finish()?;
    Ok(flow)
}

/// What came with an operation; what it takes is taken out.
struct Given {
    fields: Fields,
    value: Option<SecretBytes>,
}

impl Given {
    fn take<T: FromJson>(&mut self, name: &str) -> Result<T> {
        self.fields.take(name).map_err(|fault| invalid_arguments("the operation", &fault))
    }

    /// `{"id", "platform", "session_expires_at"}`, the last in milliseconds since the epoch.
    fn actor(&mut self) -> Result<Actor> {
        let fields = Fields::of(self.take("actor")?);
        let mut given = Given { fields: fields.map_err(|fault| invalid_arguments("the actor", &fault))?, value: None };
        let (id, platform): (String, Option<String>) = (given.take("id")?, given.take("platform")?);
        let session_expires_at: Option<Timestamp> = given.take("session_expires_at")?;
        given.finish()?;
        let mut actor = Actor::new(&id)?;
        if let Some(platform) = &platform {
            actor = actor.on_platform(platform)?;
        }
        Ok(match session_expires_at {
            Some(at) => actor.until(at),
            None => actor,
        })
    }

    fn slot(&mut self) -> Result<Slot> {
        let (name, namespace): (String, Option<String>) = (self.take("name")?, self.take("namespace")?);
        Slot::parse_stored(namespace.as_deref(), &name)
    }

    fn audited_slot(&mut self) -> Result<Option<Slot>> {
        let (name, namespace): (Option<String>, Option<String>) = (self.take("name")?, self.take("namespace")?);
        match name {
            Some(name) => Slot::parse_stored(namespace.as_deref(), &name).map(Some),
            None if namespace.is_none() => Ok(None),
            None => Err(invalid("a namespace without a name: give both, or neither for the whole vault")),
        }
    }

    fn value(&mut self) -> Result<SecretBytes> {
        self.value.take().ok_or_else(|| invalid("this operation takes a value, and none was given"))
    }

    /// Refuses what was left over: it would do nothing in silence.
    fn finish(self) -> Result<()> {
        if self.value.is_some() {
            return Err(invalid("this operation takes no value"));
        }
        self.fields.end().map_err(|fault| invalid_arguments("the operation", &fault))
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_string())
}

/// What an operation came to that gives no value.
pub(crate) fn tell<T: Serialize>(told: T) -> Outcome {
    Outcome { told: json_of(&told), value: None }
}

fn reveal(revealed: Revealed) -> Outcome {
    #[derive(Serialize)]
    struct Told<'a> {
        namespace: &'a str,
        name: &'a str,
        version: u64,
        format: &'static str,
        key_id: String,
        last_rotated: Option<Timestamp>,
    }
    let Revealed { slot, version, format, key_id, last_rotated, value, .. } = revealed;
    let (namespace, name) = (slot.namespace(), slot.name());
    let told = Told { namespace, name, version, format: format.name(), key_id: key_id.to_hex(), last_rotated };
    Outcome { told: json_of(&told), value: Some(value) }
}
