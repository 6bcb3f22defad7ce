//! What an operation sees before it decides: the opened head, the secret in question, and the streams.

use super::Settings;
use super::transact::{Access, Each, Writes};
use crate::audit::{Action, Fault, VAULT_STREAM};
use crate::encoding::hex;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Check, Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::policy::{Decision, Grant, Permission, Scope, Subject};
use crate::record::{Head, PolicyRecord, Record, RecordKey, RecordKind, Ring, SecretRecord, StreamHead};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many records an operation loads at once besides those of the vault and its secret.
const LOAD_MAX: usize = 1000;

/// The state of the store that a decision is made on.
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) head: Head,
    /// The record that the head was opened from.
    pub(super) head_record: Record,
    pub(super) vault_stream: StreamHead,
    /// The policy of the store; not looked at where one is fixed in code.
    pub(super) policy: Option<PolicyRecord>,
    /// Absent in vaults that were made before there were rings, until their first `rekey`.
    pub(super) ring: Option<Ring>,
    /// The secret in the slot, unless its record was tampered with: then the error, which the operation meets when it
    /// looks.
    secret: Result<Option<SecretRecord>>,
    /// The head of the slot's stream: the secret's own, or that of the secret which had the slot before.
    stream: Option<StreamHead>,
    /// The other records that were asked for, each in the place of its key.
    pub(super) records: Vec<Option<Record>>,
}

