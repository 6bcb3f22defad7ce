//! The facade: a vault is a keyring and some options. It holds no state of the store and never caches a value.

mod archives;
mod copy;
mod history;
mod keys;
mod many;
mod metrics;
mod resolve;
mod rotation;
mod rotator;

pub use rotation::Leaked;

use crate::audit::{EventFilter, SharedWatch};
use crate::command::{self, CommandReply};
use crate::crypto::KeyId;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::Flow;
use crate::ident::{Actor, Slot};
use crate::keyring::Keyring;
use crate::metrics::Meter;
use crate::ops::{
    self, Adopted, AuditReport, Census, Confirmed, Expiry, Granted, Grants, History, Listing, NewValue, PolicyInForce,
    Proposed, Purged, Rekeyed, Retired, Revealed, Rotation, Setting, Settings, Verified, Versions, Written,
};
use crate::policy::{Grantee, Permission, Policy};
use crate::record::Change;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a vault can be told when it is opened.
#[derive(Clone, Debug)]
pub struct VaultOptions {
    /// The id of the vault that the store must hold. Pinning it keeps a stripped store from being taken for a new one.
    pub vault_id: Option<[u8; 16]>,
    /// The actors who may use the vault; everybody who can call it when absent.
    pub actors: Option<Vec<String>>,
    /// The longest value in bytes, 1 to 16 MiB; 64 KiB unless told otherwise.
    pub value_max: usize,
    /// How long a proposal waits for its confirmation, in milliseconds; five minutes unless told otherwise.
    pub proposal_millis: i64,
    /// The changes that chat commands propose first.
    pub confirm: Vec<Change>,
    /// Who may do what, fixed in code. Without it the store's own policy says so, if it has one.
    pub policy: Option<Policy>,
    /// Which committed events a session tells its host of; none when absent. Rust hosts see all in
    /// [`Host::committed`](crate::store::Host::committed).
    pub events: Option<EventFilter>,
    /// Looks at every event that flows of this vault commit: [`Flow::take_findings`] and
    /// [`Host::found`](crate::store::Host::found) tell what it found, and [`Vault::metrics`] how much.
    pub watch: Option<SharedWatch>,
}

impl Default for VaultOptions {
    fn default() -> Self {
        VaultOptions {
            vault_id: None,
            actors: None,
            value_max: 64 * 1024,
            proposal_millis: 5 * 60 * 1000,
            confirm: Vec::new(),
            policy: None,
            events: None,
            watch: None,
        }
    }
}

/// The most that [`VaultOptions::value_max`] can be.
const VALUE_LIMIT: usize = 16 * 1024 * 1024;

/// The most events that one call of [`Vault::audit`] reads.
const AUDIT_LIMIT: u32 = 1000;

/// A vault: operations over a store that the host supplies. Every operation is a [`Flow`].
pub struct Vault {
    settings: Arc<Settings>,
    confirm: Vec<Change>,
    events: Option<EventFilter>,
    meter: Arc<Meter>,
}

impl Vault {
    /// A vault under a keyring. Errors: `INVALID_ARGUMENT` for options out of range.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use strongroom::{Keyring, Vault, VaultOptions};
    /// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
    /// let vault = Vault::new(Arc::new(keyring), VaultOptions::default())?;
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn new(keyring: Arc<Keyring>, options: VaultOptions) -> Result<Vault> {
        let VaultOptions { vault_id, actors, value_max, proposal_millis, confirm, policy, events, watch } = options;
        if !(1..=VALUE_LIMIT).contains(&value_max) {
            return Err(invalid(&format!("the longest value must be 1 to {VALUE_LIMIT} bytes")));
        }
        if proposal_millis < 1 {
            return Err(invalid("a proposal must wait for at least a millisecond"));
        }
        let settings = Settings { keyring, vault_id, actors, value_max, proposal_millis, policy };
        Ok(Vault { settings: Arc::new(settings), confirm, events, meter: Arc::new(Meter::new(watch)) })
    }

    /// Which committed events a session tells its host of.
    pub fn told_events(&self) -> Option<&EventFilter> {
        self.events.as_ref()
    }

