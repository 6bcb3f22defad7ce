//! Rekey: everything is sealed anew under the keyring's primary, a page at a time.
//!
//! The first page makes that key the vault's primary: the ring says so from then on, and a process whose keyring has another
//! primary can read and no longer write. Whoever is cut short begins again from the start: what is done is passed over
//! without a write.

use super::Settings;
use super::get::open_version;
use super::list::SecretWithStream;
use super::scene::{self, Scene};
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::crypto::sealed;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{Delete, Expected, Io, ListQuery, Put};
use crate::ident::Actor;
use crate::record::{Proposal, RecordKey, RecordKind, Ring, SecretRecord, Version};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// The most secrets that one page takes in.
pub(crate) const REKEY_PAGE_MAX: u32 = 500;

/// What a page of a rekey did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rekeyed {
    /// Records that were looked at: secrets, or on the last page proposals.
    pub examined: u64,
    /// Those of them that were written.
    pub changed: u64,
    /// Values that no key of the keyring opens. They were left as they are.
    pub unreadable: u64,
    /// Where the next page begins; absent when this was the last.
    pub next: Option<String>,
}

/// Rekeys a page of at most `limit` secrets, from where the page before ended. The last page does the proposals.
///
/// Errors: `KEYRING_STALE` when the primary was retired; those of opening the vault's root and of [`transact`].
pub(crate) async fn rekey(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (after, limit): (Option<&str>, u32),
) -> Result<Rekeyed> {
    let call = Call::of_vault(Action::Rekey, actor);
    authorized(io, settings, &call).await?;
    // The first page leads, and no other: a rekey that is under way must not take the lead back from a later one.
    if after.is_none() {
        transact(io, settings, &call, lead).await?;
    }
    let query = ListQuery { kind: RecordKind::Secret, namespace: None, by: None, limit };
    let (items, next) = io.list_page(&query, after.map(Into::into)).await?;
    // Rows that were never adopted are nobody's.
    let keys = items.into_iter().filter(|item| item.revision > 0).map(|item| item.key);
    let with_stream = |key: RecordKey| [RecordKey { kind: RecordKind::Stream, ..key.clone() }, key];
    let also: Vec<RecordKey> = keys.flat_map(with_stream).collect();
    let mut rekeyed = Rekeyed::default();
    if !also.is_empty() {
        let call = Call { also, ..Call::of_vault(Action::Rekey, actor) };
        rekeyed = transact(io, settings, &call, plan_page).await?;
    }
    match next {
        Some(_) => Ok(Rekeyed { next, ..rekeyed }),
        None => rekey_proposals(io, settings, actor, rekeyed).await,
    }
}

