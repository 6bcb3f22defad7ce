//! Copy to: the whole vault, its records and its history, into another store.
//!
//! Records go at their very revisions, so that they need no other MAC, and events in the order in which they were
//! committed, each change set taking some of both. The vault's head goes last and alone, once all else was read back: a
//! store without it is no vault, so that nothing takes a copy that was cut short for one.

use super::Settings;
use super::adopt::is_nameless;
use super::list::SecretWithStream;
use super::scene::Scene;
use super::transact::{Call, Plan, authorized, transact};
use super::verify_audit::{examine, examine_copy};
use crate::audit::{Action, Event};
use crate::encoding::hex;
use crate::entropy::make_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::flow::{
    Answer, ChangeSet, Committed, Delete, EventQuery, EventScope, Expected, Io, Item, ListQuery, Put, Request,
};
use crate::ident::Actor;
use crate::record::{Index, Proposal, Record, RecordKey, RecordKind, StreamHead};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::Serialize;

/// How many events a change set brings, and how many secrets at least while there are any. There is an event for every secret,
/// every proposal and every stream, so that the secrets come to an end no later than the events.
const PAGE: u32 = 250;

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Which vault it is: 32 hex digits.
    pub vault_id: String,
    /// Secrets.
    pub secrets: u64,
    /// Proposals, those that are over among them.
    pub proposals: u64,
    /// Events, the old rows outside the chain among them.
    pub events: u64,
    /// Rows of another program that were left behind: nobody could ask for their names.
    pub left: u64,
}

/// Copies a vault into an empty store, the io's target. Errors: those of [`ready`]; `CONFLICT` when the vault was used
/// meanwhile; `RECORD_TAMPERED`; those of both stores.
pub(crate) async fn copy_to(io: &Io, settings: &Settings, actor: &Actor) -> Result<Copied> {
    let call = Call::of_vault(Action::CopyTo, actor);
    authorized(io, settings, &call).await?;
    let target = io.to_target();
    let ready = ready(io, settings, &target).await;
    // What keeps it from being copied is recorded before it is told; other failures found nothing.
    if let Err(error) = &ready
        && error.code() != ErrorCode::InvalidArgument
        && !error.code().is_finding()
    {
        return Err(error.clone());
    }
    let heads = transact(io, settings, &call, |_, _| ready.clone().map(Plan::record)).await?;
    let Some(scene) = Scene::load(io, settings, None, &[]).await? else { return Err(used_meanwhile()) };
    let (newest, begins) = pages_of_events(io).await?;
    let OfVault { head, stream, others } = of_vault(io, &scene).await?;
    let mut copy = Copy { target: &target, stream, has_stream: false };
    let mut records = Records::of(io, &scene);
    let mut events = 0;
    // From the oldest page to the one before the newest.
    for begin in begins.iter().skip(1).rev() {
        let page = events_from(io, begin.as_deref()).await?;
        if page.is_empty() {
            continue;
        }
        events += page.len();
        copy.write(records.next().await?, page).await?;
    }
    let mut puts = records.rest().await?;
    puts.extend(others);
    puts.extend(copy.rest());
    let last = events_from(io, None).await?;
    // Whatever is done with a vault ends in an event: with the same newest one it is as it was.
    if last.last() != newest.as_ref() || records.heads != heads {
        return Err(used_meanwhile());
    }
    events += last.len();
    let copied = Copied { vault_id: hex(&scene.head.vault_id), events: count(events), ..records.copied };
    copy.write(puts, last).await?;
    let in_target = examine_copy(&target, &scene).await.map_err(of_target)?;
    if in_target.events.saturating_add(in_target.unchained) != copied.events {
        return Err(of_target(lost()));
    }
    crown(&target, settings, head).await?;
    Ok(copied)
}

