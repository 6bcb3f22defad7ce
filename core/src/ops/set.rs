//! Set: a secret of that name has that value from now on, whether it is new or not.

use super::Settings;
use super::scene::Scene;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::crypto::sealed;
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::Result;
use crate::flow::{Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::record::{Counters, Reason, RecordKey, SecretRecord, SecretState, StreamHead, Version};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
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

/// Sets a secret. Errors: `NAME_INVALID`, `VALUE_INVALID`, those of [`transact`].
pub(crate) async fn set(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    value: &SecretBytes,
) -> Result<Written> {
    let call = Call::of_secret(Action::Set, actor, slot);
    transact(io, settings, &call, |scene, entropy| plan_set(scene, entropy, actor, slot, value)).await
}

/// The plan of a set; also what a confirmed one does.
pub(super) fn plan_set(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    value: &SecretBytes,
) -> Result<Plan<Written>> {
    scene.settings.check_value(value)?;
    match scene.secret()? {
        Some(secret) => plan_new_version(scene, entropy, actor, secret, value, (Action::Set, Reason::Manual)),
        None => plan_create(scene, entropy, actor, slot, value),
    }
}

/// The plan of giving an existing secret another value.
pub(super) fn plan_new_version(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    secret: &SecretRecord,
    value: &SecretBytes,
    (action, reason): (Action, Reason),
) -> Result<Plan<Written>> {
    let mut secret = secret.clone();
    let expected = Expected::Revision(secret.revision);
    let number = secret.current.number.saturating_add(1);
    let version = seal_version(scene, entropy, actor, &secret, number, value, reason)?;
    secret.push_version(version);
    secret.updated_at = Some(scene.now);
    let output = Written::of(&secret.slot, Some(number), false, scene.now);
    let puts = vec![Put { record: secret.next_record(&scene.head.keys.record)?, expected }];
    let detail = Detail { reason: Some(reason), ..Detail::of(action) };
    Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Detailed(detail) })
}

fn plan_create(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    actor: &Actor,
    slot: &Slot,
    value: &SecretBytes,
) -> Result<Plan<Written>> {
    slot.check()?;
    let (uid, reason) = (make_bytes(entropy)?, Reason::Manual);
    let unset = Version {
        number: 0,
        value: None,
        key_id: None,
        at: None,
        by: None,
        reason,
        fingerprint: None,
        compromised: false,
    };
    let mut secret = SecretRecord {
        slot: slot.clone(),
        revision: 0,
        uid,
        state: SecretState::Active,
        current: unset,
        previous: Vec::new(),
        created_by: Some(actor.id().to_string()),
        created_at: Some(scene.now),
        updated_at: Some(scene.now),
        counters: Counters::default(),
    };
    secret.current = seal_version(scene, entropy, actor, &secret, 1, value, reason)?;
    // The new secret's stream takes the slot's head over at once: whoever read the slot before, under an earlier secret,
    // then meets a conflict although revisions start again at 1.
    let expected_stream = scene.expected_stream();
    let revision = if let Expected::Revision(revision) = expected_stream { revision } else { 0 };
    let record = secret.next_record(&scene.head.keys.record)?;
    let secret_mac = record.mac_bytes();
    let stream = StreamHead { secret_mac, ..StreamHead::start(RecordKey::stream(slot), hex(&uid), revision) };
    let puts = vec![
        Put { record, expected: Expected::Absent },
        Put { record: stream.next_record(&scene.head.keys.record)?, expected: expected_stream },
    ];
    let detail = Detail { uid: Some(uid), reason: Some(reason), ..Detail::of_vault(Action::Set) };
    let output = Written::of(slot, Some(1), true, scene.now);
    Ok(Plan { output, writes: Writes { puts, ..Writes::default() }, event: EventPlan::Detailed(detail) })
}

fn seal_version(
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
    Ok(Version {
        number,
        value: Some(sealed::seal(primary, entropy, &context, value.expose())?),
        key_id: Some(primary.id().to_hex()),
        at: Some(scene.now),
        by: Some(actor.id().to_string()),
        reason,
        fingerprint: Some(hex(&scene.head.keys.fingerprint.mac(value.expose()))),
        compromised: false,
    })
}
