//! From a decision to a commit: one change set with its event, retried while other writers come first.

use super::Settings;
use super::initialise::initialise;
use super::scene::{self, Scene, expected};
use crate::audit::{Action, Draft, Event, Outcome, link, link_foreign};
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{ChangeSet, Check, Committed, CounterDelta, Delete, Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::{Head, Reason, RecordKey, RecordKind, SecretRecord, StreamHead};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// How often an operation tries before it gives up on other writers.
pub(super) const ATTEMPTS: u32 = 150;

/// How often it then leaves others ever more room. Later it asks at short intervals, so that a change of many records gets
/// through between those who change one of them each.
const PATIENT: u32 = 16;

/// Who does what to which secret.
pub(super) struct Call<'a> {
    pub(super) action: Action,
    pub(super) actor: &'a Actor,
    pub(super) slot: Option<&'a Slot>,
    /// What the actor needs, and for what. Where it depends on what is read, nothing: the decision asks then.
    pub(super) permission: Option<Permission>,
    pub(super) scope: Scope<'a>,
    /// Records to load besides.
    pub(super) also: Vec<RecordKey>,
    /// Of an operation on many: the secrets, for each of which the decision asks for the permission.
    pub(super) slots: &'a [Slot],
}

impl<'a> Call<'a> {
    pub(super) fn of_vault(action: Action, actor: &'a Actor) -> Self {
        let permission = permission_for(action);
        Call { action, actor, slot: None, permission, scope: Scope::Vault, also: Vec::new(), slots: &[] }
    }

    /// Of many secrets, which are loaded with the heads of their streams.
    pub(super) fn of_many(action: Action, actor: &'a Actor, slots: &'a [Slot]) -> Self {
        let also = slots.iter().flat_map(|slot| [RecordKey::secret(slot), RecordKey::stream(slot)]).collect();
        Call { also, slots, ..Call::of_vault(action, actor) }
    }

    pub(super) fn of_secret(action: Action, actor: &'a Actor, slot: &'a Slot) -> Self {
        Call { slot: Some(slot), scope: Scope::from(slot), ..Call::of_vault(action, actor) }
    }

    /// Of what is in a namespace, or in all. The permission allows to go on, and is asked again for each secret.
    pub(super) fn of_namespace(action: Action, actor: &'a Actor, namespace: Option<&'a str>) -> Self {
        let scope = namespace.map_or(Scope::AnyNamespace, Scope::Namespace);
        Call { scope, ..Call::of_vault(action, actor) }
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
    /// The secrets of an operation on many, each with an event of its own.
    pub(super) each: Vec<Each>,
    /// The histories that secrets had elsewhere, each of one name and the oldest event first.
    pub(super) foreign: Vec<(Slot, Vec<Event>)>,
    /// The head that comes into force with it, where its root is another: what is written is under that one already.
    pub(super) head: Option<Head>,
}

/// One of the secrets of an operation on many.
pub(super) struct Each {
    /// Its revision is that of the stored record, 0 when there is none yet.
    pub(super) secret: SecretRecord,
    /// The head of its own stream, as it is stored; from the start for a new secret.
    pub(super) stream: StreamHead,
    /// What its event says.
    pub(super) detail: Detail,
    pub(super) access: Access,
}

/// What becomes of the record of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It stays, and must be as it was read when the change set is applied.
    Read,
    /// It is written.
    Written,
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
    /// What allowed it, where that was not the call's own permission.
    pub(super) rule: Option<String>,
    /// What it came to, when that is not the success that the commit makes of it.
    pub(super) outcome: Option<Outcome>,
    /// Secrets that it found, and why they are told of: an event for each follows.
    pub(super) found: Vec<(Action, Slot, [u8; 16])>,
}

