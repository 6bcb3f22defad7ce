//! Sweeps: many secrets are rotated one after another, each in a commit of its own, a page at a time.
//!
//! `rotate_due` takes those that are due, `rotate_all` all, `emergency_rotate` what leaked: at once and without grace, and what
//! was valid before is compromised from then on. Whoever is cut short begins again from the start.

use super::Settings;
use super::initialise::ensure_initialised;
use super::rotate::{Rotation, plan_rotate};
use super::scene::Scene;
use super::set::{Written, plan_new_version, plan_update};
use super::transact::{Call, Detail, Plan, authorized, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::{ErrorCode, Result};
use crate::flow::{Expected, Io, ListQuery, Lookup, PAGE_LIMIT, Put};
use crate::ident::{Actor, Slot};
use crate::policy::{Decision, Permission, Scope};
use crate::record::{Proposal, ProposalState, Reason, RecordKey, RecordKind, SecretRecord, SecretState};
use crate::rotation::Standing;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The most secrets that one page takes in.
pub(crate) const SWEEP_PAGE_MAX: u32 = 500;

/// The most proposals of one secret that an emergency cancels. The others have seen it as it was, and can't be confirmed.
const CANCELLED_MAX: usize = 100;

/// Which secrets are rotated, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// Those that are due, or all, with so much grace.
    Due {
        grace_millis: Option<u64>,
    },
    All {
        grace_millis: Option<u64>,
    },
    /// What leaked.
    Emergency(WithoutGenerator),
}

/// What an emergency does with a secret that has no generator, and so no value to put in place of the one that leaked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutGenerator {
    /// It stays in use until somebody gives it another value; the one that it has is compromised then.
    #[default]
    Keep,
    /// It is disabled, and its value never given again.
    Disable,
}

/// What a page of a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// The secrets that have a new value.
    pub rotated: Vec<Written>,
    /// Those that have none.
    pub left: Vec<LeftOver>,
    /// Where the next page begins; absent when this was the last.
    pub next: Option<String>,
}

/// A secret that a sweep gave no new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOver {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub why: WhyLeft,
    /// The code of the error, when it failed.
    pub code: Option<&'static str>,
}

/// Why a secret was given no new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyLeft {
    /// It has no generator: somebody has to give it another value.
    NoGenerator,
    /// It has no generator, and was disabled.
    Disabled,
    /// Its value had ended.
    Expired,
    /// It could not be rotated: its record was tampered with, or no value could be made.
    Failed,
}

/// What became of one secret.
enum Swung {
    Rotated(Written),
    Left(WhyLeft),
    /// It is not the actor's to rotate, or need not be.
    Passed,
}

/// Sweeps a page of at most `limit` secrets of a namespace or of all, from where the page before ended.
///
/// Errors: those of [`transact`]; `KEYRING_STALE`. What is wrong with one secret alone is told in its place.
pub(crate) async fn sweep(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (sweep, namespace): (Sweep, Option<&str>),
    (after, limit): (Option<&str>, u32),
) -> Result<Swept> {
    let action = match sweep {
        Sweep::Due { .. } => Action::RotateDue,
        Sweep::All { .. } => Action::RotateAll,
        Sweep::Emergency(_) => Action::EmergencyRotate,
    };
    let call = Call::of_namespace(action, actor, namespace);
    authorized(io, settings, &call).await?;
    ensure_initialised(io, settings).await?;
    if after.is_none() {
        transact(io, settings, &call, |_, _| Ok(Plan::record(()))).await?;
    }
    let by = matches!(sweep, Sweep::Due { .. }).then(|| Lookup::Due(io.now()));
    let query = ListQuery { kind: RecordKind::Secret, namespace: namespace.map(ToString::to_string), by, limit };
    let (items, next) = io.list_page(&query, after.map(Into::into)).await?;
    let proposals = open_proposals(io, sweep).await?;
    let mut swept = Swept { next, ..Swept::default() };
    // Rows that were never adopted are nobody's.
    for item in items.into_iter().filter(|item| item.revision > 0) {
        // No vault gave a secret a name that can't be asked for.
        let Ok(slot) = Slot::parse_stored(Some(&item.key.namespace), &item.key.name) else { continue };
        // The permission is asked of each secret: what is not the actor's is passed over, and no attempt.
        let also = proposals_of(&slot, &proposals);
        let call = Call { permission: None, also, ..Call::of_secret(Action::Rotate, actor, &slot) };
        let swung = transact(io, settings, &call, |scene, entropy| plan_one(scene, entropy, (actor, &slot), sweep));
        swept.tell(&slot, swung.await)?;
    }
    Ok(swept)
}

/// One secret's emergency. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn emergency_rotate_one(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (slot, without): (&Slot, WithoutGenerator),
) -> Result<Swept> {
    let call = Call::of_secret(Action::EmergencyRotate, actor, slot);
    authorized(io, settings, &call).await?;
    let (sweep, mut swept) = (Sweep::Emergency(without), Swept::default());
    let also = proposals_of(slot, &open_proposals(io, sweep).await?);
    let call = Call { also, ..call };
    let swung = transact(io, settings, &call, |scene, entropy| {
        plan_allowed(scene, entropy, (actor, scene.existing(slot)?), sweep)
    });
    swept.tell(slot, swung.await)?;
    Ok(swept)
}

fn proposals_of(slot: &Slot, proposals: &[(Slot, RecordKey)]) -> Vec<RecordKey> {
    proposals.iter().filter(|(of, _)| of == slot).map(|(_, key)| key.clone()).take(CANCELLED_MAX).collect()
}

