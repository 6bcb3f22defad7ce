//! Export and import, through the API of Rust. Archives cross as they are: the files that they are sealed in are random.

use crate::operations::Given;
use crate::{Failure, Octets, hex};
use serde_json::{Value, json};
use strongroom::ident::Slot;
use strongroom::ops::{Exports, IfExists, ImportOptions, Run, WithHistory};
use strongroom::{Actor, Flow, Vault};
use strongroom_bindings::OsEntropy;

pub(crate) fn export(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Flow<Value>, Failure> {
    let (names, namespace): (Option<Vec<String>>, Option<String>) = (given.take("names")?, given.take("namespace")?);
    let history: Option<bool> = given.take("history")?;
    let history = if history == Some(false) { WithHistory::No } else { WithHistory::Yes };
    let exports = match (names, namespace) {
        (Some(names), namespace) => {
            let slots = names.iter().map(|name| Slot::parse_stored(namespace.as_deref(), name));
            Exports::Secrets(slots.collect::<Result<_, _>>()?)
        }
        (None, Some(namespace)) => Exports::Namespace(namespace),
        (None, None) => Exports::All,
    };
    let flow = vault.export(actor, (exports, history), Box::new(OsEntropy))?;
    Ok(flow.map(|exported| json!(hex(exported.archive.expose()))))
}

pub(crate) fn import(vault: &Vault, given: &mut Given, actor: &Actor) -> Result<Flow<Value>, Failure> {
    let (on_conflict, dry_run): (Option<IfExists>, Option<bool>) = (given.take("on_conflict")?, given.take("dry_run")?);
    let run = if dry_run == Some(true) { Run::Dry } else { Run::Real };
    let options = ImportOptions { on_conflict: on_conflict.unwrap_or(IfExists::Fail), run };
    let mut flow = vault.import(actor, options, Box::new(OsEntropy));
    flow.offer(given.take::<Octets>("value")?.into_secret());
    Ok(flow.map(|told| json!(told)))
}
