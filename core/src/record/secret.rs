//! A secret: its current value, its last versions, and what is told of it.

use super::{Columns, Counters, Head, Index, Record, RecordKey, Root, leak, unless_empty, write_body};
use crate::crypto::{Context, MacKey, Purpose};
use crate::encoding::{from_hex, hex};
use crate::error::{Error, ErrorCode, Result};
use crate::generate::Generator;
use crate::ident::Slot;
use crate::policy::Grant;
use crate::rotation::{Sensitivity, Standing};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::wire::{read_fields, read_names};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// How many versions are kept, the current one among them.
const VERSIONS_KEPT: usize = 10;

/// The instant at which lists find what has been due for a time that nobody knows.
const SINCE_EVER: Timestamp = Timestamp::from_millis(0);

/// How many fingerprints of compromised values are kept.
const COMPROMISED_KEPT: usize = 500;

/// Whether a secret may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretState {
    /// It may.
    Active,
    /// It is refused until it is enabled.
    Disabled,
}

/// Why a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody set it.
    Manual,
    /// It was rotated.
    Rotation,
    /// It was rotated because the earlier one leaked.
    Emergency,
    /// An earlier version was brought back.
    Rollback,
    /// It came from elsewhere: an import, or the adoption of an existing store.
    Import,
}

impl Reason {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Manual => "manual",
            Reason::Rotation => "rotation",
            Reason::Emergency => "emergency",
            Reason::Rollback => "rollback",
            Reason::Import => "import",
        }
    }
}

read_names!(SecretState { "active" => Active, "disabled" => Disabled });
read_names!(Reason {
    "manual" => Manual,
    "rotation" => Rotation,
    "emergency" => Emergency,
    "rollback" => Rollback,
    "import" => Import,
});

/// One version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    /// The encrypted value. Only old stores lack one.
    pub(crate) value: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Reason,
    /// Keyed, 64 hex digits; under a former root where nobody could open the value since: see [`leak`].
    pub(crate) fingerprint: Option<String>,
    pub(crate) compromised: bool,
    /// In an earlier version, when its value ends; the current one's end is the secret's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
}

read_fields!(Version { number, value, key_id, at, by, reason, fingerprint, compromised, ended_at });

/// A previous version that is still accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Grace {
    pub(crate) version: u64,
    /// From this instant on it is not.
    pub(crate) valid_until: Timestamp,
}

read_fields!(Grace { version, valid_until });

/// A rotation by the host's rotator that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rotating {
    /// Random, 32 hex digits: what the rotator knows it by, however often it is asked again.
    pub(crate) id: String,
    pub(crate) started_at: Timestamp,
    /// What it gave, sealed as the version that it will be; absent until then.
    pub(crate) version: Option<Version>,
}

read_fields!(Rotating { id, started_at, version });

/// A secret whose record was verified, or that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct SecretRecord {
    pub(crate) slot: Slot,
    pub(crate) revision: u64,
    pub(crate) uid: [u8; 16],
    pub(crate) state: SecretState,
    pub(crate) current: Version,
    /// Earlier versions, newest first; at most one less than are kept.
    pub(crate) previous: Vec<Version>,
    /// Previous versions that are accepted for a while yet; some may be over.
    pub(crate) grace: Vec<Grace>,
    pub(crate) sensitivity: Sensitivity,
    /// From this instant on its value is refused.
    pub(crate) expires_at: Option<Timestamp>,
    /// Whom to tell when it is due for rotation.
    pub(crate) notify: Vec<String>,
    /// What makes its next value.
    pub(crate) generator: Option<Generator>,
    pub(crate) grants: Vec<Grant>,
    /// How many of its revisions changed nothing but the sealing.
    pub(crate) resealed: u64,
    /// Whether its current value leaked and there was none to put in its place: it is compromised once there is.
    pub(crate) is_exposed: bool,
    /// What leaked, as [`leak`] writes it: it outlives the versions, and is refused for good.
    pub(crate) compromised: Vec<String>,
    /// A rotation by the host's rotator that is under way.
    pub(crate) rotating: Option<Rotating>,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) counters: Counters,
    /// The epoch of the root in force: the one that its fingerprints are under.
    pub(crate) epoch: u64,
}

