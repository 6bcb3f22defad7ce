//! List: what secrets there are, without a value of any.

use super::Settings;
use super::adopt::is_nameless;
use super::initialise::ensure_initialised;
use super::scene::Scene;
use super::transact::{Call, Plan, authorized, transact};
use crate::audit::Action;
use crate::error::Result;
use crate::flow::{Io, ListQuery, PAGE_LIMIT};
use crate::ident::Actor;
use crate::record::{Record, RecordKind, SecretRecord, SecretState};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// What a list tells of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The number of its current version, from 1.
    pub version: u64,
    /// Whether it may be used.
    pub state: SecretState,
    /// When its value last changed.
    pub last_rotated: Option<Timestamp>,
    /// How often its value was read.
    pub accessed_count: u64,
    /// When its value was last read.
    pub last_accessed: Option<Timestamp>,
    /// Who created it.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// Every secret of a namespace or of all, ordered by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The secrets.
    pub secrets: Vec<Listed>,
}

/// Lists the secrets. Errors: `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn list(io: &Io, settings: &Settings, actor: &Actor, namespace: Option<&str>) -> Result<Listing> {
    let call = Call::of_vault(Action::List, actor);
    authorized(io, settings, &call).await?;
    let mut records = Vec::new();
    for_each_page(io, settings, RecordKind::Secret, namespace, |page| records.extend(page)).await?;
    transact(io, settings, &call, |scene, _| {
        let secrets = records.iter().map(|record| listed(record, scene)).collect::<Result<_>>()?;
        Ok(Plan::record(Listing { secrets }))
    })
    .await
}

fn listed(record: &Record, scene: &Scene<'_>) -> Result<Listed> {
    let secret = SecretRecord::verify(record, &scene.head.keys.record)?;
    Ok(Listed {
        namespace: secret.slot.namespace().to_string(),
        name: secret.slot.name().to_string(),
        version: secret.current.number,
        state: secret.state,
        last_rotated: secret.current.at,
        accessed_count: secret.counters.accessed_count,
        last_accessed: secret.counters.last_accessed,
        created_by: secret.created_by,
        created_at: secret.created_at,
    })
}

/// Reads every record of a kind, a page at a time, after making sure that the vault has been initialised: the rows of a
/// store that was never adopted are records only then.
pub(super) async fn for_each_page(
    io: &Io,
    settings: &Settings,
    kind: RecordKind,
    namespace: Option<&str>,
    mut take: impl FnMut(Vec<Record>),
) -> Result<()> {
    ensure_initialised(io, settings).await?;
    let query = ListQuery { kind, namespace: namespace.map(ToString::to_string), limit: PAGE_LIMIT };
    let items = io.list_all(&query).await?.into_iter().filter(|item| !is_nameless(item));
    let keys: Vec<_> = items.map(|item| item.key).collect();
    for page in keys.chunks(PAGE_LIMIT as usize) {
        take(io.load(page.to_vec()).await?.into_values().collect());
    }
    Ok(())
}
