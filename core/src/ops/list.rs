//! List: what secrets there are, without a value of any.

use super::Settings;
use super::adopt::is_nameless;
use super::initialise::ensure_initialised;
use super::scene::{Scene, check_not_put_back, verify_secret};
use super::transact::{Call, Plan, authorized, conflict, transact};
use crate::audit::Action;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Io, ListQuery, PAGE_LIMIT};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::{Head, Record, RecordKey, RecordKind, SecretRecord, SecretState, StreamHead};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec;
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
    /// When its value ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Every secret of a namespace or of all, ordered by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The secrets.
    pub secrets: Vec<Listed>,
}

/// Lists the secrets that the actor may list. Errors: `RECORD_TAMPERED`, those of [`transact`].
pub(crate) async fn list(io: &Io, settings: &Settings, actor: &Actor, namespace: Option<&str>) -> Result<Listing> {
    let call = Call::of_namespace(Action::List, actor, namespace);
    authorized(io, settings, &call).await?;
    let records = all_secrets(io, settings, namespace).await?;
    transact(io, settings, &call, |scene, _| {
        let mut secrets = Vec::new();
        for record in &records {
            let secret = record.verify(scene)?;
            if scene.may(actor, Permission::List, &secret) {
                secrets.push(listed(secret));
            }
        }
        Ok(Plan::record(Listing { secrets }))
    })
    .await
}

fn listed(secret: SecretRecord) -> Listed {
    Listed {
        namespace: secret.slot.namespace().to_string(),
        name: secret.slot.name().to_string(),
        version: secret.current.number,
        state: secret.state,
        last_rotated: secret.current.at,
        accessed_count: secret.counters.accessed_count,
        last_accessed: secret.counters.last_accessed,
        created_by: secret.created_by,
        created_at: secret.created_at,
        expires_at: secret.expires_at,
    }
}

/// A secret's record with that of its stream's head, of one state of the store.
pub(super) struct SecretWithStream {
    pub(super) secret: Record,
    pub(super) stream: Option<Record>,
    /// The revision of the vault's head before they were read.
    pub(super) head: u64,
}

impl SecretWithStream {
    /// Errors: `RECORD_TAMPERED`.
    pub(super) fn verify(&self, scene: &Scene<'_>) -> Result<SecretRecord> {
        self.verify_both(scene).map(|(secret, _)| secret)
    }

    /// Whether an actor may know of it, grants not counted: what it says itself is not believed.
    pub(super) fn is_listed_to(&self, scene: &Scene<'_>, actor: &Actor) -> bool {
        let Ok(slot) = Slot::parse_stored(Some(&self.secret.key.namespace), &self.secret.key.name) else {
            return false;
        };
        scene.decision(actor, Permission::List, Scope::from(&slot), &[]).allowed
    }

    /// The same, with the head of its stream. Errors: `RECORD_TAMPERED`; `CONFLICT` when it is not believed under this head
    /// and may have been under the one that was there when it was read.
    pub(super) fn verify_both(&self, scene: &Scene<'_>) -> Result<(SecretRecord, StreamHead)> {
        self.verify_under(scene).map_err(|error| unless_renewed(error, self.head, &scene.head))
    }

    fn verify_under(&self, scene: &Scene<'_>) -> Result<(SecretRecord, StreamHead)> {
        let head = &scene.head;
        let stream = self.stream.as_ref().map(|record| StreamHead::verify(record, head.record_keys())).transpose();
        // A row without a MAC is nobody's: that is told first.
        if self.secret.mac.is_none() {
            self.secret.verify(head.record_keys())?;
        }
        let stream = stream?;
        check_not_put_back(stream.as_ref(), scene.revisions())?;
        let secret = verify_secret(&self.secret, stream.as_ref(), head)?;
        // INVARIANT: a secret that was verified fits the head of its stream.
        stream.map(|stream| (secret, stream)).ok_or_else(|| self.secret.tampered("it has no history"))
    }
}

/// What is wrong with a record, unless the vault's head has another revision by now than before it was read: then the root that
/// it was under may have been the right one. Errors of all other kinds stay.
pub(super) fn unless_renewed(error: Error, before: u64, head: &Head) -> Error {
    if error.code() == ErrorCode::RecordTampered && before != head.revision { conflict() } else { error }
}

/// Reads every secret of a namespace or of all.
pub(super) async fn all_secrets(
    io: &Io,
    settings: &Settings,
    namespace: Option<&str>,
) -> Result<Vec<SecretWithStream>> {
    let query = ListQuery {
        kind: RecordKind::Secret,
        namespace: namespace.map(ToString::to_string),
        by: None,
        limit: PAGE_LIMIT,
    };
    secrets_of(io, settings, &query).await
}

/// Reads the secrets that a query finds, in its order.
pub(super) async fn secrets_of(io: &Io, settings: &Settings, query: &ListQuery) -> Result<Vec<SecretWithStream>> {
    let mut all = Vec::new();
    let with_stream = |key: &RecordKey| vec![key.clone(), RecordKey { kind: RecordKind::Stream, ..key.clone() }];
    let head = for_each_page(io, settings, query, with_stream, |page| {
        let mut page = page.into_iter();
        while let (Some(secret), Some(stream)) = (page.next(), page.next()) {
            all.extend(secret.map(|secret| (secret, stream)));
        }
    })
    .await?;
    Ok(all.into_iter().map(|(secret, stream)| SecretWithStream { secret, stream, head }).collect())
}

/// Reads every record that a query finds, a page at a time and with what belongs to it, each in the place of its key, after
/// making sure that the vault has been initialised: the rows of a store that was never adopted are records only then. Tells
/// the revision that the vault's head had before.
pub(super) async fn for_each_page(
    io: &Io,
    settings: &Settings,
    query: &ListQuery,
    with: impl Fn(&RecordKey) -> Vec<RecordKey>,
    mut take: impl FnMut(Vec<Option<Record>>),
) -> Result<u64> {
    let (_, head) = ensure_initialised(io, settings).await?;
    let items = io.list_all(query).await?.into_iter().filter(|item| !is_nameless(item));
    let keys: Vec<_> = items.map(|item| item.key).collect();
    for page in keys.chunks(PAGE_LIMIT as usize) {
        take(io.load(page.iter().flat_map(&with).collect()).await?);
    }
    Ok(head)
}
