//! Verify: whether a presented value is a secret's current one, or a previous one within its grace.

use super::Settings;
use super::get::open_version;
use super::scene::Scene;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, transact};
use crate::audit::{Action, Outcome};
use crate::error::Result;
use crate::flow::{CounterDelta, Io};
use crate::ident::{Actor, Slot};
use crate::record::{RecordKey, SecretRecord, SecretState};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::vec;
use serde::Serialize;

/// Which of a secret's values a presented one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// The current one.
    Current,
    /// A previous one that is still accepted.
    Previous,
}

/// What became of a presented value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether it is accepted.
    pub accepted: bool,
    /// Which one it is; absent when it is not accepted.
    pub matches: Option<Match>,
    /// The number of that version.
    pub version: Option<u64>,
    /// Until when a previous one is accepted.
    pub valid_until: Option<Timestamp>,
}

/// Checks a presented value in constant time. A disabled or expired secret accepts nothing. The use of a previous value is
/// an event of its own, so that its users can be found before the grace ends.
///
/// Errors: `SECRET_NOT_FOUND`, those of opening a value and of [`transact`].
pub(crate) async fn verify(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    slot: &Slot,
    presented: &SecretBytes,
) -> Result<Verified> {
    let call = Call::of_secret(Action::Verify, actor, slot);
    transact(io, settings, &call, |scene, _| {
        let secret = scene.existing(slot)?;
        let output = compare(scene, secret, presented)?;
        let action = if output.matches == Some(Match::Previous) { Action::VerifyPrevious } else { Action::Verify };
        Ok(plan_verified(scene, secret, output, action))
    })
    .await
}

/// Which of a secret's values a presented one is. Errors: those of opening a value.
pub(super) fn compare(scene: &Scene<'_>, secret: &SecretRecord, presented: &SecretBytes) -> Result<Verified> {
    let mut output = Verified::default();
    let is_usable = secret.state == SecretState::Active && !secret.is_expired(scene.now);
    let current = core::iter::once((&secret.current, None)).filter(|(current, _)| !current.compromised);
    let previous = secret.accepted(scene.now).map(|(version, until)| (version, Some(until)));
    // All are compared, whichever matches: how long it takes tells nothing.
    for (version, valid_until) in current.chain(previous).filter(|_| is_usable) {
        let equal = open_version(scene, secret, version)?.value == *presented;
        if equal && !output.accepted {
            let matches = Some(if valid_until.is_none() { Match::Current } else { Match::Previous });
            output = Verified { accepted: true, matches, version: Some(version.number), valid_until };
        }
    }
    Ok(output)
}

/// Records what became of a presented value, and counts an access where it was accepted.
pub(super) fn plan_verified(
    scene: &Scene<'_>,
    secret: &SecretRecord,
    output: Verified,
    action: Action,
) -> Plan<Verified> {
    let outcome = (!output.accepted).then_some(Outcome::Denied);
    let access = CounterDelta { key: RecordKey::secret(&secret.slot), accessed: 1, at: scene.now };
    let counters = if output.accepted { vec![access] } else { vec![] };
    let event = EventPlan::Detailed(Detail { outcome, ..Detail::of(action) });
    Plan { output, writes: Writes { counters, ..Writes::default() }, event }
}
