//! Set: a secret of that name has that value from now on, whether it is new or not.

use super::Settings;
use super::expire::Expiry;
use super::purge::purge_in_passing;
use super::scene::Scene;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::crypto::sealed;
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Expected, Io, Put};
use crate::generate::Generator;
use crate::ident::{Actor, Slot};
use crate::record::{Reason, RecordKey, RecordKind, SecretRecord, StreamHead, Version};
use crate::rotation::Sensitivity;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The secret's namespace.
    pub namespace: String,
    /// The secret's name.
    pub name: String,
    /// The number of the version that is current now, from 1; absent after a deletion.
    pub version: Option<u64>,
    /// Whether the secret is new.
    pub created: bool,
    /// When it was done.
    pub at: Timestamp,
}

impl Written {
    pub(super) fn of(slot: &Slot, version: Option<u64>, created: bool, at: Timestamp) -> Self {
        Written { namespace: slot.namespace().to_string(), name: slot.name().to_string(), version, created, at }
    }
}

/// Where a new value comes from.
#[derive(Debug)]
pub enum NewValue {
    /// The caller has it.
    Given(SecretBytes),
    /// The vault makes it.
    Generated(Generator),
}

impl From<SecretBytes> for NewValue {
    fn from(value: SecretBytes) -> Self {
        NewValue::Given(value)
    }
}

impl NewValue {
    /// The value. Errors: `ENTROPY_FAILED`.
    pub(super) fn make(&self, entropy: &mut dyn Entropy) -> Result<SecretBytes> {
        match self {
            NewValue::Given(value) => Ok(SecretBytes::copy_of(value.expose())),
            NewValue::Generated(generator) => generator.make(entropy),
        }
    }
}

/// What a set can tell of a secret besides its value. What is absent stays as it is, but for the end: a new value has none
/// unless it is given one.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// How much harm a leak would do.
    pub sensitivity: Option<Sensitivity>,
    /// When the value ends.
    pub expiry: Option<Expiry>,
    /// Whom to tell when it is due for rotation: at most 16 texts of 1 to 256 bytes.
    pub notify: Option<Vec<String>>,
    /// What makes its next value.
    pub generator: Option<Generator>,
}

/// The most contacts of a secret.
const NOTIFY_MAX: usize = 16;

impl Setting {
    /// Errors: `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`.
    pub(super) fn tell(&self, secret: &mut SecretRecord) -> Result<()> {
        if let Some(notify) = &self.notify {
            let is_bad =
                |contact: &String| contact.is_empty() || contact.len() > 256 || contact.contains(char::is_control);
            if notify.len() > NOTIFY_MAX || notify.iter().any(is_bad) {
                let message = "notify takes at most 16 contacts of 1 to 256 bytes without control characters";
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            secret.notify.clone_from(notify);
        }
        if let Some(sensitivity) = self.sensitivity {
            secret.sensitivity = sensitivity;
        }
        if let Some(generator) = &self.generator {
            secret.generator = Some(generator.clone());
        }
        Ok(())
    }

    fn end(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.expiry.unwrap_or(Expiry::Never).end(now)
    }
}

/// Sets a secret. Errors: `NAME_INVALID`, `VALUE_INVALID`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`, those of [`transact`].
pub(crate) async fn set(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    (value, setting): (&NewValue, &Setting),
) -> Result<Written> {
    let call = Call::of_secret(Action::Set, actor, slot);
    let written = transact(io, settings, &call, |scene, entropy| {
        let value = value.make(entropy)?;
        plan_set(scene, entropy, actor, slot, (&value, setting))
    })
    .await?;
    if written.created {
        purge_in_passing(io, settings, actor, RecordKind::Secret).await;
    }
    Ok(written)
}

/// The plan of a set; also what a confirmed one does.
pub(super) fn plan_set(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    (value, setting): (&SecretBytes, &Setting),
) -> Result<Plan<Written>> {
    let found = Found { secret: scene.secret()?, compromised: scene.compromised_before() };
    let reason = Reason::Manual;
    let secret = secret_with(scene, entropy, actor, (slot, found), (value, setting, reason))?;
    if secret.revision == 0 {
        return plan_create(scene, &secret);
    }
    plan_update(scene, secret, Detail { reason: Some(reason), ..Detail::of(Action::Set) })
}

/// What stands in a slot: a secret, and what those that were there before must never have given to a new one.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) secret: Option<&'a SecretRecord>,
    pub(super) compromised: &'a [String],
}

