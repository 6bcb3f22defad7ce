//! The port through which an operation asks: one open request at a time, and the checks that no answer is believed
//! without.

use super::message::{Answer, Applied, CommitAnswer, EventQuery, Found, Item, ListQuery, Reply, Request};
use super::{ChangeSet, Entropy};
use crate::audit::Event;
use crate::error::{Error, ErrorCode, Result};
use crate::metrics::{Observer, Standings};
use crate::record::{Record, RecordKey};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;
use spin::Mutex;

/// How often a commit with an unknown end is asked for, all in all.
const COMMIT_ASKS: u32 = 3;

/// What a flow and its operation share: the time, the entropy, and the one open request.
pub(super) struct Exchange {
    now: Timestamp,
    // Taken out while it is in use, so that the lock is never held while something else runs.
    entropy: Option<Box<dyn Entropy>>,
    number: u64,
    request: Option<Request>,
    answer: Option<Answer>,
    /// What comes beside the next answer.
    offered: Vec<SecretBytes>,
    /// What goes beside the open request.
    shown: Option<SecretBytes>,
    observer: Option<Observer>,
}

impl Exchange {
    pub(super) fn new(entropy: Box<dyn Entropy>, observer: Option<Observer>) -> Self {
        let now = Timestamp::from_millis(0);
        let (request, answer, offered, shown) = Default::default();
        Exchange { now, entropy: Some(entropy), number: 0, request, answer, offered, shown, observer }
    }

    pub(super) fn offer(&mut self, value: SecretBytes) {
        self.offered.push(value);
    }

    pub(super) fn take_shown(&mut self) -> Option<SecretBytes> {
        self.shown.take()
    }

    pub(super) fn observer(&mut self) -> Option<&mut Observer> {
        self.observer.as_mut()
    }

    /// Takes a reply if it is the one that is due.
    pub(super) fn accept(&mut self, now: Timestamp, reply: Option<Reply>, started: bool) -> Result<()> {
        let stale = |message: String| Err(Error::new(ErrorCode::StaleReply, message));
        match reply {
            None if started => stale(format!("request {} is open and was not answered", self.number)),
            Some(reply) if !started => stale(format!("no request is open, and the reply answers {}", reply.number)),
            Some(reply) if reply.number != self.number => {
                stale(format!("request {} is open, and the reply answers {}", self.number, reply.number))
            }
            reply => {
                self.now = now;
                self.answer = reply.map(|reply| reply.answer);
                if let (Some(observer), Some(answer)) = (&mut self.observer, &self.answer) {
                    observer.answered(answer);
                }
                Ok(())
            }
        }
    }

    pub(super) fn open_request(&mut self) -> Result<(u64, Request)> {
        let request = self.request.take();
        let request = request.ok_or_else(|| Error::new(ErrorCode::FlowDone, "the operation waits for nothing"))?;
        if let Some(observer) = &mut self.observer {
            observer.asked(&request);
        }
        Ok((self.number, request))
    }
}

/// What the host has of something that it was asked for.
#[derive(Debug)]
pub(crate) enum Given {
    Value(SecretBytes),
    Missing,
    Failed,
}

/// Why a host did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has no such thing.
    Unsupported,
    Failed,
}

/// How a commit ended, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    Yes,
    Conflict,
}

/// An operation's way to its host.
pub(crate) struct Io {
    exchange: Arc<Mutex<Exchange>>,
    store: Which,
}

/// Which store is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The vault's own.
    Own,
    /// The one that the vault is copied to.
    Target,
}

impl Io {
    pub(super) fn new(exchange: Arc<Mutex<Exchange>>) -> Self {
        Io { exchange, store: Which::Own }
    }

    /// The way to the store that the vault is copied to.
    pub(crate) fn to_target(&self) -> Self {
        Io { exchange: Arc::clone(&self.exchange), store: Which::Target }
    }

    /// The time of the last step.
    pub(crate) fn now(&self) -> Timestamp {
        self.exchange.lock().now
    }

    /// Runs something that needs randomness.
    pub(crate) fn with_entropy<T>(&self, run: impl FnOnce(&mut dyn Entropy) -> Result<T>) -> Result<T> {
        let taken = self.exchange.lock().entropy.take();
        let mut entropy =
            taken.ok_or_else(|| Error::new(ErrorCode::EntropyFailed, "the source of randomness is in use"))?;
        let result = run(&mut *entropy);
        self.exchange.lock().entropy = Some(entropy);
        result
    }

