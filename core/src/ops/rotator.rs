//! Rotate with the host's rotator, in two steps: a value is created where the secret is used, and activated there.
//!
//! What was created is committed, sealed as the version that it will be, before it is activated; it becomes the current
//! version once it is. Whoever is cut short anywhere is resumed by the next run, in whichever process: the rotation keeps its
//! id, and what was created its value. Two runs at once carry the same rotation to its end together.

use super::Settings;
use super::expire::Expiry;
use super::get::open_version;
use super::rotate::keep_accepted;
use super::scene::Scene;
use super::set::{Written, plan_update, seal_version};
use super::transact::{Call, Detail, Plan, transact};
use crate::audit::Action;
use crate::encoding::hex;
use crate::entropy::{Entropy, make_bytes};
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Given, Io, Refused, Request, RotatorStep};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::{Reason, Rotating, SecretRecord, Version};
use crate::secret::SecretBytes;
use alloc::string::{String, ToString};

/// A rotation under way, as the host's rotator knows it.
struct UnderWay {
    id: String,
    /// The number of the version that its value will be.
    version: u64,
}

/// What the rotator created, opened from what is stored.
struct Created {
    value: SecretBytes,
    fingerprint: Option<String>,
}

/// What became of a value that was created.
enum Kept {
    /// It is stored, or another is that was there first.
    Pending(Created),
    /// Another process was faster, and it is the current version already.
    Current(Written),
}

/// Rotates a secret with the host's rotator, or goes on with such a rotation.
///
/// Errors: `SECRET_NOT_FOUND`; `INVALID_ARGUMENT` for a grace or an end out of range; `UNSUPPORTED` without a rotator;
/// `ROTATION_FAILED` when it fails, or when the secret was changed while it activated; `VALUE_INVALID` and
/// `VERSION_COMPROMISED` for what it gave; `CONFLICT` when the secret was changed while it created; those of [`transact`].
pub(crate) async fn rotate_with_rotator(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    (grace_millis, expiry): (Option<u64>, Expiry),
) -> Result<Written> {
    let call = |action| Call::of_secret(action, actor, slot);
    let (rotation, created) = transact(io, settings, &call(Action::RotateBegin), |scene, entropy| {
        // What can't be done is refused while nothing is done yet.
        keep_accepted(&mut scene.existing(slot)?.clone(), grace_millis, scene.now)?;
        expiry.end(scene.now)?;
        may_seal(scene)?;
        plan_begin(scene, entropy, (actor, slot))
    })
    .await?;
    let created = match created {
        Some(created) => created,
        None => match create(io, settings, actor, slot, &rotation).await? {
            Kept::Pending(created) => created,
            Kept::Current(written) => return Ok(written),
        },
    };
    let Created { value, fingerprint } = created;
    if let Err(refused) = io.activate(rotation.request(slot, RotatorStep::Activate), value).await {
        let message = "the host's rotator did not activate the value that it had created, which is kept sealed: look at \
                       the cause, then run it again, which goes on with the same value; a value that is set or rotated to \
                       gives this one up";
        return Err(failed(io, settings, &call(Action::Rotate), refused, message).await);
    }
    transact(io, settings, &call(Action::Rotate), |scene, _| {
        let mut secret = scene.existing(slot)?.clone();
        let pending = rotation.of(&secret).and_then(|rotating| rotating.version.clone());
        // It was filled once: under this id there is no other value.
        let Some(version) = pending else {
            return rotation.current(scene, &secret, fingerprint.as_deref()).map(Plan::silent).ok_or_else(overtaken);
        };
        keep_accepted(&mut secret, grace_millis, scene.now)?;
        // An end that has passed by now stays one: what is in use can't be refused any more.
        let expires_at = if let Expiry::At(end) = expiry { Some(end) } else { expiry.end(scene.now)? };
        let activated = Version { at: Some(scene.now), by: Some(actor.id().to_string()), ..version };
        secret.push_version(activated, expires_at, scene.now);
        plan_update(scene, secret, Detail { reason: Some(Reason::Rotation), ..Detail::of(Action::Rotate) })
    })
    .await
}

