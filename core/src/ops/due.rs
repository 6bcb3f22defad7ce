//! Due: which values are to be rotated now or soon, and whom to tell. Found by the store's index, not by reading them all.

use super::Settings;
use super::list::secrets_of;
use super::rotation_status::{RotationState, standings};
use super::transact::{Call, Detail, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Io, ListQuery, Lookup, PAGE_LIMIT};
use crate::ident::Actor;
use crate::metrics::Coverage;
use crate::policy::Permission;
use crate::record::RecordKind;
use crate::rotation::Standing;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::Serialize;

/// The most secrets that one call records as overdue.
const OVERDUE_RECORDED: usize = 500;

/// The secrets that are due, the longest due first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The secrets.
    pub secrets: Vec<RotationState>,
}

/// Tells which secrets of a namespace or of all are due within `ahead` milliseconds, of those that the actor may list and read.
/// Each that is overdue is recorded as such, for whoever is to be told: the first 500.
///
/// Errors: `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn due(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    namespace: Option<&str>,
    ahead: i64,
) -> Result<Due> {
    let call = Call::of_namespace(Action::Due, actor, namespace);
    authorized(io, settings, &call).await?;
    let by = Some(Lookup::Due(io.now().plus_millis(ahead)));
    let in_namespace = namespace.map(ToString::to_string);
    let query = ListQuery { kind: RecordKind::Secret, namespace: in_namespace, by, limit: PAGE_LIMIT };
    let records = secrets_of(io, settings, &query).await?;
    let mut is_whole = false;
    let due = transact(io, settings, &call, |scene, _| {
        is_whole = namespace.is_none();
        let (mut secrets, mut found) = (Vec::new(), Vec::new());
        for record in &records {
            let secret = match record.verify(scene) {
                Ok(secret) => secret,
                Err(error) if record.is_listed_to(scene, actor) => return Err(error),
                Err(_) => {
                    is_whole = false;
                    continue;
                }
            };
            let may = |permission| scene.may(actor, permission, &secret);
            let standing = secret.standing(scene.now, ahead);
            // What an index says is not believed.
            if standing == Standing::Compliant {
                continue;
            }
            if !may(Permission::List) || !may(Permission::Read) {
                is_whole = false;
                continue;
            }
            if standing != Standing::DueSoon && found.len() < OVERDUE_RECORDED {
                found.push((Action::Overdue, secret.slot.clone(), secret.uid));
            }
            secrets.push(RotationState::of(secret, scene.now, ahead));
        }
        let detail = Detail { found, ..Detail::of_vault(Action::Due) };
        Ok(Plan { output: Due { secrets }, writes: Writes::default(), event: EventPlan::Detailed(detail) })
    })
    .await?;
    let coverage = if is_whole { Coverage::AllDue } else { Coverage::Part };
    io.stand(standings(&due.secrets, coverage, io.now()));
    Ok(due)
}