    /// The records with these keys, each in the place of its key. Errors: `STORAGE_FAILED`, also for records that were not
    /// asked for.
    pub(crate) async fn load(&self, keys: Vec<RecordKey>) -> Result<Vec<Option<Record>>> {
        match self.ask(Request::Load { keys: keys.clone() }).await {
            Answer::Load { records } => place(&keys, records),
            _ => Err(Error::new(
                ErrorCode::StorageFailed,
                "Failed to load secrets: the store failed or gave no records; look at the cause, then try again",
            )),
        }
    }

    /// Every key of a kind, page by page. Errors: `STORAGE_FAILED`, also for pages that do not advance.
    pub(crate) async fn list_all(&self, query: &ListQuery) -> Result<Vec<Item>> {
        let (mut all, mut seen, mut cursor): (Vec<Item>, Vec<RecordKey>, Option<String>) = Default::default();
        loop {
            let (items, next) = self.list_page(query, cursor.take()).await?;
            if let (None, Some(last), Some(first)) = (&query.by, all.last(), items.first())
                && last.key >= first.key
            {
                return Err(wrong_answer("list", "keys that were not asked for, out of order, or twice"));
            }
            let before = all.len();
            for item in items {
                // Between two pages the instant that one is found by may have changed: once is enough.
                match seen.binary_search(&item.key) {
                    Ok(_) => continue,
                    Err(place) if query.by.is_some() => seen.insert(place, item.key.clone()),
                    // In order, as was seen above.
                    Err(_) => {}
                }
                all.push(item);
            }
            if next.is_some() && all.len() == before {
                return Err(wrong_answer("list", "a page that brings nothing new"));
            }
            match next {
                None => return Ok(all),
                cursor_now => cursor = cursor_now,
            }
        }
    }

    /// One page of keys of a kind and where it ended. Errors: `STORAGE_FAILED`, also for pages that do not advance.
    pub(crate) async fn list_page(
        &self,
        query: &ListQuery,
        cursor: Option<String>,
    ) -> Result<(Vec<Item>, Option<String>)> {
        let request = Request::List { query: query.clone(), cursor: cursor.clone() };
        let Answer::List { items, cursor: next } = self.ask(request).await else {
            return Err(wrong_answer("list", "no page"));
        };
        if next.is_some() && (items.is_empty() || next == cursor) {
            return Err(wrong_answer("list", "an empty page that is not the last"));
        }
        let mut last: Option<&Item> = None;
        let mut in_order: Vec<&Item> = items.iter().collect();
        // What is found by an instant stands in an order that items do not show.
        if query.by.is_some() {
            in_order.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        }
        for item in in_order {
            let advances = last.is_none_or(|last| last.key < item.key);
            let elsewhere = query.namespace.as_ref().is_some_and(|namespace| *namespace != item.key.namespace);
            if item.key.kind != query.kind || elsewhere || !advances {
                return Err(wrong_answer("list", "keys that were not asked for, out of order, or twice"));
            }
            last = Some(item);
        }
        Ok((items, next))
    }

    /// One page of events and where it ended. Errors: `STORAGE_FAILED`.
    pub(crate) async fn events(
        &self,
        query: &EventQuery,
        cursor: Option<String>,
    ) -> Result<(Vec<Event>, Option<String>)> {
        match self.ask(Request::Events { query: query.clone(), cursor: cursor.clone() }).await {
            Answer::Events { cursor: Some(next), .. } if cursor.as_ref() == Some(&next) => {
                Err(wrong_answer("events", "a page that does not advance"))
            }
            Answer::Events { events, cursor } if events.is_empty() && cursor.is_some() => {
                Err(wrong_answer("events", "an empty page that is not the last"))
            }
            Answer::Events { events, cursor } => Ok((events, cursor)),
            _ => Err(wrong_answer("events", "no page")),
        }
    }

    /// Applies a change set. When nobody knows whether it was applied, asks again with the same operation id: the store
    /// then says so. Errors: `STORAGE_FAILED`.
    pub(crate) async fn commit(&self, change_set: ChangeSet) -> Result<Committed> {
        for ask in 1..=COMMIT_ASKS {
            match self.ask(Request::Commit { change_set: change_set.clone() }).await {
                Answer::Commit(CommitAnswer::Committed) => return Ok(Committed::Yes),
                Answer::Commit(CommitAnswer::Conflict) => return Ok(Committed::Conflict),
                // Asked again, it can only speak for this time: the change may be applied since the time before.
                Answer::Failed { applied: Applied::No } if ask == 1 => {
                    let message = "the store failed and applied nothing; look at the cause, then try again";
                    return Err(Error::new(ErrorCode::StorageFailed, message));
                }
                _ if ask < COMMIT_ASKS => self.wait(u64::from(ask) * 20).await?,
                _ => {}
            }
        }
        let message = "the store failed and it is not known whether the change was applied; look before trying again";
        Err(Error::new(ErrorCode::StorageFailed, message))
    }