/// Makes the keyring's primary the vault's, and seals the roots under it, unless both are so.
fn lead(scene: &Scene<'_>, entropy: &mut dyn Entropy) -> Result<Plan<()>> {
    let keyring = &scene.settings.keyring;
    let mut puts = Vec::new();
    let ring = scene.ring.clone().unwrap_or(Ring { keys: Vec::new(), revision: 0 });
    let led = ring.led_by(keyring)?;
    if led.keys != ring.keys {
        let record = led.next_record(&scene.head.keys.record, scene.now)?;
        puts.push(Put::plain(record, scene::expected(ring.revision)));
    }
    let primary = keyring.primary()?.id();
    if scene.head.sealing_keys().iter().any(|id| *id != primary) {
        let record = scene.head.resealed(&scene.head_record, entropy, scene.now)?;
        puts.push(Put::plain(record, Expected::Revision(scene.head_record.revision)));
    }
    if puts.is_empty() {
        return Ok(Plan::silent(()));
    }
    Ok(Plan { output: (), writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
}

fn plan_page(scene: &Scene<'_>, entropy: &mut dyn Entropy) -> Result<Plan<Rekeyed>> {
    let mut rekeyed = Rekeyed::default();
    let mut changed = Vec::new();
    for pair in scene.records.chunks(2) {
        // One that was deleted since it was listed has nothing left to rekey.
        let [stream, Some(secret)] = pair else { continue };
        rekeyed.examined = rekeyed.examined.saturating_add(1);
        let record = SecretWithStream { secret: secret.clone(), stream: stream.clone(), head: scene.head.revision };
        let (mut secret, stream) = record.verify_both(scene)?;
        if reseal_versions(scene, entropy, &mut secret, &mut rekeyed.unreadable)? {
            rekeyed.changed = rekeyed.changed.saturating_add(1);
            secret.resealed = secret.resealed.saturating_add(1);
            let detail = Detail::of(Action::Rekey);
            changed.push(Each { secret, stream, detail, access: Access::Written });
        }
    }
    // The event of the page stands in the vault's stream, those of the secrets in theirs.
    let event = if changed.is_empty() { EventPlan::None } else { EventPlan::Plain };
    Ok(Plan { output: rekeyed, writes: Writes { each: changed, ..Writes::default() }, event })
}

/// Seals every version anew that is not under the primary in the sealed format; tells whether there was one.
fn reseal_versions(
    scene: &Scene<'_>,
    entropy: &mut dyn Entropy,
    secret: &mut SecretRecord,
    unreadable: &mut u64,
) -> Result<bool> {
    let primary = scene.settings.keyring.primary()?;
    let old = secret.clone();
    let mut any = false;
    for (version, old_version) in secret.sealed_versions_mut().zip(old.sealed_versions()) {
        if is_current(old_version, &primary.id()) {
            continue;
        }
        let Ok(opened) = open_version(scene, &old, old_version) else {
            *unreadable = unreadable.saturating_add(u64::from(old_version.value.is_some()));
            continue;
        };
        let context = old.context(&scene.head.vault_id, version.number);
        version.value = Some(sealed::seal(primary, entropy, &context, opened.value.expose())?);
        version.key_id = Some(primary.id().to_hex());
        any = true;
    }
    Ok(any)
}

fn is_current(version: &Version, primary: &crate::crypto::KeyId) -> bool {
    let sealed = version.value.as_deref().and_then(|value| sealed::Sealed::parse(value).ok());
    sealed.is_some_and(|sealed| sealed.key_id() == *primary)
}

/// Proposals last minutes: those that are over go, the others are sealed anew.
async fn rekey_proposals(io: &Io, settings: &Settings, actor: &Actor, rekeyed: Rekeyed) -> Result<Rekeyed> {
    let query = ListQuery { kind: RecordKind::Pending, namespace: None, by: None, limit: REKEY_PAGE_MAX };
    let keys: Vec<RecordKey> = io.list_all(&query).await?.into_iter().map(|item| item.key).collect();
    let mut rekeyed = rekeyed;
    for page in keys.chunks(REKEY_PAGE_MAX as usize) {
        let call = Call { also: page.to_vec(), ..Call::of_vault(Action::Rekey, actor) };
        let Rekeyed { examined, changed, unreadable, .. } = transact(io, settings, &call, plan_proposals).await?;
        rekeyed.examined = rekeyed.examined.saturating_add(examined);
        rekeyed.changed = rekeyed.changed.saturating_add(changed);
        rekeyed.unreadable = rekeyed.unreadable.saturating_add(unreadable);
    }
    Ok(rekeyed)
}

fn plan_proposals(scene: &Scene<'_>, entropy: &mut dyn Entropy) -> Result<Plan<Rekeyed>> {
    let primary = scene.settings.keyring.primary()?;
    let mut rekeyed = Rekeyed::default();
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for record in scene.records.iter().flatten() {
        rekeyed.examined = rekeyed.examined.saturating_add(1);
        // One that is not the vault's own can't be confirmed, and needs no key.
        let Ok(mut proposal) = Proposal::verify(record, scene.head.record_keys()) else { continue };
        let Some(text) = &proposal.body.sealed else { continue };
        let expected = Expected::Revision(record.revision);
        if sealed::Sealed::parse(text)?.key_id() == primary.id() {
            continue;
        }
        if proposal.body.expires_at <= scene.now {
            deletes.push(Delete { key: record.key.clone(), expected });
            continue;
        }
        let lost = || Error::new(ErrorCode::RecordTampered, "a stored proposal has no id that could be one");
        let uid = Proposal::uid(&proposal.id).ok_or_else(lost)?;
        let context = Proposal::context(&proposal.body, &scene.head.vault_id, &uid);
        let Ok(opened) = scene.settings.keyring.open_sealed(text, &context) else {
            rekeyed.unreadable = rekeyed.unreadable.saturating_add(1);
            continue;
        };
        let sealed = sealed::seal(primary, entropy, &context, opened.value.expose())?;
        proposal.body.sealed = Some(sealed);
        puts.push(Put {
            record: proposal.next_record(&scene.head.keys.record, scene.now)?,
            expected,
            index: proposal.index(),
        });
    }
    let written = puts.len().saturating_add(deletes.len());
    rekeyed.changed = u64::try_from(written).unwrap_or(u64::MAX);
    let event = if written == 0 { EventPlan::None } else { EventPlan::Plain };
    Ok(Plan { output: rekeyed, writes: Writes { puts, deletes, ..Writes::default() }, event })
}
