//! Renew root: a root that leaked is replaced by one of a new epoch, and every record is moved to it, a page at a time.
//!
//! The first page puts the new root in force: from its commit on everything is written under that, for it writes the ring
//! anew, which every other commit checks. Records under the root before are believed until the last page has found that none
//! is left, and never again. Whoever is cut short begins again from the start: a renewal that is under way goes on, and what
//! was moved is passed over without a write.

use super::Settings;
use super::list::SecretWithStream;
use super::scene::{self, Scene};
use super::transact::{Access, Call, Detail, Each, EventPlan, Plan, Writes, authorized, transact};
use crate::audit::Action;
use crate::entropy::Entropy;
use crate::error::Result;
use crate::flow::{Delete, Expected, Io, ListQuery, PAGE_LIMIT, Put};
use crate::ident::Actor;
use crate::record::{Proposal, Record, RecordKey, RecordKind, Ring, Root, StreamHead, is_left_behind};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// The most streams, each with its secret, that one page takes in.
pub(crate) const RENEW_PAGE_MAX: u32 = 500;

/// What a page of a renewal did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Renewed {
    /// Which root is in force, from 1.
    pub epoch: u64,
    /// Secrets, and histories of deleted ones, that were looked at; on the last page proposals too.
    pub examined: u64,
    /// Those of them that were written.
    pub changed: u64,
    /// Values that no key of the keyring opens, of secrets that were written: nothing finds them by value any more.
    pub unreadable: u64,
    /// Where the next page begins; absent when this was the last, and the root before is believed no more.
    pub next: Option<String>,
}

/// Moves a page of at most `limit` secrets to the new root, from where the page before ended. The first one begins the
/// renewal, unless one is under way; the last one does the proposals and ends it.
///
/// Errors: `KEYRING_STALE`; `RECORD_TAMPERED` for a record that is under neither root, which is to be mended before the
/// renewal can end; those of opening the vault's roots and of [`transact`].
pub(crate) async fn renew_root(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    (after, limit): (Option<&str>, u32),
) -> Result<Renewed> {
    let call = Call::of_vault(Action::RenewRoot, actor);
    authorized(io, settings, &call).await?;
    let epoch = match after {
        None => transact(io, settings, &call, begin).await?,
        Some(_) => transact(io, settings, &call, |scene, _| Ok(Plan::silent(scene.head.epoch))).await?,
    };
    let mut renewed = Renewed { epoch, ..Renewed::default() };
    let (items, next) = io.list_page(&of_kind(RecordKind::Stream, limit), after.map(Into::into)).await?;
    let page: Vec<RecordKey> = items.into_iter().map(|item| item.key).collect();
    move_streams(io, settings, actor, &page, &mut renewed).await?;
    if next.is_some() {
        return Ok(Renewed { next, ..renewed });
    }
    for page in all(io, RecordKind::Pending).await?.chunks(PAGE_LIMIT as usize) {
        let call = Call { also: page.to_vec(), ..Call::of_vault(Action::RenewRoot, actor) };
        renewed.add(transact(io, settings, &call, move_proposals).await?);
    }
    // What pages were asked for is the caller's word: all is looked through once more, mostly to find that it is done.
    let mut left = Renewed::default();
    for page in all(io, RecordKind::Stream).await?.chunks(PAGE_LIMIT as usize) {
        move_streams(io, settings, actor, page, &mut left).await?;
    }
    renewed.changed = renewed.changed.saturating_add(left.changed);
    renewed.unreadable = renewed.unreadable.saturating_add(left.unreadable);
    transact(io, settings, &call, |scene, _| settle(scene, epoch)).await?;
    Ok(renewed)
}

impl Renewed {
    fn add(&mut self, page: Renewed) {
        self.examined = self.examined.saturating_add(page.examined);
        self.changed = self.changed.saturating_add(page.changed);
        self.unreadable = self.unreadable.saturating_add(page.unreadable);
    }
}

const fn of_kind(kind: RecordKind, limit: u32) -> ListQuery {
    ListQuery { kind, namespace: None, by: None, limit }
}

async fn all(io: &Io, kind: RecordKind) -> Result<Vec<RecordKey>> {
    Ok(io.list_all(&of_kind(kind, PAGE_LIMIT)).await?.into_iter().map(|item| item.key).collect())
}

/// Puts a new root in force, unless a renewal is under way; tells the epoch.
fn begin(scene: &Scene<'_>, entropy: &mut dyn Entropy) -> Result<Plan<u64>> {
    if scene.head.moving().is_some() {
        return Ok(Plan::silent(scene.head.epoch));
    }
    let ring = scene.ring.clone().unwrap_or(Ring { keys: Vec::new(), revision: 0 });
    let ring = match ring.revision {
        0 => ring.led_by(&scene.settings.keyring)?,
        _ => ring.check_writer(&scene.settings.keyring).map(|()| ring)?,
    };
    let (head, record) = scene.head.renewed(&scene.head_record, entropy, scene.now)?;
    let mut puts = vec![Put::plain(record, Expected::Revision(scene.head_record.revision))];
    // INVARIANT: whoever read the root before commits nothing from here on, for the ring has another revision.
    puts.push(Put::plain(ring.next_record(&head.keys.record, scene.now)?, scene::expected(ring.revision)));
    if let Some(policy) = &scene.policy {
        let expected = Expected::Revision(policy.revision);
        puts.push(Put::plain(policy.next_record(&head.keys.record, scene.now)?, expected));
    }
    let output = head.epoch;
    Ok(Plan { output, writes: Writes { puts, head: Some(head), ..Writes::default() }, event: EventPlan::Plain })
}

