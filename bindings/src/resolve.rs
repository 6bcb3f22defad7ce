//! References in configuration, resolved. The tree comes beside the operation, as the text of its JSON, since what stands in
//! it may be secret; what its references stand for goes out as values.

use crate::operation::{Details, Outcome, Told, told};
use crate::{OsEntropy, json_of};
use serde::Serialize;
use strongroom::ops::{Resolved, ResolvedValue, Revealed};
use strongroom::wire::{Json, read};
use strongroom::{Actor, Error, ErrorCode, Result, SecretBytes, Vault};
use zeroize::Zeroize;

/// Starts it. Tells `{"values": [{"kind", "details"}], "texts": [{"text", "value"}]}`: what each value is, in the order in
/// which they are given, and which of the tree's texts, counted in their order, stands for which value. Details are those of
/// a secret, and absent elsewhere.
pub(crate) fn resolve(
    vault: &Vault,
    actor: &Actor,
    (tree, namespace): (SecretBytes, Option<&str>),
) -> Result<Box<dyn Told>> {
    let mut tree = tree_of(&tree)?;
    let flow = vault.resolve(actor, (&tree, namespace), Box::new(OsEntropy));
    tree.zeroize();
    Ok(told(flow?, tell))
}

fn tree_of(text: &SecretBytes) -> Result<Json> {
    let unreadable = "the tree is no JSON, or nested deeper than 64 levels";
    let unreadable = || Error::new(ErrorCode::InvalidArgument, unreadable);
    // EXPOSE: to be read; the tree is wiped once its references are found.
    let text = std::str::from_utf8(text.expose()).map_err(|_| unreadable())?;
    read(text).map_err(|_| unreadable())
}

#[derive(Serialize)]
struct Tells<'a> {
    values: Vec<Value<'a>>,
    texts: Vec<Text>,
}

#[derive(Serialize)]
struct Value<'a> {
    kind: &'static str,
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Text {
    text: usize,
    value: usize,
}

fn tell(resolved: Resolved) -> Outcome {
    let kind = |kind| Value { kind, details: None };
    let values = resolved.values.iter().map(|value| match value {
        ResolvedValue::Secret(revealed) => Value { kind: "secret", details: Some(revealed.into()) },
        ResolvedValue::Env(_) => kind("env"),
        ResolvedValue::File(_) => kind("file"),
        ResolvedValue::Plain(_) => kind("plain"),
    });
    let texts = resolved.texts.iter().map(|text| Text { text: text.text, value: text.value });
    let told = json_of(&Tells { values: values.collect(), texts: texts.collect() });
    let values = resolved.values.into_iter().map(|value| match value {
        ResolvedValue::Secret(Revealed { value, .. }) => value,
        ResolvedValue::Env(value) | ResolvedValue::File(value) | ResolvedValue::Plain(value) => value,
    });
    Outcome { told, values: values.collect() }
}