/// What the columns do not show.
#[derive(Serialize)]
struct Body {
    by: Option<String>,
    reason: Reason,
    compromised: bool,
    versions: Vec<Version>,
    // What follows is absent in the records of secrets that were never told any of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<Vec<Grace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sensitivity: Option<Sensitivity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generator: Option<Generator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<Grant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resealed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compromised_fingerprints: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotating: Option<Rotating>,
}

read_fields!(Body {
    by,
    reason,
    compromised,
    versions,
    grace,
    sensitivity,
    expires_at,
    notify,
    generator,
    grants,
    resealed,
    exposed,
    compromised_fingerprints,
    rotating
});

impl SecretRecord {
    /// A secret that has no value yet, nor anything that can be told of it.
    pub(crate) fn unset(slot: Slot, uid: [u8; 16], epoch: u64) -> Self {
        let current = Version {
            number: 0,
            value: None,
            key_id: None,
            at: None,
            by: None,
            reason: Reason::Manual,
            fingerprint: None,
            compromised: false,
            ended_at: None,
        };
        SecretRecord {
            slot,
            revision: 0,
            uid,
            state: SecretState::Active,
            current,
            previous: Vec::new(),
            grace: Vec::new(),
            sensitivity: Sensitivity::default(),
            expires_at: None,
            notify: Vec::new(),
            generator: None,
            grants: Vec::new(),
            resealed: 0,
            is_exposed: false,
            compromised: Vec::new(),
            rotating: None,
            created_by: None,
            created_at: None,
            updated_at: None,
            counters: Counters::default(),
            epoch,
        }
    }

    /// Reads a record after verifying it. One that is under the root before has its fingerprints moved to the one in force, so
    /// that whatever is written of it is of one epoch. Errors: `RECORD_TAMPERED`.
    pub(crate) fn verify(record: &Record, head: &Head) -> Result<Self> {
        let root = record.verify(head.record_keys())?;
        let body: Body = record.body()?;
        let columns = &record.columns;
        let broken = || record.tampered("a column cannot be read");
        let state = match columns.state.as_deref() {
            Some("active") => SecretState::Active,
            Some("disabled") => SecretState::Disabled,
            _ => return Err(broken()),
        };
        let mut secret = SecretRecord {
            slot: Slot::parse_stored(Some(&record.key.namespace), &record.key.name)?,
            revision: record.revision,
            uid: columns.uid.as_deref().and_then(from_hex).ok_or_else(broken)?,
            state,
            current: Version {
                number: columns.version.ok_or_else(broken)?,
                value: columns.value_encrypted.clone(),
                key_id: columns.encryption_key_id.clone(),
                at: columns.last_rotated,
                by: body.by,
                reason: body.reason,
                fingerprint: columns.value_fingerprint.clone(),
                compromised: body.compromised,
                ended_at: None,
            },
            previous: body.versions,
            grace: body.grace.unwrap_or_default(),
            sensitivity: body.sensitivity.unwrap_or_default(),
            expires_at: body.expires_at,
            notify: body.notify.unwrap_or_default(),
            generator: body.generator,
            grants: body.grants.unwrap_or_default(),
            resealed: body.resealed.unwrap_or_default(),
            is_exposed: body.exposed.unwrap_or_default(),
            compromised: body.compromised_fingerprints.unwrap_or_default(),
            rotating: body.rotating,
            created_by: columns.created_by.clone(),
            created_at: columns.created_at,
            updated_at: columns.updated_at,
            counters: record.counters,
            epoch: head.epoch,
        };
        if root == Root::Former {
            secret.move_fingerprints(head);
        }
        Ok(secret)
    }

