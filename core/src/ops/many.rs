//! Many secrets at once, read or written: one load, one commit, and an event for each.
//!
//! All or nothing: what is wrong with any of them refuses the whole, in one error that tells all of it.

use super::Settings;
use super::get::{Revealed, reveal};
use super::place::{Place, Problems, places};
use super::scene::{Scene, expected};
use super::set::{NewValue, Setting, Written, secret_with};
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Check, CounterDelta, Io};
use crate::ident::{Actor, Slot};
use crate::policy::Permission;
use crate::record::{Reason, RecordKey, SecretRecord};
use crate::secret::SecretBytes;
use crate::wire::read_names;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The most secrets of one operation on many.
pub const MANY_MAX: usize = 500;

/// A secret that is to have a value.
#[derive(Debug)]
pub struct Assignment {
    /// Where it stands.
    pub slot: Slot,
    /// Its value; that which is offered ([`Flow::offer`](crate::Flow::offer)) when absent, in the order of the assignments.
    pub value: Option<NewValue>,
    /// What is told of it besides.
    pub setting: Setting,
}

/// What becomes of a secret that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Nothing is written at all.
    Fail,
    /// It stays as it is.
    Skip,
    /// It gets a new version.
    #[default]
    Replace,
}

read_names!(IfExists { "fail" => Fail, "skip" => Skip, "replace" => Replace });

/// Where the values come from: what their versions say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Somebody set them.
    #[default]
    Manual,
    /// They stood elsewhere.
    Import,
}

/// Whether it is done, or told alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Run {
    /// It is done.
    #[default]
    Real,
    /// What would be done is told, and refused what would be refused; no secret is written. A refusal is recorded, and so
    /// is that an import was asked for.
    Dry,
}

/// How many secrets are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ManyOptions {
    /// What becomes of those that are there; they are replaced unless told otherwise.
    pub if_exists: IfExists,
    /// Where the values come from.
    pub origin: Origin,
    /// Whether it is done.
    pub run: Run,
}

/// What a write of many did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WrittenMany {
    /// What was written, in the order in which it was given.
    pub written: Vec<Written>,
    /// What was there and stayed as it was.
    pub skipped: Vec<Skipped>,
    /// Whether nothing was done, and this is what would be.
    pub dry_run: bool,
}

/// A secret that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Reads many values. Nothing is asked for when there are no names.
///
/// Errors: one that tells all problems: `PERMISSION_DENIED`, `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `SECRET_EXPIRED`,
/// `VERSION_COMPROMISED`, `KEY_UNKNOWN`, `NOT_AUTHENTIC`, `RECORD_TAMPERED`; `INVALID_ARGUMENT` for a name that is there
/// twice; `LIMIT_EXCEEDED`; those of [`transact`].
pub(crate) async fn get_many(io: &Io, settings: &Settings, actor: &Actor, slots: &[Slot]) -> Result<Vec<Revealed>> {
    check_slots(slots)?;
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let call = Call::of_many(Action::GetMany, actor, slots);
    transact(io, settings, &call, |scene, _| {
        let (mut output, mut writes, mut problems) = (Vec::new(), Writes::default(), Problems::default());
        for (index, place) in places(scene, slots).iter().enumerate() {
            match revealed(scene, actor, place) {
                Ok((each, revealed)) => {
                    let key = RecordKey::secret(place.slot);
                    writes.counters.push(CounterDelta { key, accessed: 1, at: scene.now });
                    writes.each.push(each);
                    output.push(revealed);
                }
                Err(error) => problems.add(format!("[{index}]"), &error),
            }
        }
        problems.result()?;
        Ok(Plan { output, writes, event: EventPlan::Plain })
    })
    .await
}

fn revealed(scene: &Scene<'_>, actor: &Actor, place: &Place<'_>) -> Result<(Each, Revealed)> {
    let rule = place.permit(scene, actor, Permission::Read)?;
    let secret = place.existing()?;
    let revealed = reveal(scene, secret)?;
    let detail = Detail { rule, ..Detail::of(Action::Get) };
    let (secret, stream) = (secret.clone(), place.own_stream(secret));
    Ok((Each { secret, stream, detail, access: Access::Read }, revealed))
}

