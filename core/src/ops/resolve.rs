//! Resolve: what the references in a tree of configuration stand for, or everything that is wrong with them.
//!
//! Nothing of the tree is kept but its references and the texts after `plain:`. Whether the actor may is settled before the
//! host is asked for variables and files; the secrets are read in one load, and leave once one commit has recorded them all.

use super::Settings;
use super::get::{Revealed, reveal};
use super::place::{Place as SlotPlace, Problems, places};
use super::scene::Scene;
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{CounterDelta, Given, Io, Refused, Request};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::RecordKey;
use crate::reference::{Place, Reference, file_variable, find_in, is_path, literal};
use crate::secret::SecretBytes;
use crate::wire::Json;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// The most different secrets that one tree may refer to; and so variables, and files.
pub const RESOLVE_MAX: usize = 500;

/// What the references of a tree stand for.
#[derive(Debug)]
pub struct Resolved {
    /// Each different reference once, and every text after a `plain:`.
    pub values: Vec<ResolvedValue>,
    /// The texts that stand for one of them, in the order of the tree. All others stand for themselves.
    pub texts: Vec<ResolvedText>,
}

/// A text of a tree that stands for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedText {
    /// Where it stands.
    pub place: Place,
    /// Which of the tree's texts it is, from 0, in the order in which they stand.
    pub text: usize,
    /// Which value it stands for: its place among them, from 0.
    pub value: usize,
}

/// A value, by where it came from.
#[derive(Debug)]
pub enum ResolvedValue {
    /// Of a secret, with what is told of that.
    Secret(Revealed),
    /// Of a variable of the environment, or of the file that stands for it.
    Env(SecretBytes),
    /// Of a file.
    File(SecretBytes),
    /// What stood after `plain:`.
    Plain(SecretBytes),
}

/// What a tree refers to.
pub(crate) struct References {
    slots: Vec<Slot>,
    variables: Vec<String>,
    files: Vec<String>,
    literals: Vec<SecretBytes>,
    texts: Vec<(Place, usize, Of)>,
}

/// Which of them a text stands for.
#[derive(Clone, Copy)]
enum Of {
    Secret(usize),
    Variable(usize),
    File(usize),
    Literal(usize),
}

impl References {
    /// Finds them. Errors: those of [`find`](crate::reference::find); `LIMIT_EXCEEDED`.
    pub(crate) fn of(tree: &Json, namespace: Option<&str>) -> Result<References> {
        let (slots, variables, files) = Default::default();
        let mut references = References { slots, variables, files, literals: Vec::new(), texts: Vec::new() };
        for (text, found) in find_in(tree, namespace)?.into_iter().enumerate() {
            let of = match found.reference {
                Reference::Secret(slot) => Of::Secret(index_of(&mut references.slots, slot, "secrets")?),
                Reference::Env(name) => Of::Variable(index_of(&mut references.variables, name, "variables")?),
                Reference::File(path) => Of::File(index_of(&mut references.files, path, "files")?),
                Reference::Plain => match found.place.of(tree) {
                    Some(Json::Text(whole)) if literal(whole) != whole => {
                        references.literals.push(SecretBytes::copy_of(literal(whole).as_bytes()));
                        Of::Literal(references.literals.len() - 1)
                    }
                    _ => continue,
                },
            };
            references.texts.push((found.place, text, of));
        }
        Ok(references)
    }

    /// Whether the host is to be asked for something.
    fn look_outside(&self) -> bool {
        !self.variables.is_empty() || !self.files.is_empty()
    }

    /// Errors: one for all references that stand for nothing.
    fn check(&self, secrets: &[Result<Revealed>], outside: &Outside) -> Result<()> {
        let mut problems = Problems::default();
        for (place, _, of) in &self.texts {
            let unresolved = |why: &str| Some(Error::new(ErrorCode::ReferenceUnresolved, why.to_string()));
            let error = match *of {
                Of::Secret(index) => secrets.get(index).and_then(|secret| secret.as_ref().err()).and_then(|error| {
                    // Who may not read something is told so by its own code.
                    let is_denied = error.code() == ErrorCode::PermissionDenied;
                    if is_denied { Some(error.clone()) } else { unresolved(error.message()) }
                }),
                Of::Variable(index) => why(&outside.variables, index).and_then(unresolved),
                Of::File(index) => why(&outside.files, index).and_then(unresolved),
                Of::Literal(_) => None,
            };
            if let Some(error) = error {
                problems.add(place, &error);
            }
        }
        problems.result()
    }

