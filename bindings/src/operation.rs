//! Operations as JSON: what a host asks of a vault.

use crate::entropy::OsEntropy;
use crate::exchange;
use crate::history;
use crate::many::{self, OfManifest};
use crate::resolve::resolve;
use crate::{invalid_arguments, json_of};
use serde::Serialize;
use strongroom::audit::AccessFinding;
use strongroom::crypto::KeyId;
use strongroom::flow::Reply;
use strongroom::generate::Generator;
use strongroom::ident::Slot;
use strongroom::ops::{Expiry, NewValue, Revealed, Rotation, Setting, WithoutGenerator};
use strongroom::policy::Policy;
use strongroom::record::Change;
use strongroom::wire::{Fields, FromJson, Json, read};
use strongroom::{Actor, Error, ErrorCode, Flow, Leaked, Result, SecretBytes, Step, Timestamp, Vault};

/// How many events `audit` gives unless told otherwise.
const AUDIT_LIMIT: u32 = 20;

/// How far ahead `rotation_status` looks unless told otherwise: 7 days, in milliseconds.
const AHEAD_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;

/// How many secrets a page of `rekey` or `renew_root` takes unless told otherwise.
const REKEY_LIMIT: u32 = 100;

/// How many secrets a page of `rotate_due` and its like takes unless told otherwise.
const SWEEP_LIMIT: u32 = 50;

/// What an operation came to: what may be told of it, as JSON, and the values that it gives.
pub(crate) struct Outcome {
    pub(crate) told: String,
    pub(crate) values: Vec<SecretBytes>,
}

/// An operation under way whose result is told as JSON.
pub(crate) trait Told: Send {
    /// [`Flow::step`], the result told.
    fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<Outcome>>;

    /// [`Flow::offer`].
    fn offer(&mut self, value: SecretBytes);

    /// [`Flow::take_shown`].
    fn take_shown(&mut self) -> Option<SecretBytes>;

    /// [`Flow::take_findings`].
    fn take_findings(&mut self) -> Vec<AccessFinding>;

    /// Whether the next step may take a second.
    fn is_long(&self) -> bool {
        false
    }
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

    fn offer(&mut self, value: SecretBytes) {
        self.flow.offer(value);
    }

    fn take_shown(&mut self) -> Option<SecretBytes> {
        self.flow.take_shown()
    }

