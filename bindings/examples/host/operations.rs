//! The operations of a vault, by their names on the wire and with the arguments that they have there, through the API of
//! Rust.

use crate::{Failure, Octets, archives, hex, history, many};
use serde_json::{Value, json};
use strongroom::crypto::KeyId;
use strongroom::generate::Generator;
use strongroom::ident::Slot;
use strongroom::ops::{
    Expiry, NewValue, Resolved, ResolvedValue, Revealed, Rotation, Setting, Swept, WithoutGenerator,
};
use strongroom::policy::Policy;
use strongroom::record::Change;
use strongroom::reference::Part;
use strongroom::wire::{Fields, FromJson, Json};
use strongroom::{Actor, Error, ErrorCode, Flow, Leaked, SecretBytes, Timestamp, Vault};
use strongroom_bindings::OsEntropy;

/// Starts an operation; what it comes to is told as JSON.
pub(crate) fn begin(vault: &Vault, request: Json) -> Result<Flow<Value>, Failure> {
    let mut given = Given(Fields::of(request)?);
    let what: String = given.take("do")?;
    let actor = given.actor()?;
    let entropy = Box::new(OsEntropy);
    let flow = match what.as_str() {
        "set" => {
            let setting = Setting {
                sensitivity: given.take("sensitivity")?,
                expiry: given.expiry()?,
                notify: given.take("notify")?,
                generator: given.take("generator")?,
            };
            let value = given.new_value()?.ok_or("set takes a value, or how it is made")?;
            vault.set(&actor, &given.slot()?, (value, setting), entropy).map(|told| json!(told))
        }
        "rotate" => {
            let (grace_millis, expiry) = (given.take("grace_millis")?, given.expiry()?);
            if given.take::<Option<bool>>("rotator")?.unwrap_or_default() {
                vault.rotate_with_rotator(&actor, &given.slot()?, grace_millis, expiry, entropy).map(|told| json!(told))
            } else {
                let rotation = Rotation { value: given.new_value()?, grace_millis, expiry };
                vault.rotate(&actor, &given.slot()?, rotation, entropy).map(|told| json!(told))
            }
        }
        "get" => vault.get(&actor, &given.slot()?, entropy).map(|revealed| reveal(&revealed)),
        "exists" => vault.exists(&actor, &given.slot()?, entropy).map(Value::Bool),
        "delete" => vault.delete(&actor, &given.slot()?, entropy).map(|told| json!(told)),
        "disable" => vault.disable(&actor, &given.slot()?, entropy).map(|told| json!(told)),
        "enable" => vault.enable(&actor, &given.slot()?, entropy).map(|told| json!(told)),
        "versions" => vault.versions(&actor, &given.slot()?, entropy).map(|told| json!(told.versions)),
        "rollback" => {
            let version: u64 = given.take("version")?;
            vault.rollback(&actor, &given.slot()?, version, entropy).map(|told| json!(told))
        }
        "verify" => {
            let presented: Octets = given.take("value")?;
            vault.verify(&actor, &given.slot()?, presented.into_secret(), entropy).map(|told| json!(told))
        }
        "revoke_previous" => vault.revoke_previous(&actor, &given.slot()?, entropy).map(|told| json!(told)),
        "expire" => {
            let expiry = given.expiry()?.unwrap_or(Expiry::Never);
            vault.expire(&actor, &given.slot()?, expiry, entropy).map(|told| json!(told))
        }
        "purge" => vault.purge(&actor, given.namespace()?.as_deref(), entropy)?.map(|told| json!(told)),
        "list" => vault.list(&actor, given.namespace()?.as_deref(), entropy)?.map(|told| json!(told.secrets)),
        "rotation_status" => {
            let (namespace, ahead): (_, i64) = (given.namespace()?, given.take("ahead_millis")?);
            vault.rotation_status(&actor, namespace.as_deref(), ahead, entropy)?.map(|told| json!(told))
        }
        "due" => {
            let (namespace, ahead): (_, i64) = (given.namespace()?, given.take("ahead_millis")?);
            vault.due(&actor, namespace.as_deref(), ahead, entropy)?.map(|told| json!(told.secrets))
        }
        "identify" => {
            let presented: Octets = given.take("value")?;
            let namespace = given.namespace()?;
            let flow = vault.identify(&actor, namespace.as_deref(), presented.into_secret(), entropy)?;
            flow.map(|told| json!(told))
        }
        "rotate_due" | "rotate_all" => {
            let (namespace, grace, limit) = (given.namespace()?, given.take("grace_millis")?, given.take("limit")?);
            let (of, page) = ((namespace.as_deref(), grace), (None, limit));
            let flow = match what.as_str() {
                "rotate_due" => vault.rotate_due(&actor, of, page, entropy)?,
                _ => vault.rotate_all(&actor, of, page, entropy)?,
            };
            flow.map(|told| swept(&told))
        }
        "emergency_rotate" => {
            let (name, namespace): (Option<String>, _) = (given.take("name")?, given.namespace()?);
            let disable: Option<bool> = given.take("disable")?;
            let leaked = match (name, namespace) {
                (Some(name), namespace) => Leaked::Secret(Slot::parse_stored(namespace.as_deref(), &name)?),
                (None, Some(namespace)) => Leaked::Namespace(namespace),
                (None, None) => Leaked::All,
            };
            let without = if disable == Some(true) { WithoutGenerator::Disable } else { WithoutGenerator::Keep };
            let page = (None, given.take("limit")?);
            vault.emergency_rotate(&actor, (leaked, without), page, entropy)?.map(|told| swept(&told))
        }
        "audit" => {
            let (slot, limit) = (given.audited_slot()?, given.take("limit")?);
            let told = vault.audit(&actor, slot.as_ref(), limit, entropy)?;
            told.map(|history| history.events.iter().map(|event| without_links(json!(event))).collect())
        }
        "verify_audit" => history::verify_audit(vault, &mut given, &actor)?,
        "checkpoint" => history::checkpoint(vault, &mut given, &actor)?,
        "export_audit" => history::export_audit(vault, &mut given, &actor)?,
        "propose" => {
            let value: Option<Octets> = given.take("value")?;
            let change = (Change::from_name(&given.take::<String>("change")?)?, value.map(Octets::into_secret));
            vault.propose(&actor, &given.slot()?, change, entropy).map(|told| json!(told))
        }
        "confirm" => vault.confirm(&actor, &given.take::<String>("id")?, entropy).map(|told| json!(told)),
        "cancel" => vault.cancel(&actor, &given.take::<String>("id")?, entropy).map(|()| Value::Null),
        "set_policy" => {
            let policy = match given.take::<Json>("policy")? {
                Json::Text(name) if name == "default" => Policy::default_roles(),
                rules => Policy::read(rules)?,
            };
            vault.set_policy(&actor, policy, entropy).map(|()| Value::Null)
        }
        "policy" => vault.policy(&actor, entropy).map(|told| json!(told)),
        "grant" => {
            let grant = (given.take("to")?, given.take("actions")?, given.take("until")?);
            vault.grant(&actor, &given.slot()?, grant, entropy).map(|told| json!(told))
        }
        "revoke" => {
            let id: String = given.take("id")?;
            vault.revoke(&actor, &given.slot()?, &id, entropy).map(|()| Value::Null)
        }
        "grants" => vault.grants(&actor, &given.slot()?, entropy).map(|told| json!(told.grants)),
        "census" => vault.census(&actor, entropy).map(|told| json!(told)),
        "rekey" => {
            let (after, limit): (Option<String>, u32) = (given.take("after")?, given.take("limit")?);
            vault.rekey(&actor, (after.as_deref(), limit), entropy)?.map(|told| json!(told))
        }
        "renew_root" => {
            let (after, limit): (Option<String>, u32) = (given.take("after")?, given.take("limit")?);
            vault.renew_root(&actor, (after.as_deref(), limit), entropy)?.map(|told| json!(told))
        }
        "retire" => {
            let id = KeyId::from_hex(&given.take::<String>("key_id")?).ok_or("a key id has 64 hex digits")?;
            vault.retire(&actor, id, entropy).map(|told| json!(told))
        }
        "resolve" => {
            let (tree, namespace): (Json, _) = (given.take("tree")?, given.namespace()?);
            vault.resolve(&actor, (&tree, namespace.as_deref()), entropy)?.map(move |told| resolved(&tree, &told))
        }
        "adopt" => vault.adopt(&actor, entropy).map(|told| json!(told)),
        "copy_to" => vault.copy_to(&actor, entropy).map(|told| json!(told)),
        "command" => {
            let text = SecretBytes::new(given.take::<String>("text")?.into_bytes());
            vault.command(&actor, text, entropy).map(|told| json!(told))
        }
        "export" => archives::export(vault, &mut given, &actor)?,
        "import" => archives::import(vault, &mut given, &actor)?,
        other => many::begin(other, vault, &mut given, &actor)?
            .ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "this is no operation of a vault"))?,
    };
    given.0.end()?;
    Ok(flow)
}

