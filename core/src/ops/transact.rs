//! From a decision to a commit: one change set with its event, retried while other writers come first.

use super::Settings;
use super::initialise::initialise;
use super::scene::{Scene, expected};
use crate::audit::{Action, Draft, Outcome, link};
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{ChangeSet, Check, Committed, CounterDelta, Delete, Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::record::{Reason, RecordKey};
use alloc::vec;
use alloc::vec::Vec;

/// How often an operation tries before it gives up on other writers.
pub(super) const ATTEMPTS: u32 = 60;

/// Who does what to which secret.
pub(super) struct Call<'a> {
    pub(super) action: Action,
    pub(super) actor: &'a Actor,
    pub(super) slot: Option<&'a Slot>,
    /// Records to load besides.
    pub(super) also: Vec<RecordKey>,
}

impl<'a> Call<'a> {
    pub(super) fn of_vault(action: Action, actor: &'a Actor) -> Self {
        Call { action, actor, slot: None, also: Vec::new() }
    }

    pub(super) fn of_secret(action: Action, actor: &'a Actor, slot: &'a Slot) -> Self {
        Call { action, actor, slot: Some(slot), also: Vec::new() }
    }
}

/// What an operation decided: what it returns, what it writes, and what the event says.
pub(super) struct Plan<T> {
    pub(super) output: T,
    pub(super) writes: Writes,
    pub(super) event: EventPlan,
}

/// What a plan writes besides its event.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) puts: Vec<Put>,
    pub(super) deletes: Vec<Delete>,
    pub(super) checks: Vec<Check>,
    pub(super) counters: Vec<CounterDelta>,
}

/// What the event of a plan says.
pub(super) enum EventPlan {
    /// Nothing: the operation is not recorded when it succeeds, and writes nothing.
    None,
    /// The call's own action, in the stream of its secret, or the vault's when there is none.
    Plain,
    /// Something else.
    Detailed(Detail),
}

/// The particulars of an event.
pub(super) struct Detail {
    pub(super) action: Action,
    /// In the vault's stream, although there is a secret.
    pub(super) in_vault_stream: bool,
    pub(super) uid: Option<[u8; 16]>,
    pub(super) reason: Option<Reason>,
    pub(super) digest: Option<[u8; 32]>,
    /// Secrets that are adopted with it: an event for each follows.
    pub(super) adopted: Vec<(Slot, [u8; 16])>,
}

impl Detail {
    /// An event of an action and nothing more, in the stream of its secret.
    pub(super) fn of(action: Action) -> Self {
        Detail { action, in_vault_stream: false, uid: None, reason: None, digest: None, adopted: Vec::new() }
    }

    /// The same in the vault's stream.
    pub(super) fn of_vault(action: Action) -> Self {
        Detail { in_vault_stream: true, ..Detail::of(action) }
    }
}

impl<T> Plan<T> {
    /// Writes nothing but the event.
    pub(super) fn record(output: T) -> Self {
        Plan { output, writes: Writes::default(), event: EventPlan::Plain }
    }

    /// Writes nothing at all.
    pub(super) fn silent(output: T) -> Self {
        Plan { output, writes: Writes::default(), event: EventPlan::None }
    }
}

/// Whether the actor may, before anything is read. A refusal is recorded before it is returned.
pub(super) async fn authorized(io: &Io, settings: &Settings, call: &Call<'_>) -> Result<()> {
    match settings.authorize(call.actor, io.now()) {
        Ok(()) => Ok(()),
        Err(refusal) => transact(io, settings, call, |_, _| Err(refusal.clone())).await,
    }
}

/// Runs an operation: loads the scene, authorizes, decides, commits. A refusal is recorded before it is returned.
///
/// Errors: those of the decision; of the store; `CONFLICT` after 60 attempts.
pub(super) async fn transact<T: Send>(
    io: &Io,
    settings: &Settings,
    call: &Call<'_>,
    mut decide: impl FnMut(&Scene<'_>, &mut dyn Entropy) -> Result<Plan<T>> + Send,
) -> Result<T> {
    let mut decided = None;
    let decide = &mut |scene: &Scene<'_>, entropy: &mut dyn Entropy| {
        let Plan { output, writes, event } = decide(scene, entropy)?;
        decided = Some(output);
        Ok((writes, event))
    };
    commit_decision(io, settings, call, decide).await?;
    // INVARIANT: what was committed was decided.
    decided.ok_or_else(conflict)
}

/// What an operation decides on in a scene: what to write, and what the event says.
type Decide<'a> = dyn FnMut(&Scene<'_>, &mut dyn Entropy) -> Result<(Writes, EventPlan)> + Send + 'a;