    /// Gives a secret a value, whether it is new or not. Errors of the flow: `NAME_INVALID`, `VALUE_INVALID`,
    /// `VERSION_COMPROMISED`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`; that of every operation that writes values: `KEYRING_STALE`; and those that
    /// every operation has: `PERMISSION_DENIED`, `SESSION_EXPIRED`, `CONFLICT`, `STORAGE_FAILED`, `RECORD_TAMPERED`,
    /// `VAULT_HEAD_MISSING`, `KEY_UNKNOWN`, `ENTROPY_FAILED`.
    pub fn set(
        &self,
        actor: &Actor,
        slot: &Slot,
        (value, setting): (NewValue, Setting),
        entropy: Box<dyn Entropy>,
    ) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::set(&io, &settings, &actor, &slot, (&value, &setting)).await })
    }

    /// Reads a secret's value. Errors of the flow: `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `SECRET_EXPIRED`,
    /// `VERSION_COMPROMISED`, `NOT_AUTHENTIC`.
    pub fn get(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Revealed> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::get(&io, &settings, &actor, &slot).await })
    }

    /// Tells whether a secret exists; recorded only when refused.
    pub fn exists(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<bool> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::exists(&io, &settings, &actor, &slot).await })
    }

    /// Lists the secrets of a namespace, or of all, that the actor may list. Errors: `NAME_INVALID`.
    pub fn list(&self, actor: &Actor, namespace: Option<&str>, entropy: Box<dyn Entropy>) -> Result<Flow<Listing>> {
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        Ok(self.flow(entropy, |io| async move { ops::list(&io, &settings, &actor, namespace.as_deref()).await }))
    }

    /// Gives an existing secret a new value: given, or made by a generator. Errors of the flow: `SECRET_NOT_FOUND`,
    /// `VALUE_INVALID`, `VERSION_COMPROMISED`, `INVALID_ARGUMENT`.
    pub fn rotate(&self, actor: &Actor, slot: &Slot, rotation: Rotation, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::rotate(&io, &settings, &actor, &slot, &rotation).await })
    }

    /// Deletes a secret; its history stays. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn delete(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::delete(&io, &settings, &actor, &slot).await })
    }

    /// Reads the latest events, latest first: of one secret, or of all; at most 1000. Errors: `INVALID_ARGUMENT`; of the
    /// flow: `AUDIT_TAMPERED`.
    pub fn audit(
        &self,
        actor: &Actor,
        slot: Option<&Slot>,
        limit: u32,
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<History>> {
        if !(1..=AUDIT_LIMIT).contains(&limit) {
            return Err(invalid(&format!("the limit must be 1 to {AUDIT_LIMIT} events")));
        }
        let (settings, actor, slot) = (Arc::clone(&self.settings), actor.clone(), slot.cloned());
        Ok(self.flow(entropy, move |io| async move { ops::audit(&io, &settings, &actor, slot.as_ref(), limit).await }))
    }

    /// Verifies the whole history. Errors of the flow: `AUDIT_TAMPERED`, naming the first bad event and why.
    pub fn verify_audit(&self, actor: &Actor, entropy: Box<dyn Entropy>) -> Flow<AuditReport> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::verify_audit(&io, &settings, &actor, None).await })
    }

    /// Proposes a change; a deletion takes no value. Errors of the flow: `INVALID_ARGUMENT`, those of the change.
    pub fn propose(
        &self,
        actor: &Actor,
        slot: &Slot,
        (change, value): (Change, Option<SecretBytes>),
        entropy: Box<dyn Entropy>,
    ) -> Flow<Proposed> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, move |io| async move {
            ops::propose(&io, &settings, &actor, &slot, (change, value.as_ref())).await
        })
    }

    /// Confirms a proposal. Errors of the flow: `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_EXPIRED`,
    /// `CONFIRMATION_MISMATCH`, `CHANGED_SINCE_PROPOSED`.
    pub fn confirm(&self, actor: &Actor, id: &str, entropy: Box<dyn Entropy>) -> Flow<Confirmed> {
        let (settings, actor, id) = (Arc::clone(&self.settings), actor.clone(), id.to_string());
        self.flow(entropy, |io| async move { ops::confirm(&io, &settings, &actor, &id).await })
    }

    /// Withdraws a proposal. Errors of the flow: `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_MISMATCH`.
    pub fn cancel(&self, actor: &Actor, id: &str, entropy: Box<dyn Entropy>) -> Flow<()> {
        let (settings, actor, id) = (Arc::clone(&self.settings), actor.clone(), id.to_string());
        self.flow(entropy, |io| async move { ops::cancel(&io, &settings, &actor, &id).await })
    }

    /// Counts the stored values by key and format.
    pub fn census(&self, actor: &Actor, entropy: Box<dyn Entropy>) -> Flow<Census> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::census(&io, &settings, &actor).await })
    }

    /// Adopts rows that another program wrote into the store after its adoption.
    pub fn adopt(&self, actor: &Actor, entropy: Box<dyn Entropy>) -> Flow<Adopted> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::adopt(&io, &settings, &actor).await })
    }

    /// Disables a secret: get refuses it, and it verifies nothing. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn disable(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::disable(&io, &settings, &actor, &slot).await })
    }

    /// Enables a disabled secret. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn enable(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::enable(&io, &settings, &actor, &slot).await })
    }

    /// Lists the versions of a secret, without a value. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn versions(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Versions> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::versions(&io, &settings, &actor, &slot).await })
    }

    /// Makes an earlier version's value current again, as a new version. Errors of the flow: `SECRET_NOT_FOUND`,
    /// `VERSION_NOT_FOUND`, `VERSION_COMPROMISED`.
    pub fn rollback(&self, actor: &Actor, slot: &Slot, version: u64, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, move |io| async move { ops::rollback(&io, &settings, &actor, &slot, version).await })
    }

    /// Checks a presented value against a secret's current one and those within their grace. Errors of the flow:
    /// `SECRET_NOT_FOUND`.
    pub fn verify(
        &self,
        actor: &Actor,
        slot: &Slot,
        presented: SecretBytes,
        entropy: Box<dyn Entropy>,
    ) -> Flow<Verified> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::verify(&io, &settings, &actor, &slot, &presented).await })
    }

    /// Ends the grace of a secret's previous values. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn revoke_previous(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::revoke_previous(&io, &settings, &actor, &slot).await })
    }

    /// Gives a secret's value an end, or takes it away. Errors of the flow: `SECRET_NOT_FOUND`, `INVALID_ARGUMENT`.
    pub fn expire(&self, actor: &Actor, slot: &Slot, expiry: Expiry, entropy: Box<dyn Entropy>) -> Flow<Written> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, move |io| async move { ops::expire(&io, &settings, &actor, &slot, expiry).await })
    }

    /// Deletes expired secrets that the actor may delete, of a namespace or of all, and proposals that are over. Errors:
    /// `NAME_INVALID`.
    pub fn purge(&self, actor: &Actor, namespace: Option<&str>, entropy: Box<dyn Entropy>) -> Result<Flow<Purged>> {
        let (settings, actor, namespace) = self.own_namespace(actor, namespace)?;
        Ok(self.flow(entropy, |io| async move { ops::purge(&io, &settings, &actor, namespace.as_deref()).await }))
    }

    /// Sets the vault's policy: what it does not allow is denied from then on. Errors of the flow: `UNSUPPORTED` when the
    /// policy is fixed in code; `INVALID_ARGUMENT` for one that the actor could not change again.
    pub fn set_policy(&self, actor: &Actor, policy: Policy, entropy: Box<dyn Entropy>) -> Flow<()> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::set_policy(&io, &settings, &actor, &policy).await })
    }

    /// Tells the policy in force.
    pub fn policy(&self, actor: &Actor, entropy: Box<dyn Entropy>) -> Flow<PolicyInForce> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, |io| async move { ops::policy(&io, &settings, &actor).await })
    }

    /// Grants a user or a role access to a secret, until an instant (exclusive) or for good. Errors of the flow:
    /// `SECRET_NOT_FOUND`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`.
    pub fn grant(
        &self,
        actor: &Actor,
        slot: &Slot,
        (to, actions, until): (Grantee, Vec<Permission>, Option<Timestamp>),
        entropy: Box<dyn Entropy>,
    ) -> Flow<Granted> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(
            entropy,
            move |io| async move { ops::grant(&io, &settings, &actor, &slot, (&to, &actions, until)).await },
        )
    }

    /// Takes a grant back. Errors of the flow: `SECRET_NOT_FOUND`, `INVALID_ARGUMENT`.
    pub fn revoke(&self, actor: &Actor, slot: &Slot, id: &str, entropy: Box<dyn Entropy>) -> Flow<()> {
        let (settings, actor, slot) = self.own(actor, slot);
        let id = id.to_string();
        self.flow(entropy, |io| async move { ops::revoke(&io, &settings, &actor, &slot, &id).await })
    }

    /// Lists the grants of a secret that have not ended. Errors of the flow: `SECRET_NOT_FOUND`.
    pub fn grants(&self, actor: &Actor, slot: &Slot, entropy: Box<dyn Entropy>) -> Flow<Grants> {
        let (settings, actor, slot) = self.own(actor, slot);
        self.flow(entropy, |io| async move { ops::grants(&io, &settings, &actor, &slot).await })
    }

    /// Seals a page of 1 to 500 secrets anew under the keyring's primary, from where the page before ended; the first makes
    /// that key the vault's primary. Errors: `INVALID_ARGUMENT`; of the flow: `KEYRING_STALE`.
    pub fn rekey(
        &self,
        actor: &Actor,
        (after, limit): (Option<&str>, u32),
        entropy: Box<dyn Entropy>,
    ) -> Result<Flow<Rekeyed>> {
        if !(1..=ops::REKEY_PAGE_MAX).contains(&limit) {
            return Err(invalid(&format!("a page takes 1 to {} secrets", ops::REKEY_PAGE_MAX)));
        }
        let (settings, actor, after) = (Arc::clone(&self.settings), actor.clone(), after.map(ToString::to_string));
        Ok(self.flow(
            entropy,
            move |io| async move { ops::rekey(&io, &settings, &actor, (after.as_deref(), limit)).await },
        ))
    }

    /// Moves a key that nothing needs any more one step further in the vault's ring: to disabled, then to destroyed. Errors
    /// of the flow: `KEY_IN_USE`, saying what needs it; `KEY_UNKNOWN`, `INVALID_ARGUMENT`.
    pub fn retire(&self, actor: &Actor, id: KeyId, entropy: Box<dyn Entropy>) -> Flow<Retired> {
        let (settings, actor) = (Arc::clone(&self.settings), actor.clone());
        self.flow(entropy, move |io| async move { ops::retire(&io, &settings, &actor, &id).await })
    }

    /// Runs a chat command, such as `secret get NAME`, and answers in words. The text may carry a value, so it is taken
    /// as a secret. Errors of the flow: those that the sender can do nothing about, such as `STORAGE_FAILED`; all others
    /// are answered in words too.
    pub fn command(&self, actor: &Actor, text: SecretBytes, entropy: Box<dyn Entropy>) -> Flow<CommandReply> {
        let (settings, actor, confirm) = (Arc::clone(&self.settings), actor.clone(), self.confirm.clone());
        self.flow(entropy, |io| async move { command::run(&io, &settings, &actor, &text, &confirm).await })
    }

    fn own_namespace(&self, actor: &Actor, namespace: Option<&str>) -> Result<(Arc<Settings>, Actor, Option<String>)> {
        let namespace = match namespace {
            Some(namespace) => Some(Slot::parse_stored(Some(namespace), "any")?.namespace().to_string()),
            None => None,
        };
        Ok((Arc::clone(&self.settings), actor.clone(), namespace))
    }

    fn own(&self, actor: &Actor, slot: &Slot) -> (Arc<Settings>, Actor, Slot) {
        (Arc::clone(&self.settings), actor.clone(), slot.clone())
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message.to_string())
}