    /// Every value in its place, once they are all there.
    fn resolved(self, secrets: Vec<Revealed>, outside: Outside) -> Resolved {
        let (variables, files) = (secrets.len(), secrets.len() + outside.variables.len());
        let literals = files + outside.files.len();
        let texts = self.texts.into_iter().map(|(place, text, of)| {
            let value = match of {
                Of::Secret(index) => index,
                Of::Variable(index) => variables + index,
                Of::File(index) => files + index,
                Of::Literal(index) => literals + index,
            };
            ResolvedText { place, text, value }
        });
        let mut values: Vec<ResolvedValue> = secrets.into_iter().map(ResolvedValue::Secret).collect();
        // INVARIANT: they were checked, so none is left out.
        values.extend(outside.variables.into_iter().flatten().map(ResolvedValue::Env));
        values.extend(outside.files.into_iter().flatten().map(ResolvedValue::File));
        values.extend(self.literals.into_iter().map(ResolvedValue::Plain));
        Resolved { values, texts: texts.collect() }
    }
}

/// Where something stands among those that are different; at their end if it is new. Errors: `LIMIT_EXCEEDED`.
fn index_of<T: PartialEq>(all: &mut Vec<T>, one: T, what: &str) -> Result<usize> {
    if let Some(index) = all.iter().position(|other| *other == one) {
        return Ok(index);
    }
    if all.len() == RESOLVE_MAX {
        let message = format!("the tree refers to more than {RESOLVE_MAX} different {what}: resolve it in parts");
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    all.push(one);
    Ok(all.len() - 1)
}

/// Resolves the references of a tree.
///
/// Errors: `REFERENCE_UNRESOLVED`, one for all that stand for nothing, with the places of the first 20 and their number;
/// `PERMISSION_DENIED` when some are not the actor's to read, or when variables and files are not; `RECORD_TAMPERED`; those
/// of [`transact`].
pub(crate) async fn resolve(io: &Io, settings: &Settings, actor: &Actor, references: References) -> Result<Resolved> {
    let slots = references.slots.as_slice();
    let alone = Call::of_namespace(Action::Resolve, actor, None);
    if references.look_outside() {
        authorized(io, settings, &alone).await?;
    }
    let outside = Outside::read(io, &references).await;
    let call = Call { scope: Scope::AnyNamespace, ..Call::of_many(Action::Resolve, actor, slots) };
    let secrets = transact(io, settings, &call, |scene, _| {
        if references.look_outside() {
            scene.permit(actor, Permission::Read, Scope::AnyNamespace)?;
        }
        let (mut secrets, mut writes) = (Vec::with_capacity(slots.len()), Writes::default());
        for place in places(scene, slots) {
            secrets.push(match read(scene, actor, &place) {
                Ok((each, revealed)) => {
                    let key = RecordKey::secret(place.slot);
                    writes.counters.push(CounterDelta { key, accessed: 1, at: scene.now });
                    writes.each.push(each);
                    Ok(revealed)
                }
                // No mistake of whoever wrote the tree.
                Err(tampered) if tampered.code() == ErrorCode::RecordTampered => return Err(tampered),
                Err(error) => Err(error),
            });
        }
        references.check(&secrets, &outside)?;
        let output = secrets.into_iter().flatten().collect();
        Ok(Plan { output, writes, event: EventPlan::Plain })
    })
    .await?;
    Ok(references.resolved(secrets, outside))
}

fn read(scene: &Scene<'_>, actor: &Actor, place: &SlotPlace<'_>) -> Result<(Each, Revealed)> {
    let rule = place.permit(scene, actor, Permission::Read)?;
    let secret = place.existing()?;
    let revealed = reveal(scene, secret)?;
    let detail = Detail { rule, ..Detail::of(Action::Resolve) };
    let (secret, stream) = (secret.clone(), place.own_stream(secret));
    Ok((Each { secret, stream, detail, access: Access::Read }, revealed))
}

type FromHost = Result<SecretBytes, &'static str>;

/// What the host gave of the variables and of the files, or why it did not.
struct Outside {
    variables: Vec<FromHost>,
    files: Vec<FromHost>,
}

fn why(given: &[FromHost], index: usize) -> Option<&'static str> {
    given.get(index).and_then(|given| given.as_ref().err().copied())
}