/// Sets many secrets, all or none. Nothing is asked for when there are none.
///
/// Errors: one that tells all problems: `PERMISSION_DENIED`, `NAME_INVALID`, `VALUE_INVALID`, `SECRET_EXISTS`,
/// `VERSION_COMPROMISED`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`, `RECORD_TAMPERED`; those of [`transact`].
pub(crate) async fn set_many(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (assignments, options): (Vec<Assignment>, ManyOptions),
) -> Result<WrittenMany> {
    let dry_run = options.run == Run::Dry;
    let (slots, given) = take_values(io, assignments)?;
    check_slots(&slots)?;
    check_given(settings, options.origin, &slots, &given)?;
    if slots.is_empty() {
        return Ok(WrittenMany { dry_run, ..WrittenMany::default() });
    }
    let call = Call::of_many(Action::SetMany, actor, &slots);
    transact(io, settings, &call, |scene, entropy| {
        let reason = match options.origin {
            Origin::Manual => Reason::Manual,
            Origin::Import => Reason::Import,
        };
        let mut output = WrittenMany { dry_run, ..WrittenMany::default() };
        let (mut writes, mut problems) = (Writes::default(), Problems::default());
        for (index, (place, (value, setting))) in places(scene, &slots).iter().zip(&given).enumerate() {
            let is_new = place.secret().is_ok_and(|secret| secret.is_none());
            let assigned = may_assign(scene, actor, place, options.if_exists).and_then(|rule| match rule {
                Some(rule) => {
                    let value = value.make(entropy)?;
                    assign(scene, entropy, actor, place, (&value, setting, reason, rule)).map(Some)
                }
                None => Ok(None),
            });
            match assigned {
                Ok(Some(each)) => {
                    let version = Some(each.secret.current.number);
                    output.written.push(Written::of(place.slot, version, is_new, scene.now));
                    writes.each.push(each);
                }
                Ok(None) => {
                    let secret = place.existing()?;
                    let check = Check { key: RecordKey::secret(place.slot), expected: expected(secret.revision) };
                    writes.checks.push(check);
                    let (namespace, name) = (place.slot.namespace().to_string(), place.slot.name().to_string());
                    output.skipped.push(Skipped { namespace, name });
                }
                Err(error) => problems.add(shown(options.origin, index, place.slot), &error),
            }
        }
        problems.result()?;
        if dry_run {
            scene.check_writer(Action::SetMany, &writes)?;
            return Ok(Plan::silent(output));
        }
        let detail = Detail { reason: Some(reason), ..Detail::of_vault(Action::SetMany) };
        Ok(Plan { output, writes, event: EventPlan::Detailed(detail) })
    })
    .await
}

/// What allows a secret to be set; nothing for one that is left as it is. Errors: `PERMISSION_DENIED`, `SECRET_EXISTS`,
/// `RECORD_TAMPERED`.
fn may_assign(
    scene: &Scene<'_>,
    actor: &Actor,
    place: &Place<'_>,
    if_exists: IfExists,
) -> Result<Option<Option<String>>> {
    let rule = place.permit(scene, actor, Permission::Write)?;
    match (place.secret()?, if_exists) {
        (Some(_), IfExists::Fail) => {
            let message = format!("{} exists: choose to skip or to replace those that do", place.slot);
            Err(Error::new(ErrorCode::SecretExists, message))
        }
        (Some(_), IfExists::Skip) => Ok(None),
        _ => Ok(Some(rule)),
    }
}

/// The secret of a slot with a value that it has from now on, and the event that says so.
pub(super) fn assign(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    place: &Place<'_>,
    (value, setting, reason, rule): (&SecretBytes, &Setting, Reason, Option<String>),
) -> Result<Each> {
    let given = (value, setting, reason);
    let secret: SecretRecord = secret_with(scene, entropy, actor, (place.slot, place.found()?), given)?;
    let detail = Detail { reason: Some(reason), rule, ..Detail::of(Action::Set) };
    Ok(Each { stream: place.own_stream(&secret), secret, detail, access: Access::Written })
}

type Values = Vec<(NewValue, Setting)>;

/// Slots and what they are given, the values that were offered each in its place.
fn take_values(io: &Io, assignments: Vec<Assignment>) -> Result<(Vec<Slot>, Values)> {
    let offered = io.take_offered();
    let wanted = assignments.iter().filter(|assignment| assignment.value.is_none()).count();
    if wanted != offered.len() {
        let message =
            format!("{wanted} secrets are to be given a value, and {} values came: give as many", offered.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut offered = offered.into_iter();
    let (mut slots, mut values) = (Vec::new(), Vec::new());
    for Assignment { slot, value, setting } in assignments {
        slots.push(slot);
        values.extend(value.or_else(|| offered.next().map(NewValue::Given)).map(|value| (value, setting)));
    }
    Ok((slots, values))
}

/// Which of many has a problem: what is imported bears the names of variables, elsewhere values are pasted for names.
fn shown(origin: Origin, index: usize, slot: &Slot) -> String {
    match origin {
        Origin::Import => slot.to_string(),
        Origin::Manual => format!("[{index}]"),
    }
}

/// What can be told before anything is asked for.
fn check_given(settings: &Settings, origin: Origin, slots: &[Slot], given: &Values) -> Result<()> {
    let mut problems = Problems::default();
    for (index, (slot, (value, _))) in slots.iter().zip(given).enumerate() {
        let checked = slot.check().and_then(|()| match value {
            NewValue::Given(value) => settings.check_value(value),
            NewValue::Generated(_) => Ok(()),
        });
        if let Err(error) = checked {
            problems.add(shown(origin, index, slot), &error);
        }
    }
    problems.result()
}

/// At most 500, none of them twice. Errors: `LIMIT_EXCEEDED`, `INVALID_ARGUMENT`.
pub(super) fn check_slots(slots: &[Slot]) -> Result<()> {
    if slots.len() > MANY_MAX {
        let message = format!("{} secrets are too many at once: give at most {MANY_MAX}, and call again", slots.len());
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    let mut sorted: Vec<(&Slot, usize)> = slots.iter().zip(0..).collect();
    sorted.sort_unstable();
    match sorted.array_windows().find(|[one, next]| one.0 == next.0) {
        Some([(_, first), (_, second)]) => {
            let message = format!("[{second}] names the same secret as [{first}]: name each once");
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
        None => Ok(()),
    }
}