impl Swept {
    /// Takes in what became of one secret. Errors: those that are not its own.
    fn tell(&mut self, slot: &Slot, swung: Result<Swung>) -> Result<()> {
        let (why, code) = match swung {
            Ok(Swung::Passed) => return Ok(()),
            Ok(Swung::Rotated(written)) => {
                self.rotated.push(written);
                return Ok(());
            }
            Ok(Swung::Left(why)) => (why, None),
            // What is wrong with this one keeps nobody from rotating the next.
            Err(error) if is_its_own(error.code()) => (WhyLeft::Failed, Some(error.code().name())),
            Err(error) => return Err(error),
        };
        let (namespace, name) = (slot.namespace().to_string(), slot.name().to_string());
        self.left.push(LeftOver { namespace, name, why, code });
        Ok(())
    }
}

const fn is_its_own(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::RecordTampered | ErrorCode::ValueInvalid | ErrorCode::VersionCompromised)
}

fn plan_one(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    (actor, slot): (&Actor, &Slot),
    sweep: Sweep,
) -> Result<Plan<Swung>> {
    let needed = if let Sweep::Emergency(_) = sweep { Permission::Admin } else { Permission::Write };
    let secret = match scene.secret() {
        Ok(Some(secret)) => secret,
        // Deleted since it was listed.
        Ok(None) => return Ok(Plan::silent(Swung::Passed)),
        // What is wrong with it is told to whom it is to rotate, grants not counted.
        Err(error) if scene.decision(actor, needed, Scope::from(slot), &[]).allowed => return Err(error),
        Err(_) => return Ok(Plan::silent(Swung::Passed)),
    };
    let Decision { allowed: true, rule } = scene.decision(actor, needed, Scope::from(slot), &secret.grants) else {
        return Ok(Plan::silent(Swung::Passed));
    };
    plan_allowed(scene, entropy, (actor, secret), sweep).map(|plan| plan.allowed_by(rule))
}

fn plan_allowed(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    (actor, secret): (&Actor, &SecretRecord),
    sweep: Sweep,
) -> Result<Plan<Swung>> {
    let grace_millis = match sweep {
        Sweep::Emergency(without) => return plan_emergency(scene, entropy, actor, secret, without),
        Sweep::Due { .. } if secret.standing(scene.now, 0) == Standing::Compliant => {
            return Ok(Plan::silent(Swung::Passed));
        }
        Sweep::Due { grace_millis } | Sweep::All { grace_millis } => grace_millis,
    };
    if secret.is_expired(scene.now) {
        return Ok(Plan::silent(Swung::Left(WhyLeft::Expired)));
    }
    let Some(generator) = &secret.generator else {
        return Ok(Plan::silent(Swung::Left(WhyLeft::NoGenerator)));
    };
    let value = generator.make(entropy)?;
    let rotation = Rotation { grace_millis, ..Rotation::default() };
    plan_rotate(scene, entropy, actor, &secret.slot, (&value, &rotation)).map(|plan| plan.map(Swung::Rotated))
}

fn plan_emergency(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    secret: &SecretRecord,
    without: WithoutGenerator,
) -> Result<Plan<Swung>> {
    let (mut secret, is_expired) = (secret.clone(), secret.is_expired(scene.now));
    secret.compromise_previous();
    let mut plan = match (&secret.generator, without) {
        (Some(generator), _) if !is_expired => {
            let value = generator.make(entropy)?;
            secret.compromise_current();
            let why = (Action::Rotate, Reason::Emergency);
            plan_new_version(scene, entropy, actor, secret, (&value, None), why)?.map(Swung::Rotated)
        }
        (_, WithoutGenerator::Keep) if !is_expired => {
            secret.is_exposed = true;
            plan_marked(scene, secret, WhyLeft::NoGenerator)?
        }
        _ => {
            secret.compromise_current();
            if !is_expired {
                secret.state = SecretState::Disabled;
            }
            plan_marked(scene, secret, if is_expired { WhyLeft::Expired } else { WhyLeft::Disabled })?
        }
    };
    for record in scene.records.iter().flatten() {
        // One that is not the vault's own can't be confirmed either, and keeps nothing from being contained.
        let Ok(mut proposal) = Proposal::verify(record, scene.head.record_keys()) else { continue };
        if proposal.body.state != ProposalState::Open {
            continue;
        }
        proposal.body.sealed = None;
        proposal.body.state = ProposalState::Cancelled;
        let expected = Expected::Revision(record.revision);
        let record = proposal.next_record(&scene.head.keys.record, scene.now)?;
        plan.writes.puts.push(Put { record, expected, index: proposal.index() });
    }
    Ok(plan)
}

fn plan_marked(scene: &Scene<'_>, secret: SecretRecord, why: WhyLeft) -> Result<Plan<Swung>> {
    let detail = Detail { reason: Some(Reason::Emergency), ..Detail::of(Action::EmergencyRotate) };
    plan_update(scene, secret, detail).map(|plan| plan.map(|_| Swung::Left(why)))
}

/// The proposals that an emergency cancels, by the slot that they name. What they say is believed only where their MACs are
/// checked. Those that come later have seen the secret as it was, and can't be confirmed.
async fn open_proposals(io: &Io, sweep: Sweep) -> Result<Vec<(Slot, RecordKey)>> {
    let mut proposals = Vec::new();
    if !matches!(sweep, Sweep::Emergency(_)) {
        return Ok(proposals);
    }
    let query = ListQuery { kind: RecordKind::Pending, namespace: None, by: None, limit: PAGE_LIMIT };
    let keys: Vec<RecordKey> = io.list_all(&query).await?.into_iter().map(|item| item.key).collect();
    for page in keys.chunks(PAGE_LIMIT as usize) {
        for record in io.load(page.to_vec()).await?.into_iter().flatten() {
            proposals.extend(Proposal::unverified_slot(&record).map(|slot| (slot, record.key)));
        }
    }
    Ok(proposals)
}