/// Whether the vault is intact and the target empty; tells how many streams have a head. Errors: `AUDIT_TAMPERED`, `RECORD_TAMPERED`; `INVALID_ARGUMENT`;
/// `UNSUPPORTED` when the host has no target.
async fn ready(io: &Io, settings: &Settings, target: &Io) -> Result<u64> {
    if let Answer::Unsupported {} = target.ask(Request::Load { keys: Vec::new() }).await {
        let message = "the host has no store to copy to: drive the flow over two";
        return Err(Error::new(ErrorCode::Unsupported, message));
    }
    if let Some(what) = found_in(target).await.map_err(of_target)? {
        let message = format!("the target store is not empty: it has {what}; empty it, or give one that is");
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    examine(io, settings, &[]).await.map(|(_, chain)| chain.heads)
}

/// What is in a store, if anything is.
async fn found_in(target: &Io) -> Result<Option<&'static str>> {
    let kinds = [
        (RecordKind::Head, "a vault"),
        (RecordKind::Stream, PART),
        (RecordKind::Secret, "secrets, and no vault's head"),
        (RecordKind::Pending, PART),
        (RecordKind::Ring, PART),
        (RecordKind::Policy, PART),
    ];
    for (kind, what) in kinds {
        let query = ListQuery { kind, namespace: None, by: None, limit: 1 };
        if !target.list_page(&query, None).await?.0.is_empty() {
            return Ok(Some(what));
        }
    }
    Ok(newest_of(target).await?.map(|_| PART))
}

const PART: &str = "a part of a vault without its head, such as a copy that was cut short leaves";

/// The records of a vault, a change set after the other.
struct Records<'a> {
    io: &'a Io,
    scene: &'a Scene<'a>,
    /// The kinds that are left to look through, the next one last, and where its next page begins.
    kinds: Vec<RecordKind>,
    cursor: Option<String>,
    waiting: Vec<Put>,
    /// How many heads of streams they brought, that of the vault among them.
    heads: u64,
    copied: Copied,
}

impl<'a> Records<'a> {
    fn of(io: &'a Io, scene: &'a Scene<'a>) -> Self {
        let kinds = vec![RecordKind::Pending, RecordKind::Stream, RecordKind::Secret];
        Records { io, scene, kinds, cursor: None, waiting: Vec::new(), heads: 1, copied: Copied::default() }
    }

    /// Those of the next change set: a page at least, unless there are no more.
    async fn next(&mut self) -> Result<Vec<Put>> {
        // A secret brings the head of its stream.
        while self.waiting.len() < 2 * PAGE as usize && self.read().await? {}
        Ok(core::mem::take(&mut self.waiting))
    }

    /// All that are left.
    async fn rest(&mut self) -> Result<Vec<Put>> {
        while self.read().await? {}
        Ok(core::mem::take(&mut self.waiting))
    }

    /// Reads a page; tells whether there was one. Errors: `RECORD_TAMPERED`.
    async fn read(&mut self) -> Result<bool> {
        let Some(&kind) = self.kinds.last() else { return Ok(false) };
        let query = ListQuery { kind, namespace: None, by: None, limit: PAGE };
        let (items, next) = self.io.list_page(&query, self.cursor.take()).await?;
        if next.is_none() {
            self.kinds.pop();
        }
        self.cursor = next;
        match kind {
            RecordKind::Secret => self.read_secrets(items).await?,
            RecordKind::Stream => self.read_streams(items).await?,
            _ => self.read_proposals(items).await?,
        }
        Ok(true)
    }

