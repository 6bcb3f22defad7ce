//! Identify: whose value a presented one is, found by its keyed fingerprint and then compared in constant time.

use super::Settings;
use super::initialise::ensure_initialised;
use super::scene::Scene;
use super::transact::{ATTEMPTS, Call, Detail, EventPlan, Plan, Writes, authorized, conflict, transact};
use super::verify::{Match, Verified, compare, plan_verified};
use crate::audit::{Action, Outcome};
use crate::error::Result;
use crate::flow::{Io, Item, ListQuery, Lookup, PAGE_LIMIT};
use crate::ident::{Actor, Slot};
use crate::policy::{Permission, Scope};
use crate::record::RecordKind;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// Whose value a presented one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identified {
    /// The secret's namespace; absent when no secret accepts the value.
    pub namespace: Option<String>,
    /// The secret's name.
    pub name: Option<String>,
    /// Whether it is accepted.
    pub accepted: bool,
    /// Which of the secret's values it is; absent when it is not accepted.
    pub matches: Option<Match>,
    /// The number of that version.
    pub version: Option<u64>,
    /// Until when a previous one is accepted.
    pub valid_until: Option<Timestamp>,
}

/// Looks for the secret that accepts a presented value, among those of a namespace or of all that the actor may read. Where several
/// have the same value, the first by namespace and name is told.
///
/// Errors: `RECORD_TAMPERED`, those of opening a value and of [`transact`].
pub(crate) async fn identify(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    namespace: Option<&str>,
    presented: &SecretBytes,
) -> Result<Identified> {
    let call = Call::of_namespace(Action::Identify, actor, namespace);
    authorized(io, settings, &call).await?;
    ensure_initialised(io, settings).await?;
    for _ in 0..ATTEMPTS {
        if let Some(identified) = look(io, settings, &call, namespace, presented).await? {
            return Ok(identified);
        }
    }
    Err(conflict())
}

/// Looks once; nothing when the root was renewed meanwhile, and with it what fingerprints are keyed by.
async fn look(
    io: &Io,
    settings: &Settings,
    call: &Call<'_>,
    namespace: Option<&str>,
    presented: &SecretBytes,
) -> Result<Option<Identified>> {
    let actor = call.actor;
    // INVARIANT: there is a head by now.
    let scene = Scene::load(io, settings, None, &[]).await?.ok_or_else(conflict)?;
    let (epoch, fingerprints) = (scene.head.epoch, scene.head.fingerprints(presented));
    drop(scene);
    for item in found_by(io, namespace, fingerprints).await? {
        let slot = Slot::parse_stored(Some(&item.key.namespace), &item.key.name)?;
        // Asked of each secret below: what is not the actor's to read is passed over, and no attempt to read it.
        let call = Call { permission: None, ..Call::of_secret(Action::Identify, actor, &slot) };
        let verified = transact(io, settings, &call, |scene, _| {
            // What is wrong with another's secret is told by operations on it.
            let Ok(Some(secret)) = scene.secret() else { return Ok(Plan::silent(Verified::default())) };
            let decision = scene.decision(actor, Permission::Read, Scope::from(&slot), &secret.grants);
            let output = if decision.allowed { compare(scene, secret, presented)? } else { Verified::default() };
            let action = match output.matches {
                Some(Match::Previous) => Action::VerifyPrevious,
                Some(Match::Current) => Action::Identify,
                // It is not the actor's to read, was rotated meanwhile, is disabled, or the index is wrong.
                None => return Ok(Plan::silent(output)),
            };
            Ok(plan_verified(scene, secret, output, action).allowed_by(decision.rule))
        })
        .await?;
        let Verified { accepted, matches, version, valid_until } = verified;
        if accepted {
            let (namespace, name) = (Some(item.key.namespace), Some(item.key.name));
            return Ok(Some(Identified { namespace, name, accepted, matches, version, valid_until }));
        }
    }
    transact(io, settings, call, |scene, _| {
        if scene.head.epoch != epoch {
            return Ok(Plan::silent(None));
        }
        let refused = Detail { outcome: Some(Outcome::Denied), ..Detail::of_vault(Action::Identify) };
        let event = EventPlan::Detailed(refused);
        Ok(Plan { output: Some(Identified::default()), writes: Writes::default(), event })
    })
    .await
}

/// What is listed under any of some fingerprints, in order.
async fn found_by(io: &Io, namespace: Option<&str>, fingerprints: Vec<String>) -> Result<Vec<Item>> {
    let mut found: Vec<Item> = Vec::new();
    for fingerprint in fingerprints {
        let (namespace, by) = (namespace.map(ToString::to_string), Some(Lookup::Fingerprint(fingerprint)));
        let query = ListQuery { kind: RecordKind::Secret, namespace, by, limit: PAGE_LIMIT };
        for item in io.list_all(&query).await? {
            if let Err(place) = found.binary_search_by(|known| known.key.cmp(&item.key)) {
                found.insert(place, item);
            }
        }
    }
    Ok(found)
}
