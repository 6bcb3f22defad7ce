//! Rotation status: which values are due, when, and whom to tell.

use super::Settings;
use super::list::all_secrets;
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::Io;
use crate::ident::Actor;
use crate::keyring::KeyState;
use crate::metrics::{Coverage, Standings, Turned};
use crate::policy::Permission;
use crate::record::SecretRecord;
use crate::rotation::{Sensitivity, Standing};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// Where one secret stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationState {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How much harm a leak would do.
    pub sensitivity: Sensitivity,
    /// Where it stands.
    pub standing: Standing,
    /// Since when its value is there.
    pub last_rotated: Option<Timestamp>,
    /// When it is due; absent when it never is, or nobody knows.
    pub due_at: Option<Timestamp>,
    /// Whom to tell.
    pub notify: Vec<String>,
}

impl RotationState {
    pub(super) fn of(secret: SecretRecord, now: Timestamp, ahead: i64) -> Self {
        RotationState {
            namespace: secret.slot.namespace().to_string(),
            name: secret.slot.name().to_string(),
            sensitivity: secret.sensitivity,
            standing: secret.standing(now, ahead),
            last_rotated: secret.current.at,
            due_at: secret.due_at(),
            notify: secret.notify,
        }
    }
}

/// Where the secrets of a vault stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RotationReport {
    /// The secrets, ordered by namespace and name.
    pub secrets: Vec<RotationState>,
    /// How many of them are young enough.
    pub compliant: u64,
    /// How many are due soon.
    pub due_soon: u64,
    /// How many are overdue.
    pub overdue: u64,
    /// Of how many nobody knows since when their value is there.
    pub never: u64,
    /// When the next one is due that is not overdue.
    pub next_due: Option<Timestamp>,
    /// When the primary key was made, where that is known.
    pub primary_created_at: Option<Timestamp>,
}

/// Tells where the secrets stand that the actor may list and read, of a namespace or of all; `ahead` is how far ahead due soon looks,
/// in milliseconds. Errors: `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn rotation_status(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    namespace: Option<&str>,
    ahead: i64,
) -> Result<RotationReport> {
    let call = Call::of_namespace(Action::RotationStatus, actor, namespace);
    authorized(io, settings, &call).await?;
    let records = all_secrets(io, settings, namespace).await?;
    let mut is_whole = false;
    let report = transact(io, settings, &call, |scene, _| {
        is_whole = namespace.is_none();
        let primary = settings.keyring.keys().find(|key| key.state == KeyState::Primary);
        let primary_created_at = primary.and_then(|key| key.created_at);
        let mut report = RotationReport { primary_created_at, ..RotationReport::default() };
        for record in &records {
            let secret = record.verify(scene)?;
            let may = |permission| scene.may(actor, permission, &secret);
            if !may(Permission::List) || !may(Permission::Read) {
                is_whole = false;
                continue;
            }
            let state = RotationState::of(secret, scene.now, ahead);
            let count = match state.standing {
                Standing::Compliant => &mut report.compliant,
                Standing::DueSoon => &mut report.due_soon,
                Standing::Overdue => &mut report.overdue,
                Standing::Never => &mut report.never,
            };
            *count = count.saturating_add(1);
            if let Some(due) = state.due_at.filter(|due| *due > scene.now) {
                report.next_due = Some(report.next_due.map_or(due, |next| next.min(due)));
            }
            report.secrets.push(state);
        }
        Ok(Plan::record(report))
    })
    .await?;
    let coverage = if is_whole { Coverage::Whole } else { Coverage::Part };
    io.stand(standings(&report.secrets, coverage, io.now()));
    Ok(report)
}

/// How secrets stand, for the metrics.
pub(super) fn standings(secrets: &[RotationState], coverage: Coverage, now: Timestamp) -> Standings {
    let is_over = |state: &&RotationState| matches!(state.standing, Standing::Overdue | Standing::Never);
    let overdue = secrets.iter().filter(is_over).count() as u64;
    let turned = |state: &RotationState| {
        // Of one that is overdue without an end, nobody knows since when.
        let due_at = state.due_at.or_else(|| is_over(&state).then_some(Timestamp::from_millis(0)));
        ((state.namespace.clone(), state.name.clone()), Turned { at: state.last_rotated, due_at })
    };
    Standings { secrets: secrets.iter().map(turned).collect(), overdue, coverage, now }
}