    async fn read_secrets(&mut self, items: Vec<Item>) -> Result<()> {
        let (left, items): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_nameless);
        self.copied.left = self.copied.left.saturating_add(count(left.len()));
        let head = self.scene.head.revision;
        for (secret, stream) in self.in_pairs(items, RecordKind::Stream).await? {
            let secret = secret.ok_or_else(used_meanwhile)?;
            let pair = SecretWithStream { secret, stream, head };
            let index = pair.verify(self.scene)?.index();
            self.waiting.push(as_it_is(pair.secret, index));
            self.waiting.extend(pair.stream.map(|stream| as_it_is(stream, Index::NONE)));
            self.heads = self.heads.saturating_add(1);
            self.copied.secrets = self.copied.secrets.saturating_add(1);
        }
        Ok(())
    }

    /// Those of secrets that were deleted.
    async fn read_streams(&mut self, items: Vec<Item>) -> Result<()> {
        let items = items.into_iter().filter(|item| item.key != RecordKey::vault_stream()).collect();
        for (stream, secret) in self.in_pairs(items, RecordKind::Secret).await? {
            let stream = stream.ok_or_else(used_meanwhile)?;
            if secret.is_some() {
                continue;
            }
            self.heads = self.heads.saturating_add(1);
            StreamHead::verify(&stream, self.scene.head.record_keys())?;
            self.waiting.push(as_it_is(stream, Index::NONE));
        }
        Ok(())
    }

    async fn read_proposals(&mut self, items: Vec<Item>) -> Result<()> {
        let keys = items.into_iter().map(|item| item.key).collect();
        for record in self.io.load(keys).await? {
            let record = record.ok_or_else(used_meanwhile)?;
            let index = Proposal::verify(&record, self.scene.head.record_keys())?.index();
            self.waiting.push(as_it_is(record, index));
            self.copied.proposals = self.copied.proposals.saturating_add(1);
        }
        Ok(())
    }

    /// Records, each with that of another kind in its slot, of one state of the store.
    async fn in_pairs(&self, items: Vec<Item>, other: RecordKind) -> Result<Vec<(Option<Record>, Option<Record>)>> {
        let with_other = |item: Item| [RecordKey { kind: other, ..item.key.clone() }, item.key];
        let mut loaded = self.io.load(items.into_iter().flat_map(with_other).collect()).await?.into_iter();
        let mut pairs = Vec::with_capacity(loaded.len() / 2);
        while let (Some(other), Some(record)) = (loaded.next(), loaded.next()) {
            pairs.push((record, other));
        }
        Ok(pairs)
    }
}

/// The records of the vault itself.
struct OfVault {
    head: Put,
    stream: Put,
    others: Vec<Put>,
}

async fn of_vault(io: &Io, scene: &Scene<'_>) -> Result<OfVault> {
    let keys = vec![RecordKey::head(), RecordKey::vault_stream(), RecordKey::policy(), RecordKey::ring()];
    let records = io.load(keys).await?;
    records.iter().flatten().try_for_each(|record| record.verify(scene.head.record_keys()).map(|_| ()))?;
    let mut puts = records.into_iter().map(|record| record.map(|record| as_it_is(record, Index::NONE)));
    let (Some(Some(head)), Some(Some(stream))) = (puts.next(), puts.next()) else { return Err(used_meanwhile()) };
    Ok(OfVault { head, stream, others: puts.flatten().collect() })
}

/// A record that is written as it was read, where there is none.
fn as_it_is(record: Record, index: Index) -> Put {
    Put { record, expected: Expected::Absent, index }
}

const fn latest(limit: u32) -> EventQuery {
    EventQuery { scope: EventScope::Latest, limit }
}

async fn newest_of(io: &Io) -> Result<Option<Event>> {
    Ok(io.events(&latest(1), None).await?.0.into_iter().next())
}

/// The newest event, and where the pages begin, the newest first: histories can be longer than memory.
async fn pages_of_events(io: &Io) -> Result<(Option<Event>, Vec<Option<String>>)> {
    let (mut newest, mut begins) = (None, vec![None]);
    loop {
        let begin = begins.last().cloned().flatten();
        let is_first = begin.is_none();
        let (events, next) = io.events(&latest(PAGE), begin).await?;
        if is_first {
            newest = events.into_iter().next();
        }
        match next {
            Some(_) => begins.push(next),
            None => return Ok((newest, begins)),
        }
    }
}

/// A page of events, the oldest of them first.
async fn events_from(io: &Io, begin: Option<&str>) -> Result<Vec<Event>> {
    let (mut events, _) = io.events(&latest(PAGE), begin.map(Into::into)).await?;
    events.reverse();
    Ok(events)
}