    /// Puts every fingerprint under the root in force. That of what can't be opened stays behind, and is remembered if it leaked.
    fn move_fingerprints(&mut self, head: &Head) {
        let Some((former, _)) = head.moving() else { return };
        let old = self.clone();
        let mut leaks = core::mem::take(&mut self.compromised);
        for (version, old_version) in self.sealed_versions_mut().zip(old.sealed_versions()) {
            let context = old.context(&head.vault_id, old_version.number);
            let opened = old_version.value.as_deref().and_then(|value| head.keyring.open(value, &context).ok());
            version.fingerprint = match opened {
                Some(opened) => Some(hex(&head.keys.fingerprint.mac(opened.value.expose()))),
                None => old_version.fingerprint.as_deref().map(|it| leak::left_behind(former, it)),
            };
            let Some(was) = old_version.fingerprint.as_deref().and_then(|it| leak::entry(former, it)) else { continue };
            let place = leaks.iter_mut().find(|leak| **leak == was);
            match (version.fingerprint.as_deref().and_then(|it| leak::entry(old.epoch, it)), place) {
                // Where the value is still there, nobody needs the root before to know it again.
                (Some(is), Some(place)) => *place = is,
                (Some(is), None)
                    if is == was && (old_version.compromised || (old.is_exposed && *old_version == old.current)) =>
                {
                    leaks.insert(0, was);
                }
                _ => {}
            }
        }
        self.compromised = leaks;
    }

    /// The record that says so, one revision on.
    pub(crate) fn next_record(&self, key: &MacKey) -> Result<Record> {
        let current = &self.current;
        let body = Body {
            by: current.by.clone(),
            reason: current.reason,
            compromised: current.compromised,
            versions: self.previous.clone(),
            grace: unless_empty(&self.grace),
            sensitivity: (self.sensitivity != Sensitivity::default()).then_some(self.sensitivity),
            expires_at: self.expires_at,
            notify: unless_empty(&self.notify),
            generator: self.generator.clone(),
            grants: unless_empty(&self.grants),
            resealed: (self.resealed > 0).then_some(self.resealed),
            exposed: self.is_exposed.then_some(true),
            compromised_fingerprints: unless_empty(&self.compromised),
            rotating: self.rotating.clone(),
        };
        let state = match self.state {
            SecretState::Active => "active",
            SecretState::Disabled => "disabled",
        };
        let record = Record {
            key: RecordKey::secret(&self.slot),
            revision: self.revision.saturating_add(1),
            columns: Columns {
                uid: Some(hex(&self.uid)),
                state: Some(state.to_string()),
                version: Some(current.number),
                value_encrypted: current.value.clone(),
                encryption_key_id: current.key_id.clone(),
                value_fingerprint: current.fingerprint.clone(),
                last_rotated: current.at,
                created_by: self.created_by.clone(),
                created_at: self.created_at,
                updated_at: self.updated_at,
            },
            data: write_body(&body)?,
            mac: None,
            counters: self.counters,
        };
        Ok(record.authenticate(key))
    }

    /// Replaces the current version by one that ends then, or never, and keeps the last ones. What had ended stays so: the
    /// grace of earlier versions is over with it.
    pub(crate) fn push_version(&mut self, version: Version, expires_at: Option<Timestamp>, now: Timestamp) {
        if self.is_expired(now) {
            self.grace.clear();
        }
        let mut retired = core::mem::replace(&mut self.current, version);
        if core::mem::take(&mut self.is_exposed) {
            retired.compromised = true;
            self.remember_compromised(&[retired.fingerprint.clone()]);
        }
        self.rotating = None;
        let ended_at = core::mem::replace(&mut self.expires_at, expires_at);
        self.previous.insert(0, Version { ended_at, ..retired });
        self.previous.truncate(VERSIONS_KEPT - 1);
        let kept = &self.previous;
        self.grace.retain(|grace| kept.iter().any(|version| version.number == grace.version));
    }

