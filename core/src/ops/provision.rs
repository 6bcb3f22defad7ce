//! Provision and check: a manifest held against what there is. Provision makes what is missing and can be made; both tell
//! how each entry stands, and never a value.

use super::Settings;
use super::get::open_version;
use super::many::{MANY_MAX, assign};
use super::place::{Place, Problems, places};
use super::scene::Scene;
use super::set::Setting;
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{CounterDelta, Io};
use crate::generate::Generator;
use crate::ident::{Actor, Slot};
use crate::manifest::{Entry, Kind, Manifest, Weakness, check_value};
use crate::policy::Permission;
use crate::record::{Reason, RecordKey, SecretRecord, SecretState};
use crate::secret::SecretBytes;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// How often a generator is asked for a value that keeps the rules of its entry.
const DRAWS_MAX: usize = 16;

/// What the environment has of the plain entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainValues {
    /// Nobody looked: there is no environment here.
    Unread,
    /// The names of the variables that it has, whose values are offered ([`Flow::offer`](crate::Flow::offer)) in this order.
    Of(Vec<String>),
}

/// How the entries of a manifest stand in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestReport {
    /// In which.
    pub environment: Option<String>,
    /// Whether nothing is left to do: every entry is in order, was not looked at, or is optional and missing.
    pub ok: bool,
    /// The entries of that environment, in the order of the manifest.
    pub entries: Vec<EntryReport>,
}

/// How an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is a secret.
    pub kind: Kind,
    /// Whether it is a fault when it is missing.
    pub required: bool,
    /// How it stands.
    pub state: EntryState,
    /// What is weak about its value: the names of [`Weakness`].
    pub weaknesses: Vec<&'static str>,
    /// Whether it was made just now.
    pub created: bool,
}

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// There is a value, and it keeps the rules.
    Ok,
    /// There is none.
    Missing,
    /// It breaks rules.
    Weak,
    /// It was left over from a template.
    Placeholder,
    /// It has ended.
    Expired,
    /// It is disabled.
    Disabled,
    /// It leaked.
    Compromised,
    /// No key of the keyring opens it.
    Unreadable,
    /// It was not looked at: there is no environment here, or the actor may write the secret and not read it.
    Unchecked,
}

/// Tells how the entries of a manifest stand.
///
/// Errors: `INVALID_ARGUMENT` for an environment that the manifest does not have, or when it has several and none is named;
/// `LIMIT_EXCEEDED` for more than 500 secrets; `PERMISSION_DENIED` unless the actor may read each; `RECORD_TAMPERED`; those
/// of [`transact`].
pub(crate) async fn check(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (manifest, environment, plain): (&Manifest, Option<&str>, &PlainValues),
) -> Result<ManifestReport> {
    let held = Held::up(io, manifest, environment, plain)?;
    if held.slots.is_empty() {
        return Ok(held.report(Vec::new()));
    }
    let call = Call::of_many(Action::Check, actor, &held.slots);
    transact(io, settings, &call, |scene, _| {
        let (mut found, mut writes, mut problems) = (Vec::new(), Writes::default(), Problems::default());
        for (place, entry) in places(scene, &held.slots).iter().zip(held.secrets()) {
            let permitted = place.permit(scene, actor, Permission::Read);
            match permitted.and_then(|rule| Ok((rule, place.secret()?))) {
                Ok((rule, secret)) => {
                    let standing = Standing::of_secret(scene, entry, secret);
                    standing.record(scene, place, Detail { rule, ..Detail::of(Action::Check) }, &mut writes);
                    found.push(standing);
                }
                Err(error) => problems.add(place.slot, &error),
            }
        }
        problems.result()?;
        Ok(Plan { output: held.report(found), writes, event: EventPlan::Plain })
    })
    .await
}