/// The loop of [`transact`]: one for all operations, since one for each would be a tenth of the browser's module.
async fn commit_decision(io: &Io, settings: &Settings, call: &Call<'_>, decide: &mut Decide<'_>) -> Result<()> {
    let operation_id = io.with_entropy(make_bytes::<16>)?;
    let mut refusal = None;
    for attempt in 0..ATTEMPTS {
        let Some(scene) = Scene::load(io, settings, call.slot, &call.also).await? else {
            // There is no history yet that a refusal could go into.
            settings.authorize(call.actor, io.now())?;
            initialise(io, settings).await?;
            continue;
        };
        let decided = settings.authorize(call.actor, scene.now);
        let decided = decided.and_then(|()| io.with_entropy(|entropy| decide(&scene, entropy)));
        let (result, writes, event) = match decided {
            Ok((writes, event)) => (Ok(()), writes, event),
            Err(error) => (Err(error), Writes::default(), EventPlan::Plain),
        };
        let code = result.as_ref().err().map(Error::code);
        let Some(change_set) = change_set(&scene, call, &operation_id, writes, &event, code)? else {
            return result;
        };
        match io.commit(change_set).await {
            Ok(Committed::Yes) => return result,
            // A refusal stays a refusal when it can't be recorded: nothing was given away.
            Ok(Committed::Conflict) => {
                refusal = result.err();
                back_off(io, attempt).await?;
            }
            Err(storage) => return result.and(Err(storage)),
        }
    }
    Err(refusal.unwrap_or_else(conflict))
}

pub(super) fn conflict() -> Error {
    Error::new(ErrorCode::Conflict, "other writers kept coming first and nothing was done: try again")
}

/// Waits a random time that grows with the attempts, up to an eighth of a second.
pub(super) async fn back_off(io: &Io, attempt: u32) -> Result<()> {
    let most = 4u64 << attempt.min(5);
    let [low, high] = io.with_entropy(make_bytes::<2>)?;
    io.wait(1 + u64::from(u16::from_be_bytes([high, low])) % most).await
}

/// The change set of a decision: its writes, its event, and the stream head that the event moves.
fn change_set(
    scene: &Scene<'_>,
    call: &Call<'_>,
    operation_id: &[u8; 16],
    writes: Writes,
    event: &EventPlan,
    code: Option<ErrorCode>,
) -> Result<Option<ChangeSet>> {
    let detail = match event {
        EventPlan::None => return Ok(None),
        EventPlan::Plain => None,
        EventPlan::Detailed(detail) => Some(detail),
    };
    let secret = scene.secret().ok().flatten();
    let own = secret.filter(|_| detail.is_none_or(|detail| !detail.in_vault_stream));
    // A name that no secret has or had is written down only by what is about to give it one: people paste values where
    // names belong, and what is in the history stays there.
    let names = code.is_none() && matches!(call.action, Action::Set | Action::Propose | Action::Confirm);
    let slot = call.slot.filter(|_| names || scene.is_known());
    let draft = Draft {
        action: detail.map_or(call.action, |detail| detail.action),
        actor: Some(call.actor),
        slot,
        uid: detail.and_then(|detail| detail.uid).or(secret.map(|secret| secret.uid)),
        outcome: code.map_or(Outcome::Success, outcome_of),
        code,
        reason: detail.and_then(|detail| detail.reason),
        digest: detail.and_then(|detail| detail.digest),
    };
    let Writes { mut puts, deletes, mut checks, counters } = writes;
    let mut stream = own.map_or_else(|| scene.vault_stream.clone(), |secret| scene.own_stream(secret));
    let expected = expected(stream.revision);
    let stamp = (operation_id, scene.head.epoch, scene.now);
    let mut events = vec![link(&draft, &mut stream, &scene.head.keys.audit, stamp)];
    for (slot, uid) in detail.map(|detail| detail.adopted.as_slice()).unwrap_or_default() {
        events.push(link(&Draft::adopted(slot, *uid), &mut stream, &scene.head.keys.audit, stamp));
    }
    if let Some(secret) = own {
        let key = RecordKey::secret(&secret.slot);
        match puts.iter().find(|put| put.record.key == key) {
            Some(put) => stream.secret_mac = put.record.mac_bytes(),
            None => checks.push(Check { key, expected: Expected::Revision(secret.revision) }),
        }
    }
    puts.push(Put { record: stream.next_record(&scene.head.keys.record)?, expected });
    Ok(Some(ChangeSet { operation_id: hex(operation_id), puts, deletes, checks, counters, events }))
}

fn outcome_of(code: ErrorCode) -> Outcome {
    match code {
        ErrorCode::PermissionDenied | ErrorCode::SessionExpired | ErrorCode::ConfirmationMismatch => Outcome::Denied,
        _ => Outcome::Error,
    }
}