    /// Marks every earlier version as compromised, and what a rotator gave that is not activated; no grace is left, and no
    /// rotation under way.
    pub(crate) fn compromise_previous(&mut self) {
        self.grace.clear();
        let mut leaked = Vec::new();
        for version in &mut self.previous {
            version.compromised = true;
            leaked.push(version.fingerprint.clone());
        }
        leaked.extend(self.rotating.take().and_then(|rotating| rotating.version).map(|version| version.fingerprint));
        self.remember_compromised(&leaked);
    }

    /// Marks the current version as compromised too.
    pub(crate) fn compromise_current(&mut self) {
        self.current.compromised = true;
        let fingerprint = self.current.fingerprint.clone();
        self.remember_compromised(core::slice::from_ref(&fingerprint));
    }

    /// Has values refused for good, by their fingerprints under the root in force.
    pub(crate) fn remember_compromised(&mut self, fingerprints: &[Option<String>]) {
        for leak in fingerprints.iter().flatten().filter_map(|fingerprint| leak::entry(self.epoch, fingerprint)) {
            if !self.compromised.contains(&leak) {
                self.compromised.insert(0, leak);
            }
        }
        self.compromised.truncate(COMPROMISED_KEPT);
    }

    /// Has values refused that leaked elsewhere, by their fingerprints under the root in force. What leaked here is not
    /// forgotten for any of them. Errors: `LIMIT_EXCEEDED` when it leaves no room for one.
    pub(crate) fn learn_compromised(&mut self, fingerprints: &[Option<String>]) -> Result<()> {
        for version in self.previous.iter_mut().filter(|version| version.fingerprint.is_some()) {
            version.compromised |= fingerprints.contains(&version.fingerprint);
        }
        for leak in fingerprints.iter().flatten().filter_map(|fingerprint| leak::entry(self.epoch, fingerprint)) {
            if self.compromised.contains(&leak) {
                continue;
            }
            if self.compromised.len() >= COMPROMISED_KEPT {
                let message = format!(
                    "{} remembers {COMPROMISED_KEPT} values that were compromised, and there is no room for those of the archive",
                    self.slot
                );
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            self.compromised.push(leak);
        }
        Ok(())
    }

    /// Whether a value leaked, in whichever version it was and under whichever root. Errors: those of opening a former root.
    pub(crate) fn is_compromised(&self, value: &SecretBytes, head: &Head) -> Result<bool> {
        if self.has_leaked(&hex(&head.keys.fingerprint.mac(value.expose()))) {
            return Ok(true);
        }
        let exposed = self.current.fingerprint.as_deref().filter(|it| self.is_exposed && leak::is_left_behind(it));
        let exposed = exposed.and_then(|fingerprint| leak::entry(self.epoch, fingerprint));
        Ok(leak::is_among(exposed.as_slice(), value, head)? || leak::is_among(&self.compromised, value, head)?)
    }

    /// The same of a fingerprint under the root that its own are under: what leaked under an earlier one is not seen.
    pub(crate) fn has_leaked(&self, fingerprint: &str) -> bool {
        let is_it = |version: &Version| version.fingerprint.as_deref() == Some(fingerprint);
        let remembered = leak::entry(self.epoch, fingerprint);
        (self.is_exposed && is_it(&self.current))
            || self.versions().any(|version| version.compromised && is_it(version))
            || remembered.is_some_and(|entry| self.compromised.contains(&entry))
    }

    /// The previous versions that are accepted at an instant, newest first, and until when.
    pub(crate) fn accepted(&self, now: Timestamp) -> impl Iterator<Item = (&Version, Timestamp)> {
        self.previous.iter().filter(|version| !version.compromised).filter_map(move |version| {
            let grace = self.grace.iter().find(|grace| grace.version == version.number && now < grace.valid_until)?;
            Some((version, grace.valid_until))
        })
    }

    /// Whether its value is over at an instant.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What a proposal remembers of it: its uid, and the number of its changes.
    pub(crate) fn seen(&self) -> (String, u64) {
        (hex(&self.uid), self.revision.saturating_sub(self.resealed))
    }

    /// When it is due for rotation; absent when it never is, or when nobody knows since when its value is there. What leaked
    /// has been due ever since.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        if self.is_exposed { Some(SINCE_EVER) } else { self.sensitivity.due(self.current.at) }
    }