/// Has a value created and keeps it.
async fn create(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot, rotation: &UnderWay) -> Result<Kept> {
    let call = Call::of_secret(Action::RotateCreate, actor, slot);
    let value = match io.values(rotation.request(slot, RotatorStep::Create)).await.map(|mut given| given.pop()) {
        Ok(Some(Given::Value(value))) => value,
        other => {
            let message = "the host's rotator gave no value, and the secret is as it was: look at the cause, then run it \
                           again";
            return Err(failed(io, settings, &call, other.err().unwrap_or(Refused::Failed), message).await);
        }
    };
    let kept = transact(io, settings, &call, |scene, entropy| {
        let secret = scene.existing(slot)?;
        match rotation.of(secret).map(|rotating| &rotating.version) {
            Some(None) => {}
            // Whoever was first decides: its value may be in use by now.
            Some(Some(version)) => {
                scene.permit(actor, Permission::Read, Scope::from(slot))?;
                return Ok(Plan::record(Kept::Pending(open(scene, secret, version)?)));
            }
            None => {
                let fingerprint = hex(&scene.head.keys.fingerprint.mac(value.expose()));
                let written = rotation.current(scene, secret, Some(&fingerprint)).ok_or_else(given_up)?;
                return Ok(Plan::silent(Kept::Current(written)));
            }
        }
        may_seal(scene)?;
        scene.settings.check_value(&value)?;
        let version = seal_version(scene, entropy, actor, secret, rotation.version, &value, Reason::Rotation)?;
        let output = Kept::Pending(Created {
            value: SecretBytes::copy_of(value.expose()),
            fingerprint: version.fingerprint.clone(),
        });
        let mut secret = secret.clone();
        secret.rotating.iter_mut().for_each(|rotating| rotating.version = Some(version.clone()));
        let detail = Detail { reason: Some(Reason::Rotation), ..Detail::of(Action::RotateCreate) };
        let Plan { writes, event, .. } = plan_update(scene, secret, detail)?;
        Ok(Plan { output, writes, event })
    })
    .await;
    if let Err(ErrorCode::ValueInvalid | ErrorCode::VersionCompromised) = kept.as_ref().map_err(Error::code) {
        // Asked under the same id, a rotator would give the same value for ever. That it was refused stays so when this fails.
        drop(begin_again(io, settings, actor, slot, rotation).await);
    }
    kept
}

/// The plan of a beginning, or of going on: the rotation, and what was created for it if anything was.
fn plan_begin(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    (actor, slot): (&Actor, &Slot),
) -> Result<Plan<(UnderWay, Option<Created>)>> {
    let secret = scene.existing(slot)?;
    let version = secret.current.number.saturating_add(1);
    if let Some(rotating) = &secret.rotating {
        let rotation = UnderWay { id: rotating.id.clone(), version };
        if rotation.of(secret).is_some() {
            // What another run created is shown to whoever goes on with it.
            if rotating.version.is_some() {
                scene.permit(actor, Permission::Read, Scope::from(slot))?;
            }
            let created = rotating.version.as_ref().map(|version| open(scene, secret, version)).transpose()?;
            // Recorded, since the rotator will be shown what was created.
            return Ok(Plan::record((rotation, created)));
        }
    }
    let id = hex(&make_bytes::<16>(entropy)?);
    let rotating = Some(Rotating { id: id.clone(), started_at: scene.now, version: None });
    let begun = SecretRecord { rotating, ..secret.clone() };
    let Plan { writes, event, .. } = plan_update(scene, begun, Detail::of(Action::RotateBegin))?;
    Ok(Plan { output: (UnderWay { id, version }, None), writes, event })
}

/// Gives a rotation another id, unless something came of it meanwhile.
async fn begin_again(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot, rotation: &UnderWay) -> Result<()> {
    transact(io, settings, &Call::of_secret(Action::RotateBegin, actor, slot), |scene, entropy| {
        let mut secret = scene.existing(slot)?.clone();
        if rotation.of(&secret).is_none_or(|rotating| rotating.version.is_some()) {
            return Ok(Plan::silent(()));
        }
        let id = hex(&make_bytes::<16>(entropy)?);
        secret.rotating = Some(Rotating { id, started_at: scene.now, version: None });
        let Plan { writes, event, .. } = plan_update(scene, secret, Detail::of(Action::RotateBegin))?;
        Ok(Plan { output: (), writes, event })
    })
    .await
}

impl UnderWay {
    fn request(&self, slot: &Slot, step: RotatorStep) -> Request {
        let (namespace, name) = (slot.namespace().to_string(), slot.name().to_string());
        Request::Rotate { step, id: self.id.clone(), namespace, name, version: self.version }
    }

