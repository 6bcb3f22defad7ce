//! Delete: the values are gone; the history stays under the name.

use super::Settings;
use super::scene::Scene;
use super::set::Written;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Delete, Expected, Io};
use crate::ident::{Actor, Slot};
use crate::record::RecordKey;
use alloc::vec;

/// Deletes a secret with all its versions. Errors: `SECRET_NOT_FOUND`, those of [`transact`].
pub(crate) async fn delete(io: &Io, settings: &Settings, actor: &Actor, slot: &Slot) -> Result<Written> {
    let call = Call::of_secret(Action::Delete, actor, slot);
    transact(io, settings, &call, |scene, _| plan_delete(scene, slot)).await
}

/// The plan of a deletion; also what a confirmed one does.
pub(super) fn plan_delete(scene: &Scene<'_>, slot: &Slot) -> Result<Plan<Written>> {
    let secret = scene.existing(slot)?;
    let deletes = vec![Delete { key: RecordKey::secret(slot), expected: Expected::Revision(secret.revision) }];
    let checks = vec![scene.check_stream(slot)];
    // The digest ties the end of the secret's stream into the vault's: it can't be cut short afterwards.
    let detail = Detail {
        action: Action::Delete,
        in_vault_stream: true,
        uid: Some(secret.uid),
        reason: None,
        digest: scene.own_stream(secret).mac,
    };
    let output = Written::of(slot, None, false, scene.now);
    let writes = Writes { deletes, checks, ..Writes::default() };
    Ok(Plan { output, writes, event: EventPlan::Detailed(detail) })
}
