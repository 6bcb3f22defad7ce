//! The history: events, each linked to the one before it in its stream by an HMAC under the vault's audit key.
//!
//! Each secret has a stream, and the vault one for what has no secret: lists, refusals of unknown names, the creation
//! and the deletion of secrets. No field can carry plaintext: a draft is made of parsed names, codes and digests.

mod chain;
mod checkpoint;
mod export;
mod filter;
mod foreign;
mod note;
mod watch;

pub use chain::Fault;
pub(crate) use chain::{ChainCheck, digest_of_unchained};
pub(crate) use checkpoint::write_checkpoint;
pub use checkpoint::{CHECKPOINT_MAX, CHECKPOINT_ORIGIN, Checkpoint, Leaf};
pub use export::ExportFormat;
pub use filter::EventFilter;
pub(crate) use foreign::{enclose, link_foreign, verify_enclosed};
pub use watch::{AccessFinding, AccessRule, AccessRules, AccessWatch, Burst, SharedWatch};

use crate::crypto::MacKey;
use crate::encoding::{Encoder, hex};
use crate::error::{ErrorCode, Result};
use crate::ident::{Actor, Slot};
use crate::record::{Head, Reason, StreamHead, read_mac};
use crate::time::Timestamp;
use crate::wire::{deserialize_as_read, read_fields};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// The stream of what has no secret.
pub const VAULT_STREAM: &str = "vault";