/// The arguments of an operation; what it takes is taken out.
pub(crate) struct Given(pub(crate) Fields);

impl Given {
    pub(crate) fn take<T: FromJson>(&mut self, name: &str) -> Result<T, Failure> {
        Ok(self.0.take(name)?)
    }

    fn actor(&mut self) -> Result<Actor, Failure> {
        let mut given = Given(Fields::of(self.take("actor")?)?);
        let (id, platform): (String, Option<String>) = (given.take("id")?, given.take("platform")?);
        let (roles, end): (Option<Vec<String>>, Option<Timestamp>) =
            (given.take("roles")?, given.take("session_expires_at")?);
        given.0.end()?;
        let mut actor = Actor::new(&id)?.in_roles(&roles.unwrap_or_default())?;
        if let Some(platform) = &platform {
            actor = actor.on_platform(platform)?;
        }
        Ok(match end {
            Some(end) => actor.until(end),
            None => actor,
        })
    }

    fn namespace(&mut self) -> Result<Option<String>, Failure> {
        self.take("namespace")
    }

    fn slot(&mut self) -> Result<Slot, Failure> {
        let (namespace, name) = (self.namespace()?, self.take::<String>("name")?);
        Ok(Slot::parse_stored(namespace.as_deref(), &name)?)
    }

