//! Stores for Rust hosts: the storage contract as a trait, what else a host can be asked as another, and the loop that drives
//! a flow over both.

mod between;
mod blob;
mod document;
mod host;
mod memory;

pub use between::{Between, FailedBetween, drive_between};
pub use blob::{Blob, BlobWritten, DocumentFailed, DocumentStore, TaggedText};
pub use document::{Content, Document};
pub use host::{Cause, Host, HostRotation, Refusal};
pub use memory::MemoryStore;

use crate::audit::Event;
use crate::error::{Error, ErrorCode};
use crate::flow::{Answer, Applied, ChangeSet, CommitAnswer, EventQuery, Flow, Item, ListQuery, Reply, Request, Step};
use crate::record::{Record, RecordKey};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A page, and where it ended: nothing when it was the last. Only the last page may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as the query's limit.
    pub items: Vec<T>,
    /// What to ask for the next page with: any text that tells the store where to go on.
    pub cursor: Option<String>,
}

/// A commit that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitFailed<E> {
    /// Whether it was applied all the same. When nobody knows, the flow asks again with the same operation id.
    pub applied: Applied,
    /// Why it failed.
    pub cause: E,
}

/// Where a vault's records and events live. [`check_store`](crate::conformance::check_store) tells whether one is right.
pub trait Store {
    /// What it fails with.
    type Error;

    /// The records with these keys that exist, in any order, and no others; all as they were at one moment.
    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Self::Error>;

    /// A page of keys and revisions, ordered by namespace and name, byte by byte.
    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Self::Error>;

    /// Applies all of a change set or none of it. One whose operation id is among the events was applied before: it is
    /// answered `Committed`, and nothing is done.
    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Self::Error>>;

    /// A page of events, in the order of the query's scope.
    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Self::Error>;
}

/// A store that has one answer for all requests, and is a [`Store`] by that.
pub trait Answering {
    /// What it fails with. An answer to another request than it was asked is an error of the core: `STORAGE_FAILED`.
    type Error: From<Error>;

    /// Answers a request: see [`Store`]. Only a commit can have been applied all the same when it fails.
    fn answer(&mut self, request: &Request) -> Result<Answer, CommitFailed<Self::Error>>;
}

impl<A: Answering> Store for A {
    type Error = A::Error;

    fn load(&mut self, keys: &[RecordKey]) -> Result<Vec<Record>, Self::Error> {
        match self.answer(&Request::Load { keys: keys.to_vec() }).map_err(|failed| failed.cause)? {
            Answer::Load { records } => Ok(records),
            _ => Err(not_an_answer("load").into()),
        }
    }

    fn list(&mut self, query: &ListQuery, cursor: Option<&str>) -> Result<Page<Item>, Self::Error> {
        let request = Request::List { query: query.clone(), cursor: cursor.map(String::from) };
        match self.answer(&request).map_err(|failed| failed.cause)? {
            Answer::List { items, cursor } => Ok(Page { items, cursor }),
            _ => Err(not_an_answer("list").into()),
        }
    }

    fn commit(&mut self, change_set: &ChangeSet) -> Result<CommitAnswer, CommitFailed<Self::Error>> {
        match self.answer(&Request::Commit { change_set: change_set.clone() })? {
            Answer::Commit(answer) => Ok(answer),
            _ => Err(CommitFailed { applied: Applied::Unknown, cause: not_an_answer("commit").into() }),
        }
    }

    fn events(&mut self, query: &EventQuery, cursor: Option<&str>) -> Result<Page<Event>, Self::Error> {
        let request = Request::Events { query: query.clone(), cursor: cursor.map(String::from) };
        match self.answer(&request).map_err(|failed| failed.cause)? {
            Answer::Events { events, cursor } => Ok(Page { items: events, cursor }),
            _ => Err(not_an_answer("events").into()),
        }
    }
}

fn not_an_answer(request: &str) -> Error {
    let message = format!("the store answered `{request}` with something else: give the answer of that name");
    Error::new(ErrorCode::StorageFailed, message)
}

/// The time, for [`drive`]. A closure that tells it is a clock whose waiting takes none.
pub trait Clock {
    /// The present.
    fn now(&mut self) -> Timestamp;

    /// Lets some milliseconds pass, between two tries against other writers.
    fn wait(&mut self, _millis: u64) {}
}

impl<F: FnMut() -> Timestamp> Clock for F {
    fn now(&mut self) -> Timestamp {
        self()
    }
}

/// Why an operation failed; and when it was the store that failed, or what else it runs on, with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed<E> {
    /// The operation's error.
    pub error: Error,
    /// What the one that the error is about failed with last.
    pub cause: Option<E>,
}

impl<E> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Failed<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl<E> From<Error> for Failed<E> {
    fn from(error: Error) -> Self {
        Failed { error, cause: None }
    }
}