macro_rules! actions {
    ($($variant:ident $name:literal $doc:literal;)*) => {
        /// What was done, or tried.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Action { $(#[doc = $doc] $variant,)* }

        impl Action {
            /// The name on the wire and in the store.
            pub const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }

            /// The action of that name.
            pub fn from_name(name: &str) -> Option<Action> {
                match name {
                    $($name => Some(Action::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

actions! {
    Init "init" "The vault was initialised.";
    Adopted "adopted" "An existing store was adopted, the digest being that of its old audit rows; or one secret of it.";
    Set "set" "A secret was created or given a value.";
    Get "get" "A secret's value was read.";
    Exists "exists" "Somebody asked whether a secret is there; recorded only when refused.";
    List "list" "The secrets were listed.";
    Rotate "rotate" "A secret was given a new value in place of the old one.";
    Delete "delete" "A secret was deleted; the digest is the last MAC of its stream.";
    Propose "propose" "A change was proposed.";
    Confirm "confirm" "A proposal could not be confirmed; one that could is recorded as its change.";
    Cancel "cancel" "A proposal was cancelled.";
    Audit "audit" "The history was read.";
    VerifyAudit "verify_audit" "The history was verified.";
    Checkpoint "checkpoint" "The history was verified and a checkpoint of it signed; the digest is that of its leaves.";
    ExportAudit "export_audit" "A page of the history was exported.";
    Census "census" "The stored values were counted by key and format.";
    Versions "versions" "The versions of a secret were listed.";
    Rollback "rollback" "An earlier version's value was made current again, as a new version.";
    Disable "disable" "A secret was disabled.";
    Enable "enable" "A disabled secret was enabled.";
    Verify "verify" "A presented value was checked against a secret's current one; denied when it is not accepted.";
    VerifyPrevious "verify_previous" "A presented value was accepted although it is a previous one, within its grace.";
    RevokePrevious "revoke_previous" "The grace of previous values was ended.";
    Expire "expire" "A secret was given an end, or had it taken away.";
    Purge "purge" "Expired secrets and proposals were looked for, to be deleted.";
    Identify "identify" "A presented value was looked for among all secrets; denied when none accepts it.";
    RotationStatus "rotation_status" "Somebody asked where the secrets stand.";
    Due "due" "Somebody asked which secrets are due for rotation.";
    Overdue "overdue" "A secret was found overdue.";
    RotateDue "rotate_due" "The secrets that are due were about to be rotated, each with an event of its own.";
    RotateAll "rotate_all" "All secrets were about to be rotated, each with an event of its own.";
    EmergencyRotate "emergency_rotate" "Secrets that leaked were about to be rotated, each with an event of its own; or one that has no generator was marked.";
    RotateBegin "rotate_begin" "A rotation by the host's rotator began, or was begun again.";
    RotateCreate "rotate_create" "The host's rotator gave a value, which is kept sealed until it is activated.";
    GetMany "get_many" "Values were read together, each with an event of its own.";
    SetMany "set_many" "Secrets were given values together, each with an event of its own.";
    Resolve "resolve" "References were resolved; each secret that was read has an event of its own.";
    Provision "provision" "What a manifest asks for was provided, each secret with an event of its own.";
    Check "check" "What a manifest asks for was checked.";
    Grant "grant" "Somebody was granted access to a secret.";
    Revoke "revoke" "A grant was taken back.";
    Grants "grants" "The grants of a secret were listed.";
    SetPolicy "set_policy" "The vault's policy was set.";
    Policy "policy" "The vault's policy was read.";
    Rekey "rekey" "Values were sealed anew under the primary key, or the ring of keys was changed for that.";
    Retire "retire" "A key that nothing needs any more was retired.";
    RenewRoot "renew_root" "The vault's root was replaced by one of a new epoch, or records were moved to it.";
    Export "export" "Secrets were exported, each with an event of its own.";
    Import "import" "Secrets were imported, each with an event of its own.";
    ImportHistory "import_history" "The history of a secret in another vault came with it; the digest is the last MAC of its stream.";
    CopyTo "copy_to" "The vault was about to be copied to another store.";
    Command "command" "A chat command that was not understood; recorded only when its sender is refused.";
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// The actor may not.
    Denied,
    /// It failed.
    Error,
}

impl Outcome {
    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Denied => "denied",
            Outcome::Error => "error",
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Outcome> {
        [Outcome::Success, Outcome::Denied, Outcome::Error].into_iter().find(|outcome| outcome.name() == name)
    }

    /// That of what ends with an error.
    pub(crate) const fn of(code: ErrorCode) -> Outcome {
        match code {
            ErrorCode::PermissionDenied | ErrorCode::SessionExpired | ErrorCode::ConfirmationMismatch => {
                Outcome::Denied
            }
            _ => Outcome::Error,
        }
    }
}

/// An event as a store keeps it. Rows of an adopted store lack what old programs did not write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The stream: `vault` or a secret's uid; absent in old rows.
    pub stream: Option<String>,
    /// The place in the stream, from 1.
    pub seq: Option<u64>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// The random id of the operation that wrote it, 32 hex digits.
    pub operation_id: Option<String>,
    /// What was done: the name of an [`Action`].
    pub action: Option<String>,
    /// The secret's uid, 32 hex digits.
    pub secret_uid: Option<String>,
    /// The secret's namespace.
    pub namespace: Option<String>,
    /// The secret's name.
    pub name: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// From where.
    pub platform: Option<String>,
    /// `success`, `denied` or `error`.
    pub outcome: Option<String>,
    /// Whether the outcome is `success`: what programs read that know no outcomes.
    pub success: Option<bool>,
    /// The error code, when it did not succeed.
    pub code: Option<String>,
    /// Why a version came to be.
    pub reason: Option<String>,
    /// The vault root in force.
    pub epoch: Option<u64>,
    /// A SHA-256 digest or a MAC, 64 hex digits; what of, the action says.
    pub digest: Option<String>,
    /// What allowed it: the id of a rule of the policy, or `grant:` and that of a grant; absent where there is no policy.
    pub rule: Option<String>,
    /// The MAC of the event before it in the stream.
    pub prev_mac: Option<String>,
    /// HMAC-SHA256 over everything above but `success`, 64 hex digits.
    pub mac: Option<String>,
}

deserialize_as_read!(Event);
read_fields!(Event {
    stream,
    seq,
    at,
    operation_id,
    action,
    secret_uid,
    namespace,
    name,
    actor,
    platform,
    outcome,
    success,
    code,
    reason,
    epoch,
    digest,
    rule,
    prev_mac,
    mac
});

impl Event {
    /// The bytes that the MAC covers: `docs/format.md`, "Events".
    fn authenticated(&self) -> Vec<u8> {
        let mut encoder = Encoder::new("strongroom/v1/event");
        encoder
            .optional_text(self.stream.as_deref())
            .optional_integer(self.seq)
            .optional_integer(self.at.map(|at| at.as_millis().cast_unsigned()))
            .optional_text(self.operation_id.as_deref())
            .optional_text(self.action.as_deref())
            .optional_text(self.secret_uid.as_deref())
            .optional_text(self.namespace.as_deref())
            .optional_text(self.name.as_deref())
            .optional_text(self.actor.as_deref())
            .optional_text(self.platform.as_deref())
            .optional_text(self.outcome.as_deref())
            .optional_text(self.code.as_deref())
            .optional_text(self.reason.as_deref())
            .optional_integer(self.epoch)
            .optional_text(self.digest.as_deref())
            .optional_text(self.prev_mac.as_deref());
        // Only where there is one: events from before there were rules encode as they did.
        if let Some(rule) = &self.rule {
            encoder.text(rule);
        }
        encoder.finish()
    }

    /// Whether it belongs to the chain at all.
    pub(crate) fn is_chained(&self) -> bool {
        self.mac.is_some()
            || self.stream.is_some()
            || self.seq.is_some()
            || self.operation_id.is_some()
            || self.secret_uid.is_some()
    }

    /// Its place and its MAC; `None` for one outside the chain.
    pub(crate) fn leaf(&self) -> Option<Leaf> {
        let mac = self.mac.as_deref().and_then(read_mac)?;
        Some(Leaf { stream: self.stream.clone()?, seq: self.seq?, mac })
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self, why: &'static str) -> Fault {
        let stream = self.stream.clone().unwrap_or_else(|| "(none)".into());
        Fault { stream, seq: self.seq.unwrap_or_default(), why }
    }

    /// Whether its own MAC holds, under the root of its epoch; says nothing of its place in the chain. Errors: those of
    /// opening a former root.
    pub(crate) fn is_authentic_in(&self, head: &Head) -> Result<bool> {
        match self.epoch {
            Some(epoch) if epoch == head.epoch => Ok(self.is_authentic(&head.keys.audit)),
            Some(epoch) if (1..head.epoch).contains(&epoch) => {
                head.former_keys(epoch).map(|keys| self.is_authentic(&keys.audit))
            }
            _ => Ok(false),
        }
    }

    fn is_authentic(&self, key: &MacKey) -> bool {
        let mac = self.mac.as_deref().and_then(read_mac);
        let success = self.outcome.as_deref().map(|outcome| outcome == Outcome::Success.name());
        success == self.success && mac.is_some_and(|mac| key.verify(&self.authenticated(), &mac))
    }
}

/// What an event will say, before it has a place in a stream.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) action: Action,
    pub(crate) actor: Option<&'a Actor>,
    pub(crate) slot: Option<&'a Slot>,
    pub(crate) uid: Option<[u8; 16]>,
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<ErrorCode>,
    pub(crate) reason: Option<Reason>,
    pub(crate) digest: Option<[u8; 32]>,
    pub(crate) rule: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// The adoption of one secret: nobody's in particular.
    pub(crate) fn adopted(slot: &'a Slot, uid: [u8; 16]) -> Self {
        Draft {
            action: Action::Adopted,
            actor: None,
            slot: Some(slot),
            uid: Some(uid),
            outcome: Outcome::Success,
            code: None,
            reason: Some(Reason::Import),
            digest: None,
            rule: None,
        }
    }
}

/// Puts a draft at the end of a stream; gives the event and moves the head.
pub(crate) fn link(
    draft: &Draft<'_>,
    head: &mut StreamHead,
    key: &MacKey,
    (operation_id, epoch, at): (&[u8; 16], u64, Timestamp),
) -> Event {
    let seq = head.seq.saturating_add(1);
    let owned = |text: &str| Some(text.to_string());
    let mut event = Event {
        stream: owned(&head.stream),
        seq: Some(seq),
        at: Some(at),
        operation_id: Some(hex(operation_id)),
        action: owned(draft.action.name()),
        secret_uid: draft.uid.map(|uid| hex(&uid)),
        namespace: draft.slot.and_then(|slot| owned(slot.namespace())),
        name: draft.slot.and_then(|slot| owned(slot.name())),
        actor: draft.actor.and_then(|actor| owned(actor.id())),
        platform: draft.actor.and_then(Actor::platform).and_then(owned),
        outcome: owned(draft.outcome.name()),
        success: Some(draft.outcome == Outcome::Success),
        code: draft.code.and_then(|code| owned(code.name())),
        reason: draft.reason.and_then(|reason| owned(reason.name())),
        epoch: Some(epoch),
        digest: draft.digest.map(|digest| hex(&digest)),
        rule: draft.rule.and_then(owned),
        prev_mac: head.mac.map(|mac| hex(&mac)),
        mac: None,
    };
    let mac = key.mac(&event.authenticated());
    event.mac = Some(hex(&mac));
    head.seq = seq;
    head.mac = Some(mac);
    event
}
