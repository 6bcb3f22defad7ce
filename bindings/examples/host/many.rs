//! Operations on many secrets, through the API of Rust.

use crate::Failure;
use crate::operations::{Given, reveal};
use serde_json::{Value, json};
use strongroom::generate::Generator;
use strongroom::ident::Slot;
use strongroom::manifest::Manifest;
use strongroom::ops::{Assignment, IfExists, ManyOptions, NewValue, Origin, PlainValues, Run, Setting};
use strongroom::wire::{Fields, Json};
use strongroom::{Actor, Flow, SecretBytes, Vault};
use strongroom_bindings::OsEntropy;
use strongroom_bindings::document::parse_dotenv;

/// The operation of that name; nothing when there is none here.
pub(crate) fn begin(
    what: &str,
    vault: &Vault,
    given: &mut Given,
    actor: &Actor,
) -> Result<Option<Flow<Value>>, Failure> {
    let entropy = Box::new(OsEntropy);
    let flow = match what {
        "get_many" => {
            let names: Vec<String> = given.take("names")?;
            let slots = slots(&names, given)?;
            let told = |found: Vec<_>| json!(found.iter().map(reveal).collect::<Vec<_>>());
            return Ok(Some(vault.get_many(actor, slots, entropy).map(told)));
        }
        "set_many" => {
            let values = by_name(given.take("values")?)?;
            let names: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
            let mut assignments = Vec::new();
            for (slot, (_, value)) in slots(&names, given)?.into_iter().zip(values) {
                assignments.push(assignment(slot, value)?);
            }
            let options = options(given, Origin::Manual, IfExists::Replace)?;
            vault.set_many(actor, (assignments, options), entropy).map(|told| json!(told))
        }
        "import_env" => {
            let environment = by_name(given.take("environment")?)?;
            let prefix: String = given.take("prefix")?;
            let mut chosen = Vec::new();
            for (name, value) in environment {
                chosen.extend(name.strip_prefix(&prefix).map(|name| (name.to_owned(), value)));
            }
            let names: Vec<String> = chosen.iter().map(|(name, _)| name.clone()).collect();
            let mut assignments = Vec::new();
            for (slot, (_, value)) in slots(&names, given)?.into_iter().zip(chosen) {
                assignments.push(assignment(slot, value)?);
            }
            let options = options(given, Origin::Import, IfExists::Fail)?;
            vault.set_many(actor, (assignments, options), entropy).map(|told| json!(told))
        }
        "import_dotenv" => {
            let variables = parse_dotenv(given.take::<String>("text")?.as_bytes())?;
            let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
            let slots = slots(&names, given)?.into_iter().zip(variables);
            let assignment = |(slot, (_, value)): (Slot, (String, SecretBytes))| Assignment {
                slot,
                value: Some(value.into()),
                setting: Setting::default(),
            };
            let options = options(given, Origin::Import, IfExists::Fail)?;
            vault.set_many(actor, (slots.map(assignment).collect(), options), entropy).map(|told| json!(told))
        }
        "provision" | "check" => {
            let manifest = Manifest::read(given.take("manifest")?)?;
            let (environment, plain): (Option<String>, Json) = (given.take("environment")?, given.take("plain")?);
            let plain = by_name(plain)?;
            let names = PlainValues::Of(plain.iter().map(|(name, _)| name.clone()).collect());
            let asked = (manifest, environment.as_deref(), names);
            let mut flow = match what {
                "check" => vault.check(actor, asked, entropy),
                _ => vault.provision(actor, asked, entropy),
            };
            for (_, value) in plain {
                flow.offer(text_of(value)?);
            }
            flow.map(|told| json!(told))
        }
        _ => return Ok(None),
    };
    Ok(Some(flow))
}

fn slots(names: &[String], given: &mut Given) -> Result<Vec<Slot>, Failure> {
    let namespace: Option<String> = given.take("namespace")?;
    Ok(names.iter().map(|name| Slot::parse_stored(namespace.as_deref(), name)).collect::<Result<_, _>>()?)
}

fn assignment(slot: Slot, value: Json) -> Result<Assignment, Failure> {
    let Json::Object(_) = &value else {
        return Ok(Assignment { slot, value: Some(text_of(value)?.into()), setting: Setting::default() });
    };
    let mut given = Given(Fields::of(value)?);
    let (text, generate): (Option<String>, Option<Generator>) = (given.take("value")?, given.take("generate")?);
    let value = text.map(|text| SecretBytes::new(text.into_bytes()).into());
    let setting =
        Setting { sensitivity: given.take("sensitivity")?, notify: given.take("notify")?, ..Setting::default() };
    Ok(Assignment { slot, value: value.or(generate.map(NewValue::Generated)), setting })
}

fn options(given: &mut Given, origin: Origin, if_exists: IfExists) -> Result<ManyOptions, Failure> {
    let (chosen, dry_run): (Option<IfExists>, Option<bool>) = (given.take("if_exists")?, given.take("dry_run")?);
    let run = if dry_run.unwrap_or_default() { Run::Dry } else { Run::Real };
    Ok(ManyOptions { if_exists: chosen.unwrap_or(if_exists), origin, run })
}

fn by_name(object: Json) -> Result<Vec<(String, Json)>, Failure> {
    match object {
        Json::Object(fields) => Ok(fields),
        _ => Err("it must be an object".into()),
    }
}

fn text_of(value: Json) -> Result<SecretBytes, Failure> {
    match value {
        Json::Text(text) => Ok(SecretBytes::new(text.into_bytes())),
        _ => Err("a value must be text".into()),
    }
}
