//! Delete: the values are gone; the history stays under the name.

use super::Settings;
use super::scene::Scene;
use super::set::Written;
use super::transact::{Call, Detail, EventPlan, Plan, Writes, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Delete, Expected, Io, Put};
use crate::ident::{Actor, Slot};
use crate::record::{RecordKey, StreamHead};
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
    // The digest ties the end of the secret's stream into the vault's: it can't be cut short afterwards. The head lets go
    // of the record: whoever puts that back finds nothing that it fits.
    let own = scene.own_stream(secret);
    let mut secret_of_old = secret.clone();
    if secret.is_exposed {
        secret_of_old.compromise_current();
    }
    let ended = StreamHead { secret_mac: None, compromised: secret_of_old.compromised, ..own.clone() };
    let puts = vec![Put::plain(ended.next_record(&scene.head.keys.record)?, scene.expected_stream())];
    let detail = Detail { uid: Some(secret.uid), digest: own.mac, ..Detail::of_vault(Action::Delete) };
    let output = Written::of(slot, None, false, scene.now);
    let writes = Writes { puts, deletes, ..Writes::default() };
    Ok(Plan { output, writes, event: EventPlan::Detailed(detail) })
}