/// Makes the secrets that are missing and have a generator, and tells how all entries stand.
///
/// Errors: those of [`check`], with the permission to write; `MANIFEST_INVALID` for a generator whose values break the rules
/// of its entry.
pub(crate) async fn provision(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (manifest, environment, plain): (&Manifest, Option<&str>, &PlainValues),
) -> Result<ManifestReport> {
    let held = Held::up(io, manifest, environment, plain)?;
    if held.slots.is_empty() {
        return Ok(held.report(Vec::new()));
    }
    let call = Call::of_many(Action::Provision, actor, &held.slots);
    transact(io, settings, &call, |scene, entropy| {
        let (mut found, mut writes, mut problems) = (Vec::new(), Writes::default(), Problems::default());
        for (place, entry) in places(scene, &held.slots).iter().zip(held.secrets()) {
            match provided(scene, entropy, actor, (place, entry), &mut writes) {
                Ok(standing) => found.push(standing),
                Err(error) => problems.add(place.slot, &error),
            }
        }
        problems.result()?;
        Ok(Plan { output: held.report(found), writes, event: EventPlan::Plain })
    })
    .await
}

fn provided(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    (place, entry): (&Place<'_>, &Entry),
    writes: &mut Writes,
) -> Result<Standing> {
    let rule = place.permit(scene, actor, Permission::Write)?;
    match (place.secret()?, &entry.generator) {
        (Some(_), _) if place.permit(scene, actor, Permission::Read).is_err() => Ok(EntryState::Unchecked.into()),
        (None, Some(generator)) => {
            let value = make_value(entropy, entry, generator)?;
            let setting = Setting {
                sensitivity: entry.sensitivity,
                notify: (!entry.notify.is_empty()).then(|| entry.notify.clone()),
                generator: Some(generator.clone()),
                ..Setting::default()
            };
            writes.each.push(assign(scene, entropy, actor, place, (&value, &setting, Reason::Manual, rule))?);
            Ok(Standing { created: true, ..EntryState::Ok.into() })
        }
        (secret, _) => {
            let standing = Standing::of_secret(scene, entry, secret);
            standing.record(scene, place, Detail { rule, ..Detail::of(Action::Provision) }, writes);
            Ok(standing)
        }
    }
}

/// A value that keeps the rules of its entry. Errors: `MANIFEST_INVALID` when none comes; `ENTROPY_FAILED`.
fn make_value(entropy: &mut dyn Entropy, entry: &Entry, generator: &Generator) -> Result<SecretBytes> {
    let mut broken = "";
    for _ in 0..DRAWS_MAX {
        let value = generator.make(entropy)?;
        match check_value(entry, value.expose()).first() {
            None => return Ok(value),
            Some(weakness) => broken = weakness.name(),
        }
    }
    let message = format!("what its generator makes breaks the entry's own rules ({broken}): change one of them");
    Err(Error::new(ErrorCode::ManifestInvalid, message))
}

/// How one entry was found.
struct Standing {
    state: EntryState,
    weaknesses: Vec<&'static str>,
    created: bool,
    /// Whether a value was opened for it.
    is_opened: bool,
}

impl From<EntryState> for Standing {
    fn from(state: EntryState) -> Self {
        Standing { state, weaknesses: Vec::new(), created: false, is_opened: false }
    }
}

impl Standing {
    /// Whoever asks often enough, with patterns of their own, learns a value from whether it keeps them: so each that was
    /// opened is an access, with an event in its own history.
    fn record(&self, scene: &Scene<'_>, place: &Place<'_>, detail: Detail, writes: &mut Writes) {
        let Ok(Some(secret)) = place.secret() else { return };
        if self.is_opened {
            let (secret, stream) = (secret.clone(), place.own_stream(secret));
            writes.counters.push(CounterDelta { key: RecordKey::secret(place.slot), accessed: 1, at: scene.now });
            writes.each.push(Each { secret, stream, detail, access: Access::Read });
        }
    }

    fn of_secret(scene: &Scene<'_>, entry: &Entry, secret: Option<&SecretRecord>) -> Self {
        let Some(secret) = secret else { return EntryState::Missing.into() };
        if secret.state == SecretState::Disabled {
            return EntryState::Disabled.into();
        }
        if secret.is_expired(scene.now) {
            return EntryState::Expired.into();
        }
        if secret.current.compromised || secret.is_exposed {
            return EntryState::Compromised.into();
        }
        match open_version(scene, secret, &secret.current) {
            Ok(opened) => Standing { is_opened: true, ..Standing::of_value(entry, opened.value.expose()) },
            Err(_) => EntryState::Unreadable.into(),
        }
    }

    fn of_value(entry: &Entry, value: &[u8]) -> Self {
        let weaknesses = check_value(entry, value);
        let state = match weaknesses.as_slice() {
            [] => EntryState::Ok,
            found if found.iter().any(|weakness| matches!(weakness, Weakness::Placeholder(_))) => {
                EntryState::Placeholder
            }
            _ => EntryState::Weak,
        };
        let mut names: Vec<&'static str> = weaknesses.iter().map(Weakness::name).collect();
        names.dedup();
        Standing { state, weaknesses: names, created: false, is_opened: false }
    }
}

/// A manifest held up to an environment.
struct Held<'a> {
    environment: Option<&'a str>,
    entries: Vec<&'a Entry>,
    /// Of the secrets among them, in their order.
    slots: Vec<Slot>,
    plain: Option<Vec<(&'a str, SecretBytes)>>,
}

impl<'a> Held<'a> {
    fn up(io: &Io, manifest: &'a Manifest, environment: Option<&'a str>, plain: &'a PlainValues) -> Result<Self> {
        let offered = io.take_offered();
        let invalid = |message: &'static str| Err(Error::new(ErrorCode::InvalidArgument, message));
        match environment {
            Some(environment) => manifest.check_environment(environment)?,
            None if manifest.entries().iter().any(|entry| entry.environments.is_some()) => {
                return invalid("the manifest has entries for certain environments alone: say for which one");
            }
            None => {}
        }
        let plain = match plain {
            PlainValues::Unread if offered.is_empty() => None,
            PlainValues::Of(names) if names.len() == offered.len() => {
                Some(names.iter().map(String::as_str).zip(offered).collect())
            }
            _ => return invalid("each variable that was found comes with its value, and no other value comes"),
        };
        let entries: Vec<&Entry> = manifest.entries().iter().filter(|entry| entry.is_for(environment)).collect();
        let held = Held { environment, entries, slots: Vec::new(), plain };
        let slots: Vec<Slot> = held.secrets().map(|entry| entry.slot.clone()).collect();
        if slots.len() > MANY_MAX {
            let message = format!("the manifest has more than {MANY_MAX} secrets for one environment: split it");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        Ok(Held { slots, ..held })
    }

    fn secrets(&self) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().copied().filter(|entry| entry.kind == Kind::Secret)
    }

    fn plain_standing(&self, entry: &Entry) -> Standing {
        let Some(values) = &self.plain else { return EntryState::Unchecked.into() };
        let found = values.iter().find(|(name, _)| *name == entry.slot.name()).map(|(_, value)| value.expose());
        match found.or(entry.default.as_deref().map(str::as_bytes)) {
            Some(value) => Standing::of_value(entry, value),
            None => EntryState::Missing.into(),
        }
    }

    /// The report, with how the secrets were found.
    fn report(&self, secrets: Vec<Standing>) -> ManifestReport {
        let mut secrets = secrets.into_iter();
        let mut entries = Vec::new();
        for entry in &self.entries {
            let found = match entry.kind {
                Kind::Plain => self.plain_standing(entry),
                Kind::Secret => secrets.next().unwrap_or_else(|| EntryState::Unchecked.into()),
            };
            let Standing { state, weaknesses, created, is_opened: _ } = found;
            let (namespace, name) = (entry.slot.namespace().to_string(), entry.slot.name().to_string());
            let (kind, required) = (entry.kind, entry.required);
            entries.push(EntryReport { namespace, name, kind, required, state, weaknesses, created });
        }
        let is_fine = |entry: &EntryReport| match entry.state {
            EntryState::Ok | EntryState::Unchecked => true,
            EntryState::Missing => !entry.required,
            _ => false,
        };
        let (environment, ok) = (self.environment.map(ToString::to_string), entries.iter().all(is_fine));
        ManifestReport { environment, ok, entries }
    }
}