impl Outside {
    async fn read(io: &Io, references: &References) -> Outside {
        let mut names = Vec::new();
        for variable in &references.variables {
            for name in [variable.clone(), file_variable(variable)] {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let variables = Asked::ask(io, names, |names| Request::ReadEnv { names }).await;
        let mut paths = references.files.clone();
        for path in references.variables.iter().filter_map(|variable| path_for(&variables, variable).ok().flatten()) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let files = Asked::ask(io, paths, |paths| Request::ReadFile { paths }).await;
        let of_variable = |variable: &String| -> FromHost {
            let own = || match variables.find(variable) {
                Ok(Given::Value(value)) => Ok(SecretBytes::copy_of(value.expose())),
                Ok(Given::Missing) => Err("the variable is not set, nor is there a file for it"),
                Ok(Given::Failed) | Err(Refused::Failed) => Err("the variable could not be read; look at the cause"),
                Err(Refused::Unsupported) => Err("there is no environment here: give the vault one"),
            };
            let Some(path) = path_for(&variables, variable)? else { return own() };
            match files.find(&path) {
                Ok(Given::Value(content)) => Ok(SecretBytes::copy_of(content.expose().trim_ascii())),
                // As where secrets are mounted: the file wins when it is there.
                Ok(Given::Missing) => own(),
                Ok(Given::Failed) | Err(Refused::Failed) => Err("the file for it could not be read; look at the cause"),
                Err(Refused::Unsupported) => Err("a file stands for it, and no files are read here"),
            }
        };
        let of_file = |path: &String| match files.find(path) {
            Ok(Given::Value(content)) => Ok(SecretBytes::copy_of(content.expose())),
            Ok(Given::Missing) => Err("there is no such file"),
            Ok(Given::Failed) | Err(Refused::Failed) => Err("the file could not be read; look at the cause"),
            Err(Refused::Unsupported) => Err("no files are read here: give the vault what reads them"),
        };
        let variables = references.variables.iter().map(of_variable).collect();
        Outside { variables, files: references.files.iter().map(of_file).collect() }
    }
}

/// The file that stands for a variable, if one does.
fn path_for(variables: &Asked, variable: &str) -> Result<Option<String>, &'static str> {
    match variables.find(&file_variable(variable)) {
        Ok(Given::Value(path)) => match core::str::from_utf8(path.expose().trim_ascii()) {
            Ok("") => Ok(None),
            Ok(path) if is_path(path) => Ok(Some(path.to_string())),
            _ => Err("the variable that names a file for it holds no path"),
        },
        Ok(Given::Failed) => Err("the variable that names a file for it could not be read; look at the cause"),
        Ok(Given::Missing) | Err(_) => Ok(None),
    }
}

/// What a host was asked for, and what it gave.
struct Asked {
    names: Vec<String>,
    given: Result<Vec<Given>, Refused>,
}

impl Asked {
    async fn ask(io: &Io, names: Vec<String>, request: fn(Vec<String>) -> Request) -> Asked {
        let given = if names.is_empty() { Ok(vec![]) } else { io.values(request(names.clone())).await };
        Asked { names, given }
    }

    fn find(&self, name: &str) -> Result<&Given, Refused> {
        let given = self.given.as_ref().map_err(|refused| *refused)?;
        let index = self.names.iter().position(|asked| asked == name);
        // INVARIANT: nothing is looked for that was not asked for.
        Ok(index.and_then(|index| given.get(index)).unwrap_or(&Given::Missing))
    }
}