/// A copy while it is made.
struct Copy<'a> {
    target: &'a Io,
    /// The head of the vault's stream.
    stream: Put,
    has_stream: bool,
}

impl Copy<'_> {
    /// Writes a part. Its id is in none of its events, since these are of other operations: a store that is asked again, for its
    /// reply got lost, finds its records there and the events' places taken. Errors: `CONFLICT` when somebody else writes there.
    async fn write(&mut self, mut puts: Vec<Put>, events: Vec<Event>) -> Result<()> {
        let mut deletes = Vec::new();
        // Old rows have no place: without a record that comes or goes with them they would be appended twice.
        if puts.is_empty() && !events.iter().any(|event| event.stream.is_some() && event.seq.is_some()) {
            if self.has_stream {
                deletes.push(deletion(&self.stream));
            } else {
                puts.push(self.stream.clone());
            }
            self.has_stream = !self.has_stream;
        }
        let last = events.last().cloned();
        match commit(self.target, (puts, deletes, events)).await? {
            Committed::Yes => Ok(()),
            Committed::Conflict if newest_of(self.target).await.map_err(of_target)? == last => Ok(()),
            Committed::Conflict => Err(written_by_others()),
        }
    }

    /// What is to be written yet of the record that goes with old rows.
    fn rest(&self) -> Option<Put> {
        (!self.has_stream).then(|| self.stream.clone())
    }
}

/// Makes a copy that is whole a vault. One that does not open as such is none again. Errors: `CONFLICT` when somebody else
/// writes there; those of opening a vault.
async fn crown(target: &Io, settings: &Settings, head: Put) -> Result<()> {
    let committed = commit(target, (vec![head.clone()], Vec::new(), Vec::new())).await?;
    // Asked again, for its reply got lost, the store finds it there.
    if committed == Committed::Conflict && head_in(target).await?.as_ref() != Some(&head.record) {
        return Err(written_by_others());
    }
    let opened = Scene::load(target, settings, None, &[]).await;
    let is_same = |scene: &Scene<'_>| scene.head_record == head.record;
    let Err(error) = opened.and_then(|scene| scene.filter(is_same).map(|_| ()).ok_or_else(lost)) else {
        return Ok(());
    };
    let deleted = commit(target, (Vec::new(), vec![deletion(&head)], Vec::new())).await;
    if deleted == Ok(Committed::Yes) || matches!(head_in(target).await, Ok(None)) {
        return Err(of_target(error));
    }
    let message =
        format!("in the target store: {error}; and its head cannot be deleted again: empty that store yourself");
    Err(Error::new(error.code(), message))
}

async fn head_in(target: &Io) -> Result<Option<Record>> {
    Ok(target.load(vec![RecordKey::head()]).await.map_err(of_target)?.pop().flatten())
}

fn deletion(put: &Put) -> Delete {
    Delete { key: put.record.key.clone(), expected: Expected::Revision(put.record.revision) }
}

async fn commit(target: &Io, (puts, deletes, events): (Vec<Put>, Vec<Delete>, Vec<Event>)) -> Result<Committed> {
    let operation_id = hex(&target.with_entropy(make_bytes::<16>)?);
    let (checks, counters) = (Vec::new(), Vec::new());
    let change_set = ChangeSet { operation_id, puts, deletes, checks, counters, events };
    target.commit(change_set).await.map_err(of_target)
}

fn written_by_others() -> Error {
    Error::new(ErrorCode::Conflict, "something else writes into the target store: empty it, and copy again")
}

fn of_target(error: Error) -> Error {
    Error::new(error.code(), format!("in the target store: {error}"))
}

fn used_meanwhile() -> Error {
    let message = "the vault was used while it was copied, and the copy was left without a head: stop what uses it, empty \
                   the target store, and copy again";
    Error::new(ErrorCode::Conflict, message)
}

fn lost() -> Error {
    Error::new(ErrorCode::StorageFailed, "it does not hold as many events as it was given: the copy is not whole")
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
