//! Operations on many secrets as JSON. Values are offered to the session, in the order in which the JSON names what they
//! are for.

use crate::document::parse_dotenv;
use crate::operation::{Given, Outcome, Told, revealed_as_json, tell, told};
use crate::{OsEntropy, json_of};
use strongroom::ident::Slot;
use strongroom::manifest::Manifest;
use strongroom::ops::{Assignment, IfExists, ManyOptions, NewValue, Origin, PlainValues, Revealed, Run, Setting};
use strongroom::wire::{Fault, Fields, FromJson, Json};
use strongroom::{Actor, Error, ErrorCode, Result, SecretBytes, Vault};

type Operation = Result<Box<dyn Told>>;

/// `{"names": [...], "namespace"}`. Tells `{"secrets": [...]}`, their values in that order.
pub(crate) fn get_many(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let names: Vec<String> = given.take("names")?;
    let namespace: Option<String> = given.take("namespace")?;
    let slots: Result<Vec<Slot>> = names.iter().map(|name| Slot::parse_stored(namespace.as_deref(), name)).collect();
    Ok(told(vault.get_many(actor, slots?, Box::new(OsEntropy)), reveal))
}

fn reveal(revealed: Vec<Revealed>) -> Outcome {
    let (mut secrets, mut values) = (Vec::new(), Vec::new());
    for one in revealed {
        secrets.push(revealed_as_json(&one));
        values.push(one.value);
    }
    Outcome { told: format!("{{\"secrets\":[{}]}}", secrets.join(",")), values }
}

/// `{"entries": [{"name", "generate", "sensitivity", "notify", "generator", "expires_at", "expires_in"}], "namespace",
/// "if_exists", "dry_run"}`, with a value for each entry that says not how to make one.
pub(crate) fn set_many(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let entries: Vec<Json> = given.take("entries")?;
    let namespace: Option<String> = given.take("namespace")?;
    let options = options(given, Origin::Manual, IfExists::Replace)?;
    let entries: Result<Vec<Assignment>> = entries.into_iter().map(|entry| assignment(entry, &namespace)).collect();
    Ok(told(vault.set_many(actor, (entries?, options), Box::new(OsEntropy)), tell))
}

fn assignment(entry: Json, namespace: &Option<String>) -> Result<Assignment> {
    let mut given = Given::of(entry, "an entry")?;
    let name: String = given.take("name")?;
    let assignment = Assignment {
        slot: Slot::parse_stored(namespace.as_deref(), &name)?,
        value: given.new_value()?,
        setting: given.setting()?,
    };
    given.finish()?;
    Ok(assignment)
}

/// `{"variables": [{"name", "is_set"}], "prefix", "namespace", "if_exists", "dry_run"}`, with the values of those that are
/// set; the prefix is no part of a secret's name.
pub(crate) fn import_env(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let variables: Vec<Variable> = given.take("variables")?;
    if let Some(index) = variables.iter().position(|variable| !variable.is_set) {
        return Err(invalid(&format!("the variable [{index}] is not set: set it, or leave it out")));
    }
    let names = variables.into_iter().map(|variable| (variable.name, None));
    import(vault, given, actor, names.collect())
}

struct Variable {
    name: String,
    is_set: bool,
}

impl FromJson for Variable {
    fn from_json(value: Json) -> std::result::Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let variable = Variable { name: fields.take("name")?, is_set: fields.take("is_set")? };
        fields.end()?;
        Ok(variable)
    }
}

/// `{"prefix", "namespace", "if_exists", "dry_run"}`, with the text of the file as the value. With a prefix, the names that
/// begin so are taken, without it.
pub(crate) fn import_dotenv(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let text = given.value()?;
    let variables = parse_dotenv(text.expose())?;
    import(vault, given, actor, variables.into_iter().map(|(name, value)| (name, Some(value))).collect())
}

fn import(vault: &Vault, given: &mut Given, actor: &Actor, variables: Vec<(String, Option<SecretBytes>)>) -> Operation {
    let (prefix, namespace): (Option<String>, Option<String>) = (given.take("prefix")?, given.take("namespace")?);
    let options = options(given, Origin::Import, IfExists::Fail)?;
    let prefix = prefix.unwrap_or_default();
    let mut assignments = Vec::new();
    for (variable, value) in variables {
        let name = variable.strip_prefix(prefix.as_str()).filter(|name| !name.is_empty());
        match (name, &value) {
            (Some(name), _) => assignments.push(Assignment {
                slot: Slot::parse_stored(namespace.as_deref(), name)?,
                value: value.map(NewValue::Given),
                setting: Setting::default(),
            }),
            // What was offered must go somewhere; what stands in a file is passed over.
            (None, None) => return Err(invalid("a variable does not begin with the prefix, or is nothing but it")),
            (None, Some(_)) => {}
        }
    }
    Ok(told(vault.set_many(actor, (assignments, options), Box::new(OsEntropy)), tell))
}

fn options(given: &mut Given, origin: Origin, if_exists: IfExists) -> Result<ManyOptions> {
    let (chosen, dry_run): (Option<IfExists>, Option<bool>) = (given.take("if_exists")?, given.take("dry_run")?);
    let run = if dry_run.unwrap_or_default() { Run::Dry } else { Run::Real };
    Ok(ManyOptions { if_exists: chosen.unwrap_or(if_exists), origin, run })
}

/// Which of the two a manifest is for.
#[derive(Clone, Copy)]
pub(crate) enum OfManifest {
    Provision,
    Check,
}

/// `{"manifest": {...}, "environment", "plain": [names]}`, with the values of these variables; without `plain`, nobody looked
/// at the environment.
pub(crate) fn of_manifest(vault: &Vault, given: &mut Given, actor: &Actor, what: OfManifest) -> Operation {
    let manifest = Manifest::read(given.take("manifest")?)?;
    let (environment, plain): (Option<String>, Option<Vec<String>>) =
        (given.take("environment")?, given.take("plain")?);
    let asked = (manifest, environment.as_deref(), plain.map_or(PlainValues::Unread, PlainValues::Of));
    let flow = match what {
        OfManifest::Provision => vault.provision(actor, asked, Box::new(OsEntropy)),
        OfManifest::Check => vault.check(actor, asked, Box::new(OsEntropy)),
    };
    Ok(told(flow, |report| Outcome { told: json_of(&report), values: Vec::new() }))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_string())
}