/// Drives a flow over a store to its end.
///
/// ```
/// use std::sync::Arc;
/// use strongroom::ident::Slot;
/// use strongroom::ops::Setting;
/// use strongroom::store::{MemoryStore, drive};
/// use strongroom::{Actor, Keyring, SecretBytes, Timestamp, Vault, VaultOptions};
/// # struct Counting(u64);
/// # impl strongroom::Entropy for Counting {
/// #     fn fill(&mut self, buffer: &mut [u8]) -> strongroom::Result<()> {
/// #         self.0 += 1;
/// #         buffer.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
/// #         Ok(())
/// #     }
/// # }
/// # fn os_entropy() -> Box<dyn strongroom::Entropy> { Box::new(Counting(0)) }
/// # fn now() -> Timestamp { Timestamp::from_millis(1_700_000_000_000) }
/// let keyring = Keyring::parse("x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=")?;
/// let vault = Vault::new(Arc::new(keyring), VaultOptions::default())?;
/// let (alice, slot) = (Actor::new("alice")?, Slot::parse(None, "STRIPE_API_KEY")?);
/// let mut store = MemoryStore::new();
/// let value = SecretBytes::copy_of(b"sk_test_abc123");
/// let written = drive(vault.set(&alice, &slot, (value.into(), Setting::default()), os_entropy()), &mut store, now)?;
/// assert_eq!(written.version, Some(1));
/// let read = drive(vault.get(&alice, &slot, os_entropy()), &mut store, now)?;
/// assert_eq!(read.value.expose(), b"sk_test_abc123");
/// # Ok::<(), strongroom::store::Failed<core::convert::Infallible>>(())
/// ```
pub fn drive<T: Send + 'static, S: Store>(
    flow: Flow<T>,
    store: &mut S,
    clock: impl Clock,
) -> Result<T, Failed<S::Error>> {
    drive_with(flow, store, &mut (), clock).map_err(|Failed { error, cause }| {
        let of_store = |cause| match cause {
            Cause::Store(cause) => cause,
            Cause::Host(never) => match never {},
        };
        Failed { error, cause: cause.map(of_store) }
    })
}

/// Why an operation failed over a store and a host.
pub type FailedWith<S, H> = Failed<Cause<<S as Store>::Error, <H as Host>::Error>>;

/// Drives a flow over a store and a host that can be asked for more than that: the environment, files, a rotator.
///
/// ```
/// use strongroom::SecretBytes;
/// use strongroom::store::{Host, Refusal};
///
/// /// Values of variables, and nothing else.
/// struct Variables(Vec<(&'static str, &'static str)>);
///
/// impl Host for Variables {
///     type Error = core::convert::Infallible;
///
///     fn read_env(&mut self, name: &str) -> Result<Option<SecretBytes>, Refusal<Self::Error>> {
///         let value = self.0.iter().find(|(variable, _)| *variable == name);
///         Ok(value.map(|(_, value)| SecretBytes::copy_of(value.as_bytes())))
///     }
/// }
/// ```
pub fn drive_with<T: Send + 'static, S: Store, H: Host>(
    mut flow: Flow<T>,
    store: &mut S,
    host: &mut H,
    mut clock: impl Clock,
) -> Result<T, FailedWith<S, H>> {
    let (mut reply, mut of_store, mut of_host) = (None, None, None);
    loop {
        let step = flow.step(clock.now(), reply.take())?;
        flow.take_findings().iter().for_each(|finding| host.found(finding));
        match step {
            Step::Done(Ok(done)) => return Ok(done),
            Step::Done(Err(error)) => {
                // What another failed with, earlier and without an end to it, is not the cause.
                let cause = match error.code() {
                    ErrorCode::StorageFailed => of_store.map(Cause::Store),
                    ErrorCode::RotationFailed | ErrorCode::ReferenceUnresolved => of_host.map(Cause::Host),
                    _ => None,
                };
                return Err(Failed { error, cause });
            }
            Step::Ask { number, request } => {
                if let Request::Wait { millis } = request {
                    clock.wait(millis);
                }
                let answer = match host::answer(host, &mut flow, &request, &mut of_host) {
                    Some(answer) => answer,
                    None => answer(store, &request).unwrap_or_else(|(failed, why)| {
                        of_store = Some(why);
                        failed
                    }),
                };
                if let (Request::Commit { change_set }, Answer::Commit(CommitAnswer::Committed)) = (&request, &answer) {
                    let news = change_set.events.iter().filter(|event| !event.is_foreign());
                    news.for_each(|event| host.committed(event));
                }
                reply = Some(Reply { number, answer });
            }
        }
    }
}

/// What a store says to a request: an answer, or the answer that tells of a failure, and its cause.
fn answer<S: Store>(store: &mut S, request: &Request) -> Result<Answer, (Answer, S::Error)> {
    let failed = |cause| (Answer::Failed { applied: Applied::Unknown }, cause);
    Ok(match request {
        Request::Load { keys } => Answer::Load { records: store.load(keys).map_err(failed)? },
        Request::List { query, cursor } => {
            let Page { items, cursor } = store.list(query, cursor.as_deref()).map_err(failed)?;
            Answer::List { items, cursor }
        }
        Request::Events { query, cursor } => {
            let Page { items: events, cursor } = store.events(query, cursor.as_deref()).map_err(failed)?;
            Answer::Events { events, cursor }
        }
        Request::Commit { change_set } => {
            let told = |CommitFailed { applied, cause }| (Answer::Failed { applied }, cause);
            Answer::Commit(store.commit(change_set).map_err(told)?)
        }
        Request::Wait { .. } => Answer::Wait {},
        // The host's.
        Request::ReadEnv { .. } | Request::ReadFile { .. } | Request::Rotate { .. } => Answer::Unsupported {},
        // Of two stores: see `drive_between`.
        Request::Target { .. } => Answer::Unsupported {},
    })
}