impl<'a> Scene<'a> {
    /// Loads all of it at once; `None` when the store has no head yet. Errors: those of the store, the keyring, the head.
    pub(super) async fn load(
        io: &Io,
        settings: &'a Settings,
        slot: Option<&Slot>,
        also: &[RecordKey],
    ) -> Result<Option<Scene<'a>>> {
        let of_vault = [RecordKey::head(), RecordKey::vault_stream(), RecordKey::ring(), RecordKey::policy()];
        let mut keys: Vec<RecordKey> = of_vault.into();
        keys.extend(slot.into_iter().flat_map(|slot| [RecordKey::secret(slot), RecordKey::stream(slot)]));
        // No load asks for more than the contract says. A secret and the head of its stream stay in one.
        let (first, more) = also.split_at_checked(LOAD_MAX).unwrap_or((also, &[]));
        keys.extend_from_slice(first);
        let mut records = io.load(keys).await?;
        for page in more.chunks(LOAD_MAX) {
            records.extend(io.load(page.to_vec()).await?);
        }
        let mut records = records.into_iter();
        let mut next = || records.next().flatten();
        let (Some(head_record), vault_stream, ring, policy) = (next(), next(), next(), next()) else {
            return Ok(None);
        };
        let (secret, stream) = if slot.is_some() { (next(), next()) } else { (None, None) };
        let head = Head::open(&head_record, &settings.keyring)?;
        if settings.vault_id.is_some_and(|pinned| pinned != head.vault_id) {
            let message = format!("the store holds another vault, {}: open the right store", hex(&head.vault_id));
            return Err(Error::new(ErrorCode::VaultHeadMissing, message));
        }
        let vault_stream = match vault_stream {
            Some(record) => StreamHead::verify(&record, head.record_keys())?,
            // Both are made in one commit.
            None => {
                let fault = Fault { stream: VAULT_STREAM.into(), seq: 1, why: "the vault's history was taken away" };
                return Err(Error::from(&fault));
            }
        };
        let of_history = |record: &Option<Record>, mac: Option<[u8; 32]>| match record {
            Some(record) if record.mac_bytes() != mac => {
                Err(record.tampered("it does not fit the vault's history: it was put back to an earlier state"))
            }
            None if mac.is_some() => {
                Err(Error::new(ErrorCode::RecordTampered, "a record of the vault was taken away: restore the store"))
            }
            _ => Ok(()),
        };
        // A head that was put back to the time of a renewal would have the root before believed again.
        if head.epoch > 1 && vault_stream.head_mac != head_record.mac_bytes() {
            return Err(
                head_record.tampered("it does not fit the vault's history: it was put back to an earlier state")
            );
        }
        of_history(&ring, vault_stream.ring_mac)?;
        of_history(&policy, vault_stream.policy_mac)?;
        let ring = ring.map(|record| Ring::verify(&record, head.record_keys())).transpose()?;
        let policy = policy.map(|record| PolicyRecord::verify(&record, head.record_keys())).transpose()?;
        let stream = stream.map(|record| StreamHead::verify(&record, head.record_keys())).transpose()?;
        let (ring_revision, policy_revision) =
            (revision_of(&ring), policy.as_ref().map_or(0, |policy| policy.revision));
        check_not_put_back(stream.as_ref(), (ring_revision, policy_revision))?;
        if ring.as_ref().is_some_and(|ring| ring.is_retired(&head.sealed_under)) {
            return Err(head_record.tampered("it is sealed under a retired key: it was put back to an earlier state"));
        }
        let secret = secret.map(|record| verify_secret(&record, stream.as_ref(), &head)).transpose();
        let (now, records) = (io.now(), records.collect());
        Ok(Some(Scene { settings, now, head, head_record, vault_stream, policy, ring, secret, stream, records }))
    }

    /// What allows an actor something here; nothing needs to where there is no policy. Errors: `PERMISSION_DENIED`.
    pub(super) fn permit(&self, actor: &Actor, permission: Permission, scope: Scope<'_>) -> Result<Option<String>> {
        let grants = self.secret().ok().flatten().map(|secret| secret.grants.as_slice()).unwrap_or_default();
        self.permit_with(actor, permission, scope, grants)
    }

    /// The same for a secret that has certain grants. Errors: `PERMISSION_DENIED`.
    pub(super) fn permit_with(
        &self,
        actor: &Actor,
        permission: Permission,
        scope: Scope<'_>,
        grants: &[Grant],
    ) -> Result<Option<String>> {
        match self.decision(actor, permission, scope, grants) {
            Decision { allowed: true, rule } => Ok(rule),
            // Alike whether there is such a secret or not: who may not read it does not learn that either.
            _ => Err(Decision::refusal(permission, None)),
        }
    }

    /// Whether an actor may do something with a secret that has certain grants, and by what.
    pub(super) fn decision(
        &self,
        actor: &Actor,
        permission: Permission,
        scope: Scope<'_>,
        grants: &[Grant],
    ) -> Decision {
        let subject = Subject { user: actor.id(), roles: actor.roles() };
        if let Some(policy) = &self.settings.policy {
            return policy.decide_with_grants(subject, permission, scope, grants, self.now);
        }
        let Some(PolicyRecord { policy, since, .. }) = &self.policy else {
            return Decision { allowed: true, rule: None };
        };
        // Before there was a policy everybody could grant anything to anybody.
        let grants: Vec<Grant> = grants.iter().filter(|grant| *since <= grant.granted_at).cloned().collect();
        policy.decide_with_grants(subject, permission, scope, &grants, self.now)
    }

    /// The same as a plain answer.
    pub(super) fn may(&self, actor: &Actor, permission: Permission, secret: &SecretRecord) -> bool {
        self.decision(actor, permission, Scope::from(&secret.slot), &secret.grants).allowed
    }

    /// The secret, if there is one. Errors: `RECORD_TAMPERED`.
    pub(super) fn secret(&self) -> Result<Option<&SecretRecord>> {
        match &self.secret {
            Ok(secret) => Ok(secret.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }

    /// The secret. Errors: `RECORD_TAMPERED`; `SECRET_NOT_FOUND`; `NAME_INVALID` when no secret could have that name.
    pub(super) fn existing(&self, slot: &Slot) -> Result<&SecretRecord> {
        match self.secret()? {
            Some(secret) => Ok(secret),
            None => {
                slot.check()?;
                Err(not_found(slot, self.stream.is_some()))
            }
        }
    }

    /// The head of the secret's own stream, from the start if it has none.
    pub(super) fn own_stream(&self, secret: &SecretRecord) -> StreamHead {
        own_stream(self.stream.as_ref(), secret)
    }

    /// What secrets of that name that are deleted must never have given to a new one: see [`SecretRecord::is_compromised`].
    pub(super) fn compromised_before(&self) -> &[String] {
        self.stream.as_ref().map(|stream| stream.compromised.as_slice()).unwrap_or_default()
    }

    /// Whether this keyring may write what an action came to: where nothing is sealed, a stale one may, so that a leak can be
    /// contained from every host. Errors: `KEYRING_STALE`.
    pub(super) fn check_writer(&self, action: Action, writes: &Writes) -> Result<()> {
        let stored = self.secret().ok().flatten();
        let current = stored.and_then(|secret| secret.current.value.as_ref());
        // What a rotator gave was sealed when it gave it.
        let given = stored.and_then(|secret| secret.rotating.as_ref()?.version.as_ref()?.value.as_ref());
        let seals = |put: &Put| match put.record.key.kind {
            RecordKind::Secret => {
                let value = put.record.columns.value_encrypted.as_ref();
                value != current && (given.is_none() || value != given)
            }
            RecordKind::Pending => action != Action::Cancel,
            _ => false,
        };
        let writes_values = |each: &Each| each.access == Access::Written;
        match &self.ring {
            Some(ring) if writes.each.iter().any(writes_values) || writes.puts.iter().any(seals) => {
                ring.check_writer(&self.settings.keyring)
            }
            _ => Ok(()),
        }
    }

    /// The revisions of the ring and of the policy; 0 for what is not there.
    pub(super) fn revisions(&self) -> (u64, u64) {
        (revision_of(&self.ring), self.policy.as_ref().map_or(0, |policy| policy.revision))
    }

    /// The ring and the policy, unless they are written: what was decided under them is decided anew when they have changed
    /// by the time of the commit.
    pub(super) fn unwritten(&self, puts: &[Put]) -> impl Iterator<Item = Check> {
        let (ring, policy) = self.revisions();
        let unwritten = |key: &RecordKey| !puts.iter().any(|put| put.record.key == *key);
        [(RecordKey::ring(), ring), (RecordKey::policy(), policy)]
            .into_iter()
            .filter(move |(key, _)| unwritten(key))
            .map(|(key, revision)| Check { key, expected: expected(revision) })
    }

    /// Whether the slot is that of a secret, or was.
    pub(super) fn is_known(&self) -> bool {
        self.stream.is_some() || matches!(&self.secret, Ok(Some(_)))
    }

    /// What a put of the slot's stream head must find.
    pub(super) fn expected_stream(&self) -> Expected {
        expected(self.stream.as_ref().map_or(0, |head| head.revision))
    }
}

/// The error for a slot in which no secret stands; whether one was there before.
pub(super) fn not_found(slot: &Slot, was_there: bool) -> Error {
    // A name that no secret ever had is not repeated: it may be a value that was pasted in its place.
    let what = if was_there { format!("{slot} was deleted") } else { "there is no secret of that name".into() };
    let message = format!("Secret not found: {what}; check the spelling against the list");
    Error::new(ErrorCode::SecretNotFound, message)
}

/// Whether ring and policy are at least those that a stream's last event was decided under. Errors: `RECORD_TAMPERED`.
pub(super) fn check_not_put_back(stream: Option<&StreamHead>, (ring, policy): (u64, u64)) -> Result<()> {
    if stream.is_some_and(|head| ring < head.ring_revision || policy < head.policy_revision) {
        let message = "the policy or the ring of keys was put back to an earlier state than the secret was used under";
        return Err(Error::new(ErrorCode::RecordTampered, message));
    }
    Ok(())
}

fn revision_of(ring: &Option<Ring>) -> u64 {
    ring.as_ref().map_or(0, |ring| ring.revision)
}

/// The head of a secret's own stream, given the head of its slot's: from the start if that is another's, or there is none.
pub(super) fn own_stream(stream: Option<&StreamHead>, secret: &SecretRecord) -> StreamHead {
    let uid = hex(&secret.uid);
    match stream {
        Some(head) if head.stream == uid => head.clone(),
        earlier => {
            let revision = earlier.map_or(0, |head| head.revision);
            StreamHead::start(RecordKey::stream(&secret.slot), uid, revision)
        }
    }
}

/// Reads a secret's record after verifying it, also against the head of its stream. Errors: `RECORD_TAMPERED`.
pub(super) fn verify_secret(record: &Record, stream: Option<&StreamHead>, head: &Head) -> Result<SecretRecord> {
    let secret = SecretRecord::verify(record, head)?;
    match stream {
        Some(stream) if stream.fits(&secret.uid, record) => Ok(secret),
        _ => Err(record.tampered("it does not fit its history: it was put back to an earlier state")),
    }
}

/// What a write must find: revision 0 of anything but a secret means that there is no record.
pub(super) fn expected(revision: u64) -> Expected {
    match revision {
        0 => Expected::Absent,
        revision => Expected::Revision(revision),
    }
}