    /// Where it stands at an instant, `ahead` milliseconds being how far ahead due soon looks.
    pub(crate) fn standing(&self, now: Timestamp, ahead: i64) -> Standing {
        if self.is_exposed {
            return Standing::Overdue;
        }
        Standing::of(self.sensitivity, self.current.at, now, ahead)
    }

    /// What lists find it by. A secret of which nobody knows since when its value is there has been due ever since.
    pub(crate) fn index(&self) -> Index {
        let in_grace = |version: &&Version| self.grace.iter().any(|grace| grace.version == version.number);
        let acceptable = core::iter::once(&self.current).chain(self.previous.iter().filter(in_grace));
        let mut fingerprints: Vec<String> = Vec::new();
        for fingerprint in acceptable.filter(|version| !version.compromised).filter_map(|it| it.fingerprint.as_ref()) {
            if !leak::is_left_behind(fingerprint) && !fingerprints.contains(fingerprint) {
                fingerprints.push(fingerprint.clone());
            }
        }
        let due_at = self.due_at().or(self.sensitivity.days().map(|_| SINCE_EVER));
        Index { due_at, expires_at: self.expires_at, fingerprints }
    }

    /// Every version that has a sealed value, newest first, with one that a rotator gave and that is not activated.
    pub(crate) fn sealed_versions(&self) -> impl Iterator<Item = &Version> {
        self.rotating.iter().filter_map(|rotating| rotating.version.as_ref()).chain(self.versions())
    }

    /// The same, to be changed.
    pub(crate) fn sealed_versions_mut(&mut self) -> impl Iterator<Item = &mut Version> {
        let given = self.rotating.iter_mut().filter_map(|rotating| rotating.version.as_mut());
        given.chain([&mut self.current]).chain(&mut self.previous)
    }

    /// Every version, newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        core::iter::once(&self.current).chain(&self.previous)
    }

    /// The context that a version's value is sealed in.
    pub(crate) fn context<'a>(&'a self, vault_id: &'a [u8; 16], version: u64) -> Context<'a> {
        Context {
            purpose: Purpose::Secret,
            vault_id: Some(vault_id),
            namespace: Some(self.slot.namespace()),
            name: Some(self.slot.name()),
            uid: Some(&self.uid),
            version: Some(version),
            associated_data: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(number: usize) -> Option<String> {
        Some(alloc::format!("{number:032x}{number:032x}"))
    }

    #[test]
    fn what_leaked_here_is_not_forgotten_for_what_leaked_elsewhere() {
        let mut secret = SecretRecord::unset(Slot::parse(None, "A").unwrap(), [1; 16], 1);
        let leaked_here: Vec<_> = (1..COMPROMISED_KEPT).map(fingerprint).collect();
        secret.remember_compromised(&leaked_here);
        secret.learn_compromised(&[fingerprint(1000)]).unwrap();
        let knows = |secret: &SecretRecord, number| secret.has_leaked(&fingerprint(number).unwrap());
        assert!((1..COMPROMISED_KEPT).chain([1000]).all(|number| knows(&secret, number)));
        let full = secret.compromised.clone();
        secret.learn_compromised(&[fingerprint(1000), fingerprint(1)]).unwrap();
        assert_eq!(secret.compromised, full, "what it knows needs no room");
        assert_eq!(secret.learn_compromised(&[fingerprint(1001)]).unwrap_err().code(), ErrorCode::LimitExceeded);
        // And the next that leaks here has room.
        secret.remember_compromised(&[fingerprint(2000)]);
        assert!((1..COMPROMISED_KEPT).chain([2000]).all(|number| knows(&secret, number)));
        assert_eq!(secret.compromised.len(), COMPROMISED_KEPT);
    }
}