    fn take_findings(&mut self) -> Vec<AccessFinding> {
        self.flow.take_findings()
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
        "set" => {
            let setting = given.setting()?;
            let value = given.new_value()?.ok_or_else(no_value)?;
            told(vault.set(&actor, &given.slot()?, (value, setting), entropy), tell)
        }
        "rotate" => {
            let (grace_millis, expiry) = (given.take("grace_millis")?, given.expiry()?);
            let value = given.new_value()?;
            match (given.take::<Option<bool>>("rotator")?.unwrap_or_default(), value) {
                (true, Some(_)) => return Err(invalid("a rotator makes the value: give none, nor how to make one")),
                (true, None) => {
                    told(vault.rotate_with_rotator(&actor, &given.slot()?, grace_millis, expiry, entropy), tell)
                }
                (false, value) => {
                    let rotation = Rotation { value, grace_millis, expiry };
                    told(vault.rotate(&actor, &given.slot()?, rotation, entropy), tell)
                }
            }
        }
        "get" => told(vault.get(&actor, &given.slot()?, entropy), reveal),
        "exists" => told(vault.exists(&actor, &given.slot()?, entropy), tell),
        "delete" => told(vault.delete(&actor, &given.slot()?, entropy), tell),
        "disable" => told(vault.disable(&actor, &given.slot()?, entropy), tell),
        "enable" => told(vault.enable(&actor, &given.slot()?, entropy), tell),
        "versions" => told(vault.versions(&actor, &given.slot()?, entropy), tell),
        "rollback" => {
            let version: u64 = given.take("version")?;
            told(vault.rollback(&actor, &given.slot()?, version, entropy), tell)
        }
        "verify" => told(vault.verify(&actor, &given.slot()?, given.value()?, entropy), tell),
        "revoke_previous" => told(vault.revoke_previous(&actor, &given.slot()?, entropy), tell),
        "expire" => {
            let expiry = given.expiry()?.unwrap_or(Expiry::Never);
            told(vault.expire(&actor, &given.slot()?, expiry, entropy), tell)
        }
        "purge" => told(vault.purge(&actor, given.namespace()?.as_deref(), entropy)?, tell),
        "list" => told(vault.list(&actor, given.namespace()?.as_deref(), entropy)?, tell),
        "rotation_status" => {
            let ahead: Option<i64> = given.take("ahead_millis")?;
            let ahead = ahead.unwrap_or(AHEAD_MILLIS);
            told(vault.rotation_status(&actor, given.namespace()?.as_deref(), ahead, entropy)?, tell)
        }
        "due" => {
            let ahead: Option<i64> = given.take("ahead_millis")?;
            told(vault.due(&actor, given.namespace()?.as_deref(), ahead.unwrap_or(AHEAD_MILLIS), entropy)?, tell)
        }
        "identify" => {
            let presented = given.value()?;
            told(vault.identify(&actor, given.namespace()?.as_deref(), presented, entropy)?, tell)
        }
        "rotate_due" => {
            let (namespace, grace, page) = given.sweep()?;
            told(vault.rotate_due(&actor, (namespace.as_deref(), grace), of(&page), entropy)?, tell)
        }
        "rotate_all" => {
            let (namespace, grace, page) = given.sweep()?;
            told(vault.rotate_all(&actor, (namespace.as_deref(), grace), of(&page), entropy)?, tell)
        }
        "emergency_rotate" => {
            let (leaked, page) = (given.leaked()?, given.page(SWEEP_LIMIT)?);
            told(vault.emergency_rotate(&actor, leaked, of(&page), entropy)?, tell)
        }
        "audit" => {
            let limit: Option<u32> = given.take("limit")?;
            let slot = given.audited_slot()?;
            told(vault.audit(&actor, slot.as_ref(), limit.unwrap_or(AUDIT_LIMIT), entropy)?, tell)
        }
        "verify_audit" => history::verify_audit(vault, &mut given, &actor)?,
        "checkpoint" => history::checkpoint(vault, &mut given, &actor)?,
        "export_audit" => history::export_audit(vault, &mut given, &actor)?,
        "propose" => {
            let change: String = given.take("change")?;
            let change = (Change::from_name(&change)?, given.value.take());
            told(vault.propose(&actor, &given.slot()?, change, entropy), tell)
        }
        "confirm" => told(vault.confirm(&actor, &given.take::<String>("id")?, entropy), tell),
        "cancel" => told(vault.cancel(&actor, &given.take::<String>("id")?, entropy), tell),
        "set_policy" => told(vault.set_policy(&actor, read_policy(given.take("policy")?)?, entropy), tell),
        "policy" => told(vault.policy(&actor, entropy), tell),
        "grant" => {
            let grant = (given.take("to")?, given.take("actions")?, given.take("until")?);
            told(vault.grant(&actor, &given.slot()?, grant, entropy), tell)
        }
        "revoke" => {
            let id: String = given.take("id")?;
            told(vault.revoke(&actor, &given.slot()?, &id, entropy), tell)
        }
        "grants" => told(vault.grants(&actor, &given.slot()?, entropy), tell),
        "census" => told(vault.census(&actor, entropy), tell),
        "rekey" => {
            let page = given.page(REKEY_LIMIT)?;
            told(vault.rekey(&actor, of(&page), entropy)?, tell)
        }
        "renew_root" => {
            let page = given.page(REKEY_LIMIT)?;
            told(vault.renew_root(&actor, of(&page), entropy)?, tell)
        }
        "retire" => {
            let id: String = given.take("key_id")?;
            let id = KeyId::from_hex(&id).ok_or_else(|| invalid("a key id has 64 hex digits: see the census"))?;
            told(vault.retire(&actor, id, entropy), tell)
        }
        "get_many" => many::get_many(vault, &mut given, &actor)?,
        "set_many" => many::set_many(vault, &mut given, &actor)?,
        "import_env" => many::import_env(vault, &mut given, &actor)?,
        "import_dotenv" => many::import_dotenv(vault, &mut given, &actor)?,
        "provision" => many::of_manifest(vault, &mut given, &actor, OfManifest::Provision)?,
        "check" => many::of_manifest(vault, &mut given, &actor, OfManifest::Check)?,
        "resolve" => {
            let namespace = given.namespace()?;
            resolve(vault, &actor, (given.value()?, namespace.as_deref()))?
        }
        "export" => exchange::export(vault, &mut given, &actor)?,
        "import" => exchange::import(vault, &mut given, &actor)?,
        "adopt" => told(vault.adopt(&actor, entropy), tell),
        "copy_to" => told(vault.copy_to(&actor, entropy), tell),
        "command" => told(vault.command(&actor, given.value()?, entropy), tell),
        _ => return Err(invalid("the operation: there is none of that name")),
    };
    given.finish()?;
    Ok(flow)
}

/// A policy: its JSON, or `"default"` for the built-in roles. Errors: `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`.
pub(crate) fn read_policy(given: Json) -> Result<Policy> {
    match given {
        Json::Text(name) if name == "default" => Ok(Policy::default_roles()),
        given => Policy::read(given),
    }
}

type PageOf = (Option<String>, u32);

fn of((after, limit): &PageOf) -> (Option<&str>, u32) {
    (after.as_deref(), *limit)
}

/// What came with an operation; what it takes is taken out.
pub(crate) struct Given {
    fields: Fields,
    value: Option<SecretBytes>,
}

impl Given {
    /// Of an object inside, without a value.
    pub(crate) fn of(object: Json, what: &str) -> Result<Given> {
        let fields = Fields::of(object).map_err(|fault| invalid_arguments(what, &fault))?;
        Ok(Given { fields, value: None })
    }

    pub(crate) fn take<T: FromJson>(&mut self, name: &str) -> Result<T> {
        self.fields.take(name).map_err(|fault| invalid_arguments("the operation", &fault))
    }

