//! The operations of a vault, one file each. An operation reads straight down: gather, decide, commit.
//!
//! [`transact`](transact::transact) is their common ground: it loads the scene, asks whether the actor may, lets the
//! operation decide on what to write, appends the event, commits, and does it again when another writer came first.

mod adopt;
mod audit;
mod cancel;
mod census;
mod checkpoint;
mod confirm;
mod copy_to;
mod delete;
mod due;
mod exists;
mod expire;
mod export;
mod export_audit;
mod get;
mod grace;
mod grants;
mod identify;
mod import;
mod initialise;
mod list;
mod many;
mod place;
mod policy;
mod propose;
mod provision;
mod purge;
mod rekey;
mod renew_root;
mod resolve;
mod retire;
mod rollback;
mod rotate;
mod rotation_status;
mod rotator;
mod scene;
mod set;
mod state;
mod sweep;
mod transact;
mod unchained;
mod verify;
mod verify_audit;
mod versions;

pub use crate::archive::{ARCHIVE_MAX, ARCHIVE_SECRETS_MAX};
pub use adopt::Adopted;
pub use audit::History;
pub use census::{Census, KeyCount};
pub use checkpoint::Checkpointed;
pub use confirm::Confirmed;
pub use copy_to::Copied;
pub use due::Due;
pub use expire::Expiry;
pub use export::{Exported, Exports, WithHistory};
pub use export_audit::ExportedAudit;
pub use get::Revealed;
pub use grants::{Granted, Grants};
pub use identify::Identified;
pub use import::{ImportOptions, ImportOutcome, ImportReport, Imported, Opening};
pub use list::{Listed, Listing};
pub use many::{Assignment, IfExists, MANY_MAX, ManyOptions, Origin, Run, Skipped, WrittenMany};
pub use policy::PolicyInForce;
pub use propose::Proposed;
pub use provision::{EntryReport, EntryState, ManifestReport, PlainValues};
pub use purge::Purged;
pub use rekey::Rekeyed;
pub use renew_root::Renewed;
pub use resolve::{RESOLVE_MAX, Resolved, ResolvedText, ResolvedValue};
pub use retire::Retired;
pub use rotate::Rotation;
pub use rotation_status::{RotationReport, RotationState};
pub use set::{NewValue, Setting, Written};
pub use sweep::{LeftOver, Swept, WhyLeft, WithoutGenerator};
pub use verify::{Match, Verified};
pub use verify_audit::AuditReport;
pub use versions::{ListedVersion, Versions};

pub(crate) use adopt::adopt;
pub(crate) use audit::audit;
pub(crate) use cancel::cancel;
pub(crate) use census::census;
pub(crate) use checkpoint::checkpoint;
pub(crate) use confirm::confirm;
pub(crate) use copy_to::copy_to;
pub(crate) use delete::delete;
pub(crate) use due::due;
pub(crate) use exists::exists;
pub(crate) use expire::expire;
pub(crate) use export::export;
pub(crate) use export_audit::{EXPORT_PAGE_MAX, export_audit};
pub(crate) use get::get;
pub(crate) use grace::revoke_previous;
pub(crate) use grants::{grant, grants, revoke};
pub(crate) use identify::identify;
pub(crate) use import::{import, opened};
pub(crate) use list::list;
pub(crate) use many::{get_many, set_many};
pub(crate) use policy::{policy, set_policy};
pub(crate) use propose::propose;
pub(crate) use provision::{check, provision};
pub(crate) use purge::purge;
pub(crate) use rekey::{REKEY_PAGE_MAX, rekey};
pub(crate) use renew_root::{RENEW_PAGE_MAX, renew_root};
pub(crate) use resolve::{References, resolve};
pub(crate) use retire::retire;
pub(crate) use rollback::rollback;
pub(crate) use rotate::{check_grace, rotate};
pub(crate) use rotation_status::rotation_status;
pub(crate) use rotator::rotate_with_rotator;
pub(crate) use set::set;
pub(crate) use state::{disable, enable};
pub(crate) use sweep::{SWEEP_PAGE_MAX, Sweep, emergency_rotate_one, sweep};
pub(crate) use verify::verify;
pub(crate) use verify_audit::verify_audit;
pub(crate) use versions::versions;

use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Io;
use crate::ident::Actor;
use crate::keyring::Keyring;
use crate::policy::{Decision, Permission, Policy, Scope, Subject};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// Whether an actor may send commands at all; a refusal is recorded. For commands that are no operation.
pub(crate) async fn authorize_command(io: &Io, settings: &Settings, actor: &Actor) -> Result<()> {
    transact::authorized(io, settings, &transact::Call::of_vault(Action::Command, actor)).await
}

/// What a vault was opened with; shared by all its flows.
pub(crate) struct Settings {
    pub(crate) keyring: Arc<Keyring>,
    /// The vault that the store must hold, if the host pinned one.
    pub(crate) vault_id: Option<[u8; 16]>,
    /// The actors who may use the vault; all may when it is absent.
    pub(crate) actors: Option<Vec<String>>,
    /// The longest value in bytes.
    pub(crate) value_max: usize,
    /// How long a proposal waits, in milliseconds.
    pub(crate) proposal_millis: i64,
    /// Who may do what, if that is fixed in code; otherwise the store's policy says so, if it has one.
    pub(crate) policy: Option<Policy>,
}

impl Settings {
    /// Whether an actor may use a vault that does not exist yet: there is no policy but one that is fixed in code. Errors:
    /// `SESSION_EXPIRED`, `PERMISSION_DENIED`.
    fn authorize_first(&self, call: &transact::Call<'_>, now: Timestamp) -> Result<()> {
        self.authorize(call.actor, now)?;
        let subject = Subject { user: call.actor.id(), roles: call.actor.roles() };
        let scopes: Vec<Scope<'_>> = match call.slots {
            [] => vec![call.scope],
            slots => slots.iter().map(Scope::from).collect(),
        };
        match (&self.policy, call.permission) {
            (Some(policy), Some(permission))
                if scopes.iter().any(|scope| !policy.decide(subject, permission, *scope).allowed) =>
            {
                Err(Decision::refusal(permission, None))
            }
            // There is no proposal yet, and no command that was not understood makes a vault.
            (Some(_), None) => Err(Decision::refusal(Permission::Write, None)),
            _ => Ok(()),
        }
    }

    /// Whether an actor may use the vault at an instant. Errors: `SESSION_EXPIRED`, `PERMISSION_DENIED`.
    fn authorize(&self, actor: &Actor, now: Timestamp) -> Result<()> {
        if actor.session_expires_at().is_some_and(|end| end <= now) {
            return Err(Error::new(ErrorCode::SessionExpired, "the session has ended: sign in again"));
        }
        if self.actors.as_ref().is_some_and(|actors| !actors.iter().any(|allowed| allowed == actor.id())) {
            let message = "permission denied: this actor is not among those who may use the vault; ask its owner";
            return Err(Error::new(ErrorCode::PermissionDenied, message));
        }
        Ok(())
    }

    /// Whether a value can be stored. Errors: `VALUE_INVALID`, with the limit.
    fn check_value(&self, value: &SecretBytes) -> Result<()> {
        let (length, most) = (value.len(), self.value_max);
        if length == 0 {
            return Err(Error::new(ErrorCode::ValueInvalid, format!("the value is empty: give 1 to {most} bytes")));
        }
        if length > most {
            let message = format!("the value has {length} bytes: give 1 to {most}, or raise the vault's limit");
            return Err(Error::new(ErrorCode::ValueInvalid, message));
        }
        Ok(())
    }
}
