//! Export and import as JSON. Files, passphrases and identities come and go beside it.

#[cfg(feature = "age")]
use crate::archive::{Form, Identities, Recipients, open, seal};
use crate::operation::{Given, Outcome, Told};
use crate::{OsEntropy, json_of};
use strongroom::audit::AccessFinding;
use strongroom::flow::Reply;
use strongroom::ident::Slot;
use strongroom::ops::{Exported, Exports, IfExists, ImportOptions, ImportReport, Run, WithHistory};
use strongroom::{Actor, Error, ErrorCode, Flow, Result, SecretBytes, Step, Timestamp, Vault};

type Operation = Result<Box<dyn Told>>;

/// What is between an archive and what a host has of it.
enum Wrapping {
    #[cfg(feature = "age")]
    Age(Recipients, Form),
    /// Nothing: for a host that seals it in another module at once.
    Plain,
}

impl Wrapping {
    fn of(given: &mut Given) -> Result<Wrapping> {
        let (plain, recipients): (Option<bool>, Option<Vec<String>>) =
            (given.take("plain")?, given.take("recipients")?);
        let (armor, passphrase): (Option<bool>, _) = (given.take("armor")?, given.any_value());
        match (plain.unwrap_or_default(), passphrase, recipients) {
            (true, None, None) if armor.is_none() => Ok(Wrapping::Plain),
            #[cfg(feature = "age")]
            (false, Some(passphrase), None) => Ok(Wrapping::Age(Recipients::passphrase(passphrase)?, form(armor))),
            #[cfg(feature = "age")]
            (false, None, Some(keys)) => Ok(Wrapping::Age(Recipients::parse(&keys)?, form(armor))),
            _ => Err(invalid("an archive is for a passphrase or for recipients: give one of the two")),
        }
    }

    fn seal(&self, archive: SecretBytes) -> Result<SecretBytes> {
        match self {
            #[cfg(feature = "age")]
            Wrapping::Age(to, form) => seal(&archive, to, *form).map(SecretBytes::new),
            Wrapping::Plain => Ok(archive),
        }
    }
}

#[cfg(feature = "age")]
fn form(armor: Option<bool>) -> Form {
    if armor.unwrap_or_default() { Form::Armored } else { Form::Binary }
}

/// `{"namespace", "names", "history", "recipients", "armor"}`, with a passphrase as the value where there are no recipients.
/// Tells `{"secrets", "events", "at"}`, the file as its value.
pub(crate) fn export(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let (names, namespace): (Option<Vec<String>>, Option<String>) = (given.take("names")?, given.take("namespace")?);
    let history = match given.take("history")? {
        Some(false) => WithHistory::No,
        None | Some(true) => WithHistory::Yes,
    };
    let exports = match (names, namespace) {
        (Some(names), namespace) => {
            let slots = names.iter().map(|name| Slot::parse_stored(namespace.as_deref(), name));
            Exports::Secrets(slots.collect::<Result<_>>()?)
        }
        (None, Some(namespace)) => Exports::Namespace(namespace),
        (None, None) => Exports::All,
    };
    let wrapping = Wrapping::of(given)?;
    let flow = vault.export(actor, (exports, history), Box::new(OsEntropy))?;
    Ok(Box::new(Exporting { flow, wrapping }))
}

struct Exporting {
    flow: Flow<Exported>,
    wrapping: Wrapping,
}

impl Told for Exporting {
    fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<Outcome>> {
        Ok(match self.flow.step(now, reply)? {
            Step::Ask { number, request } => Step::Ask { number, request },
            Step::Done(result) => Step::Done(result.and_then(|exported| {
                let Exported { secrets, events, at, .. } = exported;
                let told = format!("{{\"secrets\":{secrets},\"events\":{events},\"at\":{}}}", at.as_millis());
                Ok(Outcome { told, values: vec![self.wrapping.seal(exported.archive)?] })
            })),
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

    fn is_long(&self) -> bool {
        true
    }
}

/// `{"with": "passphrase" | "identities" | "plain", "on_conflict", "dry_run"}`, with the file as the value and what it is
/// opened with offered.
pub(crate) fn import(vault: &Vault, given: &mut Given, actor: &Actor) -> Operation {
    let (with, dry_run): (String, Option<bool>) = (given.take("with")?, given.take("dry_run")?);
    let on_conflict: Option<IfExists> = given.take("on_conflict")?;
    let with = match &*with {
        #[cfg(feature = "age")]
        "passphrase" => With::Passphrase,
        #[cfg(feature = "age")]
        "identities" => With::Identities,
        "plain" => With::Nothing,
        _ => return Err(invalid("an archive is opened with a passphrase or with identities: give one of the two")),
    };
    let run = if dry_run.unwrap_or_default() { Run::Dry } else { Run::Real };
    let options = ImportOptions { on_conflict: on_conflict.unwrap_or(IfExists::Fail), run };
    let file = given.value()?;
    let open = Box::new(move |offered| with.open(file, offered));
    Ok(Box::new(Importing { flow: vault.import_sealed(actor, (options, open), Box::new(OsEntropy)) }))
}

/// What a file is opened with.
#[derive(Clone, Copy)]
enum With {
    #[cfg(feature = "age")]
    Passphrase,
    #[cfg(feature = "age")]
    Identities,
    Nothing,
}

impl With {
    fn open(self, file: SecretBytes, offered: Vec<SecretBytes>) -> Result<SecretBytes> {
        match self {
            #[cfg(feature = "age")]
            With::Passphrase => {
                let [passphrase]: [SecretBytes; 1] =
                    offered.try_into().map_err(|_| invalid("a file is opened with one passphrase"))?;
                open(file.expose(), &Identities::passphrase(passphrase)?)
            }
            #[cfg(feature = "age")]
            With::Identities => open(file.expose(), &Identities::parse(&offered)?),
            With::Nothing if offered.is_empty() => Ok(file),
            With::Nothing => Err(invalid("a plain archive is opened with nothing")),
        }
    }
}

struct Importing {
    flow: Flow<ImportReport>,
}

impl Told for Importing {
    fn step(&mut self, now: Timestamp, reply: Option<Reply>) -> Result<Step<Outcome>> {
        Ok(match self.flow.step(now, reply)? {
            Step::Ask { number, request } => Step::Ask { number, request },
            Step::Done(result) => {
                Step::Done(result.map(|report| Outcome { told: json_of(&report), values: Vec::new() }))
            }
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

    fn is_long(&self) -> bool {
        true
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_owned())
}