/// The secret that has a value from now on, to be written: a new one, or the one that is there with another version.
pub(super) fn secret_with(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    (slot, found): (&Slot, Found<'_>),
    (value, setting, reason): (&SecretBytes, &Setting, Reason),
) -> Result<SecretRecord> {
    scene.settings.check_value(value)?;
    let mut secret = match found.secret {
        Some(secret) => secret.clone(),
        None => {
            slot.check()?;
            SecretRecord {
                compromised: found.compromised.to_vec(),
                created_by: Some(actor.id().to_string()),
                created_at: Some(scene.now),
                ..SecretRecord::unset(slot.clone(), make_bytes(entropy)?, scene.head.epoch)
            }
        }
    };
    setting.tell(&mut secret)?;
    let end = setting.end(scene.now)?;
    secret.updated_at = Some(scene.now);
    if secret.revision > 0 {
        push_new_version(scene, entropy, actor, &mut secret, (value, end), reason)?;
    } else {
        secret.expires_at = end;
        secret.current = seal_version(scene, entropy, actor, &secret, 1, value, reason)?;
    }
    Ok(secret)
}

/// The plan of a change of an existing secret that leaves its values alone.
pub(super) fn plan_update(scene: &Scene<'_>, mut secret: SecretRecord, detail: Detail) -> Result<Plan<Written>> {
    let expected = Expected::Revision(secret.revision);
    secret.updated_at = Some(scene.now);
    let output = Written::of(&secret.slot, Some(secret.current.number), false, scene.now);
    let puts = vec![Put { record: secret.next_record(&scene.head.keys.record)?, expected, index: secret.index() }];
    Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Detailed(detail) })
}

/// The plan of giving an existing secret another value, which ends then, or never.
pub(super) fn plan_new_version(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    mut secret: SecretRecord,
    (value, expires_at): (&SecretBytes, Option<Timestamp>),
    (action, reason): (Action, Reason),
) -> Result<Plan<Written>> {
    push_new_version(scene, entropy, actor, &mut secret, (value, expires_at), reason)?;
    plan_update(scene, secret, Detail { reason: Some(reason), ..Detail::of(action) })
}

fn push_new_version(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    secret: &mut SecretRecord,
    (value, expires_at): (&SecretBytes, Option<Timestamp>),
    reason: Reason,
) -> Result<()> {
    let number = secret.current.number.saturating_add(1);
    let version = seal_version(scene, entropy, actor, secret, number, value, reason)?;
    secret.push_version(version, expires_at, scene.now);
    Ok(())
}

fn plan_create(scene: &Scene<'_>, secret: &SecretRecord) -> Result<Plan<Written>> {
    let (slot, uid) = (&secret.slot, secret.uid);
    // The new secret's stream takes the slot's head over at once: whoever read the slot before, under an earlier secret,
    // then meets a conflict although revisions start again at 1.
    let expected_stream = scene.expected_stream();
    let revision = if let Expected::Revision(revision) = expected_stream { revision } else { 0 };
    let record = secret.next_record(&scene.head.keys.record)?;
    let secret_mac = record.mac_bytes();
    let stream = StreamHead { secret_mac, ..StreamHead::start(RecordKey::stream(slot), hex(&uid), revision) };
    let puts = vec![
        Put { record, expected: Expected::Absent, index: secret.index() },
        Put::plain(stream.next_record(&scene.head.keys.record)?, expected_stream),
    ];
    let detail = Detail { uid: Some(uid), reason: Some(secret.current.reason), ..Detail::of_vault(Action::Set) };
    let output = Written::of(slot, Some(1), true, scene.now);
    Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Detailed(detail) })
}

pub(super) fn seal_version(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    secret: &SecretRecord,
    number: u64,
    value: &SecretBytes,
    reason: Reason,
) -> Result<Version> {
    let primary = scene.settings.keyring.primary()?;
    let context = secret.context(&scene.head.vault_id, number);
    let fingerprint = hex(&scene.head.keys.fingerprint.mac(value.expose()));
    // Whoever has it may have it from where it leaked, whichever way it comes.
    if secret.is_compromised(value, &scene.head)? {
        let message = format!("{} had this value when it was compromised: give it another one", secret.slot);
        return Err(Error::new(ErrorCode::VersionCompromised, message));
    }
    Ok(Version {
        number,
        value: Some(sealed::seal(primary, entropy, &context, value.expose())?),
        key_id: Some(primary.id().to_hex()),
        at: Some(scene.now),
        by: Some(actor.id().to_string()),
        reason,
        fingerprint: Some(fingerprint),
        compromised: false,
        ended_at: None,
    })
}