    /// `{"id", "platform", "roles", "session_expires_at"}`, the last in milliseconds since the epoch.
    fn actor(&mut self) -> Result<Actor> {
        let mut given = Given::of(self.take("actor")?, "the actor")?;
        let (id, platform): (String, Option<String>) = (given.take("id")?, given.take("platform")?);
        let session_expires_at: Option<Timestamp> = given.take("session_expires_at")?;
        let roles: Option<Vec<String>> = given.take("roles")?;
        given.finish()?;
        let mut actor = Actor::new(&id)?.in_roles(&roles.unwrap_or_default())?;
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

    pub(crate) fn value(&mut self) -> Result<SecretBytes> {
        self.value.take().ok_or_else(no_value)
    }

    /// The value, if there is one.
    pub(crate) fn any_value(&mut self) -> Option<SecretBytes> {
        self.value.take()
    }

    /// A value, or how it is to be made, or neither.
    pub(crate) fn new_value(&mut self) -> Result<Option<NewValue>> {
        let generate: Option<Generator> = self.take("generate")?;
        match (self.value.take(), generate) {
            (Some(_), Some(_)) => Err(invalid("a value and how to make one: give one of them")),
            (Some(value), None) => Ok(Some(NewValue::Given(value))),
            (None, generate) => Ok(generate.map(NewValue::Generated)),
        }
    }

    /// What is told of a secret beside its value.
    pub(crate) fn setting(&mut self) -> Result<Setting> {
        Ok(Setting {
            sensitivity: self.take("sensitivity")?,
            expiry: self.expiry()?,
            notify: self.take("notify")?,
            generator: self.take("generator")?,
        })
    }

    /// `expires_at` in milliseconds since the epoch or `expires_in` in milliseconds, or neither.
    fn expiry(&mut self) -> Result<Option<Expiry>> {
        match (self.take::<Option<Timestamp>>("expires_at")?, self.take::<Option<u64>>("expires_in")?) {
            (Some(_), Some(_)) => Err(invalid("expires_at and expires_in: give one of them")),
            (Some(at), None) => Ok(Some(Expiry::At(at))),
            (None, Some(millis)) => Ok(Some(Expiry::In(millis))),
            (None, None) => Ok(None),
        }
    }

    fn namespace(&mut self) -> Result<Option<String>> {
        self.take("namespace")
    }

    /// Where a page begins, and how many it takes at most.
    fn page(&mut self, limit: u32) -> Result<PageOf> {
        let (after, given): (Option<String>, Option<u32>) = (self.take("after")?, self.take("limit")?);
        Ok((after, given.unwrap_or(limit)))
    }

    /// What a sweep takes: a namespace or all, the grace, and the page.
    fn sweep(&mut self) -> Result<(Option<String>, Option<u64>, PageOf)> {
        Ok((self.namespace()?, self.take("grace_millis")?, self.page(SWEEP_LIMIT)?))
    }

    /// What leaked, and whether what has no generator is to be disabled.
    fn leaked(&mut self) -> Result<(Leaked, WithoutGenerator)> {
        let (name, namespace): (Option<String>, Option<String>) = (self.take("name")?, self.take("namespace")?);
        let disable: Option<bool> = self.take("disable")?;
        let without = if disable == Some(true) { WithoutGenerator::Disable } else { WithoutGenerator::Keep };
        let leaked = match (name, namespace) {
            (Some(name), namespace) => Leaked::Secret(Slot::parse_stored(namespace.as_deref(), &name)?),
            (None, Some(namespace)) => Leaked::Namespace(namespace),
            (None, None) => Leaked::All,
        };
        Ok((leaked, without))
    }

    /// Refuses what was left over: it would do nothing in silence.
    pub(crate) fn finish(self) -> Result<()> {
        if self.value.is_some() {
            return Err(invalid("this operation takes no value"));
        }
        self.fields.end().map_err(|fault| invalid_arguments("the operation", &fault))
    }
}

fn no_value() -> Error {
    invalid("this operation takes a value, and none was given")
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_string())
}

/// What an operation came to that gives no value.
pub(crate) fn tell<T: Serialize>(told: T) -> Outcome {
    Outcome { told: json_of(&told), values: Vec::new() }
}

fn reveal(revealed: Revealed) -> Outcome {
    Outcome { told: revealed_as_json(&revealed), values: vec![revealed.value] }
}

/// What is told of a value.
#[derive(Serialize)]
pub(crate) struct Details<'a> {
    namespace: &'a str,
    name: &'a str,
    version: u64,
    format: &'static str,
    key_id: String,
    last_rotated: Option<Timestamp>,
}

impl<'a> From<&'a Revealed> for Details<'a> {
    fn from(revealed: &'a Revealed) -> Self {
        let Revealed { slot, version, format, key_id, last_rotated, .. } = revealed;
        let (namespace, name, version, last_rotated) = (slot.namespace(), slot.name(), *version, *last_rotated);
        Details { namespace, name, version, format: format.name(), key_id: key_id.to_hex(), last_rotated }
    }
}

/// The same as JSON.
pub(crate) fn revealed_as_json(revealed: &Revealed) -> String {
    json_of(&Details::from(revealed))
}