    fn audited_slot(&mut self) -> Result<Option<Slot>, Failure> {
        let (namespace, name): (_, Option<String>) = (self.namespace()?, self.take("name")?);
        Ok(name.map(|name| Slot::parse_stored(namespace.as_deref(), &name)).transpose()?)
    }

    fn new_value(&mut self) -> Result<Option<NewValue>, Failure> {
        let (value, generator): (Option<Octets>, Option<Generator>) = (self.take("value")?, self.take("generate")?);
        Ok(value.map(|value| value.into_secret().into()).or(generator.map(NewValue::Generated)))
    }

    fn expiry(&mut self) -> Result<Option<Expiry>, Failure> {
        let (at, millis): (Option<Timestamp>, Option<u64>) = (self.take("expires_at")?, self.take("expires_in")?);
        Ok(at.map(Expiry::At).or(millis.map(Expiry::In)))
    }
}

pub(crate) fn reveal(revealed: &Revealed) -> Value {
    json!({
        "value": hex(revealed.value.expose()),
        "namespace": revealed.slot.namespace(),
        "name": revealed.slot.name(),
        "version": revealed.version,
        "format": revealed.format.name(),
        "key_id": revealed.key_id.to_hex(),
        "last_rotated": revealed.last_rotated,
    })
}

/// The tree with its values: what is no secret as text, all others as `{"value"}`, those of secrets with their details.
fn resolved(tree: &Json, resolved: &Resolved) -> Value {
    let mut told = plain(tree);
    for text in &resolved.texts {
        let at = text.place.parts().iter().try_fold(&mut told, |told, part| match part {
            Part::Field(name) => told.get_mut(name),
            Part::Item(index) => told.get_mut(index),
        });
        if let (Some(at), Some(value)) = (at, resolved.values.get(text.value)) {
            *at = match value {
                ResolvedValue::Secret(revealed) => reveal(revealed),
                ResolvedValue::Env(value) | ResolvedValue::File(value) => json!({ "value": hex(value.expose()) }),
                ResolvedValue::Plain(value) => json!(String::from_utf8_lossy(value.expose())),
            };
        }
    }
    told
}

fn plain(tree: &Json) -> Value {
    match tree {
        Json::Text(text) => json!(text),
        Json::List(items) => items.iter().map(plain).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Json::Bool(value) => json!(value),
        Json::Unsigned(number) => json!(number),
        Json::Negative(number) => json!(number),
        Json::Null | Json::Fraction => Value::Null,
    }
}

/// An event as the packages of the other languages show it: without what only the chain needs.
fn without_links(mut event: Value) -> Value {
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|name, _| !["mac", "prev_mac", "digest", "epoch"].contains(&name.as_str()));
    }
    event
}

/// The page of a sweep that has one.
fn swept(told: &Swept) -> Value {
    json!({ "rotated": told.rotated, "left": told.left })
}