impl Detail {
    /// An event of an action and nothing more, in the stream of its secret.
    pub(super) fn of(action: Action) -> Self {
        Detail {
            action,
            in_vault_stream: false,
            uid: None,
            reason: None,
            digest: None,
            rule: None,
            outcome: None,
            found: Vec::new(),
        }
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

    /// The same, its event telling what allowed it.
    pub(super) fn allowed_by(mut self, rule: Option<String>) -> Self {
        if let EventPlan::Detailed(detail) = &mut self.event {
            detail.rule = rule;
        }
        self
    }

    /// The same with another output.
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Plan<U> {
        Plan { output: map(self.output), writes: self.writes, event: self.event }
    }

    /// Writes nothing at all.
    pub(super) fn silent(output: T) -> Self {
        Plan { output, writes: Writes::default(), event: EventPlan::None }
    }
}

/// Whether the actor may, before anything else is read. A refusal is recorded before it is returned.
pub(super) async fn authorized(io: &Io, settings: &Settings, call: &Call<'_>) -> Result<()> {
    let allowed = match Scene::load(io, settings, call.slot, &[]).await? {
        Some(scene) => authorize(&scene, call),
        None => settings.authorize_first(call, io.now()).map(|()| None),
    };
    match allowed {
        Ok(_) => Ok(()),
        Err(refusal) => transact(io, settings, call, |_, _| Err(refusal.clone())).await,
    }
}

/// What allows a call. Errors: `SESSION_EXPIRED`, `PERMISSION_DENIED`.
fn authorize(scene: &Scene<'_>, call: &Call<'_>) -> Result<Option<String>> {
    scene.settings.authorize(call.actor, scene.now)?;
    if !call.slots.is_empty() {
        return Ok(None);
    }
    call.permission.map_or(Ok(None), |permission| scene.permit(call.actor, permission, call.scope))
}

/// What an actor needs for an action. Exhaustive: an action that is added has to say.
fn permission_for(action: Action) -> Option<Permission> {
    match action {
        Action::Get
        | Action::Exists
        | Action::Audit
        | Action::VerifyAudit
        | Action::Versions
        | Action::Verify
        | Action::VerifyPrevious
        | Action::Identify
        | Action::GetMany
        | Action::Resolve
        | Action::Check => Some(Permission::Read),
        // Which secrets there are is what `list` gives; each is asked for besides.
        Action::List | Action::RotationStatus | Action::Due | Action::Overdue => Some(Permission::List),
        Action::Set
        | Action::Rotate
        | Action::Rollback
        | Action::Disable
        | Action::Enable
        | Action::RevokePrevious
        | Action::Expire
        | Action::RotateDue
        | Action::RotateAll
        | Action::RotateBegin
        | Action::RotateCreate
        | Action::SetMany
        | Action::Provision
        | Action::Import
        | Action::ImportHistory => Some(Permission::Write),
        Action::Export => Some(Permission::Export),
        Action::Delete | Action::Purge => Some(Permission::Delete),
        // What leaves the vault tells which secrets there are.
        Action::ExportAudit => Some(Permission::List),
        Action::Adopted
        | Action::Checkpoint
        | Action::Census
        | Action::Grant
        | Action::Revoke
        | Action::Grants
        | Action::SetPolicy
        | Action::Policy
        | Action::Rekey
        | Action::Retire
        | Action::RenewRoot
        | Action::CopyTo
        | Action::EmergencyRotate => Some(Permission::Admin),
        // Those of the proposed change, once it is known; of a command that was not understood, none.
        Action::Propose | Action::Confirm | Action::Cancel | Action::Command => None,
        // Nobody does this by itself.
        Action::Init => None,
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
            settings.authorize_first(call, io.now())?;
            initialise(io, settings).await?;
            continue;
        };
        let (rule, decided) = match authorize(&scene, call) {
            Ok(rule) => (rule, io.with_entropy(|entropy| decide(&scene, entropy))),
            Err(refusal) => (None, Err(refusal)),
        };
        let decided = decided.and_then(|decided| scene.check_writer(call.action, &decided.0).map(|()| decided));
        let (result, writes, event) = match decided {
            Ok((writes, event)) => (Ok(()), writes, event),
            Err(error) => (Err(error), Writes::default(), EventPlan::Plain),
        };
        let verdict = (result.as_ref().err().map(Error::code), rule.as_deref());
        let Some(change_set) = change_set(&scene, call, &operation_id, writes, &event, verdict)? else {
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

/// Waits a random time that grows with the first attempts, up to an eighth of a second, and is short for later ones.
pub(super) async fn back_off(io: &Io, attempt: u32) -> Result<()> {
    let most = if attempt < PATIENT { 4u64 << attempt.min(5) } else { 32 };
    let [low, high] = io.with_entropy(make_bytes::<2>)?;
    io.wait(1 + u64::from(u16::from_be_bytes([high, low])) % most).await
}

/// The change set of a decision: its writes, its event, and the stream head that the event moves. The verdict is why it was
/// refused, or what allowed it.
fn change_set(
    scene: &Scene<'_>,
    call: &Call<'_>,
    operation_id: &[u8; 16],
    writes: Writes,
    event: &EventPlan,
    (code, rule): (Option<ErrorCode>, Option<&str>),
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
    let told = detail.and_then(|detail| detail.outcome);
    // Which policy, ring or root it was that came into force can be told afterwards.
    let in_force = match call.action {
        Action::SetPolicy => Some(RecordKind::Policy),
        Action::Rekey | Action::Retire => Some(RecordKind::Ring),
        Action::RenewRoot => Some(RecordKind::Head),
        _ => None,
    };
    let mac_in_force =
        writes.puts.iter().find(|put| Some(put.record.key.kind) == in_force).and_then(|put| put.record.mac_bytes());
    let draft = Draft {
        action: detail.map_or(call.action, |detail| detail.action),
        actor: Some(call.actor),
        slot,
        uid: detail.and_then(|detail| detail.uid).or(secret.map(|secret| secret.uid)),
        outcome: code.map_or(told.unwrap_or(Outcome::Success), Outcome::of),
        code,
        reason: detail.and_then(|detail| detail.reason),
        digest: detail.and_then(|detail| detail.digest).or(mac_in_force),
        rule: rule.or(detail.and_then(|detail| detail.rule.as_deref())).filter(|_| code.is_none()),
    };
    let Writes { mut puts, deletes, mut checks, counters, each, foreign, head } = writes;
    let head = head.as_ref().unwrap_or(&scene.head);
    let mut stream = own.map_or_else(|| scene.vault_stream.clone(), |secret| scene.own_stream(secret));
    let expected = expected(stream.revision);
    let stamp = (operation_id, head.epoch, scene.now);
    let mut events = vec![link(&draft, &mut stream, &head.keys.audit, stamp)];
    for (action, slot, uid) in detail.map(|detail| detail.found.as_slice()).unwrap_or_default() {
        let draft = match action {
            Action::Adopted => Draft::adopted(slot, *uid),
            action => Draft { action: *action, slot: Some(slot), uid: Some(*uid), digest: None, ..draft.clone() },
        };
        events.push(link(&draft, &mut stream, &head.keys.audit, stamp));
    }
    // What happened elsewhere comes before what brought it here.
    let mut before = Vec::new();
    for (slot, history) in &foreign {
        let place = (slot.namespace(), slot.name());
        let (linked, digest) = link_foreign(history, place, &head.keys.audit, (operation_id, head.epoch));
        before.extend(linked);
        let draft = Draft { action: Action::ImportHistory, slot: Some(slot), uid: None, digest, ..draft.clone() };
        events.push(link(&draft, &mut stream, &head.keys.audit, stamp));
    }
    events.splice(0..0, before);
    for Each { secret, stream: mut its_own, detail, access } in each {
        let draft = Draft {
            action: detail.action,
            slot: Some(&secret.slot),
            uid: Some(secret.uid),
            reason: detail.reason,
            digest: None,
            rule: detail.rule.as_deref().or(draft.rule),
            ..draft.clone()
        };
        let (key, expected_stream) = (RecordKey::secret(&secret.slot), scene::expected(its_own.revision));
        // What makes a secret stands in the vault's stream, as with one alone.
        let is_new = secret.revision == 0;
        let place = if is_new { &mut stream } else { &mut its_own };
        events.push(link(&draft, place, &head.keys.audit, stamp));
        (its_own.ring_revision, its_own.policy_revision) = scene.revisions();
        let expected = scene::expected(secret.revision);
        match access {
            Access::Read => checks.push(Check { key, expected }),
            Access::Written => {
                let record = secret.next_record(&head.keys.record)?;
                its_own.secret_mac = record.mac_bytes();
                puts.push(Put { record, expected, index: secret.index() });
            }
        }
        puts.push(Put::plain(its_own.next_record(&head.keys.record)?, expected_stream));
    }
    (stream.ring_revision, stream.policy_revision) = scene.revisions();
    for put in &puts {
        match put.record.key.kind {
            RecordKind::Policy => stream.policy_mac = put.record.mac_bytes(),
            RecordKind::Ring => stream.ring_mac = put.record.mac_bytes(),
            RecordKind::Head if head.epoch > 1 => stream.head_mac = put.record.mac_bytes(),
            _ => {}
        }
    }
    checks.extend(scene.unwritten(&puts));
    if let Some(secret) = own {
        let key = RecordKey::secret(&secret.slot);
        match puts.iter().find(|put| put.record.key == key) {
            Some(put) => stream.secret_mac = put.record.mac_bytes(),
            None => checks.push(Check { key, expected: Expected::Revision(secret.revision) }),
        }
    }
    puts.push(Put::plain(stream.next_record(&head.keys.record)?, expected));
    Ok(Some(ChangeSet { operation_id: hex(operation_id), puts, deletes, checks, counters, events }))
}