    /// What a secret has of this rotation; nothing once it was given up, or what was created has leaked.
    fn of<'a>(&self, secret: &'a SecretRecord) -> Option<&'a Rotating> {
        let follows = self.version == secret.current.number.saturating_add(1);
        let leaked = |version: &Version| version.fingerprint.as_deref().is_some_and(|it| secret.has_leaked(it));
        let rotating = secret.rotating.as_ref().filter(|rotating| follows && rotating.id == self.id)?;
        let fits = |version: &Version| version.number == self.version && !leaked(version);
        rotating.version.as_ref().is_none_or(fits).then_some(rotating)
    }

    /// What another process wrote that brought the rotation to its end with the same value.
    fn current(&self, scene: &Scene<'_>, secret: &SecretRecord, fingerprint: Option<&str>) -> Option<Written> {
        let current = &secret.current;
        let same = fingerprint.is_some_and(|it| current.fingerprint.as_deref() == Some(it) && !secret.has_leaked(it));
        let is_it = current.number == self.version && same;
        let at = current.at.unwrap_or(scene.now);
        is_it.then(|| Written::of(&secret.slot, Some(current.number), false, at))
    }
}

/// Errors: `KEYRING_STALE`.
fn may_seal(scene: &Scene<'_>) -> Result<()> {
    scene.ring.as_ref().map_or(Ok(()), |ring| ring.check_writer(&scene.settings.keyring))
}

fn open(scene: &Scene<'_>, secret: &SecretRecord, version: &Version) -> Result<Created> {
    let value = open_version(scene, secret, version)?.value;
    Ok(Created { value, fingerprint: version.fingerprint.clone() })
}

/// The error of a rotator that did not do what it was asked, recorded.
async fn failed(io: &Io, settings: &Settings, call: &Call<'_>, refused: Refused, message: &str) -> Error {
    let error = match refused {
        Refused::Failed => Error::new(ErrorCode::RotationFailed, message.to_string()),
        Refused::Unsupported => {
            let message = "this host has no rotator for the secret: give one, or rotate to a value";
            Error::new(ErrorCode::Unsupported, message)
        }
    };
    // It stays what it is when it can't be recorded.
    drop(transact::<()>(io, settings, call, |_, _| Err(error.clone())).await);
    error
}

fn given_up() -> Error {
    let message = "somebody else changed the secret while its rotator created a value, which was let go and not activated: \
                   look at the versions, and run it again if it is still to be rotated";
    Error::new(ErrorCode::Conflict, message)
}

fn overtaken() -> Error {
    let message = "somebody else changed the secret while its rotator activated a value, which is not the current one: what \
                   is in use and what the vault gives may differ until it is run again, which rotates to a new value";
    Error::new(ErrorCode::RotationFailed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn version(number: u64, fingerprint: char) -> Version {
        let fingerprint = Some(core::iter::repeat_n(fingerprint, 64).collect::<String>());
        Version { number, fingerprint, ..SecretRecord::unset(Slot::parse(None, "A").unwrap(), [0; 16], 1).current }
    }

    /// A secret with a rotation under way, for which something was created.
    fn under_way() -> (UnderWay, SecretRecord) {
        let rotation = UnderWay { id: "1".repeat(32), version: 2 };
        let created = Rotating {
            id: rotation.id.clone(),
            started_at: crate::Timestamp::from_millis(1),
            version: Some(version(2, 'b')),
        };
        let secret = SecretRecord {
            current: version(1, 'a'),
            rotating: Some(created),
            ..SecretRecord::unset(Slot::parse(None, "A").unwrap(), [0; 16], 1)
        };
        (rotation, secret)
    }

    #[test]
    fn a_rotation_is_over_when_its_secret_was_compromised() {
        let (rotation, mut secret) = under_way();
        assert!(rotation.of(&secret).is_some());
        secret.compromise_previous();
        assert!(rotation.of(&secret).is_none());
        assert!(secret.has_leaked(&"b".repeat(64)), "what was created is refused for good");
    }

    #[test]
    fn what_was_created_is_not_gone_on_with_when_that_value_leaked_elsewhere() {
        let (rotation, mut secret) = under_way();
        secret.current.fingerprint = Some("b".repeat(64));
        assert!(rotation.of(&secret).is_some());
        secret.is_exposed = true;
        assert!(rotation.of(&secret).is_none());
    }

    #[test]
    fn a_rotation_is_of_one_id_and_of_the_version_that_follows() {
        let (rotation, secret) = under_way();
        assert!(UnderWay { id: "2".repeat(32), version: 2 }.of(&secret).is_none());
        assert!(UnderWay { version: 3, ..rotation }.of(&secret).is_none());
        let moved_on = SecretRecord { current: version(2, 'c'), ..secret };
        assert!(UnderWay { id: "1".repeat(32), version: 2 }.of(&moved_on).is_none());
    }
}