    /// Lets time pass. Errors: `STORAGE_FAILED` when the host can't.
    pub(crate) async fn wait(&self, millis: u64) -> Result<()> {
        match self.ask(Request::Wait { millis }).await {
            Answer::Wait {} => Ok(()),
            _ => Err(wrong_answer("wait", "something else")),
        }
    }

    /// The values that the host gave before the first step.
    pub(crate) fn take_offered(&self) -> Vec<SecretBytes> {
        core::mem::take(&mut self.exchange.lock().offered)
    }

    /// What the host has of each of some things, in their order.
    pub(crate) async fn values(&self, request: Request) -> core::result::Result<Vec<Given>, Refused> {
        let asked = match &request {
            Request::ReadEnv { names: asked } | Request::ReadFile { paths: asked } => asked.len(),
            _ => 1,
        };
        let answer = self.ask(request).await;
        let offered = self.take_offered();
        let found = match answer {
            Answer::Values { found } if found.len() == asked => found,
            Answer::Unsupported {} => return Err(Refused::Unsupported),
            _ => return Err(Refused::Failed),
        };
        let mut offered = offered.into_iter();
        let mut given = Vec::with_capacity(found.len());
        for found in found {
            given.push(match found {
                Found::Given => offered.next().map(Given::Value).ok_or(Refused::Failed)?,
                Found::Missing => Given::Missing,
                Found::Failed => Given::Failed,
            });
        }
        if offered.next().is_some() { Err(Refused::Failed) } else { Ok(given) }
    }

    /// Has the host make a value the one in use.
    pub(crate) async fn activate(&self, request: Request, value: SecretBytes) -> core::result::Result<(), Refused> {
        self.exchange.lock().shown = Some(value);
        let answer = self.ask(request).await;
        self.exchange.lock().shown = None;
        match answer {
            Answer::Activated {} => Ok(()),
            Answer::Unsupported {} => Err(Refused::Unsupported),
            _ => Err(Refused::Failed),
        }
    }

    /// Has the call count as refused although it tells so in words.
    pub(crate) fn refused(&self, code: ErrorCode) {
        if let Some(observer) = self.exchange.lock().observer() {
            observer.refused(code);
        }
    }

    /// Tells how secrets stand, for who counts them.
    pub(crate) fn stand(&self, standings: Standings) {
        if let Some(observer) = self.exchange.lock().observer() {
            observer.stand(standings);
        }
    }

    /// The answer to one request, not looked at.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let request = match (self.store, request) {
            // Time is the same for both.
            (Which::Own, request) | (_, request @ Request::Wait { .. }) => request,
            (Which::Target, request) => Request::Target { request: Box::new(request) },
        };
        {
            let mut exchange = self.exchange.lock();
            exchange.number = exchange.number.saturating_add(1);
            exchange.request = Some(request);
            exchange.answer = None;
            exchange.offered.clear();
        }
        poll_fn(|_| match self.exchange.lock().answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }
}

/// Puts records in the places of their keys. Stores mostly answer in the order of the keys, so the search for each begins
/// where the one before it was found.
fn place(keys: &[RecordKey], records: Vec<Record>) -> Result<Vec<Option<Record>>> {
    let mut placed: Vec<Option<Record>> = keys.iter().map(|_| None).collect();
    let mut after = 0;
    for record in records {
        let mut places = keys.iter().enumerate().cycle().skip(after).take(keys.len());
        let found = places.find(|(_, key)| **key == record.key).and_then(|(at, _)| Some((at, placed.get_mut(at)?)));
        let Some((at, place)) = found else {
            return Err(wrong_answer("load", "a record that was not asked for"));
        };
        if place.replace(record).is_some() {
            return Err(wrong_answer("load", "one record twice"));
        }
        after = at.saturating_add(1) % keys.len().max(1);
    }
    Ok(placed)
}

fn wrong_answer(request: &str, what: &str) -> Error {
    let message = format!("the store failed, or answered `{request}` with {what}; look at the cause, then try again");
    Error::new(ErrorCode::StorageFailed, message)
}