/// Moves streams, each with its secret if it has one.
async fn move_streams(
    io: &Io,
    settings: &Settings,
    actor: &Actor,
    streams: &[RecordKey],
    renewed: &mut Renewed,
) -> Result<()> {
    let with_secret = |key: &RecordKey| [key.clone(), RecordKey { kind: RecordKind::Secret, ..key.clone() }];
    // That of the vault is under the root in force from the first.
    let streams = streams.iter().filter(|key| **key != RecordKey::vault_stream());
    let also: Vec<RecordKey> = streams.flat_map(with_secret).collect();
    if !also.is_empty() {
        let call = Call { also, ..Call::of_vault(Action::RenewRoot, actor) };
        renewed.add(transact(io, settings, &call, move_page).await?);
    }
    Ok(())
}

fn move_page(scene: &Scene<'_>, _: &mut dyn Entropy) -> Result<Plan<Renewed>> {
    let (mut renewed, mut writes) = (Renewed::default(), Writes::default());
    let keys = scene.head.record_keys();
    for pair in scene.records.chunks(2) {
        let [Some(stream), secret] = pair else { continue };
        renewed.examined = renewed.examined.saturating_add(1);
        // A row that another program wrote is nobody's: only its history is moved.
        let Some(secret) = secret.as_ref().filter(|secret| secret.mac.is_some()) else {
            if stream.verify(keys)? == Root::Former {
                let record = StreamHead::verify(stream, keys)?.next_record(keys.current)?;
                writes.puts.push(Put::plain(record, Expected::Revision(stream.revision)));
            }
            continue;
        };
        if is_moved(secret, scene)? && is_moved(stream, scene)? {
            continue;
        }
        let (secret, stream) = (secret.clone(), Some(stream.clone()));
        let pair = SecretWithStream { secret, stream, head: scene.head.revision };
        let (mut secret, stream) = pair.verify_both(scene)?;
        secret.resealed = secret.resealed.saturating_add(1);
        for version in secret.sealed_versions() {
            let is_lost = version.value.is_some() && version.fingerprint.as_deref().is_none_or(is_left_behind);
            renewed.unreadable = renewed.unreadable.saturating_add(u64::from(is_lost));
        }
        let detail = Detail::of(Action::RenewRoot);
        writes.each.push(Each { secret, stream, detail, access: Access::Written });
    }
    Ok(plan(writes, renewed))
}

fn is_moved(record: &Record, scene: &Scene<'_>) -> Result<bool> {
    record.verify(scene.head.record_keys()).map(|root| root == Root::Current)
}

/// Proposals last minutes: those that are over go, the others are moved.
fn move_proposals(scene: &Scene<'_>, _: &mut dyn Entropy) -> Result<Plan<Renewed>> {
    let (mut renewed, mut writes) = (Renewed::default(), Writes::default());
    for record in scene.records.iter().flatten() {
        renewed.examined = renewed.examined.saturating_add(1);
        // One that is under neither root is not the vault's own, and keeps the renewal from nothing.
        let Ok(false) = is_moved(record, scene) else { continue };
        let Ok(proposal) = Proposal::verify(record, scene.head.record_keys()) else { continue };
        let expected = Expected::Revision(record.revision);
        if proposal.body.expires_at <= scene.now {
            writes.deletes.push(Delete { key: record.key.clone(), expected });
            continue;
        }
        let record = proposal.next_record(&scene.head.keys.record, scene.now)?;
        writes.puts.push(Put { record, expected, index: proposal.index() });
    }
    Ok(plan(writes, renewed))
}

fn plan(writes: Writes, mut renewed: Renewed) -> Plan<Renewed> {
    let written = writes.puts.len().saturating_add(writes.deletes.len()).saturating_add(writes.each.len());
    renewed.changed = u64::try_from(written).unwrap_or(u64::MAX);
    let event = if written == 0 { EventPlan::None } else { EventPlan::Plain };
    Plan { output: renewed, writes, event }
}

/// Ends the renewal whose records were all looked through: that of this epoch, and not one that was begun since.
fn settle(scene: &Scene<'_>, epoch: u64) -> Result<Plan<()>> {
    if scene.head.moving().is_none() || scene.head.epoch != epoch {
        return Ok(Plan::silent(()));
    }
    let record = scene.head.settled(&scene.head_record, scene.now)?;
    let mut puts = vec![Put::plain(record, Expected::Revision(scene.head_record.revision))];
    // What was decided on while the root before was believed is decided anew.
    if let Some(ring) = &scene.ring {
        let record = ring.next_record(&scene.head.keys.record, scene.now)?;
        puts.push(Put::plain(record, Expected::Revision(ring.revision)));
    }
    Ok(Plan { output: (), writes: Writes { puts, ..Writes::default() }, event: EventPlan::Plain })
}
